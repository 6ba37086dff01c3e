/*
 * Small members of a Redis Cluster in the loop of the test. They give the answers that the test sets, and misbehave
 * as the test asks.
 */
#ifndef TESTS_UNIT_BROKER_CLUSTER_FAKES_H
#define TESTS_UNIT_BROKER_CLUSTER_FAKES_H

#include "tests/unit/broker/fake_server.h"
#include "tests/unit/log_lines.h"

#include "broker/bus_access.h"
#include "broker/cluster_map.h"
#include "common/base/error.h"

#define FAKES 4

static struct fake {
	struct listener *listener;
	struct buffer shards, slots; /* answers to CLUSTER SHARDS and CLUSTER SLOTS */
	const char *info;	     /* to CLUSTER INFO */
	int subscribers;	     /* to PUBSUB NUMSUB; < 0: refuses */
	bool silent;		     /* accepts and answers nothing */
	unsigned asked, counted;
	unsigned open;
	struct conn *commands, *subscriptions; /* the last connections that published and subscribed */
} fakes[FAKES];

/* Serves the commands that the fakes themselves do not know. */
static void (*fake_serve_more)(struct fake *fake, struct conn *c, const struct hub_command *command);
static void (*fake_closed_more)(struct conn *c); /* NULL: nothing more to do */

static uint16_t
fake_port(unsigned i)
{
	return listener_port(fakes[i].listener);
}

/* Makes all members name these owners of equal parts of the slots, in order. An owner < 0 leaves a hole. */
UNUSED static void
fakes_set_owners(unsigned count, const int *owners)
{
	unsigned share = CLUSTER_SLOTS / count, entries = 0;

	for (unsigned i = 0; i < count; i++)
		entries += owners[i] >= 0;
	for (unsigned f = 0; f < FAKES; f++) {
		buffer_reset(&fakes[f].shards);
		buffer_printf(&fakes[f].shards, "*%u\r\n", entries);
		for (unsigned i = 0; i < count; i++) {
			if (owners[i] < 0)
				continue;
			buffer_printf(&fakes[f].shards,
				"*4\r\n+slots\r\n*2\r\n:%u\r\n:%u\r\n+nodes\r\n*1\r\n*6\r\n"
				"+endpoint\r\n$9\r\n127.0.0.1\r\n+port\r\n:%u\r\n+role\r\n+master\r\n",
				i * share, i + 1 == count ? CLUSTER_SLOTS - 1 : (i + 1) * share - 1,
				fake_port((unsigned)owners[i]));
		}
	}
}

UNUSED static void
fake_answer(struct buffer *answer, const char *bytes)
{
	buffer_reset(answer);
	buffer_add(answer, bytes, strlen(bytes));
}

static void
fake_serve(struct conn *c, const struct hub_command *command)
{
	struct fake *fake = conn_owner(c);
	const struct text *args = command->args;
	const struct buffer *topology = text_is(args[1], TEXT("SLOTS")) ? &fake->slots : &fake->shards;
	bool cluster = text_is(args[0], TEXT("CLUSTER"));

	fake->asked += cluster && !text_is(args[1], TEXT("INFO"));
	fake->counted += text_is(args[0], TEXT("PUBSUB"));
	if (fake->silent)
		return;
	if (cluster && text_is(args[1], TEXT("INFO")))
		say(c, "$%zu\r\n%s\r\n", strlen(fake->info), fake->info);
	else if (cluster)
		conn_send_copy(c, topology->data, topology->len);
	else if (text_is(args[0], TEXT("PUBSUB")) && fake->subscribers < 0)
		say(c, "-NOPERM no permissions\r\n");
	else if (text_is(args[0], TEXT("PUBSUB")))
		say(c, "*2\r\n$1\r\nx\r\n:%d\r\n", fake->subscribers);
	else if (fake_serve_more != NULL)
		fake_serve_more(fake, c, command);
}

static size_t
fake_on_data(struct conn *c, uint8_t *data, size_t n)
{
	return fake_read(c, data, n, fake_serve);
}

static void
fake_on_closed(struct conn *c, unsigned reason)
{
	struct fake *fake = conn_owner(c);

	(void)reason;
	fake->open--;
	if (fake_closed_more != NULL)
		fake_closed_more(c);
	if (fake->commands == c)
		fake->commands = NULL;
	if (fake->subscriptions == c)
		fake->subscriptions = NULL;
}

static void
fake_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = fake_on_data, .on_closed = fake_on_closed};
	struct fake *fake = arg;

	fake->open++;
	conn_new(&bench.loop, fd, peer, peer_len, NULL, &fake_limits, &ops, fake);
}

static inline unsigned
fakes_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKES; i++)
		n += fakes[i].open;
	return n;
}

static void
fake_listen(unsigned i, uint16_t port)
{
	fakes[i].listener = fake_listen_at(port, fake_accept, &fakes[i]);
}

static int
fakes_start(void **state)
{
	bench_start(state);
	log_lines_start();
	memset(fakes, 0, sizeof fakes);
	fake_serve_more = NULL;
	fake_closed_more = NULL;
	for (unsigned i = 0; i < FAKES; i++) {
		fake_listen(i, 0);
		buffer_init(&fakes[i].shards, 1 << 20);
		buffer_init(&fakes[i].slots, 1 << 20);
		fakes[i].info = "cluster_state:ok\r\n";
	}
	fakes_set_owners(3, (int[]){0, 1, 2});
	return 0;
}

static int
fakes_stop(void **state)
{
	RUN_UNTIL(fakes_open() == 0);
	for (unsigned i = 0; i < FAKES; i++) {
		listener_free(fakes[i].listener);
		buffer_fini(&fakes[i].shards);
		buffer_fini(&fakes[i].slots);
	}
	log_lines_stop();
	return bench_stop(state);
}

/* The URL of these fakes. */
UNUSED static const char *
fakes_url(unsigned first, unsigned count)
{
	static char url[256];
	char *at = url + sprintf(url, "redis+cluster://");

	for (unsigned i = first; i < first + count; i++)
		at += sprintf(at, "%s127.0.0.1:%u", i > first ? "," : "", fake_port(i));
	return url;
}

#define FAKES_CASE(name) cmocka_unit_test_setup_teardown(name, fakes_start, fakes_stop)

#endif
