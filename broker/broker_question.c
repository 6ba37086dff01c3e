/*
 * Questions of this node to the other nodes: how they are asked and how they end. broker_question_answers.c has the
 * answers, broker_recount.c the servers that go while answers are missing.
 *
 *   state     event                                                next state
 *   HELD      the namespace's subscriptions are confirmed          ASKED
 *             the deadline passes                                  ENDED (ERROR_TIMEOUT)
 *             the bus goes down, or the namespace is freed         ENDED (ERROR_CLOSED)
 *   ASKED     the number of nodes is known and all have answered   ENDED (0)
 *             the deadline passes                                  ENDED (ERROR_TIMEOUT)
 *             the bus goes down, or the namespace is freed         ENDED (ERROR_CLOSED)
 *   ENDED     on_end is called
 *
 * on_end is called at once if an event from the loop ended the question. A question that ends inside broker_ask_*()
 * or while held questions are being released is reported at the end of the turn.
 *
 * Answers are counted: a question is complete when there are as many answers as nodes. Members of the cluster name
 * themselves in their answers (answerers.h), Node.js servers do not. A question does not wait for a server that has
 * gone since it was asked, nor for a member that is silent beyond its time-out. To find servers that have gone, the
 * broker counts the servers again every RECOUNT_MS while answers are missing, and at once if a member says that it
 * leaves.
 *
 * The server does not count a namespace that was just added on this node, and the namespace would not receive
 * the answers. Its questions are therefore held until its subscriptions are confirmed.
 */
#include "broker/broker_question_internal.h"
#include "broker/broker_trace.h"

#include "common/base/error.h"
#include "common/base/mem.h"

static struct text
question_id(const struct question *question)
{
	return text_of(question->id, question->nsp->broker->codec->id_length);
}

static int
question_publish(struct question *question)
{
	struct broker *broker = question->nsp->broker;
	struct block *held = question->held;
	int rc;

	if (log_debug())
		broker_trace_out(question->nsp, BUS_REQUEST, TEXT_NONE, held->len);
	rc = broker->form->publish(broker->end, &question->nsp->member, BUS_REQUEST, TEXT_NONE, held);
	question->held = NULL;
	block_unref(held);
	return rc;
}

static void
question_detach(struct question *question)
{
	struct broker *broker = question->nsp->broker;

	if (question->held != NULL && question->must_send)
		(void)question_publish(question); /* the bus counts a message that it refuses */
	block_unref(question->held);
	list_remove(&question->link);
	loop_disarm(broker->loop, &question->deadline);
	bus_count_cancel(&question->count);
	table_remove(&broker->questions, &question->by_id);
	table_remove(&broker->handles, &question->by_handle);
}

static void
question_free(struct question *question)
{
	answerers_fini(&question->answerers);
	mem_free(question);
}

static unsigned
question_silent(const struct question *question)
{
	bool unknown = question->error != 0 && !question->counted;
	unsigned nodes = unknown ? question->nsp->others : question->nodes;

	if (nodes > question->answered)
		return nodes - question->answered;
	return unknown ? 1 : 0; /* only a node that knows the count can say that no answer is missing */
}

void
question_finish(struct question *question)
{
	struct broker *broker = question->nsp->broker;
	unsigned silent = question_silent(question);
	uint64_t missing = question->clients > question->acks ? question->clients - question->acks : 0;

	if (question->error == 0 && question->incomplete)
		question->error = ERROR_TIMEOUT;
	if (question->error == ERROR_TIMEOUT)
		broker->stats.timeouts++;
	broker->silent_count =
		silent > 0 ? answerers_name_silent(&question->answerers, broker->members,
				     broker_nsp_name(question->nsp), silent, broker->silent, BROKER_SILENT_MAX)
			   : 0;
	question_detach(question);
	question->asked.on_end(question->asked.arg, question->error, question->nodes, silent, missing);
	question_free(question);
}

/*
 * Finishes the questions in broker->ended at the end of the turn. A question asked from an on_end called here waits
 * for the next turn: a caller that asks again at once while the bus is down would otherwise keep this function
 * running for ever.
 */
void
broker_questions_report(struct broker *broker)
{
	uint64_t last = broker->last_handle;

	while (!list_empty(&broker->ended)) {
		struct question *question = container_of(broker->ended.next, struct question, link);

		if (question->handle > last)
			break;
		question_finish(question);
	}
}

void
question_finish_later(struct question *question, int error)
{
	struct broker *broker = question->nsp->broker;

	question->error = error;
	list_remove(&question->link);
	list_add_tail(&broker->ended, &question->link);
	loop_defer(broker->loop, &broker->call);
}

/* Returns the first question of a namespace that has ended but whose on_end has not been called, or NULL. */
static struct question *
question_first_ended(struct broker_nsp *nsp)
{
	struct list *it, *next;

	list_each(it, next, &nsp->broker->ended)
	{
		if (container_of(it, struct question, link)->nsp == nsp)
			return container_of(it, struct question, link);
	}
	return NULL;
}

void
broker_questions_end(struct broker_nsp *nsp)
{
	struct question *question;

	bus_count_cancel(&nsp->recount);
	list_move_all(&nsp->questions, &nsp->held);
	while (!list_empty(&nsp->questions)) {
		question = container_of(nsp->questions.next, struct question, link);
		question->error = ERROR_CLOSED;
		question_finish(question);
	}
	while ((question = question_first_ended(nsp)) != NULL)
		question_finish(question);
}

static bool
question_is_complete(const struct question *question)
{
	return question->counted && question->answered >= question->nodes && question->acks >= question->clients;
}

bool
question_may_end(struct question *question)
{
	const struct members *members = question->nsp->broker->members;
	unsigned abandoned;
	uint64_t lost;

	if (question_is_complete(question))
		return true;
	if (!question->counted || (members_silent(members) == 0 && !question->troubled))
		return false;
	abandoned = answerers_abandoned(&question->answerers, members, broker_nsp_name(question->nsp));
	lost = answerers_lost_acks(&question->answerers, members);
	question->incomplete =
		question->answered + abandoned >= question->reachable && question->acks + lost >= question->clients;
	return question->incomplete;
}

static void
question_on_count(struct bus_count *query, int64_t count)
{
	struct question *question = container_of(query, struct question, count);
	int self = question->nsp->broker->visitor ? 0 : 1;

	if (count == ERROR_UNSUPPORTED)
		return; /* the deadline ends the question */
	if (count < 0) {
		question->error = ERROR_CLOSED;
		question_finish(question);
		return;
	}
	/* a count that lacks even this node is wrong; the deadline then ends the question */
	if (count < self || count > UINT32_MAX)
		return;
	question->counted = true;
	question->nodes = question->first_count = question->last_count = question->reachable =
		(unsigned)(count - self);
	question->nsp->others = question->nodes;
	if (question_may_end(question))
		question_finish(question);
}

static void
question_on_deadline(struct wheel_entry *entry)
{
	struct question *question = container_of(entry, struct question, deadline);

	question->error = ERROR_TIMEOUT;
	question_finish(question);
}

static int64_t
question_new(struct broker_nsp *nsp, enum wire_type type, const struct broker_question *asked, struct question **out)
{
	struct broker *broker = nsp->broker;
	struct question *question;

	if (broker->questions.count >= BROKER_REQUESTS_MAX)
		return ERROR_TOO_MANY;
	question = mem_zalloc(sizeof *question);
	question->nsp = nsp;
	question->asked = *asked;
	question->type = type;
	question->handle = ++broker->last_handle;
	list_add_tail(&nsp->questions, &question->link);
	wheel_entry_init(&question->deadline, question_on_deadline);
	bus_count_init(&question->count, question_on_count);
	answerers_init(&question->answerers, broker->members);
	do {
		broker->codec->make_id(question->id);
	} while (table_find(&broker->questions, question_id(question)) != NULL);
	table_add(&broker->questions, &question->by_id, question_id(question));
	table_add(&broker->handles, &question->by_handle,
		text_of((const char *)&question->handle, sizeof question->handle));
	*out = question;
	return (int64_t)question->handle;
}

/* Asks for the number of nodes. The request and the message published before it leave in one write. */
static void
question_count_nodes(struct question *question)
{
	struct broker *broker = question->nsp->broker;

	question->asked_at = broker->loop->now;
	broker->form->count(broker->end, &question->count, &question->nsp->member);
	broker_recounts_begin(broker);
}

void
broker_questions_init(struct broker *broker)
{
	list_init(&broker->ended);
	table_init(&broker->questions);
	table_init(&broker->handles);
	wheel_entry_init(&broker->recount_timer, broker_on_recount_timer);
}

void
broker_questions_fini(struct broker *broker)
{
	loop_disarm(broker->loop, &broker->recount_timer);
	table_fini(&broker->questions);
	table_fini(&broker->handles);
}

void
broker_questions_begin(struct broker_nsp *nsp)
{
	list_init(&nsp->questions);
	list_init(&nsp->held);
	bus_count_init(&nsp->recount, broker_on_recount);
}

static uint64_t
question_timeout(const struct broker *broker, const struct broker_question *asked)
{
	return asked->timeout_ms > 0 ? asked->timeout_ms : broker->requests_timeout_ms;
}

/*
 * Sends the message in broker->out, or holds it. If `must_send` is true, the message goes to the bus even if the bus
 * is down, and waits there.
 */
static int64_t
question_send(struct question *question, int rc, bool must_send)
{
	struct broker_nsp *nsp = question->nsp;
	struct broker *broker = nsp->broker;
	bool up = broker->form->up(broker->end);

	question->held = broker_take_payload(nsp, BUS_REQUEST, TEXT_NONE, &rc);
	if (rc == 0 && up && broker_nsp_awaits(nsp)) {
		question->must_send = must_send;
		list_remove(&question->link);
		list_add_tail(&nsp->held, &question->link);
	} else if (rc == 0 && (up || must_send)) {
		rc = question_publish(question);
	}
	if (rc < 0) {
		question_detach(question);
		question_free(question);
		return rc;
	}
	broker->stats.requests_out++;
	if (!up) {
		question_finish_later(question, ERROR_CLOSED);
		return (int64_t)question->handle;
	}
	if (question->held == NULL)
		question_count_nodes(question);
	loop_arm(broker->loop, &question->deadline, question_timeout(broker, &question->asked));
	return (int64_t)question->handle;
}

void
broker_questions_settled(struct broker_nsp *nsp)
{
	struct broker *broker = nsp->broker;
	bool up = broker->form->up(broker->end);

	while (!list_empty(&nsp->held)) {
		struct question *question = container_of(nsp->held.next, struct question, link);

		list_remove(&question->link);
		list_add_tail(&nsp->questions, &question->link);
		if ((up || question->must_send) && question_publish(question) == 0 && up)
			question_count_nodes(question);
		else
			question_finish_later(question, ERROR_CLOSED);
	}
}

/*
 * Makes a question and the address that its message carries. A single node has no other nodes to ask, so its question
 * ends at once. Returns the handle or an error; `*out` is NULL if there is nothing to send.
 */
static int64_t
question_begin(struct broker_nsp *nsp, enum wire_type type, const struct broker_question *asked,
	struct question **out, struct wire_from *from)
{
	int64_t rc = question_new(nsp, type, asked, out);

	if (rc >= 0 && nsp->broker->form->alone)
		question_finish_later(*out, 0);
	if (rc < 0 || nsp->broker->form->alone) {
		*out = NULL;
		return rc;
	}
	*from = broker_from(nsp, question_id(*out));
	return rc;
}

int64_t
broker_ask_fetch(struct broker_nsp *nsp, const struct wire_target *who, const struct broker_question *asked)
{
	struct broker *broker = nsp->broker;
	struct question *question;
	struct wire_from from;
	int64_t rc = question_begin(nsp, WIRE_REMOTE_FETCH, asked, &question, &from);

	if (question == NULL)
		return rc;
	return question_send(question, broker->codec->write_fetch(&broker->out, &from, who), false);
}

int64_t
broker_ask_sockets(struct broker_nsp *nsp, const struct wire_target *who, const struct broker_question *asked)
{
	const struct wire_target in = {.rooms = who->rooms, .room_count = who->room_count};
	struct broker *broker = nsp->broker;
	struct question *question;
	struct wire_from from;
	int64_t rc = question_begin(nsp, WIRE_SOCKETS, asked, &question, &from);

	if (question == NULL)
		return rc;
	if (broker->codec->write_sockets == NULL)
		return question_send(question, broker->codec->write_fetch(&broker->out, &from, &in), false);
	return question_send(question, broker->codec->write_sockets(&broker->out, &from, &in), false);
}

int64_t
broker_ask_all_rooms(struct broker_nsp *nsp, const struct broker_question *asked)
{
	static const struct wire_target everyone;
	struct broker *broker = nsp->broker;
	struct question *question;
	struct wire_from from;
	int64_t rc = question_begin(nsp, WIRE_ALL_ROOMS, asked, &question, &from);

	if (question == NULL)
		return rc;
	if (broker->codec->write_all_rooms == NULL)
		return question_send(question, broker->codec->write_fetch(&broker->out, &from, &everyone), false);
	return question_send(question, broker->codec->write_all_rooms(&broker->out, &from), false);
}

int64_t
broker_ask_server_emit(struct broker_nsp *nsp, struct text data, const struct attachments *attachments,
	const struct broker_question *asked)
{
	struct broker *broker = nsp->broker;
	struct question *question;
	struct wire_from from;
	int64_t rc = question_begin(nsp, WIRE_SERVER_SIDE_EMIT, asked, &question, &from);

	if (question == NULL)
		return rc;
	return question_send(
		question, broker->codec->write_server_emit(&broker->out, &from, data, attachments), true);
}

int64_t
broker_ask_ack(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, const struct broker_question *asked)
{
	struct broker *broker = nsp->broker;
	struct question *question;
	struct wire_from from;
	int64_t rc = question_begin(nsp, WIRE_BROADCAST, asked, &question, &from);

	if (question == NULL)
		return rc;
	return question_send(question,
		broker->codec->write_broadcast_ack(
			&broker->out, &from, to, data, attachments, question_timeout(broker, asked)),
		true);
}

unsigned
broker_silent_members(const struct broker *broker, const struct member_record *const **out)
{
	*out = broker->silent;
	return broker->silent_count;
}

void
broker_ask_cancel(struct broker *broker, int64_t handle)
{
	uint64_t key = (uint64_t)handle;
	struct table_node *node = table_find(&broker->handles, text_of((const char *)&key, sizeof key));
	struct question *question;

	if (node == NULL)
		return;
	question = container_of(node, struct question, by_handle);
	question_detach(question);
	question_free(question);
}
