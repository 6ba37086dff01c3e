/*
 * The receiving side of a WebSocket, independent of the connection: bytes in, events out, one at a time. It
 * implements the rules of RFC 6455 sections 5 to 8 and of RFC 7692 for received frames.
 *
 * The reader owns memory only while a message is partial. Payload is unmasked in place. A message that is complete in
 * one piece of input is returned as a pointer into that input.
 */
#ifndef NODE_WS_WS_READER_H
#define NODE_WS_WS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/ws/ws_tables.h"
#include "node/ws/ws_frame.h"

struct ws_options;
struct ws_deflate;
struct ws_partial;

struct ws_reader {
	const struct ws_options *options; /* borrowed; the reader uses max_message and max_fragments */
	struct ws_deflate *deflate;	  /* borrowed; NULL: RSV1 is an error */
	struct ws_partial *partial;	  /* the partial message; NULL between messages */
	uint64_t inflated;    /* bytes inflated, plus other work of the inflater in bytes; the caller may reset it */
	uint32_t inflate_max; /* the reader pauses when `inflated` reaches this (see ws_event.opcode); 0: never */
	bool discard;	      /* ws_reader_discard() was called */
	bool from_server;     /* a client's reader: frames must not be masked (RFC 6455 5.1) */
};

struct ws_event {
	/*
	 * WS_TEXT, WS_BINARY: a whole message. WS_CLOSE, WS_PING, WS_PONG. WS_CONTINUATION: no event yet, but
	 * `inflated` reached inflate_max; the caller may serve other connections before it continues.
	 */
	enum ws_opcode opcode;
	uint8_t *data; /* the payload; for WS_CLOSE, what follows the code */
	size_t n;
	uint8_t *owned;	 /* the caller frees this with mem_free() after using `data`; may be NULL */
	uint16_t code;	 /* WS_CLOSE: its code, 0 if it has none; after an error: the code to close with */
	unsigned reason; /* the close reason after an error */
};

/* `options` and `deflate` (NULL: not negotiated) are borrowed. */
void ws_reader_init(struct ws_reader *reader, const struct ws_options *options, struct ws_deflate *deflate);
void ws_reader_fini(struct ws_reader *reader);

/*
 * Reads `data`, which it modifies. Adds to *used the number of bytes consumed, in every case. Returns 1 with an
 * event; call again with the rest. Returns 0 if more input is needed; bytes that were not consumed (the start of a
 * frame header or of a control frame) must be passed again, followed by more. An error of enum error is final;
 * out->code and out->reason are then set.
 */
int ws_reader_next(struct ws_reader *reader, uint8_t *data, size_t n, size_t *used, struct ws_event *out);

/* Returns the bytes held for a partial message, and for compression if negotiated. */
size_t ws_reader_held(const struct ws_reader *reader);

/* Skips messages from now on: they are neither kept nor reported. Control frames are still reported. */
void ws_reader_discard(struct ws_reader *reader);

#endif
