"use strict";
/*
 * The tables of an adapter: socket -> its rooms, and room -> its sockets. Most clients are only in the room of their
 * own id; the Set for such an entry is made on first use.
 */
const { inspect } = require("node:util");

class RoomMap extends Map {
	/* Makes `member`, a string, the only member of the Set of `key`. */
	setOnly(key, member) {
		return super.set(key, member);
	}

	/* True while the Set has not been made. */
	isOnly(key) {
		return typeof super.get(key) === "string";
	}

	get(key) {
		const value = super.get(key);
		if (typeof value !== "string") return value;
		const made = new Set([value]);
		super.set(key, made);
		return made;
	}

	*entries() {
		for (const [key, value] of super.entries()) yield [key, typeof value === "string" ? new Set([value]) : value];
	}

	*values() {
		for (const [, value] of this.entries()) yield value;
	}

	[Symbol.iterator]() {
		return this.entries();
	}

	forEach(visit, self) {
		for (const [key, value] of this.entries()) visit.call(self, value, key, this);
	}

	[inspect.custom]() {
		return new Map(this);
	}
}

module.exports = { RoomMap };
