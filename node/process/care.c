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

#define LOOKS_TO_STAND_IN 1 /* number of looks that find a worker in the same turn before the master stands in */
#define ABORT_MS 3000	    /* time for a worker's crash report and core dump */

struct cared {
	pid_t pid; /* 0: not ready */
	const struct listener_set *listeners;
	struct hang hang;
	bool warned, logged;
	uint64_t asked_at; /* stuck_ms at which the worker was asked where it is */
	uint64_t kill_at;  /* time of SIGKILL after the abort; 0: not aborted */
	bool full;	   /* no worker can take more of its clients before the next look */
	bool leaves;	   /* drains after a signal that only this worker got, and accepts no more connections */
};

struct care {
	struct care_setup setup;
	uint64_t interval, due;
	unsigned next; /* round-robin position: the worker that gets the next connection */
	struct acceptor acceptor;
	bool paused; /* until the first look after the acceptor's pause */
	struct cared workers[];
};

struct care *
care_new(const struct care_setup *setup)
{
	struct care *care = mem_zalloc(sizeof *care + setup->workers * sizeof care->workers[0]);

	care->setup = *setup;
	care->interval = hang_interval(setup->warning_ms, setup->timeout_ms);
	acceptor_init(&care->acceptor);
	return care;
}

void
care_free(struct care *care)
{
	if (care == NULL)
		return;
	acceptor_fini(&care->acceptor);
	mem_free(care);
}

void
care_ready(struct care *care, unsigned slot, pid_t pid, const struct listener_set *listeners)
{
	struct cared *worker = &care->workers[slot];

	*worker = (struct cared){.pid = pid, .listeners = listeners};
	hang_reset(&worker->hang, care->interval);
}

void
care_ended(struct care *care, unsigned slot)
{
	struct cared *worker = &care->workers[slot];

	*worker = (struct cared){.listeners = worker->listeners};
}

/* ----------------------------------------------------------------- looking */

static bool
worker_is_stuck(const struct cared *worker)
{
	return worker->pid == 0 || worker->leaves || worker->hang.looks >= LOOKS_TO_STAND_IN;
}

static void
care_log_hang(const struct care *care, unsigned slot)
{
	const struct cared *worker = &care->workers[slot];
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_pairs(&care->setup.vitals[slot].hang, key, value);
	log_event(LOG_WARN, "worker_hangs", "worker", LOG_INT(slot), "pid", LOG_INT(worker->pid), "for_ms",
		LOG_INT(worker->hang.stuck_ms), INCIDENT_ARGS(key, value));
}

static bool
worker_is_over_time(const struct care *care, const struct cared *worker)
{
	return care->setup.timeout_ms > 0 && worker->hang.stuck_ms >= care->setup.timeout_ms;
}

/*
 * The first look over the limit asks the worker where it is. A later look logs the answer when it has arrived, or
 * logs without an answer when the time for it is over or the worker is about to be ended.
 */
static void
care_warn(struct care *care, unsigned slot)
{
	struct cared *worker = &care->workers[slot];
	struct incident *answer = &care->setup.vitals[slot].hang;

	if (!worker->warned) {
		worker->warned = true;
		worker->asked_at = worker->hang.stuck_ms;
		report_ask(answer, worker->pid);
	} else if (!worker->logged && (report_is_over(answer, worker->asked_at, worker->hang.stuck_ms) ||
					      worker_is_over_time(care, worker))) {
		worker->logged = true;
		care_log_hang(care, slot);
	}
}

static void
care_end_worker(struct care *care, unsigned slot, uint64_t now)
{
	struct cared *worker = &care->workers[slot];

	if (worker->kill_at == 0) {
		log_event(LOG_ERROR, "worker_killed", "worker", LOG_INT(slot), "pid", LOG_INT(worker->pid), "error",
			LOG_STR("a handler does not return"), "for_ms", LOG_INT(worker->hang.stuck_ms), NULL);
		worker->kill_at = now + ABORT_MS;
		kill(worker->pid, SIGABRT);
	} else if (now >= worker->kill_at) {
		kill(worker->pid, SIGKILL);
	}
}

static enum stats_state
care_worker_state(const struct care *care, unsigned slot)
{
	struct stats stats;

	return stats_read(&care->setup.pages[slot], &stats) ? (enum stats_state)stats.state : STATS_ABSENT;
}

static void
care_look_at(struct care *care, unsigned slot, uint64_t now)
{
	struct cared *worker = &care->workers[slot];
	uint64_t before = worker->hang.stuck_ms;

	worker->full = false;
	if (worker->pid == 0)
		return;
	worker->leaves = care_worker_state(care, slot) == STATS_DRAINING;
	hang_look(&worker->hang, now, atomic_load_explicit(&care->setup.vitals[slot].turn, memory_order_relaxed),
		hang_sample, worker->pid);
	if (worker->hang.stuck_ms == 0) {
		if (worker->logged)
			log_event(LOG_WARN, "worker_goes_on", "worker", LOG_INT(slot), "pid", LOG_INT(worker->pid),
				"after_ms", LOG_INT(before), NULL);
		worker->warned = worker->logged = false;
		return;
	}
	if (care->setup.warning_ms > 0 && worker->hang.stuck_ms >= care->setup.warning_ms)
		care_warn(care, slot);
	if (worker_is_over_time(care, worker))
		care_end_worker(care, slot, now);
}

void
care_look(struct care *care, uint64_t now)
{
	care->due = now + care->interval;
	care->paused = care->paused && now < care->acceptor.paused_till;
	for (unsigned i = 0; i < care->setup.workers; i++)
		care_look_at(care, i, now);
}

uint64_t
care_due(const struct care *care)
{
	return care->due;
}

/* ---------------------------------------------------------------- accepting */

unsigned
care_polls(const struct care *care, struct pollfd *out)
{
	unsigned n = 0;

	for (unsigned i = 0; !care->paused && i < care->setup.workers; i++) {
		const struct cared *worker = &care->workers[i];

		for (unsigned k = 0;
			worker_is_stuck(worker) && !worker->full && worker->listeners && k < worker->listeners->count;
			k++)
			out[n++] = (struct pollfd){worker->listeners->fds[k], POLLIN, 0};
	}
	return n;
}

/*
 * Returns true if the worker serves and its door has room for one more connection. Without room the connection would
 * be lost.
 */
static bool
care_worker_serves(const struct care *care, unsigned slot)
{
	struct pollfd door = {care->setup.doors->send[slot], POLLOUT, 0};

	if (worker_is_stuck(&care->workers[slot]) || care_worker_state(care, slot) != STATS_ACCEPTING)
		return false;
	return poll(&door, 1, 0) == 1 && door.revents == POLLOUT;
}

/* Finds the next worker, round robin, that serves. Returns false if none does. */
static bool
care_find_taker(struct care *care, unsigned *slot)
{
	for (unsigned i = 0; i < care->setup.workers; i++) {
		*slot = care->next++ % care->setup.workers;
		if (care_worker_serves(care, *slot))
			return true;
	}
	return false;
}

/* Connections that no worker can take stay in the queue of the port, for the worker or its successor. */
static void
care_accept_for(struct care *care, struct cared *worker, int listening, uint64_t now)
{
	for (unsigned i = 0; i < ACCEPTOR_AT_ONCE; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t peer_len;
		unsigned slot;
		int fd;

		worker->full = !care_find_taker(care, &slot);
		if (worker->full)
			return;
		fd = acceptor_next(&care->acceptor, listening, now, &peer, &peer_len);
		if (fd < 0) {
			care->paused = fd == ACCEPTOR_PAUSE;
			return;
		}
		handover_pass(care->setup.doors, slot, fd, &peer, peer_len);
		close(fd);
	}
}

static struct cared *
care_owner_of(struct care *care, int listening)
{
	for (unsigned i = 0; i < care->setup.workers; i++) {
		const struct listener_set *set = care->workers[i].listeners;

		for (unsigned k = 0; set && k < set->count; k++) {
			if (set->fds[k] == listening)
				return &care->workers[i];
		}
	}
	return NULL;
}

void
care_polled(struct care *care, const struct pollfd *polls, unsigned n, uint64_t now)
{
	for (unsigned i = 0; i < n && !care->paused; i++) {
		struct cared *worker = polls[i].revents != 0 ? care_owner_of(care, polls[i].fd) : NULL;

		if (worker)
			care_accept_for(care, worker, polls[i].fd, now);
	}
}
