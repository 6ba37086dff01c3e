/* Emits and commands to other nodes, which the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/cluster_bench.h"

static void
test_a_standalone_server_sends_nothing(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	assert_int_equal(fake_broker.namespaces, 0);
	assert_int_equal(sio_emit(sio_all(main_nsp()), "x", ""), 0);
	assert_int_equal(sio_sockets_join(sio_all(main_nsp()), "r"), 0);
	assert_int_equal(sio_server_side_emit(main_nsp(), "x", ""), 0);
	EXPECT_OUT("");
	EXPECT_SENT(0, "2[\"x\"]\n");
	stop();
}

static void
test_emits_go_out_as_they_were_packed(void **state)
{
	const char *many[] = {"m1", "m2"};
	sio_nsp *nsp, *team;

	(void)state;
	start(BUS_FORM_HUB);
	nsp = main_nsp();
	team = sio_of(fake_io, "/team");
	assert_int_equal(fake_broker.namespaces, 2);
	sio_join(sockets[0], "red");
	sio_emit(sio_all(nsp), "a", "i", 1);
	EXPECT_OUT("broadcast / [\"a\",1]\n");
	sio_emit(sio_others(sockets[0]), "b", "");
	EXPECT_OUT("broadcast / -#0 [\"b\"]\n");
	sio_emit(sio_except(sio_to(sio_to(sio_everyone(sockets[0]), "red"), "blue"), "x"), "c", "");
	EXPECT_OUT("broadcast / +red +blue -x [\"c\"]\n");
	sio_emit(sio_to_many(sio_to(sio_only(sockets[1]), "red"), many, 2), "d", "");
	EXPECT_OUT("broadcast / +red +m1 +m2 -#1 [\"d\"]\n");
	sio_emit(sio_except(sio_except_many(sio_all(nsp), many, 2), sockets[0]->id), "e", "");
	EXPECT_OUT("broadcast / -#0 -m1 -m2 [\"e\"]\n");
	assert_int_equal(sio_emit(sio_except_many(sio_except_many(sio_all(nsp), many, 1), many, 1), "no", ""),
		SIO_ERR_TOO_MANY);
	EXPECT_OUT("");
	sio_emit(sio_to(sio_all(nsp), "an id of another node"), "e", "B", "bytes", (size_t)5);
	EXPECT_OUT("broadcast / +an id of another node [\"e\",{\"_placeholder\":true,\"num\":0}] and 1\n");
	sio_emit(sio_volatile(sio_compress(sio_all(team), false)), "f", "");
	EXPECT_OUT("broadcast /team flags 3 [\"f\"]\n");
	sio_emit(sio_local(sio_all(nsp)), "g", "");
	sio_emit(sio_only(sockets[0]), "h", "");
	EXPECT_OUT("");
	assert_int_equal(sio_emit(sio_all(nsp), "disconnect", ""), SIO_ERR_RESERVED);
	assert_int_equal(sio_emit(sio_all(nsp), "big", "S", (char[1001]){0}, (size_t)1001), SIO_ERR_TOO_BIG);
	EXPECT_OUT("");
	EXPECT_SENT(0, "2[\"a\",1]\n2[\"c\"]\n2[\"d\"]\n2[\"g\"]\n2[\"h\"]\n");
	EXPECT_SENT(2, "2[\"a\",1]\n2[\"b\"]\n2[\"e\"]\n2[\"g\"]\n");
	/* this node's clients receive it even if the broker refuses it */
	fake_broker.refusal = ERROR_TOO_BIG;
	assert_int_equal(sio_emit(sio_all(nsp), "i", ""), SIO_ERR_TOO_BIG);
	EXPECT_SENT(0, "2[\"i\"]\n");
	stop();
}

static void
test_parents_go_out_by_their_children(void **state)
{
	sio_nsp *parent;

	(void)state;
	start(BUS_FORM_HUB);
	parent = sio_of_pattern(fake_io, "/p-\\d", NULL);
	assert_int_equal(fake_broker.namespaces, 1);
	sio_emit(sio_all(parent), "nobody", "");
	EXPECT_OUT("");
	sio_of(fake_io, "/p-1");
	sio_of(fake_io, "/p-2");
	assert_int_equal(fake_broker.namespaces, 3);
	sio_emit(sio_to(sio_all(parent), "r"), "x", "");
	sio_sockets_leave(sio_all(parent), "r");
	EXPECT_OUT("broadcast /p-1 +r [\"x\"]\nbroadcast /p-2 +r [\"x\"]\nleave /p-1 r\nleave /p-2 r\n");
	assert_int_equal(sio_server_side_emit(parent, "x", ""), SIO_ERR_ARGUMENT);
	stop();
}

static void
test_orders_go_out(void **state)
{
	(void)state;
	start(BUS_FORM_REDIS);
	sio_sockets_join(sio_to(sio_all(main_nsp()), sockets[0]->id), "red");
	assert_true(sio_in_room(sockets[0], "red"));
	sio_sockets_leave(sio_others(sockets[0]), "red");
	sio_sockets_join(sio_local(sio_all(main_nsp())), "here");
	sio_sockets_join(sio_only(sockets[1]), "mine");
	sio_disconnect_sockets(sio_to(sio_all(main_nsp()), "mine"), false);
	sio_disconnect_sockets(sio_to(sio_all(main_nsp()), "nobody"), true);
	EXPECT_OUT("join / +#0 red\nleave / -#0 red\ndisconnect / +mine\nclose / +nobody\n");
	assert_true(sio_in_room(sockets[2], "here") && sio_in_room(sockets[1], "mine"));
	fake_turn();
	EXPECT_SENT(1, "1\n");
	assert_int_equal(sio_sockets_join(sio_to(sio_all(main_nsp()), NULL), "x"), SIO_ERR_ARGUMENT);
	EXPECT_OUT("");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_standalone_server_sends_nothing),
		cmocka_unit_test(test_emits_go_out_as_they_were_packed),
		cmocka_unit_test(test_parents_go_out_by_their_children),
		cmocka_unit_test(test_orders_go_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
