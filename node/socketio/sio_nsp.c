#include "node/socketio/sio_nsp.h"

#include "broker/broker.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_presence_state.h"
#include "node/socketio/sio_recovery_state.h"

struct sio_nsp *
sio_nsp_find(const struct sio_server *io, struct text name)
{
	struct table_node *n = table_find(&io->nsps, name);

	return n != NULL ? container_of(n, struct sio_nsp, node) : NULL;
}

void
sio_nsp_join(struct sio_nsp *nsp)
{
	must(nsp->broker == NULL && nsp->family == NULL);
	if (nsp->io->broker == NULL || broker_alone(nsp->io->broker))
		return;
	nsp->broker = broker_nsp_new(nsp->io->broker, sio_nsp_text(nsp), nsp);
}

void
sio_nsp_leave(struct sio_nsp *nsp)
{
	struct broker_nsp *left = nsp->broker;

	loop_disarm(nsp->io->loop, &nsp->settle);
	nsp->broker = NULL;
	if (left == NULL)
		return;
	nsp->io->leaving = true;
	broker_nsp_free(left);
	nsp->io->leaving = false;
}

/* Returns true for a child that only its sockets keep alive. */
static bool
nsp_is_temporary(const struct sio_nsp *nsp)
{
	return nsp->parent != NULL && !nsp->named;
}

static void
nsp_unmark_empty(struct sio_nsp *nsp)
{
	if (list_empty(&nsp->empty))
		return;
	list_remove(&nsp->empty);
	nsp->io->empty_children--;
}

/* Returns true if clients that are away may come back to the namespace. */
static bool
nsp_keeps_sessions(const struct sio_nsp *nsp)
{
	return nsp->log != NULL && !list_empty(&nsp->log->kept);
}

static void
nsp_remove(struct sio_nsp *nsp)
{
	nsp_unmark_empty(nsp);
	table_remove(&nsp->io->nsps, &nsp->node);
	sio_nsp_free(nsp);
}

static void
nsp_mark_empty(struct sio_nsp *nsp)
{
	struct sio_server *io = nsp->io;

	list_add_tail(&io->empty, &nsp->empty);
	io->empty_children++;
	if (io->children > io->options.max_children)
		sio_turn_defer_last(&io->turn, &io->empty_job);
}

void
sio_nsp_trim(struct sio_job *job)
{
	struct sio_server *io = container_of(job, struct sio_server, empty_job);

	while (io->children > io->options.max_children && !list_empty(&io->empty)) {
		struct sio_nsp *nsp = list_entry(io->empty.next, struct sio_nsp, empty);

		if (!nsp_keeps_sessions(nsp)) {
			nsp_remove(nsp);
			continue;
		}
		/* the namespace stays until the listeners for its ended sessions have run */
		sio_nsp_used(nsp);
		io->recovery->displace(nsp);
		sio_nsp_unused(nsp);
	}
}

void
sio_nsp_pin(struct sio_nsp *nsp)
{
	if (nsp_is_temporary(nsp)) {
		nsp_unmark_empty(nsp);
		nsp->io->children--;
	}
	nsp->named = true;
}

void
sio_nsp_init(struct sio_nsp *nsp, struct sio_server *io)
{
	sio_born(SIO_A_NSP, nsp);
	nsp->io = io;
	list_init(&nsp->sibling);
	list_init(&nsp->asking);
	list_init(&nsp->connected);
	list_init(&nsp->arriving);
	list_init(&nsp->empty);
	wheel_entry_init(&nsp->settle, NULL);
}

struct sio_nsp *
sio_nsp_new(struct sio_server *io, struct text name, struct sio_nsp *parent, bool unclaimed)
{
	struct sio_nsp *nsp;

	/* empty children are freed at the end of the turn: a caller may be walking over them now */
	if (parent != NULL && io->children - io->empty_children >= io->options.max_children) {
		sio_log_limit(&io->turn, "namespace_refused", TEXT_NONE, "max-children");
		return NULL;
	}
	must(name.n <= SIO_NSP_NAME_MAX); /* checked for clients and applications, so this allocation is small */
	nsp = mem_zalloc(sizeof *nsp + name.n + 1);
	memcpy(nsp->name, name.at, name.n);
	sio_nsp_init(nsp, io);
	nsp->parent = parent;
	if (parent != NULL) {
		nsp->owner = parent->owner;
		nsp->owner_arg = parent->owner_arg;
	}
	nsp->named = parent == NULL;
	nsp->unclaimed = unclaimed;
	table_add(&io->nsps, &nsp->node, text_of(nsp->name, name.n));
	if (io->recovery != NULL)
		nsp->log = sio_recovery_log_new(&io->recovery->store);
	if (io->recovery != NULL && io->recovery->adopt != NULL)
		io->recovery->adopt(nsp); /* the name is known to sio_nsp_text() since table_add() */
	if (parent != NULL) {
		io->children++;
		if (io->children > io->options.max_children)
			sio_turn_defer_last(&io->turn, &io->empty_job);
		list_add_tail(&parent->family->children, &nsp->sibling);
	}
	sio_nsp_join(nsp);
	sio_presence_inherit(nsp);
	if (io->observer.on_namespace != NULL)
		io->observer.on_namespace(io->observer_arg, nsp);
	if (io->on_new_nsp != NULL && !text_is(name, TEXT("/"))) {
		struct sio_underway before = sio_underway_enter(&io->underway, nsp->name, "new namespace");

		io->on_new_nsp(nsp, io->on_new_nsp_arg);
		sio_underway_leave(&io->underway, before);
	}
	if (nsp->users == 0 && nsp_is_temporary(nsp))
		nsp_mark_empty(nsp);
	return nsp;
}

void
sio_nsp_free(struct sio_nsp *nsp)
{
	must(nsp->users == 0 && nsp->sockets.count == 0);
	nsp_unmark_empty(nsp);
	sio_presence_free(nsp);
	sio_nsp_leave(nsp);
	sio_recovery_log_free(nsp->log);
	if (nsp->parent != NULL && !nsp->named)
		nsp->io->children--;
	list_remove(&nsp->sibling);
	sio_event_listeners_fini(&nsp->events);
	sio_event_listeners_fini(&nsp->server_events);
	sio_listeners_fini(&nsp->room);
	sio_listeners_fini(&nsp->session_ended);
	sio_listeners_fini(&nsp->connection);
	sio_listeners_fini(&nsp->any);
	sio_listeners_fini(&nsp->any_outgoing);
	sio_listeners_fini(&nsp->disconnecting);
	sio_listeners_fini(&nsp->disconnect);
	sio_listeners_fini(&nsp->error);
	sio_listeners_fini(&nsp->upgrade);
	sio_listeners_fini(&nsp->use);
	sio_listeners_fini(&nsp->use_events);
	table_fini(&nsp->sockets);
	table_fini(&nsp->rooms);
	table_fini(&nsp->memberships);
	sio_died(nsp);
	mem_free(nsp);
}

static void
nsp_adopt(struct sio_nsp *nsp, struct sio_nsp *parent)
{
	nsp->parent = parent;
	nsp->unclaimed = false;
	if (nsp->owner == NULL) {
		nsp->owner = parent->owner;
		nsp->owner_arg = parent->owner_arg;
	}
	list_add_tail(&parent->family->children, &nsp->sibling);
	sio_presence_inherit(nsp);
}

struct sio_nsp *
sio_nsp_for(struct sio_server *io, struct text name, struct sio_nsp *parent)
{
	struct sio_nsp *nsp = sio_nsp_find(io, name);

	if (nsp == NULL)
		return sio_nsp_new(io, name, parent, false);
	if (nsp->unclaimed)
		nsp_adopt(nsp, parent);
	return nsp->parent == parent ? nsp : NULL;
}

void
sio_nsp_used(struct sio_nsp *nsp)
{
	nsp_unmark_empty(nsp);
	nsp->users++;
}

void
sio_nsp_unused(struct sio_nsp *nsp)
{
	must(nsp->users > 0);
	if (--nsp->users != 0 || !nsp_is_temporary(nsp))
		return;
	if (nsp->io->options.cleanup_empty_child_namespaces > 0 && !nsp_keeps_sessions(nsp))
		nsp_remove(nsp);
	else
		nsp_mark_empty(nsp);
}

void
sio_nsp_session_ended(struct sio_nsp *nsp)
{
	if (nsp->users == 0 && nsp_is_temporary(nsp) && nsp->io->options.cleanup_empty_child_namespaces > 0 &&
		!nsp_keeps_sessions(nsp))
		nsp_remove(nsp);
}

const char *
sio_nsp_name(const sio_nsp *nsp)
{
	SIO_NEEDS(SIO_A_NSP, nsp, NULL);
	return nsp->name;
}

sio_server *
sio_nsp_server(const sio_nsp *nsp)
{
	SIO_NEEDS(SIO_A_NSP, nsp, NULL);
	return nsp->io;
}

unsigned
sio_nsp_count(const sio_nsp *nsp)
{
	SIO_NEEDS(SIO_A_NSP, nsp, 0);
	unsigned n = nsp->count;
	struct list *it, *next;

	if (nsp->family != NULL) {
		list_each(it, next, &nsp->family->children) n += container_of(it, struct sio_nsp, sibling)->count;
	}
	return n;
}

void
sio_on_new_namespace(sio_server *io, void (*fn)(sio_nsp *nsp, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	io->on_new_nsp = fn;
	io->on_new_nsp_arg = arg;
}

void
sio_on_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->connection, (sio_any_fn *)fn, arg);
}

int
sio_off_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->connection, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

void
sio_on_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->disconnecting, (sio_any_fn *)fn, arg);
}

int
sio_off_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->disconnecting, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

void
sio_on_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->disconnect, (sio_any_fn *)fn, arg);
}

int
sio_off_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->disconnect, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

void
sio_on_error(sio_nsp *nsp, sio_error_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->error, (sio_any_fn *)fn, arg);
}

int
sio_off_error(sio_nsp *nsp, sio_error_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->error, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

void
sio_on_upgrade(sio_nsp *nsp, sio_connection_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->upgrade, (sio_any_fn *)fn, arg);
}

int
sio_off_upgrade(sio_nsp *nsp, sio_connection_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->upgrade, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}
