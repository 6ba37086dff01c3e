/*
 * The browser client, built into the program: socket.io.js, .min.js, .msgpack.min.js, .esm.min.js and their maps,
 * from the npm package named in node/client/package.json, each also compressed ahead of time (gzip, br). Served as
 * Socket.IO with serveClient does, but conditions are those of RFC 9110 (http_condition.h): the original knows no
 * lists of tags.
 */
#ifndef NODE_HTTP_HTTP_BUNDLE_H
#define NODE_HTTP_HTTP_BUNDLE_H

#include "node/http/http.h"

struct http_bundle_file {
	const char *name; /* "socket.io.min.js" */
	const unsigned char *plain, *gzip, *br;
	unsigned plain_len, gzip_len, br_len;
	uint32_t adler32; /* of plain: with the middle of gzip it makes the deflate coding */
};

/* Generated at build time by node/client/embed.mjs; ends with a row whose name is NULL. */
extern const struct http_bundle_file http_bundle_files[];
extern const char http_bundle_version[]; /* "4.8.4" */

/*
 * Answers if `name` (the path after the engine's prefix, "socket.io.js") is a bundle; false if not: the request then
 * goes to the engine, as in the original. CORS fields were added by the caller before.
 */
bool http_bundle_handle(struct http_request *r, struct text name);

#endif
