/*
 * One simulated user: an Engine.IO 4 session with one Socket.IO 5 namespace, over WebSocket, over long-polling, or
 * over long-polling and then WebSocket. It behaves as the stock client does: the same packets in the same order, the
 * same waits, the same time-outs (Engine.IO protocol v4, Socket.IO protocol v5; repository socketio/socket.io,
 * docs/).
 *
 * Clients live in one array per process; after a client has left, its entry is used again. A client reports to the
 * client_ops of its process from the loop, never from within a call of the functions below.
 */
#ifndef TESTS_LOAD_CLIENT_H
#define TESTS_LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/wheel.h"
#include "common/io/conn.h"
#include "node/ws/ws.h"
#include "node/ws/ws_reader.h"
#include "tests/load/report.h"
#include "tests/load/target.h"

struct client;
struct polling;
struct client_recovery;

struct client_ops {
	void (*joined)(struct client *c);
	/*
	 * An event arrived. `bytes` is its JSON text ("["name",...]"), or its first attachment if it has one. A
	 * recovered client gets the events that it missed before `joined`.
	 */
	void (*event)(struct client *c, const uint8_t *bytes, size_t n);
	void (*ack)(struct client *c, uint64_t id, const uint8_t *bytes, size_t n);
	/*
	 * The client is idle again. `error` is the cause and `why` describes it; after client_leave() `error` is
	 * LOAD_ERROR_COUNT. `was_joined`: the client had joined.
	 */
	void (*ended)(struct client *c, enum load_error error, const char *why, bool was_joined);
};

/* What all clients of a process share. */
struct client_setup {
	struct loop *loop;
	const struct client_ops *ops;
	struct conn_limits limits;
	struct ws_options ws; /* max_message and max_fragments count */
	uint64_t timeout_ms;  /* time limit for joining */
	int transport;	      /* enum load_transport */
	bool deflate;	      /* permessage-deflate is offered */
	bool recover;	      /* a client that has lost its connection asks for its session */
	uint64_t random;      /* state of the generator of frame masks */
};

enum client_state {
	CLIENT_IDLE,
	CLIENT_OPENING, /* until the open packet arrives */
	CLIENT_JOINING, /* until CONNECT is answered and any upgrade has ended */
	CLIENT_JOINED,
	CLIENT_LEAVING, /* until the last packets are written */
	CLIENT_ENDED	/* connections are closing; `ended` follows */
};

struct client {
	struct client_setup *setup;
	const struct target *target;
	void *owner; /* belongs to the process */
	uint32_t index;
	unsigned source; /* number of the source address */

	/* the members below belong to client*.c */
	struct conn *ws;	    /* the WebSocket's connection, also as a probe */
	struct polling *polling;    /* NULL without long-polling */
	struct http_answer *answer; /* while the WebSocket's handshake runs */
	struct ws_reader reader;
	struct ws_deflate *deflate; /* NULL: not negotiated */
	struct wheel_entry timer;   /* time limit for joining; afterwards for the next ping */
	struct loop_call end;
	const char *why;
	uint64_t began;	    /* ns */
	uint64_t last_seen; /* loop time in ms of the server's latest packet */
	uint32_t ping_ms;   /* pingInterval + pingTimeout */
	uint32_t max_payload;
	uint8_t state;	/* enum client_state */
	uint8_t error;	/* enum load_error, while CLIENT_ENDED */
	bool over_ws;	/* packets leave by WebSocket */
	bool opened_ws; /* the answer 101 has arrived */
	bool connected; /* CONNECT has been answered */
	bool recovered; /* the session continues an earlier one: the server sent missed events, or the same pid */
	bool was_joined;
	uint8_t attachments;		  /* attachments that are still missing from the current packet */
	bool attachment_seen;		  /* the first attachment has arrived */
	bool ack_pending;		  /* the current packet is an acknowledgement */
	struct client_recovery *recovery; /* survives a loss; NULL: no server has named a pid yet */
	uint64_t ack_id;
	char why_text[96]; /* storage for `why` */
};

/* The caller zeroes `c` and sets setup, target, owner, index and source. */
void client_init(struct client *c);
/* Frees the memory that an idle client keeps. */
void client_fini(struct client *c);
/* The next client_open() stands for another user, who does not continue the session. */
void client_forget(struct client *c);
/* From CLIENT_IDLE: starts to connect; `joined` or `ended` follows. */
void client_open(struct client *c);
/* Disconnects cleanly; `ended` follows. May be called in any state. */
void client_leave(struct client *c);
/* Closes the connections at once; `ended` follows with this `error`. */
void client_cut(struct client *c, enum load_error error, const char *why);

/*
 * Sends a text packet of Engine.IO, whose type digit `head` starts with: "4" and a Socket.IO packet. `head` and the
 * second part are concatenated; the second part may be empty. The client must have joined.
 */
void client_send(struct client *c, struct text head, struct text tail);
void client_send_binary(struct client *c, const void *bytes, size_t n);

#endif
