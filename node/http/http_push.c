/*
 * Bodies that are not kept in memory: a request body that is passed up piece by piece at the pace of its handler, and
 * a reply whose pieces the handler sends as it gets them. A handler may do both at once.
 *
 * The exchange is in state BODY while the request's body is read, and in state WAIT afterwards (see http_conn.c).
 * `begun` is true once the head of the reply is queued. From then on a fault closes the connection, because an error
 * reply is no longer possible.
 */
#include "common/base/must.h"
#include "node/http/http_chunk.h"
#include "node/http/http_exchange.h"

/* ------------------------------------------------------- the request's body */

void
http_wait_stream(struct http_request *r, const struct http_exchange_ops *ops, void *user)
{
	struct http_exchange *exchange = http_exchange_of(r);

	exchange->streaming = true;
	http_wait(r, ops, user, UINT64_MAX);
}

void
http_pause(struct http_request *r)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange) && exchange->streaming);
	if (exchange->paused || exchange->state != HTTP_BODY_STATE)
		return;
	exchange->paused = true;
	conn_set_deadline(r->conn->c, 0, NULL);
	conn_pause(r->conn->c);
}

void
http_resume(struct http_request *r)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange));
	if (exchange->paused)
		http_exchange_read_on(exchange);
}

bool
http_is_expecting(const struct http_request *r)
{
	return http_exchange_of((struct http_request *)r)->expecting;
}

/* -------------------------------------------------------------- the reply */

void
http_push_piece(struct http_request *r, struct block *block, size_t n)
{
	struct http_exchange *exchange = http_exchange_of(r);
	size_t from = HTTP_CHUNK_BEFORE, end = from + n;

	must(http_exchange_pending(exchange) && exchange->begun && block->len >= n + HTTP_CHUNK_ROOM);
	if (n == 0 || exchange->silent)
		return;
	if (exchange->pushed_chunks) {
		from = http_chunk_wrap(block->data, n);
		end += HTTP_CHUNK_AFTER;
	}
	conn_send(r->conn->c, block, from, end - from);
}

void
http_push_end(struct http_request *r)
{
	struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange) && exchange->begun);
	if (exchange->pushed_chunks)
		conn_send_copy(r->conn->c, HTTP_CHUNK_LAST, sizeof(HTTP_CHUNK_LAST) - 1);
	exchange->close = exchange->close || http_exchange_closes(exchange);
	http_exchange_over(exchange);
}

void
http_push_cut(struct http_request *r, unsigned reason)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct conn *c = r->conn->c;

	must(http_exchange_pending(exchange) && exchange->begun);
	if (exchange->pushed_until_close) /* a FIN would look like the end of the body */
		conn_reset(c, reason);
	else
		conn_finish(c, reason);
	http_exchange_free(exchange);
}
