"use strict";
/*
 * The edges of a backend: from addresses to one link for each worker of each node, kept up for ever.
 *
 *   address    unix:///path, tls://host:port or tcp://host:port; a name may stand for several hosts, and is looked up again
 *   place      one host, that is, one node: its first link asks for worker 0 and learns how many workers there are
 *   slot       one worker of it: dialled again whenever its link is lost
 *
 * A slot without a link keeps the broadcasts of the next seconds: its worker's clients are still in their rooms, and the first session of a
 * backend that starts may come before its last link. They leave as soon as the link is ready. What went out on a link is never sent again.
 */
const dns = require("node:dns");
const net = require("node:net");
const { T } = require("./frame");
const { EdgeLink } = require("./link");

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;
const LOOK_UP_EVERY = 10000;
const KEEP_CASTS = 10000; // milliseconds without a link, and age of a broadcast, after which its clients have gone, too
const KEEP_BYTES = 1 << 20;
const NONE = [];

/* {path} or {host, port, secure}; throws for anything else. */
function parseAddress(address) {
	const text = String(address);
	if (text.startsWith("unix://")) {
		const path = decodeURIComponent(text.slice("unix://".length));
		if (!path.startsWith("/")) throw new TypeError(`The address ${text} needs an absolute path: unix:///run/sockeye/backend.sock`);
		return { path };
	}
	const match = /^(tls|tcp):\/\/(\[[0-9a-fA-F:.]+\]|[^/:]+):(\d+)\/?$/.exec(text);
	if (!match) throw new TypeError(`The address ${text} is neither unix:///path nor tls://host:port`);
	return { host: match[2].replace(/^\[|\]$/g, ""), port: Number(match[3]), secure: match[1] === "tls" };
}

class Slot {
	constructor(set, place, worker) {
		this.set = set;
		this.place = place;
		this.worker = worker;
		this.pause = FIRST_PAUSE;
		this.link = new EdgeLink(set.owner, place.at, worker);
		this.link.slot = this;
		this.casts = [];
		this.castBytes = 0;
		this.away();
	}

	/* Without a link from now on. */
	away() {
		this.since = Date.now();
		this.set.absent.add(this);
	}

	/* cast: {name of the namespace, bits, body, at} */
	keep(cast) {
		if (this.castBytes + cast.body.length > KEEP_BYTES) return;
		this.castBytes += cast.body.length;
		this.casts.push(cast);
	}

	forget() {
		this.set.absent.delete(this);
		this.casts = [];
		this.castBytes = 0;
	}

	again() {
		this.link = null;
		const pause = this.pause * (0.5 + Math.random() * 0.5);
		this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
		this.timer = setTimeout(() => {
			this.link = new EdgeLink(this.set.owner, this.place.at, this.worker);
			this.link.slot = this;
		}, pause);
	}

	close() {
		clearTimeout(this.timer);
		this.forget();
	}
}

class EdgeSet {
	constructor(owner, addresses) {
		this.owner = owner;
		this.addresses = [].concat(addresses).map(parseAddress);
		if (this.addresses.length === 0) throw new TypeError("attach() needs the address of an edge, as unix:///run/sockeye/backend.sock");
		this.places = new Map(); // "host:port" or path -> {at, slots}
		this.ready = []; // links, by edge and worker
		this.absent = new Set(); // slots whose link is not ready, and may be soon
		this.fanout = undefined;
		this.closed = false;
	}

	open() {
		for (const address of this.addresses) {
			if (address.path !== undefined) this._addPlace(address.path, { path: address.path });
			else this._lookUp(address);
		}
		if (this.addresses.some((address) => address.host && !net.isIP(address.host))) {
			this.timer = setInterval(() => this.addresses.forEach((address) => address.host && this._lookUp(address)), LOOK_UP_EVERY);
			this.timer.unref();
		}
	}

	_lookUp({ host, port, secure }) {
		if (net.isIP(host)) return this._addPlace(`${host}:${port}`, { host, port, secure });
		dns.lookup(host, { all: true }, (error, found) => {
			if (this.closed) return;
			if (error) {
				this.owner.onTrouble(`the address of ${host} was not found: ${error.code}`);
				if (this.places.size === 0) setTimeout(() => this.closed || this._lookUp({ host, port, secure }), 1000);
				return;
			}
			const servername = host;
			for (const { address } of found) this._addPlace(`${address}:${port}`, { host: address, port, secure, servername });
			this._forget(host, found, port);
		});
	}

	/* Hosts that the name no longer means: their lost links are not dialled again. */
	_forget(name, found, port) {
		const now = new Set(found.map(({ address }) => `${address}:${port}`));
		for (const [key, place] of this.places) place.gone = place.at.servername === name && !now.has(key);
	}

	_addPlace(key, at) {
		if (this.places.has(key)) return;
		const place = { key, at, slots: [] };
		this.places.set(key, place);
		place.slots[0] = new Slot(this, place, 0);
	}

	/* The link is to be kept. False: there is one to this worker already, by another address. */
	onReady(link) {
		if (this.ready.some((other) => other.edge === link.edge && other.worker === link.worker && other !== link)) return false;
		link.slot.pause = FIRST_PAUSE;
		this.ready.push(link);
		this.ready.sort((a, b) => (a.edge < b.edge ? -1 : a.edge > b.edge ? 1 : a.worker - b.worker));
		const { place } = link.slot;
		place.workers = link.workers;
		for (let worker = 1; worker < link.workers; worker++)
			if (!place.slots[worker]) {
				place.slots[worker] = new Slot(this, place, worker);
				for (const cast of link.slot.casts) place.slots[worker].keep(cast);
			}
		this.fanout = link.options.fanout;
		this._sendKept(link);
		return true;
	}

	/* Slots that broadcasts must be kept for. */
	missing() {
		if (this.absent.size === 0 || this.fanout !== "direct") return NONE;
		const now = Date.now();
		for (const slot of this.absent) if (now - slot.since > KEEP_CASTS) slot.forget();
		return [...this.absent];
	}

	_sendKept(link) {
		const { casts } = link.slot;
		const from = Date.now() - KEEP_CASTS;
		link.slot.forget();
		for (const { name, bits, body, at } of casts) {
			if (at < from) continue;
			link.begin(T.CAST, bits, this.owner.numberOf(name, [link]), 0, 0);
			link.writer.raw(body);
			link.end();
		}
	}

	onLost(link, reason) {
		const at = this.ready.indexOf(link);
		if (at >= 0) this.ready.splice(at, 1);
		if (this.closed) return;
		const { slot } = link;
		const { place } = slot;
		if (place.gone && place.slots.every((other) => !other.link || other.link.state !== "ready")) {
			place.slots.forEach((other) => other.close());
			this.places.delete(place.key);
			return;
		}
		if (link.fatal) return slot.forget();
		if (reason === "worker" && slot.worker > 0) {
			slot.forget();
			delete place.slots[slot.worker]; // the node has fewer workers now
			return;
		}
		slot.twice = reason === "duplicate"; // another address leads to the same worker
		if (slot.twice) {
			slot.pause = LONGEST_PAUSE;
			slot.forget();
		} else if (at >= 0) slot.away();
		slot.again();
	}

	/* Every worker of every edge that has answered so far. */
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

	close(reason) {
		this.closed = true;
		clearInterval(this.timer);
		for (const place of this.places.values())
			for (const slot of place.slots) {
				slot?.close();
				slot?.link?.bye(reason);
			}
	}
}

module.exports = { EdgeSet, parseAddress };
