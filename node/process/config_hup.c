#include "node/process/config_hup.h"

#include <string.h>

#include "common/base/must.h"
#include "common/io/log.h"

#define NAMES_MAX (1 << 16) /* bytes of all names of options */

static void
config_log_mistake(void *arg, const char *error)
{
	if (arg)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
}

static bool
config_names_contain(const struct buffer *names, const char *name)
{
	struct text rest = buffer_text(names), one;

	while (text_cut(&rest, ',', &one))
		if (text_is(one, text_from(name)))
			return true;
	return false;
}

static void
config_apply_log(const struct config *config, const struct buffer *applied, struct log_control *log)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	const char *filter = config->program.log_filter;
	bool level = config_names_contain(applied, "logLevel");

	if (level)
		log->at_start = config->program.log_level;
	if (level || config_names_contain(applied, "logFilter"))
		must(log_control_set(log, level ? levels[config->program.log_level] : NULL, filter ? filter : "") ==
			0);
}

void
config_on_hup(struct config *config, const struct option_table tables[CONFIG_TABLES], struct log_control *log)
{
	const struct config_listener listener = {config_log_mistake, log};
	const char *file = config->program.config;
	struct buffer applied, kept;

	if (!file || !file[0])
		return;
	buffer_init(&applied, NAMES_MAX);
	buffer_init(&kept, NAMES_MAX);
	if (config_reload(config, tables, &applied, &kept, &listener) == 0 && log) {
		log_event(kept.len > 0 ? LOG_WARN : LOG_INFO, "reload", "config", LOG_STR(file), "changed",
			LOG_TEXT(buffer_text(&applied)), "needs_restart", LOG_TEXT(buffer_text(&kept)), NULL);
		config_apply_log(config, &applied, log);
	}
	buffer_fini(&applied);
	buffer_fini(&kept);
}
