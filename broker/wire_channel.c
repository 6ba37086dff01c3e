/* Names of channels, and random ids of nodes and requests. */
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
channel_add_head(struct buffer *out, struct text key, struct text kind, struct text nsp)
{
	buffer_add_text(out, key);
	buffer_add_text(out, kind);
	buffer_add_byte(out, '#');
	buffer_add_text(out, nsp);
	buffer_add_byte(out, '#');
}

static void
channel_add_part(struct buffer *out, struct text name)
{
	if (name.at == NULL)
		return;
	buffer_add_text(out, name);
	buffer_add_byte(out, '#');
}

void
wire_channel_broadcast(struct buffer *out, struct text key, struct text nsp, struct text room)
{
	channel_add_head(out, key, TEXT(""), nsp);
	channel_add_part(out, room);
}

void
wire_channel_request(struct buffer *out, struct text key, struct text nsp)
{
	channel_add_head(out, key, TEXT("-request"), nsp);
}

void
wire_channel_response(struct buffer *out, struct text key, struct text nsp, struct text uid)
{
	channel_add_head(out, key, TEXT("-response"), nsp);
	channel_add_part(out, uid);
}

void
wire_channel_members(struct buffer *out, struct text key, struct text id)
{
	buffer_add_text(out, key);
	buffer_add_text(out, TEXT("-members#"));
	channel_add_part(out, id);
}

/*
 * The room is everything after the prefix except the final "#", which some emitters leave out. It may contain any
 * character.
 */
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
