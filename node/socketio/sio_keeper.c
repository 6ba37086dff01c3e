#include "node/socketio/sio_keeper.h"

#include "common/base/mem.h"
#include "common/base/random.h"
#include "node/socketio/sio_keeper_claim.h"
#include "node/socketio/sio_keeper_log.h"
#include "node/socketio/sio_keeper_session.h"
#include "node/socketio/sio_selector.h"

#define KEEPER_GONE_MAX 64 /* gone workers whose counts are remembered */

/* ---------------------------------------------------------------- workers */

static void
origin_free(struct sio_keeper *keeper, struct keeper_origin *origin)
{
	table_remove(&keeper->origins, &origin->node);
	list_remove(&origin->link);
	keeper->gone_count -= origin->gone;
	mem_free(origin);
}

/*
 * The worker's connection has ended. Stores its sessions. Keeps its counts, because the worker may only be out of
 * reach.
 */
static void
origin_lose(struct sio_keeper *keeper, struct keeper_origin *origin, uint64_t now)
{
	while (!list_empty(&origin->sessions)) {
		struct keeper_session *session = container_of(origin->sessions.next, struct keeper_session, link);

		if (session->state == KEEPER_LIVE)
			sio_keeper_session_lost(session, now)->orphan = true;
		sio_keeper_session_store(keeper, session);
		sio_keeper_session_stored(keeper, session, now);
	}
	origin->gone = true;
	list_remove(&origin->link);
	list_add_tail(&keeper->gone, &origin->link);
	if (++keeper->gone_count > KEEPER_GONE_MAX)
		origin_free(keeper, container_of(keeper->gone.next, struct keeper_origin, link));
	sio_keeper_trim(keeper);
}

/*
 * The worker has started again under another origin. Ends its sessions here; the worker sends those that it still
 * has.
 */
static void
origin_replace(struct sio_keeper *keeper, struct keeper_origin *origin)
{
	while (!list_empty(&origin->sessions))
		sio_keeper_session_drop(keeper, container_of(origin->sessions.next, struct keeper_session, link));
	origin_free(keeper, origin);
}

/* Ends the sessions that were stored because the worker seemed to be gone. Messages about them were lost. */
static void
keeper_drop_orphans(struct sio_keeper *keeper, uint64_t origin)
{
	struct list *it, *next;

	list_each(it, next, &keeper->stored)
	{
		struct keeper_session *session = container_of(it, struct keeper_session, link);

		if (session->orphan && sio_keeper_session_worker(session) == origin)
			sio_keeper_session_free(keeper, session);
	}
}

/*
 * The worker was only out of reach. If events that it delivered under its former origin have not arrived here, older
 * offsets cannot be continued.
 */
static void
keeper_on_former(struct sio_keeper *keeper, uint64_t id, uint64_t local, uint64_t sent)
{
	struct keeper_origin *former = sio_keeper_origin_known(keeper, id);

	if ((former == NULL || former->local != local) && keeper->hole < keeper->number)
		keeper->hole = keeper->number;
	if (former == NULL || former->sent != sent)
		keeper_drop_orphans(keeper, id);
	if (former != NULL)
		origin_replace(keeper, former);
}

/* Drops the origin of an earlier HELLO of this worker, whose answer was lost. */
static void
keeper_drop_earlier(struct sio_keeper *keeper, struct text channel)
{
	struct list *it, *next;

	list_each(it, next, &keeper->workers)
	{
		struct keeper_origin *origin = container_of(it, struct keeper_origin, link);

		if (text_is(channel, text_of(origin->channel, BUS_KEEP_ID)))
			origin_replace(keeper, origin);
	}
}

static void
keeper_on_hello(
	struct sio_keeper *keeper, const void *connection, uint64_t id, struct text channel, struct keep_reader *in)
{
	uint64_t former = keep_get_u64(in), local = keep_get_u64(in), sent = keep_get_u64(in);
	struct keeper_origin *origin;
	struct buffer *out;

	if (in->bad || id == 0 || sio_keeper_origin_known(keeper, id) != NULL)
		return;
	if (former != 0)
		keeper_on_former(keeper, former, local, sent);
	keeper_drop_earlier(keeper, channel);
	/* the worker's sessions begin after the hole, so that any later event gives their clients a valid offset */
	if (keeper->number < keeper->hole)
		keeper->number = keeper->hole;
	origin = mem_zalloc(sizeof *origin);
	origin->id = id;
	origin->sent = 1;
	origin->connection = connection;
	memcpy(origin->channel, channel.at, BUS_KEEP_ID);
	list_init(&origin->sessions);
	list_add_tail(&keeper->workers, &origin->link);
	table_add(&keeper->origins, &origin->node, sio_keeper_origin_text(&origin->id));
	out = sio_keeper_begin(keeper, SIO_KEEP_WELCOME, id);
	buffer_add(out, keeper->key, SIO_KEEP_KEY);
	keep_put_u64(out, keeper->number);
	sio_keeper_send(keeper, origin->channel);
}

void
sio_keeper_gone(struct sio_keeper *keeper, const void *connection, uint64_t now)
{
	struct list *it, *next;

	list_each(it, next, &keeper->workers)
	{
		struct keeper_origin *origin = container_of(it, struct keeper_origin, link);

		if (origin->connection == connection)
			origin_lose(keeper, origin, now);
	}
}

/* --------------------------------------------------------------- messages */

static struct sio_recovery_position
position_read(struct keep_reader *in, uint64_t origin)
{
	struct sio_recovery_position position = {.origin = origin};

	position.heard = keep_get_u64(in);
	position.local = keep_get_u64(in);
	return position;
}

/* SESSION: a live session is new, or its rooms or data have changed. */
static void
keeper_on_session(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	struct text pid = keep_get_text(in), sid = keep_get_text(in), nsp = keep_get_text(in), rooms, data, given;
	bool needs_offset = keep_get_u8(in) != 0, own = keep_get_u8(in) != 0, changed;
	uint64_t began = keep_get_u64(in);
	struct sio_recovery_position first = position_read(in, origin->id), at;
	struct keeper_session *session = sio_keeper_session_find(keeper, pid);
	struct keeper_past *past;
	uint64_t last, count;

	changed = keep_get_u8(in) != 0;
	last = keep_get_u64(in);
	at = position_read(in, origin->id);
	count = keep_get_u64(in);
	rooms = keep_get_text(in);
	data = keep_get_text(in);
	given = keep_get_last_text(in);
	if (in->bad)
		return;
	if (session != NULL && session->state == KEEPER_STORED) {
		/* the worker was only out of reach, and still has the socket */
		sio_keeper_session_free(keeper, session);
		session = NULL;
	}
	if (session == NULL) {
		session = sio_keeper_session_new(keeper, origin, pid, sid, nsp, &first);
		if (session == NULL)
			return;
		session->needs_offset = needs_offset;
		if (began != 0)
			sio_keeper_session_past(session)->newest = began;
	} else if (!sio_keeper_session_at(session, origin->id, KEEPER_LIVE)) {
		return;
	}
	session->own = own;
	if (changed) {
		past = sio_keeper_session_past(session);
		past->before = sio_keeper_session_bound(session, past, last);
		past->changed = at;
	}
	if (!sio_keeper_session_take(session, rooms, (uint32_t)count, data, given))
		sio_keeper_session_drop(keeper, session); /* no memory: the stored rooms and data are out of date */
}

static void
keeper_on_store(
	struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, bool leaves, uint64_t now)
{
	struct keeper_session *session = sio_keeper_session_find(keeper, keep_get_text(in));
	uint64_t last = keep_get_u64(in);
	struct sio_recovery_position at = position_read(in, origin->id);

	if (in->bad || !sio_keeper_session_at(session, origin->id, KEEPER_LIVE))
		return;
	session->last = last;
	session->quiet = true;
	session->quiet_heard = at.heard;
	session->quiet_local = at.local;
	if (!leaves)
		return;
	sio_keeper_session_store(keeper, sio_keeper_session_lost(session, now));
	sio_keeper_session_stored(keeper, session, now);
	sio_keeper_trim(keeper);
}

static void
keeper_on_end(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in)
{
	struct keeper_session *session = sio_keeper_session_find(keeper, keep_get_text(in));

	if (in->bad || session == NULL)
		return;
	if (session->state == KEEPER_STORED && sio_keeper_session_worker(session) == origin->id) {
		sio_keeper_session_end(keeper, session, SIO_SESSION_DISPLACED);
		return;
	}
	/* if another worker has claimed the session, its REPLAY is answered with "no session" */
	if (session->origin != origin &&
		!(session->state == KEEPER_CLAIMED && sio_keeper_session_worker(session) == origin->id))
		return;
	sio_keeper_session_drop(keeper, session);
}

static void
keeper_on_release(struct sio_keeper *keeper, struct keeper_origin *origin, struct keep_reader *in, uint64_t now)
{
	struct keeper_session *session = sio_keeper_session_find(keeper, keep_get_text(in));

	if (in->bad || session == NULL || session->origin != origin)
		return;
	sio_keeper_undo_replay(session);
	sio_keeper_session_store(keeper, session);
	sio_keeper_session_stored(keeper, session, now);
}

/*
 * The worker has recorded `local` events so far. If the keeper's count differs, events were lost on the way to the
 * hub, and older offsets cannot be continued. Returns false if the worker is unknown (NULL). Its event reaches
 * clients of other workers but cannot be recovered, which is a hole as well.
 */
static bool
keeper_count_to(struct sio_keeper *keeper, struct keeper_origin *origin, uint64_t local)
{
	if (origin == NULL || local != origin->local)
		keeper->hole = keeper->number + 1;
	if (origin != NULL)
		origin->local = local;
	return origin != NULL;
}

static void
keeper_refuse(struct sio_keeper *keeper, enum sio_keep_message why, uint64_t id, struct text channel)
{
	(void)sio_keeper_begin(keeper, why, id);
	sio_keeper_send(keeper, channel.at);
}

/* Handles a message of a known worker. */
static void
keeper_read(
	struct sio_keeper *keeper, struct keeper_origin *origin, uint8_t type, struct keep_reader *in, uint64_t now)
{
	if (type == SIO_KEEP_SESSION) {
		keeper_on_session(keeper, origin, in);
	} else if (type == SIO_KEEP_STORE || type == SIO_KEEP_QUIET) {
		keeper_on_store(keeper, origin, in, type == SIO_KEEP_STORE, now);
	} else if (type == SIO_KEEP_END) {
		keeper_on_end(keeper, origin, in);
	} else if (type == SIO_KEEP_CLAIM) {
		sio_keeper_on_claim(keeper, origin, in, now);
	} else if (type == SIO_KEEP_REPLAY) {
		sio_keeper_on_replay(keeper, origin, in);
	} else if (type == SIO_KEEP_RELEASE) {
		keeper_on_release(keeper, origin, in, now);
	}
}

void
sio_keeper_settle(struct sio_keeper *keeper, uint64_t now)
{
	sio_keeper_unpark(keeper, now);
}

void
sio_keeper_receive(struct sio_keeper *keeper, const void *connection, struct text message, uint64_t now)
{
	struct keep_reader in = {.rest = message};
	uint8_t version = keep_get_u8(&in), type = keep_get_u8(&in);
	uint64_t id = keep_get_u64(&in), local, sent;
	struct text channel = keep_get_bytes(&in, BUS_KEEP_ID);
	struct keeper_origin *origin = sio_keeper_origin_known(keeper, id);

	if (!in.bad && version != SIO_KEEP_VERSION) {
		keeper_refuse(keeper, SIO_KEEP_OTHER_VERSION, id, channel);
		return;
	}
	local = keep_get_u64(&in);
	sent = keep_get_u64(&in);
	if (in.bad)
		return;
	if (origin != NULL)
		(void)keeper_count_to(keeper, origin, local);
	if (type == SIO_KEEP_HELLO) {
		keeper_on_hello(keeper, connection, id, channel, &in);
	} else if (origin == NULL || origin->gone || sent != origin->sent + 1) {
		keeper_refuse(keeper, SIO_KEEP_UNKNOWN, id, channel);
	} else {
		origin->sent = sent;
		keeper_read(keeper, origin, type, &in, now);
	}
}

/* ----------------------------------------------------------------- record */

uint64_t
sio_keeper_record(struct sio_keeper *keeper, uint64_t origin, uint64_t local, struct text payload, uint64_t now)
{
	struct keeper_origin *worker = sio_keeper_origin_known(keeper, origin);
	struct wire_message *message = &keeper->message;
	struct sio_selector who;
	int rc;

	if (origin == SIO_KEEP_NOT_RECORDED)
		return 0;
	rc = wire_read_broadcast(message, payload);
	if (origin != 0 && !keeper_count_to(keeper, worker, local - 1))
		return 0;
	if (origin != 0)
		worker->local = local;
	if (rc < 0 || message->type != WIRE_BROADCAST || message->has_request_id) {
		if (origin != 0)
			keeper->hole = keeper->number + 1;
		return 0;
	}
	if (origin == 0 && (message->target.flags & WIRE_VOLATILE) != 0)
		return 0;
	who = (struct sio_selector){.rooms = message->target.rooms,
		.except = message->target.except,
		.rooms_count = message->target.room_count,
		.except_count = message->target.except_count};
	(void)sio_recovery_log_keep(
		sio_keeper_log_of(keeper, message->nsp)->log, now, ++keeper->number, origin, local, &who, payload);
	sio_keeper_trim(keeper);
	return keeper->number;
}

/* ------------------------------------------------------------------- life */

void
sio_keeper_sweep(struct sio_keeper *keeper, uint64_t now)
{
	struct sio_recovery_store *store = &keeper->store;
	uint64_t log_ms = keeper->options.window_ms + keeper->options.notice_ms;

	while (!list_empty(&store->entries) &&
		now - container_of(store->entries.next, struct sio_recovery_entry, all)->at > log_ms)
		(void)sio_recovery_store_drop(store);
	while (keeper->stored_count != 0 &&
		now - sio_keeper_oldest(keeper)->past->lost_at > keeper->options.window_ms)
		sio_keeper_session_end(keeper, sio_keeper_oldest(keeper), SIO_SESSION_EXPIRED);
	sio_keeper_log_free_unused(keeper, false);
}

struct sio_keeper *
sio_keeper_new(const struct sio_keeper_options *options)
{
	struct sio_keeper *keeper = mem_zalloc(sizeof *keeper);

	keeper->options = *options;
	random_bytes(keeper->key, sizeof keeper->key);
	sio_recovery_store_init(&keeper->store, options->max_bytes);
	table_init(&keeper->logs);
	table_init(&keeper->origins);
	table_init(&keeper->sessions);
	list_init(&keeper->workers);
	list_init(&keeper->gone);
	list_init(&keeper->stored);
	list_init(&keeper->parked);
	wire_message_init(&keeper->message);
	buffer_init(&keeper->out, WIRE_PAYLOAD_MAX);
	return keeper;
}

void
sio_keeper_free(struct sio_keeper *keeper)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	if (keeper == NULL)
		return;
	while (!list_empty(&keeper->parked)) {
		struct keeper_parked *parked = container_of(keeper->parked.next, struct keeper_parked, link);

		list_remove(&parked->link);
		mem_free(parked);
	}
	while ((node = table_next(&keeper->sessions, &cursor)) != NULL)
		sio_keeper_session_free(keeper, container_of(node, struct keeper_session, node));
	cursor = (struct table_cursor){0};
	while ((node = table_next(&keeper->origins, &cursor)) != NULL)
		origin_free(keeper, container_of(node, struct keeper_origin, node));
	sio_keeper_log_free_unused(keeper, true);
	table_fini(&keeper->logs);
	table_fini(&keeper->origins);
	table_fini(&keeper->sessions);
	wire_message_fini(&keeper->message);
	buffer_fini(&keeper->out);
	mem_free(keeper);
}

void
sio_keeper_stats(const struct sio_keeper *keeper, uint64_t now, struct sio_recovery_stats *out)
{
	const struct sio_recovery_store *store = &keeper->store;

	*out = (struct sio_recovery_stats){.ended = keeper->ended,
		.displaced = keeper->displaced,
		.sessions = keeper->stored_count,
		.events = store->count,
		.bytes = store->bytes};
	if (!list_empty(&store->entries))
		out->age_ms = now - container_of(store->entries.next, struct sio_recovery_entry, all)->at;
}
