/* Peers that are not ordinary nodes: malformed senders, nodes with another secret, and visitors. */
#include "tests/unit/broker/broker_nodes.h"

static void
malformed_messages_are_dropped_and_foreign_ones_understood(void **state)
{
	static const char *const bad[] = {"", "x", "{", "{}", "[]", "{\"type\":99}", "{\"type\":5,\"opts\":{}}",
		"{\"type\":2,\"opts\":{\"rooms\":7}}", "{\"type\":7,\"requestId\":\"q\",\"opts\":{},\"packet\":{}}"};
	struct broker_stats before, after;

	(void)state;
	broker_stats(nodes[0].broker, &before);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		publish(&stranger, "k#/#", bad[i]);
		publish(&stranger, "k#/#a#", bad[i]);
		publish(&stranger, "k#/#unknown#", bad[i]);
		publish(&stranger, "k#/#no-end", bad[i]);
		publish(&stranger, "k-request#/#", bad[i]);
		publish(&stranger, "k-response#/#", bad[i]);
	}
	/* an emitter has no uid; the old forms name a socket */
	publish(&stranger, "k-request#/#", "{\"type\":2,\"opts\":{\"rooms\":[],\"except\":[]},\"rooms\":[\"r\"]}");
	publish(&stranger, "k-request#/#", "{\"type\":3,\"sid\":\"a\",\"room\":\"r\",\"requestId\":\"old\"}");
	publish(&stranger, "k-request#/#", "{\"type\":4,\"sid\":\"nobody\",\"close\":true,\"requestId\":\"old\"}");
	publish(&stranger, "k-request#/#", "{\"type\":6,\"uid\":\"emitter\",\"data\":[\"marker\"]}");
	told(0, "join r;leave r +a;");
	told(1, "join r;");
	broker_stats(nodes[0].broker, &after);
	/*
	 * nine requests: ignored on two channels and on the request channel; responses that are not objects or have
	 * no id
	 */
	assert_int_equal(after.ignored - before.ignored, 2 * 9);
	assert_true(after.malformed - before.malformed >= 3 * 8);
	assert_true(after.unsupported - before.unsupported >= 1);
	assert_int_equal(after.broadcasts_in, before.broadcasts_in);
}

/* The channel names the room, so a message without a receiver on this node is dropped before it is decoded. */
static void
messages_without_a_receiver_are_not_decoded(void **state)
{
	static const char *const channels[] = {"k#/#", "k#/#unknown#", "k#/#no-end", "k#/#b#"};
	struct broker_stats before, after;

	(void)state;
	nodes[0].deserted = true;
	broker_stats(nodes[0].broker, &before);
	for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
		publish(&stranger, channels[i], "malformed");
	publish(&stranger, "k-request#/#", "{\"type\":6,\"uid\":\"emitter\",\"data\":[\"marker\"]}");
	told(0, "");
	broker_stats(nodes[0].broker, &after);
	assert_int_equal(after.malformed, before.malformed);
	assert_int_equal(after.ignored - before.ignored, 4);
	publish(&stranger, "k#/#a#", "malformed");
	publish(&stranger, "k-request#/#", "{\"type\":6,\"uid\":\"emitter\",\"data\":[\"marker\"]}");
	told(0, "");
	broker_stats(nodes[0].broker, &after);
	assert_int_equal(after.malformed - before.malformed, 1);
}

static int
start_sealed(void **state)
{
	secrets[0] = secrets[1] = "secret";
	secrets[2] = "another";
	return start(state);
}

static int
stop_sealed(void **state)
{
	memset(secrets, 0, sizeof secrets);
	return stop(state);
}

static void
with_a_secret_only_nodes_that_know_it_are_heard(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_question q;
	struct broker_stats s;
	struct asked a = {.ends = 0};

	(void)state;
	broker_broadcast(nodes[0].nsp, &all, TEXT("[\"one\"]"), NULL);
	mark();
	told(1, "broadcast [\"one\"] 0;");
	publish(&stranger, "k#/#",
		"\x93\xa1x\x83\xa4type\x02\xa4"
		"data\x91\xa1"
		"e\xa3nsp\xa1/\x83\xa5rooms\x90\xa6"
		"except\x90\xa5"
		"flags\x80");
	publish(&stranger, "k-request#/#", "{\"type\":6,\"uid\":\"emitter\",\"data\":[\"forged\"]}");
	publish(&stranger, "k-response#/#", "{\"type\":6,\"requestId\":\"abcdef\",\"data\":1}");
	broker_server_emit(nodes[2].nsp, TEXT("[\"of another\"]"), NULL);
	q = question(&a, 300);
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"q\"]"), NULL, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 1, 0);
	assert_true(answered(&a, "\"b\"/0"));
	mark();
	told(1, "server [\"q\"];");
	assert_int_equal(nodes[2].log.len, 0);
	broker_stats(nodes[1].broker, &s);
	assert_int_equal(s.malformed, 0);
	assert_true(s.forged >= 4);
	buffer_fini(&a.answers);
}

/* A visitor asks and broadcasts. Nodes do not count it, wait for it or send anything to it. */
static void
visitors_do_not_count_as_nodes(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_nsp *unknown;
	struct node v = {.name = 'v'};
	struct asked asked = {0};
	struct broker_question q;

	(void)state;
	visits = true;
	node_start(&v, 'v');
	visits = false;
	q = question(&asked, 5000);
	RUN_UNTIL(node_up(&v));
	assert_true(broker_ask_fetch(v.nsp, &all, &q) > 0);
	assert_end(&asked, 0, NODES, 0, 0);
	assert_true(answered(&asked, "\"a\"") && answered(&asked, "\"b\"") && answered(&asked, "\"c\""));
	q = question(&asked, 5000);
	assert_true(broker_ask_sockets(v.nsp, &all, &q) > 0);
	assert_end(&asked, 0, NODES, 0, 0);
	assert_true(answered(&asked, "[\"a\"]/0") && answered(&asked, "[\"b\"]/0"));
	q = question(&asked, 5000);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&asked, 0, NODES - 1, 0, 0);
	q = question(&asked, 5000);
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"ask\",1]"), NULL, &q) > 0);
	RUN_UNTIL(asked.ends == 1);
	assert_int_equal(asked.nodes, NODES - 1);
	/* a namespace that no node has */
	unknown = broker_nsp_new(v.broker, TEXT("/nowhere"), &v);
	q = question(&asked, 5000);
	assert_true(broker_ask_all_rooms(unknown, &q) > 0);
	assert_end(&asked, 0, 0, 0, 0);
	broker_nsp_free(unknown);
	for (unsigned i = 0; i < NODES; i++)
		buffer_reset(&nodes[i].log);
	broker_broadcast(nodes[0].nsp, &all, TEXT("[\"not for v\"]"), NULL);
	broker_broadcast(v.nsp, &all, TEXT("[\"of v\"]"), NULL);
	broker_server_emit(v.nsp, TEXT("[\"marker\"]"), NULL);
	told(0, "broadcast [\"of v\"] 0;");
	told(2, "broadcast [\"not for v\"] 0;broadcast [\"of v\"] 0;");
	assert_int_equal(v.log.len, 0);
	buffer_fini(&asked.answers);
	node_stop(&v);
}

/* ------------------------------------------- a visitor of nodes with a log */

static struct buffer recorded; /* the numbers of the events that were passed on to the log */
static int recorded_rc;

static int
record_event(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text room,
	struct block *payload, uint64_t event)
{
	(void)end, (void)member, (void)kind, (void)room, (void)payload;
	buffer_printf(&recorded, "%llu ", (unsigned long long)event);
	return recorded_rc;
}

static struct bus *
no_store(struct bus_end *end)
{
	(void)end;
	return NULL;
}

/* The HTTP API is a visitor. Without numbers, its events would make all clients new that have missed one of them. */
static void
visitors_number_what_the_log_takes(void **state)
{
	const struct wire_target all = {.flags = 0}, now = {.flags = WIRE_VOLATILE};
	struct bus_form logging = bus_hub;
	struct node v = {.name = 'v'};

	(void)state;
	logging.record = record_event;
	logging.store = no_store;
	nodes_form = &logging;
	visits = true;
	node_start(&v, 'v');
	visits = false;
	nodes_form = &bus_hub;
	RUN_UNTIL(node_up(&v));
	buffer_init(&recorded, 1 << 10);
	broker_broadcast(v.nsp, &all, TEXT("[1]"), NULL);
	broker_broadcast(v.nsp, &now, TEXT("[\"volatile\"]"), NULL);
	recorded_rc = ERROR_TOO_BIG; /* this event is not sent, so its number is used again */
	assert_int_equal(broker_broadcast(v.nsp, &all, TEXT("[2]"), NULL), ERROR_TOO_BIG);
	recorded_rc = 0;
	broker_broadcast(v.other, &all, TEXT("[3]"), NULL);
	broker_join(v.nsp, &all, &(struct text){"r", 1}, 1); /* not an event, so it takes no number */
	broker_broadcast(v.nsp, &all, TEXT("[4]"), NULL);
	assert_true(text_is(buffer_text(&recorded), TEXT("1 2 2 0 3 ")));
	buffer_fini(&recorded);
	node_stop(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			with_a_secret_only_nodes_that_know_it_are_heard, start_sealed, stop_sealed),
		cmocka_unit_test_setup_teardown(messages_without_a_receiver_are_not_decoded, start, stop),
		cmocka_unit_test_setup_teardown(visitors_do_not_count_as_nodes, start, stop),
		cmocka_unit_test_setup_teardown(visitors_number_what_the_log_takes, start, stop),
		cmocka_unit_test_setup_teardown(
			malformed_messages_are_dropped_and_foreign_ones_understood, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
