#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/load/load.h"
#include "tests/load/message.h"
#include "tests/load/messages.h"
#include "tests/load/observe.h"

#define TICK_S 0.01
#define STALL_MS 30000		     /* the server is given up if it accepts no byte for this long */
#define QUEUE_MAX (64 * 1024 * 1024) /* bytes that may wait for one connection */
#define KEPT_MAX 1024		     /* the head of a frame, or a control frame */
#define LINGER_MS 1000

struct load_client *
load_client_of(struct client *c)
{
	return container_of(c, struct load_client, client);
}

struct load *
load_of(struct client *c)
{
	return c->owner;
}

void
load_error(struct load *load, enum load_error error, const char *why)
{
	if (load->part->first_error[0] == '\0')
		snprintf(load->part->first_error, sizeof load->part->first_error, "%s", why);
	load->part->errors[error]++;
	if (load->measuring)
		series_second(&load->part->series, (load->now - load->board->run_from) / 1000000000)->errors++;
}

uint64_t
load_random(struct load *load, uint64_t bound)
{
	uint64_t *x = &load->setup.random;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x % bound;
}

void
load_record(struct load *load, uint64_t due, uint64_t arrived)
{
	uint64_t latency;

	if (due < load->board->run_from || due >= load->board->run_until)
		return;
	if (arrived < due) /* another process sent it after the poll of this turn */
		arrived = board_now();
	latency = arrived > due ? arrived - due : 0;
	histogram_record(&load->part->latency, latency);
	series_record(series_second(&load->part->series, (due - load->board->run_from) / 1000000000), latency);
}

/* ---------------------------------------------------------------------- phases */

static void
load_begin_messages(struct load *load)
{
	if (load->scenario->no_coming)
		load_ramp_start(load);
	if (load->scenario->begin)
		load->scenario->begin(load);
	if (load->options->spin)
		ev_idle_start(load->loop.ev, &load->spin);
	if (load->messages)
		messages_begin(load);
}

static void
load_leave_all(struct load *load)
{
	load_ramp_stop(load);
	if (load->messages)
		messages_finish(load);
	for (uint64_t i = 0; i < load->count; i++) {
		loop_disarm(&load->loop, &load->clients[i].timer);
		client_leave(&load->clients[i].client);
	}
}

static void
load_enter_phase(struct load *load, int phase)
{
	load->phase = phase;
	load->phase_since = load->loop.now;
	switch (phase) {
	case PHASE_MESSAGES:
		load_begin_messages(load);
		break;
	case PHASE_SETTLING:
		if (load->messages)
			messages_stop(load);
		load->part->stopped = true;
		break;
	case PHASE_LEAVING:
		ev_idle_stop(load->loop.ev, &load->spin);
		load_leave_all(load);
		break;
	case PHASE_OVER:
		ev_break(load->loop.ev, EVBREAK_ALL);
		break;
	default:
		break;
	}
}

/* The measured run begins and ends at its exact times, regardless of when the parent changes the phase. */
static void
load_watch_run(struct load *load)
{
	uint64_t from = load->board->run_from, until = load->board->run_until;
	bool within = from > 0 && load->now >= from && (until == 0 || load->now < until);

	if (within && !load->measuring) {
		load->part->cpu_at_begin = observe_own_seconds();
		load->bytes_at_begin = load->loop.counters.value[COUNT_BYTES_IN];
	}
	if (!within && load->measuring)
		load->part->cpu_at_end = observe_own_seconds();
	if (within || load->measuring)
		load->part->bytes_received = load->loop.counters.value[COUNT_BYTES_IN] - load->bytes_at_begin;
	load->measuring = within;
}

static bool
load_all_gone(const struct load *load)
{
	for (uint64_t i = 0; i < load->count; i++)
		if (load->clients[i].client.state != CLIENT_IDLE)
			return false;
	return true;
}

static void
load_on_tick(struct ev_loop *ev, struct ev_timer *watcher, int revents)
{
	struct load *load = watcher->data;
	int phase = atomic_load(&load->board->phase);

	(void)ev;
	(void)revents;
	while (load->phase < phase) /* enters every phase in between */
		load_enter_phase(load, load->phase + 1);
	load_watch_run(load);
	if (load->measuring)
		series_second(&load->part->series, (load->now - load->board->run_from) / 1000000000)->joined =
			(uint32_t)load->part->joined;
	if (load->messages && load->phase == PHASE_MESSAGES)
		messages_expire(load);
	if (load->scenario->over && load->phase == PHASE_MESSAGES)
		load->part->run_ended = load->scenario->over(load);
	if (load->phase == PHASE_SETTLING)
		load->part->settled =
			board_stopped(load->board) && (load->messages == NULL || messages_settled(load));
	if (load->phase == PHASE_LEAVING)
		load->part->gone = load_all_gone(load);
	loop_finish_turn(&load->loop);
}

/* An active idle watcher keeps the poll from sleeping; it has nothing to do. */
static void
load_on_spin(struct ev_loop *ev, struct ev_idle *watcher, int revents)
{
	(void)ev;
	(void)watcher;
	(void)revents;
}

static void
load_on_poll(struct ev_loop *ev, struct ev_check *watcher, int revents)
{
	struct load *load = watcher->data;

	(void)ev;
	(void)revents;
	load->now = board_now();
	load_watch_run(load);
}

/* ------------------------------------------------------------------------ life */

static void
on_client_timer(struct wheel_entry *entry)
{
	struct load_client *c = container_of(entry, struct load_client, timer);
	struct load *load = load_of(&c->client);

	if (c->ready)
		client_leave(&c->client); /* churn: the client's stay is over */
	else if (c->client.state == CLIENT_JOINED)
		client_cut(&c->client, LOAD_ERROR_HANDSHAKE, "join was not acknowledged within --timeout");
	else
		load_come(load, c);
}

static void
load_on_come(struct loop_call *call)
{
	load_let_in(container_of(call, struct load, come));
}

/*
 * The target of a client. In `cluster`, senders use the first target, so that senders and listeners are on different
 * nodes.
 */
static const struct target *
load_target_of(const struct load *load, uint64_t number)
{
	uint64_t sender;

	if (load->scenario->far_only && messages_is_sender(load->options, number, &sender))
		return &load->targets[0];
	return &load->targets[number % load->options->url_count];
}

static void
make_clients(struct load *load)
{
	load->clients = mem_zalloc(load->count * sizeof *load->clients);
	for (uint64_t i = 0; i < load->count; i++) {
		struct load_client *c = &load->clients[i];

		c->client.setup = &load->setup;
		c->client.target = load_target_of(load, load->first + i);
		c->client.owner = load;
		c->client.index = (uint32_t)i;
		wheel_entry_init(&c->timer, on_client_timer);
		client_init(&c->client);
	}
}

static void
load_init(
	struct load *load, const struct load_options *o, struct target *targets, struct board *board, unsigned number)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	must(ev != NULL);
	*load = (struct load){.options = o,
		.scenario = o->scenario,
		.targets = targets,
		.board = board,
		.part = &board->parts[number],
		.number = number};
	loop_init(&load->loop, ev);
	load->first = o->clients * number / o->processes;
	load->count = o->clients * (number + 1) / o->processes - load->first;
	load->now = board_now();
	load->setup = (struct client_setup){.loop = &load->loop,
		.ops = &load_client_ops,
		.limits = {.max_queue = QUEUE_MAX,
			.max_kept = KEPT_MAX,
			.stall_ms = STALL_MS,
			.tls_ms = o->timeout_ms,
			.linger_ms = LINGER_MS},
		.ws = {.max_message = 2 * MESSAGE_SIZE_MAX, .max_fragments = 100000},
		.timeout_ms = o->timeout_ms,
		.transport = o->transport,
		.deflate = o->per_message_deflate,
		.recover = o->recover,
		.random = (o->seed + number) * 0x9e3779b97f4a7c15u | 1};
	loop_call_init(&load->come, load_on_come);
	make_clients(load);
	load->free = mem_alloc(load->count * sizeof(struct load_client *));
	messages_new(load);
}

/* Waits for the moment that all processes start at, from which the connect rate counts. */
static void
await_start(struct load *load)
{
	uint64_t at = load->board->began;
	struct timespec when = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
	ev_now_update(load->loop.ev);
	loop_finish_turn(&load->loop);
	load->now = board_now();
}

int
load_run(const struct load_options *o, struct target *targets, struct board *board, unsigned number)
{
	struct load *load = mem_zalloc(sizeof *load);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* the parent handles it */
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	load_init(load, o, targets, board, number);
	ev_check_init(&load->stamp, load_on_poll);
	ev_set_priority(&load->stamp, EV_MAXPRI);
	load->stamp.data = load;
	ev_check_start(load->loop.ev, &load->stamp);
	ev_idle_init(&load->spin, load_on_spin);
	ev_timer_init(&load->tick, load_on_tick, TICK_S, TICK_S);
	load->tick.data = load;
	ev_timer_start(load->loop.ev, &load->tick);
	await_start(load);
	if (!load->scenario->no_coming)
		load_ramp_start(load);
	ev_run(load->loop.ev, 0);

	conn_close_all(&load->loop, REASON_FORCED);
	for (uint64_t i = 0; i < load->count; i++)
		client_cut(&load->clients[i].client, LOAD_ERROR_COUNT, "");
	loop_finish_turn(&load->loop);
	for (uint64_t i = 0; i < load->count; i++)
		client_fini(&load->clients[i].client);
	messages_free(load);
	ev_check_stop(load->loop.ev, &load->stamp);
	ev_idle_stop(load->loop.ev, &load->spin);
	ev_timer_stop(load->loop.ev, &load->tick);
	pace_stop(&load->arrivals);
	struct ev_loop *ev = load->loop.ev;
	for (unsigned i = 0; i < o->url_count; i++)
		target_fini(&targets[i]); /* before loop_fini(): the loop counts their blocks until they are freed */
	loop_fini(&load->loop);
	ev_loop_destroy(ev);
	mem_free((void *)load->free);
	mem_free(load->clients);
	mem_free(load);
	return 0;
}
