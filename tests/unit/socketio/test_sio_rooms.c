/* Rooms, selections and targets, compared with a naive model: a matrix of sockets and rooms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "node/socketio/sio_target.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/fake_engine.h"

#define SOCKETS 12
#define ROOMS 6
#define NAMES (ROOMS + SOCKETS) /* rooms, then the sockets' own ids */

static struct sio_socket *sockets[SOCKETS];
static bool in[SOCKETS][NAMES];
static const char *names[NAMES];
static unsigned seed;

static unsigned
below(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static void
on_connection(sio_socket *socket, void *arg)
{
	unsigned *next = arg;

	sockets[(*next)++] = socket;
}

static void
start(void)
{
	struct sio_options o = fake_options();
	static unsigned next;

	next = 0;
	memset(in, 0, sizeof in);
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, &next);
	for (unsigned i = 0; i < SOCKETS; i++)
		fake_receive(fake_open(i), false, "0", 1);
	assert_int_equal(next, SOCKETS);
	for (unsigned i = 0; i < ROOMS; i++)
		names[i] = (const char *[]){"a", "b", "", "room", "\xc3\xa9", "a longer name than the others"}[i];
	for (unsigned i = 0; i < SOCKETS; i++) {
		names[ROOMS + i] = sio_id(sockets[i]);
		in[i][ROOMS + i] = true;
	}
}

static void
check_memberships(void)
{
	for (unsigned s = 0; s < SOCKETS; s++) {
		unsigned seen = 0, expected = 0;
		size_t cursor = 0;
		const char *room;

		for (unsigned r = 0; r < NAMES; r++) {
			assert_int_equal(sio_in_room(sockets[s], names[r]), in[s][r]);
			expected += in[s][r];
		}
		while ((room = sio_room_next(sockets[s], &cursor)) != NULL) {
			assert_true(sio_in_room(sockets[s], room));
			seen++;
		}
		assert_null(sio_room_next(sockets[s], &cursor));
		assert_int_equal(seen, expected);
	}
}

/* Random rooms and exceptions, through the public target functions. */
static void
check_selection(void)
{
	struct sio_target_rooms selector;
	struct sio_selection found = {0};
	sio_target t = sio_all(sio_of(fake_io, "/"));
	bool wanted[SOCKETS] = {false}, excepted[SOCKETS] = {false};
	unsigned rooms = below(4), except = below(3), count = 0, sender = below(SOCKETS);
	const char *many[3];

	if (below(3) == 0) {
		t = sio_others(sockets[sender]);
		for (unsigned s = 0; s < SOCKETS; s++)
			excepted[s] = in[s][ROOMS + sender];
	}
	for (unsigned i = 0; i < rooms; i++) {
		unsigned r = below(NAMES);

		many[i] = names[r];
		for (unsigned s = 0; s < SOCKETS; s++)
			wanted[s] |= in[s][r];
	}
	if (below(2) == 0) {
		t = sio_to_many(t, many, rooms);
	} else {
		for (unsigned i = 0; i < rooms; i++)
			t = sio_to(t, many[i]);
	}
	for (unsigned i = 0; i < except; i++) {
		unsigned r = below(NAMES);

		t = sio_except(t, names[r]);
		for (unsigned s = 0; s < SOCKETS; s++)
			excepted[s] |= in[s][r];
	}
	assert_int_equal(sio_target_rooms(&selector, &t), 0);
	sio_rooms_select(t.nsp, &selector.who, &found);
	sio_target_rooms_fini(&selector);
	for (unsigned s = 0; s < SOCKETS; s++) {
		unsigned times = 0;

		for (unsigned i = 0; i < found.count; i++)
			times += found.at[i] == sockets[s];
		assert_int_equal(times, (rooms == 0 || wanted[s]) && !excepted[s]);
		count += times;
	}
	assert_int_equal(count, found.count);
	mem_free(found.at);
}

static void
test_model(void **state)
{
	(void)state;
	for (seed = 1; seed < 6000; seed += 1999) {
		start();
		for (unsigned step = 0; step < 3000; step++) {
			unsigned s = below(SOCKETS), r = below(8) == 0 ? ROOMS + below(SOCKETS) : below(ROOMS);

			if (below(5) < 3) {
				assert_int_equal(sio_join(sockets[s], names[r]), 0);
				in[s][r] = true;
			} else {
				sio_leave(sockets[s], names[r]);
				in[s][r] = false;
			}
			check_selection();
			if (step % 50 == 0)
				check_memberships();
		}
		check_memberships();
		for (unsigned s = 0; s < SOCKETS; s++) {
			for (unsigned r = 0; r < ROOMS; r++)
				sio_leave(sockets[s], names[r]);
			for (unsigned r = ROOMS; r < NAMES; r++)
				sio_leave(sockets[s], names[r]);
		}
		assert_int_equal(sio_of(fake_io, "/")->rooms.count, 0);
		assert_int_equal(sio_of(fake_io, "/")->memberships.count, 0);
		fake_stop();
	}
}

static void
test_join_and_leave_of_the_target(void **state)
{
	(void)state;
	start();
	sio_join(sockets[0], "a");
	sio_join(sockets[1], "a");
	sio_join(sockets[2], "b");
	assert_int_equal(sio_sockets_join(sio_to(sio_all(sio_of(fake_io, "/")), "a"), "c"), 0);
	assert_true(sio_in_room(sockets[0], "c") && sio_in_room(sockets[1], "c"));
	assert_false(sio_in_room(sockets[2], "c"));
	assert_int_equal(sio_sockets_leave(sio_except(sio_all(sio_of(fake_io, "/")), sio_id(sockets[0])), "c"), 0);
	assert_true(sio_in_room(sockets[0], "c"));
	assert_false(sio_in_room(sockets[1], "c"));
	assert_int_equal(sio_sockets_join(sio_all(sio_of(fake_io, "/")), NULL), SIO_ERR_ARGUMENT);
	fake_stop();
}

/*
 * Many sockets that join a few rooms must not make a table grow. The rooms of a socket in many rooms are in the
 * table, from the fifth on and until it has left them all.
 */
static void
test_only_sockets_in_many_rooms_need_the_table(void **state)
{
	const struct table *table;
	char room[] = "room-?";

	(void)state;
	start();
	table = &sio_of(fake_io, "/")->memberships;
	for (unsigned i = 0; i < SIO_ROOMS_WALKED; i++) {
		room[5] = (char)('a' + i);
		assert_int_equal(sio_sockets_join(sio_all(sio_of(fake_io, "/")), room), 0);
	}
	assert_int_equal(table->count, 0);
	assert_int_equal(sio_join(sockets[0], "fifth"), 0);
	assert_int_equal(sio_join(sockets[0], "sixth"), 0);
	assert_int_equal(table->count, 2);
	sio_leave(sockets[0], "room-a");
	assert_int_equal(sio_join(sockets[0], "room-a"), 0);
	assert_int_equal(table->count, 3);
	assert_true(sio_in_room(sockets[0], "room-a") && sio_in_room(sockets[0], "room-b"));
	sio_leave_all(sockets[0]);
	assert_int_equal(table->count, 0);
	assert_int_equal(sio_join(sockets[0], "again"), 0);
	assert_int_equal(table->count, 0);
	fake_stop();
}

static void
test_limits(void **state)
{
	struct sio_options o = fake_options();
	unsigned next = 0;
	sio_target t;

	(void)state;
	o.max_rooms = 2;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, &next);
	fake_receive(fake_open(0), false, "0", 1);
	assert_int_equal(sio_join(sockets[0], "a"), 0);
	assert_int_equal(sio_join(sockets[0], "b"), 0);
	assert_int_equal(sio_join(sockets[0], "c"), SIO_ERR_TOO_MANY);
	assert_int_equal(sio_join(sockets[0], "b"), 0);
	assert_int_equal(sio_join(sockets[0], sio_id(sockets[0])), 0);
	sio_leave(sockets[0], "a");
	assert_int_equal(sio_join(sockets[0], "c"), 0);
	assert_int_equal(sio_join(sockets[0], NULL), SIO_ERR_ARGUMENT);

	t = sio_all(sio_of(fake_io, "/"));
	for (unsigned i = 0; i < SIO_TARGET_ROOMS; i++)
		t = sio_to(t, "b");
	assert_int_equal(sio_emit(t, "x", ""), 0);
	assert_int_equal(sio_emit(sio_to(t, "b"), "x", ""), SIO_ERR_TOO_MANY);
	assert_int_equal(sio_emit(sio_to(sio_all(t.nsp), NULL), "x", ""), SIO_ERR_ARGUMENT);
	fake_stop();
}

static void
test_lengths(void **state)
{
	struct sio_options o = fake_options();
	unsigned next = 0;
	char name[2000];
	uint64_t held;

	(void)state;
	o.max_room_length = 300;
	o.max_room_bytes = 1024;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, &next);
	fake_receive(fake_open(0), false, "0", 1);
	held = fake_engine.sessions[0].held;
	memset(name, 'x', sizeof name);
	name[301] = '\0';
	assert_int_equal(sio_join(sockets[0], name), SIO_ERR_TOO_BIG);
	assert_int_equal(sio_sockets_join(sio_all(sio_of(fake_io, "/")), name), SIO_ERR_TOO_BIG);
	assert_int_equal(fake_loop.counters.value[COUNT_ROOMS_REFUSED], 2);
	name[300] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		name[0] = (char)('a' + i);
		assert_int_equal(sio_join(sockets[0], name), 0);
		assert_int_equal(sio_join(sockets[0], name), 0); /* joining twice counts once */
	}
	assert_in_range(fake_engine.sessions[0].held, held + 900, held + 2000);
	name[0] = 'd';
	assert_int_equal(sio_join(sockets[0], name), SIO_ERR_TOO_MANY);
	assert_int_equal(sio_join(sockets[0], "short"), 0);
	assert_int_equal(sio_join(sockets[0], sio_id(sockets[0])), 0);
	name[0] = 'a';
	sio_leave(sockets[0], name);
	name[0] = 'd';
	assert_int_equal(sio_join(sockets[0], name), 0);
	sio_leave_all(sockets[0]);
	assert_int_equal(fake_engine.sessions[0].held, held);
	assert_int_equal(fake_loop.counters.value[COUNT_ROOMS_REFUSED], 3);
	/* from a Node.js server: sio_room_next() would return another name */
	assert_int_equal(sio_rooms_join(sockets[0], TEXT("a\0b")), ERROR_ARGUMENT);
	assert_false(sio_rooms_exists(sio_of(fake_io, "/"), TEXT("a\0b")));
	assert_int_equal(sio_rooms_join(sockets[0], TEXT("")), 0);
	fake_stop();
}

/* Rooms are left and joined during a walk, and another walk runs in between. */
static void
test_walks(void **state)
{
	sio_socket *s, *other;
	unsigned seen = 0, left = 0;
	size_t cursor = 0, inner;
	const char *room;
	char name[16];

	(void)state;
	start();
	s = sockets[0];
	other = sockets[1];
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof name, "r%u", i);
		assert_int_equal(sio_join(s, name), 0);
		assert_int_equal(sio_join(other, name), 0);
	}
	/* every second room is left, and also the rooms before and after it */
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		seen++;
		if (seen % 2 == 0)
			sio_leave(s, room);
		if (seen == 10) {
			sio_leave(s, "r0");
			sio_leave(s, "r40");
			assert_int_equal(sio_join(s, "new"), 0);
		}
		inner = 0;
		assert_string_equal(sio_room_next(other, &inner), sio_id(other));
		assert_string_equal(sio_room_next(other, &inner), "r0");
	}
	assert_int_equal(seen, 1 + 50 - 1 + 1);
	assert_false(sio_in_room(s, "r0"));
	assert_false(sio_in_room(s, "r40"));
	/* all rooms are left */
	cursor = 0;
	while ((room = sio_room_next(other, &cursor)) != NULL) {
		sio_leave(other, room);
		left++;
	}
	assert_int_equal(left, 51);
	cursor = 0;
	assert_null(sio_room_next(other, &cursor));
	assert_null(sio_room_next(other, &cursor));
	cursor = 0;
	assert_non_null(sio_room_next(s, &cursor));
	assert_non_null(sio_room_next(s, &cursor));
	sio_leave_all(s);
	assert_null(sio_room_next(s, &cursor));
	assert_false(sio_in_room(s, sio_id(s)));
	assert_int_equal(sio_join(s, "again"), 0);
	assert_string_equal(sio_room_next(s, &cursor), "again");
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_join_and_leave_of_the_target),
		cmocka_unit_test(test_only_sockets_in_many_rooms_need_the_table),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
