/* The raw entry: calls that are refused, and calls on many sockets of one node and of all nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/raw_app.h"

static struct sio_raw_to
to_all(unsigned flags)
{
	return (struct sio_raw_to){.nsp = sio_of(fake_io, "/"), .flags = flags};
}

static struct sio_raw_to
to_rooms(const struct text *room, const struct text *except)
{
	return (struct sio_raw_to){.nsp = sio_of(fake_io, "/"),
		.who = {.rooms = room,
			.rooms_count = room != NULL ? 1 : 0,
			.except = except,
			.except_count = except != NULL ? 1 : 0}};
}

/* ------------------------------------------------------------- checking */

static void
test_texts(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{"[\"x\"]", 0},
		{" \t\r\n[\"x\" , 1]\n", 0},
		{"[1]", 0},
		{"[\"x\"," P(0) "]", 0}, /* without attachments an ordinary object */
		{"[\"connection\"]", 0},
		{"", SIO_ERR_ARGUMENT},
		{"  ", SIO_ERR_ARGUMENT},
		{"{}", SIO_ERR_ARGUMENT},
		{"\"x\"", SIO_ERR_ARGUMENT},
		{"[]", SIO_ERR_ARGUMENT},
		{"[null]", SIO_ERR_ARGUMENT},
		{"[{}]", SIO_ERR_ARGUMENT},
		{"[\"x\"", SIO_ERR_ARGUMENT},
		{"[\"x\"] 1", SIO_ERR_ARGUMENT},
		{"[\"x\",]", SIO_ERR_ARGUMENT},
		{"[\"x\",01]", SIO_ERR_ARGUMENT},
		{"[\"x\",\"\xff\"]", SIO_ERR_ARGUMENT},
		{"[\"x\",\"\n\"]", SIO_ERR_ARGUMENT},
		{"[\"connect\"]", SIO_ERR_RESERVED},
		{"[\"d\\u0069sconnect\"]", SIO_ERR_RESERVED},
		{"[\"newListener\",1]", SIO_ERR_RESERVED},
	};
	struct sio_raw_to to;
	struct sio_content c;

	(void)state;
	start(BUS_FORM_REDIS);
	joined(0);
	to = to_all(0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		c = raw_text(cases[i].text);
		assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), cases[i].error);
		assert_int_equal(sio_raw_cast(&to, &c), cases[i].error);
		assert_int_equal(fake_broker.log.len != 0, cases[i].error == 0);
		assert_int_equal(client(0)->sent.len != 0, cases[i].error == 0);
		buffer_reset(&fake_broker.log);
		buffer_reset(&client(0)->sent);
	}
	c = raw_text(" [\"x\"]\n");
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), 0);
	EXPECT_SENT(0, "2[\"x\"]\n");
	/* an acknowledgement does not need a name */
	c = raw_text("[]");
	assert_int_equal(sio_raw_ack(socket_of(0), 5, &c), 0);
	EXPECT_SENT(0, "35[]\n");
	c = raw_text("{}");
	assert_int_equal(sio_raw_ack(socket_of(0), 5, &c), SIO_ERR_ARGUMENT);
	stop();
}

/* maxAttachments, 10, limits what clients send: Node.js sends as many as an event has. */
static void
test_many_attachments_are_sent(void **state)
{
	struct block *block = block_copy("x", 1);
	struct attachments attached;
	struct sio_content c;

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	attachments_init(&attached);
	while (attached.count < SIO_ATTACHMENTS_MAX)
		attachments_add(&attached, block);
	c = raw_text("[\"x\",{\"_placeholder\":true,\"num\":63}]");
	c.attachments = &attached;
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), 0);
	assert_int_equal(sio_raw_cast(&(struct sio_raw_to){.nsp = sio_of(fake_io, "/")}, &c), 0);
	attachments_add(&attached, block);
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), SIO_ERR_TOO_MANY);
	attachments_fini(&attached);
	block_unref(block);
	stop();
}

static void
test_limits(void **state)
{
	struct buffer many;
	struct sio_content c;
	struct text room = TEXT("x");

	(void)state;
	start(BUS_FORM_ALONE);
	joined(0);
	buffer_init(&many, 10000);
	buffer_add_text(&many, TEXT("[\"x\""));
	for (unsigned i = 1; i < SIO_ARGS_MAX + 1; i++)
		buffer_add_text(&many, TEXT(",1"));
	buffer_add_text(&many, TEXT("]"));
	c = (struct sio_content){.json = buffer_text(&many)};
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), SIO_ERR_TOO_MANY);
	buffer_reset(&many);
	buffer_printf(&many, "[\"x\",\"%01100d\"]", 0);
	c = (struct sio_content){.json = buffer_text(&many)};
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), SIO_ERR_TOO_BIG);
	assert_int_equal(sio_raw_set_data(socket_of(0), &c), SIO_ERR_TOO_BIG);
	buffer_fini(&many);
	c = raw_text("[\"x\"]");
	assert_int_equal(sio_raw_cast(&(struct sio_raw_to){.nsp = NULL}, &c), SIO_ERR_ARGUMENT);
	assert_int_equal(
		sio_raw_cast(&(struct sio_raw_to){.nsp = sio_of_pattern(fake_io, "/p", NULL)}, &c), SIO_ERR_ARGUMENT);
	assert_int_equal(sio_raw_emit_ack(socket_of(0), 0, 0, &c, &(struct sio_asker){.fn = NULL}), SIO_ERR_ARGUMENT);
	assert_int_equal(
		sio_raw_fetch(&(struct sio_raw_to){.nsp = sio_of(fake_io, "/")}, NULL, NULL), SIO_ERR_ARGUMENT);
	/* a socket that has left */
	sio_disconnect(socket_of(0), false);
	EXPECT_SENT(0, "1\n");
	assert_int_equal(sio_raw_emit(socket_of(0), 0, &c), 0);
	assert_int_equal(sio_raw_ack(socket_of(0), 1, &c), SIO_ERR_STATE);
	assert_int_equal(sio_raw_join(socket_of(0), &room, 1), 0);
	EXPECT_SENT(0, "");
	stop();
}

static void
test_attachments(void **state)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {{"[\"x\"," P(0) ",{\"a\":[[" P(1) "]]}]", 0}, {"[\"x\"," P(2) "]", SIO_ERR_ARGUMENT},
		{"[\"x\"," P(-1) "]", SIO_ERR_ARGUMENT},
		{"[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]", SIO_ERR_ARGUMENT}};
	struct attachments two;
	struct sio_content c;

	(void)state;
	start(BUS_FORM_REDIS);
	joined(0);
	attachments_init(&two);
	for (unsigned i = 0; i < 2; i++) {
		struct block *b = block_copy(&"\x01\x02"[i], 1);

		attachments_add(&two, b);
		block_unref(b);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sio_raw_to to = to_all(SIO_FLAG_NO_COMPRESS);

		c = (struct sio_content){.json = text_from(cases[i].text), .attachments = &two};
		assert_int_equal(sio_raw_cast(&to, &c), cases[i].error);
	}
	attachments_fini(&two);
	EXPECT_SENT(0, "52-[\"x\"," P(0) ",{\"a\":[[" P(1) "]]}] raw\n(01 raw\n(02 raw\n");
	EXPECT_OUT("broadcast / flags 2 [\"x\"," P(0) ",{\"a\":[[" P(1) "]]}] and 2\n");
	stop();
}

/* -------------------------------------------------------------- to many */

static void
test_casts(void **state)
{
	struct text red = TEXT("red"), blue = TEXT("blue"), both[] = {TEXT("red"), TEXT("blue")};
	struct sio_content c = raw_text("[\"x\"]");
	struct sio_raw_to to;

	(void)state;
	start(BUS_FORM_HUB);
	for (unsigned i = 0; i < 3; i++)
		joined(i);
	assert_int_equal(sio_raw_join(socket_of(0), &red, 1), 0);
	assert_int_equal(sio_raw_join(socket_of(1), both, 2), 0);
	to = to_rooms(&red, &blue);
	assert_int_equal(sio_raw_cast(&to, &c), 0);
	EXPECT_SENT(0, "2[\"x\"]\n");
	EXPECT_SENT(1, "");
	EXPECT_OUT("broadcast / +red -blue [\"x\"]\n");
	to = to_all(SIO_FLAG_LOCAL | SIO_FLAG_VOLATILE);
	client(2)->busy = true;
	assert_int_equal(sio_raw_cast(&to, &c), 0);
	EXPECT_SENT(0, "2[\"x\"]\n");
	EXPECT_SENT(1, "2[\"x\"]\n");
	EXPECT_SENT(2, "");
	EXPECT_OUT("");
	/* the rooms of many sockets, on this node and on others */
	to = to_rooms(&blue, NULL);
	assert_int_equal(sio_raw_cast_leave(&to, &red, 1), 0);
	assert_false(sio_in_room(socket_of(1), "red"));
	to = to_rooms(NULL, &blue);
	assert_int_equal(sio_raw_cast_join(&to, &blue, 1), 0);
	assert_true(sio_in_room(socket_of(0), "blue") && sio_in_room(socket_of(2), "blue"));
	EXPECT_OUT("leave / +blue red\njoin / -blue blue\n");
	to = to_rooms(&red, NULL);
	assert_int_equal(sio_raw_cast_disconnect(&to, false), 0);
	EXPECT_SENT(0, "1\n");
	to = to_all(SIO_FLAG_LOCAL);
	assert_int_equal(sio_raw_cast_disconnect(&to, true), 0);
	EXPECT_SENT(1, "1\n!\n");
	EXPECT_OUT("disconnect / +red\n");
	fake_turn();
	stop();
}

static void
on_all(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)arg;
	RAW_LOG("all %d:", error);
	for (unsigned i = 0; i < sio_answers_count(answers); i++)
		RAW_LOG("%.*s", SHOW(sio_raw_answer(answers, i).json));
	assert_null(sio_raw_answer(answers, sio_answers_count(answers)).json.at);
}

static void
test_answers_of_all(void **state)
{
	struct sio_content c = raw_text("[\"poll\"]");
	struct sio_raw_to to;

	(void)state;
	start(BUS_FORM_HUB);
	joined(0);
	joined(1);
	to = to_all(0);
	assert_int_equal(sio_raw_cast_ack(&to, &c, &(struct sio_asker){.fn = on_all}), 0);
	EXPECT_OUT("ask ack / [\"poll\"]\n");
	EXPECT_SENT(0, "20[\"poll\"]\n");
	receive(0, "30[1,2]");
	receive(1, "30[]");
	EXPECT_LOG("");
	fake_broker.questions[0].on_answer(fake_broker.questions[0].arg, TEXT("{\"far\":1}"), NULL);
	fake_broker_end(1, 0, 1, 0, 0);
	fake_turn();
	EXPECT_LOG("all 0:\n1\n\n{\"far\":1}\n");
	to.flags = SIO_FLAG_LOCAL | SIO_FLAG_TIMEOUT;
	to.timeout_ms = 50;
	assert_int_equal(sio_raw_cast_ack(&to, &c, &(struct sio_asker){.fn = on_all}), 0);
	EXPECT_OUT("");
	receive(0, "31[\"in time\"]");
	fake_sleep(51);
	EXPECT_LOG("all -13:\n\"in time\"\n");
	stop();
}

static void
sink_count(void *arg, unsigned receivers)
{
	RAW_LOG("%s: %u receivers", (const char *)arg, receivers);
}

static void
sink_answer(void *arg, struct sio_socket *s, const struct sio_packet *packet)
{
	RAW_LOG("%s: %s answers %.*s", (const char *)arg, s == socket_of(0) ? "0" : "another", SHOW(packet->data));
}

static void
sink_end(void *arg)
{
	RAW_LOG("%s: end", (const char *)arg);
}

static const struct sio_sink sink = {sink_count, sink_answer, sink_end};

/* Each answer is delivered as it arrives, until no more answers can come. */
static void
test_stream(void **state)
{
	struct sio_content c = raw_text("[\"poll\"]");
	struct text nobody = TEXT("nobody");
	struct sio_raw_to to;

	(void)state;
	start(BUS_FORM_HUB);
	for (unsigned i = 0; i < 3; i++)
		joined(i);
	to = to_all(0);
	assert_int_equal(sio_raw_cast_stream(&to, &c, &sink, (void *)"one"), 0);
	EXPECT_LOG("one: 3 receivers\n");
	EXPECT_OUT("");
	receive(0, "30[1,2]");
	receive(1, "30[]");
	EXPECT_LOG("one: 0 answers [1,2]\none: another answers []\n");
	fake_gone(client(2), EIO_TRANSPORT_CLOSE);
	EXPECT_LOG("app: closed / transport close, session too in a room 0\n");
	fake_turn();
	EXPECT_LOG("one: end\n");
	to.flags = SIO_FLAG_TIMEOUT;
	to.timeout_ms = 20;
	assert_int_equal(sio_raw_cast_stream(&to, &c, &sink, (void *)"two"), 0);
	fake_sleep(21);
	receive(0, "31[1]");
	EXPECT_LOG("two: 2 receivers\ntwo: end\n");
	to = to_rooms(&nobody, NULL);
	assert_int_equal(sio_raw_cast_stream(&to, &c, &sink, (void *)"three"), 0);
	EXPECT_LOG("three: 0 receivers\n");
	fake_turn();
	EXPECT_LOG("three: end\n");
	c = raw_text("[]");
	assert_int_equal(sio_raw_cast_stream(&to, &c, &sink, (void *)"four"), SIO_ERR_ARGUMENT);
	EXPECT_LOG("");
	c = raw_text("[\"poll\"]");
	to = to_all(0);
	assert_int_equal(sio_raw_cast_stream(&to, &c, &sink, (void *)"five"), 0);
	buffer_reset(&raw_log);
	sio_core_close(fake_io);
	fake_turn();
	assert_true(memmem(raw_log.data, raw_log.len, "five: end\n", 10) != NULL);
	app.sockets = 0;
	stop();
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)arg;
	RAW_LOG("fetched %d, %u, silent %u", error, n, silent);
	for (unsigned i = 0; i < n; i++) {
		size_t length;
		const char *data = sio_json(sockets[i].data, &length);

		RAW_LOG("%.*s in %u", (int)length, data, sockets[i].rooms_count);
	}
}

static void
test_fetch(void **state)
{
	struct text rooms[] = {TEXT("r"), TEXT("s")};
	struct sio_content c = raw_text(" {\"n\":7}");
	struct sio_raw_to to;

	(void)state;
	start(BUS_FORM_HUB);
	joined(0);
	joined(1);
	assert_int_equal(sio_raw_join(socket_of(0), rooms, 2), 0);
	assert_int_equal(sio_raw_set_data(socket_of(0), &c), 0);
	to = to_rooms(rooms, NULL);
	assert_int_equal(sio_raw_fetch(&to, on_fetched, NULL), 0);
	EXPECT_LOG("");
	EXPECT_OUT("ask fetch / +r\n");
	fake_broker_end(1, 0, 1, 1, 0);
	fake_turn();
	EXPECT_LOG("fetched 0, 1, silent 1\n{\"n\":7} in 3\n");
	c = raw_text("");
	assert_int_equal(sio_raw_set_data(socket_of(0), &c), 0);
	c = raw_text("{");
	assert_int_equal(sio_raw_set_data(socket_of(0), &c), SIO_ERR_ARGUMENT);
	to = to_all(SIO_FLAG_LOCAL);
	assert_int_equal(sio_raw_fetch(&to, on_fetched, NULL), 0);
	EXPECT_OUT("");
	fake_turn();
	EXPECT_LOG("fetched 0, 2, silent 0\n{} in 3\n{} in 1\n");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_many_attachments_are_sent),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_attachments),
		cmocka_unit_test(test_casts),
		cmocka_unit_test(test_answers_of_all),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
