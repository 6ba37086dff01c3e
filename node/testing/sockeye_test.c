/*
 * The functions of sockeye_test.h. The server is the real one and listens on a port, so a test sees what clients see.
 * Only the clock is replaced (sockeye_test_clock.c).
 *
 * A client is a socket (sockeye_test_client.c). The test, the server and the clients share one thread: while a client
 * waits, this file runs turns of the server's loop.
 */
#include "node/sockeye_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/testing/sockeye_test_internal.h"

#define IDLE_US 50     /* real time between two turns if nothing happened */
#define STEP_MS 10     /* the clock moves by at most this much per turn */
#define SETTLE_MS 1000 /* after so much time of the moved clock, sio_test_advance() waits for all clients */

extern const sio_option sio_app_options[] __attribute__((weak)); /* NULL: the application declares no options */

/* ------------------------------------------------------------------ waiting */

/* Runs one turn of the server, and lets every client read. Returns true if a client has read something. */
static bool
test_turn(sio_test *test)
{
	bool busy = false;

	ev_run(test->ev, EVRUN_NOWAIT);
	for (sio_test_client *client = test->clients; client; client = client->next)
		while (sockeye_test_client_read(client))
			busy = true;
	return busy;
}

/* Runs turns until `done` returns true. Returns false if the client closes first, or after SOCKEYE_TEST_PATIENCE_S.
 */
static bool
client_await(sio_test_client *client, bool (*done)(const sio_test_client *client))
{
	double late = sockeye_test_seconds() + SOCKEYE_TEST_PATIENCE_S;

	while (!done(client)) {
		if (client->fd < 0 || sockeye_test_seconds() > late)
			return false;
		if (!test_turn(client->test))
			usleep(IDLE_US);
	}
	return true;
}

static bool
client_is_answered(const sio_test_client *client)
{
	return client->answered;
}

static bool
client_is_acked(const sio_test_client *client)
{
	return client->acked != NULL;
}

static bool
client_has_pong(const sio_test_client *client)
{
	return client->pongs == client->pings;
}

/*
 * Waits until the client has received what the server has sent: the pong follows everything sent before. A second
 * ping covers what the server deferred to its next turn.
 */
static void
client_settle(sio_test_client *client)
{
	for (unsigned i = 0; i < 2 && client->fd >= 0; i++) {
		client->pings++;
		sockeye_test_client_send_frame(client, 9, "", 0);
		client_await(client, client_has_pong);
	}
}

static void
test_settle(sio_test *test)
{
	for (sio_test_client *client = test->clients; client; client = client->next)
		client_settle(client);
}

/* Like client_settle(), but the server first reads what all clients have sent. */
static void
client_settle_after_all(sio_test_client *client)
{
	test_settle(client->test);
	client_settle(client);
}

/* ---------------------------------------------------------------------- API */

sio_test *
sio_test_start(const char *const options[])
{
	sio_test *test = sockeye_test_alloc(sizeof *test);
	char error[SIO_ERROR_LINE];
	int result;

	sockeye_test_clock_stop();
	test->ev = ev_loop_new(EVFLAG_AUTO);
	test->io = sio_server_new(test->ev);
	if (sio_set_option(test->io, "host", "127.0.0.1", error) != 0 ||
		sio_set_option(test->io, "port", "0", error) != 0)
		sockeye_test_fail("%s", error);
	if (sio_app_options && sio_declare_options(test->io, sio_app_options, error) != 0)
		sockeye_test_fail("%s", error);
	for (; options && options[0]; options += 2)
		if (sio_set_option(test->io, options[0], options[1], error) != 0)
			sockeye_test_fail("%s", error);
	result = sio_app(test->io);
	if (result != 0)
		sockeye_test_fail("sio_app() returned %d", result);
	if (sio_listen(test->io, error) != 0)
		sockeye_test_fail("%s", error);
	return test;
}

static void
test_on_closed(sio_server *io, void *arg)
{
	(void)io;
	((sio_test *)arg)->closed = true;
}

void
sio_test_end(sio_test *test)
{
	double late = sockeye_test_seconds() + SOCKEYE_TEST_PATIENCE_S;
	sio_test_client *client;

	for (client = test->clients; client; client = client->next)
		sockeye_test_client_close(client);
	sio_close(test->io, test_on_closed, test);
	while (!test->closed) {
		if (sockeye_test_seconds() > late)
			sockeye_test_fail("the server does not close");
		sockeye_test_clock_move(STEP_MS);
		if (!test_turn(test))
			usleep(IDLE_US);
	}
	sio_server_free(test->io);
	ev_loop_destroy(test->ev);
	while ((client = test->clients) != NULL) {
		test->clients = client->next;
		sockeye_test_client_free(client);
	}
	free(test);
}

sio_server *
sio_test_server(const sio_test *test)
{
	return test->io;
}

/*
 * The kernel may need real time to pass bytes on. Every SETTLE_MS, the function therefore waits for all clients, so
 * that no heartbeat is late.
 */
void
sio_test_advance(sio_test *test, unsigned ms)
{
	unsigned unsettled = 0;

	while (ms > 0) {
		unsigned step = ms < STEP_MS ? ms : STEP_MS;

		sockeye_test_clock_move(step);
		test_turn(test);
		ms -= step;
		unsettled += step;
		if (unsettled >= SETTLE_MS || ms == 0) {
			test_settle(test);
			unsettled = 0;
		}
	}
}

sio_test_client *
sio_test_connect(sio_test *test, const char *nsp, const char *auth)
{
	sio_test_client *client = sockeye_test_alloc(sizeof *client), **end = &test->clients;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(sio_port(test->io))};
	char head[1024];

	client->test = test;
	client->auth = sockeye_test_text(auth ? auth : "", auth ? strlen(auth) : 0);
	client->id = sockeye_test_text("", 0);
	if (nsp && strcmp(nsp, "/") != 0)
		snprintf(client->prefix, sizeof client->prefix, "%s%.500s,", nsp[0] == '/' ? "" : "/", nsp);
	while (*end)
		end = &(*end)->next;
	*end = client;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0)
		sockeye_test_fail("cannot connect to the server: %s", strerror(errno));
	snprintf(head, sizeof head,
		"GET %s/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: "
		"Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		sio_option_text(test->io, "path"));
	sockeye_test_client_write(client, head, strlen(head));
	client_await(client, client_is_answered);
	return client;
}

const char *
sio_test_refusal(const sio_test_client *client)
{
	return client->answered ? client->refusal : "\"no answer\"";
}

bool
sio_test_connected(sio_test_client *client)
{
	client_settle_after_all(client);
	return client->fd >= 0 && client->id[0] != '\0';
}

const char *
sio_test_id(const sio_test_client *client)
{
	return client->id;
}

void
sio_test_disconnect(sio_test_client *client)
{
	const sio_server *io = client->test->io;
	double late = sockeye_test_seconds() + SOCKEYE_TEST_PATIENCE_S;
	unsigned before;

	/* the server reads everything first, because closing could discard unread bytes */
	client_settle_after_all(client);
	before = sio_clients_count(io);
	if (client->fd < 0)
		return;
	sockeye_test_client_close(client);
	while (sio_clients_count(io) >= before && sockeye_test_seconds() < late)
		if (!test_turn(client->test))
			usleep(IDLE_US);
	test_settle(client->test);
}

void
sio_test_emit(sio_test_client *client, const char *event, const char *args)
{
	sockeye_test_client_send(
		client, "42%s[\"%s\"%s%s]", client->prefix, event, args && args[0] ? "," : "", args ? args : "");
}

void
sio_test_ask_begin(sio_test_client *client, const char *event, const char *args)
{
	sockeye_test_replace_text(&client->acked, NULL);
	sockeye_test_client_send(client, "42%s%u[\"%s\"%s%s]", client->prefix, ++client->acks, event,
		args && args[0] ? "," : "", args ? args : "");
}

const char *
sio_test_ask_end(sio_test_client *client)
{
	client_await(client, client_is_acked);
	return client->acked;
}

const char *
sio_test_ask(sio_test_client *client, const char *event, const char *args)
{
	sio_test_ask_begin(client, event, args);
	return sio_test_ask_end(client);
}

const char *
sio_test_next(sio_test_client *client, const char *event)
{
	double late = sockeye_test_seconds() + SOCKEYE_TEST_PATIENCE_S;
	const char *args;

	while (!(args = sockeye_test_client_take_event(client, event)) && client->fd >= 0 &&
		sockeye_test_seconds() < late)
		if (!test_turn(client->test))
			usleep(IDLE_US);
	return args;
}

const char *
sio_test_heard(sio_test_client *client, const char *event)
{
	client_settle_after_all(client);
	return sockeye_test_client_take_event(client, event);
}

void
sio_test_answer(sio_test_client *client, const char *args)
{
	if (client->last.ack && client->last.ack[0])
		sockeye_test_client_send(client, "43%s%s[%s]", client->prefix, client->last.ack, args ? args : "");
}
