"use strict";
/*
 * The edges of a backend: keeps one link to each worker of each node.
 *
 *   address    unix:///path, tls://host:port or tcp://host:port; a name may stand for several hosts, and is looked up repeatedly
 *   place      one host, which is one node: its first link asks for worker 0 and learns the number of workers
 *   slot       one worker of a place: dialled again whenever its link is lost
 *
 * Other backends may admit clients at a worker before it has a link to this backend. Therefore the broadcasts of the last
 * seconds are kept while a slot has no link, and always if a name may lead to another host. A link that becomes ready sends
 * them first.
 */
const net = require("node:net");
const { T } = require("./frame");
const { EdgeLink } = require("./link");
const { lookUp } = require("./look-ups");
const { RecentCasts } = require("./recent-casts");

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000; // ms; a new edge may have clients for this time plus LOOK_UP_EVERY before it has a link
const LOOK_UP_EVERY = 1000;

/* Returns {path} or {host, port, secure}. Throws for anything else. */
function parseAddress(address) {
	const text = String(address);
	if (text.startsWith("unix://")) {
		const path = decodeURIComponent(text.slice("unix://".length));
		if (!path.startsWith("/")) throw new TypeError(`The address ${text} has no absolute path (use unix:///run/sockeye/backend.sock)`);
		return { path };
	}
	const match = /^(tls|tcp):\/\/(\[[0-9a-fA-F:.]+\]|[^/:]+):(\d+)\/?$/.exec(text);
	if (!match) throw new TypeError(`${text} is not an address of an edge (use unix:///path, tls://host:port or tcp://host:port)`);
	return { host: match[2].replace(/^\[|\]$/g, ""), port: Number(match[3]), secure: match[1] === "tls" };
}

/*
 * How far a broadcast on one link goes (backends/PROTOCOL.md, section 6): to the clients of its worker, to all workers of
 * its edge, or to all edges of the cluster.
 */
const ANY_WORKER = "any"; // in `recent`, for an edge whose workers one link reaches
const coversEdge = ({ options }) => options.fanout === "bus" && options.reach === "edge";
const isCluster = ({ options }) => options.fanout === "bus" && options.reach !== "edge";

/* Returns the links among `ready` on which a broadcast leaves, so that each worker gets it once. */
function castingOf(ready) {
	const cluster = ready.find(isCluster);
	return ready.filter((link, i) => {
		if (isCluster(link)) return link === cluster;
		return !coversEdge(link) || i === 0 || ready[i - 1].edge !== link.edge;
	});
}

class Slot {
	constructor(set, place, worker) {
		this.set = set;
		this.place = place;
		this.worker = worker;
		this.pause = FIRST_PAUSE;
		this.dial();
		set.absent.add(this);
	}

	dial() {
		this.link = new EdgeLink(this.set.owner, this.place.at, this.worker);
		this.link.slot = this;
	}

	again() {
		this.link = null;
		const pause = this.pause * (0.5 + Math.random() * 0.5);
		this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
		this.timer = setTimeout(() => this.dial(), pause);
	}

	close() {
		clearTimeout(this.timer);
		this.set.absent.delete(this);
	}
}

class EdgeSet {
	constructor(owner, addresses) {
		this.owner = owner;
		this.addresses = [].concat(addresses).map(parseAddress);
		if (this.addresses.length === 0) throw new TypeError("attach() needs the address of an edge, such as unix:///run/sockeye/backend.sock");
		this.places = new Map(); // "host:port" or path -> {at, slots}
		this.ready = []; // links, sorted by edge and worker
		this.casting = []; // the ready links by which a broadcast leaves
		this.absent = new Set(); // slots without a ready link that may get one at any time
		this.recent = new RecentCasts();
		this.isCluster = undefined; // from the last WELCOME: one link reaches the workers of all edges
		this.keepsCasts = false; // whether broadcasts go to `recent`
		this.closed = false;
	}

	open() {
		for (const address of this.addresses) {
			const { path, host, port, secure } = address;
			if (path !== undefined) this._addPlace(path, { path });
			else if (net.isIP(host)) this._addPlace(`${host}:${port}`, { host, port, secure });
			else this._lookUp(address);
		}
	}

	_lookUp(address) {
		const { host, port, secure } = address;
		this.named = true;
		address.giveUp = lookUp(host, (error, found) => {
			if (this.closed) return;
			if (error) this.owner.onTrouble(`the address of ${host} was not found: ${error.code}`);
			else {
				for (const { address: ip } of found) this._addPlace(`${ip}:${port}`, { host: ip, port, secure, servername: host });
				this._forget(address, found);
			}
			address.timer = setTimeout(() => this._lookUp(address), LOOK_UP_EVERY);
			// Without a link, only this timer keeps the process alive until the name is known.
			if (this.places.size > 0) address.timer.unref();
		});
	}

	_stopLookUps() {
		for (const { timer, giveUp } of this.addresses) {
			clearTimeout(timer);
			giveUp?.();
		}
	}

	/* Marks the hosts that the name no longer leads to. Their links are not dialled again when they are lost. */
	_forget({ host, port }, found) {
		const now = new Set(found.map(({ address: ip }) => `${ip}:${port}`));
		for (const place of this.places.values())
			if (place.at.servername === host && place.at.port === port) place.gone = !now.has(place.key);
	}

	_addPlace(key, at) {
		if (this.places.has(key)) return;
		const place = { key, at, slots: [] };
		this.places.set(key, place);
		place.slots[0] = new Slot(this, place, 0);
	}

	/*
	 * Whether another link leads, or is about to lead, to this worker. A second link would make the edge end the
	 * first.
	 */
	isLinked(edge, worker) {
		for (const { slots } of this.places.values())
			for (const slot of slots) if (slot?.link?.edge === edge && slot.worker === worker && slot.link.isGreeted) return true;
		return false;
	}

	onReady(link) {
		const { slot } = link;
		const { place } = slot;
		slot.pause = FIRST_PAUSE;
		slot.twice = false;
		this.absent.delete(slot);
		const isFirst = !this._reaches(link.edge);
		this.ready.push(link);
		this.ready.sort((a, b) => (a.edge < b.edge ? -1 : a.edge > b.edge ? 1 : a.worker - b.worker));
		place.workers = link.workers;
		for (let worker = 1; worker < link.workers; worker++) place.slots[worker] ??= new Slot(this, place, worker);
		this.casting = castingOf(this.ready);
		if (!coversEdge(link)) this._sendMissed(link, link.worker, link.since);
		else if (isFirst) this._sendMissed(link, ANY_WORKER, -Infinity);
		this._keepOrNot();
	}

	_reaches(edge) {
		return this.ready.some((link) => link.edge === edge);
	}

	_sendMissed(link, worker, since) {
		for (const { name, bits, rooms, except, args } of this.recent.missedBy(link.edge, worker, since)) {
			link.begin(T.CAST, bits, this.owner.numberOf(name, [link]), 0, 0);
			link.writer.rooms(rooms, rooms.length);
			link.writer.rooms(except, except.length);
			link.writer.args(args);
			link.tryEnd(); // the broadcast has reached the workers that accept it
		}
	}

	/*
	 * With the broker of a cluster, one link reaches all workers. WELCOME says whether there is one, so nothing is kept
	 * before the first WELCOME.
	 */
	_keepOrNot() {
		if (this.ready.length > 0) this.isCluster = isCluster(this.ready[0]);
		this.keepsCasts = this.isCluster === false && (this.named || this.absent.size > 0);
		if (!this.keepsCasts) this.recent.clear();
	}

	onLost(link, reason) {
		const at = this.ready.indexOf(link);
		if (at >= 0) {
			this.ready.splice(at, 1);
			this.casting = castingOf(this.ready);
			if (!coversEdge(link)) this.recent.onLost(link.edge, link.worker);
			else if (!this._reaches(link.edge)) this.recent.onLost(link.edge, ANY_WORKER);
		}
		if (this.closed) return;
		this._onLost(link, reason);
		this._keepOrNot();
	}

	_onLost(link, reason) {
		const { slot } = link;
		const { place } = slot;
		if (place.gone && place.slots.every((other) => !other.link || other.link.state !== "ready")) {
			this.places.delete(place.key);
			for (const other of place.slots) {
				other?.close();
				other?.link?.bye("shutdown");
			}
			return;
		}
		if (link.fatal) return void this.absent.delete(slot);
		if (reason === "worker" && slot.worker > 0) {
			this.absent.delete(slot);
			delete place.slots[slot.worker]; // the node has fewer workers now
			return;
		}
		slot.twice = reason === "duplicate"; // another address leads to the same worker
		if (slot.twice) {
			slot.pause = LONGEST_PAUSE;
			this.absent.delete(slot);
		} else this.absent.add(slot);
		slot.again();
	}

	/* Whether every worker of every edge that has answered so far has a link. */
	get complete() {
		let complete = this.ready.length > 0;
		for (const place of this.places.values()) {
			if (place.workers === undefined) continue;
			for (let worker = 0; worker < place.workers; worker++) {
				const state = place.slots[worker]?.link?.state;
				if (state !== "ready" && !place.slots[worker]?.twice) complete = false;
			}
		}
		return complete;
	}

	links() {
		const links = [];
		for (const place of this.places.values())
			for (const slot of place.slots) if (slot) links.push(slot.link || { edge: "", worker: slot.worker, state: "waiting" });
		return links;
	}

	/* Ends all attempts to make a link: from now on the backend only loses links. */
	stopDialling() {
		this.closed = true;
		this._stopLookUps();
		for (const place of this.places.values())
			for (const slot of place.slots) {
				slot?.close();
				if (slot?.link && !this.ready.includes(slot.link)) slot.link.bye("shutdown");
			}
	}

	close(reason) {
		this.closed = true;
		this._stopLookUps();
		for (const place of this.places.values())
			for (const slot of place.slots) {
				slot?.close();
				slot?.link?.bye(reason);
			}
	}
}

module.exports = { EdgeSet, parseAddress };
