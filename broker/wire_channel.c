/* Names: of channels, and the random ones of nodes and requests. */
#include "broker/wire.h"
#include "common/base/random.h"

void
wire_make_id(char *out, size_t n)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[random_below(sizeof alphabet - 1)];
}

static void
add_parts(struct buffer *out, struct text key, struct text kind, struct text nsp)
{
	buffer_add_text(out, key);
	buffer_add_text(out, kind);
	buffer_add_byte(out, '#');
	buffer_add_text(out, nsp);
	buffer_add_byte(out, '#');
}

static void
add_last(struct buffer *out, struct text name)
{
	if (name.at == NULL)
		return;
	buffer_add_text(out, name);
	buffer_add_byte(out, '#');
}

void
wire_channel_broadcast(struct buffer *out, struct text key, struct text nsp, struct text room)
{
	add_parts(out, key, TEXT(""), nsp);
	add_last(out, room);
}

void
wire_channel_request(struct buffer *out, struct text key, struct text nsp)
{
	add_parts(out, key, TEXT("-request"), nsp);
}

void
wire_channel_response(struct buffer *out, struct text key, struct text nsp, struct text uid)
{
	add_parts(out, key, TEXT("-response"), nsp);
	add_last(out, uid);
}

/* What is behind the prefix and its "#" is the room, whatever characters it has; some emitters leave the last "#"
 * out. */
bool
wire_channel_room(struct text prefix, struct text channel, struct text *room)
{
	if (!text_starts(channel, prefix))
		return false;
	*room = text_of(channel.at + prefix.n, channel.n - prefix.n);
	if (room->n > 0 && room->at[room->n - 1] == '#')
		room->n--;
	return true;
}
