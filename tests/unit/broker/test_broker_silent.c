/* Which nodes a question waits for, and which it names as silent. */
#include "tests/unit/broker/broker_nodes.h"

#include "common/base/json.h"

#define GHOST "ghost-----------"
#define ANSWER_MS 500 /* a node of this process that answers does so within this time */

static struct listener ghost_requests, ghost_own;

static int
start_beating(void **state)
{
	beat_ms = 100;
	return start(state);
}

static int
stop_beating(void **state)
{
	beat_ms = 0;
	return stop(state);
}

static bool
knows(unsigned which, unsigned count)
{
	struct broker_stats stats;

	broker_stats(nodes[which].broker, &stats);
	return stats.members.count[MEMBER_SERVING] == count;
}

static bool
has_lost(unsigned which, enum member_state state)
{
	struct broker_stats stats;

	broker_stats(nodes[which].broker, &stats);
	return stats.members.count[state] == 1;
}

/* A member that subscribes to the requests of a namespace and says something about itself, but never answers. */
static void
ghost_comes(void)
{
	struct beat beat = {.about = {.id = GHOST, .instance = GHOST, .worker = 7, .mode = "hub"}, .every_ms = 1000};
	struct buffer out;

	beat_add_namespace(&beat, TEXT("/"));
	buffer_init(&out, BEAT_BYTES_MAX);
	beat_write(&out, &beat);
	buffer_add_byte(&out, '\0');
	listen_to(&stranger, &ghost_requests, "k-request#/#", false);
	listen_to(&stranger, &ghost_own, "k-members#" GHOST "#", false);
	RUN_UNTIL(ghost_own.s.confirmed);
	publish(&stranger, "k-members#", (char *)out.data);
	RUN_UNTIL(knows(0, NODES + 1));
	buffer_fini(&out);
}

static void
ghost_goes(void)
{
	listen_no_more(&stranger, &ghost_requests);
	listen_no_more(&stranger, &ghost_own);
}

static void
ask_silence(struct asked *a, uint64_t timeout_ms)
{
	struct broker_question q = question(a, timeout_ms);

	a->broker = nodes[0].broker;
	assert_true(broker_ask_server_emit(nodes[0].nsp, TEXT("[\"silence\"]"), NULL, &q) > 0);
}

/* As assert_end(), for a question that may have ended already. */
static void
assert_ended(struct asked *a, int error, unsigned silent, uint64_t missing)
{
	RUN_UNTIL(a->ends == 1);
	assert_int_equal(a->error, error);
	assert_int_equal(a->silent, silent);
	assert_int_equal(a->missing, missing);
}

/* Nodes b and c hear the question and do not answer. */
static void
silent_members_are_named(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	ask_silence(&a, 50);
	assert_end(&a, ERROR_TIMEOUT, 2, 2, 0);
	assert_true(strcmp(a.named, "2;3;") == 0 || strcmp(a.named, "3;2;") == 0);
	/* b answers, and only c is named */
	fetch_error = ERROR_TOO_BIG;
	q = question(&a, ANSWER_MS);
	a.broker = nodes[0].broker;
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 2, 1, 0);
	assert_string_equal(a.named, "3;");
	fetch_error = 0;
	/* all answer, so no member is named */
	q = question(&a, 60000);
	a.broker = nodes[0].broker;
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, 0, 2, 0, 0);
	assert_string_equal(a.named, "");
	buffer_fini(&a.answers);
}

/* A server without heartbeats has no name, so the broker cannot tell which of the servers is silent. */
static void
a_silent_server_without_a_name_is_only_counted(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	listen_to(&stranger, &ghost_requests, "k-request#/#", false);
	RUN_UNTIL(ghost_requests.s.confirmed);
	q = question(&a, ANSWER_MS);
	a.broker = nodes[0].broker;
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 3, 1, 0);
	assert_string_equal(a.named, "");
	listen_no_more(&stranger, &ghost_requests);
	buffer_fini(&a.answers);
}

/* The question has a minute, but ends when c has left. */
static void
a_node_that_leaves_is_not_waited_for(void **state)
{
	struct asked a = {.ends = 0};

	RUN_UNTIL(knows(0, NODES));
	ask_silence(&a, 60000);
	RUN_UNTIL(nodes[1].log.len > 0 && nodes[2].log.len > 0);
	node_stop(&nodes[1]);
	node_stop(&nodes[2]);
	assert_ended(&a, 0, 0, 0);
	assert_string_equal(a.named, "");
	buffer_fini(&a.answers);
	node_start(&nodes[1], 'b');
	node_start(&nodes[2], 'c');
	RUN_UNTIL(node_up(&nodes[1]) && node_up(&nodes[2]));
	(void)state;
}

/*
 * A question does not wait for a server that goes without announcing it either, because the hub then counts one
 * subscriber less. The server may come back, so it counts as missing.
 */
static void
a_server_that_vanishes_is_not_waited_for(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	ghost_comes();
	q = question(&a, 60000);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	RUN_UNTIL(ghost_requests.messages > 0);
	assert_int_equal(a.ends, 0);
	ghost_goes();
	assert_end(&a, ERROR_TIMEOUT, 3, 1, 0);
	RUN_UNTIL(has_lost(0, MEMBER_LOST));
	buffer_fini(&a.answers);
}

/* A member that is still connected but beyond its time-out: each question says that it is missing, but goes on. */
static void
a_silent_member_is_not_waited_for(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	ghost_comes();
	q = question(&a, 60000);
	a.broker = nodes[0].broker;
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 3, 1, 0);
	assert_string_equal(a.named, "7;");
	/* A pause of the machine makes the other nodes silent, too, until their next heartbeats. */
	RUN_UNTIL(has_lost(0, MEMBER_SILENT) && knows(0, NODES));
	/* the next question does not wait at all */
	q = question(&a, 60000);
	a.broker = nodes[0].broker;
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	assert_end(&a, ERROR_TIMEOUT, 3, 1, 0);
	assert_string_equal(a.named, "7;");
	ghost_goes();
	buffer_fini(&a.answers);
}

/* Client acknowledgements that a node still owes are not waited for once it has left. */
static void
acknowledgements_of_a_node_that_left_are_missing(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	q = question(&a, 60000);
	assert_true(broker_ask_ack(nodes[0].nsp, &all, TEXT("[\"how\"]"), NULL, &q) > 0);
	RUN_UNTIL(nodes[2].kept != NULL); /* c has two clients, of which one acknowledges */
	node_stop(&nodes[2]);
	assert_ended(&a, ERROR_TIMEOUT, 0, 1);
	buffer_fini(&a.answers);
	node_start(&nodes[2], 'c');
	RUN_UNTIL(node_up(&nodes[2]));
}

static void
answer_as(struct text request_id, const char *more)
{
	char out[256];

	snprintf(out, sizeof out, "{\"requestId\":\"%.*s\",\"sockets\":[%s}", (int)request_id.n, request_id.at, more);
	publish(&stranger, "k-response#/#", out);
}

/* A server's second answer does not count as another server's: c is silent, and then a stranger answers. */
static void
a_second_answer_of_a_member_does_not_count(void **state)
{
	struct wire_target all = {.flags = 0};
	struct asked a = {.ends = 0};
	struct broker_question q;
	struct text request, id;

	(void)state;
	RUN_UNTIL(knows(0, NODES));
	ghost_comes();
	fetch_error = ERROR_TOO_BIG;
	q = question(&a, 60000);
	assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	RUN_UNTIL(ghost_requests.messages > 0);
	request = buffer_text(&ghost_requests.got);
	id = json_object_get(text_of(request.at, request.n - 1), TEXT("requestId"));
	id = text_of(id.at + 1, id.n - 2);
	answer_as(id, "\"ghost\"],\"node\":\"" GHOST "\"");
	answer_as(id, "\"twice\"],\"node\":\"" GHOST "\"");
	answer_as(id, "\"other\"]");
	assert_end(&a, 0, 3, 0, 0);
	assert_true(answered(&a, "ghost") && answered(&a, "other") && !answered(&a, "twice"));
	fetch_error = 0;
	ghost_goes();
	buffer_fini(&a.answers);
}

int
main(void)
{
#define BEATING(name) cmocka_unit_test_setup_teardown(name, start_beating, stop_beating)
	const struct CMUnitTest tests[] = {
		BEATING(silent_members_are_named),
		BEATING(a_silent_server_without_a_name_is_only_counted),
		BEATING(a_node_that_leaves_is_not_waited_for),
		BEATING(a_server_that_vanishes_is_not_waited_for),
		BEATING(a_silent_member_is_not_waited_for),
		BEATING(acknowledgements_of_a_node_that_left_are_missing),
		BEATING(a_second_answer_of_a_member_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
