/*
 * The clock of tests. This file defines the functions that read the clock, and the linker prefers a program's own
 * definitions to those of the C library. The clock of each thread goes on as usual until it is stopped.
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "node/testing/sockeye_test_internal.h"

#define NS_PER_S 1000000000

static _Thread_local bool is_faked;
static _Thread_local struct timespec faked[2]; /* CLOCK_REALTIME, CLOCK_MONOTONIC */

static int
true_clock(clockid_t clock, struct timespec *out)
{
	return (int)syscall(SYS_clock_gettime, clock, out);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	if (!is_faked || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE &&
				 clock != CLOCK_REALTIME_COARSE))
		return true_clock(clock, out);
	*out = faked[clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE];
	return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

void
sockeye_test_clock_stop(void)
{
	if (faked[1].tv_sec == 0) {
		true_clock(CLOCK_REALTIME, &faked[0]);
		true_clock(CLOCK_MONOTONIC, &faked[1]);
	}
	is_faked = true;
}

void
sockeye_test_clock_move(unsigned ms)
{
	for (unsigned i = 0; i < 2; i++) {
		faked[i].tv_nsec += (long)ms % 1000 * 1000000;
		faked[i].tv_sec += ms / 1000 + faked[i].tv_nsec / NS_PER_S;
		faked[i].tv_nsec %= NS_PER_S;
	}
}

double
sockeye_test_seconds(void)
{
	struct timespec now;

	true_clock(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}
