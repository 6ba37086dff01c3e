/*
 *   phase      event                              next       action
 *   STARTING   the hub is forked                  STARTING   worker 0 is forked; it finds errors that all would have
 *   STARTING   worker 0 is ready                  STARTING   other workers are forked, programs of --exec are started
 *   STARTING   all workers are ready              SERVING    "listening" is logged
 *   STARTING   a child ends                       ENDING     all are killed; its exit code becomes the master's
 *   SERVING    a child ends                       SERVING    it is forked again, at once or after a pause
 *   SERVING    a child does not turn              SERVING    it is aborted (care.h, hub_watch.h)
 *   STOPPING   the hub does not turn              STOPPING   it is aborted
 *   STARTING,  a program cannot be run at all     ENDING     all are killed, exit code 1
 *   SERVING
 *   STARTING,  SIGTERM, SIGINT                    STOPPING   listeners are closed, programs get SIGTERM
 *   SERVING
 *   SERVING    SIGHUP, the application's file is  SERVING    the program is started again: see master_upgrade.c
 *              a new one that can be loaded
 *   any        SIGHUP otherwise                   same       workers and hub get SIGHUP; programs are deployed
 *   any        SIGUSR1                            same       workers get SIGUSR1
 *   any        SIGTTIN                            same       all processes switch to the next log level
 *   SERVING    SIGUSR2                            SERVING    the program is started again: see master_upgrade.c
 *   SERVING    the new program is ready           STOPPING   workers get SIGTERM (WORKER_STOP_SIGNAL with --exec) and
 *                                                            stop accepting; programs end after the workers
 *   STOPPING   no program is left                 STOPPING   workers get SIGTERM (WORKER_STOP_SIGNAL with --exec) and
 *                                                            keep the port open until all have drained
 *   STOPPING   the hub ends                       STOPPING   it is forked again, at once or after a pause
 *   STOPPING   no worker is left                  ENDING     the hub gets HUB_STOP_SIGNAL
 *   STOPPING   drain time and GRACE_MS over       ENDING     all are killed
 *   STOPPING,  a second signal within             same       none
 *   ENDING     SIGNALS_SAME_MS
 *   STOPPING,  a later second signal              ENDING     all are killed, exit code 128 + signal
 *   ENDING
 *   ENDING     no child is left                   -          exit
 *
 * Programs end before the workers. So what an application sends while it ends (a farewell to all, the answers that it
 * owes) still reaches every client. Afterwards nothing could answer the clients, so they are disconnected.
 *
 * A worker that a client has reached is forked again at once, whatever ended it: with a pause, one client that
 * crashes workers could cause an outage for all. A child that repeatedly ends before any client has reached it cannot
 * serve. It is forked after a pause that doubles each time, unless it lived for HEALTHY_MS. Meanwhile new clients go
 * to the other workers (care.h), and requests at the child's door wait for its successor.
 */
#include "node/process/master.h"
#include "node/process/config_hup.h"

#include <errno.h>
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
#include "node/process/notify.h"
#include "node/process/signals.h"

#define GRACE_MS 8000	  /* after the drain time; a worker takes at most 5 s to send its last bytes */
#define HUB_GRACE_MS 2000 /* the hub stops after all workers, so it has nothing to lose */

static void
master_signal_workers(const struct master *master, int signum)
{
	for (unsigned i = 0; i < master->count; i++) {
		if (master->workers[i].pid > 0)
			kill(master->workers[i].pid, signum);
	}
}

static bool
master_has_workers(const struct master *master)
{
	for (unsigned i = 0; i < master->count; i++) {
		if (master->workers[i].pid > 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ phases */

static void
master_kill_all(struct master *master)
{
	master->phase = ENDING;
	master_close_listeners(master);
	backend_addresses_remove(&master->backends);
	exec_kill(master->exec, master_now());
	master_signal_workers(master, SIGKILL);
	if (master->hub.pid > 0)
		kill(master->hub.pid, SIGKILL);
}

/* A dead worker is not replaced now, so siblings that still drain must refuse requests for it instead of waiting. */
static void
master_write_off_dead(struct master *master)
{
	for (unsigned i = 0; i < master->count; i++) {
		if (master->workers[i].pid != 0)
			continue;
		doors_shut(&master->doors, i);
		atomic_store_explicit(&master->vitals[i].drained, true, memory_order_relaxed);
	}
}

/*
 * Tells the workers to keep the port open until all of them have drained or, after an upgrade, to leave the port to
 * the successor. Call it before the workers get their signal.
 */
static void
master_announce_drain(struct master *master)
{
	for (unsigned i = 0; i < master->count; i++) {
		struct vitals *vitals = &master->vitals[i];

		atomic_store_explicit(
			master->succeeded ? &vitals->succeeded : &vitals->node_drains, true, memory_order_relaxed);
	}
}

/* All workers have ended gracefully. */
static void
master_end_hub(struct master *master)
{
	master->phase = ENDING;
	master->kill_at = master_now() + HUB_GRACE_MS;
	if (master->hub.pid > 0)
		kill(master->hub.pid, HUB_STOP_SIGNAL);
}

static void
master_drain_workers(struct master *master)
{
	if (master->draining)
		return;
	master->draining = true;
	backend_addresses_remove(&master->backends);
	master->kill_at = master_now() + master->drain_ms + GRACE_MS;
	if (master->succeeded)
		master->kill_at += master->setup->options->exec.stop_timeout;
	master_announce_drain(master);
	master_signal_workers(master, master->exec ? WORKER_STOP_SIGNAL : SIGTERM);
	master_write_off_dead(master);
}

/*
 * In phase STOPPING: takes the next step if the previous one is complete. After an upgrade, the workers drain before
 * the programs of --exec end: the workers must stop accepting at once, and their clients find the successor's
 * programs.
 */
static void
master_continue_stopping(struct master *master)
{
	if (master->succeeded) {
		master_drain_workers(master);
		if (master_has_workers(master))
			return;
		exec_stop(master->exec, master_now());
	}
	if (!exec_is_over(master->exec))
		return;
	master_drain_workers(master);
	if (!master_has_workers(master))
		master_end_hub(master);
}

void
master_begin_stopping(struct master *master)
{
	master->phase = STOPPING;
	master->stopping_since = master_now();
	master_close_listeners(
		master); /* before the workers close theirs: a socket without a worker would still collect clients */
	if (!master->succeeded)
		exec_stop(master->exec, master_now());
	master_continue_stopping(master);
}

static void
master_stop(struct master *master, int signum)
{
	const char *name = signum == SIGTERM ? "SIGTERM" : "SIGINT";

	/* a node without clients may be in phase ENDING already */
	if (master->phase >= STOPPING && master_now() - master->stopping_since < SIGNALS_SAME_MS)
		return;
	if (master->phase >= STOPPING) {
		log_event(LOG_WARN, "killed", "signal", LOG_STR(name), NULL);
		master->code = 128 + signum;
		master_kill_all(master);
		return;
	}
	log_event(LOG_INFO, "stopping", "signal", LOG_STR(name), NULL);
	master_upgrade_cancel(master);
	notify_stopping(master->notify,
		master->setup->options->exec.stop_timeout + master->drain_ms + GRACE_MS + HUB_GRACE_MS, "Draining");
	master_begin_stopping(master);
}

static struct child *
master_child_of(struct master *master, pid_t pid)
{
	if (master->hub.pid == pid)
		return &master->hub;
	for (unsigned i = 0; i < master->count; i++) {
		if (master->workers[i].pid == pid)
			return &master->workers[i];
	}
	return NULL;
}

static void
master_log_ended(const struct master *master, const struct child *child, pid_t pid, int status)
{
	bool killed = WIFSIGNALED(status);
	const char *how = killed ? "signal" : "code";
	int number = killed ? WTERMSIG(status) : WEXITSTATUS(status);
	uint64_t pause = pause_left(&child->pause, master_now());

	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	if (child == &master->hub) {
		log_event(LOG_WARN, "hub_ended", "pid", LOG_INT(pid), how, LOG_INT(number), "restart_ms",
			LOG_INT(pause), NULL);
		return;
	}
	incident_pairs(&master->vitals[child - master->workers].crash, key, value);
	log_event(LOG_WARN, "worker_ended", "worker", LOG_INT(child - master->workers), "pid", LOG_INT(pid), how,
		LOG_INT(number), "restart_ms", LOG_INT(pause), INCIDENT_ARGS(key, value));
}

static void
master_child_ended(struct master *master, pid_t pid, int status)
{
	struct child *child = master_child_of(master, pid);

	if (master_upgrade_ended(master, pid, status))
		return;
	if (!child) { /* a program, or an orphan: the master is its subreaper, or PID 1 of a container */
		exec_ended(master->exec, pid, status, master_now());
		return;
	}
	child->pid = 0;
	child->ready = false;
	if (child == &master->hub) {
		hub_watch_ended(master->hub_watch, master->phase == SERVING || master->phase == STOPPING);
	} else {
		stats_clear(&master->pages[child - master->workers]);
		care_ended(master->care, (unsigned)(child - master->workers));
	}
	if (child->ready_fd >= 0)
		close(child->ready_fd);
	child->ready_fd = -1;
	switch (master->phase) {
	case STARTING:
		master->code = WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_NO_START;
		if (master->code != EXIT_NO_START && master->code != EXIT_USAGE)
			master->code = EXIT_NO_START;
		if (WIFSIGNALED(status) || child == &master->hub)
			master_log_ended(master, child, pid, status); /* the child had no chance to log the reason */
		master_kill_all(master);
		break;
	case SERVING:
		master_child_failed(master, child);
		master_log_ended(master, child, pid, status);
		break;
	case STOPPING:
		master_write_off_dead(master);
		if (child == &master->hub && !master->hub_taken) { /* the draining workers still need the hub */
			master_child_failed(master, child);
			master_log_ended(master, child, pid, status);
		} else if (child != &master->hub && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
			master_log_ended(master, child, pid, status);
		}
		master_continue_stopping(master);
		break;
	case ENDING:
		break;
	}
}

/*
 * Running workers read the file by themselves. Workers that start later inherit the options that the master reads
 * here.
 */
static void
master_reload(struct master *master)
{
	struct config *config = master->setup->config;
	struct option_table tables[CONFIG_TABLES];

	config_tables(config, master->server, tables);
	config_on_hup(config, tables, master->log);
	if (master->server->node.drain_time > master->drain_ms)
		master->drain_ms = master->server->node.drain_time;
}

void
master_notify_ready(const struct master *master)
{
	char status[NOTIFY_STATUS_MAX];

	snprintf(status, sizeof status, "Serving on port %u with %u workers", master->port, master->count);
	notify_ready(master->notify, status);
}

/*
 * Deploys a new application. As on SIGUSR2, all workers with the new application start before the old workers drain,
 * so that clients always find a server and each client is moved once. Returns false if the file has not been replaced
 * or cannot be loaded.
 */
static bool
master_deploy_app(struct master *master)
{
	const struct config *config = master->setup->config;
	char error[OPTION_ERROR_MAX];
	int result;

	if (!config->program.app || master->phase != SERVING)
		return false;
	if (master->alive_at > 0)
		notify_alive(master->notify); /* the check may take half of the supervisor's time */
	result = config_app_replaced(config, error);
	if (result < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "application", LOG_STR(config->program.app), "replaced",
			LOG_STR(result > 0 ? "yes" : "no"), NULL);
	return result > 0 && master_upgrade_start(master);
}

static void
master_on_hup(struct master *master)
{
	if (master_deploy_app(master))
		return; /* the new program reads everything anew */
	if (master->phase == SERVING)
		notify_reloading(master->notify);
	master_reload(master);
	master_signal_workers(master, SIGHUP);
	if (master->hub.pid > 0)
		kill(master->hub.pid, SIGHUP);
	exec_deploy(master->exec, master_now());
	if (master->phase == SERVING)
		master_notify_ready(master);
}

static void
master_read_signals(struct master *master)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(master->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			master_stop(master, (int)info.ssi_signo);
			break;
		case SIGHUP:
			master_on_hup(master);
			break;
		case SIGUSR1:
			master_signal_workers(master, SIGUSR1);
			break;
		case SIGUSR2:
			master_upgrade_start(master);
			break;
		case SIGTTIN:
			log_control_cycle(master->log);
			master_signal_workers(master, SIGTTIN);
			if (master->hub.pid > 0)
				kill(master->hub.pid, SIGTTIN);
			break;
		default:
			break;
		}
	}
	/* one SIGCHLD may stand for several children, so waitpid() is called until no child is left to reap */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		master_child_ended(master, pid, status);
}

static void
master_announce(struct master *master)
{
	struct server_face face = {
		master->face.tls, master->face.path, master->face.public_dir[0] ? master->face.public_dir : NULL};

	for (unsigned i = 0; i < master->count; i++) {
		if (!master->workers[i].ready)
			return;
	}
	master->phase = SERVING;
	server_log_listening(master->server->front.host, master->port, &face);
	if (!master_upgrade_report(master))
		master_notify_ready(master);
}

static void
master_on_ready(struct master *master, struct child *child)
{
	struct worker_ready ready;
	ssize_t n = read(child->ready_fd, &ready, sizeof ready);

	close(child->ready_fd);
	child->ready_fd = -1;
	if (n != (ssize_t)sizeof ready) /* the worker died: SIGCHLD follows */
		return;
	child->ready = true;
	master->drain_ms = ready.drain_ms;
	master->face = ready;
	care_ready(master->care, (unsigned)(child - master->workers), child->pid, &child->listeners);
	log_event(LOG_INFO, "worker_ready", "worker", LOG_INT(child - master->workers), "pid", LOG_INT(child->pid),
		NULL);
	if (master->phase != STARTING)
		return;
	if (child == &master->workers[0]) {
		for (unsigned i = 1; i < master->count; i++)
			master_child_start(master, &master->workers[i]);
		exec_start(master->exec, master->port, master_now());
	}
	master_announce(master);
}

/* -------------------------------------------------------------------- life */

static void
master_start_due(struct master *master)
{
	uint64_t now = master_now();

	if (master->phase == ENDING)
		return;
	if (master->hub.pause.due > 0 && master->hub.pause.due <= now)
		master_child_start(master, &master->hub);
	if (master->phase == STOPPING)
		return;
	for (unsigned i = 0; i < master->count; i++) {
		if (master->workers[i].pause.due > 0 && master->workers[i].pause.due <= now)
			master_child_start(master, &master->workers[i]);
	}
}

/*
 * The hub is watched while workers serve or drain. Workers that start report by themselves that it does not answer.
 */
static bool
master_watches_hub(const struct master *master)
{
	return master->phase == SERVING || master->phase == STOPPING;
}

/* Returns the milliseconds until something is due, for poll(). */
static int
master_wait_ms(const struct master *master)
{
	uint64_t when = UINT64_MAX, now = master_now();

	pause_due_at_most(&when, master->kill_at);
	pause_due_at_most(&when, master->alive_at);
	pause_due_at_most(&when, master->upgrade.give_up_at);
	pause_due_at_most(&when, exec_due(master->exec, now));
	if (master->phase == SERVING)
		pause_due_at_most(&when, care_due(master->care));
	if (master_watches_hub(master))
		pause_due_at_most(&when, hub_watch_due(master->hub_watch));
	if (master->phase != ENDING)
		pause_due_at_most(&when, master->hub.pause.due);
	if (master->phase < STOPPING) {
		for (unsigned i = 0; i < master->count; i++)
			pause_due_at_most(&when, master->workers[i].pause.due);
	}
	if (when == UINT64_MAX)
		return -1;
	if (when <= now)
		return 0;
	return when - now < 60000 ? (int)(when - now) : 60000;
}

static void
master_look_after_programs(struct master *master)
{
	char error[EXEC_ERROR_MAX];

	exec_look(master->exec, master_now());
	if (master->phase == STOPPING)
		master_continue_stopping(master);
	if (master->phase < STOPPING && exec_is_unrunnable(master->exec, error)) {
		streams_complain(master->setup->program, error);
		master->code = EXIT_NO_START;
		master_kill_all(master);
	}
}

/*
 * Waits in poll(). The order in master->polls is: signals, the other program of an upgrade, starting workers, ports
 * of stuck workers, programs.
 */
static void
master_wait_for_events(struct master *master)
{
	struct pollfd *workers = master->polls + 2, *ports = workers + master->count, *programs;
	unsigned n = master->phase == SERVING ? care_polls(master->care, ports) : 0, n_programs;

	programs = ports + n;
	n_programs = exec_polls(master->exec, programs);
	master->polls[0] = (struct pollfd){master->signal_fd, POLLIN, 0};
	master->polls[1] = (struct pollfd){master->upgrade.channel, POLLIN, 0};
	for (unsigned i = 0; i < master->count; i++)
		workers[i] = (struct pollfd){master->workers[i].ready_fd, POLLIN, 0};
	if (poll(master->polls, 2 + master->count + n + n_programs, master_wait_ms(master)) < 0 && errno != EINTR)
		log_event(LOG_ERROR, "poll", "error", LOG_STR(strerror(errno)), NULL);
	if (n > 0)
		care_polled(master->care, ports, n, master_now());
	for (unsigned i = 0; i < master->count; i++) {
		if (workers[i].revents != 0 && master->workers[i].ready_fd == workers[i].fd)
			master_on_ready(master, &master->workers[i]);
	}
	exec_polled(master->exec, programs, n_programs, master_now());
	if (master->polls[1].revents != 0)
		master_upgrade_polled(master);
}

/* The supervisor aborts a master that does not call this in time. */
static void
master_notify_alive(struct master *master)
{
	if (master->alive_at == 0 || master_now() < master->alive_at)
		return;
	notify_alive(master->notify);
	master->alive_at = master->notify ? master_now() + master->notify->alive_every : 0;
}

static void
master_turn(struct master *master)
{
	master_wait_for_events(master);
	master_notify_alive(master);
	master_read_signals(master);
	master_look_after_programs(master);
	if (master->kill_at > 0 && master_now() >= master->kill_at) {
		master->kill_at = 0;
		log_event(LOG_WARN, "killed", "error", LOG_STR("processes are left after the drain time"), NULL);
		master_kill_all(master);
	}
	master_upgrade_look(master);
	log_control_apply(master->log);
	if (master->phase == SERVING && master_now() >= care_due(master->care))
		care_look(master->care, master_now());
	if (master_watches_hub(master) && master_now() >= hub_watch_due(master->hub_watch))
		hub_watch_look(master->hub_watch, master_now());
	master_start_due(master);
}

int
master_run(const struct worker_setup *setup, struct server_options *server, unsigned workers)
{
	struct master master = {.setup = setup,
		.notify = setup->notify,
		.server = server,
		.upgrade = {.channel = -1},
		.pid = getpid(),
		.signal_fd = -1,
		.hub_fd = -1,
		.count = workers};
	char error[OPTION_ERROR_MAX];

	crash_watch(NULL, NULL); /* for crashes of the master and of the hub */
	if (master_open(&master, error) < 0) {
		streams_complain(setup->program, error);
		master.code = EXIT_NO_START;
	} else {
		master.alive_at = setup->notify && setup->notify->alive_every > 0 ? master_now() : 0;
		master_child_start(&master, &master.hub);
		master_child_start(&master, &master.workers[0]);
		while (master.phase != ENDING || master.hub.pid > 0 || master_has_workers(&master) ||
			!exec_is_over(master.exec))
			master_turn(&master);
		if (master.code == EXIT_FINE)
			log_event(LOG_INFO, "stopped", NULL);
	}
	master_close(&master);
	crash_unwatch();
	return master.code;
}
