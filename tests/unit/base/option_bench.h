/* Two option tables, of a low and of a high layer, and helpers that set and read their options. */
#ifndef TESTS_UNIT_BASE_OPTION_BENCH_H
#define TESTS_UNIT_BASE_OPTION_BENCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/option.h"
#include "common/base/options.h"
#include "tests/unit/base/death.h"

struct low {
	bool cors, tls;
	uint64_t ping_interval, size, port, any;
	char *path;
};

struct high {
	int adapter;
	char *transports, *origins, *note;
	bool allow_eio3;
};

static const struct option_row low_rows[] = {
	{"cors", OPTION_FLAG, offsetof(struct low, cors), .initial = "true", .help = "answer other origins",
		.group = "Engine"},
	{"tls", OPTION_FLAG, offsetof(struct low, tls), .help = "encrypt"},
	{"pingInterval", OPTION_MS, offsetof(struct low, ping_interval), .initial = "25s", .min = 10, .max = 3600000,
		.value = "MS", .help = "time between two pings"},
	{"maxHttpBufferSize", OPTION_BYTES, offsetof(struct low, size), .initial = "1e6", .min = 1, .value = "BYTES",
		.help = "longest message that a client may send, which is a rather long sentence so that it must be "
			"wrapped at least once on its way"},
	{"port", OPTION_NUMBER, offsetof(struct low, port), .initial = "3000", .max = 65535, .value = "N",
		.help = "TCP port"},
	{"any", OPTION_NUMBER, offsetof(struct low, any), .help = "any number"},
	{"path", OPTION_TEXT, offsetof(struct low, path), .initial = "/socket.io", .help = "where it listens"},
};

static const struct option_row high_rows[] = {
	{"adapter", OPTION_CHOICE, offsetof(struct high, adapter), .choices = "alone|hub|redis",
		.help = "how nodes meet", .group = "Cluster"},
	{"transports", OPTION_LIST, offsetof(struct high, transports), .initial = "polling,websocket",
		.choices = "polling|websocket", .help = "what clients may use"},
	{"corsOrigin", OPTION_LIST, offsetof(struct high, origins), .help = "origins"},
	{"note", OPTION_TEXT, offsetof(struct high, note), .help = "free | text", .group = "Other"},
	{"allowEIO3", OPTION_FLAG, offsetof(struct high, allow_eio3), .help = "old clients"},
};

static struct low low;
static struct high high;
static const struct option_table tables[] = {
	{low_rows, sizeof low_rows / sizeof low_rows[0], &low, false},
	{high_rows, sizeof high_rows / sizeof high_rows[0], &high, false},
};
static char error[OPTION_ERROR_MAX];

static inline int
setup(void **state)
{
	(void)state;
	memset(&low, 0xee, sizeof low);
	memset(&high, 0xee, sizeof high);
	memset(error, 0, sizeof error);
	options_defaults(tables, 2);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	options_fini(tables, 2);
	assert_null(low.path);
	assert_null(high.transports);
	unsetenv("SOCKEYE_PORT");
	unsetenv("SOCKEYE_PING_INTERVAL");
	unsetenv("SOCKEYE_ALLOW_EIO3");
	unsetenv("SOCKEYE_PROT");
	return 0;
}

static inline int
set(const char *name, const char *value)
{
	memset(error, 0, sizeof error);
	return options_set(tables, 2, name, value, error);
}

static inline void
check_refused(const char *name, const char *value, const char *part)
{
	assert_int_equal(set(name, value), ERROR_ARGUMENT);
	assert_true(strncmp(error, "option ", 7) == 0 && strncmp(error + 7, name, strlen(name)) == 0);
	if (!strstr(error, part))
		fail_msg("\"%s\" lacks \"%s\"", error, part);
	assert_null(strchr(error, '\n'));
	assert_int_equal(options_set(tables, 2, name, value, NULL), ERROR_ARGUMENT);
}

/* Reads up to eight words, ended by NULL, as the arguments after the program's name. */
static inline int
read_words(const char *first, ...)
{
	char *words[10] = {(char *)(uintptr_t) "sockeye"};
	int argc = 1;
	va_list more;

	va_start(more, first);
	for (const char *word = first; word; word = va_arg(more, const char *))
		words[argc++] = (char *)(uintptr_t)word;
	va_end(more);
	memset(error, 0, sizeof error);
	return options_read(tables, 2, argc, words, error);
}

#endif
