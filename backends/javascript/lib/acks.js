"use strict";
/*
 * `socket.acks`: the callbacks that wait for acknowledgements of a client. The Map is made on first use, because most
 * clients never need it.
 */
class Acks {
	constructor() {
		this._map = null;
	}

	get size() {
		return this._map === null ? 0 : this._map.size;
	}

	get(id) {
		return this._map?.get(id);
	}

	has(id) {
		return this._map !== null && this._map.has(id);
	}

	set(id, waiter) {
		this._map ??= new Map();
		this._map.set(id, waiter);
		return this;
	}

	delete(id) {
		return this._map !== null && this._map.delete(id);
	}

	clear() {
		this._map = null;
	}

	[Symbol.iterator]() {
		return (this._map ?? new Map())[Symbol.iterator]();
	}
}

module.exports = { Acks };
