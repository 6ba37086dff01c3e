/*
 * The payload of a message: who sent it, which one it is and when it was due, as fixed hexadecimal fields in front of
 * padding, so that a receiver needs no table to judge it. Plain ASCII: good as a JSON string and as an attachment.
 */
#ifndef TESTS_LOAD_MESSAGE_H
#define TESTS_LOAD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_SIZE_MIN 48
#define MESSAGE_SIZE_MAX (16 * 1024 * 1024)

struct message {
	uint32_t run;	   /* tells messages of one run from those of another on the same server */
	uint32_t sender;   /* 0, 1, ... over all processes */
	uint32_t sequence; /* 0, 1, ... of this sender */
	uint64_t due;	   /* ns, CLOCK_MONOTONIC: when it was to be sent */
};

/* Writes the fields; the bytes from MESSAGE_SIZE_MIN on are the caller's. */
void message_write(const struct message *m, uint8_t out[MESSAGE_SIZE_MIN]);
/* Where a message of this run begins in an event's JSON text or in an attachment; NULL. */
const uint8_t *message_find(const uint8_t *bytes, size_t n, uint32_t run);
/* False for bytes that are no message. */
bool message_read(struct message *out, const uint8_t *bytes, size_t n);

#endif
