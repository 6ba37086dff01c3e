/*
 * Timers of the application, on the loop's wheel. They are found by number, so that sio_timer_stop() is harmless for
 * a timer that has ended.
 */
#include "node/socketio/sio_timer.h"

#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_server.h"

struct timer {
	struct table_node node; /* in io->timers, by `id` */
	struct wheel_entry entry;
	struct sio_server *io;
	uint64_t id;
	uint32_t every; /* milliseconds; 0: once */
	sio_timer_fn *fn;
	void *arg;
};

static struct text
timer_key(const uint64_t *id)
{
	return text_of((const char *)id, sizeof *id);
}

static void
timer_end(struct timer *timer)
{
	loop_disarm(timer->io->loop, &timer->entry);
	table_remove(&timer->io->timers, &timer->node);
	mem_free(timer);
}

static void
timer_on_due(struct wheel_entry *entry)
{
	struct timer *timer = container_of(entry, struct timer, entry);
	struct sio_server *io = timer->io;
	sio_timer_fn *fn = timer->fn;
	void *arg = timer->arg;
	struct sio_underway before;

	if (timer->every != 0)
		loop_arm(io->loop, entry, timer->every);
	else
		timer_end(timer);
	before = sio_underway_enter(&io->underway, NULL, "timer");
	fn(io, arg);
	sio_underway_leave(&io->underway, before);
}

static sio_timer
timer_start(struct sio_server *io, uint32_t ms, uint32_t every, sio_timer_fn *fn, void *arg)
{
	struct timer *timer = mem_zalloc(sizeof *timer);

	*timer = (struct timer){.io = io, .id = ++io->last_timer, .every = every, .fn = fn, .arg = arg};
	wheel_entry_init(&timer->entry, timer_on_due);
	table_add(&io->timers, &timer->node, timer_key(&timer->id));
	loop_arm(io->loop, &timer->entry, ms);
	return timer->id;
}

sio_timer
sio_timer_once(sio_server *io, uint32_t ms, sio_timer_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	SIO_NEEDS(SIO_A_FUNCTION, fn, 0);
	return timer_start(io, ms, 0, fn, arg);
}

sio_timer
sio_timer_every(sio_server *io, uint32_t ms, sio_timer_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, 0);
	SIO_NEEDS(SIO_A_FUNCTION, fn, 0);
	ms = ms != 0 ? ms : 1;
	return timer_start(io, ms, ms, fn, arg);
}

void
sio_timer_stop(sio_server *io, sio_timer id)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	struct table_node *node = table_find(&io->timers, timer_key(&id));

	if (node != NULL)
		timer_end(container_of(node, struct timer, node));
}

void
sio_timers_stop(struct sio_server *io)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&io->timers, &cursor)) != NULL)
		timer_end(container_of(node, struct timer, node));
}
