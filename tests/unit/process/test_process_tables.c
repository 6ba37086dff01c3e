/* The combined tables of close reasons and counters of all layers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "broker/broker_tables.h"
#include "common/io/io_tables.h"
#include "node/backend/backend_client_tables.h"
#include "node/adminui/adminui_tables.h"
#include "node/backend/backend_tables.h"
#include "node/engineio/eio_tables.h"
#include "node/http/http_tables.h"
#include "node/process/process_tables.h"
#include "node/socketio/sio_tables.h"
#include "node/upstream/upstream_tables.h"
#include "node/ws/ws_tables.h"

/* `alphabet`: the characters of the names, by which the log and the metrics distinguish the rows. */
static void
check(const struct names *names, const char *alphabet, unsigned expected)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		const struct names_row *row = names_find(names, i);

		if (row == NULL)
			continue;
		count++;
		assert_true(strlen(row->word) > 0);
		assert_int_equal(strspn(row->word, alphabet), strlen(row->word));
		assert_true(strlen(row->meaning) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(row->word, names_word(names, j));
	}
	assert_int_equal(count, expected);
}

static void
test_each_reason_has_its_own_name(void **state)
{
	(void)state;
	check(&process_reasons, "abcdefghijklmnopqrstuvwxyz0123456789-",
		io_reasons.count + broker_reasons.count + http_reasons.count + ws_reasons.count + eio_reasons.count +
			upstream_reasons.count + process_reasons.count);
	assert_string_equal(names_word(&process_reasons, REASON_SLOW_READER), "slow-reader");
	assert_string_equal(names_word(&process_reasons, REASON_HUB_SYNTAX), "hub-syntax");
	assert_string_equal(names_word(&process_reasons, REASON_UPSTREAM_CUT), "upstream-cut");
	assert_string_equal(names_word(&process_reasons, REASON_HANDED_OVER), "handed-over");
}

static void
test_each_counter_has_its_own_metric_name(void **state)
{
	(void)state;
	check(&process_counters, "abcdefghijklmnopqrstuvwxyz_",
		io_counters.count + http_counters.count + ws_counters.count + eio_counters.count +
			sio_counters.count + backend_counters.count + backend_client_counters.count +
			upstream_counters.count + adminui_counters.count + process_counters.count);
	assert_string_equal(names_word(&process_counters, COUNT_BYTES_OUT), "bytes_sent");
	assert_string_equal(names_word(&process_counters, COUNT_UPSTREAM_CUT), "upstream_cut");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_reason_has_its_own_name),
		cmocka_unit_test(test_each_counter_has_its_own_metric_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
