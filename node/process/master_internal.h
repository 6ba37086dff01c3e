/*
 * The state of the master, shared by its files: master.c has its life, with a table; master_child.c forks;
 * master_open.c opens what must exist before the first fork.
 */
#ifndef NODE_PROCESS_MASTER_INTERNAL_H
#define NODE_PROCESS_MASTER_INTERNAL_H

#include <poll.h>
#include <sys/types.h>

#include "broker/hub.h"
#include "common/io/listener.h"
#include "common/io/tls.h"
#include "node/backend/backend.h"
#include "node/process/care.h"
#include "node/process/exec.h"
#include "node/process/hub_watch.h"
#include "node/process/worker.h"
#include "node/process/pause.h"
#include "node/process/place.h"
#include "node/process/server.h"

enum phase { STARTING, SERVING, STOPPING, ENDING };

struct child {
	pid_t pid;    /* 0: not running */
	int ready_fd; /* -1 once it is ready */
	bool ready;
	struct pause pause; /* while not running: when to fork */
	struct listener_set listeners;
};

struct master {
	const struct worker_setup *setup;
	struct server_options *server;
	pid_t pid;
	int signal_fd;
	int hub_fd;
	char hub_name[HUB_NAME_MAX];
	enum phase phase;
	int code;
	bool draining;	   /* STOPPING: the workers have got the signal */
	uint64_t kill_at;  /* 0: never */
	uint64_t alive_at; /* next notify_alive(); 0: never */
	uint64_t stopping_since;
	uint64_t drain_ms;
	uint16_t port;
	struct worker_ready face; /* of the first worker */
	struct doors doors;
	struct child hub;
	unsigned count;
	struct child *workers;
	struct pollfd *polls;
	struct listener_set admin;
	struct backend_addresses backends;
	char edge[BACKEND_EDGE_MAX + 1];   /* the node's name for backends */
	char instance[BEAT_ID_LENGTH + 1]; /* of this run, by which its workers are known as one node */
	struct stats_page *pages;	   /* one per worker */
	struct vitals *vitals;		   /* likewise */
	struct care *care;
	struct hub_watch *hub_watch;
	struct exec *exec; /* NULL: no --exec */
	struct log_control *log;
	uint8_t ticket_keys[TLS_TICKET_KEYS];
};

/* Milliseconds of the monotonic clock. */
uint64_t master_now(void);

/* Returns 0, or a negative error with one line in `error`. Call master_close() in either case. */
int master_open(struct master *master, char error[OPTION_ERROR_MAX]);
void master_close(struct master *master);
/* Closes the master's copies of the listeners for clients; the workers have their own. */
void master_close_listeners(struct master *master);

/* Forks a worker or the hub. If the fork fails, master_start_due() tries again later. */
void master_child_start(struct master *master, struct child *child);
/* The child has ended or could not be forked: sets the time of its next start. */
void master_child_failed(const struct master *master, struct child *child);

#endif
