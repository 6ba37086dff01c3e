/* Clients of Socket.IO 1 and 2: protocol revision 4, beside clients of revision 5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_recovery.h"
#include "tests/unit/socketio/fake_engine.h"

#define SID_0 "aaaaaaaaaaaaaaaaaaaa" /* of the session 0 of the fake engine */
#define SID_1 "bbbbbbbbbbbbbbbbbbbb"

static sio_socket *last; /* the last socket that connected */
static char last_auth[256];
static unsigned left; /* calls of on_disconnect() */

static void
on_connection(sio_socket *s, void *arg)
{
	struct text auth = sio_handshake_auth(s);

	(void)arg;
	last = s;
	(void)snprintf(last_auth, sizeof last_auth, "%.*s", (int)auth.n, auth.at);
}

static void
on_echo(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_emit(sio_all(sio_socket_nsp(s)), "echo", "*", e);
	if (sio_wants_ack(e))
		sio_ack(e, "s", "ok");
}

static void
refuse(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	sio_refuse(step, "nope", arg, "{\"code\":7}");
}

static void
start(void)
{
	struct sio_options o = fake_options();

	last = NULL;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	sio_on_connection(sio_of(fake_io, "/chat"), on_connection, NULL);
	sio_on(sio_of(fake_io, "/"), "echo", on_echo, NULL);
	sio_on(sio_of(fake_io, "/chat"), "echo", on_echo, NULL);
}

static struct eio_session *
open_revision(unsigned which, unsigned revision)
{
	fake_revision = revision;
	return fake_open(which);
}

static void
says(struct eio_session *s, const char *text)
{
	fake_receive(s, false, text, strlen(text));
	fake_turn();
}

#define EXPECT_SENT(s, text)                                                                                         \
	do {                                                                                                         \
		buffer_add_byte(&(s)->sent, 0);                                                                      \
		assert_string_equal((const char *)(s)->sent.data, text);                                             \
		buffer_reset(&(s)->sent);                                                                            \
	} while (0)

static void
test_is_in_the_main_namespace_at_once(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	s = open_revision(0, 3);
	fake_turn();
	EXPECT_SENT(s, "0\n");
	assert_non_null(last);
	assert_string_equal(sio_id(last), SID_0);
	assert_string_equal(last_auth, "{}");
	assert_true(sio_in_room(last, SID_0));
	says(s, "20[\"echo\",1]");
	EXPECT_SENT(s, "2[\"echo\",1]\n30[\"ok\"]\n");
	fake_stop();
}

static void
test_joins_a_namespace_with_a_query(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	s = open_revision(0, 3);
	says(s, "0/chat?a=1&b=%20x%22&c");
	EXPECT_SENT(s, "0\n0/chat,\n");
	assert_string_equal(sio_id(last), "/chat#" SID_0);
	assert_string_equal(last_auth, "{\"a\":\"1\",\"b\":\" x\\\"\",\"c\":\"\"}");
	assert_true(sio_in_room(last, "/chat#" SID_0));
	assert_ptr_equal(sio_find(sio_of(fake_io, "/chat"), "/chat#" SID_0), last);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/chat")), "/chat#" SID_0), "own", "");
	sio_emit(sio_except(sio_all(sio_of(fake_io, "/chat")), "/chat#" SID_0), "others", "");
	EXPECT_SENT(s, "2/chat,[\"own\"]\n");
	says(s, "1/chat,");
	EXPECT_SENT(s, "");
	assert_null(sio_find(sio_of(fake_io, "/chat"), "/chat#" SID_0));
	/* a payload of CONNECT other than the query is ignored; so is the query of other packets */
	says(s, "0/chat#x,{\"a\":1}");
	EXPECT_SENT(s, "0/chat,\n");
	assert_string_equal(last_auth, "{}");
	says(s, "2/chat?a=1,[\"echo\"]");
	EXPECT_SENT(s, "2/chat,[\"echo\"]\n");
	fake_stop();
}

static void
test_errors(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	sio_use(sio_of(fake_io, "/no"), refuse, NULL);
	sio_use(sio_of(fake_io, "/data"), refuse, "j");
	s = open_revision(0, 3);
	says(s, "0/nope?x=1,");
	says(s, "0/no");
	says(s, "0/data,");
	EXPECT_SENT(s, "0\n4/nope,{\"message\":\"Invalid namespace\"}\n4/no,\"nope\"\n4/data,{\"code\":7}\n");
	assert_true(s->open);
	fake_stop();
}

static void
test_a_second_connect_is_a_violation(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	s = open_revision(0, 3);
	fake_turn();
	says(s, "2[\"echo\"]");
	says(s, "0");
	assert_false(s->open);
	fake_stop();
}

static void
test_leaves_and_stays_connected(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	s = open_revision(0, 3);
	fake_turn();
	sio_disconnect(last, false);
	fake_turn();
	EXPECT_SENT(s, "0\n1\n");
	assert_true(s->open);
	fake_stop();
}

static void
test_attachments(void **state)
{
	struct eio_session *s;

	(void)state;
	start();
	s = open_revision(0, 3);
	says(s, "0/chat");
	buffer_reset(&s->sent);
	says(s, "52-/chat?q,[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
	fake_receive(s, true, "\x01", 1);
	fake_receive(s, true, "\x02", 1);
	fake_turn();
	EXPECT_SENT(s, "52-/chat,[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\n"
		       "(01\n(02\n");
	fake_stop();
}

static void
test_a_long_name(void **state)
{
	struct eio_session *s;
	char name[9000];

	(void)state;
	start();
	memset(name, 'x', sizeof name);
	memcpy(name, "0/chat?", 7);
	s = open_revision(0, 3);
	fake_receive(s, false, name, 7 + 8192);
	fake_turn();
	assert_string_equal(sio_id(last), "/chat#" SID_0);
	s = open_revision(1, 3);
	fake_receive(s, false, name, 7 + 8193);
	fake_turn();
	assert_false(s->open);
	name[6] = 'y';
	s = open_revision(2, 3);
	fake_receive(s, false, name, 2 + SIO_NSP_NAME_MAX);
	fake_turn();
	assert_false(s->open);
	fake_stop();
}

static void
test_shares_rooms_with_revision_5(void **state)
{
	struct eio_session *old, *new;

	(void)state;
	start();
	old = open_revision(0, 3);
	new = open_revision(1, 4);
	says(new, "0");
	assert_string_not_equal(sio_id(last), SID_1);
	sio_join(last, "room");
	sio_join(sio_find(sio_of(fake_io, "/"), SID_0), "room");
	buffer_reset(&old->sent);
	buffer_reset(&new->sent);
	sio_emit(sio_to(sio_all(sio_of(fake_io, "/")), "room"), "both", "i", (int64_t)1);
	EXPECT_SENT(old, "2[\"both\",1]\n");
	EXPECT_SENT(new, "2[\"both\",1]\n");
	fake_stop();
}

static void
test_gets_no_offsets_and_no_session(void **state)
{
	struct sio_options options = fake_options();
	struct eio_session *old, *new;

	(void)state;
	fake_start(&options);
	options.connection_state_recovery = true;
	sio_core_attach(fake_io, &fake_engine, &options, 1000, 1000);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	old = open_revision(0, 3);
	fake_turn();
	assert_int_equal(fake_io->recovery->sessions.count, 0);
	new = open_revision(1, 4);
	says(new, "0");
	assert_int_equal(fake_io->recovery->sessions.count, 1);
	buffer_reset(&old->sent);
	buffer_reset(&new->sent);
	sio_emit(sio_all(sio_of(fake_io, "/")), "both", "s", "x");
	sio_emit(sio_volatile(sio_all(sio_of(fake_io, "/"))), "marked", "s", "x");
	EXPECT_SENT(old, "2[\"both\",\"x\"]\n2[\"marked\",\"x\"]\n");
	buffer_add_byte(&new->sent, 0);
	assert_non_null(strstr((const char *)new->sent.data, "2[\"both\",\"x\",\""));
	assert_non_null(strstr((const char *)new->sent.data, "2[\"marked\",\"x\",\""));
	assert_int_equal(fake_io->recovery->store.count, 1);
	buffer_reset(&old->sent);
	sio_emit(sio_only(sio_find(sio_of(fake_io, "/"), SID_0)), "alone", "s", "x");
	EXPECT_SENT(old, "2[\"alone\",\"x\"]\n");
	assert_int_equal(fake_io->recovery->store.count, 1);
	fake_gone(old, EIO_TRANSPORT_CLOSE);
	fake_turn();
	assert_int_equal(fake_io->recovery->stored_count, 0);
	fake_stop();
}

static void
on_bye(sio_socket *s, sio_event *e, void *arg)
{
	(void)e, (void)arg;
	sio_disconnect(s, false);
}

static void
on_disconnect(sio_socket *s, const char *reason, void *arg)
{
	(void)arg;
	assert_string_equal(reason, "server namespace disconnect");
	assert_true(sio_find(sio_socket_nsp(s), sio_id(s)) == NULL);
	left++;
}

/* The id of the new socket is that of the old one, which must have left before. */
static void
test_joins_again_in_the_turn_of_its_disconnection(void **state)
{
	static const struct {
		const char *nsp, *event, *connect, *sent;
	} cases[] = {{"/", "2[\"bye\"]", "0", "1\n0\n2[\"echo\",1]\n30[\"ok\"]\n"},
		{"/chat", "2/chat,[\"bye\"]", "0/chat", "1/chat,\n0/chat,\n2/chat,[\"echo\",1]\n3/chat,0[\"ok\"]\n"}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool root = cases[i].nsp[1] == '\0';
		struct eio_session *s;

		start();
		sio_on(sio_of(fake_io, cases[i].nsp), "bye", on_bye, NULL);
		sio_on_disconnect(sio_of(fake_io, cases[i].nsp), on_disconnect, NULL);
		s = open_revision(0, 3);
		fake_turn();
		if (!root)
			says(s, "0/chat");
		buffer_reset(&s->sent);
		left = 0;
		fake_receive(s, false, cases[i].event, strlen(cases[i].event));
		fake_receive(s, false, cases[i].connect, strlen(cases[i].connect));
		fake_turn();
		assert_int_equal(left, 1);
		assert_string_equal(sio_id(last), root ? SID_0 : "/chat#" SID_0);
		says(s, root ? "20[\"echo\",1]" : "2/chat,0[\"echo\",1]");
		EXPECT_SENT(s, cases[i].sent);
		sio_off_disconnect(sio_of(fake_io, cases[i].nsp), on_disconnect, NULL);
		fake_stop();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_in_the_main_namespace_at_once),
		cmocka_unit_test(test_joins_a_namespace_with_a_query),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_a_second_connect_is_a_violation),
		cmocka_unit_test(test_leaves_and_stays_connected),
		cmocka_unit_test(test_attachments),
		cmocka_unit_test(test_a_long_name),
		cmocka_unit_test(test_shares_rooms_with_revision_5),
		cmocka_unit_test(test_gets_no_offsets_and_no_session),
		cmocka_unit_test(test_joins_again_in_the_turn_of_its_disconnection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
