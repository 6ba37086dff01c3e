#include "node/socketio/sio_fetched.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_handshake.h"

/*
 * Returns `items`, reallocated if necessary, with room for one more than `count`. Without memory returns NULL, sets
 * the error and leaves `items` as it was.
 */
static void *
fetched_grow(struct sio_fetched_list *list, void *items, unsigned count, unsigned *size, size_t each)
{
	unsigned wanted = *size == 0 ? 8 : *size * 2;

	if (count < *size)
		return items;
	items = mem_try_realloc(items, wanted * each);
	if (items != NULL)
		*size = wanted;
	else
		list->error = SIO_ERR_SYSTEM;
	return items;
}

/* Takes ownership of `stored`. Returns NULL, with the error set, if there is no memory for it or `stored` is NULL. */
static const struct sio_stored *
fetched_keep(struct sio_fetched_list *list, struct sio_stored *stored)
{
	struct sio_stored **kept;

	if (stored == NULL) {
		list->error = SIO_ERR_SYSTEM;
		return NULL;
	}
	kept = fetched_grow(list, list->kept, list->kept_count, &list->kept_size, sizeof *list->kept);
	if (kept == NULL) {
		sio_stored_free(stored);
		return NULL;
	}
	list->kept = kept;
	list->kept[list->kept_count++] = stored;
	return stored;
}

static struct sio_fetched *
fetched_add(struct sio_fetched_list *list)
{
	struct sio_fetched *at = fetched_grow(list, list->at, list->count, &list->size, sizeof *list->at);

	if (at == NULL)
		return NULL;
	list->at = at;
	list->at[list->count] = (struct sio_fetched){.data = sio_value_none(), .handshake = sio_value_none()};
	return &list->at[list->count++];
}

void
sio_fetched_fini(struct sio_fetched_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		mem_free(list->at[i].names);
	for (unsigned i = 0; i < list->kept_count; i++)
		sio_stored_free(list->kept[i]);
	mem_free(list->at);
	mem_free(list->kept);
	*list = (struct sio_fetched_list){0};
}

/* -------------------------------------------------------- sockets of this node */

static bool
fetched_copy_names(struct sio_fetched *to, const struct sio_socket *s)
{
	size_t cursor = 0, n = (size_t)s->id_len + 1, at = n;
	const char *room;

	while ((room = sio_room_next(s, &cursor)) != NULL)
		n += strlen(room) + 1;
	to->names = mem_try_alloc(n);
	if (to->names == NULL)
		return false;
	memcpy(to->names, s->id, (size_t)s->id_len + 1);
	cursor = 0;
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		memcpy(to->names + at, room, strlen(room) + 1);
		at += strlen(room) + 1;
		to->rooms++;
	}
	return true;
}

/* Data that was never set is {}, as in the original. */
static struct text
fetched_data_of(const struct sio_socket *s, const struct attachments **attachments)
{
	const struct sio_stored *data = s->extra != NULL ? s->extra->data : NULL;

	*attachments = data != NULL ? &data->attachments : NULL;
	return data != NULL ? data->owner.json : TEXT("{}");
}

void
sio_fetched_add_socket(struct sio_fetched_list *list, const struct sio_socket *s)
{
	struct sio_fetched *to = fetched_add(list);
	const struct attachments *attachments;
	struct text data = fetched_data_of(s, &attachments);
	struct buffer json;

	if (to == NULL)
		return;
	if (!fetched_copy_names(to, s)) {
		list->error = SIO_ERR_SYSTEM;
		list->count--;
		return;
	}
	to->data = sio_stored_value(fetched_keep(list, sio_stored_new(data, attachments)));
	/* unlimited, because its parts were limited before: the head of a request, the auth of one packet */
	buffer_init(&json, SIZE_MAX / 2);
	sio_handshake_write(s, &json, sio_handshake_auth(s));
	if (buffer_error(&json) == 0)
		to->handshake = sio_stored_value(fetched_keep(list, sio_stored_new(buffer_text(&json), NULL)));
	else
		list->error = SIO_ERR_SYSTEM;
	buffer_fini(&json);
}

/* ------------------------------------------------------ sockets of another node */

/* Appends a name and NUL. A number is written as JavaScript does. Returns false for any other type. */
static bool
fetched_add_name(struct buffer *out, struct text value)
{
	enum json_type type = json_type(value);
	char *room;

	if (type == JSON_STRING) {
		room = (char *)buffer_room(out, value.n);
		if (room != NULL)
			out->len += json_string_decode_name(value, room);
	} else if (type == JSON_NUMBER) {
		json_write_double(out, json_number_double(value));
	} else {
		return false;
	}
	buffer_add_byte(out, '\0');
	return true;
}

/* `data` and `plain` hold the same text. */
static void
fetched_add_object(struct sio_fetched_list *list, struct text object, const struct sio_stored *data,
	const struct sio_stored *plain)
{
	struct text rooms = json_object_get(object, TEXT("rooms")), room;
	struct text handshake = json_object_get(object, TEXT("handshake"));
	struct text id = json_object_get(object, TEXT("id"));
	struct sio_fetched *to;
	struct buffer names;
	unsigned count = 0;
	size_t n;

	if (id.n == 0 || json_type(id) != JSON_STRING)
		return;
	buffer_init(&names, SIZE_MAX / 2); /* the names are not longer than the JSON text, apart from a few NULs */
	fetched_add_name(&names, id);
	if (rooms.n != 0 && json_type(rooms) == JSON_ARRAY) {
		while (json_array_next(&rooms, &room))
			count += fetched_add_name(&names, room);
	}
	to = buffer_error(&names) == 0 ? fetched_add(list) : NULL;
	if (to == NULL) {
		list->error = SIO_ERR_SYSTEM;
		buffer_fini(&names);
		return;
	}
	to->rooms = count;
	to->names = (char *)buffer_steal(&names, &n);
	to->data = sio_value_make(json_object_get(object, TEXT("data")), &data->owner);
	if (handshake.n != 0)
		handshake.at = plain->json + (handshake.at - data->json);
	to->handshake = sio_value_make(handshake, &plain->owner);
}

/*
 * Keeps the answer as one text into which the values of all sockets point. Only `data` may contain binary. In a
 * handshake, what looks like a placeholder is text from a client; so handshakes are read from a copy without
 * attachments.
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
fetched_write_data(const struct sio_socket *s, struct buffer *json, struct attachments *attachments)
{
	const struct attachments *from;
	struct text data = fetched_data_of(s, &from);
	unsigned had = attachments->count;
	size_t len = json->len;

	if (json_placeholders_copy(data, from, attachments, json) == 0 &&
		attachments->count <= MSGPACK_ATTACHMENTS_MAX)
		return;
	attachments_cut(attachments, had);
	if (buffer_error(json) != 0)
		return;
	json->len = len;
	buffer_add_text(json, TEXT("{}"));
}

void
sio_fetched_write(const struct sio_socket *s, struct buffer *json, struct attachments *attachments)
{
	size_t cursor = 0;
	const char *room;
	bool first = true;

	buffer_add_text(json, TEXT("{\"id\":"));
	json_write_string(json, sio_socket_id_text(s));
	buffer_add_text(json, TEXT(",\"handshake\":"));
	sio_handshake_write(s, json, auth_without_placeholders(sio_handshake_auth(s)));
	buffer_add_text(json, TEXT(",\"rooms\":["));
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		if (!first)
			buffer_add_byte(json, ',');
		first = false;
		json_write_string(json, text_from(room));
	}
	buffer_add_text(json, TEXT("],\"data\":"));
	fetched_write_data(s, json, attachments);
	buffer_add_byte(json, '}');
}
