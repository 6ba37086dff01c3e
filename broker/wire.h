/*
 * Codec for the messages that nodes exchange: those of @socket.io/redis-adapter 8 (classic mode) and
 * @socket.io/redis-emitter 5. Source: those packages (socketio/socket.io-redis-adapter, lib/index.ts;
 * socket.io-redis-emitter). The codec is pure.
 *
 * Channels (K the key, N the namespace, U a uid):
 *   K#N#  K#N#room#           broadcasts          K-request#N#   requests
 *   K-response#N#             responses           K-response#N#U#  responses to U alone
 *
 * Received bytes are untrusted. They are JSON if the first byte is "{" and MessagePack otherwise. Both are converted
 * to one checked JSON text with attachments, and the fields of struct wire_message point into that text.
 */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/json_msgpack.h"
#include "common/base/msgpack_plain.h"
#include "common/base/text.h"

#define WIRE_UID_LENGTH 6
#define WIRE_ID_LENGTH_MAX 16	    /* maximum length of the uids and request ids that this node makes */
#define WIRE_ID_MAX 128		    /* maximum bytes of a request id of another node, or of its uid to answer to */
#define WIRE_ROOMS_MAX 65536	    /* rooms and excluded rooms of one message */
#define WIRE_PAYLOAD_MAX (64 << 20) /* maximum bytes of one message */

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
 * The mark of an event that is in the history of a room: which process has stored it, and a number that grows. It
 * travels as the flag "history", which only Sockeye reads. origin 0: the event has none.
 */
struct wire_mark {
	uint64_t origin, number;
};
#define WIRE_MARK_MAX 33 /* bytes of a mark as text, with a NUL */
/* Writes a mark as text. Returns its length. */
size_t wire_mark_write(struct wire_mark mark, char out[WIRE_MARK_MAX]);
/* Reads a mark. For a text that is not a mark, the result has origin 0. */
struct wire_mark wire_mark_read(struct text text);

/*
 * The sockets that a message is for. Room names are plain text, not JSON. A room that arrives as a number is
 * converted to decimal text. A name that looks like a whole number is sent both as a string and as a number.
 */
struct wire_target {
	const struct text *rooms, *except;
	unsigned room_count, except_count;
	unsigned flags; /* WIRE_VOLATILE, WIRE_NO_COMPRESS */
	struct wire_mark mark;
};

/* Writes `n` random base62 characters without a NUL. */
void wire_make_id(char *out, size_t n);

/* ------------------------------------------------------------- channels */

/* Append a channel name. With `room` TEXT_NONE, the broadcast channel is that of the whole namespace. */
void wire_channel_broadcast(struct buffer *out, struct text key, struct text nsp, struct text room);
void wire_channel_request(struct buffer *out, struct text key, struct text nsp);
/* `uid` TEXT_NONE: the channel that all nodes receive */
void wire_channel_response(struct buffer *out, struct text key, struct text nsp, struct text uid);

/* The channel for heartbeats (beat.h), K-members#, or K-members#id# for one node. Only Sockeye uses these. */
void wire_channel_members(struct buffer *out, struct text key, struct text id);

/*
 * Extracts the room from a broadcast channel. `prefix` is the namespace's channel (wire_channel_broadcast() without a
 * room). `room` is empty for the namespace's own channel. Returns false if the channel does not begin with the
 * prefix.
 */
bool wire_channel_room(struct text prefix, struct text channel, struct text *room);

/* ------------------------------------------------------------- outgoing */

/*
 * Each appends one message. `data` is checked JSON whose placeholders refer to `attachments` (NULL: none). Returns 0,
 * the error of `out` (such as ERROR_TOO_BIG) or an error of json_to_msgpack().
 */

/*
 * [uid, {type:2, data, nsp}, {rooms, except, flags}] as MessagePack. `data` is the event array, which begins with the
 * event's name.
 */
int wire_write_broadcast(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	struct text data, const struct attachments *attachments);

/* An event whose values are still MessagePack: the name, decoded, and the plain values after it. */
struct wire_outgoing {
	struct text name;
	struct msgpack_values values;
};

/* The same message as wire_write_broadcast(), into which the values are copied. */
int wire_write_broadcast_late(struct buffer *out, struct text uid, struct text nsp, const struct wire_target *to,
	const struct wire_outgoing *event);

/* Type 7, MessagePack. */
int wire_write_broadcast_ack(struct buffer *out, struct text uid, struct text request_id, struct text nsp,
	const struct wire_target *to, struct text data, const struct attachments *attachments);

/* Types 2 and 3, JSON. */
int wire_write_rooms(struct buffer *out, enum wire_type type, struct text uid, const struct wire_target *who,
	const struct text *rooms, unsigned room_count);
/* Type 4, JSON. */
int wire_write_disconnect(struct buffer *out, struct text uid, const struct wire_target *who, bool close);
/* Type 5, JSON. */
int wire_write_fetch(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who);
/* Type 0, JSON. Of `who` only the rooms are sent. */
int wire_write_sockets(struct buffer *out, struct text uid, struct text request_id, const struct wire_target *who);
/* Type 1, JSON. */
int wire_write_all_rooms(struct buffer *out, struct text uid, struct text request_id);
/* Type 6, JSON, or MessagePack if there are attachments. `request_id` TEXT_NONE: no answer is wanted. */
int wire_write_server_emit(struct buffer *out, struct text uid, struct text request_id, struct text data,
	const struct attachments *attachments);

/* Responses. `node` is the id of the answering member (beat.h), which Node.js servers ignore; TEXT_NONE: none. */
int wire_write_sockets_reply(struct buffer *out, struct text request_id, struct text node,
	struct text sockets /* JSON array */,
	const struct attachments *attachments); /* {requestId,sockets}: to types 0 and 5 */
int wire_write_rooms_reply(
	struct buffer *out, struct text request_id, struct text node, struct text rooms /* JSON array */);
/* {requestId}: answers the legacy forms of types 2, 3 and 4 */
int wire_write_done_reply(struct buffer *out, struct text request_id, struct text node);
int wire_write_server_emit_reply(struct buffer *out, struct text request_id, struct text node,
	struct text data /* TEXT_NONE: undefined, key left out */, const struct attachments *attachments);
int wire_write_count_reply(
	struct buffer *out, struct text request_id, struct text node, uint64_t clients); /* type 8, JSON */
int wire_write_ack_reply(struct buffer *out, struct text request_id, struct text node,
	struct text packet /* TEXT_NONE: nil */, const struct attachments *attachments); /* type 9, MessagePack */

/* ------------------------------------------------------------- incoming */

/* Returns true if the payload is certainly a broadcast of `uid`, judged by its first bytes without decoding. */
bool wire_is_from(struct text payload, struct text uid);

/* An event array that is still MessagePack: plain values, of which the first is a string without NUL. */
struct wire_event {
	struct text array; /* all its bytes */
	struct msgpack_values values;
};

/* A decoded message. The receiver keeps one and reuses it for each message. */
struct wire_message {
	struct buffer json;		/* the whole message as JSON */
	struct attachments attachments; /* attachments of the whole message */
	struct buffer names;		/* names that contained escapes, decoded */
	struct text *rooms;		/* storage for all lists of names in the message */
	unsigned rooms_size;

	/* fields of broadcasts and requests */
	struct text uid;     /* plain text; may be empty */
	enum wire_type type; /* WIRE_BROADCAST also for a broadcast with acknowledgements */
	bool has_request_id;
	bool has_packet_id;	/* the event is for one client, which is to answer it: see sio_stream.h */
	struct text request_id; /* plain text */
	bool has_target;	/* opts was present; otherwise the legacy form with `sid` */
	struct wire_target target;
	unsigned rooms_listed; /* entries of the list of rooms, of which `target` may have fewer: see struct
				  wire_target */
	struct text nsp;       /* the packet's namespace; "/" by default */
	/* JSON: the event array of a broadcast or server emit; its placeholders refer to `attachments` */
	struct text data;
	unsigned data_count; /* number of elements */
	/* wire_read_broadcast_late(): the event array, instead of `data`; array.at NULL: there is only `data` */
	struct wire_event event;
	struct text sid; /* the socket of a legacy form, plain text */
	/* rooms to join or leave (one in a legacy form); of type 0, the rooms asked for */
	const struct text *listed_rooms;
	unsigned listed_room_count;
	bool close;

	/*
	 * fields of responses; type is WIRE_BROADCAST_CLIENT_COUNT, WIRE_BROADCAST_ACK or WIRE_SERVER_SIDE_EMIT, or
	 * WIRE_TYPE_COUNT if the response has no type
	 */
	struct text sockets;   /* JSON array; TEXT_NONE if absent or not an array */
	struct text all_rooms; /* JSON array; TEXT_NONE if absent or not an array */
	/* JSON: `data` of a server emit's answer, `packet` of an acknowledgement; TEXT_NONE if absent */
	struct text answer;
	uint64_t clients;
	struct text node; /* plain text: the id of the answering member; empty if it does not name itself */
};
void wire_message_init(struct wire_message *message);
void wire_message_fini(struct wire_message *message);

/*
 * Each decodes one message and replaces the contents of `message`. Returns 0, ERROR_SYNTAX, ERROR_TOO_DEEP,
 * ERROR_TOO_BIG, ERROR_TOO_MANY, ERROR_UTF8, ERROR_MEMORY, or ERROR_UNSUPPORTED for an unknown type. Fields that are
 * used are checked strictly; other fields are ignored. Texts are valid until the next call. The event array is only
 * checked to be a non-empty array: the caller checks that the event's name is a number or a string that is not
 * reserved.
 */
int wire_read_broadcast(struct wire_message *message, struct text payload);
/*
 * The same, but the event is set as message->event, which points into the payload, if it can be passed on as it is
 * and has at most MSGPACK_ATTACHMENTS_MAX binary values.
 */
int wire_read_broadcast_late(struct wire_message *message, struct text payload);
int wire_read_request(struct wire_message *message, struct text payload);
int wire_read_response(struct wire_message *message, struct text payload);

#endif
