/* The codec of heartbeats, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/beat.h"
#include "common/base/error.h"

static struct beat
example(void)
{
	struct beat beat = {.about = {.id = "d1d1d1d1d1d1d1d1",
				    .instance = "a7a7a7a7a7a7a7a7",
				    .host = "edge1",
				    .version = "1.2.0",
				    .mode = "redis",
				    .node = 1,
				    .worker = 3,
				    .port = 3000,
				    .db = 2,
				    .started_ms = 1764374400000,
				    .clients = 12},
		.state = BEAT_DRAINING,
		.hello = true,
		.every_ms = 5000};

	beat_add_namespace(&beat, TEXT("/"));
	beat_add_namespace(&beat, TEXT("/chat"));
	return beat;
}

#define WHOLE                                                                                                        \
	"{\"v\":1,\"id\":\"d1d1d1d1d1d1d1d1\",\"instance\":\"a7a7a7a7a7a7a7a7\",\"node\":1,\"worker\":3,"            \
	"\"started\":1764374400000,\"clients\":12,\"every\":5000,\"host\":\"edge1\",\"port\":3000,"                  \
	"\"version\":\"1.2.0\",\"mode\":\"redis\",\"db\":2,\"state\":\"draining\",\"hello\":true,"                   \
	"\"namespaces\":[\"2a0c975e\",\"e68f6560\"],\"more\":false}"

static void
a_heartbeat_is_written_and_read(void **state)
{
	struct beat beat = example(), got;
	struct buffer out;

	(void)state;
	buffer_init(&out, BEAT_BYTES_MAX);
	assert_int_equal(beat_write(&out, &beat), 0);
	buffer_add_byte(&out, '\0');
	assert_string_equal((char *)out.data, WHOLE);
	assert_int_equal(beat_read(&got, text_from((char *)out.data)), 0);
	assert_memory_equal(&got.about, &beat.about, sizeof got.about);
	assert_int_equal(got.state, BEAT_DRAINING);
	assert_true(got.hello);
	assert_int_equal(got.every_ms, 5000);
	assert_true(beat_has_namespace(&got, TEXT("/")));
	assert_true(beat_has_namespace(&got, TEXT("/chat")));
	assert_false(beat_has_namespace(&got, TEXT("/other")));
	buffer_fini(&out);
}

/* The largest heartbeat fits: every text is at its limit and needs escapes, and the list is full. */
static void
the_largest_fits(void **state)
{
	struct beat beat = example(), got;
	struct buffer out;
	char name[16];

	(void)state;
	memset(beat.about.host, '\x01', BEAT_HOST_MAX);
	memset(beat.about.version, '"', BEAT_WORD_MAX);
	memset(beat.about.mode, '\\', BEAT_WORD_MAX);
	beat.about.clients = (UINT64_C(1) << 53) - 1;
	beat.every_ms = BEAT_EVERY_MAX_MS;
	for (unsigned i = 0; i < BEAT_NAMESPACES_MAX; i++) {
		snprintf(name, sizeof name, "/%u", i);
		beat_add_namespace(&beat, text_from(name));
	}
	assert_int_equal(beat.namespace_count, BEAT_NAMESPACES_MAX);
	assert_true(beat.more);
	buffer_init(&out, BEAT_BYTES_MAX);
	assert_int_equal(beat_write(&out, &beat), 0);
	assert_int_equal(beat_read(&got, buffer_text(&out)), 0);
	assert_string_equal(got.about.host, beat.about.host);
	assert_string_equal(got.about.version, beat.about.version);
	assert_true(beat_has_namespace(&got, TEXT("/not-listed")));
	buffer_fini(&out);
}

/* Replaces the first `from` in a whole heartbeat by `to`. */
static int
read_with(const char *from, const char *to)
{
	static struct beat beat;
	char text[2 * BEAT_BYTES_MAX];
	const char *at = strstr(WHOLE, from);

	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - WHOLE), WHOLE, to, at + strlen(from));
	return beat_read(&beat, text_from(text));
}

static void
hostile_ones_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
		int error;
	} cases[] = {
		{"\"v\":1,", "", ERROR_SYNTAX},
		{"\"v\":1,", "\"v\":\"1\",", ERROR_SYNTAX},
		{"\"v\":1,", "\"v\":2,", ERROR_UNSUPPORTED},
		{"\"id\":\"d1d1d1d1d1d1d1d1\",", "", ERROR_SYNTAX},
		{"d1d1d1d1d1d1d1d1", "d1d1d1d1d1d1d1d", ERROR_SYNTAX},
		{"d1d1d1d1d1d1d1d1", "d1d1d1d1d1d1d1d1d", ERROR_TOO_BIG},
		{"d1d1d1d1d1d1d1d1", "d1d1d1d1d1d1d1 1", ERROR_SYNTAX},
		{"\"node\":1", "\"node\":4096", ERROR_SYNTAX},
		{"\"node\":1", "\"node\":-1", ERROR_SYNTAX},
		{"\"node\":1", "\"node\":1.5", ERROR_SYNTAX},
		{"\"node\":1", "\"node\":\"1\"", ERROR_SYNTAX},
		{"\"worker\":3", "\"worker\":4096", ERROR_SYNTAX},
		{"\"clients\":12", "\"clients\":1e17", ERROR_SYNTAX},
		{"\"every\":5000", "\"every\":0", ERROR_SYNTAX},
		{"\"every\":5000", "\"every\":3600001", ERROR_SYNTAX},
		{"\"port\":3000", "\"port\":65536", ERROR_SYNTAX},
		{"\"1.2.0\"", "\"1234567890123456789012345\"", ERROR_TOO_BIG},
		{"\"1.2.0\"", "{}", ERROR_SYNTAX},
		{"\"draining\"", "\"dead\"", ERROR_SYNTAX},
		{",\"state\":\"draining\"", "", ERROR_SYNTAX},
		{"[\"2a0c975e\",\"e68f6560\"]", "{}", ERROR_SYNTAX},
		{"2a0c975e", "2a0c975", ERROR_SYNTAX},
		{"2a0c975e", "2A0C975E", ERROR_SYNTAX},
		{"{\"v\"", "[{\"v\"", ERROR_SYNTAX},
		{"\"more\":false", "\"more\":[[[[[[[[[[]]]]]]]]]]", ERROR_TOO_DEEP},
		{"edge1", "\xff", ERROR_UTF8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int rc = read_with(cases[i].from, cases[i].to);

		if (rc != cases[i].error)
			fail_msg("\"%s\" for \"%s\": %d, not %d", cases[i].to, cases[i].from, rc, cases[i].error);
	}
}

static void
what_is_unknown_or_odd_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(read_with("{\"v\"", "{\"later\":[1,{}],\"v\""), 0);
	assert_int_equal(read_with("\"hello\":true,", ""), 0);
	assert_int_equal(read_with("\"hello\":true,", "\"hello\":0,"), 0);
	assert_int_equal(read_with("edge1", ""), 0);
	assert_int_equal(read_with("edge1", "\\u0000\\u00e4"), 0);
	assert_int_equal(read_with("{\"v\"", " \n{ \"v\""), 0);
}

static void
too_long_or_too_many_is_refused(void **state)
{
	char text[BEAT_BYTES_MAX + 8];
	char list[2048] = "[";
	struct beat beat;

	(void)state;
	memset(text, ' ', sizeof text);
	memcpy(text, WHOLE, strlen(WHOLE));
	assert_int_equal(beat_read(&beat, text_of(text, BEAT_BYTES_MAX)), 0);
	assert_int_equal(beat_read(&beat, text_of(text, BEAT_BYTES_MAX + 1)), ERROR_TOO_BIG);
	for (unsigned i = 0; i <= BEAT_NAMESPACES_MAX; i++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s\"%08x\"", i > 0 ? "," : "", i);
	strcat(list, "]");
	assert_int_equal(read_with("[\"2a0c975e\",\"e68f6560\"]", list), ERROR_TOO_MANY);
}

/* Cut anywhere, a heartbeat is refused; nothing is read beyond its end. */
static void
cut_ones_are_refused(void **state)
{
	struct beat beat;

	(void)state;
	for (size_t n = 0; n < strlen(WHOLE); n++) {
		char *exact = test_malloc(n > 0 ? n : 1);

		memcpy(exact, WHOLE, n);
		assert_true(beat_read(&beat, text_of(exact, n)) < 0);
		test_free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_heartbeat_is_written_and_read),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(hostile_ones_are_refused),
		cmocka_unit_test(what_is_unknown_or_odd_is_accepted),
		cmocka_unit_test(too_long_or_too_many_is_refused),
		cmocka_unit_test(cut_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
