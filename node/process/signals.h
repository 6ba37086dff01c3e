/*
 * The signals of a serving program: SIGTERM and SIGINT stop it in good order, a second one at once; the child of a
 * master ignores SIGINT and a second SIGTERM, since a supervisor may signal all processes of a group. SIGHUP reads
 * files again; SIGUSR1 sends some clients away; SIGUSR2 is for the level of the log; SIGPIPE is ignored, since
 * writing to a closed connection is an everyday error. They may be blocked before, so that none is lost.
 */
#ifndef NODE_PROCESS_SIGNALS_H
#define NODE_PROCESS_SIGNALS_H

#include <ev.h>
#include <signal.h>
#include <stdbool.h>

struct signals {
	struct ev_signal term, interrupt, hup, usr1, usr2;
	bool stopping;
	bool has_master; /* who gets the signals of a terminal and of a process group too, and says what to do */
	int stop_signal; /* 0: SIGTERM; else that one is ignored, as is SIGINT */
	void (*on_stop)(void *arg);   /* once */
	void (*on_reload)(void *arg); /* NULL: SIGHUP is ignored */
	void (*on_shed)(void *arg);   /* NULL: SIGUSR1 is ignored */
	void (*on_log)(void *arg);    /* NULL: SIGUSR2 is ignored */
	void *arg;
};

/* Those that mean something to a serving program or its master, who blocks them and reads them from a descriptor. */
void signals_ours(sigset_t *out);

/* Fill on_stop, on_reload and arg before. The watchers do not keep the loop alive. */
void signals_init(struct signals *s, struct ev_loop *ev);
void signals_fini(struct signals *s, struct ev_loop *ev);

#endif
