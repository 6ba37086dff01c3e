/*
 * The options that an application declares (sio_option), as a table like those of the server: one row each, and the
 * values. The sockeye program reads the declarations from the application's file before it reads its own options, see
 * app_probe.h. An embedding program declares them with sio_declare_options().
 */
#ifndef NODE_PROCESS_APP_OPTIONS_H
#define NODE_PROCESS_APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/options.h"
#include "node/sockeye.h"

#define APP_OPTIONS_MAX 64	/* options of one application */
#define APP_OPTION_NAME_MAX 40	/* bytes */
#define APP_OPTION_TEXT_MAX 500 /* bytes of a default, a help text or a list of choices */

union app_option_value {
	bool flag;
	int choice;
	uint64_t number;
	char *text;
};

struct app_options {
	struct option_row *rows;
	size_t count;
	char *texts;			/* of the rows */
	union app_option_value *values; /* one per row */
};

/*
 * Fills `options`, which was zeroed, from an array that ends with an entry without a name; the texts are copied.
 * An application cannot use the names in the tables `taken`. Returns 0, or ERROR_ARGUMENT with one line in `error`
 * (OPTION_ERROR_MAX bytes, may be NULL); `options` then stays empty.
 */
int app_options_declare(struct app_options *options, const sio_option *declared, const struct option_table *taken,
	size_t n_taken, char *error);
void app_options_fini(struct app_options *options);

/* Returns the table of the options, which is valid until app_options_fini(). */
struct option_table app_options_table(const struct app_options *options);

/*
 * Returns a table of the same rows with separate values, set to the defaults. Free it with app_options_copy_fini().
 */
struct option_table app_options_copy(const struct app_options *options);
void app_options_copy_fini(struct option_table *copy);

#endif
