#include "node/backend/backend_log.h"

#include "node/backend/backend_client_tables.h"

const double backend_seconds[BACKEND_SECONDS - 1] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30};

void
backend_times_add(struct backend_times *t, uint64_t ms)
{
	unsigned i = 0;

	while (i < BACKEND_SECONDS - 1 && (double)ms > backend_seconds[i] * 1000)
		i++;
	t->bucket[i]++;
	t->ms += ms;
}

void
backend_log_dropped(struct backend_core *core, const struct backend_link *wire, const char *kind, const char *why)
{
	counter_add(&core->loop->counters, COUNT_BACKEND_DROPPED_FRAMES, 1);
	if (log_allow(&core->lines, BACKEND_LINES, core->loop->now))
		log_event(LOG_WARN, "backend_frame_dropped", "instance", LOG_TEXT(backend_link_hello(wire)->instance),
			"frame", LOG_STR(kind), "error", LOG_STR(why), NULL);
}

void
backend_log_result(struct backend_core *core, const struct backend_link *wire, const char *kind, int rc)
{
	if (rc < 0)
		backend_log_dropped(core, wire, kind, sio_error_text(rc));
}
