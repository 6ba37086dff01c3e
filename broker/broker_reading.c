/*
 * Long answers of other nodes. One message may list the sockets of 50,000 clients: such an answer is checked and
 * passed up in parts, READING_WORK in each turn, while its bytes are kept. One answer is read at a time, and those
 * that come meanwhile wait. An answer that is not for a question of this node is dropped at once.
 *
 *   phase    ends when                                         next
 *   seal     the tag covers all bytes; a wrong one: dropped    parts (the first phase without a secret)
 *   parts    the list has ended                                end
 *   end      at once: the rest of the message is decoded, and the answer counts
 *
 * A message that turns out to be malformed in its middle is dropped there. Its parts so far have been passed up; the
 * question goes on waiting for that node and ends with an error at its deadline.
 */
#include "broker/broker_internal.h"
#include "broker/bus_record.h"
#include "broker/wire_list.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define READING_LEAST (256 * 1024) /* bytes of a message; a shorter one is read at once */
#define READING_WORK (128 * 1024)  /* bytes that one turn passes up. Takes about a millisecond. */
#define READING_SEAL_BYTES 8	   /* bytes that a seal covers in the time of one that is passed up */
/* maximum bytes of all messages that are kept; one more is dropped and counted as malformed */
#define READINGS_MAX (UINT64_C(256) << 20)

struct list_reading {
	struct list link; /* in broker->readings */
	struct broker_nsp *nsp;
	struct block *kept; /* owns the bytes of `list` */
	struct wire_list list;
	uint64_t question; /* handle */
	struct seal_pass *pass;
	enum seal_secret secret; /* of the pass */
	size_t sealed;		 /* bytes that the pass covers */
	struct buffer part;
	struct attachments attachments; /* of the part */
	size_t channel_n;
	char channel[];
};

static struct text
reading_channel(const struct list_reading *reading)
{
	return text_of(reading->channel, reading->channel_n);
}

static void
reading_free(struct list_reading *reading)
{
	reading->nsp->broker->readings_bytes -= reading->kept->len;
	list_remove(&reading->link);
	seal_pass_free(reading->pass);
	buffer_fini(&reading->part);
	attachments_fini(&reading->attachments);
	block_unref(reading->kept);
	mem_free(reading);
}

/* Begins to check the seal with the own or the accepted secret. Returns false if that secret is not set. */
static bool
reading_begin_seal(struct list_reading *reading, enum seal_secret secret)
{
	seal_pass_free(reading->pass);
	reading->pass = seal_pass_new(reading->nsp->broker->seal, secret, reading_channel(reading));
	reading->secret = secret;
	reading->sealed = 0;
	return reading->pass != NULL;
}

enum reading_seal { READING_SEAL_MORE, READING_SEAL_RIGHT, READING_SEAL_WRONG };

/* Goes on with the check of the seal until `*work` is spent. */
static enum reading_seal
reading_check_seal(struct list_reading *reading, int64_t *work)
{
	struct text payload = reading->list.payload;
	size_t left = payload.n - reading->sealed, step;

	if (reading->pass == NULL)
		return READING_SEAL_RIGHT;
	step = *work > 0 ? (size_t)*work * READING_SEAL_BYTES : 0;
	if (step > left)
		step = left;
	seal_pass_update(reading->pass, text_of(payload.at + reading->sealed, step));
	reading->sealed += step;
	*work -= (int64_t)(step / READING_SEAL_BYTES);
	if (step < left)
		return READING_SEAL_MORE;
	if (!seal_pass_matches(reading->pass, (const uint8_t *)payload.at + payload.n))
		return reading->secret == SEAL_OWN && reading_begin_seal(reading, SEAL_ACCEPTED) ? READING_SEAL_MORE
												 : READING_SEAL_WRONG;
	seal_pass_free(reading->pass);
	reading->pass = NULL;
	return READING_SEAL_RIGHT;
}

/* Passes the next part up. Returns 0, or an error: ERROR_CLOSED if the callee has freed the namespace. */
static int
reading_pass_part(struct list_reading *reading, int64_t *work)
{
	struct broker *broker = reading->nsp->broker;
	size_t before = reading->list.at;
	int rc;

	buffer_reset(&reading->part);
	attachments_cut(&reading->attachments, 0);
	rc = wire_list_next(&reading->list, *work > 0 ? (size_t)*work : 1, &reading->part, &reading->attachments);
	*work -= (int64_t)(reading->list.at - before);
	if (rc < 0)
		return rc;
	broker_question_part(broker, reading->question, buffer_text(&reading->part), &reading->attachments);
	return broker->readings.next == &reading->link ? 0 : ERROR_CLOSED;
}

/* The list has ended: decodes the rest of the message and frees the reading. The answer then counts. */
static void
reading_finish(struct list_reading *reading)
{
	struct broker_nsp *nsp = reading->nsp;
	struct broker *broker = nsp->broker;
	int rc;

	buffer_reset(&reading->part);
	rc = wire_list_frame(&reading->list, &reading->part);
	if (rc == 0)
		rc = broker->codec->read_response(&broker->message, buffer_text(&reading->part));
	if (rc < 0)
		broker_drop_message(broker, reading_channel(reading), rc);
	reading_free(reading);
	if (rc == 0)
		broker_question_answered(nsp, &broker->message, false);
}

/* Passes parts up until `*work` is spent, then the end. */
static void
reading_pass_up(struct list_reading *reading, int64_t *work)
{
	int rc = 0;

	while (!reading->list.ended && *work > 0) {
		if (!broker_question_lives(reading->nsp->broker, reading->question)) {
			reading_free(reading);
			return;
		}
		rc = reading_pass_part(reading, work);
		if (rc == ERROR_CLOSED)
			return;
		if (rc < 0) {
			broker_drop_message(reading->nsp->broker, reading_channel(reading), rc);
			reading_free(reading);
			return;
		}
	}
	if (reading->list.ended)
		reading_finish(reading);
}

/* Goes on with a message until `*work` is spent. Frees it when it is done with. */
static void
reading_go_on(struct list_reading *reading, int64_t *work)
{
	switch (reading_check_seal(reading, work)) {
	case READING_SEAL_MORE:
		break;
	case READING_SEAL_WRONG:
		broker_count_forged(reading->nsp->broker, reading_channel(reading));
		reading_free(reading);
		break;
	case READING_SEAL_RIGHT:
		reading_pass_up(reading, work);
		break;
	}
}

static void
broker_on_reading_turn(struct loop_call *call)
{
	struct broker *broker = container_of(call, struct broker, reading_call);
	int64_t work = READING_WORK;

	/* on_end may close the broker, which is freed only after this call has returned */
	while (!list_empty(&broker->readings) && work > 0)
		reading_go_on(container_of(broker->readings.next, struct list_reading, link), &work);
	if (!list_empty(&broker->readings))
		loop_defer_next(broker->loop, &broker->reading_call);
}

/* ------------------------------------------------------------------- arrival */

static struct list_reading *
reading_new(struct broker_nsp *nsp, struct text channel, struct block *kept)
{
	struct broker *broker = nsp->broker;
	struct list_reading *reading = mem_zalloc(sizeof *reading + channel.n); /* small: the name of a channel */

	reading->nsp = nsp;
	reading->kept = block_ref(kept);
	broker->readings_bytes += kept->len;
	buffer_init(&reading->part, WIRE_PAYLOAD_MAX);
	attachments_init(&reading->attachments);
	reading->channel_n = channel.n;
	memcpy(reading->channel, channel.at, channel.n);
	list_add_tail(&broker->readings, &reading->link);
	loop_defer(broker->loop, &broker->reading_call);
	return reading;
}

/* Keeps the bytes of a message. If they do not fit, drops the message and returns NULL. */
static struct block *
reading_keep(struct broker *broker, const struct bus_message *message)
{
	size_t size = message->block != NULL ? message->block->len : message->payload.n;
	struct block *kept = NULL;
	int rc = ERROR_TOO_BIG;

	if (size <= READINGS_MAX - broker->readings_bytes) {
		kept = message->block != NULL ? block_ref(message->block)
					      : block_try_copy(message->payload.at, message->payload.n);
		rc = ERROR_MEMORY;
	}
	if (kept == NULL)
		broker_drop_message(broker, message->channel, rc);
	return kept;
}

/* `payload` is what is left of the message's payload without its stamp and its seal. */
static void
reading_begin(struct broker_nsp *nsp, const struct bus_message *message, struct text payload, uint64_t question)
{
	struct broker *broker = nsp->broker;
	struct block *kept = reading_keep(broker, message);
	struct list_reading *reading;

	if (kept == NULL)
		return;
	reading = reading_new(nsp, message->channel, kept);
	reading->question = question;
	if (message->block == NULL)
		payload.at = (const char *)kept->data + (payload.at - message->payload.at);
	must(payload.at >= (const char *)kept->data && payload.n <= kept->len);
	must(wire_list_find(&reading->list, payload, broker->codec->nested));
	if (broker->seal != NULL)
		(void)reading_begin_seal(reading, SEAL_OWN);
	block_unref(kept);
}

bool
broker_read_list(struct broker_nsp *nsp, const struct bus_message *message)
{
	struct broker *broker = nsp->broker;
	struct text payload = message->payload;
	struct wire_list list;
	struct bus_stamp stamp;
	uint64_t question;

	if (payload.n < READING_LEAST || payload.n > WIRE_PAYLOAD_MAX)
		return false;
	if (broker->seal != NULL) {
		bus_stamp_take(&payload, true, &stamp);
		payload.n -= SEAL_TAG;
	}
	if (!wire_list_find(&list, payload, broker->codec->nested) || list.request_id.at == NULL)
		return false;
	switch (broker_question_expects(nsp, list.request_id, list.node, &question)) {
	case BROKER_EXPECTS_LIST:
		reading_begin(nsp, message, payload, question);
		return true;
	case BROKER_EXPECTS_NOTHING:
		return true;
	default:
		return false;
	}
}

void
broker_readings_init(struct broker *broker)
{
	list_init(&broker->readings);
	loop_call_init(&broker->reading_call, broker_on_reading_turn);
}

void
broker_readings_end(struct broker_nsp *nsp)
{
	struct list *it, *next;

	list_each(it, next, &nsp->broker->readings)
	{
		struct list_reading *reading = container_of(it, struct list_reading, link);

		if (reading->nsp == nsp)
			reading_free(reading);
	}
}

void
broker_readings_fini(struct broker *broker)
{
	must(list_empty(&broker->readings) && broker->readings_bytes == 0);
	loop_call_cancel(&broker->reading_call);
}
