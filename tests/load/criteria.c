#include "tests/load/criteria.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "tests/load/control.h"

#define DIGITS_MAX 15 /* digits of a number; a double keeps as many */
#define QUOTED_MAX 60 /* bytes of the user's text that an error line repeats */

static const struct name {
	const char *name;
	enum criterion_what what;
	enum criterion_kind kind;
} names[] = {
	{"mean", CRITERION_LATENCY_MEAN, CRITERION_KIND_TIME},
	{"min", CRITERION_LATENCY_MIN, CRITERION_KIND_TIME},
	{"max", CRITERION_LATENCY_MAX, CRITERION_KIND_TIME},
	{"connect-max", CRITERION_CONNECT_MAX, CRITERION_KIND_TIME},
	{"away-max", CRITERION_AWAY_MAX, CRITERION_KIND_TIME},
	{"lost", CRITERION_LOST, CRITERION_KIND_COUNT},
	{"missed", CRITERION_MISSED, CRITERION_KIND_COUNT},
	{"duplicated", CRITERION_DUPLICATED, CRITERION_KIND_COUNT},
	{"reordered", CRITERION_REORDERED, CRITERION_KIND_COUNT},
	{"unanswered", CRITERION_UNANSWERED, CRITERION_KIND_COUNT},
	{"errors", CRITERION_ERRORS, CRITERION_KIND_COUNT},
	{"sent", CRITERION_SENT, CRITERION_KIND_COUNT},
	{"received", CRITERION_RECEIVED, CRITERION_KIND_COUNT},
	{"joined", CRITERION_JOINED, CRITERION_KIND_COUNT},
	{"left", CRITERION_LEFT, CRITERION_KIND_COUNT},
	{"recovered", CRITERION_RECOVERED, CRITERION_KIND_COUNT},
	{"not-recovered", CRITERION_NOT_RECOVERED, CRITERION_KIND_COUNT},
	{"messages", CRITERION_MESSAGES, CRITERION_KIND_COUNT},
	{"deliveries", CRITERION_DELIVERIES, CRITERION_KIND_COUNT},
	{"connects", CRITERION_CONNECTS, CRITERION_KIND_COUNT},
	{"memory", CRITERION_MEMORY, CRITERION_KIND_BYTES},
	{"socket-memory", CRITERION_SOCKET_MEMORY, CRITERION_KIND_BYTES},
	{"memory-after", CRITERION_MEMORY_AFTER, CRITERION_KIND_BYTES},
	{"cpu", CRITERION_CPU, CRITERION_KIND_PERCENT},
	{"cpu-per-message", CRITERION_CPU_PER_MESSAGE, CRITERION_KIND_TIME},
	{"cpu-per-delivery", CRITERION_CPU_PER_DELIVERY, CRITERION_KIND_TIME},
};
#define NAMES (sizeof names / sizeof *names)

/* A number follows these names, so they are found by their beginning. */
static const struct name percentiles[] = {
	{"connect-p", CRITERION_CONNECT, CRITERION_KIND_TIME},
	{"away-p", CRITERION_AWAY, CRITERION_KIND_TIME},
	{"p", CRITERION_LATENCY, CRITERION_KIND_TIME},
};
#define PERCENTILES (sizeof percentiles / sizeof *percentiles)

static const struct unit {
	enum criterion_kind kind;
	const char *name;
	double factor;
} units[] = {
	{CRITERION_KIND_TIME, "", 1e6},
	{CRITERION_KIND_TIME, "ns", 1},
	{CRITERION_KIND_TIME, "us", 1e3},
	{CRITERION_KIND_TIME, "ms", 1e6},
	{CRITERION_KIND_TIME, "s", 1e9},
	{CRITERION_KIND_BYTES, "", 1},
	{CRITERION_KIND_BYTES, "k", 1024},
	{CRITERION_KIND_BYTES, "m", 1024 * 1024},
	{CRITERION_KIND_COUNT, "", 1},
	{CRITERION_KIND_COUNT, "k", 1e3},
	{CRITERION_KIND_COUNT, "m", 1e6},
	{CRITERION_KIND_PERCENT, "", 1},
	{CRITERION_KIND_PERCENT, "%", 1},
};
#define UNITS (sizeof units / sizeof *units)

static const char *const allowed_units[] = {
	[CRITERION_KIND_TIME] = "ns, us, ms or s (ms without)",
	[CRITERION_KIND_BYTES] = "k or m (bytes without)",
	[CRITERION_KIND_COUNT] = "k, m or nothing",
	[CRITERION_KIND_PERCENT] = "% or nothing",
};

/* A relation must stand before the shorter one that it begins with. */
static const struct relation {
	const char *sign;
	enum criterion_relation relation;
} relations[] = {
	{"<=", CRITERION_LE},
	{">=", CRITERION_GE},
	{"!=", CRITERION_NE},
	{"<", CRITERION_LT},
	{">", CRITERION_GT},
	{"=", CRITERION_EQ},
};
#define RELATIONS (sizeof relations / sizeof *relations)

/* Writes the error line about the part `which`. */
__attribute__((format(printf, 3, 4))) static int
criteria_refuse(char *error, struct text which, const char *format, ...)
{
	size_t at, shown = which.n < QUOTED_MAX ? which.n : QUOTED_MAX;
	va_list args;

	at = (size_t)snprintf(error, CRITERIA_ERROR_MAX, "assertion \"%.*s%s\": ", (int)shown, shown ? which.at : "",
		shown < which.n ? "..." : "");
	va_start(args, format);
	vsnprintf(error + at, CRITERIA_ERROR_MAX - at, format, args);
	va_end(args);
	control_replace(error);
	return ERROR_ARGUMENT;
}

/* Cuts a number (digits and at most one point, in no locale) off the start of *rest. ERROR_SYNTAX; ERROR_TOO_BIG. */
static int
cut_number(struct text *rest, double *value)
{
	uint64_t digits = 0, divisor = 1;
	size_t i = 0, count = 0;
	bool point = false;

	for (; i < rest->n; i++) {
		char c = rest->at[i];

		if (c == '.' && !point && i > 0 && i + 1 < rest->n && rest->at[i + 1] >= '0' &&
			rest->at[i + 1] <= '9') {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		if (++count > DIGITS_MAX)
			return ERROR_TOO_BIG;
		digits = digits * 10 + (uint64_t)(c - '0');
		if (point)
			divisor *= 10;
	}
	if (count == 0)
		return ERROR_SYNTAX;
	*rest = text_of(rest->at + i, rest->n - i);
	*value = (double)digits / (double)divisor;
	return 0;
}

static int
unknown_name(struct text part, struct text name, char *error)
{
	char all[CRITERIA_ERROR_MAX];
	size_t at = 0;

	for (size_t i = 0; i < NAMES; i++)
		at += (size_t)snprintf(all + at, sizeof all - at, ", %s", names[i].name);
	return criteria_refuse(error, part,
		"unknown name \"%.*s\"; use p<percent>, connect-p<percent>, away-p<percent>%s",
		(int)(name.n < QUOTED_MAX ? name.n : QUOTED_MAX), name.at, all);
}

static int
read_name(struct text part, struct text name, struct criterion *c, char *error)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (text_is(name, text_from(names[i].name))) {
			c->what = names[i].what;
			return 0;
		}
	}
	for (size_t i = 0; i < PERCENTILES; i++) {
		struct text begin = text_from(percentiles[i].name), rest;

		if (!text_starts(name, begin) || name.n == begin.n || name.at[begin.n] < '0' ||
			name.at[begin.n] > '9')
			continue;
		rest = text_of(name.at + begin.n, name.n - begin.n);
		if (cut_number(&rest, &c->percent) < 0 || rest.n > 0 || c->percent > 100)
			return criteria_refuse(error, part, "a percentile is p0 to p100, such as p50 or p99.9");
		c->what = percentiles[i].what;
		return 0;
	}
	return unknown_name(part, name, error);
}

static int
read_bound(struct text part, struct text bound, struct criterion *c, char *error)
{
	enum criterion_kind kind = criterion_kind(c->what);
	int result = cut_number(&bound, &c->bound);

	if (result == ERROR_TOO_BIG)
		return criteria_refuse(error, part, "the number has more than %d digits", DIGITS_MAX);
	if (result < 0)
		return criteria_refuse(error, part, "a number must follow the relation, such as 50, 0.5 or 10k");
	bound = text_trim(bound);
	for (size_t i = 0; i < UNITS; i++) {
		if (units[i].kind == kind && text_is(bound, text_from(units[i].name))) {
			c->bound *= units[i].factor;
			return 0;
		}
	}
	return criteria_refuse(error, part, "unknown unit \"%.*s\"; here it is %s",
		(int)(bound.n < QUOTED_MAX ? bound.n : QUOTED_MAX), bound.at, allowed_units[kind]);
}

static int
read_part(struct text part, struct criterion *c, char *error)
{
	size_t sign = 0;

	*c = (struct criterion){.relation = CRITERION_EQ};
	if (part.n == 0)
		return criteria_refuse(
			error, part, "nothing between the commas; write an assertion such as p99<50ms or lost=0");
	if (part.n >= sizeof c->text)
		return criteria_refuse(error, part, "longer than %zu characters", sizeof c->text - 1);
	memcpy(c->text, part.at, part.n);
	while (sign < part.n && part.at[sign] != '<' && part.at[sign] != '>' && part.at[sign] != '=' &&
		part.at[sign] != '!')
		sign++;
	for (size_t i = 0; i < RELATIONS; i++) {
		struct text rest = text_of(part.at + sign, part.n - sign), s = text_from(relations[i].sign);

		if (!text_starts(rest, s))
			continue;
		c->relation = relations[i].relation;
		if (read_name(part, text_trim(text_of(part.at, sign)), c, error) < 0)
			return ERROR_ARGUMENT;
		return read_bound(part, text_trim(text_of(rest.at + s.n, rest.n - s.n)), c, error);
	}
	return criteria_refuse(error, part, "a relation is missing: one of < <= = != >= >, such as p99<50ms");
}

int
criteria_parse(const char *text, struct criterion out[CRITERIA_MAX], char error[CRITERIA_ERROR_MAX])
{
	struct text rest = text_from(text), part;
	bool last;
	int n = 0;

	error[0] = '\0';
	do {
		size_t comma = 0;

		while (comma < rest.n && rest.at[comma] != ',')
			comma++;
		part = text_trim(text_of(rest.at, comma));
		last = comma == rest.n;
		if (n == CRITERIA_MAX)
			return criteria_refuse(error, part, "more than %d assertions", CRITERIA_MAX);
		if (read_part(part, &out[n], error) < 0)
			return ERROR_ARGUMENT;
		n++;
		if (!last)
			rest = text_of(rest.at + comma + 1, rest.n - comma - 1);
	} while (!last);
	return n;
}

enum criterion_kind
criterion_kind(enum criterion_what what)
{
	for (size_t i = 0; i < NAMES; i++)
		if (names[i].what == what)
			return names[i].kind;
	for (size_t i = 0; i < PERCENTILES; i++)
		if (percentiles[i].what == what)
			return percentiles[i].kind;
	must_fail("a criterion without a name", __FILE__, __LINE__);
}

bool
criterion_compare(enum criterion_relation relation, double value, double bound)
{
	switch (relation) {
	case CRITERION_LT:
		return value < bound;
	case CRITERION_LE:
		return value <= bound;
	case CRITERION_EQ:
		return value == bound;
	case CRITERION_NE:
		return value != bound;
	case CRITERION_GE:
		return value >= bound;
	case CRITERION_GT:
		return value > bound;
	}
	return false;
}
