/*
 * Packets and long-polling payloads of Engine.IO protocol v3 ("Packet encoding" and "Payload encoding"). Pure code.
 *
 * A text payload is a list of "<length>:<packet>". The length counts UTF-16 code units, as JavaScript does. A binary
 * message is the packet "b4" and base64. A binary payload is a list of
 *
 *   kind (0 text, 1 binary), the decimal digits of the length as bytes 0 to 9, 0xff, packet
 *
 * Here the length counts bytes, and a binary message begins with the byte 4.
 */
#ifndef NODE_ENGINEIO_EIO_PAYLOAD_V3_H
#define NODE_ENGINEIO_EIO_PAYLOAD_V3_H

#include "node/engineio/eio_payload.h"

/* As eio_packet_parse(). Base64 is accepted for messages only. */
int eio_packet_v3_parse(uint8_t *bytes, size_t n, struct eio_packet *out);

/* Parses a binary packet: the byte 4 and a message. Returns 0 or ERROR_SYNTAX. */
int eio_packet_v3_parse_binary(uint8_t *bytes, size_t n, struct eio_packet *out);

/*
 * As eio_payload_next(), for a text payload. The payload is valid UTF-8. A length must be the shortest decimal that
 * is not 0, and must not end between two surrogates.
 */
int eio_payload_v3_next(struct eio_payload *payload, struct eio_packet *out);

/* As eio_payload_v3_next(), for a binary payload. Text that is not valid UTF-8 is ERROR_UTF8. May be empty. */
int eio_payload_v3_next_binary(struct eio_payload *payload, struct eio_packet *out);

/*
 * Encodes at least one message as one payload. It is a text payload unless `binary` is true on entry (the client can
 * receive binary) and one of the messages is binary; `binary` is then true on return. Returns NULL if memory runs
 * out.
 */
struct block *eio_payload_v3_encode(struct eio_message *const *messages, unsigned n, bool *binary);

#endif
