/* Presence for backends: PRESENCE, USER, WHO and what they answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/backend/backend_presence.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_nsp.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/people.h"

static int
setup(void **state)
{
	(void)state;
	start_with_one();
	attached(0); /* the handle 2 */
	return 0;
}

static int
setup_without_clients(void **state)
{
	(void)state;
	start_with_one();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	backends_stop();
	return 0;
}

static void
part_text(struct text text)
{
	part_number(text.n, 4);
	buffer_add_text(&link_parts, text);
}

static bool
starts(unsigned link, uint8_t flags, uint16_t nsp, uint32_t id, const char *prefix, const char *event)
{
	part_text(text_from(prefix));
	part_text(text_from(event));
	return link_sends_parts(
		link, (struct backend_frame){.type = BACKEND_PRESENCE, .flags = flags, .nsp = nsp, .id = id});
}

static bool
names(uint32_t handle, struct text user, struct text data)
{
	part_text(user);
	buffer_add_text(&link_parts, data);
	return link_sends_parts(0, (struct backend_frame){.type = BACKEND_USER, .handle = handle});
}

static bool
asks(uint16_t nsp, uint32_t id, uint32_t limit, const char *room, const char *user)
{
	part_number(limit, 4);
	part_text(text_from(room));
	part_text(text_from(user));
	return link_sends_parts(0, (struct backend_frame){.type = BACKEND_WHO, .nsp = nsp, .id = id});
}

/* Lets the changes be announced. */
static void
later(void)
{
	fake_sleep(200);
	fake_turn();
}

static uint64_t
dropped(unsigned counter)
{
	return fake_loop.counters.value[counter];
}

static void
users_come_and_go(void **state)
{
	(void)state;
	assert_true(starts(0, BACKEND_F_ACK, 0, 5, "room:", "presence"));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=5 0 ''\n");
	assert_true(names(2, TEXT("ada"), TEXT("{\"n\":1}")));
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "room:a,other"));
	later();
	EXPECT_FRAMES(0, "CHANGE 'room:a' 'ada' {\"n\":1}\n");
	EXPECT_SENT(0, "2[\"presence\",{\"room\":\"room:a\",\"joined\":[{\"user\":\"ada\",\"data\":{\"n\":1}}],"
		       "\"changed\":[],\"left\":[]}]\n");
	assert_true(asks(0, 6, 10, "room:a", ""));
	assert_true(asks(0, 7, 10, "other", ""));
	assert_true(asks(0, 8, 0, "room:a", ""));
	assert_true(asks(0, 9, 10, "room:a", "ada"));
	assert_true(asks(0, 10, 10, "room:a", "bob"));
	EXPECT_FRAMES(0, "PRESENT id=6 'ada' {\"n\":1}\nPRESENT flags=64 id=6 1 ''\n"
			 "PRESENT flags=64 id=7 0 ''\n"
			 "PRESENT flags=64 id=8 1 ''\n"
			 "PRESENT id=9 'ada' {\"n\":1}\nPRESENT flags=64 id=9 1 ''\n"
			 "PRESENT flags=64 id=10 0 ''\n");
	assert_true(names(2, TEXT("ada"), TEXT_NONE));
	later();
	EXPECT_FRAMES(0, "CHANGE id=1 'room:a' 'ada'\n");
	assert_true(names(2, TEXT_NONE, TEXT_NONE));
	later();
	EXPECT_FRAMES(0, "CHANGE id=2 'room:a' 'ada'\n");
}

/* A link gets a change only if it has asked for changes and the change fits into the window. */
static void
changes_go_to_those_who_watch(void **state)
{
	uint64_t before = dropped(COUNT_BACKEND_DROPPED_PRESENCE);

	(void)state;
	backend_comes(1);
	(void)link_sent(1);
	assert_true(starts(0, 0, 0, 5, "", ""));
	assert_true(starts(1, BACKEND_F_ACK, 0, 5, "", ""));
	assert_true(starts(1, BACKEND_F_ACK, 0, 6, "", ""));
	(void)link_sent(0);
	(void)link_sent(1);
	assert_true(names(2, TEXT("ada"), TEXT_NONE));
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a"));
	later();
	EXPECT_FRAMES(0, "");
	EXPECT_FRAMES(1, "CHANGE 'a' 'ada'\n");
	EXPECT_SENT(0, ""); /* no event */
	fake_links[1].space = 10;
	assert_true(link_rooms(0, BACKEND_LEAVE, 2, "a"));
	later();
	EXPECT_FRAMES(1, "");
	assert_int_equal(dropped(COUNT_BACKEND_DROPPED_PRESENCE), before + 1);
	link_lost(1);
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a"));
	later();
}

/* The namespace exists from then on, for clients too, because the backend has named it. */
static void
a_namespace_is_made(void **state)
{
	(void)state;
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/chat");
	assert_true(asks(1, 4, 1, "a", ""));
	assert_true(starts(0, 0, 1, 5, "", ""));
	assert_true(asks(1, 6, 1, "a", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=4 0 'not-found'\n"
			 "PRESENT flags=64 id=5 0 ''\n"
			 "PRESENT flags=64 id=6 0 ''\n");
	assert_non_null(sio_nsp_find(fake_io, TEXT("/chat")));
}

static void
wrong_settings_get_an_error(void **state)
{
	static char longer[BACKEND_PRESENCE_NAME_MAX + 2];

	(void)state;
	memset(longer, 'a', BACKEND_PRESENCE_NAME_MAX + 1);
	assert_true(starts(0, 0, 0, 1, longer, ""));
	assert_true(starts(0, 0, 0, 2, "", longer));
	assert_true(starts(0, 0, 0, 3, "\xff", ""));
	assert_true(starts(0, 0, 0, 4, "", "connect"));
	part_text(text_of("a\0b", 3));
	part_text(TEXT_NONE);
	assert_true(link_sends_parts(0, (struct backend_frame){.type = BACKEND_PRESENCE, .id = 5}));
	assert_true(starts(0, 0, 0, 6, "room:", "presence"));
	assert_true(starts(0, 0, 0, 7, "room:", "presence"));
	assert_true(starts(0, 0, 0, 8, "room:", ""));
	assert_true(starts(0, 0, 0, 9, "", "presence"));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=1 0 'too-big'\n"
			 "PRESENT flags=64 id=2 0 'too-big'\n"
			 "PRESENT flags=64 id=3 0 'argument'\n"
			 "PRESENT flags=64 id=4 0 'argument'\n"
			 "PRESENT flags=64 id=5 0 'argument'\n"
			 "PRESENT flags=64 id=6 0 ''\n"
			 "PRESENT flags=64 id=7 0 ''\n"
			 "PRESENT flags=64 id=8 0 'state'\n"
			 "PRESENT flags=64 id=9 0 'state'\n");
}

static void
namespaces_are_limited(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BACKEND_PRESENCE_MAX; i++) {
		snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/n%u", i);
		assert_true(starts(0, 0, 1, i + 1, "", ""));
	}
	assert_non_null(strstr(link_sent(0), "id=100 0 ''\nPRESENT flags=64 id=101 0 'too-many'\n"));
}

/* A backend could otherwise fill the memory with wrong settings for many namespaces. */
static void
wrong_settings_make_no_namespace(void **state)
{
	(void)state;
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/chat");
	assert_true(starts(0, 0, 1, 1, "", "connect"));
	assert_true(starts(0, 0, 1, 2, "\xff", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=1 0 'argument'\nPRESENT flags=64 id=2 0 'argument'\n");
	assert_null(sio_nsp_find(fake_io, TEXT("/chat")));
}

/* If the application makes a namespace after the first backend has come, backends may turn presence on in it. */
static void
the_application_keeps_its_namespaces(void **state)
{
	const sio_nsp *own;

	(void)state;
	own = sio_of(fake_io, "/own");
	attached(0);
	(void)sio_of(fake_io, "/late");
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/own");
	assert_true(starts(0, 0, 1, 1, "", ""));
	assert_null(own->owner);
	assert_null(own->presence);
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/late");
	assert_true(starts(0, 0, 1, 2, "", ""));
	assert_int_equal(sio_presence(sio_of(fake_io, "/"), "app:", NULL), 0);
	assert_true(starts(0, 0, 0, 3, "app:", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=1 0 'state'\n"
			 "PRESENT flags=64 id=2 0 ''\n"
			 "PRESENT flags=64 id=3 0 'state'\n");
}

/* Otherwise a backend could make any number of namespaces, and take them from the application. */
static void
a_name_that_matches_a_pattern_makes_no_namespace(void **state)
{
	sio_nsp *parent;

	(void)state;
	parent = sio_of_pattern(fake_io, "/room-.*", NULL);
	assert_non_null(parent);
	attached(0);
	snprintf(fake_links[0].theirs[0], sizeof fake_links[0].theirs[0], "/room-1");
	assert_true(starts(0, 0, 1, 1, "", ""));
	assert_true(asks(1, 2, 1, "a", ""));
	assert_int_equal(sio_presence(parent, "", NULL), 0);
	assert_true(starts(0, 0, 1, 3, "", ""));
	assert_true(asks(1, 4, 1, "a", ""));
	assert_true(asks(1, 5, 1, "a", "ada"));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=1 0 'state'\n"
			 "PRESENT flags=64 id=2 0 'not-found'\n"
			 "PRESENT flags=64 id=3 0 'state'\n"
			 "PRESENT flags=64 id=4 0 ''\n"
			 "PRESENT flags=64 id=5 0 ''\n");
	assert_null(sio_nsp_find(fake_io, TEXT("/room-1")));
	assert_true(list_empty(&fake_core->presences));
	(void)sio_of(fake_io, "/room-1"); /* now it exists, and is still the application's */
	assert_true(starts(0, 0, 1, 6, "", ""));
	assert_true(asks(1, 7, 1, "a", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=6 0 'state'\nPRESENT flags=64 id=7 0 ''\n");
}

static void
wrong_users_are_dropped(void **state)
{
	static char large[SIO_PRESENCE_DATA_MAX + 2];
	uint64_t before = dropped(COUNT_BACKEND_DROPPED_FRAMES);

	(void)state;
	assert_true(names(2, TEXT("ada"), TEXT_NONE)); /* the namespace has no presence */
	assert_true(starts(0, 0, 0, 1, "", ""));
	memset(large, '1', sizeof large - 1);
	assert_true(names(2, text_of(large, SIO_PRESENCE_USER_MAX + 1), TEXT_NONE));
	assert_true(names(2, TEXT("ada"), text_of(large, SIO_PRESENCE_DATA_MAX + 1)));
	assert_true(names(2, text_of("a\0b", 3), TEXT_NONE));
	assert_true(names(2, TEXT("\xff"), TEXT_NONE));
	assert_true(names(2, TEXT("ada"), TEXT("{")));
	assert_true(names(2, TEXT("ada"), text_of("1\0", 2)));
	assert_int_equal(dropped(COUNT_BACKEND_DROPPED_FRAMES), before + 7);
	assert_true(names(99, TEXT("ada"), TEXT_NONE)); /* has left */
	assert_int_equal(dropped(COUNT_BACKEND_DROPPED_FRAMES), before + 7);
	large[0] = large[999] = '"'; /* the longest name that is allowed, and some data */
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a"));
	assert_true(names(2, text_of(large, SIO_PRESENCE_USER_MAX), text_of(large, 1000)));
	(void)link_sent(0);
	assert_true(asks(0, 2, 0, "a", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=2 1 ''\n");
}

static void
answers_are_limited(void **state)
{
	static char room[BACKEND_PRESENT_ROOM_MAX + 2];

	(void)state;
	assert_true(starts(0, 0, 0, 1, "", ""));
	assert_true(names(2, TEXT("ada"), TEXT("1")));
	assert_true(link_rooms(0, BACKEND_JOIN, 2, "a"));
	(void)link_sent(0);
	fake_links[0].space = 10;
	assert_true(asks(0, 2, 5, "a", ""));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=2 1 ''\n"); /* the count is right */
	memset(room, 'a', BACKEND_PRESENT_ROOM_MAX + 1);
	assert_true(asks(0, 3, 5, room, ""));
	room[SIO_PRESENCE_USER_MAX + 1] = '\0';
	assert_true(asks(0, 4, 5, "a", room));
	EXPECT_FRAMES(0, "PRESENT flags=64 id=3 0 'too-big'\nPRESENT flags=64 id=4 0 'too-big'\n");
}

static void
malformed_frames_end_the_link(void **state)
{
	(void)state;
	assert_false(link_gets(0, BACKEND_PRESENCE, 0, 0, 1, "abc"));
	assert_false(link_gets(0, BACKEND_USER, 0, 2, 0, "abc"));
	assert_false(link_gets(0, BACKEND_WHO, 0, 0, 1, "abcdefg"));
	assert_false(starts(0, 0, 3, 1, "", "")); /* a namespace that was not announced */
	assert_false(asks(3, 1, 0, "", ""));
	part_text(TEXT("a"));
	part_text(TEXT("b"));
	buffer_add_byte(&link_parts, 'x'); /* behind the last part */
	assert_false(link_sends_parts(0, (struct backend_frame){.type = BACKEND_PRESENCE}));
	EXPECT_FRAMES(0, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_come_and_go),
		TEST(changes_go_to_those_who_watch),
		TEST(a_namespace_is_made),
		TEST(wrong_settings_get_an_error),
		TEST(namespaces_are_limited),
		TEST(wrong_settings_make_no_namespace),
		cmocka_unit_test_setup_teardown(
			the_application_keeps_its_namespaces, setup_without_clients, teardown),
		cmocka_unit_test_setup_teardown(
			a_name_that_matches_a_pattern_makes_no_namespace, setup_without_clients, teardown),
		TEST(wrong_users_are_dropped),
		TEST(answers_are_limited),
		TEST(malformed_frames_end_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
