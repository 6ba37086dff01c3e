/*
 * What the servers in the tests' own loop share: they read commands in the form of Redis (RESP) and answer as a test
 * asks.
 */
#ifndef TESTS_UNIT_BROKER_FAKE_SERVER_H
#define TESTS_UNIT_BROKER_FAKE_SERVER_H

#include <stdarg.h>
#include <stdio.h>

#include "tests/unit/broker/broker_bench.h"

#include "broker/hub_command.h"
#include "common/io/listener.h"

#define FAKE_ANSWER_MAX 4096		   /* bytes of one say() */
#define FAKE_COMMAND_MAX ((size_t)1 << 20) /* bytes of a command */

static const struct conn_limits fake_limits = {
	.max_queue = 64 << 20, .max_kept = 32 * 1024, .stall_ms = 20000, .linger_ms = 20000};

/* Sends an answer; an empty one sends nothing. */
static inline __attribute__((format(printf, 2, 3))) void
say(struct conn *c, const char *format, ...)
{
	char out[FAKE_ANSWER_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, sizeof out, format, args);
	va_end(args);
	assert_in_range(n, 0, sizeof out - 1);
	if (n > 0)
		conn_send_copy(c, out, (size_t)n);
}

/* For conn_ops.on_data: calls `serve` with each command in the bytes. Returns the number of bytes of all of them. */
static inline size_t
fake_read(struct conn *c, const uint8_t *data, size_t n,
	void (*serve)(struct conn *c, const struct hub_command *command))
{
	static struct hub_command command;
	size_t at = 0;

	for (;;) {
		uint64_t needed;
		int64_t taken = hub_command_parse(
			&command, text_of((const char *)data + at, n - at), FAKE_COMMAND_MAX, &needed);

		assert_true(taken >= 0);
		if (taken == 0)
			return at;
		at += (size_t)taken;
		serve(c, &command);
	}
}

/* Listens on 127.0.0.1, at a free port if `port` is 0. Ends the test if it cannot. */
static inline struct listener *
fake_listen_at(uint16_t port, void (*on_accept)(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len),
	void *arg)
{
	struct listener_options options = {.host = "127.0.0.1", .port = port};
	struct listener *listener;
	char error[256];

	if (listener_open(&listener, &bench.loop, &options, on_accept, arg, error) < 0)
		fail_msg("%s", error);
	return listener;
}

#endif
