/*
 * The encoding of the messages between nodes, as one table of functions: the classic protocol (wire.h) or the sharded
 * one (wire_sharded.h). The form of the bus chooses the table (bus_form.h), so the broker does not depend on the
 * choice. The functions are pure.
 */
#ifndef BROKER_WIRE_CODEC_H
#define BROKER_WIRE_CODEC_H

#include "broker/wire.h"

/* The node that writes a message. */
struct wire_from {
	struct text uid, nsp;
	struct text request_id; /* of a question or an answer; TEXT_NONE: a statement */
	struct text node;	/* id of the member, named in answers; empty: it has none */
};

/*
 * Writers append one message and return what wire.h says. `data` is checked JSON whose placeholders refer to
 * `attachments` (NULL: none). Readers are described in wire.h.
 */
struct wire_codec {
	/* requests have a channel of their own, so messages of the kind BUS_BROADCAST are broadcasts only */
	bool requests_apart;
	bool packs_all;	    /* broadcasts are MessagePack even if they have no binary values */
	bool nested;	    /* the fields of an answer stand under the key "data" (wire_list.h) */
	unsigned id_length; /* of the ids of nodes and requests, at most WIRE_ID_LENGTH_MAX */
	void (*make_id)(char *out);

	int (*write_broadcast)(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
		struct text data, const struct attachments *attachments);
	/* the same message; only if wire_copies() */
	int (*write_broadcast_late)(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
		const struct wire_outgoing *event);
	int (*write_broadcast_ack)(struct buffer *out, const struct wire_from *from, const struct wire_target *to,
		struct text data, const struct attachments *attachments, uint64_t timeout_ms);
	/* WIRE_REMOTE_JOIN or WIRE_REMOTE_LEAVE */
	int (*write_rooms)(struct buffer *out, const struct wire_from *from, enum wire_type type,
		const struct wire_target *who, const struct text *rooms, unsigned room_count);
	int (*write_disconnect)(
		struct buffer *out, const struct wire_from *from, const struct wire_target *who, bool close);
	int (*write_fetch)(struct buffer *out, const struct wire_from *from, const struct wire_target *who);
	/*
	 * Ask for the ids of sockets and for the rooms of a namespace. Both are NULL if the protocol can only ask for
	 * whole sockets: the asker then finds the ids and rooms in them.
	 */
	int (*write_sockets)(struct buffer *out, const struct wire_from *from, const struct wire_target *who);
	int (*write_all_rooms)(struct buffer *out, const struct wire_from *from);
	int (*write_server_emit)(struct buffer *out, const struct wire_from *from, struct text data,
		const struct attachments *attachments);

	/* Answers. `answer` TEXT_NONE: undefined. */
	int (*write_sockets_reply)(struct buffer *out, const struct wire_from *from, struct text sockets,
		const struct attachments *attachments);
	/* NULL if no request asks for them */
	int (*write_rooms_reply)(struct buffer *out, const struct wire_from *from, struct text rooms);
	int (*write_done_reply)(struct buffer *out, const struct wire_from *from);
	int (*write_server_emit_reply)(struct buffer *out, const struct wire_from *from, struct text answer,
		const struct attachments *attachments);
	int (*write_count_reply)(struct buffer *out, const struct wire_from *from, uint64_t clients);
	int (*write_ack_reply)(struct buffer *out, const struct wire_from *from, struct text answer,
		const struct attachments *attachments);

	/*
	 * Returns true if the payload is certainly a message of `from`, judged by a few bytes without decoding. If it
	 * returns false, the payload may still be one.
	 */
	bool (*is_from)(struct text payload, const struct wire_from *from);
	/*
	 * For messages of the kind BUS_BROADCAST. The message is a request if its type is not WIRE_BROADCAST or if it
	 * has a request id: some forms send both on one channel.
	 */
	int (*read_broadcast)(struct wire_message *message, struct text payload);
	int (*read_request)(struct wire_message *message, struct text payload);	 /* BUS_REQUEST */
	int (*read_response)(struct wire_message *message, struct text payload); /* both kinds of responses */
};

extern const struct wire_codec wire_classic;

/* Returns true if a broadcast of these values is MessagePack, so that they can be copied. */
static inline bool
wire_copies(const struct wire_codec *codec, const struct msgpack_values *values)
{
	return codec->packs_all || values->bins > 0;
}

#endif
