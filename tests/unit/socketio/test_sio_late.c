/*
 * Arguments that a client of the MessagePack parser sent stay MessagePack for receivers of the same parser, and
 * become text for everything else. The number 5 is sent in a longer form than an encoder writes (cc05): if it
 * arrives in this form, the bytes were copied.
 */
#include "common/base/error.h"
#include "common/base/json.h"
#include "node/socketio/sio_parser.h"
#include "node/socketio/sio_tables.h"
#include "tests/unit/faults.h"
#include "tests/unit/socketio/parsers.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

static struct eio_session *msgpack, *json;
static int result; /* of the last emit */
static char seen[256];

static sio_target
to_all(sio_socket *s)
{
	return sio_all(sio_socket_nsp(s));
}

static void
on_all(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(to_all(s), "all", "*", e);
}

static void
on_me(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(sio_only(s), "me", "*", e);
}

static void
on_ack(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	result = sio_ack(e, "*", e);
}

/* Emits the first two arguments, packed by the format in `arg`. */
static void
on_format(sio_socket *s, sio_event *e, void *arg)
{
	const char *format = arg;

	result = sio_emit(to_all(s), "f", format, sio_arg(e, 0), sio_arg(e, 1));
}

static void
on_texts(sio_socket *s, sio_event *e, void *arg)
{
	(void)arg;
	result = sio_emit(to_all(s), "f", "svs", "x", sio_arg(e, 1), "y");
	result |= sio_emit(to_all(s), "f", "vs", sio_arg(e, 0), "y");
	result |= sio_emit(to_all(s), "f", "v[v]", sio_arg(e, 0), sio_arg(e, 1));
	result |= sio_emit(to_all(s), "f", "{s:v,s:v}", "k", sio_arg(e, 1), "l", sio_arg(e, 9));
	result |= sio_emit(to_all(s), "f", "s*", "x", e);
	result |= sio_emit(to_all(s), "f", "**", e, e);
}

/* Reads its arguments before and after it passes them on. */
static void
on_read(sio_socket *s, sio_event *e, void *arg)
{
	sio_value late = sio_arg(e, 1), none = sio_arg(e, 2);
	const char *text;
	size_t n;

	(void)arg;
	assert_int_equal(sio_argc(e), 2);
	assert_int_equal(sio_type_of(none), SIO_NONE);
	result = sio_emit(sio_only(s), "before", "*", e);
	text = sio_json(late, &n);
	(void)snprintf(seen, sizeof seen, "%lld %.*s", (long long)sio_int(sio_arg(e, 0), -1), (int)n, text);
	assert_ptr_equal(sio_json(late, NULL), sio_json(sio_arg(e, 1), NULL));
	assert_int_equal(sio_int(sio_get(late, "k"), -1), 7);
	result |= sio_emit(sio_only(s), "after", "*", e);
	result |= sio_emit(sio_only(s), "after", "v", late);
	result |= sio_emit(sio_only(s), "after", "v", sio_arg(e, 0));
}

static void
on_keep(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	*(sio_event **)arg = sio_event_keep(e);
}

static void
on_outgoing(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	(void)snprintf(seen, sizeof seen, "%s %u %lld", sio_event_name(e), sio_argc(e),
		(long long)sio_int(sio_arg(e, 0), -1));
}

static void
on_any(sio_socket *s, sio_event *e, void *arg)
{
	(void)s;
	(void)arg;
	(void)snprintf(seen, sizeof seen, "%s %u", sio_event_name(e), sio_argc(e));
}

/* What a call leaves on the stack becomes the variables of the next one. */
static __attribute__((noinline)) void
clear_stack(void)
{
	volatile char bytes[8192];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = 0;
}

/* Stores its argument, and makes a text of it. */
static void
on_store(sio_socket *s, sio_event *e, void *arg)
{
	const char *stored, *text;
	size_t n;

	(void)arg;
	clear_stack();
	result = sio_set_data(s, "v", sio_arg(e, 0));
	stored = sio_json(sio_data(s), &n);
	clear_stack();
	text = sio_format_text(sio_socket_server(s), "v", sio_arg(e, 0));
	(void)snprintf(seen, sizeof seen, "%.*s %s", (int)n, stored != NULL ? stored : "", text);
}

/* There is no memory for the text. */
static void
on_short(sio_socket *s, sio_event *e, void *arg)
{
	sio_value late = sio_arg(e, 0);

	(void)arg;
	fault_above = 8;
	assert_int_equal(sio_int(late, -1), -1);
	assert_int_equal(sio_type_of(late), SIO_NONE);
	result = sio_emit(sio_only(s), "f", "vi", late, 1);
	fault_above = SIZE_MAX;
}

static void
start(size_t max_emit, bool with_json)
{
	struct sio_options o = fake_options();
	sio_nsp *nsp;

	fake_revision = 4;
	fake_start(&o);
	sio_core_attach(fake_io, &fake_engine, &o, 4096, max_emit);
	nsp = sio_of(fake_io, "/");
	sio_on(nsp, "all", on_all, NULL);
	sio_on(nsp, "me", on_me, NULL);
	sio_on(nsp, "ack", on_ack, NULL);
	sio_on(nsp, "v", on_format, "v");
	sio_on(nsp, "vv", on_format, "vv");
	sio_on(nsp, "texts", on_texts, NULL);
	sio_on(nsp, "read", on_read, NULL);
	sio_on(nsp, "store", on_store, NULL);
	sio_on(nsp, "short", on_short, NULL);
	msgpack = fake_open(0);
	sends(msgpack, CONNECT);
	assert_true(joined(msgpack, true));
	if (with_json) {
		json = fake_open(1);
		says(json, "0");
		assert_true(joined(json, false));
	}
	result = -1;
	seen[0] = '\0';
}

static void
test_bytes_are_copied(void **state)
{
	(void)state;
	start(4096, false);
	sends(msgpack, EVENT("93a26d65cc05c40207ff"));
	EXPECT_SENT(msgpack, "(" EVENT("93a26d65cc05c40207ff") "\n");
	assert_int_equal(result, 0);
	sends(msgpack, EVENT("dc0001a26d65"));
	EXPECT_SENT(msgpack, "(" EVENT("91a26d65") "\n");
	sends(msgpack, EVENT_ACK("92a361636bcc05", "07"));
	EXPECT_SENT(msgpack, "(" ACK("07", "91cc05") "\n");
	sends(msgpack, EVENT_ACK("91a361636b", "07"));
	EXPECT_SENT(msgpack, "(" ACK("07", "90") "\n");
	/* one argument, and some that follow one another */
	sends(msgpack, EVENT("93a176cc05a178"));
	EXPECT_SENT(msgpack, "(" EVENT("92a166cc05") "\n");
	sends(msgpack, EVENT("93a27676cc0591cc06"));
	EXPECT_SENT(msgpack, "(" EVENT("93a166cc0591cc06") "\n");
	/* an argument that is missing is null */
	sends(msgpack, EVENT("92a27676cc05"));
	EXPECT_SENT(msgpack, "(" EVENT("93a16605c0") "\n");
	fake_stop();
}

static void
test_other_parsers_get_text(void **state)
{
	(void)state;
	start(4096, true);
	sends(msgpack, EVENT("93a3616c6ccc0581a161c40207ff"));
	EXPECT_SENT(msgpack, "(" EVENT("93a3616c6ccc0581a161c40207ff") "\n");
	EXPECT_SENT(json, "51-[\"all\",5,{\"a\":" P(0) "}]\n(07ff\n");
	sends(msgpack, EVENT("91a3616c6c"));
	EXPECT_SENT(msgpack, "(" EVENT("91a3616c6c") "\n");
	EXPECT_SENT(json, "2[\"all\"]\n");
	/* only the attachments of the arguments that are passed on, which get new numbers */
	sends(msgpack, EVENT("94a27676c40101c40102c40103"));
	EXPECT_SENT(msgpack, "(" EVENT("93a166c40101c40102") "\n");
	EXPECT_SENT(json, "52-[\"f\"," P(0) "," P(1) "]\n(01\n(02\n");
	sends(msgpack, EVENT("93a176c40101c40102"));
	EXPECT_SENT(json, "51-[\"f\"," P(0) "]\n(01\n");
	assert_int_equal(result, 0);
	fake_stop();
}

/* If other arguments are emitted beside them, all arguments become text. */
static void
test_mixed_formats(void **state)
{
#define P0 "{\"_placeholder\":true,\"num\":0}"
#define BIN "\n(07\n"
	static const struct {
		const char *json, *msgpack;
	} want[] = {
		{"51-[\"f\",\"x\",{\"k\":" P0 "},\"y\"]" BIN, EVENT("94a166a17881a16bc40107a179")},
		{"2[\"f\",5,\"y\"]\n", EVENT("93a16605a179")},
		{"51-[\"f\",5,[{\"k\":" P0 "}]]" BIN, EVENT("93a166059181a16bc40107")},
		{"51-[\"f\",{\"k\":{\"k\":" P0 "}}]" BIN, EVENT("92a16681a16b81a16bc40107")},
		{"51-[\"f\",\"x\",5,{\"k\":" P0 "}]" BIN, EVENT("94a166a1780581a16bc40107")},
		{"51-[\"f\",5,{\"k\":" P0 "},5,{\"k\":" P0 "}]" BIN, EVENT("95a1660581a16bc401070581a16bc40107")},
	};
	struct buffer texts, packets;

	(void)state;
	start(4096, true);
	sends(msgpack, EVENT("93a57465787473cc0581a16bc40107"));
	assert_int_equal(result, 0);
	buffer_init(&texts, 4096);
	buffer_init(&packets, 4096);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		buffer_printf(&texts, "%s", want[i].json);
		buffer_printf(&packets, "(%s\n", want[i].msgpack);
	}
	buffer_add_byte(&texts, '\0');
	buffer_add_byte(&packets, '\0');
	EXPECT_SENT(json, (const char *)texts.data);
	EXPECT_SENT(msgpack, (const char *)packets.data);
	buffer_fini(&texts);
	buffer_fini(&packets);
	fake_stop();
#undef P0
#undef BIN
}

static void
test_application_reads(void **state)
{
	(void)state;
	start(4096, false);
	sends(msgpack, EVENT("93a472656164cc0581a16bcc07"));
	assert_string_equal(seen, "5 {\"k\":7}");
	EXPECT_SENT(msgpack,
		"(" EVENT("93a66265666f7265cc0581a16bcc07") "\n(" EVENT("93a56166746572cc0581a16bcc07") "\n(" EVENT(
			"92a5616674657281a16bcc07") "\n(" EVENT("92a5616674657205") "\n");
	assert_int_equal(result, 0);
	fake_stop();
}

static void
test_application_stores(void **state)
{
	(void)state;
	start(4096, false);
	sends(msgpack, EVENT("92a573746f726581a16bcc05"));
	assert_int_equal(result, 0);
	assert_string_equal(seen, "{\"k\":5} {\"k\":5}");
	fake_stop();
}

static void
test_kept_event(void **state)
{
	sio_event *kept = NULL;

	(void)state;
	start(4096, false);
	sio_on(sio_of(fake_io, "/"), "keep", on_keep, &kept);
	sends(msgpack, EVENT_ACK("92a46b656570cc05", "07"));
	assert_non_null(kept);
	assert_int_equal(sio_int(sio_arg(kept, 0), -1), 5);
	assert_int_equal(sio_ack(kept, "*", kept), 0);
	fake_turn();
	EXPECT_SENT(msgpack, "(" ACK("07", "9105") "\n");
	sio_event_release(kept);
	fake_stop();
}

static void
test_listeners_of_all_packets(void **state)
{
	(void)state;
	start(4096, false);
	sio_on_any(sio_of(fake_io, "/"), on_any, NULL);
	sends(msgpack, EVENT("92a3796573cc05"));
	assert_string_equal(seen, "yes 1");
	sio_on_any_outgoing(sio_of(fake_io, "/"), on_outgoing, NULL);
	sends(msgpack, EVENT("92a26d65cc05"));
	assert_string_equal(seen, "me 1 5");
	EXPECT_SENT(msgpack, "(" EVENT("92a26d65cc05") "\n");
	fake_stop();
}

static void
on_answer(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	const char *text;
	size_t n;

	(void)io;
	(void)arg;
	result = error;
	text = sio_json(sio_answer(answers, 0), &n);
	(void)snprintf(seen, sizeof seen, "%u %.*s", sio_answers_count(answers), (int)n, text);
}

static void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	sio_emit_ack(sio_only(s), on_answer, NULL, "ask", "");
}

static void
test_answers(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_revision = 4;
	fake_start(&o);
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	msgpack = fake_open(0);
	sends(msgpack, CONNECT);
	result = -1;
	sends(msgpack, ACK("00", "9181a16bcc05"));
	assert_int_equal(result, 0);
	assert_string_equal(seen, "1 {\"k\":5}");
	fake_stop();
}

/* Text can be much larger than MessagePack: then receivers of the other parsers get nothing, and the sender an error.
 */
static void
test_text_is_too_big(void **state)
{
	(void)state;
	start(64, true);
	sends(msgpack, EVENT("dc0014a3616c6cc2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2"));
	EXPECT_SENT(msgpack, "(" EVENT("dc0014a3616c6cc2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2") "\n");
	EXPECT_SENT(json, "");
	assert_int_equal(result, SIO_ERR_TOO_BIG);
	fake_stop();
}

static void
test_no_memory_for_the_text(void **state)
{
	(void)state;
	start(4096, false);
	sends(msgpack, EVENT("92a26d65cc05")); /* buffers have grown */
	buffer_reset(&msgpack->sent);
	sends(msgpack, EVENT("92a573686f7274cc05"));
	assert_int_not_equal(result, 0);
	assert_true(faults > 0);
	assert_int_equal(fake_loop.counters.value[COUNT_NO_MEMORY], 1);
	EXPECT_SENT(msgpack, "!\n");
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_copied),
		cmocka_unit_test(test_other_parsers_get_text),
		cmocka_unit_test(test_mixed_formats),
		cmocka_unit_test(test_application_reads),
		cmocka_unit_test(test_application_stores),
		cmocka_unit_test(test_kept_event),
		cmocka_unit_test(test_listeners_of_all_packets),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_text_is_too_big),
		cmocka_unit_test(test_no_memory_for_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
