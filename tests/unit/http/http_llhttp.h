/*
 * llhttp, the parser of Node.js, as a witness: a head that this server accepts must be one that llhttp accepts, and
 * both must find the same end of the body. Otherwise a request could be smuggled past one of the two.
 */
#ifndef TESTS_UNIT_HTTP_HTTP_LLHTTP_H
#define TESTS_UNIT_HTTP_HTTP_LLHTTP_H

#include <string.h>

/* llhttp and http.h give these names to different numbers. */
#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_OPTIONS LLHTTP_OPTIONS
#define HTTP_PATCH LLHTTP_PATCH
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_OPTIONS
#undef HTTP_PATCH

#include "node/http/http.h"

static inline int
llhttp_stop(llhttp_t *parser)
{
	*(bool *)parser->data = true;
	return HPE_PAUSED;
}

/* `head` was read as `r`. True for versions after HTTP/1.1, which llhttp does not know. */
static inline bool
llhttp_agrees(struct text head, const struct http_request *r)
{
	const char *line_end = memchr(head.at, '\r', head.n);
	llhttp_settings_t settings;
	bool complete = false;
	llhttp_t parser;
	uint64_t length;

	if (line_end[-1] > '1')
		return true;
	llhttp_settings_init(&settings);
	settings.on_headers_complete = llhttp_stop;
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &complete;
	if (llhttp_execute(&parser, head.at, head.n) != HPE_PAUSED || !complete)
		return false;
	length = (parser.flags & F_CONTENT_LENGTH) != 0 ? parser.content_length : 0;
	return ((parser.flags & F_CHUNKED) != 0) == r->chunked && length == r->content_length &&
	       parser.http_minor == r->minor &&
	       text_is(text_from(llhttp_method_name((llhttp_method_t)parser.method)), r->method_name);
}

#endif
