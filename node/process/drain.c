#include "node/process/drain.h"

#include <string.h>

#include "common/base/mem.h"
#include "node/process/process_tables.h"
#include "node/socketio/sio_core.h"

#define PACE_MAX_MS 100 /* longest time between two clients; so a few clients do not take the whole time */
#define LOOK_MS 10	/* time between two checks for remaining clients */

/*
 * Clients on polling may send POSTs until they know that their sessions have closed. Relayed connections belong to
 * clients of siblings. They end when the siblings send those clients away.
 */
bool
drain_has_clients(const struct drain *drain)
{
	const uint64_t *count = drain->loop->counters.value;

	return eio_count(drain->engine) > 0 || eio_awaits_posts(drain->engine) ||
	       count[COUNT_RELAYS_OPENED] != count[COUNT_RELAYS_CLOSED];
}

static bool
drain_is_empty(const struct drain *drain)
{
	return !drain_has_clients(drain) && (!drain->upstream || upstream_running(drain->upstream) == 0);
}

/* Returns the number of clients to be sent away by now: the first at once, the others evenly over the time. */
static size_t
drain_due_count(const struct drain *drain)
{
	uint64_t gone = drain->loop->now - drain->started, pace = drain->count * (uint64_t)PACE_MAX_MS;
	uint64_t whole = drain->ms < pace ? drain->ms : pace;

	if (gone >= whole)
		return drain->count;
	return (size_t)(1 + gone * drain->count / whole);
}

static bool
drain_is_over(struct drain *drain)
{
	bool empty = drain_is_empty(drain), end = drain->may_end ? drain->may_end(drain, empty) : empty;

	return end || drain->loop->now - drain->started >= drain->ms;
}

static void
drain_on_tick(struct wheel_entry *entry)
{
	struct drain *drain = container_of(entry, struct drain, tick);
	size_t until = drain_due_count(drain);

	for (; drain->told < until && drain->told < drain->count; drain->told++)
		sio_core_part(drain->io, text_of(drain->sids[drain->told], EIO_SID_LENGTH));
	if (drain->stays ? drain->told < drain->count : !drain_is_over(drain)) {
		loop_arm(drain->loop, &drain->tick, LOOK_MS);
		return;
	}
	drain_stop(drain);
	if (!drain->stays)
		drain->over(drain);
}

/*
 * Picks the first `n` sessions in the engine's order, which is arbitrary. If memory for so many is
 * missing, it picks fewer: in a drain, the other clients leave at its end.
 */
static void
drain_begin(
	struct drain *drain, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms)
{
	struct table_cursor cursor = {0};
	struct eio_session *s;

	drain_stop(drain);
	drain->loop = l;
	drain->io = io;
	drain->engine = engine;
	drain->started = l->now;
	drain->ms = ms;
	wheel_entry_init(&drain->tick, drain_on_tick);
	for (; n > 0 && (drain->sids = mem_try_alloc(n * sizeof drain->sids[0])) == NULL; n /= 2)
		loop_count_no_memory(l);
	while (drain->count < n && (s = eio_next(engine, &cursor)) != NULL)
		memcpy(drain->sids[drain->count++], eio_sid(s).at, EIO_SID_LENGTH);
	loop_arm(l, &drain->tick, 0);
}

void
drain_start(struct drain *drain, struct loop *l, struct sio_server *io, struct eio_server *engine, uint64_t ms)
{
	drain->stays = false;
	eio_server_drain(engine);
	drain_begin(drain, l, io, engine, eio_count(engine), ms);
}

void
drain_shed(
	struct drain *drain, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms)
{
	drain->stays = true;
	drain_begin(drain, l, io, engine, n, ms);
}

void
drain_stop(struct drain *drain)
{
	if (drain->loop != NULL)
		loop_disarm(drain->loop, &drain->tick);
	mem_free(drain->sids);
	drain->sids = NULL;
	drain->count = drain->told = 0;
}
