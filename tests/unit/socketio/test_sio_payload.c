/* Arguments packed by a format: the result of each letter, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <limits.h>
#include <math.h>
#include <msgpack.h>

#include "common/base/error.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_pack.h"
#include "tests/unit/socketio/received.h"

#define MAX 100000

/* The runtime's event is not linked here, so this event is just its arguments. */
struct sio_event {
	struct sio_args args;
};

const struct sio_args *
sio_event_args(const struct sio_event *event)
{
	return &event->args;
}

static int
pack(struct sio_payload *p, const char *name, const char *format, ...)
{
	va_list args;
	int error;

	va_start(args, format);
	error = sio_pack_args(p, name, format, args);
	va_end(args);
	return error;
}

static int
pack_value(struct sio_payload *p, const char *format, ...)
{
	va_list args;
	int error;

	va_start(args, format);
	error = sio_pack_data(p, format, args);
	va_end(args);
	return error;
}

/* The result is valid JSON and equals `want`. */
static void
assert_packed(struct sio_payload *p, int error, const char *want)
{
	struct text got = buffer_text(&p->json);

	assert_int_equal(error, 0);
	if (!text_is(got, text_from(want)))
		fail_msg("got %.*s, want %s", (int)got.n, got.at, want);
	assert_int_equal(json_check(got, JSON_DEPTH_MAX), 0);
	assert_int_equal(json_placeholders_check(got, p->attachments.count ? p->attachments.count : UINT_MAX), 0);
	sio_payload_fini(p);
}

#define packs(want, ...)                                                                                             \
	do {                                                                                                         \
		struct sio_payload p_;                                                                               \
		sio_payload_init(&p_, MAX);                                                                          \
		assert_packed(&p_, pack(&p_, __VA_ARGS__), want);                                                    \
	} while (0)

#define packs_value(want, ...)                                                                                       \
	do {                                                                                                         \
		struct sio_payload p_;                                                                               \
		sio_payload_init(&p_, MAX);                                                                          \
		assert_packed(&p_, pack_value(&p_, __VA_ARGS__), want);                                              \
	} while (0)

#define refuses(wanted, ...)                                                                                         \
	do {                                                                                                         \
		struct sio_payload p_;                                                                               \
		sio_payload_init(&p_, MAX);                                                                          \
		assert_int_equal(pack(&p_, __VA_ARGS__), wanted);                                                    \
		sio_payload_fini(&p_);                                                                               \
	} while (0)

#define refuses_value(wanted, ...)                                                                                   \
	do {                                                                                                         \
		struct sio_payload p_;                                                                               \
		sio_payload_init(&p_, MAX);                                                                          \
		assert_int_equal(pack_value(&p_, __VA_ARGS__), wanted);                                              \
		sio_payload_fini(&p_);                                                                               \
	} while (0)

static void
test_scalars(void **state)
{
	(void)state;
	packs("[\"e\"]", "e", NULL);
	packs("[\"e\"]", "e", "");
	packs("[]", NULL, NULL);
	packs("[1]", NULL, "i", 1);
	packs("[\"say \\\"\\n\"]", "say \"\n", "");
	packs("[\"e\",\"x\",null,\"a\\u0000b\",\"\"]", "e", "ssSS", "x", NULL, "a\0b", (size_t)3, "", (size_t)0);
	packs("[\"e\",null]", "e", "S", NULL, (size_t)0);
	packs("[\"e\",-2147483648,9223372036854775807,4294967295]", "e", "iIu", INT_MIN, INT64_MAX, UINT_MAX);
	packs("[\"e\",0.1,5,null,null,0]", "e", "ddddd", 0.1, 5.0, (double)NAN, (double)INFINITY, -0.0);
	packs("[\"e\",true,false,true,null]", "e", "bbbn", 1, 0, -7);
	packs("[\"e\",[1, 2 ],null]", "e", "jj", "[1, 2 ]", "null");
}

static void
test_brackets(void **state)
{
	(void)state;
	packs("[\"e\",[],{}]", "e", "[]{}");
	packs("[\"e\",[1,[\"x\"],2],3]", "e", "[i,[s],i],i", 1, "x", 2, 3);
	packs("[\"e\",{\"a\":1,\"b\":[2,{\"c\":null}],\"d\":{}}]", "e", "{s:i,s:[i,{s:n}],s:{}}", "a", 1, "b", 2, "c",
		"d");
	packs("[\"e\",{\"a\":1,\"b\":2}]", "e", "{sisi}", "a", 1, "b", 2);
	packs("[\"e\",{\"ke\":1}]", "e", " { S : i } ", "key", (size_t)2, 1);
	packs("[\"e\",{\"\\\"\":\"s\"}]", "e", "{s:s}", "\"", "s");
	packs("[\"e\",[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "e",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

static void
test_malformed(void **state)
{
	static const char *const formats[] = {"[", "]", "{", "}", "[}", "{]", "[[]", "[]]", "q", "i[", "{i:i}", "{n}",
		"{[]}", "{{}}", "{s}", "{s:}", "{s:i", "{s:[}]", "%d", "\t", "#",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};

	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		refuses(ERROR_ARGUMENT, "e", formats[i], "k", 1, 2, 3, 4);
	refuses(ERROR_ARGUMENT, "e", "{s:i}", NULL, 1);
	refuses(ERROR_ARGUMENT, "e", "j", "[1,");
	refuses(ERROR_ARGUMENT, "e", "j", "");
	refuses(ERROR_ARGUMENT, "e", "j", "1 2");
	refuses(ERROR_ARGUMENT, "e", "j", NULL);
	refuses(ERROR_ARGUMENT, "e", "j", "\"\xff\"");
	/* text that is not UTF-8: a stray byte, a surrogate, an overlong form, a truncated sequence */
	refuses(ERROR_ARGUMENT, "e", "s", "a\xff");
	refuses(ERROR_ARGUMENT, "e", "s", "\xed\xa0\x80");
	refuses(ERROR_ARGUMENT, "e", "S", "\xc0\x80", (size_t)2);
	refuses(ERROR_ARGUMENT, "e", "S", "\xc3\xa9", (size_t)1);
	refuses(ERROR_ARGUMENT, "e", "{s:i}", "\xff", 1);
	refuses(ERROR_ARGUMENT, "e", "[{S:i}]", "\xff", (size_t)1, 1);
	refuses(ERROR_ARGUMENT, "e\xff", "i", 1);
	/* a number where the format expects a pointer */
	refuses(ERROR_ARGUMENT, "e", "s", (const char *)(uintptr_t)7);
	refuses(ERROR_ARGUMENT, "e", "j", (const char *)(uintptr_t)7);
	refuses(ERROR_ARGUMENT, "e", "B", (const void *)(uintptr_t)7, (size_t)3);
	refuses(ERROR_ARGUMENT, "e", "V", NULL);
	refuses(ERROR_ARGUMENT, "e", "*", NULL);
	refuses(ERROR_ARGUMENT, "e", "B", NULL, (size_t)1);
}

static void
test_value(void **state)
{
	(void)state;
	packs_value("{\"a\":1}", "{s:i}", "a", 1);
	packs_value("\"x\"", "s", "x");
	packs_value("[1,2]", "[ii]", 1, 2);
	packs_value("null", "v", sio_value_none());
	refuses_value(ERROR_ARGUMENT, "ii", 1, 2);
	refuses_value(ERROR_ARGUMENT, "i{}", 1);
	refuses_value(ERROR_ARGUMENT, " ,");
	refuses_value(ERROR_ARGUMENT, "[");
	for (int i = 0; i < 2; i++) {
		struct sio_payload p;

		sio_payload_init(&p, MAX);
		assert_int_equal(pack_value(&p, i ? "" : NULL), 0);
		assert_int_equal(p.json.len, 0);
		sio_payload_fini(&p);
	}
}

static void
test_received(void **state)
{
	struct received r;

	(void)state;
	received_init(&r, "[ 1 ,{\"a\" : \"\\u00e9\"}]", 0);
	packs("[\"e\",[ 1 ,{\"a\" : \"\\u00e9\"}]]", "e", "v",
		r.value); /* as it arrived, with its blanks and escapes */
	packs("[\"e\",{\"x\":1,\"y\":{\"a\" : \"\\u00e9\"}},2]", "e", "{s:v,s:v},i", "x", sio_at(r.value, 0), "y",
		sio_at(r.value, 1), 2);
	/* a missing value becomes null in an array, and is omitted in an object */
	packs("[\"e\",null,[null,1]]", "e", "v[vi]", sio_at(r.value, 9), sio_at(r.value, 9), 1);
	packs("[\"e\",{}]", "e", "{s:v}", "x", sio_at(r.value, 9));
	packs("[\"e\",{\"b\":1}]", "e", "{s:v,s:i}", "x", sio_at(r.value, 9), "b", 1);
	packs("[\"e\",{\"a\":0,\"b\":1}]", "e", "{s:i,s:v,s:i}", "a", 0, "x", sio_at(r.value, 9), "b", 1);
	packs("[\"e\",{\"a\":0}]", "e", "{s:i,s:v}", "a", 0, "x", sio_at(r.value, 9));
	received_fini(&r);
}

static void
assert_attached(struct sio_payload *p, unsigned i, struct text want)
{
	assert_true(i < p->attachments.count);
	assert_true(text_is(text_of((char *)p->attachments.blocks[i]->data, p->attachments.blocks[i]->len), want));
}

static void
test_binary(void **state)
{
	struct sio_payload p;
	char bytes[] = "12";
	int error;

	(void)state;
	sio_payload_init(&p, MAX);
	error = pack(&p, "e", "B{s:B}B", bytes, (size_t)2, "k", "x\0", (size_t)2, NULL, (size_t)0);
	bytes[0] = 'z'; /* copied */
	assert_int_equal(p.attachments.count, 3);
	assert_attached(&p, 0, TEXT("12"));
	assert_attached(&p, 1, TEXT("x\0"));
	assert_attached(&p, 2, TEXT(""));
	assert_packed(&p, error, "[\"e\"," P(0) ",{\"k\":" P(1) "}," P(2) "]");
}

/* Attachments are passed on by reference, each once, and numbered anew. */
static void
test_received_binary(void **state)
{
	struct received r, other;
	struct sio_payload p;
	int error;

	(void)state;
	received_init(&r, "[" P(2) ",{\"a\":" P(0) "},7]", 3);
	received_init(&other, P(0), 1);
	sio_payload_init(&p, MAX);
	error = pack(&p, "e", "Bvv[v]vv", "own", (size_t)3, sio_at(r.value, 0), sio_at(r.value, 1),
		sio_at(r.value, 0), other.value, sio_at(r.value, 2));
	assert_int_equal(p.attachments.count, 4);
	assert_attached(&p, 0, TEXT("own"));
	assert_ptr_equal(p.attachments.blocks[1], r.attachments.blocks[2]);
	assert_ptr_equal(p.attachments.blocks[2], r.attachments.blocks[0]);
	assert_ptr_equal(p.attachments.blocks[3], other.attachments.blocks[0]);
	assert_int_equal(r.attachments.blocks[1]->refs, 1); /* not used, so not sent */
	assert_packed(&p, error, "[\"e\"," P(0) "," P(1) ",{\"a\":" P(2) "},[" P(1) "]," P(3) ",7]");
	assert_int_equal(r.attachments.blocks[2]->refs, 1);
	received_fini(&other);
	received_fini(&r);
}

/* All arguments of an event. */
static void
test_all(void **state)
{
	struct text args[4];
	struct received r;
	struct sio_event event;
	struct sio_payload p;
	int error;

	(void)state;
	received_init(&r, "[\"n\", 1 , [\"x\"] ," P(1) "]", 3);
	assert_int_equal(json_array_split(r.owner.json, args, 4, 9), 4);
	event.args = sio_args_make(args + 1, 3, &r.owner);
	packs("[\"e\",1 , [\"x\"] ," P(0) "]", "e", "*", &event);
	packs("[\"e\",[0,1 , [\"x\"] ," P(0) ",2],true]", "e", "[i*i]b", 0, &event, 2, 1);
	packs("[1 , [\"x\"] ," P(0) "]", NULL, "*", &event);
	sio_payload_init(&p, MAX);
	error = pack(&p, NULL, "**", &event, &event);
	assert_int_equal(p.attachments.count, 1);
	assert_ptr_equal(p.attachments.blocks[0], r.attachments.blocks[1]);
	assert_packed(&p, error, "[1 , [\"x\"] ," P(0) ",1 , [\"x\"] ," P(0) "]");
	refuses(ERROR_ARGUMENT, "e", "{s:*}", "k", &event);
	refuses_value(ERROR_ARGUMENT, "*", &event);
	packs_value("[1 , [\"x\"] ," P(0) "]", "[*]", &event);
	event.args = sio_args_make(args + 1, 0, &r.owner);
	packs("[\"e\"]", "e", "*", &event);
	packs("[]", NULL, "*", &event);
	packs("[\"e\",1,2]", "e", "i*i", 1, &event, 2);
	received_fini(&r);
}

/*
 * A client's object that looks like a placeholder: harmless without attachments, refused where receivers would
 * misread it.
 */
static void
test_forged(void **state)
{
	struct received r;

	(void)state;
	received_init(&r, "[" P(5) "," P(0) "]", 0);
	packs("[\"e\",[" P(5) "," P(0) "]]", "e", "v", r.value);
	refuses(ERROR_ARGUMENT, "e", "vB", r.value, "x", (size_t)1);
	refuses(ERROR_ARGUMENT, "e", "Bj", "x", (size_t)1, "{\"_placeholder\":true,\"num\":1}");
	refuses_value(ERROR_ARGUMENT, "[vB]", r.value, "x", (size_t)1);
	received_fini(&r);
}

static void
test_msgpack(void **state)
{
	msgpack_sbuffer packed;
	msgpack_packer packer;
	msgpack_unpacked unpacked;
	struct sio_payload p;
	size_t off = 0;
	int error;

	(void)state;
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	msgpack_pack_map(&packer, 2);
	msgpack_pack_str(&packer, 1);
	msgpack_pack_str_body(&packer, "a", 1);
	msgpack_pack_array(&packer, 3);
	msgpack_pack_int(&packer, -3);
	msgpack_pack_double(&packer, 0.5);
	msgpack_pack_nil(&packer);
	msgpack_pack_str(&packer, 1);
	msgpack_pack_str_body(&packer, "b", 1);
	msgpack_pack_bin(&packer, 3);
	msgpack_pack_bin_body(&packer, "xyz", 3);
	msgpack_unpacked_init(&unpacked);
	assert_int_equal(msgpack_unpack_next(&unpacked, packed.data, packed.size, &off), MSGPACK_UNPACK_SUCCESS);
	sio_payload_init(&p, MAX);
	error = pack(&p, "e", "BV", "1", (size_t)1, &unpacked.data);
	assert_int_equal(p.attachments.count, 2);
	assert_attached(&p, 1, TEXT("xyz"));
	assert_packed(&p, error, "[\"e\"," P(0) ",{\"a\":[-3,0.5,null],\"b\":" P(1) "}]");
	msgpack_unpacked_destroy(&unpacked);
	msgpack_sbuffer_destroy(&packed);
}

/* Every size that is one byte too small is refused, whatever is being written at that point. */
static void
test_too_big(void **state)
{
	static const char want[] = "[\"e\",{\"k\":[1,true,\"x\\n\"],\"v\":[2, 3]},null,[2, 3]]";
	struct received r;
	struct sio_payload p;

	(void)state;
	received_init(&r, "[2, 3]", 0);
	for (size_t max = 0; max <= sizeof want; max++) {
		int error;

		sio_payload_init(&p, max);
		error = pack(&p, "e", "{s:[ibs],s:v,s:v},n,v", "k", 1, 1, "x\n", "v", r.value, "none",
			sio_value_none(), r.value);
		/* a key that is removed again needs its space for a moment */
		if (max < sizeof want - 1)
			assert_int_equal(error, ERROR_TOO_BIG);
		else
			assert_true(error == ERROR_TOO_BIG || error == 0);
		sio_payload_fini(&p);
	}
	received_fini(&r);
	/* binary data counts separately */
	sio_payload_init(&p, 100);
	assert_int_equal(pack(&p, "e", "BB", want, (size_t)50, want, (size_t)51), ERROR_TOO_BIG);
	sio_payload_fini(&p);
	sio_payload_init(&p, 100);
	assert_int_equal(pack(&p, "e", "BB", want, (size_t)50, want, (size_t)50), 0);
	sio_payload_fini(&p);
}

static void
test_too_many(void **state)
{
	char format[SIO_ARGS_MAX + 2];

	(void)state;
	memset(format, 'n', sizeof format);
	for (unsigned n = SIO_ARGS_MAX - 2; n <= SIO_ARGS_MAX + 1; n++) {
		struct sio_payload p;

		format[n] = '\0';
		sio_payload_init(&p, MAX);
		assert_int_equal(pack(&p, "e", format), n <= SIO_ARGS_MAX - 1 ? 0 : ERROR_TOO_MANY);
		sio_payload_fini(&p);
		sio_payload_init(&p, MAX);
		assert_int_equal(pack(&p, NULL, format), n <= SIO_ARGS_MAX ? 0 : ERROR_TOO_MANY);
		sio_payload_fini(&p);
		format[n] = 'n';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_received_binary),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_msgpack),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
