/*
 * A received text with the attachments "A", "BB", "CCC", in the form that the runtime keeps; for the tests of values
 * and payloads.
 */
#ifndef TESTS_UNIT_SOCKETIO_RECEIVED_H
#define TESTS_UNIT_SOCKETIO_RECEIVED_H

#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_value.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

struct received {
	char *copy; /* of exactly the text's size, so that the sanitizer sees reads beyond it */
	struct attachments attachments;
	struct sio_value_owner owner;
	sio_value value;
};

static inline void
received_init(struct received *r, const char *json, unsigned count)
{
	struct text t = text_from(json);

	assert_int_equal(json_check(t, JSON_DEPTH_MAX), 0);
	r->copy = mem_copy(t.at, t.n);
	attachments_init(&r->attachments);
	for (unsigned i = 0; i < count; i++) {
		struct block *b = block_copy(&"A\0\0BB\0CCC"[i * 3], i + 1);

		attachments_add(&r->attachments, b);
		block_unref(b);
	}
	sio_value_owner_init(&r->owner, text_of(r->copy, t.n), count > 0 ? &r->attachments : NULL);
	r->value = sio_value_make(r->owner.json, &r->owner);
}

static inline void
received_fini(struct received *r)
{
	sio_value_owner_fini(&r->owner);
	attachments_fini(&r->attachments);
	mem_free(r->copy);
}

#endif
