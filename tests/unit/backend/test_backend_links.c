/* How the links of one worker affect each other, and the numbers that both sides give to names. */
#include "node/backend/backend_link_internal.h"
#include "tests/unit/backend/link_rig.h"

/* ------------------------------------------------------------------- peers */

static void
peers_hear_who_is_there(void **state)
{
	struct peer one, two;

	(void)state;
	peer_join(&one, HELLO("x1"));
	peer_join(&two, HELLO("x2"));
	assert_text_equal(peer_expect(&one, BACKEND_PEERS).body, TEXT("[\"x1\",\"x2\"]"));
	peer_close(&one);
	assert_text_equal(peer_expect(&two, BACKEND_PEERS).body, TEXT("[\"x2\"]"));
	peer_close(&two);
}

static void
peers_reach_one_another(void **state)
{
	struct peer peers[3];
	static char large[20000];
	struct backend_frame f;
	struct buffer body;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char hello[64];

		snprintf(hello, sizeof hello, "{\"v\":[1],\"instance\":\"x%u\"}", i);
		peer_join(&peers[i], hello);
	}
	peer_expect(&peers[0], BACKEND_PEERS);
	peer_expect(&peers[0], BACKEND_PEERS);
	peer_expect(&peers[1], BACKEND_PEERS);

	peer_send(&peers[0], BACKEND_PEER, 0, TEXT("\x02\0\0\0x1\xff\0hi"));
	f = peer_expect(&peers[1], BACKEND_PEER);
	assert_text_equal(f.body, TEXT("\x02\0\0\0x0\xff\0hi"));
	peer_expect_nothing(&peers[0]);
	peer_expect_nothing(&peers[2]);

	buffer_init(&body, 1 << 20);
	buffer_add(&body, "\0\0\0\0", 4);
	memset(large, 'l', sizeof large);
	buffer_add(&body, large, sizeof large);
	peer_send(&peers[1], BACKEND_PEER, 0, buffer_text(&body));
	for (unsigned i = 0; i < 3; i += 2) {
		f = peer_expect(&peers[i], BACKEND_PEER);
		assert_int_equal(f.body.n, 6 + sizeof large);
		assert_memory_equal(f.body.at, "\x02\0\0\0x1", 6);
		assert_memory_equal(f.body.at + 6, large, sizeof large);
	}
	peer_expect_nothing(&peers[1]);
	buffer_fini(&body);

	peer_send(&peers[0], BACKEND_PEER, 0, TEXT("\x04\0\0\0gonehi")); /* the peer has left: no effect */
	for (unsigned i = 0; i < 3; i++)
		peer_expect_nothing(&peers[i]);
	for (unsigned i = 0; i < 3; i++)
		peer_close(&peers[i]);
}

static void
peers_without_window_miss_messages(void **state)
{
	struct backend_link *link;
	struct peer one, two;

	(void)state;
	peer_join(&one, HELLO("x1"));
	link = peer_join(&two, HELLO("x2"));
	give_back(&two, BACKEND_HEAD + 11);
	send_event(link, 1, WINDOW);
	peer_send(&one, BACKEND_PEER, 0, TEXT("\x02\0\0\0x2hi"));
	peer_expect(&two, BACKEND_EVENT);
	peer_expect_nothing(&two);
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_PEERS_DROPPED], 1);
	peer_close(&one);
	peer_close(&two);
}

/* -------------------------------------------------------------- namespaces */

static void
namespaces_have_numbers(void **state)
{
	struct backend_link *link;
	struct backend_frame f;
	struct peer p;

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	assert_int_equal(backend_link_nsp(link, TEXT("/")), 0);
	assert_int_equal(backend_link_nsp(link, TEXT("/a")), 1);
	assert_int_equal(backend_link_nsp(link, TEXT("/b")), 2);
	assert_int_equal(backend_link_nsp(link, TEXT("/a")), 1);
	rig_turn();
	f = peer_expect(&p, BACKEND_NSP);
	assert_int_equal(f.nsp, 1);
	assert_text_equal(f.body, TEXT("/a"));
	f = peer_expect(&p, BACKEND_NSP);
	assert_text_equal(f.body, TEXT("/b"));
	peer_expect_nothing(&p);

	assert_text_equal(backend_link_nsp_name(link, 0), TEXT("/"));
	assert_int_equal(backend_link_nsp_name(link, 7).n, 0);
	peer_put(&p, BACKEND_NSP, 0, 7, 0, 0, TEXT("/seven"));
	peer_put(&p, BACKEND_NSP, 0, 65535, 0, 0, TEXT("/last"));
	rig_turn();
	assert_text_equal(backend_link_nsp_name(link, 7), TEXT("/seven"));
	assert_text_equal(backend_link_nsp_name(link, 65535), TEXT("/last"));
	peer_put(&p, BACKEND_NSP, 0, 7, 0, 0, TEXT("/anew"));
	rig_turn();
	assert_text_equal(backend_link_nsp_name(link, 7), TEXT("/anew"));
	peer_close(&p);
}

static void
numbers_of_namespaces_are_given_anew(void **state)
{
	struct backend_link *link;
	struct peer p;
	char name[16];

	(void)state;
	link = peer_join(&p, HELLO("x1"));
	for (unsigned i = 1; i < BACKEND_NSPS_MAX; i++) {
		snprintf(name, sizeof name, "/%u", i);
		assert_int_equal(backend_link_nsp(link, text_from(name)), i);
	}
	assert_int_equal(backend_link_nsp(link, TEXT("/one more")), 1);
	assert_int_equal(backend_link_nsp(link, TEXT("/2")), 2);
	assert_int_equal(backend_link_nsp(link, TEXT("/1")), 2); /* the number 1 now means another name */
	peer_close(&p);
}

static void
names_of_namespaces_are_bounded(void **state)
{
	static char name[MAX_FRAME];
	struct peer p;

	(void)state;
	memset(name, 'n', sizeof name);
	name[0] = '/';
	peer_join(&p, HELLO("x1"));
	buffer_reset(&rig.heard);
	for (uint16_t i = 1; i <= BACKEND_NSP_BYTES_MAX / MAX_FRAME + 1; i++) {
		peer_put(&p, BACKEND_NSP, 0, i, 0, 0, text_of(name, sizeof name));
		rig_turn();
	}
	assert_heard("lost x1\n  protocol\n");
	peer_close(&p);
}

/* ---------------------------------------------------------------- upstream */

static void
http_behind_a_backend_is_told(void **state)
{
	struct peer p;

	(void)state;
	peer_join(&p, "{\"v\":[1],\"instance\":\"x1\",\"upstream\":\"http://127.0.0.1:3001\"}");
	assert_heard("upstream http://127.0.0.1:3001\nready x1\n");
	peer_close(&p);
	assert_heard("no upstream http://127.0.0.1:3001\nlost x1\n  closed\n");
}

static void
links_are_bounded(void **state)
{
	static struct peer peers[BACKEND_LINKS_MAX];
	char hello[64];

	(void)state;
	for (unsigned i = 0; i < BACKEND_LINKS_MAX; i++) {
		snprintf(hello, sizeof hello, "{\"v\":[1],\"instance\":\"n%u\"}", i);
		peer_join(&peers[i], hello);
	}
	assert_int_equal(may_come("more"), BACKEND_REFUSED_FULL);
	assert_int_equal(may_come("n7"), -1); /* replaces its other link */
	/* links whose connections have not ended yet count too */
	rig.links->open = 2 * BACKEND_LINKS_MAX;
	assert_int_equal(may_come("n7"), BACKEND_REFUSED_FULL);
	rig.links->open = BACKEND_LINKS_MAX;
	for (unsigned i = 0; i < BACKEND_LINKS_MAX; i++)
		peer_close(&peers[i]);
	assert_int_equal(may_come("more"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(peers_hear_who_is_there),
		LINK_TEST(peers_reach_one_another),
		LINK_TEST(peers_without_window_miss_messages),
		LINK_TEST(namespaces_have_numbers),
		LINK_TEST(numbers_of_namespaces_are_given_anew),
		LINK_TEST(names_of_namespaces_are_bounded),
		LINK_TEST(http_behind_a_backend_is_told),
		LINK_TEST(links_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
