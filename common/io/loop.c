#include "common/io/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/conn_internal.h"

/*
 * Maximum rounds of the end-of-turn step. A connection that queues more each time it drains must not starve the input
 * of the others. The rest continues after a poll that does not wait.
 */
#define ROUNDS_PER_TURN 8

#define POLL_FD_SEARCH 1024 /* descriptors to search: an event loop is created early, so its descriptor is low */
#define NEVER UINT64_MAX
#define CACHE_LINE 64
#define MEMORY_LINES 5 /* log lines per second about connections closed for the budget */

static uint64_t
loop_clock_ms(clockid_t which)
{
	struct timespec time;

	clock_gettime(which, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t
loop_clock_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t
loop_wall_ms(void)
{
	return loop_clock_ms(CLOCK_REALTIME);
}

static bool
loop_has_work(const struct loop *l)
{
	return !list_empty(&l->deferred) || !list_empty(&l->flushing) || !list_empty(&l->resumed) ||
	       !list_empty(&l->dirty) || (!list_empty(&l->dead) && l->burials_left > 0);
}

/* Returns true if the next turn must begin without waiting. */
static bool
loop_has_rest(const struct loop *l)
{
	return !list_empty(&l->put_off) || !list_empty(&l->heavy) || !list_empty(&l->later) ||
	       !list_empty(&l->unflushed) || !list_empty(&l->partial) || !list_empty(&l->dead);
}

/* Serves connections that wait since earlier turns, until the turn's work is spent. If `one`, serves at least one. */
static void
loop_serve(struct loop *l, struct list *waiting, bool one)
{
	list_move_all(&l->serving, waiting);
	while (!list_empty(&l->serving) && (one || !loop_turn_spent(l))) {
		conn_serve(list_entry(l->serving.next, struct conn, open));
		one = false;
	}
	/* a connection that has had a share waits behind those that have not */
	list_move_all(&l->serving, waiting);
	list_move_all(waiting, &l->serving);
}

/*
 * Prefetches a connection. With many connections the next one is rarely cached; it loads while the kernel writes the
 * bytes of the current one.
 */
static void
loop_prefetch_conn(const struct conn *c)
{
	for (size_t at = 0; at < sizeof *c; at += CACHE_LINE)
		__builtin_prefetch((const char *)c + at);
}

/* Flushes the connections of a list, which become fewer or wait for a later turn. Services do not wait. */
static void
loop_flush(struct loop *l, struct list *now)
{
	while (!list_empty(now)) {
		struct conn *c = list_entry(now->next, struct conn, link);

		if (l->writes >= l->max_writes && !c->service) {
			list_move_all(&l->unflushed, now);
			return;
		}
		loop_prefetch_conn(list_entry(c->link.next, struct conn, link));
		conn_flush_now(c);
	}
}

/*
 * Flushes connections that wait since earlier turns, with the writes that the turn has left, and with a quarter of
 * its writes in any case.
 */
static void
loop_flush_rest(struct loop *l)
{
	unsigned least = l->max_writes / 4, end = l->writes + least;

	end = end > l->max_writes ? end : l->max_writes;
	while (l->writes < end && !list_empty(&l->unflushed)) {
		struct conn *c = list_entry(l->unflushed.next, struct conn, link);

		loop_prefetch_conn(list_entry(c->link.next, struct conn, link));
		conn_flush_now(c);
	}
}

/*
 * Queues the connections that have more to write than one turn allows for their next flush: services first, clients
 * behind those that wait already.
 */
static void
loop_queue_partial(struct loop *l)
{
	while (!list_empty(&l->partial)) {
		struct conn *c = list_entry(l->partial.next, struct conn, link);

		if (c->service || list_empty(&l->unflushed)) {
			conn_relink(c);
		} else {
			list_remove(&c->link);
			list_add_tail(&l->unflushed, &c->link);
		}
	}
}

/* Frees dead connections until the turn's number is reached. The rest stay before those that die meanwhile. */
static void
loop_bury(struct loop *l)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &l->dead);
	for (; !list_empty(&now) && l->burials_left > 0; l->burials_left--)
		conn_bury(list_entry(now.next, struct conn, link));
	list_move_all(&now, &l->dead);
	list_move_all(&l->dead, &now);
}

/* Runs one round. Work that its callbacks add belongs to the next round. */
static void
loop_round(struct loop *l)
{
	struct list now;

	list_init(&now);
	list_move_all(&now, &l->deferred);
	while (!list_empty(&now)) {
		struct loop_call *call = list_entry(now.next, struct loop_call, link);

		list_remove(&call->link);
		call->run(call);
	}
	list_move_all(&now, &l->resumed);
	while (!list_empty(&now))
		conn_resume_now(list_entry(now.next, struct conn, link));
	while (!list_empty(&l->flushing)) {
		struct loop_call *call = list_entry(l->flushing.next, struct loop_call, link);

		list_remove(&call->link);
		call->run(call);
	}
	list_move_all(&now, &l->dirty);
	loop_flush(l, &now);
	loop_bury(l);
}

static void
loop_rounds(struct loop *l)
{
	for (int round = 0; round < ROUNDS_PER_TURN && loop_has_work(l); round++)
		loop_round(l);
}

/* ----------------------------------------------------------------- memory */

void
loop_closed_for_memory(struct loop *l, const char *kind, struct text name, uint64_t bytes)
{
	counter_add(&l->counters, COUNT_MEMORY_CLOSED, 1);
	if (log_allow(&l->memory_log, MEMORY_LINES, l->now))
		log_event(LOG_WARN, "memory", "closed", LOG_STR(kind), "name", LOG_TEXT(name), "bytes",
			LOG_INT(bytes), "held", LOG_INT(l->budget.held), "budget", LOG_INT(l->budget.max), NULL);
}

void
loop_count_no_memory(struct loop *l)
{
	counter_add(&l->counters, COUNT_NO_MEMORY, 1);
	if (log_allow(&l->memory_log, MEMORY_LINES, l->now))
		log_event(LOG_ERROR, "memory", "error", LOG_STR("out of memory for a client's data"), "held",
			LOG_INT(l->budget.held), NULL);
}

struct offer {
	struct budget_source *source;
	struct budget_search *search;
};

static void
loop_offer_conn(struct conn *c, void *user)
{
	struct offer *offer = user;

	if (!c->dead)
		budget_offer(offer->search, offer->source, c, conn_memory(c));
}

static void
loop_offer_conns(struct budget_source *source, struct budget_search *search)
{
	conn_each(container_of(source, struct loop, conns), loop_offer_conn, &(struct offer){source, search});
}

static uint64_t
loop_close_conn(struct budget_source *source, void *holder, uint64_t bytes)
{
	struct loop *l = container_of(source, struct loop, conns);
	char room[CONN_ADDRESS_MAX];
	struct conn *c = holder;

	/* queued bytes may not have been offered to the kernel yet, since the connection still waits for its flush */
	conn_write_now(c);
	if (c->dead || conn_memory(c) <= bytes / 2)
		return 0;
	loop_closed_for_memory(l, "connection", conn_peer_address(c, room), bytes);
	return conn_give_up(c);
}

/* Sets the wheel's timer if the wheel needs it earlier than it is set. */
static void
loop_set_wheel_timer(struct loop *l)
{
	int64_t wait = wheel_wait(l->wheel, l->now);

	if (wait < 0) {
		ev_timer_stop(l->ev, &l->wheel_timer);
		l->wheel_due = NEVER;
		return;
	}
	if (l->now + (uint64_t)wait >= l->wheel_due)
		return;
	l->wheel_due = l->now + (uint64_t)wait;
	ev_timer_stop(l->ev, &l->wheel_timer);
	/* half a millisecond is added because `now` is truncated; otherwise the timer could fire too early */
	ev_timer_set(&l->wheel_timer, (double)wait / 1000 + 0.0005, 0.);
	ev_timer_start(l->ev, &l->wheel_timer);
}

/*
 * Runs the end-of-turn step. If the budget counts on the memory of closed connections, all dead ones are freed: it
 * would otherwise close more than it has to.
 */
static void
loop_end_turn(struct loop *l, unsigned burials)
{
	must(!l->finishing_turn);
	l->finishing_turn = true;
	budget_note(&l->budget);
	loop_keep_budget(l);
	if (mem_is_short() && !mem_reserve())
		budget_give_up(&l->budget);
	if (!list_empty(&l->heavy))
		loop_serve(l, &l->heavy, true);
	if (!list_empty(&l->later))
		list_move_all(&l->deferred, &l->later);
	loop_queue_partial(l);
	l->writes = 0;
	l->burials_left = l->budget.leaving > 0 ? UINT_MAX : burials;
	loop_rounds(l);
	if (!list_empty(&l->unflushed)) {
		loop_flush_rest(l);
		loop_rounds(l);
	}
	if (l->budget.limit != l->budget.max || l->budget.leaving > 0)
		budget_settle(&l->budget);
	l->finishing_turn = false;
	l->turn_work_end = l->work + LOOP_TURN_WORK;
	loop_set_wheel_timer(l);
	if (loop_has_work(l) || loop_has_rest(l))
		ev_idle_start(l->ev, &l->no_wait);
	else if (ev_is_active(&l->no_wait))
		ev_idle_stop(l->ev, &l->no_wait);
}

void
loop_finish_turn(struct loop *l)
{
	loop_end_turn(l, UINT_MAX);
}

/*
 * Updates the pulse. The loop is the only writer, so no locked instruction is needed. A nested turn counts as part of
 * the outer one.
 */
static void
loop_beat(struct loop *l, uint64_t after)
{
	uint64_t odd = atomic_load_explicit(l->pulse, memory_order_relaxed) | 1;

	atomic_store_explicit(l->pulse, odd + after, memory_order_relaxed);
}

static void
loop_on_turn_end(struct ev_loop *ev, struct ev_prepare *watcher, int revents)
{
	struct loop *l = watcher->data;

	(void)ev;
	(void)revents;
	/* otherwise timers armed from here on would fire early after a long turn or a slow program start */
	l->now = loop_clock_ms(CLOCK_MONOTONIC);
	loop_end_turn(l, l->max_burials);
	if (l->turn_began_us != 0)
		durations_add(&l->turns, loop_clock_us() - l->turn_began_us);
	loop_beat(l, 1);
}

static void
loop_on_turn_begin(struct ev_loop *ev, struct ev_check *watcher, int revents)
{
	struct loop *l = watcher->data;

	(void)ev;
	(void)revents;
	loop_beat(l, 0);
	l->turn_began_us = loop_clock_us();
	l->now = l->turn_began_us / 1000;
	if (!list_empty(&l->put_off))
		loop_serve(l, &l->put_off, false);
}

static void
loop_on_wheel_timer(struct ev_loop *ev, struct ev_timer *watcher, int revents)
{
	struct loop *l = watcher->data;

	(void)ev;
	(void)revents;
	l->wheel_due = NEVER;
	wheel_run(l->wheel, l->now);
	if (!ev_is_active(&l->wheel_timer))
		loop_set_wheel_timer(l);
}

/* An active idle watcher keeps the poll from waiting; its callback does nothing. */
static void
loop_on_no_wait(struct ev_loop *ev, struct ev_idle *watcher, int revents)
{
	(void)ev;
	(void)watcher;
	(void)revents;
}

void
loop_init(struct loop *l, struct ev_loop *ev)
{
	*l = (struct loop){.ev = ev, .now = loop_clock_ms(CLOCK_MONOTONIC), .wheel_due = NEVER, .poll_fd = -1};
	l->pulse = &l->own_pulse;
	l->wheel = wheel_new(l->now);
	list_init(&l->open);
	list_init(&l->dirty);
	list_init(&l->unflushed);
	list_init(&l->partial);
	l->max_writes = LOOP_TURN_WRITES;
	l->part_bytes = LOOP_PART_BYTES;
	l->max_burials = LOOP_TURN_BURIALS;
	list_init(&l->dead);
	list_init(&l->deferred);
	list_init(&l->flushing);
	list_init(&l->later);
	list_init(&l->resumed);
	list_init(&l->put_off);
	list_init(&l->heavy);
	list_init(&l->serving);
	l->turn_work_end = LOOP_TURN_WORK;
	budget_init(&l->budget);
	(void)mem_reserve();
	l->conns.each = loop_offer_conns;
	l->conns.close = loop_close_conn;
	budget_add_source(&l->budget, &l->conns);
	l->scratch = mem_alloc(LOOP_SCRATCH_SIZE);
	l->gather = mem_alloc(LOOP_GATHER_SIZE);

	ev_prepare_init(&l->turn_end, loop_on_turn_end);
	ev_check_init(&l->turn_begin, loop_on_turn_begin);
	ev_timer_init(&l->wheel_timer, loop_on_wheel_timer, 0., 0.);
	ev_idle_init(&l->no_wait, loop_on_no_wait);
	l->turn_end.data = l->turn_begin.data = l->wheel_timer.data = l->no_wait.data = l;
	/* update the clock before all other callbacks, and end the turn after them */
	ev_set_priority(&l->turn_begin, EV_MAXPRI);
	ev_set_priority(&l->turn_end, EV_MINPRI);
	ev_prepare_start(ev, &l->turn_end);
	ev_check_start(ev, &l->turn_begin);
	/* these two watchers must not keep ev_run() of an embedding program from returning */
	ev_unref(ev);
	ev_unref(ev);
}

void
loop_give_back(struct loop *l)
{
	conn_queue_free_spares(l);
	small_give_back();
	mem_give_back();
}

void
loop_set_pulse(struct loop *l, _Atomic uint64_t *pulse)
{
	l->pulse = pulse;
}

void
loop_fini(struct loop *l)
{
	must(l->connections == 0 && l->services == 0);
	must(l->budget.held == 0);
	must(!l->finishing_turn);
	ev_ref(l->ev);
	ev_ref(l->ev);
	ev_prepare_stop(l->ev, &l->turn_end);
	ev_check_stop(l->ev, &l->turn_begin);
	ev_timer_stop(l->ev, &l->wheel_timer);
	ev_idle_stop(l->ev, &l->no_wait);
	list_move_all(&l->deferred, &l->later);
	while (!list_empty(&l->deferred))
		list_remove(l->deferred.next);
	conn_queue_free_spares(l);
	wheel_free(l->wheel);
	small_give_back();
	mem_free(l->scratch);
	mem_free(l->gather);
}

void
loop_call_init(struct loop_call *call, void (*run)(struct loop_call *call))
{
	list_init(&call->link);
	call->run = run;
}

void
loop_defer(struct loop *l, struct loop_call *call)
{
	if (list_empty(&call->link))
		list_add_tail(&l->deferred, &call->link);
}

void
loop_defer_to_flush(struct loop *l, struct loop_call *call)
{
	if (list_empty(&call->link))
		list_add_tail(&l->flushing, &call->link);
}

void
loop_defer_next(struct loop *l, struct loop_call *call)
{
	if (list_empty(&call->link))
		list_add_tail(&l->later, &call->link);
	ev_idle_start(l->ev, &l->no_wait);
}

void
loop_call_cancel(struct loop_call *call)
{
	list_remove(&call->link);
}

/*
 * libev removes a descriptor from its epoll set by closing it, which is not enough if the file stays open elsewhere.
 * libev does not tell which descriptor the epoll set is; the one that knows `fd` is the right one.
 */
void
loop_forget_fd(struct loop *l, int fd)
{
	struct epoll_event unused = {0};

	if (l->poll_fd >= 0 && epoll_ctl(l->poll_fd, EPOLL_CTL_DEL, fd, &unused) == 0)
		return;
	if (l->poll_fd != -1 && !(l->poll_fd >= 0 && (errno == EINVAL || errno == EBADF)))
		return; /* the loop does not use epoll, or the set does not contain `fd` */
	if (ev_backend(l->ev) != EVBACKEND_EPOLL) {
		l->poll_fd = -2;
		return;
	}
	for (int at = 0; at < POLL_FD_SEARCH; at++) {
		if (epoll_ctl(at, EPOLL_CTL_DEL, fd, &unused) == 0) {
			l->poll_fd = at;
			return;
		}
	}
}

void
loop_arm(struct loop *l, struct wheel_entry *entry, uint64_t after_ms)
{
	wheel_arm(l->wheel, entry, l->now + after_ms);
	/* not only at the end of the turn: ev_run() checks before that whether any watcher is active */
	if (!ev_is_active(&l->wheel_timer))
		loop_set_wheel_timer(l);
}

void
loop_disarm(struct loop *l, struct wheel_entry *entry)
{
	if (wheel_armed(entry))
		wheel_cancel(l->wheel, entry);
}
