/* Lists of listeners: order, and changes while they run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_listener.h"

static struct sio_listeners list;
static char heard[64];
static size_t heard_n;

typedef void letter_fn(char *letter);

static void
say(char *letter)
{
	heard[heard_n++] = *letter;
	heard[heard_n] = '\0';
}

static void
say_and_remove_c(char *letter)
{
	say(letter);
	sio_listeners_remove(&list, (sio_any_fn *)say, letter + 1);
}

static void
say_and_remove_self(char *letter)
{
	say(letter);
	sio_listeners_remove(&list, (sio_any_fn *)say_and_remove_self, letter);
}

static void
say_and_add(char *letter)
{
	say(letter);
	for (unsigned i = 0; i < 20; i++)
		sio_listeners_add(&list, (sio_any_fn *)say, letter);
}

static const char *
run(void)
{
	const struct sio_listener *l;
	struct sio_run r;

	heard_n = 0;
	heard[0] = '\0';
	sio_run_begin(&r, &list);
	while ((l = sio_run_next(&r)) != NULL)
		((letter_fn *)l->fn)(l->arg);
	return heard;
}

static char letters[] = "abcdef";

static void
test_order(void **state)
{
	(void)state;
	assert_string_equal(run(), "");
	for (unsigned i = 0; i < 6; i++)
		sio_listeners_add(&list, (sio_any_fn *)say, &letters[i]);
	assert_string_equal(run(), "abcdef");
	assert_true(sio_listeners_remove(&list, (sio_any_fn *)say, &letters[2]));
	assert_false(sio_listeners_remove(&list, (sio_any_fn *)say, &letters[2]));
	assert_string_equal(run(), "abdef");
	sio_listeners_add(&list, (sio_any_fn *)say, &letters[0]);
	assert_string_equal(run(), "abdefa");
	/* added twice, removed once: the first entry goes */
	assert_true(sio_listeners_remove(&list, (sio_any_fn *)say, &letters[0]));
	assert_string_equal(run(), "bdefa");
	sio_listeners_fini(&list);
}

static void
test_changes_during_run(void **state)
{
	(void)state;
	sio_listeners_add(&list, (sio_any_fn *)say, &letters[0]);
	sio_listeners_add(&list, (sio_any_fn *)say_and_remove_c, &letters[1]);
	sio_listeners_add(&list, (sio_any_fn *)say, &letters[2]);
	sio_listeners_add(&list, (sio_any_fn *)say_and_remove_self, &letters[3]);
	assert_string_equal(run(), "abd");
	assert_int_equal(list.count, 2);
	assert_string_equal(run(), "ab");
	sio_listeners_fini(&list);

	sio_listeners_add(&list, (sio_any_fn *)say_and_add, &letters[0]);
	sio_listeners_add(&list, (sio_any_fn *)say, &letters[1]);
	assert_string_equal(run(), "ab");
	assert_int_equal(list.count, 22);
	sio_listeners_fini(&list);

	sio_listeners_add(&list, (sio_any_fn *)say_and_remove_self, &letters[0]);
	assert_string_equal(run(), "a");
	assert_true(sio_listeners_empty(&list));
	assert_null(list.at);
}

static void
test_nested_runs(void **state)
{
	struct sio_run outer, inner;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		sio_listeners_add(&list, (sio_any_fn *)say, &letters[i]);
	sio_run_begin(&outer, &list);
	assert_ptr_equal(sio_run_next(&outer)->arg, &letters[0]);
	sio_run_begin(&inner, &list);
	assert_ptr_equal(sio_run_next(&inner)->arg, &letters[0]);
	sio_listeners_remove(&list, (sio_any_fn *)say, &letters[1]);
	assert_false(sio_listeners_remove(&list, NULL, &letters[1])); /* the hole is not a listener */
	assert_ptr_equal(sio_run_next(&inner)->arg, &letters[2]);
	assert_null(sio_run_next(&inner));
	assert_int_equal(list.count, 3);
	assert_ptr_equal(sio_run_next(&outer)->arg, &letters[2]);
	sio_run_end(&outer);
	assert_int_equal(list.count, 2);
	sio_listeners_fini(&list);
}

static void
say_and_prepend(char *letter)
{
	say(letter);
	for (unsigned i = 0; i < 5; i++)
		sio_listeners_prepend(&list, (sio_any_fn *)say, letter + 1);
}

/* Prepended listeners run first, but not in a run that has begun. */
static void
test_prepend(void **state)
{
	(void)state;
	sio_listeners_add(&list, (sio_any_fn *)say_and_prepend, &letters[0]);
	sio_listeners_add(&list, (sio_any_fn *)say_and_remove_c, &letters[3]);
	sio_listeners_add(&list, (sio_any_fn *)say, &letters[5]);
	assert_string_equal(run(), "adf");
	sio_listeners_remove(&list, (sio_any_fn *)say_and_prepend, &letters[0]);
	assert_string_equal(run(), "bbbbbdf");
	sio_listeners_prepend(&list, (sio_any_fn *)say, &letters[2]);
	assert_string_equal(run(), "cbbbbbdf");
	sio_listeners_fini(&list);
}

static void
test_once(void **state)
{
	struct sio_listeners *named;
	struct table events;
	struct sio_run outer, inner;

	(void)state;
	table_init(&events);
	sio_event_listeners_add_once(&events, TEXT("x"), (sio_any_fn *)say, &letters[0]);
	sio_event_listeners_add(&events, TEXT("x"), (sio_any_fn *)say, &letters[1]);
	named = sio_event_listeners(&events, TEXT("x"));
	sio_run_begin(&outer, named);
	assert_ptr_equal(sio_run_next(&outer)->arg, &letters[0]);
	sio_run_begin(&inner, named); /* the listener emits the event again */
	assert_ptr_equal(sio_run_next(&inner)->arg, &letters[1]);
	assert_null(sio_run_next(&inner));
	assert_ptr_equal(sio_run_next(&outer)->arg, &letters[1]);
	assert_null(sio_run_next(&outer));
	assert_int_equal(named->count, 1);
	assert_true(sio_event_listeners_remove(&events, TEXT("x"), (sio_any_fn *)say, &letters[1]));
	sio_event_listeners_add_once(&events, TEXT("x"), (sio_any_fn *)say, &letters[0]);
	assert_true(sio_event_listeners_remove(&events, TEXT("x"), (sio_any_fn *)say, &letters[0]));
	assert_int_equal(events.count, 0);
	sio_event_listeners_fini(&events);
}

static void
test_by_event(void **state)
{
	struct table events;

	(void)state;
	table_init(&events);
	assert_null(sio_event_listeners(&events, TEXT("x")));
	sio_event_listeners_add(&events, TEXT("x"), (sio_any_fn *)say, &letters[0]);
	sio_event_listeners_add(&events, TEXT("x\0y"), (sio_any_fn *)say, &letters[1]);
	sio_event_listeners_add(&events, TEXT(""), (sio_any_fn *)say, &letters[2]);
	assert_int_equal(sio_event_listeners(&events, TEXT("x"))->count, 1);
	assert_ptr_equal(sio_event_listeners(&events, TEXT("x\0y"))->at[0].arg, &letters[1]);
	assert_ptr_equal(sio_event_listeners(&events, TEXT(""))->at[0].arg, &letters[2]);
	assert_false(sio_event_listeners_remove(&events, TEXT("x"), (sio_any_fn *)say, &letters[1]));
	assert_true(sio_event_listeners_remove(&events, TEXT("x"), (sio_any_fn *)say, &letters[0]));
	assert_null(sio_event_listeners(&events, TEXT("x")));
	assert_int_equal(events.count, 2);
	sio_event_listeners_fini(&events);
}

static struct table events;

static void
say_and_leave_table(char *letter)
{
	say(letter);
	assert_true(sio_event_listeners_remove(&events, TEXT("once"), (sio_any_fn *)say_and_leave_table, letter));
}

static void
run_once(void)
{
	const struct sio_listener *it;
	struct sio_run run;

	sio_run_begin(&run, sio_event_listeners(&events, TEXT("once")));
	while ((it = sio_run_next(&run)) != NULL)
		((letter_fn *)it->fn)(it->arg);
}

/* A program may use a new name for each event, so a name without listeners must be freed. */
static void
test_name_goes_with_its_last_listener(void **state)
{
	static char two[] = "xy";

	(void)state;
	heard_n = 0;
	sio_event_listeners_add(&events, TEXT("once"), (sio_any_fn *)say_and_leave_table, &two[0]);
	run_once();
	assert_string_equal(heard, "x");
	assert_int_equal(events.count, 0);
	sio_event_listeners_add(&events, TEXT("once"), (sio_any_fn *)say_and_leave_table, &two[1]);
	sio_event_listeners_add(&events, TEXT("once"), (sio_any_fn *)say, &two[0]);
	run_once();
	assert_int_equal(events.count, 1);
	assert_true(sio_event_listeners_remove(&events, TEXT("once"), (sio_any_fn *)say, &two[0]));
	assert_int_equal(events.count, 0);
	assert_string_equal(heard, "xyx");
	sio_event_listeners_fini(&events);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_changes_during_run),
		cmocka_unit_test(test_nested_runs),
		cmocka_unit_test(test_prepend),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_by_event),
		cmocka_unit_test(test_name_goes_with_its_last_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
