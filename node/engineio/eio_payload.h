/*
 * Packets and long-polling payloads, Engine.IO protocol v4, "Packet encoding". A packet is a type digit and a text. A
 * binary message is "b" and base64. A payload is a list of packets separated by \x1e. Pure code.
 *
 * This file and eio_message.c depend on each other: a payload is made of messages, and a message begins with a packet
 * type.
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

#define EIO_PACKET_BASE64 'b' /* replaces the digit of a binary message */
#define EIO_SEPARATOR 0x1e

struct eio_packet {
	enum eio_packet_type type;
	bool binary;   /* a binary message */
	uint8_t *data; /* without the type; points into the input */
	size_t n;
};

/*
 * Parses one packet. Base64 is decoded in place. Returns 0, or ERROR_SYNTAX: empty, unknown type, or malformed
 * base64.
 */
int eio_packet_parse(uint8_t *bytes, size_t n, struct eio_packet *out);

/* An iteration over a payload. The bytes are borrowed and modified. */
struct eio_payload {
	uint8_t *at, *end;
	bool more;
};
void eio_payload_init(struct eio_payload *payload, uint8_t *bytes, size_t n);

/*
 * Parses the next packet and returns 1. Returns 0 at the end. ERROR_SYNTAX ends the iteration. An empty payload is
 * malformed.
 */
int eio_payload_next(struct eio_payload *payload, struct eio_packet *out);

/* Returns the length of one message in a payload, without its separator; nothing is encoded. */
size_t eio_payload_message_size(const struct eio_message *message);

/* Encodes at least one message as one payload, and returns the block with it. Returns NULL if memory runs out. */
struct block *eio_payload_encode(struct eio_message *const *messages, unsigned n);

#endif
