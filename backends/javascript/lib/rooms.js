"use strict";
/*
 * The tables of an adapter: socket -> its rooms, room -> its sockets. Every client has a room of its own and most have no other:
 * of these the Set is made when somebody asks for it.
 */
const { inspect } = require("node:util");

class RoomMap extends Map {
	/* The Set of `key` has this one member, which is a string. */
	setOnly(key, member) {
		return super.set(key, member);
	}

	/* Nobody has asked for the Set yet. */
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
