/* Forking: what a child of the master lets go and what it becomes, and when one that has ended is forked again. */
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

/* In the child: what is the master's or a sibling's is let go, and the master's death is its own. */
static void
become_child(struct master *m, const struct child *self, const char *name)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != m->pid) /* it died before it could be asked for */
		_exit(EXIT_NO_START);
	prctl(PR_SET_NAME, name);
	close(m->signal_fd);
	care_free(m->care);
	m->care = NULL;
	exec_forget(m->exec);
	for (unsigned i = 0; i < m->count; i++) {
		struct child *c = &m->workers[i];

		if (c == self)
			continue;
		listener_set_close(&c->listeners);
		if (c->ready_fd >= 0)
			close(c->ready_fd);
	}
}

static int
run_worker(struct master *m, struct child *c, int ready_fd)
{
	unsigned slot = (unsigned)(c - m->workers);
	struct place place = {
		.slot = slot,
		.doors = &m->doors,
		.listeners = &c->listeners,
		.host = m->server->front.host,
		.port = m->server->front.port,
		.hub_name = m->hub_name,
		.stats = &m->pages[slot],
		.vitals = &m->vitals[slot],
		.log = m->log,
		.ticket_keys = m->ticket_keys,
		.backends = &m->backends,
		.backend_urls = m->server->backend.urls,
		.edge = m->edge,
		.ready_fd = ready_fd,
	};
	struct worker_setup setup = *m->setup;

	become_child(m, c, "sockeye-worker");
	close(m->hub_fd);
	listener_set_close(&m->admin);
	doors_keep(&m->doors, slot);
	log_set_origin("worker", slot);
	setup.place = &place;
	return (int)worker_run(&setup);
}

static int
run_hub(struct master *m)
{
	struct hub_process_setup setup = {
		.listening_fd = m->hub_fd,
		.admin = &m->admin,
		.pages = m->pages,
		.exec = exec_stats(m->exec),
		.log = m->log,
		.workers = m->count,
		.api = &m->setup->options->api,
		.server = m->server,
		.hub_name = m->hub_name,
	};

	become_child(m, NULL, "sockeye-hub");
	backend_addresses_close(&m->backends);
	doors_close(&m->doors);
	return hub_process_run(&setup);
}

static bool
had_served(const struct master *m, const struct child *c)
{
	return c != &m->hub && atomic_load_explicit(&m->vitals[c - m->workers].served, memory_order_relaxed);
}

void
master_child_failed(const struct master *m, struct child *c)
{
	pause_fail(&c->pause, master_now(), had_served(m, c));
}

void
master_child_start(struct master *m, struct child *c)
{
	int ready[2] = {-1, -1};

	pause_start(&c->pause, master_now());
	if (c != &m->hub)
		memset(&m->vitals[c - m->workers], 0, sizeof m->vitals[0]);
	if (c != &m->hub && pipe2(ready, O_CLOEXEC) < 0)
		goto no;
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0) {
		if (ready[0] >= 0)
			close(ready[0]);
		exit(c == &m->hub ? run_hub(m) : run_worker(m, c, ready[1]));
	}
	if (c->pid < 0)
		goto no;
	if (ready[1] >= 0)
		close(ready[1]);
	c->ready_fd = ready[0];
	c->ready = c == &m->hub;
	return;
no:
	log_event(LOG_ERROR, "fork", "error", LOG_STR(strerror(errno)), NULL);
	if (ready[0] >= 0) {
		close(ready[0]);
		close(ready[1]);
	}
	c->pid = 0;
	master_child_failed(m, c);
}
