"use strict";
/*
 * Looks up names of hosts. The system's resolver knows /etc/hosts and search domains, but it blocks a thread while a name server
 * does not answer, for ten seconds or more. The application's files and passwords need the same four threads. Therefore few names
 * are looked up at the same time; the others wait, in the order in which they were asked for.
 */
const dns = require("node:dns");

const MOST = 2;

const waiting = []; // {host, done}
let running = 0;

function next() {
	while (running < MOST && waiting.length > 0) {
		const { host, done } = waiting.shift();
		running++;
		dns.lookup(host, { all: true }, (error, found) => {
			running--;
			next();
			done(error, found);
		});
	}
}

/* Calls done(error, found) with dns.lookup()'s list of addresses. Returns a function that cancels the look-up if it still waits. */
function lookUp(host, done) {
	const asked = { host, done };
	waiting.push(asked);
	next();
	return () => {
		const at = waiting.indexOf(asked);
		if (at >= 0) waiting.splice(at, 1);
	};
}

module.exports = { lookUp };
