#include "node/process/hub_process.h"

#include <ev.h>

#include "broker/hub.h"
#include "broker/wire.h"
#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/process/outreach.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

/*
 * All that a worker may write passes, whatever its clients may: an answer to sio_fetch() holds every socket, and
 * numbers take more room in MessagePack than in JSON. Whoever sends more is cut off, with all that is on its way.
 */
#define MESSAGE_MAX (WIRE_PAYLOAD_MAX + 1024 * 1024) /* and the names in its command */
#define QUEUE_MAX (2 * MESSAGE_MAX)		     /* for a worker that is busy */

#define SHRUNK_CHECK_S 2. /* looks so often whether memory is to be given back to the system */

struct hub_process {
	const struct hub_process_setup *setup;
	struct loop loop;
	struct ev_timer shrunk_timer;
	struct signals signals;
	struct outreach outreach;
	struct admin *admin;
};

static void
on_stop(void *arg)
{
	struct hub_process *p = arg;

	ev_break(p->loop.ev, EVBREAK_ALL);
}

static void
on_log(void *arg)
{
	const struct hub_process *p = arg;

	log_control_apply(p->setup->log);
}

static void
on_reload(void *arg)
{
	struct hub_process *p = arg;

	outreach_reload(&p->outreach);
}

static int
start_admin(struct hub_process *p)
{
	const struct hub_process_setup *s = p->setup;
	struct outreach_setup setup = {.loop = &p->loop,
		.api = s->api,
		.server = s->server,
		.hub_name = s->hub_name,
		.pages = s->pages,
		.workers = s->workers};
	char error[OUTREACH_ERROR_MAX];

	if (s->admin->count == 0)
		return 0;
	if (s->api != NULL && outreach_init(&p->outreach, &setup, error) < 0) {
		log_event(LOG_ERROR, "api", "error", LOG_STR(error), NULL);
		return EXIT_NO_START;
	}
	p->admin = admin_new(&p->loop, s->admin, s->pages, s->workers, s->exec, s->log, p->outreach.api);
	return EXIT_FINE;
}

static void
on_shrunk_check(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct hub_process *p = timer->data;

	(void)ev;
	(void)events;
	if (budget_shrunk(&p->loop.budget))
		loop_give_back(&p->loop);
}

int
hub_process_run(const struct hub_process_setup *setup)
{
	struct hub_process p = {.setup = setup,
		.signals = {.on_stop = on_stop,
			.on_reload = on_reload,
			.on_log = on_log,
			.arg = &p,
			.has_master = true,
			.stop_signal = HUB_STOP_SIGNAL}};
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	static const struct hub_options options = {.max_message = MESSAGE_MAX, .max_queue = QUEUE_MAX};
	struct hub *hub;
	int code;

	if (!ev)
		return EXIT_NO_START;
	loop_init(&p.loop, ev);
	signals_init(&p.signals, ev);
	hub = hub_new(&p.loop, setup->listening_fd, &options);
	code = start_admin(&p);
	ev_timer_init(&p.shrunk_timer, on_shrunk_check, SHRUNK_CHECK_S, SHRUNK_CHECK_S);
	p.shrunk_timer.data = &p;
	ev_timer_start(ev, &p.shrunk_timer); /* also a reason to go on while nobody is connected */
	if (code == EXIT_FINE)
		ev_run(ev, 0);
	ev_timer_stop(ev, &p.shrunk_timer);
	signals_fini(&p.signals, ev);
	admin_free(p.admin);
	outreach_fini(&p.outreach);
	hub_free(hub);
	loop_finish_turn(&p.loop);
	loop_fini(&p.loop);
	ev_loop_destroy(ev);
	return code;
}
