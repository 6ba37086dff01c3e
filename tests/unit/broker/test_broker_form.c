/* A broker over a form that records its calls (bus_form.h): the broker needs nothing else, whatever the form. */
#include "tests/unit/broker/broker_bench.h"

#include "broker/broker.h"
#include "broker/wire_codec.h"
#include "common/base/error.h"

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
	ask_rooms(n, &a); /* the count is 0, so it lacks even this node */
	count_is(0);
	assert_end(&a, ERROR_TIMEOUT, 1);
	ask_rooms(n, &a);
	count_is(1);
	assert_end(&a, 0, 0);
	ask_rooms(n, &a);
	count_is(4);
	assert_end(&a, ERROR_TIMEOUT, 3);
	fake.up = false;
	ask_rooms(n, &a); /* the bus is down, so the last count is used */
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
	/* a question is not published after its deadline or after it was cancelled either */
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
		cmocka_unit_test_setup_teardown(messages_and_rooms_reach_the_form, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(a_form_may_have_no_use_for_rooms, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(uncounted_nodes_may_be_silent, bench_start, bench_stop),
		cmocka_unit_test_setup_teardown(
			questions_wait_for_their_answers_to_be_heard, bench_start, bench_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
