/*
 * A cluster changes its secret without losing a message. The nodes are restarted one after the other, three times, so
 * nodes of two neighbouring steps work side by side. Nodes that skip a step do not hear one another.
 */
#include "tests/unit/broker/broker_nodes.h"

/* what docs/cluster.md tells operators to set; the first row is the state before, the last one the state after */
static const struct {
	const char *secret, *accepted;
} steps[] = {{"old", NULL}, {"old", "new"}, {"new", "old"}, {"new", NULL}};

/* Node a is at step `first`, the others at step `second`. */
static void
start_at(unsigned first, unsigned second, void **state)
{
	for (unsigned i = 0; i < NODES; i++) {
		secrets[i] = steps[i == 0 ? first : second].secret;
		secrets_accepted[i] = steps[i == 0 ? first : second].accepted;
	}
	start(state);
}

static int
forget_secrets(void **state)
{
	(void)state;
	memset(secrets, 0, sizeof secrets);
	memset(secrets_accepted, 0, sizeof secrets_accepted);
	return 0;
}

static uint64_t
forged(unsigned which)
{
	struct broker_stats s;

	broker_stats(nodes[which].broker, &s);
	return s.forged;
}

static void
neighbouring_steps_hear_one_another(void **state)
{
	struct wire_target all = {.flags = 0};

	for (unsigned step = 0; step + 1 < sizeof steps / sizeof *steps; step++) {
		struct asked a = {.ends = 0};
		struct broker_question q;

		start_at(step, step + 1, state);
		broker_broadcast(nodes[2].nsp, &all, TEXT("[\"of the new\"]"), NULL);
		RUN_UNTIL(nodes[0].log.len > 0 && nodes[1].log.len > 0);
		broker_broadcast(nodes[0].nsp, &all, TEXT("[\"of the old\"]"), NULL);
		mark();
		told(1, "broadcast [\"of the new\"] 0;broadcast [\"of the old\"] 0;");
		told(2, "broadcast [\"of the old\"] 0;");
		q = question(&a, 0);
		assert_true(broker_ask_all_rooms(nodes[0].nsp, &q) > 0);
		assert_end(&a, 0, 2, 0, 0);
		buffer_fini(&a.answers);
		assert_int_equal(forged(0) + forged(1) + forged(2), 0);
		stop(state);
	}
}

static void
a_skipped_step_is_refused_and_counted(void **state)
{
	struct wire_target all = {.flags = 0};

	start_at(0, 2, state);
	broker_broadcast(nodes[1].nsp, &all, TEXT("[\"of the new\"]"), NULL);
	RUN_UNTIL(forged(0) == 1);
	assert_int_equal(nodes[0].log.len, 0);
	stop(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(neighbouring_steps_hear_one_another, forget_secrets),
		cmocka_unit_test_teardown(a_skipped_step_is_refused_and_counted, forget_secrets),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
