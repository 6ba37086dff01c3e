/*
 *   phase      event                              next       action
 *   STARTING   the hub is forked                  STARTING   worker 0 is forked: it finds the errors that all have
 *   STARTING   worker 0 is ready                  STARTING   the others are forked, the programs of --exec started
 *   STARTING   all are ready                      SERVING    "listening" is logged
 *   STARTING   a child ends                       ENDING     killed all, its exit code is ours
 *   SERVING    a child ends                       SERVING    forked again, at once or after a pause
 *   both       a program cannot be run at all     ENDING     killed all, exit code 1
 *   both       SIGTERM, SIGINT                    STOPPING   listeners closed, SIGTERM to the programs
 *   both       SIGHUP                             same       the same to the workers and the hub; a deploy of the
 *                                                            programs
 *   both       SIGUSR1                            same       the same to the workers
 *   both       SIGUSR2                            same       the log's next level, in all processes
 *   STOPPING   there are no programs any more     STOPPING   SIGTERM to the workers
 *   STOPPING   the workers are gone, too          ENDING     HUB_STOP_SIGNAL to the hub
 *   STOPPING   drain time and GRACE_MS over       ENDING     killed all
 *   STOPPING   a second signal                    ENDING     killed all, exit code 128 + signal
 *   ENDING     no child is left                   -          exit
 *
 * Programs end before the workers do: what an application says while it ends (a farewell to all, the answers that it
 * owes) then still reaches every client. After that nobody is there who could answer a client, and it is sent away.
 *
 * A worker that a client had reached is forked again at once, however it died: a pause would turn one client's poison
 * into an outage of all. A child that dies before, again and again, cannot serve: it is forked after a pause that
 * doubles each time, unless it lived for HEALTHY_MS. Meanwhile new clients go to the other workers (care.h); requests
 * at its door wait for its successor.
 */
#include "node/process/master.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/log.h"
#include "common/io/streams.h"
#include "node/process/crash.h"
#include "node/process/hub_process.h"
#include "node/process/master_internal.h"
#include "node/process/signals.h"

#define GRACE_MS 8000	  /* beyond the drain time; a worker needs 5 s at most for its last bytes */
#define HUB_GRACE_MS 2000 /* all workers are gone then: nothing is left that it could lose */

unsigned
master_workers(const struct program_options *o)
{
	cpu_set_t cores;
	int n;

	if (o->workers > 0)
		return (unsigned)o->workers;
	n = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		return 1;
	return n > DOORS_MAX ? DOORS_MAX : (unsigned)n;
}

static void
signal_workers(const struct master *m, int signum)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (m->workers[i].pid > 0)
			kill(m->workers[i].pid, signum);
	}
}

static bool
workers_left(const struct master *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (m->workers[i].pid > 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ phases */

static void
end_at_once(struct master *m)
{
	m->phase = ENDING;
	master_close_listeners(m);
	backend_addresses_remove(&m->backends);
	exec_kill(m->exec, master_now());
	signal_workers(m, SIGKILL);
	if (m->hub.pid > 0)
		kill(m->hub.pid, SIGKILL);
}

/* The dead have no successors any more: siblings that still drain refuse what is theirs. */
static void
shut_doors(struct master *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (m->workers[i].pid == 0)
			doors_shut(&m->doors, i);
	}
}

/* The workers are gone, in good order. */
static void
end_hub(struct master *m)
{
	m->phase = ENDING;
	m->kill_at = master_now() + HUB_GRACE_MS;
	if (m->hub.pid > 0)
		kill(m->hub.pid, HUB_STOP_SIGNAL);
}

/* STOPPING: the next step, when the one before is done. */
static void
go_on_stopping(struct master *m)
{
	if (!exec_is_over(m->exec))
		return;
	if (!m->draining) {
		m->draining = true;
		backend_addresses_remove(&m->backends);
		m->kill_at = master_now() + m->drain_ms + GRACE_MS;
		signal_workers(m, m->exec ? WORKER_STOP_SIGNAL : SIGTERM);
		shut_doors(m);
	}
	if (!workers_left(m))
		end_hub(m);
}

static void
stop(struct master *m, int signum)
{
	const char *name = signum == SIGTERM ? "SIGTERM" : "SIGINT";

	if (m->phase >= STOPPING) {
		log_event(LOG_WARN, "killed", "signal", LOG_STR(name), NULL);
		m->code = 128 + signum;
		end_at_once(m);
		return;
	}
	log_event(LOG_INFO, "stopping", "signal", LOG_STR(name), NULL);
	m->phase = STOPPING;
	master_close_listeners(
		m); /* before the workers close theirs: a socket of nobody would still collect clients */
	exec_stop(m->exec, master_now());
	go_on_stopping(m);
}

static struct child *
child_of(struct master *m, pid_t pid)
{
	if (m->hub.pid == pid)
		return &m->hub;
	for (unsigned i = 0; i < m->count; i++) {
		if (m->workers[i].pid == pid)
			return &m->workers[i];
	}
	return NULL;
}

static void
log_ended(const struct master *m, const struct child *c, pid_t pid, int status)
{
	bool killed = WIFSIGNALED(status);
	const char *how = killed ? "signal" : "code";
	int number = killed ? WTERMSIG(status) : WEXITSTATUS(status);
	uint64_t pause = pause_left(&c->pause, master_now());

	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	if (c == &m->hub) {
		log_event(LOG_WARN, "hub_ended", "pid", LOG_INT(pid), how, LOG_INT(number), "restart_ms",
			LOG_INT(pause), NULL);
		return;
	}
	incident_pairs(&m->vitals[c - m->workers].crash, key, value);
	log_event(LOG_WARN, "worker_ended", "worker", LOG_INT(c - m->workers), "pid", LOG_INT(pid), how,
		LOG_INT(number), "restart_ms", LOG_INT(pause), INCIDENT_ARGS(key, value));
}

static void
ended(struct master *m, pid_t pid, int status)
{
	struct child *c = child_of(m, pid);

	if (!c) { /* a program, or an orphan that this process has adopted, as PID 1 of a container */
		exec_ended(m->exec, pid, status, master_now());
		return;
	}
	c->pid = 0;
	c->ready = false;
	if (c != &m->hub) {
		stats_clear(&m->pages[c - m->workers]);
		care_ended(m->care, (unsigned)(c - m->workers));
	}
	if (c->ready_fd >= 0)
		close(c->ready_fd);
	c->ready_fd = -1;
	switch (m->phase) {
	case STARTING:
		m->code = WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_NO_START;
		if (m->code != EXIT_NO_START && m->code != EXIT_USAGE)
			m->code = EXIT_NO_START;
		if (WIFSIGNALED(status) || c == &m->hub)
			log_ended(m, c, pid, status); /* it could not say why itself */
		end_at_once(m);
		break;
	case SERVING:
		master_child_failed(m, c);
		log_ended(m, c, pid, status);
		break;
	case STOPPING:
		if (c != &m->hub && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
			log_ended(m, c, pid, status);
		shut_doors(m);
		go_on_stopping(m);
		break;
	case ENDING:
		break;
	}
}

static void
on_signals(struct master *m)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(m->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			stop(m, (int)info.ssi_signo);
			break;
		case SIGHUP:
			signal_workers(m, SIGHUP);
			if (m->hub.pid > 0)
				kill(m->hub.pid, SIGHUP);
			exec_deploy(m->exec, master_now());
			break;
		case SIGUSR1:
			signal_workers(m, SIGUSR1);
			break;
		case SIGUSR2:
			log_control_cycle(m->log);
			signal_workers(m, SIGUSR2);
			if (m->hub.pid > 0)
				kill(m->hub.pid, SIGUSR2);
			break;
		default:
			break;
		}
	}
	/* signals of one number are merged, so all children are asked, whoever reported */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		ended(m, pid, status);
}

static void
announce(struct master *m)
{
	struct server_face face = {m->face.tls, m->face.path, m->face.public_dir[0] ? m->face.public_dir : NULL};

	for (unsigned i = 0; i < m->count; i++) {
		if (!m->workers[i].ready)
			return;
	}
	m->phase = SERVING;
	server_log_listening(m->server->front.host, m->port, &face);
}

static void
on_ready(struct master *m, struct child *c)
{
	struct worker_ready ready;
	ssize_t n = read(c->ready_fd, &ready, sizeof ready);

	close(c->ready_fd);
	c->ready_fd = -1;
	if (n != (ssize_t)sizeof ready) /* it died: SIGCHLD tells the rest */
		return;
	c->ready = true;
	m->drain_ms = ready.drain_ms;
	m->face = ready;
	care_ready(m->care, (unsigned)(c - m->workers), c->pid, &c->listeners);
	log_event(LOG_INFO, "worker_ready", "worker", LOG_INT(c - m->workers), "pid", LOG_INT(c->pid), NULL);
	if (m->phase != STARTING)
		return;
	if (c == &m->workers[0]) {
		for (unsigned i = 1; i < m->count; i++)
			master_child_start(m, &m->workers[i]);
		exec_start(m->exec, m->port, master_now());
	}
	announce(m);
}

/* -------------------------------------------------------------------- life */

static void
start_due(struct master *m)
{
	uint64_t now = master_now();

	if (m->phase >= STOPPING)
		return;
	if (m->hub.pause.due > 0 && m->hub.pause.due <= now)
		master_child_start(m, &m->hub);
	for (unsigned i = 0; i < m->count; i++) {
		if (m->workers[i].pause.due > 0 && m->workers[i].pause.due <= now)
			master_child_start(m, &m->workers[i]);
	}
}

static void
sooner(uint64_t *when, uint64_t due)
{
	if (due > 0 && due < *when)
		*when = due;
}

/* Milliseconds until something is due, for poll(). */
static int
wait_ms(const struct master *m)
{
	uint64_t when = UINT64_MAX, now = master_now();

	sooner(&when, m->kill_at);
	sooner(&when, exec_due(m->exec, now));
	if (m->phase == SERVING)
		sooner(&when, care_due(m->care));
	if (m->phase < STOPPING) {
		sooner(&when, m->hub.pause.due);
		for (unsigned i = 0; i < m->count; i++)
			sooner(&when, m->workers[i].pause.due);
	}
	if (when == UINT64_MAX)
		return -1;
	if (when <= now)
		return 0;
	return when - now < 60000 ? (int)(when - now) : 60000;
}

static void
look_after_programs(struct master *m)
{
	char error[EXEC_ERROR_MAX];

	exec_look(m->exec, master_now());
	if (m->phase == STOPPING)
		go_on_stopping(m);
	if (m->phase < STOPPING && exec_is_unrunnable(m->exec, error)) {
		streams_complain(m->setup->program, error);
		m->code = EXIT_NO_START;
		end_at_once(m);
	}
}

/* What poll() waits for, in this order: signals, workers that start, ports of workers that stand, programs. */
static void
wait_for_events(struct master *m)
{
	struct pollfd *workers = m->polls + 1, *ports = workers + m->count, *programs;
	unsigned n = m->phase == SERVING ? care_polls(m->care, ports) : 0, n_programs;

	programs = ports + n;
	n_programs = exec_polls(m->exec, programs);
	m->polls[0] = (struct pollfd){m->signal_fd, POLLIN, 0};
	for (unsigned i = 0; i < m->count; i++)
		workers[i] = (struct pollfd){m->workers[i].ready_fd, POLLIN, 0};
	if (poll(m->polls, 1 + m->count + n + n_programs, wait_ms(m)) < 0 && errno != EINTR)
		log_event(LOG_ERROR, "poll", "error", LOG_STR(strerror(errno)), NULL);
	if (n > 0)
		care_polled(m->care, ports, n, master_now());
	for (unsigned i = 0; i < m->count; i++) {
		if (workers[i].revents != 0 && m->workers[i].ready_fd == workers[i].fd)
			on_ready(m, &m->workers[i]);
	}
	exec_polled(m->exec, programs, n_programs, master_now());
}

static void
turn(struct master *m)
{
	wait_for_events(m);
	on_signals(m);
	look_after_programs(m);
	if (m->kill_at > 0 && master_now() >= m->kill_at) {
		m->kill_at = 0;
		log_event(LOG_WARN, "killed", "error", LOG_STR("processes are left after the drain time"), NULL);
		end_at_once(m);
	}
	log_control_apply(m->log);
	if (m->phase == SERVING && master_now() >= care_due(m->care))
		care_look(m->care, master_now());
	start_due(m);
}

int
master_run(const struct worker_setup *setup, const struct server_options *server, unsigned workers)
{
	struct master m = {
		.setup = setup, .server = server, .pid = getpid(), .signal_fd = -1, .hub_fd = -1, .count = workers};
	char error[OPTION_ERROR_MAX];

	crash_watch(NULL, NULL); /* its own and the hub's crashes */
	if (master_open(&m, error) < 0) {
		streams_complain(setup->program, error);
		m.code = EXIT_NO_START;
	} else {
		master_child_start(&m, &m.hub);
		master_child_start(&m, &m.workers[0]);
		while (m.phase != ENDING || m.hub.pid > 0 || workers_left(&m) || !exec_is_over(m.exec))
			turn(&m);
		if (m.code == EXIT_FINE)
			log_event(LOG_INFO, "stopped", NULL);
	}
	master_close(&m);
	crash_unwatch();
	return m.code;
}
