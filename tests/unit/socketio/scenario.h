/*
 * A scenario is a script of clients' sessions with the runtime. Each line begins with its kind:
 *
 *   >text      the client sends this text; the turn ends
 *   >>text     the same, but the turn goes on
 *   (hex       the client sends these bytes; the turn ends. "((hex": the turn goes on
 *   <text      expects this message to the client; see below
 *   =text      expects this line of the application's log; a "*" at the end matches anything
 *   &n         the next lines are about client n, which is opened if necessary
 *   ;          the client's next message arrived with the one before, but is handled in this turn
 *   %          the client's transport is busy from now on
 *   +ms        this time passes
 *   ~n         the engine ends the session with reason n (enum eio_close_reason)
 *   :command   the application executes a command (app_command())
 *   .          the turn ends
 *
 * In an expected message, "*" stands for the value of "sid", "(hex" for binary data and "!" for a close. "raw" marks
 * a message that is not compressed. After a command the turn ends, unless the command contains "now".
 *
 * Each message and log line must be expected before the next action.
 */
#ifndef TESTS_UNIT_SOCKETIO_SCENARIO_H
#define TESTS_UNIT_SOCKETIO_SCENARIO_H

struct scenario {
	const char *name, *script;
	unsigned options; /* options of the server, see below */
};

/* CLEANUP removes empty child namespaces. SMALL sets low limits. FEW_REFUSED allows three refused CONNECTs. */
enum { CLEANUP = 1, SMALL = 2, FEW_REFUSED = 4 };

/* The client joins "/". */
#define CONNECTED                                                                                                    \
	">0\n"                                                                                                       \
	"<0{\"sid\":\"*\"}\n"                                                                                        \
	"=connection /\n"

/* What the application hears when a socket leaves a namespace: each line once, in this order. */
#define LEFT(nsp, reason)                                                                                            \
	"=disconnecting " nsp ": " reason "\n"                                                                       \
	"=rooms 1 connected 1\n"                                                                                     \
	"=disconnect " nsp ": " reason "\n"                                                                          \
	"=rooms 0 connected 0\n"

#endif
