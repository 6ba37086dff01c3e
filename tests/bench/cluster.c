/*
 * Broadcasts across two nodes with one Redis: Sockeye beside Node.js's socket.io with its Redis adapter, in turns.
 *
 *     bench-cluster SOCKEYE BENCH_APP NODE_SERVER.mjs
 *
 * Redis and the nodes run on core 0, the clients (here) on core 1. Each setup is started, warmed up, measured and
 * ended; three rounds, medians. First as many messages as come through with 16 in flight, 10 and 200 clients on each
 * node; then, with 10 clients, a fixed rate of a tenth of Node.js's, for the time from sending to receiving at the
 * other node.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 3
#define RUN_S 3.0
#define WARM_UP_S 1.0
#define FLIGHT 16
#define CLIENTS_MAX 400
#define WINDOW 4096 /* messages that may be under way */
#define INPUT_MAX 65536
#define LATENCIES_MAX (1 << 20)
#define PATIENCE_MS 20000

struct client {
	int fd;
	bool upgraded, joined, far; /* far: not on the sender's node */
	unsigned len;
	uint8_t in[INPUT_MAX];
};

struct setup {
	const char *name;
	const char *const *argv; /* of a node */
	double messages[2][ROUNDS], p50[ROUNDS], p99[ROUNDS];
};

static struct client clients[CLIENTS_MAX];
static unsigned count, joined;
static int epoll_fd;
static pid_t children[3];
static uint16_t receivers[WINDOW];
static double sent_at[WINDOW];
static uint64_t sent, complete, received;
static float latencies[LATENCIES_MAX];
static unsigned latency_count;
static bool recording;
static double arrived; /* when the poll told of what is being read: reading it all takes this tool's own time */

static void
end_children(void)
{
	for (unsigned i = 0; i < 3; i++) {
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
		}
		children[i] = 0;
	}
}

static void
fail(const char *format, ...)
{
	va_list args;

	fputs("bench-cluster: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	end_children();
	exit(1);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* ----------------------------------------------------------------- servers */

/* Starts a child and waits for a line with `mark` on its stdout and stderr; the number after it. */
static uint16_t
start(unsigned which, const char *const *argv, const char *mark)
{
	char line[1024];
	const char *at = NULL;
	int out[2];
	FILE *log;

	if (pipe(out) != 0 || (children[which] = fork()) < 0)
		fail("%s", strerror(errno));
	if (children[which] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	log = fdopen(out[0], "r");
	while (at == NULL && fgets(line, sizeof line, log) != NULL)
		at = strstr(line, mark);
	if (at == NULL)
		fail("%s did not start", argv[0]);
	/* the pipe stays open and unread: neither writes a line per message */
	return (uint16_t)strtoul(at + strlen(mark), NULL, 10);
}

static uint16_t
free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		fail("%s", strerror(errno));
	close(fd);
	return ntohs(a.sin_port);
}

/* ----------------------------------------------------------------- clients */

/* A masked text frame; the mask is zero, so the payload stays as it is. */
static void
send_text(struct client *c, const char *text)
{
	size_t n = strlen(text);
	uint8_t frame[256] = {0x81, (uint8_t)(0x80 | n)};

	memcpy(frame + 6, text, n);
	if (n > 125 || send(c->fd, frame, n + 6, MSG_NOSIGNAL) != (ssize_t)(n + 6))
		fail("the server does not take what is sent: %s", strerror(errno));
}

static void
client_open(struct client *c, uint16_t port)
{
	static const char request[] =
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
		"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	memset(c, 0, sizeof *c);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		fail("connect: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	if (send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
		fail("send: %s", strerror(errno));
}

/* 42["broadcast","<sequence>:..."] */
static void
on_event(struct client *c, const char *text, unsigned n)
{
	const char *at = memchr(text, ':', n);
	uint64_t sequence;

	if (at == NULL || at - text < 16)
		return;
	sequence = strtoull(text + sizeof "42[\"broadcast\",\"" - 1, NULL, 10);
	if (sequence >= sent)
		fail("a message that was never sent");
	received++;
	if (recording && c->far && latency_count < LATENCIES_MAX)
		latencies[latency_count++] = (float)(arrived - sent_at[sequence % WINDOW]);
	if (++receivers[sequence % WINDOW] == count) {
		receivers[sequence % WINDOW] = 0;
		complete++;
	}
}

static void
on_text(struct client *c, const char *text, unsigned n)
{
	if (n == 1 && text[0] == '2') {
		send_text(c, "3");
	} else if (n > 2 && text[0] == '4' && text[1] == '0') {
		c->joined = true;
		joined++;
	} else if (n > 16 && text[0] == '4' && text[1] == '2') {
		on_event(c, text, n);
	}
}

static void
client_read(struct client *c)
{
	ssize_t got = recv(c->fd, c->in + c->len, INPUT_MAX - c->len, 0);
	unsigned at = 0;

	if (got <= 0)
		fail("the server closed a client");
	c->len += (unsigned)got;
	if (!c->upgraded) {
		const uint8_t *end = memmem(c->in, c->len, "\r\n\r\n", 4);

		if (end == NULL)
			return;
		at = (unsigned)(end - c->in) + 4;
		c->upgraded = true;
		send_text(c, "40");
	}
	while (c->len - at >= 2) {
		unsigned n = c->in[at + 1], head = 2;

		if (n == 126) {
			if (c->len - at < 4)
				break;
			n = (unsigned)c->in[at + 2] << 8 | c->in[at + 3];
			head = 4;
		}
		if (c->len - at < head + n)
			break;
		on_text(c, (const char *)c->in + at + head, n);
		at += head + n;
	}
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
}

static void
turn(int wait_ms)
{
	struct epoll_event events[512];
	int n = epoll_wait(epoll_fd, events, 512, wait_ms);

	arrived = now_s();
	if (n == 0 && wait_ms == PATIENCE_MS)
		fail("no progress for %d s", PATIENCE_MS / 1000);
	for (int i = 0; i < n; i++)
		client_read(events[i].data.ptr);
}

/* ------------------------------------------------------------ measurements */

static void
send_one(void)
{
	char text[128];

	sent_at[sent % WINDOW] = now_s();
	snprintf(text, sizeof text,
		"42[\"broadcast\",\"%llu:sixty-four bytes of payload, as the targets say: 0123456789\"]",
		(unsigned long long)sent);
	sent++;
	send_text(&clients[0], text);
}

static void
finish(void)
{
	while (complete < sent)
		turn(PATIENCE_MS);
}

/* Messages per second with FLIGHT under way. */
static double
closed_loop(double seconds)
{
	uint64_t before = complete;
	double start_s = now_s();

	while (now_s() - start_s < seconds) {
		while (sent < complete + FLIGHT)
			send_one();
		turn(PATIENCE_MS);
	}
	finish();
	return (double)(complete - before) / (now_s() - start_s);
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

/* A fixed rate; latency counts from the moment a message should have been sent. */
static void
open_loop(double rate, double *p50, double *p99)
{
	double start_s = now_s();
	uint64_t first = sent;

	latency_count = 0;
	recording = true;
	for (;;) {
		double passed = now_s() - start_s;

		if (passed > RUN_S)
			break;
		while ((double)(sent - first) < passed * rate && sent < complete + WINDOW - 1) {
			double due = start_s + (double)(sent - first) / rate;

			send_one();
			sent_at[(sent - 1) % WINDOW] = due;
		}
		turn(0);
	}
	finish();
	recording = false;
	qsort(latencies, latency_count, sizeof latencies[0], compare);
	*p50 = latencies[latency_count / 2] * 1e3;
	*p99 = latencies[(unsigned)((double)latency_count * 0.99)] * 1e3;
}

static void
connect_clients(const uint16_t port[2], unsigned each)
{
	count = 2 * each;
	joined = 0;
	sent = complete = received = 0;
	memset(receivers, 0, sizeof receivers);
	for (unsigned i = 0; i < count; i++) {
		client_open(&clients[i], port[i % 2]);
		clients[i].far = i % 2 == 1;
	}
	while (joined < count)
		turn(PATIENCE_MS);
	/* both nodes hear one another once a message has come through everywhere */
	closed_loop(WARM_UP_S);
}

static void
disconnect_clients(void)
{
	for (unsigned i = 0; i < count; i++)
		close(clients[i].fd);
}

static void
measure(struct setup *s, unsigned round, double rate)
{
	char number[8], url[64];
	const char *redis[] = {
		"redis-server", "--port", number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", NULL};
	const char *argv[24];
	uint16_t port[2];
	unsigned n = 0;

	snprintf(number, sizeof number, "%u", free_port());
	snprintf(url, sizeof url, "redis://127.0.0.1:%s", number);
	start(0, redis, "eady to accept connections");
	for (; s->argv[n] != NULL; n++)
		argv[n] = strcmp(s->argv[n], "URL") == 0 ? url : s->argv[n];
	argv[n] = NULL;
	port[0] = start(1, argv, " port=");
	port[1] = start(2, argv, " port=");
	usleep(300 * 1000); /* subscriptions; the warm-up shows that they are there */
	connect_clients(port, 10);
	s->messages[0][round] = closed_loop(RUN_S);
	if (rate > 0)
		open_loop(rate, &s->p50[round], &s->p99[round]);
	disconnect_clients();
	connect_clients(port, 200);
	s->messages[1][round] = closed_loop(RUN_S);
	disconnect_clients();
	end_children();
}

static double
median(const double *values)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof sorted);
	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned j = i + 1; j < ROUNDS; j++)
			if (sorted[j] < sorted[i]) {
				double other = sorted[i];

				sorted[i] = sorted[j];
				sorted[j] = other;
			}
	return sorted[ROUNDS / 2];
}

static void
report(const struct setup *s)
{
	printf("| %-24s | %10.0f | %10.0f | %8.2f | %8.2f |\n", s->name, median(s->messages[0]),
		median(s->messages[1]) * 400, median(s->p50), median(s->p99));
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		fail("usage: bench-cluster SOCKEYE BENCH_APP NODE_SERVER.mjs");

	const char *const ours[] = {argv[1], "--app", argv[2], "--host", "127.0.0.1", "--port", "0", "--workers", "1",
		"--redis", "URL", NULL};
	const char *const theirs[] = {"node", argv[3], "URL", NULL};
	struct setup sockeye = {.name = "Sockeye", .argv = ours},
		     node = {.name = "Node.js + redis-adapter", .argv = theirs};
	double rate;

	signal(SIGPIPE, SIG_IGN);
	pin(1);
	epoll_fd = epoll_create1(0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* the rate is the same for both: a tenth of what Node.js does in its first round */
		rate = round == 0 ? 100 : node.messages[0][0] / 10;
		measure(&node, round, rate);
		measure(&sockeye, round, node.messages[0][0] / 10);
	}
	printf("| two nodes, one Redis     | messages/s | deliveries/s | p50 ms | p99 ms |\n"
	       "| 64 bytes, 16 in flight   | 10 + 10    | 200 + 200    | at a tenth of Node's rate |\n");
	report(&node);
	report(&sockeye);
	printf("| ratio                    | %10.1f | %10.1f |\n",
		median(sockeye.messages[0]) / median(node.messages[0]),
		median(sockeye.messages[1]) / median(node.messages[1]));
	return 0;
}
