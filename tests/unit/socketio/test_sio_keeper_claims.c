/* The keeper of connection state recovery: who gets a session, and when a claim waits or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/socketio/keeping.h"

static void
a_ghost_leaves_first(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(a.takes, 1);
	assert_int_equal(b.type, 0);
	store(&a, 0);
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
	pid_message(&b, SIO_KEEP_RELEASE);
	/* a worker that dies gives its ghosts away as well */
	assert_back(&b, NULL, 0);
	claim_as(&a, PID, NULL, "/");
	sio_keeper_gone(keeper, &b, now);
	assert_int_equal(a.result, SIO_RECOVERY_RECOVERED);
	/* a session that ended for good */
	pid_message(&a, SIO_KEEP_END);
	assert_claim(&a, NULL, SIO_RECOVERY_NO_SESSION);
}

/* On a busy machine, the old socket leaves late, and the worker with the claim waits as long (sio_keep_ask.h). */
static void
a_claim_is_answered_as_long_as_its_worker_waits(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	now += 19000;
	store(&a, 0);
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

/* The client is lost again before its session is continued, and so are its next claims. The last one keeps it. */
static void
claims_get_the_session_one_after_the_other(void **state)
{
	struct worker *const workers[] = {&a, &b};
	uint64_t first;
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	emit_to(&b, TEXT_NONE, NULL);
	assert_claim(&a, got, SIO_RECOVERY_RECOVERED);
	first = nonce;
	for (unsigned i = 1; i < 10; i++) {
		claim_as(workers[i % 2], PID, got, "/");
		assert_int_not_equal(workers[i % 2]->type, SIO_KEEP_CLAIMED);
		assert_int_equal(a.takes, i);
	}
	for (unsigned i = 1; i < 10; i++) {
		b.takes = 0;
		pid_message(workers[(i - 1) % 2], SIO_KEEP_RELEASE);
		assert_int_equal(workers[i % 2]->answered, first + i);
		assert_int_equal(workers[i % 2]->result, SIO_RECOVERY_RECOVERED);
		assert_int_equal(b.takes, i % 2 == 1 && i != 9);
	}
	assert_replay(&b, SIO_RECOVERY_RECOVERED);
	assert_int_equal(b.count, 1);
}

/* Another claim waits while the session is claimed. */
static void
claim_twice(void)
{
	session(&a);
	store(&a, 0);
	assert_claim(&b, NULL, SIO_RECOVERY_RECOVERED);
	claim_as(&a, PID, NULL, "/");
	assert_int_equal(b.takes, 1);
	assert_int_equal(a.type, 0);
}

static void
a_claim_that_waits_is_answered_if_the_replay_fails(void **state)
{
	(void)state;
	claim_twice();
	b.local++; /* an event that the keeper does not get */
	emit_to(&b, TEXT_NONE, NULL);
	assert_replay(&b, SIO_RECOVERY_OFFSET_GONE);
	assert_int_equal(a.type, SIO_KEEP_CLAIMED);
	assert_int_equal(a.result, SIO_RECOVERY_NO_SESSION);
}

static void
the_claims_that_wait_are_limited(void **state)
{
	(void)state;
	claim_twice();
	for (unsigned i = 1; i < 16; i++) {
		claim_as(&a, PID, NULL, "/");
		assert_int_equal(a.type, 0);
	}
	assert_claim(&a, NULL, SIO_RECOVERY_NO_SESSION);
	now += 20001; /* the workers no longer wait for answers to these claims */
	claim_as(&a, PID, NULL, "/");
	assert_int_equal(a.type, 0);
}

/*
 * The socket leaves before the answer to its REPLAY arrives. The client has got nothing, and the next worker gets
 * everything for it, also if the client was idle and its offset is older than the log.
 */
static void
a_replay_that_reaches_no_socket_is_repeated(void **state)
{
	struct worker *const workers[] = {&b, &a};
	uint64_t last;
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	last = a.heard + a.local;
	emit_to(&b, TEXT("elsewhere"), NULL);
	a.heard = 3; /* the number of this event */
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	store(&a, last);
	emit_to(&b, TEXT_NONE, NULL);
	for (unsigned i = 0; i < 4; i++) {
		assert_back(workers[i % 2], got, i + 1);
		emit_to(workers[i % 2], TEXT_NONE, NULL); /* before its socket leaves */
		pid_message(workers[i % 2], SIO_KEEP_RELEASE);
	}
	/* a claim that waits gets the session at once */
	assert_back(&b, got, 5);
	claim_as(&a, PID, got, "/");
	assert_int_equal(b.takes, 1);
	assert_int_equal(a.type, 0);
	pid_message(&b, SIO_KEEP_RELEASE);
	assert_int_equal(a.answered, nonce);
	assert_replay(&a, SIO_RECOVERY_RECOVERED);
	assert_int_equal(a.count, 5);
	/* this client gets them, and at its next worker only a volatile event, with the worker's offset */
	store(&a, 0);
	assert_back(&b, a.offset, 0);
	emit_to(&a, TEXT("elsewhere"), NULL);
	hears(&b, got);
	emit_to(&a, TEXT("elsewhere"), NULL);
	b.heard++;
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	store(&b, 0);
	emit_to(&b, TEXT_NONE, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_back(&a, got, 1);
		pid_message(&a, SIO_KEEP_RELEASE);
	}
}

/* The session has been sent by another connection, which the hub reads later. */
static void
a_claim_waits_for_what_is_under_way(void **state)
{
	(void)state;
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(b.type, 0);
	assert_true(settles);
	session(&a);
	sio_keeper_settle(keeper, now);
	assert_int_equal(a.takes, 1);
	store(&a, 0);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

static void
what_cannot_be_shown_is_refused(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	settled_claim(&b, OTHER_PID, got, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	claim_as(&b, PID, got, "/other");
	assert_int_equal(b.result, SIO_RECOVERY_FOREIGN);
	assert_claim(&b, "", SIO_RECOVERY_OFFSET_GONE);
	assert_claim(&b, "0-0", SIO_RECOVERY_OFFSET_GONE);
	got[0] ^= 1;
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	got[0] ^= 1;
	now += WINDOW_MS + 1;
	assert_claim(&b, got, SIO_RECOVERY_EXPIRED);
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended + b.ended, 1);
}

static void
only_ids_of_this_program_are_taken(void **state)
{
	(void)state;
	session_in(&a, "0123456789ab.defghijklmnopqrstuv", TEXT_NONE, false, UINT64_MAX);
	sio_keeper_gone(keeper, &a, now);
	settled_claim(&b, "0123456789ab.defghijklmnopqrstuv", NULL, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	settled_claim(&b, "0123456789abcdefghijklmnopqrstu\xff", NULL, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		CASE(a_ghost_leaves_first),
		CASE(a_claim_is_answered_as_long_as_its_worker_waits),
		CASE(claims_get_the_session_one_after_the_other),
		CASE(a_claim_that_waits_is_answered_if_the_replay_fails),
		CASE(the_claims_that_wait_are_limited),
		CASE(a_replay_that_reaches_no_socket_is_repeated),
		CASE(a_claim_waits_for_what_is_under_way),
		CASE(what_cannot_be_shown_is_refused),
		CASE(only_ids_of_this_program_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
