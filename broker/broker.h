/*
 * The broker connects this node to the other nodes of a cluster. It speaks the protocol of @socket.io/redis-adapter
 * (wire.h) over one form of a bus (bus_form.h). With the form bus_alone, nothing is encoded and nothing is sent.
 *
 * Each namespace has one struct broker_nsp with its own uid. Messages from other nodes go up through struct
 * broker_ops; what this node publishes goes down by call, and a downward call never calls up. The owner serves its
 * own sockets before it calls the broker, so the broker ignores messages that return from the bus with this node's
 * uid.
 *
 * A question (broker_ask_*) has a deadline. Its `on_end` is called exactly once, and never from inside
 * broker_ask_*(). The broker expects one answer from each node that is subscribed when the question is asked;
 * emitters do not subscribe and are not counted. `on_end` reports how many nodes did not answer. A node that says
 * that it leaves is not waited for and not reported; one that loses its connection, or is silent beyond its time-out,
 * is reported without being waited for. If the number of nodes is unknown, for example because the bus is down, at
 * least one node is reported as silent.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "broker/bus_form.h"
#include "broker/members.h"
#include "broker/wire.h"

struct broker;
struct broker_nsp;
struct broker_reply;

/* pending questions of the whole node; one more is refused with ERROR_TOO_MANY */
#define BROKER_REQUESTS_MAX 65536
/* How long a node collects the acknowledgements of its clients for a remote question, in milliseconds. */
#define BROKER_REPLY_MS (60 * 1000)

/* Appends a name to a list of names: its length as a uint32_t, then its bytes. */
static inline void
broker_add_name(struct buffer *names, struct text name)
{
	uint32_t n = (uint32_t)name.n;

	buffer_add(names, &n, sizeof n);
	buffer_add_text(names, name);
}

struct broker_options {
	const struct bus_form *form;
	struct bus_form_options bus;  /* the form's own options; unused by bus_alone */
	const char *secret;	      /* seals messages (seal.h); NULL or empty: messages are not sealed */
	const char *secret_accepted;  /* a second secret that is accepted; NULL or empty: only `secret` is */
	uint64_t requests_timeout_ms; /* deadline of a question that does not set its own */
	/*
	 * A visitor sends statements and questions to the nodes but has no sockets. Nodes do not count it, send it
	 * broadcasts or wait for its answers.
	 */
	bool visitor;
	bool keeper;	/* the hub has a keeper of recorded events (bus_keep.h) */
	bool by_stream; /* sessions and events are recovered from a stream, if the form has one (bus_stream_store.h)
			 */
	/* how this node tells the others about itself; `observer` and `alone` are set by the callee */
	struct members_options members;
	uint64_t (*clients)(void *arg); /* number of clients of this node, with `clients_arg`; NULL: none */
	void *clients_arg;
};

/*
 * The up-calls. All are made from the loop. `owner` is the argument of broker_nsp_new(). Texts and attachments are
 * valid during the call only.
 */
struct broker_ops {
	/* Returns true if the room has a socket on this node. The id of a socket is also the name of a room. */
	bool (*has_room)(void *owner, struct text room);
	/* Returns true if the namespace has a socket on this node. */
	bool (*has_sockets)(void *owner);
	/* Deliver an event to sockets of this node. */
	void (*on_broadcast)(
		void *owner, const struct wire_target *to, struct text data, const struct attachments *attachments);
	/* The same, for an event that is still MessagePack. */
	void (*on_broadcast_late)(void *owner, const struct wire_target *to, const struct wire_event *event);
	/*
	 * Deliver an event that asks for acknowledgements. The callee calls broker_reply_count() exactly once and
	 * broker_reply_ack() once for each client that answers. It may do so later if it holds a reference to
	 * `reply`.
	 */
	void (*on_broadcast_ack)(void *owner, const struct wire_target *to, struct text data,
		const struct attachments *attachments, struct broker_reply *reply);
	void (*on_join)(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n);
	void (*on_leave)(void *owner, const struct wire_target *who, const struct text *rooms, unsigned n);
	void (*on_disconnect)(void *owner, const struct wire_target *who, bool close);
	/*
	 * Append names by broker_add_name(): the ids of the sockets that match, or all rooms. An incomplete list is
	 * marked as failed by buffer_fail().
	 */
	void (*on_select)(void *owner, const struct wire_target *who, struct buffer *names);
	void (*on_all_rooms)(void *owner, struct buffer *names);
	/*
	 * Append {id,handshake,rooms,data} of a socket that was selected, in this turn or in an earlier one; nothing
	 * if it has gone. Binary data goes to `attachments`, which already holds that of earlier sockets.
	 */
	void (*on_socket)(void *owner, struct text id, struct buffer *json, struct attachments *attachments);
	/*
	 * Another node called serverSideEmit(). If `reply` is NULL, no answer is wanted. Otherwise the callee calls
	 * broker_reply_server_emit() once; it may do so later if it holds a reference to `reply`.
	 */
	void (*on_server_emit)(
		void *owner, struct text data, const struct attachments *attachments, struct broker_reply *reply);
	/* The wait that broker_nsp_awaits() reported is over. */
	void (*on_settled)(void *owner);
	/*
	 * Called before each broadcast that arrives, also before one that this node has published and ignores.
	 * `number` is the number of the recorded event, or 0 if the broadcast has none. With a store, it is the
	 * number of an entry (stream_number.h). May be NULL.
	 */
	void (*on_number)(void *owner, uint64_t number);
	/* With a store: an event of broker_broadcast_numbered() has got the number `entry`. */
	void (*on_own)(void *owner, uint64_t number, uint64_t entry);
	/* With a store: a message of broker_stream_tell(). Untrusted. */
	void (*on_direct)(void *owner, struct text message);
};

/* Returns 0, or the error of the form's open() with one line of text in `error`. `ops` must outlive the broker. */
int broker_new(struct broker **out, struct loop *l, const struct broker_options *options,
	const struct broker_ops *ops, char error[BUS_ERROR_MAX]);
/*
 * All namespaces must have been freed. Queued messages are sent for up to `flush_ms` milliseconds. Then the broker is
 * freed and `closed` is called once from the loop.
 */
void broker_close(struct broker *broker, uint64_t flush_ms, void (*closed)(void *arg), void *arg);

/*
 * Enters a namespace with a new uid and subscribes to its messages. `name` is copied; `owner` is passed to the
 * up-calls.
 */
struct broker_nsp *broker_nsp_new(struct broker *broker, struct text name, void *owner);
/*
 * Leaves the namespace and frees it; NULL is accepted. Pending questions end with ERROR_CLOSED: their on_end is
 * called before this function returns, which is the one exception to the rule above. Replies to other nodes lose
 * their effect.
 */
void broker_nsp_free(struct broker_nsp *nsp);

/*
 * Returns true if the namespace does not receive messages of other nodes yet but should within moments: its
 * subscription is being made, and the bus is up or connecting for the first time. Afterwards either on_settled is
 * called once or the namespace is freed.
 */
bool broker_nsp_awaits(struct broker_nsp *nsp);

/*
 * Tells the form that a room got its first socket on this node or lost its last one. `own` is true for the room named
 * after the id of a socket of this node. Forms that do not subscribe per room ignore both calls.
 */
void broker_room_appeared(struct broker_nsp *nsp, struct text room, bool own);
void broker_room_empty(struct broker_nsp *nsp, struct text room);

/*
 * Waits until this node receives the messages for the rooms reported so far. Returns false, and makes no call later,
 * if the messages arrive already or the bus is not connected. `wait` NULL: no wait begins. See struct bus_wait.
 */
bool broker_wait(struct broker *broker, struct bus_wait *wait);

/* ------------------------------------------------------------ statements */

/*
 * All return 0, an error of wire.h's writers, or ERROR_TOO_BIG if the bus is down and the message exceeds max_queue.
 * With bus_alone they do nothing and return 0. A message for exactly one room is published on that room's
 * channel, unless broker_join() has named the room lately (broker_joined.h).
 * A volatile broadcast does not wait for the bus: if the bus is down or busy, it is dropped and counted.
 */
int broker_broadcast(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments);
/*
 * The same for an event whose values are still MessagePack and are copied into the message. broker_copies() says
 * whether this is allowed: some forms write events as text.
 */
bool broker_copies(const struct broker_nsp *nsp, const struct msgpack_values *values);
int broker_broadcast_late(struct broker_nsp *nsp, const struct wire_target *to, const struct wire_outgoing *event);
int broker_join(struct broker_nsp *nsp, const struct wire_target *who, const struct text *rooms, unsigned count);
int broker_leave(struct broker_nsp *nsp, const struct wire_target *who, const struct text *rooms, unsigned count);
int broker_disconnect(struct broker_nsp *nsp, const struct wire_target *who, bool close);
int broker_server_emit(struct broker_nsp *nsp, struct text data, const struct attachments *attachments);

/* ----------------------------------------------------------------- keeper */

struct bus;
struct bus_keep;
/*
 * Returns the bus for the functions of bus_store.h, or NULL if the server of the form does not keep events and
 * sessions.
 */
struct bus *broker_store(const struct broker *broker);
/*
 * The keeper of recorded events (bus_keep.h). broker_keeps() returns true if the form has one. broker_keep_open()
 * begins the calls of keep->on_ready() and keep->on_message(), which come from the loop until broker_keep_close().
 */
bool broker_keeps(const struct broker *broker);
void broker_keep_open(struct broker *broker, struct bus_keep *keep);
void broker_keep_close(struct broker *broker, struct bus_keep *keep);
/* Sends a message to the keeper, after all that was published before. Errors as for broker_broadcast(). */
int broker_keep_send(struct broker *broker, struct bus_keep *keep, struct text message);
/*
 * Publishes an event that this node has recorded. If `keep` is not NULL, only the keeper gets the event. A form that
 * has a store ignores `keep` and publishes every event. Errors as for broker_broadcast().
 */
int broker_broadcast_recorded(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t origin, uint64_t local, struct bus_keep *keep);

/* ------------------------------------------------------------------ store */

struct bus_stream_question;
struct wire_stream_entry;
/*
 * The store of a form with streams (bus_stream_store.h), for connection state recovery. broker_stream_open() is
 * called once, and the other functions only after it.
 */
bool broker_has_stream(const struct broker *broker);
void broker_stream_open(struct broker *broker);
/* Returns true if an event published now would be read back within moments. */
bool broker_stream_up(const struct broker *broker);
/* As bus_stream_store.gathered: false while other nodes may be on their way back after an outage. */
bool broker_stream_gathered(const struct broker *broker);
/*
 * As broker_broadcast(). `number` must be greater than broker_stream_number(). This node's sockets get the event when
 * on_own() is called with `number`. The call does not come if the bus drops the event.
 */
int broker_broadcast_numbered(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t number);
/* Returns the newest number of an entry that this node has added; broadcasts without a number get one too. */
uint64_t broker_stream_number(const struct broker *broker);
/*
 * The stream may contain a message twice. Returns 1 if `entry`, which comes after `from`, repeats a message whose
 * first copy is not after `from`: a client that has received everything up to `from` has that message. Returns 0 if
 * it does not, or ERROR_UNSUPPORTED if this worker cannot tell.
 */
int broker_stream_had(const struct broker_nsp *nsp, uint64_t entry, uint64_t from);
/* Returns the number of the last entry that has been delivered; see bus_stream_store.position. */
uint64_t broker_stream_position(const struct broker_nsp *nsp);
/* Appends the key of a session. */
void broker_stream_key(const struct broker *broker, struct text pid, struct buffer *out);
/* Queues a command, as bus_stream_store.ask. */
int broker_stream_ask(
	struct broker *broker, struct bus_stream_question *question, unsigned count, const struct text *args);
/* Asks for up to `count` entries of the namespace's stream, from the entry with the number `from` on. */
int broker_stream_range(struct broker_nsp *nsp, struct bus_stream_question *question, uint64_t from, unsigned count);
/*
 * Sends a message to the node whose namespace has this uid: on_direct() is called there. The answer is the number of
 * nodes that receive it.
 */
int broker_stream_tell(
	struct broker_nsp *nsp, struct bus_stream_question *question, struct text uid, struct text message);
/* Adds an entry that every server ignores to the namespace's stream, so that the stream is not empty. */
int broker_stream_mark(struct broker_nsp *nsp);
void broker_stream_cancel(struct broker *broker, struct bus_stream_question *question);
/*
 * Reads a broadcast from an entry. Returns 0; 1 if the entry is another message or one of another namespace; or an
 * error of struct wire_codec.
 */
int broker_stream_read(struct broker_nsp *nsp, const struct wire_stream_entry *entry, struct wire_message *out);
/* The uid of this node in the namespace, which lives as long as `nsp`. */
struct text broker_nsp_id(const struct broker_nsp *nsp);
/* The bytes of the seal that broker_stream_seal() appends; 0 without a secret. */
size_t broker_stream_tag(const struct broker_nsp *nsp);
/* Seals bytes that are stored under a key. */
void broker_stream_seal(const struct broker_nsp *nsp, struct text key, struct buffer *bytes);
/* Checks the seal and takes it off. Returns false if it is missing or wrong. */
bool broker_stream_unseal(const struct broker_nsp *nsp, struct text key, struct text *bytes);

/* ------------------------------------------------------------- questions */

struct broker_question {
	/*
	 * One answer: a JSON array of sockets or rooms from one node, one node's value for a server emit, or one
	 * client's acknowledgement (TEXT_NONE: an acknowledgement without arguments). A long array comes in parts,
	 * each an array and in a turn of its own.
	 */
	void (*on_answer)(void *arg, struct text json, const struct attachments *attachments);
	/*
	 * The question has ended; called exactly once. `error` is 0, or ERROR_TIMEOUT or ERROR_CLOSED (the bus is
	 * down) if only some answers came. `nodes` is the number of other nodes asked, `silent` the number of them
	 * that did not answer. If the number of nodes never became known, `nodes` is 0, and `silent` is the last
	 * known number minus the answers that came, but at least 1.
	 *
	 * A node asked for acknowledgements counts as having answered once it has reported its number of clients;
	 * `missing` is the number of those clients that did not acknowledge.
	 */
	void (*on_end)(void *arg, int error, unsigned nodes, unsigned silent, uint64_t missing);
	void *arg;
	uint64_t timeout_ms; /* 0: the broker's requests_timeout_ms */
};

/*
 * Each returns a handle (> 0) or a negative error, after which nothing is called. `question` is copied. With
 * bus_alone, on_end(0, 0, 0, 0) is called at the end of the turn.
 */
int64_t broker_ask_fetch(
	struct broker_nsp *nsp, const struct wire_target *who, const struct broker_question *question);
/* Asks for socket ids only, as strings. Of `who` only the rooms are sent. */
int64_t broker_ask_sockets(
	struct broker_nsp *nsp, const struct wire_target *who, const struct broker_question *question);
int64_t broker_ask_all_rooms(struct broker_nsp *nsp, const struct broker_question *question);
int64_t broker_ask_server_emit(struct broker_nsp *nsp, struct text data, const struct attachments *attachments,
	const struct broker_question *question);
int64_t broker_ask_ack(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, const struct broker_question *question);
/*
 * Within on_end: the members that did not answer, as far as they can be named. Sets `*out`, which is valid until
 * on_end returns or closes the broker, and returns their number.
 */
#define BROKER_SILENT_MAX 64
unsigned broker_silent_members(const struct broker *broker, const struct member_record *const **out);
/* Forgets the question; neither on_answer nor on_end is called afterwards. A handle that has ended is ignored. */
void broker_ask_cancel(struct broker *broker, int64_t handle);

/* --------------------------------------------------------------- replies */

/*
 * The address to answer to. References are counted. A reply may outlive its namespace; the functions below then do
 * nothing.
 */
struct broker_reply *broker_reply_ref(struct broker_reply *reply);
void broker_reply_unref(struct broker_reply *reply);		       /* accepts NULL */
void broker_reply_count(struct broker_reply *reply, uint64_t clients); /* once */
void broker_reply_ack(struct broker_reply *reply, struct text json,
	const struct attachments *attachments); /* TEXT_NONE: no argument */
void broker_reply_server_emit(struct broker_reply *reply, struct text json,
	const struct attachments *attachments); /* once; later calls are ignored */

/* ------------------------------------------------------------------ state */

/* The nodes of the cluster as this node knows them; valid as long as the broker is open. */
const struct members *broker_members(const struct broker *broker);
/* Counts the servers of the cluster now, in addition to the counts at intervals. */
void broker_recount(const struct broker *broker);
/* Tells the other nodes that this node begins to drain. broker_close() tells them that it leaves. */
void broker_drain(struct broker *broker);

struct broker_stats {
	enum bus_form_id form;
	struct bus_stats bus;
	uint64_t broadcasts_out, broadcasts_in;
	uint64_t volatile_dropped; /* volatile broadcasts dropped because they would have had to wait for the bus */
	uint64_t ignored;	   /* own messages, and messages for rooms or namespaces without a socket here */
	uint64_t malformed, unsupported; /* incoming messages dropped */
	uint64_t forged;		 /* incoming messages dropped because the seal was missing or wrong */
	uint64_t unsent;		 /* answers of this node that could not be encoded or sent */
	uint64_t requests_out, requests_in, timeouts;
	uint32_t waiting; /* pending questions */
	struct members_stats members;
};
void broker_stats(const struct broker *broker, struct broker_stats *out);

/* Returns true if messages reach the other nodes. */
bool broker_up(const struct broker *broker);

/* Returns true if the form is bus_alone, so that there are never any other nodes. */
bool broker_alone(const struct broker *broker);

#endif
