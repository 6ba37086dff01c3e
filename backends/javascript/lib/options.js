"use strict";
/* The options of attach(), and the options of socket.io's Server that belong to the edge. */

const DEFAULTS = {
	secret: undefined,
	tls: undefined,
	group: "",
	namespaces: undefined,
	weight: 1,
	mirrorData: undefined,
	reattachMiddlewares: false,
	onBackendLoss: "reattach",
	drainGrace: 5000,
	drainOnSigterm: true,
	maxQueued: 64 * 1024 * 1024,
	edgeOptions: "warn",
	app: undefined,
	upstream: undefined,
	presence: undefined,
};

const PRESENCE_NAME_MAX = 512; // bytes
const PRESENCE_SETTINGS = ["rooms", "event", "onChange"];

/* Returns a Map of namespace -> {rooms, event, onChange}. */
function readPresence(given) {
	need(given !== null && typeof given === "object", "The option `presence` must be an object, such as { \"/\": { rooms: \"room:\" } }");
	const found = new Map();
	for (const [name, settings] of Object.entries(given)) {
		need(settings !== null && typeof settings === "object", `The option \`presence\`: the settings of ${name} must be an object, such as { rooms: "room:" }`);
		for (const key of Object.keys(settings))
			need(PRESENCE_SETTINGS.includes(key), `The option \`presence\`: ${name} has no setting \`${key}\`, only \`${PRESENCE_SETTINGS.join("`, `")}\``);
		const { rooms = "", event = "", onChange } = settings;
		for (const text of [rooms, event])
			need(typeof text === "string" && Buffer.byteLength(text) <= PRESENCE_NAME_MAX, `The option \`presence\`: \`rooms\` and \`event\` of ${name} must be strings of at most ${PRESENCE_NAME_MAX} bytes`);
		need(onChange === undefined || typeof onChange === "function", `The option \`presence\`: \`onChange\` of ${name} must be a function`);
		found.set(name[0] === "/" ? name : `/${name}`, { rooms, event, onChange });
	}
	return found;
}

function need(condition, text) {
	if (!condition) throw new TypeError(text);
}

/* Adds the defaults. Throws a TypeError for an invalid option. */
function readOptions(given = {}) {
	for (const name of Object.keys(given)) need(name in DEFAULTS, `attach() has no option \`${name}\``);
	const options = { ...DEFAULTS };
	for (const name of Object.keys(given)) if (given[name] !== undefined) options[name] = given[name];
	const { group, namespaces, weight, mirrorData, onBackendLoss, edgeOptions } = options;
	need(typeof group === "string", "The option `group` must be a string");
	need(Number.isInteger(weight) && weight >= 1 && weight <= 1000, "The option `weight` must be a whole number from 1 to 1000");
	need(mirrorData === undefined || typeof mirrorData === "boolean" || mirrorData > 0, "The option `mirrorData` must be true, false or a number of milliseconds");
	need(["reattach", "reconnect", "close"].includes(onBackendLoss), 'The option `onBackendLoss` must be "reattach", "reconnect" or "close"');
	need(["warn", "strict", "ignore"].includes(edgeOptions), 'The option `edgeOptions` must be "warn", "strict" or "ignore"');
	if (namespaces !== undefined) {
		options.namespaces = [].concat(namespaces).map((name) => (typeof name === "string" && name[0] !== "/" ? `/${name}` : name));
		need(options.namespaces.every((name) => typeof name === "string" || name instanceof RegExp), "The option `namespaces` must be a list of names and regular expressions");
	}
	if (options.presence !== undefined) options.presence = readPresence(options.presence);
	for (const name of ["drainGrace", "maxQueued"]) need(options[name] >= 0, `The option \`${name}\` must be a number`);
	return options;
}

/*
 * True if `parser` is the default parser of this copy of socket.io. Only a Server without the option `parser` shows the
 * default, so this function makes such a Server. It uses the base class, because the constructor of a
 * derived class may do anything.
 */
function isStockParser(io, parser) {
	let prototype = Object.getPrototypeOf(io);
	while (prototype !== null && !Object.hasOwn(prototype, "initEngine")) prototype = Object.getPrototypeOf(prototype);
	const stock = prototype && new prototype.constructor()._parser;
	return parser.Encoder === stock?.Encoder && parser.Decoder === stock?.Decoder;
}

/* Refuses options of the Server that version 1 of the protocol does not support. */
function checkServer(io) {
	const opts = io.opts ?? {};
	if (opts.parser && !isStockParser(io, opts.parser))
		throw new Error("A custom parser cannot be used behind an edge, because the edge parses the packets: remove the option `parser` of the Server.");
}

const COMPARED = ["pingInterval", "pingTimeout", "maxHttpBufferSize", "connectTimeout", "transports", "path", "allowEIO3"];

function same(name, a, b) {
	if (name === "path") return String(a).replace(/\/$/, "") === String(b).replace(/\/$/, "");
	if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item) => b.includes(item));
	return a === b;
}

/* A list with a sentence if the two values differ, else an empty one. */
function difference(text, name, given, edge) {
	if (given === undefined || edge === undefined || same(name, given, edge)) return [];
	const flag = name.replace(/[A-Z]+/g, (letters) => `-${letters.toLowerCase()}`);
	return [`The Server's option ${text} is ${JSON.stringify(given)}, but the edge uses ${JSON.stringify(edge)}: start the edge with --${flag}`];
}

/* Sentences about connection state recovery. `given` has the defaults of socket.io, which an application may rely on. */
function checkRecovery(given, edge) {
	if (!given) return [];
	if (!edge) return ["The Server has the option connectionStateRecovery, but the edge keeps no sessions: start the edge with --connection-state-recovery"];
	return ["maxDisconnectionDuration", "skipMiddlewares"].flatMap((name) => difference(`connectionStateRecovery.${name}`, name, given[name], edge[name]));
}

/*
 * Returns a sentence for each option of the Server that differs from the edge's. Options that were not given are not
 * compared.
 */
function checkEdgeOptions(opts, edge) {
	const differences = [];
	for (const name of COMPARED) differences.push(...difference(name, name, opts[name], edge[name]));
	differences.push(...checkRecovery(opts.connectionStateRecovery, edge.connectionStateRecovery));
	if (opts.cors && edge.cors === false)
		differences.push("The Server has the option cors, but the edge answers its clients: start the edge with --cors-origin");
	return differences;
}

module.exports = { readOptions, checkServer, checkEdgeOptions };
