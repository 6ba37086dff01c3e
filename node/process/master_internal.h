/*
 * The state of the master, shared by its files: master.c has the state table of its life; master_child.c forks;
 * master_open.c opens the sockets and memory that must exist before the first fork; master_upgrade.c starts the
 * program that replaces this one.
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

/* The state of an upgrade, see master_upgrade.c. */
struct upgrade {
	int channel;	     /* to the other program, new or old; -1: no other program runs */
	pid_t pid;	     /* of the new program; 0: no new program runs */
	uint64_t give_up_at; /* when the new program is killed if it is not ready; 0: never */
};

struct master {
	const struct worker_setup *setup;
	const struct notify *notify; /* NULL once the successor speaks to the supervisor */
	struct server_options *server;
	pid_t pid;
	int signal_fd;
	int hub_fd;
	char hub_name[HUB_NAME_MAX];
	enum phase phase;
	int code;
	bool draining;	  /* STOPPING: the workers have got the signal */
	bool succeeded;	  /* STOPPING, ENDING: another program has taken the port over */
	bool hub_taken;	  /* as `succeeded`, and the other program's hub serves this program's workers */
	bool has_old_hub; /* this program's hub has taken over the address of the old one */
	struct upgrade upgrade;
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

/* Returns true if the hub subscribes at Redis. A single worker subscribes by itself, which saves a hop. */
bool master_has_ear(const struct master *master);

/* Tells the supervisor that the master serves. */
void master_notify_ready(const struct master *master);
/* Changes the phase from SERVING to STOPPING. */
void master_begin_stopping(struct master *master);

/*
 * For the old program, on SIGUSR2, and on SIGHUP with a new application: starts the new program. Returns false, after
 * an error line, if it cannot be started.
 */
bool master_upgrade_start(struct master *master);
/* Returns true if the process that has ended was the new program. */
bool master_upgrade_ended(struct master *master, pid_t pid, int status);
/* For a master that stops: ends a new program that is not ready. */
void master_upgrade_cancel(struct master *master);
/* Kills a new program that is not ready in time. */
void master_upgrade_look(struct master *master);
/*
 * For the new program: take over what the old program hands on. The first function takes the channel, the name of the
 * node and the hub's address, and must run before doors_open(). The second takes the doors and must run after it.
 */
void master_upgrade_inherit(struct master *master);
void master_upgrade_inherit_doors(struct master *master);
/*
 * For the new program, when all workers are ready: reports this to the old program, which answers when it has stopped
 * accepting. Returns true if the report was sent.
 */
bool master_upgrade_report(struct master *master);
/* For both programs: call it when the channel is readable. */
void master_upgrade_polled(struct master *master);

/* Forks a worker or the hub. If the fork fails, master_start_due() tries again later. */
void master_child_start(struct master *master, struct child *child);
/* The child has ended or could not be forked: sets the time of its next start. */
void master_child_failed(const struct master *master, struct child *child);

#endif
