"use strict";
/*
 * The request of a handshake, and a response that is captured instead of sent, for middlewares written for Node's HTTP
 * server.
 */
const { IncomingMessage, ServerResponse } = require("node:http");
const { Duplex } = require("node:stream");
const querystring = require("node:querystring");

/* Fields of which only the first one counts, as in Node.js. */
const FIRST_ONLY = new Set([
	"age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host", "if-modified-since",
	"if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization", "referer", "retry-after",
	"server", "user-agent",
]);

/* Turns the received [name, value, …] into the object of IncomingMessage#headers. */
function headersOf(raw) {
	const headers = {};
	for (let i = 0; i + 1 < raw.length; i += 2) {
		const name = raw[i].toLowerCase();
		const value = raw[i + 1];
		const before = headers[name];
		if (name === "set-cookie") (headers[name] ??= []).push(value);
		else if (before === undefined) headers[name] = value;
		else if (!FIRST_ONLY.has(name)) headers[name] = `${before}${name === "cookie" ? "; " : ", "}${value}`;
	}
	return headers;
}

/* Stands for the connection of a request. */
class NoSocket extends Duplex {
	constructor(address, secure) {
		super();
		this.remoteAddress = address;
		if (secure) this.encrypted = true; // otherwise the field is absent, as in Node.js
	}
	_read() {}
	_write(chunk, encoding, done) {
		done();
	}
	setTimeout() {
		return this;
	}
}

/* `about` is the content of SESSION or REQUEST. */
function makeRequest(about) {
	const request = new IncomingMessage(new NoSocket(about.address, !!about.secure));
	const raw = about.headers || [];
	request.method = about.method || "GET";
	request.url = about.url || "/";
	request.httpVersion = about.httpVersion || "1.1";
	[request.httpVersionMajor, request.httpVersionMinor] = request.httpVersion.split(".").map(Number);
	request.rawHeaders = raw;
	request.headers = headersOf(raw);
	const mark = request.url.indexOf("?");
	request._query = mark < 0 ? {} : querystring.parse(request.url.slice(mark + 1));
	request.complete = true;
	request.push(null);
	return request;
}

/*
 * Calls done({status, headers, body}) once, when the response ends. Fields that writeHead listeners set are included.
 */
class CapturedResponse extends ServerResponse {
	constructor(request, done) {
		super(request);
		this._chunks = [];
		this._done = done;
	}

	write(chunk, encoding) {
		if (chunk) this._chunks.push(Buffer.from(chunk, typeof encoding === "string" ? encoding : undefined));
		return true;
	}

	end(chunk, encoding, callback) {
		if (typeof chunk === "function") [chunk, callback] = [undefined, chunk];
		else if (typeof encoding === "function") [encoding, callback] = [undefined, encoding];
		if (this._ended) return this;
		if (chunk) this.write(chunk, encoding);
		if (!this.headersSent) this.writeHead(this.statusCode);
		this._ended = true;
		this._done({ status: this.statusCode, headers: headerList(this), body: Buffer.concat(this._chunks).toString() });
		this.finished = true;
		this.emit("finish");
		if (callback) callback();
		return this;
	}

	/* writeHead(status, [reason], [fields]) keeps the fields and sends nothing. */
	writeHead(status, reason, fields) {
		if (typeof reason !== "string") fields = reason;
		this.statusCode = status;
		if (Array.isArray(fields)) for (let i = 0; i + 1 < fields.length; i += 2) this.setHeader(fields[i], fields[i + 1]);
		else for (const name of Object.keys(fields || {})) this.setHeader(name, fields[name]);
		this._sent = true;
		return this;
	}

	get headersSent() {
		return this._sent === true;
	}

	get writableEnded() {
		return this._ended === true;
	}
}

/* [[name, value], …], with an entry for each value of a field. */
function headerList(response) {
	const list = [];
	for (const name of response.getRawHeaderNames ? response.getRawHeaderNames() : response.getHeaderNames())
		for (const value of [].concat(response.getHeader(name))) list.push([name, String(value)]);
	return list;
}

module.exports = { makeRequest, CapturedResponse, headersOf };
