#include "node/backend/backend_presence.h"

#include "common/base/mem.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_log.h"
#include "node/backend/backend_word.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_packet.h"
#include "node/socketio/sio_presence_state.h"
#include "node/socketio/sio_raw.h"

/* A namespace to which a backend has given presence. */
struct backend_presence {
	struct list link; /* in core->presences */
	struct backend_core *core;
	sio_nsp *nsp;
};

/* A link that gets the changes of a namespace. */
struct backend_watch {
	struct list link; /* in member->watches */
	const sio_nsp *nsp;
};

static void
send_last(const struct backend_member *m, uint32_t id, int error, uint32_t count)
{
	backend_begin(m->wire, BACKEND_PRESENT, BACKEND_F_LAST, 0, 0, id);
	backend_put_u32(m->wire, count);
	backend_put_text(m->wire, backend_word(error));
	backend_end(m->wire);
}

static bool
has_nul(struct text text)
{
	return text.n != 0 && memchr(text.at, '\0', text.n) != NULL;
}

/* Copies a text and appends a NUL. `out` has space for `max` bytes and the NUL. Returns 0 or an error of sockeye.h.
 */
static int
copy_name(char *out, size_t max, struct text text)
{
	if (text.n > max)
		return SIO_ERR_TOO_BIG;
	if (has_nul(text))
		return SIO_ERR_ARGUMENT;
	if (text.n != 0)
		memcpy(out, text.at, text.n);
	out[text.n] = '\0';
	return 0;
}

/* ------------------------------------------------------------------ changes */

static bool
watches(const struct backend_member *m, const sio_nsp *nsp)
{
	struct list *it, *next;

	list_each(it, next, (struct list *)&m->watches)
	{
		if (container_of(it, struct backend_watch, link)->nsp == nsp)
			return true;
	}
	return false;
}

static void
watch(struct backend_member *m, const sio_nsp *nsp)
{
	struct backend_watch *w;

	if (watches(m, nsp))
		return;
	w = mem_alloc(sizeof *w);
	w->nsp = nsp;
	list_add_tail(&m->watches, &w->link);
}

void
backend_presence_forget(struct backend_member *m)
{
	while (!list_empty(&m->watches)) {
		struct backend_watch *w = container_of(m->watches.next, struct backend_watch, link);

		list_remove(&w->link);
		mem_free(w);
	}
}

static void
send_change(const struct backend_member *m, const sio_nsp *nsp, sio_presence_change change, struct text room,
	struct text user, struct text data)
{
	if (!backend_link_has_space(m->wire, BACKEND_HEAD + 8 + room.n + user.n + data.n)) {
		counter_add(&m->core->loop->counters, COUNT_BACKEND_DROPPED_PRESENCE, 1);
		return;
	}
	backend_begin(m->wire, BACKEND_CHANGE, 0, backend_link_nsp(m->wire, sio_nsp_text(nsp)), 0, (uint32_t)change);
	backend_put_text(m->wire, room);
	backend_put_text(m->wire, user);
	backend_put(m->wire, data.at, data.n);
	(void)backend_end(m->wire);
}

static void
presence_on_change(
	sio_nsp *nsp, sio_presence_change change, const char *room, const char *user, sio_value data, void *arg)
{
	const struct backend_presence *presence = arg;
	size_t n = 0;
	const char *json = sio_json(data, &n);
	struct list *it, *next, *at, *after;

	list_each(it, next, &presence->core->groups)
	{
		list_each(at, after, &container_of(it, struct backend_group, link)->members)
		{
			const struct backend_member *m = container_of(at, struct backend_member, link);

			if (watches(m, nsp))
				send_change(m, nsp, change, text_from(room), text_from(user), text_of(json, n));
		}
	}
}

/* ---------------------------------------------------------------- settings */

/* Returns the length of core->presences. *found gets the entry of `nsp`, or NULL. */
static unsigned
find_presence(struct backend_core *core, const sio_nsp *nsp, struct backend_presence **found)
{
	struct list *it, *next;
	unsigned n = 0;

	*found = NULL;
	list_each(it, next, &core->presences)
	{
		struct backend_presence *presence = container_of(it, struct backend_presence, link);

		if (presence->nsp == nsp)
			*found = presence;
		n++;
	}
	return n;
}

static bool
has_settings(const sio_nsp *nsp, const char *prefix, const char *event)
{
	const struct sio_presence *presence = nsp->presence;

	return strcmp(presence->prefix, prefix) == 0 &&
	       strcmp(presence->event != NULL ? presence->event : "", event) == 0;
}

/* Makes the namespace if it is missing. The backend names it, so clients need not ask whether it exists. */
static int
presence_make(struct backend_core *core, struct text name, const char *prefix, const char *event)
{
	struct backend_presence *presence;
	sio_nsp *nsp;
	int rc = sio_raw_own(core->io, name, core->owner, core);

	if (rc != 0)
		return rc;
	nsp = sio_raw_nsp(core->io, name);
	rc = sio_presence(nsp, prefix, event[0] != '\0' ? event : NULL);
	if (rc != 0)
		return rc;
	presence = mem_alloc(sizeof *presence);
	*presence = (struct backend_presence){.core = core, .nsp = nsp};
	list_add_tail(&core->presences, &presence->link);
	return sio_on_presence(nsp, presence_on_change, presence);
}

/*
 * Returns 0 if backends may have presence with these settings in the namespace. The caller makes a missing one (`nsp`
 * NULL) only then, because it stays. A function of the application (sio_of_function()) is not asked: it decides for
 * one client and its auth. A backend gains nothing by that, because it is asked for every name that the function
 * refuses.
 */
static int
settings_check(
	const struct backend_core *core, struct text name, const sio_nsp *nsp, const char *prefix, const char *event)
{
	bool owned = nsp != NULL && nsp->owner == core->owner && nsp->owner_arg == core;

	if (!sio_is_name(prefix) || !sio_is_name(event))
		return SIO_ERR_ARGUMENT;
	if (sio_event_name_reserved(text_from(event)))
		return SIO_ERR_RESERVED;
	if (nsp != NULL && (nsp->presence != NULL || (!owned && !nsp->unclaimed)))
		return SIO_ERR_STATE; /* it belongs to the application in this process */
	if (nsp == NULL && sio_raw_pattern(core->io, name) != NULL)
		return SIO_ERR_STATE; /* it will belong to that application */
	return 0;
}

/* Turns presence on, unless it is on with the same settings. */
static int
settings_apply(struct backend_core *core, struct text name, const char *prefix, const char *event)
{
	const sio_nsp *nsp = sio_raw_nsp(core->io, name);
	struct backend_presence *presence;
	unsigned count = find_presence(core, nsp, &presence);
	int rc;

	if (presence != NULL)
		return has_settings(nsp, prefix, event) ? 0 : SIO_ERR_STATE;
	rc = settings_check(core, name, nsp, prefix, event);
	if (rc != 0)
		return rc;
	return count < BACKEND_PRESENCE_MAX ? presence_make(core, name, prefix, event) : SIO_ERR_TOO_MANY;
}

bool
backend_presence_start(struct backend_member *m, const struct backend_frame *f)
{
	struct text name = backend_link_nsp_name(m->wire, f->nsp), body = f->body, given_prefix, given_event;
	char prefix[BACKEND_PRESENCE_NAME_MAX + 1], event[BACKEND_PRESENCE_NAME_MAX + 1];
	int rc;

	if (name.at == NULL || !backend_take_text(&body, &given_prefix) || !backend_take_text(&body, &given_event) ||
		body.n != 0)
		return false;
	rc = copy_name(prefix, BACKEND_PRESENCE_NAME_MAX, given_prefix);
	if (rc == 0)
		rc = copy_name(event, BACKEND_PRESENCE_NAME_MAX, given_event);
	if (rc == 0)
		rc = settings_apply(m->core, name, prefix, event);
	if (rc == 0 && (f->flags & BACKEND_F_ACK) != 0)
		watch(m, sio_raw_nsp(m->core->io, name));
	backend_log_result(m->core, m->wire, "presence", rc);
	send_last(m, f->id, rc, 0);
	return true;
}

void
backend_presence_free(struct backend_core *core)
{
	while (!list_empty(&core->presences)) {
		struct backend_presence *presence = container_of(core->presences.next, struct backend_presence, link);

		list_remove(&presence->link);
		mem_free(presence);
	}
}

/* ------------------------------------------------------------------- users */

static int
set_user(sio_socket *socket, struct text given_user, struct text given_data)
{
	char user[SIO_PRESENCE_USER_MAX + 1], data[SIO_PRESENCE_DATA_MAX + 1];
	int rc = copy_name(user, SIO_PRESENCE_USER_MAX, given_user);

	if (rc == 0)
		rc = copy_name(data, SIO_PRESENCE_DATA_MAX, given_data);
	if (rc != 0)
		return rc;
	return data[0] != '\0' ? sio_set_present(socket, user, "j", data) : sio_set_present(socket, user, NULL);
}

bool
backend_presence_user(struct backend_member *m, const struct backend_frame *f, sio_socket *socket)
{
	struct text body = f->body, user;

	if (!backend_take_text(&body, &user))
		return false;
	if (socket != NULL)
		backend_log_result(m->core, m->wire, "user", set_user(socket, user, body));
	return true;
}

/* --------------------------------------------------------------- questions */

struct who {
	const struct backend_member *member;
	uint32_t id, limit, sent;
	size_t bytes;
	bool full;
};

/* Sends one user, or sets who->full if the user does not fit into the answer. */
static void
who_send(struct who *who, const struct presence_user *user)
{
	struct backend_link *wire = who->member->wire;
	size_t n = 0, size;
	const char *json = sio_json(sio_stored_value(presence_data(user)), &n);

	size = BACKEND_HEAD + 4 + user->node.key_len + n;
	who->full = who->bytes + size > BACKEND_PRESENT_MAX || !backend_link_has_space(wire, size);
	if (who->full)
		return;
	backend_begin(wire, BACKEND_PRESENT, 0, 0, 0, who->id);
	backend_put_text(wire, text_of(user->name, user->node.key_len));
	backend_put(wire, json, n);
	if (!backend_end(wire))
		return;
	who->sent++;
	who->bytes += size;
}

/*
 * Sends the users of the room, or only the one that is asked for. Returns how many there are, sent or not. Reads the
 * table itself, because sio_present() copies all users, and a backend may ask often in one turn.
 */
static unsigned
who_answer(struct who *who, const sio_nsp *nsp, struct text room, struct text user)
{
	const struct presence_table *table = &nsp->presence->table;
	const struct presence_user *one;
	struct table_cursor cursor = {0};
	struct presence_room *in;
	struct table_node *node;

	if (user.n != 0) {
		one = presence_find(table, room, user);
		if (one != NULL && who->limit > 0)
			who_send(who, one);
		return one != NULL ? 1 : 0;
	}
	in = presence_room_find(table, room);
	if (in == NULL)
		return 0;
	while (!who->full && who->sent < who->limit && (node = table_next(&in->users, &cursor)) != NULL) {
		one = container_of(node, struct presence_user, node);
		if (presence_is_present(one))
			who_send(who, one);
	}
	return in->present;
}

/*
 * Returns the namespace that answers a question, or NULL. If the namespace does not exist and a pattern of the
 * application matches its name, returns the parent of that pattern. A parent has no sockets, so nobody is present
 * there.
 */
static const sio_nsp *
who_find(const sio_server *io, struct text name)
{
	const sio_nsp *nsp = sio_raw_nsp(io, name);

	return nsp != NULL ? nsp : sio_raw_pattern(io, name);
}

bool
backend_presence_who(struct backend_member *m, const struct backend_frame *f)
{
	struct text name = backend_link_nsp_name(m->wire, f->nsp), body = f->body, room, user;
	struct who who = {.member = m, .id = f->id};
	const sio_nsp *nsp;
	unsigned count = 0;
	int rc = 0;

	if (name.at == NULL || !backend_take_u32(&body, &who.limit) || !backend_take_text(&body, &room) ||
		!backend_take_text(&body, &user) || body.n != 0)
		return false;
	nsp = who_find(m->core->io, name);
	if (nsp == NULL || nsp->presence == NULL)
		rc = SIO_ERR_NOT_FOUND;
	else if (room.n > BACKEND_PRESENT_ROOM_MAX || user.n > SIO_PRESENCE_USER_MAX)
		rc = SIO_ERR_TOO_BIG;
	else
		count = who_answer(&who, nsp, room, user);
	send_last(m, f->id, rc, count);
	return true;
}
