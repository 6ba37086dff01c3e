/* Statements and questions among three nodes: who receives them, how answers are counted, when a question ends. */
#include "tests/unit/broker/broker_nodes.h"

static void
statements_reach_all_other_nodes_but_not_the_sender(void **state)
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
	/* c has two clients, one of which answers late */
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
	broker_reply_ack(nodes[2].kept, TEXT("{\"_placeholder\":true,\"num\":9}"),
		&attached); /* an attachment that does not exist */
	attachments_fini(&attached);
	block_unref(block);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(last_line, "cannot send an answer to another node"));
	broker_stats(nodes[2].broker, &after);
	assert_int_equal(after.unsent, 1);
	assert_int_equal(after.malformed, 0);
	broker_reply_ack(nodes[2].kept, TEXT("{\"late\":1}"), NULL);
	assert_end(&a, 0, 2, 0, 0);
	assert_true(answered(&a, "{\"late\":1}/0 "));
	/* the node that asked is freed with its namespace: nothing is sent, nothing crashes */
	broker_nsp_free(nodes[2].nsp);
	nodes[2].nsp = NULL;
	broker_reply_ack(nodes[2].kept, TEXT("1"), NULL);
	buffer_fini(&a.answers);
}

/* The asker would take an empty answer for "no sockets". */
static void
an_answer_that_is_too_large_is_an_error(void **state)
{
	struct wire_target all = {.flags = 0};
	struct broker_question q;
	struct broker_stats after;
	struct asked a = {.ends = 0};

	(void)state;
	fetch_error = ERROR_TOO_BIG;
	log_set_sink(note_line, NULL);
	q = question(&a, 150);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 1, 0);
	log_set_sink(NULL, NULL);
	fetch_error = 0;
	assert_non_null(strstr(last_line, "cannot send an answer to another node"));
	assert_non_null(strstr(last_line, error_text(ERROR_TOO_BIG)));
	broker_stats(nodes[2].broker, &after);
	assert_int_equal(after.unsent, 1);
	buffer_fini(&a.answers);
}

static void
questions_end_when_the_bus_fails_or_no_node_is_there(void **state)
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
	broker_ask_cancel(nodes[0].broker, handle - 1); /* the caller may cancel long before the deadline */
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
a_standalone_node_sends_nothing_and_questions_end_at_once(void **state)
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

/* A caller that asks again whenever a question ends does not starve the rest of the loop. */
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
	loop_finish_turn(&bench.loop); /* a turn runs several rounds of calls, not thousands */
	assert_in_range(s.ends, 1, 100);
	assert_true(loop_goes_on());
	RUN_UNTIL(s.ends == 1000);
	hub_start(&hub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_reach_all_other_nodes_but_not_the_sender, start, stop),
		cmocka_unit_test_setup_teardown(questions_are_answered_by_each_node_once, start, stop),
		cmocka_unit_test_setup_teardown(acknowledgements_are_counted_by_node_and_client, start, stop),
		cmocka_unit_test_setup_teardown(an_answer_that_is_too_large_is_an_error, start, stop),
		cmocka_unit_test_setup_teardown(questions_end_when_the_bus_fails_or_no_node_is_there, start, stop),
		cmocka_unit_test_setup_teardown(asking_again_at_the_end_waits_for_the_next_turn, start, stop),
		cmocka_unit_test(a_standalone_node_sends_nothing_and_questions_end_at_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
