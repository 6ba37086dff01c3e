#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/error.h"
#include "tests/load/load_options.h"
#include "tests/load/messages.h"
#include "tests/load/scenario.h"

static struct load_options
options(const char *scenario, uint64_t clients, uint64_t senders)
{
	return (struct load_options){.scenario = scenario_find(scenario), .clients = clients, .senders = senders};
}

/* Sender numbers map to clients in rising order, evenly spread: the distances between neighbours are equal. */
static void
check_spread(uint64_t clients, uint64_t senders)
{
	struct load_options o = options("broadcast", clients, senders);
	uint64_t number, next = 0, last = 0;

	assert_int_equal(messages_senders(&o), senders);
	for (uint64_t i = 0; i < clients; i++) {
		if (!messages_is_sender(&o, i, &number))
			continue;
		assert_int_equal(number, next);
		assert_int_equal(i, number * clients / senders); /* the inverse, as messages.c computes it */
		if (next > 0)
			assert_in_range(i - last, clients / senders, (clients + senders - 1) / senders);
		last = i;
		next++;
	}
	assert_int_equal(next, senders);
}

static void
test_senders_are_spread(void **state)
{
	(void)state;
	for (uint64_t clients = 1; clients <= 60; clients++)
		for (uint64_t senders = 1; senders <= clients; senders++)
			check_spread(clients, senders);
	check_spread(10000, 1);
	check_spread(10000, 9999);
	check_spread(100003, 777);
}

static void
test_all_or_one(void **state)
{
	struct load_options all = options("echo", 50, 0), one = options("broadcast", 50, 0);
	uint64_t number;

	(void)state;
	assert_int_equal(messages_senders(&all), 50);
	assert_int_equal(messages_senders(&one), 1);
	for (uint64_t i = 0; i < 50; i++) {
		assert_true(messages_is_sender(&all, i, &number));
		assert_int_equal(number, i);
		assert_int_equal(messages_is_sender(&one, i, &number), i == 0);
	}
}

/* Without overflow, and the last sender is where it belongs. */
static void
test_the_greatest_numbers(void **state)
{
	struct load_options o = options("echo", 10000000, 9999999);
	uint64_t number;

	(void)state;
	assert_true(messages_is_sender(&o, 0, &number));
	assert_true(messages_is_sender(&o, 9999998, &number));
	assert_int_equal(number, 9999998);
	assert_false(messages_is_sender(&o, 9999999, &number));
}

/* The senders of a process are contiguous, and each sender is in exactly one process. */
static void
test_processes_share_the_senders(void **state)
{
	(void)state;
	for (uint64_t processes = 1; processes <= 9; processes++) {
		struct load_options o = options("broadcast", 101, 17);
		uint64_t next = 0, number;

		for (uint64_t p = 0; p < processes; p++) {
			uint64_t first = o.clients * p / processes, end = o.clients * (p + 1) / processes, here = 0;

			for (uint64_t i = first; i < end; i++) {
				if (!messages_is_sender(&o, i, &number))
					continue;
				assert_int_equal(number, next++);
				here++;
			}
			assert_in_range(here, 17 / processes, 17 / processes + 1);
		}
		assert_int_equal(next, 17);
	}
}

static void
test_too_many_pairs_are_refused(void **state)
{
	struct load_options o = options("broadcast", 1 << 13, 1 << 13);
	char error[OPTION_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(messages_check(&o, error), 0);
	o.clients++;
	assert_int_equal(messages_check(&o, error), ERROR_ARGUMENT);
	assert_non_null(strstr(error, "8192 senders with 8193 receivers"));
	o = options("broadcast", 10000000, 10000000);
	assert_int_equal(messages_check(&o, error), ERROR_ARGUMENT);
	o = options("broadcast", 10000000, 0);
	assert_int_equal(messages_check(&o, error), 0);
	o = options("echo", 10000000, 0); /* each client receives only its own messages */
	assert_int_equal(messages_check(&o, error), 0);
	o = options("idle", 10000000, 10000000);
	assert_int_equal(messages_check(&o, error), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders_are_spread),
		cmocka_unit_test(test_all_or_one),
		cmocka_unit_test(test_the_greatest_numbers),
		cmocka_unit_test(test_processes_share_the_senders),
		cmocka_unit_test(test_too_many_pairs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
