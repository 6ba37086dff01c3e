/*
 * Codec for recorded messages: those that a node writes to the log (bus_log.h) and publishes in one step. The codec
 * is pure, and all bytes that it reads are untrusted.
 *
 * The server adds a stamp to each message when it is recorded: "<position>/<kind><sender>/<number>", such as
 * "1732838400000-0/aQ8Y0uvXk3J1b/17". The position is the id of the entry in the stream; sender and number identify
 * the message. Node.js servers ignore the stamp, because it stands where they do not look:
 *
 *   kind   message                          where the stamp stands
 *   a      MessagePack array of 3 (0x93)    its fourth element, a str 8
 *   m      MessagePack map (fixmap)         one more pair, "position" and a str 8
 *   j      JSON object                      one more member, "position"
 *   s      sealed (seal.h)                  a str 8 behind the tag
 *
 * A sender passes a message to the server without the bytes that change: the first byte of a and m counts the stamp
 * already, and j lacks its last brace. The scripts (bus_log_scripts.c) complete the message.
 */
#ifndef BROKER_BUS_RECORD_H
#define BROKER_BUS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define BUS_POSITION_TEXT_MAX 42 /* two 64-bit numbers, "-" and a NUL */
#define BUS_SENDER_LENGTH 12
#define BUS_STAMP_MAX 96 /* maximum bytes of a stamp */

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
	struct bus_position position;
	char kind;	    /* a, m, j or s */
	struct text sender; /* BUS_SENDER_LENGTH bytes of the message */
	uint64_t number;    /* > 0; rises with each message of the sender */
};

/* Returns the kind of a message that is to be recorded, or 0 if it cannot carry a stamp. */
char bus_record_kind(struct text message, bool sealed);
/*
 * Splits a message of that kind for the server: `*first` replaces the first byte, and the bytes from 1 to the result
 * follow.
 */
size_t bus_record_split(struct text message, char kind, char *first);

/*
 * Writes the part of the stamp that the sender knows, "<kind><sender>/<number>". Returns its length.
 */
size_t bus_stamp_write(char out[BUS_STAMP_MAX], char kind, const char sender[BUS_SENDER_LENGTH], uint64_t number);

/*
 * Finds the stamp of a received message. Returns false if the message has none. The stamp of a sealed message is cut
 * off; the others stay part of the message.
 */
bool bus_stamp_take(struct text *message, struct bus_stamp *stamp);

/* An entry of the log, as the script that reads it returns it. */
struct bus_record {
	struct bus_position position;
	/* RECORD_MARK: an entry without a message; RECORD_UNUSABLE: not written by a node, or too large */
	enum bus_record_state { RECORD_MESSAGE, RECORD_MARK, RECORD_UNUSABLE } state;
	struct text channel, message; /* RECORD_MESSAGE: the message as it was published, but a seal's stamp is cut */
	struct bus_stamp stamp;
};

/* The head of the script's answer. */
struct bus_record_head {
	bool found; /* the entry from which the script read is still in the log */
	bool more;  /* the log goes on behind the last record */
};

/* Cuts the head off the answer. Returns 0 or ERROR_SYNTAX. */
int bus_record_read_head(struct text *answer, struct bus_record_head *head);
/* Cuts the next record off the answer. Returns 1, 0 at the end, or ERROR_SYNTAX. */
int bus_record_next(struct text *answer, struct bus_record *record);

#endif
