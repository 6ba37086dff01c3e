/*
 * The events that reach a room while joins read its history: each join holds them until it has sent the history, or
 * gives up at its limit. A join that has its answer drops the copies that arrive late.
 */
#include "common/base/mem.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_history_join.h"
#include "node/socketio/sio_history_join_state.h"
#include "node/socketio/sio_history_place.h"

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

/* Holds the event. Returns false at a limit or if memory is short. */
static bool
join_hold(struct sio_history_join *join, struct holding *holding)
{
	if (join->held.count == SIO_HISTORY_HELD_MAX || join->held.bytes > SIO_HISTORY_HELD_BYTES)
		return false;
	if (holding->copy == NULL)
		holding->copy = sio_stored_new(holding->what.json, holding->what.attachments);
	return holding->copy != NULL && sio_history_held_add(join, &join->held, holding->copy, holding->event->mark,
						holding->event->flags & SIO_FLAG_NO_COMPRESS);
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
		sio_history_join_give_up(full);
	return full != NULL;
}

static void
group_drop_repeats(struct join_group *group, const struct sio_history_event *event, struct sio_selection *to)
{
	struct wire_mark mark = event->mark;
	struct list *it, *next;

	if (mark.origin == 0 || !sio_history_mark_may_cover(group, mark))
		return;
	list_each(it, next, &group->settled)
	{
		struct sio_history_join *join = container_of(it, struct sio_history_join, link);

		if (!sio_history_mark_covers(join, mark) || !selection_take(to, join->socket))
			continue;
		join->history->stats.repeats++;
		sio_history_place_repeated(join->socket, event->entry);
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
			group_drop_repeats(group, event, to);
	}
	sio_stored_unref(holding.copy);
}
