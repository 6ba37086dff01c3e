/*
 * sockeye_test.h: tests an application within one process. The test calls functions that act as clients, and moves
 * the clock itself.
 *
 * A test program links the application, libsockeye_test.a, libsockeye and libev:
 *
 *     cc hello_test.c hello.c -lsockeye_test -lsockeye -lev -o hello_test
 *
 * It contains the application's sio_app(), and sio_app_options if there are any. docs/application.md has an example.
 *
 * The clock: sio_test_start() stops the time of the calling thread. From then on, only sio_test_advance() moves it.
 * This applies to the server, to libev, and to clock_gettime(), gettimeofday() and time(). Other threads get the true
 * time.
 *
 * The clients connect by WebSocket to a port of 127.0.0.1 and answer heartbeats. Arguments of events are JSON texts
 * without the array's brackets: "\"hello\",1"; NULL or "" means that there are none. Returned texts are JSON arrays
 * with their brackets. They are valid until the next call for that client. A function that waits for the server gives
 * up after 30 seconds of true time, so only a failing test waits that long.
 *
 * Mistakes of the test (a malformed option, an application that does not start) end the program with a line on
 * stderr.
 */
#ifndef SOCKEYE_TEST_H
#define SOCKEYE_TEST_H

#include <sockeye.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sio_test sio_test;
typedef struct sio_test_client sio_test_client;

/*
 * Starts a server with the application. `options` is an array of alternating names and values that ends with NULL, or
 * NULL for no options. Only one server can run at a time.
 */
sio_test *sio_test_start(const char *const options[]);
/* Disconnects the clients, closes the server (which calls the functions of sio_on_stop()), and frees everything. */
void sio_test_end(sio_test *test);
sio_server *sio_test_server(const sio_test *test);

/* Moves the clock by `ms`, in steps of 10 ms, so that timers run in order and clients answer heartbeats. */
void sio_test_advance(sio_test *test, unsigned ms);

/*
 * Connects a client to a namespace ("/" or NULL: the default one) with `auth`, a JSON object (NULL: none), and waits
 * for the answer. Never returns NULL; see sio_test_refusal(). The client lives until sio_test_end().
 */
sio_test_client *sio_test_connect(sio_test *test, const char *nsp, const char *auth);
/* The data of connect_error, a JSON object such as {"message":"Unauthorized"}; NULL if the client was admitted. */
const char *sio_test_refusal(const sio_test_client *client);
/* Returns false once the server has disconnected the client. Waits as sio_test_heard() does. */
bool sio_test_connected(sio_test_client *client);
const char *sio_test_id(const sio_test_client *client); /* socket.id; "" if it was refused */
void sio_test_disconnect(sio_test_client *client);

/* Sends an event. */
void sio_test_emit(sio_test_client *client, const char *event, const char *args);
/* Sends an event and waits for its acknowledgement. Returns the acknowledgement's arguments; NULL if none arrives. */
const char *sio_test_ask(sio_test_client *client, const char *event, const char *args);
/* The same in two calls, so that a test can act in between. */
void sio_test_ask_begin(sio_test_client *client, const char *event, const char *args);
const char *sio_test_ask_end(sio_test_client *client);

/*
 * Returns the arguments of the oldest event with this name that the client has received and that no call has returned
 * yet. sio_test_next() waits for one, and returns NULL if none comes. sio_test_heard() waits only until the server
 * has read everything that the clients have sent, and this client has received everything that the server has sent by
 * then.
 */
const char *sio_test_next(sio_test_client *client, const char *event);
const char *sio_test_heard(sio_test_client *client, const char *event);
/* Acknowledges the event that one of the two functions returned last. Does nothing if no acknowledgement was
 * requested. */
void sio_test_answer(sio_test_client *client, const char *args);

#ifdef __cplusplus
}
#endif

#endif
