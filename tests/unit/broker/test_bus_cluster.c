/* A bus at a Redis Cluster: which member it uses, without a log and with one, when members die and slots move. */
#include "tests/unit/broker/cluster_fakes.h"

#include "broker/bus.h"
#include "broker/bus_log.h"

#define NOBODY FAKES

/* What the members do beside cluster_fakes.h. */
static struct {
	unsigned log_at;   /* the member that has the log; the others answer MOVED */
	const char *host;  /* the name of the member in that answer */
	bool hides;	   /* the users may not GET */
	bool queueing;	   /* a transaction is being received */
	unsigned messages; /* its messages so far */
	bool failed;	   /* it will not be executed */
	unsigned recorded; /* messages of the transactions that were executed */
} members;

static struct counted_answer {
	struct bus_count query;
	int64_t count;
	unsigned answers;
} counted_answer;

static void
on_count(struct bus_count *query, int64_t count)
{
	struct counted_answer *c = container_of(query, struct counted_answer, query);

	c->count = count;
	c->answers++;
}

static unsigned
log_slot(void)
{
	return cluster_slot(TEXT("socket.io-log"));
}

/* The member that owns the log according to the maps of all members. */
static unsigned
mapped_owner(void)
{
	unsigned at = log_slot() / (CLUSTER_SLOTS / 3);

	return at < 3 ? at : 2;
}

/* Returns true, and answers MOVED, if another member has the log. */
static bool
moves(struct fake *fake, struct conn *c)
{
	if (members.log_at == (unsigned)(fake - fakes))
		return false;
	members.failed = true;
	say(c, "-MOVED %u %s:%u\r\n", log_slot(), members.host, fake_port(members.log_at));
	return true;
}

static void
push(struct fake *fake, struct text channel, struct text message)
{
	say(fake->subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", channel.n, (int)channel.n,
		channel.at, message.n, (int)message.n, message.at);
}

static void
serve_check(struct fake *fake, struct conn *c, const struct text *args)
{
	char message[128];

	if (moves(fake, c))
		return;
	snprintf(message, sizeof message, "%.*s 1 500000 5-0", (int)args[6].n, args[6].at);
	say(c, "$5\r\n5-0 0\r\n");
	push(fake, args[5], text_from(message));
}

static void
serve_exec(struct conn *c)
{
	members.queueing = false;
	if (members.failed) {
		say(c, "-EXECABORT Transaction discarded because of previous errors.\r\n");
		return;
	}
	members.recorded += members.messages;
	say(c, "*%u\r\n$3\r\n5-0\r\n", members.messages + 2);
	for (unsigned i = 0; i < members.messages; i++)
		say(c, ":1\r\n");
	say(c, ":%u\r\n", members.recorded);
}

static void
serve_queued(struct fake *fake, struct conn *c, const struct text *args)
{
	bool publishes = text_is(args[0], TEXT("PUBLISH"));

	members.messages += publishes;
	if (publishes || !moves(fake, c))
		say(c, "+QUEUED\r\n");
}

static void
serve(struct fake *fake, struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("SUBSCRIBE"))) {
		fake->subscriptions = c;
		say(c, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", args[1].n, (int)args[1].n, args[1].at);
		return;
	}
	fake->commands = c;
	if (text_is(args[0], TEXT("EXEC"))) {
		serve_exec(c);
	} else if (members.queueing) {
		serve_queued(fake, c, args);
	} else if (text_is(args[0], TEXT("MULTI"))) {
		members.queueing = true;
		members.failed = false;
		members.messages = 0;
		say(c, "+OK\r\n");
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		say(c, ":1\r\n");
		push(fake, args[1], args[2]);
	} else if (text_is(args[0], TEXT("INFO"))) {
		say(c, "$8\r\nrun_id:a\r\n");
	} else if (text_is(args[0], TEXT("CLIENT"))) {
		say(c, ":1\r\n");
	} else if (text_is(args[0], TEXT("GET"))) {
		if (members.hides)
			say(c, "-NOPERM this user has no permissions to run the 'get' command\r\n");
		else if (!moves(fake, c))
			say(c, "$1\r\n0\r\n");
	} else if (command->count == 7) {
		serve_check(fake, c, args);
	} else {
		say(c, "$3\r\n10\n\r\n"); /* the log has the position, and nothing behind it */
	}
}

static int
cluster_start(void **state)
{
	int rc = fakes_start(state);

	memset(&members, 0, sizeof members);
	members.log_at = mapped_owner();
	members.host = "127.0.0.1";
	fake_serve_more = serve;
	return rc;
}

static void
bus_start_at(struct bus_bench *b, const char *url, uint64_t log_length, bool beside_log)
{
	static const struct bus_ops ops = {.on_hopeless = on_bus_hopeless};
	struct bus_url server;
	struct bus_options o = {.server = &server,
		.replicated = true,
		.key = "socket.io",
		.max_queue = 1 << 20,
		.log_length = log_length,
		.beside_log = beside_log,
		.check_ms = 100,
		.timeout_ms = 5000};
	char error[BUS_ERROR_MAX];

	memset(b, 0, sizeof *b);
	assert_int_equal(bus_url_parse(&server, url, error), 0);
	b->bus = bus_open(&bench.loop, &o, &ops, b);
}

/* The index of the member that the bus uses, or NOBODY. */
static unsigned
used(void)
{
	for (unsigned i = 0; i < FAKES; i++)
		if (fakes[i].commands != NULL)
			return i;
	return NOBODY;
}

/* The bus goes to another member when its member dies or is cut off, and counts at all of them. */
static void
a_bus_uses_any_member_in_order(void **state)
{
	struct bus_bench a;
	struct listener l;
	unsigned first, second;

	(void)state;
	bus_start(&a, fakes_url(3, 1), 1000);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	first = used();
	assert_in_range(first, 0, 2);
	for (unsigned i = 0; i < FAKES; i++)
		fakes[i].subscribers = 2;
	memset(&counted_answer, 0, sizeof counted_answer);
	bus_count_init(&counted_answer.query, on_count);
	bus_count(a.bus, &counted_answer.query, TEXT("x"));
	RUN_UNTIL(counted_answer.answers == 1);
	assert_int_equal(counted_answer.count, 6);
	/* a member on the smaller side of a cut accepts publishes, which reach nobody */
	fakes[first].info = "cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_pfail:10923\r\n";
	conn_close(fakes[first].commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	second = used();
	assert_in_range(second, 0, 2);
	assert_int_not_equal(first, second);
	assert_int_equal(times_logged("cut off from its cluster"), 1);
	publish(&a, "c", "x");
	RUN_UNTIL(l.messages == 1);
	listen_no_more(&a, &l);
	bus_end(&a);
}

static void
record(struct bus_bench *b)
{
	struct block *block = block_copy("{\"m\":\"x\"}", 9);

	assert_int_equal(bus_record(b->bus, TEXT("news"), block, 0), 0);
	block_unref(block);
}

/* The maps of the members do not change, so the bus learns of the move from the refusal alone. */
static void
a_bus_with_a_log_uses_the_member_that_has_it(void **state)
{
	struct bus_bench a;
	struct bus_stats stats;

	(void)state;
	bus_start_at(&a, fakes_url(3, 1), 10, false);
	RUN_UNTIL(ups(&a) == 1);
	assert_int_equal(used(), mapped_owner());
	record(&a);
	RUN_UNTIL(members.recorded == 1);
	members.log_at = (mapped_owner() + 1) % 3;
	record(&a);
	RUN_UNTIL(members.recorded == 2 && ups(&a) == 2);
	assert_int_equal(used(), members.log_at);
	bus_stats(a.bus, &stats);
	assert_true(stats.log_active);
	assert_int_equal(stats.log_resent, 1);
	assert_int_equal(stats.uncertain + stats.dropped + stats.log_gaps, 0);
	bus_end(&a);
}

/* The refusal of a transaction is kept until the answer to EXEC. */
static void
the_longest_name_of_the_member_is_read_whole(void **state)
{
	static const char end[] = "0177.0.0.1"; /* octal, so that zeros may precede it */
	char host[BUS_URL_HOST_MAX + 1];
	struct bus_bench a;

	(void)state;
	memset(host, '0', sizeof host);
	memcpy(host + sizeof host - sizeof end, end, sizeof end);
	bus_start_at(&a, fakes_url(3, 1), 10, false);
	RUN_UNTIL(ups(&a) == 1);
	members.host = host;
	members.log_at = 3;
	record(&a);
	RUN_UNTIL(members.recorded == 1 && ups(&a) == 2);
	assert_int_equal(used(), 3);
	bus_end(&a);
}

/* A check message is refused, too, when the log moves. So a node that sends nothing follows the log. */
static void
an_idle_bus_with_a_log_moves(void **state)
{
	struct bus_bench a;

	(void)state;
	bus_start_at(&a, fakes_url(3, 1), 10, false);
	RUN_UNTIL(ups(&a) == 1);
	members.log_at = 3;
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(used(), 3);
	assert_int_equal(times_logged("messages are not recorded"), 0);
	bus_end(&a);
}

static void
a_bus_beside_a_log_uses_the_same_member(void **state)
{
	struct bus_bench a;

	(void)state;
	bus_start_at(&a, fakes_url(3, 1), 0, true);
	RUN_UNTIL(ups(&a) == 1);
	assert_int_equal(used(), mapped_owner());
	members.log_at = (mapped_owner() + 1) % 3;
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(used(), members.log_at);
	assert_int_equal(times_logged("the log has moved"), 1);
	bus_end(&a);
}

static void
a_bus_that_may_not_ask_for_the_owner_says_so_once(void **state)
{
	struct bus_bench a;
	unsigned first;

	(void)state;
	members.hides = true;
	bus_start_at(&a, fakes_url(3, 1), 0, true);
	RUN_UNTIL(ups(&a) == 1);
	first = used();
	conn_close(fakes[first].commands, REASON_FINISHED);
	RUN_UNTIL(ups(&a) == 2);
	assert_int_equal(times_logged("cannot tell whether the log has moved"), 1);
	bus_end(&a);
}

/* While the log has no owner, the bus stays down: any other member would accept publishes and record nothing. */
static void
the_owner_of_the_log_is_waited_for(void **state)
{
	const int nobody[] = {
		mapped_owner() == 0 ? -1 : 0, mapped_owner() == 1 ? -1 : 1, mapped_owner() == 2 ? -1 : 2};
	int promoted[] = {0, 1, 2};
	struct bus_bench a;

	(void)state;
	promoted[mapped_owner()] = 3;
	fakes_set_owners(3, nobody);
	bus_start_at(&a, fakes_url(3, 1), 10, false);
	RUN_UNTIL(a.failures >= 2);
	assert_true(times_logged("no replica is promoted yet") >= 1);
	assert_int_equal(used(), NOBODY);
	record(&a);
	members.log_at = 3;
	fakes_set_owners(3, promoted);
	RUN_UNTIL(members.recorded == 1);
	assert_int_equal(used(), 3);
	bus_end(&a);
}

/* Keys of one slot have the same part in braces, also if the prefix has braces. */
static void
the_keys_of_the_log_share_a_slot(void **state)
{
	static const char *const keys[] = {"socket.io", "{app}", "a{b}c", "x{y}z{0}", "{"};
	char stream[32], *counter;

	(void)state;
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		snprintf(stream, sizeof stream, "%s-log", keys[i]);
		counter = bus_log_counter(keys[i]);
		if (cluster_slot(text_from(counter)) != cluster_slot(text_from(stream)))
			fail_msg("%s and %s", counter, stream);
		mem_free(counter);
	}
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_true(bus_log_has_slot(keys[i]));
	assert_false(bus_log_has_slot("a}"));
	assert_false(bus_log_has_slot("{}a"));
	counter = bus_log_counter("socket.io");
	assert_string_equal(counter, "{socket.io-log}-count");
	mem_free(counter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_bus_uses_any_member_in_order, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(
			a_bus_with_a_log_uses_the_member_that_has_it, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(
			the_longest_name_of_the_member_is_read_whole, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(an_idle_bus_with_a_log_moves, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(a_bus_beside_a_log_uses_the_same_member, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(
			a_bus_that_may_not_ask_for_the_owner_says_so_once, cluster_start, fakes_stop),
		cmocka_unit_test_setup_teardown(the_owner_of_the_log_is_waited_for, cluster_start, fakes_stop),
		cmocka_unit_test(the_keys_of_the_log_share_a_slot),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
