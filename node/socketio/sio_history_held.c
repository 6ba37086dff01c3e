/* The events that a join keeps for its socket, which are charged to the client. */
#include "common/base/mem.h"
#include "node/socketio/sio_history_join_state.h"

static size_t
held_size(const struct held_event *held)
{
	return sizeof *held + sio_stored_size(held->event);
}

void
sio_history_held_init(struct held_events *events)
{
	*events = (struct held_events){.count = 0};
	list_init(&events->list);
}

struct held_event *
sio_history_held_first(const struct held_events *events)
{
	return list_empty(&events->list) ? NULL : container_of(events->list.next, struct held_event, link);
}

bool
sio_history_held_add(const struct sio_history_join *join, struct held_events *to, struct sio_stored *event,
	struct wire_mark mark, unsigned flags)
{
	struct held_event *held = mem_try_alloc(sizeof *held);

	if (held == NULL)
		return false;
	*held = (struct held_event){.event = sio_stored_ref(event), .mark = mark, .flags = flags};
	list_init(&held->link);
	list_add_tail(&to->list, &held->link);
	to->count++;
	to->bytes += held_size(held);
	sio_client_hold(join->socket->client, (int64_t)held_size(held));
	return true;
}

void
sio_history_held_free(const struct sio_history_join *join, struct held_events *from, struct held_event *held)
{
	list_remove(&held->link);
	from->count--;
	from->bytes -= held_size(held);
	sio_client_hold(join->socket->client, -(int64_t)held_size(held));
	sio_stored_unref(held->event);
	mem_free(held);
}

void
sio_history_held_clear(const struct sio_history_join *join, struct held_events *events)
{
	struct held_event *held;

	while ((held = sio_history_held_first(events)) != NULL)
		sio_history_held_free(join, events, held);
}
