/* A namespace and the other nodes, which the test plays: what goes out, what comes in, and what ends when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "node/socketio/sio_ack.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"

#define CLIENTS 3

static struct sio_socket *sockets[CLIENTS];
static char ids[CLIENTS][SIO_ID_LENGTH];
static unsigned connected;
static struct buffer heard; /* what the application's functions were told */
static const struct broker_ops *ops;

#define HEARD(...) (buffer_printf(&heard, __VA_ARGS__), buffer_add_byte(&heard, '\n'))

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	if (connected < CLIENTS) {
		memcpy(ids[connected], s->id, SIO_ID_LENGTH);
		sockets[connected++] = s;
	}
}

static void
start(enum broker_form form)
{
	struct sio_options o = fake_options();

	connected = 0;
	buffer_init(&heard, 1 << 20);
	fake_start(&o);
	fake_broker_start(form);
	ops = sio_core_broker_ops();
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	sio_core_set_broker(fake_io, &fake_broker);
	for (unsigned i = 0; i < CLIENTS; i++)
		fake_receive(fake_open(i), false, "0", 1);
	for (unsigned i = 0; i < CLIENTS; i++) {
		buffer_reset(&fake_engine.sessions[i].sent);
	}
	assert_int_equal(connected, CLIENTS);
}

static void
stop(void)
{
	fake_stop();
	fake_broker_stop();
	buffer_fini(&heard);
}

/* The text with every socket's id written as #0, #1, #2. */
static void
name_ids(struct text t, char *out, size_t room)
{
	size_t n = 0;

	while (t.n > 0 && n + 2 < room) {
		unsigned who = CLIENTS;

		for (unsigned i = 0; t.n >= SIO_ID_LENGTH && i < connected; i++) {
			if (memcmp(t.at, ids[i], SIO_ID_LENGTH) == 0)
				who = i;
		}
		if (who < CLIENTS) {
			out[n++] = '#';
			out[n++] = (char)('0' + who);
			t = text_of(t.at + SIO_ID_LENGTH, t.n - SIO_ID_LENGTH);
		} else {
			out[n++] = *t.at;
			t = text_of(t.at + 1, t.n - 1);
		}
	}
	out[n] = '\0';
}

static void
expect(struct buffer *b, const char *wanted)
{
	char found[4096];

	name_ids(buffer_text(b), found, sizeof found);
	assert_string_equal(found, wanted);
	buffer_reset(b);
}

#define EXPECT_OUT(wanted) expect(&fake_broker.log, wanted)
#define EXPECT_HEARD(wanted) expect(&heard, wanted)
#define EXPECT_SENT(i, wanted) expect(&fake_engine.sessions[i].sent, wanted)

static sio_nsp *
main_nsp(void)
{
	return sio_of(fake_io, "/");
}

static void
close_client(unsigned i)
{
	fake_gone(&fake_engine.sessions[i], EIO_TRANSPORT_CLOSE);
	fake_turn();
}

/* ------------------------------------------------------------------ going out */

static void
test_alone_nothing_goes_out(void **state)
{
	(void)state;
	start(BROKER_ALONE);
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
	start(BROKER_HUB);
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
	EXPECT_SENT(2, "2[\"a\",1]\n2[\"b\"]\n2[\"g\"]\n");
	/* whatever becomes of the others, this node's have it */
	fake_broker.refusal = ERR_TOO_BIG;
	assert_int_equal(sio_emit(sio_all(nsp), "i", ""), SIO_ERR_TOO_BIG);
	EXPECT_SENT(0, "2[\"i\"]\n");
	stop();
}

static void
test_parents_go_out_by_their_children(void **state)
{
	sio_nsp *parent;

	(void)state;
	start(BROKER_HUB);
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
	assert_int_equal(sio_all_rooms(parent, NULL, NULL), SIO_ERR_ARGUMENT);
	stop();
}

static void
test_orders_go_out(void **state)
{
	(void)state;
	start(BROKER_REDIS);
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

/* ------------------------------------------------------------------ coming in */

static void
arrive(const char *rooms, const char *except, unsigned flags, const char *data, unsigned attachments)
{
	struct text room = text_from(rooms != NULL ? rooms : ""), not_in = text_from(except != NULL ? except : "");
	struct wire_target to = {&room, &not_in, rooms != NULL, except != NULL, flags};
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
	start(BROKER_HUB);
	sio_join(sockets[0], "red");
	arrive(NULL, NULL, 0, "[\"a\",{\"b\":[1]}]", 0);
	arrive("red", NULL, WIRE_NO_COMPRESS, "[\"b\"]", 0);
	arrive(NULL, sockets[0]->id, 0, "[5]", 0);
	arrive(sockets[2]->id, NULL, 0, "[\"c\",{\"_placeholder\":true,\"num\":0}]", 1);
	/* of three attachments one is used, and was the second */
	arrive(sockets[2]->id, NULL, 0, "[\"d\",{\"_placeholder\":true,\"num\":1}]", 3);
	/* without attachments it is an object like any other */
	arrive(sockets[2]->id, NULL, 0, "[\"e\",{\"_placeholder\":true,\"num\":9}]", 0);
	arrive("nobody", NULL, 0, "[\"f\"]", 0);
	fake_engine.sessions[1].busy = true;
	arrive(sockets[1]->id, NULL, WIRE_VOLATILE, "[\"g\"]", 0);
	EXPECT_SENT(0, "2[\"a\",{\"b\":[1]}]\n2[\"b\"] raw\n");
	EXPECT_SENT(1, "2[\"a\",{\"b\":[1]}]\n2[5]\n");
	EXPECT_SENT(2,
		"2[\"a\",{\"b\":[1]}]\n2[5]\n51-[\"c\",{\"_placeholder\":true,\"num\":0}]\n(0002\n"
		"51-[\"d\",{\"_placeholder\":true,\"num\":0}]\n(0102\n2[\"e\",{\"_placeholder\":true,\"num\":9}]\n");
	EXPECT_OUT("");
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 0);
	stop();
}

static void
test_what_may_not_arrive(void **state)
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
	char many[1000] = "[\"x\"";

	(void)state;
	start(BROKER_HUB);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		arrive(NULL, NULL, 0, cases[i].data, cases[i].attachments);
		assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], i + 1);
	}
	memset(big + strlen(big), 'y', 1050);
	memcpy(big + 1056, "\"]", 3);
	arrive(NULL, NULL, 0, big, 0);
	for (unsigned i = 0; i < 11; i++)
		(void)sprintf(many + strlen(many), ",{\"_placeholder\":true,\"num\":%u}", i);
	memcpy(many + strlen(many), "]", 2);
	arrive(NULL, NULL, 0, many, 11);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], sizeof cases / sizeof *cases + 2);
	EXPECT_SENT(0, "");
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
	start(BROKER_HUB);
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
	struct wire_target one = {&id, NULL, 1, 0, 0}, all = {0};
	struct sio_nsp *nsp;

	(void)state;
	start(BROKER_HUB);
	nsp = main_nsp();
	id = text_of(sockets[1]->id, SIO_ID_LENGTH);
	ops->on_join(nsp, &one, rooms, 2);
	assert_true(sio_in_room(sockets[1], "a") && sio_in_room(sockets[1], "b") && !sio_in_room(sockets[0], "a"));
	assert_true(ops->has_room(nsp, rooms[0]) && ops->has_room(nsp, id) && !ops->has_room(nsp, TEXT("c")));
	ops->on_leave(nsp, &all, rooms, 1);
	assert_false(sio_in_room(sockets[1], "a"));
	assert_false(ops->has_room(nsp, rooms[0]));
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

/* -------------------------------------------------------- acknowledgements */

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	buffer_printf(&heard, "%s %d silent %u missing %u:", (const char *)arg, error, sio_answers_silent(answers),
		sio_answers_missing(answers));
	for (unsigned i = 0; i < sio_answers_count(answers); i++) {
		sio_value value = sio_answer(answers, i);

		buffer_printf(&heard, " %.*s%s", value.json != NULL ? (int)value.n : 4,
			value.json != NULL ? value.json : "none", sio_type_of(value) == SIO_BINARY ? " binary" : "");
	}
	buffer_add_byte(&heard, '\n');
}

static void
other_answers(unsigned handle, const char *json, const struct attachments *a)
{
	struct broker_question *q = &fake_broker.questions[handle - 1];

	assert_true(fake_broker.waiting[handle - 1]);
	q->on_answer(q->arg, json != NULL ? text_from(json) : TEXT_NONE, a);
}

static void
ack(unsigned i, const char *packet)
{
	fake_receive(&fake_engine.sessions[i], false, packet, strlen(packet));
	fake_turn();
}

static void
test_acknowledgements_of_all_nodes(void **state)
{
	sio_target both;
	struct attachments a;
	struct block *b;

	(void)state;
	start(BROKER_HUB);
	both = sio_to(sio_to(sio_all(main_nsp()), sockets[0]->id), sockets[1]->id);
	assert_int_equal(sio_emit_ack(both, on_answers, (void *)"first", "q", "i", 1), 0);
	EXPECT_OUT("ask ack / +#0 +#1 [\"q\",1]\n");
	assert_int_equal(fake_broker.questions[0].timeout_ms, SIO_GATHER_MS);
	EXPECT_SENT(0, "20[\"q\",1]\n");
	ack(0, "30[\"here\",2]");
	other_answers(1, "{\"there\":1}", NULL);
	other_answers(1, NULL, NULL);
	fake_broker_end(1, 0, 2, 0, 0);
	fake_turn();
	EXPECT_HEARD("");
	ack(1, "30[]");
	EXPECT_HEARD("first 0 silent 0 missing 0: \"here\" {\"there\":1} none none\n");

	/* this node's first, then the others, with binary */
	attachments_init(&a);
	attachments_add(&a, b = block_copy("x", 1));
	block_unref(b);
	sio_emit_ack(sio_timeout(both, 300), on_answers, (void *)"second", "q", "");
	assert_int_equal(fake_broker.questions[1].timeout_ms, 300);
	ack(0, "31[0]");
	ack(1, "31[1]");
	EXPECT_HEARD("");
	other_answers(2, "{\"_placeholder\":true,\"num\":0}", &a);
	attachments_fini(&a);
	fake_broker_end(2, 0, 1, 0, 0);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("second 0 silent 0 missing 0: 0 1 {\"_placeholder\":true,\"num\":0} binary\n");
	stop();
}

static void
test_acknowledgements_that_are_missing(void **state)
{
	sio_target all;

	(void)state;
	start(BROKER_HUB);
	all = sio_timeout(sio_all(main_nsp()), 200);
	/* the others say the end first, this node's client never answers */
	sio_emit_ack(all, on_answers, (void *)"local", "q", "");
	ack(0, "30[0]");
	fake_broker_end(1, 0, 1, 0, 0);
	ack(1, "30[1]");
	fake_sleep(150);
	EXPECT_HEARD("");
	fake_sleep(100);
	EXPECT_HEARD("local -13 silent 0 missing 1: 0 1\n");
	ack(2, "30[2]");
	/* the others are silent, or their clients are */
	sio_emit_ack(all, on_answers, (void *)"remote", "q", "");
	for (unsigned i = 0; i < CLIENTS; i++)
		ack(i, "31[7]");
	other_answers(2, "8", NULL);
	fake_sleep(250);
	EXPECT_HEARD("");
	fake_broker_end(2, ERR_TIMEOUT, 3, 2, 4);
	fake_turn();
	EXPECT_HEARD("remote -13 silent 2 missing 4: 7 7 7 8\n");
	/* nobody can be asked: this node's still have their time */
	sio_emit_ack(all, on_answers, (void *)"closed", "q", "");
	fake_broker_end(3, ERR_CLOSED, 0, 0, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		ack(i, "32[7]");
	EXPECT_HEARD("closed -13 silent 0 missing 0: 7 7 7\n");
	fake_broker.refusal = ERR_TOO_MANY;
	sio_emit_ack(sio_to(all, "nobody"), on_answers, (void *)"refused", "q", "");
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("refused -3 silent 0 missing 0:\n");
	fake_broker.refusal = 0;
	/* local ones do not ask */
	buffer_reset(&fake_broker.log);
	sio_emit_ack(sio_local(sio_to(all, "nobody")), on_answers, (void *)"here", "q", "");
	fake_turn();
	EXPECT_HEARD("here 0 silent 0 missing 0:\n");
	EXPECT_OUT("");
	stop();
}

static void
ask(const char *data)
{
	struct wire_target all = {0};

	ops->on_broadcast_ack(main_nsp(), &all, text_from(data), NULL, &fake_reply);
}

static void
test_other_nodes_get_acknowledgements(void **state)
{
	(void)state;
	start(BROKER_HUB);
	ask("[\"q\"]");
	EXPECT_OUT("count 3\n");
	EXPECT_SENT(0, "20[\"q\"]\n");
	ack(0, "30[\"a\",\"only the first counts\"]");
	ack(0, "30[\"once\"]");
	ack(1, "30[]");
	EXPECT_OUT("ack \"a\"\nack none\n");
	assert_int_equal(fake_reply.refs, 2);
	close_client(2);
	fake_turn();
	assert_int_equal(fake_reply.refs, 1);
	/* ids are this node's own: the next is another */
	ask("[\"q\"]");
	EXPECT_OUT("count 2\n");
	EXPECT_SENT(1, "20[\"q\"]\n21[\"q\"]\n");
	fake_receive(&fake_engine.sessions[0], false, "61-1[{\"_placeholder\":true,\"num\":0}]", 35);
	fake_receive(&fake_engine.sessions[0], true, "x", 1);
	EXPECT_OUT("ack {\"_placeholder\":true,\"num\":0} and 1\n");
	fake_sleep(BROKER_REPLY_MS + 100);
	assert_int_equal(fake_reply.refs, 1);
	ack(1, "31[\"too late\"]");
	ask("[\"connect\"]");
	EXPECT_OUT("count 0\n");
	sio_disconnect_sockets(sio_local(sio_all(main_nsp())), false);
	fake_turn();
	ask("[\"q\"]");
	EXPECT_OUT("count 0\n");
	/* closing does not wait for anybody */
	stop();
}

/* -------------------------------------------------------------- questions */

static void
on_fetched(sio_server *io, int error, const sio_socket_info *found, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)arg;
	HEARD("fetched %d silent %u", error, silent);
	for (unsigned i = 0; i < n; i++) {
		sio_value auth = sio_get(found[i].handshake, "auth");
		size_t len = 0;
		const char *json = sio_json(found[i].data, &len);

		buffer_printf(&heard, "%s", found[i].id);
		for (unsigned r = 0; r < found[i].rooms_count; r++)
			buffer_printf(&heard, " %s", found[i].rooms[r]);
		HEARD(" data %.*s auth %d binary %d", (int)len, json != NULL ? json : "", sio_type_of(auth),
			sio_type_of(sio_get(found[i].data, "b")) == SIO_BINARY);
	}
}

static void
test_fetch_of_all_nodes(void **state)
{
	static const char answer[] = "[{\"id\":\"other\",\"rooms\":[\"other\",\"r\\u0031\",7],\"data\":{\"b\":"
				     "{\"_placeholder\":true,\"num\":0}},\"handshake\":{\"auth\":{\"_placeholder\":"
				     "true,\"num\":0}}},7,{\"rooms\":[]},{\"id\":5},{\"id\":\"bare\"}]";
	struct attachments a;
	struct block *b;

	(void)state;
	start(BROKER_HUB);
	sio_join(sockets[0], "red");
	sio_set_data(sockets[0], "{s:i}", "n", 1);
	assert_int_equal(sio_fetch(sio_to(sio_all(main_nsp()), "red"), on_fetched, NULL), 0);
	EXPECT_OUT("ask fetch / +red\n");
	fake_turn();
	EXPECT_HEARD("");
	attachments_init(&a);
	attachments_add(&a, b = block_copy("x", 1));
	block_unref(b);
	other_answers(1, answer, &a);
	attachments_fini(&a);
	other_answers(1, "{}", NULL);
	fake_broker_end(1, 0, 2, 0, 0);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("fetched 0 silent 0\n#0 #0 red data {\"n\":1} auth 7 binary 0\n"
		     "other other r1 7 data {\"b\":{\"_placeholder\":true,\"num\":0}} auth 7 binary 1\n"
		     "bare data  auth 0 binary 0\n");
	sio_fetch(sio_timeout(sio_to(sio_all(main_nsp()), sockets[1]->id), 70), on_fetched, NULL);
	assert_int_equal(fake_broker.questions[1].timeout_ms, 70);
	fake_broker_end(2, ERR_TIMEOUT, 2, 1, 0);
	fake_turn();
	EXPECT_HEARD("fetched -13 silent 1\n#1 #1 data {} auth 7 binary 0\n");
	buffer_reset(&fake_broker.log);
	sio_fetch(sio_only(sockets[2]), on_fetched, NULL);
	sio_fetch(sio_local(sio_to(sio_all(main_nsp()), "red")), on_fetched, NULL);
	fake_turn();
	EXPECT_HEARD("fetched 0 silent 0\n#2 #2 data {} auth 7 binary 0\n"
		     "fetched 0 silent 0\n#0 #0 red data {\"n\":1} auth 7 binary 0\n");
	EXPECT_OUT("");
	stop();
}

static void
test_other_nodes_fetch(void **state)
{
	static const char forged[] = "0{\"_placeholder\":true,\"num\":99}";
	struct attachments a;
	struct wire_target none, one;
	struct buffer json;
	struct text id, room = TEXT("nobody");
	char text[4096];

	(void)state;
	start(BROKER_HUB);
	close_client(0);
	close_client(1);
	fake_receive(fake_open(5), false, forged, sizeof forged - 1);
	attachments_init(&a);
	buffer_init(&json, 1 << 20);
	sio_join(sockets[2], "a\"b");
	sio_set_data(sockets[2], "[B]", "bytes", (size_t)5);
	id = text_of(sockets[2]->id, SIO_ID_LENGTH);
	one = (struct wire_target){&id, NULL, 1, 0, 0};
	none = (struct wire_target){&room, NULL, 1, 0, 0};
	ops->on_fetch(main_nsp(), &none, &json, &a);
	assert_true(text_is(buffer_text(&json), TEXT("[]")));
	buffer_reset(&json);
	ops->on_fetch(main_nsp(), &one, &json, &a);
	assert_int_equal(json_check(buffer_text(&json), JSON_DEPTH_MAX), 0);
	name_ids(buffer_text(&json), text, sizeof text);
	assert_non_null(strstr(text, "[{\"id\":\"#2\",\"handshake\":{\"headers\":"));
	assert_non_null(
		strstr(text, ",\"rooms\":[\"#2\",\"a\\\"b\"],\"data\":[{\"_placeholder\":true,\"num\":0}]}]"));
	assert_int_equal(a.count, 1);
	buffer_reset(&json);
	attachments_cut(&a, 0);
	/* what a client made look like binary does no harm to the message */
	ops->on_fetch(main_nsp(), &(struct wire_target){0}, &json, &a);
	assert_int_equal(json_placeholders_check(buffer_text(&json), a.count), 0);
	assert_int_equal(a.count, 1);
	buffer_reset(&json);
	ops->on_sockets(main_nsp(), &one, &json);
	expect(&json, "[\"#2\"]");
	buffer_fini(&json);
	attachments_fini(&a);
	stop();
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	const char *sorted[16];

	(void)io;
	(void)arg;
	assert_in_range(n, 0, 16);
	memcpy(sorted, rooms, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_name);
	buffer_printf(&heard, "rooms %d silent %u", error, silent);
	for (unsigned i = 0; i < n; i++) {
		if (strlen(sorted[i]) != SIO_ID_LENGTH)
			buffer_printf(&heard, " %s", sorted[i]);
	}
	HEARD(" of %u", n);
}

static void
test_all_rooms(void **state)
{
	struct buffer json;

	(void)state;
	start(BROKER_HUB);
	sio_join(sockets[0], "red");
	sio_join(sockets[1], "red");
	sio_join(sockets[1], sockets[0]->id);
	assert_int_equal(sio_all_rooms(main_nsp(), on_rooms, NULL), 0);
	EXPECT_OUT("ask rooms /\n");
	other_answers(1, "[\"blue\",\"red\",7,null,[],\"r\\u00e9\"]", NULL);
	other_answers(1, "5", NULL);
	fake_broker_end(1, 0, 1, 0, 0);
	fake_turn();
	EXPECT_HEARD("rooms 0 silent 0 7 blue red r\xc3\xa9 of 7\n");
	buffer_init(&json, 1000);
	close_client(2);
	ops->on_all_rooms(main_nsp(), &json);
	assert_int_equal(json_check(buffer_text(&json), 2), 0);
	assert_non_null(memmem(json.data, json.len, "\"red\"", 5));
	assert_int_equal(json.len, 2 + 5 + 2 * (1 + 2 + SIO_ID_LENGTH));
	buffer_fini(&json);
	stop();
}

/* ------------------------------------------------------- the other servers */

static sio_event *kept;

static void
on_server(sio_nsp *nsp, sio_event *e, void *arg)
{
	HEARD("%s %s %s %u socket %d wants %d", (const char *)arg, sio_nsp_name(nsp), sio_event_name(e), sio_argc(e),
		sio_event_socket(e) != NULL, sio_wants_ack(e));
	if (strcmp(arg, "later") == 0)
		kept = sio_event_keep(e);
	else
		HEARD("ack %d", sio_ack(e, "v,s", sio_arg(e, 0), "more"));
}

static void
server_event(const char *nsp, const char *data, bool reply)
{
	ops->on_server_emit(sio_of(fake_io, nsp), text_from(data), NULL, reply ? &fake_reply : NULL);
}

static void
test_events_of_other_servers(void **state)
{
	(void)state;
	start(BROKER_HUB);
	assert_int_equal(sio_on_server_event(main_nsp(), "new_namespace", on_server, NULL), SIO_ERR_RESERVED);
	assert_int_equal(sio_on_server_event(main_nsp(), "note", on_server, (void *)"one"), 0);
	assert_int_equal(sio_on_server_event(main_nsp(), "note", on_server, (void *)"two"), 0);
	server_event("/", "[\"note\",{\"a\":1},2]", false);
	EXPECT_HEARD("one / note 2 socket 0 wants 0\nack -10\ntwo / note 2 socket 0 wants 0\nack -10\n");
	server_event("/", "[\"note\",5]", true);
	EXPECT_HEARD("one / note 1 socket 0 wants 1\nack 0\ntwo / note 1 socket 0 wants 1\nack -10\n");
	EXPECT_OUT("answer 5\n");
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"one"), 0);
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"two"), 0);
	assert_int_equal(sio_off_server_event(main_nsp(), "note", on_server, (void *)"two"), SIO_ERR_NOT_FOUND);
	server_event("/", "[\"note\",5]", true);
	server_event("/other", "[\"note\",5]", true);
	EXPECT_HEARD("");
	EXPECT_OUT("");
	sio_on_server_event(main_nsp(), "wait", on_server, (void *)"later");
	server_event("/", "[\"wait\",\"x\"]", true);
	fake_turn();
	assert_int_equal(fake_io->kept_server_events, 1);
	assert_int_equal(sio_ack(kept, "*", kept), 0);
	assert_int_equal(sio_ack(kept, "*", kept), SIO_ERR_STATE);
	EXPECT_OUT("answer \"x\"\n");
	sio_event_release(kept);
	assert_int_equal(fake_io->kept_server_events, 0);
	assert_int_equal(fake_reply.refs, 1);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 0);
	server_event("/", "[\"connection\"]", true);
	server_event("/", "[{}]", true);
	server_event("/", "[]", true);
	assert_int_equal(fake_loop.counters.value[COUNT_CLUSTER_REFUSED], 3);
	/* a parent's listeners serve its children */
	buffer_reset(&heard);
	sio_on_server_event(sio_of_pattern(fake_io, "/c.", NULL), "note", on_server, (void *)"parent");
	server_event("/c1", "[\"note\",5]", true);
	EXPECT_HEARD("parent /c1 note 1 socket 0 wants 1\nack 0\n");
	stop();
}

static void
test_server_side_emit(void **state)
{
	(void)state;
	start(BROKER_HUB);
	assert_int_equal(sio_server_side_emit(main_nsp(), "note", "i,B", 1, "x", (size_t)1), 0);
	EXPECT_OUT("server emit / [\"note\",1,{\"_placeholder\":true,\"num\":0}] and 1\n");
	assert_int_equal(sio_server_side_emit(main_nsp(), "connection", ""), SIO_ERR_RESERVED);
	assert_int_equal(sio_server_side_emit(main_nsp(), "x", "["), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_server_side_emit_ack(main_nsp(), 0, NULL, NULL, "x", ""), SIO_ERR_ARGUMENT);
	EXPECT_OUT("");
	assert_int_equal(sio_server_side_emit_ack(main_nsp(), 250, on_answers, (void *)"servers", "ask", "i", 1), 0);
	EXPECT_OUT("ask servers / [\"ask\",1]\n");
	assert_int_equal(fake_broker.questions[0].timeout_ms, 250);
	other_answers(1, "{\"node\":1}", NULL);
	other_answers(1, NULL, NULL);
	fake_broker_end(1, ERR_TIMEOUT, 3, 1, 0);
	fake_turn();
	EXPECT_HEARD("servers -13 silent 1 missing 0: {\"node\":1} none\n");
	EXPECT_SENT(0, "");
	stop();
	start(BROKER_ALONE);
	sio_server_side_emit_ack(main_nsp(), 0, on_answers, (void *)"alone", "ask", "");
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("alone 0 silent 0 missing 0:\n");
	stop();
}

/* ----------------------------------------------------------------- leaving */

static void
test_questions_end_with_the_server(void **state)
{
	(void)state;
	start(BROKER_HUB);
	sio_fetch(sio_to(sio_all(main_nsp()), "nobody"), on_fetched, NULL);
	sio_emit_ack(sio_to(sio_all(main_nsp()), "nobody"), on_answers, (void *)"ack", "q", "");
	sio_all_rooms(main_nsp(), on_rooms, NULL);
	sio_core_close(fake_io);
	fake_turn();
	EXPECT_HEARD("ack -10 silent 0 missing 0:\nfetched -10 silent 0\nrooms -10 silent 0 of 3\n");
	assert_false(fake_broker.waiting[0] || fake_broker.waiting[1] || fake_broker.waiting[2]);
	sio_core_set_broker(fake_io, NULL);
	assert_int_equal(fake_broker.namespaces, 0);
	assert_int_equal(sio_emit(sio_all(main_nsp()), "x", ""), 0);
	sio_of(fake_io, "/late");
	assert_int_equal(fake_broker.namespaces, 0);
	stop();
	start(BROKER_HUB);
	sio_fetch(sio_to(sio_all(main_nsp()), "nobody"), on_fetched, NULL);
	sio_server_side_emit_ack(main_nsp(), 0, on_answers, (void *)"ack", "q", "");
	sio_core_set_broker(fake_io, NULL);
	EXPECT_HEARD("");
	fake_turn();
	EXPECT_HEARD("ack -10 silent 0 missing 0:\nfetched -10 silent 0\n");
	stop();
}

static void
test_empty_children_leave(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	o.cleanup_empty_child_namespaces = true;
	buffer_init(&heard, 1000);
	fake_start(&o);
	fake_broker_start(BROKER_HUB);
	sio_of_pattern(fake_io, "/c.", NULL);
	sio_core_set_broker(fake_io, &fake_broker);
	fake_receive(fake_open(0), false, "0/c1,", 5);
	assert_int_equal(fake_broker.namespaces, 2);
	sio_fetch(sio_to(sio_all(sio_of(fake_io, "/c1")), "x"), on_fetched, NULL);
	close_client(0);
	fake_turn();
	assert_int_equal(fake_broker.namespaces, 1);
	EXPECT_HEARD("fetched -10 silent 0\n");
	stop();
}

/* ------------------------------------------------------------ rooms' events */

static void
on_room(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	(void)arg;
	HEARD("%s %d %s %s", sio_nsp_name(nsp), change, room, id != NULL ? id : "-");
	for (unsigned i = 0; i < connected; i++) {
		assert_true(sio_join(sockets[i], "within") == SIO_ERR_STATE || !sio_connected(sockets[i]));
		sio_leave(sockets[i], room);
	}
	sio_emit(sio_local(sio_to(sio_all(nsp), room)), "changed", "");
}

static void
test_room_events(void **state)
{
	(void)state;
	start(BROKER_HUB);
	sio_on_room(main_nsp(), on_room, NULL);
	sio_join(sockets[0], "red");
	sio_join(sockets[0], "red");
	sio_join(sockets[1], "red");
	sio_join(sockets[1], sockets[1]->id);
	sio_leave(sockets[0], "red");
	sio_leave(sockets[0], "red");
	EXPECT_HEARD("/ 0 red -\n/ 2 red #0\n/ 2 red #1\n/ 3 red #0\n");
	EXPECT_SENT(1, "2[\"changed\"]\n2[\"changed\"]\n");
	sio_disconnect(sockets[1], false);
	connected = 0;
	fake_turn();
	buffer_reset(&fake_broker.log);
	assert_non_null(memmem(heard.data, heard.len, "/ 3 red ", 8));
	assert_non_null(memmem(heard.data, heard.len, "/ 1 red -", 9));
	buffer_reset(&heard);
	fake_receive(fake_open(7), false, "0", 1);
	assert_int_equal(connected, 1);
	EXPECT_HEARD("/ 0 #0 -\n/ 2 #0 #0\n");
	connected = 0;
	fake_stop();
	fake_broker_stop();
	buffer_fini(&heard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone_nothing_goes_out),
		cmocka_unit_test(test_emits_go_out_as_they_were_packed),
		cmocka_unit_test(test_parents_go_out_by_their_children),
		cmocka_unit_test(test_orders_go_out),
		cmocka_unit_test(test_broadcasts_arrive),
		cmocka_unit_test(test_what_may_not_arrive),
		cmocka_unit_test(test_outgoing_listeners_hear_other_nodes),
		cmocka_unit_test(test_orders_arrive),
		cmocka_unit_test(test_acknowledgements_of_all_nodes),
		cmocka_unit_test(test_acknowledgements_that_are_missing),
		cmocka_unit_test(test_other_nodes_get_acknowledgements),
		cmocka_unit_test(test_fetch_of_all_nodes),
		cmocka_unit_test(test_other_nodes_fetch),
		cmocka_unit_test(test_all_rooms),
		cmocka_unit_test(test_events_of_other_servers),
		cmocka_unit_test(test_server_side_emit),
		cmocka_unit_test(test_questions_end_with_the_server),
		cmocka_unit_test(test_empty_children_leave),
		cmocka_unit_test(test_room_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
