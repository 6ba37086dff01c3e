#include "node/socketio/sio_fetched.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_handshake.h"

/* `list` of `count`, maybe moved, with room for one more; NULL, and it is as it was: there is no memory for it. */
static void *
with_room(struct sio_fetched_list *l, void *list, unsigned count, unsigned *size, size_t each)
{
	unsigned wanted = *size == 0 ? 8 : *size * 2;

	if (count < *size)
		return list;
	list = mem_try_realloc(list, wanted * each);
	if (list != NULL)
		*size = wanted;
	else
		l->error = SIO_ERR_SYSTEM;
	return list;
}

/* NULL: there is no memory for it. */
static const struct sio_stored *
keep(struct sio_fetched_list *l, struct sio_stored *stored)
{
	struct sio_stored **kept;

	if (stored == NULL) {
		l->error = SIO_ERR_SYSTEM;
		return NULL;
	}
	kept = with_room(l, l->kept, l->kept_count, &l->kept_size, sizeof *l->kept);
	if (kept == NULL) {
		sio_stored_free(stored);
		return NULL;
	}
	l->kept = kept;
	l->kept[l->kept_count++] = stored;
	return stored;
}

static struct sio_fetched *
add(struct sio_fetched_list *l)
{
	struct sio_fetched *at = with_room(l, l->at, l->count, &l->size, sizeof *l->at);

	if (at == NULL)
		return NULL;
	l->at = at;
	l->at[l->count] = (struct sio_fetched){.data = sio_value_none(), .handshake = sio_value_none()};
	return &l->at[l->count++];
}

void
sio_fetched_fini(struct sio_fetched_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		mem_free(l->at[i].names);
	for (unsigned i = 0; i < l->kept_count; i++)
		sio_stored_free(l->kept[i]);
	mem_free(l->at);
	mem_free(l->kept);
	*l = (struct sio_fetched_list){0};
}

/* ------------------------------------------------------------ of this node */

static bool
take_names(struct sio_fetched *to, const struct sio_socket *s)
{
	size_t cursor = 0, n = SIO_ID_LENGTH + 1, at = n;
	const char *room;

	while ((room = sio_room_next(s, &cursor)) != NULL)
		n += strlen(room) + 1;
	to->names = mem_try_alloc(n);
	if (to->names == NULL)
		return false;
	memcpy(to->names, s->id, SIO_ID_LENGTH + 1);
	cursor = 0;
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		memcpy(to->names + at, room, strlen(room) + 1);
		at += strlen(room) + 1;
		to->rooms++;
	}
	return true;
}

/* Never set is {}, as in the original. */
static struct text
data_of(const struct sio_socket *s, const struct attachments **attachments)
{
	const struct sio_stored *data = s->extra != NULL ? s->extra->data : NULL;

	*attachments = data != NULL ? &data->attachments : NULL;
	return data != NULL ? data->owner.json : TEXT("{}");
}

void
sio_fetched_add_socket(struct sio_fetched_list *l, const struct sio_socket *s)
{
	struct sio_fetched *to = add(l);
	const struct attachments *attachments;
	struct text data = data_of(s, &attachments);
	struct buffer json;

	if (to == NULL)
		return;
	if (!take_names(to, s)) {
		l->error = SIO_ERR_SYSTEM;
		l->count--;
		return;
	}
	to->data = sio_stored_value(keep(l, sio_stored_new(data, attachments)));
	/* its parts have been limited: head of a request, auth of one packet */
	buffer_init(&json, SIZE_MAX / 2);
	sio_handshake_write(s, &json, sio_handshake_auth(s));
	if (buffer_error(&json) == 0)
		to->handshake = sio_stored_value(keep(l, sio_stored_new(buffer_text(&json), NULL)));
	else
		l->error = SIO_ERR_SYSTEM;
	buffer_fini(&json);
}

/* --------------------------------------------------------- of another node */

/* Appends a name with its NUL; a number as JavaScript writes it. False: neither string nor number. */
static bool
add_name(struct buffer *out, struct text value)
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

/* `plain` has the same text as `data` has. */
static void
add_object(
	struct sio_fetched_list *l, struct text object, const struct sio_stored *data, const struct sio_stored *plain)
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
	buffer_init(&names, SIZE_MAX / 2); /* no longer than the text it comes from, a few NULs aside */
	add_name(&names, id);
	if (rooms.n != 0 && json_type(rooms) == JSON_ARRAY) {
		while (json_array_next(&rooms, &room))
			count += add_name(&names, room);
	}
	to = buffer_error(&names) == 0 ? add(l) : NULL;
	if (to == NULL) {
		l->error = SIO_ERR_SYSTEM;
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
 * The answer is kept as it is, the sockets' values point into it. Binary may be in `data` only: what looks like it in
 * a handshake is a client's text, so that is read from a copy without attachments.
 */
void
sio_fetched_add_answer(struct sio_fetched_list *l, struct text json, const struct attachments *attachments)
{
	bool binary = attachments != NULL && attachments->count != 0;
	const struct sio_stored *data, *plain;
	struct text rest, object;

	if (json.n == 0 || json_type(json) != JSON_ARRAY)
		return;
	data = plain = keep(l, sio_stored_new(json, binary ? attachments : NULL));
	if (binary)
		plain = keep(l, sio_stored_new(json, NULL));
	if (data == NULL || plain == NULL)
		return;
	rest = data->owner.json;
	while (json_array_next(&rest, &object)) {
		if (json_type(object) == JSON_OBJECT)
			add_object(l, object, data, plain);
	}
}

/* --------------------------------------------------------- for another node */

/*
 * In a message that has attachments a client's auth that looks like a placeholder would be taken for one, and the
 * whole message be refused for it: such an auth is left out.
 */
static struct text
harmless(struct text auth)
{
	return json_maybe_placeholders(auth) && json_placeholders_check(auth, 0) != 0 ? TEXT("{}") : auth;
}

/* Data whose attachments would be more than the receiver takes is left out. */
static void
write_data(const struct sio_socket *s, struct buffer *json, struct attachments *attachments)
{
	const struct attachments *from;
	struct text data = data_of(s, &from);
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

	buffer_printf(json, "{\"id\":\"%s\",\"handshake\":", s->id);
	sio_handshake_write(s, json, harmless(sio_handshake_auth(s)));
	buffer_add_text(json, TEXT(",\"rooms\":["));
	while ((room = sio_room_next(s, &cursor)) != NULL) {
		if (!first)
			buffer_add_byte(json, ',');
		first = false;
		json_write_string(json, text_from(room));
	}
	buffer_add_text(json, TEXT("],\"data\":"));
	write_data(s, json, attachments);
	buffer_add_byte(json, '}');
}
