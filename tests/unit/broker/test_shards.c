/* Sharded channels on a cluster of small masters, whose slots move, which redirect in circles, are down, or die. */
#include "tests/unit/broker/cluster_fakes.h"

#include "broker/shards.h"

#define MASTERS 3
#define CHANNELS 200

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

static unsigned
index_of(const struct fake *fake)
{
	return (unsigned)(fake - fakes);
}

static void
say_moved(struct conn *c, unsigned slot, unsigned owner)
{
	char error[64];
	int n = snprintf(error, sizeof error, "-MOVED %u 127.0.0.1:%u\r\n", slot, fake_port(owner));

	moved++;
	if (held && c == held_conn)
		buffer_add(&held_bytes, error, (size_t)n);
	else
		conn_send_copy(c, error, (size_t)n);
}

static void
remove_subscriber(unsigned i)
{
	subscribers[i] = subscribers[--subscriber_count];
}

static void
forget_connection(struct conn *c)
{
	for (unsigned i = subscriber_count; i-- > 0;)
		if (subscribers[i].c == c)
			remove_subscriber(i);
}

static void
serve_publish(struct fake *fake, struct conn *c, const struct text *args)
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

static void
serve_subscribe(struct fake *fake, struct conn *c, struct text channel)
{
	struct subscriber *s = &subscribers[subscriber_count++];

	assert_in_range(subscriber_count, 1, 1023);
	*s = (struct subscriber){.c = c, .fake = fake};
	snprintf(s->channel, sizeof s->channel, "%.*s", (int)channel.n, channel.at);
	fake->subscriptions = c;
	say(c, "*3\r\n$10\r\nssubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", channel.n, (int)channel.n, channel.at);
}

static void
serve_unsubscribe(struct fake *fake, struct conn *c, struct text channel)
{
	for (unsigned i = subscriber_count; i-- > 0;)
		if (subscribers[i].c == c && text_is(text_from(subscribers[i].channel), channel))
			remove_subscriber(i);
	(void)fake;
	say(c, "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", channel.n, (int)channel.n, channel.at);
}

static void
serve_shard(struct fake *fake, struct conn *c, const struct hub_command *command)
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
		say_moved(c, slot, (index_of(fake) + 1) % MASTERS);
	else if (truth[slot] != index_of(fake))
		say_moved(c, slot, truth[slot]);
	else if (publishes)
		serve_publish(fake, c, args);
	else if (subscribes)
		serve_subscribe(fake, c, args[1]);
	else
		serve_unsubscribe(fake, c, args[1]);
}

static void
held_answer(void)
{
	held = false;
	conn_send_copy(held_conn, held_bytes.data, held_bytes.len);
	buffer_reset(&held_bytes);
}

/* The map that the members tell is not changed by this. `push`: subscribers are told. */
static void
move_slot(unsigned slot, unsigned to, bool push)
{
	truth[slot] = (uint8_t)to;
	for (unsigned i = subscriber_count; i-- > 0;) {
		struct subscriber s = subscribers[i];

		if (cluster_slot(text_from(s.channel)) != slot || index_of(s.fake) == to)
			continue;
		if (push)
			say(s.c, "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\n%s\r\n:0\r\n", strlen(s.channel), s.channel);
		remove_subscriber(i);
	}
}

/* All masters tell where the slots are: parts of the slots, and one slot that has moved. */
static void
tell_truth(unsigned slot)
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

static void
on_hopeless(void *arg)
{
	((struct client *)arg)->hopeless++;
}

static void
on_closed(void *arg)
{
	((struct client *)arg)->closings++;
}

static void
client_start(struct client *c, const char *url, uint64_t max_queue)
{
	static const struct bus_ops ops = {.on_hopeless = on_hopeless};
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

static void
client_end(struct client *c)
{
	shards_close(c->shards, 300, on_closed, c);
	RUN_UNTIL(c->closings == 1);
}

static struct bus_stats
stats_of(const struct client *c)
{
	struct bus_stats stats;

	shards_stats(c->shards, &stats);
	return stats;
}

static void
hear(struct client *c, struct listener *l, const char *name)
{
	memset(l, 0, sizeof *l);
	l->s = (struct bus_subscription){.name = text_from(name), .on_message = on_heard};
	buffer_init(&l->got, 64 << 20);
	shards_subscribe(c->shards, &l->s);
}

static void
hear_no_more(struct client *c, struct listener *l)
{
	shards_unsubscribe(c->shards, &l->s);
	buffer_fini(&l->got);
}

static int
send_text(struct client *c, const char *channel, const char *payload)
{
	struct block *block = block_copy(payload, strlen(payload));
	int rc = shards_publish(c->shards, text_from(channel), block);

	block_unref(block);
	return rc;
}

static unsigned sent; /* numbers of send_next() */

static void
send_next(struct client *c, const char *channel)
{
	char number[16];

	snprintf(number, sizeof number, "%u", ++sent);
	assert_int_equal(send_text(c, channel, number), 0);
}

/* The numbers from `first` to `last` arrived, each once and in order. */
static void
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

static int
start(void **state)
{
	static const int owners[MASTERS] = {0, 1, 2};

	fakes_start(state);
	fakes_set_owners(MASTERS, owners);
	fake_serve_more = serve_shard;
	fake_closed_more = forget_connection;
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

static int
stop(void **state)
{
	fake_serve_more = NULL;
	buffer_fini(&held_bytes);
	return fakes_stop(state);
}

/* -------------------------------------------------------------------- tests */

/* Each channel is served by the owner of its slot; no command is redirected. */
static void
channels_go_to_their_masters(void **state)
{
	static struct listener l[CHANNELS];
	static char names[CHANNELS][16];
	struct client a;
	unsigned messages = 0;

	(void)state;
	client_start(&a, fakes_url(0, 1), 1 << 20);
	for (unsigned i = 0; i < CHANNELS; i++) {
		snprintf(names[i], sizeof names[i], "c%u", i);
		hear(&a, &l[i], names[i]);
		assert_true(shards_awaits(a.shards, &l[i].s));
		send_text(&a, names[i], names[i]); /* waits until its subscription is confirmed */
	}
	RUN_UNTIL(shards_up(a.shards));
	do {
		messages = 0;
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
		for (unsigned i = 0; i < CHANNELS; i++)
			messages += l[i].messages;
	} while (messages < CHANNELS);
	for (unsigned i = 0; i < CHANNELS; i++) {
		assert_int_equal(l[i].messages, 1);
		assert_false(shards_awaits(a.shards, &l[i].s));
		assert_ptr_equal(shards_find(a.shards, text_from(names[i])), &l[i].s);
	}
	assert_int_equal(moved, 0);
	assert_int_equal(stats_of(&a).shards, 3);
	assert_int_equal(stats_of(&a).published, CHANNELS);
	assert_int_equal(stats_of(&a).received, CHANNELS);
	assert_int_equal(stats_of(&a).gaps, 0);
	assert_int_equal(a.hopeless, 0);
	for (unsigned i = 0; i < CHANNELS; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static void
one_server_is_one_bus(void **state)
{
	struct client a;
	struct listener l;
	char url[64];

	(void)state;
	snprintf(url, sizeof url, "redis://127.0.0.1:%u", fake_port(0));
	memset(truth, 0, sizeof truth);
	client_start(&a, url, 1 << 20);
	hear(&a, &l, "c");
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	assert_true(shards_up(a.shards) && shards_flows(a.shards));
	assert_int_equal(stats_of(&a).shards, 0);
	assert_int_equal(fakes[0].asked, 0);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* The members go on telling the old map for a while; the redirections are followed all the same. */
static void
a_moved_slot_takes_its_subscription_with_it(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS;
	struct client a;
	struct listener l;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	for (unsigned round = 0; round < 3; round++) {
		move_slot(slot, to, true);
		RUN_UNTIL(subscriber_count > 0 && l.s.confirmed && stats_of(&a).gaps > round);
		for (unsigned i = 0; i < 10; i++)
			send_next(&a, "c");
		RUN_UNTIL(l.messages == 1 + 10 * (round + 1));
		to = (to + 1) % MASTERS;
		tell_truth(slot);
	}
	assert_numbers(&l, 1, sent);
	assert_in_range(stats_of(&a).resubscribes, 3, 20);
	assert_true(stats_of(&a).moved >= 3);
	assert_int_equal(stats_of(&a).uncertain + stats_of(&a).dropped, 0);
	hear_no_more(&a, &l);
	client_end(&a);
}

/*
 * Publishes are under way to the old owner when the slot moves, and newer ones follow before it has answered. They
 * reach the new owner in order, although the member that has no subscription learns of the move only by their
 * refusal.
 */
static void
publishes_keep_their_order_when_their_slot_moves(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS;
	struct client sender, receiver;
	struct listener l;

	(void)state;
	client_start(&sender, fakes_url(0, 3), 1 << 20);
	client_start(&receiver, fakes_url(0, 3), 1 << 20);
	hear(&receiver, &l, "c");
	RUN_UNTIL(shards_up(receiver.shards));
	send_next(&sender, "c");
	RUN_UNTIL(shards_up(sender.shards) && l.messages == 1);
	move_slot(slot, to, true);
	RUN_UNTIL(l.s.confirmed && stats_of(&receiver).gaps >= 1);
	buffer_reset(&l.got);
	held = true;
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	RUN_UNTIL(moved >= 50);
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	held_answer();
	for (unsigned i = 0; i < 50; i++)
		send_next(&sender, "c");
	RUN_UNTIL(l.messages >= sent);
	assert_numbers(&l, 2, sent);
	assert_int_equal(stats_of(&sender).uncertain + stats_of(&sender).dropped, 0);
	RUN_UNTIL(stats_of(&sender).published == sent);
	hear_no_more(&receiver, &l);
	client_end(&receiver);
	client_end(&sender);
}

/* Many redirections at once lead to one question about the map, or to two if one was under way. */
static void
many_redirections_are_one_question(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), to = (truth[slot] + 1) % MASTERS, asked;
	struct client a;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards) && stats_of(&a).published == 1);
	move_slot(slot, to, true);
	tell_truth(slot);
	asked = fakes[0].asked + fakes[1].asked + fakes[2].asked;
	for (unsigned i = 0; i < 500; i++)
		send_next(&a, "c");
	RUN_UNTIL(stats_of(&a).published == sent && moved >= 500);
	/* CLUSTER SHARDS and CLUSTER SLOTS each */
	assert_in_range(fakes[0].asked + fakes[1].asked + fakes[2].asked - asked, 0, 4);
	client_end(&a);
}

/* Masters that redirect in a circle are followed a few times for each map, and the maps have a minimum interval. */
static void
a_circle_of_redirections_is_left(void **state)
{
	struct client a;
	struct listener l;
	unsigned before;
	uint64_t until;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	circle = true;
	send_next(&a, "c");
	until = bench_clock() + 1000;
	before = moved;
	while (bench_clock() < until) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
	}
	assert_in_range(moved - before, 5, 1000);
	circle = false;
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 2);
	assert_numbers(&l, 1, 2);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* A redirection to a host that is dead: the next map has the truth. */
static void
a_redirection_to_a_dead_host_is_corrected(void **state)
{
	unsigned slot = cluster_slot(TEXT("c")), first = truth[slot];
	struct client a;
	struct listener l;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	listener_free(fakes[3].listener); /* nothing listens there any more, but the port is remembered */
	fake_listen(3, 0);
	conn_send_copy(fakes[first].subscriptions,
		"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n-MOVED 99999 x\r\n-MOVED 7365 127.0.0.1:1\r\n", 69);
	RUN_UNTIL(stats_of(&a).gaps >= 1);
	RUN_UNTIL(shards_up(a.shards) && l.s.confirmed);
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* While the cluster is down, publishes wait; none is lost, sent twice or overtaken. */
static void
publishes_wait_while_the_cluster_is_down(void **state)
{
	struct client a;
	struct listener l;
	uint64_t until;

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	RUN_UNTIL(shards_up(a.shards));
	down = true;
	for (unsigned i = 0; i < 20; i++)
		send_next(&a, "c");
	RUN_UNTIL(!shards_up(a.shards));
	until = bench_clock() + 500;
	while (bench_clock() < until) {
		ev_run(bench.ev, EVRUN_ONCE);
		loop_finish_turn(&bench.loop);
		if (sent < 100)
			send_next(&a, "c");
	}
	down = false;
	RUN_UNTIL(l.messages >= sent);
	assert_numbers(&l, 1, sent);
	RUN_UNTIL(shards_up(a.shards));
	assert_true(stats_of(&a).ups == 2 && stats_of(&a).downs == 1);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* The master of a channel dies, and another one takes its slots. The others are not touched. */
static void
a_dead_master_is_replaced(void **state)
{
	unsigned dead = truth[cluster_slot(TEXT("c"))], heir = (dead + 1) % MASTERS;
	struct client a;
	struct listener l, other;
	char name[8] = "";

	(void)state;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	hear(&a, &l, "c");
	for (unsigned i = 0; name[0] == '\0' || truth[cluster_slot(text_from(name))] == dead ||
			     truth[cluster_slot(text_from(name))] == heir;
		i++)
		snprintf(name, sizeof name, "%u", i);
	hear(&a, &other, name);
	send_next(&a, "c");
	RUN_UNTIL(l.messages == 1 && shards_up(a.shards));
	listener_free(fakes[dead].listener);
	conn_close(fakes[dead].commands, REASON_FINISHED);
	conn_close(fakes[dead].subscriptions, REASON_FINISHED);
	RUN_UNTIL(!shards_up(a.shards));
	for (unsigned i = 0; i < 20; i++)
		send_next(&a, "c");
	RUN_UNTIL(a.hopeless >= 2);
	for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++)
		truth[slot] = truth[slot] == dead ? (uint8_t)heir : truth[slot];
	fake_listen(dead, 0);
	fakes_set_owners(
		MASTERS, (int[]){dead == 0 ? (int)heir : 0, dead == 1 ? (int)heir : 1, dead == 2 ? (int)heir : 2});
	RUN_UNTIL(l.messages == sent && shards_up(a.shards));
	assert_numbers(&l, 1, sent);
	assert_int_equal(stats_of(&a).shards, 2);
	assert_true(stats_of(&a).gaps >= 1);
	assert_int_equal(stats_of(&a).dropped, 0);
	hear_no_more(&a, &other);
	hear_no_more(&a, &l);
	client_end(&a);
}

/* The limit is for all shards together, and the oldest publishes are dropped. */
static void
the_queue_of_all_shards_is_limited(void **state)
{
	static struct listener l[3];
	static const char *const names[] = {"a", "b", "c"};
	struct client a;
	char large[600];

	(void)state;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	client_start(&a, "redis+cluster://127.0.0.1:1", 4000);
	for (unsigned i = 0; i < 3; i++)
		hear(&a, &l[i], names[i]);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(send_text(&a, names[i % 3], large), 0);
	assert_in_range(stats_of(&a).queue_bytes, 3000, 4000);
	assert_in_range(stats_of(&a).dropped, 20, 26);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(send_text(&a, "a", "small"), 0);
	RUN_UNTIL(a.hopeless >= 1);
	assert_false(shards_awaits(a.shards, &l[0].s));
	{
		char *huge = malloc(5000);

		memset(huge, 'x', 4999);
		huge[4999] = '\0';
		assert_int_equal(send_text(&a, "a", huge), ERROR_TOO_BIG);
		free(huge);
	}
	assert_int_equal(stats_of(&a).refused, 1);
	for (unsigned i = 0; i < 3; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static unsigned overs;

static void
on_over(struct bus_wait *wait)
{
	assert_true(list_empty(&wait->link));
	overs++;
}

/* A wait is for what was subscribed to before it, at any shard. */
static void
waits_end_when_every_shard_has_confirmed(void **state)
{
	static struct listener l[12];
	static char names[12][8];
	struct bus_wait first, second, cancelled;
	struct client a;

	(void)state;
	overs = 0;
	bus_wait_init(&first, on_over);
	bus_wait_init(&second, on_over);
	bus_wait_init(&cancelled, on_over);
	client_start(&a, fakes_url(0, 3), 1 << 20);
	send_next(&a, "a");
	send_next(&a, "b");
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards) && stats_of(&a).published == 3);
	assert_false(shards_wait(a.shards, &first));
	for (unsigned i = 0; i < 6; i++) {
		snprintf(names[i], sizeof names[i], "w%u", i);
		hear(&a, &l[i], names[i]);
	}
	assert_true(shards_wait(a.shards, &first));
	assert_true(shards_wait(a.shards, NULL));
	for (unsigned i = 6; i < 12; i++) {
		snprintf(names[i], sizeof names[i], "w%u", i);
		hear(&a, &l[i], names[i]);
	}
	assert_true(shards_wait(a.shards, &second));
	assert_true(shards_wait(a.shards, &cancelled));
	list_remove(&cancelled.link);
	assert_true(shards_flows(a.shards));
	send_next(&a, "w11"); /* its subscription is confirmed before it leaves */
	RUN_UNTIL(overs >= 1);
	for (unsigned i = 0; i < 6; i++)
		assert_true(l[i].s.confirmed);
	RUN_UNTIL(overs == 2);
	for (unsigned i = 6; i < 12; i++)
		assert_true(l[i].s.confirmed);
	RUN_UNTIL(l[11].messages == 1);
	assert_false(shards_wait(a.shards, &first));
	for (unsigned i = 0; i < 12; i++)
		hear_no_more(&a, &l[i]);
	client_end(&a);
}

static void
counts_are_those_of_the_owner(void **state)
{
	struct counted count = {.n = 0};
	struct client a;

	(void)state;
	for (unsigned i = 0; i < MASTERS; i++)
		fakes[i].subscribers = 10 + (int)i;
	client_start(&a, fakes_url(0, 3), 1 << 20);
	bus_count_init(&count.query, on_counted);
	shards_count(a.shards, &count.query, TEXT("c"));
	RUN_UNTIL(count.answered);
	assert_int_equal(count.n, ERROR_CLOSED); /* not up yet */
	send_next(&a, "c");
	RUN_UNTIL(shards_up(a.shards));
	count.answered = false;
	shards_count(a.shards, &count.query, TEXT("c"));
	RUN_UNTIL(count.answered);
	assert_int_equal(count.n, 10 + truth[cluster_slot(TEXT("c"))]);
	client_end(&a);
}

/* It ends while it asks, connects, subscribes, moves slots and has publishes under way. */
static void
it_closes_in_any_state(void **state)
{
	unsigned slot = cluster_slot(TEXT("c"));

	(void)state;
	for (unsigned turns = 0; turns < 30; turns++) {
		struct client a;
		struct listener l;

		client_start(&a, fakes_url(0, 3), 1 << 20);
		hear(&a, &l, "c");
		send_next(&a, "c");
		for (unsigned i = 0; i < turns; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
			if (i == 12)
				move_slot(slot, (truth[slot] + 1) % MASTERS, true);
			send_next(&a, i % 2 == 0 ? "c" : "d");
		}
		hear_no_more(&a, &l);
		client_end(&a);
		RUN_UNTIL(fakes_open() == 0);
		subscriber_count = 0;
	}
}

#define SHARDS_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARDS_CASE(channels_go_to_their_masters),
		SHARDS_CASE(one_server_is_one_bus),
		SHARDS_CASE(a_moved_slot_takes_its_subscription_with_it),
		SHARDS_CASE(publishes_keep_their_order_when_their_slot_moves),
		SHARDS_CASE(many_redirections_are_one_question),
		SHARDS_CASE(a_circle_of_redirections_is_left),
		SHARDS_CASE(a_redirection_to_a_dead_host_is_corrected),
		SHARDS_CASE(publishes_wait_while_the_cluster_is_down),
		SHARDS_CASE(a_dead_master_is_replaced),
		SHARDS_CASE(the_queue_of_all_shards_is_limited),
		SHARDS_CASE(waits_end_when_every_shard_has_confirmed),
		SHARDS_CASE(counts_are_those_of_the_owner),
		SHARDS_CASE(it_closes_in_any_state),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
