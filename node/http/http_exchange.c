/* One request and its reply: the calls of a handler, and replies that are made piece by piece. */
#include "common/base/must.h"
#include "common/base/small.h"
#include "node/http/http_exchange.h"

#define DROP_MAX 65536	   /* an unread body of up to this many bytes is read to keep the connection */
#define ADDED_FIRST 128	   /* bytes of the first allocation for added fields */
#define STREAM_PIECE 65536 /* bytes of one piece of a streamed reply */

static void
exchange_begin(struct http_exchange *exchange, struct http_conn *h)
{
	*exchange = (struct http_exchange){.r.conn = h, .state = HTTP_HEAD_STATE};
	h->exchange = exchange;
}

struct http_exchange *
http_exchange_new(struct http_conn *h)
{
	struct http_exchange *exchange = small_alloc(sizeof(*exchange));

	exchange_begin(exchange, h);
	http_scan_init(&exchange->partial.scan);
	buffer_init(&exchange->partial.head, h->server->limits->max_head);
	return exchange;
}

/* Returns the bytes of an exchange with its head. */
static size_t
exchange_size(unsigned fields, size_t head)
{
	return sizeof(struct http_exchange) + fields * sizeof(struct http_header) + head;
}

static struct text
text_moved(struct text t, const char *from, const char *to)
{
	return text_of(to + (t.at - from), t.n);
}

struct http_exchange *
http_exchange_new_whole(
	struct http_conn *h, struct text head, struct http_split *split, const struct http_header *headers)
{
	struct http_exchange *exchange = small_try_alloc(exchange_size(split->count, head.n));
	char *copy;

	if (!exchange)
		return NULL;
	exchange_begin(exchange, h);
	copy = (char *)&exchange->headers[split->count];
	memcpy(copy, head.at, head.n);
	exchange->head = text_of(copy, head.n);
	exchange->fields = split->count;
	split->method = text_moved(split->method, head.at, copy);
	split->target = text_moved(split->target, head.at, copy);
	for (unsigned i = 0; i < split->count; i++) {
		exchange->headers[i].name = text_moved(headers[i].name, head.at, copy);
		exchange->headers[i].value = text_moved(headers[i].value, head.at, copy);
	}
	return exchange;
}

void
http_exchange_free(struct http_exchange *exchange)
{
	conn_hold(exchange->r.conn->c, 0);
	exchange->r.conn->exchange = NULL;
	if (exchange->state == HTTP_HEAD_STATE)
		buffer_fini(&exchange->partial.head);
	small_free(exchange->added, exchange->added_size);
	small_free(exchange, exchange_size(exchange->fields, exchange->head.n));
}

char *
http_added_room(struct http_exchange *exchange, size_t n)
{
	size_t needed = exchange->added_len + n, size = exchange->added_size ? exchange->added_size : ADDED_FIRST;
	char *fresh;

	if (needed <= exchange->added_size)
		return exchange->added + exchange->added_len;
	while (size < needed)
		size *= 2;
	fresh = small_try_alloc(size);
	if (!fresh)
		return NULL;
	if (exchange->added_len > 0)
		memcpy(fresh, exchange->added, exchange->added_len);
	small_free(exchange->added, exchange->added_size);
	exchange->added = fresh;
	exchange->added_size = (uint32_t)size;
	return fresh + exchange->added_len;
}

void
http_exchange_account(const struct http_exchange *exchange)
{
	size_t partial = exchange->state == HTTP_HEAD_STATE ? exchange->partial.head.size : 0;

	conn_hold(exchange->r.conn->c,
		exchange_size(exchange->fields, exchange->head.n) + partial + exchange->added_size + exchange->held);
}

void
http_request_holds(struct http_request *r, size_t bytes)
{
	struct http_exchange *exchange = http_exchange_of(r);

	exchange->held = bytes;
	http_exchange_account(exchange);
}

void
http_exchange_abort(struct http_exchange *exchange)
{
	exchange->state = HTTP_END_STATE;
	if (exchange->ops && exchange->ops->on_abort)
		exchange->ops->on_abort(&exchange->r, exchange->user);
}

/* -------------------------------------------------------- after a reply */

bool
http_exchange_closes(const struct http_exchange *exchange)
{
	if (!exchange->r.keep_alive || exchange->r.conn->server->closing || exchange->expecting)
		return true;
	if (exchange->state == HTTP_HOLD_STATE)
		return exchange->r.has_body;
	return exchange->state == HTTP_BODY_STATE && (exchange->r.chunked || exchange->body.remaining > DROP_MAX);
}

void
http_exchange_over(struct http_exchange *exchange)
{
	struct http_conn *h = exchange->r.conn;

	if (exchange->close || conn_dead(h->c)) {
		conn_finish(h->c, REASON_FINISHED);
		http_exchange_free(exchange);
	} else if (exchange->state == HTTP_BODY_STATE) {
		exchange->state = HTTP_DROP_STATE;
		if (exchange->paused)
			http_exchange_read_on(exchange);
	} else
		http_conn_idle(h);
}

void
http_destroy(struct http_request *r, unsigned reason)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange));
	conn_close(r->conn->c, reason);
	http_exchange_free(exchange);
}

/* ------------------------------------------------------ what handlers ask for */

void
http_wait(struct http_request *r, const struct http_exchange_ops *ops, void *user, uint64_t max_body)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange) && ops);
	exchange->ops = ops;
	exchange->user = user;
	if (max_body)
		exchange->max_body = max_body;
	http_exchange_account(exchange);
}

void
http_hold(struct http_request *r, const struct http_exchange_ops *ops, void *user)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange) && r->conn->busy && ops);
	exchange->ops = ops;
	exchange->user = user;
	exchange->state = HTTP_HOLD_STATE;
	http_exchange_account(exchange);
	conn_set_deadline(r->conn->c, 0, NULL);
}

struct conn *
http_leave(struct http_request *r)
{
	struct conn *c = r->conn->c;

	must(http_exchange_of(r)->state == HTTP_HOLD_STATE && !r->conn->busy);
	http_conn_leave(r->conn);
	return c;
}

struct conn *
http_request_conn(const struct http_request *r)
{
	return r->conn->c;
}

struct text
http_request_head(const struct http_request *r)
{
	return http_exchange_of((struct http_request *)r)->head;
}

/* -------------------------------------------------- replies piece by piece */

/* `done` may free what `user` points to, but nothing that belongs to this layer. */
void
http_stream_end(struct http_exchange *exchange)
{
	struct http_stream stream = exchange->stream;

	exchange->state = HTTP_END_STATE;
	if (stream.done)
		stream.done(stream.user);
}

void
http_exchange_stream(struct http_exchange *exchange, struct http_stream stream)
{
	exchange->state = HTTP_STREAM_STATE;
	exchange->stream = stream;
	conn_set_deadline(exchange->r.conn->c, 0, NULL);
}

void
http_stream_pull(struct http_conn *h)
{
	struct http_exchange *exchange = h->exchange;
	uint64_t left = exchange->stream.remaining;
	size_t room = left < STREAM_PIECE ? (size_t)left : STREAM_PIECE;

	if (room) {
		struct block *piece = block_try_new(room);
		int64_t n;

		if (!piece) {
			conn_no_memory(h->c);
			return;
		}
		n = exchange->stream.pull(exchange->stream.user, piece->data, room);

		must(n <= (int64_t)room);
		if (n > 0) {
			piece->len = (uint32_t)n;
			conn_send(h->c, piece, 0, (size_t)n);
			exchange->stream.remaining -= (uint64_t)n;
		} else
			conn_close(h->c, REASON_RESET);
		block_unref(piece);
	}
	if (conn_dead(h->c) || exchange->stream.remaining)
		return;
	http_stream_end(exchange);
	http_exchange_over(exchange);
}
