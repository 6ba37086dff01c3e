/* The codec against the golden frames: each is parsed part by part, and malformed ones are refused. */
#include "tests/unit/backend/golden.h"

#include "common/base/error.h"

/* Cuts one part off the body and compares it; false if that fails. */
static bool
take_part(struct text *body, struct text part, uint8_t flags)
{
	struct text rest = part, key, value, text, items[GOLDEN_ITEMS_MAX], found[GOLDEN_ITEMS_MAX];
	int64_t number = 0;
	uint32_t u32;
	int count;

	assert_true(json_object_next(&rest, &key, &value));
	if (json_string_is(key, TEXT("u32"))) {
		assert_true(json_number_int(value, &number));
		if (!backend_take_u32(body, &u32))
			return false;
		assert_int_equal(u32, number);
	} else if (json_string_is(key, TEXT("text"))) {
		if (!backend_take_text(body, &text))
			return false;
		assert_text_equal(text, golden_string(value));
	} else if (json_string_is(key, TEXT("rooms"))) {
		count = backend_take_rooms(body, found, GOLDEN_ITEMS_MAX);
		if (count < 0)
			return false;
		assert_int_equal(count, golden_list(value, golden_string, items));
		for (int i = 0; i < count; i++)
			assert_text_equal(found[i], items[i]);
	} else if (json_string_is(key, TEXT("args")) || json_string_is(key, TEXT("sizedArgs"))) {
		assert_int_equal((flags & BACKEND_F_BIN) != 0, json_string_is(key, TEXT("sizedArgs")));
		count = backend_take_args(*body, flags, &text, found, GOLDEN_ITEMS_MAX);
		if (count < 0)
			return false;
		assert_text_equal(text, golden_string(value));
		if (count == 0)
			*body = TEXT_NONE;
	} else if (json_string_is(key, TEXT("attachments"))) {
		count = backend_take_args(*body, flags, &text, found, GOLDEN_ITEMS_MAX);
		if (count < 0)
			return false;
		assert_int_equal(count, golden_list(value, golden_unhex, items));
		for (int i = 0; i < count; i++)
			assert_text_equal(found[i], items[i]);
		*body = TEXT_NONE;
	} else {
		assert_text_equal(
			*body, json_string_is(key, TEXT("rest")) ? golden_string(value) : golden_unhex(value));
		*body = TEXT_NONE;
	}
	return true;
}

static void
takes_golden_frames_apart(void **state)
{
	struct golden g;
	struct text frames, one, parts, part;
	unsigned count = 0;

	(void)state;
	golden_open(&g);
	for (frames = g.frames; json_array_next(&frames, &one); count++) {
		struct text bytes = golden_unhex(json_object_get(one, TEXT("hex"))), body;
		uint8_t head[BACKEND_HEAD];
		struct backend_frame f;

		for (size_t n = 0; n < bytes.n; n++)
			assert_int_equal(backend_frame_read(&f, (const uint8_t *)bytes.at, n, 1 << 20), 0);
		assert_int_equal(backend_frame_read(&f, (const uint8_t *)bytes.at, bytes.n, 1 << 20), bytes.n);
		assert_int_equal(f.type, golden_number(one, "type"));
		assert_int_equal(f.flags, golden_number(one, "flags"));
		assert_int_equal(f.nsp, golden_number(one, "nsp"));
		assert_int_equal(f.handle, golden_number(one, "handle"));
		assert_int_equal(f.id, golden_number(one, "id"));
		backend_frame_head(head, &f);
		assert_memory_equal(head, bytes.at, sizeof head);

		body = f.body;
		for (parts = json_object_get(one, TEXT("parts")); json_array_next(&parts, &part);)
			assert_true(take_part(&body, part, f.flags));
		assert_int_equal(body.n, 0);
	}
	assert_true(count > 60);
	golden_close(&g);
}

/* Parses the parts of a body as the receiver of its type does; false if it is malformed. */
static bool
body_is_fine(const struct backend_frame *f)
{
	struct text body = f->body, text, rooms[GOLDEN_ITEMS_MAX], attachments[GOLDEN_ITEMS_MAX];
	uint32_t number;

	switch (f->type) {
	case BACKEND_OPEN:
		return backend_take_text(&body, &text) && backend_take_text(&body, &text);
	case BACKEND_JOIN:
		return backend_take_rooms(&body, rooms, GOLDEN_ITEMS_MAX) >= 0 && body.n == 0;
	case BACKEND_CAST:
		return backend_take_rooms(&body, rooms, GOLDEN_ITEMS_MAX) >= 0 &&
		       backend_take_rooms(&body, rooms, GOLDEN_ITEMS_MAX) >= 0;
	case BACKEND_CATCHUP:
		return backend_take_u32(&body, &number) && backend_take_text(&body, &text) && body.n == 0;
	case BACKEND_PRESENCE:
		return backend_take_text(&body, &text) && backend_take_text(&body, &text) && body.n == 0;
	case BACKEND_USER:
		return backend_take_text(&body, &text);
	case BACKEND_WHO:
		return backend_take_u32(&body, &number) && backend_take_text(&body, &text) &&
		       backend_take_text(&body, &text) && body.n == 0;
	case BACKEND_HISTORY:
		return backend_take_u32(&body, &number) && backend_take_text(&body, &text) &&
		       backend_take_text(&body, &text) && backend_take_text(&body, &text) && body.n == 0;
	case BACKEND_FORGET:
		return backend_take_text(&body, &text) && backend_take_text(&body, &text) && body.n == 0;
	case BACKEND_EMIT:
		if ((f->flags & BACKEND_F_TIMED) && !backend_take_u32(&body, &number))
			return false;
		return backend_take_args(body, f->flags, &text, attachments, GOLDEN_ITEMS_MAX) >= 0;
	default:
		fail_msg("a malformed frame of a type that this test does not know: %u", f->type);
		return true;
	}
}

static void
refuses_malformed_frames(void **state)
{
	struct golden g;
	struct text all, one;
	unsigned count = 0;

	(void)state;
	golden_open(&g);
	for (all = g.malformed; json_array_next(&all, &one); count++) {
		struct text bytes = golden_unhex(json_object_get(one, TEXT("hex")));
		struct text what = json_object_get(one, TEXT("what"));
		size_t max =
			json_object_get(one, TEXT("maxFrame")).n > 0 ? (size_t)golden_number(one, "maxFrame") : 65536;
		struct backend_frame f;
		int64_t n = backend_frame_read(&f, (const uint8_t *)bytes.at, bytes.n, max);

		if (json_string_is(what, TEXT("header"))) {
			assert_int_equal(n, ERROR_TOO_BIG);
			continue;
		}
		assert_int_equal(n, bytes.n);
		if (json_string_is(what, TEXT("type")))
			assert_true(f.type >= BACKEND_TYPES && !(f.flags & BACKEND_F_OPTIONAL));
		else
			assert_false(body_is_fine(&f));
	}
	assert_true(count > 10);
	golden_close(&g);
}

static void
a_missing_part_consumes_nothing(void **state)
{
	struct text body = text_of("\x05\0\0\0abcd", 8), before = body, out, rooms[3];
	struct text many = text_of("\x03\0\0\0\0\0\0\0", 8);

	(void)state;
	assert_false(backend_take_text(&body, &out));
	assert_ptr_equal(body.at, before.at);
	assert_int_equal(body.n, before.n);
	assert_int_equal(backend_take_rooms(&body, rooms, 2), ERROR_TOO_MANY);
	assert_ptr_equal(body.at, before.at);
	assert_int_equal(backend_take_rooms(&many, rooms, 3), 3);
	assert_int_equal(many.n, 0);
}

static void
attachments_have_a_maximum(void **state)
{
	struct text body = text_of("\x02\0\0\0[]\0\0\0\0\x01\0\0\0x", 15), json, out[2];

	(void)state;
	assert_int_equal(backend_take_args(body, BACKEND_F_BIN, &json, out, 1), ERROR_TOO_MANY);
	assert_int_equal(backend_take_args(body, BACKEND_F_BIN, &json, out, 2), 2);
	assert_text_equal(json, TEXT("[]"));
	assert_text_equal(out[1], TEXT("x"));
	assert_int_equal(backend_take_args(body, 0, &json, out, 0), 0);
	assert_int_equal(json.n, 15);
}

static void
each_type_has_its_sender(void **state)
{
	(void)state;
	assert_true(backend_sends(BACKEND_BY_BACKEND, BACKEND_EMIT));
	assert_false(backend_sends(BACKEND_BY_EDGE, BACKEND_EMIT));
	assert_true(backend_sends(BACKEND_BY_EDGE, BACKEND_EVENT));
	assert_false(backend_sends(BACKEND_BY_BACKEND, BACKEND_EVENT));
	assert_true(backend_sends(BACKEND_BY_BACKEND, BACKEND_PEER));
	assert_false(backend_sends(BACKEND_BY_BOTH, BACKEND_TYPES));
	assert_string_equal(backend_type_name(BACKEND_BYE), "bye");
	assert_string_equal(backend_type_name(BACKEND_TYPES), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_golden_frames_apart),
		cmocka_unit_test(refuses_malformed_frames),
		cmocka_unit_test(a_missing_part_consumes_nothing),
		cmocka_unit_test(attachments_have_a_maximum),
		cmocka_unit_test(each_type_has_its_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
