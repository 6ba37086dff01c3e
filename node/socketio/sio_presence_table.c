#include "node/socketio/sio_presence_table.h"

#include "common/base/mem.h"
#include "common/base/must.h"

/* ----------------------------------------------------------- rooms, users */

struct presence_room *
presence_room_find(const struct presence_table *table, struct text room)
{
	struct table_node *node = table_find(&table->rooms, room);

	return node != NULL ? container_of(node, struct presence_room, node) : NULL;
}

static struct presence_room *
presence_room_new(struct presence_table *table, struct text name)
{
	struct presence_room *room = mem_zalloc(sizeof *room + name.n + 1);

	table_init(&room->users);
	list_init(&room->changed);
	list_init(&room->unannounced);
	memcpy(room->name, name.at, name.n);
	table_add(&table->rooms, &room->node, text_of(room->name, name.n));
	return room;
}

static struct presence_user *
presence_user_find(const struct presence_room *room, struct text name)
{
	struct table_node *node = table_find(&room->users, name);

	return node != NULL ? container_of(node, struct presence_user, node) : NULL;
}

static struct presence_user *
presence_user_new(struct presence_room *room, struct text name)
{
	struct presence_user *user = mem_zalloc(sizeof *user + name.n + 1);

	user->room = room;
	list_init(&user->entries);
	list_init(&user->changed);
	list_init(&user->unpublished);
	memcpy(user->name, name.at, name.n);
	table_add(&room->users, &user->node, text_of(user->name, name.n));
	return user;
}

static void
presence_user_free(struct presence_table *table, struct presence_user *user)
{
	struct presence_room *room = user->room;

	list_remove(&user->changed);
	list_remove(&user->unpublished);
	sio_stored_unref(user->announced_data);
	table_remove(&room->users, &user->node);
	mem_free(user);
	if (room->users.count > 0)
		return;
	list_remove(&room->unannounced);
	table_fini(&room->users);
	table_remove(&table->rooms, &room->node);
	mem_free(room);
}

void
presence_release(struct presence_table *table, struct presence_user *user)
{
	if (!presence_is_present(user) && list_empty(&user->changed) && list_empty(&user->unpublished))
		presence_user_free(table, user);
}

struct presence_user *
presence_find(const struct presence_table *table, struct text room, struct text user)
{
	struct presence_room *in = presence_room_find(table, room);
	struct presence_user *found = in != NULL ? presence_user_find(in, user) : NULL;

	return found != NULL && presence_is_present(found) ? found : NULL;
}

struct sio_stored *
presence_data(const struct presence_user *user)
{
	if (list_empty(&user->entries))
		return NULL;
	return container_of(user->entries.prev, struct presence_entry, in_user)->data;
}

/* ----------------------------------------------------------------- changes */

static bool
presence_same_data(const struct sio_stored *a, const struct sio_stored *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return text_is(a->owner.json, b->owner.json);
}

/* Puts the user on the list of changes, or off it if the user's state is again the announced one. */
static void
presence_note_change(struct presence_table *table, struct presence_user *user)
{
	struct presence_room *room = user->room;
	bool same = user->announced == presence_is_present(user) &&
		    (!user->announced || presence_same_data(user->announced_data, presence_data(user)));

	if (same) {
		list_remove(&user->changed);
		return;
	}
	if (list_empty(&user->changed))
		list_add_tail(&room->changed, &user->changed);
	if (list_empty(&room->unannounced))
		list_add_tail(&table->unannounced, &room->unannounced);
}

static void
presence_note_own_change(struct presence_table *table, struct presence_user *user)
{
	if (list_empty(&user->unpublished))
		list_add_tail(&table->unpublished, &user->unpublished);
}

bool
presence_take_change(struct presence_table *table, struct presence_change *out)
{
	while (!list_empty(&table->unannounced)) {
		struct presence_room *room = container_of(table->unannounced.next, struct presence_room, unannounced);
		struct presence_user *user;

		if (list_empty(&room->changed)) {
			list_remove(&room->unannounced);
			continue;
		}
		user = container_of(room->changed.next, struct presence_user, changed);
		list_remove(&user->changed);
		out->user = user;
		if (!presence_is_present(user)) {
			out->kind = PRESENCE_LEFT;
			out->data = user->announced_data;
			user->announced_data = NULL;
			user->announced = false;
			return true;
		}
		out->kind = user->announced ? PRESENCE_CHANGED : PRESENCE_JOINED;
		out->data = presence_data(user);
		sio_stored_unref(user->announced_data);
		user->announced_data = out->data != NULL ? sio_stored_ref(out->data) : NULL;
		if (out->data != NULL)
			sio_stored_ref(out->data);
		user->announced = true;
		return true;
	}
	return false;
}

struct presence_user *
presence_take_unpublished(struct presence_table *table)
{
	struct presence_user *user;

	if (list_empty(&table->unpublished))
		return NULL;
	user = container_of(table->unpublished.next, struct presence_user, unpublished);
	list_remove(&user->unpublished);
	return user;
}

/* ----------------------------------------------------------------- entries */

static struct presence_entry *
presence_entry_of(const struct presence_user *user, const struct presence_owner *owner)
{
	struct list *it, *next;

	list_each(it, next, &user->entries)
	{
		struct presence_entry *entry = container_of(it, struct presence_entry, in_user);

		if (entry->owner == owner)
			return entry;
	}
	return NULL;
}

struct presence_entry *
presence_own_entry(const struct presence_table *table, const struct presence_user *user)
{
	return presence_entry_of(user, table->own);
}

static void
presence_entry_free(struct presence_table *table, struct presence_entry *entry)
{
	struct presence_user *user = entry->user;
	struct presence_owner *owner = entry->owner;

	if (owner->next == &entry->in_owner)
		owner->next = entry->in_owner.next;
	list_remove(&entry->in_owner);
	list_remove(&entry->in_user);
	sio_stored_unref(entry->data);
	mem_free(entry);
	table->entries--;
	if (!presence_is_present(user))
		user->room->present--;
	presence_note_change(table, user);
	if (owner == table->own)
		presence_note_own_change(table, user);
	presence_release(table, user);
}

struct presence_entry *
presence_set(struct presence_table *table, struct presence_owner *owner, struct text room, struct text user,
	struct sio_stored *data)
{
	struct presence_room *in = presence_room_find(table, room);
	struct presence_user *who = in != NULL ? presence_user_find(in, user) : NULL;
	struct presence_entry *entry = who != NULL ? presence_entry_of(who, owner) : NULL;
	bool own = owner == table->own, same = entry != NULL && presence_same_data(entry->data, data);

	if (entry == NULL) {
		if (table->entries >= table->max_entries) {
			owner->refused++;
			return NULL;
		}
		if (in == NULL)
			in = presence_room_new(table, room);
		if (who == NULL)
			who = presence_user_new(in, user);
		if (!presence_is_present(who))
			in->present++;
		entry = mem_zalloc(sizeof *entry);
		entry->owner = owner;
		entry->user = who;
		list_add_tail(&owner->entries, &entry->in_owner);
		table->entries++;
	} else {
		list_remove(&entry->in_user);
		sio_stored_unref(entry->data);
	}
	list_add_tail(&who->entries, &entry->in_user);
	entry->data = data != NULL ? sio_stored_ref(data) : NULL;
	entry->round = owner->round;
	if (own)
		entry->sockets++;
	presence_note_change(table, who);
	if (own && !same)
		presence_note_own_change(table, who);
	return entry;
}

/*
 * Trying again walks all sockets, or needs a list of another server. So it waits until all entries that were left out
 * may fit, or a sixteenth of the table is free.
 */
bool
presence_has_room_again(const struct presence_table *table, const struct presence_owner *owner)
{
	unsigned room = table->entries < table->max_entries ? table->max_entries - table->entries : 0;

	return owner->refused != 0 && (room >= owner->refused || room > table->max_entries / 16);
}

void
presence_clear(struct presence_table *table, struct presence_owner *owner, struct text room, struct text user)
{
	struct presence_user *who = presence_find(table, room, user);
	struct presence_entry *entry = who != NULL ? presence_entry_of(who, owner) : NULL;

	if (entry == NULL) {
		/* the user may have been left out; the count stays above 0, so that the others are tried again */
		if (owner->refused > 1)
			owner->refused--;
		return;
	}
	if (owner == table->own && --entry->sockets > 0)
		return;
	presence_entry_free(table, entry);
}

/* ----------------------------------------------------------------- servers */

static struct presence_owner *
presence_owner_new(void)
{
	struct presence_owner *owner = mem_zalloc(sizeof *owner);

	list_init(&owner->entries);
	return owner;
}

struct presence_owner *
presence_owner_get(struct presence_table *table, struct text id)
{
	struct table_node *node = table_find(&table->owners, id);
	struct presence_owner *owner;

	if (node != NULL)
		return container_of(node, struct presence_owner, node);
	must(id.n > 0 && id.n <= PRESENCE_OWNER_MAX);
	owner = presence_owner_new();
	memcpy(owner->id, id.at, id.n);
	table_add(&table->owners, &owner->node, text_of(owner->id, id.n));
	return owner;
}

static void
presence_owner_clear(struct presence_table *table, struct presence_owner *owner)
{
	while (!list_empty(&owner->entries))
		presence_entry_free(table, container_of(owner->entries.next, struct presence_entry, in_owner));
}

void
presence_owner_drop(struct presence_table *table, struct presence_owner *owner)
{
	presence_owner_clear(table, owner);
	table_remove(&table->owners, &owner->node);
	mem_free(owner);
}

void
presence_owner_sweep(struct presence_table *table, struct presence_owner *owner)
{
	struct list *it, *next;

	list_each(it, next, &owner->entries)
	{
		struct presence_entry *entry = container_of(it, struct presence_entry, in_owner);

		if (entry->round != owner->round)
			presence_entry_free(table, entry);
	}
}

void
presence_walk(struct presence_table *table)
{
	table->own->next = table->own->entries.next;
}

const struct presence_entry *
presence_walk_next(struct presence_table *table)
{
	struct presence_owner *own = table->own;
	const struct presence_entry *entry;

	if (own->next == NULL || own->next == &own->entries) {
		own->next = NULL;
		return NULL;
	}
	entry = container_of(own->next, struct presence_entry, in_owner);
	own->next = own->next->next;
	return entry;
}

/* -------------------------------------------------------------------- life */

void
presence_table_init(struct presence_table *table, unsigned max_entries)
{
	*table = (struct presence_table){.max_entries = max_entries, .own = presence_owner_new()};
	table_init(&table->rooms);
	table_init(&table->owners);
	list_init(&table->unannounced);
	list_init(&table->unpublished);
}

void
presence_table_fini(struct presence_table *table)
{
	struct table_cursor owners = {0}, rooms = {0};
	struct table_node *node;

	while ((node = table_next(&table->owners, &owners)) != NULL)
		presence_owner_drop(table, container_of(node, struct presence_owner, node));
	presence_owner_clear(table, table->own);
	mem_free(table->own);
	/* users who have left wait to be announced */
	while ((node = table_next(&table->rooms, &rooms)) != NULL) {
		struct presence_room *room = container_of(node, struct presence_room, node);

		while (room->users.count > 1) {
			struct table_cursor users = {0};

			presence_user_free(
				table, container_of(table_next(&room->users, &users), struct presence_user, node));
		}
		presence_user_free(table, container_of(table_next(&room->users, &(struct table_cursor){0}),
						  struct presence_user, node));
	}
	table_fini(&table->rooms);
	table_fini(&table->owners);
}
