#include "node/socketio/sio_presence_peers.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_rooms.h"

#define CHANGES_AT_ONCE 500 /* changes announced in one turn; the others wait for the next turns */

/* -------------------------------------------------------------- announcing */

struct announced {
	enum presence_kind kind;
	const char *room, *user;
	struct sio_stored *data;
};

/* Copies the changes, because the up-calls that follow may change the table. Returns their number. */
static unsigned
presence_take_changes(struct sio_presence *presence, struct announced *out)
{
	struct sio_turn *turn = &presence->nsp->io->turn;
	struct presence_change change;
	unsigned n = 0;

	while (n < CHANGES_AT_ONCE && presence_take_change(&presence->table, &change)) {
		const struct presence_room *room = change.user->room;

		out[n].kind = change.kind;
		out[n].data = change.data;
		out[n].user = sio_turn_copy(turn, text_of(change.user->name, change.user->node.key_len));
		out[n].room = n > 0 && strcmp(out[n - 1].room, room->name) == 0
				      ? out[n - 1].room
				      : sio_turn_copy(turn, text_of(room->name, room->node.key_len));
		presence_release(&presence->table, change.user);
		if (out[n].user == NULL || out[n].room == NULL) {
			sio_stored_unref(change.data);
			loop_count_no_memory(presence->nsp->io->loop);
			break;
		}
		n++;
	}
	return n;
}

/* Sends the changes of one room to its sockets on this server. */
static void
presence_emit(struct sio_presence *presence, const struct announced *changes, unsigned count)
{
	struct sio_nsp *nsp = presence->nsp;
	sio_list *lists[PRESENCE_LEFT + 1];

	if (presence->event == NULL || !sio_rooms_exists(nsp, text_from(changes->room)))
		return;
	for (unsigned i = 0; i <= PRESENCE_LEFT; i++)
		lists[i] = sio_list_new(nsp->io);
	for (unsigned i = 0; i < count; i++) {
		if (changes[i].kind == PRESENCE_LEFT)
			(void)sio_list_add(lists[PRESENCE_LEFT], "s", changes[i].user);
		else
			(void)sio_list_add(lists[changes[i].kind], "{s:s,s:v}", "user", changes[i].user, "data",
				sio_stored_value(changes[i].data));
	}
	(void)sio_emit(sio_local(sio_to(sio_all(nsp), changes->room)), presence->event, "{s:s,s:L,s:L,s:L}", "room",
		changes->room, "joined", lists[PRESENCE_JOINED], "changed", lists[PRESENCE_CHANGED], "left",
		lists[PRESENCE_LEFT]);
}

static void
presence_run_listeners(struct sio_listeners *listeners, struct sio_nsp *nsp, const struct announced *change)
{
	static const sio_presence_change kinds[] = {
		[PRESENCE_JOINED] = SIO_PRESENCE_JOINED,
		[PRESENCE_CHANGED] = SIO_PRESENCE_CHANGED,
		[PRESENCE_LEFT] = SIO_PRESENCE_LEFT,
	};

	SIO_RUN(listeners, &nsp->io->underway, nsp->name, "presence", sio_presence_fn, nsp, kinds[change->kind],
		change->room, change->user, sio_stored_value(change->data));
}

static void
presence_announce(struct sio_presence *presence)
{
	struct announced changes[CHANGES_AT_ONCE];
	struct sio_nsp *nsp = presence->nsp;
	unsigned n = presence_take_changes(presence, changes), from = 0;

	for (unsigned i = 1; i <= n; i++) {
		if (i < n && changes[i].room == changes[from].room)
			continue;
		presence_emit(presence, changes + from, i - from);
		from = i;
	}
	for (unsigned i = 0; i < n; i++) {
		if (nsp->parent != NULL && nsp->parent->presence != NULL)
			presence_run_listeners(&nsp->parent->presence->listeners, nsp, &changes[i]);
		presence_run_listeners(&presence->listeners, nsp, &changes[i]);
		sio_stored_unref(changes[i].data);
	}
	if (!list_empty(&presence->table.unannounced))
		loop_arm(nsp->io->loop, &presence->due, 1);
}

static void
presence_on_due(struct wheel_entry *entry)
{
	struct sio_presence *presence = container_of(entry, struct sio_presence, due);

	sio_presence_publish(presence);
	presence_announce(presence);
}

/* ----------------------------------------------------------------- sockets */

/*
 * Adds the user `to` to the rooms of the socket, except the room of its own id, and removes the user `from`. Both may
 * be NULL. The new user is added first, so that a user who stays does not leave in between.
 */
static void
presence_move_all(struct sio_socket *s, const struct sio_present *from, const struct sio_present *to)
{
	struct sio_presence *presence = s->nsp->presence;
	struct list *it, *next;

	list_each(it, next, &s->rooms)
	{
		struct sio_membership *membership = container_of(it, struct sio_membership, in_socket);
		const struct sio_room *room = membership->key.room;
		struct text name = text_of(room->name, room->node.key_len);
		bool before = membership->present;

		membership->present = to != NULL && sio_presence_moved(presence, to, true, name);
		if (before)
			(void)sio_presence_moved(presence, from, false, name);
		else if (from != NULL)
			sio_presence_gave_up(presence, name);
	}
}

/* Sets the user of the socket. Takes ownership of `present`; NULL: the socket has no user from now on. */
static void
presence_replace(struct sio_socket *s, struct sio_present *present)
{
	struct sio_extra *extra = sio_socket_extra(s);
	struct sio_present *before = extra->present;

	presence_move_all(s, before, present);
	extra->present = present;
	sio_client_hold(s->client, (int64_t)sio_present_size(present) - (int64_t)sio_present_size(before));
	sio_present_free(before);
}

static struct sio_present *
present_new(struct text user, struct sio_stored *data)
{
	struct sio_present *present = mem_zalloc(sizeof *present + user.n + 1);

	memcpy(present->user, user.at, user.n);
	present->user_len = user.n;
	present->data = data;
	return present;
}

/* Packs the data of a user. Sets *out to NULL if there is no data, or if the data is null. */
static int
present_pack(struct sio_payload *payload, const char *format, va_list args, struct sio_stored **out)
{
	int rc = sio_pack_data(payload, format, args);

	*out = NULL;
	if (rc != 0 || payload->json.len == 0 || json_type(buffer_text(&payload->json)) == JSON_NULL)
		return rc;
	if (payload->attachments.count > 0) {
		payload->why = "presence carries no binary";
		return SIO_ERR_ARGUMENT;
	}
	if (payload->json.len > SIO_PRESENCE_DATA_MAX)
		return SIO_ERR_TOO_BIG;
	*out = sio_stored_new(buffer_text(&payload->json), NULL);
	return *out != NULL ? 0 : SIO_ERR_SYSTEM;
}

int
sio_set_present(sio_socket *s, const char *user, const char *format, ...)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	struct sio_server *io = s->nsp->io;
	struct sio_scratch *scratch;
	struct sio_stored *data;
	va_list args;
	int rc;

	if (s->nsp->presence == NULL || (s->state != SIO_WAITING && s->state != SIO_CONNECTED))
		return SIO_ERR_STATE;
	if (user == NULL || user[0] == '\0') {
		if (s->extra != NULL && s->extra->present != NULL)
			presence_replace(s, NULL);
		return 0;
	}
	if (!sio_is_name(user))
		return sio_misused(__func__, NULL, format, NULL, SIO_ERR_ARGUMENT);
	if (strlen(user) > SIO_PRESENCE_USER_MAX)
		return sio_misused(__func__, NULL, format, NULL, SIO_ERR_TOO_BIG);
	scratch = sio_scratch_take(&io->turn);
	va_start(args, format);
	rc = present_pack(&scratch->payload, format, args, &data);
	va_end(args);
	(void)sio_misused(__func__, NULL, format, &scratch->payload, rc);
	sio_scratch_give(&io->turn, scratch);
	if (rc == 0)
		presence_replace(s, present_new(text_from(user), data));
	return rc;
}

/* --------------------------------------------------------------- questions */

unsigned
sio_present(const sio_nsp *nsp, const char *room, sio_present_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, 0);
	struct presence_room *in = nsp->presence != NULL && nsp->family == NULL && sio_is_pointer(room)
					   ? presence_room_find(&nsp->presence->table, text_from(room))
					   : NULL;
	struct announced *users = NULL;
	struct table_cursor cursor = {0};
	struct table_node *node;
	unsigned n = 0, present = in != NULL ? in->present : 0;

	if (fn == NULL || present == 0)
		return present;
	/* `fn` may change the table */
	users = mem_try_alloc(present * sizeof *users);
	while (users != NULL && (node = table_next(&in->users, &cursor)) != NULL) {
		const struct presence_user *user = container_of(node, struct presence_user, node);
		struct sio_stored *data = presence_data(user);

		if (!presence_is_present(user))
			continue;
		users[n].user = sio_turn_copy(&nsp->io->turn, text_of(user->name, user->node.key_len));
		if (users[n].user == NULL)
			break;
		users[n++].data = data != NULL ? sio_stored_ref(data) : NULL;
	}
	if (n < present)
		loop_count_no_memory(nsp->io->loop);
	for (unsigned i = 0; i < n; i++) {
		fn(users[i].user, sio_stored_value(users[i].data), arg);
		sio_stored_unref(users[i].data);
	}
	mem_free(users);
	return n;
}

bool
sio_is_present(const sio_nsp *nsp, const char *room, const char *user, sio_value *data)
{
	SIO_NEEDS(SIO_A_NSP, nsp, false);
	const struct presence_user *found = NULL;

	if (nsp->presence != NULL && nsp->family == NULL && sio_is_pointer(room) && sio_is_pointer(user))
		found = presence_find(&nsp->presence->table, text_from(room), text_from(user));
	if (data != NULL)
		*data = found != NULL ? sio_stored_value(presence_data(found)) : sio_value_none();
	return found != NULL;
}

/* -------------------------------------------------------------------- life */

int
sio_presence(sio_nsp *nsp, const char *prefix, const char *event)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	static const struct sio_presence_work work = {.announce = presence_on_due,
		.publish = sio_presence_publish,
		.tick = sio_presence_on_tick,
		.list = sio_presence_on_list};
	struct list *it, *next;

	if (!sio_is_name(prefix) || (event != NULL && !sio_is_name(event)))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_ARGUMENT);
	if (event != NULL && sio_event_name_reserved(text_from(event)))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_RESERVED);
	if (nsp->presence != NULL)
		return SIO_ERR_STATE;
	sio_presence_start(nsp, prefix, event, &work);
	if (nsp->family == NULL)
		return 0;
	list_each(it, next, &nsp->family->children) sio_presence_inherit(container_of(it, struct sio_nsp, sibling));
	return 0;
}

int
sio_on_presence(sio_nsp *nsp, sio_presence_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	if (nsp->presence == NULL)
		return SIO_ERR_STATE;
	sio_listeners_add(&nsp->presence->listeners, (sio_any_fn *)fn, arg);
	return 0;
}

int
sio_off_presence(sio_nsp *nsp, sio_presence_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	if (nsp->presence == NULL || !sio_listeners_remove(&nsp->presence->listeners, (sio_any_fn *)fn, arg))
		return SIO_ERR_NOT_FOUND;
	return 0;
}
