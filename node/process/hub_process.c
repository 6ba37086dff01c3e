#include "node/process/hub_process.h"

#include <ev.h>

#include "broker/bus_keep.h"
#include "broker/hub.h"
#include "broker/wire.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/socketio/sio_keeper.h"
#include "node/process/outreach.h"
#include "node/process/report.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

/*
 * The hub must accept every message that a worker may write, whatever limits its clients have. An answer to
 * sio_fetch() holds all sockets, and numbers take more bytes in MessagePack than in JSON. The hub disconnects a
 * worker that sends more, and messages in transit are lost.
 */
#define MESSAGE_MAX (WIRE_PAYLOAD_MAX + 1024 * 1024) /* payload, and the names in the command */
#define QUEUE_MAX (2 * MESSAGE_MAX)		     /* bytes that may wait for a busy worker */

#define CHANNEL_MAX (1 << 20) /* bytes of a channel's name; the key may be long */
#define SWEEP_S 1.	      /* interval at which the keeper drops what is too old */
#define SHRUNK_CHECK_S 2.     /* interval at which it checks whether memory can be given back to the system */

#define ANSWERS_MS 1000
#define ANSWERS_CHECK_S 0.01

struct hub_process {
	const struct hub_process_setup *setup;
	struct loop loop;
	struct ev_timer shrunk_timer, answers_timer;
	struct ev_timer beat_timer; /* makes an idle loop turn, as the master expects */
	uint64_t end_by;	    /* loop time */
	bool succeeded;		    /* another program has taken the admin port over */
	struct signals signals;
	struct hub *hub;
	struct sio_keeper *keeper; /* NULL: connection state recovery is off */
	struct ev_timer keeper_timer;
	struct loop_call settle;
	struct buffer channel, keeper_channel; /* names: of a worker, of the keeper */
	struct outreach outreach;
	struct admin *admin;
};

/* After an upgrade, the hub ends when it has answered the requests that it has accepted at the admin port. */
static void
hub_process_on_check_answers(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct hub_process *process = timer->data;

	(void)events;
	if (admin_connections(process->admin) == 0 || process->loop.now >= process->end_by)
		ev_break(ev, EVBREAK_ALL);
}

static void
hub_process_on_stop(void *arg)
{
	struct hub_process *process = arg;

	if (!process->succeeded) {
		ev_break(process->loop.ev, EVBREAK_ALL);
		return;
	}
	process->end_by = process->loop.now + ANSWERS_MS;
	ev_timer_start(process->loop.ev, &process->answers_timer);
}

static void
hub_process_on_log(void *arg)
{
	const struct hub_process *process = arg;

	log_control_apply(process->setup->log);
}

/*
 * Another program has taken the admin port over. This hub still serves the draining workers, unless the other
 * program's hub serves them too: then this hub disconnects them, and they connect to the other one.
 */
static void
hub_process_on_loss(void *arg)
{
	struct hub_process *process = arg;
	int loss = atomic_load_explicit(&process->setup->life->loss, memory_order_acquire);

	if (loss == HUB_LOST_NOTHING)
		return;
	process->succeeded = true;
	admin_stop(process->admin);
	if (loss == HUB_LOST_WORKERS_TOO) {
		if (process->admin != NULL)
			admin_set_history(process->admin, NULL);
		hub_free(process->hub);
		process->hub = NULL;
	}
}

static void
hub_process_on_reload(void *arg)
{
	struct hub_process *process = arg;

	log_control_apply(process->setup->log);
	outreach_reload(&process->outreach);
}

/* ------------------------------------------------- connection state recovery */

static uint64_t
hub_process_on_record(void *arg, uint64_t origin, uint64_t local, struct text payload)
{
	struct hub_process *process = arg;

	return sio_keeper_record(process->keeper, origin, local, payload, process->loop.now);
}

static void
hub_process_on_keep_message(void *arg, const void *worker, struct text message)
{
	struct hub_process *process = arg;

	sio_keeper_receive(process->keeper, worker, message, process->loop.now);
}

static void
hub_process_on_worker_gone(void *arg, const void *worker)
{
	struct hub_process *process = arg;

	sio_keeper_gone(process->keeper, worker, process->loop.now);
}

static void
hub_process_send(void *arg, struct text id, struct text message)
{
	struct hub_process *process = arg;

	buffer_reset(&process->channel);
	bus_keep_channel(&process->channel, text_from(process->setup->server->broker.redis_key), id);
	if (buffer_error(&process->channel) == 0)
		hub_send(process->hub, buffer_text(&process->channel), message);
}

/* By the end of the next turn, the hub has read the bytes that wait in the workers' sockets. */
static void
hub_process_settle_later(void *arg)
{
	struct hub_process *process = arg;

	loop_defer_next(&process->loop, &process->settle);
}

static void
hub_process_on_settle(struct loop_call *call)
{
	struct hub_process *process = container_of(call, struct hub_process, settle);

	sio_keeper_settle(process->keeper, process->loop.now);
}

static void
hub_process_on_sweep(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct hub_process *process = timer->data;

	(void)ev;
	(void)events;
	sio_keeper_sweep(process->keeper, process->loop.now);
}

/* Starts the keeper, if the workers recover connections through the hub. Fills `out` for the hub. */
static bool
hub_process_start_keeper(struct hub_process *process, struct hub_keeper *out)
{
	const struct server_options *server = process->setup->server;
	struct sio_keeper_options options;

	if (!process->setup->hub.keeper)
		return false;
	options = (struct sio_keeper_options){.window_ms = server->sio.max_disconnection_duration,
		.notice_ms = server->eio.ping_interval + server->eio.ping_timeout,
		.max_bytes = server->sio.recovery_max_bytes,
		.max_sessions = server->sio.recovery_max_sessions,
		.send = hub_process_send,
		.settle_later = hub_process_settle_later,
		.arg = process};
	process->keeper = sio_keeper_new(&options);
	loop_call_init(&process->settle, hub_process_on_settle);
	bus_keep_channel(&process->keeper_channel, text_from(server->broker.redis_key), TEXT(""));
	buffer_add_byte(&process->keeper_channel, '\0');
	*out = (struct hub_keeper){.record = hub_process_on_record,
		.receive = hub_process_on_keep_message,
		.gone = hub_process_on_worker_gone,
		.arg = process,
		.channel = (const char *)process->keeper_channel.data};
	ev_timer_init(&process->keeper_timer, hub_process_on_sweep, SWEEP_S, SWEEP_S);
	process->keeper_timer.data = process;
	ev_timer_start(process->loop.ev, &process->keeper_timer);
	return true;
}

static struct hub *
hub_process_new_hub(struct hub_process *process)
{
	const struct hub_process_setup *setup = process->setup;
	const struct broker_settings *redis = setup->hub.ear;
	struct hub_options options = {.max_message = MESSAGE_MAX, .max_queue = QUEUE_MAX};
	char error[BUS_ERROR_MAX];
	struct hub_ear_options ear;
	struct hub_keeper keeper;
	struct bus_url server;
	struct hub *hub;

	if (hub_process_start_keeper(process, &keeper))
		options.keeper = &keeper;
	if (setup->hub.history)
		options.history_max_bytes = setup->server->sio.history_max_bytes;
	if (redis == NULL)
		return hub_new(&process->loop, setup->listening_fd, &options);
	must(bus_url_parse(&server, redis->redis, error) == 0); /* checked by broker_settings_check() */
	ear = (struct hub_ear_options){.server = &server,
		.access = broker_settings_access(redis),
		.key = redis->redis_key,
		.beside_log = redis->redis_log,
		.refresh_ms = redis->redis_refresh};
	options.ear = &ear;
	hub = hub_new(&process->loop, setup->listening_fd, &options);
	bus_url_fini(&server);
	return hub;
}

static int
hub_process_start_admin(struct hub_process *process)
{
	const struct hub_process_setup *hub_setup = process->setup;
	struct outreach_setup setup = {.loop = &process->loop,
		.api = hub_setup->api,
		.server = hub_setup->server,
		.hub = hub_setup->hub,
		.pages = hub_setup->pages,
		.workers = hub_setup->workers};
	char error[OUTREACH_ERROR_MAX];

	if (hub_setup->admin->count == 0)
		return 0;
	if (hub_setup->api != NULL && outreach_init(&process->outreach, &setup, error) < 0) {
		log_event(LOG_ERROR, "api", "error", LOG_STR(error), NULL);
		return EXIT_NO_START;
	}
	process->admin = admin_new(&process->loop, hub_setup->admin, hub_setup->pages, hub_setup->workers,
		hub_setup->exec, hub_setup->log, process->outreach.api);
	if (hub_setup->server != NULL)
		admin_serve_page(process->admin, &hub_setup->server->adminui);
	if (hub_setup->hub.ear != NULL)
		admin_set_hub(process->admin, process->hub);
	admin_set_hub_life(process->admin, hub_setup->life);
	admin_set_keeper(process->admin, process->keeper);
	admin_set_history(process->admin, hub_history_table(process->hub));
	return EXIT_FINE;
}

static void
hub_process_on_shrunk_check(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct hub_process *process = timer->data;

	(void)ev;
	(void)events;
	if (budget_shrunk(&process->loop.budget))
		loop_give_back(&process->loop);
}

/* An idle loop turns because of this timer. The loop counts the turn, which is the beat that the master watches. */
static void
hub_process_on_beat(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	(void)ev;
	(void)timer;
	(void)events;
}

static void
hub_process_start_beat(struct hub_process *process)
{
	double every = (double)process->setup->life->beat_ms / 1000;

	loop_set_pulse(&process->loop, &process->setup->life->vitals.turn);
	report_watch(NULL, &process->setup->life->vitals.hang);
	ev_timer_init(&process->beat_timer, hub_process_on_beat, every, every);
	ev_timer_start(
		process->loop.ev, &process->beat_timer); /* also keeps the loop running with nothing connected */
}

int
hub_process_run(const struct hub_process_setup *setup)
{
	struct hub_process process = {.setup = setup,
		.signals = {.on_stop = hub_process_on_stop,
			.on_reload = hub_process_on_reload,
			.on_upgrade = hub_process_on_loss,
			.on_log = hub_process_on_log,
			.arg = &process,
			.has_master = true,
			.stop_signal = HUB_STOP_SIGNAL}};
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	int code;

	if (!ev)
		return EXIT_NO_START;
	loop_init(&process.loop, ev);
	signals_init(&process.signals, ev);
	buffer_init(&process.channel, CHANNEL_MAX);
	buffer_init(&process.keeper_channel, CHANNEL_MAX);
	hub_process_start_beat(&process);
	process.hub = hub_process_new_hub(&process);
	code = hub_process_start_admin(&process);
	ev_timer_init(&process.shrunk_timer, hub_process_on_shrunk_check, SHRUNK_CHECK_S, SHRUNK_CHECK_S);
	process.shrunk_timer.data = &process;
	ev_timer_init(&process.answers_timer, hub_process_on_check_answers, 0., ANSWERS_CHECK_S);
	process.answers_timer.data = &process;
	ev_timer_start(ev, &process.shrunk_timer);
	if (code == EXIT_FINE)
		ev_run(ev, 0);
	ev_timer_stop(ev, &process.beat_timer);
	ev_timer_stop(ev, &process.shrunk_timer);
	ev_timer_stop(ev, &process.answers_timer);
	signals_fini(&process.signals, ev);
	admin_free(process.admin);
	outreach_fini(&process.outreach);
	hub_free(process.hub);
	if (process.keeper != NULL) {
		ev_timer_stop(ev, &process.keeper_timer);
		loop_call_cancel(&process.settle);
	}
	sio_keeper_free(process.keeper);
	buffer_fini(&process.channel);
	buffer_fini(&process.keeper_channel);
	loop_finish_turn(&process.loop);
	loop_fini(&process.loop);
	report_unwatch();
	ev_loop_destroy(ev);
	return code;
}
