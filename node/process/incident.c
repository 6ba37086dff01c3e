#include "node/process/incident.h"

#include <string.h>

static void
incident_copy(char *to, const char *from, size_t size)
{
	size_t n = from ? strnlen(from, size - 1) : 0;

	memcpy(to, from ? from : "", n);
	to[n] = '\0';
}

void
incident_write(struct incident *to, const struct sio_underway *underway, const char *error, void *context)
{
	bool runs = underway && underway->handler;

	atomic_store_explicit(&to->whole, false, memory_order_relaxed);
	incident_copy(to->nsp, runs ? underway->nsp : NULL, sizeof to->nsp);
	incident_copy(to->handler, runs ? underway->handler : NULL, sizeof to->handler);
	incident_copy(to->error, error, sizeof to->error);
	backtrace_write(context, to->backtrace);
	atomic_store_explicit(&to->whole, true, memory_order_release);
}

void
incident_pairs(const struct incident *incident, const char *key[INCIDENT_PAIRS + 1],
	struct log_value value[INCIDENT_PAIRS + 1])
{
	const struct {
		const char *key, *text;
	} pairs[INCIDENT_PAIRS] = {
		{"namespace", incident->nsp},
		{"handler", incident->handler},
		{"error", incident->error},
		{"backtrace", incident->backtrace},
	};
	unsigned n = 0;

	for (unsigned i = 0; i <= INCIDENT_PAIRS; i++)
		key[i] = NULL;
	if (!atomic_load_explicit(&incident->whole, memory_order_acquire))
		return;
	for (unsigned i = 0; i < INCIDENT_PAIRS; i++) {
		if (pairs[i].text[0] == '\0')
			continue;
		key[n] = pairs[i].key;
		value[n++] = *LOG_STR(pairs[i].text);
	}
}
