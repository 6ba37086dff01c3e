/*
 * Three nodes over a hub in one loop. Each node logs the calls that its broker makes. A fourth participant, a plain
 * bus, plays peers that are confused or hostile.
 */
#ifndef TESTS_UNIT_BROKER_BROKER_NODES_H
#define TESTS_UNIT_BROKER_BROKER_NODES_H

#include <stdlib.h>

#include "tests/unit/broker/broker_bench.h"

#include "broker/broker.h"
#include "common/base/json.h"
#include "common/base/error.h"

#define NODES 3

struct node {
	struct broker *broker;
	struct broker_nsp *nsp, *other; /* "/" and "/a#b" */
	struct buffer log;
	struct broker_reply *kept; /* for a question that is answered later */
	bool closed;
	bool deserted; /* has no sockets */
	unsigned settled;
	char name;
};

static struct hub_bench hub;
static struct node nodes[NODES];
static struct bus_bench stranger;
static const char *secrets[NODES], *secrets_accepted[NODES];
static const struct bus_form *nodes_form = &bus_hub;
static const char *nodes_server; /* NULL: the hub */
static enum bus_subscription_mode nodes_mode;
static uint64_t beat_ms; /* between heartbeats; 0: the default */
static bool visits;	 /* whether the next node to start is a visitor */

static inline void
note_target(struct node *n, const struct wire_target *t)
{
	for (unsigned i = 0; i < t->room_count; i++)
		buffer_printf(&n->log, " +%.*s", (int)t->rooms[i].n, t->rooms[i].at);
	for (unsigned i = 0; i < t->except_count; i++)
		buffer_printf(&n->log, " -%.*s", (int)t->except[i].n, t->except[i].at);
	if (t->flags != 0)
		buffer_printf(&n->log, " !%u", t->flags);
}

static inline void
note(struct node *n, const char *what, struct text text)
{
	buffer_printf(&n->log, "%s%.*s", what, (int)text.n, text.at);
}

static inline struct node *
node_of(void *owner)
{
	return owner;
}

static inline bool
has_room(void *owner, struct text room)
{
	return text_is(room, TEXT("all")) || (room.n == 1 && room.at[0] == node_of(owner)->name);
}

static inline bool
has_sockets(void *owner)
{
	return !node_of(owner)->deserted;
}

static inline void
on_broadcast(void *owner, const struct wire_target *to, struct text data, const struct attachments *a)
{
	note(owner, "broadcast ", data);
	note_target(owner, to);
	buffer_printf(&node_of(owner)->log, " %u;", a != NULL ? a->count : 0);
}

/* Logs the event as on_broadcast() does for an event that is text. */
static inline void
on_broadcast_late(void *owner, const struct wire_target *to, const struct wire_event *event)
{
	struct attachments attachments;
	struct buffer json;

	attachments_init(&attachments);
	buffer_init(&json, 1 << 20);
	assert_int_equal(msgpack_to_json((const uint8_t *)event->array.at, event->array.n, JSON_DEPTH_MAX,
				 &attachments, &json),
		event->array.n);
	on_broadcast(owner, to, buffer_text(&json), &attachments);
	attachments_fini(&attachments);
	buffer_fini(&json);
}

static inline void
on_broadcast_ack(void *owner, const struct wire_target *to, struct text data, const struct attachments *a,
	struct broker_reply *reply)
{
	struct node *n = owner;

	(void)to;
	(void)a;
	note(n, "ask ", data);
	buffer_printf(&n->log, ";");
	broker_reply_count(reply, 2);
	broker_reply_count(reply, 2); /* the second answer is ignored */
	broker_reply_ack(reply, TEXT("\"first\""), NULL);
	if (n->name == 'c')
		n->kept = broker_reply_ref(reply);
	else
		broker_reply_ack(reply, TEXT_NONE, NULL);
}

static inline void
note_rooms(struct node *n, const char *what, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	buffer_printf(&n->log, "%s", what);
	for (unsigned i = 0; i < count; i++)
		buffer_printf(&n->log, " %.*s", (int)rooms[i].n, rooms[i].at);
	note_target(n, who);
	buffer_printf(&n->log, ";");
}

static inline void
on_join(void *owner, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	note_rooms(owner, "join", who, rooms, count);
}

static inline void
on_leave(void *owner, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	note_rooms(owner, "leave", who, rooms, count);
}

static inline void
on_disconnect(void *owner, const struct wire_target *who, bool close)
{
	note_rooms(owner, close ? "close" : "disconnect", who, NULL, 0);
}

static int fetch_error; /* the error of node c's answer */

/* What the nodes answer in a test with long answers. */
static struct {
	unsigned more;	  /* sockets of each node besides the one that is named like it */
	const char *data; /* data of the sockets; NULL: binary data */
	unsigned gone;	  /* how many of them are gone when the answer is written */
	unsigned binary;  /* one socket in this many has binary data instead; 0: none */
	/* called before a socket is appended to `json`; NULL: nothing is called */
	void (*on_written)(struct node *n, const struct buffer *json);
} crowd;

static inline void
on_select(void *owner, const struct wire_target *who, struct buffer *names)
{
	struct node *n = owner;
	char name[16];

	(void)who;
	broker_add_name(names, text_of(&n->name, 1));
	for (unsigned i = 0; i < crowd.more; i++) {
		snprintf(name, sizeof name, "%c%05u", n->name, i);
		broker_add_name(names, text_from(name));
	}
	if (n->name == 'c' && fetch_error != 0)
		buffer_fail(names, fetch_error);
}
static inline void
on_all_rooms(void *owner, struct buffer *names)
{
	broker_add_name(names, TEXT("all"));
	broker_add_name(names, text_of(&node_of(owner)->name, 1));
}

static inline void
on_socket(void *owner, struct text id, struct buffer *json, struct attachments *a)
{
	unsigned number = id.n > 1 ? (unsigned)atoi(id.at + 1) : 0;
	struct block *block;

	if (crowd.on_written != NULL)
		crowd.on_written(owner, json);
	if (id.n > 1 && number < crowd.gone)
		return;
	buffer_printf(json, "{\"id\":\"%.*s\",\"data\":", (int)id.n, id.at);
	if (crowd.data != NULL && (crowd.binary == 0 || number == 0 || number % crowd.binary != 0)) {
		buffer_printf(json, "%s}", crowd.data);
		return;
	}
	block = block_copy("x", 1);
	json_write_placeholder(json, a->count);
	buffer_add_byte(json, '}');
	attachments_add(a, block);
	block_unref(block);
}

static inline void
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

static inline void
on_settled(void *owner)
{
	node_of(owner)->settled++;
}

static const struct broker_ops ops = {has_room, has_sockets, on_broadcast, on_broadcast_late, on_broadcast_ack,
	on_join, on_leave, on_disconnect, on_select, on_all_rooms, on_socket, on_server_emit, on_settled, NULL, NULL,
	NULL};

static inline void
node_start(struct node *n, char name)
{
	struct broker_options o = {.form = nodes_form,
		.bus = {.server = nodes_server != NULL ? nodes_server : hub.url,
			.subscription_mode = nodes_mode,
			.key = "k",
			.max_queue = 1 << 20,
			.check_ms = 200,
			.timeout_ms = 1000},
		.secret = visits ? NULL : secrets[n - nodes],
		.secret_accepted = visits ? NULL : secrets_accepted[n - nodes],
		.requests_timeout_ms = 5000,
		.visitor = visits,
		/* workers of one node, of which only the first logs the states of the others */
		.members = {.interval_ms = beat_ms,
			.timeout_ms = 2 * beat_ms,
			.self = {.instance = "one-node--------", .worker = 1 + (uint32_t)(n - nodes)}}};
	char error[BUS_ERROR_MAX];

	memset(n, 0, sizeof *n);
	n->name = name;
	buffer_init(&n->log, 1 << 20);
	assert_int_equal(broker_new(&n->broker, &bench.loop, &o, &ops, error), 0);
	n->nsp = broker_nsp_new(n->broker, TEXT("/"), n);
	n->other = broker_nsp_new(n->broker, TEXT("/a#b"), n);
}

static inline bool
node_up(const struct node *n)
{
	struct broker_stats s;

	broker_stats(n->broker, &s);
	return s.bus.up;
}

static inline void
on_node_closed(void *arg)
{
	node_of(arg)->closed = true;
}

static inline void
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

static inline int
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

static inline int
stop(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		node_stop(&nodes[i]);
	bus_end(&stranger);
	hub_end(&hub);
	return bench_stop(state);
}

/* Expects exactly this log, once a marker that node a sends last has arrived. */
static inline void
told(unsigned which, const char *expected)
{
	struct node *n = &nodes[which];

	RUN_UNTIL(text_ends(buffer_text(&n->log), TEXT("server [\"marker\"];")));
	n->log.len -= sizeof "server [\"marker\"];" - 1;
	if (!text_is(buffer_text(&n->log), text_from(expected)))
		fail_msg("%c was told \"%.*s\", not \"%s\"", n->name, (int)n->log.len, n->log.data, expected);
	buffer_reset(&n->log);
}

static inline void
mark(void)
{
	assert_int_equal(broker_server_emit(nodes[0].nsp, TEXT("[\"marker\"]"), NULL), 0);
}

struct asked {
	struct buffer answers;
	unsigned ends, nodes, silent;
	uint64_t missing;
	int error;
	struct broker *broker; /* set by the test that wants `named` */
	char named[64];	       /* the worker numbers of the silent members */
};

static inline void
on_answer(void *arg, struct text json, const struct attachments *a)
{
	struct asked *q = arg;

	assert_int_equal(q->ends, 0);
	buffer_printf(&q->answers, "%.*s/%u ", (int)json.n, json.at ? json.at : "", a != NULL ? a->count : 0);
}

static inline void
note_silent(struct asked *q)
{
	const struct member_record *const *silent;
	unsigned n = q->broker != NULL ? broker_silent_members(q->broker, &silent) : 0;

	q->named[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		snprintf(q->named + strlen(q->named), sizeof q->named - strlen(q->named), "%u;",
			(unsigned)silent[i]->beat.about.worker);
}

static inline void
on_end(void *arg, int error, unsigned count, unsigned silent, uint64_t missing)
{
	struct asked *q = arg;

	q->ends++;
	q->error = error;
	q->nodes = count;
	q->silent = silent;
	q->missing = missing;
	note_silent(q);
}

static inline struct broker_question
question(struct asked *q, uint64_t timeout_ms)
{
	buffer_fini(&q->answers);
	memset(q, 0, sizeof *q);
	buffer_init(&q->answers, 1 << 20);
	return (struct broker_question){on_answer, on_end, q, timeout_ms};
}

static inline void
assert_end(struct asked *q, int error, unsigned count, unsigned silent, uint64_t missing)
{
	assert_int_equal(q->ends, 0);
	RUN_UNTIL(q->ends == 1);
	assert_int_equal(q->error, error);
	assert_int_equal(q->nodes, count);
	assert_int_equal(q->silent, silent);
	assert_int_equal(q->missing, missing);
}

static inline bool
answered(const struct asked *q, const char *one)
{
	return text_has(buffer_text(&q->answers), text_from(one));
}

#endif
