/* Forks the master's children. Decides what a child closes and runs, and when it is forked again after its end. */
#include "node/process/master_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/io/log.h"
#include "node/process/hub_process.h"

uint64_t
master_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Runs in the child. Closes what belongs to the master or to siblings, and makes the child die with the master. */
static void
child_prepare(struct master *master, const struct child *self, const char *name)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master->pid) /* the master died before prctl() took effect */
		_exit(EXIT_NO_START);
	prctl(PR_SET_NAME, name);
	close(master->signal_fd);
	care_free(master->care);
	master->care = NULL;
	exec_forget(master->exec);
	if (master->upgrade.channel >= 0)
		close(master->upgrade.channel);
	for (unsigned i = 0; i < master->count; i++) {
		struct child *child = &master->workers[i];

		if (child == self)
			continue;
		listener_set_close(&child->listeners);
		if (child->ready_fd >= 0)
			close(child->ready_fd);
	}
}

bool
master_has_ear(const struct master *master)
{
	return master->count > 1 && broker_settings_ear(&master->server->broker);
}

static struct cluster_hub
master_hub(const struct master *master)
{
	return (struct cluster_hub){.name = master->hub_name,
		.ear = master_has_ear(master) ? &master->server->broker : NULL,
		.keeper = master->count > 1 && master->server->sio.connection_state_recovery &&
			  !broker_settings_redis(&master->server->broker),
		.history = master->count > 1 && server_options_keep_history(master->server)};
}

static int
child_run_worker(struct master *master, struct child *child, int ready_fd)
{
	unsigned slot = (unsigned)(child - master->workers);
	struct place place = {
		.slot = slot,
		.doors = &master->doors,
		.listeners = &child->listeners,
		.host = master->server->front.host,
		.port = master->server->front.port,
		.hub = master_hub(master),
		.instance = master->instance,
		.stats = &master->pages[slot],
		.vitals = &master->vitals[slot],
		.log = master->log,
		.ticket_keys = master->ticket_keys,
		.backends = &master->backends,
		.backend_urls = master->server->backend.urls,
		.edge = master->edge,
		.ready_fd = ready_fd,
	};
	struct worker_setup setup = *master->setup;

	child_prepare(master, child, "sockeye-worker");
	close(master->hub_fd);
	listener_set_close(&master->admin);
	doors_keep(&master->doors, slot);
	log_set_origin("worker", slot);
	setup.place = &place;
	setup.notify = NULL;
	return (int)worker_run(&setup);
}

static int
child_run_hub(struct master *master)
{
	struct hub_process_setup setup = {
		.listening_fd = master->hub_fd,
		.admin = &master->admin,
		.pages = master->pages,
		.exec = exec_stats(master->exec),
		.log = master->log,
		.life = hub_watch_life(master->hub_watch),
		.workers = master->count,
		.api = &master->setup->options->api,
		.server = master->server,
		.hub = master_hub(master),
	};

	child_prepare(master, NULL, "sockeye-hub");
	backend_addresses_close(&master->backends);
	doors_close(&master->doors);
	return hub_process_run(&setup);
}

static bool
child_had_served(const struct master *master, const struct child *child)
{
	return child != &master->hub &&
	       atomic_load_explicit(&master->vitals[child - master->workers].served, memory_order_relaxed);
}

void
master_child_failed(const struct master *master, struct child *child)
{
	pause_fail(&child->pause, master_now(), child_had_served(master, child));
}

void
master_child_start(struct master *master, struct child *child)
{
	int ready[2] = {-1, -1};

	pause_start(&child->pause, master_now());
	if (child != &master->hub)
		memset(&master->vitals[child - master->workers], 0, sizeof master->vitals[0]);
	if (child != &master->hub && pipe2(ready, O_CLOEXEC) < 0)
		goto failed;
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0) {
		if (ready[0] >= 0)
			close(ready[0]);
		exit(child == &master->hub ? child_run_hub(master) : child_run_worker(master, child, ready[1]));
	}
	if (child->pid < 0)
		goto failed;
	if (ready[1] >= 0)
		close(ready[1]);
	child->ready_fd = ready[0];
	child->ready = child == &master->hub;
	if (child == &master->hub)
		hub_watch_started(master->hub_watch, child->pid);
	return;
failed:
	log_event(LOG_ERROR, "fork", "error", LOG_STR(strerror(errno)), NULL);
	if (ready[0] >= 0) {
		close(ready[0]);
		close(ready[1]);
	}
	child->pid = 0;
	master_child_failed(master, child);
}
