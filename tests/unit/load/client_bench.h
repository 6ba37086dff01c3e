/*
 * A client of the load tester against a server that the test plays byte by byte, on a listener in the client's own
 * loop. Nothing waits by the clock: each awaited event wakes the loop.
 */
#ifndef TESTS_UNIT_LOAD_CLIENT_BENCH_H
#define TESTS_UNIT_LOAD_CLIENT_BENCH_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/base/must.h"
#include "node/ws/ws_frame.h"
#include "tests/load/client.h"
#include "tests/load/load_options.h"
#include "tests/unit/io/io_bench.h"

#define PEERS_MAX 64
#define GOT_MAX (4 << 20)

/* The server's end of one connection. */
struct peer {
	int fd; /* -1: closed */
	struct ev_io io;
	struct buffer got; /* not consumed yet */
	bool eof;
};

static struct client_bench {
	struct load_options options;
	struct target target;
	struct client_setup setup;
	struct client client;
	int listener;
	struct ev_io accept;
	struct peer peers[PEERS_MAX];
	unsigned peer_count;
	uint64_t said; /* bytes of all peers */

	/* what the client reported */
	unsigned joined, ended;
	enum load_error error;
	bool was_joined;
	char why[128];
	char heard[8192]; /* events and acknowledgements, each followed by |: "e:[...]" "a7:[...]" */
	void (*on_heard)(void);
} b;

/* ------------------------------------------------------------------ the owner */

static void
bench_on_joined(struct client *c)
{
	assert_ptr_equal(c, &b.client);
	b.joined++;
}

static void
bench_note(const char *head, const uint8_t *bytes, size_t n)
{
	size_t at = strlen(b.heard);

	snprintf(b.heard + at, sizeof b.heard - at, "%s:%.*s|", head, (int)n, (const char *)bytes);
	if (b.on_heard)
		b.on_heard();
}

static void
bench_on_event(struct client *c, const uint8_t *bytes, size_t n)
{
	assert_true(c->state == CLIENT_JOINED || c->recovered);
	bench_note("e", bytes, n);
}

static void
bench_on_ack(struct client *c, uint64_t id, const uint8_t *bytes, size_t n)
{
	char head[32];

	assert_int_equal(c->state, CLIENT_JOINED);
	snprintf(head, sizeof head, "a%llu", (unsigned long long)id);
	bench_note(head, bytes, n);
}

static void
bench_on_ended(struct client *c, enum load_error error, const char *why, bool was_joined)
{
	assert_int_equal(c->state, CLIENT_IDLE);
	assert_null(c->ws);
	assert_null(c->polling);
	assert_null(c->answer);
	b.ended++;
	b.error = error;
	b.was_joined = was_joined;
	snprintf(b.why, sizeof b.why, "%s", why);
}

static const struct client_ops bench_ops = {
	.joined = bench_on_joined, .event = bench_on_event, .ack = bench_on_ack, .ended = bench_on_ended};

/* ------------------------------------------------------------------ the server */

static void
peer_close(struct peer *p)
{
	if (p->fd < 0)
		return;
	ev_io_stop(bench.ev, &p->io);
	close(p->fd);
	p->fd = -1;
}

static void
peer_on_ready(struct ev_loop *ev, struct ev_io *w, int revents)
{
	struct peer *p = w->data;
	uint8_t bytes[65536];
	ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	(void)ev;
	(void)revents;
	if (n > 0) {
		buffer_add(&p->got, bytes, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		p->eof = true;
		peer_close(p);
	}
}

static void
bench_on_accept(struct ev_loop *ev, struct ev_io *w, int revents)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer *p = &b.peers[b.peer_count];

	(void)revents;
	if (fd < 0)
		return;
	must(b.peer_count < PEERS_MAX);
	b.peer_count++;
	*p = (struct peer){.fd = fd};
	buffer_init(&p->got, GOT_MAX);
	ev_io_init(&p->io, peer_on_ready, fd, EV_READ);
	p->io.data = p;
	ev_io_start(ev, &p->io);
}

static void
bench_unlisten(void)
{
	if (b.listener < 0)
		return;
	ev_io_stop(bench.ev, &b.accept);
	close(b.listener);
	b.listener = -1;
}

/* The server closes everything: with RST where it has unread bytes, otherwise with FIN. */
static void
server_dies(void)
{
	bench_unlisten();
	for (unsigned i = 0; i < b.peer_count; i++)
		peer_close(&b.peers[i]);
}

/* Connection number n, once it has been accepted. */
UNUSED static struct peer *
peer_at(unsigned n)
{
	RUN_UNTIL(b.peer_count > n);
	return &b.peers[n];
}

UNUSED static void
say(struct peer *p, const void *bytes, size_t n)
{
	assert_true(p->fd >= 0);
	assert_int_equal(send(p->fd, bytes, n, MSG_NOSIGNAL), n);
	b.said += n;
}

/* Returns when the client has read everything that was sent and has reacted. */
UNUSED static void
all_heard(void)
{
	RUN_UNTIL(bench.loop.counters.value[COUNT_BYTES_IN] >= b.said);
}

UNUSED static void
say_text(struct peer *p, const char *text)
{
	say(p, text, strlen(text));
}

/* A whole request, head and body, taken from `got`. Valid until the next call. */
UNUSED static const char *
request(struct peer *p)
{
	static char out[65536];
	const char *end = NULL, *length;
	size_t n;

	RUN_UNTIL(p->eof || (end = memmem(p->got.len ? p->got.data : (void *)"", p->got.len, "\r\n\r\n", 4)) != NULL);
	assert_non_null(end);
	n = (size_t)(end - (const char *)p->got.data) + 4;
	length = memmem(p->got.data, n, "Content-Length: ", 16);
	if (length)
		n += (size_t)strtoul(length + 16, NULL, 10);
	RUN_UNTIL(p->eof || p->got.len >= n);
	assert_true(p->got.len >= n && n < sizeof out);
	memcpy(out, p->got.data, n);
	out[n] = '\0';
	buffer_drop(&p->got, n);
	return out;
}

UNUSED static void
expect_request(struct peer *p, const char *begin, const char *body)
{
	const char *got = request(p), *end = strstr(got, "\r\n\r\n") + 4;

	if (strncmp(got, begin, strlen(begin)) != 0)
		fail_msg("instead of %s: %s", begin, got);
	assert_string_equal(end, body);
}

UNUSED static void
answer_with(struct peer *p, const char *status, const char *fields, const char *body)
{
	char head[65536];

	snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, fields, strlen(body),
		body);
	say_text(p, head);
}

UNUSED static void
answer(struct peer *p, const char *body)
{
	answer_with(p, "200 OK", "", body);
}

UNUSED static void
answer_upgrade(struct peer *p)
{
	char head[256];

	snprintf(head, sizeof head,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %.*s\r\n\r\n",
		WS_ACCEPT_LENGTH, b.target.accept);
	say_text(p, head);
}

/* Writes a server's frame. */
UNUSED static size_t
frame_of(uint8_t *out, enum ws_opcode opcode, const void *bytes, size_t n)
{
	unsigned head = ws_frame_write(out, opcode, true, false, n);

	memcpy(out + head, bytes, n);
	return head + n;
}

UNUSED static void
say_frame(struct peer *p, enum ws_opcode opcode, const void *bytes, size_t n)
{
	uint8_t frame[4096];

	assert_true(n + WS_SERVER_HEADER_MAX <= sizeof frame);
	say(p, frame, frame_of(frame, opcode, bytes, n));
}

UNUSED static void
frame(struct peer *p, const char *text)
{
	say_frame(p, WS_TEXT, text, strlen(text));
}

/* The next frame of the client, which must be masked: its opcode as one character, then its payload. */
UNUSED static const char *
heard_frame(struct peer *p)
{
	static char out[65536];
	struct ws_frame f;
	int head = 0;

	RUN_UNTIL(p->eof || ((head = ws_frame_parse(&f, p->got.len ? p->got.data : (void *)"", p->got.len)) != 0 &&
				    p->got.len >= (size_t)head + f.payload));
	assert_true(head > 0 && f.masked && f.fin && f.payload < sizeof out - 2);
	assert_true(p->got.len >= (size_t)head + f.payload);
	ws_frame_unmask(p->got.data + head, (size_t)f.payload, f.mask, 0);
	out[0] = "?TB?????XPO"[f.opcode];
	memcpy(out + 1, p->got.data + head, (size_t)f.payload);
	out[1 + f.payload] = '\0';
	buffer_drop(&p->got, (size_t)head + (size_t)f.payload);
	return out;
}

#define expect_frame(p, text) assert_string_equal(heard_frame(p), text)

/* ------------------------------------------------------------------ the bench */

#define OPEN "0{\"sid\":\"S-1_a.~\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":100}"

static void
bench_aim(int transport, const char *nsp)
{
	struct sockaddr_in at;
	socklen_t n = sizeof at;
	char url[128], error[TARGET_ERROR_MAX];

	getsockname(b.listener, (struct sockaddr *)&at, &n);
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", ntohs(at.sin_port), nsp);
	target_fini(&b.target);
	assert_int_equal(target_init(&b.target, url, &b.options, error), 0);
	b.setup.transport = transport;
}

static void
bench_listen(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(bind(b.listener, (struct sockaddr *)&at, sizeof at) == 0);
	must(listen(b.listener, PEERS_MAX) == 0);
	ev_io_init(&b.accept, bench_on_accept, b.listener, EV_READ);
	ev_io_start(bench.ev, &b.accept);
}

static int
client_bench_start(void **state)
{
	bench_start(state);
	memset(&b, 0, sizeof b);
	b.options = (struct load_options){.path = "/socket.io/", .verify = true};
	b.setup = (struct client_setup){.loop = &bench.loop,
		.ops = &bench_ops,
		.limits = {.max_queue = 1 << 20,
			.max_kept = 1024,
			.stall_ms = 20000,
			.tls_ms = 20000,
			.linger_ms = 20000},
		.ws = {.max_message = 100000, .max_fragments = 100},
		.timeout_ms = 20000,
		.random = 1};
	bench_listen();
	bench_aim(LOAD_WEBSOCKET, "");
	b.client = (struct client){.setup = &b.setup, .target = &b.target};
	client_init(&b.client);
	return 0;
}

static int
client_bench_stop(void **state)
{
	assert_int_equal(b.client.state, CLIENT_IDLE);
	client_fini(&b.client);
	server_dies();
	for (unsigned i = 0; i < b.peer_count; i++)
		buffer_fini(&b.peers[i].got);
	target_fini(&b.target);
	return bench_stop(state);
}

/* Expects that the client has ended `times` times in all, the last time with this error. */
#define EXPECT_END(times, expected, words)                                                                           \
	do {                                                                                                         \
		RUN_UNTIL(b.ended >= (times));                                                                       \
		assert_int_equal(b.ended, times);                                                                    \
		if (strstr(b.why, words) == NULL || b.error != (expected))                                           \
			fail_msg("ended with %d: %s", b.error, b.why);                                               \
	} while (0)

/* Opens a client and plays the server until it has joined. */
UNUSED static struct peer *
join_ws(void)
{
	struct peer *p;

	b.setup.transport = LOAD_WEBSOCKET;
	client_open(&b.client);
	p = peer_at(b.peer_count);
	request(p);
	answer_upgrade(p);
	frame(p, OPEN);
	expect_frame(p, "T40");
	frame(p, "40{\"sid\":\"x\"}");
	RUN_UNTIL(b.joined == 1);
	return p;
}

#define CLIENT_CASE(name) cmocka_unit_test_setup_teardown(name, client_bench_start, client_bench_stop)

#endif
