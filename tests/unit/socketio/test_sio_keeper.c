/* The keeper of connection state recovery: what it hands over to which worker, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <malloc.h>

#include "tests/unit/socketio/keeping.h"

static void
a_client_gets_what_it_missed_at_another_worker(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	emit_to(&b, TEXT_NONE, NULL);
	emit_to(&a, TEXT_NONE, NULL);
	emit_to(&a, TEXT("elsewhere"), NULL);
	emit_to(&b, text_of(SID, SIO_ID_LENGTH), NULL);
	assert_back(&b, got, 3);
	/* the client loses the connection again, before it has read anything, and after it has read everything */
	store(&b, 0);
	assert_back(&a, got, 3);
	store(&a, 0);
	assert_back(&b, a.offset, 0);
}

static void
what_the_own_worker_delivered_early_is_not_sent_again(void **state)
{
	char first[64], second[64];

	(void)state;
	session(&a);
	/* worker a delivers its own event before it hears b's event, which has the lower number */
	emit_to(&b, TEXT_NONE, NULL);
	emit_to(&a, TEXT_NONE, first);
	store(&a, a.heard + a.local);
	assert_back(&b, first, 1);
	store(&b, 0);
	hears(&a, second);
	assert_back(&b, second, 0);
}

static void
sessions_outlive_their_worker(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&a, got);
	sio_keeper_gone(keeper, &a, now);
	emit_to(&b, TEXT_NONE, NULL);
	assert_back(&b, got, 1);
}

static void
no_offset_means_since_the_first_connect(void **state)
{
	(void)state;
	session(&a);
	emit_to(&b, TEXT_NONE, NULL);
	sio_keeper_gone(keeper, &a, now);
	assert_back(&b, NULL, 1);
	store(&b, 0);
	assert_back(&b, NULL, 1);
}

static void
rooms_count_from_their_change_on(void **state)
{
	char before[64], got[64];

	(void)state;
	session_in(&a, PID, TEXT_NONE, false, UINT64_MAX);
	emit_to(&a, TEXT("r"), NULL);
	emit_to(&a, TEXT_NONE, before);
	emit_to(&a, TEXT_NONE, got);
	session_in(&a, PID, TEXT("r"), false, a.heard + a.local); /* joins r when it has got both */
	emit_to(&a, TEXT("r"), NULL);
	sio_keeper_gone(keeper, &a, now);
	assert_claim(&b, before, SIO_RECOVERY_OFFSET_GONE); /* its rooms do not show what it missed before */
	assert_back(&b, got, 1);
}

static void
an_idle_client_needs_no_old_events(void **state)
{
	(void)state;
	session(&a);
	emit_to(&a, TEXT("elsewhere"), NULL);
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	begin(&a, SIO_KEEP_QUIET);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 2);
	keep_put_u64(&out, a.local);
	send_it(&a);
	sio_keeper_gone(keeper, &a, now);
	assert_back(&b, NULL, 0);
}

static void
the_worker_that_had_the_session_reports_its_end(void **state)
{
	(void)state;
	session(&b);
	store(&b, b.heard + b.local);
	now += WINDOW_MS + 1;
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended, 0);
	assert_int_equal(b.ended, 1);
	/* that worker is gone */
	session(&b);
	sio_keeper_gone(keeper, &b, now);
	now += WINDOW_MS + 1;
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended, 1);
}

static void
a_missing_event_makes_older_offsets_useless(void **state)
{
	char got[64], late[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	b.local++; /* an event that the keeper does not get */
	emit_to(&b, TEXT_NONE, NULL);
	hears(&a, late);
	hears(&a, late);
	store(&a, a.heard + a.local);
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, late, 0);
}

static void
limits_displace_the_oldest(void **state)
{
	char pid[SIO_PID_LENGTH + 1] = PID;
	struct sio_recovery_stats stats;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		pid[0] = (char)('p' + i);
		session_in(&a, pid, TEXT_NONE, false, UINT64_MAX);
	}
	sio_keeper_gone(keeper, &a, now);
	sio_keeper_stats(keeper, now, &stats);
	assert_int_equal(stats.sessions, 2);
	assert_int_equal(stats.displaced, 1);
	assert_int_equal(b.ended, 1);
}

#define IDLE_MAX (160 + 32) /* the session as malloc() rounds it up, and its part of the table */

static void
an_idle_client_takes_little_memory(void **state)
{
	enum { CLIENTS = 1000 };
	char pid[] = PID;
	size_t before = mallinfo2().uordblks;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		(void)snprintf(pid, 9, "%08u", i);
		pid[8] = '8';
		session_in(&a, pid, TEXT_NONE, false, UINT64_MAX);
		begin(&a, SIO_KEEP_QUIET);
		keep_put_text(&out, text_from(pid));
		for (unsigned k = 0; k < 3; k++)
			keep_put_u64(&out, 0);
		send_it(&a);
	}
	/* the sanitizers' allocator counts nothing */
	assert_in_range((mallinfo2().uordblks - before) / CLIENTS, 0, IDLE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		CASE(a_client_gets_what_it_missed_at_another_worker),
		CASE(what_the_own_worker_delivered_early_is_not_sent_again),
		CASE(sessions_outlive_their_worker),
		CASE(no_offset_means_since_the_first_connect),
		CASE(rooms_count_from_their_change_on),
		CASE(an_idle_client_needs_no_old_events),
		CASE(the_worker_that_had_the_session_reports_its_end),
		CASE(a_missing_event_makes_older_offsets_useless),
		CASE(limits_displace_the_oldest),
		CASE(an_idle_client_takes_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
