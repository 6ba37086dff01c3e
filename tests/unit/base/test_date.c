/* Compares the calendar with the C library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "common/base/date.h"

static void
each_day_agrees_with_the_c_library(void **state)
{
	(void)state;
	/* from the year -800 to 4700: all kinds of leap years before and after the epoch */
	for (int64_t day = -1000000; day < 1000000; day++) {
		time_t at = (time_t)(day * DAY_SECONDS);
		struct date date = date_of_day(day);
		struct tm tm;

		gmtime_r(&at, &tm);
		if (date.year != tm.tm_year + 1900 || date.month != (unsigned)tm.tm_mon + 1 ||
			date.day != (unsigned)tm.tm_mday)
			fail_msg("day %lld is not %lld-%u-%u", (long long)day, (long long)date.year, date.month,
				date.day);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_day_agrees_with_the_c_library)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
