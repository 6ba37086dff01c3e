#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_check.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_tables.h"

static struct sio_room *
room_find(const struct sio_nsp *nsp, struct text name)
{
	struct table_node *n = nsp->rooms.count != 0 ? table_find(&nsp->rooms, name) : NULL;

	return n != NULL ? container_of(n, struct sio_room, node) : NULL;
}

static void
run_room(struct sio_listeners *l, struct sio_nsp *nsp, sio_room_change change, const char *room, const char *id)
{
	SIO_RUN(l, &nsp->io->underway, nsp->name, "room", sio_room_fn, nsp, change, room, id);
}

/* Rooms are in the middle of a change: they stay as they are until the listeners return. */
static void
tell(struct sio_nsp *nsp, sio_room_change change, const char *room, const char *id)
{
	bool within = nsp->in_room_listener;

	nsp->in_room_listener = true;
	if (nsp->parent != NULL)
		run_room(&nsp->parent->room, nsp, change, room, id);
	run_room(&nsp->room, nsp, change, room, id);
	nsp->in_room_listener = within;
}

/* The same of a socket that joined or left, which its owner hears first. */
static void
tell_member(struct sio_socket *s, sio_room_change change, struct text room)
{
	struct sio_nsp *nsp = s->nsp;
	bool within = nsp->in_room_listener;

	if (nsp->owner != NULL && nsp->owner->on_room != NULL) {
		nsp->in_room_listener = true;
		nsp->owner->on_room(nsp->owner_arg, s, change == SIO_ROOM_JOINED, room);
		nsp->in_room_listener = within;
	}
	tell(nsp, change, room.at, s->id);
}

void
sio_on_room(sio_nsp *nsp, sio_room_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->room, (sio_any_fn *)fn, arg);
}

bool
sio_rooms_own(const struct sio_nsp *nsp, struct text name)
{
	struct table_node *n = name.n == SIO_ID_LENGTH ? table_find(&nsp->sockets, name) : NULL;

	return n != NULL && container_of(n, struct sio_socket, node)->in_own_room;
}

/* A room comes to be: for the listeners, and for the bus, which may have to listen to it. Its bytes end with a NUL.
 */
static void
appear(struct sio_nsp *nsp, struct text room, bool own)
{
	if (nsp->broker != NULL)
		broker_room_appeared(nsp->broker, room, own);
	tell(nsp, SIO_ROOM_CREATED, room.at, NULL);
}

static void
vanish(struct sio_nsp *nsp, struct text room)
{
	tell(nsp, SIO_ROOM_DELETED, room.at, NULL);
	if (nsp->broker != NULL)
		broker_room_empty(nsp->broker, room);
}

/* NULL: there is no memory for the name, which may be a client's. */
static struct sio_room *
room_new(struct sio_nsp *nsp, struct text name)
{
	struct sio_room *r = mem_try_alloc(sizeof *r + name.n + 1);

	if (r == NULL)
		return NULL;
	list_init(&r->members);
	if (name.n != 0)
		memcpy(r->name, name.at, name.n);
	r->name[name.n] = '\0';
	table_add(&nsp->rooms, &r->node, text_of(r->name, name.n));
	if (!sio_rooms_own(nsp, name))
		appear(nsp, text_of(r->name, name.n), false);
	return r;
}

static struct text
key_text(const struct sio_membership_key *key)
{
	return text_of((const char *)key, sizeof *key);
}

static struct sio_membership *
membership_find(const struct sio_socket *s, struct sio_room *r)
{
	struct sio_membership_key key = {(struct sio_socket *)s, r};
	struct table_node *n = table_find(&s->nsp->memberships, key_text(&key));

	return n != NULL ? container_of(n, struct sio_membership, node) : NULL;
}

/* A room counts for each of its members. */
static void
count_room(struct sio_client *c, const struct sio_room *r, int sign)
{
	uint32_t name = r->node.key_len;

	c->room_bytes += (uint32_t)sign * name;
	sio_client_hold(c, sign * (int64_t)(sizeof(struct sio_membership) + sizeof *r + name));
}

static void
membership_free(struct sio_membership *m)
{
	struct sio_socket *s = m->key.socket;
	struct sio_room *r = m->key.room;
	struct sio_nsp *nsp = s->nsp;

	/* a walk that stands here goes on behind the one before */
	if (nsp->io->walk.link == &m->in_socket)
		nsp->io->walk.link = m->in_socket.prev;
	table_remove(&nsp->memberships, &m->node);
	list_remove(&m->in_room);
	list_remove(&m->in_socket);
	mem_free(m);
	s->room_count--;
	count_room(s->client, r, -1);
	tell_member(s, SIO_ROOM_LEFT, text_of(r->name, r->node.key_len));
	if (list_empty(&r->members)) {
		table_remove(&nsp->rooms, &r->node);
		if (!sio_rooms_own(nsp, text_of(r->name, r->node.key_len)))
			vanish(nsp, text_of(r->name, r->node.key_len));
		mem_free(r);
	}
}

static bool
is_own_room(const struct sio_socket *s, struct text name)
{
	return name.n == SIO_ID_LENGTH && memcmp(name.at, s->id, SIO_ID_LENGTH) == 0;
}

/* A room of this name that others share is one room with it, and lives as long as any is in. */
void
sio_rooms_enter(struct sio_socket *s)
{
	if (s->in_own_room)
		return;
	s->in_own_room = true;
	if (room_find(s->nsp, text_of(s->id, SIO_ID_LENGTH)) == NULL)
		appear(s->nsp, text_of(s->id, SIO_ID_LENGTH), true);
	tell_member(s, SIO_ROOM_JOINED, text_of(s->id, SIO_ID_LENGTH));
}

void
sio_rooms_leave_own(struct sio_socket *s)
{
	if (!s->in_own_room)
		return;
	s->in_own_room = false;
	tell_member(s, SIO_ROOM_LEFT, text_of(s->id, SIO_ID_LENGTH));
	if (room_find(s->nsp, text_of(s->id, SIO_ID_LENGTH)) == NULL)
		vanish(s->nsp, text_of(s->id, SIO_ID_LENGTH));
}

static int
refuse(struct sio_socket *s, const char *limit, int error)
{
	struct sio_server *io = s->nsp->io;

	counter_add(&io->loop->counters, COUNT_ROOMS_REFUSED, 1);
	sio_log_limit(&io->turn, "room-refused", text_of(s->id, SIO_ID_LENGTH), limit);
	return error;
}

int
sio_rooms_join(struct sio_socket *s, struct text name)
{
	struct sio_server *io = s->nsp->io;
	struct sio_membership *m;
	struct sio_room *r;

	if (s->nsp->in_room_listener)
		return ERROR_STATE;
	if (is_own_room(s, name)) {
		sio_rooms_enter(s);
		return 0;
	}
	r = room_find(s->nsp, name);
	if (r != NULL && membership_find(s, r) != NULL)
		return 0;
	if (s->room_count >= io->options.max_rooms)
		return refuse(s, "max-rooms", ERROR_TOO_MANY);
	if (name.n > 0 && memchr(name.at, '\0', name.n) != NULL) /* no C string, so nobody here could leave it */
		return refuse(s, "no-nul", ERROR_ARGUMENT);
	if (name.n > io->options.max_room_length)
		return refuse(s, "max-room-length", ERROR_TOO_BIG);
	if (s->client->room_bytes + name.n > io->options.max_room_bytes)
		return refuse(s, "max-room-bytes", ERROR_TOO_MANY);
	if (r == NULL)
		r = room_new(s->nsp, name);
	if (r == NULL)
		return refuse(s, "memory", ERROR_SYSTEM);
	m = mem_zalloc(sizeof *m);
	m->key.socket = s;
	m->key.room = r;
	m->number = SIO_ROOMS_FIRST + io->memberships++;
	list_add_tail(&r->members, &m->in_room);
	list_add_tail(&s->rooms, &m->in_socket);
	table_add(&s->nsp->memberships, &m->node, key_text(&m->key));
	s->room_count++;
	count_room(s->client, r, 1);
	tell_member(s, SIO_ROOM_JOINED, text_of(r->name, r->node.key_len));
	return 0;
}

void
sio_rooms_leave(struct sio_socket *s, struct text name)
{
	struct sio_membership *m;
	struct sio_room *r;

	if (s->nsp->in_room_listener)
		return;
	if (is_own_room(s, name)) {
		sio_rooms_leave_own(s);
		return;
	}
	r = room_find(s->nsp, name);
	m = r != NULL ? membership_find(s, r) : NULL;
	if (m != NULL)
		membership_free(m);
}

void
sio_rooms_leave_all(struct sio_socket *s)
{
	while (!list_empty(&s->rooms))
		membership_free(container_of(s->rooms.next, struct sio_membership, in_socket));
	sio_rooms_leave_own(s);
	if (s->nsp->io->walk.socket == s)
		s->nsp->io->walk.socket = NULL;
	must(s->room_count == 0);
}

bool
sio_rooms_exists(const struct sio_nsp *nsp, struct text name)
{
	return room_find(nsp, name) != NULL || sio_rooms_own(nsp, name);
}

void
sio_rooms_each(const struct sio_nsp *nsp, void (*each)(void *arg, struct text name), void *arg)
{
	struct table_cursor cursor = {0};
	struct list *it, *next;
	struct table_node *n;

	while ((n = table_next(&nsp->rooms, &cursor)) != NULL)
		each(arg, text_of(n->key, n->key_len));
	list_each(it, next, &nsp->connected)
	{
		const struct sio_socket *s = container_of(it, struct sio_socket, link);
		struct text own = text_of(s->id, SIO_ID_LENGTH);

		if (s->in_own_room && room_find(nsp, own) == NULL)
			each(arg, own);
	}
}

static void
room_appeared(void *arg, struct text name)
{
	struct sio_nsp *nsp = arg;

	broker_room_appeared(nsp->broker, name, sio_rooms_own(nsp, name));
}

void
sio_rooms_announce(struct sio_nsp *nsp)
{
	if (nsp->broker != NULL)
		sio_rooms_each(nsp, room_appeared, nsp);
}

bool
sio_rooms_has(const struct sio_socket *s, struct text name)
{
	struct sio_room *r;

	if (is_own_room(s, name))
		return s->in_own_room;
	r = room_find(s->nsp, name);
	return r != NULL && membership_find(s, r) != NULL;
}

static bool
selection_grow(struct sio_selection *out)
{
	unsigned size = out->size == 0 ? 16 : out->size * 2;
	struct sio_socket **grown = mem_try_realloc(out->at, size * sizeof *grown);

	if (grown == NULL) {
		out->no_memory = true;
		return false;
	}
	out->at = grown;
	out->size = size;
	return true;
}

/*
 * A selection without a set: every socket carries the epoch of the last selection that met it, so "already taken" and
 * "excepted" are one comparison.
 */
static void
meet(struct sio_socket *s, uint64_t epoch, struct sio_selection *out)
{
	if (s->mark == epoch)
		return;
	s->mark = epoch;
	if (out == NULL || s->state != SIO_CONNECTED)
		return;
	if (out->count == out->size && !selection_grow(out))
		return;
	out->at[out->count++] = s;
}

/* Meets the members of a room; out NULL: they are only marked. */
static void
meet_room(struct sio_nsp *nsp, struct text name, uint64_t epoch, struct sio_selection *out)
{
	struct sio_room *r = room_find(nsp, name);
	struct list *it, *next;

	if (name.n == SIO_ID_LENGTH) {
		struct table_node *n = table_find(&nsp->sockets, name);
		struct sio_socket *s = n != NULL ? container_of(n, struct sio_socket, node) : NULL;

		if (s != NULL && s->in_own_room)
			meet(s, epoch, out);
	}
	if (r == NULL)
		return;
	list_each(it, next, &r->members)
		meet(container_of(it, struct sio_membership, in_room)->key.socket, epoch, out);
}

int
sio_rooms_select(struct sio_nsp *nsp, const struct sio_selector *who, struct sio_selection *out)
{
	uint64_t epoch = ++nsp->io->epoch;
	struct list *it, *next;

	out->count = 0;
	out->no_memory = false;
	for (unsigned i = 0; i < who->except_count; i++)
		meet_room(nsp, who->except[i], epoch, NULL);
	if (who->rooms_count == 0) {
		list_each(it, next, &nsp->connected) meet(container_of(it, struct sio_socket, link), epoch, out);
	}
	for (unsigned i = 0; i < who->rooms_count; i++)
		meet_room(nsp, who->rooms[i], epoch, out);
	if (!out->no_memory)
		return 0;
	out->count = 0;
	loop_count_no_memory(nsp->io->loop);
	return SIO_ERR_SYSTEM;
}

int
sio_join(sio_socket *s, const char *room)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	if (!sio_is_name(room))
		return sio_misused(__func__, room, NULL, NULL, SIO_ERR_ARGUMENT);
	/* while the middlewares run and while connected; later it is nothing, as its rooms have been left */
	if (s->state != SIO_WAITING && s->state != SIO_CONNECTED)
		return 0;
	return sio_rooms_join(s, text_from(room));
}

void
sio_leave(sio_socket *s, const char *room)
{
	SIO_NEEDS(SIO_A_SOCKET, s, );
	if (sio_is_pointer(room) && s->state != SIO_GONE)
		sio_rooms_leave(s, text_from(room));
}

bool
sio_in_room(const sio_socket *s, const char *room)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	return sio_is_pointer(room) && s->state != SIO_GONE && sio_rooms_has(s, text_from(room));
}

void
sio_leave_all(sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, );
	if (s->state != SIO_GONE && !s->nsp->in_room_listener)
		sio_rooms_leave_all(s);
}

/* The last membership whose number is not above `number`, or the head of the list. */
static const struct list *
place_of(const struct sio_socket *s, size_t number)
{
	const struct list *link = &s->rooms;

	while (link->next != &s->rooms &&
		container_of(link->next, struct sio_membership, in_socket)->number <= number)
		link = link->next;
	return link;
}

/* Rooms may be left and joined between two calls: the cursor is a number, which means the same whatever has gone. */
const char *
sio_room_next(const sio_socket *s, size_t *cursor)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	SIO_NEEDS(SIO_A_CURSOR, cursor, NULL);
	struct sio_server *io = s->nsp->io;
	const struct sio_membership *m;
	const struct list *link;

	if (*cursor == 0) {
		*cursor = SIO_ROOMS_OWN;
		if (s->in_own_room)
			return s->id;
	}
	if (io->walk.socket == s && io->walk.number == *cursor)
		link = io->walk.link;
	else
		link = place_of(s, *cursor);
	if (link->next == &s->rooms)
		return NULL;
	m = container_of(link->next, struct sio_membership, in_socket);
	*cursor = m->number;
	io->walk.socket = s;
	io->walk.number = m->number;
	io->walk.link = &m->in_socket;
	return m->key.room->name;
}
