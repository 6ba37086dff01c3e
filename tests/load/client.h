/*
 * One simulated user: an Engine.IO 4 session with one Socket.IO 5 namespace on it, over WebSocket, long-polling, or
 * the one and then the other. It behaves as the stock client does: what it sends, in which order, what it waits for,
 * when it gives up. (Engine.IO protocol v4, Socket.IO protocol v5, socket.io repository, docs/.)
 *
 * A client lives in one array of its process and is used again after it has left. What it tells goes to the
 * process's client_ops, from the loop, never from inside a call of these functions.
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

struct client_ops {
	void (*joined)(struct client *c);
	/* An event: `bytes` is its JSON text ("["name",...]"), or its first attachment. */
	void (*event)(struct client *c, const uint8_t *bytes, size_t n);
	void (*ack)(struct client *c, uint64_t id, const uint8_t *bytes, size_t n);
	/*
	 * It is idle again: `error` says why (`why`: in words), or LOAD_ERROR_COUNT after client_leave().
	 * `was_joined`: it had joined.
	 */
	void (*ended)(struct client *c, enum load_error error, const char *why, bool was_joined);
};

/* What all clients of a process have in common. */
struct client_setup {
	struct loop *loop;
	const struct client_ops *ops;
	struct conn_limits limits;
	struct ws_options ws; /* max_message and max_fragments count */
	uint64_t timeout_ms;  /* to join */
	int transport;	      /* enum load_transport */
	uint64_t random;      /* state of the generator of masks */
};

enum client_state {
	CLIENT_IDLE,
	CLIENT_OPENING, /* until the open packet */
	CLIENT_JOINING, /* until CONNECT is answered and an upgrade is over */
	CLIENT_JOINED,
	CLIENT_LEAVING, /* what was sent last is still to be written */
	CLIENT_ENDED	/* connections are being closed; `ended` follows */
};

struct client {
	struct client_setup *setup;
	const struct target *target;
	void *owner; /* the process's */
	uint32_t index;
	unsigned source; /* number of the source address */

	/* from here on the client's own */
	struct conn *ws;	    /* the WebSocket's connection, also while it is a probe */
	struct polling *polling;    /* NULL without */
	struct http_answer *answer; /* while the WebSocket opens */
	struct ws_reader reader;
	struct wheel_entry timer; /* to join, then for pings */
	struct loop_call end;
	const char *why;
	uint64_t began;	    /* ns */
	uint64_t last_seen; /* ms on the loop's clock: a packet of the server */
	uint32_t ping_ms;   /* pingInterval + pingTimeout */
	uint32_t max_payload;
	uint8_t state;	/* enum client_state */
	uint8_t error;	/* enum load_error, while CLIENT_ENDED */
	bool over_ws;	/* packets go by WebSocket */
	bool opened_ws; /* 101 came */
	bool connected; /* CONNECT is answered */
	bool was_joined;
	uint8_t attachments;  /* still to come of the event or acknowledgement under way */
	bool attachment_seen; /* the first of them has come */
	bool ack_pending;     /* it is an acknowledgement */
	uint64_t ack_id;
	char why_text[96]; /* room for `why` */
};

/* `c` is zeroed but for setup, target, owner, index, source. */
void client_init(struct client *c);
/* From CLIENT_IDLE: begins to connect; `joined` follows, or `ended`. */
void client_open(struct client *c);
/* Says farewell, then ends; `ended` follows. Harmless in any state. */
void client_leave(struct client *c);
/* Cuts its connections at once; `ended` follows, with `error`. */
void client_cut(struct client *c, enum load_error error, const char *why);

/*
 * Sends an Engine.IO packet of text: "4" and a Socket.IO packet in two parts, of which the second may be empty. For a
 * client that has joined.
 */
void client_send(struct client *c, struct text head, struct text tail);
void client_send_binary(struct client *c, const void *bytes, size_t n);

#endif
