#include "node/upstream/upstream_body.h"

#include <string.h>

#define TRAILERS_MAX (16 * 1024)

void
upstream_body_init(struct upstream_body *body, const struct upstream_response *response)
{
	http_body_init(&body->counted, response->framing == UPSTREAM_CHUNKED,
		response->framing == UPSTREAM_LENGTH ? (uint64_t)response->length : 0, TRAILERS_MAX);
	body->until_close = response->framing == UPSTREAM_UNTIL_CLOSE;
}

bool
upstream_body_done(const struct upstream_body *body)
{
	return !body->until_close && body->counted.done;
}

int64_t
upstream_body_decode(struct upstream_body *body, const uint8_t *data, size_t n, uint8_t *out, size_t *got)
{
	size_t at = 0;

	*got = 0;
	if (body->until_close) {
		memcpy(out, data, n);
		*got = n;
		return (int64_t)n;
	}
	while (at < n && !body->counted.done) {
		struct text piece;
		int64_t used = http_body_feed(&body->counted, data + at, n - at, &piece);

		if (used < 0)
			return used;
		if (piece.n > 0)
			memcpy(out + *got, piece.at, piece.n);
		*got += piece.n;
		at += (size_t)used;
	}
	return (int64_t)at;
}
