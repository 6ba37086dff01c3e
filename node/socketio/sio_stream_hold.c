/*
 * Adds the events of this worker to the stream at once, and delivers them to this worker's sockets when they are
 * read back. Then they have an offset and their place among the events of other nodes. An unrecorded event
 * (volatile, local, or with acknowledgements) waits behind earlier events, so that it does not overtake them.
 *
 *   an event at the head of the queue        action
 *   not recorded                             delivered, and published if it has other receivers
 *   recorded, its entry is read              delivered with its offset
 *   recorded, an entry after it is read      the bus has dropped its entry: delivered without an offset
 *   waits for more than HOLD_MS, or more     the stream counts as away: all events are delivered without an offset.
 *   than recoveryMaxBytes are held           The entry of such an event raises the floor when it is read later; that
 *                                            of an item without receivers does not
 *
 * An event for a room with a history is stored in the history before it is added to the stream. So a client that has
 * received the event also finds it in the history. The mark of the event travels with it.
 */
#include "node/socketio/sio_stream_hold.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_stream_store.h"

#define HOLD_MS 2000
#define TICK_MS 250
#define LATE_MAX 1024 /* items without receivers whose entries may be read late */

/* The waiting events of one namespace. Freed when it is empty. */
struct stream_queue {
	struct list link; /* in stream->queues */
	struct list items;
	struct sio_nsp *nsp; /* kept by sio_nsp_used() */
	bool releasing;	     /* queue_release() runs for it, and may free it */
};

struct stream_item {
	struct list link;
	uint64_t number; /* 0: not recorded */
	uint64_t since;	 /* loop time */
	size_t bytes;
	struct sio_emission emission; /* its content and its name point into the item */
	struct sio_selector who;
	struct attachments attachments;
	bool one;	     /* the only receiver is the socket whose id is the only room */
	bool nobody;	     /* no socket gets the item, which only marks `places` */
	struct list places;  /* struct sio_stream_place */
	struct text names[]; /* rooms and exceptions; then all texts */
};

/* ------------------------------------------------------------------ items */

static char *
item_copy(char *at, struct text from, struct text *to)
{
	*to = from.at != NULL ? text_of(at, from.n) : TEXT_NONE;
	if (from.at == NULL)
		return at;
	at = from.n > 0 ? mempcpy(at, from.at, from.n) : at;
	*at = '\0'; /* the name of an event ends with NUL */
	return at + 1;
}

static size_t
names_size(const struct text *names, unsigned count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += sizeof *names + names[i].n + 1;
	return bytes;
}

/* Returns NULL if memory is short. */
static struct stream_item *
item_new(const struct sio_emission *emission, const struct sio_content *what, const struct sio_selector *to)
{
	size_t size = sizeof(struct stream_item) + names_size(to->rooms, to->rooms_count) +
		      names_size(to->except, to->except_count) + what->json.n + 1 + emission->name.n + 1;
	struct stream_item *item = mem_try_alloc(size);
	struct text *names;
	char *at;

	if (item == NULL)
		return NULL;
	*item = (struct stream_item){.emission = *emission, .who = *to, .bytes = size};
	item->emission.scratch = NULL;
	item->emission.released = true;
	names = item->names;
	item->who.rooms = names;
	item->who.except = names + to->rooms_count;
	at = (char *)(names + to->rooms_count + to->except_count);
	for (unsigned i = 0; i < to->rooms_count; i++)
		at = item_copy(at, to->rooms[i], &names[i]);
	for (unsigned i = 0; i < to->except_count; i++)
		at = item_copy(at, to->except[i], &names[to->rooms_count + i]);
	at = item_copy(at, what->json, &item->emission.what.json);
	(void)item_copy(at, emission->name, &item->emission.name);
	list_init(&item->places);
	item->emission.what.late = NULL;
	item->emission.what.attachments = NULL;
	attachments_init(&item->attachments);
	for (unsigned i = 0; what->attachments != NULL && i < what->attachments->count; i++)
		attachments_add(&item->attachments, what->attachments->blocks[i]);
	if (item->attachments.count > 0) {
		item->emission.what.attachments = &item->attachments;
		item->bytes += attachments_bytes(&item->attachments);
	}
	return item;
}

static void
item_free(struct stream_item *item)
{
	attachments_fini(&item->attachments);
	mem_free(item);
}

/* ----------------------------------------------------------------- queues */

static struct stream_queue *
queue_new(struct sio_stream *stream, struct sio_nsp *nsp)
{
	struct stream_queue *queue = mem_zalloc(sizeof *queue);

	if (list_empty(&stream->queues))
		loop_arm(stream->recovery->io->loop, &stream->held_timer, TICK_MS);
	list_init(&queue->items);
	list_add_tail(&stream->queues, &queue->link);
	queue->nsp = nsp;
	nsp->log->queue = queue;
	sio_nsp_used(nsp);
	return queue;
}

static struct stream_item *
queue_first(const struct stream_queue *queue)
{
	return list_empty(&queue->items) ? NULL : container_of(queue->items.next, struct stream_item, link);
}

static bool
queue_waits_for(const struct stream_queue *queue, uint64_t number)
{
	struct list *it, *next;

	list_each(it, next, &queue->items)
	{
		uint64_t has = container_of(it, struct stream_item, link)->number;

		if (has >= number)
			return has == number;
	}
	return false;
}

/* --------------------------------------------------------------- delivery */

/* Remembers the number of an item without receivers that did not wait for its entry. */
static void
late_add(struct sio_stream *stream, uint64_t number)
{
	if (stream->late == NULL)
		stream->late = mem_zalloc(LATE_MAX * sizeof *stream->late);
	stream->late[stream->late_next++ % LATE_MAX] = number;
}

/* Returns true if the number was remembered, and forgets it. */
static bool
late_take(struct sio_stream *stream, uint64_t number)
{
	for (unsigned i = 0; stream->late != NULL && i < LATE_MAX; i++) {
		if (stream->late[i] != number)
			continue;
		stream->late[i] = 0;
		return true;
	}
	return false;
}

static void
item_report_places(struct stream_item *item, uint64_t entry)
{
	struct sio_stream *stream = item->emission.nsp->io->recovery->stream;

	if (stream->marker == item)
		stream->marker = NULL;
	if (entry == 0)
		late_add(stream, item->number);
	while (!list_empty(&item->places)) {
		struct sio_stream_place *place = container_of(item->places.next, struct sio_stream_place, link);

		list_remove(&place->link);
		place->on_found(place, entry);
	}
	item_free(item);
}

/*
 * Delivers and frees an item that has been taken off its queue. `entry`: the number of its entry; 0: without an
 * offset.
 */
static void
item_deliver(struct stream_item *item, uint64_t entry)
{
	struct sio_emission *emission = &item->emission;
	struct sio_nsp *nsp = emission->nsp;
	struct sio_socket *s;

	if (item->nobody) {
		item_report_places(item, entry);
		return;
	}
	emission->entry = entry;
	emission->scratch = sio_scratch_take(&nsp->io->turn);
	if (item->number != 0 && entry == 0)
		sio_stream_early(nsp, item->number);
	if (item->one) {
		s = sio_socket_find(nsp, item->who.rooms[0]);
		if (s != NULL)
			(void)sio_emission_one(emission, s);
	} else if (item->number == 0) {
		(void)sio_emission_many(emission, &item->who);
	} else if (sio_rooms_select(nsp, &item->who, &emission->scratch->selection) == 0) {
		(void)sio_emission_here(emission, &item->who, NULL, NULL);
	}
	sio_scratch_give(&nsp->io->turn, emission->scratch);
	item_free(item);
}

/*
 * Delivers the items up to the one with this number, and the unrecorded items behind it. With `all`, delivers every
 * item without an offset. Listeners of outgoing packets may emit meanwhile and so add items.
 */
static void
queue_release(struct sio_stream *stream, struct stream_queue *queue, uint64_t number, uint64_t entry, bool all)
{
	struct stream_item *item;

	if (queue->releasing)
		return;
	queue->releasing = true;
	while ((item = queue_first(queue)) != NULL && (all || item->number <= number)) {
		list_remove(&item->link);
		stream->held_bytes -= item->bytes;
		item_deliver(item, !all && item->number == number ? entry : 0);
	}
	queue->releasing = false;
	if (!list_empty(&queue->items))
		return;
	list_remove(&queue->link);
	queue->nsp->log->queue = NULL;
	sio_nsp_unused(queue->nsp);
	mem_free(queue);
}

void
sio_stream_on_own(struct sio_nsp *nsp, uint64_t number, uint64_t entry)
{
	struct sio_stream *stream = nsp->io->recovery != NULL ? nsp->io->recovery->stream : NULL;
	struct stream_queue *queue = nsp->log != NULL ? nsp->log->queue : NULL;

	if (stream == NULL || nsp->log == NULL)
		return;
	if (queue == NULL || !queue_waits_for(queue, number)) {
		/*
		 * The event was delivered without this offset, so a client with an older one would get it again. An
		 * item without receivers only shows that the stream has the earlier events, or has lost them.
		 */
		if (!late_take(stream, number) || (nsp->log->early != 0 && number >= nsp->log->early))
			sio_stream_read_early(nsp, number, entry);
		return;
	}
	queue_release(stream, queue, number, entry, false);
	if (nsp->log->early != 0)
		sio_stream_read_early(nsp, number, entry);
}

static void
stream_release_all(struct sio_stream *stream)
{
	struct list all;

	if (stream->releasing)
		return;
	stream->releasing = true;
	list_init(&all);
	list_move_all(&all, &stream->queues);
	while (!list_empty(&all)) {
		struct stream_queue *queue = container_of(all.next, struct stream_queue, link);

		list_remove(&queue->link);
		list_add_tail(&stream->queues, &queue->link);
		queue_release(stream, queue, 0, 0, true);
	}
	stream->releasing = false;
}

/* ---------------------------------------------------------------- holding */

static void
hold(struct sio_stream *stream, struct stream_queue *queue, struct stream_item *item)
{
	struct sio_nsp *nsp = item->emission.nsp;

	if (queue == NULL)
		queue = queue_new(stream, nsp);
	item->since = nsp->io->loop->now;
	list_init(&item->link);
	list_add_tail(&queue->items, &item->link);
	stream->held_bytes += item->bytes;
	if (stream->held_bytes > nsp->io->options.recovery_max_bytes)
		loop_arm(nsp->io->loop, &stream->held_timer, 0);
}

/* Writes the content of the event. Returns false if it violates a limit, which its emission then reports. */
static bool
hold_may(const struct sio_emission *emission, struct sio_content *what)
{
	const struct sio_server *io = emission->nsp->io;

	*what = emission->what;
	return sio_content_write(what) == 0 && what->json.n + attachments_bytes(what->attachments) <= io->max_emit &&
	       (what->attachments == NULL || what->attachments->count <= SIO_ATTACHMENTS_MAX);
}

static bool
hold_recordable(const struct sio_emission *emission)
{
	return emission->ask.fn == NULL && (emission->flags & (SIO_FLAG_VOLATILE | SIO_FLAG_LOCAL)) == 0;
}

/* Returns the number of the next event of this worker. */
static uint64_t
next_number(const struct sio_stream *stream)
{
	return broker_stream_number(stream->broker) + 1;
}

/* Stores the event in the history of its rooms. Returns its mark. */
static struct wire_mark
hold_remember(const struct sio_emission *emission, const struct sio_selector *who, const struct sio_content *what)
{
	struct sio_history *history = emission->nsp->io->history;
	struct sio_history_event event = {.nsp = emission->nsp, .who = who, .what = what, .flags = emission->flags};

	if (history != NULL && who->rooms_count > 0)
		history->work->store(history, &event);
	return event.mark;
}

/* Adds the event to the stream. Returns its number, or 0 if it cannot be added. */
static uint64_t
hold_publish(struct sio_stream *stream, const struct sio_emission *emission, const struct sio_selector *who,
	const struct sio_content *what, struct wire_mark mark)
{
	struct wire_target to = {.rooms = who->rooms,
		.except = who->except,
		.room_count = who->rooms_count,
		.except_count = who->except_count,
		.flags = (emission->flags & SIO_FLAG_NO_COMPRESS) != 0 ? WIRE_NO_COMPRESS : 0,
		.mark = mark};
	uint64_t number = next_number(stream);

	if (broker_broadcast_numbered(emission->nsp->broker, &to, what->json, what->attachments, number) != 0)
		return 0;
	return number;
}

/* The bus does not take the event. Delivers it here without an offset. Returns the error. */
static int
hold_refused(struct stream_item *item, struct sio_scratch *scratch)
{
	int rc;

	item->emission.scratch = scratch;
	rc = sio_emission_many(&item->emission, &item->who);
	item_free(item);
	return rc;
}

bool
sio_stream_hold_many(const struct sio_emission *emission, const struct sio_selector *who, int *rc)
{
	struct sio_nsp *nsp = emission->nsp;
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct stream_queue *queue = nsp->log->queue;
	bool recordable = hold_recordable(emission);
	struct stream_item *item;
	struct sio_content what;
	uint64_t number = 0;

	if (queue == NULL && !(recordable && broker_stream_up(stream->broker)))
		return false; /* the emission uses sio_stream_number_unheld() */
	if (!hold_may(emission, &what))
		return false;
	item = item_new(emission, &what, who);
	if (item == NULL) {
		*rc = SIO_ERR_SYSTEM;
		return true;
	}
	if (recordable) {
		item->emission.mark = hold_remember(emission, who, &what);
		number = hold_publish(stream, emission, who, &what, item->emission.mark);
	}
	if (number == 0 && queue == NULL) {
		*rc = hold_refused(item, emission->scratch);
		return true;
	}
	item->number = number;
	hold(stream, queue, item);
	*rc = 0;
	return true;
}

/*
 * The event cannot be added to the stream, so the caller delivers it without an offset. A socket that waits for its
 * missed events (`replays`) would get it before them: it gets none, and continues as a new socket.
 */
static bool
hold_cannot_one(struct sio_stream *stream, struct sio_socket *s, bool recordable, bool replays, int *rc)
{
	if (replays)
		s->session->missed = true;
	else if (recordable)
		sio_stream_early(s->nsp, next_number(stream));
	*rc = 0;
	return replays;
}

/*
 * An event for a socket that its owner has accepted, and that waits for its missed events, is one of them if the
 * replay reads its entry. Otherwise the socket is connected when the entry is read back.
 */
bool
sio_stream_hold_one(const struct sio_emission *emission, struct sio_socket *s, const uint64_t *id, int *rc)
{
	struct sio_nsp *nsp = emission->nsp;
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct stream_queue *queue = nsp->log->queue;
	bool recordable = id == NULL && hold_recordable(emission) && s->session != NULL;
	bool replays = s->state == SIO_WAITING && s->owner_accepted && recordable;
	struct text own = sio_socket_id_text(s);
	struct sio_selector who = {.rooms = &own, .rooms_count = 1};
	struct stream_item *item;
	struct sio_content what;

	if ((s->state == SIO_WAITING && !replays) || (!recordable && !sio_socket_open(s)))
		return false;
	if (queue == NULL && !(recordable && broker_stream_up(stream->broker)))
		return hold_cannot_one(stream, s, recordable, replays, rc);
	if (!hold_may(emission, &what))
		return false;
	item = item_new(emission, &what, &who);
	if (item == NULL) {
		*rc = SIO_ERR_SYSTEM;
		return true;
	}
	item->one = true;
	item->emission.ask.fn = NULL; /* the emission already waits for the answer */
	item->emission.has_id = id != NULL;
	item->emission.id = id != NULL ? *id : 0;
	if (recordable)
		item->number = hold_publish(stream, emission, &who, &what, (struct wire_mark){0, 0});
	if (item->number == 0 && (queue == NULL || replays)) {
		item_free(item);
		return hold_cannot_one(stream, s, true, replays, rc);
	}
	hold(stream, queue, item);
	*rc = 0;
	return true;
}

/* Adds an item without receivers. Its entry is a broadcast that excludes its only room. Returns NULL on failure. */
static struct stream_item *
hold_marker(struct sio_stream *stream, struct sio_nsp *nsp)
{
	const struct sio_emission emission = {.nsp = nsp, .name = TEXT_NONE};
	const struct sio_content what = {.json = TEXT("[\"place\"]")};
	struct text room = broker_nsp_id(nsp->broker);
	const struct sio_selector nobody = {.rooms = &room, .except = &room, .rooms_count = 1, .except_count = 1};
	struct stream_item *item = item_new(&emission, &what, &nobody);

	if (item == NULL)
		return NULL;
	item->number = hold_publish(stream, &emission, &nobody, &what, (struct wire_mark){0, 0});
	if (item->number == 0) {
		item_free(item);
		return NULL;
	}
	item->nobody = true;
	hold(stream, nsp->log->queue, item);
	return item;
}

bool
sio_stream_find_place(struct sio_nsp *nsp, struct sio_stream_place *place)
{
	struct sio_stream *stream = nsp->io->recovery->stream;

	if (!broker_stream_up(stream->broker))
		return false;
	if (stream->marker == NULL || stream->marker->emission.nsp != nsp)
		stream->marker = hold_marker(stream, nsp);
	if (stream->marker == NULL)
		return false;
	loop_defer_to_flush(nsp->io->loop, &stream->marker_call);
	place->number = stream->marker->number;
	list_add_tail(&stream->marker->places, &place->link);
	return true;
}

static void
hold_before_flush(struct loop_call *call)
{
	container_of(call, struct sio_stream, marker_call)->marker = NULL;
}

uint64_t
sio_stream_number_unheld(struct sio_stream *stream, struct sio_nsp *nsp)
{
	uint64_t number = next_number(stream);

	sio_stream_early(nsp, number);
	return number;
}

/* ------------------------------------------------------------------- life */

static bool
hold_is_over(const struct sio_stream *stream)
{
	const struct sio_server *io = stream->recovery->io;
	struct list *it, *next;

	if (stream->held_bytes > io->options.recovery_max_bytes)
		return true;
	list_each(it, next, &stream->queues)
	{
		const struct stream_item *item = queue_first(container_of(it, struct stream_queue, link));

		if (item != NULL && io->loop->now - item->since > HOLD_MS)
			return true;
	}
	return false;
}

static void
hold_on_timer(struct wheel_entry *entry)
{
	struct sio_stream *stream = container_of(entry, struct sio_stream, held_timer);

	if (hold_is_over(stream))
		stream_release_all(stream);
	if (!list_empty(&stream->queues))
		loop_arm(stream->recovery->io->loop, &stream->held_timer, TICK_MS);
}

void
sio_stream_hold_init(struct sio_stream *stream)
{
	list_init(&stream->queues);
	wheel_entry_init(&stream->held_timer, hold_on_timer);
	loop_call_init(&stream->marker_call, hold_before_flush);
}

void
sio_stream_hold_fini(struct sio_stream *stream)
{
	stream_release_all(stream);
	must(list_empty(&stream->queues));
	loop_call_cancel(&stream->marker_call);
	loop_disarm(stream->recovery->io->loop, &stream->held_timer);
	mem_free(stream->late);
}
