"use strict";
/*
 * A client's connection as the application sees it. It is both `socket.client` and `socket.conn`, because an object for
 * each would double the cost of an idle client. It is made when SESSION arrives; the content of SESSION is read on
 * first use.
 */
const EventEmitter = require("node:events");
const querystring = require("node:querystring");
const { T, F } = require("./frame");
const { makeRequest } = require("./requests");

/* Reasons that end the whole connection, not only one namespace. */
const TRANSPORT_REASONS = new Set(["transport close", "transport error", "ping timeout", "forced close", "forced server close", "parse error"]);

class Connection {
	/* `protocol`: the revision of Engine.IO that the client speaks, 3 (Socket.IO 1 and 2) or 4. `about` is an About. */
	constructor(backend, link, handle, protocol, about) {
		this.protocol = protocol;
		this._backend = backend;
		this._link = link;
		this._handle = handle;
		this._about = about; // replaced by its content on first use
		this._isRead = false;
		this._request = null;
		this._transport = "";
		this._sockets = null; // null, one socket, or a Map of several by namespace
		this.readyState = "open";
	}

	/* The content of SESSION. */
	get _session() {
		if (!this._isRead) {
			this._about = this._about.read();
			this._isRead = true;
		}
		return this._about;
	}

	get id() {
		return this._session.id;
	}

	get remoteAddress() {
		return this._session.address;
	}

	get request() {
		if (this._request === null) this._request = makeRequest(this._session);
		return this._request;
	}

	set request(request) {
		this._request = request;
	}

	get query() {
		return this.request._query;
	}

	/* ------------------------------------------------------------ as engine.io's Socket */

	get transport() {
		return {
			name: this._transport || this._session.transport,
			writable: this.readyState === "open",
			protocol: this.protocol,
			sid: this.id,
			on() {},
			once() {},
			removeListener() {},
		};
	}

	get upgraded() {
		return this.transport.name !== "polling" && (this._transport !== "" || this._session.transport === "polling");
	}

	get upgrading() {
		return false;
	}

	_onTransport(name) {
		this._transport = name;
		this.emit("upgrade", this.transport);
	}

	close() {
		if (this.readyState !== "open") return this;
		this.readyState = "closing";
		this._link.send(T.DISC, F.CLOSE, 0, this._handle, 0);
		return this;
	}

	write() {
		throw new Error("Behind an edge the application can send events, but not raw Engine.IO messages");
	}

	/*
	 * Programs that count bytes listen for "packetCreate": they see each packet in the form that engine.io would
	 * send.
	 */
	on(event, listener) {
		if (event === "packetCreate") this._backend.showsPackets = true;
		return EventEmitter.prototype.on.call(this, event, listener);
	}

	_showPacket(packet, args, flags) {
		if (this.listenerCount("packetCreate") === 0) return;
		const { nsp, id } = packet;
		const json = typeof args === "string" ? args : args.json;
		const head = typeof args === "string" ? "2" : `5${args.attachments.length}-`;
		const data = `${head}${nsp === "/" ? "" : `${nsp},`}${id ?? ""}${json}`;
		const options = { compress: flags.compress !== false, volatile: !!flags.volatile };
		for (const each of [data, ...(args.attachments ?? [])]) this.emit("packetCreate", { type: "message", data: each, options });
	}

	/* ------------------------------------------------------------ as socket.io's Client */

	get conn() {
		return this;
	}

	get server() {
		return this._backend.io;
	}

	get encoder() {
		return this._backend.io.encoder;
	}

	_addSocket(socket) {
		if (this._sockets === null) this._sockets = socket;
		else if (this._sockets instanceof Map) this._sockets.set(socket.nsp.name, socket);
		else this._sockets = new Map([[this._sockets.nsp.name, this._sockets], [socket.nsp.name, socket]]);
	}

	_remove(socket) {
		if (this._sockets === socket) this._sockets = null;
		else if (this._sockets instanceof Map && this._sockets.get(socket.nsp.name) === socket) this._sockets.delete(socket.nsp.name);
	}

	_list() {
		if (this._sockets === null) return [];
		return this._sockets instanceof Map ? [...this._sockets.values()] : [this._sockets];
	}

	/* The connected sockets by id. */
	get sockets() {
		return new Map(this._list().map((socket) => [socket.id, socket]));
	}

	/* The connected sockets by namespace. */
	get nsps() {
		return new Map(this._list().map((socket) => [socket.nsp.name, socket]));
	}

	/* Disconnects from all namespaces. The last DISC closes the connection. */
	_disconnect() {
		const sockets = this._list();
		const last = sockets.pop();
		if (last === undefined) return this.close();
		for (const socket of sockets) socket.disconnect();
		this.readyState = "closing";
		last.disconnect();
	}

	_packet() {
		// Not used: all packets go through the socket's own packet().
	}

	writeToEngine() {
		// Not used: the adapter sends broadcasts.
	}

	_onSocketClosed(reason) {
		if (TRANSPORT_REASONS.has(reason)) this.readyState = "closed";
	}

	_onClosed(reason) {
		this.readyState = "closed";
		this.emit("close", reason);
	}
}

/* An EventEmitter whose constructor is not called: the first on() makes its tables. */
Object.setPrototypeOf(Connection.prototype, EventEmitter.prototype);

/* Builds `socket.handshake` as socket.io does. */
function makeHandshake(connection, auth) {
	const session = connection._session;
	const { request } = connection;
	const issued = session.time ?? Date.now();
	return {
		headers: request.headers,
		time: String(new Date(issued)),
		address: session.address,
		xdomain: !!request.headers.origin,
		secure: !!session.secure,
		issued,
		url: request.url,
		query: request._query ?? querystring.parse(""),
		auth,
	};
}

module.exports = { Connection, makeHandshake };
