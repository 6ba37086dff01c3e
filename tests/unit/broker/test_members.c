/* The list of members, over a bus that is an array and by a clock that stands still unless a test moves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ev.h>

#include "broker/members.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/unit/log_lines.h"

#define INTERVAL 5000
#define TIMEOUT 10000
#define NODES 4

struct node {
	struct members *members; /* NULL: not there */
	bool away;		 /* the bus is away */
	bool frozen;		 /* hears nothing and sends nothing, as if stopped */
	bool gone;		 /* its connections to the bus are closed */
	unsigned sent, changes, asked;
	uint64_t clients;
	const char *namespaces;
	int64_t servers, strangers, others;
};

static struct loop loop;
static struct ev_loop *ev;
static struct node nodes[NODES];

static struct node *
node_of(void *arg)
{
	return arg;
}

static bool
announce(void *arg, const struct beat *beat)
{
	struct node *from = arg;
	struct buffer out;
	struct beat heard;

	if (from->away)
		return false;
	if (from->frozen)
		return true;
	from->sent++;
	buffer_init(&out, BEAT_BYTES_MAX);
	assert_int_equal(beat_write(&out, beat), 0);
	assert_int_equal(beat_read(&heard, buffer_text(&out)), 0);
	for (unsigned i = 0; i < NODES; i++) {
		if (nodes[i].members != NULL && !nodes[i].away && !nodes[i].frozen)
			members_hear(nodes[i].members, &heard);
	}
	buffer_fini(&out);
	return true;
}

static void
describe(void *arg, struct beat *beat)
{
	beat->about.clients = node_of(arg)->clients;
	beat_add_namespace(beat, text_from(node_of(arg)->namespaces));
}

static struct text
id_of(unsigned which)
{
	return members_id(nodes[which].members);
}

static void
ask_presence(void *arg, struct bus_count *query, struct text id)
{
	int64_t count = 0;

	node_of(arg)->asked++;
	for (unsigned i = 0; i < NODES; i++)
		count += nodes[i].members != NULL && text_is(id_of(i), id) && !nodes[i].gone;
	query->answer(query, node_of(arg)->away ? ERROR_CLOSED : count);
}

static bool
ask_servers(void *arg, struct bus_count *query)
{
	query->answer(query, node_of(arg)->servers);
	return false;
}

static bool
ask_strangers(void *arg, struct bus_count *query)
{
	query->answer(query, node_of(arg)->strangers);
	return false;
}

static bool
ask_others(void *arg, struct bus_count *query)
{
	query->answer(query, node_of(arg)->others);
	return false;
}

static void
on_change(void *arg)
{
	node_of(arg)->changes++;
}

static const struct members_ops ops = {
	announce, describe, ask_presence, ask_servers, ask_strangers, ask_others, on_change};

static void
join_as(unsigned which, const struct beat_about *about)
{
	struct members_options o = {.self = *about, .interval_ms = INTERVAL, .timeout_ms = TIMEOUT};

	memset(&nodes[which], 0, sizeof nodes[which]);
	nodes[which].namespaces = "/";
	nodes[which].members = members_new(&loop, &o, &ops, &nodes[which]);
}

static void
join(unsigned which)
{
	join_as(which, &(struct beat_about){.host = "host", .version = "1", .mode = "redis", .node = which});
}

static void
leave(unsigned which)
{
	members_free(nodes[which].members);
	nodes[which].members = NULL;
}

static void
run_for(uint64_t ms)
{
	for (; ms > 0; ms -= 10) {
		loop.now += 10;
		wheel_run(loop.wheel, loop.now);
	}
}

static struct members_stats
stats_of(unsigned which)
{
	struct members_stats stats;

	members_stats(nodes[which].members, &stats);
	return stats;
}

static enum member_state
state_of(unsigned seen_by, struct text id)
{
	const struct member_record *member = members_find(nodes[seen_by].members, id);

	assert_non_null(member);
	return member->state;
}

static int
start(void **state)
{
	(void)state;
	ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&loop, ev);
	log_lines_start();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i++)
		leave(i);
	log_lines_stop();
	loop_fini(&loop);
	ev_loop_destroy(ev);
	return 0;
}

/* A newcomer knows everybody within half a second, not at the end of an interval. */
static void
members_know_each_other(void **state)
{
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;

	(void)state;
	join(0);
	run_for(1000);
	assert_int_equal(stats_of(0).count[MEMBER_SERVING], 1);
	join(1);
	nodes[1].clients = 7;
	run_for(600);
	join(2);
	run_for(600);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(stats_of(i).count[MEMBER_SERVING], 3);
	member = members_find(nodes[0].members, id_of(1));
	assert_non_null(member);
	assert_int_equal(member->beat.about.clients, 7);
	assert_int_equal(member->beat.about.node, 1);
	assert_true(beat_has_namespace(&member->beat, TEXT("/")));
	member = members_next(nodes[2].members, &cursor);
	assert_true(members_is_self(member));
	assert_non_null(members_next(nodes[2].members, &cursor));
	assert_non_null(members_next(nodes[2].members, &cursor));
	assert_null(members_next(nodes[2].members, &cursor));
}

/* Many that come one after another are answered together: otherwise a cluster that starts would be flooded. */
static void
newcomers_share_answers(void **state)
{
	struct beat beat = {.about = {.instance = "a7a7a7a7a7a7a7a7", .mode = "redis", .node = 9},
		.hello = true,
		.every_ms = 60000};
	unsigned before;

	(void)state;
	join(0);
	run_for(1000);
	before = nodes[0].sent;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(beat.about.id, sizeof beat.about.id, "%016u", i);
		beat.about.worker = i;
		members_hear(nodes[0].members, &beat);
		run_for(10);
	}
	run_for(500);
	assert_in_range(nodes[0].sent - before, 4, 6);
}

/* In an idle cluster each member sends one heartbeat per interval. */
static void
heartbeats_are_rare(void **state)
{
	unsigned before;

	(void)state;
	join(0);
	join(1);
	run_for(2000);
	before = nodes[0].sent + nodes[1].sent;
	assert_in_range(before, 2, 4); /* the first ones, and the answers to them */
	run_for(20 * INTERVAL);
	assert_in_range(nodes[0].sent + nodes[1].sent - before, 38, 42);
	assert_int_equal(nodes[0].changes + nodes[1].changes, 0);
	assert_int_equal(nodes[0].asked, 0);
}

/* In a large cluster heartbeats are rarer, and the time-out grows with their interval. */
static void
heartbeats_are_rarer_in_a_large_cluster(void **state)
{
	struct beat beat = {.about = {.instance = "a7a7a7a7a7a7a7a7", .mode = "redis", .node = 9}, .every_ms = 60000};
	unsigned before;

	(void)state;
	join(0);
	run_for(100);
	for (unsigned i = 0; i < MEMBERS_MAX + 10; i++) {
		snprintf(beat.about.id, sizeof beat.about.id, "%016u", i);
		beat.about.worker = i;
		members_hear(nodes[0].members, &beat);
	}
	assert_int_equal(stats_of(0).count[MEMBER_SERVING], 1 + MEMBERS_MAX);
	assert_int_equal(stats_of(0).ignored, 10);
	run_for(INTERVAL);
	before = nodes[0].sent;
	run_for(9 * INTERVAL);
	assert_int_equal(nodes[0].sent - before, 1);
	run_for(120000 - 10 * INTERVAL);
	assert_int_equal(stats_of(0).count[MEMBER_SILENT], 0);
	run_for(2000); /* when the members become silent, node 0 finds out that none of them is connected */
	assert_int_equal(stats_of(0).count[MEMBER_LOST], MEMBERS_MAX);
	snprintf(beat.about.id, sizeof beat.about.id, "newcomer00000000");
	members_hear(nodes[0].members, &beat); /* takes the place of a member that is gone */
	assert_int_equal(state_of(0, TEXT("newcomer00000000")), MEMBER_SERVING);
	run_for(MEMBERS_KEPT_MS);
	assert_int_equal(stats_of(0).count[MEMBER_LOST], 0);
}

static void
a_member_that_leaves_says_so(void **state)
{
	struct text left;

	(void)state;
	join(0);
	join(1);
	run_for(1000);
	members_drain(nodes[1].members);
	run_for(10);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_DRAINING);
	assert_int_equal(nodes[0].changes, 0);
	left = id_of(1);
	members_leave(nodes[1].members);
	assert_int_equal(state_of(0, left), MEMBER_LEFT);
	assert_int_equal(nodes[0].changes, 1);
	assert_int_equal(stats_of(0).count[MEMBER_LEFT], 1);
	leave(1);
	run_for(MEMBERS_KEPT_MS + 2000);
	assert_int_equal(stats_of(0).count[MEMBER_LEFT], 0);
	assert_true(logged("state=left"));
}

static void
silent_members_are_told_from_lost_ones(void **state)
{
	(void)state;
	join(0);
	join(1);
	join(2);
	run_for(1000);
	nodes[1].frozen = true;
	nodes[2].frozen = nodes[2].gone = true;
	run_for(TIMEOUT - 1500);
	assert_int_equal(stats_of(0).count[MEMBER_SERVING], 3);
	run_for(INTERVAL + 2000);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SILENT); /* still connected */
	assert_int_equal(state_of(0, id_of(2)), MEMBER_LOST);
	assert_in_range(nodes[0].changes, 1, 3);
	nodes[1].frozen = false;
	run_for(2 * INTERVAL);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	/* node 1 was stopped itself, so it does not count others as silent for heartbeats that it has not read */
	assert_int_equal(state_of(1, id_of(0)), MEMBER_SERVING);
}

/* A probe finds a killed member long before its time-out. */
static void
a_probe_finds_the_lost(void **state)
{
	(void)state;
	join(0);
	join(1);
	join(2);
	run_for(1000);
	members_probe(nodes[0].members);
	assert_int_equal(nodes[0].changes, 0);
	nodes[2].frozen = nodes[2].gone = true;
	members_probe(nodes[0].members);
	assert_int_equal(state_of(0, id_of(2)), MEMBER_LOST);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	assert_int_equal(nodes[0].changes, 1);
}

/* While the bus is away nobody can be heard, so nobody becomes silent. */
static void
an_outage_silences_nobody(void **state)
{
	(void)state;
	join(0);
	join(1);
	run_for(1000);
	nodes[0].away = true;
	run_for(10 * TIMEOUT);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	nodes[1].clients = 5;
	nodes[0].away = false;
	run_for(700); /* node 0 asks, and node 1 answers */
	assert_int_equal(members_find(nodes[0].members, id_of(1))->beat.about.clients, 5);
	run_for(2 * TIMEOUT);
	assert_int_equal(stats_of(0).count[MEMBER_SERVING], 2);
	assert_int_equal(nodes[0].changes, 0);
}

/* A link that delivers nothing is noticed late: members seem silent before this node knows that it is deaf. */
static void
an_outage_that_is_noticed_late_is_forgiven(void **state)
{
	(void)state;
	join(0);
	join(1);
	run_for(1000);
	nodes[0].frozen = true;
	run_for(TIMEOUT + INTERVAL);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SILENT);
	nodes[0].away = true;
	run_for(INTERVAL + 1000); /* node 0 notices with its next heartbeat that the bus is away */
	nodes[1].frozen = true;	  /* node 1 sends no heartbeat that would end its silence */
	nodes[0].away = nodes[0].frozen = false;
	run_for(200);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	assert_int_equal(members_silent(nodes[0].members), 0);
	run_for(TIMEOUT + 2 * INTERVAL);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SILENT);
}

/* While this process does not run, it hears nobody, so nobody becomes silent. */
static void
a_stopped_process_blames_nobody(void **state)
{
	(void)state;
	join(0);
	join(1);
	run_for(1000);
	nodes[1].frozen = true;
	loop.now += 10 * TIMEOUT;
	run_for(10);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	nodes[1].frozen = false;
	run_for(2 * INTERVAL);
	assert_int_equal(nodes[0].changes, 0);
}

/* A worker that starts again takes the place of its earlier run. */
static void
a_restarted_worker_replaces_itself(void **state)
{
	struct beat beat = {.about = {.id = "0000000000000001",
				    .instance = "a7a7a7a7a7a7a7a7",
				    .mode = "redis",
				    .node = 9,
				    .worker = 1,
				    .started_ms = 1000},
		.every_ms = INTERVAL};

	(void)state;
	join(0);
	run_for(100);
	members_hear(nodes[0].members, &beat);
	beat.about.worker = 2;
	memcpy(beat.about.id, "0000000000000002", BEAT_ID_LENGTH);
	members_hear(nodes[0].members, &beat);
	beat.about.started_ms = 2000;
	memcpy(beat.about.id, "0000000000000003", BEAT_ID_LENGTH);
	members_hear(nodes[0].members, &beat);
	assert_int_equal(state_of(0, TEXT("0000000000000001")), MEMBER_SERVING);
	assert_int_equal(state_of(0, TEXT("0000000000000002")), MEMBER_LOST);
	assert_int_equal(state_of(0, TEXT("0000000000000003")), MEMBER_SERVING);
	assert_int_equal(nodes[0].changes, 1);
}

/* A member announces new namespaces within a second, however many there are. */
static void
namespaces_are_told_soon(void **state)
{
	unsigned before;

	(void)state;
	join(0);
	join(1);
	run_for(2000);
	before = nodes[1].sent;
	nodes[1].namespaces = "/new";
	for (unsigned i = 0; i < 100; i++) {
		members_touch(nodes[1].members);
		run_for(10);
	}
	assert_true(beat_has_namespace(&members_find(nodes[0].members, id_of(1))->beat, TEXT("/new")));
	assert_in_range(nodes[1].sent - before, 1, 2);
}

/* Its connection was lost for so short a time that it did not miss a heartbeat of its own. */
static void
a_member_that_returns_is_known_again_soon(void **state)
{
	unsigned before;

	(void)state;
	join(0);
	join(1);
	run_for(2000);
	nodes[1].gone = nodes[1].frozen = true;
	members_probe(nodes[0].members);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_LOST);
	assert_int_equal(stats_of(0).arrived, 1);
	nodes[0].gone = true;
	members_probe(nodes[1].members);
	assert_int_equal(state_of(1, id_of(0)), MEMBER_LOST);
	nodes[0].gone = nodes[1].gone = nodes[1].frozen = false;
	before = nodes[0].sent + nodes[1].sent;
	members_return(nodes[1].members);
	run_for(20);
	assert_int_equal(state_of(0, id_of(1)), MEMBER_SERVING);
	assert_int_equal(stats_of(0).arrived, 2);
	run_for(500);
	assert_int_equal(state_of(1, id_of(0)), MEMBER_SERVING);
	assert_int_equal(nodes[0].sent + nodes[1].sent - before, 2);
}

static void
servers_without_heartbeats_are_counted(void **state)
{
	(void)state;
	join(0);
	nodes[0].servers = ERROR_CLOSED;
	run_for(1000);
	assert_int_equal(stats_of(0).foreign, -1);
	assert_int_equal(stats_of(0).counted_at, 0);
	join(1);
	nodes[0].servers = 5; /* this node, one member and three other servers */
	run_for(2 * INTERVAL);
	assert_int_equal(stats_of(0).foreign, 3);
	assert_true(stats_of(0).counted_at > 0);
	assert_int_equal(stats_of(0).arrived, 1);
	assert_int_equal(stats_of(0).counted_arrived, 1);
	nodes[0].servers = 2;
	run_for(2 * INTERVAL);
	assert_int_equal(stats_of(0).foreign, 0);
}

static void
conflicts_are_named_once(void **state)
{
	struct beat_about same_id = {.host = "twin", .version = "1", .mode = "redis", .node = 0},
			  sibling = {.host = "host", .version = "1", .mode = "redis", .node = 0, .worker = 1};
	struct beat_about odd = {.host = "odd", .version = "1", .mode = "streams", .node = 3, .db = 4};
	size_t n;

	(void)state;
	memcpy(sibling.instance, "a7a7a7a7a7a7a7a7", BEAT_ID_LENGTH);
	join_as(0,
		&(struct beat_about){
			.host = "host", .version = "1", .mode = "redis", .node = 0, .instance = "a7a7a7a7a7a7a7a7"});
	join_as(1, &sibling);
	run_for(2000);
	assert_int_equal(stats_of(0).conflicts, 0);
	join_as(2, &same_id);
	run_for(2000);
	assert_int_equal(stats_of(0).conflicts, 1u << CONFLICT_NODE_ID);
	assert_int_equal(stats_of(1).conflicts, 1u << CONFLICT_NODE_ID);
	assert_int_equal(stats_of(2).conflicts, 1u << CONFLICT_NODE_ID);
	assert_true(logged("another node has the same --node-id"));
	n = log_lines.len;
	run_for(20 * INTERVAL);
	assert_int_equal(
		log_lines.len, n);	 /* one line from each of the two nodes, although there are three workers */
	members_drain(nodes[2].members); /* as in a restart: the old run may overlap the new one */
	run_for(2000);
	assert_int_equal(stats_of(0).conflicts, 0);
	leave(2);
	join_as(3, &odd);
	nodes[0].strangers = 2;
	run_for(2 * INTERVAL);
	assert_int_equal(stats_of(0).conflicts, 1u << CONFLICT_DB | 1u << CONFLICT_MODE | 1u << CONFLICT_STRANGERS);
	assert_true(logged("pub/sub ignores the database"));
	assert_true(logged("another --redis-mode, --redis-subscription-mode or --redis-log"));
	assert_true(logged("adapters of another mode"));
	nodes[0].strangers = 0;
	nodes[0].others = 3;
	run_for(2 * INTERVAL);
	assert_true(logged("by the other kind of publish and subscribe, sharded or not\" servers=3"));
	assert_true(logged("use the same --redis-mode and --redis-stream-sharded-pub-sub"));
	assert_int_equal(stats_of(0).conflicts, 1u << CONFLICT_DB | 1u << CONFLICT_MODE | 1u << CONFLICT_PUB_SUB);
	nodes[0].others = 0;
	members_leave(nodes[3].members);
	run_for(2 * INTERVAL);
	assert_int_equal(stats_of(0).conflicts, 0);
}

static void
another_secret_is_named(void **state)
{
	struct beat beat = {.about = {.id = "0000000000000001", .host = "odd", .node = 9}, .every_ms = INTERVAL};

	(void)state;
	join(0);
	run_for(1000);
	members_mismatch(nodes[0].members, &beat);
	run_for(2000);
	assert_int_equal(stats_of(0).conflicts, 1u << CONFLICT_SECRET);
	assert_true(logged("--redis-secret"));
	assert_null(members_find(nodes[0].members, TEXT("0000000000000001")));
	run_for(3 * INTERVAL);
	assert_int_equal(stats_of(0).conflicts, 0);
}

static void
an_observer_is_not_seen(void **state)
{
	struct members_options o = {.self = {.mode = "redis"}, .observer = true};
	struct members_cursor cursor = {.started = false};

	(void)state;
	memset(&nodes[0], 0, sizeof nodes[0]);
	nodes[0].namespaces = "/";
	nodes[0].members = members_new(&loop, &o, &ops, &nodes[0]);
	assert_null(members_next(nodes[0].members, &cursor));
	assert_int_equal(id_of(0).n, 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		CASE(members_know_each_other),
		CASE(newcomers_share_answers),
		CASE(heartbeats_are_rare),
		CASE(heartbeats_are_rarer_in_a_large_cluster),
		CASE(a_member_that_leaves_says_so),
		CASE(silent_members_are_told_from_lost_ones),
		CASE(a_probe_finds_the_lost),
		CASE(an_outage_silences_nobody),
		CASE(an_outage_that_is_noticed_late_is_forgiven),
		CASE(a_stopped_process_blames_nobody),
		CASE(a_restarted_worker_replaces_itself),
		CASE(namespaces_are_told_soon),
		CASE(a_member_that_returns_is_known_again_soon),
		CASE(servers_without_heartbeats_are_counted),
		CASE(conflicts_are_named_once),
		CASE(another_secret_is_named),
		CASE(an_observer_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
