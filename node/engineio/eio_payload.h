/*
 * Packets and long-polling payloads, Engine.IO protocol v4, "Packet encoding": a packet is a type digit and text; a
 * binary message is "b" and base64; a payload is packets separated by \x1e. Pure code.
 *
 * eio_message.c and this file go in a circle: a payload is made of messages, and these begin with the types that
 * are declared here.
 */
#ifndef NODE_ENGINEIO_EIO_PAYLOAD_H
#define NODE_ENGINEIO_EIO_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/engineio/eio_message.h"

enum eio_packet_type {
	EIO_PACKET_OPEN = '0',
	EIO_PACKET_CLOSE = '1',
	EIO_PACKET_PING = '2',
	EIO_PACKET_PONG = '3',
	EIO_PACKET_MESSAGE = '4',
	EIO_PACKET_UPGRADE = '5',
	EIO_PACKET_NOOP = '6',
};

#define EIO_PACKET_BASE64 'b' /* in place of the digit: a binary message */
#define EIO_SEPARATOR 0x1e

struct eio_packet {
	enum eio_packet_type type;
	bool binary;   /* a message of bytes */
	uint8_t *data; /* without type; within the input */
	size_t n;
};

/* Reads one packet; base64 is decoded where it lies. 0, or ERROR_SYNTAX (empty, unknown type, bad base64). */
int eio_packet_parse(uint8_t *bytes, size_t n, struct eio_packet *out);

/* A walk over a payload; the bytes are borrowed and changed. */
struct eio_payload {
	uint8_t *at, *end;
	bool more;
};
void eio_payload_init(struct eio_payload *p, uint8_t *bytes, size_t n);

/* The next packet: 1; 0 at the end; ERROR_SYNTAX, after which the walk is over. An empty payload is malformed. */
int eio_payload_next(struct eio_payload *p, struct eio_packet *out);

/* Length of one message in a payload, without its separator; computed, not encoded. */
size_t eio_payload_message_size(const struct eio_message *m);

/* Writes the messages as one payload: a block that ends with it. `n` is at least 1. NULL: no memory for it. */
struct block *eio_payload_encode(struct eio_message *const *messages, unsigned n);

#endif
