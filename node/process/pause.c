#include "node/process/pause.h"

#define HEALTHY_MS 10000 /* earlier failures of a process that lived for this long are forgotten */
#define PAUSE_MIN_MS 100 /* before the second start in a row; doubles each time */
#define PAUSE_MAX_MS 5000
#define DOUBLINGS_MAX 10

void
pause_start(struct pause *pause, uint64_t now)
{
	pause->started = now;
	pause->due = 0;
}

void
pause_fail(struct pause *pause, uint64_t now, bool served)
{
	uint64_t delay = 0;

	if (served || now - pause->started >= HEALTHY_MS)
		pause->failures = 0;
	if (pause->failures > 0) {
		delay = (uint64_t)PAUSE_MIN_MS
			<< (pause->failures - 1 < DOUBLINGS_MAX ? pause->failures - 1 : DOUBLINGS_MAX);
		delay = delay < PAUSE_MAX_MS ? delay : PAUSE_MAX_MS;
	}
	pause->failures++;
	pause->due = now + delay;
}

uint64_t
pause_left(const struct pause *pause, uint64_t now)
{
	return pause->due > now ? pause->due - now : 0;
}
