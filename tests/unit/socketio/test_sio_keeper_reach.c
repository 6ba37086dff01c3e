/* The keeper of connection state recovery: workers whose messages it has not received, or cannot read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/socketio/keeping.h"

static void
a_worker_that_was_out_of_reach_starts_anew(void **state)
{
	char got[64], after[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	sio_keeper_gone(keeper, &a, now);
	pid_message(&a, SIO_KEEP_END);
	assert_int_equal(a.unknown, 1);
	hello(&a);
	session_in(&a, PID, TEXT_NONE, true, UINT64_MAX);
	emit_to(&a, TEXT_NONE, after);
	store(&a, a.heard + a.local);
	assert_claim(&b, NULL, SIO_RECOVERY_OFFSET_GONE);
	/* the keeper may lack events between this offset and HELLO */
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, after, 0);
	/* once the client has shown a good offset, the next worker does not ask for a newer one */
	store(&b, 0);
	assert_back(&a, after, 0);
	store(&a, 0);
	assert_claim(&b, NULL, SIO_RECOVERY_OFFSET_GONE);
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, after, 0);
}

/* The keeper does not know where the worker's missing event stands in the order of all events. */
static void
events_from_out_of_reach_stay_missing(void **state)
{
	static const char pid[] = "another-0123456789abcdefghijklmn";
	char got[64], after[64];

	(void)state;
	session(&b);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&b, got);
	store(&b, b.heard + b.local);
	emit_to(&b, TEXT_NONE, NULL);
	sio_keeper_gone(keeper, &a, now);
	a.local++;
	hello(&a);
	assert_claim(&a, got, SIO_RECOVERY_OFFSET_GONE);
	/* the clients of that worker need no second event */
	session_in(&a, pid, TEXT_NONE, true, UINT64_MAX);
	emit_to(&a, TEXT_NONE, after);
	sio_keeper_gone(keeper, &a, now);
	settled_claim(&b, pid, after, "/");
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

/* If a worker that was out of reach has sent everything, or sends it late, no other client loses anything. */
static void
a_worker_that_comes_back_with_all_it_did_leaves_no_hole(void **state)
{
	char got[64], own[64];

	(void)state;
	session(&b);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&b, got);
	store(&b, b.heard + b.local);
	sio_keeper_gone(keeper, &a, now);
	emit_to(&a, TEXT_NONE, own); /* the event was queued, so it comes before HELLO */
	hello(&a);
	assert_back(&a, got, 1);
	store(&a, 0);
	/* the client has got b's next event, which is still on its way to the keeper */
	b.local++;
	hears(&b, own);
	b.local--;
	assert_claim(&a, own, SIO_RECOVERY_OFFSET_GONE);
}

/* The keeper keeps the sessions of a worker out of reach as last sent. The worker may have changed them since. */
static void
sessions_of_a_worker_out_of_reach_may_have_changed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		session(&a);
		sio_keeper_gone(keeper, &a, now);
		a.sent += i; /* a message that is lost */
		hello(&a);
		assert_claim(&b, NULL, i == 0 ? SIO_RECOVERY_RECOVERED : SIO_RECOVERY_NO_SESSION);
		if (i == 0)
			pid_message(&b, SIO_KEEP_END);
	}
}

static void
a_lost_message_brings_the_sessions_anew(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(a.takes, 1);
	a.sent++; /* the queue was full */
	store(&a, 0);
	assert_int_equal(a.unknown, 1);
	assert_int_equal(b.type, 0);
	hello(&a);
	/* a worker that waits for a session that may have changed gets its answer now */
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	session_in(&a, PID, TEXT_NONE, true, UINT64_MAX);
	assert_int_equal(a.unknown, 1);
	emit_to(&a, TEXT_NONE, a.offset);
	store(&a, a.heard + a.local);
	assert_back(&b, a.offset, 0);
}

static void
a_second_hello_replaces_the_first(void **state)
{
	struct worker first;

	(void)state;
	session(&a);
	first = a;
	a.origin = 0;
	hello(&a);
	a.origin = first.origin + 1; /* the answer is lost, so the worker names the origin of its last welcome */
	hello(&a);
	assert_claim(&b, NULL, SIO_RECOVERY_NO_SESSION);
	assert_int_equal(a.type, SIO_KEEP_WELCOME);
}

static void
another_version_is_answered_and_not_read(void **state)
{
	(void)state;
	begin(&a, SIO_KEEP_HELLO);
	out.data[0]++;
	a.origin++; /* the origin that the worker names in this message */
	memcpy(out.data + 2, &a.origin, sizeof a.origin);
	send_it(&a);
	assert_int_equal(a.type, SIO_KEEP_OTHER_VERSION);
	a.type = SIO_KEEP_HELLO;
	sio_keeper_receive(keeper, &a, text_of((const char *)out.data, 2 + sizeof a.origin + BUS_KEEP_ID - 1), now);
	assert_int_equal(a.type, SIO_KEEP_HELLO); /* the message ends before the name that an answer would need */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		CASE(a_worker_that_was_out_of_reach_starts_anew),
		CASE(events_from_out_of_reach_stay_missing),
		CASE(a_worker_that_comes_back_with_all_it_did_leaves_no_hole),
		CASE(sessions_of_a_worker_out_of_reach_may_have_changed),
		CASE(a_lost_message_brings_the_sessions_anew),
		CASE(a_second_hello_replaces_the_first),
		CASE(another_version_is_answered_and_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
