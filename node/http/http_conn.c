/*
 * Connections that speak HTTP, and the life of the exchanges on them; the connections of a server as a whole.
 *
 * State (exchange->state)   bytes           deadline  leaves it
 * idle (exchange is NULL)   begin a head    idle_ms   a byte: HEAD
 * HEAD               are scanned     head_ms   the empty line: BODY, or WAIT if there is no body; a refusal: closed
 * BODY               go up           body_ms   its end: WAIT; a reply: DROP (cheap to read on), else closed
 * WAIT               stay unread     none      a reply: idle or closed; http_reply_stream(): STREAM; http_upgrade()
 * HOLD               stay unread     none      a reply: idle or closed; http_destroy(), http_leave()
 * DROP               are dropped     body_ms   the end of the body: idle
 * STREAM             stay unread     none      the last piece is queued: idle or closed
 * END                stay unread     none      on_abort() runs, nothing can be replied any more
 *
 * A handler may pause the BODY of a request that it passes on: the bytes stay unread then, without a deadline. Its
 * reply may begin in BODY or WAIT and last; the exchange stays in its state until the reply's end (http_push.c).
 *
 * A new connection has head_ms for its first head. "Closed" is conn_finish() where a reply is to arrive, else
 * conn_close(). Bytes that stay unread are kept by the connection (conn_limits.max_kept bounds them) and come again
 * by conn_resume().
 *
 * Half-close: a peer that sent FIN while its request waits is taken as gone (Node.js's polling does so too); one that
 * sent FIN before it read its reply still gets the reply.
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/zip.h"
#include "common/io/log_filter.h"
#include "node/http/http_exchange.h"
#include "node/http/http_head.h"
#include "node/http/http_tables.h"
#include "node/http/http_words.h"

#define PIPELINE_QUEUE_MAX 262144 /* replies waiting for the peer beyond which its next request waits */

static void
conn_free(struct http_conn *h)
{
	struct http_server *server = h->server;

	list_remove(&h->link);
	if (list_empty(&server->conns)) {
		zip_free(server->zip);
		server->zip = NULL;
	}
	mem_free(h);
}

/* ------------------------------------------------------------ deadlines */

static void on_deadline(struct conn *c);

static void
arm(struct http_conn *h, uint64_t ms)
{
	conn_set_deadline(h->c, ms, ms ? on_deadline : NULL);
}

/* ------------------------------------------------------------- refusals */

/* Answers what is no fit request, or no longer one, and closes. RFC 9112 9.6: the reply arrives before the connection
 * ends. */
static void
refuse(struct http_conn *h, int status, unsigned reason)
{
	struct http_exchange *exchange = h->exchange;
	bool handed = http_exchange_pending(exchange);
	const char *phrase = http_status_phrase(status);

	counter_add(conn_counters(h->c), COUNT_HTTP_REFUSED, 1);
	if (exchange->begun) { /* the client reads another reply already: on_closed tells the handler */
		conn_close(h->c, reason);
		return;
	}
	http_reply_refusal(exchange, status, status == 413 ? TEXT("") : text_from(phrase));
	conn_finish(h->c, reason);
	if (handed)
		http_exchange_abort(exchange);
	http_exchange_free(exchange);
}

/* Of a body that may take as long as it likes, as long as it comes: was there enough of it since the last look? */
static bool
keeps_rate(struct http_exchange *exchange)
{
	uint64_t least = exchange->r.conn->server->limits->body_ms * HTTP_BODY_RATE / 1000,
		 came = exchange->received - exchange->rated;

	exchange->rated = exchange->received;
	return exchange->streaming && came > 0 && came >= least;
}

static void
on_deadline(struct conn *c)
{
	struct http_conn *h = conn_owner(c);
	struct http_exchange *exchange = h->exchange;

	if (conn_finishing(c))
		return;
	if (!exchange && h->used) {
		/* a reply that the peer is still taking is no idle time; conn_limits.stall_ms guards it */
		if (conn_queued(c))
			arm(h, h->server->limits->idle_ms);
		else
			conn_finish(c, REASON_HTTP_IDLE);
	} else if (!exchange || (exchange->state == HTTP_HEAD_STATE && !exchange->scan.len) ||
		   exchange->state == HTTP_DROP_STATE)
		conn_finish(c, REASON_HTTP_TIMEOUT);
	else if (exchange->state == HTTP_BODY_STATE && keeps_rate(exchange))
		arm(h, h->server->limits->body_ms);
	else if (exchange->state == HTTP_HEAD_STATE || exchange->state == HTTP_BODY_STATE)
		refuse(h, 408, REASON_HTTP_TIMEOUT);
}

/* The next request may come. */
void
http_conn_idle(struct http_conn *h)
{
	http_exchange_free(h->exchange);
	arm(h, h->server->limits->idle_ms);
	if (!h->busy)
		conn_resume(h->c);
}

static size_t
nobody_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c, (void)data, (void)n;
	return 0;
}

static void
nobody_closed(struct conn *c, unsigned reason)
{
	(void)c, (void)reason;
}

void
http_conn_leave(struct http_conn *h)
{
	/* until the caller sets the new owner */
	static const struct conn_ops nobody = {.on_data = nobody_data, .on_closed = nobody_closed};
	struct conn *c = h->c;

	http_exchange_free(h->exchange);
	arm(h, 0);
	conn_set_owner(c, &nobody, NULL);
	if (h->busy)
		h->gone = true;
	else {
		conn_free(h);
		conn_resume(c);
	}
}

/* ----------------------------------------------------- a request begins */

/* Tells the handler's wish for the body to a client that asked first (RFC 9110 10.1.1). */
static void
send_continue(struct http_exchange *exchange)
{
	exchange->expecting = false;
	conn_send_copy(exchange->r.conn->c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* After each up-call: true if the exchange goes on under its handler. */
static bool
goes_on(struct http_conn *h, const struct http_exchange *exchange)
{
	return !h->gone && h->exchange == exchange && http_exchange_pending(exchange) && !conn_dead(h->c);
}

/* The whole request was read, and its handler waits for that. */
static void
body_complete(struct http_conn *h)
{
	struct http_exchange *exchange = h->exchange;

	if (exchange->state == HTTP_DROP_STATE) {
		http_conn_idle(h);
		return;
	}
	exchange->state = HTTP_WAIT_STATE;
	arm(h, 0);
	if (exchange->ops && exchange->ops->on_complete && !exchange->completed) {
		exchange->completed = true;
		exchange->ops->on_complete(&exchange->r, exchange->user);
	}
}

static void
too_big(struct http_conn *h)
{
	refuse(h, 413, REASON_HTTP_LIMIT);
}

/* The head is complete in exchange->head. */
static void
begin_request(struct http_conn *h)
{
	struct http_exchange *exchange = h->exchange;
	const struct http_limits *limits = h->server->limits;
	unsigned fields = exchange->scan.fields;
	int status;

	loop_spend(conn_loop(h->c), LOOP_WORK_REQUEST);
	exchange->headers = mem_try_alloc((fields ? fields : 1) * sizeof(exchange->headers[0]));
	if (!exchange->headers) {
		conn_no_memory(h->c);
		return;
	}
	status = http_head_read(
		buffer_text(&exchange->head), exchange->headers, fields, &exchange->r, &exchange->expecting);
	if (status) {
		refuse(h, status, REASON_HTTP_SYNTAX);
		return;
	}
	counter_add(conn_counters(h->c), COUNT_HTTP_REQUESTS, 1);
	h->used = true;
	exchange->max_body = limits->max_body;
	http_body_init(&exchange->body, exchange->r.chunked, exchange->r.content_length, limits->max_head);
	exchange->state = exchange->r.has_body ? HTTP_BODY_STATE : HTTP_WAIT_STATE;
	if (exchange->r.has_body)
		arm(h, limits->body_ms);

	h->server->on_request(h->server->arg, &exchange->r);
	if (!goes_on(h, exchange) || exchange->state == HTTP_HOLD_STATE)
		return;
	must(exchange->ops); /* neither answered nor http_wait() called: nobody would ever answer */
	if (!exchange->r.has_body)
		body_complete(h);
	else if (exchange->r.content_length > exchange->max_body)
		too_big(h);
	else if (exchange->expecting && !exchange->streaming)
		send_continue(exchange);
}

void
http_exchange_read_on(struct http_exchange *exchange)
{
	exchange->paused = false;
	exchange->rated = exchange->received;
	arm(exchange->r.conn, exchange->r.conn->server->limits->body_ms);
	conn_resume(exchange->r.conn->c);
}

/* ---------------------------------------------------------------- input */

static size_t
read_head(struct http_conn *h, const uint8_t *data, size_t n)
{
	const struct http_limits *limits = h->server->limits;
	struct http_exchange *exchange = h->exchange ? h->exchange : http_exchange_new(h);
	size_t before = exchange->scan.len, len, used;
	int64_t end = http_scan_feed(&exchange->scan, data, n, limits->max_head, limits->max_headers);

	if (end < 0) {
		refuse(h, exchange->scan.status,
			end == ERROR_TOO_BIG || end == ERROR_TOO_MANY ? REASON_HTTP_LIMIT : REASON_HTTP_SYNTAX);
		return n;
	}
	used = end ? (size_t)end : n;
	len = exchange->scan.len - before;
	buffer_add(&exchange->head, data + used - len, len);
	if (buffer_error(&exchange->head)) {
		conn_no_memory(h->c);
		return n;
	}
	if (end) {
		begin_request(h);
		return used;
	}
	http_exchange_account(exchange);
	if (!before && len && h->used)
		arm(h, limits->head_ms);
	return used;
}

static size_t
read_body(struct http_conn *h, const uint8_t *data, size_t n)
{
	struct http_exchange *exchange = h->exchange;
	struct text piece;
	int64_t used = http_body_feed(&exchange->body, data, n, &piece);

	if (used < 0 && exchange->state == HTTP_DROP_STATE)
		conn_finish(h->c, REASON_HTTP_SYNTAX);
	else if (used == ERROR_TOO_BIG)
		too_big(h);
	else if (used < 0)
		refuse(h, 400, REASON_HTTP_SYNTAX);
	if (used < 0)
		return n;

	if (exchange->state == HTTP_BODY_STATE && piece.n) {
		exchange->expecting = false;
		exchange->received += piece.n;
		if (exchange->received > exchange->max_body) {
			too_big(h);
			return n;
		}
		if (exchange->ops->on_body)
			exchange->ops->on_body(&exchange->r, exchange->user, (const uint8_t *)piece.at, piece.n);
		if (h->gone || h->exchange != exchange || conn_dead(h->c))
			return (size_t)used;
	}
	if (exchange->body.done)
		body_complete(h);
	return (size_t)used;
}

/* Takes some bytes, at least one, or returns 0: they have to wait. */
static size_t
read_some(struct http_conn *h, const uint8_t *data, size_t n)
{
	if (h->gone || conn_dead(h->c) || conn_finishing(h->c))
		return 0;
	if (!h->exchange && conn_queued(h->c) > PIPELINE_QUEUE_MAX) {
		h->held = true;
		return 0;
	}
	if (!h->exchange || h->exchange->state == HTTP_HEAD_STATE)
		return read_head(h, data, n);
	if (h->exchange->paused)
		return 0;
	if (h->exchange->state == HTTP_BODY_STATE || h->exchange->state == HTTP_DROP_STATE)
		return read_body(h, data, n);
	return 0;
}

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct http_conn *h = conn_owner(c);
	size_t used = 0, more;

	h->busy = true;
	while (used < n && !conn_share_spent(c) && (more = read_some(h, data + used, n - used)) > 0)
		used += more;
	h->busy = false;
	if (h->gone)
		conn_free(h);
	return used;
}

static void
on_drain(struct conn *c)
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
on_eof(struct conn *c)
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
		conn_finish(c, REASON_PEER_CLOSED); /* on_closed tells the handler */
}

/* With the address of the peer, which may be a balancer's: no request may have said who is behind it. */
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
on_closed(struct conn *c, unsigned reason)
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
	conn_free(h);
}

static const struct conn_ops http_ops = {on_data, on_drain, on_eof, on_closed};

/* ------------------------------------------------------------ interface */

void
http_conn_start(struct conn *c, struct http_server *server)
{
	struct http_conn *h = mem_zalloc(sizeof(*h));

	if (!server->conns.next)
		list_init(&server->conns);
	h->c = c;
	h->server = server;
	list_add_tail(&server->conns, &h->link);
	conn_set_owner(c, &http_ops, h);
	arm(h, server->limits->head_ms);
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
