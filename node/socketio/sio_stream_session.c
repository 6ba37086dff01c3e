#include "node/socketio/sio_stream_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/msgpack.h"
#include "common/base/msgpack_item.h"
#include "common/base/utf8.h"
#include "node/socketio/sio_recovery_rooms.h"

/* ---------------------------------------------------------------- writing */

static void
put_text(struct buffer *out, struct text text)
{
	msgpack_add_string(out, (uint32_t)text.n);
	buffer_add_text(out, text);
}

static void
put_number(struct buffer *out, const char *name, uint64_t number)
{
	put_text(out, text_from(name));
	msgpack_add_unsigned(out, number);
}

static void
put_rooms(struct buffer *out, const struct sio_stream_session *session)
{
	const char *at = session->rooms.at;

	put_text(out, TEXT("rooms"));
	msgpack_add_array(out, session->room_count + session->own);
	if (session->own)
		put_text(out, session->sid);
	for (uint32_t i = 0; i < session->room_count; i++)
		put_text(out, sio_recovery_room_read(&at));
}

static void
put_given(struct buffer *out, struct text given)
{
	if (given.n == 0)
		return;
	put_text(out, TEXT("given"));
	msgpack_add_length(out, MSGPACK_BIN_8, (uint32_t)given.n);
	buffer_add_text(out, given);
}

/* The numbers come last: they differ for each loss, and the end of the session is its token (sio_stream_expiry.h). */
static void
put_ours(struct buffer *out, const struct sio_stream_session *session)
{
	put_text(out, TEXT("sockeye"));
	buffer_add_byte(out, (uint8_t)(MSGPACK_FIXMAP | (session->given.n > 0 ? 9 : 8)));
	put_text(out, TEXT("nsp"));
	put_text(out, session->nsp);
	put_text(out, TEXT("owner"));
	put_text(out, session->owner);
	put_given(out, session->given);
	put_number(out, "start", session->start);
	put_number(out, "last", session->last);
	put_number(out, "heard", session->heard);
	put_number(out, "moved", session->moved);
	put_number(out, "since", session->since);
	put_number(out, "lost", session->lost);
}

void
sio_stream_session_write(struct buffer *out, const struct sio_stream_session *session, size_t tag)
{
	buffer_add_byte(out, (uint8_t)(MSGPACK_FIXMAP | (tag > 0 ? 6 : 5)));
	put_text(out, TEXT("sid"));
	put_text(out, session->sid);
	put_text(out, TEXT("pid"));
	put_text(out, session->pid);
	put_rooms(out, session);
	put_text(out, TEXT("data"));
	if (session->data.n > 0)
		buffer_add_text(out, session->data);
	else
		buffer_add_byte(out, MSGPACK_FIXMAP); /* Node.js: socket.data is an object */
	put_ours(out, session);
	if (tag == 0)
		return;
	put_text(out, TEXT("seal"));
	msgpack_add(out, MSGPACK_BIN_8, tag, 1);
}

/* ---------------------------------------------------------------- reading */

/* Reads a string of valid UTF-8 without NUL. */
static int
get_text(struct msgpack_input *in, struct text *out)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_STR ||
		!utf8_valid(item.body.at, item.body.n) || memchr(item.body.at, '\0', item.body.n) != NULL)
		return ERROR_SYNTAX;
	*out = item.body;
	return 0;
}

static int
get_number(struct msgpack_input *in, uint64_t *out)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_UINT)
		return ERROR_SYNTAX;
	*out = item.uint;
	return 0;
}

static int
get_bytes(struct msgpack_input *in, struct text *out)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != MSGPACK_KIND_BIN)
		return ERROR_SYNTAX;
	*out = item.body;
	return 0;
}

static int
get_array(struct msgpack_input *in, enum msgpack_kind kind, uint32_t *count)
{
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0 || item.kind != kind)
		return ERROR_SYNTAX;
	*count = item.count;
	return 0;
}

/* Skips a value and returns its bytes. */
static int
get_value(struct msgpack_input *in, struct text *out)
{
	const uint8_t *at = in->at;

	if (msgpack_item_skip(in) <= 0)
		return ERROR_SYNTAX;
	*out = text_of((const char *)at, (size_t)(in->at - at));
	return 0;
}

/* Reads the name of a room. A room of a Node.js server may be a number; its name is then the digits. */
static int
get_room(struct msgpack_input *in, char digits[24], struct text *room)
{
	struct msgpack_input before = *in;
	struct msgpack_item item;

	if (msgpack_item_read(in, &item) <= 0)
		return ERROR_SYNTAX;
	if (item.kind == MSGPACK_KIND_UINT) {
		*room = text_of(digits, (size_t)snprintf(digits, 24, "%" PRIu64, item.uint));
		return 0;
	}
	*in = before;
	return get_text(in, room);
}

static void
add_room(struct buffer *out, struct text room)
{
	uint8_t *at = buffer_room(out, sizeof(uint32_t) + room.n);

	if (at == NULL)
		return;
	(void)sio_recovery_room_write((char *)at, room);
	out->len += sizeof(uint32_t) + room.n;
}

/* Keeps the own room in the list, because `sid` may come after the rooms; cut_own_room() removes it. */
static int
get_rooms(struct msgpack_input *in, struct buffer *rooms, uint32_t *count)
{
	struct text room;
	char digits[24];
	int rc = get_array(in, MSGPACK_KIND_ARRAY, count);

	if (rc == 0 && *count > SIO_STREAM_ROOMS_MAX)
		return ERROR_TOO_MANY;
	for (uint32_t i = 0; rc == 0 && i < *count; i++) {
		rc = get_room(in, digits, &room);
		if (rc == 0)
			add_room(rooms, room);
	}
	return rc;
}

/* Removes the own room and its repetitions from the list. */
static void
cut_own_room(struct sio_stream_session *session, struct buffer *rooms)
{
	char *to = (char *)rooms->data;
	const char *from = to;
	uint32_t count = session->room_count;

	for (uint32_t i = 0; i < count; i++) {
		struct text room = sio_recovery_room_read(&from);

		if (text_is(room, session->sid)) {
			session->own = true;
			session->room_count--;
			continue;
		}
		memmove(to, room.at - sizeof(uint32_t), sizeof(uint32_t) + room.n);
		to += sizeof(uint32_t) + room.n;
	}
	rooms->len = count > 0 ? (size_t)(to - (char *)rooms->data) : 0;
	session->rooms = buffer_text(rooms);
}

static int
get_ours(struct msgpack_input *in, struct sio_stream_session *out)
{
	const struct {
		const char *name;
		uint64_t *number;
	} numbers[] = {{"start", &out->start}, {"last", &out->last}, {"heard", &out->heard}, {"moved", &out->moved},
		{"since", &out->since}, {"lost", &out->lost}};
	unsigned found = 0;
	struct text key;
	uint32_t count;
	int rc = get_array(in, MSGPACK_KIND_MAP, &count);

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		struct text other = TEXT_NONE;
		unsigned n = 0;

		rc = get_text(in, &key);
		while (n < sizeof numbers / sizeof *numbers && !text_is(key, text_from(numbers[n].name)))
			n++;
		if (rc == 0 && n < sizeof numbers / sizeof *numbers) {
			rc = get_number(in, numbers[n].number);
			found |= 1u << n;
		} else if (rc == 0 && text_is(key, TEXT("nsp"))) {
			rc = get_text(in, &out->nsp);
		} else if (rc == 0 && text_is(key, TEXT("owner"))) {
			rc = get_text(in, &out->owner);
		} else if (rc == 0 && text_is(key, TEXT("given"))) {
			rc = get_bytes(in, &out->given);
		} else if (rc == 0) {
			rc = get_value(in, &other); /* a member of a later version */
		}
	}
	if (rc == 0 && (found != (1u << sizeof numbers / sizeof *numbers) - 1 || out->nsp.at == NULL ||
			       out->owner.at == NULL))
		rc = ERROR_SYNTAX;
	out->ours = rc == 0;
	return rc;
}

static int
get_member(struct msgpack_input *in, struct text key, struct buffer *rooms, bool *has_rooms,
	struct sio_stream_session *out)
{
	struct text other;

	if (text_is(key, TEXT("sid")))
		return get_text(in, &out->sid);
	if (text_is(key, TEXT("pid")))
		return get_text(in, &out->pid);
	if (text_is(key, TEXT("data")))
		return get_value(in, &out->data);
	if (text_is(key, TEXT("sockeye")) && !out->ours)
		return get_ours(in, out);
	if (!text_is(key, TEXT("rooms")))
		return get_value(in, &other);
	if (*has_rooms)
		return ERROR_SYNTAX;
	*has_rooms = true;
	return get_rooms(in, rooms, &out->room_count);
}

/* An empty map or nil means that the socket has no data. */
static bool
is_nothing(struct text data)
{
	return data.n == 1 && ((uint8_t)*data.at == MSGPACK_FIXMAP || (uint8_t)*data.at == MSGPACK_NIL);
}

int
sio_stream_session_read(struct text map, size_t seal, struct buffer *rooms, struct sio_stream_session *out)
{
	struct msgpack_input in = {(const uint8_t *)map.at, (const uint8_t *)map.at + map.n};
	bool has_rooms = false;
	struct text key;
	uint32_t count;
	int rc;

	*out = (struct sio_stream_session){0};
	rc = get_array(&in, MSGPACK_KIND_MAP, &count);
	if (rc == 0 && seal > 0 && count > 0) {
		/* the caller has cut off the tag of the last member, so only its head is left */
		static const char tail[] = "\xa4seal\xc4";

		if (map.n < sizeof tail || memcmp(in.end - sizeof tail, tail, sizeof tail - 1) != 0 ||
			in.end[-1] != seal)
			return ERROR_SYNTAX;
		in.end -= sizeof tail;
		count--;
	}
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		rc = get_text(&in, &key);
		if (rc == 0)
			rc = get_member(&in, key, rooms, &has_rooms, out);
	}
	if (rc == 0 && (in.at != in.end || out->sid.n == 0 || out->pid.n == 0 || !has_rooms))
		rc = ERROR_SYNTAX;
	if (rc == 0)
		rc = buffer_error(rooms);
	if (rc < 0)
		return rc;
	if (is_nothing(out->data))
		out->data = TEXT_NONE;
	cut_own_room(out, rooms);
	return 0;
}
