/* Calendar dates in UTC, without locks, locale or time zones. */
#ifndef COMMON_BASE_DATE_H
#define COMMON_BASE_DATE_H

#include <stdint.h>

#define DAY_SECONDS 86400

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* Returns the date `days` days after 1970-01-01, in the proleptic Gregorian calendar. `days` may be negative. */
struct date date_of_day(int64_t days);

#endif
