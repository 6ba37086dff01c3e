/*
 * If the function of a parent decides on a namespace, a client cannot enter the namespace without passing the
 * parent's middlewares. It does not matter who names the namespace first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_nsp.h"
#include "tests/unit/socketio/fake_engine.h"

static enum { NAME_BEFORE, NAME_AFTER, NAME_NEVER, LATER } how;
static sio_step *waiting;
static unsigned guarded, own; /* calls of the parent's middleware, and of the namespace's own */

static void
guard(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	guarded++;
	sio_next(step);
}

static void
use_own(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	own++;
	sio_next(step);
}

static void
matches(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	(void)arg;
	if (how == LATER) {
		waiting = step;
		return;
	}
	if (how == NAME_BEFORE)
		sio_use(sio_of(io, name), use_own, NULL);
	if (sio_bool(sio_get(auth, "no"), false))
		sio_refuse(step, NULL, NULL);
	else
		sio_next(step);
	if (how == NAME_AFTER)
		sio_use(sio_of(io, name), use_own, NULL);
}

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	o.cleanup_empty_child_namespaces = true;
	fake_start(&o);
	sio_use(sio_of_function(fake_io, matches, NULL), guard, NULL);
	sio_of(fake_io, "/static"); /* named before the first client came: it is independent of the parent */
	how = NAME_NEVER;
	waiting = NULL;
	guarded = own = 0;
	fake_open(0);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

/* Client 0's answer to the packet. */
static const char *
reply(const char *packet)
{
	struct eio_session *s = &fake_engine.sessions[0];
	size_t before = s->sent.len;

	fake_receive(s, false, packet, strlen(packet));
	fake_turn();
	buffer_add_byte(&s->sent, '\0');
	return (const char *)s->sent.data + before;
}

#define LET_IN "0/x,{\"sid\""
#define REFUSED "4/x,{\"message\":\"Invalid namespace\"}"
#define assert_begins(text, beginning) assert_memory_equal(text, beginning, strlen(beginning))

static void
test_named_by_the_function(void **state)
{
	(void)state;
	how = NAME_BEFORE;
	assert_begins(reply("0/x,"), LET_IN);
	assert_int_equal(guarded, 1);
	assert_int_equal(own, 1);
}

static void
test_named_after_the_answer(void **state)
{
	(void)state;
	how = NAME_AFTER;
	assert_begins(reply("0/x,"), LET_IN);
	assert_int_equal(guarded, 1);
	assert_int_equal(own, 1);
}

static void
test_named_before_a_later_answer(void **state)
{
	sio_nsp *nsp;

	(void)state;
	how = LATER;
	assert_begins(reply("0/x,"), "");
	nsp = sio_of(fake_io, "/x");
	assert_int_equal(sio_emit(sio_all(nsp), "e", ""), 0);
	sio_next(waiting);
	assert_ptr_equal(sio_of(fake_io, "/x"), nsp);
	fake_turn();
	assert_int_equal(guarded, 1);
	assert_int_equal(sio_nsp_count(nsp), 1);
	/* the namespace belongs to the application, so it stays, with its middlewares */
	fake_gone(&fake_engine.sessions[0], EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_ptr_equal(sio_of(fake_io, "/x"), nsp);
	fake_open(0);
	assert_begins(reply("0/x,"), LET_IN);
	assert_int_equal(guarded, 2);
}

static void
test_named_while_empty(void **state)
{
	(void)state;
	/* the child was created and freed; then the application names it */
	assert_begins(reply("0/x,"), LET_IN);
	(void)reply("1/x,");
	assert_null(sio_nsp_find(fake_io, TEXT("/x")));
	sio_of(fake_io, "/x");
	assert_begins(reply("0/x,{\"no\":true}"), REFUSED);
	assert_int_equal(guarded, 1);
	assert_begins(reply("0/x,"), LET_IN);
	assert_int_equal(guarded, 2);
}

static void
test_named_at_the_start(void **state)
{
	(void)state;
	assert_begins(reply("0/static,{\"no\":true}"), "0/static,{\"sid\"");
	assert_int_equal(guarded, 0);
}

static void
test_another_parents_child(void **state)
{
	(void)state;
	how = LATER;
	(void)reply("0/x,");
	assert_non_null(sio_of_pattern(fake_io, "/x", NULL));
	sio_of(fake_io, "/x"); /* now it is a child of the pattern */
	sio_next(waiting);
	fake_turn();
	assert_begins(reply("0"), "0{\"sid\"");
	assert_int_equal(guarded, 0);
	assert_int_equal(sio_nsp_count(sio_of(fake_io, "/x")), 0);
}

/* The client leaves between the answer and the end of the turn: the child is freed. */
static void
test_the_client_leaves_before_its_namespace_is_made(void **state)
{
	(void)state;
	how = LATER;
	(void)reply("0/x,");
	sio_next(waiting);
	assert_non_null(sio_nsp_find(fake_io, TEXT("/x")));
	fake_gone(&fake_engine.sessions[0], EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_null(sio_nsp_find(fake_io, TEXT("/x")));
	assert_int_equal(fake_io->children, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_named_by_the_function, start, stop),
		cmocka_unit_test_setup_teardown(test_named_after_the_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_named_before_a_later_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_named_while_empty, start, stop),
		cmocka_unit_test_setup_teardown(test_named_at_the_start, start, stop),
		cmocka_unit_test_setup_teardown(test_another_parents_child, start, stop),
		cmocka_unit_test_setup_teardown(test_the_client_leaves_before_its_namespace_is_made, start, stop),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("sio_claims", tests, NULL, NULL);
}
