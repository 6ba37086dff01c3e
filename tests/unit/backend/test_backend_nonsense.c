/* Faults of a backend that end its link, and keep its instance out for a while. */
#include "tests/unit/backend/link_rig.h"

/* --------------------------------------------------------------- nonsense */

static void
expect_nonsense(struct peer *p)
{
	peer_expect_bye(p, "protocol");
	assert_true(text_ends(buffer_text(&rig.heard), TEXT("lost x1\n  protocol\n")));
	buffer_reset(&rig.heard);
	peer_close(p);
	rig_advance(120000); /* the edge no longer refuses the instance, and has forgotten the fault */
}

static void
nonsense_ends_a_link(void **state)
{
	static const uint8_t edge_alone[] = {BACKEND_CHALLENGE, BACKEND_WELCOME, BACKEND_NSPASK, BACKEND_SESSION,
		BACKEND_OPEN, BACKEND_EVENT, BACKEND_ACKED, BACKEND_CASTED, BACKEND_CLOSED, BACKEND_TRANSPORT,
		BACKEND_PEERS, BACKEND_REQUEST, BACKEND_CONNERR, BACKEND_HELLO, BACKEND_ENDED, BACKEND_PAST,
		BACKEND_PRESENT, BACKEND_CHANGE, 127};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof edge_alone; i++) {
		peer_join(&p, HELLO("x1"));
		peer_send(&p, edge_alone[i], 1, TEXT(""));
		expect_nonsense(&p);
	}
	peer_join(&p, HELLO("x1"));
	peer_put(&p, BACKEND_EMIT, 0, 0, 1, 0, zeros(MAX_FRAME + 1)); /* the head suffices */
	rig_turn();
	expect_nonsense(&p);

	rig.nonsense = true;
	peer_join(&p, HELLO("x1"));
	peer_send(&p, BACKEND_EMIT, 1, TEXT("x"));
	expect_nonsense(&p);
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_MALFORMED], sizeof edge_alone + 2);
}

static void
malformed_namespaces_and_peers_end_a_link(void **state)
{
	static const struct text names[] = {{"", 0}, {"admin", 5}, {"/\xff", 2}};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		peer_join(&p, HELLO("x1"));
		peer_put(&p, BACKEND_NSP, 0, 1, 0, 0, names[i]);
		rig_turn();
		expect_nonsense(&p);
	}
	peer_join(&p, HELLO("x1"));
	peer_put(&p, BACKEND_NSP, 0, 0, 0, 0, TEXT("/other")); /* number 0 is "/" */
	rig_turn();
	expect_nonsense(&p);
	peer_join(&p, HELLO("x1"));
	peer_send(&p, BACKEND_PEER, 0, TEXT("\x09\0\0\0x2"));
	expect_nonsense(&p);
	peer_join(&p, HELLO("x1"));
	peer_put(&p, BACKEND_WINDOW, 0, 0, 0, 1000000, TEXT("")); /* more than was sent to it */
	rig_turn();
	expect_nonsense(&p);
}

static void
an_unknown_type_may_be_optional(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	peer_put(&p, 99, BACKEND_F_OPTIONAL, 0, 1, 0, TEXT("abc"));
	peer_send(&p, BACKEND_ACCEPT, 4, TEXT(""));
	assert_heard("accept 4 \n");
	peer_close(&p);
}

static void
an_instance_that_violates_the_protocol_is_kept_out_for_a_while(void **state)
{
	static const unsigned pauses[] = {1, 2, 4, 8, 16, 30, 30};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		peer_join(&p, HELLO("x1"));
		peer_send(&p, BACKEND_HELLO, 0, TEXT(""));
		peer_close(&p);
		assert_int_equal(may_come("x1"), BACKEND_REFUSED_PROTOCOL);
		assert_int_equal(may_come("x2"), -1);
		rig_advance(pauses[i] * 1000 - 1);
		assert_int_equal(may_come("x1"), BACKEND_REFUSED_PROTOCOL);
		rig_advance(1);
		assert_int_equal(may_come("x1"), -1);
	}
	/* after a while without faults the count restarts */
	rig_advance(60000);
	peer_join(&p, HELLO("x1"));
	peer_send(&p, BACKEND_HELLO, 0, TEXT(""));
	peer_close(&p);
	rig_advance(1000);
	assert_int_equal(may_come("x1"), -1);
}

static void
many_names_of_nonsense_are_bounded(void **state)
{
	char hello[64], name[16];
	struct peer p;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(hello, sizeof hello, "{\"v\":[1],\"instance\":\"n%u\"}", i);
		peer_join(&p, hello);
		peer_send(&p, BACKEND_HELLO, 0, TEXT(""));
		peer_close(&p);
	}
	snprintf(name, sizeof name, "n%u", 199);
	assert_int_equal(may_come(name), BACKEND_REFUSED_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(nonsense_ends_a_link),
		LINK_TEST(malformed_namespaces_and_peers_end_a_link),
		LINK_TEST(an_unknown_type_may_be_optional),
		LINK_TEST(an_instance_that_violates_the_protocol_is_kept_out_for_a_while),
		LINK_TEST(many_names_of_nonsense_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
