/* What the tables generate: the text of --help and the Markdown table. Broken tables abort. */
#include "tests/unit/base/option_bench.h"

/* How often `word` occurs in `text` as a whole word. */
static unsigned
occurrences(const char *text, const char *word)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, word)); at++) {
		char before = at > text ? at[-1] : ' ', after = at[strlen(word)];

		count += !strchr(letters, before) && (after == '\0' || !strchr(letters, after));
	}
	return count;
}

static void
each_row_once(const char *text, bool api_name)
{
	for (unsigned t = 0; t < 2; t++) {
		for (size_t r = 0; r < tables[t].count; r++) {
			char name[OPTION_NAME_MAX];

			option_env_name(tables[t].rows[r].name, name);
			assert_int_equal(occurrences(text, name), 1);
			if (api_name) {
				char cell[OPTION_NAME_MAX + 8];

				snprintf(cell, sizeof cell, "\n| %s |", tables[t].rows[r].name);
				assert_non_null(strstr(text, cell));
			}
		}
	}
}

static void
test_help(void **state)
{
	struct buffer out;
	struct text rest, line;

	(void)state;
	buffer_init(&out, 100000);
	options_help(tables, 2, &out);
	rest = buffer_text(&out);
	while (text_cut(&rest, '\n', &line)) {
		assert_true(line.n <= 100);
		assert_false(text_ends(line, TEXT(" ")));
	}
	buffer_add_byte(&out, 0);
	assert_int_equal(buffer_error(&out), 0);
	each_row_once((char *)out.data, false);
	assert_non_null(strstr((char *)out.data, "  --ping-interval MS "));
	assert_non_null(strstr((char *)out.data, "  --[no-]cors "));
	assert_non_null(strstr((char *)out.data, "  --path VALUE "));
	assert_non_null(strstr((char *)out.data, "time between two pings; 10 to 3600000; default 25s"));
	assert_non_null(strstr((char *)out.data, "one of alone|hub|redis; default alone"));
	assert_int_equal(strncmp((char *)out.data, "Engine\n", 7), 0);
	assert_int_equal(occurrences((char *)out.data, "\nCluster\n"), 1);
	assert_int_equal(occurrences((char *)out.data, "\nOther\n"), 1);
	buffer_fini(&out);
}

static void
test_markdown(void **state)
{
	struct buffer out;
	struct text rest, line;
	unsigned lines = 0;

	(void)state;
	buffer_init(&out, 100000);
	options_markdown(tables, 2, &out);
	rest = buffer_text(&out);
	for (; text_cut(&rest, '\n', &line); lines++) {
		unsigned bars = 0;

		for (size_t i = 0; i < line.n; i++)
			bars += line.at[i] == '|' && (i == 0 || line.at[i - 1] != '\\');
		assert_int_equal(bars, 5);
	}
	assert_int_equal(lines, 2 + tables[0].count + tables[1].count);
	buffer_add_byte(&out, 0);
	each_row_once((char *)out.data, true);
	assert_non_null(strstr((char *)out.data, "| pingInterval | `--ping-interval` | `SOCKEYE_PING_INTERVAL` | "
						 "time between two pings; 10 to 3600000; "
						 "default 25s |\n"));
	assert_non_null(strstr((char *)out.data, "free \\| text"));
	buffer_fini(&out);
}

static void
two_of_one_name(void)
{
	static const struct option_row rows[] = {
		{"port", OPTION_NUMBER, 0, .help = ""}, {"port", OPTION_NUMBER, 0, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 2, &into, false};

	options_defaults(&table, 1);
}

static void
bad_default(void)
{
	static const struct option_row rows[] = {{"port", OPTION_NUMBER, 0, .initial = "5", .max = 4, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 1, &into, false};

	options_defaults(&table, 1);
}

static void
long_name(void)
{
	static const struct option_row rows[] = {
		{"anOptionWhoseNameIsSoVeryLongThatNobodyWouldEverTypeItInFullX", OPTION_NUMBER, 0, .help = ""}};
	uint64_t into;
	const struct option_table table = {rows, 1, &into, false};

	options_defaults(&table, 1);
}

static void
test_broken_tables_abort(void **state)
{
	char said[512];

	(void)state;
	assert_true(aborts(two_of_one_name, said, sizeof said));
	assert_true(aborts(bad_default, said, sizeof said));
	assert_true(aborts(long_name, said, sizeof said));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_help),
		TEST(test_markdown),
		TEST(test_broken_tables_abort),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
