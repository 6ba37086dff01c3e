/* The answers of other nodes to the questions of this node (broker_question.c): whole answers, and parts of a list.
 */
#include "broker/broker_question_internal.h"
#include "broker/wire_sockets.h"

/* maximum bytes of answers to one question; further answers are ignored */
#define ANSWER_BYTES_MAX (UINT64_C(256) << 20)

static bool
question_within_limit(struct question *question, struct text json)
{
	question->bytes += json.n;
	return question->bytes <= ANSWER_BYTES_MAX;
}

/* Passes up the ids or rooms of the sockets, because the node could only be asked for whole sockets. */
static void
question_deliver_part(
	const struct question *question, struct text sockets, void (*find)(struct text sockets, struct buffer *out))
{
	struct buffer found;

	buffer_init(&found, WIRE_PAYLOAD_MAX);
	find(sockets, &found);
	if (buffer_error(&found) == 0)
		question->asked.on_answer(question->asked.arg, buffer_text(&found), NULL);
	else
		loop_count_no_memory(question->nsp->broker->loop);
	buffer_fini(&found);
}

static void
question_deliver(struct question *question, struct text json, const struct attachments *attachments)
{
	const struct wire_codec *codec = question->nsp->broker->codec;

	if (question->type == WIRE_SOCKETS && codec->write_sockets == NULL)
		question_deliver_part(question, json, wire_sockets_ids);
	else if (question->type == WIRE_ALL_ROOMS && codec->write_all_rooms == NULL)
		question_deliver_part(question, json, wire_sockets_rooms);
	else
		question->asked.on_answer(question->asked.arg, json, attachments);
}

/*
 * Returns false if the response does not fit the question. `*from_node` is set if the response counts as a node's
 * answer, `*pass_up` if it goes to on_answer.
 */
static bool
question_match(const struct question *question, const struct wire_message *decoded, struct text *json,
	bool *from_node, bool *pass_up)
{
	*from_node = *pass_up = true;
	*json = decoded->answer;
	switch (question->type) {
	case WIRE_SOCKETS:
	case WIRE_REMOTE_FETCH:
		*json = decoded->sockets;
		return json->at != NULL;
	case WIRE_ALL_ROOMS:
		*json = question->nsp->broker->codec->write_all_rooms != NULL ? decoded->all_rooms : decoded->sockets;
		return json->at != NULL;
	case WIRE_SERVER_SIDE_EMIT:
		return decoded->type == WIRE_SERVER_SIDE_EMIT;
	case WIRE_BROADCAST:
		*from_node = decoded->type == WIRE_BROADCAST_CLIENT_COUNT;
		*pass_up = decoded->type == WIRE_BROADCAST_ACK;
		return *from_node || *pass_up;
	default:
		return false;
	}
}

static struct question *
question_by_handle(const struct broker *broker, uint64_t handle)
{
	struct table_node *node = table_find(&broker->handles, text_of((const char *)&handle, sizeof handle));

	return node != NULL ? container_of(node, struct question, by_handle) : NULL;
}

bool
broker_question_lives(const struct broker *broker, uint64_t question)
{
	return question_by_handle(broker, question) != NULL;
}

enum broker_expects
broker_question_expects(struct broker_nsp *nsp, struct text request_id, struct text node, uint64_t *handle)
{
	const struct broker *broker = nsp->broker;
	struct table_node *found = table_find(&broker->questions, request_id);
	const struct question *question;

	if (found == NULL)
		return BROKER_EXPECTS_NOTHING;
	question = container_of(found, struct question, by_id);
	if (question->nsp != nsp || (question->type != WIRE_SOCKETS && question->type != WIRE_REMOTE_FETCH &&
					    question->type != WIRE_ALL_ROOMS))
		return BROKER_EXPECTS_OTHER;
	*handle = question->handle;
	return answerers_has(&question->answerers, node) ? BROKER_EXPECTS_NOTHING : BROKER_EXPECTS_LIST;
}

void
broker_question_part(struct broker *broker, uint64_t handle, struct text json, const struct attachments *attachments)
{
	struct question *question = question_by_handle(broker, handle);

	if (question_within_limit(question, json))
		question_deliver(question, json, attachments->count > 0 ? attachments : NULL);
}

void
broker_question_answered(struct broker_nsp *nsp, const struct wire_message *decoded, bool pass_up)
{
	struct broker *broker = nsp->broker;
	struct table_node *node = table_find(&broker->questions, decoded->request_id);
	struct question *question;
	struct answer answer;
	struct text json;
	bool from_node, has_value;
	uint64_t handle;

	if (node == NULL)
		return; /* a question of another node, or an answer after the deadline */
	question = container_of(node, struct question, by_id);
	if (question->nsp != nsp || !question_match(question, decoded, &json, &from_node, &has_value) ||
		!question_within_limit(question, json))
		return;
	answer = (struct answer){from_node, 0, 0};
	if (question->type == WIRE_BROADCAST) {
		answer.clients = from_node ? decoded->clients : 0;
		answer.acks = has_value;
	}
	if (!answerers_add(&question->answerers, broker->members, decoded->node, &answer))
		return;
	question->answered += from_node;
	question->clients += answer.clients;
	question->acks += answer.acks;
	handle = question->handle;
	if (has_value && pass_up)
		question_deliver(question, json, broker_attachments(decoded));
	/* the callee may have cancelled the question */
	if (broker_question_lives(broker, handle) && question_may_end(question))
		question_finish(question);
}

void
broker_on_response(struct broker_nsp *nsp, const struct bus_message *message)
{
	struct broker *broker = nsp->broker;
	struct text payload = message->payload;
	int rc;

	if (broker_read_list(nsp, message) || !broker_check_seal(broker, message->channel, &payload))
		return;
	rc = broker->codec->read_response(&broker->message, payload);
	if (rc < 0)
		broker_drop_message(broker, message->channel, rc);
	else
		broker_question_answered(nsp, &broker->message, true);
}
