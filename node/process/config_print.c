/* --print-config. */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/option.h"
#include "node/process/config_reading.h"

struct config_printing {
	const struct config *config;
	struct buffer *out;
};

/* Appends a URL with stars for its password. */
static void
config_write_url(struct buffer *out, const char *url)
{
	const char *scheme = strstr(url, "://"), *name = scheme ? scheme + 3 : url;
	const char *at = strrchr(name, '@'), *colon = strchr(name, ':');

	if (!at || !colon || colon > at)
		buffer_add_text(out, text_from(url));
	else
		buffer_printf(out, "%.*s***%s", (int)(colon + 1 - url), url, at);
}

static void
config_print_origin(const struct config_origin *origin, struct buffer *out)
{
	static const char *const names[] = {"default", "file", "environment", "flag"};

	if (origin->from == FROM_FILE)
		buffer_printf(out, "  # %s:%u\n", origin->file, origin->line);
	else
		buffer_printf(out, "  # %s\n", names[origin->from]);
}

static void
config_print_row(void *arg, const struct option_found *found, unsigned number)
{
	const struct config_printing *printing = arg;
	const struct option_row *row = found->row;
	struct buffer *out = printing->out;
	char *value = config_value(found);
	bool hides = value[0] &&
		     (row->secret == OPTION_HIDDEN || (row->secret == OPTION_URL_PASSWORD && strchr(value, '@')));

	if (row->group)
		buffer_printf(out, "\n# %s\n", row->group);
	/* a line that cannot be read back is a comment: unset, a secret, or not for a file */
	if (!value[0] || hides || strcmp(row->name, "config") == 0)
		buffer_add_text(out, TEXT("# "));
	buffer_printf(out, "%s = ", row->name);
	if (hides && row->secret == OPTION_HIDDEN)
		buffer_add_text(out, TEXT("***"));
	else if (hides)
		config_write_url(out, value);
	else
		config_line_write_value(out, text_from(value));
	config_print_origin(&printing->config->origins[number], out);
	mem_free(value);
}

void
config_print(struct config *config, struct server_options *server, struct buffer *out)
{
	struct config_printing printing = {config, out};
	struct option_table tables[CONFIG_TABLES];

	config_tables(config, server, tables);
	config_each_row(tables, config_print_row, &printing);
}
