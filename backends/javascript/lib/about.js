"use strict";
/*
 * What SESSION says about a client. It stays text until the application asks for it, which most applications never do.
 * Clients of one kind send the same header fields except for the key of their WebSocket handshake, so one copy of these
 * fields serves all of them.
 */
const HEADERS = Buffer.from('"headers":[');
const KEY = '"Sec-WebSocket-Key","';
const KEY_LENGTH = 24;
const MOST_KINDS = 256;
const LONGEST = 4096;

let kinds = new Map(); // text of header fields -> the shared copy

function kept(text) {
	if (text.length > LONGEST) return text;
	const known = kinds.get(text);
	if (known !== undefined) return known;
	if (kinds.size >= MOST_KINDS) kinds = new Map();
	kinds.set(text, text);
	return text;
}

class About {
	/* bytes[start..end) holds a JSON object. */
	constructor(bytes, start, end) {
		const all = bytes.subarray(start, end);
		const cut = all.indexOf(HEADERS);
		const at = cut < 0 ? -1 : all.indexOf(KEY, cut);
		const from = at + KEY.length;
		const to = from + KEY_LENGTH;
		// The key ends with "=" and a quote. These cuts never split a character of several bytes.
		const withKey = at >= 0 && all[to - 1] === 0x3d && all[to] === 0x22;
		this.text = cut < 0 ? all.utf8Slice() : all.utf8Slice(0, cut);
		this.key = withKey ? all.latin1Slice(from, to) : "";
		this.fields = cut < 0 ? "" : kept(withKey ? all.utf8Slice(cut, from) + all.utf8Slice(to) : all.utf8Slice(cut));
	}

	read() {
		if (this.key === "") return JSON.parse(this.text + this.fields);
		const at = this.fields.indexOf(KEY) + KEY.length;
		return JSON.parse(this.text + this.fields.slice(0, at) + this.key + this.fields.slice(at));
	}
}

module.exports = { About };
