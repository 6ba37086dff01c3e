/*
 * HTTP connections, the life of the exchanges on them, and the set of connections of a server.
 *
 *   State   Bytes           Deadline  Next state
 *   idle    begin a head    idle_ms   HEAD on a byte
 *   HEAD    are scanned     head_ms   BODY, or WAIT without a body, after the empty line; closed on a refusal
 *   BODY    are passed up   body_ms   WAIT at its end; on a reply DROP if reading on is cheap, otherwise closed
 *   WAIT    stay unread     none      on a reply idle or closed; STREAM on http_reply_stream(); http_upgrade()
 *   HOLD    stay unread     none      on a reply idle or closed; closed on http_destroy(); http_leave()
 *   DROP    are dropped     body_ms   idle at the end of the body
 *   STREAM  stay unread     none      idle or closed after the last piece is queued
 *   END     stay unread     none      none: on_abort() runs, and a reply is no longer possible
 *
 * An idle connection has no exchange. A new connection has head_ms for its first head. "Closed" means conn_finish()
 * if a reply is still to arrive, otherwise conn_close(). http_upgrade() and http_leave() end HTTP on the connection.
 *
 * A handler that passes a BODY on may pause it; its bytes then stay unread, without a deadline. Its reply may begin
 * in BODY or WAIT and take time; the exchange stays in that state until the reply is complete (http_push.c).
 *
 * The connection keeps unread bytes (limited by conn_limits.max_kept) and delivers them again after conn_resume().
 *
 * Half-close: a peer that sends FIN while its request waits for a reply counts as gone; polling in Node.js does the
 * same. A peer that sends FIN before it has read its reply still gets the reply.
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/base/zip.h"
#include "common/io/log_filter.h"
#include "node/http/http_exchange.h"
#include "node/http/http_head.h"
#include "node/http/http_tables.h"
#include "node/http/http_words.h"

#define FIELDS_USUAL 64		  /* a head with more fields is read like one in pieces */
#define PIPELINE_QUEUE_MAX 262144 /* bytes of queued replies above which the next pipelined request waits */

static void
http_conn_free(struct http_conn *h)
{
	struct http_server *server = h->server;

	list_remove(&h->link);
	if (list_empty(&server->conns)) {
		zip_free(server->zip);
		server->zip = NULL;
	}
	small_free(h, sizeof(*h));
}

/* ------------------------------------------------------------ deadlines */

static void http_on_deadline(struct conn *c);

static void
set_deadline(struct http_conn *h, uint64_t ms)
{
	conn_set_deadline(h->c, ms, ms ? http_on_deadline : NULL);
}

/* ------------------------------------------------------------- refusals */

/*
 * Answers a malformed or unacceptable request and closes. The reply arrives before the connection ends (RFC 9112
 * 9.6).
 */
static void
refuse_request(struct http_conn *h, int status, unsigned reason)
{
	struct http_exchange *exchange = h->exchange;
	bool handed = http_exchange_pending(exchange);
	const char *phrase = http_status_phrase(status);

	counter_add(conn_counters(h->c), COUNT_HTTP_REFUSED, 1);
	if (exchange->begun) { /* the client is reading a reply already; http_on_closed() tells the handler */
		conn_close(h->c, reason);
		return;
	}
	http_reply_refusal(exchange, status, status == 413 ? TEXT("") : text_from(phrase));
	conn_finish(h->c, reason);
	if (handed)
		http_exchange_abort(exchange);
	http_exchange_free(exchange);
}

/* Returns true if a streamed body has kept its minimum rate since the last check. */
static bool
keeps_rate(struct http_exchange *exchange)
{
	uint64_t least = exchange->r.conn->server->limits->body_ms * HTTP_BODY_RATE / 1000,
		 came = exchange->received - exchange->rated;

	exchange->rated = exchange->received;
	return exchange->streaming && came > 0 && came >= least;
}

static void
http_on_deadline(struct conn *c)
{
	struct http_conn *h = conn_owner(c);
	struct http_exchange *exchange = h->exchange;

	if (conn_finishing(c))
		return;
	if (!exchange && h->used) {
		/* A reply that is still being sent is not idle time; conn_limits.stall_ms limits it. */
		if (conn_queued(c))
			set_deadline(h, h->server->limits->idle_ms);
		else
			conn_finish(c, REASON_HTTP_IDLE);
	} else if (!exchange || (exchange->state == HTTP_HEAD_STATE && !exchange->partial.scan.len) ||
		   exchange->state == HTTP_DROP_STATE)
		conn_finish(c, REASON_HTTP_TIMEOUT);
	else if (exchange->state == HTTP_BODY_STATE && keeps_rate(exchange))
		set_deadline(h, h->server->limits->body_ms);
	else if (exchange->state == HTTP_HEAD_STATE || exchange->state == HTTP_BODY_STATE)
		refuse_request(h, 408, REASON_HTTP_TIMEOUT);
}

void
http_conn_idle(struct http_conn *h)
{
	http_exchange_free(h->exchange);
	set_deadline(h, h->server->limits->idle_ms);
	if (!h->busy)
		conn_resume(h->c);
}

static size_t
unowned_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c, (void)data, (void)n;
	return 0;
}

static void
unowned_closed(struct conn *c, unsigned reason)
{
	(void)c, (void)reason;
}

void
http_conn_leave(struct http_conn *h)
{
	/* the owner until the caller sets a new one */
	static const struct conn_ops unowned = {.on_data = unowned_data, .on_closed = unowned_closed};
	struct conn *c = h->c;

	http_exchange_free(h->exchange);
	set_deadline(h, 0);
	conn_set_owner(c, &unowned, NULL);
	if (h->busy)
		h->gone = true;
	else {
		http_conn_free(h);
		conn_resume(c);
	}
}

/* ----------------------------------------------------- a request begins */

/* Tells a client that asked first (RFC 9110 10.1.1) to send the body. */
static void
send_continue(struct http_exchange *exchange)
{
	exchange->expecting = false;
	conn_send_copy(exchange->r.conn->c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* Returns true if, after an up-call, the handler still has the exchange. */
static bool
is_still_pending(struct http_conn *h, const struct http_exchange *exchange)
{
	return !h->gone && h->exchange == exchange && http_exchange_pending(exchange) && !conn_dead(h->c);
}

/* Handles the end of the request: tells the handler or, if the body was dropped, makes the connection idle. */
static void
http_body_complete(struct http_conn *h)
{
	struct http_exchange *exchange = h->exchange;

	if (exchange->state == HTTP_DROP_STATE) {
		http_conn_idle(h);
		return;
	}
	exchange->state = HTTP_WAIT_STATE;
	set_deadline(h, 0);
	if (exchange->ops && exchange->ops->on_complete && !exchange->completed) {
		exchange->completed = true;
		exchange->ops->on_complete(&exchange->r, exchange->user);
	}
}

static void
refuse_body(struct http_conn *h)
{
	refuse_request(h, 413, REASON_HTTP_LIMIT);
}

/* Copies a complete head, whose parts are known, and passes the request up. */
static void
http_begin_request(struct http_conn *h, struct text head, struct http_split *split, const struct http_header *headers)
{
	struct http_exchange *exchange = http_exchange_new_whole(h, head, split, headers);
	const struct http_limits *limits = h->server->limits;
	int status;

	loop_spend(conn_loop(h->c), LOOP_WORK_REQUEST);
	if (!exchange) {
		conn_no_memory(h->c);
		return;
	}
	status = http_head_use(split, exchange->headers, &exchange->r, &exchange->expecting);
	if (status) {
		refuse_request(h, status, REASON_HTTP_SYNTAX);
		return;
	}
	counter_add(conn_counters(h->c), COUNT_HTTP_REQUESTS, 1);
	h->used = true;
	exchange->max_body = limits->max_body;
	http_body_init(&exchange->body, exchange->r.chunked, exchange->r.content_length, limits->max_head);
	exchange->state = exchange->r.has_body ? HTTP_BODY_STATE : HTTP_WAIT_STATE;
	if (exchange->r.has_body)
		set_deadline(h, limits->body_ms);

	h->server->on_request(h->server->arg, &exchange->r);
	if (!is_still_pending(h, exchange) || exchange->state == HTTP_HOLD_STATE)
		return;
	must(exchange->ops); /* the handler has not replied, so it must have called http_wait() */
	if (!exchange->r.has_body)
		http_body_complete(h);
	else if (exchange->r.content_length > exchange->max_body)
		refuse_body(h);
	else if (exchange->expecting && !exchange->streaming)
		send_continue(exchange);
}

void
http_exchange_read_on(struct http_exchange *exchange)
{
	exchange->paused = false;
	exchange->rated = exchange->received;
	set_deadline(exchange->r.conn, exchange->r.conn->server->limits->body_ms);
	conn_resume(exchange->r.conn->c);
}

/* ---------------------------------------------------------------- input */

/* Begins the request whose last piece has arrived. */
static void
http_begin_joined(struct http_conn *h)
{
	struct http_partial *partial = &h->exchange->partial;
	unsigned fields = partial->scan.fields;
	struct http_header *headers = mem_try_alloc(fields * sizeof(*headers));
	struct buffer head = partial->head;
	struct http_split split;

	if (!headers)
		conn_no_memory(h->c);
	else if (http_split(head.data, head.len, head.len, fields, headers, &split) != head.len)
		refuse_request(h, 400, REASON_HTTP_SYNTAX); /* never: the scan has accepted the head */
	else {
		buffer_init(&partial->head, 0);
		http_exchange_free(h->exchange);
		http_begin_request(h, buffer_text(&head), &split, headers);
		buffer_fini(&head);
	}
	mem_free(headers);
}

/* Reads a piece of a head, or a head that the scan must look at closely. */
static size_t
http_read_piece(struct http_conn *h, const uint8_t *data, size_t n)
{
	const struct http_limits *limits = h->server->limits;
	struct http_exchange *exchange = h->exchange ? h->exchange : http_exchange_new(h);
	struct http_partial *partial = &exchange->partial;
	size_t before = partial->scan.len, len, used;
	int64_t end = http_scan_feed(&partial->scan, data, n, limits->max_head, limits->max_headers);

	if (end < 0) {
		refuse_request(h, partial->scan.status,
			end == ERROR_TOO_BIG || end == ERROR_TOO_MANY ? REASON_HTTP_LIMIT : REASON_HTTP_SYNTAX);
		return n;
	}
	used = end ? (size_t)end : n;
	len = partial->scan.len - before;
	buffer_add(&partial->head, data + used - len, len);
	if (buffer_error(&partial->head)) {
		conn_no_memory(h->c);
		return n;
	}
	if (end) {
		http_begin_joined(h);
		return used;
	}
	http_exchange_account(exchange);
	if (!before && len && h->used)
		set_deadline(h, limits->head_ms);
	return used;
}

static size_t
http_read_head(struct http_conn *h, const uint8_t *data, size_t n)
{
	const struct http_limits *limits = h->server->limits;
	struct http_header headers[FIELDS_USUAL];
	unsigned most = limits->max_headers < FIELDS_USUAL ? limits->max_headers : FIELDS_USUAL;
	struct http_split split;
	size_t length = h->exchange ? 0 : http_split(data, n, limits->max_head, most, headers, &split);

	if (length == 0)
		return http_read_piece(h, data, n);
	http_begin_request(h, text_of((const char *)data, length), &split, headers);
	return length;
}

static size_t
http_read_body(struct http_conn *h, const uint8_t *data, size_t n)
{
	struct http_exchange *exchange = h->exchange;
	struct text piece;
	int64_t used = http_body_feed(&exchange->body, data, n, &piece);

	if (used < 0 && exchange->state == HTTP_DROP_STATE)
		conn_finish(h->c, REASON_HTTP_SYNTAX);
	else if (used == ERROR_TOO_BIG)
		refuse_body(h);
	else if (used < 0)
		refuse_request(h, 400, REASON_HTTP_SYNTAX);
	if (used < 0)
		return n;

	if (exchange->state == HTTP_BODY_STATE && piece.n) {
		exchange->expecting = false;
		exchange->received += piece.n;
		if (exchange->received > exchange->max_body) {
			refuse_body(h);
			return n;
		}
		if (exchange->ops->on_body)
			exchange->ops->on_body(&exchange->r, exchange->user, (const uint8_t *)piece.at, piece.n);
		if (h->gone || h->exchange != exchange || conn_dead(h->c))
			return (size_t)used;
	}
	if (exchange->body.done)
		http_body_complete(h);
	return (size_t)used;
}

/* Consumes at least one byte and returns the number of bytes consumed, or returns 0 if the bytes must wait. */
static size_t
http_read_some(struct http_conn *h, const uint8_t *data, size_t n)
{
	if (h->gone || conn_dead(h->c) || conn_finishing(h->c))
		return 0;
	if (!h->exchange && conn_queued(h->c) > PIPELINE_QUEUE_MAX) {
		h->held = true;
		return 0;
	}
	if (!h->exchange || h->exchange->state == HTTP_HEAD_STATE)
		return http_read_head(h, data, n);
	if (h->exchange->paused)
		return 0;
	if (h->exchange->state == HTTP_BODY_STATE || h->exchange->state == HTTP_DROP_STATE)
		return http_read_body(h, data, n);
	return 0;
}

static size_t
http_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct http_conn *h = conn_owner(c);
	size_t used = 0, more;

	h->busy = true;
	while (used < n && !conn_share_spent(c) && (more = http_read_some(h, data + used, n - used)) > 0)
		used += more;
	h->busy = false;
	if (h->gone)
		http_conn_free(h);
	return used;
}

static void
http_on_drain(struct conn *c)
{
	struct http_conn *h = conn_owner(c);

	if (h->exchange && h->exchange->state == HTTP_STREAM_STATE)
		http_stream_pull(h);
	else if (h->exchange && h->exchange->state == HTTP_HOLD_STATE) {
		if (h->exchange->ops->on_complete)
			h->exchange->ops->on_complete(&h->exchange->r, h->exchange->user);
	} else if (h->exchange && h->exchange->begun && http_exchange_pending(h->exchange)) {
		if (h->exchange->ops->on_drain)
			h->exchange->ops->on_drain(&h->exchange->r, h->exchange->user);
	} else if (h->held) {
		h->held = false;
		conn_resume(c);
	}
}

static void
http_on_eof(struct conn *c)
{
	struct http_conn *h = conn_owner(c);
	struct http_exchange *exchange = h->exchange;

	if (exchange && exchange->state == HTTP_STREAM_STATE)
		exchange->close = true;
	else if (exchange && exchange->begun && http_exchange_pending(exchange))
		conn_close(c, REASON_PEER_CLOSED);
	else if (!http_exchange_pending(exchange) && conn_queued(c))
		conn_finish(c, REASON_FINISHED);
	else
		conn_finish(c, REASON_PEER_CLOSED); /* http_on_closed() tells the handler */
}

/*
 * Logs the address of the peer, which may be a load balancer. Only requests name the client behind it, and the
 * connection may not have had one.
 */
static void
trace_closed(const struct conn *c, unsigned reason)
{
	char room[CONN_ADDRESS_MAX];
	struct log_subject about = {.address = conn_peer_address(c, room)};

	if (log_filter_passes(&about))
		log_event(LOG_DEBUG, "connection_closed", "address", LOG_TEXT(about.address), "reason",
			LOG_STR(names_word(&http_reasons, reason)), NULL);
}

static void
http_on_closed(struct conn *c, unsigned reason)
{
	struct http_conn *h = conn_owner(c);
	struct http_exchange *exchange = h->exchange;

	if (log_debug())
		trace_closed(c, reason);
	if (exchange && exchange->state == HTTP_STREAM_STATE)
		http_stream_end(exchange);
	else if (http_exchange_pending(exchange))
		http_exchange_abort(exchange);
	if (exchange)
		http_exchange_free(exchange);
	http_conn_free(h);
}

static const struct conn_ops http_ops = {http_on_data, http_on_drain, http_on_eof, http_on_closed};

/* ------------------------------------------------------------ interface */

void
http_conn_start(struct conn *c, struct http_server *server)
{
	struct http_conn *h = small_zalloc(sizeof(*h));

	if (!server->conns.next)
		list_init(&server->conns);
	h->c = c;
	h->server = server;
	list_add_tail(&server->conns, &h->link);
	conn_set_owner(c, &http_ops, h);
	set_deadline(h, server->limits->head_ms);
}

/* ------------------------------------------------- the connections of a server */

void
http_server_init(struct http_server *server, const struct http_limits *limits,
	void (*on_request)(void *arg, struct http_request *r), void *arg)
{
	*server = (struct http_server){.limits = limits, .on_request = on_request, .arg = arg};
	list_init(&server->conns);
}

void
http_server_cut(struct http_server *server)
{
	struct list *link, *next;

	server->closing = true;
	if (!server->conns.next)
		return;
	list_each(link, next, &server->conns)
		conn_close(list_entry(link, struct http_conn, link)->c, REASON_SHUTDOWN);
}

unsigned
http_server_count(const struct http_server *server)
{
	unsigned n = 0;

	if (server->conns.next)
		for (const struct list *link = server->conns.next; link != &server->conns; link = link->next)
			n++;
	return n;
}
