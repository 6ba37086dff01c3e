/*
 * A clock that the test moves, in place of the system's monotonic clock. Include it after harness.h. The helpers of
 * the harness measure their patience by another clock.
 */
#ifndef TESTS_UNIT_ENGINEIO_FAKE_CLOCK_H
#define TESTS_UNIT_ENGINEIO_FAKE_CLOCK_H

#include <sys/syscall.h>

#include "common/base/wheel.h"
#include "tests/unit/engineio/harness.h"

static uint64_t fake_ms = 1000000;

/* Replaces the function for this program. */
int
clock_gettime(clockid_t which, struct timespec *out)
{
	if (which != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, which, out);
	*out = (struct timespec){(time_t)(fake_ms / 1000), (long)(fake_ms % 1000) * 1000000};
	return 0;
}

/* Lets time pass and runs the timers that are due. */
HELPER void
clock_advance(uint64_t ms)
{
	fake_ms += ms;
	sv.loop.now = fake_ms;
	wheel_run(sv.loop.wheel, sv.loop.now);
	pump_settle();
}

#endif
