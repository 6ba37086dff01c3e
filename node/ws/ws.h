/*
 * A WebSocket: RFC 6455 on a connection that left HTTP, with RFC 7692
 * (permessage-deflate) where negotiated.
 *
 * Whole messages go up; ready frames go down. A text message is checked for UTF-8
 * (1007), a message over the limit, counted after inflate and over fragments, is refused before it is
 * allocated (1009), any breach of framing is 1002. Fragments are limited in count too (1008). Each ping is answered,
 * but of a burst, or while much is queued, only the latest one (RFC 6455 5.5.3 allows it).
 *
 * Life: ws_accept() on an upgrade request; ends with on_closed, after which the pointer is gone.
 */
#ifndef NODE_WS_WS_H
#define NODE_WS_WS_H

#include <stdbool.h>
#include <stdint.h>

#include "node/http/http.h"
#include "node/ws/ws_frame.h"
#include "node/ws/ws_tables.h"

struct ws;

struct ws_options {
	uint64_t max_message;		 /* bytes after inflate */
	unsigned max_fragments;		 /* per message */
	uint64_t close_ms;		 /* wait so long for the peer's Close and FIN */
	bool deflate;			 /* offer to negotiate permessage-deflate */
	bool server_no_context_takeover; /* demanded by us even if not offered by the client */
	bool client_no_context_takeover; /* the same */
	uint64_t deflate_threshold;	 /* messages shorter than this are sent uncompressed */
	int server_max_window_bits;	 /* 9..15; 0: 15 */
	int client_max_window_bits;	 /* 9..15; 0: as the client likes */
	int deflate_level;		 /* zlib's; 0: its default */
	int deflate_mem_level;		 /* zlib's; 0: its default */
};

struct ws_ops {
	/* A whole message; `data` is writable and good during the call only. */
	void (*on_message)(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n);
	/* All that was queued has left. May be NULL. */
	void (*on_drain)(struct ws *ws, void *owner);
	/* The last call. `code` is the peer's close code, 1005 if it sent none, 1006 without a closing handshake. */
	void (*on_closed)(struct ws *ws, void *owner, unsigned reason, uint16_t code);
};

/*
 * Checks the opening handshake (method GET, HTTP/1.1, no body, "upgrade" in Connection, "websocket" in Upgrade, key
 * of 24 base64 characters, version 13 or 8, well-formed extensions and subprotocols). 0, or ERROR_SYNTAX;
 * ERROR_UNSUPPORTED for another version (the reply wants Sec-WebSocket-Version: 13, 8).
 */
int ws_check(const struct http_request *r);

/*
 * Completes a handshake that ws_check() accepted: 101 with Sec-WebSocket-Accept, the first offered subprotocol and
 * the negotiated extension, then the connection is a WebSocket. `options` and `ops` are borrowed, must outlive it.
 * The request is gone.
 */
struct ws *ws_accept(struct http_request *r, const struct ws_options *options, const struct ws_ops *ops, void *owner);

/* For the up-calls from now on. `ops` is borrowed. */
void ws_set_owner(struct ws *ws, const struct ws_ops *ops, void *owner);
struct conn *ws_conn(const struct ws *ws);

/*
 * Queues a ready unmasked single frame: bytes [frame_at, frame_at + header + payload) of the block, whose payload
 * begins at payload_at and ends with the block. Where deflate was negotiated and the payload reaches the threshold, a
 * compressed frame is made instead.
 */
void ws_send(struct ws *ws, struct block *block, size_t frame_at, size_t payload_at);

/* Makes a frame (text, binary, ping or pong; the last two of 125 bytes at most) and queues it. */
void ws_send_bytes(struct ws *ws, enum ws_opcode opcode, const void *bytes, size_t n);

/*
 * Starts the closing handshake after what is queued; code 0: a Close frame without status. No message comes up any
 * more. The text (may be NULL) is cut to 123 bytes. Idempotent; never calls up.
 */
void ws_close(struct ws *ws, uint16_t code, const char *reason_text, unsigned reason);

/* Drops the queue and the connection at once. */
void ws_terminate(struct ws *ws, unsigned reason);

/*
 * No message and no control frame comes up, and nothing is read, until `paused` is false again: TCP pushes the peer
 * back. Its Close and its end are not seen meanwhile; ws_close() ends the pause.
 */
void ws_pause(struct ws *ws, bool paused);

/* Nothing queued: the next message leaves with this turn. */
bool ws_writable(const struct ws *ws);

/* Neither closing nor dead: messages may be sent and will be delivered. */
bool ws_is_open(const struct ws *ws);

#endif
