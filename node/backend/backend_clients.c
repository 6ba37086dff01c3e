#include "node/backend/backend_clients.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/backend/backend_ask.h"
#include "node/backend/backend_cast.h"
#include "node/backend/backend_history.h"
#include "node/backend/backend_in.h"
#include "node/backend/backend_late.h"
#include "node/backend/backend_out.h"
#include "node/backend/backend_presence.h"
#include "node/backend/backend_request.h"
#include "node/backend/backend_session.h"
#include "node/socketio/sio_raw.h"

/* ----------------------------------------------------------- the namespaces */

static void
clients_on_namespace(void *arg, sio_step *step, struct text name, struct text auth)
{
	backend_ask(arg, step, name, auth);
}

static void
clients_on_connect(void *arg, sio_socket *socket, struct text auth)
{
	struct backend_core *core = arg;
	struct eio_session *engine = sio_raw_engine(socket);
	struct backend_group *g = backend_group_for(core, text_from(sio_nsp_name(sio_socket_nsp(socket))));
	struct backend_session *s = backend_session_find(core, engine, g);
	struct backend_socket *bs;

	(void)auth; /* sio_raw_auth() returns it later */
	if (s == NULL)
		s = backend_session_new(core, engine, g);
	bs = backend_socket_new(s, socket);
	backend_session_ask(s, bs);
}

static bool
clients_on_event(void *arg, sio_socket *socket, const struct sio_raw_event *e)
{
	struct backend_socket *bs = sio_raw_owned(socket);

	(void)arg;
	if (bs != NULL)
		backend_socket_event(bs, e);
	return false;
}

static void
clients_on_closed(void *arg, sio_socket *socket, const char *reason, bool session_closed)
{
	struct backend_socket *bs = sio_raw_owned(socket);

	(void)arg;
	(void)session_closed;
	if (bs != NULL)
		backend_socket_closed(bs, reason);
}

static void
clients_on_room(void *arg, sio_socket *socket, bool joined, struct text room)
{
	struct backend_socket *bs = sio_raw_owned(socket);

	(void)arg;
	if (bs != NULL)
		backend_socket_room(bs, joined, room);
}

/*
 * Tells the least busy backend of the group, because any of them may have served the client. If no backend takes
 * work, nobody is told.
 */
static void
clients_on_session_ended(void *arg, sio_nsp *nsp, const sio_ended_session *ended)
{
	const struct backend_member *m = backend_group_choose(backend_group_for(arg, text_from(sio_nsp_name(nsp))));

	if (m != NULL && backend_link_hello(m->wire)->recovers)
		backend_out_ended(m->wire, nsp, ended);
}

static const struct sio_owner owner = {
	.on_namespace = clients_on_namespace,
	.on_connect = clients_on_connect,
	.on_event = clients_on_event,
	.on_closed = clients_on_closed,
	.on_room = clients_on_room,
	.on_session_ended = clients_on_session_ended,
	.recovers = true,
};

/* -------------------------------------------------------------- the clients */

static void
clients_on_allow(void *arg, struct eio_pending *pending, const struct http_request *r)
{
	backend_request_ask(arg, pending, r);
}

/*
 * A session whose handshake a backend has allowed belongs to that backend, because the backend keeps what its
 * middlewares have found out about the client.
 */
static void
clients_on_open(void *arg, struct eio_session *session, uint32_t ticket)
{
	struct backend_core *core = arg;
	struct backend_member *m = ticket != 0 ? backend_request_opened(core, ticket) : NULL;
	struct backend_session *s;

	if (m == NULL || m->draining)
		return;
	s = backend_session_new(core, session, m->group);
	s->request = ticket;
	backend_session_bind(s, m);
}

static void
clients_on_upgrade(void *arg, struct eio_session *session)
{
	const struct backend_session *s = backend_session_first(arg, eio_sid(session));

	for (; s != NULL; s = s->next) {
		if (s->member != NULL)
			backend_out_text(s->member->wire, BACKEND_TRANSPORT, s->handle.number, 0,
				text_from(eio_transport(session)));
	}
}

static void
clients_on_gone(void *arg, struct eio_session *session, const char *reason)
{
	struct backend_session *s;

	while ((s = backend_session_first(arg, eio_sid(session))) != NULL)
		backend_session_gone(s, reason);
}

static void
clients_on_refused(void *arg, const struct http_request *r, int code, const char *message, const char *context)
{
	backend_request_refused(arg, r, code, message, context);
}

static const struct sio_watcher watcher = {
	.on_allow = clients_on_allow,
	.on_open = clients_on_open,
	.on_upgrade = clients_on_upgrade,
	.on_gone = clients_on_gone,
	.on_refused = clients_on_refused,
};

/* ---------------------------------------------------------------- the links */

/* Moves waiting sockets whose namespace another group now names. */
static void
move_waiting(struct backend_core *core, struct backend_session *s)
{
	struct list *it, *next;

	list_each(it, next, &s->sockets)
	{
		struct backend_socket *bs = container_of(it, struct backend_socket, link);
		struct backend_group *g =
			backend_group_for(core, text_from(sio_nsp_name(sio_socket_nsp(bs->socket))));
		struct backend_session *to;

		if (g == s->group || bs->state != BACKEND_WAITING)
			continue;
		to = backend_session_find(core, s->engine, g);
		if (to == NULL)
			to = backend_session_new(core, s->engine, g);
		backend_socket_rebind(bs, to);
		backend_session_ask(to, bs);
	}
	backend_session_unused(s);
}

static void
clients_regroup(struct backend_core *core)
{
	struct list *it, *next, *at, *after;

	list_each(it, next, &core->groups)
	{
		struct backend_group *g = container_of(it, struct backend_group, link);

		list_each(at, after, &g->without) move_waiting(core, container_of(at, struct backend_session, link));
		list_each(at, after, &g->patient) move_waiting(core, container_of(at, struct backend_session, link));
	}
}

static void
serve_waiting(struct backend_core *core)
{
	backend_ask_serve(core);
	backend_request_serve(core);
	backend_session_serve(core);
}

static void
clients_on_ready(void *arg, struct backend_link *wire)
{
	struct backend_core *core = arg;
	struct backend_group *g = backend_group_enter(core, backend_link_hello(wire));

	if (g == NULL) {
		backend_link_close(wire, BACKEND_LOST_FULL);
		return;
	}
	backend_link_set_owned(wire, backend_member_new(core, g, wire));
	clients_regroup(core);
	serve_waiting(core);
}

static bool
clients_on_frame(void *arg, struct backend_link *wire, const struct backend_frame *f)
{
	struct backend_member *m = backend_link_owned(wire);

	(void)arg;
	return m == NULL || backend_in_frame(m, f);
}

static void
clients_on_drain(void *arg, struct backend_link *wire)
{
	struct backend_member *m = backend_link_owned(wire);

	(void)arg;
	if (m != NULL)
		m->draining = true;
}

static void
clients_on_window(void *arg, struct backend_link *wire)
{
	struct backend_member *m = backend_link_owned(wire);

	struct list turns;

	if (m == NULL)
		return;
	list_init(&turns);
	list_move_all(&turns, &m->paused);
	while (!list_empty(&turns) && backend_member_takes(m)) {
		struct backend_session *s = container_of(turns.next, struct backend_session, turn);

		/*
		 * backend_session_flush() takes the session out of the list, unless the session needs more window or
		 * waits for an ACCEPT.
		 */
		list_remove(&s->turn);
		list_add_tail(&m->paused, &s->turn);
		backend_session_flush(s);
	}
	list_move_all(&turns, &m->paused); /* sessions that had no turn come first next time */
	list_move_all(&m->paused, &turns);
	serve_waiting(arg);
}

static enum backend_release
how_lost(const struct backend_link *wire, const char *reason)
{
	switch (backend_link_hello(wire)->on_loss) {
	case BACKEND_ON_LOSS_CLOSE:
		return BACKEND_LOST_CLOSE;
	case BACKEND_ON_LOSS_RECONNECT:
		return BACKEND_LOST_AWAY;
	default:
		return strcmp(reason, backend_lost_word(BACKEND_LOST_TIMEOUT)) == 0 ? BACKEND_LOST_BUSY
										    : BACKEND_LOST;
	}
}

static void
clients_on_lost(void *arg, struct backend_link *wire, const char *reason)
{
	struct backend_core *core = arg;
	struct backend_member *m = backend_link_owned(wire);
	enum backend_release how = how_lost(wire, reason);

	if (m == NULL)
		return;
	m->draining = true; /* backend_group_choose() no longer chooses it */
	while (!list_empty(&m->shadows)) {
		struct backend_shadow *shadow = container_of(m->shadows.next, struct backend_shadow, of_member);

		sio_raw_forget(shadow->socket->socket, m);
		backend_shadow_free(shadow);
	}
	backend_late_forget(m);
	backend_cast_forget(m);
	backend_history_forget(m);
	backend_presence_forget(m);
	while (!list_empty(&m->sessions))
		backend_session_release(container_of(m->sessions.next, struct backend_session, link), how);
	backend_ask_again(m);
	backend_request_again(m);
	backend_link_set_owned(wire, NULL);
	backend_member_free(m);
	serve_waiting(core);
}

const struct backend_link_ops backend_clients_ops = {
	.on_ready = clients_on_ready,
	.on_frame = clients_on_frame,
	.on_drain = clients_on_drain,
	.on_window = clients_on_window,
	.on_lost = clients_on_lost,
};

/* --------------------------------------------------------------------- life */

static void
clients_on_sweep(struct wheel_entry *entry)
{
	struct backend_core *core = container_of(entry, struct backend_core, sweep);
	bool more = backend_session_sweep(core);
	struct list *it, *next, *at, *after;

	list_each(it, next, &core->groups)
	{
		list_each(at, after, &container_of(it, struct backend_group, link)->members) more =
			backend_late_sweep(container_of(at, struct backend_member, link)) || more;
	}
	more = backend_ask_sweep(core) || more;
	more = backend_request_sweep(core) || more;
	if (more)
		backend_sweep_later(core);
}

struct backend_core *
backend_clients_new(struct loop *l, const struct backend_limits *limits)
{
	struct backend_core *core = mem_zalloc(sizeof *core);

	core->loop = l;
	core->limits = *limits;
	core->rooms = mem_alloc(BACKEND_ROOMS_MAX * sizeof *core->rooms);
	list_init(&core->groups);
	list_init(&core->asks);
	list_init(&core->presences);
	list_init(&core->request_ages);
	table_init(&core->clients);
	table_init(&core->requests);
	buffer_init(&core->text, limits->max_frame);
	wheel_entry_init(&core->pace, backend_session_paced);
	wheel_entry_init(&core->sweep, clients_on_sweep);
	backend_group_first(core);
	return core;
}

void
backend_clients_serve(struct backend_core *core, sio_server *io)
{
	core->io = io;
	core->owner = &owner;
	sio_raw_own_others(io, &owner, core);
	sio_raw_watch(io, &watcher, core);
}

void
backend_clients_close(struct backend_core *core)
{
	backend_ask_end(core);
	backend_request_end(core);
}

void
backend_clients_free(struct backend_core *core)
{
	if (core == NULL)
		return;
	must(core->members == 0 && core->clients.count == 0 && core->held == 0 && core->orphans == 0);
	must(list_empty(&core->asks) && core->requests.count == 0);
	loop_disarm(core->loop, &core->pace);
	loop_disarm(core->loop, &core->sweep);
	backend_groups_free(core);
	backend_presence_free(core);
	table_fini(&core->clients);
	table_fini(&core->requests);
	buffer_fini(&core->text);
	mem_free(core->rooms);
	mem_free(core);
}

/* -------------------------------------------------------------------- stats */

static void
add_instance(struct backend_clients_stats *out, const struct backend_member *m)
{
	struct text name = backend_link_hello(m->wire)->instance;

	if (out->instance_count == BACKEND_INSTANCES_MAX || name.n >= BACKEND_INSTANCE_MAX) {
		out->other_sessions += m->count;
		return;
	}
	memcpy(out->instances[out->instance_count].name, name.at, name.n);
	out->instances[out->instance_count++].sessions = m->count;
}

void
backend_clients_stats(const struct backend_core *core, struct backend_clients_stats *out)
{
	struct list *it, *next, *at, *after;

	*out = (struct backend_clients_stats){.serves = true,
		.ever = core->ever,
		.orphans = core->orphans,
		.queue_bytes = core->held,
		.attach = core->attach,
		.request = core->request};
	list_each(it, next, &core->groups)
	{
		const struct backend_group *g = container_of(it, struct backend_group, link);
		uint64_t bound = 0;

		list_each(at, after, (struct list *)&g->members)
		{
			const struct backend_member *m = container_of(at, struct backend_member, link);

			bound += m->count;
			add_instance(out, m);
		}
		out->waiting += g->sessions - bound;
	}
}
