/*
 * The payload of a message: its sender, its sequence number and when it was due, as hexadecimal fields of fixed
 * length before the padding. A receiver needs no table to judge a message. Plain ASCII, so it is valid as a JSON
 * string and as an attachment.
 */
#ifndef TESTS_LOAD_MESSAGE_H
#define TESTS_LOAD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_SIZE_MIN 48
#define MESSAGE_SIZE_MAX (16 * 1024 * 1024)

struct message {
	uint32_t run;	   /* tells the messages of this run from other runs on the same server */
	uint32_t sender;   /* 0, 1, ... over all processes */
	uint32_t sequence; /* 0, 1, ... for this sender */
	uint64_t due;	   /* ns, CLOCK_MONOTONIC: when it was due */
};

/* Writes the fields. The caller fills the bytes from MESSAGE_SIZE_MIN on. */
void message_write(const struct message *m, uint8_t out[MESSAGE_SIZE_MIN]);
/* Finds a message of this run in an event's JSON text or in an attachment; NULL if there is none. */
const uint8_t *message_find(const uint8_t *bytes, size_t n, uint32_t run);
/* Parses a message; false if the bytes are not one. */
bool message_read(struct message *out, const uint8_t *bytes, size_t n);

#endif
