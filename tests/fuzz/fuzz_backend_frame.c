/*
 * Frames of the backend protocol. A parsed frame lies within the input, a truncated frame needs more bytes, a head
 * that is written again is the same, and each part lies within the body, before the rest.
 */
#include <assert.h>

#include "common/base/error.h"
#include "node/backend/backend_frame.h"

#define FRAME_MAX 65536
#define ITEMS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
within(struct text whole, struct text part)
{
	assert(part.n == 0 || (part.at >= whole.at && part.at + part.n <= whole.at + whole.n));
}

/* The parsed part lies directly before the rest. */
static void
in_front(struct text before, struct text after)
{
	assert(after.n <= before.n && after.at + after.n == before.at + before.n);
}

static void
check_parts(const struct backend_frame *f)
{
	struct text body = f->body, before, text, items[ITEMS_MAX];
	uint32_t number;
	int n;

	for (unsigned i = 0; i < 4; i++) {
		before = body;
		if (backend_take_text(&body, &text))
			within(before, text);
		else
			assert(body.at == before.at && body.n == before.n);
		in_front(before, body);
	}
	body = before = f->body;
	if (backend_take_u32(&body, &number))
		assert(body.n + 4 == before.n);
	/* CATCHUP, HISTORY, FORGET, PRESENCE, USER and WHO: texts, some behind a number, up to the end */
	for (unsigned i = 0; i < 3 && backend_take_text(&body, &text); i++) {
		within(f->body, text);
		in_front(before, body);
	}
	body = before = f->body;
	for (unsigned max = 0; max <= ITEMS_MAX; max += ITEMS_MAX) {
		before = body;
		n = backend_take_rooms(&body, items, max);
		assert(n <= (int)max);
		for (int i = 0; i < n; i++)
			within(before, items[i]);
		if (n < 0)
			assert(body.at == before.at && body.n == before.n);
		in_front(before, body);
	}
	n = backend_take_args(body, f->flags, &text, items, ITEMS_MAX);
	assert(n <= ITEMS_MAX);
	if (n >= 0)
		within(body, text);
	for (int i = 0; i < n; i++)
		within(body, items[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend_frame f, cut;
	uint8_t head[BACKEND_HEAD];
	size_t at = 0;
	int64_t n;

	while ((n = backend_frame_read(&f, data + at, size - at, FRAME_MAX)) > 0) {
		assert((size_t)n <= size - at && (size_t)n == BACKEND_HEAD + f.body.n);
		assert(backend_frame_read(&cut, data + at, (size_t)n - 1, FRAME_MAX) == 0);
		backend_frame_head(head, &f);
		assert(memcmp(head, data + at, sizeof head) == 0);
		check_parts(&f);
		at += (size_t)n;
	}
	assert(n == 0 || n == ERROR_TOO_BIG);
	return 0;
}
