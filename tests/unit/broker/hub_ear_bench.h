/* A hub that subscribes at a fake Redis for its workers, with the workers as plain sockets. */
#ifndef TESTS_UNIT_BROKER_HUB_EAR_BENCH_H
#define TESTS_UNIT_BROKER_HUB_EAR_BENCH_H

#include "tests/unit/broker/hub_workers.h"

#include "tests/unit/broker/fake_redis.h"

#include "common/base/error.h"
#include "tests/unit/faults.h"
#include "tests/unit/log_lines.h"

#define CHECK_MS 200

static inline struct hub_stats
ear_stats(void)
{
	struct hub_stats stats;

	hub_stats(hub, &stats);
	return stats;
}

static inline void
ear_new_hub(void)
{
	struct hub_ear_options ear = {.key = "socket.io", .check_ms = CHECK_MS, .timeout_ms = 1000};
	struct hub_options options = {
		.max_queue = 1 << 20, .max_message = 1 << 20, .max_subscriptions = 4, .ear = &ear};
	char error[BUS_ERROR_MAX];
	struct bus_url server;

	assert_int_equal(bus_url_parse(&server, fake.url, error), 0);
	ear.server = &server;
	hub = hub_new(&bench.loop, dup(hub_fd), &options);
}

static inline int
ear_start(void **state)
{
	log_lines_start();
	bench_start(state);
	hub_fd = hub_listen(hub_name);
	assert_true(hub_fd >= 0);
	fake_start();
	ear_new_hub();
	return 0;
}

static inline int
ear_stop(void **state)
{
	fault_above = SIZE_MAX;
	hub_free(hub);
	close(hub_fd);
	fake_stop();
	log_lines_stop();
	return bench_stop(state);
}

/* Checks that nothing waits for the worker: the answer to PING comes first. */
static inline void
worker_hears_nothing(int fd, bool subscribes)
{
	worker_say(fd, "PING");
	hears(fd, subscribes ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
}

static inline void
worker_subscribe(int fd, const char *command, const char *name, unsigned number)
{
	char line[256];

	snprintf(line, sizeof line, "%s %s", command, name);
	worker_say(fd, line);
	snprintf(line, sizeof line, "*3\r\n$%u\r\n%s\r\n$%zu\r\n%s\r\n:%u\r\n", command[0] == 'P' ? 10 : 9,
		command[0] == 'P' ? "psubscribe" : "subscribe", strlen(name), name, number);
	hears(fd, line);
}

#define EAR_CASE(name) cmocka_unit_test_setup_teardown(name, ear_start, ear_stop)

#endif
