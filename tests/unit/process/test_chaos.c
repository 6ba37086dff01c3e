/*
 * Random calls of the public API from every callback (tests/chaos/chaos.h) on a whole server. Its clients are
 * connections over the loopback interface: WebSockets, long-polling with the upgrade, partial requests, resets. A
 * seed repeats the same clients and calls as far as the kernel's timing allows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/io/log.h"
#include "tests/chaos/chaos.h"

#define SEEDS 20
#define TURNS 150
#define CLIENTS 8
#define PATIENCE_S 60

enum kind { NOBODY, WEBSOCKET, POLLER };

struct client {
	enum kind kind;
	int fd, second; /* a poller posts on `second` */
	char sid[24];
	char got[4096]; /* the beginning of what the client has received */
	size_t got_len;
	unsigned asked, joined; /* namespaces, one bit for each of `names` */
	bool polling, pushing;	/* a request that has not been answered */
	enum { NO_UPGRADE, ASKED, PROBED } upgrade;
};

static struct {
	struct ev_loop *ev;
	sio_server *io;
	uint16_t port;
	struct client clients[CLIENTS];
	unsigned done;
	bool freed;
} all;

/* ------------------------------------------------------------- the server */

static void
on_done(sio_server *io, void *arg)
{
	(void)arg;
	chaos_must(io == all.io);
	all.done++;
	if (chaos_one_in(2)) {
		chaos_let_go();
		sio_server_free(io);
		all.freed = true;
	}
}

static void
close_server(sio_server *io)
{
	if (all.done > 0)
		return;
	if (chaos_one_in(3))
		sio_drain(io, chaos_below(200), on_done, NULL);
	else
		sio_close(io, on_done, NULL);
}

static void
on_tick(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)timer;
	(void)events;
	if (!all.freed)
		chaos_tick();
}

static void
start(uint64_t seed)
{
	static const char *const options[][2] = {{"host", "127.0.0.1"}, {"port", "0"}, {"pingInterval", "150"},
		{"pingTimeout", "100"}, {"upgradeTimeout", "100"}, {"connectTimeout", "200"},
		{"perMessageDeflate", "true"}, {"maxHttpBufferSize", "2000"}};
	char error[SIO_ERROR_LINE];

	all.ev = ev_loop_new(EVFLAG_AUTO);
	all.io = sio_server_new(all.ev);
	all.done = 0;
	all.freed = false;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		chaos_must(sio_set_option(all.io, options[i][0], options[i][1], error) == 0);
	if (seed % 2 == 0)
		chaos_must(sio_set_option(all.io, "cleanupEmptyChildNamespaces", "true", error) == 0);
	if (seed % 3 == 0)
		chaos_must(sio_set_option(all.io, "maxPendingAcks", "4", error) == 0);
	chaos_begin(seed, all.io, close_server);
	chaos_must(sio_listen(all.io, error) == 0);
	chaos_must(sio_listen(all.io, error) == SIO_ERR_STATE);
	all.port = sio_port(all.io);
}

/* ------------------------------------------------------------ the clients */

static int
dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(all.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	chaos_must(fd >= 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
send_bytes(int fd, const void *bytes, size_t n)
{
	if (fd >= 0 && send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		chaos_must(errno != EBADF);
}

static void
put_text(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

static void
hang_up(struct client *c)
{
	struct linger reset = {1, 0};

	if (chaos_one_in(2))
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (c->fd >= 0)
		close(c->fd);
	if (c->second >= 0)
		close(c->second);
	memset(c, 0, sizeof *c);
	c->fd = c->second = -1;
}

static void
put_frame(int fd, unsigned opcode, const char *payload, size_t n)
{
	unsigned char frame[256] = {(unsigned char)(0x80 | opcode), (unsigned char)(0x80 | n), 1, 2, 3, 4};

	chaos_must(n < 126);
	for (size_t i = 0; i < n; i++)
		frame[6 + i] = (unsigned char)payload[i] ^ frame[2 + i % 4];
	send_bytes(fd, frame, 6 + n);
}

static const char *const names[] = {"/", "/a", "/later", "/strict", "/dyn-1", "/fn-yes", "/fn-later", "/fn-no", "/x"};
#define NAMES (sizeof names / sizeof *names)

/* Writes the beginning of a packet for this namespace. */
static void
head(char *out, size_t size, const char *type, unsigned name)
{
	(void)snprintf(out, size, "4%s%s%s", type, name == 0 ? "" : names[name], name == 0 ? "" : ",");
}

/*
 * Learns from the received text which namespaces the client is in; a packet for any other namespace closes the
 * client.
 */
static void
learn(struct client *c, const char *got, size_t n)
{
	char word[64];

	for (unsigned i = 0; i < NAMES; i++) {
		head(word, sizeof word - 8, "0", i);
		strcat(word, "{\"sid\"");
		if (memmem(got, n, word, strlen(word)) != NULL)
			c->joined |= 1u << i;
		head(word, sizeof word - 8, "1", i);
		if (i > 0 && memmem(got, n, word, strlen(word)) != NULL)
			c->joined &= ~(1u << i), c->asked &= ~(1u << i);
	}
}

static const char *
packet(struct client *c, char *out, size_t size)
{
	static const char *const events[] = {
		"[\"e\",1,{\"a\":[true]}]", "5[\"ack\",1]", "[\"f\"]", "1[\"keep\",[1,2]]"};
	unsigned which = chaos_below(NAMES);
	char rest[64];

	if (chaos_one_in(100)) {
		(void)snprintf(out, size, "%s", CHAOS_PICK(((const char *[]){"1", "42[", "40", "9", "42/none,[1]"})));
		return out;
	}
	if ((c->asked & 1u << which) == 0) {
		c->asked |= 1u << which;
		head(out, size, "0", which);
		return out;
	}
	for (unsigned i = 0; i < NAMES && (c->joined & 1u << which) == 0; i++)
		which = (which + 1) % NAMES;
	if ((c->joined & 1u << which) == 0) {
		(void)snprintf(out, size, "3");
		return out;
	}
	if (chaos_one_in(3)) {
		head(out, size, "3", which);
		(void)snprintf(rest, sizeof rest, "%u[%u]", chaos_below(12), chaos_below(9));
	} else if (chaos_one_in(20)) {
		head(out, size, "1", which);
		c->joined &= ~(1u << which), c->asked &= ~(1u << which);
		rest[0] = '\0';
	} else {
		head(out, size, "2", which);
		(void)snprintf(rest, sizeof rest, "%s", CHAOS_PICK(events));
	}
	strncat(out, rest, size - strlen(out) - 1);
	return out;
}

#define UPGRADE                                                                                                      \
	"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"              \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void
arrive(struct client *c)
{
	c->fd = dial();
	c->second = -1;
	if (c->fd < 0)
		return;
	c->got_len = 0;
	c->asked = c->joined = 0;
	c->sid[0] = '\0';
	c->upgrade = NO_UPGRADE;
	c->polling = true;
	c->pushing = false;
	switch (chaos_below(8)) {
	case 0:
		put_text(c->fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: half");
		c->kind = POLLER;
		break;
	case 1:
		put_text(c->fd, "GET /socket.io/?EIO=9&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
		c->kind = POLLER;
		break;
	case 2:
	case 3:
	case 4:
		put_text(c->fd, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
		c->kind = POLLER;
		break;
	default:
		put_text(c->fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" UPGRADE);
		c->kind = WEBSOCKET;
		put_frame(c->fd, 1, "40", 2);
		c->asked = 1;
	}
}

static void
hear(struct client *c)
{
	const char *at;
	char rest[8192];
	ssize_t n;

	if (c->got_len < sizeof c->got - 1) {
		n = recv(c->fd, c->got + c->got_len, sizeof c->got - 1 - c->got_len, MSG_DONTWAIT);
		learn(c, c->got + c->got_len, n > 0 ? (size_t)n : 0);
		c->got_len += n > 0 ? (size_t)n : 0;
		c->got[c->got_len] = '\0';
	} else {
		n = recv(c->fd, rest, sizeof rest, MSG_DONTWAIT);
		learn(c, rest, n > 0 ? (size_t)n : 0);
	}
	if (n == 0) {
		hang_up(c);
		return;
	}
	if (n > 0)
		c->polling = false;
	n = c->second >= 0 ? recv(c->second, rest, sizeof rest, MSG_DONTWAIT) : -1;
	if (n == 0) {
		close(c->second);
		c->second = -1;
		c->upgrade = NO_UPGRADE;
	}
	if (n > 0) {
		c->pushing = false;
		if (c->upgrade == ASKED && memmem(rest, (size_t)n, "3probe", 6) != NULL)
			c->upgrade = PROBED;
	}
	at = memmem(c->got, c->got_len, "\"sid\":\"", 7);
	if (c->kind == POLLER && c->sid[0] == '\0' && at != NULL && at + 27 < c->got + c->got_len)
		(void)snprintf(c->sid, sizeof c->sid, "%.20s", at + 7);
}

static void
ask_for_upgrade(struct client *c)
{
	char request[512];

	c->upgrade = ASKED;
	(void)snprintf(request, sizeof request,
		"GET /socket.io/?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\n" UPGRADE, c->sid);
	put_text(c->second, request);
	put_frame(c->second, 1, "2probe", 6);
}

static void
poll_or_push(struct client *c)
{
	char text[128], request[512];

	if (!c->polling || chaos_one_in(100)) { /* a second poll at the same time is an error */
		c->polling = true;
		(void)snprintf(request, sizeof request,
			"GET /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", c->sid);
		put_text(c->fd, request);
	} else if (c->upgrade == NO_UPGRADE && (!c->pushing || chaos_one_in(100))) {
		c->pushing = true;
		(void)packet(c, text, sizeof text);
		(void)snprintf(request, sizeof request,
			"POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n"
			"Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
			c->sid, strlen(text) + (chaos_one_in(40) ? 1 : 0), text);
		put_text(c->second, request);
	}
}

static void
say_polling(struct client *c)
{
	if (c->sid[0] == '\0')
		return;
	if (c->second < 0)
		c->second = dial();
	if (c->upgrade == PROBED && chaos_one_in(2)) {
		put_frame(c->second, 1, "5", 1);
		close(c->fd);
		c->fd = c->second;
		c->second = -1;
		c->kind = WEBSOCKET;
	} else if (c->upgrade == NO_UPGRADE && !c->pushing && chaos_one_in(6)) {
		ask_for_upgrade(c);
	} else {
		poll_or_push(c);
	}
}

static void
say(struct client *c)
{
	char text[128];

	if (c->kind == POLLER) {
		say_polling(c);
		return;
	}
	(void)packet(c, text, sizeof text);
	put_frame(c->fd, 1, text, strlen(text));
	if (chaos_one_in(4))
		put_frame(c->fd, 1, "3", 1);
	if (chaos_one_in(80))
		put_frame(c->fd, 1, "42[", 3); /* not decodable */
	if (chaos_one_in(10)) {
		(void)snprintf(text, sizeof text, "%s",
			c->joined & 1 ? "451-[\"e\",{\"_placeholder\":true,\"num\":0}]" : "3");
		put_frame(c->fd, 1, text, strlen(text));
		if (c->joined & 1)
			put_frame(c->fd, 2, "\1\2\3", 3);
	}
	if (chaos_one_in(40))
		send_bytes(c->fd, "\x81", 1); /* half a frame */
	if (chaos_one_in(60))
		put_frame(c->fd, 8, "\x03\xe8", 2);
}

static void
client_turn(struct client *c)
{
	if (c->kind == NOBODY) {
		if (!chaos.closing)
			arrive(c);
		return;
	}
	hear(c);
	if (c->kind == NOBODY)
		return;
	if (chaos_one_in(60))
		hang_up(c);
	else
		say(c);
}

/* -------------------------------------------------------------------- play */

static void
on_wake(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)timer;
	(void)events;
}

/* One turn of the loop, which waits `ms` at most. */
static void
turn(unsigned ms)
{
	ev_timer wake;

	ev_timer_init(&wake, on_wake, ms / 1000., 0.);
	ev_timer_start(all.ev, &wake);
	ev_run(all.ev, EVRUN_ONCE);
	ev_timer_stop(all.ev, &wake);
}

static void
play(uint64_t seed)
{
	time_t deadline = time(NULL) + PATIENCE_S;
	ev_timer tick;

	start(seed);
	ev_timer_init(&tick, on_tick, 0.005, 0.005);
	ev_timer_start(all.ev, &tick);
	for (unsigned i = 0; i < CLIENTS; i++)
		all.clients[i] = (struct client){.fd = -1, .second = -1};
	for (unsigned i = 0; i < TURNS && !all.freed; i++) {
		for (unsigned n = chaos_below(8); n > 0; n--)
			client_turn(&all.clients[chaos_below(CLIENTS)]);
		turn(chaos_one_in(10) ? 20 : 1);
	}
	if (!all.freed) {
		chaos_let_go();
		sio_close(all.io, on_done, NULL);
	}
	while (all.done == 0) {
		chaos_must(time(NULL) < deadline);
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (all.clients[i].kind != NOBODY && chaos_one_in(10))
				hang_up(&all.clients[i]);
		}
		turn(10);
	}
	ev_timer_stop(all.ev, &tick);
	if (!all.freed) {
		chaos_let_go();
		sio_server_free(all.io);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		hang_up(&all.clients[i]);
	ev_loop_destroy(all.ev);
	chaos_must(all.done == 1);
	chaos_check();
}

int
main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	/* false: which kinds occur depends on the kernel's timing */
	return chaos_main(argc, argv, SEEDS, false, play);
}
