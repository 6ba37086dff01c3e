/* The broker's access to the store of the form with streams (bus_stream_store.h). */
#include "broker/bus_stream_store.h"

#include <stdio.h>

#include "broker/broker_internal.h"
#include "broker/stream_number.h"
#include "common/base/error.h"

#define KEPT_MAX (256 * 1024) /* a larger scratch buffer is freed before its next use */

static const struct bus_stream_store *
store_of(const struct broker_nsp *nsp)
{
	return nsp->broker->form->stream_store;
}

bool
broker_has_stream(const struct broker *broker)
{
	return broker->by_stream && broker->form->stream_store->possible(broker->end);
}

void
broker_stream_open(struct broker *broker)
{
	broker->form->stream_store->open(broker->end);
}

bool
broker_stream_up(const struct broker *broker)
{
	return broker->form->up(broker->end) && broker->form->stream_store->up(broker->end);
}

bool
broker_stream_gathered(const struct broker *broker)
{
	return broker->form->stream_store->gathered(broker->end);
}

/* --------------------------------------------------------------- messages */

int
broker_broadcast_numbered(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t number)
{
	struct broker *broker = nsp->broker;
	const struct broker_event event = {.data = data, .attachments = attachments};
	int rc = broker_write_broadcast(nsp, to, false, &event);
	struct block *payload = broker_take_payload(nsp, BUS_BROADCAST, TEXT_NONE, &rc);

	broker->stats.broadcasts_out++;
	if (payload == NULL)
		return rc;
	rc = store_of(nsp)->add(broker->end, &nsp->member, payload, number);
	block_unref(payload);
	return rc;
}

void
broker_on_own(struct bus_member *member, uint64_t number, uint64_t entry)
{
	struct broker_nsp *nsp = container_of(member, struct broker_nsp, member);

	nsp->broker->ops->on_own(nsp->owner, number, entry);
}

void
broker_on_direct(struct bus_member *member, struct text channel, struct text payload)
{
	struct broker_nsp *nsp = container_of(member, struct broker_nsp, member);

	if (broker_check_seal(nsp->broker, channel, &payload))
		nsp->broker->ops->on_direct(nsp->owner, text_of(payload.at + 1, payload.n - 1));
}

/* --------------------------------------------------------------- commands */

uint64_t
broker_stream_position(const struct broker_nsp *nsp)
{
	return stream_number_of(store_of(nsp)->position(nsp->broker->end, &nsp->member));
}

uint64_t
broker_stream_number(const struct broker *broker)
{
	return broker->form->stream_store->number(broker->end);
}

int
broker_stream_had(const struct broker_nsp *nsp, uint64_t entry, uint64_t from)
{
	return store_of(nsp)->had(nsp->broker->end, &nsp->member, entry, from);
}

void
broker_stream_key(const struct broker *broker, struct text pid, struct buffer *out)
{
	buffer_add_text(out, broker->form->stream_store->prefix(broker->end));
	buffer_add_text(out, pid);
}

int
broker_stream_ask(
	struct broker *broker, struct bus_stream_question *question, unsigned count, const struct text *args)
{
	return broker->form->stream_store->ask(broker->end, question, count, args);
}

int
broker_stream_range(struct broker_nsp *nsp, struct bus_stream_question *question, uint64_t from, unsigned count)
{
	char id[WIRE_STREAM_ID_SIZE], digits[16];
	struct text args[6] = {TEXT("XRANGE"), store_of(nsp)->stream(nsp->broker->end, &nsp->member),
		text_of(id, wire_stream_id_write(stream_number_id(from), id)), TEXT("+"), TEXT("COUNT"),
		text_of(digits, (size_t)snprintf(digits, sizeof digits, "%u", count))};

	question->entries = true;
	return broker_stream_ask(nsp->broker, question, 6, args);
}

int
broker_stream_tell(struct broker_nsp *nsp, struct bus_stream_question *question, struct text uid, struct text message)
{
	struct broker *broker = nsp->broker;
	struct text channel = store_of(nsp)->channel(broker->end, &nsp->member, uid), args[3];
	int rc;

	buffer_reset(&broker->out);
	buffer_add_byte(&broker->out, BUS_STREAM_DIRECT);
	buffer_add_text(&broker->out, message);
	if (broker->seal != NULL)
		seal_add(broker->seal, channel, &broker->out);
	args[0] = store_of(nsp)->publish_command(broker->end);
	args[1] = channel;
	args[2] = buffer_text(&broker->out);
	rc = buffer_error(&broker->out);
	if (rc == 0)
		rc = broker_stream_ask(broker, question, 3, args);
	buffer_reset(&broker->out);
	return rc;
}

int
broker_stream_mark(struct broker_nsp *nsp)
{
	struct text args[5] = {TEXT("XADD"), store_of(nsp)->stream(nsp->broker->end, &nsp->member), TEXT("*"),
		TEXT("sockeye"), TEXT("begin")};

	return broker_stream_ask(nsp->broker, NULL, 5, args);
}

void
broker_stream_cancel(struct broker *broker, struct bus_stream_question *question)
{
	broker->form->stream_store->cancel(broker->end, question);
}

int
broker_stream_read(struct broker_nsp *nsp, const struct wire_stream_entry *entry, struct wire_message *out)
{
	struct broker *broker = nsp->broker;
	struct text payload;
	int rc;

	if (entry->nsp.at == NULL || !text_is(entry->nsp, broker_nsp_name(nsp)) || !text_is(entry->type, TEXT("3")))
		return 1;
	if (broker->entry.size > KEPT_MAX)
		buffer_fini(&broker->entry);
	buffer_reset(&broker->entry);
	rc = wire_stream_message(&broker->entry, entry);
	payload = buffer_text(&broker->entry);
	/* every broadcast of a namespace is sealed with the name of its channel for all nodes */
	if (rc == 0 && !broker_check_seal(broker,
			       broker->form->channel(broker->end, &nsp->member, BUS_BROADCAST, TEXT_NONE), &payload))
		rc = 1;
	if (rc == 0)
		rc = broker->codec->read_broadcast(out, payload);
	if (rc == 0 &&
		(out->type != WIRE_BROADCAST || out->has_request_id || !text_is(out->nsp, broker_nsp_name(nsp))))
		rc = 1;
	return rc;
}

/* ------------------------------------------------------------------- seals */

struct text
broker_nsp_id(const struct broker_nsp *nsp)
{
	return broker_nsp_uid(nsp);
}

size_t
broker_stream_tag(const struct broker_nsp *nsp)
{
	return nsp->broker->seal != NULL ? SEAL_TAG : 0;
}

void
broker_stream_seal(const struct broker_nsp *nsp, struct text key, struct buffer *bytes)
{
	if (nsp->broker->seal != NULL)
		seal_add(nsp->broker->seal, key, bytes);
}

bool
broker_stream_unseal(const struct broker_nsp *nsp, struct text key, struct text *bytes)
{
	return nsp->broker->seal == NULL || seal_take(nsp->broker->seal, key, bytes);
}
