/*
 * The messages that nodes exchange: those of @socket.io/redis-adapter 8 (classic mode) and @socket.io/redis-emitter
 * 5, as a pure codec. Source: those packages (socketio/socket.io-redis-adapter, lib/index.ts;
 * socket.io-redis-emitter).
 *
 * Channels (K the key, N the namespace, U a uid):
 *   K#N#  K#N#room#           broadcasts          K-request#N#   requests
 *   K-response#N#             responses           K-response#N#U#  responses to U alone
 *
 * Received bytes are hostile. They are MessagePack, or JSON where the first byte is "{"; either way they become one
 * checked JSON text with attachments, and what is read below points into it.
 */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"
#include "common/base/text.h"

#define WIRE_UID_LENGTH 6
#define WIRE_REQUEST_ID_LENGTH 6
#define WIRE_ROOMS_MAX 65536	    /* rooms and excepts of one message */
#define WIRE_PAYLOAD_MAX (64 << 20) /* bytes of one message */

enum wire_type {
	WIRE_SOCKETS = 0,
	WIRE_ALL_ROOMS = 1,
	WIRE_REMOTE_JOIN = 2,
	WIRE_REMOTE_LEAVE = 3,
	WIRE_REMOTE_DISCONNECT = 4,
	WIRE_REMOTE_FETCH = 5,
	WIRE_SERVER_SIDE_EMIT = 6,
	WIRE_BROADCAST = 7,
	WIRE_BROADCAST_CLIENT_COUNT = 8,
	WIRE_BROADCAST_ACK = 9,
	WIRE_TYPE_COUNT
};

enum { WIRE_VOLATILE = 1, WIRE_NO_COMPRESS = 2 };

/*
 * Whom a message is for. Rooms are plain text (no JSON); numbers that came in are written in decimal, names that look
 * like whole numbers go out as both.
 */
struct wire_target {
	const struct text *rooms, *except;
	unsigned room_count, except_count;
	unsigned flags; /* WIRE_VOLATILE... */
};

/* Random characters of the base62 alphabet; not NUL-terminated. */
void wire_make_id(char *out, size_t n);

/* ------------------------------------------------------------- channels */

/* Appends a channel name. `room` TEXT_NONE: without. */
void wire_channel_broadcast(struct buffer *out, struct text key, struct text nsp, struct text room);
void wire_channel_request(struct buffer *out, struct text key, struct text nsp);
void wire_channel_response(
	struct buffer *out, struct text key, struct text nsp, struct text uid); /* TEXT_NONE: shared */

/* The room in a broadcast channel that begins with `prefix` (wire_channel_broadcast() without room); empty for all;
 * false: not such a channel. */
bool wire_channel_room(struct text prefix, struct text channel, struct text *room);

/* ------------------------------------------------------------- outgoing */

/*
 * All append one message. `data` is checked JSON, its placeholders meaning `attachments` (NULL: none). Errors are
 * out's (ERROR_TOO_BIG) or those of json_to_msgpack().
 */

/* [uid, {type:2, data, nsp}, {rooms, except, flags}] as MessagePack; `data` is the array with the event's name in
 * front. */
int wire_write_broadcast(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	struct text data, const struct attachments *attachments);

/* Type 7 as MessagePack. */
int wire_write_broadcast_ack(struct buffer *out, struct text uid, struct text request_id, struct text nsp,
	const struct wire_target *to, struct text data, const struct attachments *attachments);

/* Types 2, 3: JSON. */
int wire_write_rooms(struct buffer *out, enum wire_type type, struct text uid, const struct wire_target *who,
	const struct text *rooms, unsigned room_count);
/* Type 4: JSON. */
int wire_write_disconnect(struct buffer *out, struct text uid, const struct wire_target *who, bool close);
/* Type 5: JSON. */
int wire_write_fetch(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who);
/* Type 0: JSON. Of `who` the rooms alone can be said. */
int wire_write_sockets(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who);
/* Type 1: JSON. */
int wire_write_all_rooms(struct buffer *out, struct text uid, struct text request_id);
/* Type 6, JSON, or MessagePack where there are attachments. `request_id` TEXT_NONE: no answer is wanted. */
int wire_write_server_emit(struct buffer *out, struct text uid, struct text request_id, struct text data,
	const struct attachments *attachments);

/* Responses. */
int wire_write_sockets_reply(struct buffer *out, struct text request_id, struct text sockets /* JSON array */,
	const struct attachments *attachments); /* {requestId,sockets}: to types 0 and 5 */
int wire_write_rooms_reply(struct buffer *out, struct text request_id, struct text rooms /* JSON array */);
int wire_write_done_reply(struct buffer *out, struct text request_id); /* {requestId}: the legacy forms of 2, 3, 4 */
int wire_write_server_emit_reply(struct buffer *out, struct text request_id,
	struct text data /* TEXT_NONE: undefined, key left out */, const struct attachments *attachments);
int wire_write_count_reply(struct buffer *out, struct text request_id, uint64_t clients); /* type 8, JSON */
int wire_write_ack_reply(struct buffer *out, struct text request_id, struct text packet /* TEXT_NONE: nil */,
	const struct attachments *attachments); /* type 9, MessagePack */

/* ------------------------------------------------------------- incoming */

/* True if the payload surely is a broadcast of `uid` itself: looked at without decoding. */
bool wire_is_from(struct text payload, struct text uid);

/* What a message was decoded into; kept by the receiver and used for one message after the other. */
struct wire_message {
	struct buffer json;		/* the whole message */
	struct attachments attachments; /* of all of it */
	struct buffer names;		/* bytes of rooms that had to be unescaped */
	struct text *rooms;		/* both lists of the target, and the rooms to join or leave */
	unsigned rooms_size;

	/* broadcasts and requests */
	struct text uid;     /* plain text; may be empty */
	enum wire_type type; /* WIRE_BROADCAST for one that wants acknowledgements too */
	bool has_request_id;
	struct text request_id; /* plain text */
	bool has_target;	/* opts was there; else the legacy form with `sid` */
	struct wire_target target;
	struct text nsp; /* of the packet; "/" when absent */
	struct text
		data; /* JSON: the event array of a broadcast or server emit; its placeholders mean `attachments` */
	unsigned data_count;	     /* its elements */
	struct text sid;	     /* legacy forms, plain text */
	const struct text *names_to; /* rooms to join or leave; legacy: the one room; type 0: the rooms asked for */
	unsigned names_to_count;
	bool close;

	/* responses (type is WIRE_BROADCAST_CLIENT_COUNT, WIRE_BROADCAST_ACK, WIRE_SERVER_SIDE_EMIT, or
	 * WIRE_TYPE_COUNT when none is said) */
	struct text sockets;   /* JSON array, TEXT_NONE when absent or no array */
	struct text all_rooms; /* the same */
	struct text
		answer; /* JSON: `data` of a server emit's, `packet` of an acknowledgement; TEXT_NONE when absent */
	uint64_t clients;
};
void wire_message_init(struct wire_message *m);
void wire_message_fini(struct wire_message *m);

/*
 * Decode one message; 0, or ERROR_SYNTAX, ERROR_TOO_DEEP, ERROR_TOO_BIG, ERROR_TOO_MANY, ERROR_UTF8,
 * ERROR_UNSUPPORTED (a type that is not known). Strict about every field that is used, indifferent to others. What
 * `m` held before is gone. Texts are good until the next call. The event name of a broadcast must be a string that is
 * not reserved, or a number: the caller checks with its own rules; here it is only "a non-empty array".
 */
int wire_read_broadcast(struct wire_message *m, struct text payload);
int wire_read_request(struct wire_message *m, struct text payload);
int wire_read_response(struct wire_message *m, struct text payload);

#endif
