#include "node/socketio/sio_fetched.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_rooms.h"

/* The private part of an entry for a socket of this node. The value `handshake` of the entry leads to it. */
struct fetched_local {
	struct sio_value_owner owner; /* of the handshake; its text is on the heap */
	struct sio_handshake handshake;
	struct sio_stored *data;
};

/* An answer of another node, into which the values of its sockets point. */
struct fetched_kept {
	struct fetched_kept *next;
	struct sio_stored *stored;
};

static struct fetched_local *
fetched_local(const sio_socket_info *info)
{
	return container_of((struct sio_value_owner *)(uintptr_t)info->handshake.owner, struct fetched_local, owner);
}

/* Writes the handshake when it is first read. */
static struct text
fetched_write_late(struct sio_value_owner *owner, const uint8_t *at, const uint8_t *end)
{
	struct fetched_local *local = container_of(owner, struct fetched_local, owner);
	struct buffer json;

	(void)at; /* the only value is the whole text */
	(void)end;
	if (owner->json.n != 0)
		return owner->json;
	/* unlimited, because its parts were limited before: the head of a request, the auth of one packet */
	buffer_init(&json, SIZE_MAX / 2);
	sio_handshake_write(&local->handshake, sio_auth_text(local->handshake.auth), &json);
	if (buffer_error(&json) == 0) {
		owner->json.at = (char *)buffer_steal(&json, &owner->json.n);
	} else {
		owner->no_memory = true;
	}
	buffer_fini(&json);
	return owner->json;
}

static void
fetched_local_fini(struct fetched_local *local)
{
	mem_free((char *)(uintptr_t)local->owner.json.at);
	sio_value_owner_fini(&local->owner);
	sio_handshake_unref(&local->handshake);
	sio_stored_unref(local->data);
}

/* Takes ownership of `stored`. Returns NULL, with the error set, if there is no memory for it or `stored` is NULL. */
static const struct sio_stored *
fetched_keep(struct sio_fetched_list *list, struct sio_stored *stored)
{
	struct fetched_kept *kept = stored != NULL ? arena_alloc(&list->arena, sizeof *kept) : NULL;

	if (kept == NULL) {
		sio_stored_unref(stored);
		list->error = SIO_ERR_SYSTEM;
		return NULL;
	}
	*kept = (struct fetched_kept){list->kept, stored};
	list->kept = kept;
	return stored;
}

/* Makes room for `more` entries. */
static bool
fetched_reserve(struct sio_fetched_list *list, unsigned more)
{
	unsigned wanted = list->count + more;
	sio_socket_info *at;

	if (wanted <= list->size)
		return true;
	if (wanted < list->size * 2)
		wanted = list->size * 2;
	at = mem_try_realloc(list->at, wanted * sizeof *at);
	if (at == NULL) {
		list->error = SIO_ERR_SYSTEM;
		return false;
	}
	list->at = at;
	list->size = wanted;
	return true;
}

void
sio_fetched_fini(struct sio_fetched_list *list)
{
	for (unsigned i = 0; i < list->local; i++)
		fetched_local_fini(fetched_local(&list->at[i]));
	for (struct fetched_kept *kept = list->kept; kept != NULL; kept = kept->next)
		sio_stored_unref(kept->stored);
	sio_stored_unref(list->no_data);
	arena_fini(&list->arena);
	mem_free(list->at);
	*list = (struct sio_fetched_list){0};
}

/* -------------------------------------------------------- sockets of this node */

/* Allocates an entry's memory: the private part, then the array of rooms, then the names. */
static struct fetched_local *
fetched_local_new(struct sio_fetched_list *list, const struct sio_socket *s)
{
	size_t n = sizeof(struct fetched_local) + (size_t)s->id_len + 1;
	struct list *it, *next;

	n += ((size_t)s->room_count + 1) * sizeof(const char *);
	list_each(it, next, &s->rooms) n +=
		(size_t)container_of(it, struct sio_membership, in_socket)->key.room->node.key_len + 1;
	return arena_alloc(&list->arena, n);
}

static void
fetched_copy_names(sio_socket_info *to, struct fetched_local *local, const struct sio_socket *s)
{
	const char **rooms = (const char **)(local + 1);
	unsigned count = 0;
	char *name = (char *)(rooms + s->room_count + 1);
	struct list *it, *next;

	to->id = memcpy(name, s->id, (size_t)s->id_len + 1);
	name += s->id_len + 1;
	if (s->in_own_room)
		rooms[count++] = to->id;
	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;

		rooms[count++] = memcpy(name, room->name, (size_t)room->node.key_len + 1);
		name += room->node.key_len + 1;
	}
	to->rooms = rooms;
	to->rooms_count = count;
}

/* Data that was never set is {}, as in Node.js. */
static struct sio_stored *
fetched_data_of(const struct sio_fetched_list *list, const struct sio_socket *s)
{
	return s->extra != NULL && s->extra->data != NULL ? s->extra->data : list->no_data;
}

static void
fetched_add_socket(struct sio_fetched_list *list, const struct sio_socket *s)
{
	struct fetched_local *local = fetched_local_new(list, s);
	sio_socket_info *to = &list->at[list->count];

	if (local == NULL) {
		list->error = SIO_ERR_SYSTEM;
		return;
	}
	fetched_copy_names(to, local, s);
	local->data = sio_stored_ref(fetched_data_of(list, s));
	local->handshake = sio_handshake_ref(s);
	sio_value_owner_init(&local->owner, TEXT_NONE, NULL);
	local->owner.write = fetched_write_late;
	to->data = sio_stored_value(local->data);
	to->handshake = sio_value_late(&local->owner, NULL);
	list->count++;
	list->local++;
}

void
sio_fetched_add_sockets(struct sio_fetched_list *list, const struct sio_selection *sockets)
{
	must(list->count == list->local);
	if (sockets->count == 0 || !fetched_reserve(list, sockets->count))
		return;
	if (list->no_data == NULL)
		list->no_data = sio_stored_new(TEXT("{}"), NULL);
	if (list->no_data == NULL) {
		list->error = SIO_ERR_SYSTEM;
		return;
	}
	for (unsigned i = 0; i < sockets->count; i++)
		fetched_add_socket(list, sockets->at[i]);
}

/* ------------------------------------------------------ sockets of another node */

#define NUMBER_MAX 32 /* more than the bytes of a number as JavaScript writes it, with NUL */

/* Returns the bytes that fetched_copy_name() needs at most; 0 for a value that is not a name. */
static size_t
fetched_name_size(struct text value)
{
	enum json_type type = json_type(value);

	return type == JSON_STRING ? value.n + 1 : type == JSON_NUMBER ? NUMBER_MAX : 0;
}

/* Copies a name and appends NUL. A number is written as JavaScript does. Returns the end. */
static char *
fetched_copy_name(struct text value, char *out)
{
	struct buffer number = {.data = (uint8_t *)out, .size = NUMBER_MAX, .max = NUMBER_MAX};
	size_t n;

	if (json_type(value) == JSON_STRING) {
		n = json_string_decode_name(value, out);
	} else {
		json_write_double(&number, json_number_double(value));
		n = number.len;
	}
	out[n] = '\0';
	return out + n + 1;
}

/* Copies the names of a socket into the arena. Returns false if memory is short. */
static bool
fetched_copy_remote_names(struct sio_fetched_list *list, sio_socket_info *to, struct text id, struct text rooms)
{
	struct text rest = rooms, room;
	unsigned count = 0, copied = 0;
	size_t n = fetched_name_size(id);
	const char **array;
	char *name;

	while (rooms.n != 0 && json_array_next(&rest, &room)) {
		n += fetched_name_size(room);
		count += fetched_name_size(room) != 0;
	}
	array = arena_alloc(&list->arena, count * sizeof *array + n);
	if (array == NULL)
		return false;
	name = (char *)(array + count);
	to->id = name;
	name = fetched_copy_name(id, name);
	while (copied < count && json_array_next(&rooms, &room)) {
		if (fetched_name_size(room) == 0)
			continue;
		array[copied++] = name;
		name = fetched_copy_name(room, name);
	}
	to->rooms = array;
	to->rooms_count = count;
	return true;
}

static bool
fetched_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Overwrites each member "_admin" of an object, and one comma beside it, with blanks. If the first member goes and
 * others follow, the object begins later. `data` is part of our own copy.
 */
static void
fetched_unmark(struct text data)
{
	struct text rest = data, key, value;
	char *from, *to;

	if (data.n == 0 || json_type(data) != JSON_OBJECT)
		return;
	while (json_object_next(&rest, &key, &value)) {
		if (!json_string_is(key, TEXT("_admin")))
			continue;
		from = (char *)(uintptr_t)key.at - 1;
		to = (char *)(uintptr_t)value.at + value.n;
		while (fetched_is_space(*from))
			from--;
		if (*from == ',') {
			memset(from, ' ', (size_t)(to - from));
			continue;
		}
		while (fetched_is_space(*to))
			to++;
		if (*to == ',') { /* becomes the bracket */
			memset(from, ' ', (size_t)(to - from));
			*to = '{';
			rest = text_of(to, (size_t)(data.at + data.n - to));
		} else {
			memset(from + 1, ' ', (size_t)(to - from - 1));
		}
	}
}

/* `data` and `plain` hold the same text. */
static void
fetched_add_object(struct sio_fetched_list *list, struct text object, const struct sio_stored *data,
	const struct sio_stored *plain)
{
	struct text rooms = json_object_get(object, TEXT("rooms"));
	struct text handshake = json_object_get(object, TEXT("handshake"));
	struct text id = json_object_get(object, TEXT("id"));
	sio_socket_info *to;

	if (id.n == 0 || json_type(id) != JSON_STRING)
		return;
	if (rooms.n != 0 && json_type(rooms) != JSON_ARRAY)
		rooms = TEXT_NONE;
	if (!fetched_reserve(list, 1))
		return;
	to = &list->at[list->count];
	if (!fetched_copy_remote_names(list, to, id, rooms)) {
		list->error = SIO_ERR_SYSTEM;
		return;
	}
	if (list->unmark)
		fetched_unmark(json_object_get(object, TEXT("data")));
	to->data = sio_value_make(json_object_get(object, TEXT("data")), &data->owner);
	if (handshake.n != 0)
		handshake.at = plain->json + (handshake.at - data->json);
	to->handshake = sio_value_make(handshake, &plain->owner);
	list->count++;
}

/*
 * Keeps the answer as one text into which the values of all sockets point. Only `data` may contain binary. A
 * handshake has none: an object in it that looks like a placeholder came from a client. So handshakes are read from a
 * second copy, without attachments.
 */
void
sio_fetched_add_answer(struct sio_fetched_list *list, struct text json, const struct attachments *attachments)
{
	bool binary = attachments != NULL && attachments->count != 0;
	const struct sio_stored *data, *plain;
	struct text rest, object;

	if (json.n == 0 || json_type(json) != JSON_ARRAY)
		return;
	data = plain = fetched_keep(list, sio_stored_new(json, binary ? attachments : NULL));
	if (binary)
		plain = fetched_keep(list, sio_stored_new(json, NULL));
	if (data == NULL || plain == NULL)
		return;
	rest = data->owner.json;
	while (json_array_next(&rest, &object)) {
		if (json_type(object) == JSON_OBJECT)
			fetched_add_object(list, object, data, plain);
	}
}

/* ---------------------------------------------------- answers for another node */

/*
 * In a message with attachments, a client's auth that looks like a placeholder would be taken for one, and the
 * receiver would refuse the whole message. So such an auth is replaced by {}.
 */
static struct text
auth_without_placeholders(struct text auth)
{
	return json_maybe_placeholders(auth) && json_placeholders_check(auth, 0) != 0 ? TEXT("{}") : auth;
}

/* Data is replaced by {} if the attachments would exceed the limit of the receiver. */
static void
fetched_write_data(const struct sio_stored *data, struct buffer *json, struct attachments *attachments)
{
	unsigned had = attachments->count;
	size_t len = json->len;

	if (json_placeholders_copy(data->owner.json, &data->attachments, attachments, json) == 0 &&
		attachments->count <= MSGPACK_ATTACHMENTS_MAX)
		return;
	attachments_cut(attachments, had);
	if (buffer_error(json) != 0)
		return;
	json->len = len;
	buffer_add_text(json, TEXT("{}"));
}

/* Adds a member to the object that ends at the end of the text and begins at `at`. Other values stay as they are. */
static void
fetched_write_mark(size_t at, struct text mark, struct buffer *json)
{
	if (mark.n == 0 || buffer_error(json) != 0 || json->data[at] != '{')
		return;
	json->len--;
	while (fetched_is_space((char)json->data[json->len - 1]))
		json->len--;
	buffer_add_text(json, json->data[json->len - 1] == '{' ? TEXT("\"_admin\":") : TEXT(",\"_admin\":"));
	buffer_add_text(json, mark);
	buffer_add_byte(json, '}');
}

static void
fetched_write_rooms(const struct sio_socket *s, struct buffer *json)
{
	bool first = true;
	struct list *it, *next;

	buffer_add_byte(json, '[');
	if (s->in_own_room) {
		json_write_string(json, sio_socket_id_text(s));
		first = false;
	}
	list_each(it, next, &s->rooms)
	{
		const struct sio_room *room = container_of(it, struct sio_membership, in_socket)->key.room;

		if (!first)
			buffer_add_byte(json, ',');
		json_write_string(json, text_of(room->name, room->node.key_len));
		first = false;
	}
	buffer_add_byte(json, ']');
}

void
sio_fetched_write(const struct sio_socket *s, struct text mark, struct buffer *json, struct attachments *attachments)
{
	struct sio_handshake handshake = sio_handshake_ref(s);
	size_t at;

	buffer_add_text(json, TEXT("{\"id\":"));
	json_write_string(json, sio_socket_id_text(s));
	buffer_add_text(json, TEXT(",\"handshake\":"));
	sio_handshake_write(&handshake, auth_without_placeholders(sio_auth_text(handshake.auth)), json);
	buffer_add_text(json, TEXT(",\"rooms\":"));
	fetched_write_rooms(s, json);
	buffer_add_text(json, TEXT(",\"data\":"));
	at = json->len;
	if (s->extra != NULL && s->extra->data != NULL)
		fetched_write_data(s->extra->data, json, attachments);
	else
		buffer_add_text(json, TEXT("{}"));
	fetched_write_mark(at, mark, json);
	buffer_add_byte(json, '}');
	sio_handshake_unref(&handshake);
}
