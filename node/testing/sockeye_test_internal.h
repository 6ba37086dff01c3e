/*
 * What the files of libsockeye_test share. Their functions have the prefix sockeye_test_, because they are visible to
 * the tests of applications, which are linked with them. Calls go one way: sockeye_test.c to sockeye_test_client.c,
 * both to sockeye_test_clock.c.
 */
#ifndef NODE_TESTING_SOCKEYE_TEST_INTERNAL_H
#define NODE_TESTING_SOCKEYE_TEST_INTERNAL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "node/sockeye_test.h"

#define SOCKEYE_TEST_PATIENCE_S 30 /* real time after which a wait fails */

/* An event that a client has received. */
struct received {
	char *name, *args;
	char *ack; /* number of the requested acknowledgement as text; "": not requested */
	struct received *next;
};

struct sio_test_client {
	sio_test *test;
	sio_test_client *next;
	int fd; /* -1: closed */
	char *in;
	size_t in_len, in_size;
	bool upgraded;	  /* the reply 101 has arrived */
	bool answered;	  /* the server has admitted or refused the client */
	char prefix[600]; /* between the type and the rest of a packet: "" or "/namespace," */
	char *auth, *id, *refusal;
	struct received *events; /* oldest first */
	struct received last;	 /* the event that was returned last */
	unsigned acks;		 /* number of the last acknowledgement that the client requested */
	unsigned pings, pongs;	 /* WebSocket pings sent, and pongs received */
	char *acked;		 /* arguments of the acknowledgement with the number `acks`; NULL: not received yet */
};

struct sio_test {
	struct ev_loop *ev;
	sio_server *io;
	sio_test_client *clients;
	bool closed;
};

/* Prints one line on standard error, and ends the program. */
_Noreturn void sockeye_test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Return zeroed memory, and a copy of `n` bytes as text, which the caller frees. If memory is short, they end the
 * program.
 */
void *sockeye_test_alloc(size_t size);
char *sockeye_test_text(const char *at, size_t n);
/* Frees *text, and makes it own `with`, which may be NULL. */
void sockeye_test_replace_text(char **text, char *with);

/* Stops the clock. It continues where an earlier test left it, because a monotonic clock must not go back. */
void sockeye_test_clock_stop(void);
void sockeye_test_clock_move(unsigned ms);
/* Returns the real monotonic time in seconds. */
double sockeye_test_seconds(void);

/* Closes the connection. The client and what it has received stay. */
void sockeye_test_client_close(sio_test_client *client);
/* Closes and frees the client, which is in no list. */
void sockeye_test_client_free(sio_test_client *client);
/*
 * Send bytes, a frame and a text frame. While the server has to read first, turns of its loop run. The client closes
 * if that takes more than SOCKEYE_TEST_PATIENCE_S.
 */
void sockeye_test_client_write(sio_test_client *client, const void *bytes, size_t n);
void sockeye_test_client_send_frame(sio_test_client *client, unsigned opcode, const char *text, size_t n);
void sockeye_test_client_send(sio_test_client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads and handles what has arrived. Returns false if nothing has arrived. */
bool sockeye_test_client_read(sio_test_client *client);
/* Removes the oldest event of this name and returns its arguments, or NULL if there is no such event. */
const char *sockeye_test_client_take_event(sio_test_client *client, const char *name);

#endif
