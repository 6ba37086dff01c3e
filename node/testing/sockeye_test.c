/*
 * The server is the real one and listens on a port, so a test sees what clients see. Only the clock is replaced: this
 * file defines the functions that read it, and the linker prefers a program's own definitions to those of the C
 * library.
 *
 * A client is a socket. The test, the server and the clients share one thread: while a client waits, this file runs
 * turns of the server's loop.
 */
#include "node/sockeye_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 30  /* real time after which a wait fails */
#define IDLE_US 50     /* real time between two turns if nothing happened */
#define STEP_MS 10     /* the clock moves by at most this much per turn */
#define SETTLE_MS 1000 /* after so much time of the moved clock, sio_test_advance() waits for all clients */
#define NS_PER_S 1000000000
#define PONG 0xA    /* opcode, RFC 6455 5.2 */
#define MASKED 0x80 /* bit of the second byte of a frame */

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

extern const sio_option sio_app_options[] __attribute__((weak)); /* NULL: the application declares no options */

/* -------------------------------------------------------------------- clock */

static _Thread_local bool is_faked;
static _Thread_local struct timespec faked[2]; /* CLOCK_REALTIME, CLOCK_MONOTONIC */

static int
true_clock(clockid_t clock, struct timespec *out)
{
	return (int)syscall(SYS_clock_gettime, clock, out);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	if (!is_faked || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE &&
				 clock != CLOCK_REALTIME_COARSE))
		return true_clock(clock, out);
	*out = faked[clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE];
	return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* Stops the clock. It continues where an earlier test left it, because a monotonic clock must not go back. */
static void
clock_stop(void)
{
	if (faked[1].tv_sec == 0) {
		true_clock(CLOCK_REALTIME, &faked[0]);
		true_clock(CLOCK_MONOTONIC, &faked[1]);
	}
	is_faked = true;
}

static void
clock_move(unsigned ms)
{
	for (unsigned i = 0; i < 2; i++) {
		faked[i].tv_nsec += (long)ms % 1000 * 1000000;
		faked[i].tv_sec += ms / 1000 + faked[i].tv_nsec / NS_PER_S;
		faked[i].tv_nsec %= NS_PER_S;
	}
}

static double
true_seconds(void)
{
	struct timespec now;

	true_clock(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

/* -------------------------------------------------------------------- texts */

static _Noreturn void __attribute__((format(printf, 1, 2))) test_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("sockeye_test: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void *
test_alloc(size_t size)
{
	void *at = calloc(1, size);

	if (!at)
		test_fail("out of memory");
	return at;
}

static char *
test_text(const char *at, size_t n)
{
	char *text = test_alloc(n + 1);

	memcpy(text, at, n);
	return text;
}

static void
replace_text(char **text, char *with)
{
	free(*text);
	*text = with;
}

/* Returns the length of the JSON string that begins `text`, quotes included; 0 if `text` begins differently. */
static size_t
json_string_length(const char *text)
{
	size_t i = 1;

	if (text[0] != '"')
		return 0;
	while (text[i] && text[i] != '"')
		i += text[i] == '\\' && text[i + 1] ? 2 : 1;
	return text[i] ? i + 1 : 0;
}

/* ------------------------------------------------------------------ sending */

static void
client_close(sio_test_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static void
client_write(sio_test_client *client, const void *bytes, size_t n)
{
	const char *at = bytes;
	double late = true_seconds() + PATIENCE_S;

	while (n > 0 && client->fd >= 0) {
		ssize_t written = send(client->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (written > 0) {
			at += written;
			n -= (size_t)written;
		} else if (errno == EAGAIN && true_seconds() < late) {
			ev_run(client->test->ev, EVRUN_NOWAIT); /* the server has to read first */
		} else {
			client_close(client);
		}
	}
}

/* Sends a frame (RFC 6455 5.2). The mask is 0, so the bytes stay as they are. */
static void
client_send_frame(sio_test_client *client, unsigned opcode, const char *text, size_t n)
{
	unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
	size_t length = 2;

	if (n < 126) {
		head[1] = (unsigned char)(MASKED | n);
	} else if (n < 65536) {
		head[1] = MASKED | 126;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)n;
		length = 4;
	} else {
		head[1] = MASKED | 127;
		for (unsigned i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)(n >> (56 - 8 * i));
		length = 10;
	}
	client_write(client, head, length + 4);
	client_write(client, text, n);
}

static void __attribute__((format(printf, 2, 3))) client_send(sio_test_client *client, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		test_fail("out of memory");
	client_send_frame(client, 1, text, (size_t)n);
	free(text);
}

/* ---------------------------------------------------------------- receiving */

/* Queues an event: `array` is the JSON array of its name and arguments. */
static void
client_on_event(sio_test_client *client, const char *ack, size_t ack_len, const char *array)
{
	struct received *event = test_alloc(sizeof *event), **end = &client->events;
	size_t n = array[0] == '[' ? json_string_length(array + 1) : 0;

	if (n < 2)
		test_fail("the server sent an event that the test client cannot read: %s", array);
	event->name = test_text(array + 2, n - 2);
	event->ack = test_text(ack, ack_len);
	if (array[1 + n] == ',') {
		event->args = test_text(array + 1 + n, strlen(array + 1 + n));
		event->args[0] = '[';
	} else {
		event->args = test_text("[]", 2);
	}
	while (*end)
		end = &(*end)->next;
	*end = event;
}

static void
client_on_admitted(sio_test_client *client, const char *json)
{
	const char *id = strstr(json, "\"sid\":\"");

	client->answered = true;
	if (id)
		replace_text(&client->id, test_text(id + 7, strcspn(id + 7, "\"")));
}

/* Handles a Socket.IO packet: type, attachments and a dash, namespace and a comma, number, JSON. */
static void
client_on_packet(sio_test_client *client, const char *packet)
{
	char type = packet[0];
	const char *at = packet + 1, *number;
	size_t prefix = strlen(client->prefix);

	if (type == '5' || type == '6')
		at += strcspn(at, "-") + 1;
	if (strncmp(at, client->prefix, prefix) == 0)
		at += prefix;
	else if (prefix > 0 && strncmp(at, client->prefix, prefix - 1) == 0)
		at += prefix - 1; /* a packet without data has no comma */
	number = at;
	at += strspn(at, "0123456789");
	if (type == '0') {
		client_on_admitted(client, at);
	} else if (type == '1') {
		client_close(client);
	} else if (type == '2' || type == '5') {
		client_on_event(client, number, (size_t)(at - number), at);
	} else if (type == '4') {
		client->answered = true;
		replace_text(&client->refusal, test_text(at, strlen(at)));
	} else if (strtoul(number, NULL, 10) == client->acks) {
		replace_text(&client->acked, test_text(at, strlen(at)));
	}
}

/* Handles an Engine.IO packet. */
static void
client_on_text(sio_test_client *client, const char *text)
{
	if (text[0] == '0')
		client_send(client, "40%s%s", client->prefix, client->auth);
	else if (text[0] == '2')
		client_send(client, "3");
	else if (text[0] == '4')
		client_on_packet(client, text + 1);
}

/* Handles the first frame. Returns its length, or 0 if it is not complete. Servers do not mask. */
static size_t
client_take_frame(sio_test_client *client)
{
	const unsigned char *at = (const unsigned char *)client->in;
	size_t head = 2, n;
	char *text;

	if (client->in_len < 2)
		return 0;
	n = at[1];
	head += n == 126 ? 2 : n == 127 ? 8 : 0;
	if (client->in_len < head)
		return 0;
	if (n > 125)
		n = 0;
	for (size_t i = 2; i < head; i++)
		n = n << 8 | at[i];
	if (client->in_len - head < n)
		return 0;
	if ((at[0] & 0xF) == 1) {
		text = test_text(client->in + head, n);
		client_on_text(client, text);
		free(text);
	} else if ((at[0] & 0xF) == PONG) {
		client->pongs++;
	} else if ((at[0] & 0xF) == 8) {
		client_close(client);
	}
	return head + n;
}

/* Handles the head of the reply to the upgrade. Returns its length, or 0 if it is not complete. */
static size_t
client_take_answer(sio_test_client *client)
{
	static const char status[] = "HTTP/1.1 101";
	char *end = memmem(client->in, client->in_len, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (strncmp(client->in, status, sizeof status - 1) != 0) {
		replace_text(&client->refusal, test_text(client->in, strcspn(client->in, "\r")));
		client->answered = true;
		client_close(client);
	}
	client->upgraded = true;
	return (size_t)(end + 4 - client->in);
}

/* Reads and handles what has arrived. Returns false if nothing has arrived. */
static bool
client_read(sio_test_client *client)
{
	ssize_t n;
	size_t used;

	if (client->fd < 0)
		return false;
	if (client->in_size - client->in_len < 4096) {
		client->in_size += 65536;
		client->in = realloc(client->in, client->in_size);
		if (!client->in)
			test_fail("out of memory");
	}
	n = recv(client->fd, client->in + client->in_len, client->in_size - client->in_len - 1, MSG_DONTWAIT);
	if (n < 0)
		return false;
	if (n == 0) {
		client_close(client);
		return true;
	}
	client->in_len += (size_t)n;
	client->in[client->in_len] = '\0';
	while ((used = client->upgraded ? client_take_frame(client) : client_take_answer(client)) > 0) {
		memmove(client->in, client->in + used, client->in_len - used + 1);
		client->in_len -= used;
	}
	return true;
}

/* ------------------------------------------------------------------ waiting */

/* Runs one turn of the server, and lets every client read. Returns true if a client has read something. */
static bool
test_turn(sio_test *test)
{
	bool busy = false;

	ev_run(test->ev, EVRUN_NOWAIT);
	for (sio_test_client *client = test->clients; client; client = client->next)
		while (client_read(client))
			busy = true;
	return busy;
}

/* Runs turns until `done` returns true. Returns false if the client closes first, or after PATIENCE_S. */
static bool
client_await(sio_test_client *client, bool (*done)(const sio_test_client *client))
{
	double late = true_seconds() + PATIENCE_S;

	while (!done(client)) {
		if (client->fd < 0 || true_seconds() > late)
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
		client_send_frame(client, 9, "", 0);
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
	sio_test *test = test_alloc(sizeof *test);
	char error[SIO_ERROR_LINE];
	int result;

	clock_stop();
	test->ev = ev_loop_new(EVFLAG_AUTO);
	test->io = sio_server_new(test->ev);
	if (sio_set_option(test->io, "host", "127.0.0.1", error) != 0 ||
		sio_set_option(test->io, "port", "0", error) != 0)
		test_fail("%s", error);
	if (sio_app_options && sio_declare_options(test->io, sio_app_options, error) != 0)
		test_fail("%s", error);
	for (; options && options[0]; options += 2)
		if (sio_set_option(test->io, options[0], options[1], error) != 0)
			test_fail("%s", error);
	result = sio_app(test->io);
	if (result != 0)
		test_fail("sio_app() returned %d", result);
	if (sio_listen(test->io, error) != 0)
		test_fail("%s", error);
	return test;
}

static void
test_on_closed(sio_server *io, void *arg)
{
	(void)io;
	((sio_test *)arg)->closed = true;
}

static void
received_clear(struct received *event)
{
	free(event->name);
	free(event->args);
	free(event->ack);
	*event = (struct received){NULL, NULL, NULL, NULL};
}

static void
client_free(sio_test_client *client)
{
	struct received *event;

	client_close(client);
	while ((event = client->events) != NULL) {
		client->events = event->next;
		received_clear(event);
		free(event);
	}
	received_clear(&client->last);
	free(client->in);
	free(client->auth);
	free(client->id);
	free(client->refusal);
	free(client->acked);
	free(client);
}

void
sio_test_end(sio_test *test)
{
	double late = true_seconds() + PATIENCE_S;
	sio_test_client *client;

	for (client = test->clients; client; client = client->next)
		client_close(client);
	sio_close(test->io, test_on_closed, test);
	while (!test->closed) {
		if (true_seconds() > late)
			test_fail("the server does not close");
		clock_move(STEP_MS);
		if (!test_turn(test))
			usleep(IDLE_US);
	}
	sio_server_free(test->io);
	ev_loop_destroy(test->ev);
	while ((client = test->clients) != NULL) {
		test->clients = client->next;
		client_free(client);
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

		clock_move(step);
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
	sio_test_client *client = test_alloc(sizeof *client), **end = &test->clients;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(sio_port(test->io))};
	char head[1024];

	client->test = test;
	client->auth = test_text(auth ? auth : "", auth ? strlen(auth) : 0);
	client->id = test_text("", 0);
	if (nsp && strcmp(nsp, "/") != 0)
		snprintf(client->prefix, sizeof client->prefix, "%s%.500s,", nsp[0] == '/' ? "" : "/", nsp);
	while (*end)
		end = &(*end)->next;
	*end = client;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0)
		test_fail("cannot connect to the server: %s", strerror(errno));
	snprintf(head, sizeof head,
		"GET %s/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: "
		"Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		sio_option_text(test->io, "path"));
	client_write(client, head, strlen(head));
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
	double late = true_seconds() + PATIENCE_S;
	unsigned before;

	/* the server reads everything first, because closing could discard unread bytes */
	client_settle_after_all(client);
	before = sio_clients_count(io);
	if (client->fd < 0)
		return;
	client_close(client);
	while (sio_clients_count(io) >= before && true_seconds() < late)
		if (!test_turn(client->test))
			usleep(IDLE_US);
	test_settle(client->test);
}

void
sio_test_emit(sio_test_client *client, const char *event, const char *args)
{
	client_send(client, "42%s[\"%s\"%s%s]", client->prefix, event, args && args[0] ? "," : "", args ? args : "");
}

void
sio_test_ask_begin(sio_test_client *client, const char *event, const char *args)
{
	replace_text(&client->acked, NULL);
	client_send(client, "42%s%u[\"%s\"%s%s]", client->prefix, ++client->acks, event, args && args[0] ? "," : "",
		args ? args : "");
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

/* Removes the oldest event of this name and returns its arguments, or NULL if there is no such event. */
static const char *
client_take_event(sio_test_client *client, const char *name)
{
	for (struct received **at = &client->events; *at; at = &(*at)->next) {
		struct received *event = *at;

		if (strcmp(event->name, name) != 0)
			continue;
		*at = event->next;
		received_clear(&client->last);
		client->last = *event;
		client->last.next = NULL;
		free(event);
		return client->last.args;
	}
	return NULL;
}

const char *
sio_test_next(sio_test_client *client, const char *event)
{
	double late = true_seconds() + PATIENCE_S;
	const char *args;

	while (!(args = client_take_event(client, event)) && client->fd >= 0 && true_seconds() < late)
		if (!test_turn(client->test))
			usleep(IDLE_US);
	return args;
}

const char *
sio_test_heard(sio_test_client *client, const char *event)
{
	client_settle_after_all(client);
	return client_take_event(client, event);
}

void
sio_test_answer(sio_test_client *client, const char *args)
{
	if (client->last.ack && client->last.ack[0])
		client_send(client, "43%s%s[%s]", client->prefix, client->last.ack, args ? args : "");
}
