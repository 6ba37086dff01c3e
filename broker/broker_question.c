/*
 * What this node asks the others.
 *
 *   state     leaves by                                          to
 *   HELD      the namespace hears its answers                    ASKED
 *             the deadline, the bus is down                      ENDED
 *   ASKED     the count of nodes is known and all have answered  ENDED (0)
 *             the deadline                                       ENDED (ERROR_TIMEOUT)
 *             the bus is down, the namespace is freed            ENDED (ERROR_CLOSED)
 *   ENDED     told: at once from the loop, at the end of the turn where the asker still is in his call
 *
 * Answers do not name their node, so they are counted: a question is complete with as many as there are nodes. A
 * namespace that is new on this node is not counted by the server yet and would not hear the answers: its questions
 * are held until its subscription stands.
 */
#include "broker/broker_internal.h"
#include "broker/broker_trace.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define ANSWER_BYTES_MAX (UINT64_C(256) << 20) /* of one question; what comes beyond counts as not said */

struct question {
	struct table_node by_id, by_handle;
	struct list link; /* in nsp->questions, nsp->held or broker->ended */
	struct broker_nsp *nsp;
	struct broker_question q;
	struct wheel_entry deadline;
	struct bus_count count;
	enum wire_type type;
	struct block *held; /* the message, not sent yet */
	bool anyway;	    /* it is more than a question: it leaves whatever becomes of the answers */
	bool counted;
	unsigned nodes, answered;
	uint64_t clients, acks, bytes;
	uint64_t handle;
	int error; /* once ended */
	char id[WIRE_REQUEST_ID_LENGTH];
};

static int
publish_held(struct question *q)
{
	struct broker *b = q->nsp->broker;
	struct block *held = q->held;
	int rc;

	if (log_debug())
		broker_trace_out(q->nsp, BUS_REQUEST, TEXT_NONE, held->len);
	rc = b->form->publish(b->end, &q->nsp->member, BUS_REQUEST, TEXT_NONE, held);
	q->held = NULL;
	block_unref(held);
	return rc;
}

static void
forget(struct question *q)
{
	struct broker *b = q->nsp->broker;

	if (q->held != NULL && q->anyway)
		(void)publish_held(q); /* a message that is refused is counted by the bus */
	block_unref(q->held);
	list_remove(&q->link);
	loop_disarm(b->loop, &q->deadline);
	bus_count_cancel(&q->count);
	table_remove(&b->questions, &q->by_id);
	table_remove(&b->handles, &q->by_handle);
}

static unsigned
silent_of(const struct question *q)
{
	bool unknown = q->error != 0 && !q->counted;
	unsigned nodes = unknown ? q->nsp->others : q->nodes;

	if (nodes > q->answered)
		return nodes - q->answered;
	return unknown ? 1 : 0; /* "nobody is missing" may only be said by who has counted */
}

static void
tell(struct question *q)
{
	unsigned silent = silent_of(q);
	uint64_t missing = q->clients > q->acks ? q->clients - q->acks : 0;

	if (q->error == ERROR_TIMEOUT)
		q->nsp->broker->stats.timeouts++;
	forget(q);
	q->q.on_end(q->q.arg, q->error, q->nodes, silent, missing);
	mem_free(q);
}

/*
 * At the end of the turn, for those that ended in their own call. What is asked anew when an end is told waits for
 * the next turn: the bus stays down however often one asks.
 */
void
broker_questions_tell(struct broker *b)
{
	uint64_t last = b->last_handle;

	while (!list_empty(&b->ended)) {
		struct question *q = container_of(b->ended.next, struct question, link);

		if (q->handle > last)
			break;
		tell(q);
	}
}

static void
end_later(struct question *q, int error)
{
	struct broker *b = q->nsp->broker;

	q->error = error;
	list_remove(&q->link);
	list_add_tail(&b->ended, &q->link);
	loop_defer(b->loop, &b->call);
}

/* The first one of a namespace that has ended and is not told yet. */
static struct question *
ended_of(struct broker_nsp *n)
{
	struct list *it, *next;

	list_each(it, next, &n->broker->ended)
	{
		if (container_of(it, struct question, link)->nsp == n)
			return container_of(it, struct question, link);
	}
	return NULL;
}

void
broker_questions_end(struct broker_nsp *n)
{
	struct question *q;

	list_move_all(&n->questions, &n->held);
	while (!list_empty(&n->questions)) {
		q = container_of(n->questions.next, struct question, link);
		q->error = ERROR_CLOSED;
		tell(q);
	}
	while ((q = ended_of(n)) != NULL)
		tell(q);
}

static bool
complete(const struct question *q)
{
	return q->counted && q->answered >= q->nodes && q->acks >= q->clients;
}

static void
on_count(struct bus_count *c, int64_t count)
{
	struct question *q = container_of(c, struct question, count);
	int oneself = q->nsp->broker->visitor ? 0 : 1;

	if (count < 0) {
		q->error = ERROR_CLOSED;
		tell(q);
		return;
	}
	if (count < oneself || count > UINT32_MAX)
		return; /* not even oneself: a server that does not know all subscribers; the deadline ends it */
	q->counted = true;
	q->nodes = (unsigned)(count - oneself);
	q->nsp->others = q->nodes;
	if (complete(q))
		tell(q);
}

static void
on_deadline(struct wheel_entry *entry)
{
	struct question *q = container_of(entry, struct question, deadline);

	q->error = ERROR_TIMEOUT;
	tell(q);
}

static int64_t
question_new(struct broker_nsp *n, enum wire_type type, const struct broker_question *asked, struct question **out)
{
	struct broker *b = n->broker;
	struct question *q;

	if (b->questions.count >= BROKER_REQUESTS_MAX)
		return ERROR_TOO_MANY;
	q = mem_zalloc(sizeof *q);
	q->nsp = n;
	q->q = *asked;
	q->type = type;
	q->handle = ++b->last_handle;
	list_add_tail(&n->questions, &q->link);
	wheel_entry_init(&q->deadline, on_deadline);
	bus_count_init(&q->count, on_count);
	do {
		wire_make_id(q->id, sizeof q->id);
	} while (table_find(&b->questions, text_of(q->id, sizeof q->id)) != NULL);
	table_add(&b->questions, &q->by_id, text_of(q->id, sizeof q->id));
	table_add(&b->handles, &q->by_handle, text_of((const char *)&q->handle, sizeof q->handle));
	*out = q;
	return (int64_t)q->handle;
}

/* Counts who hears what was published just now: both leave in one write. */
static void
count(struct question *q)
{
	struct broker *b = q->nsp->broker;

	b->form->count(b->end, &q->count, &q->nsp->member);
}

/* Sends what is in b->out, or holds it; `anyway`: also where the bus is down, which then keeps it. */
static int64_t
ask(struct question *q, int rc, bool anyway)
{
	struct broker_nsp *n = q->nsp;
	struct broker *b = n->broker;
	bool up = b->form->up(b->end);

	q->held = broker_finish(n, BUS_REQUEST, TEXT_NONE, &rc);
	if (rc == 0 && up && broker_nsp_awaits(n)) {
		q->anyway = anyway;
		list_remove(&q->link);
		list_add_tail(&n->held, &q->link);
	} else if (rc == 0 && (up || anyway)) {
		rc = publish_held(q);
	}
	if (rc < 0) {
		forget(q);
		mem_free(q);
		return rc;
	}
	b->stats.requests_out++;
	if (!up) {
		end_later(q, ERROR_CLOSED);
		return (int64_t)q->handle;
	}
	if (q->held == NULL)
		count(q);
	loop_arm(b->loop, &q->deadline, q->q.timeout_ms > 0 ? q->q.timeout_ms : b->requests_timeout_ms);
	return (int64_t)q->handle;
}

void
broker_questions_settled(struct broker_nsp *n)
{
	struct broker *b = n->broker;
	bool up = b->form->up(b->end);

	while (!list_empty(&n->held)) {
		struct question *q = container_of(n->held.next, struct question, link);

		list_remove(&q->link);
		list_add_tail(&n->questions, &q->link);
		if ((up || q->anyway) && publish_held(q) == 0 && up)
			count(q);
		else
			end_later(q, ERROR_CLOSED);
	}
}

static struct text
id_of(const struct question *q)
{
	return text_of(q->id, sizeof q->id);
}

/* Nobody to ask. */
static int64_t
ask_nobody(struct question *q)
{
	end_later(q, 0);
	return (int64_t)q->handle;
}

int64_t
broker_ask_fetch(struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question)
{
	struct question *q;
	int64_t rc = question_new(n, WIRE_REMOTE_FETCH, question, &q);

	if (rc < 0)
		return rc;
	if (n->broker->form->alone)
		return ask_nobody(q);
	return ask(q, wire_write_fetch(&n->broker->out, broker_nsp_uid(n), id_of(q), who), false);
}

int64_t
broker_ask_sockets(struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question)
{
	struct question *q;
	int64_t rc = question_new(n, WIRE_SOCKETS, question, &q);

	if (rc < 0)
		return rc;
	if (n->broker->form->alone)
		return ask_nobody(q);
	return ask(q, wire_write_sockets(&n->broker->out, broker_nsp_uid(n), id_of(q), who), false);
}

int64_t
broker_ask_all_rooms(struct broker_nsp *n, const struct broker_question *question)
{
	struct question *q;
	int64_t rc = question_new(n, WIRE_ALL_ROOMS, question, &q);

	if (rc < 0)
		return rc;
	if (n->broker->form->alone)
		return ask_nobody(q);
	return ask(q, wire_write_all_rooms(&n->broker->out, broker_nsp_uid(n), id_of(q)), false);
}

int64_t
broker_ask_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments,
	const struct broker_question *question)
{
	struct question *q;
	int64_t rc = question_new(n, WIRE_SERVER_SIDE_EMIT, question, &q);

	if (rc < 0)
		return rc;
	if (n->broker->form->alone)
		return ask_nobody(q);
	return ask(q, wire_write_server_emit(&n->broker->out, broker_nsp_uid(n), id_of(q), data, attachments), true);
}

int64_t
broker_ask_ack(struct broker_nsp *n, const struct wire_target *to, struct text data,
	const struct attachments *attachments, const struct broker_question *question)
{
	struct question *q;
	int64_t rc = question_new(n, WIRE_BROADCAST, question, &q);

	if (rc < 0)
		return rc;
	if (n->broker->form->alone)
		return ask_nobody(q);
	return ask(q,
		wire_write_broadcast_ack(
			&n->broker->out, broker_nsp_uid(n), id_of(q), broker_nsp_name(n), to, data, attachments),
		true);
}

void
broker_ask_cancel(struct broker *b, int64_t handle)
{
	uint64_t key = (uint64_t)handle;
	struct table_node *node = table_find(&b->handles, text_of((const char *)&key, sizeof key));
	struct question *q;

	if (node == NULL)
		return;
	q = container_of(node, struct question, by_handle);
	forget(q);
	mem_free(q);
}

/* --------------------------------------------------------------- responses */

static bool
within_limit(struct question *q, struct text json)
{
	q->bytes += json.n;
	return q->bytes <= ANSWER_BYTES_MAX;
}

static void
answer(struct question *q, struct text json, const struct wire_message *m)
{
	q->q.on_answer(q->q.arg, json, broker_attachments(m));
}

/* False: not an answer to this question. `*node` tells that a node has answered. */
static bool
take(struct question *q, const struct wire_message *m, struct text *json, bool *node, bool *up)
{
	*node = *up = true;
	*json = m->answer;
	switch (q->type) {
	case WIRE_SOCKETS:
	case WIRE_REMOTE_FETCH:
		*json = m->sockets;
		return json->at != NULL;
	case WIRE_ALL_ROOMS:
		*json = m->all_rooms;
		return json->at != NULL;
	case WIRE_SERVER_SIDE_EMIT:
		return m->type == WIRE_SERVER_SIDE_EMIT;
	case WIRE_BROADCAST:
		*node = m->type == WIRE_BROADCAST_CLIENT_COUNT;
		*up = m->type == WIRE_BROADCAST_ACK;
		return *node || *up;
	default:
		return false;
	}
}

void
broker_on_response(struct broker_nsp *n, const struct bus_message *message)
{
	struct broker *b = n->broker;
	struct wire_message *m = &b->message;
	struct text payload = message->payload;
	struct table_node *node;
	struct question *q;
	struct text json;
	bool answered, up;
	uint64_t handle;
	int rc;

	if (!broker_open_seal(b, message->channel, &payload))
		return;
	rc = wire_read_response(m, payload);
	if (rc < 0) {
		broker_refuse(b, message->channel, rc);
		return;
	}
	node = table_find(&b->questions, m->request_id);
	if (node == NULL)
		return; /* of another node, or too late */
	q = container_of(node, struct question, by_id);
	if (q->nsp != n || !take(q, m, &json, &answered, &up) || !within_limit(q, json))
		return;
	q->answered += answered;
	if (q->type == WIRE_BROADCAST) {
		q->clients += answered ? m->clients : 0;
		q->acks += up;
	}
	handle = q->handle;
	if (up)
		answer(q, json, m);
	/* it may have been cancelled in the call */
	if (table_find(&b->handles, text_of((const char *)&handle, sizeof handle)) != NULL && complete(q))
		tell(q);
}
