/* Clients whose backends come and go: each row of the table in backend_session.c, and each limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/backend/backend_session.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

#define SID_A "aaaaaaaaaaaaaaaaaaaa"
#define SID_B "bbbbbbbbbbbbbbbbbbbb"

static uint64_t
counted(unsigned counter)
{
	return fake_loop.counters.value[counter];
}

/* ---------------------------------------------------------------- losing */

static void
test_another_takes_over(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	(void)link_rooms(0, BACKEND_JOIN, 2, "r");
	(void)link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 5, "[\"q\"]");
	receive(0, "27[\"lost ack\"]");
	EXPECT_SENT(0, "20[\"q\"]\n");
	link_lost(0);
	assert_int_equal(fake_core->orphans, 1);
	receive(0, "2[\"a\",1]");
	receive(0, "28[\"b\",2]");
	/* casts of another backend to the room still arrive */
	backend_comes(1);
	EXPECT_FRAMES(1, SESSION(1, SID_A) "OPEN flags=2 h=2 id=1 '*' '{}' {r} ''\n");
	receive(0, "2[\"c\",3]");
	receive(0, "30[\"answer for the dead\"]");
	EXPECT_FRAMES(1, "");
	assert_true(link_casts(1, 0, 0, "r", "", "[\"all\"]"));
	EXPECT_SENT(0, "2[\"all\"]\n");
	assert_true(link_gets(1, BACKEND_ACCEPT, 0, 2, 0, ""));
	EXPECT_FRAMES(1, "EVENT h=2 [\"a\",1]\nEVENT flags=1 h=2 id=8 [\"b\",2]\nEVENT h=2 [\"c\",3]\n");
	EXPECT_SENT(0, ""); /* the client notices nothing */
	assert_int_equal(fake_core->orphans, 0);
	assert_int_equal(fake_core->held, 0);
	assert_int_equal(counted(COUNT_BACKEND_REATTACHED), 1);
	assert_false(client(0)->paused);
	receive(0, "2[\"d\"]");
	EXPECT_FRAMES(1, "EVENT h=2 [\"d\"]\n");
	backends_stop();
}

static void
test_refused_when_taken_over(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	link_lost(0);
	receive(0, "2[\"held\"]");
	backend_comes(1);
	(void)link_sent(1);
	assert_true(link_gets(1, BACKEND_REFUSE, 0, 2, 0, "{\"message\":\"no\"}"));
	EXPECT_SENT(0, "1\n");
	fake_turn();
	EXPECT_FRAMES(1, ""); /* the backend itself has refused the socket, so it gets no CLOSED */
	assert_int_equal(fake_core->held, 0);
	backends_stop();
}

/* If a backend is lost during middlewares, the next backend runs them from the beginning. */
static void
test_lost_while_it_opens(void **state)
{
	(void)state;
	start_with_one();
	(void)fake_open(0);
	receive(0, "0");
	link_lost(0);
	assert_int_equal(fake_core->orphans, 0);
	backend_comes(1);
	EXPECT_FRAMES(1, SESSION(1, SID_A) "OPEN h=2 id=1 '*' '{}'\n");
	/* the link is lost once more while the socket opens */
	assert_true(link_gets(1, BACKEND_ACCEPT, 0, 2, 0, ""));
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n");
	link_lost(1);
	backend_comes(2);
	link_lost(2);
	backend_comes(3);
	EXPECT_FRAMES(3, SESSION(1, SID_A) "OPEN flags=2 h=2 id=1 '*' '{}' {} ''\n");
	backends_stop();
}

static void
test_gone_while_orphan(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	link_lost(0);
	receive(0, "2[\"x\"]");
	receive(0, "1");
	fake_gone(client(1), EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(fake_core->orphans, 0);
	assert_int_equal(fake_core->held, 0);
	backend_comes(1);
	EXPECT_FRAMES(1, "");
	/* a client that left its namespace starts anew */
	receive(0, "0");
	EXPECT_FRAMES(1, SESSION(1, SID_A) "OPEN h=2 id=1 '*' '{}'\n");
	backends_stop();
}

/* --------------------------------------------------------------- waiting */

static void
test_no_backend_is_there(void **state)
{
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start(&limits);
	(void)fake_open(0);
	receive(0, "0");
	fake_sleep(29000);
	EXPECT_SENT(0, "");
	fake_sleep(1200);
	EXPECT_SENT(0, "4{\"message\":\"Service unavailable\"}\n");
	assert_int_equal(counted(COUNT_BACKEND_UNAVAILABLE), 1);
	receive(0, "0");
	fake_sleep(1001);
	backend_comes(0);
	EXPECT_FRAMES(0, SESSION(1, SID_A) "OPEN h=2 id=1 '*' '{}'\n");
	assert_int_equal(fake_core->attach.bucket[7], 1); /* longer than 1 s */
	backends_stop();
}

static void
test_no_backend_comes_back(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	link_lost(0);
	fake_sleep(29000);
	assert_true(client(0)->open);
	fake_sleep(1200);
	assert_false(client(0)->used);
	assert_string_equal(client(0)->dropped, "backend-wait");
	assert_int_equal(counted(COUNT_BACKEND_ORPHANS_LATE), 1);
	backends_stop();
}

/* A backend that was only silent may come back itself, so its clients wait twice as long. */
static void
test_a_silent_backend_comes_back(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	link_lost_by(0, "timeout");
	fake_sleep(1000);
	(void)fake_open(2);
	receive(2, "0"); /* a client that connects meanwhile does not wait twice as long */
	fake_sleep(30200);
	EXPECT_SENT(2, "4{\"message\":\"Service unavailable\"}\n");
	assert_true(client(0)->open);
	fake_sleep(28000);
	backend_comes(0);
	EXPECT_FRAMES(0, SESSION(1, SID_A) "OPEN flags=2 h=2 id=1 '*' '{}' {} ''\n" SESSION(
				 3, SID_B) "OPEN flags=2 h=4 id=3 '*' '{}' {} ''\n");
	link_lost_by(0, "timeout");
	fake_sleep(60200);
	assert_false(client(0)->used);
	backends_stop();
}

/* The queue of one client, the queue of all, and one event that is larger than a queue. */
static void
test_queues_are_limited(void **state)
{
	struct backend_limits limits = fake_limits();
	char large[1000] = "2[\"";

	(void)state;
	limits.orphan_queue = 400;
	limits.orphan_total = 1500;
	backends_start(&limits);
	backend_comes(0);
	for (unsigned i = 0; i < 4; i++)
		attached(i);
	link_lost(0);
	memset(large + 3, 'x', 600);
	strcpy(large + 603, "\"]");
	receive(0, large); /* alone it may be larger */
	assert_true(client(0)->open);
	receive(0, "2[\"one more\"]");
	assert_false(client(0)->open);
	assert_string_equal(client(0)->dropped, "backend-orphan-queue");
	receive(1, large);
	assert_true(client(1)->open);
	receive(2, large); /* together it is too much */
	assert_false(client(2)->open);
	assert_int_equal(counted(COUNT_BACKEND_ORPHANS_FULL), 2);
	fake_turn();
	assert_false(client(0)->used);
	assert_in_range(fake_core->held, 600, 800);
	/* the budget counts it */
	assert_in_range(client(1)->held - client(3)->held, 600, 800);
	backend_comes(1);
	assert_true(link_gets(1, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_int_equal(fake_core->held, 0);
	backends_stop();
}

/* Clients are re-attached at an even rate, those with waiting events first. */
static void
test_in_parcels(void **state)
{
	struct backend_limits limits = fake_limits();

	(void)state;
	limits.reattach_rate = 100; /* two every 20 ms */
	backends_start(&limits);
	backend_comes(0);
	for (unsigned i = 0; i < 5; i++)
		attached(i);
	link_lost(0);
	receive(3, "2[\"x\"]");
	receive(2, "2[\"x\"]");
	backend_comes(1);
	EXPECT_FRAMES(1, SESSION(1, "dddddddddddddddddddd") "OPEN flags=2 h=2 id=1 '*' '{}' {} ''\n" SESSION(
				 3, "cccccccccccccccccccc") "OPEN flags=2 h=4 id=3 '*' '{}' {} ''\n");
	fake_sleep(20);
	EXPECT_FRAMES(1, SESSION(5, SID_A) "OPEN flags=2 h=6 id=5 '*' '{}' {} ''\n" SESSION(
				 7, SID_B) "OPEN flags=2 h=8 id=7 '*' '{}' {} ''\n");
	fake_sleep(20);
	EXPECT_FRAMES(1, SESSION(9, "eeeeeeeeeeeeeeeeeeee") "OPEN flags=2 h=10 id=9 '*' '{}' {} ''\n");
	backends_stop();
}

static void
test_the_wishes_of_a_lost_backend(void **state)
{
	struct backend_hello hello = link_hello("b0");
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start(&limits);
	hello.on_loss = BACKEND_ON_LOSS_CLOSE;
	(void)link_ready(0, &hello);
	attached(0);
	backend_comes(1);
	link_lost(0);
	assert_string_equal(client(0)->dropped, "backend-lost");
	fake_turn();
	EXPECT_FRAMES(1, "");
	hello.on_loss = BACKEND_ON_LOSS_RECONNECT;
	(void)link_ready(0, &hello);
	link_lost(1);
	for (unsigned i = 0; i < 4; i++)
		attached(i);
	backend_comes(1);
	link_lost(0);
	for (unsigned gone = 0; gone <= 4; gone++) {
		unsigned open = 0;

		for (unsigned i = 0; i < 4; i++)
			open += client(i)->used;
		assert_int_equal(open, 4 - gone);
		for (unsigned ms = 0; ms < 2500; ms += 20)
			fake_sleep(20);
	}
	EXPECT_FRAMES(1, "");
	assert_int_equal(counted(COUNT_BACKEND_SENT_AWAY), 5);
	backends_stop();
}

/* ------------------------------------------------------------- the choice */

static void
test_the_least_busy(void **state)
{
	struct backend_hello hello = link_hello("heavy");
	struct backend_limits limits = fake_limits();
	struct backend_clients_stats stats;

	(void)state;
	backends_start(&limits);
	hello.weight = 2;
	(void)link_ready(0, &hello);
	backend_comes(1);
	for (unsigned i = 0; i < 9; i++) {
		(void)fake_open(i);
		receive(i, "0");
	}
	backend_clients_stats(fake_core, &stats);
	assert_int_equal(stats.instance_count, 2);
	assert_string_equal(stats.instances[0].name, "heavy");
	assert_int_equal(stats.instances[0].sessions, 6);
	assert_int_equal(stats.instances[1].sessions, 3);
	assert_true(stats.ever);
	/* the sockets of one client stay together */
	receive(0, "0/x,");
	(void)link_gets(0, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 1, "");
	(void)link_gets(1, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 1, "");
	fake_turn();
	backend_clients_stats(fake_core, &stats);
	assert_int_equal(stats.instances[0].sessions + stats.instances[1].sessions, 9);
	backends_stop();
}

static void
test_groups(void **state)
{
	static const struct text shop[] = {{"/shop", 5}};
	struct backend_hello hello = link_hello("s0");
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start(&limits);
	backend_comes(0);
	hello.group = TEXT("shop");
	hello.namespaces = shop;
	hello.namespace_count = 1;
	(void)link_ready(1, &hello);
	(void)fake_open(0);
	receive(0, "0");
	receive(0, "0/shop,");
	fake_turn();
	EXPECT_FRAMES(0, SESSION(1, SID_A) "OPEN h=2 id=1 '*' '{}'\n");
	EXPECT_FRAMES(1, SESSION(1, SID_A) "NSP nsp=1 /shop\nOPEN nsp=1 h=2 id=1 '*' '{}'\n");
	/* the end of one group does not affect the other */
	link_lost(1);
	(void)link_gets(0, BACKEND_ACCEPT, 0, 2, 0, "");
	receive(0, "2[\"x\"]");
	EXPECT_FRAMES(0, "EVENT h=2 [\"x\"]\n");
	fake_gone(client(0), EIO_TRANSPORT_CLOSE);
	EXPECT_FRAMES(0, "CLOSED h=2 transport close\nCLOSED h=1 transport close\n");
	backends_stop();
}

/* The client came before any backend had claimed "/". */
static void
test_a_group_claims_a_waiting_namespace(void **state)
{
	static const struct text root[] = {{"/", 1}};
	struct backend_hello hello = link_hello("r0");
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start(&limits);
	(void)fake_open(0);
	receive(0, "0");
	hello.group = TEXT("root");
	hello.namespaces = root;
	hello.namespace_count = 1;
	(void)link_ready(0, &hello);
	EXPECT_FRAMES(0, SESSION(1, SID_A) "OPEN h=2 id=1 '*' '{}'\n");
	backends_stop();
}

static void
test_too_many_groups(void **state)
{
	char name[16];
	struct backend_limits limits = fake_limits();

	(void)state;
	backends_start(&limits);
	for (unsigned i = 0; i < 2 * BACKEND_GROUPS_MAX; i++) {
		struct backend_hello hello = link_hello("x");

		(void)snprintf(name, sizeof name, "g%u", i);
		hello.group = text_from(name);
		(void)link_ready(1, &hello);
		assert_false(fake_links[1].closed); /* empty groups make room */
		link_lost(1);
	}
	backends_stop();
}

/* ---------------------------------------------------------- flow control */

static void
test_no_window(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	attached(1);
	fake_links[0].room = 1;
	receive(0, "2[\"a\"]"); /* the last one that fits */
	assert_false(client(0)->paused);
	receive(0, "2[\"b\"]");
	assert_true(client(0)->paused);
	assert_false(client(1)->paused); /* client 1 has sent nothing */
	receive(0, "2[\"c\"]");		 /* was under way when client 0 was paused */
	EXPECT_FRAMES(0, "EVENT h=2 [\"a\"]\n");
	/* traffic that the client's window does not limit goes on */
	assert_true(link_gets(0, BACKEND_EMIT, 0, 2, 0, "[\"x\"]"));
	EXPECT_SENT(0, "2[\"x\"]\n");
	/* the backend gets no new clients meanwhile */
	(void)fake_open(2);
	receive(2, "0");
	EXPECT_FRAMES(0, "");
	link_window(0);
	EXPECT_FRAMES(0, "EVENT h=2 [\"b\"]\nEVENT h=2 [\"c\"]\n" SESSION(
				 5, "cccccccccccccccccccc") "OPEN h=6 id=5 '*' '{}'\n");
	assert_false(client(0)->paused);
	/* the link is lost without draining: its clients are read again */
	fake_links[0].stalled = true;
	receive(0, "2[\"d\"]");
	assert_true(client(0)->paused);
	link_lost(0);
	assert_false(client(0)->paused);
	backend_comes(1);
	(void)link_sent(1);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	EXPECT_FRAMES(1, "EVENT h=2 [\"d\"]\n");
	assert_int_equal(counted(COUNT_BACKEND_PAUSES), 2);
	backends_stop();
}

/* ----------------------------------------------------------------- drains */

static void
test_handed_off(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	receive(0, "27[\"slow\"]");
	(void)link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 5, "[\"q\"]");
	EXPECT_FRAMES(0, "EVENT flags=1 h=2 id=7 [\"slow\"]\n");
	(void)sent(0);
	link_drain(0);
	receive(0, "2[\"waits\"]");
	EXPECT_FRAMES(0, "");
	assert_false(client(0)->paused);
	/* answers still arrive, and its rooms still count */
	receive(0, "30[\"a\"]");
	EXPECT_FRAMES(0, "ACKED h=2 id=5 [\"a\"]\n");
	(void)link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 6, "[\"q\"]");
	(void)link_rooms(0, BACKEND_JOIN, 2, "r");
	(void)link_gets(0, BACKEND_DATA, 0, 2, 0, "1");
	backend_comes(1);
	EXPECT_FRAMES(1, "");
	assert_true(link_gets(0, BACKEND_HANDOFF, 0, 1, 0, ""));
	EXPECT_FRAMES(1, SESSION(1, SID_A) "OPEN flags=2 h=2 id=1 '*' '{}' {r} '1'\n");
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	EXPECT_FRAMES(1, "EVENT h=2 [\"waits\"]\n");
	/* the old backend finishes what it had begun */
	(void)sent(0);
	assert_true(link_gets(0, BACKEND_ACK, 0, 2, 7, "[\"done\"]"));
	assert_true(link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 8, "[\"late\"]"));
	EXPECT_SENT(0, "37[\"done\"]\n22[\"late\"]\n");
	receive(0, "31[\"b\"]");
	receive(0, "32[\"c\"]");
	EXPECT_FRAMES(0, "ACKED h=2 id=6 [\"b\"]\nACKED h=2 id=8 [\"c\"]\n");
	/* the old backend can do nothing else */
	assert_true(link_gets(0, BACKEND_DISC, BACKEND_F_CLOSE, 2, 0, ""));
	assert_true(link_rooms(0, BACKEND_LEAVE, 2, "r"));
	assert_true(link_gets(0, BACKEND_DATA, 0, 2, 0, "2"));
	assert_true(link_gets(0, BACKEND_ACCEPT, 0, 2, 0, ""));
	assert_true(link_gets(0, BACKEND_HANDOFF, 0, 1, 0, ""));
	fake_turn();
	EXPECT_SENT(0, "");
	assert_true(sio_in_room(socket_of(0), "r"));
	(void)link_gets(0, BACKEND_EMIT, BACKEND_F_ACK, 2, 9, "[\"forgotten\"]");
	link_lost(0);
	receive(0, "33[\"d\"]");
	EXPECT_FRAMES(1, "");
	receive(0, "1");
	EXPECT_FRAMES(1, "CLOSED h=2 client namespace disconnect\n");
	backends_stop();
}

static void
test_drain(void **state)
{
	(void)state;
	start_with_one();
	attached(0);
	(void)fake_open(1);
	receive(1, "0"); /* the middlewares of client 1 are running */
	(void)link_sent(0);
	/* a hand-off without an announced drain is a fault */
	assert_true(link_gets(0, BACKEND_HANDOFF, 0, 1, 0, ""));
	assert_int_equal(counted(COUNT_BACKEND_DROPPED_FRAMES), 1);
	link_drain(0);
	(void)fake_open(2);
	receive(2, "0");
	receive(0, "0/x,");
	EXPECT_FRAMES(0, "");
	(void)link_gets(0, BACKEND_ACCEPT, 0, 4, 0, "");
	EXPECT_SENT(1, "0{\"sid\":\"*\"}\n");
	fake_gone(client(1), EIO_TRANSPORT_CLOSE);
	EXPECT_FRAMES(0, "CLOSED h=4 transport close\nCLOSED h=3 transport close\n");
	/* without another backend, the client waits */
	assert_true(link_gets(0, BACKEND_HANDOFF, 0, 1, 0, ""));
	assert_int_equal(fake_core->orphans, 1);
	link_lost(0);
	backend_comes(1);
	EXPECT_FRAMES(
		1, "NSPASK id=1 '/x' '{}'\n" SESSION(1, "cccccccccccccccccccc") "OPEN h=2 id=1 '*' '{}'\n" SESSION(
			   3, SID_A) "OPEN flags=2 h=4 id=3 '*' '{}' {} ''\n");
	backends_stop();
}

/* Events that wait for the hand-off pause their client rather than close it. */
static void
test_many_events_wait_while_it_drains(void **state)
{
	struct backend_limits limits = fake_limits();

	(void)state;
	limits.orphan_queue = 200;
	backends_start(&limits);
	backend_comes(0);
	attached(0);
	link_drain(0);
	for (unsigned i = 0; i < 4; i++)
		receive(0, "2[\"0123456789012345678901234567890123456789\"]");
	assert_true(client(0)->open);
	assert_true(client(0)->paused);
	backend_comes(1);
	(void)link_gets(0, BACKEND_HANDOFF, 0, 1, 0, "");
	assert_true(client(0)->paused);
	(void)link_gets(1, BACKEND_ACCEPT, 0, 2, 0, "");
	assert_false(client(0)->paused);
	assert_int_equal(fake_core->held, 0);
	backends_stop();
}

static void
on_app_event(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)e;
	++*(unsigned *)arg;
}

/* The application inside has the namespaces that it asked for by sio_of(); backends have the rest. */
static void
test_beside_an_application(void **state)
{
	struct sio_options options = fake_options();
	struct backend_limits limits = fake_limits();
	unsigned heard = 0;

	(void)state;
	fake_start(&options);
	sio_on(sio_of(fake_io, "/"), "x", on_app_event, &heard);
	fake_core = backend_clients_new(&fake_loop, &limits);
	backend_clients_serve(fake_core, fake_io);
	buffer_init(&link_parts, 1 << 20);
	backend_comes(0);
	(void)fake_open(0);
	receive(0, "0");
	EXPECT_SENT(0, "0{\"sid\":\"*\"}\n");
	receive(0, "2[\"x\"]");
	assert_int_equal(heard, 1);
	EXPECT_FRAMES(0, "");
	receive(0, "0/theirs,");
	(void)link_gets(0, BACKEND_NSPANSWER, BACKEND_F_ACK, 0, 1, "");
	fake_turn();
	(void)link_gets(0, BACKEND_ACCEPT, 0, 2, 0, "");
	EXPECT_SENT(0, "0/theirs,{\"sid\":\"*\"}\n");
	receive(0, "2/theirs,[\"x\"]");
	assert_int_equal(heard, 1);
	backends_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_takes_over),
		cmocka_unit_test(test_refused_when_taken_over),
		cmocka_unit_test(test_lost_while_it_opens),
		cmocka_unit_test(test_gone_while_orphan),
		cmocka_unit_test(test_no_backend_is_there),
		cmocka_unit_test(test_no_backend_comes_back),
		cmocka_unit_test(test_a_silent_backend_comes_back),
		cmocka_unit_test(test_queues_are_limited),
		cmocka_unit_test(test_in_parcels),
		cmocka_unit_test(test_the_wishes_of_a_lost_backend),
		cmocka_unit_test(test_the_least_busy),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_a_group_claims_a_waiting_namespace),
		cmocka_unit_test(test_too_many_groups),
		cmocka_unit_test(test_no_window),
		cmocka_unit_test(test_handed_off),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_many_events_wait_while_it_drains),
		cmocka_unit_test(test_beside_an_application),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
