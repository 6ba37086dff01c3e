/* The checks of the values that were read. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/option.h"
#include "common/io/tls.h"
#include "node/process/config_reading.h"

#define NAMED_MAX 4	/* options that one error names */
#define MISTAKES_MAX 64 /* mistakes that one kind of check reports: more than there are checks */

/*
 * Finds the options that an error names as --option. With `faulty`, only those before its first colon: "option --a: "
 * or "options --a, --b and --c: ". Returns their number.
 */
static unsigned
config_named_options(
	const struct config_reading *reading, const char *error, bool faulty, struct option_found *out, unsigned max)
{
	struct text rest = text_from(error), word;
	unsigned n = 0;

	while (n < max && text_cut(&rest, ' ', &word)) {
		char name[OPTION_NAME_MAX];
		bool last = text_ends(word, TEXT(":"));

		while (word.n > 0 && strchr(":,().", word.at[word.n - 1]))
			word.n--;
		if (word.n > 0 && word.at[0] == '(')
			word = text_of(word.at + 1, word.n - 1);
		if (text_starts(word, TEXT("--")) && word.n - 2 < sizeof name) {
			memcpy(name, word.at + 2, word.n - 2);
			name[word.n - 2] = '\0';
			if (options_find(reading->tables, CONFIG_TABLES, name, &out[n], NULL) == 0)
				n++;
		}
		if (last && faulty)
			break;
	}
	return n;
}

/* Reports an error about options that were read before, at the line that set the first of them that a file sets. */
static void
config_check_failed(struct config_reading *reading, int error, const char *text)
{
	struct option_found named[NAMED_MAX];
	unsigned n = config_named_options(reading, text, false, named, NAMED_MAX);

	for (unsigned i = 0; i < n; i++) {
		const struct config_origin *origin =
			&reading->origins[config_row_number(reading->tables, named[i].row)];
		char line[CONFIG_ERROR_MAX];

		if (origin->from == FROM_FILE) {
			snprintf(line, sizeof line, "%s:%u: %s", origin->file, origin->line, text);
			config_mistake(reading, error, line);
			return;
		}
	}
	config_mistake(reading, error, text);
}

/*
 * Runs a check. A check reports only its first mistake, so the faulty options are set to their defaults and the check
 * runs again, until it finds nothing or the defaults do not help.
 */
static void
config_check(struct config_reading *reading,
	int (*check)(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX]),
	unsigned what)
{
	char error[OPTION_ERROR_MAX], before[OPTION_ERROR_MAX] = "";
	struct option_found named[NAMED_MAX];
	int result;

	for (unsigned i = 0; i < MISTAKES_MAX && (result = check(reading, what, error)) < 0; i++) {
		unsigned n = config_named_options(reading, error, true, named, NAMED_MAX);

		if (strcmp(error, before) == 0)
			return;
		config_check_failed(reading, result, error);
		if (!reading->all || n == 0)
			return;
		for (unsigned k = 0; k < n; k++)
			options_reset(&named[k]);
		memcpy(before, error, sizeof before);
	}
}

static int
config_check_server(const struct config_reading *reading, unsigned layer, char error[OPTION_ERROR_MAX])
{
	return server_options_check_layer(reading->server, layer, error);
}

static int
config_check_program(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	(void)what;
	return program_options_check(reading->program, error);
}

static bool
config_is_any_address(const char *host)
{
	return host == NULL || host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Otherwise the error would be that another program uses the port. */
static int
config_check_ports(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct admin_options *admin = &reading->program->admin;
	const struct front_options *front = &reading->server->front;

	(void)what;
	if (admin->port == 0 || admin->port != front->port)
		return 0;
	if (!config_is_any_address(front->host) && !config_is_any_address(admin->host) &&
		strcmp(front->host, admin->host) != 0)
		return 0;
	snprintf(error, OPTION_ERROR_MAX,
		"options --admin-port and --port: both are %u; choose another number for one of them",
		(unsigned)admin->port);
	return ERROR_ARGUMENT;
}

/* An application may set options that other options require, so with --app the checks run when the server starts. */
static int
config_check_needs(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct option_table *tables = reading->tables;

	if (what == 0)
		return options_check_needs(tables, 1, tables, CONFIG_TABLES, NULL, error);
	if (reading->program->app != NULL)
		return 0;
	return options_check_needs(tables + 1, SERVER_TABLES, tables, CONFIG_TABLES, NULL, error);
}

/* Checks the files that the server opens later: the certificate and the folder of --public. For --check. */
static int
config_check_files(const struct config_reading *reading, unsigned what, char error[OPTION_ERROR_MAX])
{
	const struct front_options *front = &reading->server->front;
	const struct tls_options options = {.cert_file = front->tls_cert,
		.key_file = front->tls_key,
		.ciphers = front->tls_ciphers,
		.min_version = front->tls_min_version == 1 ? "1.3" : "1.2"};
	char why[TLS_ERROR_MAX];
	struct tls_context *tls;
	struct stat st;

	if (what == 0 && front->tls_cert && front->tls_key) {
		if (tls_context_new(&tls, &options, why) < 0) {
			snprintf(error, OPTION_ERROR_MAX, "options --tls-cert and --tls-key: %.400s", why);
			return ERROR_SYSTEM;
		}
		tls_context_free(tls);
	}
	if (what == 1 && front_public(front) && (stat(front->public_dir, &st) < 0 || !S_ISDIR(st.st_mode))) {
		snprintf(
			error, OPTION_ERROR_MAX, "option --public: \"%.200s\" is not a directory", front->public_dir);
		return ERROR_SYSTEM;
	}
	return 0;
}

void
config_check_all(struct config_reading *reading)
{
	for (unsigned layer = 0; layer < SERVER_LAYERS_CHECKED; layer++)
		config_check(reading, config_check_server, layer);
	config_check(reading, config_check_program, 0);
	config_check(reading, config_check_ports, 0);
	for (unsigned what = 0; what < 2; what++)
		config_check(reading, config_check_needs, what);
	for (unsigned what = 0; reading->config->check && what < 2; what++)
		config_check(reading, config_check_files, what);
}
