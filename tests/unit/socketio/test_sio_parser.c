/* Outgoing packets are encoded lazily: not without a receiver, and once for all receivers with the same parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_core.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"

#include "tests/unit/socketio/fake_broker.h"

static unsigned encoded[2];

static int
first_encode(const struct sio_packet_out *packet, struct buffer *head, struct eio_message **messages)
{
	encoded[0]++;
	return sio_parser_json.encode(packet, head, messages);
}

/* Another wire form: one message that contains the attachments. */
static int
other_encode(const struct sio_packet_out *p, struct buffer *head, struct eio_message **messages)
{
	encoded[1]++;
	buffer_printf(head, "type %d nsp %.*s attachments %u: ", p->type, (int)p->nsp.n, p->nsp.at,
		p->attachments != NULL ? p->attachments->count : 0);
	messages[0] = eio_message_text2(buffer_text(head), p->json);
	return 1;
}

/* One binary message is a whole packet. Its bytes are the text of the JSON form, which the parser keeps. */
struct sio_partial {
	size_t n;
	char text[];
};

static int
other_decode(struct sio_partial **partial, bool binary, uint8_t *data, size_t n,
	const struct sio_packet_limits *limits, struct sio_packet *out)
{
	int rc;

	out->why = "not of this parser";
	if (!binary)
		return -1;
	*partial = mem_alloc(sizeof **partial + n);
	memcpy((*partial)->text, data, n);
	rc = sio_packet_parse(out, text_of((*partial)->text, n), limits);
	return rc < 0 ? rc : 1;
}

static size_t
other_held(const struct sio_partial *partial)
{
	return partial != NULL ? 100 : 0;
}

static void
other_forget(struct sio_partial *partial)
{
	mem_free(partial);
}

static const struct sio_parser other = {.name = "other",
	.variant = 1,
	.encode = other_encode,
	.decode = other_decode,
	.held = other_held,
	.forget = other_forget};
static struct sio_parser first;

static void
on_echo(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	sio_emit(sio_everyone(s), "echo", "*", e);
	if (sio_wants_ack(e))
		sio_ack(e, "B", "\x01", (size_t)1);
}

static void
join(unsigned which, const struct sio_parser *parser)
{
	struct eio_session *s = fake_open(which);

	((struct sio_client *)eio_owner(s))->parser = parser;
	((struct sio_client *)eio_owner(s))->parser_known = true;
	fake_receive(s, parser == &other, "0", 1);
	fake_turn();
	buffer_reset(&s->sent);
}

static void
start(enum bus_form_id form)
{
	struct sio_options o = fake_options();

	fake_broker_start(form);
	fake_start(&o);
	sio_core_set_broker(fake_io, &fake_broker);
	sio_on(sio_of(fake_io, "/"), "echo", on_echo, NULL);
	first = sio_parser_json;
	first.encode = first_encode;
}

static void
stop(void)
{
	fake_stop();
	fake_broker_stop();
}

static bool
got(unsigned which, const char *text)
{
	struct buffer *sent = &fake_engine.sessions[which].sent;
	bool same = text_is(buffer_text(sent), text_from(text));

	if (!same)
		print_message("got %.*s\n", (int)sent->len, sent->data);
	buffer_reset(sent);
	return same;
}

static void
test_nothing_without_receivers(void **state)
{
	static char large[100000];
	sio_nsp *nsp;

	(void)state;
	start(BUS_FORM_REDIS);
	nsp = sio_of(fake_io, "/");
	join(0, &first);
	encoded[0] = 0;
	assert_int_equal(sio_emit(sio_to(sio_all(nsp), "nobody"), "x", "B", "\x01", (size_t)1), 0);
	sio_core_broker_ops()->on_broadcast(
		nsp, &(struct wire_target){.rooms = &TEXT("nobody"), .room_count = 1}, TEXT("[\"x\"]"), NULL);
	fake_turn();
	assert_int_equal(encoded[0], 0);
	/* volatile, and no receiver can take it */
	fake_engine.sessions[0].busy = true;
	assert_int_equal(sio_emit(sio_volatile(sio_all(nsp)), "x", ""), 0);
	assert_int_equal(encoded[0], 0);
	fake_engine.sessions[0].busy = false;
	/* limits are errors all the same */
	memset(large, 'x', sizeof large);
	assert_int_equal(sio_emit(sio_to(sio_all(nsp), "nobody"), "x", "S", large, sizeof large), SIO_ERR_TOO_BIG);
	stop();
}

static void
test_once_per_parser(void **state)
{
	(void)state;
	start(BUS_FORM_ALONE);
	for (unsigned i = 0; i < 6; i++)
		join(i, i % 2 == 0 ? &first : &other);
	encoded[0] = encoded[1] = 0;
	fake_receive(&fake_engine.sessions[0], false, "2[\"echo\",1]", 11);
	assert_int_equal(encoded[0], 1);
	assert_int_equal(encoded[1], 1);
	for (unsigned i = 0; i < 6; i++)
		assert_true(got(i, i % 2 == 0 ? "2[\"echo\",1]\n" : "type 2 nsp / attachments 0: [\"echo\",1]\n"));
	/* a packet of a client with the other parser means the same */
	fake_receive(&fake_engine.sessions[1], true, "27[\"echo\",2]", 12);
	assert_true(got(0, "2[\"echo\",2]\n"));
	assert_true(got(1, "type 2 nsp / attachments 0: [\"echo\",2]\n"
			   "type 3 nsp / attachments 1: [{\"_placeholder\":true,\"num\":0}]\n"));
	assert_int_equal(encoded[0], 2);
	assert_int_equal(encoded[1], 3);
	stop();
}

static void
test_errors_of_a_parser(void **state)
{
	struct eio_session *s;

	(void)state;
	start(BUS_FORM_ALONE);
	join(0, &other);
	s = &fake_engine.sessions[0];
	fake_receive(s, false, "2[\"echo\"]", 9);
	assert_true(got(0, "!\n"));
	fake_turn();
	/* what the parser kept of the packet is freed */
	join(1, &other);
	fake_receive(&fake_engine.sessions[1], true, "2[", 2);
	assert_true(got(1, "!\n"));
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_without_receivers),
		cmocka_unit_test(test_once_per_parser),
		cmocka_unit_test(test_errors_of_a_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
