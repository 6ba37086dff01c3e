#include "node/process/pause.h"

#define HEALTHY_MS 10000 /* a process that lived so long starts with a clean record */
#define PAUSE_MIN_MS 100 /* before the second start in a row, twice as long each time */
#define PAUSE_MAX_MS 5000
#define DOUBLINGS_MAX 10

void
pause_start(struct pause *p, uint64_t now)
{
	p->started = now;
	p->due = 0;
}

void
pause_fail(struct pause *p, uint64_t now, bool served)
{
	uint64_t pause = 0;

	if (served || now - p->started >= HEALTHY_MS)
		p->failures = 0;
	if (p->failures > 0) {
		pause = (uint64_t)PAUSE_MIN_MS << (p->failures - 1 < DOUBLINGS_MAX ? p->failures - 1 : DOUBLINGS_MAX);
		pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
	}
	p->failures++;
	p->due = now + pause;
}

uint64_t
pause_left(const struct pause *p, uint64_t now)
{
	return p->due > now ? p->due - now : 0;
}
