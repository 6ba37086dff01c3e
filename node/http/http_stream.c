/* A reply whose body is made piece by piece, each when the one before has left. */
#include "common/base/must.h"
#include "node/http/http_exchange.h"

#define STREAM_PIECE 65536

/* `done` is the handler's; it may free what `user` points to, nothing of ours. */
void
http_stream_end(struct http_exchange *x)
{
	struct http_stream stream = x->stream;

	x->state = HTTP_END_STATE;
	if (stream.done)
		stream.done(stream.user);
}

void
http_exchange_stream(struct http_exchange *x, struct http_stream stream)
{
	x->state = HTTP_STREAM_STATE;
	x->stream = stream;
	conn_set_deadline(x->r.conn->c, 0, NULL);
}

/* One piece; the next one when it has left. */
void
http_stream_pull(struct http_conn *h)
{
	struct http_exchange *x = h->x;
	uint64_t left = x->stream.remaining;
	size_t room = left < STREAM_PIECE ? (size_t)left : STREAM_PIECE;

	if (room) {
		struct block *piece = block_new(room);
		int64_t n = x->stream.pull(x->stream.user, piece->data, room);

		must(n <= (int64_t)room);
		if (n > 0) {
			piece->len = (uint32_t)n;
			conn_send(h->c, piece, 0, (size_t)n);
			x->stream.remaining -= (uint64_t)n;
		} else
			conn_close(h->c, REASON_RESET);
		block_unref(piece);
	}
	if (conn_dead(h->c) || x->stream.remaining)
		return;
	http_stream_end(x);
	http_exchange_over(x);
}
