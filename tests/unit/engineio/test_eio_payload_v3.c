/* Payloads of protocol revision 3: what the originals send, every cut of it, and hostile lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/engineio/eio_message_v3.h"
#include "node/engineio/eio_payload_v3.h"

#define BYTES(text) text, sizeof(text) - 1

/* Decodes a payload into "type:data" texts joined by "|". Returns the last result. */
static int
decode(const char *bytes, size_t n, bool binary, char out[256])
{
	uint8_t *copy =
		malloc(n > 0 ? n : 1); /* exactly as long as the input, so that sanitizers see a read beyond it */
	struct eio_payload payload;
	struct eio_packet packet;
	size_t at = 0;
	int got;

	memcpy(copy, bytes, n);
	eio_payload_init(&payload, copy, n);
	for (;;) {
		got = binary ? eio_payload_v3_next_binary(&payload, &packet) : eio_payload_v3_next(&payload, &packet);
		if (got <= 0)
			break;
		at += (size_t)snprintf(out + at, 256 - at, "%s%c%c:%.*s", at > 0 ? "|" : "", packet.type,
			packet.binary ? 'b' : 't', (int)packet.n, (const char *)packet.data);
	}
	out[at] = '\0';
	assert_int_equal(
		binary ? eio_payload_v3_next_binary(&payload, &packet) : eio_payload_v3_next(&payload, &packet), 0);
	free(copy);
	return got;
}

#define assert_decoded(bytes, binary, want)                                                                          \
	do {                                                                                                         \
		char out_[256];                                                                                      \
		assert_int_equal(decode(BYTES(bytes), binary, out_), 0);                                             \
		assert_string_equal(out_, want);                                                                     \
	} while (0)

#define assert_malformed(bytes, binary)                                                                              \
	do {                                                                                                         \
		char out_[256];                                                                                      \
		assert_true(decode(BYTES(bytes), binary, out_) < 0);                                                 \
	} while (0)

/* The recorded bytes of engine.io 6.6 and of the stock clients. */
static void
test_text(void **state)
{
	(void)state;
	assert_decoded("16:42[\"msg\",\"é€😀\"]", false, "4t:2[\"msg\",\"é€😀\"]");
	assert_decoded("11:42[\"multi\"]1:2", false, "4t:2[\"multi\"]|2t:");
	assert_decoded("6:b4QUJD9:42[\"c\",1]", false, "4b:ABC|4t:2[\"c\",1]");
	assert_decoded("2:b4", false, "4b:");
	assert_decoded("1:1", false, "1t:");
}

static void
test_text_malformed(void **state)
{
	(void)state;
	assert_malformed("", false);
	assert_malformed("abc", false);
	assert_malformed("3:2", false);
	assert_malformed(":2", false);
	assert_malformed("-1:2", false);
	assert_malformed("0:", false);
	assert_malformed("1:9", false);
	assert_malformed("01:2", false);
	assert_malformed("1 :2", false);
	assert_malformed("1e0:2", false);
	assert_malformed("1", false);
	assert_malformed("99999999999999999999999:2", false);
	assert_malformed("18446744073709551617:2", false);
	assert_malformed("4294967297:2", false);
	assert_malformed("1:2x", false);
	assert_malformed("2:4😀", false); /* between two surrogates */
	assert_malformed("1:b", false);
	assert_malformed("6:b4@@@@", false);
	assert_malformed("6:b2QUJD", false); /* only messages are binary */
}

static void
test_binary(void **state)
{
	(void)state;
	assert_decoded("\0\1\x09\xff"
		       "42[\"a\",\"é€😀\"]"
		       "\1\5\xff\4ABCD"
		       "\0\1\xff"
		       "2",
		true, "4t:2[\"a\",\"é€😀\"]|4b:ABCD|2t:");
	assert_decoded("\1\1\xff\4", true, "4b:");
	assert_decoded("\0\6\xff"
		       "b4QUJD",
		true, "4b:ABC");
	assert_decoded("", true, "");
}

static void
test_binary_malformed(void **state)
{
	static char digits[402];
	char out[256];

	(void)state;
	assert_malformed("\0\xff", true);
	assert_malformed("\0", true);
	assert_malformed("\0\5", true);
	assert_malformed("\0\5\xff"
			 "4",
		true);
	assert_malformed("\2\1\xff"
			 "2",
		true);
	assert_malformed("\0\x0a\xff"
			 "2222222222",
		true);
	assert_malformed("\0\0\1\xff"
			 "2",
		true);
	assert_malformed("\0\0\xff", true);
	assert_malformed("\1\2\xff\2A", true);
	assert_malformed("\0\3\xff"
			 "4\xc3(",
		true);
	memset(digits, 9, sizeof(digits));
	digits[0] = 0;
	digits[401] = (char)0xff;
	assert_true(decode(digits, sizeof(digits), true, out) < 0);
}

/* Every beginning of a payload decodes to the packets that are whole, and fails unless it ends behind one. */
static void
check_cuts(const char *bytes, size_t n, bool binary, const size_t *ends, unsigned count)
{
	for (size_t cut = 1; cut < n; cut++) {
		bool whole = false;
		char out[256];

		for (unsigned i = 0; i < count; i++)
			whole = whole || cut == ends[i];
		assert_int_equal(decode(bytes, cut, binary, out) == 0, whole);
	}
}

static void
test_cuts(void **state)
{
	static const char text[] = "16:42[\"msg\",\"é€😀\"]10:b4AQID/w==1:2";
	static const char binary[] = "\0\1\x09\xff"
				     "42[\"a\",\"é€😀\"]"
				     "\1\5\xff\4ABCD"
				     "\0\1\xff"
				     "2";

	(void)state;
	check_cuts(BYTES(text), false, (const size_t[]){24, 37}, 2);
	check_cuts(BYTES(binary), true, (const size_t[]){23, 31}, 2);
}

static void
check_encoded(struct eio_message **messages, unsigned n, bool can_binary, const char *want, size_t want_n)
{
	bool binary = can_binary;
	struct block *block = eio_payload_v3_encode(messages, n, &binary);

	assert_int_equal(binary, can_binary && want[0] <= 1);
	assert_int_equal(block->len, want_n);
	assert_memory_equal(block->data, want, want_n);
	block_unref(block);
}

static void
test_encode(void **state)
{
	struct eio_message *m[4] = {eio_message_text(TEXT("2[\"a\",\"é€😀\"]")), eio_message_text(TEXT("51-")),
		eio_message_binary("\1\2\3\xff", 4), eio_message_text(TEXT("2[\"c\",1]"))};

	(void)state;
	check_encoded(m, 1, false, BYTES("14:42[\"a\",\"é€😀\"]"));
	check_encoded(m, 2, true, BYTES("14:42[\"a\",\"é€😀\"]4:451-"));
	check_encoded(m, 4, false, BYTES("14:42[\"a\",\"é€😀\"]4:451-10:b4AQID/w==9:42[\"c\",1]"));
	check_encoded(m, 4, true,
		BYTES("\0\1\x09\xff"
		      "42[\"a\",\"é€😀\"]"
		      "\0\4\xff"
		      "451-"
		      "\1\5\xff\4\1\2\3\xff"
		      "\0\x09\xff"
		      "42[\"c\",1]"));
	for (unsigned i = 0; i < 4; i++)
		eio_message_unref(m[i]);
}

/* Each form of a message is made once, for its first receiver. */
static void
test_forms_once(void **state)
{
	struct eio_message *text = eio_message_text(TEXT("x")), *binary = eio_message_binary("ab", 2);
	struct text b64;

	(void)state;
	assert_ptr_equal(eio_message_v3_frame(text), &text->frame);
	assert_null(text->v3);
	assert_null(binary->v3);
	assert_ptr_equal(eio_message_v3_frame(binary), eio_message_v3_frame(binary));
	assert_int_equal(eio_message_v3_frame(binary)->block->len, 2 + 3);
	assert_memory_equal(eio_message_v3_frame(binary)->block->data, "\x82\3\4ab", 5);
	assert_null(binary->v3->parts[false]);
	assert_null(binary->v3->parts[true]);
	assert_ptr_equal(eio_message_v3_part(binary, true), eio_message_v3_part(binary, true));
	assert_ptr_equal(eio_message_v3_part(text, false), eio_message_v3_part(text, false));
	b64 = eio_message_v3_text(binary);
	assert_true(text_is(b64, TEXT("b4YWI=")));
	eio_message_unref(text);
	eio_message_unref(binary);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_malformed),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_binary_malformed),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_forms_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
