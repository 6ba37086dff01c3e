#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"
#include "node/ws/ws_deflater.h"
#include "node/ws/ws_reader.h"
#include "tests/unit/ws/ws_cases.h"

static const struct ws_options options = {.max_message = CASE_MAX_MESSAGE, .max_fragments = CASE_MAX_FRAGMENTS};
static const struct ws_deflate_params params = {false, false, 15, 15};

/* An echo server without a connection. */
struct echo {
	struct ws_reader reader;
	struct ws_deflate *deflate;
	struct buffer out;
	unsigned reason;
	bool ended;
};

static void
echo_init(struct echo *e, bool deflate)
{
	*e = (struct echo){.deflate = deflate ? ws_deflate_new(&params, NULL) : NULL};
	ws_reader_init(&e->reader, &options, e->deflate);
	buffer_init(&e->out, 1 << 20);
}

static void
echo_fini(struct echo *e)
{
	ws_reader_fini(&e->reader);
	ws_deflate_free(e->deflate);
	buffer_fini(&e->out);
}

static void
echo_answer(struct echo *e, unsigned head, const void *payload, size_t n)
{
	case_add_frame(&e->out, &(struct case_frame){head, n ? payload : "", n}, false);
}

/*
 * Feeds a copy of the bytes in a block of exactly their size, so that a sanitizer sees any access outside. Returns
 * the number of bytes used.
 */
static size_t
echo_feed(struct echo *e, const uint8_t *bytes, size_t n)
{
	uint8_t *data = mem_copy(bytes, n), code[2];
	size_t at = 0, used;
	int result = 1;
	struct ws_event event;

	while (result > 0 && !e->ended) {
		used = 0;
		result = ws_reader_next(&e->reader, data + at, n - at, &used, &event);
		at += used;
		assert_true(at <= n);
		code[0] = (uint8_t)(event.code >> 8);
		code[1] = (uint8_t)event.code;
		if (result < 0) {
			e->ended = true;
			e->reason = event.reason;
			echo_answer(e, 0x88, code, 2);
		} else if (result > 0 && event.opcode == WS_CLOSE) {
			e->ended = true;
			echo_answer(e, 0x88, code, event.code ? 2 : 0);
		} else if (result > 0 && event.opcode == WS_PING) {
			echo_answer(e, 0x8a, event.data, event.n);
		} else if (result > 0 && event.opcode != WS_PONG) {
			assert_non_null(event.data);
			echo_answer(e, 0x80 | event.opcode, event.data, event.n);
			mem_free(event.owned);
		}
	}
	mem_free(data);
	return e->ended ? n : at;
}

/* Feeds pieces of `first` and then `step` bytes; unused bytes are fed again. */
static void
run_case(const struct ws_case *c, const struct buffer *in, const struct buffer *want, size_t first, size_t step)
{
	size_t at = 0, have = first;
	struct echo e;

	echo_init(&e, c->deflate);
	while (!e.ended) {
		size_t used = echo_feed(&e, in->data + at, have - at);

		at += used;
		assert_true(have - at < WS_FRAME_HEADER_MAX + 125);
		if (have == in->len)
			break;
		have = in->len - have < step ? in->len : have + step;
	}
	if (!e.ended || e.out.len != want->len || memcmp(e.out.data, want->data, want->len) != 0 ||
		e.reason != c->reason)
		fail_msg("case %s, first %zu, step %zu: %zu bytes of %zu, reason %d", c->name, first, step, e.out.len,
			want->len, e.reason);
	echo_fini(&e);
}

static void
test_cases(void **state)
{
	struct buffer in, want;
	size_t i, cut;

	(void)state;
	for (i = 0; i < WS_CASES; i++) {
		buffer_init(&in, 1 << 20);
		buffer_init(&want, 1 << 20);
		case_bytes(ws_cases[i].in, true, &in);
		case_bytes(ws_cases[i].out, false, &want);
		run_case(&ws_cases[i], &in, &want, in.len, 1);
		run_case(&ws_cases[i], &in, &want, 1, 1);
		run_case(&ws_cases[i], &in, &want, 3, 997);
		for (cut = 0; cut<in.len; cut += in.len> 2000 && cut > 200 && cut + 200 < in.len ? 499 : 1)
			run_case(&ws_cases[i], &in, &want, cut, SIZE_MAX);
		buffer_fini(&in);
		buffer_fini(&want);
	}
}

/* A complete message is delivered without a copy. */
static void
test_whole_message_is_not_copied(void **state)
{
	static const struct case_frame frame = F(0x81, "in place");
	struct buffer in;
	struct echo e;
	struct ws_event event;
	size_t used = 0;

	(void)state;
	echo_init(&e, false);
	buffer_init(&in, 100);
	case_add_frame(&in, &frame, true);
	assert_int_equal(ws_reader_next(&e.reader, in.data, in.len, &used, &event), 1);
	assert_int_equal(used, in.len);
	assert_ptr_equal(event.data, in.data + 6);
	assert_null(event.owned);
	assert_memory_equal(event.data, "in place", event.n);
	buffer_fini(&in);
	echo_fini(&e);
}

/* Between messages the reader owns no memory, however the messages arrived. */
static void
test_idle_owns_nothing(void **state)
{
	static const struct case_frame frames[] = {F(0x01, "ab"), F(0x80, "cd")};
	struct buffer in;
	struct echo e;
	size_t i;

	(void)state;
	echo_init(&e, false);
	buffer_init(&in, 100);
	case_add_frame(&in, &frames[0], true);
	case_add_frame(&in, &frames[1], true);
	for (i = 1; i <= in.len; i++) {
		assert_int_equal(echo_feed(&e, in.data, i), i < 6 ? 0 : i < 8 ? i : i < 14 ? 8 : i);
		if (i >= 6 && i < in.len)
			assert_non_null(e.reader.partial);
		echo_fini(&e);
		echo_init(&e, false);
	}
	assert_int_equal(echo_feed(&e, in.data, in.len), in.len);
	assert_null(e.reader.partial);
	buffer_fini(&in);
	echo_fini(&e);
}

/* After discard: no messages are delivered, but framing is still checked and control frames are delivered. */
static void
test_discard(void **state)
{
	static const struct case_frame frames[] = {F(0x80, "rest"), F(0x81, "\xff not UTF-8"),
		BIG(0x82, CASE_MAX_MESSAGE + 1), F(0x01, "a"), F(0x00, "b"), F(0x00, "b"), F(0x00, "b"), F(0x00, "b"),
		F(0x00, "b"), F(0x00, "b"), F(0x00, "b"), F(0x89, "ping"), F(0x80, "c"), F(0x88, "\x03\xe9")};
	static const struct case_frame begun = F(0x01, "begun");
	static const struct case_frame want[] = {F(0x8a, "ping"), F(0x88, "\x03\xe9")};
	struct buffer in, out;
	struct echo e;
	size_t i, step, at, have;

	(void)state;
	for (step = 1; step < 100000; step = step * 3 + 1) {
		echo_init(&e, false);
		buffer_init(&in, 1 << 20);
		buffer_init(&out, 100);
		case_add_frame(&in, &begun, true);
		assert_int_equal(echo_feed(&e, in.data, in.len), in.len);
		ws_reader_discard(&e.reader);
		buffer_reset(&in);
		for (i = 0; i < sizeof frames / sizeof *frames; i++)
			case_add_frame(&in, &frames[i], true);
		for (at = 0, have = step; !e.ended; have = have + step > in.len ? in.len : have + step)
			at += echo_feed(&e, in.data + at, (have < in.len ? have : in.len) - at);
		case_add_frame(&out, &want[0], false);
		case_add_frame(&out, &want[1], false);
		assert_int_equal(e.out.len, out.len);
		assert_memory_equal(e.out.data, out.data, out.len);
		assert_int_equal(e.reason, REASON_NONE);
		buffer_fini(&in);
		buffer_fini(&out);
		echo_fini(&e);
	}
}

/* A kilobyte that inflates to a megabyte is stopped at the limit. */
static void
test_bomb(void **state)
{
	const size_t n = 1 << 20;
	struct ws_deflate_pool *pool = ws_deflate_pool_new(0, 0);
	struct ws_deflate *d = ws_deflate_new(&params, pool);
	uint8_t *zeros = mem_zalloc(n);
	struct buffer packed, in;
	struct case_frame frame;
	struct echo e;

	(void)state;
	buffer_init(&packed, 10000);
	buffer_init(&in, 10000);
	assert_true(ws_deflate_compress(d, zeros, n, &packed));
	frame = (struct case_frame){0xc2, (const char *)packed.data, packed.len};
	case_add_frame(&in, &frame, true);
	echo_init(&e, true);
	echo_feed(&e, in.data, in.len);
	assert_true(e.ended);
	assert_int_equal(e.reason, REASON_WS_TOO_BIG);
	assert_int_equal(e.out.len, 4);
	assert_memory_equal(e.out.data, "\x88\x02\x03\xf1", 4);
	echo_fini(&e);
	buffer_fini(&in);
	buffer_fini(&packed);
	mem_free(zeros);
	ws_deflate_free(d);
	ws_deflate_pool_free(pool);
}

/*
 * The first byte of a head decides whether the head is valid, the second whether masking is; the reader waits for no
 * more.
 */
static void
test_breach_shows_in_first_bytes(void **state)
{
	static const struct {
		bool deflate;
		const char *before, *head; /* a complete frame, and the beginning of one */
		size_t n;
	} breaches[] = {
		{false, "", "\xc1", 1},				   /* RSV1 without permessage-deflate */
		{true, "", "\xa1", 1},				   /* RSV2 */
		{true, "", "\x91", 1},				   /* RSV3 */
		{true, "", "\xc9", 1},				   /* RSV1 of a ping */
		{true, "", "\xca", 1},				   /* of a pong */
		{true, "", "\xc8", 1},				   /* of a close */
		{true, "\x41\x83\1\2\3\4\xf3\x4a\xce", "\xc0", 1}, /* of a continuation, compressed */
		{true, "\x01\x81\1\2\3\4`", "\xc0", 1},		   /* not compressed */
		{true, "\x01\x81\1\2\3\4`", "\x81", 1},		   /* a message within a message */
		{true, "", "\x80", 1},				   /* a continuation without a message */
		{true, "", "\x83", 1},				   /* reserved opcode */
		{true, "", "\x09", 1},				   /* fragmented ping */
		{true, "", "\x81\x7f", 2},			   /* not masked */
		{true, "", "\x89\xfe", 2},			   /* long ping */
	};

	(void)state;
	for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++) {
		struct echo e;

		echo_init(&e, breaches[i].deflate);
		echo_feed(&e, (const uint8_t *)breaches[i].before, strlen(breaches[i].before));
		assert_false(e.ended);
		echo_feed(&e, (const uint8_t *)breaches[i].head, breaches[i].n);
		if (!e.ended || e.out.len != 4 || memcmp(e.out.data, "\x88\x02\x03\xea", 4) != 0)
			fail_msg("breach %zu is not refused with 1002", i);
		echo_fini(&e);
	}
}

/* The client's side: the same rules, except that frames are not masked. */
static void
test_from_server(void **state)
{
	uint8_t text[] = {0x81, 5, 'h', 'e', 'l', 'l', 'o'}, masked[] = {0x81, 0x81, 1, 2, 3, 4, 'a' ^ 1};
	uint8_t pieces[] = {0x01, 3, 'a', 0xc3, 0xa4, 0x89, 1, '!', 0x80, 2, 0xc3, 0xb6};
	struct ws_event event;
	struct ws_reader r;
	size_t used = 0;

	(void)state;
	ws_reader_init(&r, &options, NULL);
	r.from_server = true;
	assert_int_equal(ws_reader_next(&r, text, sizeof text, &used, &event), 1);
	assert_int_equal(event.n, 5);
	assert_memory_equal(event.data, "hello", 5);
	assert_null(event.owned);
	used = 0;
	assert_int_equal(ws_reader_next(&r, pieces, sizeof pieces, &used, &event), 1);
	assert_int_equal(event.opcode, WS_PING);
	assert_int_equal(ws_reader_next(&r, pieces + used, sizeof pieces - used, &used, &event), 1);
	assert_int_equal(used, sizeof pieces);
	assert_int_equal(event.n, 5);
	assert_memory_equal(event.data, "a\xc3\xa4\xc3\xb6", 5);
	mem_free(event.owned);
	assert_int_equal(ws_reader_next(&r, masked, sizeof masked, &used, &event), ERROR_SYNTAX);
	assert_int_equal(event.code, 1002);
	ws_reader_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_whole_message_is_not_copied),
		cmocka_unit_test(test_idle_owns_nothing),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_breach_shows_in_first_bytes),
		cmocka_unit_test(test_from_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
