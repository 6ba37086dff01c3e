#include "node/process/hub_process.h"

#include <ev.h>

#include "broker/hub.h"
#include "broker/wire.h"
#include "common/io/loop.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

/*
 * All that a worker may write passes, whatever its clients may: an answer to sio_fetch() holds every socket, and
 * numbers take more room in MessagePack than in JSON. Whoever sends more is cut off, with all that is on its way.
 */
#define MESSAGE_MAX (WIRE_PAYLOAD_MAX + 1024 * 1024) /* and the names in its command */
#define QUEUE_MAX (2 * MESSAGE_MAX)		     /* for a worker that is busy */

struct hub_process {
	struct loop loop;
	struct signals signals;
};

static void
on_stop(void *arg)
{
	struct hub_process *p = arg;

	ev_break(p->loop.ev, EVBREAK_ALL);
}

int
hub_process_run(const struct hub_process_setup *setup)
{
	struct hub_process p = {
		.signals = {.on_stop = on_stop, .arg = &p, .has_master = true, .stop_signal = HUB_STOP_SIGNAL}};
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	static const struct hub_options options = {.max_message = MESSAGE_MAX, .max_queue = QUEUE_MAX};
	struct admin *admin = NULL;
	struct hub *hub;

	if (!ev)
		return EXIT_NO_START;
	loop_init(&p.loop, ev);
	signals_init(&p.signals, ev);
	hub = hub_new(&p.loop, setup->listening_fd, &options);
	if (setup->admin->count > 0)
		admin = admin_new(&p.loop, setup->admin, setup->pages, setup->workers);
	ev_ref(ev); /* it goes on while nobody is connected */
	ev_run(ev, 0);
	ev_unref(ev);
	signals_fini(&p.signals, ev);
	admin_free(admin);
	hub_free(hub);
	loop_finish_turn(&p.loop);
	loop_fini(&p.loop);
	ev_loop_destroy(ev);
	return EXIT_FINE;
}
