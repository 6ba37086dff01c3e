#include "broker/streams_lanes.h"

#include "broker/bus_error.h"
#include "broker/cluster_map.h"
#include "broker/streams_reader.h"
#include "broker/streams_writer.h"
#include "broker/topology.h"
#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/io/log.h"

#define NAME_MAX_BYTES (1 << 20)
#define REFRESH_MS 30000
#define TIMEOUT_MS 5000

struct streams_lane {
	struct streams_lanes *lanes;
	struct streams_reader *reader;
	struct streams_writer *writer;
	unsigned slot;	    /* of its stream, in a cluster */
	struct bus_url url; /* in a cluster: the master in use, whose `host` is NULL before the first map */
	bool connected;	    /* has a server to connect to */
	bool write_refused, read_refused;
};

struct streams_lanes {
	struct loop *loop;
	const struct streams_lanes_ops *ops;
	void *arg;
	bool listens;
	unsigned refused; /* readers and writers that the server refuses */
	uint64_t ups, downs;

	/* of a cluster */
	bool cluster;
	struct topology *topology; /* NULL while the lanes close */
	struct bus_url url;
	struct bus_access *access;
	bool mapless; /* no member has answered since the last map, if there was one */

	unsigned open; /* writers that have not ended yet */
	uint64_t left_ms;
	void (*closed)(void *arg, uint64_t left_ms);
	void *closed_arg;
	unsigned count;
	struct streams_lane all[];
};

static struct streams_lane *
lanes_of(struct streams_lanes *lanes, unsigned *stream)
{
	struct streams_lane *lane = &lanes->all[lanes->count > 1 ? *stream : 0];

	*stream = lanes->count > 1 ? 0 : *stream;
	return lane;
}

/* ------------------------------------------------------------------ cluster */

static void
lane_connect(struct streams_lane *lane)
{
	lane->connected = true;
	streams_writer_connect(lane->writer);
	if (lane->lanes->listens)
		streams_reader_connect(lane->reader);
}

/* Connects the lane to the owner of its slot, unless it is there already. */
static void
lane_follow(struct streams_lane *lane)
{
	const struct cluster_member *owner = cluster_map_owner(topology_map(lane->lanes->topology), lane->slot);

	if (owner == NULL) {
		topology_refresh(lane->lanes->topology);
		return;
	}
	if (lane->url.host != NULL && lane->url.port == owner->port && strcmp(lane->url.host, owner->host) == 0)
		return;
	mem_free(lane->url.host);
	lane->url.host = mem_text(owner->host, strlen(owner->host));
	lane->url.port = owner->port;
	lane_connect(lane);
}

static void
lanes_on_map(void *arg)
{
	struct streams_lanes *lanes = arg;

	lanes->mapless = false;
	for (unsigned i = 0; i < lanes->count; i++)
		lane_follow(&lanes->all[i]);
}

static void
lanes_on_no_map(void *arg, const char *why)
{
	struct streams_lanes *lanes = arg;

	(void)why; /* the topology has logged it */
	lanes->mapless = true;
	lanes->ops->on_settled(lanes->arg);
}

static const struct topology_ops topology_ops = {lanes_on_map, lanes_on_no_map};

/* ------------------------------------------------------ readers and writers */

/*
 * Returns true if a member of the cluster refuses because the slot has moved (MOVED), or because it is moving and the
 * stream has gone ahead (ASK, TRYAGAIN). The lane then waits for the map that names the new owner.
 */
static bool
lane_is_moving(const struct streams_lane *lane, struct text refusal)
{
	struct cluster_moved moved;

	return lane->lanes->cluster && (cluster_moved_parse(&moved, refusal) == 0 || bus_error_is_moving(refusal));
}

/* Logs that the streams are down at the first refusal, unless the slot is moving. */
static void
lane_on_lost(struct streams_lane *lane, bool *refused, struct text refusal, const char *why)
{
	struct streams_lanes *lanes = lane->lanes;

	if (lanes->topology != NULL)
		topology_refresh(lanes->topology);
	if (refusal.at == NULL || *refused || lane_is_moving(lane, refusal))
		return;
	*refused = true;
	if (lanes->refused++ > 0)
		return;
	lanes->downs++;
	log_event(LOG_ERROR, "bus", "state", LOG_STR("down"), "server", LOG_STR("streams"), "reason", LOG_STR(why),
		NULL);
}

static void
lane_on_accepted(struct streams_lane *lane, bool *refused)
{
	struct streams_lanes *lanes = lane->lanes;

	if (!*refused)
		return;
	*refused = false;
	if (--lanes->refused > 0)
		return;
	lanes->ups++;
	log_event(LOG_INFO, "bus", "state", LOG_STR("up"), "server", LOG_STR("streams"), NULL);
}

static void
lane_on_reader_lost(void *arg, struct text refusal, const char *why)
{
	struct streams_lane *lane = arg;

	lane_on_lost(lane, &lane->read_refused, refusal, why);
}

static void
lane_on_reads(void *arg)
{
	struct streams_lane *lane = arg;

	lane_on_accepted(lane, &lane->read_refused);
}

static void
lane_on_writer_lost(void *arg, struct text refusal, const char *why)
{
	struct streams_lane *lane = arg;

	lane_on_lost(lane, &lane->write_refused, refusal, why);
}

static void
lane_on_written(void *arg)
{
	struct streams_lane *lane = arg;

	lane_on_accepted(lane, &lane->write_refused);
}

static void
lane_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	const struct streams_lane *lane = arg;

	lane->lanes->ops->on_entry(lane->lanes->arg, entry);
}

static void
lane_on_settled(void *arg)
{
	const struct streams_lane *lane = arg;

	lane->lanes->ops->on_settled(lane->lanes->arg);
}

static bool
lane_may_own(void *arg, const struct wire_stream_entry *entry)
{
	const struct streams_lane *lane = arg;

	return lane->lanes->ops->may_own(lane->lanes->arg, entry);
}

static struct wire_stream_id
lane_last_read(void *arg, unsigned stream)
{
	const struct streams_lane *lane = arg;

	return streams_reader_position(lane->reader, stream);
}

/* The bytes that wait in all lanes: a lane may have all of max_queue while the others have none. */
static uint64_t
lane_waiting(void *arg)
{
	const struct streams_lanes *lanes = ((const struct streams_lane *)arg)->lanes;
	uint64_t sum = 0;

	for (unsigned i = 0; i < lanes->count; i++)
		sum += streams_writer_waiting(lanes->all[i].writer);
	return sum;
}

static const struct streams_reader_ops reader_ops = {
	lane_on_entry, lane_on_settled, lane_on_reader_lost, lane_on_reads};
static const struct streams_writer_ops writer_ops = {
	lane_may_own, lane_last_read, lane_waiting, lane_on_writer_lost, lane_on_written};

/* -------------------------------------------------------------------- calls */

void
streams_lanes_listen(struct streams_lanes *lanes)
{
	if (lanes->listens)
		return;
	lanes->listens = true;
	for (unsigned i = 0; i < lanes->count; i++) {
		if (lanes->all[i].connected)
			streams_reader_connect(lanes->all[i].reader);
	}
}

void
streams_lanes_connect(struct streams_lanes *lanes)
{
	if (!lanes->cluster)
		lane_connect(&lanes->all[0]);
}

void
streams_lanes_rest(struct streams_lanes *lanes)
{
	if (lanes->topology != NULL)
		topology_refresh(lanes->topology);
	if (lanes->cluster)
		return;
	lanes->all[0].connected = false;
	streams_writer_rest(lanes->all[0].writer);
	streams_reader_rest(lanes->all[0].reader);
}

int
streams_lanes_add(struct streams_lanes *lanes, unsigned stream, struct block *command, size_t fields)
{
	struct streams_lane *lane = lanes_of(lanes, &stream);

	return streams_writer_add(lane->writer, stream, command, fields);
}

bool
streams_lanes_await(const struct streams_lanes *lanes, unsigned stream)
{
	return !lanes->mapless && streams_reader_awaits(lanes->all[lanes->count > 1 ? stream : 0].reader);
}

struct wire_stream_id
streams_lanes_passed(const struct streams_lanes *lanes, unsigned stream)
{
	return streams_reader_passed(lanes->all[lanes->count > 1 ? stream : 0].reader, lanes->count > 1 ? 0 : stream);
}

bool
streams_lanes_flow(const struct streams_lanes *lanes)
{
	for (unsigned i = 0; i < lanes->count; i++) {
		if (!streams_writer_flows(lanes->all[i].writer))
			return false;
	}
	return true;
}

bool
streams_lanes_up(const struct streams_lanes *lanes)
{
	for (unsigned i = 0; i < lanes->count; i++) {
		if (!streams_writer_writes(lanes->all[i].writer) ||
			(lanes->listens && !streams_reader_reads(lanes->all[i].reader)) || lanes->all[i].read_refused)
			return false;
	}
	return true;
}

void
streams_lanes_stats(const struct streams_lanes *lanes, struct bus_stats *out)
{
	for (unsigned i = 0; i < lanes->count; i++) {
		streams_writer_stats(lanes->all[i].writer, out);
		streams_reader_stats(lanes->all[i].reader, out);
	}
	out->ups += lanes->ups;
	out->downs += lanes->downs;
}

/* --------------------------------------------------------------------- life */

static void
lanes_open_cluster(struct streams_lanes *lanes, const struct streams_lanes_options *options)
{
	lanes->cluster = true;
	lanes->url = *options->url;
	*options->url = (struct bus_url){.host = NULL};
	lanes->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	lanes->topology = topology_new(lanes->loop, &lanes->url, lanes->access,
		options->refresh_ms > 0 ? options->refresh_ms : REFRESH_MS, &topology_ops, lanes);
}

static void
lane_open(struct streams_lane *lane, const struct streams_lanes_options *options, const struct text *names,
	unsigned count)
{
	struct streams_lanes *lanes = lane->lanes;
	const struct streams_server server = {.bus = options->bus, .url = &lane->url, .access = lanes->access};
	uint64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	const struct streams_reader_options reader = {
		.names = names,
		.count = count,
		.read_count = options->read_count,
		.block_ms = options->block_ms,
		.timeout_ms = timeout_ms,
	};
	const struct streams_writer_options writer = {
		.names = names,
		.count = count,
		.max_queue = options->max_queue,
		.max_age_ms = options->max_age_ms,
		.timeout_ms = timeout_ms,
	};

	/* borrows the strings of the cluster's URL */
	lane->url = (struct bus_url){.tls = lanes->url.tls, .user = lanes->url.user, .password = lanes->url.password};
	lane->slot = cluster_slot(names[0]);
	lane->reader = streams_reader_new(lanes->loop, &server, &reader, &reader_ops, lane);
	lane->writer = streams_writer_new(lanes->loop, &server, &writer, &writer_ops, lane);
}

struct streams_lanes *
streams_lanes_new(
	struct loop *l, const struct streams_lanes_options *options, const struct streams_lanes_ops *ops, void *arg)
{
	unsigned names_count = wire_stream_numbers(options->stream_count);
	unsigned count = options->bus != NULL ? 1 : names_count;
	struct streams_lanes *lanes = mem_zalloc(sizeof *lanes + count * sizeof lanes->all[0]);
	struct buffer storage[WIRE_STREAM_NAMES_MAX];
	struct text names[WIRE_STREAM_NAMES_MAX];

	lanes->loop = l;
	lanes->ops = ops;
	lanes->arg = arg;
	lanes->count = lanes->open = count;
	if (options->bus == NULL)
		lanes_open_cluster(lanes, options);
	for (unsigned i = 0; i < names_count; i++) {
		buffer_init(&storage[i], NAME_MAX_BYTES);
		wire_stream_name(&storage[i], text_from(options->stream), options->stream_count,
			wire_stream_number_at(options->stream_count, i));
		names[i] = buffer_text(&storage[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		lanes->all[i].lanes = lanes;
		lane_open(&lanes->all[i], options, &names[i], count > 1 ? 1 : names_count);
	}
	for (unsigned i = 0; i < names_count; i++)
		buffer_fini(&storage[i]);
	return lanes;
}

static void
lanes_on_writer_closed(void *arg, uint64_t left_ms)
{
	struct streams_lanes *lanes = arg;
	void (*closed)(void *arg, uint64_t left_ms) = lanes->closed;
	void *closed_arg = lanes->closed_arg;

	lanes->left_ms = left_ms < lanes->left_ms ? left_ms : lanes->left_ms;
	if (--lanes->open > 0)
		return;
	left_ms = lanes->left_ms;
	for (unsigned i = 0; i < lanes->count; i++) {
		streams_reader_free(lanes->all[i].reader);
		streams_writer_free(lanes->all[i].writer);
		mem_free(lanes->all[i].url.host);
	}
	bus_url_fini(&lanes->url);
	bus_access_free(lanes->access);
	mem_free(lanes);
	closed(closed_arg, left_ms);
}

void
streams_lanes_close(
	struct streams_lanes *lanes, uint64_t flush_ms, void (*closed)(void *arg, uint64_t left_ms), void *arg)
{
	lanes->closed = closed;
	lanes->closed_arg = arg;
	lanes->left_ms = flush_ms;
	topology_free(lanes->topology);
	lanes->topology = NULL;
	for (unsigned i = 0; i < lanes->count; i++) {
		streams_reader_close(lanes->all[i].reader);
		streams_writer_close(lanes->all[i].writer, flush_ms, lanes_on_writer_closed, lanes);
	}
}
