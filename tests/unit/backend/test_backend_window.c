/* What a link does as time passes, and when a window is full. */
#include "tests/unit/backend/link_rig.h"

/* ------------------------------------------------------------------- time */

static void
asks_after_silence(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	rig_advance(PING_MS - 1);
	peer_expect_nothing(&p);
	peer_send(&p, BACKEND_ACCEPT, 1, TEXT("")); /* any byte counts */
	rig_advance(PING_MS - 1);
	peer_expect_nothing(&p);
	rig_advance(1);
	peer_expect(&p, BACKEND_PING);
	peer_put(&p, BACKEND_PING, 0, 0, 0, 4711, TEXT(""));
	rig_turn();
	assert_int_equal(peer_expect(&p, BACKEND_PONG).id, 4711);
	peer_close(&p);
}

static void
gives_up_after_long_silence(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	for (uint64_t ms = 0; ms < STALL_MS - PING_MS; ms += PING_MS) {
		rig_advance(PING_MS);
		peer_expect(&p, BACKEND_PING);
	}
	assert_int_equal(rig.heard.len, 0);
	rig_advance(PING_MS);
	assert_heard("lost x1\n  timeout\n");
	peer_expect_bye(&p, "timeout");
	peer_close(&p);
}

/* ----------------------------------------------------------------- window */

#define PEERS_BYTES (BACKEND_HEAD + 6) /* ["x1"] */

static void
a_full_window_makes_frames_wait(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	give_back(&p, PEERS_BYTES);
	send_event(link, 1, WINDOW / 2);
	send_event(link, 2, WINDOW / 2); /* just fits */
	assert_false(backend_link_has_window(link));
	send_event(link, 3, 100);
	send_event(link, 4, 100);
	rig_turn();
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 1);
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 2);
	peer_expect_nothing(&p);
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_STALLS], 1);

	peer_put(&p, BACKEND_PING, 0, 0, 0, 1, TEXT("")); /* needs no window */
	rig_turn();
	peer_expect(&p, BACKEND_PONG);

	give_back(&p, 100);
	assert_int_equal(rig.heard.len, 0); /* one of the frames still waits */
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 3);
	peer_expect_nothing(&p);
	give_back(&p, WINDOW / 2);
	assert_heard("window x1\n");
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 4);
	assert_true(backend_link_has_window(link));
	give_back(&p, WINDOW / 2 + 100);
	assert_int_equal(rig.heard.len, 0);
	peer_close(&p);
}

static void
a_large_frame_needs_half_a_window(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	give_back(&p, PEERS_BYTES);
	send_event(link, 1, WINDOW / 2);
	send_event(link, 2, MAX_FRAME);
	rig_turn();
	peer_expect(&p, BACKEND_EVENT);
	peer_expect_nothing(&p);
	give_back(&p, 1);
	assert_int_equal(peer_expect(&p, BACKEND_EVENT).handle, 2);
	peer_close(&p);
}

static void
too_much_that_waits_ends_the_link(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	give_back(&p, PEERS_BYTES);
	for (unsigned i = 0; i < 4; i++)
		send_event(link, 1, WINDOW);
	rig_turn();
	assert_int_equal(rig.heard.len, 0); /* one under way and three waiting: the window and the largest frame */
	send_event(link, 2, 100);
	send_event(link, 3, WINDOW);
	rig_turn();
	assert_heard("lost x1\n  slow\n");
	peer_expect(&p, BACKEND_EVENT);
	peer_expect_bye(&p, "slow");
	peer_close(&p);
}

/* Answers of clients are dropped before they end the link. */
static void
answers_have_half_of_what_may_wait(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	give_back(&p, PEERS_BYTES);
	assert_true(backend_link_has_space(link, 100 * WINDOW)); /* whether it fits is decided when it is sent */
	send_event(link, 1, WINDOW);
	assert_true(backend_link_has_space(link, WINDOW));
	assert_false(backend_link_has_space(link, WINDOW + 1));
	send_event(link, 1, WINDOW / 2);
	assert_true(backend_link_has_space(link, WINDOW / 2));
	assert_false(backend_link_has_space(link, WINDOW / 2 + 1));
	peer_close(&p);
}

static void
a_full_window_needs_an_answer(void **state)
{
	struct backend_link *link;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	give_back(&p, PEERS_BYTES);
	send_event(link, 1, WINDOW);
	rig_turn();
	peer_expect(&p, BACKEND_EVENT);
	/* the backend sends but answers nothing, because it does not read */
	for (uint64_t ms = 0; ms < STALL_MS; ms += PING_MS / 2) {
		assert_int_equal(rig.heard.len, 0);
		peer_put(&p, BACKEND_PING, 0, 0, 0, 0, TEXT(""));
		rig_advance(PING_MS / 2);
	}
	rig_advance(PING_MS);
	assert_heard("lost x1\n  timeout\n");
	peer_close(&p);

	/* the backend answers, so it is merely slow */
	link = peer_join(&p, HELLO("x1"));
	assert_heard("ready x1\n");
	give_back(&p, PEERS_BYTES);
	send_event(link, 1, WINDOW);
	rig_turn();
	peer_expect(&p, BACKEND_EVENT);
	for (uint64_t ms = 0; ms < 3 * STALL_MS; ms += PING_MS) {
		rig_advance(PING_MS);
		peer_expect(&p, BACKEND_PING);
		peer_put(&p, BACKEND_PONG, 0, 0, 0, 0, TEXT(""));
		rig_turn();
	}
	assert_int_equal(rig.heard.len, 0);
	peer_close(&p);
}

static void
gives_bytes_back_when_half_a_window_is_due(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	peer_send(&p, BACKEND_EMIT, 1, zeros(WINDOW / 2 - BACKEND_HEAD - 1));
	peer_put(&p, BACKEND_PING, 0, 0, 0, 1, TEXT("")); /* does not count */
	rig_turn();
	peer_expect(&p, BACKEND_PONG);
	peer_expect_nothing(&p);
	peer_send(&p, BACKEND_ACCEPT, 1, TEXT(""));
	assert_int_equal(peer_expect(&p, BACKEND_WINDOW).id, WINDOW / 2 - 1 + BACKEND_HEAD);
	peer_expect_nothing(&p);
	peer_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(asks_after_silence),
		LINK_TEST(gives_up_after_long_silence),
		LINK_TEST(a_full_window_makes_frames_wait),
		LINK_TEST(a_large_frame_needs_half_a_window),
		LINK_TEST(too_much_that_waits_ends_the_link),
		LINK_TEST(answers_have_half_of_what_may_wait),
		LINK_TEST(a_full_window_needs_an_answer),
		LINK_TEST(gives_bytes_back_when_half_a_window_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
