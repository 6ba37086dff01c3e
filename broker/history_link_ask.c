/*
 * The asks of a history at a server: reads and removals, from the call until the answer, the deadline or the cancel.
 * A read asks for LINK_PART entries at a time; history_link_answer.c collects them in the ask. Calls go to
 * history_link_command.c, and to the caller's on_answer, from the loop.
 */
#include "broker/history_link_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static void
link_arm_late(struct history_link *remote)
{
	struct link_ask *first;

	loop_disarm(remote->base.loop, &remote->late);
	if (list_empty(&remote->asks))
		return;
	first = container_of(remote->asks.next, struct link_ask, link);
	loop_arm(remote->base.loop, &remote->late,
		first->deadline > remote->base.loop->now ? first->deadline - remote->base.loop->now : 0);
}

void
link_ask_free(struct history_link *remote, struct link_ask *ask)
{
	if (ask->command != NULL)
		link_command_abandon(remote, ask->command);
	ask->ask->pending = NULL;
	list_remove(&ask->link);
	buffer_fini(&ask->bytes);
	mem_free(ask->items);
	mem_free(ask->starts);
	mem_free(ask);
}

void
link_ask_end(struct history_link *remote, struct link_ask *ask, int error, unsigned removed)
{
	struct history_ask *asked = ask->ask;

	asked->pending = NULL;
	list_remove(&ask->link);
	if (ask->command != NULL)
		link_command_abandon(remote, ask->command);
	remote->stats.failed += error != 0;
	remote->stats.read += error == 0 ? ask->count : 0;
	for (unsigned i = 0; error == 0 && i < ask->count; i++)
		ask->items[i].payload.at = (const char *)ask->bytes.data + ask->starts[i];
	for (unsigned i = 0, j = ask->count; !ask->query.from_oldest && i + 1 < j; i++) {
		struct history_item swapped = ask->items[--j];

		ask->items[j] = ask->items[i];
		ask->items[i] = swapped;
	}
	asked->on_answer(asked, error, error == 0 ? ask->items : NULL, error != 0 ? 0 : ask->count + removed);
	buffer_fini(&ask->bytes);
	mem_free(ask->items);
	mem_free(ask->starts);
	mem_free(ask);
	link_arm_late(remote);
}

void
history_link_on_late(struct wheel_entry *entry)
{
	struct history_link *remote = container_of(entry, struct history_link, late);

	while (!list_empty(&remote->asks)) {
		struct link_ask *first = container_of(remote->asks.next, struct link_ask, link);

		if (first->deadline > remote->base.loop->now)
			break;
		link_ask_end(remote, first, ERROR_TIMEOUT, 0);
	}
	link_arm_late(remote);
}

static struct link_ask *
link_ask_new(struct history_link *remote, struct text key, struct history_ask *asked)
{
	struct link_ask *ask = mem_zalloc(sizeof *ask + key.n);

	ask->ask = asked;
	ask->key_n = key.n;
	memcpy(ask->key, key.at, key.n);
	ask->deadline = remote->base.loop->now + HISTORY_TIMEOUT_MS;
	buffer_init(&ask->bytes, HISTORY_ANSWER_MAX);
	asked->pending = ask;
	list_add_tail(&remote->asks, &ask->link);
	if (!wheel_armed(&remote->late))
		link_arm_late(remote);
	return ask;
}

/* Returns the next id. The greatest id is returned unchanged. */
static struct history_id
id_after(struct history_id id)
{
	if (id.ms == UINT64_MAX && id.seq == UINT64_MAX)
		return id;
	return id.seq < UINT64_MAX ? (struct history_id){id.ms, id.seq + 1} : (struct history_id){id.ms + 1, 0};
}

static struct history_id
id_before(struct history_id id)
{
	return id.seq > 0 ? (struct history_id){id.ms, id.seq - 1} : (struct history_id){id.ms - 1, UINT64_MAX};
}

static void
link_command_add_id(struct history_link *remote, struct history_id id)
{
	char text[HISTORY_ID_MAX + 1];

	link_command_add_arg(remote, text_of(text, history_id_write(id, text)));
}

/* Adds the lower bound of a range. */
static void
link_command_add_low(struct history_link *remote, struct history_id after)
{
	if (after.ms == 0 && after.seq == 0)
		link_command_add_arg(remote, TEXT("-"));
	else
		link_command_add_id(remote, id_after(after));
}

/* Adds the upper bound of a range. */
static void
link_command_add_high(struct history_link *remote, struct history_id before)
{
	if (before.ms == 0 && before.seq == 0)
		link_command_add_arg(remote, TEXT("+"));
	else
		link_command_add_id(remote, id_before(before));
}

void
link_ask_send(struct history_link *remote, struct link_ask *ask)
{
	const struct history_query *query = &ask->query;

	link_command_begin(remote, query->from_oldest ? "XRANGE" : "XREVRANGE", text_of(ask->key, ask->key_n), 6);
	if (query->from_oldest)
		link_command_add_low(remote, query->after);
	link_command_add_high(remote, query->before);
	if (!query->from_oldest)
		link_command_add_low(remote, query->after);
	link_command_add_arg(remote, TEXT("COUNT"));
	link_command_add_number(remote, query->count < LINK_PART ? query->count : LINK_PART);
	ask->command = link_command_queue(remote, LINK_READ, ask);
	if (ask->command == NULL)
		ask->deadline = 0; /* history_link_on_late() fails it, from the loop */
	if (ask->command == NULL)
		loop_arm(remote->base.loop, &remote->late, 0);
}

void
history_link_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *asked)
{
	struct history_link *remote = link_of(history);
	struct link_ask *ask = link_ask_new(remote, key, asked);
	uint64_t now = loop_wall_ms();

	ask->query = *query;
	if (limits->age_ms > 0 && now > limits->age_ms && ask->query.after.ms < now - limits->age_ms)
		ask->query.after = (struct history_id){now - limits->age_ms, 0};
	remote->stats.asks++;
	link_ask_send(remote, ask);
}

void
history_link_remove(struct history *history, struct text key, struct history_id id, struct history_ask *asked)
{
	struct history_link *remote = link_of(history);
	struct link_ask *ask = link_ask_new(remote, key, asked);
	bool one = id.ms != 0 || id.seq != 0;

	ask->query.from_oldest = true;
	link_command_begin(remote, one ? "XDEL" : "DEL", key, one ? 3 : 2);
	if (one)
		link_command_add_id(remote, id);
	ask->command = link_command_queue(remote, LINK_REMOVE, ask);
	if (ask->command == NULL)
		ask->deadline = 0;
	if (ask->command == NULL)
		loop_arm(remote->base.loop, &remote->late, 0);
}

void
history_link_cancel(struct history *history, struct history_ask *asked)
{
	struct history_link *remote = link_of(history);

	link_ask_free(remote, asked->pending);
	link_arm_late(remote);
}
