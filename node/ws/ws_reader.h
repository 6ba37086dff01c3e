/*
 * The receiving side of a WebSocket without the connection: bytes in, events out, one at a time. It holds
 * the rules of RFC 6455 5 to 8 and of RFC 7692 for what a client sends.
 *
 * It owns memory only while a message is partial. Payload is unmasked where it lies; a message that is
 * whole in one piece of input comes out as a pointer into that input.
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
	const struct ws_options *options; /* borrowed: max_message, max_fragments */
	struct ws_deflate *deflate;	  /* borrowed; NULL: RSV1 is an error */
	struct ws_partial *partial;	  /* the message in the making */
	uint64_t inflated;    /* bytes out of the inflater, and its other work in bytes; the caller may set it back */
	uint32_t inflate_max; /* so many of them pause the reader, see ws_event.opcode; 0: none do */
	bool discard;
	bool from_server; /* a client's side: frames are not masked (RFC 6455 5.1) */
};

struct ws_event {
	/*
	 * WS_TEXT, WS_BINARY: a whole message; WS_CLOSE, WS_PING, WS_PONG. WS_CONTINUATION: nothing yet, but
	 * inflate_max was reached, so that the caller may see to others before it goes on.
	 */
	enum ws_opcode opcode;
	uint8_t *data; /* payload; of WS_CLOSE what follows the code */
	size_t n;
	uint8_t *owned;	 /* mem_free() it when `data` is done with; may be NULL */
	uint16_t code;	 /* WS_CLOSE: its code, 0 if it has none. After an error: the code to fail with */
	unsigned reason; /* after an error */
};

/* `options` and `deflate` (NULL: not negotiated) are borrowed. */
void ws_reader_init(struct ws_reader *r, const struct ws_options *options, struct ws_deflate *deflate);
void ws_reader_fini(struct ws_reader *r);

/*
 * Reads on in `data`, which it changes. Adds to *used how many bytes it is done with, also when it returns 0. Returns
 * 1 with an event (call again with the rest), 0 when all is used but the head of a frame or a control frame that is
 * not whole yet: it wants those bytes again, with more behind them. An error of enum error, with out->code and
 * out->reason, is final.
 */
int ws_reader_next(struct ws_reader *r, uint8_t *data, size_t n, size_t *used, struct ws_event *out);

/* Bytes that it holds: of an unfinished message, and of the compression where that is negotiated. */
size_t ws_reader_held(const struct ws_reader *r);

/* From now on messages are skipped, not kept and not reported; control frames still are. */
void ws_reader_discard(struct ws_reader *r);

#endif
