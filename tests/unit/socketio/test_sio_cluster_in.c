/* Broadcasts and commands from other nodes, which the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/cluster_bench.h"

static void
arrive(const char *rooms, const char *except, unsigned flags, const char *data, unsigned attachments)
{
	struct text room = text_from(rooms != NULL ? rooms : ""), not_in = text_from(except != NULL ? except : "");
	struct wire_target to = {&room, &not_in, rooms != NULL, except != NULL, flags, {0, 0}};
	struct attachments a;
	struct block *b;

	attachments_init(&a);
	for (unsigned i = 0; i < attachments; i++) {
		attachments_add(&a, b = block_copy((char[]){(char)i, 2}, 2));
		block_unref(b);
	}
	ops->on_broadcast(fake_broker_nsp(main_nsp())->owner, &to, text_from(data), &a);
	attachments_fini(&a);
}

static void
test_broadcasts_arrive(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	sio_join(sockets[0], "red");
	arrive(NULL, NULL, 0, "[\"a\",{\"b\":[1]}]", 0);
	arrive("red", NULL, WIRE_NO_COMPRESS, "[\"b\"]", 0);
	arrive(NULL, sockets[0]->id, 0, "[5]", 0);
	arrive(sockets[2]->id, NULL, 0, "[\"c\",{\"_placeholder\":true,\"num\":0}]", 1);
	/* one of three attachments is used; it was the second */
	arrive(sockets[2]->id, NULL, 0, "[\"d\",{\"_placeholder\":true,\"num\":1}]", 3);
	/* without attachments it is an ordinary object */
	arrive(sockets[2]->id, NULL, 0, "[\"e\",{\"_placeholder\":true,\"num\":9}]", 0);
	/* the text is copied: an encoder would write it another way */
	arrive(sockets[2]->id, NULL, 0, "[ \"\\u0065\" ,5.0e0]", 0);
	arrive("nobody", NULL, 0, "[\"f\"]", 0);
	fake_engine.sessions[1].busy = true;
	arrive(sockets[1]->id, NULL, WIRE_VOLATILE, "[\"g\"]", 0);
	EXPECT_SENT(0, "2[\"a\",{\"b\":[1]}]\n2[\"b\"] raw\n");
	EXPECT_SENT(1, "2[\"a\",{\"b\":[1]}]\n2[5]\n");
	EXPECT_SENT(2,
		"2[\"a\",{\"b\":[1]}]\n2[5]\n51-[\"c\",{\"_placeholder\":true,\"num\":0}]\n(0002\n"
		"51-[\"d\",{\"_placeholder\":true,\"num\":0}]\n(0102\n2[\"e\",{\"_placeholder\":true,\"num\":9}]\n"
		"2[ \"\\u0065\" ,5.0e0]\n");
	EXPECT_OUT("");
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 0);
	stop();
}

static void
test_messages_that_are_refused(void **state)
{
	static const struct {
		const char *data;
		unsigned attachments;
	} cases[] = {
		{"[\"connect\"]", 0},
		{"[\"disconnect\",1]", 0},
		{"[\"\\u0063onnect_error\"]", 0},
		{"[null]", 0},
		{"[{\"a\":1}]", 0},
		{"[[\"x\"]]", 0},
		{"[true]", 0},
		{"[]", 0},
		{"[\"x\",{\"_placeholder\":true,\"num\":1}]", 1},
		{"[\"x\",{\"_placeholder\":true,\"num\":-1}]", 1},
		{"[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]", 1},
	};
	char big[1100] = "[\"x\",\"";
	char many[4000] = "[\"x\"";

	(void)state;
	start(BUS_FORM_HUB);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		arrive(NULL, NULL, 0, cases[i].data, cases[i].attachments);
		assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], i + 1);
	}
	memset(big + strlen(big), 'y', 1050);
	memcpy(big + 1056, "\"]", 3);
	arrive(NULL, NULL, 0, big, 0);
	for (unsigned i = 0; i <= SIO_ATTACHMENTS_MAX; i++)
		(void)sprintf(many + strlen(many), ",{\"_placeholder\":true,\"num\":%u}", i);
	memcpy(many + strlen(many), "]", 2);
	arrive(NULL, NULL, 0, many, SIO_ATTACHMENTS_MAX + 1);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], sizeof cases / sizeof *cases + 2);
	EXPECT_SENT(0, "");
	stop();
}

/* Names from other nodes, or from anyone else with access to Redis, have the same limit. */
static void
test_joins_of_long_names(void **state)
{
	static char name[1000000];
	struct text rooms[3] = {TEXT("first"), {name, sizeof name}, TEXT("last")};
	struct wire_target everyone = {.rooms = NULL};

	(void)state;
	memset(name, 'x', sizeof name);
	start(BUS_FORM_HUB);
	ops->on_join(fake_broker_nsp(main_nsp())->owner, &everyone, rooms, 3);
	assert_true(sio_in_room(sockets[0], "first"));
	assert_true(sio_in_room(sockets[0], "last"));
	assert_int_equal(sockets[0]->room_count, 2);
	assert_true(fake_loop.counters.value[COUNT_ROOMS_REFUSED] > 0);
	stop();
}

static void
hear(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	HEARD("%s %s %lld", sio_id(s), sio_event_name(e), (long long)sio_int(sio_arg(e, 0), -1));
}

static void
test_outgoing_listeners_hear_other_nodes(void **state)
{
	(void)state;
	start(BUS_FORM_HUB);
	sio_on_any_outgoing(main_nsp(), hear, NULL);
	arrive(NULL, sockets[1]->id, 0, "[\"caf\\u00e9\",7]", 0);
	arrive(NULL, sockets[1]->id, 0, "[12,8]", 0);
	EXPECT_HEARD("#0 caf\xc3\xa9 7\n#2 caf\xc3\xa9 7\n#0 12 8\n#2 12 8\n");
	EXPECT_SENT(1, "");
	stop();
}

static void
test_orders_arrive(void **state)
{
	struct text rooms[] = {TEXT("a"), TEXT("b")}, id;
	struct wire_target one = {&id, NULL, 1, 0, 0, {0, 0}}, all = {0};
	struct sio_nsp *nsp;

	(void)state;
	start(BUS_FORM_HUB);
	nsp = main_nsp();
	id = text_of(sockets[1]->id, SIO_ID_LENGTH);
	ops->on_join(nsp, &one, rooms, 2);
	assert_true(sio_in_room(sockets[1], "a") && sio_in_room(sockets[1], "b") && !sio_in_room(sockets[0], "a"));
	assert_true(ops->has_room(nsp, rooms[0]) && ops->has_room(nsp, id) && !ops->has_room(nsp, TEXT("c")));
	ops->on_leave(nsp, &all, rooms, 1);
	assert_false(sio_in_room(sockets[1], "a"));
	assert_false(ops->has_room(nsp, rooms[0]));
	assert_true(ops->has_sockets(nsp));
	ops->on_disconnect(nsp, &one, false);
	fake_turn();
	EXPECT_SENT(1, "1\n");
	ops->on_disconnect(nsp, &all, true);
	fake_turn();
	EXPECT_SENT(0, "1\n!\n");
	assert_int_equal(sio_nsp_count(nsp), 0);
	EXPECT_OUT("");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broadcasts_arrive),
		cmocka_unit_test(test_joins_of_long_names),
		cmocka_unit_test(test_messages_that_are_refused),
		cmocka_unit_test(test_outgoing_listeners_hear_other_nodes),
		cmocka_unit_test(test_orders_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
