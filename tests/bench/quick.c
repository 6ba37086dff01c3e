/*
 * First figures: connects per second, memory per idle client, echo and broadcast, of one server on one core.
 *
 *     bench-quick SOCKEYE BENCH_APP
 *
 * Starts the server on core 0 and itself on core 1, opens WebSocket clients on loopback with a browser's header
 * fields, and prints a table. User time is the server's own (/proc/PID/stat), memory its proportional set size.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 15000
#define UNDERWAY_MAX 256 /* connects that are not joined yet */
#define INPUT_MAX 1024
#define CLIENTS_PER_ADDRESS 2000 /* the kernel is slow to find a free port among many */
#define RUN_S 3.0		 /* one measured run */
#define PATIENCE_S 60		 /* without progress the benchmark gives up */

static const char upgrade_request[] =
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
	"Host: 127.0.0.1:3000\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/131.0.0.0 Safari/537.36\r\n"
	"Upgrade: websocket\r\nOrigin: http://127.0.0.1:3000\r\nSec-WebSocket-Version: 13\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

struct client {
	int fd;
	bool upgraded, joined;
	unsigned len;
	uint8_t in[INPUT_MAX];
};

static struct client *clients;
static unsigned opened, joined, alive;
static uint64_t events_seen; /* Socket.IO events received */
static bool echoing;
static int epoll_fd;
static pid_t server;
static uint16_t port;

static void
fail(const char *format, ...)
{
	va_list args;

	fputs("bench-quick: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (server > 0)
		kill(server, SIGKILL);
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
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fprintf(stderr, "bench-quick: cannot pin to core %d; the figures are less steady\n", core);
}

/* ------------------------------------------------------------------ server */

static void
server_start(const char *program, const char *app)
{
	char line[512];
	const char *at = NULL;
	int pipe_fd[2];
	FILE *log;

	if (pipe(pipe_fd) != 0)
		fail("pipe: %s", strerror(errno));
	server = fork();
	if (server < 0)
		fail("fork: %s", strerror(errno));
	if (server == 0) {
		pin(0);
		dup2(pipe_fd[1], STDERR_FILENO);
		close(pipe_fd[0]);
		execl(program, program, "--app", app, "--host", "127.0.0.1", "--port", "0", "--workers", "1", (char *)NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	log = fdopen(pipe_fd[0], "r");
	while (at == NULL && log != NULL && fgets(line, sizeof line, log) != NULL)
		at = strstr(line, " port=");
	if (at == NULL)
		fail("%s did not start", program);
	port = (uint16_t)strtoul(at + 6, NULL, 10);
}

/* User and system time of the server in seconds. */
static void
server_cpu(double *user, double *sys)
{
	unsigned long u = 0, s = 0;
	char path[64], text[1024] = "";
	const char *at;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
	f = fopen(path, "r");
	if (f == NULL || fgets(text, sizeof text, f) == NULL || (at = strrchr(text, ')')) == NULL ||
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) != 2)
		fail("cannot read %s", path);
	fclose(f);
	*user = (double)u / (double)sysconf(_SC_CLK_TCK);
	*sys = (double)s / (double)sysconf(_SC_CLK_TCK);
}

static double
server_memory(void)
{
	unsigned long kb = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)server);
	f = fopen(path, "r");
	if (f == NULL)
		fail("cannot read %s", path);
	while (fgets(line, sizeof line, f) != NULL && sscanf(line, "Pss: %lu", &kb) != 1)
		;
	fclose(f);
	return (double)kb * 1024;
}

/* ----------------------------------------------------------------- clients */

/* A masked text frame; the mask is zero, so the payload stays as it is. */
static void
send_text(struct client *c, const char *text)
{
	size_t n = strlen(text);
	uint8_t frame[256] = {0x81, (uint8_t)(0x80 | n)};

	if (n > 125)
		fail("a message is too long for this tool");
	memcpy(frame + 6, text, n);
	if (send(c->fd, frame, n + 6, MSG_NOSIGNAL) != (ssize_t)(n + 6))
		fail("the server does not take what is sent: %s", strerror(errno));
}

static void
client_open(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event e = {.events = EPOLLOUT | EPOLLIN, .data.ptr = c};
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(c - clients) / CLIENTS_PER_ADDRESS);
	memset(c, 0, sizeof *c);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		fail("socket: %s (see ulimit -n)", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0)
		fail("bind: %s", strerror(errno));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
		fail("connect: %s", strerror(errno));
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	opened++;
	alive++;
}

static void
on_text(struct client *c, const char *text, unsigned n)
{
	if (n == 1 && text[0] == '2') {
		send_text(c, "3");
	} else if (n > 2 && text[0] == '4' && text[1] == '0') {
		c->joined = true;
		joined++;
	} else if (n > 2 && text[0] == '4' && text[1] == '2') {
		events_seen++;
		if (echoing)
			send_text(c, "42[\"echo\",\"sixty-four bytes of payload, as the targets say: 0123\"]");
	}
}

/* Takes whole frames off the input. */
static void
client_parse(struct client *c)
{
	unsigned at = 0;

	if (!c->upgraded) {
		const uint8_t *end = memmem(c->in, c->len, "\r\n\r\n", 4);

		if (end == NULL)
			return;
		if (memcmp(c->in, "HTTP/1.1 101", 12) != 0)
			fail("no upgrade: %.60s", (const char *)c->in);
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
		if (c->in[at] != 0x81 || n + head > INPUT_MAX)
			fail("a frame this tool does not expect");
		if (c->len - at < head + n)
			break;
		on_text(c, (const char *)c->in + at + head, n);
		at += head + n;
	}
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
}

static void
client_ready(struct client *c, uint32_t events)
{
	ssize_t n;

	if ((events & EPOLLOUT) != 0) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

		if (send(c->fd, upgrade_request, sizeof upgrade_request - 1, MSG_NOSIGNAL) < 0)
			fail("connect: %s", strerror(errno));
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
		return;
	}
	n = recv(c->fd, c->in + c->len, INPUT_MAX - c->len, 0);
	if (n <= 0)
		fail("the server closed a client");
	c->len += (unsigned)n;
	client_parse(c);
}

static void
turn(void)
{
	struct epoll_event events[512];
	int n = epoll_wait(epoll_fd, events, 512, PATIENCE_S * 1000);

	if (n == 0)
		fail("no progress for %d s", PATIENCE_S);
	for (int i = 0; i < n; i++)
		client_ready(events[i].data.ptr, events[i].events);
}

/* ------------------------------------------------------------ measurements */

static double
connect_all(unsigned upto)
{
	unsigned first = joined;
	double start = now_s();

	while (joined < upto) {
		while (opened < upto && opened - joined < UNDERWAY_MAX)
			client_open(&clients[opened]);
		turn();
	}
	return (joined - first) / (now_s() - start);
}

static void
row(const char *what, const char *unit, double value)
{
	printf("| %-48s | %12.2f %-10s |\n", what, value, unit);
	fflush(stdout);
}

static void
measure_echo(unsigned n)
{
	double user[2], sys[2], start, took;
	uint64_t before;

	echoing = true;
	for (unsigned i = 0; i < n; i++)
		send_text(&clients[i], "42[\"echo\",\"sixty-four bytes of payload, as the targets say: 0123\"]");
	server_cpu(&user[0], &sys[0]);
	before = events_seen;
	start = now_s();
	while (now_s() - start < RUN_S)
		turn();
	took = now_s() - start;
	server_cpu(&user[1], &sys[1]);
	row("echo, 100 clients", "per s", (double)(events_seen - before) / took);
	row("  server's user time", "us each", (user[1] - user[0]) * 1e6 / (double)(events_seen - before));
	row("  server's system time", "us each", (sys[1] - sys[0]) * 1e6 / (double)(events_seen - before));
	before = events_seen;
	echoing = false;
	while (events_seen < before + n)
		turn();
}

/* `all` clients listen; the first keeps `flight` broadcasts under way. */
static void
measure_broadcast(unsigned all, unsigned flight)
{
	uint64_t before = events_seen, sent = 0;
	double user[2], sys[2], start = now_s(), took, deliveries;
	char name[64];

	server_cpu(&user[0], &sys[0]);
	while (now_s() - start < RUN_S) {
		while (sent < (events_seen - before) / all + flight) {
			send_text(&clients[0],
				"42[\"broadcast\",\"sixty-four bytes of payload, as the targets say: 0123\"]");
			sent++;
		}
		turn();
	}
	while (events_seen < before + sent * all)
		turn();
	took = now_s() - start;
	server_cpu(&user[1], &sys[1]);
	deliveries = (double)(events_seen - before);
	snprintf(name, sizeof name, "broadcast to %u, %u in flight: deliveries", all, flight);
	row(name, "per s", deliveries / took);
	row("  server's user time", "us each", (user[1] - user[0]) * 1e6 / deliveries);
	row("  server's system time", "us each", (sys[1] - sys[0]) * 1e6 / deliveries);
}

static void
close_clients(unsigned from)
{
	for (unsigned i = from; i < opened; i++)
		close(clients[i].fd);
	alive -= opened - from;
	joined = opened = from;
}

/* The server has let go of all clients once it uses as little memory as it will; waits at most some seconds. */
static double
memory_settled(double goal)
{
	double memory = server_memory();

	for (int i = 0; i < 50 && memory > goal; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		memory = server_memory();
	}
	return memory;
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	double base;

	if (argc != 3)
		fail("usage: bench-quick SOCKEYE BENCH_APP");
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < CLIENTS_MAX + 64)
		fail("%d clients need a descriptor limit of %d, it is %llu: raise it (ulimit -n)", CLIENTS_MAX,
			CLIENTS_MAX + 64, (unsigned long long)limit.rlim_cur);
	clients = calloc(CLIENTS_MAX, sizeof *clients);
	epoll_fd = epoll_create1(0);
	if (clients == NULL || epoll_fd < 0)
		fail("%s", strerror(errno));
	server_start(argv[1], argv[2]);
	pin(1);

	connect_all(1000);
	measure_echo(100);
	measure_broadcast(1000, 1);
	measure_broadcast(1000, 8);
	close_clients(0);
	base = memory_settled(0);
	row("clients connected and joined, first 5,000", "per s", connect_all(5000));
	row("user memory per idle client at 5,000", "bytes", (server_memory() - base) / 5000);
	row("clients connected and joined, to 15,000", "per s", connect_all(CLIENTS_MAX));
	row("user memory per idle client at 15,000", "bytes", (server_memory() - base) / CLIENTS_MAX);
	close_clients(0);
	row("user memory over the start after all left", "KiB", (memory_settled(base * 1.1) - base) / 1024);

	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	return 0;
}
