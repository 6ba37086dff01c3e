/* The JSON of a link's first frames, and the proof that the peer knows the secret. */
#include "tests/unit/backend/golden.h"

#include "common/base/error.h"
#include "node/backend/backend_hello.h"
#include "node/backend/backend_proof.h"

static int
read_hello(const char *json)
{
	struct backend_hello h;
	int result = backend_hello_read(&h, text_from(json));

	if (result == 0)
		backend_hello_fini(&h);
	return result;
}

static struct text
golden_body(const struct golden *g, const char *name)
{
	struct text frames = g->frames, one, parts, part, key, value;

	while (json_array_next(&frames, &one)) {
		if (!json_string_is(json_object_get(one, TEXT("name")), text_from(name)))
			continue;
		parts = json_object_get(one, TEXT("parts"));
		assert_true(json_array_next(&parts, &part) && json_object_next(&part, &key, &value));
		return golden_string(value);
	}
	fail_msg("there is no golden frame named %s", name);
	return TEXT_NONE;
}

static void
reads_what_is_needed(void **state)
{
	struct backend_hello h;
	struct golden g;

	(void)state;
	golden_open(&g);
	assert_int_equal(backend_hello_read(&h, golden_body(&g, "the shortest hello")), 0);
	assert_true(h.speaks_version);
	assert_text_equal(h.instance, TEXT("x1"));
	assert_text_equal(h.group, TEXT(""));
	assert_null(h.namespaces);
	assert_int_equal(h.weight, 1);
	assert_int_equal(h.worker, 0);
	assert_false(h.wants_requests || h.wants_errors || h.recovers);
	assert_int_equal(h.proof.n, 0);
	backend_hello_fini(&h);
	golden_close(&g);
}

static void
reads_everything(void **state)
{
	struct backend_hello h;
	struct golden g;

	(void)state;
	golden_open(&g);
	assert_int_equal(backend_hello_read(&h, golden_body(&g, "hello with everything")), 0);
	assert_text_equal(h.instance, TEXT("x-1_a.b"));
	assert_int_equal(h.worker, 3);
	assert_text_equal(h.group, TEXT("shop"));
	assert_int_equal(h.namespace_count, 2);
	assert_text_equal(h.namespaces[0], TEXT("/"));
	assert_text_equal(h.namespaces[1], TEXT("/admin"));
	assert_int_equal(h.weight, 2);
	assert_true(h.wants_requests && h.wants_errors && h.recovers);
	assert_text_equal(h.upstream, TEXT("http://127.0.0.1:3001"));
	assert_int_equal(h.pid, 4711);
	assert_text_equal(h.app, TEXT("server.js"));
	assert_text_equal(h.language, TEXT("node"));
	backend_hello_fini(&h);
	golden_close(&g);
}

static void
an_empty_list_of_namespaces_counts_as_absent(void **state)
{
	struct backend_hello h;

	(void)state;
	assert_int_equal(
		backend_hello_read(
			&h, TEXT(" {\"v\":[2,1],\"instance\":\"a\",\"namespaces\":[],\"group\":null,\"new\":{}}\n")),
		0);
	assert_true(h.speaks_version);
	assert_non_null(h.namespaces);
	assert_int_equal(h.namespace_count, 0);
	backend_hello_fini(&h);
}

static void
another_version_is_told(void **state)
{
	static const char *const others[] = {"{\"v\":[2],\"instance\":\"a\"}", "{\"v\":[],\"instance\":\"a\"}",
		"{\"v\":1,\"instance\":\"a\"}", "{\"v\":[\"1\"],\"instance\":\"a\"}", "{\"instance\":\"a\"}"};
	struct backend_hello h;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		assert_int_equal(backend_hello_read(&h, text_from(others[i])), 0);
		assert_false(h.speaks_version);
		backend_hello_fini(&h);
	}
}

static void
refuses_nonsense(void **state)
{
	static const char *const wrong[] = {"", "[]", "null", "\"x\"", "{", "{}", "{\"v\":[1]}",
		"{\"v\":[1],\"instance\":1}", "{\"v\":[1],\"instance\":\"\"}", "{\"v\":[1],\"instance\":\"a b\"}",
		"{\"v\":[1],\"instance\":\"a\\nb\"}", "{\"v\":[1],\"instance\":\"\xc3\xa9\"}",
		"{\"v\":[1],\"instance\":\"a\",\"worker\":-1}", "{\"v\":[1],\"instance\":\"a\",\"worker\":1.5}",
		"{\"v\":[1],\"instance\":\"a\",\"worker\":\"0\"}", "{\"v\":[1],\"instance\":\"a\",\"weight\":0}",
		"{\"v\":[1],\"instance\":\"a\",\"weight\":1001}",
		"{\"v\":[1],\"instance\":\"a\",\"namespaces\":\"/\"}",
		"{\"v\":[1],\"instance\":\"a\",\"namespaces\":[1]}",
		"{\"v\":[1],\"instance\":\"a\",\"namespaces\":[\"\"]}",
		"{\"v\":[1],\"instance\":\"a\",\"namespaces\":[\"chat\"]}",
		"{\"v\":[1],\"instance\":\"a\",\"hooks\":true}", "{\"v\":[1],\"instance\":\"a\",\"proof\":7}",
		"{\"v\":[1],\"instance\":\"a\",\"hooks\":{\"request\":1}}",
		"{\"v\":[1],\"instance\":\"a\",\"recovery\":\"true\"}", "{\"v\":[1],\"instance\":\"a\"} x",
		"{\"v\":[1],\"instance\":\"a\",\"group\":[[[[[[[[[]]]]]]]]]}"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (read_hello(wrong[i]) != ERROR_SYNTAX)
			fail_msg("%s was not refused", wrong[i]);
	}
}

static void
names_have_a_maximum(void **state)
{
	char json[512], name[BACKEND_NAME_MAX + 2];
	struct buffer many;

	(void)state;
	memset(name, 'a', sizeof name);
	name[BACKEND_NAME_MAX] = '\0';
	snprintf(json, sizeof json, "{\"v\":[1],\"instance\":\"%s\",\"group\":\"%s\"}", name, name);
	assert_int_equal(read_hello(json), 0);
	name[BACKEND_NAME_MAX] = 'a';
	name[BACKEND_NAME_MAX + 1] = '\0';
	snprintf(json, sizeof json, "{\"v\":[1],\"instance\":\"%s\"}", name);
	assert_int_equal(read_hello(json), ERROR_SYNTAX);
	snprintf(json, sizeof json, "{\"v\":[1],\"instance\":\"a\",\"group\":\"%s\"}", name);
	assert_int_equal(read_hello(json), ERROR_SYNTAX);

	buffer_init(&many, 1 << 20);
	buffer_printf(&many, "{\"v\":[1],\"instance\":\"a\",\"namespaces\":[\"/\"");
	for (unsigned i = 1; i < BACKEND_NAMESPACES_MAX; i++)
		buffer_printf(&many, ",\"/%u\"", i);
	buffer_printf(&many, "]}");
	buffer_add_byte(&many, '\0');
	assert_int_equal(read_hello((const char *)many.data), 0);
	many.len -= 3;
	buffer_printf(&many, ",\"/more\"]}");
	buffer_add_byte(&many, '\0');
	assert_int_equal(read_hello((const char *)many.data), ERROR_SYNTAX);
	buffer_fini(&many);
}

static void
escapes_are_undone(void **state)
{
	struct backend_hello h;

	(void)state;
	assert_int_equal(
		backend_hello_read(&h,
			TEXT("{\"v\":[1],\"\\u0069nstance\":\"\\u0061\",\"group\":\"\\u00e9\\n\",\"app\":\"\\\"\"}")),
		0);
	assert_text_equal(h.instance, TEXT("a"));
	assert_text_equal(h.group, TEXT("\xc3\xa9\n"));
	assert_text_equal(h.app, TEXT("\""));
	backend_hello_fini(&h);
}

static void
writes_challenge_and_welcome(void **state)
{
	const struct backend_welcome w = {.edge = TEXT("e\"1"),
		.worker = 1,
		.workers = 2,
		.up = 6,
		.window = 3,
		.max_frame = 4,
		.ping = 5,
		.options = TEXT("{}")};
	struct golden g;
	struct buffer out;
	struct text nonce;

	(void)state;
	golden_open(&g);
	buffer_init(&out, 4096);
	nonce = golden_string(json_object_get(buffer_text(&g.file), TEXT("nonce")));
	backend_challenge_write(&out, TEXT("e1"), nonce);
	assert_text_equal(buffer_text(&out), golden_body(&g, "challenge"));
	buffer_reset(&out);
	backend_welcome_write(&out, &w);
	assert_text_equal(buffer_text(&out),
		TEXT("{\"v\":1,\"edge\":\"e\\\"1\",\"worker\":1,\"workers\":2,\"up\":6,\"window\":3,"
		     "\"maxFrame\":4,\"ping\":5,\"options\":{}}"));
	buffer_fini(&out);
	golden_close(&g);
}

static void
proves_the_secret(void **state)
{
	struct golden g;
	struct backend_hello h;
	struct text secret, nonce;
	char other[BACKEND_PROOF];

	(void)state;
	golden_open(&g);
	secret = golden_string(json_object_get(buffer_text(&g.file), TEXT("secret")));
	nonce = golden_string(json_object_get(buffer_text(&g.file), TEXT("nonce")));
	assert_int_equal(backend_hello_read(&h, golden_body(&g, "hello with everything")), 0);
	assert_true(backend_proof_is(secret, nonce, h.instance, h.proof));
	assert_false(backend_proof_is(TEXT("open sesam"), nonce, h.instance, h.proof));
	assert_false(backend_proof_is(secret, nonce, TEXT("x-1_a.c"), h.proof));
	assert_false(backend_proof_is(secret, nonce, h.instance, TEXT_NONE));
	assert_false(backend_proof_is(secret, nonce, h.instance, text_of(h.proof.at, h.proof.n - 1)));
	memcpy(other, h.proof.at, sizeof other);
	other[BACKEND_PROOF - 1] ^= 1;
	assert_false(backend_proof_is(secret, nonce, h.instance, text_of(other, sizeof other)));
	backend_hello_fini(&h);
	golden_close(&g);
}

static void
nonces_differ(void **state)
{
	char one[BACKEND_NONCE], other[BACKEND_NONCE];

	(void)state;
	backend_nonce(one);
	backend_nonce(other);
	assert_memory_not_equal(one, other, sizeof one);
	for (size_t i = 0; i < sizeof one; i++)
		assert_non_null(strchr("0123456789abcdef", one[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_needed),
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(an_empty_list_of_namespaces_counts_as_absent),
		cmocka_unit_test(another_version_is_told),
		cmocka_unit_test(refuses_nonsense),
		cmocka_unit_test(names_have_a_maximum),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(writes_challenge_and_welcome),
		cmocka_unit_test(proves_the_secret),
		cmocka_unit_test(nonces_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
