/* Placeholders and their attachments: packed, recognised, copied from packet to packet. */
#include "tests/unit/base/json_bench.h"

/* Three attachments "A", "BB", "CCC". */
static void
make_attachments(struct attachments *a)
{
	attachments_init(a);
	for (unsigned i = 0; i < 3; i++) {
		struct block *b = block_copy(&"A\0\0BB\0CCC"[i * 3], i + 1);

		attachments_add(a, b);
		block_unref(b);
	}
}

static void
assert_packs_binary(const char *json, int error, const void *want, size_t n)
{
	struct attachments a;
	struct buffer out;

	make_attachments(&a);
	buffer_init(&out, MAX);
	assert_int_equal(json_check(text_from(json), JSON_DEPTH_MAX), 0);
	assert_int_equal(json_to_msgpack(text_from(json), &a, &out), error);
	if (!error)
		assert_bytes(&out, want, n);
	assert_int_equal(json_placeholders_check(text_from(json), 3), error);
	buffer_fini(&out);
	attachments_fini(&a);
}

#define packs_binary(json, bytes) assert_packs_binary(json, 0, bytes, sizeof(bytes) - 1)
#define refuses_binary(json) assert_packs_binary(json, ERROR_SYNTAX, NULL, 0)

static void
test_placeholders(void **state)
{
	(void)state;
	packs_binary(P(0), "\xc4\x01"
			   "A");
	packs_binary("[" P(2) "," P(0) "," P(2) "]", "\x93\xc4\x03"
						     "CCC\xc4\x01"
						     "A\xc4\x03"
						     "CCC");
	packs_binary("{\"a\":{\"b\":" P(1) "},\"c\":1}", "\x82\xa1"
							 "a\x81\xa1"
							 "b\xc4\x02"
							 "BB\xa1"
							 "c\x01");
	packs_binary("[{ \"num\" : 1.0 , \"\\u005fplaceholder\" : true , \"x\" : [9] }]", "\x91\xc4\x02"
											  "BB");
	/* not placeholders: the value is not true, or the last one is not */
	packs_binary("{\"_placeholder\":false,\"num\":9}", "\x82\xac_placeholder\xc2\xa3num\x09");
	packs_binary("{\"_placeholder\":1}", "\x81\xac_placeholder\x01");
	packs_binary("{\"_placeholder\":\"true\"}", "\x81\xac_placeholder\xa4true");
	packs_binary("{\"_placeholder\":true,\"_placeholder\":[]}", "\x82\xac_placeholder\xc3\xac_placeholder\x90");
	packs_binary("[\"_placeholder\",true,\"num\",9]", "\x94\xac_placeholder\xc3\xa3num\x09");
	packs_binary("{\"_placeholder\":{\"a\":true}}", "\x81\xac_placeholder\x81\xa1"
							"a\xc3");
	/* the last number counts */
	packs_binary("{\"_placeholder\":true,\"num\":7,\"num\":0}", "\xc4\x01"
								    "A");
	refuses_binary("{\"_placeholder\":true,\"num\":0,\"num\":7}");
	refuses_binary("{\"_placeholder\":true}");
	refuses_binary(P(3));
	refuses_binary(P(-1));
	refuses_binary(P(0.5));
	refuses_binary(P("0"));
	refuses_binary(P([0]));
	refuses_binary(P({}));
	refuses_binary(P(null));
	refuses_binary(P(1e99));
	refuses_binary(P(4294967296));
	refuses_binary(P(18446744073709551616));
	refuses_binary("[[{\"a\":" P(9) "}],1]");
	/* other members of a placeholder are ignored */
	packs_binary("{\"_placeholder\":true,\"num\":0,\"x\":[" P(9) ",{\"y\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}]}",
		"\xc4\x01"
		"A");
	packs_binary("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,{\"_placeholder\":true,\"num\":0,"
		     "\"x\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]}]",
		"\xdc\x00\x11\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xc4\x01"
		"A");
	assert_int_equal(json_placeholders_check(TEXT("[1,\"plain\"]"), 0), 0);
	assert_int_equal(json_placeholders_check(TEXT(P(0)), 0), ERROR_SYNTAX);
}

static void
test_placeholder(void **state)
{
	unsigned num = 9;

	(void)state;
	assert_true(json_placeholder(TEXT(P(1)), 2, &num));
	assert_int_equal(num, 1);
	assert_false(json_placeholder(TEXT(P(2)), 2, &num));
	assert_false(json_placeholder(TEXT("{\"_placeholder\":true}"), 2, &num));
	assert_false(json_placeholder(TEXT("{\"num\":0}"), 2, &num));
	assert_false(json_placeholder(TEXT("{}"), 2, &num));
	assert_true(json_maybe_placeholders(TEXT(P(1))));
	assert_false(json_maybe_placeholders(TEXT("[\"_place\\nholder\"]")));
}

/* Copies `json` behind other text, into a packet that already has `before` attachments. */
static void
assert_copies(const char *json, unsigned before, const char *want)
{
	struct attachments from, to;
	struct buffer out;
	struct block *other;

	make_attachments(&from);
	attachments_init(&to);
	for (unsigned i = 0; i < before; i++) {
		attachments_add(&to, other = block_copy("other", 5));
		block_unref(other);
	}
	buffer_init(&out, MAX);
	buffer_add_text(&out, TEXT("before "));
	assert_int_equal(json_placeholders_copy(text_from(json), &from, &to, &out), 0);
	buffer_drop(&out, 7);
	assert_text(&out, want);
	buffer_fini(&out);
	attachments_fini(&to);
	attachments_fini(&from);
}

static void
test_copy_behind_others(void **state)
{
	struct attachments from, to;
	struct buffer out;

	(void)state;
	assert_copies("[ 1, " P(0) " , {\"a\":" P(2) "}]", 5, "[ 1, " P(5) " , {\"a\":" P(6) "}]");
	assert_copies(P(0), 2, P(2));
	assert_copies("[ \"x\" ]", 7, "[ \"x\" ]");
	assert_copies("1," P(1) ",\"\\u0041\"", 1, "1," P(1) ",\"\\u0041\"");
	assert_copies("[" P(0) "]", 0, "[" P(0) "]");
	/* members nested in a placeholder are dropped, even if they were copied already */
	assert_copies("[1,{\"x\":" P(1) ",\"_placeholder\":true,\"num\":0},2]", 1, "[1," P(1) ",2]");
	assert_copies("[" P(0) ",{\"x\":[" P(1) "],\"_placeholder\":true,\"num\":2},2]", 1, "[" P(1) "," P(2) ",2]");
	make_attachments(&from);
	attachments_init(&to);
	buffer_init(&out, MAX);
	assert_int_equal(json_placeholders_copy(TEXT(P(-1)), &from, &to, &out), ERROR_SYNTAX);
	buffer_fini(&out);
	buffer_init(&out, 10);
	assert_int_equal(json_placeholders_copy(TEXT(P(1)), &from, &to, &out), ERROR_TOO_BIG);
	buffer_fini(&out);
	attachments_fini(&to);
	attachments_fini(&from);
}

static void
test_copy(void **state)
{
	struct attachments from, to;
	struct buffer out;

	(void)state;
	make_attachments(&from);
	attachments_init(&to);
	buffer_init(&out, MAX);
	assert_int_equal(json_placeholders_copy(TEXT("[" P(2) ",1]"), &from, &to, &out), 0);
	assert_text(&out, "[" P(0) ",1]");
	assert_int_equal(to.count, 1);
	assert_ptr_equal(to.blocks[0], from.blocks[2]);
	assert_int_equal(from.blocks[2]->refs, 2);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT("[" P(0) "," P(2) "," P(0) "]"), &from, &to, &out), 0);
	assert_text(&out, "[" P(1) "," P(0) "," P(1) "]");
	assert_int_equal(to.count, 2);
	/* an attachment inside a dropped placeholder is not attached */
	buffer_reset(&out);
	assert_int_equal(
		json_placeholders_copy(TEXT("{\"x\":" P(1) ",\"_placeholder\":true,\"num\":0}"), &from, &to, &out),
		0);
	assert_text(&out, P(1));
	assert_int_equal(to.count, 2);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT(P(3)), &from, &to, &out), ERROR_SYNTAX);
	buffer_reset(&out);
	assert_int_equal(json_placeholders_copy(TEXT(P(3)), NULL, &to, &out), 0);
	assert_text(&out, P(3));
	attachments_fini(&to);
	assert_int_equal(from.blocks[2]->refs, 1);
	attachments_fini(&from);
	buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_placeholder),
		cmocka_unit_test(test_copy_behind_others),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
