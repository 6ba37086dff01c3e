#include "node/process/drain.h"

#include <string.h>

#include "common/base/mem.h"
#include "node/process/process_tables.h"
#include "node/socketio/sio_core.h"

#define PACE_MAX_MS 100 /* a few clients need not be told over the whole time */
#define LOOK_MS 10	/* how often to look whether somebody is still there */

/* Relayed connections are siblings' clients: they go when those send them away. */
static bool
is_empty(const struct drain *d)
{
	const uint64_t *count = d->loop->counters.value;

	return eio_count(d->engine) == 0 && (!d->upstream || upstream_running(d->upstream) == 0) &&
	       count[COUNT_RELAYS_OPENED] == count[COUNT_RELAYS_CLOSED];
}

/* How many clients are to be told by now: the first at once, the others evenly over the time. */
static size_t
due(const struct drain *d)
{
	uint64_t gone = d->loop->now - d->started, pace = d->count * (uint64_t)PACE_MAX_MS;
	uint64_t whole = d->ms < pace ? d->ms : pace;

	if (gone >= whole)
		return d->count;
	return (size_t)(1 + gone * d->count / whole);
}

static void
on_tick(struct wheel_entry *entry)
{
	struct drain *d = container_of(entry, struct drain, tick);
	size_t until = due(d);

	for (; d->told < until && d->told < d->count; d->told++)
		sio_core_part(d->io, text_of(d->sids[d->told], EIO_SID_LENGTH));
	if (d->stays ? d->told < d->count : !is_empty(d) && d->loop->now - d->started < d->ms) {
		loop_arm(d->loop, &d->tick, LOOK_MS);
		return;
	}
	drain_stop(d);
	if (!d->stays)
		d->over(d);
}

/*
 * The first `n` that the engine names, which are any. Where there is no memory for that many, fewer are told in time:
 * the others of a drain leave at its end.
 */
static void
begin(struct drain *d, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms)
{
	struct table_cursor cursor = {0};
	struct eio_session *s;

	drain_stop(d);
	d->loop = l;
	d->io = io;
	d->engine = engine;
	d->started = l->now;
	d->ms = ms;
	wheel_entry_init(&d->tick, on_tick);
	for (; n > 0 && (d->sids = mem_try_alloc(n * sizeof d->sids[0])) == NULL; n /= 2)
		loop_count_no_memory(l);
	while (d->count < n && (s = eio_next(engine, &cursor)) != NULL)
		memcpy(d->sids[d->count++], eio_sid(s).at, EIO_SID_LENGTH);
	loop_arm(l, &d->tick, 0);
}

void
drain_start(struct drain *d, struct loop *l, struct sio_server *io, struct eio_server *engine, uint64_t ms)
{
	d->stays = false;
	eio_server_drain(engine);
	begin(d, l, io, engine, eio_count(engine), ms);
}

void
drain_shed(struct drain *d, struct loop *l, struct sio_server *io, struct eio_server *engine, size_t n, uint64_t ms)
{
	d->stays = true;
	begin(d, l, io, engine, n, ms);
}

void
drain_stop(struct drain *d)
{
	if (d->loop != NULL)
		loop_disarm(d->loop, &d->tick);
	mem_free(d->sids);
	d->sids = NULL;
	d->count = d->told = 0;
}
