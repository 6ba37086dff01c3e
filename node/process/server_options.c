/* The functions of sockeye.h that declare, set and read options. */
#include <stdio.h>

#include "common/base/error.h"
#include "node/process/server.h"
#include "node/socketio/sio_check.h"

#define TABLES (SERVER_TABLES + 1) /* the server's tables and the application's */

#define TYPE_BIT(type) (1u << (type))

static void
server_all_tables(sio_server *io, struct option_table out[TABLES])
{
	bool own;

	server_tables(io, out);
	out[SERVER_TABLES] = app_options_table(server_app_options(io, &own));
}

/* Writes the error line for a call that is not allowed in the server's present state. */
static int
server_option_late(char *error, const char *name, const char *why)
{
	if (error)
		snprintf(error, SIO_ERROR_LINE, "option %.40s: %s", name, why);
	return SIO_ERR_STATE;
}

int
sio_set_option(sio_server *io, const char *name, const char *value, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	struct option_table tables[TABLES];
	struct option_found found;
	int result;
	bool own;

	if (!server_is_new(io))
		return server_option_late(error, name ? name : "", "the server is already listening");
	if (!name || !value) {
		if (error)
			snprintf(error, SIO_ERROR_LINE, "an option needs a name and a value");
		return SIO_ERR_ARGUMENT;
	}
	server_all_tables(io, tables);
	server_app_options(io, &own);
	if (!own && options_find(&tables[SERVER_TABLES], 1, name, &found, NULL) == 0)
		return server_option_late(error, name, "is set by flags, the environment or the file of --config");
	result = options_set(tables, TABLES, name, value, error);
	return result < 0 && result != ERROR_NOT_FOUND ? SIO_ERR_ARGUMENT : result;
}

int
sio_declare_options(sio_server *io, const sio_option *options, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_RESULT, options, SIO_ERR_ARGUMENT);
	struct option_table tables[SERVER_TABLES];
	struct app_options *declared;
	bool own;

	declared = server_app_options(io, &own);
	if (!server_is_new(io) || !own || declared->count > 0)
		return server_option_late(error, options->name ? options->name : "",
			"options are declared once, before the server listens");
	server_tables(io, tables);
	return app_options_declare(declared, options, tables, SERVER_TABLES, error) < 0 ? SIO_ERR_ARGUMENT : 0;
}

/* Returns the field of an option whose type is among the bits of `types`; otherwise NULL, after a warning. */
static const void *
server_option_field(
	const char *function, const sio_server *io, const char *name, unsigned types, enum option_type *type)
{
	struct option_table tables[TABLES];
	struct option_found found;
	int result = SIO_ERR_ARGUMENT;

	if (sio_is_pointer(name)) {
		server_all_tables((sio_server *)(uintptr_t)io, tables);
		result = options_find(tables, TABLES, name, &found, NULL);
		if (result == 0 && !(types & TYPE_BIT(found.row->type)))
			result = SIO_ERR_ARGUMENT;
	}
	if (result < 0) {
		sio_misused(function, name, NULL, NULL, result);
		return NULL;
	}
	*type = found.row->type;
	return (const char *)found.into + found.row->offset;
}

bool
sio_option_flag(const sio_server *io, const char *name)
{
	SIO_NEEDS(SIO_A_SERVER, io, false);
	enum option_type type;
	const bool *field = server_option_field(__func__, io, name, TYPE_BIT(OPTION_FLAG), &type);

	return field && *field;
}

uint64_t
sio_option_number(const sio_server *io, const char *name)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	const unsigned types =
		TYPE_BIT(OPTION_NUMBER) | TYPE_BIT(OPTION_MS) | TYPE_BIT(OPTION_BYTES) | TYPE_BIT(OPTION_CHOICE);
	enum option_type type;
	const void *field = server_option_field(__func__, io, name, types, &type);

	if (!field)
		return 0;
	return type == OPTION_CHOICE ? (uint64_t) * (const int *)field : *(const uint64_t *)field;
}

const char *
sio_option_text(const sio_server *io, const char *name)
{
	SIO_NEEDS(SIO_A_SERVER, io, "");
	const unsigned types =
		TYPE_BIT(OPTION_TEXT) | TYPE_BIT(OPTION_SWITCH) | TYPE_BIT(OPTION_LIST) | TYPE_BIT(OPTION_EACH);
	enum option_type type;
	char *const *field = server_option_field(__func__, io, name, types, &type);

	return field && *field ? *field : "";
}
