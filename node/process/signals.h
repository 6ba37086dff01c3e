/*
 * The signals of a serving program. SIGTERM and SIGINT stop it gracefully, a second one stops it at once. A second
 * one within SIGNALS_SAME_MS counts as the first: timeout(1) and npm signal the process and then its group. A child
 * of a master ignores SIGINT and a second SIGTERM, as a supervisor may signal all processes of a group. SIGHUP
 * reloads files, SIGUSR1 sends some clients away, SIGUSR2 starts the program that replaces this one, SIGTTIN changes
 * the log level. SIGPIPE is ignored, as writing to a closed connection is normal. Signals may be blocked before
 * signals_init(), so that no signal is lost.
 */
#ifndef NODE_PROCESS_SIGNALS_H
#define NODE_PROCESS_SIGNALS_H

#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define SIGNALS_SAME_MS 100

struct signals {
	struct ev_signal term, interrupt, hup, usr1, usr2, ttin;
	bool stopping;
	uint64_t stopping_since; /* monotonic ms */
	bool has_master;	 /* the master also gets the signals of a terminal or a process group, and directs the
				    children */
	int stop_signal;	 /* 0: SIGTERM; otherwise SIGTERM is ignored */
	void (*on_stop)(void *arg);    /* called once */
	void (*on_reload)(void *arg);  /* NULL: SIGHUP is ignored */
	void (*on_shed)(void *arg);    /* NULL: SIGUSR1 is ignored */
	void (*on_upgrade)(void *arg); /* NULL: SIGUSR2 is ignored */
	void (*on_log)(void *arg);     /* NULL: SIGTTIN is ignored */
	void *arg;
};

/* Sets the signals that a serving program or its master handles. The master blocks them and uses signalfd(). */
void signals_ours(sigset_t *out);

/* Set the callbacks, arg, has_master and stop_signal first. The watchers do not keep the loop running. */
void signals_init(struct signals *signals, struct ev_loop *ev);
/*
 * Ends the watchers. Until the process ends, which it must do soon, SIGTERM and SIGINT stop it at once, again not
 * within SIGNALS_SAME_MS of the first one. The other signals are ignored.
 */
void signals_fini(struct signals *signals, struct ev_loop *ev);

#endif
