/* The master accepts connections for a worker that is down, and passes them to a worker that serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/must.h"
#include "node/process/care.h"

#define SERVING 1 /* the slot of the worker that serves; the other is not ready */
#define CLIENTS 6
#define LIMIT 200 /* of descriptors, far above the number in use */

static struct doors doors;
static struct stats_page *pages;
static struct vitals *vitals;
static struct listener_set ports[2];
static struct care *care;
static struct pollfd polls[2 * LISTENER_SOCKETS_MAX];
static unsigned lines;

static void
count_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level, (void)line, (void)n;
	lines++;
}

static void
start(void)
{
	const struct listener_options any = {.host = "127.0.0.1"};
	struct stats accepting = {.state = STATS_ACCEPTING};
	struct care_setup setup = {.workers = 2, .doors = &doors};
	char error[256];

	must(doors_open(&doors, 2) == 0);
	setup.pages = pages = stats_pages_new(2);
	setup.vitals = vitals = vitals_new(2);
	must(pages != NULL && vitals != NULL);
	stats_write(&pages[SERVING], &accepting);
	care = care_new(&setup);
	for (unsigned i = 0; i < 2; i++) {
		must(listener_set_open(&ports[i], &any, error) == 0);
		care_ready(care, i, getpid(), &ports[i]);
	}
	care_ended(care, 1 - SERVING);
}

static void
stop(void)
{
	care_free(care);
	listener_set_close(&ports[0]);
	listener_set_close(&ports[1]);
	stats_pages_free(pages, 2);
	vitals_free(vitals, 2);
	doors_close(&doors);
}

static int
connect_to(const struct listener_set *set)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(listener_set_port(set)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	return fd;
}

static unsigned
look_and_accept(uint64_t now)
{
	unsigned n;

	care_look(care, now);
	n = care_polls(care, polls);
	must(poll(polls, n, 0) >= 0);
	care_polled(care, polls, n, now);
	return n;
}

/* The number of connections that were passed to the serving worker and wait there. */
static unsigned
passed(void)
{
	char bytes[256];
	unsigned n = 0;

	while (recv(doors.receive[SERVING], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void
test_accepts_for_a_missing_worker(void **state)
{
	int clients[CLIENTS];

	(void)state;
	start();
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = connect_to(&ports[1 - SERVING]);
	assert_int_equal(look_and_accept(1000), 1);
	assert_int_equal(passed(), CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(clients[i]);
	stop();
}

#define EXPECT(condition)                                                                                            \
	do {                                                                                                         \
		if (!(condition)) {                                                                                  \
			dprintf(2, "in the child: %s is false (line %d)\n", #condition, __LINE__);                   \
			_exit(1);                                                                                    \
		}                                                                                                    \
	} while (0)

/* Uses up all descriptors below the limit. */
static unsigned
fill(int *out)
{
	unsigned n = 0;
	int fd;

	while ((fd = dup(0)) >= 0)
		out[n++] = fd;
	return n;
}

static bool
is_closed(int client)
{
	struct pollfd p = {client, POLLIN, 0};
	char byte;

	return poll(&p, 1, 5000) == 1 && recv(client, &byte, 1, 0) == 0;
}

static void
run_out_of_descriptors(void)
{
	struct rlimit limit;
	int client, taken[LIMIT], more[LIMIT];
	unsigned n;

	log_set_sink(count_line, NULL);
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = LIMIT;
	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	start();
	client = connect_to(&ports[1 - SERVING]);
	n = fill(taken);
	EXPECT(look_and_accept(1000) == 1);
	/* closed, so that the client tries again and may reach the port of a serving worker */
	EXPECT(is_closed(client));
	EXPECT(lines == 1);
	EXPECT(look_and_accept(1050) == 0); /* the pause */
	close(client);
	while (n > 0)
		close(taken[--n]);
	client = connect_to(&ports[1 - SERVING]);
	EXPECT(look_and_accept(1100) == 1);
	EXPECT(passed() == 1);
	close(client);
	client = connect_to(&ports[1 - SERVING]); /* the reserve is restored */
	n = fill(more);
	EXPECT(look_and_accept(1200) == 1);
	EXPECT(is_closed(client));
	while (n > 0)
		close(more[--n]);
	stop();
	_exit(0);
}

/* In a process of its own, because it lowers the limit. */
static void
test_closes_waiting_clients_when_descriptors_run_out(void **state)
{
	int status = 0;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		run_out_of_descriptors();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_for_a_missing_worker),
		cmocka_unit_test(test_closes_waiting_clients_when_descriptors_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
