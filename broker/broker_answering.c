/*
 * Answers of this node that list its sockets or rooms. Such an answer is one message, however long: the protocol has
 * no parts, and a Node.js server counts each message as one node's answer. So the names are chosen when the question
 * comes, and the message is written over as many turns as it needs, ANSWERING_WORK in each. A short answer leaves at
 * the end of the turn of its question.
 *
 * One answer is written at a time. The others wait as lists of names; a question whose names would exceed
 * ANSWERING_NAMES_MAX is not answered (broker_answer_lost()).
 *
 *   phase     ends when                                   next
 *   write     all names are written                       seal, or publish without a secret
 *   seal      the tag covers the whole message            publish
 *   publish   at once
 *
 * A message with binary data is MessagePack. If the first binary value turns up in an answer that was begun as JSON,
 * the answer begins again.
 */
#include "broker/broker_internal.h"
#include "broker/broker_trace.h"
#include "broker/wire_list.h"

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/msgpack.h"
#include "common/base/must.h"

/* What one turn writes: a unit for each byte, and more for each name. Takes about a millisecond. */
#define ANSWERING_WORK (128 * 1024)
#define ANSWERING_NAME_WORK 128
#define ANSWERING_SAMPLE 64    /* elements from whose size that of the whole list is estimated */
#define ANSWERING_SEAL_BYTES 4 /* bytes that a seal covers for one unit */
/* maximum bytes of the names of all answers under way: 25 bytes for each socket */
#define ANSWERING_NAMES_MAX (64 << 20)
/* maximum bytes of one answer: it is kept in memory until it is published */
#define ANSWERING_MAX (WIRE_PAYLOAD_MAX / 2)

struct answering {
	struct list link; /* in broker->answering */
	struct broker_nsp *nsp;
	enum wire_type type;	  /* of the question */
	struct buffer names;	  /* broker_add_name() */
	size_t at;		  /* of the next name */
	uint32_t count, written;  /* names, and elements of the list so far */
	struct attachments found; /* of the elements so far */
	struct buffer out;	  /* BLOCK_HEAD bytes, then the message */
	struct buffer tail;	  /* what follows the list */
	struct buffer element;	  /* scratch, used by MessagePack */
	bool opened, ended;	  /* the list */
	bool packed;
	size_t list_at;		/* of the list in `out` */
	struct seal_pass *pass; /* NULL: not sealed, or not yet */
	size_t sealed;		/* bytes of the message that the pass covers */
	size_t asker_n, id_n;
	char ids[]; /* the uid of the asking node, then the id of its request */
};

static struct text
answering_asker(const struct answering *answering)
{
	return text_of(answering->ids, answering->asker_n);
}

static struct answering *
answering_new(struct broker_nsp *nsp, const struct wire_message *decoded)
{
	struct text asker = decoded->uid, id = decoded->request_id;
	struct broker *broker = nsp->broker;
	struct answering *answering;

	must(asker.n <= WIRE_ID_MAX && id.n <= WIRE_ID_MAX); /* so the struct is small */
	answering = mem_zalloc(sizeof *answering + asker.n + id.n);
	answering->nsp = nsp;
	answering->type = decoded->type;
	buffer_init(&answering->names, ANSWERING_NAMES_MAX - broker->answering_names);
	attachments_init(&answering->found);
	buffer_init(&answering->out, ANSWERING_MAX);
	buffer_init(&answering->tail, ANSWERING_MAX);
	buffer_init(&answering->element, ANSWERING_MAX);
	answering->asker_n = asker.n;
	answering->id_n = id.n;
	if (asker.n > 0)
		memcpy(answering->ids, asker.at, asker.n);
	if (id.n > 0)
		memcpy(answering->ids + asker.n, id.at, id.n);
	list_add_tail(&broker->answering, &answering->link);
	return answering;
}

static void
answering_free(struct answering *answering)
{
	answering->nsp->broker->answering_names -= answering->names.len;
	list_remove(&answering->link);
	seal_pass_free(answering->pass);
	buffer_fini(&answering->names);
	attachments_fini(&answering->found);
	buffer_fini(&answering->out);
	buffer_fini(&answering->tail);
	buffer_fini(&answering->element);
	mem_free(answering);
}

/* ------------------------------------------------------------------ writing */

/* Writes the answer with an empty list. If there are attachments, the answer is MessagePack. */
static int
answering_write_frame(struct answering *answering, struct buffer *out)
{
	struct text id = text_of(answering->ids + answering->asker_n, answering->id_n);
	const struct wire_from from = broker_from(answering->nsp, id);
	const struct wire_codec *codec = answering->nsp->broker->codec;

	if (answering->type == WIRE_ALL_ROOMS)
		return codec->write_rooms_reply(out, &from, TEXT("[]"));
	return codec->write_sockets_reply(out, &from, TEXT("[]"), &answering->found);
}

/* Begins the message, or begins it again. */
static void
answering_open(struct answering *answering)
{
	static const uint8_t head[BLOCK_HEAD];
	struct buffer *out = &answering->out;
	struct wire_list list;
	struct buffer frame;

	buffer_init(&frame, ANSWERING_MAX);
	buffer_fail(&frame, answering_write_frame(answering, &frame));
	if (buffer_error(&frame) != 0) {
		buffer_fail(out, buffer_error(&frame));
		buffer_fini(&frame);
		return;
	}
	must(wire_list_find(&list, buffer_text(&frame), answering->nsp->broker->codec->nested));
	buffer_reset(out);
	buffer_add(out, head, sizeof head);
	buffer_add(out, frame.data, list.begin);
	answering->packed = list.packed;
	answering->list_at = out->len;
	if (list.packed)
		msgpack_add_array(out, answering->count);
	else
		buffer_add_byte(out, '[');
	buffer_reset(&answering->tail);
	buffer_add_text(&answering->tail, text_of((const char *)frame.data + list.at, frame.len - list.at));
	buffer_fini(&frame);
	attachments_cut(&answering->found, 0);
	answering->opened = true;
	answering->at = answering->written = 0;
}

/* Appends the element of a name as JSON; nothing if the socket has gone. */
static void
answering_write_element(struct answering *answering, struct text name, struct buffer *json)
{
	struct broker_nsp *nsp = answering->nsp;

	if (answering->type == WIRE_REMOTE_FETCH)
		nsp->broker->ops->on_socket(nsp->owner, name, json, &answering->found);
	else
		json_write_string(json, name);
}

static void
answering_add_json(struct answering *answering, struct text name)
{
	struct buffer *out = &answering->out;
	size_t before = out->len;

	if (answering->written > 0)
		buffer_add_byte(out, ',');
	if (buffer_error(out) != 0)
		return;
	answering_write_element(answering, name, out);
	if (buffer_error(out) == 0 && out->len == before + (answering->written > 0))
		out->len = before;
	else
		answering->written++;
	if (answering->found.count > 0)
		answering_open(answering); /* as MessagePack */
}

static void
answering_add_packed(struct answering *answering, struct text name)
{
	struct buffer *element = &answering->element;

	buffer_reset(element);
	answering_write_element(answering, name, element);
	buffer_fail(&answering->out, buffer_error(element));
	if (element->len == 0 || buffer_error(&answering->out) != 0)
		return;
	buffer_fail(&answering->out, json_to_msgpack(buffer_text(element), &answering->found, &answering->out));
	answering->written++;
}

/* Takes the next name. The caller has checked that there is one. */
static struct text
answering_next_name(struct answering *answering)
{
	const uint8_t *at = answering->names.data + answering->at;
	uint32_t n;

	memcpy(&n, at, sizeof n);
	answering->at += sizeof n + n;
	return text_of((const char *)at + sizeof n, n);
}

/* Ends the list. In MessagePack, corrects the length in its head, which counts sockets that have gone since. */
static void
answering_end_list(struct answering *answering)
{
	struct buffer *out = &answering->out;
	uint8_t *head;

	if (!answering->packed)
		buffer_add_byte(out, ']');
	buffer_add_text(out, buffer_text(&answering->tail));
	answering->ended = true;
	if (!answering->packed || buffer_error(out) != 0)
		return;
	head = out->data + answering->list_at;
	if (head[0] == MSGPACK_ARRAY_16)
		bytes_write(head + 1, answering->written, 2);
	else if (head[0] == MSGPACK_ARRAY_16 + 1)
		bytes_write(head + 1, answering->written, 4);
	else
		head[0] = (uint8_t)(MSGPACK_FIXARRAY | answering->written);
}

/*
 * Makes room for the rest of the list. A buffer that grows by doubling would be copied when it is large, which takes
 * several milliseconds; the pages of this one come as they are written.
 */
static void
answering_reserve(struct answering *answering)
{
	struct buffer *out = &answering->out;
	size_t each = (out->len - answering->list_at) / answering->written + 1;
	size_t rest = (answering->count - answering->written) * (each + each / 8);

	if (buffer_error(out) == 0 && rest <= out->max - out->len)
		(void)buffer_room(out, rest);
}

/* Writes until `*work` is spent. Returns true when the message is whole or has failed. */
static bool
answering_write(struct answering *answering, int64_t *work)
{
	struct buffer *out = &answering->out;

	if (!answering->opened)
		answering_open(answering);
	while (answering->at < answering->names.len && buffer_error(out) == 0) {
		size_t before = out->len;

		if (*work <= 0)
			return false;
		if (answering->packed)
			answering_add_packed(answering, answering_next_name(answering));
		else
			answering_add_json(answering, answering_next_name(answering));
		if (answering->written == ANSWERING_SAMPLE)
			answering_reserve(answering);
		*work -= ANSWERING_NAME_WORK + (out->len > before ? (int64_t)(out->len - before) : 0);
	}
	if (!answering->ended)
		answering_end_list(answering);
	return true;
}

/* Seals until `*work` is spent. Returns true when the message has its tag, or needs none. */
static bool
answering_seal(struct answering *answering, int64_t *work)
{
	struct broker_nsp *nsp = answering->nsp;
	struct broker *broker = nsp->broker;
	size_t left, step;
	uint8_t tag[SEAL_TAG];

	if (broker->seal == NULL || buffer_error(&answering->out) != 0)
		return true;
	if (answering->pass == NULL)
		answering->pass = seal_pass_new(broker->seal, SEAL_OWN,
			broker->form->channel(broker->end, &nsp->member, BUS_RESPONSE, answering_asker(answering)));
	left = answering->out.len - BLOCK_HEAD - answering->sealed;
	step = *work > 0 ? (size_t)*work * ANSWERING_SEAL_BYTES : 0;
	if (step > left)
		step = left;
	seal_pass_update(
		answering->pass, text_of((const char *)answering->out.data + BLOCK_HEAD + answering->sealed, step));
	answering->sealed += step;
	*work -= (int64_t)(step / ANSWERING_SEAL_BYTES);
	if (step < left)
		return false;
	seal_pass_end(answering->pass, tag);
	buffer_add(&answering->out, tag, sizeof tag);
	return true;
}

static void
answering_publish(struct answering *answering)
{
	struct text asker = answering_asker(answering);
	struct broker_nsp *nsp = answering->nsp;
	struct broker *broker = nsp->broker;
	struct block *payload;
	int rc = buffer_error(&answering->out);

	if (rc == 0) {
		payload = block_adopt(&answering->out);
		if (log_debug())
			broker_trace_out(nsp, BUS_RESPONSE, TEXT_NONE, payload->len);
		rc = broker->form->publish(broker->end, &nsp->member, BUS_RESPONSE, asker, payload);
		block_unref(payload);
	}
	if (rc < 0)
		broker_answer_lost(nsp, asker, rc);
}

/* ------------------------------------------------------------------ the turns */

static void
broker_on_answering_turn(struct loop_call *call)
{
	struct broker *broker = container_of(call, struct broker, answering_call);
	int64_t work = ANSWERING_WORK;

	while (!list_empty(&broker->answering) && work > 0) {
		struct answering *answering = container_of(broker->answering.next, struct answering, link);

		if (!answering_write(answering, &work) || !answering_seal(answering, &work))
			break;
		answering_publish(answering);
		answering_free(answering);
	}
	if (!list_empty(&broker->answering))
		loop_defer_next(broker->loop, &broker->answering_call);
}

static uint32_t
names_count(const struct buffer *names)
{
	uint32_t count = 0, n;

	for (size_t at = 0; at < names->len; at += sizeof n + n) {
		memcpy(&n, names->data + at, sizeof n);
		count++;
	}
	return count;
}

void
broker_answer_list(struct broker_nsp *nsp, const struct wire_message *decoded, const struct wire_target *who)
{
	struct broker *broker = nsp->broker;
	struct answering *answering = answering_new(nsp, decoded);
	struct buffer *names = &answering->names;

	if (decoded->type == WIRE_ALL_ROOMS)
		broker->ops->on_all_rooms(nsp->owner, names);
	else
		broker->ops->on_select(nsp->owner, who, names);
	broker->answering_names += names->len;
	loop_spend(broker->loop, names->len); /* so that many such questions are spread over several turns */
	if (buffer_error(names) != 0) {
		/* no answer: the asker would take a shorter list for the whole one */
		broker_answer_lost(nsp, decoded->uid, buffer_error(names));
		answering_free(answering);
		return;
	}
	answering->count = names_count(names);
	loop_defer(broker->loop, &broker->answering_call);
}

void
broker_answering_init(struct broker *broker)
{
	list_init(&broker->answering);
	loop_call_init(&broker->answering_call, broker_on_answering_turn);
}

void
broker_answering_end(struct broker_nsp *nsp)
{
	struct list *it, *next;

	list_each(it, next, &nsp->broker->answering)
	{
		struct answering *answering = container_of(it, struct answering, link);

		if (answering->nsp == nsp)
			answering_free(answering);
	}
}

void
broker_answering_fini(struct broker *broker)
{
	must(list_empty(&broker->answering) && broker->answering_names == 0);
	loop_call_cancel(&broker->answering_call);
}
