/* A server without clients that talks to the namespaces of other nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/socketio/sio_core.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_raw.h"
#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/fake_broker.h"

#define LIMIT 3

static void
begin(void)
{
	struct sio_options o = fake_options();

	o.max_children = LIMIT;
	fake_start(&o);
	fake_broker_start(BUS_FORM_HUB);
	sio_core_set_broker(fake_io, &fake_broker);
}

static void
stop_node(void)
{
	fake_stop();
	fake_broker_stop();
}

static bool
is_there(const char *name)
{
	return sio_raw_nsp(fake_io, text_from(name)) != NULL;
}

static void
test_casts_go_to_the_others(void **state)
{
	const struct text room = {"red", 3};
	const struct sio_content event = {.json = TEXT("[\"news\",1]")};
	struct sio_raw_to to = {.who = {.rooms = &room, .rooms_count = 1}};

	(void)state;
	begin();
	assert_false(is_there("/tenant"));
	to.nsp = sio_raw_visit(fake_io, TEXT("/tenant"));
	assert_non_null(to.nsp);
	assert_ptr_equal(sio_raw_visit(fake_io, TEXT("/tenant")), to.nsp);
	buffer_reset(&fake_broker.log);
	assert_int_equal(sio_raw_cast(&to, &event), 0);
	assert_int_equal(sio_raw_cast_join(&to, &room, 1), 0);
	assert_int_equal(sio_raw_cast_disconnect(&to, true), 0);
	assert_true(text_has(fake_broker_log(), TEXT("[\"news\",1]")));
	assert_true(text_has(fake_broker_log(), TEXT("join")));
	assert_true(text_has(fake_broker_log(), TEXT("close")));
	stop_node();
}

static void
test_the_longest_unused_are_forgotten(void **state)
{
	char name[16];

	(void)state;
	begin();
	for (int i = 0; i < LIMIT; i++) {
		snprintf(name, sizeof name, "/%d", i);
		assert_non_null(sio_raw_visit(fake_io, text_from(name)));
		fake_turn();
	}
	sio_raw_visit(fake_io, TEXT("/0"));
	sio_raw_visit(fake_io, TEXT("/new"));
	assert_true(is_there("/1")); /* kept until the turn ends, because a caller may hold it */
	fake_turn();
	assert_false(is_there("/1"));
	assert_true(is_there("/0") && is_there("/2") && is_there("/new") && is_there("/"));
	stop_node();
}

/* The same for the events of backends to namespaces that have clients at other nodes only. */
static void
test_the_longest_unreached_are_forgotten(void **state)
{
	static const struct sio_owner owner;
	char name[16];

	(void)state;
	begin();
	sio_raw_own_others(fake_io, &owner, NULL);
	for (int i = 0; i < LIMIT; i++) {
		snprintf(name, sizeof name, "/%d", i);
		assert_non_null(sio_raw_reach(fake_io, text_from(name)));
		fake_turn();
	}
	assert_non_null(sio_raw_reach(fake_io, TEXT("/0")));
	assert_non_null(sio_raw_reach(fake_io, TEXT("/new")));
	fake_turn();
	assert_false(is_there("/1"));
	assert_true(is_there("/0") && is_there("/2") && is_there("/new"));
	stop_node();
}

static void
test_names(void **state)
{
	static char name[SIO_NSP_NAME_MAX + 2];

	(void)state;
	begin();
	assert_null(sio_raw_visit(fake_io, TEXT("")));
	assert_null(sio_raw_visit(fake_io, TEXT("tenant")));
	assert_null(sio_raw_visit(fake_io, TEXT("/a\0b")));
	memset(name, '/', sizeof name);
	assert_null(sio_raw_visit(fake_io, text_of(name, SIO_NSP_NAME_MAX + 1)));
	assert_non_null(sio_raw_visit(fake_io, text_of(name, SIO_NSP_NAME_MAX)));
	stop_node();
}

static void
on_ids(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	unsigned *found = arg;

	(void)io;
	assert_int_equal(error, SIO_ERR_TIMEOUT);
	assert_int_equal(silent, 1);
	for (unsigned i = 0; i < n; i++)
		*found |= 1u << (strcmp(ids[i], "a") == 0 ? 0 : strcmp(ids[i], "b") == 0 ? 1 : 2);
}

/* The ids of this server and of all nodes that answer, each once. */
static void
test_ids(void **state)
{
	const struct text room = {"red", 3};
	struct sio_raw_to to = {.who = {.rooms = &room, .rooms_count = 1}};
	unsigned found = 0;

	(void)state;
	begin();
	fake_receive(fake_open(0), false, "0", 1);
	to.nsp = sio_raw_nsp(fake_io, TEXT("/"));
	sio_join(container_of(to.nsp->connected.next, struct sio_socket, link), "red");
	buffer_reset(&fake_broker.log);
	assert_int_equal(sio_raw_ids(&to, on_ids, &found), 0);
	assert_true(text_is(fake_broker_log(), TEXT("ask ids / +red\n")));
	fake_broker.questions[0].on_answer(fake_broker.questions[0].arg, TEXT("[\"a\",\"b\"]"), NULL);
	fake_broker.questions[0].on_answer(fake_broker.questions[0].arg, TEXT("[\"b\"]"), NULL);
	fake_broker_end(1, ERROR_TIMEOUT, 3, 1, 0);
	assert_int_equal(found, 0);
	fake_turn();
	assert_int_equal(found, 7);
	to.who.except = &room;
	to.who.except_count = 1;
	assert_int_equal(sio_raw_ids(&to, on_ids, NULL), SIO_ERR_ARGUMENT);
	stop_node();
}

/* A client cannot join a namespace that was only asked about. */
static void
test_asking_creates_no_namespace(void **state)
{
	struct eio_session *session;

	(void)state;
	begin();
	assert_false(is_there("/tenant"));
	session = fake_open(0);
	fake_receive(session, false, "0/tenant,", 9);
	fake_turn();
	assert_true(text_has(buffer_text(&session->sent), TEXT("Invalid namespace")));
	assert_false(is_there("/tenant"));
	stop_node();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_casts_go_to_the_others),
		cmocka_unit_test(test_the_longest_unused_are_forgotten),
		cmocka_unit_test(test_the_longest_unreached_are_forgotten),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_asking_creates_no_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
