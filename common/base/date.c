#include "common/base/date.h"

/*
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". An era is 400 years, the period of the
 * calendar.
 */
#define ERA_DAYS 146097

struct date
date_of_day(int64_t days)
{
	int64_t era;
	unsigned of_era, year, of_year, month;

	days += 719468; /* counted from 0000-03-01: in years that begin in March, the leap day comes last */
	era = (days >= 0 ? days : days - ERA_DAYS + 1) / ERA_DAYS;
	of_era = (unsigned)(days - era * ERA_DAYS);
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153; /* 0: March */
	return (struct date){
		.year = year + era * 400 + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = of_year - (153 * month + 2) / 5 + 1,
	};
}
