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

/* The client is lost again before its session is continued, and so are its next connections but the last one. */
static void
the_last_of_several_connections_gets_the_session(void **state)
{
	struct worker *const workers[] = {&a, &b};
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	emit_to(&b, TEXT_NONE, NULL);
	assert_claim(&a, got, SIO_RECOVERY_RECOVERED);
	for (unsigned i = 1; i < 20; i++) {
		claim_as(workers[i % 2], PID, got, "/");
		assert_int_not_equal(workers[i % 2]->answered, nonce);
		assert_int_equal(a.takes, i);
		if (i == 1)
			continue;
		/* the claim before no longer waits */
		assert_int_equal(workers[1 - i % 2]->answered, nonce - 1);
		assert_int_equal(workers[1 - i % 2]->result, SIO_RECOVERY_NO_SESSION);
	}
	pid_message(&a, SIO_KEEP_RELEASE);
	assert_int_equal(b.answered, nonce);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
	assert_int_equal(b.takes, 0);
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
a_claim_whose_worker_no_longer_waits_gets_nothing(void **state)
{
	(void)state;
	claim_twice();
	now += 20001;
	pid_message(&b, SIO_KEEP_RELEASE);
	assert_int_equal(a.type, 0);
	assert_claim(&a, NULL, SIO_RECOVERY_RECOVERED);
}

static void
assert_refused(struct worker *w, uint64_t connection_began)
{
	claim_from(w, connection_began, PID, NULL, "/");
	assert_int_equal(w->type, SIO_KEEP_CLAIMED);
	assert_int_equal(w->answered, nonce);
	assert_int_equal(w->result, SIO_RECOVERY_NO_SESSION);
}

/*
 * Worker a reads the CONNECT of a connection that the client has left. The client's next connection keeps the
 * session, whether worker b has continued it, has claimed it or waits for it, or has lost the client.
 */
static void
a_connection_that_the_client_has_left_gets_nothing(void **state)
{
	(void)state;
	session(&a);
	claim_from(&b, 100, PID, NULL, "/");
	assert_refused(&a, 99);
	assert_int_equal(a.takes, 1); /* for the claim of b */
	assert_int_equal(b.type, 0);
	store(&a, 0);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
	assert_refused(&a, 99);
	assert_replay(&b, SIO_RECOVERY_RECOVERED);
	assert_refused(&a, 99);
	assert_int_equal(b.takes, 0);
	store(&b, 0);
	assert_refused(&a, 99);
	/* the worker of the newest connection is gone */
	claim_from(&b, 101, PID, NULL, "/");
	sio_keeper_gone(keeper, &b, now);
	assert_refused(&a, 100);
	claim_from(&a, 102, PID, NULL, "/");
	assert_int_equal(a.result, SIO_RECOVERY_RECOVERED);
}

/* Both connections began in the same microsecond. */
static void
of_equally_old_connections_the_last_claim_counts(void **state)
{
	(void)state;
	session(&a);
	claim_from(&a, 100, PID, NULL, "/");
	claim_from(&b, 100, PID, NULL, "/");
	assert_int_equal(a.answered, nonce - 1);
	assert_int_equal(a.result, SIO_RECOVERY_NO_SESSION);
	assert_int_equal(b.type, 0);
	store(&a, 0);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

/* A hub that has just started, or has not heard from a worker for a while, gets the sessions again. */
static void
sessions_that_are_sent_again_name_their_connection(void **state)
{
	(void)state;
	a.recovered_began = 100;
	session(&a);
	assert_refused(&b, 99);
	assert_int_equal(a.takes, 0);
	claim_from(&b, 101, PID, NULL, "/");
	assert_int_equal(a.takes, 1);
}

/* The hub has not read the session yet when the claims arrive in the wrong order. */
static void
claims_of_an_unknown_session_are_ordered_as_well(void **state)
{
	(void)state;
	claim_from(&a, 101, PID, NULL, "/");
	claim_from(&b, 100, PID, NULL, "/");
	session(&b);
	sio_keeper_settle(keeper, now);
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	store(&b, 0);
	assert_int_equal(a.type, SIO_KEEP_CLAIMED);
	assert_int_equal(a.result, SIO_RECOVERY_RECOVERED);
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
		CASE(the_last_of_several_connections_gets_the_session),
		CASE(a_claim_that_waits_is_answered_if_the_replay_fails),
		CASE(a_claim_whose_worker_no_longer_waits_gets_nothing),
		CASE(a_connection_that_the_client_has_left_gets_nothing),
		CASE(of_equally_old_connections_the_last_claim_counts),
		CASE(sessions_that_are_sent_again_name_their_connection),
		CASE(claims_of_an_unknown_session_are_ordered_as_well),
		CASE(a_replay_that_reaches_no_socket_is_repeated),
		CASE(a_claim_waits_for_what_is_under_way),
		CASE(what_cannot_be_shown_is_refused),
		CASE(only_ids_of_this_program_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
