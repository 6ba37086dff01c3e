/*
 * What connection state recovery uses of the form with Redis streams (bus_stream_store.h): questions to the server,
 * numbered entries, positions, and the messages from worker to worker. Calls go to the store, the lanes and
 * bus_streams_publish.c.
 */
#include "broker/bus_stream_store.h"
#include "broker/bus_streams_internal.h"
#include "common/base/must.h"

#define BACK_MS 3000 /* so long after this node was connected again, others may still be on their way back */

static bool
streams_store_possible(const struct bus_end *end)
{
	return shards_bus(end->shards) != NULL;
}

static void
streams_store_open(struct bus_end *end)
{
	const struct streams_server server = {.bus = shards_bus(end->shards)};

	must(end->store == NULL && server.bus != NULL);
	end->store = streams_store_new(end->loop, &server, end->timeout_ms);
	if (end->connected)
		streams_store_connect(end->store);
}

static int
streams_store_put(struct bus_end *end, struct bus_stream_question *question, unsigned count, const struct text *args)
{
	return streams_store_ask(end->store, question, count, args);
}

static void
streams_store_drop(struct bus_end *end, struct bus_stream_question *question)
{
	(void)end;
	streams_store_cancel(question);
}

static struct text
streams_store_stream(struct bus_end *end, const struct bus_member *member)
{
	return bus_streams_write_name(end, member->form_data);
}

static struct wire_stream_id
streams_store_position(const struct bus_end *end, const struct bus_member *member)
{
	const struct streams_member *own = member->form_data;
	static const struct wire_stream_id none;

	return end->lanes != NULL ? streams_lanes_passed(end->lanes, own->stream) : none;
}

static struct text
streams_store_channel(struct bus_end *end, const struct bus_member *member, struct text uid)
{
	return bus_streams_write_channel(end, member->name, uid);
}

static struct text
streams_store_publish(const struct bus_end *end)
{
	return end->sharded ? TEXT("SPUBLISH") : TEXT("PUBLISH");
}

static int
streams_store_add(struct bus_end *end, const struct bus_member *member, struct block *payload, uint64_t number)
{
	must(number > end->number);
	return bus_streams_add(end, member->form_data, payload, (struct wire_stream_order){number, true});
}

static uint64_t
streams_store_number(const struct bus_end *end)
{
	return end->number;
}

static int
streams_store_had(const struct bus_end *end, const struct bus_member *member, uint64_t entry, uint64_t from)
{
	const struct streams_member *own = member->form_data;

	return streams_repeats_had(&end->repeats, own->stream, entry, from);
}

static bool
streams_store_up(const struct bus_end *end)
{
	return end->lanes != NULL && streams_lanes_up(end->lanes) && streams_lanes_flow(end->lanes);
}

static bool
streams_store_gathered(const struct bus_end *end)
{
	return end->connected && (end->back_at == 0 || end->loop->now - end->back_at >= BACK_MS);
}

static struct text
streams_store_prefix(const struct bus_end *end)
{
	return text_from(end->session_key_prefix);
}

const struct bus_stream_store bus_streams_recovery = {
	.possible = streams_store_possible,
	.open = streams_store_open,
	.ask = streams_store_put,
	.cancel = streams_store_drop,
	.stream = streams_store_stream,
	.position = streams_store_position,
	.channel = streams_store_channel,
	.publish_command = streams_store_publish,
	.prefix = streams_store_prefix,
	.number = streams_store_number,
	.add = streams_store_add,
	.had = streams_store_had,
	.up = streams_store_up,
	.gathered = streams_store_gathered,
};
