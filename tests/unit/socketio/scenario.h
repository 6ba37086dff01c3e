/*
 * A scenario: sessions of clients against the runtime, as a script. Each line begins with what it is:
 *
 *   >text      the client sends this text; the turn ends
 *   >>text     the same, but the turn goes on
 *   (hex       the client sends these bytes; ((hex as above
 *   <text      the next message to the client ("sid" values show as *; "(hex" is binary, "!" a close, "raw" not
 *              compressed)
 *   =text      the next line of the application's log; a "*" at the end stands for anything
 *   &n         goes on as client n, which is opened when it is not there
 *   ;          what it sends next has come together with what it sent before, but is handled in this turn
 *   %          its transport is busy from now on
 *   +ms        time goes by
 *   ~n         the engine ends the session, reason n (enum eio_close_reason)
 *   :command   the application does something (app_command()); the turn ends, unless it says "now"
 *   .          the turn ends
 *
 * Whatever is sent or logged must be expected before the next thing happens.
 */
#ifndef TESTS_UNIT_SOCKETIO_SCENARIO_H
#define TESTS_UNIT_SOCKETIO_SCENARIO_H

struct scenario {
	const char *name, *script;
	unsigned options; /* of the server, below */
};

/* Empty child namespaces go; low limits; three refused CONNECTs are one too many for a fourth. */
enum { CLEANUP = 1, SMALL = 2, FEW_REFUSED = 4 };

/* The client joins "/". */
#define CONNECTED                                                                                                    \
	">0\n"                                                                                                       \
	"<0{\"sid\":\"*\"}\n"                                                                                        \
	"=connection /\n"

/* The application is told, once and in order, that a socket left a namespace. */
#define LEFT(nsp, reason)                                                                                            \
	"=disconnecting " nsp ": " reason "\n"                                                                       \
	"=rooms 1 connected 1\n"                                                                                     \
	"=disconnect " nsp ": " reason "\n"                                                                          \
	"=rooms 0 connected 0\n"

#endif
