/* Namespaces that clients create: how many may exist, and what happens to empty ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_nsp.h"
#include "tests/unit/socketio/fake_engine.h"

#define CHILDREN 3

static sio_nsp *family;

static void
begin(int cleanup)
{
	struct sio_options o = fake_options();

	assert_int_equal(o.cleanup_empty_child_namespaces, -1);
	o.max_children = CHILDREN;
	o.cleanup_empty_child_namespaces = cleanup;
	fake_start(&o);
	family = sio_of_pattern(fake_io, "/c\\d+", NULL);
	fake_open(0);
	fake_open(1);
}

static void
packet(unsigned client, char type, unsigned child)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%c/c%u,", type, child);

	fake_receive(&fake_engine.sessions[client], false, text, (size_t)n);
	fake_turn();
}

static void
join(unsigned client, unsigned child)
{
	packet(client, '0', child);
}

static void
leave(unsigned client, unsigned child)
{
	packet(client, '1', child);
}

static bool
exists(unsigned child)
{
	char name[32];
	int n = snprintf(name, sizeof name, "/c%u", child);

	return sio_nsp_find(fake_io, text_of(name, (size_t)n)) != NULL;
}

static unsigned
sockets(void)
{
	return sio_nsp_count(family);
}

static void
test_at_the_limit_the_longest_empty_goes(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 1; i <= CHILDREN; i++)
		join(0, i);
	leave(0, 3);
	leave(0, 1);
	assert_true(exists(1) && exists(2) && exists(3)); /* there is room */
	join(0, 4);
	assert_false(exists(3));
	assert_true(exists(1) && exists(2) && exists(4));
	join(0, 1); /* namespace 1 is in use again */
	join(0, 5);
	assert_false(exists(5)); /* all are in use: "Invalid namespace" */
	assert_int_equal(sockets(), 3);
	leave(0, 2);
	join(0, 5);
	assert_true(exists(5));
	assert_false(exists(2));
	fake_stop();
}

/* 100 connections each create as many namespaces as allowed and leave. That must not lock out the next client. */
static void
test_names_of_clients_that_left_are_forgotten(void **state)
{
	(void)state;
	begin(0);
	for (unsigned i = 1; i < 100; i++) {
		join(i % 2, i);
		assert_int_equal(sockets(), 1);
		leave(i % 2, i);
		assert_int_equal(sockets(), 0);
	}
	assert_true(exists(97) && exists(98) && exists(99));
	assert_false(exists(96));
	fake_stop();
}

/* Many are created within one turn: none is freed before the turn ends. */
static void
test_many_in_one_turn(void **state)
{
	char text[32];

	(void)state;
	begin(0);
	for (unsigned i = 1; i <= CHILDREN; i++) {
		join(0, i);
		leave(0, i);
	}
	for (unsigned i = 11; i <= 15; i++) {
		int n = snprintf(text, sizeof text, "0/c%u,", i);

		fake_receive(&fake_engine.sessions[1], false, text, (size_t)n);
	}
	assert_true(exists(1) && exists(13));
	assert_false(exists(14)); /* this many are in use, however many are empty */
	fake_turn();
	fake_turn();
	for (unsigned i = 1; i <= CHILDREN; i++)
		assert_false(exists(i));
	assert_int_equal(sockets(), CHILDREN);
	fake_stop();
}

/* A namespace that the application asked for by name stays. */
static void
test_namespaces_named_by_the_application_stay(void **state)
{
	sio_nsp *named;

	(void)state;
	begin(0);
	join(0, 1);
	named = sio_of(fake_io, "/c1");
	leave(0, 1);
	sio_of(fake_io, "/c2"); /* created by its name */
	for (unsigned i = 10; i < 20; i++) {
		join(0, i);
		leave(0, i);
	}
	assert_ptr_equal(sio_of(fake_io, "/c1"), named);
	assert_true(exists(2));
	fake_stop();
}

static void
test_cleaned_up_at_once(void **state)
{
	(void)state;
	begin(1);
	join(0, 1);
	join(1, 1);
	leave(0, 1);
	assert_true(exists(1));
	leave(1, 1);
	assert_false(exists(1));
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_the_limit_the_longest_empty_goes),
		cmocka_unit_test(test_names_of_clients_that_left_are_forgotten),
		cmocka_unit_test(test_many_in_one_turn),
		cmocka_unit_test(test_namespaces_named_by_the_application_stay),
		cmocka_unit_test(test_cleaned_up_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
