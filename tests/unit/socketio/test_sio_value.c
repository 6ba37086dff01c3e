/* Received values as an application reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "tests/unit/socketio/received.h"

static void
test_types(void **state)
{
	static const struct {
		const char *json;
		sio_type type;
	} cases[] = {
		{"null", SIO_NULL},
		{"true", SIO_BOOL},
		{"false", SIO_BOOL},
		{"-1.5", SIO_NUMBER},
		{"\"\"", SIO_STRING},
		{"[]", SIO_ARRAY},
		{"{}", SIO_OBJECT},
		{P(0), SIO_BINARY},
		{P(2), SIO_BINARY},
		{P(3), SIO_OBJECT},
		{P(-1), SIO_OBJECT},
		{P("0"), SIO_OBJECT},
		{"{\"_placeholder\":false,\"num\":0}", SIO_OBJECT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct received r;

		received_init(&r, cases[i].json, 3);
		assert_int_equal(sio_type_of(r.value), cases[i].type);
		received_fini(&r);
		/* in a packet without attachments nothing is binary, whatever it looks like */
		received_init(&r, cases[i].json, 0);
		assert_int_equal(sio_type_of(r.value), cases[i].type == SIO_BINARY ? SIO_OBJECT : cases[i].type);
		assert_null(r.owner.decoded); /* reading allocates nothing */
		received_fini(&r);
	}
}

/* No value: each accessor still has a result. */
static void
test_none(void **state)
{
	sio_value none = sio_value_none(), member;
	size_t n = 7, cursor = 0;
	const char *key;

	(void)state;
	assert_int_equal(sio_type_of(none), SIO_NONE);
	assert_int_equal(sio_type_of(sio_value_make(TEXT_NONE, NULL)), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(none, "a")), SIO_NONE);
	assert_int_equal(sio_type_of(sio_at(none, 0)), SIO_NONE);
	assert_int_equal(sio_length(none), 0);
	assert_false(sio_each(none, &cursor, &key, &member));
	assert_null(sio_string(none, &n));
	assert_int_equal(n, 0);
	assert_int_equal(sio_int(none, 5), 5);
	assert_true(sio_double(none, 2.5) == 2.5);
	assert_true(sio_bool(none, true));
	assert_null(sio_binary(none, &n));
	assert_null(sio_json(none, &n));
	assert_null(sio_msgpack(none));
}

static void
test_get(void **state)
{
	struct received r;

	(void)state;
	received_init(&r, "{ \"a\" : [ 1 , {\"b\":\"x\"} , " P(1) " ] , \"b\" : null , \"a\\u0062\" : 2 }", 3);
	assert_int_equal(sio_type_of(sio_get(r.value, "a")), SIO_ARRAY);
	assert_int_equal(sio_int(sio_at(sio_get(r.value, "a"), 0), -1), 1);
	assert_string_equal(sio_string(sio_get(sio_at(sio_get(r.value, "a"), 1), "b"), NULL), "x");
	assert_int_equal(sio_type_of(sio_at(sio_get(r.value, "a"), 2)), SIO_BINARY);
	assert_int_equal(sio_type_of(sio_at(sio_get(r.value, "a"), 3)), SIO_NONE);
	assert_int_equal(sio_type_of(sio_at(sio_get(r.value, "a"), UINT32_MAX)), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(r.value, "b")), SIO_NULL);
	assert_int_equal(sio_int(sio_get(r.value, "ab"), -1), 2);
	assert_int_equal(sio_type_of(sio_get(r.value, "c")), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(r.value, "")), SIO_NONE);
	/* a value of another type has no members */
	assert_int_equal(sio_type_of(sio_at(r.value, 0)), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(sio_get(r.value, "a"), "b")), SIO_NONE);
	assert_int_equal(sio_type_of(sio_get(sio_at(sio_get(r.value, "a"), 2), "num")), SIO_NONE);
	received_fini(&r);
}

static void
test_length(void **state)
{
	static const struct {
		const char *json;
		unsigned length;
	} cases[] = {
		{"null", 0},
		{"12", 0},
		{"\"\"", 0},
		{"\"a\\u00e9\\n\"", 4},
		{"[]", 0},
		{"[1,[2,3],{}]", 3},
		{"{\"a\":1,\"b\":{\"c\":2}}", 2},
		{P(2), 3},
		{P(3), 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct received r;

		received_init(&r, cases[i].json, 3);
		assert_int_equal(sio_length(r.value), cases[i].length);
		received_fini(&r);
	}
}

static void
test_each(void **state)
{
	struct received r;
	sio_value member;
	size_t cursor = 0, n;
	const char *key;

	(void)state;
	/* without asking for the length, the application does not get a text that a NUL would shorten */
	received_init(&r, "[\"secret\\u0000x\",{\"key\\u0000x\":1},\"\\u0000\\u0000\"]", 0);
	assert_string_equal(sio_string(sio_at(r.value, 0), NULL), "secret\xef\xbf\xbdx");
	assert_memory_equal(sio_string(sio_at(r.value, 0), &n), "secret\0x", 9);
	assert_int_equal(n, 8);
	assert_string_equal(sio_string(sio_at(r.value, 2), NULL), "\xef\xbf\xbd\xef\xbf\xbd");
	assert_true(sio_each(sio_at(r.value, 1), &cursor, &key, &member));
	assert_string_equal(key, "key\xef\xbf\xbdx");
	assert_int_equal(sio_type_of(sio_get(sio_at(r.value, 1), "key")), SIO_NONE);
	received_fini(&r);

	cursor = 0;
	received_init(&r, "{ \"a\\n\" : 1 , \"\" : [ 2 , 3 ] }", 0);
	assert_true(sio_each(r.value, &cursor, &key, &member));
	assert_string_equal(key, "a\n");
	assert_int_equal(sio_int(member, 0), 1);
	assert_true(sio_each(r.value, &cursor, &key, &member));
	assert_string_equal(key, "");
	assert_int_equal(sio_length(member), 2);
	assert_false(sio_each(r.value, &cursor, &key, &member));
	assert_false(sio_each(r.value, &cursor, &key, &member));
	r.value = member;
	cursor = 0;
	assert_true(sio_each(r.value, &cursor, &key, &member));
	assert_null(key);
	assert_int_equal(sio_int(member, 0), 2);
	assert_true(sio_each(r.value, &cursor, NULL, &member));
	assert_int_equal(sio_int(member, 0), 3);
	assert_false(sio_each(r.value, &cursor, &key, &member));
	received_fini(&r);
	received_init(&r, "[{}," P(0) ",1]", 1);
	for (unsigned i = 0; i < 3; i++) {
		cursor = 0;
		assert_false(sio_each(sio_at(r.value, i), &cursor, &key, &member));
	}
	received_fini(&r);
}

static void
test_string(void **state)
{
	struct received r;
	const char *first, *second;
	size_t n;

	(void)state;
	received_init(&r, "[\"plain\",\"\\ud83d\\ude00\\u0000z\",\"\",\"last\"]", 0);
	first = sio_string(sio_at(r.value, 0), &n);
	assert_string_equal(first, "plain");
	assert_int_equal(n, 5);
	second = sio_string(sio_at(r.value, 1), &n);
	assert_int_equal(n, 6);
	assert_memory_equal(second, "\xf0\x9f\x98\x80\0z\0", 7);
	assert_string_equal(sio_string(sio_at(r.value, 2), &n), "");
	assert_string_equal(sio_string(sio_at(r.value, 3), &n), "last");
	/* asked again: the same place, and the others are unchanged */
	assert_ptr_equal(sio_string(sio_at(r.value, 0), NULL), first);
	assert_string_equal(first, "plain");
	assert_memory_equal(second, "\xf0\x9f\x98\x80\0z\0", 7);
	assert_null(sio_string(r.value, &n));
	assert_int_equal(n, 0);
	received_fini(&r);
	received_init(&r, "\"x\"", 0); /* in the smallest possible buffer */
	assert_string_equal(sio_string(r.value, &n), "x");
	received_fini(&r);
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *json;
		int64_t whole;
		double real;
	} cases[] = {
		{"0", 0, 0},
		{"-7", -7, -7},
		{"1e3", 1000, 1000},
		{"2.9", 2, 2.9},
		{"-2.9", -2, -2.9},
		{"9223372036854775807", INT64_MAX, 9223372036854775807.0},
		{"-9223372036854775808", INT64_MIN, -9223372036854775808.0},
		{"9223372036854775808", 42, 9223372036854775808.0},
		{"-9223372036854775808.5", INT64_MIN, -9223372036854775808.0},
		{"1e999999", 42, INFINITY},
		{"-1e999999", 42, -INFINITY},
		{"1e-999999", 0, 0},
	};
	struct received r;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		received_init(&r, cases[i].json, 0);
		if (sio_int(r.value, 42) != cases[i].whole || sio_double(r.value, 42) != cases[i].real)
			fail_msg("%s: %lld, %g", cases[i].json, (long long)sio_int(r.value, 42),
				sio_double(r.value, 42));
		assert_true(sio_bool(r.value, true));
		received_fini(&r);
	}
	received_init(&r, "[\"1\",true,false,null]", 0);
	assert_int_equal(sio_int(sio_at(r.value, 0), 42), 42);
	assert_true(sio_double(sio_at(r.value, 1), 0.5) == 0.5);
	assert_true(sio_bool(sio_at(r.value, 1), false));
	assert_false(sio_bool(sio_at(r.value, 2), true));
	assert_false(sio_bool(sio_at(r.value, 3), false));
	received_fini(&r);
}

static void
test_binary(void **state)
{
	struct received r;
	size_t n;

	(void)state;
	received_init(&r, "[" P(1) "," P(0) "," P(1) ",{\"num\":2,\"x\":[" P(0) "],\"_placeholder\":true},\"A\"]", 3);
	assert_memory_equal(sio_binary(sio_at(r.value, 0), &n), "BB", 2);
	assert_int_equal(n, 2);
	assert_memory_equal(sio_binary(sio_at(r.value, 1), &n), "A", 1);
	assert_ptr_equal(sio_binary(sio_at(r.value, 2), NULL), r.attachments.blocks[1]->data);
	assert_memory_equal(sio_binary(sio_at(r.value, 3), &n), "CCC", 3);
	assert_null(sio_binary(sio_at(r.value, 4), &n));
	assert_int_equal(n, 0);
	assert_null(sio_binary(r.value, &n));
	received_fini(&r);
}

static void
test_json(void **state)
{
	struct received r;
	const char *json;
	size_t n;

	(void)state;
	received_init(&r, "[1, {\"a\" : " P(0) "} ,2]", 1);
	json = sio_json(sio_at(r.value, 1), &n);
	assert_true(text_is(text_of(json, n), TEXT("{\"a\" : " P(0) "}")));
	assert_ptr_equal(sio_json(r.value, NULL), r.copy);
	received_fini(&r);
}

/* msgpack-c packs the object to the same bytes that the JSON becomes directly. */
static void
assert_msgpack(const char *json, unsigned attachments)
{
	struct received r;
	struct buffer direct;
	msgpack_sbuffer packed;
	msgpack_packer packer;
	const msgpack_object *o;

	received_init(&r, json, attachments);
	o = sio_msgpack(r.value);
	assert_non_null(o);
	assert_ptr_equal(sio_msgpack(r.value), o); /* created once */
	buffer_init(&direct, 1 << 20);
	assert_int_equal(json_to_msgpack(r.owner.json, r.owner.attachments, &direct), 0);
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	msgpack_pack_object(&packer, *o);
	assert_int_equal(packed.size, direct.len);
	assert_memory_equal(packed.data, direct.data, direct.len);
	msgpack_sbuffer_destroy(&packed);
	buffer_fini(&direct);
	received_fini(&r);
}

static void
test_msgpack(void **state)
{
	struct buffer b;

	(void)state;
	assert_msgpack("null", 0);
	assert_msgpack("[true,false,0,-1,127,128,-32768,4294967296,18446744073709551615,-9223372036854775808]", 0);
	assert_msgpack("[1.5,1e300,-9223372036854775809,1e20,1e999]", 0);
	assert_msgpack("[\"\",\"plain\",\"esc\\u00e9\\n\\u0000\"]", 0);
	assert_msgpack("{\"a\":{\"b\":[],\"c\":{}},\"\\u0064\":[[[]]],\"a\":2}", 0);
	assert_msgpack("[" P(0) ",{\"x\":" P(2) "}," P(0) "]", 3);
	assert_msgpack("[{\"x\":[" P(1) ",2],\"_placeholder\":true,\"num\":0},3]", 3);
	assert_msgpack(P(0), 0);
	buffer_init(&b, 10000);
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		buffer_add_byte(&b, '[');
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		buffer_add_byte(&b, ']');
	buffer_add_byte(&b, 0);
	assert_msgpack((char *)b.data, 0);
	buffer_fini(&b);
}

static void
test_msgpack_fields(void **state)
{
	struct received r;
	const msgpack_object *o, *element;

	(void)state;
	received_init(&r, "[{\"k\":\"v\"}," P(1) ",-5]", 3);
	o = sio_msgpack(r.value);
	assert_int_equal(o->type, MSGPACK_OBJECT_ARRAY);
	assert_int_equal(o->via.array.size, 3);
	element = &o->via.array.ptr[0];
	assert_int_equal(element->type, MSGPACK_OBJECT_MAP);
	assert_int_equal(element->via.map.size, 1);
	assert_memory_equal(element->via.map.ptr[0].key.via.str.ptr, "k", 1);
	assert_memory_equal(element->via.map.ptr[0].val.via.str.ptr, "v", 1);
	/* the bytes are not copied */
	assert_ptr_equal(o->via.array.ptr[1].via.bin.ptr, r.attachments.blocks[1]->data);
	assert_true(o->via.array.ptr[2].via.i64 == -5);
	/* a part of it */
	element = sio_msgpack(sio_at(r.value, 2));
	assert_true(element->via.i64 == -5);
	assert_ptr_equal(sio_msgpack(r.value), o);
	received_fini(&r);
}

/* A client's deepest value, wrapped once more by a format: no object, and no abort. */
static void
test_msgpack_too_deep(void **state)
{
	char json[2 * JSON_DEPTH_MAX + 2];
	struct received r;

	(void)state;
	memset(json, '[', JSON_DEPTH_MAX + 1);
	memset(json + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	received_init(&r, "[]", 0);
	sio_value_owner_init(&r.owner, text_of(json, sizeof json), NULL);
	r.value = sio_value_make(r.owner.json, &r.owner);
	assert_null(sio_msgpack(r.value));
	assert_null(sio_msgpack(r.value));
	assert_int_equal(sio_msgpack(sio_at(r.value, 0))->type, MSGPACK_OBJECT_ARRAY);
	received_fini(&r);
}

static void
test_args_make(void **state)
{
	struct text args[4];
	struct sio_args made;

	(void)state;
	assert_int_equal(json_array_split(TEXT("[\"n\", 1 , [2] ]"), args, 4, 9), 3);
	made = sio_args_make(args + 1, 2, NULL);
	assert_int_equal(made.count, 2);
	assert_true(text_is(made.list, TEXT("1 , [2]")));
	made = sio_args_make(args + 1, 0, NULL);
	assert_int_equal(made.count, 0);
	assert_null(made.list.at);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_msgpack),
		cmocka_unit_test(test_msgpack_fields),
		cmocka_unit_test(test_msgpack_too_deep),
		cmocka_unit_test(test_args_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
