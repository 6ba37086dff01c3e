/*
 * A client and its backend.
 *
 *   state      event                                next      action
 *   BOUND      an event of the client               BOUND     EVENT; held during a drain, or without window,
 *                                                             when the client is also paused
 *              HANDOFF, or the link is lost         UNBOUND   the client does not notice
 *              the client has gone                  gone      CLOSED, of its sockets first
 *   UNBOUND    a member takes work                  BOUND     SESSION, OPEN of each socket; in parcels, clients
 *                                                             for whom something waits first
 *              backendWait is over (twice as long   gone      CONNECT_ERROR "Service unavailable", if the
 *              if the backend was only silent)                client has joined no namespace
 *                                                   DROPPED   transport error, if it has
 *              too much is held                     DROPPED   transport error
 *              onLoss of the lost one is "close"    DROPPED   transport error
 *              onLoss is "reconnect"                LEAVING
 *   LEAVING    its turn has come                    DROPPED   transport error
 *   DROPPED    the client has gone                  gone
 *
 * BOUND: s->member is set. UNBOUND: in group->without or group->patient. LEAVING: also in group->leaving. DROPPED:
 * s->dropped is set. A paused client is not read, whatever its state; the engine answers its heartbeats.
 */
#include "node/backend/backend_session.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_out.h"

static void
session_count(struct backend_core *core, unsigned counter)
{
	counter_add(&core->loop->counters, counter, 1);
}

/* ------------------------------------------------------------------ finding */

struct backend_session *
backend_session_first(const struct backend_core *core, struct text sid)
{
	struct table_node *n = table_find(&core->clients, sid);

	return n != NULL ? container_of(n, struct backend_session, node) : NULL;
}

struct backend_session *
backend_session_find(
	const struct backend_core *core, const struct eio_session *engine, const struct backend_group *group)
{
	struct backend_session *s = backend_session_first(core, eio_sid(engine));

	while (s != NULL && s->group != group)
		s = s->next;
	return s;
}

struct backend_session *
backend_session_new(struct backend_core *core, struct eio_session *engine, struct backend_group *group)
{
	struct backend_session *s = mem_zalloc(sizeof *s), *first = backend_session_first(core, eio_sid(engine));

	s->core = core;
	s->engine = engine;
	s->group = group;
	list_init(&s->link);
	list_init(&s->turn);
	list_init(&s->sockets);
	group->sessions++;
	if (first == NULL) {
		table_add(&core->clients, &s->node, eio_sid(engine));
	} else {
		s->next = first->next;
		first->next = s;
	}
	eio_hold(engine, (int64_t)sizeof *s);
	return s;
}

/* Takes the session out of its client's chain. */
static void
session_unchain(struct backend_session *s)
{
	struct backend_session *first = backend_session_first(s->core, eio_sid(s->engine));

	if (first != s) {
		while (first->next != s)
			first = first->next;
		first->next = s->next;
		return;
	}
	table_remove(&s->core->clients, &s->node);
	if (s->next != NULL)
		table_add(&s->core->clients, &s->next->node, eio_sid(s->engine));
}

static void
session_forget(struct backend_session *s)
{
	must(list_empty(&s->sockets) && s->member == NULL && s->held == 0);
	backend_session_resume(s);
	session_unchain(s);
	list_remove(&s->link);
	list_remove(&s->turn);
	s->group->sessions--;
	eio_hold(s->engine, -(int64_t)sizeof *s);
	mem_free(s);
}

/* ------------------------------------------------------------------- pauses */

void
backend_session_pause(struct backend_session *s)
{
	if (s->paused)
		return;
	s->paused = true;
	if (s->member != NULL)
		list_add_tail(&s->member->paused, &s->turn);
	session_count(s->core, COUNT_BACKEND_PAUSES);
	eio_pause(s->engine);
}

/* Returns true if the client must stay paused because the backend of another group has no window. */
static bool
is_paused_elsewhere(const struct backend_session *s)
{
	const struct backend_session *it = backend_session_first(s->core, eio_sid(s->engine));

	while (it != NULL && !it->paused)
		it = it->next;
	return it != NULL;
}

void
backend_session_resume(struct backend_session *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->member != NULL)
		list_remove(&s->turn);
	if (!is_paused_elsewhere(s))
		eio_resume(s->engine);
}

void
backend_session_relieved(struct backend_session *s)
{
	const struct backend_member *m = s->member;

	/* Without window the client stays paused until on_window(). */
	if (s->held == 0 && (m == NULL || m->draining || backend_member_takes(m)))
		backend_session_resume(s);
}

void
backend_session_flush(struct backend_session *s)
{
	struct list *it, *next;

	list_each(it, next, &s->sockets) backend_socket_flush(container_of(it, struct backend_socket, link));
	if (s->member != NULL && s->held == 0 && backend_member_takes(s->member))
		backend_session_resume(s);
}

/* ------------------------------------------------------------------ without */

static bool
is_urgent(const struct backend_session *s)
{
	struct list *it, *next;

	if (s->held != 0)
		return true;
	list_each(it, next, &s->sockets)
	{
		if (container_of(it, struct backend_socket, link)->state == BACKEND_WAITING)
			return true;
	}
	return false;
}

static void
session_wait(struct backend_session *s, struct list *among)
{
	s->since = s->core->loop->now;
	list_add_tail(among, &s->link);
	list_add_tail(is_urgent(s) ? &s->group->urgent : &s->group->quiet, &s->turn);
	backend_sweep_later(s->core);
}

void
backend_session_urgent(struct backend_session *s)
{
	/* Sessions that leave or are paused are in other lists. */
	if (s->member != NULL || s->dropped || s->leaving)
		return;
	list_remove(&s->turn);
	list_add_tail(&s->group->urgent, &s->turn);
}

void
backend_session_place(struct backend_session *s)
{
	struct backend_member *m = backend_group_choose(s->group);

	must(s->member == NULL);
	if (s->leaving || s->dropped)
		return;
	if (m != NULL) {
		backend_session_bind(s, m);
	} else if (list_empty(&s->link)) {
		session_wait(s, &s->group->without);
	} else {
		backend_session_urgent(s);
	}
}

void
backend_session_ask(struct backend_session *s, struct backend_socket *bs)
{
	if (s->member == NULL)
		backend_session_place(s);
	else if (backend_member_takes(s->member))
		backend_socket_open(bs);
	else if (!s->member->draining) /* while it drains, the socket waits for HANDOFF and the next backend */
		backend_session_pause(s);
}

void
backend_session_bind(struct backend_session *s, struct backend_member *m)
{
	struct list *it, *next;

	must(s->member == NULL && !m->draining);
	if (!list_empty(&s->link))
		backend_times_add(&s->core->attach, s->core->loop->now - s->since);
	list_remove(&s->link);
	list_remove(&s->turn);
	s->member = m;
	m->count++;
	list_add_tail(&m->sessions, &s->link);
	if (s->paused)
		list_add_tail(&m->paused, &s->turn);
	backend_handle_give(m, &s->handle, BACKEND_A_SESSION);
	backend_out_session(s);
	/*
	 * Opens as many sockets as the window allows: OPEN of all sockets of one client may exceed what may wait for
	 * a link.
	 */
	list_each(it, next, &s->sockets)
	{
		struct backend_socket *bs = container_of(it, struct backend_socket, link);

		/* a socket that has just replaced a recovered one (backend_socket_open()) may be OPENING already */
		if (bs->state == BACKEND_WAITING || bs->state == BACKEND_ORPHAN)
			backend_session_ask(s, bs);
	}
}

static void
session_unbind(struct backend_session *s)
{
	backend_handle_take(s->member, &s->handle);
	list_remove(&s->link);
	list_remove(&s->turn);
	s->member->count--;
	s->member = NULL;
	s->request = 0;
}

/* Makes the engine close the client. Its sockets leave at the end of the turn. */
static void
session_drop(struct backend_session *s, unsigned counter, const char *why)
{
	if (s->dropped)
		return;
	s->dropped = true;
	list_remove(&s->link);
	list_remove(&s->turn);
	session_count(s->core, counter);
	eio_drop(s->engine, why);
}

void
backend_session_overflow(struct backend_session *s)
{
	session_drop(s, COUNT_BACKEND_ORPHANS_FULL, "backend-orphan-queue");
}

static void
session_leave_later(struct backend_session *s)
{
	struct backend_group *g = s->group;

	if (list_empty(&g->leaving)) {
		g->leaving_since = s->core->loop->now;
		g->leaving_all = g->leaving_gone = 0;
	}
	s->leaving = true;
	list_remove(&s->turn);
	list_add_tail(&g->leaving, &s->turn);
	g->leaving_all++;
}

void
backend_session_release(struct backend_session *s, enum backend_release how)
{
	struct list *it, *next;

	list_each(it, next, &s->sockets)
		backend_socket_lose(container_of(it, struct backend_socket, link), how == BACKEND_HANDED_OFF);
	session_unbind(s);
	if (list_empty(&s->sockets)) {
		session_forget(s);
		return;
	}
	session_wait(s, how == BACKEND_LOST_BUSY ? &s->group->patient : &s->group->without);
	if (s->held <
		s->core->limits
			.orphan_queue) /* otherwise reading resumes when the next backend has taken the events */
		backend_session_resume(s);
	if (how == BACKEND_LOST_CLOSE)
		session_drop(s, COUNT_BACKEND_SENT_AWAY, "backend-lost");
	else if (how == BACKEND_LOST_AWAY)
		session_leave_later(s);
}

void
backend_session_gone(struct backend_session *s, const char *reason)
{
	must(list_empty(&s->sockets));
	if (s->member != NULL) {
		backend_out_text(s->member->wire, BACKEND_CLOSED, s->handle.number, 0, text_from(reason));
		session_unbind(s);
	}
	session_forget(s);
}

void
backend_session_unused(struct backend_session *s)
{
	if (list_empty(&s->sockets) && s->member == NULL)
		session_forget(s);
}

/* ------------------------------------------------------------------- timers */

static struct backend_session *
next_waiting(const struct backend_group *g)
{
	const struct list *from = !list_empty(&g->urgent) ? &g->urgent : &g->quiet;

	return list_empty(from) ? NULL : container_of(from->next, struct backend_session, turn);
}

/* Gives backends to at most `*parcel` clients. Returns true if clients are left that could have one. */
static bool
serve_group(struct backend_group *g, unsigned *parcel)
{
	struct backend_session *s;
	struct backend_member *m;

	while ((s = next_waiting(g)) != NULL && (m = backend_group_choose(g)) != NULL) {
		if (*parcel == 0)
			return true;
		--*parcel;
		backend_session_bind(s, m);
	}
	return false;
}

/* Closes leaving clients, spread evenly over limits.away. Returns true if some are left. */
static bool
close_leaving(struct backend_core *core, struct backend_group *g)
{
	uint64_t passed = core->loop->now - g->leaving_since, away = core->limits.away;
	uint64_t due = away == 0 || passed >= away ? g->leaving_all : g->leaving_all * passed / away;

	while (!list_empty(&g->leaving) && g->leaving_gone < due) {
		g->leaving_gone++;
		session_drop(container_of(g->leaving.next, struct backend_session, turn), COUNT_BACKEND_SENT_AWAY,
			"backend-lost");
	}
	return !list_empty(&g->leaving);
}

static void
serve_groups(struct backend_core *core)
{
	unsigned parcel = (unsigned)(core->limits.reattach_rate * BACKEND_PACE_MS / 1000);
	struct list *it, *next;
	bool more = false;

	parcel = parcel != 0 ? parcel : 1;
	list_each(it, next, &core->groups)
	{
		struct backend_group *g = container_of(it, struct backend_group, link);

		more = serve_group(g, &parcel) || more;
		more = close_leaving(core, g) || more;
	}
	if (more)
		loop_arm(core->loop, &core->pace, BACKEND_PACE_MS);
}

void
backend_session_paced(struct wheel_entry *entry)
{
	serve_groups(container_of(entry, struct backend_core, pace));
}

void
backend_session_serve(struct backend_core *core)
{
	if (!wheel_armed(&core->pace))
		serve_groups(core);
}

/* No backend came within backendWait. */
static void
session_give_up(struct backend_session *s)
{
	struct list *it, *next;

	list_each(it, next, &s->sockets)
	{
		if (container_of(it, struct backend_socket, link)->state != BACKEND_WAITING) {
			session_drop(s, COUNT_BACKEND_ORPHANS_LATE, "backend-wait");
			return;
		}
	}
	while (!list_empty(&s->sockets)) {
		session_count(s->core, COUNT_BACKEND_UNAVAILABLE);
		backend_socket_unavailable(container_of(s->sockets.next, struct backend_socket, link));
	}
	session_forget(s);
}

/* Ends the waits that are over; `waiting` begins with the longest wait. Returns true if others still wait. */
static bool
sweep_list(struct backend_core *core, struct list *waiting, uint64_t wait)
{
	while (!list_empty(waiting)) {
		struct backend_session *s = container_of(waiting->next, struct backend_session, link);

		if (core->loop->now - s->since < wait)
			return true;
		session_give_up(s);
	}
	return false;
}

bool
backend_session_sweep(struct backend_core *core)
{
	struct list *it, *next;
	bool more = false;

	list_each(it, next, &core->groups)
	{
		struct backend_group *g = container_of(it, struct backend_group, link);

		more = sweep_list(core, &g->without, core->limits.wait) || more;
		more = sweep_list(core, &g->patient, 2 * core->limits.wait) || more;
	}
	return more;
}
