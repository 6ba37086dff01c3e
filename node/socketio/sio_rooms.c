#include "node/socketio/sio_rooms.h"
#include "node/socketio/sio_check.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "node/socketio/sio_cork.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_presence_state.h"
#include "node/socketio/sio_recovery_state.h"
#include "node/socketio/sio_tables.h"

static struct sio_room *
room_find(const struct sio_nsp *nsp, struct text name)
{
	struct table_node *n = nsp->rooms.count != 0 ? table_find(&nsp->rooms, name) : NULL;

	return n != NULL ? container_of(n, struct sio_room, node) : NULL;
}

static void
rooms_run_list(struct sio_listeners *listeners, struct sio_nsp *nsp, sio_room_change change, const char *room,
	const char *id)
{
	SIO_RUN(listeners, &nsp->io->underway, nsp->name, "room", sio_room_fn, nsp, change, room, id);
}

/* Calls the listeners of rooms, during a change of rooms. So rooms must not change until the listeners return. */
static void
rooms_run_listeners(struct sio_nsp *nsp, sio_room_change change, const char *room, const char *id)
{
	bool nested = nsp->in_room_listener;

	nsp->in_room_listener = true;
	if (nsp->parent != NULL)
		rooms_run_list(&nsp->parent->room, nsp, change, room, id);
	rooms_run_list(&nsp->room, nsp, change, room, id);
	nsp->in_room_listener = nested;
}

/* Tells connection state recovery, if it is on, that the rooms of a socket change. */
static inline void
rooms_moved(struct sio_socket *s)
{
	if (s->session != NULL)
		sio_recovery_session_moved(s->session, s->last_event, s->state != SIO_CONNECTED);
}

/* Tells presence, if it is on, that the user of a socket has entered a room. Returns true if the user is counted
 * there. */
static inline bool
rooms_show_presence(const struct sio_socket *s, struct text room)
{
	return __builtin_expect(s->nsp->presence != NULL, 0) && s->extra != NULL && s->extra->present != NULL &&
	       sio_presence_moved(s->nsp->presence, s->extra->present, true, room);
}

/* Tells presence, if it is on, that the user of a socket has left a room. `present`: the user was counted there. */
static inline void
rooms_hide_presence(const struct sio_socket *s, bool present, struct text room)
{
	if (__builtin_expect(s->nsp->presence == NULL, 1) || s->extra == NULL || s->extra->present == NULL)
		return;
	if (present)
		(void)sio_presence_moved(s->nsp->presence, s->extra->present, false, room);
	else
		sio_presence_gave_up(s->nsp->presence, room);
}

/* Ends what the socket waits for in a room that it leaves. */
static inline void
rooms_end_joins(struct sio_socket *s, struct text room)
{
	if (__builtin_expect(s->extra != NULL && s->extra->joins != NULL, 0))
		s->nsp->io->history->work->left(s, room);
}

/* A socket joined or left a room. Calls the owner first, then the listeners. */
static void
rooms_member_changed(struct sio_socket *s, sio_room_change change, struct text room)
{
	struct sio_nsp *nsp = s->nsp;
	bool nested = nsp->in_room_listener;

	if (nsp->owner != NULL && nsp->owner->on_room != NULL) {
		nsp->in_room_listener = true;
		nsp->owner->on_room(nsp->owner_arg, s, change == SIO_ROOM_JOINED, room);
		nsp->in_room_listener = nested;
	}
	rooms_run_listeners(nsp, change, room.at, s->id);
}

void
sio_on_room(sio_nsp *nsp, sio_room_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->room, (sio_any_fn *)fn, arg);
}

int
sio_off_room(sio_nsp *nsp, sio_room_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return sio_listeners_remove(&nsp->room, (sio_any_fn *)fn, arg) ? 0 : SIO_ERR_NOT_FOUND;
}

/* Returns the connected socket with this id if it is in its own room, or NULL. Most names do not look like an id. */
static struct sio_socket *
socket_in_own_room(const struct sio_nsp *nsp, struct text name)
{
	bool like_id = name.n == SIO_ID_LENGTH || (name.n > SIO_ID_LENGTH && name.at[0] == '/');
	struct table_node *n = like_id ? table_find(&nsp->sockets, name) : NULL;
	struct sio_socket *s = n != NULL ? container_of(n, struct sio_socket, node) : NULL;

	return s != NULL && s->in_own_room ? s : NULL;
}

bool
sio_rooms_own(const struct sio_nsp *nsp, struct text name)
{
	return socket_in_own_room(nsp, name) != NULL;
}

/* Reports a new room to the bus, which may have to subscribe, and to the listeners. `room` ends with NUL. */
static void
room_appear(struct sio_nsp *nsp, struct text room, bool own)
{
	if (nsp->broker != NULL)
		broker_room_appeared(nsp->broker, room, own);
	rooms_run_listeners(nsp, SIO_ROOM_CREATED, room.at, NULL);
}

static void
room_vanish(struct sio_nsp *nsp, struct text room)
{
	rooms_run_listeners(nsp, SIO_ROOM_DELETED, room.at, NULL);
	if (nsp->broker != NULL)
		broker_room_empty(nsp->broker, room);
}

/* Returns NULL if memory is short: the name may come from a client. */
static struct sio_room *
room_new(struct sio_nsp *nsp, struct text name)
{
	struct sio_room *room = small_try_alloc(sizeof *room + name.n + 1);

	if (room == NULL)
		return NULL;
	list_init(&room->members);
	if (name.n != 0)
		memcpy(room->name, name.at, name.n);
	room->name[name.n] = '\0';
	table_add(&nsp->rooms, &room->node, text_of(room->name, name.n));
	if (!sio_rooms_own(nsp, name))
		room_appear(nsp, text_of(room->name, name.n), false);
	return room;
}

/* Charges a client for a room that one of its sockets joined (sign 1) or left (-1). A shared room counts in full. */
static void
room_charge(struct sio_client *c, const struct sio_membership *membership, int sign)
{
	const struct sio_room *room = membership->key.room;
	uint32_t name = room->node.key_len;

	c->room_bytes += (uint32_t)sign * name;
	sio_client_hold(c, sign * (int64_t)(sio_membership_size(membership) + sizeof *room + name));
}

/* The socket leaves the room. */
static void
rooms_end_membership(struct sio_membership *membership)
{
	struct sio_socket *s = membership->key.socket;
	struct sio_room *room = membership->key.room;
	struct sio_nsp *nsp = s->nsp;
	bool present = membership->present;

	/* if sio_room_next() is at this membership, it continues after the previous one */
	if (nsp->io->walk.link == &membership->in_socket)
		nsp->io->walk.link = membership->in_socket.prev;
	room_charge(s->client, membership, -1);
	sio_membership_free(membership);
	rooms_moved(s);
	rooms_end_joins(s, text_of(room->name, room->node.key_len));
	rooms_hide_presence(s, present, text_of(room->name, room->node.key_len));
	rooms_member_changed(s, SIO_ROOM_LEFT, text_of(room->name, room->node.key_len));
	if (list_empty(&room->members)) {
		table_remove(&nsp->rooms, &room->node);
		if (!sio_rooms_own(nsp, text_of(room->name, room->node.key_len)))
			room_vanish(nsp, text_of(room->name, room->node.key_len));
		small_free(room, sizeof *room + room->node.key_len + 1);
	}
}

static bool
is_own_room(const struct sio_socket *s, struct text name)
{
	return name.n == s->id_len && memcmp(name.at, s->id, name.n) == 0;
}

/* A room that other sockets joined under this id is the same room; it exists while any socket is in it. */
void
sio_rooms_enter(struct sio_socket *s)
{
	if (s->in_own_room)
		return;
	s->in_own_room = true;
	if (room_find(s->nsp, sio_socket_id_text(s)) == NULL)
		room_appear(s->nsp, sio_socket_id_text(s), true);
	sio_cork_joined(s->client);
	rooms_member_changed(s, SIO_ROOM_JOINED, sio_socket_id_text(s));
}

void
sio_rooms_leave_own(struct sio_socket *s)
{
	rooms_end_joins(s, sio_socket_id_text(s)); /* a recovered socket may have one before it enters the room */
	if (!s->in_own_room)
		return;
	s->in_own_room = false;
	rooms_moved(s);
	rooms_member_changed(s, SIO_ROOM_LEFT, sio_socket_id_text(s));
	if (room_find(s->nsp, sio_socket_id_text(s)) == NULL)
		room_vanish(s->nsp, sio_socket_id_text(s));
}

void
sio_rooms_expect(struct sio_nsp *nsp, struct text id)
{
	if (nsp->broker != NULL && !sio_rooms_exists(nsp, id))
		broker_room_appeared(nsp->broker, id, true);
}

void
sio_rooms_expect_no_more(struct sio_nsp *nsp, struct text id)
{
	if (nsp->broker != NULL && !sio_rooms_exists(nsp, id))
		broker_room_empty(nsp->broker, id);
}

static int
room_refuse(struct sio_socket *s, const char *limit, int error)
{
	struct sio_server *io = s->nsp->io;

	counter_add(&io->loop->counters, COUNT_ROOMS_REFUSED, 1);
	sio_log_limit(&io->turn, "room_refused", sio_socket_id_text(s), limit);
	return error;
}

int
sio_rooms_join(struct sio_socket *s, struct text name)
{
	struct sio_server *io = s->nsp->io;
	struct sio_membership *membership;
	struct sio_room *room;

	if (s->nsp->in_room_listener)
		return ERROR_STATE;
	if (is_own_room(s, name)) {
		if (!s->in_own_room)
			rooms_moved(s);
		sio_rooms_enter(s);
		return 0;
	}
	room = room_find(s->nsp, name);
	if (room != NULL && sio_membership_find(s, room) != NULL)
		return 0;
	if (s->room_count >= io->options.max_rooms)
		return room_refuse(s, "max-rooms", ERROR_TOO_MANY);
	if (name.n > 0 &&
		memchr(name.at, '\0', name.n) != NULL) /* not a C string: the application could not leave it */
		return room_refuse(s, "no-nul", ERROR_ARGUMENT);
	if (name.n > io->options.max_room_length)
		return room_refuse(s, "max-room-length", ERROR_TOO_BIG);
	if (s->client->room_bytes + name.n > io->options.max_room_bytes)
		return room_refuse(s, "max-room-bytes", ERROR_TOO_MANY);
	if (room == NULL)
		room = room_new(s->nsp, name);
	if (room == NULL)
		return room_refuse(s, "memory", ERROR_SYSTEM);
	membership = sio_membership_new(s, room, SIO_ROOMS_FIRST + io->memberships++);
	room_charge(s->client, membership, 1);
	rooms_moved(s);
	sio_cork_joined(s->client);
	membership->present = rooms_show_presence(s, text_of(room->name, room->node.key_len));
	rooms_member_changed(s, SIO_ROOM_JOINED, text_of(room->name, room->node.key_len));
	return 0;
}

void
sio_rooms_leave(struct sio_socket *s, struct text name)
{
	struct sio_membership *membership;
	struct sio_room *room;

	if (s->nsp->in_room_listener)
		return;
	if (is_own_room(s, name)) {
		sio_rooms_leave_own(s);
		return;
	}
	room = room_find(s->nsp, name);
	membership = room != NULL ? sio_membership_find(s, room) : NULL;
	if (membership != NULL)
		rooms_end_membership(membership);
}

void
sio_rooms_leave_all(struct sio_socket *s)
{
	while (!list_empty(&s->rooms))
		rooms_end_membership(container_of(s->rooms.next, struct sio_membership, in_socket));
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

unsigned
sio_rooms_size(const struct sio_nsp *nsp, struct text name)
{
	const struct sio_room *room = room_find(nsp, name);
	struct list *it, *next;
	unsigned n = sio_rooms_own(nsp, name) ? 1 : 0;

	if (room == NULL)
		return n;
	list_each(it, next, &room->members) n++;
	return n;
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
		struct text own = sio_socket_id_text(s);

		if (s->in_own_room && room_find(nsp, own) == NULL)
			each(arg, own);
	}
}

static void
room_announce(void *arg, struct text name)
{
	struct sio_nsp *nsp = arg;

	broker_room_appeared(nsp->broker, name, sio_rooms_own(nsp, name));
}

void
sio_rooms_announce(struct sio_nsp *nsp)
{
	if (nsp->broker != NULL)
		sio_rooms_each(nsp, room_announce, nsp);
}

bool
sio_rooms_has(const struct sio_socket *s, struct text name)
{
	struct sio_room *room;

	if (is_own_room(s, name))
		return s->in_own_room;
	room = room_find(s->nsp, name);
	return room != NULL && sio_membership_find(s, room) != NULL;
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
 * A selection needs no set. Every socket carries the epoch of the last selection that met it, so one comparison shows
 * whether the socket is already selected or excepted.
 */
static void
selection_meet(struct sio_socket *s, uint64_t epoch, struct sio_selection *out)
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

/* Adds the members of a room to the selection. `out` NULL: only marks them as excepted. */
static void
selection_meet_room(struct sio_nsp *nsp, struct text name, uint64_t epoch, struct sio_selection *out)
{
	struct sio_room *room = room_find(nsp, name);
	struct sio_socket *own = socket_in_own_room(nsp, name);
	struct list *it, *next;

	if (own != NULL)
		selection_meet(own, epoch, out);
	if (room == NULL)
		return;
	list_each(it, next, &room->members)
		selection_meet(container_of(it, struct sio_membership, in_room)->key.socket, epoch, out);
}

int
sio_rooms_select(struct sio_nsp *nsp, const struct sio_selector *who, struct sio_selection *out)
{
	uint64_t epoch = ++nsp->io->epoch;
	struct list *it, *next;

	out->count = 0;
	out->no_memory = false;
	for (unsigned i = 0; i < who->except_count; i++)
		selection_meet_room(nsp, who->except[i], epoch, NULL);
	if (who->rooms_count == 0) {
		list_each(it, next, &nsp->connected)
			selection_meet(container_of(it, struct sio_socket, link), epoch, out);
	}
	for (unsigned i = 0; i < who->rooms_count; i++)
		selection_meet_room(nsp, who->rooms[i], epoch, out);
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
	/* while a socket is "disconnecting", it may join, because its session keeps its rooms; later it has none */
	if (s->state == SIO_CLOSING || s->state == SIO_GONE)
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

/* Returns the last membership whose number is at most `number`, or the head of the list. */
static const struct list *
membership_place(const struct sio_socket *s, size_t number)
{
	const struct list *link = &s->rooms;

	while (link->next != &s->rooms &&
		container_of(link->next, struct sio_membership, in_socket)->number <= number)
		link = link->next;
	return link;
}

/* Rooms may be left and joined between two calls. So the cursor is a number that stays valid whatever has changed. */
const char *
sio_room_next(const sio_socket *s, size_t *cursor)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	SIO_NEEDS(SIO_A_CURSOR, cursor, NULL);
	struct sio_server *io = s->nsp->io;
	const struct sio_membership *membership;
	const struct list *link;

	if (*cursor == 0) {
		*cursor = SIO_ROOMS_OWN;
		if (s->in_own_room)
			return s->id;
	}
	if (io->walk.socket == s && io->walk.number == *cursor)
		link = io->walk.link;
	else
		link = membership_place(s, *cursor);
	if (link->next == &s->rooms)
		return NULL;
	membership = container_of(link->next, struct sio_membership, in_socket);
	*cursor = membership->number;
	io->walk.socket = s;
	io->walk.number = membership->number;
	io->walk.link = &membership->in_socket;
	return membership->key.room->name;
}
