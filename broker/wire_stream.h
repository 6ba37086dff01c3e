/*
 * Codec for the entries of the Redis streams that nodes share, as @socket.io/redis-streams-adapter 0.3 and
 * @socket.io/redis-streams-emitter 0.1 write and read them (socketio/socket.io-redis-streams-adapter,
 * lib/adapter.ts). The codec is pure.
 *
 *   XADD <stream> MAXLEN ~ <n> * uid <uid> nsp <namespace> type <decimal> data <JSON, or MessagePack as Base64>
 *
 * `data` begins with "{" if it is JSON; a message without data has no such field. The four fields are the parts of a
 * message {type, data, uid, nsp} of the cluster adapter (socketio/socket.io-adapter, lib/cluster-adapter.ts), which
 * is what the broker writes and reads. A sealed message (seal.h) has one more field, `seal`, with the tag as Base64.
 *
 * The last field numbers the entries of a node, so that readers recognize one that is added twice
 * (streams_repeats.h). Its name is `number` for an event that its node delivers when it reads it back
 * (bus_stream_store.h), and `order` for all others. Node.js servers ignore these fields.
 *
 * Received bytes are untrusted.
 */
#ifndef BROKER_WIRE_STREAM_H
#define BROKER_WIRE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/wire_codec.h"

#define WIRE_STREAM_COUNT_MAX 64	 /* maximum streams of a cluster (streamCount) */
#define WIRE_STREAM_ENTRY_MAX (96 << 20) /* maximum bytes of one entry: a message of 64 MB as Base64 */
#define WIRE_STREAM_FIELDS_MAX 64	 /* maximum fields of one entry */
#define WIRE_STREAM_NAMES_MAX (2 * WIRE_STREAM_COUNT_MAX) /* at least wire_stream_numbers(WIRE_STREAM_COUNT_MAX) */

/* --------------------------------------------------------------------- ids */

/* The id of an entry: <milliseconds>-<sequence>. */
struct wire_stream_id {
	uint64_t ms, seq;
};
#define WIRE_STREAM_ID_SIZE 42 /* bytes of the longest id and its NUL */

/* Returns 0 or ERROR_SYNTAX. */
int wire_stream_id_parse(struct text text, struct wire_stream_id *out);
/* Returns the length without the NUL. */
size_t wire_stream_id_write(struct wire_stream_id id, char out[WIRE_STREAM_ID_SIZE]);
/* Returns the id that follows directly, for ranges: servers older than 6.2 know no exclusive ranges. */
struct wire_stream_id wire_stream_id_next(struct wire_stream_id id);
/* Returns a negative number, 0 or a positive number, as memcmp() does. */
int wire_stream_id_compare(struct wire_stream_id a, struct wire_stream_id b);
static inline bool
wire_stream_id_is_zero(struct wire_stream_id id)
{
	return id.ms == 0 && id.seq == 0;
}

/* ------------------------------------------------------------------- names */

/* Returns the hash of java.lang.String.hashCode(), over the UTF-16 code units of a UTF-8 text. */
int32_t wire_stream_hash(struct text name);

/*
 * The number of the stream that a namespace uses: hash % count, which Node.js computes without an absolute value. The
 * result is therefore negative for about half of the namespaces. No Node.js server reads a stream with a negative
 * number.
 */
int wire_stream_number(struct text nsp, unsigned count);
/* Appends "<base>" if `count` is 1, otherwise "<base>-<number>". */
void wire_stream_name(struct buffer *out, struct text base, unsigned count, int number);
/* Returns the number of different streams: 2 * count - 1. */
unsigned wire_stream_numbers(unsigned count);
/* Convert between the number of a stream and its index, which is below wire_stream_numbers(). */
int wire_stream_number_at(unsigned count, unsigned index);
unsigned wire_stream_index_of(unsigned count, int number);

/* ----------------------------------------------------------------- entries */

/* An entry as a server returns it. Texts point into the parsed bytes; TEXT_NONE: the field is absent. */
struct wire_stream_entry {
	struct wire_stream_id id;
	struct text id_text;
	struct text uid, nsp, type, data, seal, number, order;
	struct text fields; /* all fields in RESP, the same bytes as in the XADD command */
};

/*
 * Parses the entry at the start of `in`: *2 $<id> *<2k> <k names and values>. Returns the bytes it takes (> 0), 0 if
 * more bytes are needed, ERROR_SYNTAX, or ERROR_TOO_BIG for an entry of more than WIRE_STREAM_ENTRY_MAX bytes or
 * WIRE_STREAM_FIELDS_MAX fields; out->id is then valid. A malformed id is a syntax error.
 */
int64_t wire_stream_entry_parse(struct text in, struct wire_stream_entry *out);

/* Returns the number that the node of the entry has given it, or 0 if the node does not number its entries. */
uint64_t wire_stream_entry_number(const struct wire_stream_entry *entry);

/* The number of an entry that is added. */
struct wire_stream_order {
	uint64_t number; /* 0: none */
	bool awaited;	 /* its node delivers the event when it reads it back */
};

/*
 * Appends the command that adds a message to a stream. `message` is what the broker wrote for this `uid` and `nsp`,
 * and `tag` bytes of seal follow it. Sets *fields to the offset of the fields in `out`. Returns 0, ERROR_SYNTAX if
 * the message has another form, or the error of `out`.
 */
int wire_stream_add(struct buffer *out, struct text stream, uint64_t max_len, struct text message, struct text uid,
	struct text nsp, size_t tag, struct wire_stream_order order, size_t *fields);

/*
 * Appends the message of an entry, with its seal if the entry has one. Returns 0, ERROR_SYNTAX if a field is missing
 * or malformed, or the error of `out`.
 */
int wire_stream_message(struct buffer *out, const struct wire_stream_entry *entry);

/* Returns the type of a message that the broker wrote, or -1 if the message has another form. */
int wire_stream_type(struct text message);
/* Returns true for the types of requests that go to a stream: join, leave and disconnect. */
bool wire_stream_type_is_kept(int type);

/* wire_stream_codec.c: how the broker writes and reads the messages. */
extern const struct wire_codec wire_stream_codec;

#endif
