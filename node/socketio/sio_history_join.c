#include "node/socketio/sio_history_join.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_history.h"
#include "node/socketio/sio_rooms.h"

#define SETTLED_MS 30000 /* how long after the answer a copy from another server may arrive */
#define JOIN_READ_MAX (SIO_HISTORY_SENT_MAX + 2 * HISTORY_PAYLOAD_MAX) /* more than is sent: an entry is left out */
#define NEWEST_MAX 32 /* origins that a room remembers; if there are more, each join is checked */

enum join_state { JOIN_SETTLING, JOIN_READING, JOIN_SETTLED };

/* The joins of one room. Freed with the last join. */
struct join_group {
	struct table_node node;
	struct list waiting, settled;	     /* struct sio_history_join; `waiting`: SETTLING and READING */
	struct wire_mark newest[NEWEST_MAX]; /* the highest number that the joins have sent, for each origin */
	unsigned newest_count;		     /* beyond NEWEST_MAX: some origins are missing */
	char key[];
};

struct held_event {
	struct list link;
	struct sio_stored *event;
	struct wire_mark mark;
	unsigned flags;
};

struct sio_history_join {
	struct list link;	       /* in the group */
	struct sio_history_join *next; /* of the same socket */
	struct join_group *group;
	struct sio_history *history;
	struct sio_socket *socket;
	enum join_state state;
	const struct history_limits *limits;
	struct history_query query;
	struct bus_wait wait;
	struct history_ask ask;
	struct wheel_entry timer; /* ends the state SETTLED */
	struct list held;	  /* struct held_event */
	unsigned held_count;
	size_t held_bytes;
	struct wire_mark *sent; /* marks of the sent events, in order */
	unsigned sent_count, sent_size;
	unsigned events;   /* entries sent */
	bool whole;	   /* the answer contained all entries of the room */
	bool sending;	   /* events are being sent, so the join must not be freed */
	bool ended;	   /* the join has ended while it was sending */
	int error;	   /* SETTLED: for the callback, if the timer calls it */
	sio_joined_fn *fn; /* NULL: none, or already called */
	void *arg;
};

/* ------------------------------------------------------------------- marks */

static void
group_note(struct join_group *group, struct wire_mark mark)
{
	for (unsigned i = 0; i < group->newest_count && i < NEWEST_MAX; i++) {
		if (group->newest[i].origin != mark.origin)
			continue;
		if (group->newest[i].number < mark.number)
			group->newest[i].number = mark.number;
		return;
	}
	if (group->newest_count < NEWEST_MAX)
		group->newest[group->newest_count] = mark;
	if (group->newest_count <= NEWEST_MAX)
		group->newest_count++;
}

/* Returns false only if no join has sent this event or a newer one of its origin. */
static bool
group_may_cover(const struct join_group *group, struct wire_mark mark)
{
	for (unsigned i = 0; i < group->newest_count && i < NEWEST_MAX; i++) {
		if (group->newest[i].origin == mark.origin)
			return mark.number <= group->newest[i].number;
	}
	return group->newest_count > NEWEST_MAX;
}

static int
mark_compare(struct wire_mark a, struct wire_mark b)
{
	if (a.origin != b.origin)
		return a.origin < b.origin ? -1 : 1;
	return a.number < b.number ? -1 : a.number > b.number;
}

/* Returns the index of the first sent mark that is not less than `mark`. */
static unsigned
join_place(const struct sio_history_join *join, struct wire_mark mark)
{
	unsigned from = 0, to = join->sent_count;

	while (from < to) {
		unsigned middle = from + (to - from) / 2;

		if (mark_compare(join->sent[middle], mark) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void
join_add_mark(struct sio_history_join *join, struct wire_mark mark)
{
	unsigned i;

	group_note(join->group, mark);
	if (join->sent_count == join->sent_size) {
		unsigned size = join->sent_size + 64;
		struct wire_mark *grown = mem_try_realloc(join->sent, size * sizeof *grown);

		if (grown == NULL) {
			loop_count_no_memory(join->history->io->loop);
			return; /* a late copy of the event may be sent again */
		}
		sio_client_hold(join->socket->client, (int64_t)((size - join->sent_size) * sizeof *grown));
		join->sent = grown;
		join->sent_size = size;
	}
	i = join_place(join, mark);
	memmove(&join->sent[i + 1], &join->sent[i], (join->sent_count - i) * sizeof *join->sent);
	join->sent[i] = mark;
	join->sent_count++;
}

static bool
join_has_mark(const struct sio_history_join *join, struct wire_mark mark)
{
	unsigned i = join_place(join, mark);

	return i < join->sent_count && mark_compare(join->sent[i], mark) == 0;
}

/*
 * Returns true if the socket must not get the event: it was sent already, or the history was cut and the event is
 * older than all sent events of its origin. An event that lies between sent ones is delivered: its entry was not
 * stored, because a queue was full.
 */
static bool
join_covers(const struct sio_history_join *join, struct wire_mark mark)
{
	unsigned oldest;

	if (join->whole)
		return join_has_mark(join, mark);
	oldest = join_place(join, (struct wire_mark){mark.origin, 0});
	return join_has_mark(join, mark) || (oldest < join->sent_count && join->sent[oldest].origin == mark.origin &&
						    mark.number < join->sent[oldest].number);
}

/*
 * Returns true if any join of the socket has sent the event: an event for several rooms is in the history of each.
 */
static bool
socket_has_mark(const struct sio_socket *s, struct wire_mark mark)
{
	const struct sio_history_join *join = s->extra != NULL ? s->extra->joins : NULL;

	for (; join != NULL; join = join->next) {
		if (join_has_mark(join, mark))
			return true;
	}
	return false;
}

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

	list_remove(&join->link);
	if (!list_empty(&group->waiting) || !list_empty(&group->settled))
		return;
	table_remove(&join->history->groups, &group->node);
	mem_free(group);
}

static void
held_free(struct sio_history_join *join, struct held_event *held)
{
	size_t bytes = sizeof *held + sio_stored_size(held->event);

	list_remove(&held->link);
	join->held_count--;
	join->held_bytes -= bytes;
	sio_client_hold(join->socket->client, -(int64_t)bytes);
	sio_stored_unref(held->event);
	mem_free(held);
}

static void
join_unlink_socket(struct sio_history_join *join)
{
	struct sio_history_join **at = &join->socket->extra->joins;

	while (*at != join)
		at = &(*at)->next;
	*at = join->next;
}

/* Ends the waiting of a join, and its timer. */
static void
join_stop(struct sio_history_join *join)
{
	struct sio_history *history = join->history;

	history->asks -= join->state != JOIN_SETTLED;
	bus_wait_cancel(&join->wait);
	if (history->store != NULL)
		history_cancel(history->store, &join->ask);
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
	while (!list_empty(&join->held))
		held_free(join, container_of(join->held.next, struct held_event, link));
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
join_send(struct sio_history_join *join, struct text json, const struct attachments *attachments, unsigned flags)
{
	struct sio_socket *s = join->socket;
	struct sio_emission emission = {.nsp = s->nsp,
		.what = {.json = json, .attachments = attachments},
		.flags = flags,
		.scratch = sio_scratch_take(&s->nsp->io->turn)};

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

		bool repeated = socket_has_mark(join->socket, record->entry.mark);

		join_add_mark(join, record->entry.mark);
		join->history->stats.repeats += repeated;
		if (repeated || join_is_excluded(join, &record->entry))
			continue;
		join->events++;
		join->history->stats.sent++;
		join_send(join, record->json, record->attachments, 0);
	}
}

static void
join_send_held(struct sio_history_join *join)
{
	while (!list_empty(&join->held) && !join->ended) {
		struct held_event *held = container_of(join->held.next, struct held_event, link);
		struct sio_stored *event = sio_stored_ref(held->event);
		struct wire_mark mark = held->mark;
		unsigned flags = held->flags;
		bool repeated = mark.origin != 0 && (join_covers(join, mark) || socket_has_mark(join->socket, mark));

		held_free(join, held);
		if (!repeated && mark.origin != 0)
			join_add_mark(join, mark);
		if (!repeated)
			join_send(join, event->owner.json, event->owner.attachments, flags);
		join->history->stats.repeats += repeated;
		sio_stored_unref(event);
	}
}

/* Sends the records (may be NULL), then the held events. Returns false if the socket has left the room meanwhile. */
static bool
join_settle(struct sio_history_join *join, const struct sio_history_records *records)
{
	struct sio_history *history = join->history;

	join->sending = true;
	if (records != NULL)
		join_send_records(join, records);
	join_send_held(join); /* newer events are still held behind these */
	join->sending = false;
	if (join->ended)
		return false;
	join_stop(join);
	list_remove(&join->link);
	list_add_tail(&join->group->settled, &join->link);
	loop_arm(history->io->loop, &join->timer, SETTLED_MS);
	return true;
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

/*
 * The join can hold no more events. Sends the held events without the history. The timer calls the callback, because
 * an emit is in progress.
 */
static void
join_give_up(struct sio_history_join *join)
{
	history_cancel(join->history->store, &join->ask);
	bus_wait_cancel(&join->wait);
	if (!join_settle(join, NULL)) {
		join_end(join);
		return;
	}
	join->error = SIO_ERR_TOO_MANY;
	loop_arm(join->history->io->loop, &join->timer, 0);
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

/* ----------------------------------------------------------------- holding */

/* Removes a socket from a selection and keeps the order. Returns false if the socket is not selected. */
static bool
selection_take(struct sio_selection *to, const struct sio_socket *s)
{
	for (unsigned i = 0; i < to->count; i++) {
		if (to->at[i] != s)
			continue;
		memmove(&to->at[i], &to->at[i + 1], (to->count - i - 1) * sizeof *to->at);
		to->count--;
		return true;
	}
	return false;
}

/* An event that joins hold, and their common copy. */
struct holding {
	const struct sio_history_event *event;
	struct sio_content what;
	struct sio_stored *copy; /* NULL: not made yet */
};

/* Holds the event. Returns false at a limit or without memory. */
static bool
join_hold(struct sio_history_join *join, struct holding *holding)
{
	struct held_event *held;
	size_t bytes;

	if (join->held_count == SIO_HISTORY_HELD_MAX || join->held_bytes > SIO_HISTORY_HELD_BYTES)
		return false;
	held = mem_try_alloc(sizeof *held);
	if (held == NULL)
		return false;
	if (holding->copy == NULL)
		holding->copy = sio_stored_new(holding->what.json, holding->what.attachments);
	if (holding->copy == NULL) {
		mem_free(held);
		return false;
	}
	held->event = sio_stored_ref(holding->copy);
	held->mark = holding->event->mark;
	held->flags = holding->event->flags & SIO_FLAG_NO_COMPRESS;
	bytes = sizeof *held + sio_stored_size(held->event);
	list_add_tail(&join->held, &held->link);
	join->held_count++;
	join->held_bytes += bytes;
	sio_client_hold(join->socket->client, (int64_t)bytes);
	return true;
}

static struct sio_history_join *
socket_waits(const struct sio_socket *s, const struct join_group *group)
{
	struct sio_history_join *join = s->extra != NULL ? s->extra->joins : NULL;

	while (join != NULL && (join->group != group || join->state == JOIN_SETTLED))
		join = join->next;
	return join;
}

/*
 * Holds the event for the waiting joins. Returns true if a join was full and has sent its held events. Its socket
 * stays in the selection and gets the event live. Listeners have run, so the caller must look for the room again.
 */
static bool
group_hold(struct join_group *group, struct holding *holding, struct sio_selection *to)
{
	bool held = (holding->event->flags & SIO_FLAG_VOLATILE) == 0;
	struct sio_history_join *full = NULL;
	unsigned kept = 0, i = 0;

	if (list_empty(&group->waiting))
		return false;
	for (; i < to->count && full == NULL; i++) {
		struct sio_history_join *join = socket_waits(to->at[i], group);

		if (join != NULL && (!held || join_hold(join, holding)))
			continue;
		if (join != NULL && !join->sending)
			full = join;
		to->at[kept++] = to->at[i];
	}
	memmove(&to->at[kept], &to->at[i], (to->count - i) * sizeof *to->at);
	to->count -= i - kept;
	if (full != NULL)
		join_give_up(full);
	return full != NULL;
}

static void
group_drop_repeats(struct join_group *group, struct wire_mark mark, struct sio_selection *to)
{
	struct list *it, *next;

	if (mark.origin == 0 || !group_may_cover(group, mark))
		return;
	list_each(it, next, &group->settled)
	{
		struct sio_history_join *join = container_of(it, struct sio_history_join, link);

		if (join_covers(join, mark) && selection_take(to, join->socket))
			join->history->stats.repeats++;
	}
}

static struct join_group *
group_find(struct sio_history *history, const struct sio_nsp *nsp, struct text room)
{
	struct table_node *node = table_find(&history->groups, sio_history_key(history, sio_nsp_text(nsp), room));

	return node != NULL ? container_of(node, struct join_group, node) : NULL;
}

void
sio_history_join_hold(struct sio_history *history, const struct sio_history_event *event, struct sio_selection *to)
{
	struct holding holding = {.event = event, .what = *event->what};
	struct join_group *group;

	for (unsigned i = 0; i < event->who->rooms_count && to->count > 0; i++) {
		struct text room = event->who->rooms[i];

		group = group_find(history, event->nsp, room);
		if (group == NULL)
			continue;
		if (sio_content_write(&holding.what) != 0)
			break; /* an event whose text cannot be written reaches no receiver */
		while (group != NULL && group_hold(group, &holding, to))
			group = group_find(history, event->nsp, room);
		if (group != NULL)
			group_drop_repeats(group, event->mark, to);
	}
	sio_stored_unref(holding.copy);
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

void
sio_history_join_end_all(struct sio_history *history)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&history->groups, &cursor)) != NULL) {
		struct join_group *group = container_of(node, struct join_group, node);
		bool stays = !list_empty(&group->settled);

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
	list_init(&join->held);
	bus_wait_init(&join->wait, join_on_subscribed);
	wheel_entry_init(&join->timer, join_on_timer);
	list_add_tail(&join->group->waiting, &join->link);
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
	if (broker == NULL || !broker_wait(broker, &join->wait))
		join_read(join);
	return 0;
}

int
sio_join_with_history(sio_socket *s, const char *room, unsigned count, sio_joined_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	if (!sio_is_name(room))
		return sio_misused(__func__, room, NULL, NULL, SIO_ERR_ARGUMENT);
	return sio_history_join_raw(s, text_from(room), count, fn, arg);
}
