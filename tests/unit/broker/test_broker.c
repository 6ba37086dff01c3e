/*
 * Three nodes over a hub in one loop: each keeps a log of what it was told. A fourth party, a plain bus, plays peers
 * that are confused or hostile.
 */
#include "tests/unit/broker/broker_bench.h"

#include "broker/broker.h"
#include "common/base/error.h"

#define NODES 3

struct node {
	struct broker *broker;
	struct broker_nsp *nsp, *other; /* "/" and "/a#b" */
	struct buffer log;
	struct broker_reply *kept; /* of a question that is answered later */
	bool closed;
	unsigned settled;
	char name;
};

static struct hub_bench hub;
static struct node nodes[NODES];
static struct bus_bench stranger;
static const char *secrets[NODES];
static bool visits; /* the node that is started next */

static void
note_target(struct node *n, const struct wire_target *t)
{
	for (unsigned i = 0; i < t->room_count; i++)
		buffer_printf(&n->log, " +%.*s", (int)t->rooms[i].n, t->rooms[i].at);
	for (unsigned i = 0; i < t->except_count; i++)
		buffer_printf(&n->log, " -%.*s", (int)t->except[i].n, t->except[i].at);
	if (t->flags != 0)
		buffer_printf(&n->log, " !%u", t->flags);
}

static void
note(struct node *n, const char *what, struct text text)
{
	buffer_printf(&n->log, "%s%.*s", what, (int)text.n, text.at);
}

static struct node *
node_of(void *owner)
{
	return owner;
}

static bool
has_room(void *owner, struct text room)
{
	return text_is(room, TEXT("all")) || (room.n == 1 && room.at[0] == node_of(owner)->name);
}

static void
on_broadcast(void *owner, const struct wire_target *to, struct text data, const struct attachments *a)
{
	note(owner, "broadcast ", data);
	note_target(owner, to);
	buffer_printf(&node_of(owner)->log, " %u;", a != NULL ? a->count : 0);
}

static void
on_broadcast_ack(void *owner, const struct wire_target *to, struct text data, const struct attachments *a,
	struct broker_reply *reply)
{
	struct node *n = owner;

	(void)to;
	(void)a;
	note(n, "ask ", data);
	buffer_printf(&n->log, ";");
	broker_reply_count(reply, 2);
	broker_reply_count(reply, 2); /* the second is ignored */
	broker_reply_ack(reply, TEXT("\"first\""), NULL);
	if (n->name == 'c')
		n->kept = broker_reply_ref(reply);
	else
		broker_reply_ack(reply, TEXT_NONE, NULL);
}

static void
note_rooms(struct node *n, const char *what, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	buffer_printf(&n->log, "%s", what);
	for (unsigned i = 0; i < count; i++)
		buffer_printf(&n->log, " %.*s", (int)rooms[i].n, rooms[i].at);
	note_target(n, who);
	buffer_printf(&n->log, ";");
}

static void
on_join(void *owner, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	note_rooms(owner, "join", who, rooms, count);
}

static void
on_leave(void *owner, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	note_rooms(owner, "leave", who, rooms, count);
}

static void
on_disconnect(void *owner, const struct wire_target *who, bool close)
{
	note_rooms(owner, close ? "close" : "disconnect", who, NULL, 0);
}

static void
on_fetch(void *owner, const struct wire_target *who, struct buffer *json, struct attachments *a)
{
	struct block *block = block_copy("x", 1);

	(void)who;
	buffer_printf(json, "[{\"id\":\"%c\",\"data\":", node_of(owner)->name);
	json_write_placeholder(json, 0);
	buffer_add_text(json, TEXT("}]"));
	attachments_add(a, block);
	block_unref(block);
}

static void
on_sockets(void *owner, const struct wire_target *who, struct buffer *json)
{
	note_rooms(owner, "sockets", who, NULL, 0);
	buffer_printf(json, "[\"%c\"]", node_of(owner)->name);
}

static void
on_all_rooms(void *owner, struct buffer *json)
{
	buffer_printf(json, "[\"all\",\"%c\"]", node_of(owner)->name);
}

static void
on_server_emit(void *owner, struct text data, const struct attachments *a, struct broker_reply *reply)
{
	struct node *n = owner;
	char answer[8];

	(void)a;
	note(n, "server ", data);
	buffer_printf(&n->log, ";");
	if (reply == NULL || text_has(data, TEXT("silence")))
		return;
	snprintf(answer, sizeof answer, "\"%c\"", n->name);
	broker_reply_server_emit(reply, text_from(answer), NULL);
	broker_reply_server_emit(reply, text_from(answer), NULL); /* ignored */
}

static void
on_settled(void *owner)
{
	node_of(owner)->settled++;
}

static const struct broker_ops ops = {has_room, on_broadcast, on_broadcast_ack, on_join, on_leave, on_disconnect,
	on_fetch, on_sockets, on_all_rooms, on_server_emit, on_settled};

static void
node_start(struct node *n, char name)
{
	struct broker_options o = {.form = &bus_hub,
		.bus = {.server = hub.url, .key = "k", .max_queue = 1 << 20, .check_ms = 200, .timeout_ms = 1000},
		.secret = visits ? NULL : secrets[n - nodes],
		.requests_timeout_ms = 5000,
		.visitor = visits};
	char error[BUS_ERROR_MAX];

	memset(n, 0, sizeof *n);
	n->name = name;
	buffer_init(&n->log, 1 << 20);
	assert_int_equal(broker_new(&n->broker, &bench.loop, &o, &ops, error), 0);
	n->nsp = broker_nsp_new(n->broker, TEXT("/"), n);
	n->other = broker_nsp_new(n->broker, TEXT("/a#b"), n);
}

static bool
node_up(const struct node *n)
{
	struct broker_stats s;

	broker_stats(n->broker, &s);
	return s.bus.up;
}

static void
on_node_closed(void *arg)
{
	node_of(arg)->closed = true;
}

static void
node_stop(struct node *n)
{
	broker_reply_unref(n->kept);
	n->kept = NULL;
	broker_nsp_free(n->nsp);
	broker_nsp_free(n->other);
	broker_close(n->broker, 1000, on_node_closed, n);
	RUN_UNTIL(n->closed);
	buffer_fini(&n->log);
}

static int
start(void **state)
{
	bench_start(state);
	hub_start(&hub);
	for (unsigned i = 0; i < NODES; i++)
		node_start(&nodes[i], (char)('a' + i));
	bus_start(&stranger, hub.url, 1 << 20);
	RUN_UNTIL(node_up(&nodes[0]) && node_up(&nodes[1]) && node_up(&nodes[2]) && ups(&stranger) == 1);
	return 0;
}

static int
stop(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		node_stop(&nodes[i]);
	bus_end(&stranger);
	hub_end(&hub);
	return bench_stop(state);
}

/* Exactly this in the log, after a marker that a sends last has come. */
static void
told(unsigned which, const char *expected)
{
	struct node *n = &nodes[which];

	RUN_UNTIL(text_ends(buffer_text(&n->log), TEXT("server [\"marker\"];")));
	n->log.len -= sizeof "server [\"marker\"];" - 1;
	if (!text_is(buffer_text(&n->log), text_from(expected)))
		fail_msg("%c was told \"%.*s\", not \"%s\"", n->name, (int)n->log.len, n->log.data, expected);
	buffer_reset(&n->log);
}

static void
mark(void)
{
	assert_int_equal(broker_server_emit(nodes[0].nsp, TEXT("[\"marker\"]"), NULL), 0);
}

static void
statements_reach_the_others_and_never_oneself(void **state)
{
	static const struct text b = {"b", 1}, bc[] = {{"b", 1}, {"c", 1}}, nobody = {"z", 1};
	struct wire_target all = {.flags = 0}, room = {.rooms = &b, .room_count = 1};
	struct wire_target two = {
		.rooms = bc, .room_count = 2, .except = &nobody, .except_count = 1, .flags = WIRE_VOLATILE};
	struct wire_target none = {.rooms = &nobody, .room_count = 1};

	(void)state;
	broker_broadcast(nodes[0].nsp, &all, TEXT("[\"one\",1]"), NULL);
	broker_broadcast(nodes[0].nsp, &room, TEXT("[\"two\"]"), NULL);
	broker_broadcast(nodes[0].nsp, &two, TEXT("[\"three\"]"), NULL);
	broker_broadcast(nodes[0].nsp, &none, TEXT("[\"four\"]"), NULL);
	broker_join(nodes[0].nsp, &room, bc, 2);
	broker_leave(nodes[0].nsp, &all, &b, 1);
	broker_disconnect(nodes[0].nsp, &two, true);
	broker_server_emit(nodes[0].nsp, TEXT("[\"hello\"]"), NULL);
	broker_broadcast(nodes[0].other, &all, TEXT("[\"other\"]"), NULL);
	mark();
	told(1, "broadcast [\"one\",1] 0;broadcast [\"two\"] +b 0;broadcast [\"three\"] +b +c -z !1 0;"
		"join b c +b;leave b;close +b +c -z;server [\"hello\"];broadcast [\"other\"] 0;");
	told(2, "broadcast [\"one\",1] 0;broadcast [\"three\"] +b +c -z !1 0;"
		"join b c +b;leave b;close +b +c -z;server [\"hello\"];broadcast [\"other\"] 0;");
	assert_int_equal(nodes[0].log.len, 0);
}

/* ------------------------------------------------------------- questions */

struct asked {
	struct buffer answers;
	unsigned ends, nodes, silent;
	uint64_t missing;
	int error;
};

static void
on_answer(void *arg, struct text json, const struct attachments *a)
{
	struct asked *q = arg;

	assert_int_equal(q->ends, 0);
	buffer_printf(&q->answers, "%.*s/%u ", (int)json.n, json.at ? json.at : "", a != NULL ? a->count : 0);
}

static void
on_end(void *arg, int error, unsigned count, unsigned silent, uint64_t missing)
{
	struct asked *q = arg;

	q->ends++;
	q->error = error;
	q->nodes = count;
	q->silent = silent;
	q->missing = missing;
}

static struct broker_question
question(struct asked *q, uint64_t timeout_ms)
{
	buffer_fini(&q->answers);
	memset(q, 0, sizeof *q);
	buffer_init(&q->answers, 1 << 20);
	return (struct broker_question){on_answer, on_end, q, timeout_ms};
}

static void
assert_end(struct asked *q, int error, unsigned count, unsigned silent, uint64_t missing)
{
	assert_int_equal(q->ends, 0);
	RUN_UNTIL(q->ends == 1);
	assert_int_equal(q->error, error);
	assert_int_equal(q->nodes, count);
	assert_int_equal(q->silent, silent);
	assert_int_equal(q->missing, missing);
}

static bool
answered(const struct asked *q, const char *one)
{
	return text_has(buffer_text(&q->answers), text_from(one));
}

static void
questions_are_answered_by_each_node_once(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_question q;
	struct asked a = {.ends = 0};

	(void)state;
	q = question(&a, 0);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "[{\"id\":\"b\",\"data\":{\"_placeholder\":true,\"num\":0}}]/1 "));
	assert_true(answered(&a, "[{\"id\":\"c\""));
	q = question(&a, 0);
	assert_true(broker_ask_all_rooms(nodes[0].nsp, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "[\"all\",\"b\"]/0 ") && answered(&a, "[\"all\",\"c\"]/0 "));
	q = question(&a, 0);
	assert_true(broker_ask_server_emit(nodes[1].nsp, TEXT("[\"q\"]"), NULL, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_int_equal(a.answers.len, strlen("\"a\"/0 \"c\"/0 "));
	q = question(&a, 100);
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"silence\"]"), NULL, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 2, 0);
	buffer_fini(&a.answers);
}

static char last_line[512];

static void
note_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level;
	snprintf(last_line, sizeof last_line, "%.*s", (int)n, line);
}

static void
acknowledgements_are_counted_by_node_and_client(void **state)
{
	struct block *block = block_copy("x", 1);
	struct attachments attached;
	struct broker_stats after;
	struct wire_target all = {.flags = 0};
	struct broker_question q;
	struct asked a = {.ends = 0};

	(void)state;
	/* c has two clients, one of which takes its time */
	q = question(&a, 150);
	assert_true(broker_ask_ack(nodes[0].nsp, &all, TEXT("[\"how\"]"), NULL, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 0, 1);
	assert_int_equal(a.answers.len, 3 * strlen("\"first\"/0 ") - strlen("\"first\"/0 ") + strlen("null/0 "));
	broker_reply_unref(nodes[2].kept);
	nodes[2].kept = NULL;
	q = question(&a, 0);
	assert_true(broker_ask_ack(nodes[0].nsp, &all, TEXT("[\"how\"]"), NULL, &q) > 0);
	RUN_UNTIL(nodes[2].kept != NULL);
	log_set_sink(note_line, NULL);
	attachments_init(&attached);
	attachments_add(&attached, block);
	broker_reply_ack(
		nodes[2].kept, TEXT("{\"_placeholder\":true,\"num\":9}"), &attached); /* no such attachment */
	attachments_fini(&attached);
	block_unref(block);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(last_line, "an answer to another node could not be sent"));
	broker_stats(nodes[2].broker, &after);
	assert_int_equal(after.unsent, 1);
	assert_int_equal(after.malformed, 0);
	broker_reply_ack(nodes[2].kept, TEXT("{\"late\":1}"), NULL);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "{\"late\":1}/0 "));
	/* who asked is forgotten, its namespace freed: nothing is sent, nothing crashes */
	broker_nsp_free(nodes[2].nsp);
	nodes[2].nsp = NULL;
	broker_reply_ack(nodes[2].kept, TEXT("1"), NULL);
	buffer_fini(&a.answers);
}

static void
questions_end_when_the_bus_goes_or_nobody_is_there(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_question q;
	struct asked a = {.ends = 0};
	int64_t handle;

	(void)state;
	q = question(&a, 0);
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"silence\"]"), NULL, &q) > 0);
	RUN_UNTIL(nodes[1].log.len > 0);
	handle = broker_ask_fetch(nodes[0].nsp, &all, &q);
	broker_ask_cancel(nodes[0].broker, handle);
	broker_ask_cancel(nodes[0].broker, handle);
	hub_stop(&hub);
	RUN_UNTIL(!node_up(&nodes[0]));
	broker_ask_cancel(nodes[0].broker, handle - 1); /* its deadline is still far: an asker may give up himself */
	q = question(&a, 0);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_CLOSED, 0, 2, 0);
	q = question(&a, 0);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_int_equal(a.ends, 0);
	broker_nsp_free(nodes[0].nsp);
	nodes[0].nsp = NULL;
	assert_int_equal(a.ends, 1);
	assert_int_equal(a.error, ERROR_CLOSED);
	hub_start(&hub);
	buffer_fini(&a.answers);
}

static void
alone_nothing_is_sent_and_questions_end_at_once(void **state)
{
	struct broker_options o = {.form = &bus_alone, .requests_timeout_ms = 5000};
	struct wire_target all = {.flags = 0};
	struct node n = {.name = 'n'};
	struct asked a = {.ends = 0};
	struct broker_question q;
	char error[BUS_ERROR_MAX];

	bench_start(state);
	assert_int_equal(broker_new(&n.broker, &bench.loop, &o, &ops, error), 0);
	n.nsp = broker_nsp_new(n.broker, TEXT("/"), &n);
	assert_int_equal(broker_broadcast(n.nsp, &all, TEXT("[\"x\"]"), NULL), 0);
	assert_int_equal(broker_disconnect(n.nsp, &all, true), 0);
	q = question(&a, 0);
	assert_true(broker_ask_ack(n.nsp, &all, TEXT("[\"x\"]"), NULL, &q) > 0);
	assert_end(&a, 0, 0, 0, 0);
	node_stop(&n);
	buffer_fini(&a.answers);
	bench_stop(state);
}

struct stubborn {
	struct broker_nsp *nsp;
	unsigned asked, ends;
};

static void ask_again(struct stubborn *s);

static void
on_stubborn_answer(void *arg, struct text json, const struct attachments *attachments)
{
	(void)arg;
	(void)json;
	(void)attachments;
}

static void
on_stubborn_end(void *arg, int error, unsigned asked_nodes, unsigned silent, uint64_t missing)
{
	struct stubborn *s = arg;

	(void)error;
	(void)asked_nodes;
	(void)silent;
	(void)missing;
	s->ends++;
	if (s->asked < 1000)
		ask_again(s);
}

static void
ask_again(struct stubborn *s)
{
	struct broker_question q = {.on_answer = on_stubborn_answer, .on_end = on_stubborn_end, .arg = s};
	struct wire_target all = {.flags = 0};

	s->asked++;
	assert_true(broker_ask_fetch(s->nsp, &all, &q) > 0);
}

/* Whoever asks again when the end is told does not keep the loop from all else. */
static void
asking_again_at_the_end_waits_for_the_next_turn(void **state)
{
	struct stubborn s = {.nsp = nodes[0].nsp};
	struct broker_stats stats;

	(void)state;
	hub_stop(&hub);
	do {
		run_turn();
		broker_stats(nodes[0].broker, &stats);
	} while (stats.bus.up);
	ask_again(&s);
	assert_int_equal(s.ends, 0);
	loop_finish_turn(&bench.loop); /* it has several rounds, not so many */
	assert_in_range(s.ends, 1, 100);
	assert_true(loop_goes_on());
	RUN_UNTIL(s.ends == 1000);
	hub_start(&hub);
}

/* ------------------------------------------------------------- strangers */

static void
strangers_are_dropped_or_understood(void **state)
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
	/* of nine, two channels and the request's; as responses those that are no object, or have no id */
	assert_int_equal(after.ignored - before.ignored, 2 * 9);
	assert_true(after.malformed - before.malformed >= 3 * 8);
	assert_true(after.unsupported - before.unsupported >= 1);
	assert_int_equal(after.broadcasts_in, before.broadcasts_in);
}

/* --------------------------------------------------------------- a secret */

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
with_a_secret_only_those_who_know_it_are_heard(void **state)
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

/* It asks and tells, and nobody counts it, waits for it or tells it anything. */
static void
visitors_are_no_nodes(void **state)
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
	/* of a namespace that no node has */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_reach_the_others_and_never_oneself, start, stop),
		cmocka_unit_test_setup_teardown(questions_are_answered_by_each_node_once, start, stop),
		cmocka_unit_test_setup_teardown(acknowledgements_are_counted_by_node_and_client, start, stop),
		cmocka_unit_test_setup_teardown(questions_end_when_the_bus_goes_or_nobody_is_there, start, stop),
		cmocka_unit_test_setup_teardown(asking_again_at_the_end_waits_for_the_next_turn, start, stop),
		cmocka_unit_test(alone_nothing_is_sent_and_questions_end_at_once),
		cmocka_unit_test_setup_teardown(
			with_a_secret_only_those_who_know_it_are_heard, start_sealed, stop_sealed),
		cmocka_unit_test_setup_teardown(visitors_are_no_nodes, start, stop),
		cmocka_unit_test_setup_teardown(strangers_are_dropped_or_understood, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
