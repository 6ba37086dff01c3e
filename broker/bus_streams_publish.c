/*
 * Messages of the form with Redis streams for other nodes. Those that are kept become entries of a stream, the others
 * are published to a channel: see bus_streams.c. Calls go to the lanes and the shards.
 */
#include "broker/bus_streams_internal.h"
#include "common/base/error.h"

#define KEPT_MAX (256 * 1024) /* a larger scratch buffer is freed after use */

struct text
bus_streams_write_channel(struct bus_end *end, struct text nsp, struct text uid)
{
	buffer_reset(&end->channel);
	wire_channel_broadcast(&end->channel, text_from(end->key), nsp, uid);
	return buffer_text(&end->channel);
}

struct text
bus_streams_write_name(struct bus_end *end, const struct streams_member *member)
{
	buffer_reset(&end->channel);
	wire_stream_name(&end->channel, text_from(end->stream), end->stream_count,
		wire_stream_number_at(end->stream_count, member->stream));
	return buffer_text(&end->channel);
}

static bool
streams_is_answer(enum bus_kind kind)
{
	return kind == BUS_RESPONSE || kind == BUS_OWN_RESPONSE;
}

struct text
bus_streams_channel(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address)
{
	const struct streams_member *own = member->form_data;

	if (!streams_is_answer(kind))
		return own->all.name;
	return address.at != NULL ? bus_streams_write_channel(end, member->name, address) : own->own.name;
}

/* -------------------------------------------------------------- publishing */

void
bus_streams_keep_small(struct buffer *buffer)
{
	if (buffer->size > KEPT_MAX)
		buffer_fini(buffer);
}

int
bus_streams_add(struct bus_end *end, const struct streams_member *member, struct block *payload,
	struct wire_stream_order order)
{
	struct text message = text_of((const char *)payload->data, payload->len);
	struct block *command = NULL;
	size_t fields = 0;
	int rc;

	buffer_reset(&end->command);
	rc = wire_stream_add(&end->command, bus_streams_write_name(end, member), end->max_len, message,
		member->member->uid, member->member->name, end->tag, order, &fields);
	if (rc == 0)
		command = block_try_copy(end->command.data, end->command.len);
	bus_streams_keep_small(&end->command);
	if (rc == 0 && command == NULL)
		rc = ERROR_MEMORY;
	if (rc == 0)
		rc = streams_lanes_add(end->lanes, member->stream, command, fields);
	if (rc == 0)
		end->number = order.number;
	block_unref(command);
	return rc;
}

int
bus_streams_publish(struct bus_end *end, const struct bus_member *member, enum bus_kind kind, struct text address,
	struct block *payload)
{
	struct text message = text_of((const char *)payload->data, payload->len);

	if (kind == BUS_BROADCAST || (kind == BUS_REQUEST && wire_stream_type_is_kept(wire_stream_type(message))))
		return bus_streams_add(
			end, member->form_data, payload, (struct wire_stream_order){end->number + 1, false});
	return shards_publish(end->shards, bus_streams_channel(end, member, kind, address), payload);
}

/* Every node of a namespace except visitors subscribes to its channel. */
void
bus_streams_count(struct bus_end *end, struct bus_count *query, const struct bus_member *member)
{
	shards_count(end->shards, query, bus_streams_channel(end, member, BUS_REQUEST, TEXT_NONE));
}
