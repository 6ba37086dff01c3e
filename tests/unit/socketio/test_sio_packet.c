/*
 * The packet codec, byte by byte: which packets are accepted, which are refused and why, and packets cut at every
 * position.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_packet.h"

static const struct sio_packet_limits limits = {.max_attachments = 10, .max_depth = 32, .max_nsp = 20};

/* Parses a heap copy of exactly the message's size, so that the sanitizer sees a read beyond it. */
static int
parse(struct sio_packet *p, struct text message, char **copy)
{
	*copy = mem_copy(message.at, message.n);
	memset(p, 0xa5, sizeof *p); /* parse() must set every field that counts */
	return sio_packet_parse(p, text_of(*copy, message.n), &limits);
}

static const struct {
	const char *message;
	enum sio_packet_type type;
	unsigned attachments;
	const char *nsp;
	int64_t id; /* -1: none */
	const char *data;
	unsigned argc;
} good[] = {
	{"0", SIO_CONNECT, 0, "/", -1, "", 0},
	{"0{}", SIO_CONNECT, 0, "/", -1, "{}", 0},
	{"0{\"token\":\"123\"}", SIO_CONNECT, 0, "/", -1, "{\"token\":\"123\"}", 0},
	{"0/custom", SIO_CONNECT, 0, "/custom", -1, "", 0},
	{"0/custom,", SIO_CONNECT, 0, "/custom", -1, "", 0},
	{"0/admin,{\"sid\":\"x\"}", SIO_CONNECT, 0, "/admin", -1, "{\"sid\":\"x\"}", 0},
	{"0/a?token=b&c=/d,{}", SIO_CONNECT, 0, "/a?token=b&c=/d", -1, "{}", 0},
	{"0/caf\xc3\xa9,", SIO_CONNECT, 0, "/caf\xc3\xa9", -1, "", 0},
	{"0/,", SIO_CONNECT, 0, "/", -1, "", 0},
	{"0/1234567890123456789,", SIO_CONNECT, 0, "/1234567890123456789", -1, "", 0},
	{"1", SIO_DISCONNECT, 0, "/", -1, "", 0},
	{"1/admin,", SIO_DISCONNECT, 0, "/admin", -1, "", 0},
	{"1/admin", SIO_DISCONNECT, 0, "/admin", -1, "", 0},
	{"2[\"x\"]", SIO_EVENT, 0, "/", -1, "[\"x\"]", 1},
	{"2[1]", SIO_EVENT, 0, "/", -1, "[1]", 1},
	{"2[-1.5e3,null]", SIO_EVENT, 0, "/", -1, "[-1.5e3,null]", 2},
	{"2[ \"x\" , {\"a\":[1]} , null ] ", SIO_EVENT, 0, "/", -1, "[ \"x\" , {\"a\":[1]} , null ]", 3},
	/* blanks of JSON around the data */
	{"0 {}", SIO_CONNECT, 0, "/", -1, "{}", 0},
	{"0\t", SIO_CONNECT, 0, "/", -1, "", 0},
	{"0/a,\r\n{\"t\":1}\n", SIO_CONNECT, 0, "/a", -1, "{\"t\":1}", 0},
	{"1 ", SIO_DISCONNECT, 0, "/", -1, "", 0},
	{"1/a,\n", SIO_DISCONNECT, 0, "/a", -1, "", 0},
	{"2 [\"e\",1]", SIO_EVENT, 0, "/", -1, "[\"e\",1]", 2},
	{"2\t\r\n [\"e\",1]", SIO_EVENT, 0, "/", -1, "[\"e\",1]", 2},
	{"25 [\"e\",1]", SIO_EVENT, 0, "/", 5, "[\"e\",1]", 2},
	{"2/a, [\"e\"]", SIO_EVENT, 0, "/a", -1, "[\"e\"]", 1},
	{"2/a,7\n[\"e\"]", SIO_EVENT, 0, "/a", 7, "[\"e\"]", 1},
	{"30 []", SIO_ACK, 0, "/", 0, "[]", 0},
	{"4 \"x\"", SIO_CONNECT_ERROR, 0, "/", -1, "\"x\"", 0},
	{"51- [\"e\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, 1, "/", -1,
		"[\"e\",{\"_placeholder\":true,\"num\":0}]", 2},
	{"20[\"x\"]", SIO_EVENT, 0, "/", 0, "[\"x\"]", 1},
	{"201[\"x\"]", SIO_EVENT, 0, "/", 1, "[\"x\"]", 1},
	{"2/admin,456[\"project:delete\",123]", SIO_EVENT, 0, "/admin", 456, "[\"project:delete\",123]", 2},
	{"29007199254740991[\"x\"]", SIO_EVENT, 0, "/", 9007199254740991, "[\"x\"]", 1},
	{"200000000000000000000000000007[\"x\"]", SIO_EVENT, 0, "/", 7, "[\"x\"]", 1},
	{"2[\"\"]", SIO_EVENT, 0, "/", -1, "[\"\"]", 1},
	{"2[\"message\"]", SIO_EVENT, 0, "/", -1, "[\"message\"]", 1},
	{"2[\"connection\"]", SIO_EVENT, 0, "/", -1, "[\"connection\"]", 1},
	{"2[\"Connect\"]", SIO_EVENT, 0, "/", -1, "[\"Connect\"]", 1},
	{"2[\"error\"]", SIO_EVENT, 0, "/", -1, "[\"error\"]", 1},
	{"2[\"__proto__\"]", SIO_EVENT, 0, "/", -1, "[\"__proto__\"]", 1},
	{"2[\"x\",\"connect\"]", SIO_EVENT, 0, "/", -1, "[\"x\",\"connect\"]", 2},
	{"2[\"x\",{\"_placeholder\":true,\"num\":9}]", SIO_EVENT, 0, "/", -1,
		"[\"x\",{\"_placeholder\":true,\"num\":9}]", 2},
	{"3[]", SIO_ACK, 0, "/", -1, "[]", 0},
	{"312[]", SIO_ACK, 0, "/", 12, "[]", 0},
	{"3/admin,456[\"connect\",true]", SIO_ACK, 0, "/admin", 456, "[\"connect\",true]", 2},
	{"4\"Not authorized\"", SIO_CONNECT_ERROR, 0, "/", -1, "\"Not authorized\"", 0},
	{"4/x,{\"message\":\"no\"}", SIO_CONNECT_ERROR, 0, "/x", -1, "{\"message\":\"no\"}", 0},
	{"51-[\"x\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, 1, "/", -1,
		"[\"x\",{\"_placeholder\":true,\"num\":0}]", 2},
	{"510-[\"x\"]", SIO_BINARY_EVENT, 10, "/", -1, "[\"x\"]", 1},
	{"52-/admin,7[\"x\",{\"_placeholder\":true,\"num\":1}]", SIO_BINARY_EVENT, 2, "/admin", 7,
		"[\"x\",{\"_placeholder\":true,\"num\":1}]", 2},
	{"61-/admin,456[{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_ACK, 1, "/admin", 456,
		"[{\"_placeholder\":true,\"num\":0}]", 1},
};

static void
test_good(void **state)
{
	struct sio_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char *copy;
		int error = parse(&p, text_from(good[i].message), &copy);

		if (error)
			fail_msg("%s: %s", good[i].message, error_text(error));
		assert_int_equal(p.type, good[i].type);
		assert_int_equal(p.attachments, good[i].attachments);
		assert_true(text_is(p.nsp, text_from(good[i].nsp)));
		assert_int_equal(p.has_id, good[i].id >= 0);
		if (p.has_id)
			assert_true(p.id == (uint64_t)good[i].id);
		assert_true(text_is(p.data, text_from(good[i].data)));
		assert_int_equal(p.data.at != NULL, p.data.n > 0);
		assert_int_equal(p.argc, good[i].argc);
		mem_free(copy);
	}
}

static void
test_args(void **state)
{
	struct sio_packet p;
	char *copy;

	(void)state;
	assert_int_equal(parse(&p, TEXT("2/a,1[ \"na\\u006de\" ,[1,2], {\"k\":\"]\"} ]"), &copy), 0);
	assert_int_equal(p.argc, 3);
	assert_true(text_is(p.args[0], TEXT("\"na\\u006de\"")));
	assert_true(text_is(p.args[1], TEXT("[1,2]")));
	assert_true(text_is(p.args[2], TEXT("{\"k\":\"]\"}")));
	mem_free(copy);
}

static const struct {
	const char *message;
	int error;
} bad[] = {
	/* blanks in other places, and characters that others treat as blanks */
	{" 2[\"e\"]", ERROR_SYNTAX},
	{"2 5[\"e\"]", ERROR_SYNTAX},
	{"2 /a,[\"e\"]", ERROR_SYNTAX},
	{"2/a, 5[\"e\"]", ERROR_SYNTAX},
	{"2 ", ERROR_SYNTAX},
	{"3 ", ERROR_SYNTAX},
	{"5 1-[\"e\",{\"_placeholder\":true,\"num\":0}]", ERROR_SYNTAX},
	{"51 -[\"e\",{\"_placeholder\":true,\"num\":0}]", ERROR_SYNTAX},
	{"2\v[\"e\"]", ERROR_SYNTAX},
	{"2\f[\"e\"]", ERROR_SYNTAX},
	{"2\xc2\xa0[\"e\"]", ERROR_SYNTAX},
	{"2\xef\xbb\xbf[\"e\"]", ERROR_SYNTAX},
	{"1 {}", ERROR_SYNTAX},
	{"1 \v", ERROR_SYNTAX},
	{"", ERROR_SYNTAX},
	{" ", ERROR_SYNTAX},
	{"7", ERROR_SYNTAX},
	{"9[\"x\"]", ERROR_SYNTAX},
	{"999", ERROR_SYNTAX},
	{"a", ERROR_SYNTAX},
	{"-1", ERROR_SYNTAX},
	{" 2[\"x\"]", ERROR_SYNTAX},
	/* CONNECT: an object or no data */
	{"0[]", ERROR_SYNTAX},
	{"0\"x\"", ERROR_SYNTAX},
	{"0null", ERROR_SYNTAX},
	{"0true", ERROR_SYNTAX},
	{"0/a,1.5", ERROR_SYNTAX},
	{"0{", ERROR_SYNTAX},
	{"0{}x", ERROR_SYNTAX},
	{"0custom", ERROR_SYNTAX},
	{"0,", ERROR_SYNTAX},
	/* DISCONNECT: no data */
	{"1{}", ERROR_SYNTAX},
	{"1/admin,{}", ERROR_SYNTAX},
	{"1null", ERROR_SYNTAX},
	/* EVENT */
	{"2", ERROR_SYNTAX},
	{"2/admin", ERROR_SYNTAX},
	{"2/admin,", ERROR_SYNTAX},
	{"21", ERROR_SYNTAX},
	{"21 2[\"x\"]", ERROR_SYNTAX},
	{"2-1[\"x\"]", ERROR_SYNTAX},
	{"2+1[\"x\"]", ERROR_SYNTAX},
	{"21.5[\"x\"]", ERROR_SYNTAX},
	{"21e3[\"x\"]", ERROR_SYNTAX},
	{"20x1[\"x\"]", ERROR_SYNTAX},
	{"21-[\"x\"]", ERROR_SYNTAX},
	{"2[]", ERROR_SYNTAX},
	{"2{}", ERROR_SYNTAX},
	{"2\"x\"", ERROR_SYNTAX},
	{"2null", ERROR_SYNTAX},
	{"2[null]", ERROR_SYNTAX},
	{"2[true]", ERROR_SYNTAX},
	{"2[false]", ERROR_SYNTAX},
	{"2[{}]", ERROR_SYNTAX},
	{"2[[\"x\"]]", ERROR_SYNTAX},
	{"2[{\"toString\":\"foo\"}]", ERROR_SYNTAX},
	{"2/admin,\"x", ERROR_SYNTAX},
	{"2[\"x\"", ERROR_SYNTAX},
	{"2[\"x\"]]", ERROR_SYNTAX},
	{"2[\"x\"][]", ERROR_SYNTAX},
	{"2[\"x\",]", ERROR_SYNTAX},
	{"2[\"x\",undefined]", ERROR_SYNTAX},
	{"2[\"x\",NaN]", ERROR_SYNTAX},
	{"2[\"connect\"]", ERROR_SYNTAX},
	{"2[\"connect_error\"]", ERROR_SYNTAX},
	{"2[\"disconnect\",1]", ERROR_SYNTAX},
	{"2[\"disconnecting\"]", ERROR_SYNTAX},
	{"2[\"newListener\"]", ERROR_SYNTAX},
	{"2[\"removeListener\"]", ERROR_SYNTAX},
	{"2[\"c\\u006fnnect\"]", ERROR_SYNTAX},
	{"2[\"\\u0072\\u0065\\u006d\\u006f\\u0076\\u0065\\u004c\\u0069\\u0073\\u0074\\u0065\\u006e\\u0065\\u0072\"]",
		ERROR_SYNTAX},
	{"51-[\"connect\",{\"_placeholder\":true,\"num\":0}]", ERROR_SYNTAX},
	{"29007199254740992[\"x\"]", ERROR_TOO_BIG},
	{"299999999999999999999999999999[\"x\"]", ERROR_TOO_BIG},
	{"218446744073709551616[\"x\"]", ERROR_TOO_BIG},
	{"2[\"\xff\"]", ERROR_UTF8},
	{"2[\"x\",\"\xc3\"]", ERROR_UTF8},
	{"2/a\xff,[\"x\"]", ERROR_UTF8},
	{"0/a\xed\xa0\x80,", ERROR_UTF8},
	{"2/12345678901234567890,[\"x\"]", ERROR_TOO_BIG},
	{"0/12345678901234567890", ERROR_TOO_BIG},
	/* ACK */
	{"3", ERROR_SYNTAX},
	{"31", ERROR_SYNTAX},
	{"31{}", ERROR_SYNTAX},
	{"31\"x\"", ERROR_SYNTAX},
	{"31null", ERROR_SYNTAX},
	/* CONNECT_ERROR */
	{"4", ERROR_SYNTAX},
	{"4[]", ERROR_SYNTAX},
	{"4null", ERROR_SYNTAX},
	{"4/x,1", ERROR_SYNTAX},
	{"4\"x", ERROR_SYNTAX},
	/* counts of attachments */
	{"5", ERROR_SYNTAX},
	{"51", ERROR_SYNTAX},
	{"5-", ERROR_SYNTAX},
	{"5-[\"x\"]", ERROR_SYNTAX},
	{"5[\"x\"]", ERROR_SYNTAX},
	{"5a-", ERROR_SYNTAX},
	{"5a-[\"x\"]", ERROR_SYNTAX},
	{"51.0-[\"x\"]", ERROR_SYNTAX},
	{"51.23-", ERROR_SYNTAX},
	{"51.23-[\"x\"]", ERROR_SYNTAX},
	{"51e0-[\"x\"]", ERROR_SYNTAX},
	{"50x1-[\"x\"]", ERROR_SYNTAX},
	{"5 1-[\"x\"]", ERROR_SYNTAX},
	{"51 -[\"x\"]", ERROR_SYNTAX},
	{"5--1-[\"x\"]", ERROR_SYNTAX},
	{"5+1-[\"x\"]", ERROR_SYNTAX},
	{"50-[\"x\"]", ERROR_SYNTAX},
	{"500-[\"x\"]", ERROR_SYNTAX},
	{"60-[]", ERROR_SYNTAX},
	{"511-[\"x\"]", ERROR_TOO_MANY},
	{"51000000000-[\"x\"]", ERROR_TOO_MANY},
	{"518446744073709551617-[\"x\"]", ERROR_TOO_MANY},
	{"611-[]", ERROR_TOO_MANY},
	{"51-", ERROR_SYNTAX},
	{"51-[]", ERROR_SYNTAX},
	/* placeholders */
	{"51-[\"x\",{\"_placeholder\":true,\"num\":1}]", ERROR_SYNTAX},
	{"51-[\"x\",{\"_placeholder\":true,\"num\":-1}]", ERROR_SYNTAX},
	{"51-[\"x\",{\"_placeholder\":true,\"num\":0.5}]", ERROR_SYNTAX},
	{"51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]", ERROR_SYNTAX},
	{"51-[\"x\",{\"_placeholder\":true,\"num\":\"splice\"}]", ERROR_SYNTAX},
	{"51-[\"x\",{\"_placeholder\":true}]", ERROR_SYNTAX},
	{"51-[\"x\",[{\"a\":{\"_placeholder\":true,\"num\":1e9}}]]", ERROR_SYNTAX},
	{"61-[{\"_placeholder\":true,\"num\":9}]", ERROR_SYNTAX},
};

static void
test_bad(void **state)
{
	struct sio_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *copy;
		int error = parse(&p, text_from(bad[i].message), &copy);

		if (error != bad[i].error)
			fail_msg("%s: %d (%s)", bad[i].message, error, error_text(error));
		mem_free(copy);
	}
}

/* A NUL is an ordinary byte: it ends nothing and is never valid. */
static void
test_nul(void **state)
{
	struct sio_packet p;
	char *copy;

	(void)state;
	assert_int_equal(parse(&p, TEXT("\0"), &copy), ERROR_SYNTAX);
	mem_free(copy);
	assert_int_equal(parse(&p, TEXT("2\0[\"x\"]"), &copy), ERROR_SYNTAX);
	mem_free(copy);
	assert_int_equal(parse(&p, TEXT("2[\"x\"]\0"), &copy), ERROR_SYNTAX);
	mem_free(copy);
	assert_int_equal(parse(&p, TEXT("2[\"x\0\"]"), &copy), ERROR_SYNTAX);
	mem_free(copy);
	/* a reserved name must match as a whole */
	assert_int_equal(parse(&p, TEXT("2[\"connect\\u0000\"]"), &copy), 0);
	mem_free(copy);
}

/* All first bytes: seven are valid types. */
static void
test_types(void **state)
{
	struct sio_packet p;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char message[] = {(char)c, '[', '"', 'x', '"', ']'};

		assert_int_equal(sio_packet_parse(&p, text_of(message, 6), &limits) == 0, c == '2' || c == '3');
	}
}

static void
test_cut(void **state)
{
	static const char message[] = "52-/admin,13[\"na\\u006de\",{\"_placeholder\":true,\"num\":1},[\"\xc3\xa9\"]]";
	struct sio_packet p;

	(void)state;
	for (size_t n = 0; n < sizeof message; n++) {
		char *copy;
		int error = parse(&p, text_of(message, n), &copy);

		assert_int_equal(error == 0, n == sizeof message - 1);
		mem_free(copy);
	}
}

/* Each byte of a valid packet is replaced by every other byte: there is an answer, and no access beyond the packet.
 */
static void
test_changed(void **state)
{
	static const char message[] = "51-/a,7[\"n\",{\"_placeholder\":true,\"num\":0}]";
	struct sio_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof message - 1; i++) {
		for (unsigned c = 0; c < 256; c++) {
			char changed[sizeof message], *copy;
			int error;

			memcpy(changed, message, sizeof message);
			changed[i] = (char)c;
			error = parse(&p, text_of(changed, sizeof message - 1), &copy);
			assert_true(error <= 0);
			if (!error)
				assert_int_equal(json_check(p.data, limits.max_depth), 0);
			mem_free(copy);
		}
	}
}

static void
repeat(struct buffer *b, const char *piece, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		buffer_add_text(b, text_from(piece));
}

static void
test_args_max(void **state)
{
	struct sio_packet p;
	struct buffer b;

	(void)state;
	for (unsigned n = SIO_ARGS_MAX - 1; n <= SIO_ARGS_MAX + 1; n++) {
		buffer_init(&b, 10000);
		buffer_add_text(&b, TEXT("2[\"x\""));
		repeat(&b, ",1", n - 1);
		buffer_add_byte(&b, ']');
		assert_int_equal(
			sio_packet_parse(&p, buffer_text(&b), &limits), n <= SIO_ARGS_MAX ? 0 : ERROR_TOO_MANY);
		if (n <= SIO_ARGS_MAX)
			assert_int_equal(p.argc, n);
		buffer_fini(&b);
	}
}

static void
test_depth(void **state)
{
	struct sio_packet p;
	struct buffer b;

	(void)state;
	for (unsigned depth = 31; depth <= 33; depth++) {
		buffer_init(&b, 10000);
		buffer_add_text(&b, TEXT("2[\"x\","));
		repeat(&b, "[", depth - 1);
		repeat(&b, "]", depth);
		assert_int_equal(sio_packet_parse(&p, buffer_text(&b), &limits), depth <= 32 ? 0 : ERROR_TOO_DEEP);
		buffer_fini(&b);
		buffer_init(&b, 10000);
		buffer_add_byte(&b, '0');
		repeat(&b, "{\"a\":", depth);
		buffer_add_byte(&b, '1');
		repeat(&b, "}", depth);
		assert_int_equal(sio_packet_parse(&p, buffer_text(&b), &limits), depth <= 32 ? 0 : ERROR_TOO_DEEP);
		buffer_fini(&b);
	}
}

/* Megabytes in one field are refused in one pass (CVE-2020-36049 was quadratic). */
static void
test_linear(void **state)
{
	static const struct {
		const char *head, *piece;
		int error;
	} cases[] = {
		{"5", "1", ERROR_SYNTAX},
		{"5", "0", ERROR_SYNTAX},
		{"2", "9", ERROR_TOO_BIG},
		{"2/", "a", ERROR_TOO_BIG},
		{"2[\"x\",", "[", ERROR_TOO_DEEP},
		{"2[\"x\"", ",1", ERROR_TOO_MANY},
		{"2[\"", "\\u0063", ERROR_SYNTAX},
		{"51-[\"x\",[0", ",{\"_placeholder\":true}", ERROR_SYNTAX},
	};
	struct sio_packet p;
	struct buffer b;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		clock_t start;

		buffer_init(&b, 100000000);
		buffer_add_text(&b, text_from(cases[i].head));
		repeat(&b, cases[i].piece, 1000000);
		start = clock();
		assert_int_equal(sio_packet_parse(&p, buffer_text(&b), &limits), cases[i].error);
		assert_true(clock() - start < CLOCKS_PER_SEC);
		buffer_fini(&b);
	}
}

/* A parsed packet is written again in the same form, as stock encoders write it. */
static void
test_write(void **state)
{
	static const char *const messages[] = {"0", "0/custom,", "1/admin,", "2[\"x\"]", "20[\"x\"]",
		"2/admin,456[\"project:delete\",123]", "29007199254740991[\"x\"]", "3/admin,456[]",
		"4/x,{\"message\":\"no\"}", "52-/admin,7[\"x\",{\"_placeholder\":true,\"num\":1}]",
		"61-1[{\"_placeholder\":true,\"num\":0}]"};
	struct sio_packet p;
	struct buffer b;

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		buffer_init(&b, 1000);
		assert_int_equal(sio_packet_parse(&p, text_from(messages[i]), &limits), 0);
		sio_packet_write_head(&b, p.type, p.attachments, p.nsp, p.has_id ? &p.id : NULL);
		buffer_add_text(&b, p.data);
		assert_true(text_is(buffer_text(&b), text_from(messages[i])));
		buffer_fini(&b);
	}
	/* a buffer that is too small is reported at each size */
	for (size_t max = 0; max < 14; max++) {
		uint64_t id = 456;

		buffer_init(&b, max);
		sio_packet_write_head(&b, SIO_BINARY_EVENT, 2, TEXT("/admin"), &id);
		assert_int_equal(buffer_error(&b), max < strlen("52-/admin,456") ? ERROR_TOO_BIG : 0);
		buffer_fini(&b);
	}
}

static void
test_reserved(void **state)
{
	static const char *const yes[] = {
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"};
	static const char *const no[] = {"", "connec", "connection", "error", "message", "CONNECT", "newlistener"};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(sio_event_name_reserved(text_from(yes[i])));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(sio_event_name_reserved(text_from(no[i])));
	assert_false(sio_event_name_reserved(TEXT_NONE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_args_max),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
