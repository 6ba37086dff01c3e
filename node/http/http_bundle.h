/*
 * The browser client, built into the program: socket.io.js, .min.js, .msgpack.min.js, .esm.min.js and their source
 * maps, from the npm package named in node/client/package.json. Each file is also stored compressed (gzip, br). The
 * files are served as Socket.IO does with serveClient, except that conditional requests follow RFC 9110
 * (http_condition.h): Socket.IO does not accept lists of tags.
 */
#ifndef NODE_HTTP_HTTP_BUNDLE_H
#define NODE_HTTP_HTTP_BUNDLE_H

#include "node/http/http.h"

struct http_bundle_file {
	const char *name; /* "socket.io.min.js" */
	const unsigned char *plain, *gzip, *br;
	unsigned plain_len, gzip_len, br_len;
	uint32_t adler32; /* of `plain`; with the deflate stream inside `gzip` it forms the deflate coding */
};

/* Generated at build time by node/client/embed.mjs. The last row has a NULL name. */
extern const struct http_bundle_file http_bundle_files[];
extern const char http_bundle_version[]; /* "4.8.4" */

/*
 * Answers the request if `name` (the path after the engine's prefix, "socket.io.js") is a bundle. Returns false if it
 * is not; the request then goes to the engine, as in Socket.IO. The caller has added the CORS fields already.
 */
bool http_bundle_handle(struct http_request *r, struct text name);

#endif
