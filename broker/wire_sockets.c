#include "broker/wire_sockets.h"

#include "common/base/json.h"

static void
sockets_add(struct buffer *out, size_t begin, struct text value)
{
	if (value.at == NULL || json_type(value) != JSON_STRING)
		return;
	if (out->len > begin)
		buffer_add_byte(out, ',');
	buffer_add_text(out, value);
}

void
wire_sockets_ids(struct text sockets, struct buffer *out)
{
	struct text socket;
	size_t begin;

	buffer_add_byte(out, '[');
	begin = out->len;
	while (json_array_next(&sockets, &socket)) {
		if (json_type(socket) == JSON_OBJECT)
			sockets_add(out, begin, json_object_get(socket, TEXT("id")));
	}
	buffer_add_byte(out, ']');
}

void
wire_sockets_rooms(struct text sockets, struct buffer *out)
{
	struct text socket, rooms, room;
	size_t begin;

	buffer_add_byte(out, '[');
	begin = out->len;
	while (json_array_next(&sockets, &socket)) {
		rooms = json_type(socket) == JSON_OBJECT ? json_object_get(socket, TEXT("rooms")) : TEXT_NONE;
		if (rooms.at == NULL || json_type(rooms) != JSON_ARRAY)
			continue;
		while (json_array_next(&rooms, &room))
			sockets_add(out, begin, room);
	}
	buffer_add_byte(out, ']');
}
