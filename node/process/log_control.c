#include "node/process/log_control.h"

#include <sys/mman.h>

#include "common/base/error.h"

static const char *const names[] = {"error", "warn", "info", "debug"};
#define LEVELS (sizeof names / sizeof names[0])

static uint32_t applied; /* the version that this process has applied */

struct log_control *
log_control_new(enum log_level level, const char *filter)
{
	struct log_control *control =
		mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (control == MAP_FAILED)
		return NULL;
	control->level = control->at_start = (int)level;
	if (filter)
		strncpy(control->filter, filter, sizeof control->filter - 1);
	control->version = 2;
	applied = 0;
	log_control_apply(control);
	return control;
}

void
log_control_free(struct log_control *control)
{
	if (control)
		munmap(control, sizeof *control);
}

/* Logs the change at a level that both the old and the new setting pass. */
static void
log_control_report(const struct log_control *control)
{
	enum log_level now = (enum log_level)control->level;

	log_set_level(LOG_DEBUG);
	log_event(LOG_INFO, "log", "log_level", LOG_STR(names[now]), "filter", LOG_STR(control->filter), NULL);
	log_set_level(now);
}

void
log_control_cycle(struct log_control *control)
{
	control->level = control->level == LOG_DEBUG && control->at_start != LOG_DEBUG
				 ? control->at_start
				 : (control->level + 1) % (int)LEVELS;
	atomic_fetch_add(&control->version, 2);
	log_control_apply(control);
	log_control_report(control);
}

int
log_control_set(struct log_control *control, const char *level, const char *filter)
{
	unsigned n = 0;

	while (level && n < LEVELS && strcmp(level, names[n]) != 0)
		n++;
	if (n == LEVELS || log_filter_check(filter) < 0)
		return ERROR_ARGUMENT;
	atomic_fetch_add(&control->version, 1);
	if (filter)
		strncpy(control->filter, filter, sizeof control->filter - 1);
	if (level)
		control->level = (int)n;
	atomic_fetch_add(&control->version, 1);
	log_control_apply(control);
	log_control_report(control);
	return 0;
}

void
log_control_apply(const struct log_control *control)
{
	uint32_t version = atomic_load_explicit(&control->version, memory_order_acquire);
	char filter[LOG_FILTER_MAX];

	if (version == applied || version % 2 != 0)
		return;
	memcpy(filter, control->filter, sizeof filter);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&control->version, memory_order_relaxed) != version)
		return; /* written meanwhile: the next call applies it */
	applied = version;
	log_set_level((enum log_level)control->level);
	log_filter_set(filter);
}

const char *
log_control_level(const struct log_control *control)
{
	return names[control->level];
}
