#include "node/process/hub_process.h"

#include <ev.h>

#include "common/io/loop.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

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

	(void)setup;
	if (!ev)
		return EXIT_NO_START;
	loop_init(&p.loop, ev);
	signals_init(&p.signals, ev);
	ev_ref(ev); /* it goes on while nobody is connected */
	ev_run(ev, 0);
	ev_unref(ev);
	signals_fini(&p.signals, ev);
	loop_finish_turn(&p.loop);
	loop_fini(&p.loop);
	ev_loop_destroy(ev);
	return EXIT_FINE;
}
