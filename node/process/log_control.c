#include "node/process/log_control.h"

#include <sys/mman.h>

#include "common/base/error.h"

static const char *const names[] = {"error", "warn", "info", "debug"};
#define LEVELS (sizeof names / sizeof names[0])

static uint32_t applied; /* the version that this process has */

struct log_control *
log_control_new(enum log_level level, const char *filter)
{
	struct log_control *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	c->level = c->at_start = (int)level;
	if (filter)
		strncpy(c->filter, filter, sizeof c->filter - 1);
	c->version = 2;
	applied = 0;
	log_control_apply(c);
	return c;
}

void
log_control_free(struct log_control *c)
{
	if (c)
		munmap(c, sizeof *c);
}

/* A line that is read at the old level or at the new one. */
static void
say(const struct log_control *c)
{
	enum log_level now = (enum log_level)c->level;

	log_set_level(LOG_DEBUG);
	log_event(LOG_INFO, "log", "level", LOG_STR(names[now]), "filter", LOG_STR(c->filter), NULL);
	log_set_level(now);
}

void
log_control_cycle(struct log_control *c)
{
	c->level = c->level == LOG_DEBUG && c->at_start != LOG_DEBUG ? c->at_start : (c->level + 1) % (int)LEVELS;
	atomic_fetch_add(&c->version, 2);
	log_control_apply(c);
	say(c);
}

int
log_control_set(struct log_control *c, const char *level, const char *filter)
{
	unsigned n = 0;

	while (level && n < LEVELS && strcmp(level, names[n]) != 0)
		n++;
	if (n == LEVELS || log_filter_check(filter) < 0)
		return ERROR_ARGUMENT;
	atomic_fetch_add(&c->version, 1);
	if (filter)
		strncpy(c->filter, filter, sizeof c->filter - 1);
	if (level)
		c->level = (int)n;
	atomic_fetch_add(&c->version, 1);
	log_control_apply(c);
	say(c);
	return 0;
}

void
log_control_apply(const struct log_control *c)
{
	uint32_t version = atomic_load_explicit(&c->version, memory_order_acquire);
	char filter[LOG_FILTER_MAX];

	if (version == applied || version % 2 != 0)
		return;
	memcpy(filter, c->filter, sizeof filter);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&c->version, memory_order_relaxed) != version)
		return; /* the next look will do */
	applied = version;
	log_set_level((enum log_level)c->level);
	log_filter_set(filter);
}

const char *
log_control_level(const struct log_control *c)
{
	return names[c->level];
}
