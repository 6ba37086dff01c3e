/*
 * Answers with many sockets: they are written and read over several turns, and each node still sends one message.
 * Work is counted for each turn of the loop, so the tests do not depend on the speed of the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/broker_question_internal.h"
#include "broker/bus_form.h"
#include "common/base/json.h"
#include "tests/unit/broker/broker_nodes.h"

#define MORE 6000
#define DATA "\"a text that makes the answer of each node longer than a quarter of a megabyte\""
/*
 * In one turn a node writes at most 128 KiB, where each socket counts as at least 128 bytes, and reads at most 128
 * KiB. What it reads may be MessagePack, which is a little longer as JSON.
 */
#define TURN_NAMES 1024
#define TURN_BYTES (160 * 1024)
#define GROWN_LEAST (64 * 1024)
/* The deadline of questions in tests with a silent node. The other nodes' answers arrive before it, even on a loaded
 * machine. */
#define PATIENCE_MS 4000

static struct {
	uint64_t turn;
	unsigned now, most, turns, all; /* sockets written in this turn, most in a turn, turns, all */
	size_t size;			/* of the buffer with the answer */
	unsigned grown;			/* how often that buffer has grown while it held GROWN_LEAST bytes or more */
} written[NODES];

static struct {
	uint64_t turn;
	size_t now, most;
	unsigned turns, sockets, binary;
	unsigned ends;
	int error;
	unsigned nodes, silent;
	void (*on_part)(void); /* NULL: nothing is called */
} read_here;

/* Unlike RUN_UNTIL(), ends each turn once. The check messages of the buses wake the loop. */
#define RUN_TURNS_UNTIL(condition)                                                                                   \
	do {                                                                                                         \
		uint64_t deadline_ = bench_clock() + 60000;                                                          \
		while (!(condition)) {                                                                               \
			if (bench_clock() > deadline_)                                                               \
				fail_msg("never came true: %s", #condition);                                         \
			ev_run(bench.ev, EVRUN_ONCE);                                                                \
		}                                                                                                    \
	} while (0)

static uint64_t
turn_now(void)
{
	return *bench.loop.pulse;
}

static void
on_written(struct node *n, const struct buffer *json)
{
	unsigned i = (unsigned)(n - nodes);

	written[i].grown += json->len >= GROWN_LEAST && json->size != written[i].size;
	written[i].size = json->size;

	if (written[i].turn != turn_now()) {
		written[i].turn = turn_now();
		written[i].turns++;
		written[i].now = 0;
	}
	written[i].all++;
	if (++written[i].now > written[i].most)
		written[i].most = written[i].now;
}

static void
on_part(void *arg, struct text json, const struct attachments *a)
{
	struct text element;

	(void)arg;
	if (read_here.turn != turn_now()) {
		read_here.turn = turn_now();
		read_here.turns++;
		read_here.now = 0;
	}
	read_here.now += json.n;
	if (read_here.now > read_here.most)
		read_here.most = read_here.now;
	while (json_array_next(&json, &element))
		read_here.sockets++;
	read_here.binary += a != NULL ? a->count : 0;
	if (read_here.on_part != NULL)
		read_here.on_part();
}

static void
on_parts_end(void *arg, int error, unsigned count, unsigned silent, uint64_t missing)
{
	(void)arg;
	(void)missing;
	read_here.ends++;
	read_here.error = error;
	read_here.nodes = count;
	read_here.silent = silent;
}

static int64_t
ask(uint64_t timeout_ms)
{
	static const struct wire_target all = {.flags = 0};
	struct broker_question q = {on_part, on_parts_end, NULL, timeout_ms};

	memset(written, 0, sizeof written);
	memset(&read_here, 0, sizeof read_here);
	return broker_ask_fetch(nodes[0].nsp, &all, &q);
}

static int
start_crowd(void **state)
{
	crowd.more = MORE;
	crowd.data = DATA;
	crowd.gone = 0;
	crowd.on_written = on_written;
	return start(state);
}

static int
stop_crowd(void **state)
{
	memset(&crowd, 0, sizeof crowd);
	memset(secrets, 0, sizeof secrets);
	memset(secrets_accepted, 0, sizeof secrets_accepted);
	return stop(state);
}

static void
assert_answered_in_slices(unsigned sockets)
{
	RUN_TURNS_UNTIL(read_here.ends == 1);
	assert_int_equal(read_here.error, 0);
	assert_int_equal(read_here.nodes, 2);
	assert_int_equal(read_here.silent, 0);
	assert_int_equal(read_here.sockets, sockets);
	for (unsigned i = 1; i < NODES; i++) {
		assert_in_range(written[i].most, 1, TURN_NAMES);
		assert_in_range(written[i].turns, MORE / TURN_NAMES, MORE);
	}
	assert_in_range(read_here.most, 1, TURN_BYTES);
	assert_in_range(read_here.turns, 4, MORE);
}

static void
a_long_answer_takes_several_turns_on_both_sides(void **state)
{
	(void)state;
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE + 1));
	assert_int_equal(written[1].all, MORE + 1);
	assert_int_equal(written[1].grown, 0); /* a large buffer takes long to grow */
}

static void
a_long_answer_with_binary_data_is_one_message_too(void **state)
{
	(void)state;
	crowd.binary = MORE / 3;
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE + 1));
	assert_int_equal(read_here.binary, 2 * 2);
	assert_in_range(written[1].all, MORE + 1 + MORE / 3, 2 * (MORE + 1)); /* the answer began again */
}

static void
sockets_that_have_gone_meanwhile_are_left_out(void **state)
{
	(void)state;
	crowd.gone = MORE / 2;
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE / 2 + 1));
	crowd.binary = MORE - 1; /* MessagePack, whose lists begin with their length */
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE / 2 + 1));
	assert_int_equal(read_here.binary, 2);
	crowd.gone = MORE - 3;
	crowd.more = MORE;
	assert_true(ask(60000) > 0);
	RUN_TURNS_UNTIL(read_here.ends == 1);
	assert_int_equal(read_here.sockets, 2 * (3 + 1)); /* short in the end */
}

static void
long_answers_are_sealed(void **state)
{
	(void)state;
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE + 1));
}

static int
start_sealed(void **state)
{
	secrets[0] = "new";
	secrets_accepted[0] = "old";
	secrets[1] = "old"; /* b has not changed the secret yet */
	secrets_accepted[1] = "new";
	secrets[2] = "new";
	secrets_accepted[2] = "old";
	return start_crowd(state);
}

static uint64_t
forged(void)
{
	struct broker_stats stats;

	broker_stats(nodes[0].broker, &stats);
	return stats.forged;
}

/* Node a does not accept the secret of c's answers, but c accepts that of a's questions. */
static void
a_long_answer_with_a_wrong_seal_is_dropped(void **state)
{
	uint64_t before;

	(void)state;
	before = forged();
	assert_true(ask(PATIENCE_MS) > 0);
	RUN_TURNS_UNTIL(read_here.ends == 1);
	assert_int_equal(read_here.error, ERROR_TIMEOUT);
	assert_int_equal(read_here.sockets, MORE + 1);
	assert_true(forged() > before);
}

static int
start_half_sealed(void **state)
{
	secrets[0] = secrets[1] = "one";
	secrets[2] = "two";
	secrets_accepted[2] = "one";
	return start_crowd(state);
}

static int64_t asked;

static void
cancel_question(void)
{
	broker_ask_cancel(nodes[0].broker, asked);
}

static void
free_namespace(void)
{
	broker_nsp_free(nodes[0].nsp);
	nodes[0].nsp = NULL;
}

static void
a_question_may_end_between_two_parts(void **state)
{
	unsigned sockets;

	(void)state;
	asked = ask(60000);
	read_here.on_part = cancel_question;
	RUN_TURNS_UNTIL(read_here.sockets > 0);
	sockets = read_here.sockets;
	assert_in_range(sockets, 1, MORE);
	/* the next question is answered, and the rest of the answers to the last question is not passed up */
	assert_true(ask(60000) > 0);
	assert_answered_in_slices(2 * (MORE + 1));
	assert_true(ask(60000) > 0);
	read_here.on_part = free_namespace;
	RUN_TURNS_UNTIL(nodes[0].nsp == NULL);
	assert_int_equal(read_here.ends, 1);
	assert_int_equal(read_here.error, ERROR_CLOSED);
}

/* A node that leaves the namespace while it writes an answer sends none. */
static void
a_namespace_may_go_while_an_answer_is_written(void **state)
{
	(void)state;
	assert_true(ask(PATIENCE_MS) > 0);
	RUN_TURNS_UNTIL(written[1].all > 0);
	assert_in_range(written[1].all, 1, MORE);
	broker_nsp_free(nodes[1].nsp);
	nodes[1].nsp = NULL;
	RUN_TURNS_UNTIL(read_here.ends == 1);
	assert_int_equal(read_here.sockets, MORE + 1);
}

/* One answer is written at a time; the others wait. */
static void
questions_wait_for_one_another(void **state)
{
	static const struct wire_target all = {.flags = 0};
	struct broker_question q = {on_part, on_parts_end, NULL, 60000};

	(void)state;
	assert_true(ask(60000) > 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(broker_ask_fetch(nodes[0].nsp, &all, &q) > 0);
	RUN_TURNS_UNTIL(read_here.ends == 4);
	assert_int_equal(read_here.error, 0);
	assert_int_equal(read_here.sockets, 4 * 2 * (MORE + 1));
	assert_in_range(written[1].most, 1, TURN_NAMES);
	assert_in_range(read_here.most, 1, TURN_BYTES);
}

/* The answer is malformed in its middle: what came before has been passed up, and the node counts as silent. */
static void
a_malformed_long_answer_does_not_count(void **state)
{
	struct broker_stats stats;

	(void)state;
	crowd.data = "\"" DATA; /* not JSON */
	assert_true(ask(PATIENCE_MS) > 0);
	RUN_TURNS_UNTIL(read_here.ends == 1);
	assert_int_equal(read_here.error, ERROR_TIMEOUT);
	assert_int_equal(read_here.silent, 2);
	broker_stats(nodes[0].broker, &stats);
	assert_int_equal(stats.malformed, 2);
}

/* Makes an answer of `n` bytes to the question, with CR and LF behind it in the block. Only its start is read. */
static struct block *
make_answer(const struct question *question, size_t n)
{
	struct block *block = block_new(n + 2);

	sprintf((char *)block->data, "{\"requestId\":\"%.*s\",\"sockets\":[0", (int)nodes[0].broker->codec->id_length,
		question->id);
	return block;
}

static void
bring(struct block *block)
{
	const struct bus_message message = {.kind = BUS_OWN_RESPONSE,
		.channel = TEXT("c"),
		.payload = text_of((const char *)block->data, block->len - 2),
		.block = block};

	assert_true(broker_read_list(nodes[0].nsp, &message));
}

/* Four messages of the greatest length are exactly 256 MiB, the limit. Their blocks hold more, and exceed it. */
static void
what_a_kept_block_has_besides_the_answer_counts_too(void **state)
{
	struct block *longest, *last;
	const struct question *question;
	struct broker_stats stats;

	(void)state;
	assert_true(ask(60000) > 0);
	question = container_of(nodes[0].nsp->questions.next, struct question, link);
	longest = make_answer(question, WIRE_PAYLOAD_MAX);
	last = make_answer(question, WIRE_PAYLOAD_MAX - 6);
	for (int i = 0; i < 3; i++)
		bring(longest);
	broker_stats(nodes[0].broker, &stats);
	assert_int_equal(stats.malformed, 0);
	bring(last); /* would fit if only the bytes of messages counted */
	bring(longest);
	broker_stats(nodes[0].broker, &stats);
	assert_int_equal(stats.malformed, 2);
	free_namespace();
	block_unref(longest);
	block_unref(last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_long_answer_takes_several_turns_on_both_sides, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(
			a_long_answer_with_binary_data_is_one_message_too, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(
			sockets_that_have_gone_meanwhile_are_left_out, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(long_answers_are_sealed, start_sealed, stop_crowd),
		cmocka_unit_test_setup_teardown(
			a_long_answer_with_a_wrong_seal_is_dropped, start_half_sealed, stop_crowd),
		cmocka_unit_test_setup_teardown(a_question_may_end_between_two_parts, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(
			a_namespace_may_go_while_an_answer_is_written, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(questions_wait_for_one_another, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(a_malformed_long_answer_does_not_count, start_crowd, stop_crowd),
		cmocka_unit_test_setup_teardown(
			what_a_kept_block_has_besides_the_answer_counts_too, start_crowd, stop_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
