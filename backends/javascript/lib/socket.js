"use strict";
/*
 * socket.io's own Socket, with its packets sent to an edge. Only the sending methods are replaced, and `handshake`,
 * which is made on first use.
 */
const { T, F, U32 } = require("./frame");
const { encodeArgs } = require("./args");
const { makeHandshake } = require("./connection");
const { Acks } = require("./acks");
const { warnSometimes } = require("./link");

const CONNECT = 0;
const DISCONNECT = 1;
const EVENT = 2;
const ACK = 3;
const CONNECT_ERROR = 4;
const MAX_U32 = U32 - 1;
const MAX_MESSAGE = 1000; // characters of a refusal without its data

/* `Socket` is the class of the application's own copy of socket.io. */
function makeSocketClass(Socket) {
	class BackendSocket extends Socket {
		/* `open` is {link, handle, sid}. */
		constructor(nsp, connection, auth, open) {
			super(nsp, connection, auth, { sid: open.sid, pid: undefined, rooms: [], data: {}, missedPackets: [] });
			this.recovered = false;
			this.acks = new Acks();
			this._link = open.link;
			this._handle = open.handle; // 0: the edge no longer knows this socket
			this._owed = 0; // acknowledgements that the client waits for
			this._mirrored = undefined; // the JSON of `data` that the edge has
			this._handedOff = false;
			this._leaving = false;
		}

		/* The edge removes the socket from its rooms by itself, so leaveAll() need not report it. */
		_cleanup() {
			this._leaving = true;
			super._cleanup();
			this._link.owner.onLeft(this);
		}

		buildHandshake(auth) {
			this._auth = auth;
			this._handshake = null;
		}

		get handshake() {
			if (this._handshake === null) this._handshake = makeHandshake(this.client, this._auth ?? {});
			return this._handshake;
		}

		set handshake(handshake) {
			if (handshake !== undefined) this._handshake = handshake;
		}

		packet(packet, flags = {}) {
			if (this._handle === 0) return;
			if (packet.type === EVENT || packet.type === ACK || packet.type === CONNECT) this._link.owner.beforePacket(this);
			switch (packet.type) {
				case EVENT:
					return this._sendEvent(packet, flags);
				case ACK:
					return this._sendAck(packet);
				case CONNECT:
					this._link.send(T.ACCEPT, 0, 0, this._handle, 0);
					return this._link.owner.history.onAccept(this);
				case CONNECT_ERROR:
					return this._sendRefusal(packet.data);
				case DISCONNECT:
					if (!this._handedOff) this._link.send(T.DISC, this.client.readyState === "closing" ? F.CLOSE : 0, 0, this._handle, 0);
					this._forget();
			}
		}

		/* The handle is no longer valid. */
		_forget() {
			this._link.opened.delete(this._handle);
			this._handle = 0;
		}

		_sendEvent(packet, flags) {
			const args = encodeArgs(packet.data);
			let bits = typeof args === "string" ? 0 : F.BIN;
			if (flags.volatile) bits |= F.VOLATILE;
			if (flags.compress === false) bits |= F.NOCOMPRESS;
			const timed = packet.id !== undefined && flags.timeout !== undefined;
			if (packet.id !== undefined) bits |= timed ? F.ACK | F.TIMED : F.ACK;
			const link = this._link;
			link.begin(T.EMIT, bits, 0, this._handle, packet.id ?? 0);
			if (timed) link.writer.u32(Math.min(Math.max(flags.timeout | 0, 0), MAX_U32));
			link.writer.args(args);
			link.endOrWarn("An event");
			if (link.owner.showsPackets) this.client._showPacket({ nsp: this.nsp.name, id: packet.id }, args, flags);
		}

		_sendAck(packet) {
			const args = encodeArgs(packet.data);
			const bits = (typeof args === "string" ? 0 : F.BIN) | (packet.id > MAX_U32 ? F.WIDE : 0);
			const link = this._link;
			link.begin(T.ACK, bits, 0, this._handle, packet.id % U32);
			if (bits & F.WIDE) link.writer.u32(Math.floor(packet.id / U32));
			link.writer.args(args);
			link.endOrWarn("An acknowledgement");
		}

		/* Refuses without the data if it is too large. Otherwise the client would wait for an answer forever. */
		_sendRefusal({ message, data }) {
			if (!this._writeRefusal({ message: message ?? "", data }, "The data of a connect_error"))
				this._writeRefusal({ message: String(message ?? "").slice(0, MAX_MESSAGE) });
			this._forget();
		}

		_writeRefusal(refusal, what) {
			const json = JSON.stringify(refusal);
			this._link.begin(T.REFUSE, 0, 0, this._handle, 0);
			this._link.writer.utf8(json);
			return this._link.endOrWarn(what);
		}

		/* Like socket.io's, but counts the acknowledgements: a draining backend waits until all are sent. */
		ack(id) {
			let sent = false;
			this._owed++;
			return (...args) => {
				if (sent) return;
				this.packet({ id, type: ACK, data: args });
				sent = true;
				this._owed--;
			};
		}

		/* With {history: true} or {history: 50}, the client also gets the last events of the rooms. */
		join(rooms, options) {
			const history = options?.history;
			if (history === undefined || history === false) return super.join(rooms);
			return this._link.owner.history.join(this, rooms, history);
		}

		/* Names the user of this socket, with data that others see; null removes the user. Needs the option `presence`. */
		setPresent(user, data) {
			this._link.owner.presence.set(this, user, data);
		}

		onAnyOutgoing(listener) {
			this.adapter.watched = true;
			return super.onAnyOutgoing(listener);
		}

		prependAnyOutgoing(listener) {
			this.adapter.watched = true;
			return super.prependAnyOutgoing(listener);
		}

		/* Sends DATA if the JSON of `data` differs from what the edge has. */
		_mirror() {
			if (this._handle === 0 || this._handedOff) return;
			let json;
			try {
				json = JSON.stringify(this.data) ?? "";
			} catch (error) {
				return warnSometimes("A change of socket.data", `is not kept at the edge: ${error.message}`);
			}
			if (json === (this._mirrored ?? "{}")) return;
			this._mirrored = json;
			this._link.begin(T.DATA, 0, 0, this._handle, 0);
			this._link.writer.utf8(json);
			this._link.endOrWarn("A change of socket.data");
		}

		/* The session now belongs to another backend. Only packets of work under way are still sent. */
		_handOff() {
			this._mirror();
			this._handedOff = true;
			this.adapter.removeQuietly(this.id);
			this.nsp._remove(this);
			this._link.owner.onLeft(this);
		}
	}
	return BackendSocket;
}

module.exports = { makeSocketClass, EVENT, ACK };
