/*
 * Reads one message from another node: the steps that the codecs of all forms share (wire_read.c,
 * wire_sharded_read.c).
 *
 * All functions that return int return 0 or an error, as wire_read_broadcast() does.
 */
#ifndef BROKER_WIRE_READING_H
#define BROKER_WIRE_READING_H

#include "broker/wire.h"
#include "common/base/json.h"

/*
 * A list of names. The lists of one message follow one another in message->rooms, which may move until all lists are
 * read.
 */
struct wire_names {
	unsigned from, count;
	unsigned listed; /* entries read, repetitions included */
};

struct wire_reading {
	struct wire_message *message;
	unsigned used; /* entries used in message->rooms */
	struct wire_names rooms, except, others;
	struct text packet, opts;
	bool has_type;
};

static inline bool
wire_is_null(struct text value)
{
	return json_type(value) == JSON_NULL;
}

/* Empties the message and converts the payload to one JSON text in message->json, without surrounding white space. */
int wire_reading_begin(struct wire_message *message, struct text payload, struct text *json);
/*
 * The same for a broadcast, [uid, packet, opts], whose event can stay MessagePack: sets message->event and omits it
 * from the text. Returns false if the message is not such a broadcast; then wire_reading_begin() reads it.
 */
bool wire_reading_begin_late(struct wire_message *message, struct text payload, struct text *json);
/* The same for a sharded broadcast without acknowledgements, {type, data: {packet, opts}, uid, nsp}. */
bool wire_reading_begin_late_sharded(struct wire_message *message, struct text payload, struct text *json);
/* Empties the message. */
void wire_reading_reset(struct wire_message *message);
/* Called when all lists are read and message->rooms no longer moves: sets the pointers into it. */
void wire_reading_finish(struct wire_reading *reading);

/* Returns a string as plain text, or a number as it is written. */
int wire_reading_plain(struct wire_message *message, struct text value, struct text *out);
/* Reads one name and adds it to `to`. */
int wire_reading_name(struct wire_reading *reading, struct wire_names *to, struct text value);
/* Reads an array of names. null and {} count as an empty array. */
int wire_reading_names(struct wire_reading *reading, struct wire_names *to, struct text value);
/* Reads reading->opts: the target and its flags. */
int wire_reading_opts(struct wire_reading *reading);
/* Reads an event array: the event's name and its arguments. */
int wire_reading_event(struct wire_message *message, struct text value);
/*
 * Reads reading->packet, the packet {type, data, nsp} of a broadcast. Its type is EVENT (2); only old emitters send
 * BINARY_EVENT (5).
 */
int wire_reading_packet(struct wire_reading *reading);
/* Reads the uid of a node that may want an answer; null counts as none. */
int wire_reading_uid(struct wire_message *message, struct text value);
/* Reads a request id; null counts as none. */
int wire_reading_id(struct wire_message *message, struct text value);
/* Returns the id of a member, which has no escapes; TEXT_NONE for anything else. */
struct text wire_reading_node(struct text value);
/* Reads an integer from 0 to `max`. */
int wire_reading_number(struct text value, uint64_t max, uint64_t *out);

#endif
