/*
 * Long-polling: GET requests fetch packets, POST requests bring them.
 *
 *   request        while                      answer
 *   GET            no poll waits              held until there is a packet; the queue leaves as one payload
 *   GET            a poll waits               400, and the session closes: transport error; the first gets "1"
 *   GET            CLOSING, queue empty       "6\x1e1", and the session closes
 *   POST           none is under way          200 "ok" after its packets were handled; 413 beyond the limit;
 *                                             400 when malformed, and the session closes: parse error
 *   POST           another is under way       400, and the session closes: transport error; the first is cut off
 *   other                                     500
 *
 * A push of nothing but "1" while no poll waits is held for CLOSE_GRACE_MS: the poll that the client sent just
 * before, on another connection, may arrive after it and shall get its "6".
 *
 * Either request aborted by the peer: transport error.
 */
#include "node/engineio/eio_session.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/http/http_words.h"

/* Written anew: cookies do not know the obsolete forms of a date. */
static void
add_expires(const struct eio_options *o, struct buffer *b)
{
	char date[HTTP_DATE_LENGTH + 1];
	int64_t seconds;

	if (o->cookie_expires == NULL || o->cookie_expires[0] == '\0')
		return;
	must(http_date_read(text_from(o->cookie_expires), loop_wall_ms() / 1000, &seconds) == 0);
	http_date_write(seconds, date);
	buffer_printf(b, "; Expires=%s", date);
}

/* The names and characters were checked by eio_options_check(), a sid needs no encoding. */
static void
add_cookie(struct eio_session *s, struct http_request *r)
{
	const struct eio_options *o = s->server->options;
	struct buffer b;

	if (o->cookie == NULL || text_is(text_from(o->cookie), TEXT("false")))
		return;
	buffer_init(&b, 8192); /* more than what eio_options_check() lets through comes to */
	buffer_add_text(&b, text_is(text_from(o->cookie), TEXT("true")) ? TEXT("io") : text_from(o->cookie));
	buffer_add_byte(&b, '=');
	buffer_add_text(&b, eio_sid(s));
	if (o->cookie_max_age > 0)
		buffer_printf(&b, "; Max-Age=%llu", (unsigned long long)o->cookie_max_age);
	if (o->cookie_domain != NULL && o->cookie_domain[0] != '\0')
		buffer_printf(&b, "; Domain=%s", o->cookie_domain);
	if (o->cookie_path != NULL && o->cookie_path[0] != '\0')
		buffer_printf(&b, "; Path=%s", o->cookie_path);
	add_expires(o, &b);
	if (o->cookie_http_only)
		buffer_add_text(&b, TEXT("; HttpOnly"));
	if (o->cookie_secure)
		buffer_add_text(&b, TEXT("; Secure"));
	if (o->cookie_same_site != NULL && o->cookie_same_site[0] != '\0')
		buffer_printf(&b, "; SameSite=%c%s", o->cookie_same_site[0] & ~0x20, o->cookie_same_site + 1);
	if (buffer_error(&b) == 0)
		http_add_header(r, "Set-Cookie", buffer_text(&b));
	buffer_fini(&b);
}

static void
add_headers(struct eio_session *s, struct http_request *r)
{
	struct text agent = http_header_get(r, "user-agent");
	bool initial = s->polling->initial;

	s->polling->initial = false;
	/* old Internet Explorers take a payload for a script injection */
	if (text_has(agent, TEXT(";MSIE")) || text_has(agent, TEXT("Trident/")))
		http_add_header(r, "X-XSS-Protection", TEXT("0"));
	http_add_header(r, "Cache-Control", TEXT("no-store"));
	if (initial)
		add_cookie(s, r);
	eio_headers(s->server, r, s, initial);
}

#define CLOSE_GRACE_MS 20 /* two requests of one moment, on two connections, are no further apart */

static void
reply_empty(struct http_request *r, int status)
{
	http_reply(r, status, NULL, TEXT(""), false);
}

/* Takes the pending poll and answers it with the messages as one payload. */
static void
answer(struct eio_session *s, struct eio_message *const *messages, unsigned n)
{
	const struct eio_options *o = s->server->options;
	struct http_request *r = s->polling->get;
	struct block *block;
	bool compress = false;
	size_t from = 0;

	for (unsigned i = 0; i < n; i++)
		compress = compress || messages[i]->compress;
	if (n == 1 && !messages[0]->binary) {
		block = block_ref(messages[0]->block);
		from = messages[0]->packet_at;
	} else {
		block = eio_payload_encode(messages, n);
	}
	compress = compress && block->len - from >= eio_options_gzip_threshold(o);
	s->polling->get = NULL;
	add_headers(s, r);
	http_reply_block(r, 200, "text/plain; charset=UTF-8", block, from, block->len - from, compress);
	block_unref(block);
}

void
eio_polling_flush(struct eio_session *s)
{
	struct eio_message **queue = s->queue;
	uint32_t count = s->queue_count;

	if (s->polling == NULL || s->polling->get == NULL || count == 0)
		return;
	eio_session_queue_taken(s);
	answer(s, queue, count);
	for (uint32_t i = 0; i < count; i++)
		eio_message_unref(queue[i]);
	mem_free(queue);
	if (s->state == EIO_STATE_CLOSING) /* the client lives: it has the full time to come for the close packet */
		loop_arm(s->server->loop, &s->timer, s->server->options->close_timeout);
}

void
eio_polling_answer(struct eio_session *s, struct eio_message *m)
{
	if (s->polling->get != NULL)
		answer(s, &m, 1);
}

/* "text/html" keeps some browsers from offering the reply as a download. */
static void
reply_ok(struct eio_session *s, struct http_request *r)
{
	add_headers(s, r);
	http_reply(r, 200, "text/html", TEXT("ok"), false);
}

void
eio_polling_stop(struct eio_session *s, struct eio_message *last)
{
	struct eio_polling *p = s->polling;

	if (s->state == EIO_STATE_CLOSED) /* after an upgrade the queue goes by the WebSocket instead */
		eio_polling_flush(s);
	eio_polling_answer(s, last);
	if (p->handling) /* its handler answers it, and then frees the transport */
		return;
	if (p->post != NULL && p->ready)
		reply_ok(s, p->post);
	else if (p->post != NULL)
		http_destroy(p->post, REASON_FORCED);
	buffer_fini(&p->body);
	mem_free(p);
	s->polling = NULL;
}

static void
get_aborted(struct http_request *r, void *user)
{
	struct eio_session *s = user;

	(void)r;
	s->polling->get = NULL;
	eio_session_end(s, EIO_TRANSPORT_ERROR, "poll connection closed prematurely");
}

static const struct http_exchange_ops get_ops = {.on_abort = get_aborted};

static void
handle_get(struct eio_session *s, struct http_request *r)
{
	struct eio_message *closing[2] = {s->server->noop, s->server->close};

	/* an answer that only waits for the end of the turn is given first: then this is no overlap */
	eio_polling_flush(s);
	if (s->polling->get != NULL) {
		eio_session_end(s, EIO_TRANSPORT_ERROR, "overlap from client");
		reply_empty(r, 400);
		return;
	}
	http_wait(r, &get_ops, s, 0);
	s->polling->get = r;
	if (s->queue_count > 0 || s->polling->grace) {
		eio_session_dirty(s);
	} else if (s->state == EIO_STATE_CLOSING) {
		answer(s, closing, 2);
		eio_session_end(s, EIO_FORCED_CLOSE, "closed by the server");
	}
}

static void
post_done(struct eio_session *s)
{
	s->polling->post = NULL;
	s->polling->ready = s->polling->grace = false;
	buffer_fini(&s->polling->body);
	buffer_init(&s->polling->body, s->server->options->max_http_buffer_size);
}

static void
post_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct eio_session *s = user;

	buffer_add(&s->polling->body, data, n);
	if (buffer_error(&s->polling->body) == 0)
		return;
	post_done(s); /* the session goes on, it is the client that gives up (original: the same) */
	reply_empty(r, 413);
}

/* Dispatches the packets one by one. Negative: the client's fault, the session has closed. */
static int
post_packets(struct eio_session *s, uint8_t *bytes, size_t n)
{
	struct eio_payload payload;
	struct eio_packet packet;
	int got = ERROR_UTF8;

	if (utf8_valid(bytes, n)) {
		eio_payload_init(&payload, bytes, n);
		while (s->state != EIO_STATE_CLOSED && (got = eio_payload_next(&payload, &packet)) > 0) {
			got = eio_session_packet(s, &packet);
			if (got < 0)
				return got;
		}
	}
	if (got < 0)
		eio_session_end(s, EIO_PARSE_ERROR, error_text(got));
	return got;
}

/*
 * The packets wait for the end of the turn: a client that sends a poll and then a push on two connections has both
 * read in one turn, in either order, and the poll must be there when the push is handled.
 */
static void
post_complete(struct http_request *r, void *user)
{
	struct eio_session *s = user;

	(void)r;
	s->polling->ready = true;
	eio_session_dirty(s);
}

void
eio_polling_dispatch(struct eio_session *s)
{
	struct eio_polling *p = s->polling;
	struct http_request *r = p->post;
	size_t n;
	uint8_t *bytes;
	int fault;

	if (!p->ready)
		return;
	p->grace = false;
	bytes = buffer_steal(&p->body, &n);
	p->handling = true;
	fault = post_packets(s, bytes, n);
	mem_free(bytes);
	p->handling = false;
	post_done(s);
	if (fault < 0)
		reply_empty(r, 400);
	else
		reply_ok(s, r);
	if (s->state == EIO_STATE_CLOSED)
		eio_polling_stop(s, s->server->close);
}

void
eio_polling_settle(struct eio_session *s)
{
	struct eio_polling *p = s->polling;
	bool farewell = p->body.len == 1 && p->body.data[0] == EIO_PACKET_CLOSE;

	if (p->grace && p->get == NULL)
		return;
	if (!p->grace && farewell && p->get == NULL) {
		p->grace = true; /* the heartbeat's timer is free, since nothing can keep this session from closing */
		loop_arm(s->server->loop, &s->timer, CLOSE_GRACE_MS);
		return;
	}
	eio_polling_dispatch(s);
}

static void
post_aborted(struct http_request *r, void *user)
{
	struct eio_session *s = user;
	bool farewell = s->polling->grace;

	(void)r;
	post_done(s);
	if (farewell) { /* it came whole, and its client did not wait for the answer */
		eio_session_end(s, EIO_TRANSPORT_CLOSE, "close packet");
		return;
	}
	eio_session_end(s, EIO_TRANSPORT_ERROR, "data request connection closed prematurely");
}

static const struct http_exchange_ops post_ops = {
	.on_body = post_body,
	.on_complete = post_complete,
	.on_abort = post_aborted,
};

/* Media type without parameters. */
static bool
is_octet_stream(const struct http_request *r)
{
	struct text type = http_header_get(r, "content-type"), media;

	return text_cut(&type, ';', &media) && text_is_nocase(text_trim(media), TEXT("application/octet-stream"));
}

static void
handle_post(struct eio_session *s, struct http_request *r)
{
	if (s->polling->post != NULL) {
		eio_session_end(s, EIO_TRANSPORT_ERROR, "data request overlap from client");
		reply_empty(r, 400);
	} else if (is_octet_stream(r)) {
		/* revision 4 sends bytes as base64 text only (CVE-2026-59725: the request must not stay open) */
		eio_session_end(s, EIO_TRANSPORT_ERROR, "invalid content");
		reply_empty(r, 400);
	} else if (r->content_length > s->server->options->max_http_buffer_size) {
		reply_empty(r, 413);
	} else {
		s->polling->post = r;
		/* the limit is kept by post_body(): the HTTP layer's would look like a peer that went away */
		http_wait(r, &post_ops, s, UINT64_MAX);
	}
}

void
eio_polling_request(struct eio_session *s, struct http_request *r)
{
	if (r->method == HTTP_GET)
		handle_get(s, r);
	else if (r->method == HTTP_POST)
		handle_post(s, r);
	else
		reply_empty(r, 500);
}

void
eio_polling_start(struct eio_session *s, struct http_request *r)
{
	s->polling = mem_zalloc(sizeof(*s->polling));
	buffer_init(&s->polling->body, s->server->options->max_http_buffer_size);
	s->polling->initial = true;
	s->polling->get = r;
	eio_session_open(s);
	eio_polling_flush(s);
}
