/*
 * Bytes of a server for a client of the load tester. The first byte selects the transport, and whether the client,
 * which comes back once, recovers its session. Then follow records: one byte for the connection and the wrapping, one
 * byte for the length. Nothing may crash or leak, and the client ends exactly once in each life.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/must.h"
#include "tests/load/client.h"
#include "tests/load/load_options.h"

#define PEERS_MAX 16

static struct loop loop;
static struct load_options options = {.path = "/socket.io/", .verify = true};
static struct target target;
static int listener = -1, peers[PEERS_MAX];
static unsigned peer_count, joined, ended;

static void
on_joined(struct client *c)
{
	joined++;
	client_send(c, TEXT("42[\"echo\","), TEXT("1]"));
	client_send_binary(c, "bytes", 5);
}

static void
on_event(struct client *c, const uint8_t *bytes, size_t n)
{
	static volatile uint8_t sum;

	must(c->state == CLIENT_JOINED || c->recovered);
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + bytes[i]);
	if (n == 3)
		client_leave(c);
	else if (n == 4)
		client_cut(c, LOAD_ERROR_COUNT, "");
}

static void
on_ack(struct client *c, uint64_t id, const uint8_t *bytes, size_t n)
{
	(void)id;
	on_event(c, bytes, n);
}

static void
on_ended(struct client *c, enum load_error error, const char *why, bool was_joined)
{
	must(c->state == CLIENT_IDLE && was_joined == (joined > 0) && why != NULL && error <= LOAD_ERROR_COUNT);
	ended++;
}

static const struct client_ops ops = {.joined = on_joined, .event = on_event, .ack = on_ack, .ended = on_ended};

static struct client_setup setup = {.loop = &loop,
	.ops = &ops,
	.limits = {.max_queue = 1 << 20, .max_kept = 1024, .stall_ms = 20000, .tls_ms = 20000, .linger_ms = 1},
	.ws = {.max_message = 65536, .max_fragments = 100},
	.timeout_ms = 20000,
	.random = 1};

/* Once for all inputs. */
static void
start(void)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	char error[TARGET_ERROR_MAX];

	must(target_init(&target, "http://127.0.0.1:1", &options, error) == 0);
	/* an abstract name that the kernel chooses */
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at = (struct sockaddr_storage){.ss_family = AF_UNIX};
	must(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	must(listen(listener, PEERS_MAX) == 0 && getsockname(listener, (struct sockaddr *)&at, &n) == 0);
	target.address = at;
	target.address_len = n;
	loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
}

/* Accepts new connections, and discards what the client sends. */
static void
serve(void)
{
	uint8_t bytes[4096];
	int fd;

	while (peer_count < PEERS_MAX && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		peers[peer_count++] = fd;
	for (unsigned i = 0; i < peer_count; i++)
		while (recv(peers[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
			;
}

static void
turn(void)
{
	loop_finish_turn(&loop);
	serve();
	ev_run(loop.ev, EVRUN_NOWAIT);
	loop_finish_turn(&loop);
	serve();
}

enum wrapping { RAW, UPGRADE, ANSWER, FRAME_TEXT, FRAME_BINARY, END, WRAPPINGS };

static size_t
wrap(uint8_t out[1024], enum wrapping wrapping, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	if (wrapping == UPGRADE)
		at = (size_t)snprintf((char *)out, 1024,
			"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
			"%.*s\r\n\r\n",
			WS_ACCEPT_LENGTH, target.accept);
	else if (wrapping == ANSWER)
		at = (size_t)snprintf((char *)out, 1024, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
	else if (wrapping == FRAME_TEXT || wrapping == FRAME_BINARY)
		at = ws_frame_write(out, wrapping == FRAME_TEXT ? WS_TEXT : WS_BINARY, true, false, n);
	memcpy(out + at, bytes, n);
	return at + n;
}

static void
record(uint8_t what, const uint8_t *bytes, size_t n)
{
	uint8_t out[1024];
	int fd = peer_count > 0 ? peers[(what & 15) % peer_count] : -1;
	enum wrapping wrapping = (enum wrapping)((what >> 4) % WRAPPINGS);

	if (fd >= 0 && wrapping == END)
		shutdown(fd, SHUT_WR);
	else if (fd >= 0)
		(void)!send(fd, out, wrap(out, wrapping, bytes, n), MSG_NOSIGNAL | MSG_DONTWAIT);
	turn();
}

static void
finish(struct client *c)
{
	client_cut(c, LOAD_ERROR_COUNT, "");
	conn_close_all(&loop, REASON_FORCED);
	loop_finish_turn(&loop);
	serve();
	for (unsigned i = 0; i < peer_count; i++)
		close(peers[i]);
	must(ended == 1 && c->state == CLIENT_IDLE && loop.connections == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = {.setup = &setup, .target = &target};
	size_t at = 1;

	if (listener < 0)
		start();
	if (size == 0)
		return 0;
	setup.transport = data[0] % 3;
	setup.recover = data[0] >> 7;
	client_init(&c);
	for (unsigned life = 0; life < 2; life++) {
		peer_count = joined = ended = 0;
		client_open(&c);
		turn();
		while (size - at >= 2 && ended == 0) {
			size_t n = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;

			record(data[at], data + at + 2, n);
			at += 2 + n;
		}
		finish(&c);
	}
	client_fini(&c);
	return 0;
}
