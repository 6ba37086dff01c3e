"use strict";
/*
 * The adapter of each namespace. Like any adapter, it keeps the rooms of this backend's sockets. It also reports the
 * rooms to the edge, which delivers broadcasts. A broadcast leaves as one frame on each link, however many clients
 * receive it.
 */
const { T, F } = require("./frame");
const { encodeArgs } = require("./args");
const { EVENT } = require("./socket");
const { RoomMap } = require("./rooms");

const MAX_ROOMS = 4096;
const NO_ROOMS = new Set();

/* The edge knows room names as text. The application may have joined "7" as the number 7, so both forms count. */
function bothForms(rooms) {
	const all = new Set();
	for (const room of rooms) {
		all.add(room);
		if (/^(0|[1-9]\d{0,14})$/.test(room)) all.add(Number(room));
	}
	return all;
}

/* `Base` is the in-memory Adapter of the application's own copy of socket.io-adapter. */
function makeAdapterClass(Base, backend) {
	return class BackendAdapter extends Base {
		static ofBackend = true;

		constructor(nsp) {
			super(nsp);
			this.rooms = new RoomMap();
			this.sids = new RoomMap();
			this.opening = new Map(); // id -> socket whose middlewares run
			this.watched = false; // a socket has an onAnyOutgoing() listener
			backend.history.offer(nsp);
			backend.presence.offer(nsp);
			// Acknowledgements arrive with a number alone, so all namespaces share one counter.
			Object.defineProperty(nsp, "_ids", { get: () => backend.ids, set: (id) => (backend.ids = id % 0x100000000), configurable: true });
		}

		/* The socket with this id, also while its middlewares run. */
		find(id) {
			return this.nsp.sockets.get(id) ?? this.opening.get(id);
		}

		/* ------------------------------------------------------------ rooms */

		addAll(id, rooms) {
			const socket = this.find(id);
			if (socket?._handle > 0 && !socket._handedOff) {
				const fresh = [];
				for (const room of rooms) if (room !== id && !this.sids.get(id)?.has(room)) fresh.push(room);
				if (fresh.length > 0) sendRooms(socket, T.JOIN, fresh);
			}
			this._add(id, rooms);
		}

		/* A socket that joins only the room of its own id needs no Set yet. */
		_add(id, rooms) {
			if (rooms.size !== 1 || !rooms.has(id) || this.sids.has(id) || this.rooms.has(id)) return super.addAll(id, rooms);
			this.sids.setOnly(id, id);
			this.rooms.setOnly(id, id);
			this.emit("create-room", id);
			this.emit("join-room", id, id);
		}

		_removeAll(id) {
			if (!this.sids.isOnly(id) || !this.rooms.isOnly(id)) return super.delAll(id);
			this.sids.delete(id);
			this.rooms.delete(id);
			this.emit("leave-room", id, id);
			this.emit("delete-room", id);
		}

		del(id, room) {
			const socket = this.find(id);
			if (socket?._handle > 0 && !socket._handedOff) sendRooms(socket, T.LEAVE, [room]);
			super.del(id, room);
			if (socket?.recovered) this._delOtherForm(id, room);
		}

		delAll(id) {
			const socket = this.find(id);
			if (socket?._handle > 0 && !socket._leaving && !socket._handedOff) {
				const rooms = this.sids.get(id);
				if (rooms?.size > 0) sendRooms(socket, T.LEAVE, rooms);
			}
			this._removeAll(id);
		}

		/* Adds the socket to the rooms here. At the edge, CATCHUP or tell() adds it. */
		enter(id, rooms) {
			this._add(id, rooms);
		}

		tell(socket, rooms) {
			sendRooms(socket, T.JOIN, rooms);
		}

		/* The next three methods apply changes that the edge reports, so they send nothing back. */
		restore(id, rooms) {
			this._add(id, bothForms(rooms));
		}

		removeRooms(id, rooms) {
			for (const room of bothForms(rooms)) super.del(id, room);
		}

		removeQuietly(id) {
			this._removeAll(id);
		}

		_delOtherForm(id, room) {
			const other = typeof room === "number" ? String(room) : Number(room);
			if (String(other) === String(room)) super.del(id, other);
		}

		/* ------------------------------------------------------------ broadcasts */

		broadcast(packet, opts) {
			const flags = opts.flags || {};
			if (packet.type !== EVENT) return;
			packet.nsp = this.nsp.name;
			if (flags.local) return void this._emitLocally(packet, opts, flags);
			this._cast(packet, opts, flags, 0);
			this._show(packet, opts, flags);
		}

		broadcastWithAck(packet, opts, onCount, onAnswer) {
			const flags = opts.flags || {};
			const others = backend.peers.count;
			const report = (count) => {
				onCount(count);
				for (let i = 0; i < others; i++) onCount(0);
			};
			packet.nsp = this.nsp.name;
			packet.id = this.nsp._ids++;
			if (flags.local) return report(this._emitLocally(packet, opts, flags, onAnswer));
			backend.expectAnswers(packet.id, flags.timeout, report, onAnswer);
			this._cast(packet, opts, flags, F.ACK | F.TIMED);
			this._show(packet, opts, flags);
			backend.countAnswers(packet.id);
		}

		_cast(packet, opts, flags, bits) {
			const args = encodeArgs(packet.data);
			const rooms = opts.rooms || NO_ROOMS;
			const except = opts.except || NO_ROOMS;
			if (rooms.size > MAX_ROOMS || except.size > MAX_ROOMS)
				throw new RangeError(`Behind an edge a broadcast can name at most ${MAX_ROOMS} rooms`);
			if (typeof args !== "string") bits |= F.BIN;
			if (flags.volatile) bits |= F.VOLATILE;
			if (flags.compress === false) bits |= F.NOCOMPRESS;
			const links = backend.castLinks();
			const nsp = links.length > 0 ? backend.numberOf(this.nsp.name, links) : 0;
			for (const link of links) {
				link.begin(T.CAST, bits, nsp, 0, packet.id ?? 0);
				try {
					if (bits & F.TIMED) link.writer.u32(Math.max(flags.timeout | 0, 1));
					link.writer.rooms(rooms, rooms.size);
					link.writer.rooms(except, except.size);
					link.writer.args(args);
				} catch (error) {
					link.drop();
					throw error;
				}
				link.endOrWarn("A broadcast");
			}
			if (backend.edges.keepsCasts && !(bits & (F.VOLATILE | F.ACK))) backend.edges.recent.add(this.nsp.name, bits, rooms, except, args);
		}

		/* Shows a broadcast to the listeners of outgoing packets. Only they need a walk over the sockets of this backend. */
		_show(packet, opts, flags) {
			if (this.watched) this.apply(opts, (socket) => socket.notifyOutgoingListeners(packet));
			if (!backend.showsPackets) return;
			const args = encodeArgs(packet.data);
			this.apply(opts, (socket) => socket.client._showPacket(packet, args, flags));
		}

		/* Sends to the sockets of this backend alone, and returns their number. */
		_emitLocally(packet, opts, flags, onAnswer) {
			let count = 0;
			this.apply(opts, (socket) => {
				count++;
				if (onAnswer) socket.acks.set(packet.id, onAnswer);
				socket.notifyOutgoingListeners(packet);
				socket.packet(packet, flags);
			});
			return count;
		}

		/* ------------------------------------------------------------ all backends */

		serverCount() {
			return Promise.resolve(1 + backend.peers.count);
		}

		async sockets(rooms) {
			const sockets = await this.fetchSockets({ rooms, except: NO_ROOMS, flags: {} });
			return new Set(sockets.map((socket) => socket.id));
		}

		async fetchSockets(opts) {
			const own = await super.fetchSockets(opts);
			if (opts.flags?.local || backend.peers.count === 0) return own;
			const { answers, missing, asked } = await backend.peers.ask(["fetch", this.nsp.name, plain(opts)], opts.flags?.timeout);
			if (missing > 0) throw new Error(`timeout reached: only ${asked - missing} responses received out of ${asked}`);
			return own.concat(...answers);
		}

		addSockets(opts, rooms) {
			if (!opts.flags?.local) backend.peers.tell(["join", this.nsp.name, plain(opts), rooms]);
			super.addSockets(opts, rooms);
		}

		delSockets(opts, rooms) {
			if (!opts.flags?.local) backend.peers.tell(["leave", this.nsp.name, plain(opts), rooms]);
			super.delSockets(opts, rooms);
		}

		disconnectSockets(opts, close) {
			if (!opts.flags?.local) backend.peers.tell(["disconnect", this.nsp.name, plain(opts), close]);
			super.disconnectSockets(opts, close);
		}

		serverSideEmit(packet) {
			const ack = typeof packet[packet.length - 1] === "function" ? packet.pop() : null;
			if (ack === null) return backend.peers.tell(["emit", this.nsp.name, packet]);
			if (backend.peers.count === 0) return ack(null, []);
			void backend.peers.ask(["emit", this.nsp.name, packet]).then(({ answers, missing, asked }) => {
				if (missing === 0) ack(null, answers);
				else ack(new Error(`timeout reached: only ${asked - missing} responses received out of ${asked}`), answers);
			});
		}

		/*
		 * Handles a message of another backend. `answer(value)` replies if that backend has asked a question.
		 */
		onPeer(op, rest, answer) {
			switch (op) {
				case "join":
					return super.addSockets(sets(rest[0]), rest[1]);
				case "leave":
					return super.delSockets(sets(rest[0]), rest[1]);
				case "disconnect":
					return super.disconnectSockets(sets(rest[0]), rest[1]);
				case "fetch":
					return void super.fetchSockets(sets(rest[0])).then((sockets) => answer(sockets.map(details)));
				case "emit":
					return this.nsp._onServerSideEmit(answer ? [...rest[0], answer] : rest[0]);
			}
		}
	};
}

function sendRooms(socket, type, rooms) {
	const link = socket._link;
	link.begin(type, 0, 0, socket._handle, 0);
	try {
		link.writer.rooms(rooms, rooms.length ?? rooms.size);
	} catch (error) {
		link.drop();
		throw error;
	}
	link.end();
}

/* The fields that RemoteSocket shows. The session store is left out because it may be circular. */
function details(socket) {
	const { sessionStore, ...handshake } = socket.handshake;
	return { id: socket.id, handshake, rooms: [...socket.rooms], data: socket.data };
}

function plain(opts) {
	return { rooms: [...opts.rooms], except: [...(opts.except ?? [])], flags: opts.flags };
}

function sets(opts) {
	return { rooms: new Set(opts.rooms), except: new Set(opts.except), flags: opts.flags };
}

/* Finds the in-memory Adapter from which the server's adapter class is derived. */
function baseAdapterOf(io) {
	let found = io.adapter();
	for (let at = found; typeof at === "function" && at.prototype?.addAll; at = Object.getPrototypeOf(at)) found = at;
	return found;
}

module.exports = { makeAdapterClass, baseAdapterOf };
