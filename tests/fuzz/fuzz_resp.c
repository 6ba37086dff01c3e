/*
 * Bytes of a Redis server: the same answers however they are cut, provided that all bytes are valid. The first byte
 * is the length of a piece.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/resp.h"
#include "common/base/buffer.h"
#include "common/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
on_reply(void *arg, const struct resp *r)
{
	struct buffer *out = arg;

	buffer_printf(out, "%d %lld %u", (int)r->type, (long long)r->integer, r->item_count);
	buffer_add_text(out, r->text);
	assert(r->item_count <= RESP_ARRAY_MAX);
	for (unsigned i = 0; i < r->item_count && i < RESP_ITEMS_MAX; i++) {
		buffer_printf(out, "/%zu:", r->items[i].n);
		buffer_add_text(out, r->items[i]);
	}
	return true;
}

/* True if all bytes were valid and used. */
static bool
run(const uint8_t *data, size_t size, size_t piece, struct buffer *out)
{
	struct resp_reader *r = resp_reader_new(4096, on_reply, out);
	struct buffer left;
	int64_t n = 0;

	buffer_init(&left, 1 << 20);
	for (size_t at = 0; at < size && n >= 0; at += piece) {
		buffer_add(&left, data + at, piece < size - at ? piece : size - at);
		n = resp_reader_feed(r, left.data, left.len);
		assert(n <= (int64_t)left.len);
		if (n > 0)
			buffer_drop(&left, (size_t)n);
		assert(n < 0 || left.len < RESP_LEFT_MAX);
	}
	n = n < 0 ? n : (int64_t)left.len;
	buffer_fini(&left);
	resp_reader_free(r);
	return n == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole, cut;

	if (size < 2)
		return 0;
	buffer_init(&whole, 1 << 22);
	buffer_init(&cut, 1 << 22);
	/* one way of cutting may detect a malformed answer earlier than the other */
	if (run(data + 1, size - 1, size, &whole) && run(data + 1, size - 1, data[0] == 0 ? 1 : data[0], &cut))
		assert(whole.len == cut.len && (whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0));
	buffer_fini(&whole);
	buffer_fini(&cut);
	return 0;
}
