/*
 * A hub in the loop of the test, with plain sockets for its workers: the test writes their commands and checks the
 * bytes that they receive.
 */
#ifndef TESTS_UNIT_BROKER_HUB_WORKERS_H
#define TESTS_UNIT_BROKER_HUB_WORKERS_H

#include "tests/unit/broker/broker_bench.h"

#include <sys/un.h>

#include "broker/hub.h"

static struct hub *hub;
static int hub_fd;
static char hub_name[HUB_NAME_MAX];

/* Connects a worker to the hub. Returns its non-blocking socket. */
UNUSED static int
worker(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(hub_name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path + 1, hub_name, n);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
worker_write(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		} else {
			assert_int_equal(errno, EAGAIN);
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
	}
}

UNUSED static void
put_text(int fd, const char *text)
{
	worker_write(fd, text, strlen(text));
}

/* Sends "PUBLISH a b" as a command; blanks separate the arguments. */
UNUSED static void
worker_say(int fd, const char *words)
{
	struct buffer out, one;
	struct text rest = text_from(words), word;
	unsigned count = 0;

	buffer_init(&out, 1 << 20);
	buffer_init(&one, 1 << 20);
	while (text_cut(&rest, ' ', &word)) {
		buffer_printf(&one, "$%zu\r\n", word.n);
		buffer_add_text(&one, word);
		buffer_add_text(&one, TEXT("\r\n"));
		count++;
	}
	buffer_printf(&out, "*%u\r\n", count);
	buffer_add_text(&out, buffer_text(&one));
	worker_write(fd, (const char *)out.data, out.len);
	buffer_fini(&one);
	buffer_fini(&out);
}

/* Waits for exactly these bytes. */
UNUSED static void
hears(int fd, const char *expected)
{
	char got[65536];
	size_t want = strlen(expected), n = 0;
	uint64_t deadline = bench_clock() + 20000;

	while (n < want) {
		ssize_t r = recv(fd, got + n, want - n, 0);

		if (r > 0)
			n += (size_t)r;
		else if (r == 0 || bench_clock() > deadline)
			fail_msg("heard only \"%.*s\" of \"%s\"", (int)n, got, expected);
		else {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
	}
	if (memcmp(got, expected, want) != 0)
		fail_msg("heard \"%.*s\", not \"%s\"", (int)n, got, expected);
}

/* Runs until the hub has closed the connection. Bytes before the end are skipped. */
UNUSED static void
hears_end(int fd)
{
	char one;
	ssize_t n;

	do {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
		n = recv(fd, &one, 1, 0);
	} while (n > 0 || (n < 0 && errno == EAGAIN));
}

#endif
