/*
 * The calendar, without locks, locale or time zone: a date in UTC from a number of days.
 */
#ifndef COMMON_BASE_DATE_H
#define COMMON_BASE_DATE_H

#include <stdint.h>

#define DAY_SECONDS 86400

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* `days` since 1970-01-01, negative before it, in the Gregorian calendar whatever the year. */
struct date date_of_day(int64_t days);

#endif
