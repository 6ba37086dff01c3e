#include "node/upstream/upstream_body.h"

#include <string.h>

#define TRAILERS_MAX (16 * 1024)

void
upstream_body_init(struct upstream_body *b, const struct upstream_response *p)
{
	http_body_init(&b->counted, p->framing == UPSTREAM_CHUNKED,
		p->framing == UPSTREAM_LENGTH ? (uint64_t)p->length : 0, TRAILERS_MAX);
	b->until_close = p->framing == UPSTREAM_UNTIL_CLOSE;
}

bool
upstream_body_done(const struct upstream_body *b)
{
	return !b->until_close && b->counted.done;
}

int64_t
upstream_body_decode(struct upstream_body *b, const uint8_t *data, size_t n, uint8_t *out, size_t *got)
{
	size_t at = 0;

	*got = 0;
	if (b->until_close) {
		memcpy(out, data, n);
		*got = n;
		return (int64_t)n;
	}
	while (at < n && !b->counted.done) {
		struct text piece;
		int64_t used = http_body_feed(&b->counted, data + at, n - at, &piece);

		if (used < 0)
			return used;
		if (piece.n > 0)
			memcpy(out + *got, piece.at, piece.n);
		*got += piece.n;
		at += (size_t)used;
	}
	return (int64_t)at;
}
