#include "tests/load/pace.h"

#include <stdbool.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "tests/load/board.h"

#define BURST_MAX 10000 /* calls in a row, before other watchers of the loop get their turn */

static uint64_t
pace_due_at(const struct pace *p, uint64_t number)
{
	return p->from + (uint64_t)((double)number * p->interval);
}

static void
pace_arm(struct pace *p)
{
	uint64_t at = pace_due_at(p, p->next);
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)}};

	timerfd_settime(p->io.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Makes one burst of the calls that are due by `until`. False if a call has stopped the pace. */
static bool
pace_call_due(struct pace *p, uint64_t until)
{
	for (unsigned i = 0; i < BURST_MAX && pace_due_at(p, p->next) <= until; i++) {
		p->due(p->arg, pace_due_at(p, p->next));
		if (!ev_is_active(&p->io))
			return false;
		p->next++;
	}
	return true;
}

static void
pace_on_time(struct ev_loop *ev, struct ev_io *watcher, int revents)
{
	struct pace *p = watcher->data;

	(void)ev;
	(void)revents;
	if (pace_call_due(p, board_now()))
		pace_arm(p); /* the timer fires at once if the time is past */
}

int
pace_start(struct pace *p, struct ev_loop *ev, uint64_t from, double per_second,
	void (*due)(void *arg, uint64_t when), void *arg)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return ERROR_SYSTEM;
	*p = (struct pace){.ev = ev, .from = from, .interval = 1e9 / per_second, .due = due, .arg = arg};
	ev_io_init(&p->io, pace_on_time, fd, EV_READ);
	p->io.data = p;
	ev_io_start(ev, &p->io);
	pace_arm(p);
	return 0;
}

void
pace_stop(struct pace *p)
{
	if (p->ev == NULL)
		return;
	ev_io_stop(p->ev, &p->io);
	close(p->io.fd);
	p->ev = NULL;
}

void
pace_finish(struct pace *p, uint64_t until)
{
	uint64_t now = board_now();

	if (p->ev != NULL && until > 0)
		pace_call_due(p, until - 1 < now ? until - 1 : now);
	pace_stop(p);
}
