/*
 * Small masters of a cluster for the tests of shards.c, and the client under test. The slots of the masters move, and
 * the masters redirect in circles, are down or delay answers, as the test says.
 */
#ifndef TESTS_UNIT_BROKER_SHARDS_MASTERS_H
#define TESTS_UNIT_BROKER_SHARDS_MASTERS_H

#include "tests/unit/broker/cluster_fakes.h"

#include "broker/shards.h"

#define MASTERS 3

/* --------------------------------------------------------- what the masters do */

static uint8_t truth[CLUSTER_SLOTS]; /* the master of each slot */
static bool down;		     /* all masters answer CLUSTERDOWN */
static bool circle;		     /* each master names the next one as the owner of every slot */
static bool held;		     /* publishes are not answered until held_answer() */
static struct conn *held_conn;	     /* the last connection that published to "c" */
static struct buffer held_bytes;
static unsigned ssubscribes, moved;

static struct subscriber {
	struct conn *c;
	struct fake *fake;
	char channel[64];
} subscribers[1024];
static unsigned subscriber_count;

static inline unsigned
master_index(const struct fake *fake)
{
	return (unsigned)(fake - fakes);
}

static inline void
masters_say_moved(struct conn *c, unsigned slot, unsigned owner)
{
	char error[64];
	int n = snprintf(error, sizeof error, "-MOVED %u 127.0.0.1:%u\r\n", slot, fake_port(owner));

	moved++;
	if (held && c == held_conn)
		buffer_add(&held_bytes, error, (size_t)n);
	else
		conn_send_copy(c, error, (size_t)n);
}

static inline void
masters_remove_subscriber(unsigned i)
{
	subscribers[i] = subscribers[--subscriber_count];
}

static inline void
masters_forget_conn(struct conn *c)
{
	for (unsigned i = subscriber_count; i-- > 0;)
		if (subscribers[i].c == c)
			masters_remove_subscriber(i);
}

static inline void
masters_serve_publish(struct fake *fake, struct conn *c, const struct text *args)
{
	fake->commands = c;
	for (unsigned i = 0; i < subscriber_count; i++) {
		struct subscriber *s = &subscribers[i];

		if (s->fake == fake && text_is(text_from(s->channel), args[1]))
			say(s->c, "*3\r\n$8\r\nsmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", args[1].n,
				(int)args[1].n, args[1].at, args[2].n, (int)args[2].n, args[2].at);
	}
	if (held && c == held_conn)
		buffer_add(&held_bytes, ":1\r\n", 4);
	else
		say(c, ":1\r\n");
}

static inline void
masters_serve_subscribe(struct fake *fake, struct conn *c, struct text channel)
{
	struct subscriber *s = &subscribers[subscriber_count++];

	assert_in_range(subscriber_count, 1, 1023);
	*s = (struct subscriber){.c = c, .fake = fake};
	snprintf(s->channel, sizeof s->channel, "%.*s", (int)channel.n, channel.at);
	fake->subscriptions = c;
	say(c, "*3\r\n$10\r\nssubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", channel.n, (int)channel.n, channel.at);
}

static inline void
masters_serve_unsubscribe(struct fake *fake, struct conn *c, struct text channel)
{
	for (unsigned i = subscriber_count; i-- > 0;)
		if (subscribers[i].c == c && text_is(text_from(subscribers[i].channel), channel))
			masters_remove_subscriber(i);
	(void)fake;
	say(c, "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", channel.n, (int)channel.n, channel.at);
}

static inline void
masters_serve(struct fake *fake, struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;
	bool publishes = text_is(args[0], TEXT("SPUBLISH")), subscribes = text_is(args[0], TEXT("SSUBSCRIBE"));
	unsigned slot;

	if (!publishes && !subscribes && !text_is(args[0], TEXT("SUNSUBSCRIBE")))
		return;
	if (publishes)
		fake->commands = c;
	if (publishes && !held && text_is(args[1], TEXT("c")))
		held_conn = c;
	ssubscribes += subscribes;
	slot = cluster_slot(args[1]);
	if (down && (publishes || subscribes))
		say(c, "-CLUSTERDOWN The cluster is down\r\n");
	else if (circle)
		masters_say_moved(c, slot, (master_index(fake) + 1) % MASTERS);
	else if (truth[slot] != master_index(fake))
		masters_say_moved(c, slot, truth[slot]);
	else if (publishes)
		masters_serve_publish(fake, c, args);
	else if (subscribes)
		masters_serve_subscribe(fake, c, args[1]);
	else
		masters_serve_unsubscribe(fake, c, args[1]);
}

static inline void
held_answer(void)
{
	held = false;
	conn_send_copy(held_conn, held_bytes.data, held_bytes.len);
	buffer_reset(&held_bytes);
}

/*
 * Moves a slot, without changing the map that the members give. `push`: the old owner tells its subscribers that
 * their subscriptions have ended.
 */
static inline void
move_slot(unsigned slot, unsigned to, bool push)
{
	truth[slot] = (uint8_t)to;
	for (unsigned i = subscriber_count; i-- > 0;) {
		struct subscriber s = subscribers[i];

		if (cluster_slot(text_from(s.channel)) != slot || master_index(s.fake) == to)
			continue;
		if (push)
			say(s.c, "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\n%s\r\n:0\r\n", strlen(s.channel), s.channel);
		masters_remove_subscriber(i);
	}
}

/* Sets the map that all masters give: equal parts of the slots, and one slot that has moved. */
static inline void
masters_publish_map(unsigned slot)
{
	for (unsigned f = 0; f < FAKES; f++) {
		struct buffer *out = &fakes[f].slots;

		fake_answer(&fakes[f].shards, "-ERR unknown subcommand\r\n");
		buffer_reset(out);
		buffer_printf(out, "*%u\r\n", MASTERS + 1);
		for (unsigned i = 0; i < MASTERS; i++)
			buffer_printf(out, "*3\r\n:%u\r\n:%u\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
				i * (CLUSTER_SLOTS / MASTERS),
				i + 1 == MASTERS ? CLUSTER_SLOTS - 1 : (i + 1) * (CLUSTER_SLOTS / MASTERS) - 1,
				fake_port(i));
		buffer_printf(out, "*3\r\n:%u\r\n:%u\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n", slot, slot,
			fake_port(truth[slot]));
	}
}

/* ----------------------------------------------------------------- the client */

struct client {
	struct shards *shards;
	unsigned hopeless, closings;
};

static inline void
client_on_hopeless(void *arg)
{
	((struct client *)arg)->hopeless++;
}

static inline void
client_on_closed(void *arg)
{
	((struct client *)arg)->closings++;
}

static inline void
client_start(struct client *c, const char *url, uint64_t max_queue)
{
	static const struct bus_ops ops = {.on_hopeless = client_on_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.sharded = true,
		.ordered = true,
		.key = "k",
		.max_queue = max_queue,
		.settle_ms = 500,
		.members = TEXT("k#/#"),
		.check_ms = 200,
		.timeout_ms = 1000};
	char error[BUS_ERROR_MAX];

	memset(c, 0, sizeof *c);
	if (bus_url_parse(&server, url, error) < 0)
		fail_msg("%s", error);
	c->shards = shards_open(&bench.loop, &o, &ops, c);
}

static inline void
client_end(struct client *c)
{
	shards_close(c->shards, 300, client_on_closed, c);
	RUN_UNTIL(c->closings == 1);
}

static inline struct bus_stats
stats_of(const struct client *c)
{
	struct bus_stats stats;

	shards_stats(c->shards, &stats);
	return stats;
}

static inline void
hear(struct client *c, struct listener *l, const char *name)
{
	memset(l, 0, sizeof *l);
	l->s = (struct bus_subscription){.name = text_from(name), .on_message = on_heard};
	buffer_init(&l->got, 64 << 20);
	shards_subscribe(c->shards, &l->s);
}

static inline void
hear_no_more(struct client *c, struct listener *l)
{
	shards_unsubscribe(c->shards, &l->s);
	buffer_fini(&l->got);
}

static inline int
send_text(struct client *c, const char *channel, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));
	int rc = shards_publish(c->shards, text_from(channel), block);

	block_unref(block);
	return rc;
}

static unsigned sent; /* numbers of send_next() */

static inline void
send_next(struct client *c, const char *channel)
{
	char number[16];

	snprintf(number, sizeof number, "%u", ++sent);
	assert_int_equal(send_text(c, channel, number), 0);
}

/* The numbers from `first` to `last` arrived, each once and in order. */
static inline void
assert_numbers(const struct listener *l, unsigned first, unsigned last)
{
	struct buffer wanted;

	buffer_init(&wanted, 1 << 20);
	for (unsigned i = first; i <= last; i++)
		buffer_printf(&wanted, "%u ", i);
	if (!text_is(buffer_text(&wanted), buffer_text(&l->got)))
		fail_msg("heard: %.*s", (int)l->got.len, l->got.data);
	buffer_fini(&wanted);
}

static inline int
shards_start(void **state)
{
	static const int owners[MASTERS] = {0, 1, 2};

	fakes_start(state);
	fakes_set_owners(MASTERS, owners);
	fake_serve_more = masters_serve;
	fake_closed_more = masters_forget_conn;
	for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++)
		truth[slot] = (uint8_t)(slot / (CLUSTER_SLOTS / MASTERS) < MASTERS ? slot / (CLUSTER_SLOTS / MASTERS)
										   : MASTERS - 1);
	buffer_init(&held_bytes, 1 << 20);
	for (unsigned i = 0; i < MASTERS; i++)
		fakes[i].subscribers = 1;
	down = circle = held = false;
	ssubscribes = moved = sent = subscriber_count = 0;
	return 0;
}

static inline int
shards_stop(void **state)
{
	fake_serve_more = NULL;
	buffer_fini(&held_bytes);
	return fakes_stop(state);
}

#define SHARDS_CASE(name) cmocka_unit_test_setup_teardown(name, shards_start, shards_stop)

#endif
