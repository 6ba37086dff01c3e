/*
 * How the nodes of a cluster reach one another: the protocol of @socket.io/redis-adapter (wire.h) over one form of a
 * bus (bus_form.h), seen from one node. With the form bus_alone nothing is encoded and nothing is sent.
 *
 * One struct broker_nsp per namespace, with a uid of its own. Data of other nodes goes up by struct broker_ops, what
 * this node publishes goes down by call; no downward call calls up. The owner serves its own sockets itself, before
 * it tells the broker: what comes back from the bus under one's own uid is ignored.
 *
 * Questions (broker_ask_*) have a deadline and are answered exactly once by `on_end`, never from within the call.
 * They count the nodes that are subscribed when asked, and tell how many of them stayed silent; emitters never count.
 * Where the count is not known, as with a bus that is away, at least one other node counts as silent.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "broker/bus_form.h"
#include "broker/wire.h"

struct broker;
struct broker_nsp;
struct broker_reply;

#define BROKER_REQUESTS_MAX 65536 /* questions under way, whole node; beyond: ERROR_TOO_MANY */
/* At least so long an asker is remembered for acknowledgements still to come. */
#define BROKER_REPLY_MS (60 * 1000)

struct broker_options {
	const struct bus_form *form;
	struct bus_form_options bus;  /* what the form needs; alone: nothing */
	const char *secret;	      /* of seal.h; NULL, "": messages are as they are */
	uint64_t requests_timeout_ms; /* 5000 */
	/*
	 * It has no sockets and never will: it tells and asks the nodes, and is none itself. Nobody counts it, waits
	 * for its answers or sends it broadcasts.
	 */
	bool visitor;
};

/* `owner` is what broker_nsp_new() was given. Texts and attachments are good during the call. All are made from the
 * loop. */
struct broker_ops {
	/* Is anybody of this node in the room (a socket's id included)? */
	bool (*has_room)(void *owner, struct text room);
	/* Deliver an event to sockets of this node. */
	void (*on_broadcast)(
		void *owner, const struct wire_target *to, struct text data, const struct attachments *attachments);
	/*
	 * The same with acknowledgements: exactly one broker_reply_count(), then one broker_reply_ack() for each
	 * client that answers, now or later, while holding a reference.
	 */
	void (*on_broadcast_ack)(void *owner, const struct wire_target *to, struct text data,
		const struct attachments *attachments, struct broker_reply *reply);
	void (*on_join)(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n);
	void (*on_leave)(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n);
	void (*on_disconnect)(void *owner, const struct wire_target *who, bool close);
	/* Append a JSON array of {id,handshake,rooms,data}; binary data goes to `attachments`. */
	void (*on_fetch)(
		void *owner, const struct wire_target *who, struct buffer *json, struct attachments *attachments);
	/* Append a JSON array of ids, of room names. */
	void (*on_sockets)(void *owner, const struct wire_target *who, struct buffer *json);
	void (*on_all_rooms)(void *owner, struct buffer *json);
	/* serverSideEmit of another node. `reply` NULL: none wanted. broker_reply_server_emit() once, now or later,
	 * while holding a reference. */
	void (*on_server_emit)(
		void *owner, struct text data, const struct attachments *attachments, struct broker_reply *reply);
	/* broker_nsp_awaits() was true and is not any more. */
	void (*on_settled)(void *owner);
};

/* 0, or the error of the form's open() with one line in `error`. */
int broker_new(struct broker **out, struct loop *l, const struct broker_options *o, const struct broker_ops *ops,
	char error[BUS_ERROR_MAX]);
/* Every namespace must have been freed. What waits is flushed for flush_ms; `closed` is called once, from the loop;
 * the broker is gone then. */
void broker_close(struct broker *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

/* A namespace's place among the other nodes, with a uid of its own. `name` is copied; `owner` goes to the up-calls.
 */
struct broker_nsp *broker_nsp_new(struct broker *b, struct text name, void *owner);
/* Questions under way end with ERROR_CLOSED (on_end is called before this returns: the one exception); replies become
 * inert. Accepts NULL. */
void broker_nsp_free(struct broker_nsp *n);

/*
 * Does the namespace not hear the other nodes yet, but will within moments: its subscription is under way and the bus
 * is up, or is being connected for the first time? True is followed by one on_settled, or by the namespace's end.
 */
bool broker_nsp_awaits(struct broker_nsp *n);

/*
 * A room has its first socket on this node, or its last one has left; `own`: the room that bears the id of a socket
 * here. For forms that listen to the rooms that they need; the others are not asked.
 */
void broker_room_appeared(struct broker_nsp *n, struct text room, bool own);
void broker_room_empty(struct broker_nsp *n, struct text room);

/* ------------------------------------------------------------ statements */

/*
 * Results: 0; an error of wire.h's writers; ERROR_TOO_BIG: larger than a bus that is away keeps (max_queue). Alone:
 * 0, nothing is done. A message for one room alone goes by the way of that room.
 */
int broker_broadcast(
	struct broker_nsp *n, const struct wire_target *to, struct text data, const struct attachments *attachments);
int broker_join(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count);
int broker_leave(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count);
int broker_disconnect(struct broker_nsp *n, const struct wire_target *who, bool close);
int broker_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments);

/* ------------------------------------------------------------- questions */

struct broker_question {
	/* One node's answer: a JSON array of sockets or rooms, one value of a server emit, one client's
	 * acknowledgement (TEXT_NONE: nothing in it). */
	void (*on_answer)(void *arg, struct text json, const struct attachments *attachments);
	/*
	 * The end, exactly once. 0; ERROR_TIMEOUT, ERROR_CLOSED (the bus is down): what came so far is all. `nodes`:
	 * how many others were asked, `silent`: how many of them did not answer; where their number is not known,
	 * as many as were last counted, at least 1. For acknowledgements a node counts as answered when it said how
	 * many clients it has; `missing` tells how many of those said nothing.
	 */
	void (*on_end)(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing);
	void *arg;
	uint64_t timeout_ms; /* 0: requests_timeout_ms */
};

/* All: a handle (> 0), or a negative error, after which nothing is called. `question` is copied. Alone: on_end(0, 0,
 * 0, 0) at the end of the turn. */
int64_t broker_ask_fetch(struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question);
/* The ids alone, as strings; of `who` the rooms count. */
int64_t broker_ask_sockets(
	struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question);
int64_t broker_ask_all_rooms(struct broker_nsp *n, const struct broker_question *question);
int64_t broker_ask_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments,
	const struct broker_question *question);
int64_t broker_ask_ack(struct broker_nsp *n, const struct wire_target *to, struct text data,
	const struct attachments *attachments, const struct broker_question *question);
/* Nothing is called any more. Harmless for a handle that ended. */
void broker_ask_cancel(struct broker *b, int64_t handle);

/* --------------------------------------------------------------- replies */

/* Who asked: counted, outlives its namespace (then everything below does nothing). */
struct broker_reply *broker_reply_ref(struct broker_reply *r);
void broker_reply_unref(struct broker_reply *r);		   /* accepts NULL */
void broker_reply_count(struct broker_reply *r, uint64_t clients); /* once */
void broker_reply_ack(
	struct broker_reply *r, struct text json, const struct attachments *attachments); /* TEXT_NONE: no argument */
void broker_reply_server_emit(struct broker_reply *r, struct text json,
	const struct attachments *attachments); /* once, later calls are ignored */

/* ------------------------------------------------------------------ state */

struct broker_stats {
	enum bus_form_id form;
	struct bus_stats bus;
	uint64_t broadcasts_out, broadcasts_in;
	uint64_t ignored;		 /* own, of unknown rooms, of another namespace */
	uint64_t malformed, unsupported; /* messages dropped */
	uint64_t forged;		 /* dropped for lack of the secret's tag */
	uint64_t unsent;		 /* answers of this node that could not be made or sent */
	uint64_t requests_out, requests_in, timeouts;
	uint32_t waiting; /* questions under way */
};
void broker_stats(const struct broker *b, struct broker_stats *out);

/* There are no other nodes, and never will be. */
bool broker_alone(const struct broker *b);

#endif
