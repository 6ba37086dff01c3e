/*
 * The form that shares Redis streams with @socket.io/redis-streams-adapter (wire_stream.h):
 *
 *   broadcasts, joins, leaves, disconnects           added to the stream of their namespace
 *   questions, server emits, broadcasts with acks    published to <key>#<namespace>#
 *   answers                                          published to <key>#<namespace>#<uid of the asker>#
 *
 * The server keeps the entries of a stream, so a node that was away reads them later. It does not keep published
 * messages. One node's entries arrive in order, and so do its published messages. The two kinds arrive on different
 * connections and may overtake each other.
 *
 * A node recognises its own entries by their uid and skips them, because it has served its own sockets at once. With
 * recovery, it passes its recorded entries to on_own() instead, which serves the sockets (sio_stream_hold.c).
 *
 * Published messages may use the sharded channels of Redis 7 (useShardedPubSub of the adapter). The form also works
 * with a Redis Cluster (streams_lanes.h), with channels of either kind.
 */
#include "broker/bus_presence.h"
#include "broker/bus_streams_internal.h"
#include "broker/seal.h"
#include "broker/stream_number.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"

#define CHANNEL_MAX (1 << 20)
#define MESSAGE_MAX (WIRE_STREAM_ENTRY_MAX + (1 << 20))
#define TIMEOUT_MS 5000

/* --------------------------------------------------------------- messages */

static struct streams_member *
streams_find(const struct bus_end *end, struct text nsp)
{
	struct table_node *node = nsp.at != NULL ? table_find(&end->by_name, nsp) : NULL;

	return node != NULL ? container_of(node, struct streams_member, by_name) : NULL;
}

static void
streams_on_own_entry(struct bus_end *end, const struct streams_member *to, const struct wire_stream_entry *entry)
{
	uint64_t number = wire_stream_entry_number(entry);

	if (end->store != NULL && entry->number.at != NULL && number != 0)
		end->ops->on_own(to->member, number, stream_number_of(entry->id));
}

/*
 * Skips an entry without a member here, and one that has been read before. Passes this node's own entry to on_own().
 */
static void
streams_on_entry(void *arg, const struct wire_stream_entry *entry)
{
	struct bus_end *end = arg;
	const struct streams_member *to = streams_find(end, entry->nsp);
	struct bus_message message = {.kind = BUS_BROADCAST,
		.channel = to != NULL ? to->all.name : TEXT_NONE,
		.id = entry->id_text,
		.entry = stream_number_of(entry->id)};

	if (to == NULL || to->member->visitor || !streams_repeats_add(&end->repeats, to->stream, entry))
		return;
	if (text_is(entry->uid, to->member->uid)) {
		streams_on_own_entry(end, to, entry);
		return;
	}
	buffer_reset(&end->message);
	if (wire_stream_message(&end->message, entry) == 0)
		message.payload = buffer_text(&end->message);
	end->ops->on_message(to->member, &message); /* an empty payload is counted as malformed */
	bus_streams_keep_small(&end->message);
}

static void
streams_on_published(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct streams_member *to = container_of(subscription, struct streams_member, all);
	struct bus_message message = {.kind = BUS_BROADCAST, .channel = channel, .payload = payload};

	to->end->ops->on_message(to->member, &message);
}

static void
streams_on_answer(struct bus_subscription *subscription, struct text channel, struct text payload)
{
	struct streams_member *to = container_of(subscription, struct streams_member, own);
	struct bus_message message = {
		.kind = BUS_RESPONSE, .channel = channel, .payload = payload, .block = subscription->block};

	if (to->end->store != NULL && payload.n > 0 && (uint8_t)*payload.at == BUS_STREAM_DIRECT)
		to->end->ops->on_direct(to->member, channel, payload);
	else
		to->end->ops->on_message(to->member, &message);
}

/* --------------------------------------------------------------- confirmed */

static bool
streams_member_awaits(const struct streams_member *member)
{
	const struct bus_end *end = member->end;

	if (shards_awaits(end->shards, &member->own))
		return true;
	return !member->member->visitor &&
	       (shards_awaits(end->shards, &member->all) ||
		       (shards_up(end->shards) && streams_lanes_await(end->lanes, member->stream)));
}

static bool
streams_awaits(struct bus_end *end, struct bus_member *member)
{
	struct streams_member *own = member->form_data;

	(void)end;
	own->settle_due |= streams_member_awaits(own);
	return own->settle_due;
}

static void
streams_member_settle(struct streams_member *member)
{
	if (!member->settle_due || streams_member_awaits(member))
		return;
	member->settle_due = false;
	member->end->ops->on_settled(member->member);
}

static void
streams_on_own_confirmed(struct bus_subscription *subscription)
{
	streams_member_settle(container_of(subscription, struct streams_member, own));
}

static void
streams_on_all_confirmed(struct bus_subscription *subscription)
{
	streams_member_settle(container_of(subscription, struct streams_member, all));
}

/* The up-call may add and remove members, so each member is moved back to the list before its call. */
static void
streams_settle_all(void *arg)
{
	struct bus_end *end = arg;
	struct list all;

	list_init(&all);
	list_move_all(&all, &end->members);
	while (!list_empty(&all)) {
		struct streams_member *member = container_of(all.next, struct streams_member, link);

		list_remove(&member->link);
		list_add_tail(&end->members, &member->link);
		streams_member_settle(member);
	}
}

static void
streams_on_up(void *arg)
{
	struct bus_end *end = arg;

	end->connected = true;
	if (end->was_connected)
		end->back_at = end->loop->now;
	end->was_connected = true;
	if (end->lanes != NULL)
		streams_lanes_connect(end->lanes);
	if (end->store != NULL)
		streams_store_connect(end->store);
}

static void
streams_on_hopeless(void *arg)
{
	struct bus_end *end = arg;

	end->connected = false;
	if (end->lanes != NULL)
		streams_lanes_rest(end->lanes);
	if (end->store != NULL)
		streams_store_rest(end->store);
	streams_settle_all(end);
}

static bool
streams_may_own(void *arg, const struct wire_stream_entry *entry)
{
	const struct streams_member *member = streams_find(arg, entry->nsp);

	/* the uid may be that of a namespace that this node has left */
	return member == NULL || text_is(member->member->uid, entry->uid);
}

static const struct bus_ops bus_ops = {.on_hopeless = streams_on_hopeless, .on_up = streams_on_up};
static const struct streams_lanes_ops lanes_ops = {streams_on_entry, streams_settle_all, streams_may_own};

/* ----------------------------------------------------------------- members */

static void
streams_init_channels(struct streams_member *member)
{
	struct bus_end *end = member->end;
	struct text all = bus_streams_write_channel(end, member->member->name, TEXT_NONE), own;
	size_t n = all.n;

	/* the name is short: the configured key, a namespace and a uid */
	own = bus_streams_write_channel(end, member->member->name, member->member->uid);
	member->names = mem_text(own.at, own.n); /* the name of `all` is its beginning */
	member->all.name = text_of(member->names, n);
	member->own.name = text_of(member->names, own.n);
	member->all.on_message = streams_on_published;
	member->all.on_confirmed = streams_on_all_confirmed;
	member->all.counted = true;
	member->own.on_message = streams_on_answer;
	member->own.on_confirmed = streams_on_own_confirmed;
}

static void
streams_warn_of_number(struct bus_end *end, const struct bus_member *member, int number)
{
	if (number >= 0 || !log_allow(&end->log_limit, 1, end->loop->now))
		return;
	log_event(LOG_WARN, "stream", "warning",
		LOG_STR("Node.js servers write to a stream for this namespace that they do not read"), "namespace",
		LOG_TEXT(member->name), "number", LOG_INT(number), NULL);
}

static void
streams_subscribe(struct bus_end *end, struct bus_member *member)
{
	struct streams_member *own = mem_zalloc(sizeof *own);
	int number = wire_stream_number(member->name, end->stream_count);

	own->end = end;
	own->member = member;
	own->stream = wire_stream_index_of(end->stream_count, number);
	member->form_data = own;
	list_add_tail(&end->members, &own->link);
	table_add(&end->by_name, &own->by_name, member->name);
	streams_init_channels(own);
	streams_warn_of_number(end, member, number);
	shards_subscribe(end->shards, &own->own);
	if (member->visitor)
		return;
	shards_subscribe(end->shards, &own->all);
	streams_lanes_listen(end->lanes);
}

static void
streams_unsubscribe(struct bus_end *end, struct bus_member *member)
{
	struct streams_member *own = member->form_data;

	shards_unsubscribe(end->shards, &own->own);
	if (!member->visitor)
		shards_unsubscribe(end->shards, &own->all);
	table_remove(&end->by_name, &own->by_name);
	list_remove(&own->link);
	mem_free(own->names);
	mem_free(own);
	member->form_data = NULL;
}

/* ---------------------------------------------------------------- presence */

static void
streams_enter(struct bus_end *end, struct bus_presence *presence)
{
	bus_presence_enter(&bus_presence_by_shards, end->shards, end->key, presence);
}

static void
streams_depart(struct bus_end *end, struct bus_presence *presence)
{
	(void)end;
	bus_presence_depart(presence);
}

static bool
streams_announce(struct bus_end *end, struct bus_presence *presence, struct block *payload)
{
	(void)end;
	return bus_presence_announce(presence, payload);
}

static void
streams_count_present(struct bus_end *end, struct bus_count *query, struct text id)
{
	bus_presence_count(&bus_presence_by_shards, end->shards, end->key, query, id);
}

/* Servers in classic mode subscribe to the channel of requests of the main namespace. */
static void
streams_count_strangers(struct bus_end *end, struct bus_count *query)
{
	buffer_reset(&end->channel);
	wire_channel_request(&end->channel, text_from(end->key), TEXT("/"));
	if (end->sharded)
		shards_count_other(end->shards, query, buffer_text(&end->channel));
	else
		shards_count(end->shards, query, buffer_text(&end->channel));
}

/*
 * Every server subscribes to the channel of the main namespace. Servers of the other kind, sharded or not, use the
 * other channel.
 */
static void
streams_count_others(struct bus_end *end, struct bus_count *query)
{
	shards_count_other(end->shards, query, bus_streams_write_channel(end, TEXT("/"), TEXT_NONE));
}

/* -------------------------------------------------------------------- life */

static void
streams_open_shards(struct bus_end *end, struct bus_url *server, const struct bus_form_options *options)
{
	struct bus_options bus_options = {.server = server,
		.access = &options->access,
		.replicated = true,
		.sharded = options->stream.sharded,
		.key = options->key,
		.max_queue = options->max_queue,
		.max_age_ms = options->max_age_ms,
		.settle_ms = options->settle_ms,
		.refresh_ms = options->refresh_ms,
		.max_redirects = options->max_redirects,
		.check_ms = options->check_ms,
		.timeout_ms = options->timeout_ms};

	bus_options.members =
		bus_streams_write_channel(end, TEXT("/"), TEXT_NONE); /* every node has this namespace */
	end->shards = shards_open(end->loop, &bus_options, &bus_ops, end);
}

/* `cluster` is the URL of the Redis Cluster; NULL: the server is that of the bus. */
static void
streams_open_lanes(struct bus_end *end, struct bus_url *cluster, const struct bus_form_options *options)
{
	const struct streams_lanes_options lanes_options = {
		.bus = cluster == NULL ? shards_bus(end->shards) : NULL,
		.url = cluster,
		.access = &options->access,
		.refresh_ms = options->refresh_ms,
		.stream = options->stream.name,
		.stream_count = options->stream.count,
		.read_count = options->stream.read_count,
		.block_ms = options->stream.block_ms,
		.timeout_ms = options->timeout_ms,
		.max_queue = options->max_queue,
		.max_age_ms = options->max_age_ms,
	};

	end->lanes = streams_lanes_new(end->loop, &lanes_options, &lanes_ops, end);
}

static int
streams_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
	const struct bus_form_ops *ops, char error[BUS_ERROR_MAX])
{
	struct bus_url server, cluster;
	struct bus_end *end;
	bool is_cluster;
	int rc = bus_redis_server(&server, options, error);

	if (rc < 0)
		return rc;
	is_cluster = server.cluster;
	if (is_cluster)
		/* the URL was parsed without error just before */
		must(bus_url_parse(&cluster, options->server, error) == 0);
	must(options->stream.count >= 1 && options->stream.count <= WIRE_STREAM_COUNT_MAX);
	end = mem_zalloc(sizeof *end);
	end->loop = l;
	end->ops = ops;
	end->key = mem_text(options->key, strlen(options->key));
	end->stream = mem_text(options->stream.name, strlen(options->stream.name));
	if (options->stream.session_key_prefix != NULL)
		end->session_key_prefix =
			mem_text(options->stream.session_key_prefix, strlen(options->stream.session_key_prefix));
	end->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	end->stream_count = options->stream.count;
	end->sharded = options->stream.sharded;
	end->max_len = options->stream.max_len;
	end->tag = options->sealed ? SEAL_TAG : 0;
	table_init(&end->by_name);
	streams_repeats_init(&end->repeats);
	list_init(&end->members);
	buffer_init(&end->channel, CHANNEL_MAX);
	buffer_init(&end->message, MESSAGE_MAX);
	buffer_init(&end->command, MESSAGE_MAX);
	streams_open_shards(end, &server, options);
	streams_open_lanes(end, is_cluster ? &cluster : NULL, options);
	*out = end;
	return 0;
}

static void
streams_on_shards_closed(void *arg)
{
	struct bus_end *end = arg;
	void (*closed)(void *arg) = end->closed;
	void *closed_arg = end->closed_arg;

	table_fini(&end->by_name);
	streams_repeats_fini(&end->repeats);
	buffer_fini(&end->channel);
	buffer_fini(&end->message);
	buffer_fini(&end->command);
	mem_free(end->key);
	mem_free(end->stream);
	mem_free(end->session_key_prefix);
	mem_free(end);
	closed(closed_arg);
}

static void
streams_on_lanes_closed(void *arg, uint64_t left_ms)
{
	struct bus_end *end = arg;

	end->lanes = NULL;
	shards_close(end->shards, left_ms, streams_on_shards_closed, end);
}

static void
streams_on_store_closed(void *arg)
{
	struct bus_end *end = arg;
	uint64_t now = end->loop->now;

	streams_store_free(end->store);
	end->store = NULL;
	streams_lanes_close(
		end->lanes, end->flush_until > now ? end->flush_until - now : 0, streams_on_lanes_closed, end);
}

static void
streams_close(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	must(list_empty(&end->members));
	end->closed = closed;
	end->closed_arg = arg;
	end->flush_until = end->loop->now + flush_ms;
	if (end->store != NULL)
		streams_store_close(end->store, flush_ms, streams_on_store_closed, end);
	else
		streams_lanes_close(end->lanes, flush_ms, streams_on_lanes_closed, end);
}

static void
streams_stats(const struct bus_end *end, struct bus_stats *out)
{
	shards_stats(end->shards, out);
	out->log_repeats += end->repeats.count;
	if (end->lanes == NULL)
		return;
	streams_lanes_stats(end->lanes, out);
	out->up = out->up && streams_lanes_up(end->lanes);
}

/* Questions need only the bus. */
static bool
streams_up(const struct bus_end *end)
{
	return shards_up(end->shards);
}

static bool
streams_flows(const struct bus_end *end)
{
	return streams_lanes_flow(end->lanes);
}

const struct bus_form bus_streams = {
	.id = BUS_FORM_STREAMS,
	.name = "streams",
	.kept = true,
	.codec = &wire_stream_codec,
	.open = streams_open,
	.close = streams_close,
	.stats = streams_stats,
	.subscribe = streams_subscribe,
	.unsubscribe = streams_unsubscribe,
	.awaits = streams_awaits,
	.up = streams_up,
	.flows = streams_flows,
	.channel = bus_streams_channel,
	.publish = bus_streams_publish,
	.count = bus_streams_count,
	.enter = streams_enter,
	.depart = streams_depart,
	.announce_channel = bus_presence_channel,
	.announce = streams_announce,
	.count_present = streams_count_present,
	.count_strangers = streams_count_strangers,
	.count_others = streams_count_others,
	.stream_store = &bus_streams_recovery,
};
