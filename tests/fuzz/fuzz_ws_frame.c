/*
 * The receiving side of a WebSocket. However the bytes are cut, the same events come in the same order up to the same
 * end, and the reader keeps no more than the limit.
 *
 * First byte: bit 0 is permessage-deflate, the others are the size of the pieces.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"
#include "node/ws/ws_reader.h"

#define MAX_MESSAGE 4096

static const struct ws_options options = {.max_message = MAX_MESSAGE, .max_fragments = 8};
static const struct ws_deflate_params params = {false, false, 15, 15};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
record(struct buffer *out, int result, const struct ws_event *e)
{
	int32_t head[3] = {result, result > 0 ? (int32_t)e->opcode : (int32_t)e->reason, e->code};

	buffer_add(out, head, sizeof head);
	if (result <= 0)
		return;
	must(e->n <= MAX_MESSAGE);
	must(e->opcode != WS_TEXT || utf8_valid(e->data, e->n));
	must(e->opcode < WS_CLOSE || e->n <= 125);
	buffer_add(out, &e->n, sizeof e->n);
	buffer_add(out, e->data, e->n);
}

/* Feeds the bytes in pieces. Unused bytes are fed again, in a block of exactly their size. */
static void
run(const uint8_t *bytes, size_t n, size_t step, bool deflate, struct buffer *out)
{
	struct ws_deflate *d = deflate ? ws_deflate_new(&params, NULL) : NULL;
	struct ws_reader reader;
	struct ws_event e;
	size_t at = 0, have = 0, used;
	int result = 1;

	ws_reader_init(&reader, &options, d);
	while (have < n && result >= 0) {
		uint8_t *piece;
		size_t size, done = 0;

		have = n - have < step ? n : have + step;
		size = have - at;
		piece = mem_copy(bytes + at, size);
		do {
			used = 0;
			result = ws_reader_next(&reader, piece + done, size - done, &used, &e);
			done += used;
			must(done <= size);
			if (result != 0)
				record(out, result, &e);
			if (result > 0)
				mem_free(e.owned);
		} while (result > 0);
		must(result < 0 || size - done < WS_FRAME_HEADER_MAX + 125);
		at += done;
		mem_free(piece);
	}
	ws_reader_fini(&reader);
	ws_deflate_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buffer whole, pieces;
	bool deflate;
	size_t step;

	if (n == 0)
		return 0;
	deflate = bytes[0] & 1;
	step = bytes[0] / 2 + 1;
	bytes++;
	n--;
	buffer_init(&whole, SIZE_MAX);
	buffer_init(&pieces, SIZE_MAX);
	run(bytes, n, n, deflate, &whole);
	run(bytes, n, step, deflate, &pieces);
	must(text_is(buffer_text(&whole), buffer_text(&pieces)));
	buffer_fini(&whole);
	buffer_fini(&pieces);
	return 0;
}
