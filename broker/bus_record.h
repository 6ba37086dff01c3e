/*
 * Codec for recorded messages: those that a node writes to the log (bus_log.h) and publishes in one step. The codec
 * is pure, and all bytes that it reads are untrusted.
 *
 * A recorded message carries a stamp: "<position>/<kind><sender>/<number>", such as
 * "1732838400000-0/aQ8Y0uvXk3J1b/17". Sender and number name the message, in the log too. The position is the id of
 * an entry in the stream, the newest that the sender knows of. A node that hears the message has heard every message
 * up to this position before, and reads on from there after a gap. Node.js servers ignore the stamp, because it
 * stands where they do not look:
 *
 *   kind   message                          where the stamp stands
 *   a      MessagePack array of 3 (0x93)    its fourth element, a str 8
 *   m      MessagePack map of 3 (0x83)      a fourth pair, "position" and a str 8
 *   j      JSON object                      one more member, "position"
 *   s      sealed (seal.h)                  a str 8 after the tag
 *
 * The stamp of an event that connection state recovery replays also has the number of the event, after the position:
 * "1732838400000-0:9/aQ8Y0uvXk3J1b/17". The events of a sender are numbered without gaps. An event before which some
 * events of its sender were never recorded has "!" in place of ":".
 *
 * Clients choose bytes of messages, so a stamp counts only where no client's bytes can stand: no unstamped message is
 * an array or a map of four, and a JSON object that ends with an argument does not end with a string.
 *
 * An entry of the stream has one field, m. Its value is a sequence of records, which are published in their order:
 *
 *   record = <bytes of the channel> " " <bytes of the message> LF <channel> <message as it is published>
 *
 * An entry with an empty field marks a position.
 */
#ifndef BROKER_BUS_RECORD_H
#define BROKER_BUS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define BUS_POSITION_TEXT_MAX 42 /* two 64-bit numbers, "-" and a NUL */
#define BUS_SENDER_LENGTH 12
#define BUS_STAMP_MAX 120			/* maximum bytes of a stamp */
#define BUS_STAMP_TAIL_MAX (BUS_STAMP_MAX + 16) /* with what precedes and follows it */

/* The id of an entry in a Redis stream. */
struct bus_position {
	uint64_t ms, seq;
};

static inline int
bus_position_compare(struct bus_position a, struct bus_position b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* Returns the length of the text, which ends with a NUL. */
size_t bus_position_write(char out[BUS_POSITION_TEXT_MAX], struct bus_position position);
/* Accepts "<ms>-<seq>" in decimal, without signs and leading zeros. */
bool bus_position_parse(struct text text, struct bus_position *position);

struct bus_stamp {
	struct bus_position position; /* the message comes after it */
	char kind;		      /* a, m, j or s */
	struct text sender;	      /* BUS_SENDER_LENGTH bytes of the message */
	uint64_t number;	      /* > 0; rises with each message of the sender */
	uint64_t event;		      /* number among the events of the sender; 0: it is not a numbered event */
	bool hole;		      /* events before this one were never recorded */
};

/* Returns the kind of a message that is to be recorded, or 0 if it cannot carry a stamp. */
char bus_record_kind(struct text message, bool sealed);

/* A message with its stamp, in parts: the first byte, the message's bytes from 1 to `end`, and the tail. */
struct bus_stamped {
	char first;
	size_t end, tail_n;
	char tail[BUS_STAMP_TAIL_MAX];
};

/* stamp->number > 0. */
void bus_stamp_add(struct text message, const struct bus_stamp *stamp, struct bus_stamped *out);
static inline size_t
bus_stamped_size(const struct bus_stamped *stamped)
{
	return stamped->end + stamped->tail_n;
}

/* Writes what precedes the channel in a record. Returns its length. */
#define BUS_RECORD_HEAD_MAX 44
size_t bus_record_write_head(char out[BUS_RECORD_HEAD_MAX], size_t channel_n, size_t message_n);

/*
 * Finds the stamp of a received message. `sealed`: the nodes seal their messages. Returns false if the message has no
 * stamp. The stamp of a sealed message is cut off; the others stay part of the message.
 */
bool bus_stamp_take(struct text *message, bool sealed, struct bus_stamp *stamp);

/* An entry of the log, as the script that reads it returns it. */
struct bus_log_entry {
	struct bus_position position;
	bool unusable;	     /* not written by a node, or too large */
	struct text records; /* empty: a mark, or unusable */
};

/* The head of the script's answer. */
struct bus_record_head {
	bool found; /* the entry from which the script read is still in the log */
	bool more;  /* the log has more entries after the last one */
};

/* Cuts the head off the answer. Returns 0 or ERROR_SYNTAX. */
int bus_record_read_head(struct text *answer, struct bus_record_head *head);
/* Cuts the next entry off the answer. Returns 1, 0 at the end, or ERROR_SYNTAX. */
int bus_record_next_entry(struct text *answer, struct bus_log_entry *entry);

struct bus_record {
	struct text channel, message; /* the message as it was published, but a seal's stamp is cut */
	struct bus_stamp stamp;
};

/*
 * Cuts the next record off those of an entry. Returns 1, 0 at the end, or ERROR_SYNTAX if no node has written this
 * entry.
 */
int bus_record_next(struct text *records, bool sealed, struct bus_record *record);
/* Returns the number of records of an entry, or ERROR_SYNTAX if there are more than `max` or one is malformed. */
int bus_record_count(struct text records, bool sealed, unsigned max);

#endif
