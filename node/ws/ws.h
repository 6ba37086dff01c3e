/*
 * A WebSocket: RFC 6455 on a connection that left HTTP, with permessage-deflate (RFC 7692) if negotiated.
 *
 * Whole messages are passed up; ready frames are passed down. The faults of a peer close the connection with a code:
 *   1002  a frame breaks the protocol
 *   1007  a text message is not valid UTF-8
 *   1008  a message has too many fragments
 *   1009  a message exceeds its limit, which applies to the inflated bytes of all its fragments
 *
 * Every ping is answered, with one exception: in a burst of pings, or while much is queued, a later ping can replace
 * one that is not answered yet (RFC 6455 5.5.3).
 *
 * Life: ws_accept() on an upgrade request begins it; on_closed ends it, and the pointer becomes invalid.
 */
#ifndef NODE_WS_WS_H
#define NODE_WS_WS_H

#include <stdbool.h>
#include <stdint.h>

#include "node/http/http.h"
#include "node/ws/ws_frame.h"
#include "node/ws/ws_message.h"
#include "node/ws/ws_tables.h"

struct ws;

struct ws_options {
	uint64_t max_message;		 /* bytes of a message after inflating */
	unsigned max_fragments;		 /* fragments of a message */
	uint64_t close_ms;		 /* how long to wait for the peer's Close and FIN */
	bool deflate;			 /* negotiate permessage-deflate */
	bool server_no_context_takeover; /* required even if the client does not offer it */
	bool client_no_context_takeover; /* required even if the client does not offer it */
	uint64_t deflate_threshold;	 /* a shorter message is sent uncompressed */
	int server_max_window_bits;	 /* 9 to 15; 0: 15 */
	int client_max_window_bits;	 /* 9 to 15; 0: the client decides */
	struct ws_deflate_pool *pool;	 /* borrowed; set if `deflate` is true */
};

struct ws_ops {
	/* A whole message. `data` is writable, and valid during the call only. */
	void (*on_message)(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n);
	/* Everything queued has left. May be NULL. */
	void (*on_drain)(struct ws *ws, void *owner);
	/*
	 * The last call. `code` is the peer's close code: 1005 if its Close had none, 1006 if there was no closing
	 * handshake.
	 */
	void (*on_closed)(struct ws *ws, void *owner, unsigned reason, uint16_t code);
};

/*
 * Checks the opening handshake: method GET, HTTP/1.1, no body, "upgrade" in Connection, "websocket" in Upgrade, a key
 * of 24 base64 characters, version 13 or 8, well-formed extensions and subprotocols. Returns 0 or ERROR_SYNTAX;
 * ERROR_UNSUPPORTED: another version, to which the reply must add "Sec-WebSocket-Version: 13, 8".
 */
int ws_check(const struct http_request *r);

/*
 * Completes a handshake that ws_check() accepted. Sends 101 with Sec-WebSocket-Accept, the first offered subprotocol
 * and the negotiated extension, and makes the connection a WebSocket. `options` and `ops` are borrowed and must
 * outlive it. The request is freed.
 */
struct ws *ws_accept(struct http_request *r, const struct ws_options *options, const struct ws_ops *ops, void *owner);

/* Changes the receiver of the up-calls. `ops` is borrowed. */
void ws_set_owner(struct ws *ws, const struct ws_ops *ops, void *owner);
struct conn *ws_conn(const struct ws *ws);

/*
 * Queues a message. If deflate was negotiated, the message may be compressed, and the payload reaches the threshold,
 * a compressed frame is queued instead, unless it is longer.
 */
void ws_send(struct ws *ws, struct ws_message *message);

/* Makes and queues a text, binary, ping or pong frame. A ping or pong has at most 125 bytes. */
void ws_send_bytes(struct ws *ws, enum ws_opcode opcode, const void *bytes, size_t n);

/*
 * Starts the closing handshake: queues a Close frame after everything queued so far. With code 0 the frame has no
 * status. reason_text (may be NULL) is the frame's text and is truncated to 123 bytes; `reason` is a REASON_ of
 * names.h. No further message is passed up. Idempotent; never calls up.
 */
void ws_close(struct ws *ws, uint16_t code, const char *reason_text, unsigned reason);

/* Drops the queue and closes the connection at once. */
void ws_terminate(struct ws *ws, unsigned reason);

/*
 * While paused, nothing is read and no message or control frame is passed up; TCP slows the peer down. The peer's
 * Close or FIN is not noticed meanwhile. ws_close() ends the pause.
 */
void ws_pause(struct ws *ws, bool paused);

/* Returns true if nothing is queued, so that the next message leaves at the end of this turn. */
bool ws_writable(const struct ws *ws);

/* Returns true if the WebSocket is neither closing nor dead, so that messages are still sent. */
bool ws_is_open(const struct ws *ws);

#endif
