#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/api/api_count.h"

static const char *
text_of_buffer(struct buffer *b)
{
	buffer_add_byte(b, '\0');
	return (const char *)b->data;
}

static void
test_samples_and_table(void **state)
{
	static struct api_counts c;
	struct buffer samples, none, table;
	const char *text, *rows, *at;
	unsigned metrics = 0;

	(void)state;
	buffer_init(&samples, 1 << 16);
	buffer_init(&none, 1 << 16);
	buffer_init(&table, 1 << 16);
	api_count(&c, api_path_of(TEXT("/api/emit")), 200);
	api_count(&c, api_path_of(TEXT("/api/emit")), 200);
	api_count(&c, api_path_of(TEXT("/api/emitx")), 404);
	c.replayed = 3;
	api_counts_write(&c, 1, 2, 4, &samples);
	api_counts_write(NULL, 0, 0, 0, &none);
	api_counts_markdown(&table);
	text = text_of_buffer(&samples);
	rows = text_of_buffer(&table);
	assert_non_null(strstr(text, "\nsockeye_api_requests_total{path=\"/api/emit\",status=\"200\"} 2\n"));
	assert_non_null(strstr(text, "\nsockeye_api_requests_total{path=\"other\",status=\"404\"} 1\n"));
	assert_non_null(strstr(text, "\nsockeye_api_replayed_total{path=\"/api\"} 3\n"));
	assert_non_null(strstr(text, "\nsockeye_api_forgotten_total{path=\"/api\"} 4\n"));
	assert_null(strstr(text_of_buffer(&none), "{"));
	for (at = text; (at = strstr(at, "# TYPE ")) != NULL; at++, metrics++) {
		char name[96], type[16], row[128];

		assert_int_equal(sscanf(at, "# TYPE %95s %15s\n", name, type), 2);
		snprintf(row, sizeof row, "| `%s` | %s | path", name, type);
		assert_non_null(strstr(rows, row));
		snprintf(row, sizeof row, "\n# TYPE %s %s\n", name, type);
		assert_non_null(strstr((const char *)none.data, row));
	}
	assert_int_equal(metrics, 6);
	buffer_fini(&samples);
	buffer_fini(&none);
	buffer_fini(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples_and_table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
