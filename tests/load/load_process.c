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
load_error(struct load *l, enum load_error error, const char *why)
{
	if (l->part->first_error[0] == '\0')
		snprintf(l->part->first_error, sizeof l->part->first_error, "%s", why);
	l->part->errors[error]++;
	if (l->measuring)
		series_second(&l->part->series, (l->now - l->board->run_from) / 1000000000)->errors++;
}

uint64_t
load_random(struct load *l, uint64_t bound)
{
	uint64_t *x = &l->setup.random;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x % bound;
}

void
load_record(struct load *l, uint64_t due, uint64_t arrived)
{
	uint64_t latency;

	if (due < l->board->run_from || due >= l->board->run_until)
		return;
	if (arrived < due) /* another process sent it after the poll of this turn */
		arrived = board_now();
	latency = arrived > due ? arrived - due : 0;
	histogram_record(&l->part->latency, latency);
	series_record(series_second(&l->part->series, (due - l->board->run_from) / 1000000000), latency);
}

/* ---------------------------------------------------------------------- phases */

static void
load_begin_messages(struct load *l)
{
	if (l->scenario->no_coming)
		load_ramp_start(l);
	if (l->scenario->begin)
		l->scenario->begin(l);
	if (l->options->spin)
		ev_idle_start(l->loop.ev, &l->spin);
	if (l->messages)
		messages_begin(l);
}

static void
load_leave_all(struct load *l)
{
	load_ramp_stop(l);
	if (l->messages)
		messages_finish(l);
	for (uint64_t i = 0; i < l->count; i++) {
		loop_disarm(&l->loop, &l->clients[i].timer);
		client_leave(&l->clients[i].client);
	}
}

static void
load_enter_phase(struct load *l, int phase)
{
	l->phase = phase;
	l->phase_since = l->loop.now;
	switch (phase) {
	case PHASE_MESSAGES:
		load_begin_messages(l);
		break;
	case PHASE_SETTLING:
		if (l->messages)
			messages_stop(l);
		l->part->stopped = true;
		break;
	case PHASE_LEAVING:
		ev_idle_stop(l->loop.ev, &l->spin);
		load_leave_all(l);
		break;
	case PHASE_OVER:
		ev_break(l->loop.ev, EVBREAK_ALL);
		break;
	default:
		break;
	}
}

/* The measured run begins and ends at its exact times, regardless of when the parent changes the phase. */
static void
load_watch_run(struct load *l)
{
	uint64_t from = l->board->run_from, until = l->board->run_until;
	bool within = from > 0 && l->now >= from && (until == 0 || l->now < until);

	if (within && !l->measuring) {
		l->part->cpu_at_begin = observe_own_seconds();
		l->bytes_at_begin = l->loop.counters.value[COUNT_BYTES_IN];
	}
	if (!within && l->measuring)
		l->part->cpu_at_end = observe_own_seconds();
	if (within || l->measuring)
		l->part->bytes_received = l->loop.counters.value[COUNT_BYTES_IN] - l->bytes_at_begin;
	l->measuring = within;
}

static bool
load_all_gone(const struct load *l)
{
	for (uint64_t i = 0; i < l->count; i++)
		if (l->clients[i].client.state != CLIENT_IDLE)
			return false;
	return true;
}

static void
load_on_tick(struct ev_loop *ev, struct ev_timer *watcher, int revents)
{
	struct load *l = watcher->data;
	int phase = atomic_load(&l->board->phase);

	(void)ev;
	(void)revents;
	while (l->phase < phase) /* enters every phase in between */
		load_enter_phase(l, l->phase + 1);
	load_watch_run(l);
	if (l->measuring)
		series_second(&l->part->series, (l->now - l->board->run_from) / 1000000000)->joined =
			(uint32_t)l->part->joined;
	if (l->messages && l->phase == PHASE_MESSAGES)
		messages_expire(l);
	if (l->scenario->over && l->phase == PHASE_MESSAGES)
		l->part->run_ended = l->scenario->over(l);
	if (l->phase == PHASE_SETTLING)
		l->part->settled = board_stopped(l->board) && (l->messages == NULL || messages_settled(l));
	if (l->phase == PHASE_LEAVING)
		l->part->gone = load_all_gone(l);
	loop_finish_turn(&l->loop);
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
	struct load *l = watcher->data;

	(void)ev;
	(void)revents;
	l->now = board_now();
	load_watch_run(l);
}

/* ------------------------------------------------------------------------ life */

static void
on_client_timer(struct wheel_entry *entry)
{
	struct load_client *c = container_of(entry, struct load_client, timer);
	struct load *l = load_of(&c->client);

	if (c->ready)
		client_leave(&c->client); /* churn: the client's stay is over */
	else if (c->client.state == CLIENT_JOINED)
		client_cut(&c->client, LOAD_ERROR_HANDSHAKE, "join was not acknowledged within --timeout");
	else
		load_come(l, c);
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
load_target_of(const struct load *l, uint64_t number)
{
	uint64_t sender;

	if (l->scenario->far_only && messages_is_sender(l->options, number, &sender))
		return &l->targets[0];
	return &l->targets[number % l->options->url_count];
}

static void
make_clients(struct load *l)
{
	l->clients = mem_zalloc(l->count * sizeof *l->clients);
	for (uint64_t i = 0; i < l->count; i++) {
		struct load_client *c = &l->clients[i];

		c->client.setup = &l->setup;
		c->client.target = load_target_of(l, l->first + i);
		c->client.owner = l;
		c->client.index = (uint32_t)i;
		wheel_entry_init(&c->timer, on_client_timer);
		client_init(&c->client);
	}
}

static void
load_init(struct load *l, const struct load_options *o, struct target *targets, struct board *board, unsigned number)
{
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);

	must(ev != NULL);
	*l = (struct load){.options = o,
		.scenario = o->scenario,
		.targets = targets,
		.board = board,
		.part = &board->parts[number],
		.number = number};
	loop_init(&l->loop, ev);
	l->first = o->clients * number / o->processes;
	l->count = o->clients * (number + 1) / o->processes - l->first;
	l->now = board_now();
	l->setup = (struct client_setup){.loop = &l->loop,
		.ops = &load_client_ops,
		.limits = {.max_queue = QUEUE_MAX,
			.max_kept = KEPT_MAX,
			.stall_ms = STALL_MS,
			.tls_ms = o->timeout_ms,
			.linger_ms = LINGER_MS},
		.ws = {.max_message = 2 * MESSAGE_SIZE_MAX, .max_fragments = 100000},
		.timeout_ms = o->timeout_ms,
		.transport = o->transport,
		.random = (o->seed + number) * 0x9e3779b97f4a7c15u | 1};
	loop_call_init(&l->come, load_on_come);
	make_clients(l);
	l->free = mem_alloc(l->count * sizeof(struct load_client *));
	messages_new(l);
}

/* Waits for the moment that all processes start at, from which the connect rate counts. */
static void
await_start(struct load *l)
{
	uint64_t at = l->board->began;
	struct timespec when = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
	ev_now_update(l->loop.ev);
	loop_finish_turn(&l->loop);
	l->now = board_now();
}

int
load_run(const struct load_options *o, struct target *targets, struct board *board, unsigned number)
{
	struct load *l = mem_zalloc(sizeof *l);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* the parent handles it */
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	load_init(l, o, targets, board, number);
	ev_check_init(&l->stamp, load_on_poll);
	ev_set_priority(&l->stamp, EV_MAXPRI);
	l->stamp.data = l;
	ev_check_start(l->loop.ev, &l->stamp);
	ev_idle_init(&l->spin, load_on_spin);
	ev_timer_init(&l->tick, load_on_tick, TICK_S, TICK_S);
	l->tick.data = l;
	ev_timer_start(l->loop.ev, &l->tick);
	await_start(l);
	if (!l->scenario->no_coming)
		load_ramp_start(l);
	ev_run(l->loop.ev, 0);

	conn_close_all(&l->loop, REASON_FORCED);
	for (uint64_t i = 0; i < l->count; i++)
		client_cut(&l->clients[i].client, LOAD_ERROR_COUNT, "");
	loop_finish_turn(&l->loop);
	messages_free(l);
	ev_check_stop(l->loop.ev, &l->stamp);
	ev_idle_stop(l->loop.ev, &l->spin);
	ev_timer_stop(l->loop.ev, &l->tick);
	pace_stop(&l->arrivals);
	struct ev_loop *ev = l->loop.ev;
	for (unsigned i = 0; i < o->url_count; i++)
		target_fini(&targets[i]); /* before loop_fini(): the loop counts their blocks until they are freed */
	loop_fini(&l->loop);
	ev_loop_destroy(ev);
	mem_free((void *)l->free);
	mem_free(l->clients);
	mem_free(l);
	return 0;
}
