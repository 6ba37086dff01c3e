#include "node/process/hub_process.h"

#include <ev.h>

#include "broker/hub.h"
#include "common/io/loop.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

#define COMMAND_EXTRA (64 * 1024) /* what a command adds to its message: names, rooms */
#define QUEUE_MESSAGES 8	  /* of the largest kind may wait for a worker that is busy */
#define QUEUE_MIN (64 * 1024 * 1024)

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
	struct hub_process p = {.signals = {.on_stop = on_stop, .arg = &p, .no_interrupt = true}};
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	struct hub_options options = {.max_message = setup->max_message + COMMAND_EXTRA};
	struct admin *admin = NULL;
	struct hub *hub;

	if (!ev)
		return EXIT_NO_START;
	options.max_queue = options.max_message * QUEUE_MESSAGES;
	if (options.max_queue < QUEUE_MIN)
		options.max_queue = QUEUE_MIN;
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
