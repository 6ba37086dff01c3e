#include "node/process/care.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/acceptor.h"
#include "common/io/log.h"
#include "node/process/hang.h"
#include "node/process/report.h"

#define LOOKS_TO_STAND_IN 1 /* that saw the worker in the turn in which it was before */
#define ABORT_MS 3000	    /* for the last words and the core dump */

struct cared {
	pid_t pid; /* 0: it is not ready */
	const struct listener_set *listeners;
	struct hang hang;
	bool warned, logged;
	uint64_t asked_at; /* where it stands; time of hanging */
	uint64_t kill_at;  /* after the abort; 0: it was not aborted */
	bool full;	   /* nobody can take more of its clients before the next look */
	bool leaves;	   /* it drains, by a signal of its own, and accepts no more */
};

struct care {
	struct care_setup setup;
	uint64_t interval, due;
	unsigned next; /* whose turn it is to get a connection */
	struct acceptor acceptor;
	bool paused; /* till a look after the acceptor's pause */
	struct cared workers[];
};

struct care *
care_new(const struct care_setup *setup)
{
	struct care *c = mem_zalloc(sizeof *c + setup->workers * sizeof c->workers[0]);

	c->setup = *setup;
	c->interval = hang_interval(setup->warning_ms, setup->timeout_ms);
	acceptor_init(&c->acceptor);
	return c;
}

void
care_free(struct care *c)
{
	if (c == NULL)
		return;
	acceptor_fini(&c->acceptor);
	mem_free(c);
}

void
care_ready(struct care *c, unsigned slot, pid_t pid, const struct listener_set *listeners)
{
	struct cared *w = &c->workers[slot];

	*w = (struct cared){.pid = pid, .listeners = listeners};
	hang_reset(&w->hang, c->interval);
}

void
care_ended(struct care *c, unsigned slot)
{
	struct cared *w = &c->workers[slot];

	*w = (struct cared){.listeners = w->listeners};
}

/* ----------------------------------------------------------------- looking */

static bool
stands(const struct cared *w)
{
	return w->pid == 0 || w->leaves || w->hang.looks >= LOOKS_TO_STAND_IN;
}

static void
log_hang(const struct care *c, unsigned slot)
{
	const struct cared *w = &c->workers[slot];
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_pairs(&c->setup.vitals[slot].hang, key, value);
	log_event(LOG_WARN, "worker_hangs", "worker", LOG_INT(slot), "pid", LOG_INT(w->pid), "for_ms",
		LOG_INT(w->hang.stuck_ms), INCIDENT_ARGS(key, value));
}

static bool
is_over_time(const struct care *c, const struct cared *w)
{
	return c->setup.timeout_ms > 0 && w->hang.stuck_ms >= c->setup.timeout_ms;
}

/* Asked at one look; logged at a later one, with the answer, or without when it does not come or the worker is ended.
 */
static void
warn(struct care *c, unsigned slot)
{
	struct cared *w = &c->workers[slot];
	struct incident *answer = &c->setup.vitals[slot].hang;

	if (!w->warned) {
		w->warned = true;
		w->asked_at = w->hang.stuck_ms;
		report_ask(answer, w->pid);
	} else if (!w->logged && (report_is_over(answer, w->asked_at, w->hang.stuck_ms) || is_over_time(c, w))) {
		w->logged = true;
		log_hang(c, slot);
	}
}

static void
end(struct care *c, unsigned slot, uint64_t now)
{
	struct cared *w = &c->workers[slot];

	if (w->kill_at == 0) {
		log_event(LOG_ERROR, "worker_killed", "worker", LOG_INT(slot), "pid", LOG_INT(w->pid), "error",
			LOG_STR("a handler does not return"), "for_ms", LOG_INT(w->hang.stuck_ms), NULL);
		w->kill_at = now + ABORT_MS;
		kill(w->pid, SIGABRT);
	} else if (now >= w->kill_at) {
		kill(w->pid, SIGKILL);
	}
}

static enum stats_state
state_of(const struct care *c, unsigned slot)
{
	struct stats stats;

	return stats_read(&c->setup.pages[slot], &stats) ? (enum stats_state)stats.state : STATS_ABSENT;
}

static void
look(struct care *c, unsigned slot, uint64_t now)
{
	struct cared *w = &c->workers[slot];
	uint64_t before = w->hang.stuck_ms;

	w->full = false;
	if (w->pid == 0)
		return;
	w->leaves = state_of(c, slot) == STATS_DRAINING;
	hang_look(&w->hang, now, atomic_load_explicit(&c->setup.vitals[slot].turn, memory_order_relaxed), hang_sample,
		w->pid);
	if (w->hang.stuck_ms == 0) {
		if (w->logged)
			log_event(LOG_WARN, "worker_goes_on", "worker", LOG_INT(slot), "pid", LOG_INT(w->pid),
				"after_ms", LOG_INT(before), NULL);
		w->warned = w->logged = false;
		return;
	}
	if (c->setup.warning_ms > 0 && w->hang.stuck_ms >= c->setup.warning_ms)
		warn(c, slot);
	if (is_over_time(c, w))
		end(c, slot, now);
}

void
care_look(struct care *c, uint64_t now)
{
	c->due = now + c->interval;
	c->paused = c->paused && now < c->acceptor.paused_till;
	for (unsigned i = 0; i < c->setup.workers; i++)
		look(c, i, now);
}

uint64_t
care_due(const struct care *c)
{
	return c->due;
}

/* ---------------------------------------------------------------- accepting */

unsigned
care_polls(const struct care *c, struct pollfd *out)
{
	unsigned n = 0;

	for (unsigned i = 0; !c->paused && i < c->setup.workers; i++) {
		const struct cared *w = &c->workers[i];

		for (unsigned k = 0; stands(w) && !w->full && w->listeners && k < w->listeners->count; k++)
			out[n++] = (struct pollfd){w->listeners->fds[k], POLLIN, 0};
	}
	return n;
}

/* It has room for one more, so that none is accepted for nothing. */
static bool
serves(const struct care *c, unsigned slot)
{
	struct pollfd door = {c->setup.doors->send[slot], POLLOUT, 0};

	if (stands(&c->workers[slot]) || state_of(c, slot) != STATS_ACCEPTING)
		return false;
	return poll(&door, 1, 0) == 1 && door.revents == POLLOUT;
}

/* In turns, the next that serves. False: none does. */
static bool
find_taker(struct care *c, unsigned *slot)
{
	for (unsigned i = 0; i < c->setup.workers; i++) {
		*slot = c->next++ % c->setup.workers;
		if (serves(c, *slot))
			return true;
	}
	return false;
}

/* What nobody can take stays in the queue of the port: the worker may go on, or its successor begin. */
static void
accept_for(struct care *c, struct cared *w, int listening, uint64_t now)
{
	for (unsigned i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t peer_len;
		unsigned slot;
		int fd;

		w->full = !find_taker(c, &slot);
		if (w->full)
			return;
		fd = acceptor_next(&c->acceptor, listening, now, &peer, &peer_len);
		if (fd < 0) {
			c->paused = fd == ACCEPTOR_PAUSE;
			return;
		}
		handover_pass(c->setup.doors, slot, fd, &peer, peer_len);
		close(fd);
	}
}

static struct cared *
owner(struct care *c, int listening)
{
	for (unsigned i = 0; i < c->setup.workers; i++) {
		const struct listener_set *set = c->workers[i].listeners;

		for (unsigned k = 0; set && k < set->count; k++) {
			if (set->fds[k] == listening)
				return &c->workers[i];
		}
	}
	return NULL;
}

void
care_polled(struct care *c, const struct pollfd *polls, unsigned n, uint64_t now)
{
	for (unsigned i = 0; i < n && !c->paused; i++) {
		struct cared *w = polls[i].revents != 0 ? owner(c, polls[i].fd) : NULL;

		if (w)
			accept_for(c, w, polls[i].fd, now);
	}
}
