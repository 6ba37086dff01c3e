/* The seam below the broker (bus_form.h): all forms keep the same promises. */
#include "tests/unit/broker/broker_bench.h"

#include "common/base/error.h"
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
	/* the end is connecting for the first time and has not failed: its members will receive soon */
	assert_true(to.form->awaits(to.end, &b.member));
	assert_true(to.form->awaits(to.end, &other.member));
	RUN_UNTIL(from.form->up(from.end) && to.form->up(to.end));
	assert_int_equal(b.settled, 1);
	assert_int_equal(other.settled, 1);
	assert_int_equal(a.settled, 0); /* nobody has asked whether a is settled */
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
	/* now the bus is up, so the message does not wait */
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
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
