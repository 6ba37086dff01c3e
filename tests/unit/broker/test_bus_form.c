/* The seam below the broker (bus_form.h): all forms keep the same promises, and the broker needs nothing else. */
#include "tests/unit/broker/broker_bench.h"

#include "broker/broker.h"
#include "broker/wire_codec.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/unit/broker/form_member.h"

/* ------------------------------------------------------- what all forms do */

static void
end_open(struct end *e, const struct bus_form *form, const char *server)
{
	struct bus_form_options o = {
		.server = server, .key = "k", .max_queue = 20000, .check_ms = 200, .timeout_ms = 1000};

	end_open_with(e, form, &o, &member_ops);
}

static void
member_enter(struct end *e, struct member *m, const char *name, const char *uid)
{
	member_join(e, m, name, uid, false);
}

static bool
heard(struct member *m, const char *wanted)
{
	return text_is(buffer_text(&m->heard), text_from(wanted));
}

static void
every_kind_arrives(const struct bus_form *form, const char *server)
{
	struct member a, b, other;
	struct end from, to;

	end_open(&from, form, server);
	end_open(&to, form, server);
	member_enter(&from, &a, "/", "aaaaaa");
	member_enter(&to, &b, "/", "bbbbbb");
	member_enter(&to, &other, "/x", "cccccc");
	/* still connecting for the first time, not failed: they will receive soon */
	assert_true(to.form->awaits(to.end, &b.member));
	assert_true(to.form->awaits(to.end, &other.member));
	RUN_UNTIL(from.form->up(from.end) && to.form->up(to.end));
	assert_int_equal(b.settled, 1);
	assert_int_equal(other.settled, 1);
	assert_int_equal(a.settled, 0); /* nothing has asked yet */
	assert_false(to.form->awaits(to.end, &b.member));
	send_to(&from, &a, BUS_BROADCAST, TEXT_NONE, "all");
	send_to(&from, &a, BUS_BROADCAST, TEXT("red#1"), "one");
	send_to(&from, &a, BUS_REQUEST, TEXT_NONE, "question");
	send_to(&from, &a, BUS_RESPONSE, TEXT_NONE, "answer");
	send_to(&to, &b, BUS_OWN_RESPONSE, TEXT_NONE, "to itself");
	RUN_UNTIL(heard(&b, "0  all;0 red#1 one;1  question;2  answer;3  to itself;") ||
		  heard(&b, "3  to itself;0  all;0 red#1 one;1  question;2  answer;"));
	RUN_UNTIL(
		heard(&a, "0  all;0 red#1 one;1  question;2  answer;")); /* the broker recognises its own messages */
	assert_true(heard(&other, ""));
	member_leave(&to, &other);
	member_leave(&to, &b);
	member_leave(&from, &a);
	end_close(&from);
	end_close(&to);
}

/* A namespace that is added while the bus is up receives everything that is published after it has settled. */
static void
new_ones_settle(const struct bus_form *form, const char *server)
{
	struct member a, b[40];
	struct end from, to;
	char name[8];

	end_open(&from, form, server);
	end_open(&to, form, server);
	RUN_UNTIL(from.form->up(from.end) && to.form->up(to.end));
	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "/%u", i);
		member_enter(&to, &b[i], name, "bbbbbb");
		assert_true(to.form->awaits(to.end, &b[i].member));
		RUN_UNTIL(b[i].settled == 1);
		member_enter(&from, &a, name, "aaaaaa");
		send_to(&from, &a, BUS_BROADCAST, TEXT_NONE, "x");
		RUN_UNTIL(heard(&b[i], "0  x;"));
		member_leave(&from, &a);
		member_leave(&to, &b[i]);
	}
	end_close(&from);
	end_close(&to);
}

static void
over_the_hub(void **state)
{
	struct hub_bench h = {.fd = 0};

	(void)state;
	hub_start(&h);
	every_kind_arrives(&bus_hub, h.url);
	new_ones_settle(&bus_hub, h.url);
	hub_end(&h);
}

static void
over_redis(void **state)
{
	struct redis_bench r = {.port = 0};

	(void)state;
	redis_start(&r, NULL);
	every_kind_arrives(&bus_redis, r.url);
	new_ones_settle(&bus_redis, r.url);
	redis_stop(&r);
}

/*
 * After unsubscribing and subscribing at once, the confirmation of the first subscription does not count for the
 * second.
 */
static void
a_confirmation_belongs_to_its_command(void **state)
{
	struct hub_bench h = {.fd = 0};
	struct bus_bench b;
	struct listener l, again;

	(void)state;
	hub_start(&h);
	bus_start(&b, h.url, 1 << 20);
	RUN_UNTIL(ups(&b) == 1);
	listen_to(&b, &l, "c", false);
	listen_no_more(&b, &l);
	listen_to(&b, &again, "c", false);
	assert_true(bus_awaits(b.bus, &again.s));
	publish(&b, "c", "x");
	RUN_UNTIL(again.s.confirmed);
	assert_false(bus_awaits(b.bus, &again.s));
	publish(&b, "c", "y");
	RUN_UNTIL(text_ends(buffer_text(&again.got), TEXT("y ")));
	listen_no_more(&b, &again);
	bus_end(&b);
	hub_end(&h);
}

/* ------------------------------------------------------------ with a fault */

static void
no_caller_waits_for_a_bus_that_is_down(void **state)
{
	struct redis_bench r = {.port = 0};
	struct member m, late;
	struct end e;

	(void)state;
	redis_start(&r, NULL);
	redis_stop(&r);
	end_open(&e, &bus_redis, r.url);
	member_enter(&e, &m, "/", "aaaaaa");
	assert_true(e.form->awaits(e.end, &m.member));
	RUN_UNTIL(m.settled == 1); /* the connection was refused */
	assert_false(e.form->awaits(e.end, &m.member));
	redis_start(&r, NULL);
	RUN_UNTIL(e.form->up(e.end));
	kill(r.pid, SIGSTOP);
	member_enter(&e, &late, "/late", "aaaaaa");
	assert_true(e.form->awaits(e.end, &late.member));
	RUN_UNTIL(late.settled == 1); /* the bus went down because its message to itself did not come back */
	assert_false(e.form->up(e.end));
	assert_false(e.form->awaits(e.end, &late.member));
	member_leave(&e, &late);
	member_leave(&e, &m);
	end_close(&e);
	redis_stop(&r);
}

/* One message that does not fit must not cost the messages that fit. */
static void
too_large_to_wait_is_refused(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_stats stats;
	struct member m;
	struct end e;
	char *large = malloc(30001);

	(void)state;
	memset(large, 'x', 30000);
	large[30000] = '\0';
	redis_start(&r, NULL);
	redis_stop(&r);
	end_open(&e, &bus_redis, r.url);
	member_enter(&e, &m, "/", "aaaaaa");
	assert_int_equal(send_to(&e, &m, BUS_REQUEST, TEXT_NONE, "one"), 0);
	assert_int_equal(send_to(&e, &m, BUS_REQUEST, TEXT_NONE, large), ERROR_TOO_BIG);
	assert_int_equal(send_to(&e, &m, BUS_REQUEST, TEXT_NONE, "two"), 0);
	redis_start(&r, NULL);
	RUN_UNTIL(heard(&m, "1  one;1  two;"));
	e.form->stats(e.end, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.dropped, 0);
	/* this time it does not have to wait */
	assert_int_equal(send_to(&e, &m, BUS_REQUEST, TEXT_NONE, large), 0);
	RUN_UNTIL(m.heard.len > 30000);
	member_leave(&e, &m);
	end_close(&e);
	redis_stop(&r);
	free(large);
}

/* If a room's name cannot form a channel, only that publish fails. */
static void
too_long_a_room_is_refused(void **state)
{
	struct hub_bench h = {.fd = 0};
	size_t n = 2 << 20;
	char *room = malloc(n);
	struct member m;
	struct end e;

	(void)state;
	memset(room, 'x', n);
	hub_start(&h);
	end_open(&e, &bus_hub, h.url);
	member_enter(&e, &m, "/", "aaaaaa");
	RUN_UNTIL(e.form->up(e.end));
	assert_true(send_to(&e, &m, BUS_BROADCAST, text_of(room, n), "lost") < 0);
	assert_int_equal(send_to(&e, &m, BUS_REQUEST, TEXT_NONE, "kept"), 0);
	RUN_UNTIL(heard(&m, "1  kept;"));
	member_leave(&e, &m);
	end_close(&e);
	hub_end(&h);
	free(room);
}

/* --------------------------------------------- a broker over any form at all */

/* A form that records its calls; the tests decide what arrives. */
struct bus_end {
	struct loop_call call;
	struct buffer log;
	const struct bus_form_ops *ops;
	struct bus_count *count;
	struct bus_member *member; /* the last member */
	bool up, awaits;
	int refusal;
	void (*closed)(void *arg);
	void *closed_arg;
};

static struct bus_end fake;

static int
fake_open(struct bus_end **out, struct loop *l, const struct bus_form_options *o, const struct bus_form_ops *ops,
	char error[BUS_ERROR_MAX])
{
	(void)l;
	(void)o;
	(void)error;
	fake = (struct bus_end){.ops = ops, .up = true};
	buffer_init(&fake.log, 1 << 20);
	*out = &fake;
	return 0;
}

static void
fake_close(struct bus_end *e, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	(void)flush_ms;
	buffer_fini(&e->log);
	closed(arg);
}

static void
fake_stats(const struct bus_end *e, struct bus_stats *out)
{
	*out = (struct bus_stats){.up = e->up};
}

static void
fake_subscribe(struct bus_end *e, struct bus_member *m)
{
	e->member = m;
	buffer_printf(&e->log, "+%.*s ", (int)m->name.n, m->name.at);
}

static void
fake_unsubscribe(struct bus_end *e, struct bus_member *m)
{
	buffer_printf(&e->log, "-%.*s ", (int)m->name.n, m->name.at);
}

static bool
fake_awaits(struct bus_end *e, struct bus_member *m)
{
	(void)m;
	return e->awaits;
}

static bool
fake_up(const struct bus_end *e)
{
	return e->up;
}

static struct text
fake_channel(struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room)
{
	(void)e;
	(void)m;
	(void)kind;
	(void)room;
	return TEXT("somewhere");
}

static int
fake_publish(
	struct bus_end *e, const struct bus_member *m, enum bus_kind kind, struct text room, struct block *payload)
{
	(void)m;
	(void)payload;
	if (e->refusal != 0)
		return e->refusal;
	buffer_printf(&e->log, "publish %u %.*s;", kind, (int)room.n, room.at != NULL ? room.at : "");
	return 0;
}

static void
fake_count(struct bus_end *e, struct bus_count *c, const struct bus_member *m)
{
	(void)m;
	e->count = c;
	buffer_printf(&e->log, "count;");
}

static void
fake_room_appeared(struct bus_end *e, struct bus_member *m, struct text room, bool own)
{
	(void)m;
	buffer_printf(&e->log, "%s appeared %.*s;", own ? "own" : "room", (int)room.n, room.at);
}

static void
fake_room_empty(struct bus_end *e, struct bus_member *m, struct text room)
{
	(void)m;
	buffer_printf(&e->log, "empty %.*s;", (int)room.n, room.at);
}

static const struct bus_form fake_form = {.name = "fake",
	.codec = &wire_classic,
	.open = fake_open,
	.close = fake_close,
	.stats = fake_stats,
	.subscribe = fake_subscribe,
	.unsubscribe = fake_unsubscribe,
	.awaits = fake_awaits,
	.up = fake_up,
	.channel = fake_channel,
	.publish = fake_publish,
	.count = fake_count,
	.room_appeared = fake_room_appeared,
	.room_empty = fake_room_empty};

#define assert_log(expected)                                                                                         \
	do {                                                                                                         \
		if (!text_is(buffer_text(&fake.log), text_from(expected)))                                           \
			fail_msg("\"%.*s\", not \"%s\"", (int)fake.log.len, (char *)fake.log.data, expected);        \
		buffer_reset(&fake.log);                                                                             \
	} while (0)

static unsigned settled;

static void
on_nsp_settled(void *owner)
{
	(void)owner;
	settled++;
}

struct asked {
	unsigned ends, silent;
	int error;
};

static void
on_answer(void *arg, struct text json, const struct attachments *a)
{
	(void)arg;
	(void)json;
	(void)a;
}

static void
on_end(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing)
{
	struct asked *q = arg;

	(void)nodes;
	(void)missing;
	q->ends++;
	q->error = error;
	q->silent = silent;
}

static struct broker *
fake_broker_open(const struct bus_form *form, struct broker_nsp **nsp)
{
	static const struct broker_ops ops = {.on_settled = on_nsp_settled};
	struct broker_options o = {.form = form, .requests_timeout_ms = 300};
	char error[BUS_ERROR_MAX];
	struct broker *b;

	settled = 0;
	assert_int_equal(broker_new(&b, &bench.loop, &o, &ops, error), 0);
	*nsp = broker_nsp_new(b, TEXT("/n"), NULL);
	return b;
}

static void
messages_and_rooms_reach_the_form(void **state)
{
	static const struct text rooms[] = {{"red", 3}, {"blue", 4}};
	struct wire_target all = {.flags = 0}, one = {.rooms = rooms, .room_count = 1},
			   two = {.rooms = rooms, .room_count = 2};
	struct broker_nsp *n;
	struct broker *b = fake_broker_open(&fake_form, &n);

	(void)state;
	broker_room_appeared(n, TEXT("red"), false);
	broker_room_appeared(n, TEXT("id"), true);
	broker_broadcast(n, &all, TEXT("[\"e\"]"), NULL);
	broker_broadcast(n, &one, TEXT("[\"e\"]"), NULL);
	broker_broadcast(n, &two, TEXT("[\"e\"]"), NULL);
	broker_join(n, &all, rooms, 1);
	broker_room_empty(n, TEXT("red"));
	assert_log("+/n room appeared red;own appeared id;publish 0 ;publish 0 red;publish 0 ;publish 1 ;empty red;");
	fake.refusal = ERROR_TOO_BIG;
	assert_int_equal(broker_broadcast(n, &all, TEXT("[\"e\"]"), NULL), ERROR_TOO_BIG);
	fake.refusal = 0;
	fake.awaits = true;
	assert_true(broker_nsp_awaits(n));
	fake.ops->on_settled(fake.member);
	assert_int_equal(settled, 1);
	broker_nsp_free(n);
	assert_log("-/n ");
	broker_close(b, 0, NULL, NULL);
}

static void
a_form_may_have_no_use_for_rooms(void **state)
{
	struct bus_form bare = fake_form;
	struct broker_nsp *n;
	struct broker *b;

	(void)state;
	bare.room_appeared = NULL;
	bare.room_empty = NULL;
	b = fake_broker_open(&bare, &n);
	broker_room_appeared(n, TEXT("red"), false);
	broker_room_empty(n, TEXT("red"));
	assert_log("+/n ");
	broker_nsp_free(n);
	broker_close(b, 0, NULL, NULL);
}

static void
count_is(int64_t n)
{
	struct bus_count *c = fake.count;

	assert_non_null(c);
	fake.count = NULL;
	c->answer(c, n);
}

static void
assert_end(struct asked *q, int error, unsigned silent)
{
	RUN_UNTIL(q->ends == 1);
	assert_int_equal(q->error, error);
	assert_int_equal(q->silent, silent);
	*q = (struct asked){.ends = 0};
}

static void
ask_rooms(struct broker_nsp *n, struct asked *a)
{
	struct broker_question q = {on_answer, on_end, a, 0};

	*a = (struct asked){.ends = 0};
	assert_true(broker_ask_all_rooms(n, &q) > 0);
}

/* "No node was silent" is only true if the nodes were counted. */
static void
uncounted_nodes_may_be_silent(void **state)
{
	struct broker_nsp *n;
	struct broker *b = fake_broker_open(&fake_form, &n);
	struct asked a;

	(void)state;
	fake.up = false;
	ask_rooms(n, &a);
	assert_end(&a, ERROR_CLOSED, 1);
	fake.up = true;
	ask_rooms(n, &a); /* the count does not arrive in time */
	assert_end(&a, ERROR_TIMEOUT, 1);
	ask_rooms(n, &a); /* the bus goes down before the count */
	count_is(ERROR_CLOSED);
	assert_end(&a, ERROR_CLOSED, 1);
	ask_rooms(n, &a); /* the server does not even count this node */
	count_is(0);
	assert_end(&a, ERROR_TIMEOUT, 1);
	ask_rooms(n, &a);
	count_is(1);
	assert_end(&a, 0, 0);
	ask_rooms(n, &a);
	count_is(4);
	assert_end(&a, ERROR_TIMEOUT, 3);
	fake.up = false;
	ask_rooms(n, &a); /* as many as at the last count */
	assert_end(&a, ERROR_CLOSED, 3);
	ask_rooms(n, &a);
	broker_nsp_free(n);
	assert_end(&a, ERROR_CLOSED, 3);
	broker_close(b, 0, NULL, NULL);
}

/*
 * A question waits until the namespace's subscription is confirmed. Before that, answers would be lost and the count
 * would lack this node.
 */
static void
questions_wait_for_their_answers_to_be_heard(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_nsp *n;
	struct broker *b = fake_broker_open(&fake_form, &n);
	struct asked a = {.ends = 0}, c = {.ends = 0};
	struct broker_question q = {on_answer, on_end, &c, 0};
	int64_t handle;

	(void)state;
	fake.awaits = true;
	ask_rooms(n, &a);
	assert_log("+/n ");
	fake.awaits = false;
	fake.ops->on_settled(fake.member);
	assert_log("publish 1 ;count;");
	count_is(1);
	assert_end(&a, 0, 0);
	/* when the bus goes down, a question is dropped, but an event is kept */
	fake.awaits = true;
	ask_rooms(n, &a);
	assert_true(broker_ask_ack(n, &all, TEXT("[\"e\"]"), NULL, &q) > 0);
	fake.awaits = fake.up = false;
	fake.ops->on_settled(fake.member);
	assert_log("publish 1 ;");
	assert_end(&a, ERROR_CLOSED, 1);
	assert_end(&c, ERROR_CLOSED, 1);
	/* nor at the question's deadline, nor after the question was cancelled */
	fake.awaits = fake.up = true;
	ask_rooms(n, &a);
	assert_true(broker_ask_ack(n, &all, TEXT("[\"e\"]"), NULL, &q) > 0);
	assert_log("");
	assert_end(&c, ERROR_TIMEOUT, 1);
	assert_end(&a, ERROR_TIMEOUT, 1);
	handle = broker_ask_server_emit(n, TEXT("[\"e\"]"), NULL, &q);
	assert_true(handle > 0);
	broker_ask_cancel(b, handle);
	assert_log("publish 1 ;publish 1 ;");
	broker_nsp_free(n);
	broker_close(b, 0, NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(over_the_hub, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(over_redis, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_confirmation_belongs_to_its_command, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(no_caller_waits_for_a_bus_that_is_down, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(too_large_to_wait_is_refused, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(too_long_a_room_is_refused, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(messages_and_rooms_reach_the_form, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_form_may_have_no_use_for_rooms, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(uncounted_nodes_may_be_silent, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(
			questions_wait_for_their_answers_to_be_heard, bench_start, bench_stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
