/*
 * Reads one request with the pure parts (scan, head, body) from pieces of given sizes and records the result, so that
 * readings can be compared. For unit tests and fuzzing.
 */
#ifndef TESTS_UNIT_HTTP_HTTP_MESSAGE_H
#define TESTS_UNIT_HTTP_HTTP_MESSAGE_H

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/http/http_body.h"
#include "node/http/http_head.h"
#include "node/http/http_scan.h"
#include "tests/unit/http/http_llhttp.h"

#define MESSAGE_MAX_HEAD 2048
#define MESSAGE_MAX_FIELDS 20
#define MESSAGE_UNFINISHED 0
#define MESSAGE_GOOD 200

struct message {
	int status;	    /* MESSAGE_GOOD, MESSAGE_UNFINISHED, or the status of the refusal */
	size_t consumed;    /* if the request is good */
	struct buffer text; /* the request line, the fields and the body as read */
	bool keep_alive, upgrade, expect;
};

struct message_reader {
	struct http_scan scan;
	struct buffer head;
	struct http_header *headers;
	struct http_request r;
	struct http_body body;
	bool in_body;
};

static inline void
message_head(struct message *m, struct message_reader *s)
{
	unsigned fields = s->scan.fields;

	s->headers = mem_alloc((fields + 1) * sizeof(s->headers[0]));
	m->status = http_head_read(buffer_text(&s->head), s->headers, fields, &s->r, &m->expect);
	if (m->status)
		return;
	must(s->r.header_count == fields);
	must(llhttp_agrees(buffer_text(&s->head), &s->r));
	m->keep_alive = s->r.keep_alive;
	m->upgrade = s->r.upgrade;
	buffer_printf(&m->text, "%.*s|%.*s|%.*s|%d", (int)s->r.method_name.n, s->r.method_name.at, (int)s->r.path.n,
		s->r.path.at, (int)s->r.query.n, s->r.query.at, s->r.minor);
	for (unsigned i = 0; i < fields; i++) {
		must(s->headers[i].name.n > 0);
		buffer_printf(&m->text, "|%.*s=%.*s", (int)s->headers[i].name.n, s->headers[i].name.at,
			(int)s->headers[i].value.n, s->headers[i].value.at ? s->headers[i].value.at : "");
	}
	buffer_printf(&m->text, "|");
	http_body_init(&s->body, s->r.chunked, s->r.content_length, MESSAGE_MAX_HEAD);
	s->in_body = true;
}

/*
 * A head that is whole in its first piece can be split at once; the scan must see the same head. `end` is the result
 * of the scan. Empty lines before the head are for the scan alone.
 */
static inline bool
message_split_agrees(const struct http_scan *scan, const uint8_t *data, size_t n, int64_t end)
{
	struct http_header headers[MESSAGE_MAX_FIELDS];
	struct http_split split;
	size_t length = http_split(data, n, MESSAGE_MAX_HEAD, MESSAGE_MAX_FIELDS, headers, &split);

	if (end <= 0 || scan->skipped > 0)
		return length == 0;
	return (int64_t)length == end && split.count == scan->fields;
}

/* Feeds one piece; false once the request has ended, complete or refused. */
static inline bool
message_feed(struct message *m, struct message_reader *s, const uint8_t *data, size_t n)
{
	size_t at = 0;

	if (!s->in_body) {
		size_t before = s->scan.len;
		int64_t end = http_scan_feed(&s->scan, data, n, MESSAGE_MAX_HEAD, MESSAGE_MAX_FIELDS);
		size_t len = s->scan.len - before;

		must(m->consumed > 0 || message_split_agrees(&s->scan, data, n, end));
		if (end < 0) {
			m->status = s->scan.status;
			must(m->status >= 400);
			return false;
		}
		at = end ? (size_t)end : n;
		must(len <= at);
		buffer_add(&s->head, data + at - len, len);
		m->consumed += at;
		if (!end)
			return true;
		message_head(m, s);
		if (m->status)
			return false;
	}
	while (at < n && !s->body.done) {
		struct text piece;
		int64_t used = http_body_feed(&s->body, data + at, n - at, &piece);

		if (used < 0) {
			m->status = used == ERROR_TOO_BIG ? 413 : 400;
			return false;
		}
		must(used > 0 && (size_t)used <= n - at && piece.n <= (size_t)used);
		buffer_add_text(&m->text, piece);
		at += (size_t)used;
		m->consumed += (size_t)used;
	}
	if (s->body.done)
		m->status = MESSAGE_GOOD;
	return !s->body.done;
}

/* `next_size` returns the length of the next piece (0 counts as 1). */
static inline void
message_read(struct message *m, const uint8_t *data, size_t n, size_t (*next_size)(void *arg), void *arg)
{
	struct message_reader s = {0};

	*m = (struct message){0};
	buffer_init(&m->text, 1 << 20);
	buffer_init(&s.head, MESSAGE_MAX_HEAD);
	http_scan_init(&s.scan);
	for (size_t at = 0; at < n;) {
		size_t size = next_size(arg);

		if (size == 0)
			size = 1;
		if (size > n - at)
			size = n - at;
		/* a copy of its own size, so that a sanitizer sees reads beyond it */
		uint8_t *piece = mem_copy(data + at, size);
		bool more = message_feed(m, &s, piece, size);

		mem_free(piece);
		if (!more)
			break;
		at += size;
	}
	must(buffer_error(&s.head) == 0 && buffer_error(&m->text) == 0);
	buffer_fini(&s.head);
	mem_free(s.headers);
}

static inline void
message_fini(struct message *m)
{
	buffer_fini(&m->text);
}

static inline bool
message_same(const struct message *a, const struct message *b)
{
	if (a->status != b->status)
		return false;
	if (a->status != MESSAGE_GOOD)
		return true;
	return a->consumed == b->consumed && a->keep_alive == b->keep_alive && a->upgrade == b->upgrade &&
	       a->expect == b->expect && text_is(buffer_text(&a->text), buffer_text(&b->text));
}

#endif
