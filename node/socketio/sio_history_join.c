#include "node/socketio/sio_history_join.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_history.h"
#include "node/socketio/sio_history_given.h"
#include "node/socketio/sio_history_join_state.h"
#include "node/socketio/sio_history_place.h"
#include "node/socketio/sio_rooms.h"

#define SETTLED_MS 30000 /* how long after the answer a copy from another server may arrive */
#define JOIN_READ_MAX (SIO_HISTORY_SENT_MAX + 2 * HISTORY_PAYLOAD_MAX) /* more than is sent, to notice a cut */

/* -------------------------------------------------------------------- life */

static struct join_group *
group_get(struct sio_history *history, struct text key)
{
	struct table_node *node = table_find(&history->groups, key);
	struct join_group *group;

	if (node != NULL)
		return container_of(node, struct join_group, node);
	group = mem_zalloc(sizeof *group + key.n);
	memcpy(group->key, key.at, key.n);
	list_init(&group->waiting);
	list_init(&group->settled);
	table_add(&history->groups, &group->node, text_of(group->key, key.n));
	return group;
}

static void
join_leave_group(struct sio_history_join *join)
{
	struct join_group *group = join->group;

	if (group->indexed == join) {
		group->indexed = NULL;
		join->history->indexed = NULL; /* the socket may have another join in this group */
	}
	list_remove(&join->link);
	if (!list_empty(&group->waiting) || !list_empty(&group->settled))
		return;
	table_remove(&join->history->groups, &group->node);
	mem_free(group);
}

static void
join_unlink_socket(struct sio_history_join *join)
{
	struct sio_history_join **at = &join->socket->extra->joins;

	while (*at != join)
		at = &(*at)->next;
	*at = join->next;
}

/* Stops what the join waits for, and its timer. */
static void
join_stop(struct sio_history_join *join)
{
	struct sio_history *history = join->history;

	history->asks -= join->state != JOIN_SETTLED;
	bus_wait_cancel(&join->wait);
	if (history->store != NULL)
		history_cancel(history->store, &join->ask);
	list_remove(&join->place.link);
	loop_disarm(history->io->loop, &join->timer);
	join->state = JOIN_SETTLED;
}

/* The callback of an ended join. It runs in a job. */
struct join_call {
	struct list link; /* in history->ending */
	sio_joined_fn *fn;
	void *arg;
};

static void
join_call_back_later(struct sio_history_join *join)
{
	struct sio_history *history = join->history;
	struct join_call *call = mem_alloc(sizeof *call);

	*call = (struct join_call){.fn = join->fn, .arg = join->arg};
	list_add_tail(&history->ending, &call->link);
	sio_turn_defer(&history->io->turn, &history->ending_job);
}

/* Removes the join from its socket and its room, and frees it. Its callback, if it is still due, runs later. */
static void
join_end(struct sio_history_join *join)
{
	join_stop(join);
	sio_history_held_clear(join, &join->past);
	sio_history_held_clear(join, &join->held);
	sio_client_hold(join->socket->client, -(int64_t)(join->sent_size * sizeof *join->sent));
	mem_free(join->sent);
	join_leave_group(join);
	join_unlink_socket(join);
	if (join->fn != NULL)
		join_call_back_later(join);
	mem_free(join);
}

void
sio_history_join_ended(struct sio_history *history)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &history->ending);
	while (!list_empty(&now)) {
		struct join_call *call = container_of(now.next, struct join_call, link);
		struct sio_underway before = sio_underway_enter(&history->io->underway, NULL, "join with history");

		list_remove(&call->link);
		call->fn(NULL, SIO_ERR_STATE, 0, call->arg);
		sio_underway_leave(&history->io->underway, before);
		mem_free(call);
	}
}

static void
join_call_back(struct sio_history_join *join, int error)
{
	struct sio_history *history = join->history;
	sio_joined_fn *fn = join->fn;
	struct sio_underway before;

	join->fn = NULL;
	if (fn == NULL)
		return;
	before = sio_underway_enter(&history->io->underway, NULL, "join with history");
	fn(join->socket, error, join->events, join->arg); /* the callback may end the join */
	sio_underway_leave(&history->io->underway, before);
}

static void
join_on_timer(struct wheel_entry *entry)
{
	struct sio_history_join *join = container_of(entry, struct sio_history_join, timer);

	if (join->fn == NULL) {
		join_end(join);
		return;
	}
	loop_arm(join->history->io->loop, entry, join->limits != NULL ? SETTLED_MS : 0);
	join_call_back(join, join->error);
}

/* ----------------------------------------------------------------- sending */

static void
join_send(struct sio_history_join *join, struct text json, const struct attachments *attachments, unsigned flags,
	uint64_t offset)
{
	struct sio_socket *s = join->socket;
	struct sio_emission emission = {.nsp = s->nsp,
		.what = {.json = json, .attachments = attachments},
		.flags = flags,
		.released = true,
		.entry = offset,
		.scratch = sio_scratch_take(&s->nsp->io->turn)};

	join->sent_any = true;
	/* an error means that the event is too large: the client would not have got it live either */
	(void)sio_emission_one(&emission, s);
	sio_scratch_give(&s->nsp->io->turn, emission.scratch);
}

static bool
join_is_excluded(const struct sio_history_join *join, const struct sio_history_entry *entry)
{
	for (unsigned i = 0; i < entry->except_count; i++) {
		if (sio_rooms_has(join->socket, entry->except[i]))
			return true;
	}
	return false;
}

static void
join_send_records(struct sio_history_join *join, const struct sio_history_records *records)
{
	for (unsigned i = 0; i < records->count && !join->ended; i++) {
		const struct sio_history_record *record = &records->at[i];

		bool repeated = sio_history_mark_was_sent(join->socket, record->entry.mark);

		sio_history_mark_add(join, record->entry.mark);
		join->history->stats.repeats += repeated;
		if (repeated || join_is_excluded(join, &record->entry))
			continue;
		join->events++;
		join->history->stats.sent++;
		join_send(join, record->json, record->attachments, 0, 0);
	}
}

/* Returns true if the socket has got the event. `past`: the event comes from the history. */
static bool
held_is_repeated(const struct sio_history_join *join, const struct held_event *held, bool past)
{
	return held->mark.origin != 0 && ((!past && sio_history_mark_covers(join, held->mark)) ||
						 sio_history_mark_was_sent(join->socket, held->mark));
}

/* Returns the next event to send and sets *from to its list, or returns NULL. Frees those that the socket has got. */
static struct held_event *
join_next(struct sio_history_join *join, struct held_events **from)
{
	struct held_event *held;

	for (;;) {
		*from = join->past.count > 0 ? &join->past : &join->held;
		held = sio_history_held_first(*from);
		if (held == NULL || !held_is_repeated(join, held, *from == &join->past))
			return held;
		if (*from == &join->past)
			sio_history_mark_add(join, held->mark);
		join->passed_any = true;
		sio_history_held_free(join, *from, held);
		join->history->stats.repeats++;
	}
}

/* Sends join->past and join->held; the last event gets the offset of the join. */
static void
join_send_held(struct sio_history_join *join)
{
	struct held_events *from;
	struct held_event *held;

	while (!join->ended && (held = join_next(join, &from)) != NULL) {
		struct sio_stored *event = sio_stored_ref(held->event);
		unsigned flags = held->flags;

		if (held->mark.origin != 0)
			sio_history_mark_add(join, held->mark);
		if (from == &join->past) {
			join->events++;
			join->history->stats.sent++;
		}
		sio_history_held_free(join, from, held);
		held = join_next(join, &from);
		join_send(join, event->owner.json, event->owner.attachments, flags, held == NULL ? join->offset : 0);
		sio_stored_unref(event);
	}
}

/* From now on, the join only drops copies of what it has sent. */
static void
join_rest(struct sio_history_join *join)
{
	join_stop(join);
	list_remove(&join->link);
	list_add_tail(&join->group->settled, &join->link);
	loop_arm(join->history->io->loop, &join->timer, SETTLED_MS);
}

/* Sends the records (may be NULL), then the held events. Returns false if the socket has left the room meanwhile. */
static bool
join_settle(struct sio_history_join *join, const struct sio_history_records *records)
{
	join->sending = true;
	if (records != NULL)
		join_send_records(join, records);
	join_send_held(join); /* newer events are still held behind these */
	join->sending = false;
	sio_history_place_end(join);
	if (join->ended)
		return false;
	join_rest(join);
	return true;
}

/* Ends the wait. The timer calls back, because an emit is in progress. */
static void
join_finish_later(struct sio_history_join *join, int error)
{
	if (!join_settle(join, NULL)) {
		join_end(join);
		return;
	}
	join->error = error;
	loop_arm(join->history->io->loop, &join->timer, 0);
}

/* Ends the wait, and calls back. */
static void
join_finish(struct sio_history_join *join, int error, const struct sio_history_records *records)
{
	if (join_settle(join, records))
		join_call_back(join, error);
	else
		join_end(join);
}

void
sio_history_join_give_up(struct sio_history_join *join)
{
	int error = join->state == JOIN_PLACING ? 0 : SIO_ERR_TOO_MANY;

	history_cancel(join->history->store, &join->ask);
	bus_wait_cancel(&join->wait);
	list_remove(&join->place.link);
	join_finish_later(join, error);
}

/* Keeps the records that the socket may get. If memory is short, keeps none and returns false. */
static bool
join_keep(struct sio_history_join *join, const struct sio_history_records *records)
{
	bool kept = true;

	for (unsigned i = 0; i < records->count && kept; i++) {
		const struct sio_history_record *record = &records->at[i];
		struct sio_stored *event;

		if (join_is_excluded(join, &record->entry))
			continue;
		event = sio_stored_new(record->json, record->attachments);
		kept = event != NULL && sio_history_held_add(join, &join->past, event, record->entry.mark, 0);
		sio_stored_unref(event);
	}
	if (!kept)
		sio_history_held_clear(join, &join->past);
	return kept;
}

/* Marks the records that join_keep() has left out. */
static void
join_mark_excluded(struct sio_history_join *join, const struct sio_history_records *records)
{
	for (unsigned i = 0; i < records->count; i++) {
		const struct sio_history_record *record = &records->at[i];

		if (!join_is_excluded(join, &record->entry))
			continue;
		join->history->stats.repeats += sio_history_mark_was_sent(join->socket, record->entry.mark);
		sio_history_mark_add(join, record->entry.mark);
	}
}

/* The history has been read. Returns true if join_on_place() follows. */
static bool
join_find_place(struct sio_history_join *join, const struct sio_history_records *records)
{
	if (!sio_history_place_needed(join) || !join_keep(join, records))
		return false;
	if (join->past.count + join->held.count > 0 && sio_history_place_find(join)) {
		join->state = JOIN_PLACING;
		join_mark_excluded(join, records);
		return true;
	}
	sio_history_held_clear(join, &join->past);
	return false;
}

static void
join_on_place(struct sio_stream_place *place, uint64_t entry)
{
	struct sio_history_join *join = container_of(place, struct sio_history_join, place);

	join->offset = sio_history_place_is_shared(join) ? 0 : entry;
	join_finish_later(join, 0);
}

static void
join_on_answer(struct history_ask *ask, int error, const struct history_item *items, unsigned count)
{
	struct sio_history_join *join = container_of(ask, struct sio_history_join, ask);
	struct sio_history_records records = {.count = 0};

	join->whole = false;
	if (error == 0)
		error = sio_history_decode(join->history, items, count, SIO_HISTORY_SENT_MAX, &records);
	if (error == ERROR_MEMORY)
		loop_count_no_memory(join->history->io->loop);
	join->whole = error == 0 && count < join->query.count && !records.cut;
	if (error != 0 || !join_find_place(join, &records))
		join_finish(join, sio_history_error(error), &records);
	sio_history_records_fini(&records);
}

static void
join_read(struct sio_history_join *join)
{
	struct sio_history *history = join->history;
	struct join_group *group = join->group;

	join->state = JOIN_READING;
	history_read(
		history->store, text_of(group->key, group->node.key_len), join->limits, &join->query, &join->ask);
}

static void
join_on_subscribed(struct bus_wait *wait)
{
	join_read(container_of(wait, struct sio_history_join, wait));
}

/* ----------------------------------------------------------------- leaving */

static void
join_abandon(struct sio_history_join *join)
{
	if (join->sending)
		join->ended = true;
	else
		join_end(join);
}

void
sio_history_join_left(struct sio_socket *s, struct text room)
{
	struct sio_history *history = s->nsp->io->history;
	struct text key = sio_history_key(history, sio_nsp_text(s->nsp), room);
	struct sio_history_join *join = s->extra->joins, *next;

	for (; join != NULL; join = next) {
		next = join->next;
		if (text_is(text_of(join->group->key, join->group->node.key_len), key))
			join_abandon(join);
	}
}

/* Ends the joins of one list of a group. The group may be freed with its last join. */
static void
group_end_joins(struct list *joins)
{
	struct list *it, *next;

	list_each(it, next, joins) join_abandon(container_of(it, struct sio_history_join, link));
}

static void
group_lose_joins(const struct join_group *group)
{
	struct list *it, *next;

	list_each(it, next, &group->waiting) sio_history_place_lost(container_of(it, struct sio_history_join, link));
}

void
sio_history_join_end_all(struct sio_history *history)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&history->groups, &cursor)) != NULL) {
		struct join_group *group = container_of(node, struct join_group, node);
		bool stays = !list_empty(&group->settled);

		group_lose_joins(group);
		group_end_joins(&group->waiting);
		if (stays)
			group_end_joins(&group->settled);
	}
}

/* ----------------------------------------------------------------- joining */

static struct sio_history_join *
join_new(struct sio_history *history, struct sio_socket *s, struct text key, sio_joined_fn *fn, void *arg)
{
	struct sio_history_join *join = mem_zalloc(sizeof *join);
	struct sio_extra *extra = sio_socket_extra(s);

	join->history = history;
	join->socket = s;
	join->fn = fn;
	join->arg = arg;
	join->state = JOIN_SETTLING;
	join->group = group_get(history, key);
	join->ask.on_answer = join_on_answer;
	join->next = extra->joins;
	extra->joins = join;
	join->place.on_found = join_on_place;
	list_init(&join->place.link);
	sio_history_held_init(&join->past);
	sio_history_held_init(&join->held);
	bus_wait_init(&join->wait, join_on_subscribed);
	wheel_entry_init(&join->timer, join_on_timer);
	list_add_tail(&join->group->waiting, &join->link);
	if (history->indexed == s)
		history->indexed = NULL;
	history->asks++;
	return join;
}

int
sio_history_join_raw(struct sio_socket *s, struct text room, unsigned count, sio_joined_fn *fn, void *arg)
{
	struct sio_history *history = sio_history_get(s->nsp->io);
	struct broker *broker = s->nsp->io->broker;
	const struct history_limits *limits = sio_history_rules_find(&history->rules, sio_nsp_text(s->nsp), room);
	struct sio_history_join *join;
	int rc;

	if (s->state != SIO_CONNECTED)
		return SIO_ERR_STATE;
	if (history->asks >= SIO_HISTORY_ASKS_MAX)
		return SIO_ERR_TOO_MANY;
	rc = sio_rooms_join(s, room);
	if (rc == 0 && s->state != SIO_CONNECTED)
		rc = SIO_ERR_STATE; /* a listener of the room has disconnected the socket */
	if (rc != 0)
		return rc;
	if (s->extra != NULL)
		sio_history_join_left(s, room); /* the new join replaces an older one of the same room */
	join = join_new(history, s, sio_history_key(history, sio_nsp_text(s->nsp), room), fn, arg);
	if (limits == NULL || history->store == NULL) {
		(void)join_settle(join, NULL);
		loop_arm(history->io->loop, &join->timer, 0);
		return 0;
	}
	join->limits = limits;
	join->query.count = count > 0 && count < limits->count ? count : limits->count;
	join->query.max_bytes = JOIN_READ_MAX;
	sio_history_place_begin(join);
	if (broker == NULL || !broker_wait(broker, &join->wait))
		join_read(join);
	return 0;
}

/* A recovered socket enters its own room later. */
static bool
is_in_room(const struct sio_socket *s, struct text room)
{
	return sio_rooms_has(s, room) || (s->session->own && text_is(room, sio_socket_id_text(s)));
}

/* Makes a join that settles at once. Returns NULL if the socket is not in the room, or has the join already. */
static struct sio_history_join *
join_adopt(struct sio_history *history, struct sio_socket *s, struct text room)
{
	struct text key = sio_history_key(history, sio_nsp_text(s->nsp), room);
	struct table_node *node = table_find(&history->groups, key);
	const struct list *settled = node != NULL ? &container_of(node, struct join_group, node)->settled : NULL;

	if (!is_in_room(s, room))
		return NULL;
	/* the joins that the socket has were the last ones to settle */
	if (settled != NULL && !list_empty(settled) &&
		container_of(settled->prev, struct sio_history_join, link)->socket == s)
		return NULL;
	return join_new(history, s, key, NULL, NULL);
}

bool
sio_history_join_adopt(struct sio_socket *s, struct text given)
{
	struct sio_history *history = s->nsp->io->history;
	struct sio_history_given from = {.in = {.rest = given}};
	struct wire_mark mark;
	struct text room;

	while (sio_history_given_room(&from, &room)) {
		struct sio_history_join *join = join_adopt(history, s, room);

		if (join == NULL)
			return false;
		join->whole = from.whole;
		while (sio_history_given_mark(&from, &mark))
			sio_history_mark_add(join, mark);
		join_rest(join);
	}
	return !from.in.bad;
}

int
sio_join_with_history(sio_socket *s, const char *room, unsigned count, sio_joined_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	if (!sio_is_name(room))
		return sio_misused(__func__, room, NULL, NULL, SIO_ERR_ARGUMENT);
	return sio_history_join_raw(s, text_from(room), count, fn, arg);
}
