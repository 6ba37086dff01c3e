/*
 * sockeye.h: a Socket.IO server for C programs.
 *
 * The words are those of the Socket.IO server, version 4 (https://socket.io/docs/v4/server-api/): namespaces,
 * sockets, rooms, events, acknowledgements; a function that has a counterpart there names it. On the wire it speaks
 * revision 5 of the Socket.IO protocol over revision 4 of Engine.IO's (https://socket.io/docs/v4/socket-io-protocol/
 * and engine-io-protocol/), between nodes what @socket.io/redis-adapter 8 speaks.
 *
 * One server belongs to one libev loop and one thread; every function is called from that thread. No function blocks.
 * "This node" is this server: of the program sockeye each worker has one of its own, and all other workers are other
 * nodes to it.
 *
 * Errors: functions that return int give 0 on success and a negative sio_error on failure; which, their comments say.
 * SIO_ERR_ARGUMENT can come from each of them: for a pointer that is NULL where one is wanted, a name or room that is
 * not UTF-8, a malformed format. Functions with another result do nothing for NULL and give 0, false, NULL or SIO_NONE.
 * A call that fails writes one warning to the log as well ("call-failed", at most one line a second), which names the
 * function, the event, the place in the format and the reason; a call that comes too late (SIO_ERR_STATE) does not.
 * When memory runs out for what a client sends or is sent, that client is closed at the end of its callback; until then
 * what could not be decoded reads as absent (NULL, "", SIO_NONE). When there is none for anything small, the program ends.
 *
 * A library built by "make DEBUG=1" checks every handle: a pointer that is NULL, of another kind, or not good any more
 * (a socket after its disconnect callback, an event or value after its callback) ends the program, after an error line
 * ("mistake") that names the function and what is wrong with its argument.
 *
 * Memory: a name or text handed in is copied unless its comment says "borrowed"; `arg` goes to the function
 * registered beside it and is never looked at. Texts are NUL-terminated UTF-8 both ways; a U+0000 in a client's shows
 * as U+FFFD, see sio_string(). What a callback receives
 * (socket aside) is good until the callback returns, and so is all that is read from it. A sio_socket is good until
 * its disconnect callback returns; to keep hold of one for longer keep its id and use sio_find(). A namespace is good
 * as long as its server; one that a pattern or function made, and that sio_of() was never asked for, only as long as it has
 * sockets: then cleanupEmptyChildNamespaces or maxChildren may end it.
 */
#ifndef SOCKEYE_H
#define SOCKEYE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIO_API __attribute__((visibility("default")))

struct ev_loop;
struct msgpack_object;

typedef struct sio_server sio_server;
typedef struct sio_nsp sio_nsp;
typedef struct sio_socket sio_socket;
typedef struct sio_event sio_event;     /* a received event: its arguments and the way to acknowledge it */
typedef struct sio_step sio_step;       /* a middleware's turn: answer it by sio_next() or sio_refuse() */
typedef struct sio_answers sio_answers; /* what came back on an emit with acknowledgement */
typedef struct sio_request sio_request; /* an HTTP request, in allow_request and header callbacks */

typedef enum {
	SIO_OK = 0,
	SIO_ERR_ARGUMENT = -9,      /* malformed format string, name or option; NULL where something is wanted */
	SIO_ERR_RESERVED = -101,    /* "connect", "disconnect" ... cannot be emitted */
	SIO_ERR_TOO_BIG = -2,       /* a packet larger than half of maxBuffered (8 MB by default) */
	SIO_ERR_TOO_MANY = -3,      /* more rooms, arguments or attachments than allowed */
	SIO_ERR_NOT_FOUND = -7,     /* no such option, or no such listener */
	SIO_ERR_STATE = -10,        /* answered already, disconnected, closed */
	SIO_ERR_SYSTEM = -11,       /* the operating system refused, see the error line; of an emit: no memory */
	SIO_ERR_TIMEOUT = -13,      /* not every answer came in time, or the other nodes are out of reach */
} sio_error;

/* The text for an error; never NULL. */
SIO_API const char *sio_error_text(int error);

/* ---------------------------------------------------------------- server */

#define SIO_ERROR_LINE 512 /* room for one line that says what is wrong, where, and what to do */

/* A server on the caller's loop, which is borrowed and must outlive it; sio_server_free() frees it. Never NULL. */
SIO_API sio_server *sio_server_new(struct ev_loop *loop);

/*
 * Sets an option by Socket.IO's name ("pingInterval") or the flag's ("ping-interval"); value as on the command line,
 * with the same units: a time is milliseconds or has one ("25s"), a size bytes ("16m"). The list: sockeye --help.
 * `error` (SIO_ERROR_LINE bytes, may be NULL) explains a refusal. SIO_ERR_NOT_FOUND: no such option;
 * SIO_ERR_ARGUMENT: a value it does not take; SIO_ERR_STATE: after sio_listen().
 */
SIO_API int sio_set_option(sio_server *io, const char *name, const char *value, char *error);

/*
 * Opens the port of the options "host" and "port" (0: the kernel picks one) and serves. `error` as above.
 * SIO_ERR_ARGUMENT: options that make no sense together; SIO_ERR_SYSTEM: the port, a directory or a certificate
 * cannot be had; SIO_ERR_STATE: it listens already, or is closed. After the first two options can still be set, and
 * it may be tried again.
 */
SIO_API int sio_listen(sio_server *io, char *error);

/* The TCP port it listens on, in host byte order; 0 before sio_listen() and while it drains or closes. */
SIO_API uint16_t sio_port(const sio_server *io);

/*
 * io.close(): stops listening, disconnects every socket with "server shutting down", closes every connection. `done`
 * (may be NULL) is called once, when all of it is gone, never from within this call; the server may be freed in it.
 * On a server that is closing or closed: nothing, and `done` is not called.
 */
SIO_API void sio_close(sio_server *io, void (*done)(sio_server *io, void *arg), void *arg);

/*
 * sio_close() for a server that others stand in for: stops listening and refuses new clients (503 with Retry-After),
 * then sends those that are there away one by one over `ms` milliseconds, ten a second at least, so that they do not
 * all arrive elsewhere at once. What is queued for a client is sent first; it sees "transport close" and connects
 * again, its sockets are disconnected with "server shutting down". Goes on as sio_close() when nobody is left or the
 * time is over; what is then not gone after 5 seconds is cut off. sio_close() meanwhile: at once. 0 ms, or a server
 * that never listened: sio_close().
 */
SIO_API void sio_drain(sio_server *io, unsigned ms, void (*done)(sio_server *io, void *arg), void *arg);

/*
 * `fn` is called once, when sio_close() or sio_drain() have ended and before their `done`: every socket's disconnect
 * listeners have run and nobody is connected any more, so what the application holds is final and can be saved. The
 * program sockeye closes its server on SIGTERM and SIGINT, in each worker, and exits when these functions have
 * returned; what they print is written and exit handlers run. Several are called in their order, none may free the server. A process that crashes
 * or is killed calls none.
 */
SIO_API void sio_on_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg);

/* After `done`, or for a server that never listened; before, it aborts. Accepts NULL. */
SIO_API void sio_server_free(sio_server *io);

SIO_API struct ev_loop *sio_loop(const sio_server *io);   /* that of sio_server_new() */
SIO_API unsigned sio_clients_count(const sio_server *io); /* io.engine.clientsCount, of this node */

/*
 * One key=value log line of level info: sio_log(io, "joined", "id", id, "room", room, NULL). Texts only, at most 8
 * pairs, the rest is left out; quoted where they need it, cut where they are too long. A key without a value, or with
 * NULL for one, is shown empty and ends the line: SIO_ERR_ARGUMENT.
 */
SIO_API int sio_log(sio_server *io, const char *event, ...) __attribute__((sentinel));

/* ---------------------------------------------------------------- values */

/*
 * A received value, passed by value; good as long as the event (or other owner) it came from, and so are the texts
 * and bytes read from it. Its fields are private. Reading decodes no more than is asked for.
 */
typedef struct {
	const char *json;
	size_t n;
	const void *owner;
} sio_value;

typedef enum { SIO_NONE, SIO_NULL, SIO_BOOL, SIO_NUMBER, SIO_STRING, SIO_BINARY, SIO_ARRAY, SIO_OBJECT } sio_type;

SIO_API sio_type sio_type_of(sio_value value); /* SIO_NONE: there is no such value (a missing argument or member) */
SIO_API sio_value sio_get(sio_value object, const char *key); /* member, SIO_NONE when absent or not an object */
SIO_API sio_value sio_at(sio_value array, unsigned index); /* element, SIO_NONE beyond the last; takes O(index) */
SIO_API unsigned sio_length(sio_value value); /* elements, members, or bytes of a string or binary; else 0 */
/*
 * Walks the members of an object in their order, or the elements of an array (`*key` then is NULL; key may be NULL):
 * *cursor starts at 0 and is private; false at the end, at once for other types, and when there is no memory for a key.
 */
SIO_API bool sio_each(sio_value value, size_t *cursor, const char **key, sio_value *member);

/* Text of a string, NUL-terminated UTF-8, n its length; NULL for other types, and without memory for it. With n NULL a U+FFFD stands for each NUL in it. */
SIO_API const char *sio_string(sio_value value, size_t *n);
SIO_API int64_t sio_int(sio_value value, int64_t otherwise); /* a number within int64, fraction cut off; else `otherwise` */
SIO_API double sio_double(sio_value value, double otherwise); /* any number; else `otherwise` */
SIO_API bool sio_bool(sio_value value, bool otherwise);     /* true or false; else `otherwise`, for numbers too */
SIO_API const void *sio_binary(sio_value value, size_t *n);  /* its n bytes (n may be NULL); NULL, 0 for other types */
/*
 * JSON text of n bytes, not NUL-terminated, as it was received; binary shows as placeholders; NULL, 0 for SIO_NONE.
 */
SIO_API const char *sio_json(sio_value value, size_t *n);
/* As a MessagePack object of msgpack-c (#include <msgpack.h>); NULL for SIO_NONE, for more than 512 levels, and without memory for it. */
SIO_API const struct msgpack_object *sio_msgpack(sio_value value);

/* ------------------------------------------------------------ namespaces */

/*
 * io.of(name): the same object for the same name, made when missing; a missing leading "/" is added. A new name that
 * a pattern of sio_of_pattern() matches becomes a child of it; NULL if there are maxChildren of those, or for a name that
 * is not UTF-8 or longer than 512 bytes, "/" included.
 *
 * Name the namespaces that stand for themselves before the first client connects. Where there is a sio_of_function(),
 * a namespace named later may be one that the function decides on. So nobody can join it until the function has allowed
 * a client to; then it becomes a child of that parent.
 */
SIO_API sio_nsp *sio_of(sio_server *io, const char *name);

/*
 * io.of(regex): a parent for namespaces made when a client first asks for one whose whole name, leading "/" included,
 * matches the Perl-style pattern (PCRE2). Handlers and middlewares registered on the parent serve its children. NULL
 * and `error` (SIO_ERROR_LINE bytes, may be NULL) for a bad pattern. A name that takes too many steps to match does
 * not match.
 */
SIO_API sio_nsp *sio_of_pattern(sio_server *io, const char *pattern, char *error);

/*
 * io.of(fn): the same, decided by a function, which answers now or later. sio_next(step) makes the namespace, and from
 * then on sio_of() gives the parent's child. sio_refuse(step, ...) leaves the decision to the next parent; when the last
 * one refuses, the client gets "Invalid namespace". It gets that, too, for a name that has meanwhile become another
 * parent's child. `name` is the namespace asked for, `auth` what the client sent along, {} for nothing. Parents are
 * asked in the order they were made.
 */
SIO_API sio_nsp *sio_of_function(sio_server *io,
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg), void *arg);

SIO_API const char *sio_nsp_name(const sio_nsp *nsp); /* "/" first; good as long as the namespace */
SIO_API sio_server *sio_nsp_server(const sio_nsp *nsp);
SIO_API unsigned sio_nsp_count(const sio_nsp *nsp); /* connected sockets on this node; of a parent: of its children */

/* "new_namespace": a namespace other than "/" was made. One function; NULL takes it away. */
SIO_API void sio_on_new_namespace(sio_server *io, void (*fn)(sio_nsp *nsp, void *arg), void *arg);

/* ------------------------------------------------------------- listeners */

typedef void sio_connection_fn(sio_socket *socket, void *arg);
typedef void sio_event_fn(sio_socket *socket, sio_event *event, void *arg);
typedef void sio_disconnect_fn(sio_socket *socket, const char *reason, void *arg);
typedef void sio_error_fn(sio_socket *socket, const char *message, void *arg);
typedef void sio_middleware_fn(sio_socket *socket, sio_step *step, void *arg);
typedef void sio_event_middleware_fn(sio_socket *socket, sio_event *event, sio_step *step, void *arg);

/*
 * Listeners of a namespace serve all of its sockets; several per event run in the order of registration, a parent's
 * before its children's. One that is added while they run is called from the next time on. sio_on(): SIO_ERR_RESERVED
 * for the names that Socket.IO keeps ("connect", "connect_error", "disconnect", "disconnecting", "newListener",
 * "removeListener"). sio_off() takes away one registration of exactly this function and arg: SIO_ERR_NOT_FOUND.
 */
SIO_API void sio_on_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
SIO_API int sio_on(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg);
SIO_API int sio_off(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg);
SIO_API void sio_on_any(sio_nsp *nsp, sio_event_fn *fn, void *arg);          /* before the listeners of the event */
/*
 * Every packet that leaves for a socket of the namespace, broadcasts too (once per socket); `event` cannot be
 * acknowledged.
 */
SIO_API void sio_on_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg);
/*
 * Rooms are still there in "disconnecting", gone in "disconnect"; each is called exactly once per connected socket.
 * `reason` is one of Socket.IO's: "transport close", "transport error", "ping timeout", "client namespace
 * disconnect", "server namespace disconnect", "server shutting down", "forced close", "forced server close", "parse
 * error".
 */
SIO_API void sio_on_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
SIO_API void sio_on_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
/*
 * Local "error" event: a packet that could not be decoded, or an event middleware's refusal. Without one: nothing
 * happens.
 */
SIO_API void sio_on_error(sio_nsp *nsp, sio_error_fn *fn, void *arg);

/*
 * nsp.use(): runs before a socket connects, in order; each calls sio_next() or sio_refuse(), now or later. The
 * socket's id, handshake, data, user pointer and rooms can be used. If the client goes before the answer, the listeners
 * of "disconnect" do not run for this socket, and the pointer is not good any more: who answers later keeps the step,
 * and asks sio_step_socket() for the socket.
 */
SIO_API void sio_use(sio_nsp *nsp, sio_middleware_fn *fn, void *arg);
/*
 * socket.use() for all sockets of the namespace, and for one. Runs before the listeners of each incoming event; one
 * that answers later holds up this event, not those that follow.
 */
SIO_API void sio_use_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg);
SIO_API void sio_socket_use(sio_socket *socket, sio_event_middleware_fn *fn, void *arg);

/*
 * Goes on with the next middleware. Every step is answered once, even if its client has gone meanwhile: until then it
 * keeps its memory. A second answer in the same callback is ignored (sio_refuse(): SIO_ERR_STATE); after that the
 * step is gone.
 */
SIO_API void sio_next(sio_step *step);
/*
 * next(err). A connecting client gets connect_error with the message (NULL: "") and, unless format is NULL, err.data,
 * one item of sio_emit()'s format. For an event middleware the event is dropped and sio_on_error listeners called;
 * for sio_of_function() and sio_allow_request() see there. SIO_ERR_ARGUMENT, SIO_ERR_TOO_BIG: data that cannot be
 * sent, binary among it; SIO_ERR_SYSTEM: no memory for it; refused is refused all the same. SIO_ERR_STATE: answered already.
 */
SIO_API int sio_refuse(sio_step *step, const char *message, const char *format, ...);

/*
 * The socket that the middleware was called for; NULL once its client has gone, and for steps of sio_of_function() and
 * sio_allow_request().
 */
SIO_API sio_socket *sio_step_socket(const sio_step *step);
/*
 * `fn` is called once if the client goes while the step waits for its answer, soon after and never from within this call;
 * it has gone already: the same. The step wants its answer all the same, which may be given in fn; an answer before fn
 * is called makes the call needless, and it is left out. One function, the last one set; NULL takes it away.
 * SIO_ERR_STATE: answered already, or a step of sio_allow_request(), which is not told.
 */
SIO_API int sio_step_on_gone(sio_step *step, void (*fn)(sio_step *step, void *arg), void *arg);

/* ---------------------------------------------------------------- events */

SIO_API const char *sio_event_name(const sio_event *event);      /* a number that a client sent as a name: its text */
SIO_API unsigned sio_argc(const sio_event *event);               /* arguments, name not counted */
SIO_API sio_value sio_arg(const sio_event *event, unsigned index); /* SIO_NONE beyond the last */
SIO_API bool sio_wants_ack(const sio_event *event);              /* the sender waits for an acknowledgement */

/*
 * Acknowledges; format and errors as for sio_emit(), after which it may be tried again. SIO_ERR_STATE when not
 * wanted, answered already, or the socket is gone.
 */
SIO_API int sio_ack(sio_event *event, const char *format, ...);

/*
 * Keeps an event beyond its callback (to acknowledge later); values are read from the result, never NULL. Each call
 * wants one sio_event_release() (accepts NULL). A client of which more than maxPendingAcks are kept is closed. Without
 * memory for a copy the kept event has an empty name and no arguments, can be acknowledged, and its client is closed.
 */
SIO_API sio_event *sio_event_keep(sio_event *event);
SIO_API void sio_event_release(sio_event *kept);
SIO_API sio_socket *sio_event_socket(const sio_event *event); /* NULL once disconnected */

/* --------------------------------------------------------------- targets */

/*
 * Whom an emit reaches: a small value, built up by the functions below; its fields are private. Texts are borrowed
 * until the emit. The builders never fail: a room that is NULL or one too many shows as the emit's error
 * (SIO_ERR_ARGUMENT, SIO_ERR_TOO_MANY).
 */
#define SIO_TARGET_ROOMS 6
typedef struct {
	sio_nsp *nsp;
	sio_socket *socket;                  /* the sender, or the only receiver */
	const char *rooms[SIO_TARGET_ROOMS];
	const char *except[SIO_TARGET_ROOMS];
	const char *const *more_rooms;       /* sio_to_many() */
	const char *const *more_except;      /* sio_except_many() */
	unsigned more_rooms_count, more_except_count;
	uint8_t rooms_count, except_count;
	uint16_t flags;
	uint32_t timeout;
} sio_target;

SIO_API sio_target sio_all(sio_nsp *nsp);              /* io.of("/x").emit */
SIO_API sio_target sio_everyone(sio_socket *socket);   /* io.emit, in the socket's namespace */
SIO_API sio_target sio_only(sio_socket *socket);       /* socket.emit */
SIO_API sio_target sio_others(sio_socket *socket);     /* socket.broadcast.emit: all but the socket */

/*
 * At most SIO_TARGET_ROOMS each of one room; a socket in several of them gets one packet. On sio_only(): as
 * sio_others().
 */
SIO_API sio_target sio_to(sio_target target, const char *room);      /* union of rooms; .in() is the same */
SIO_API sio_target sio_except(sio_target target, const char *room);  /* nobody who is in it */
/* n rooms at once, once per target each; the array is borrowed too. */
SIO_API sio_target sio_to_many(sio_target target, const char *const *rooms, unsigned n);
SIO_API sio_target sio_except_many(sio_target target, const char *const *rooms, unsigned n);
SIO_API sio_target sio_volatile(sio_target target);             /* dropped where the client cannot take it now */
SIO_API sio_target sio_compress(sio_target target, bool on);    /* false: not even with perMessageDeflate */
SIO_API sio_target sio_local(sio_target target);                /* this node only */
SIO_API sio_target sio_timeout(sio_target target, uint32_t ms); /* how long sio_emit_ack() and sio_fetch() wait */

/*
 * Emits. The format packs the arguments, one letter each (NULL or "": none):
 *
 *   s  const char * (NULL: null)      i  int          u  unsigned         B  const void *, size_t: binary
 *   S  const char *, size_t           I  int64_t      d  double           j  const char *: JSON text, checked
 *   v  sio_value (SIO_NONE: null)     b  int: boolean n  null, no value   V  const struct msgpack_object *
 *   *  sio_event *: all its arguments (at the top and in arrays)
 *   [...]  array      {s:x,...}  object: keys by s or S; a member whose v is SIO_NONE is left out
 *
 * Commas, colons and blanks between them may be left out. Everything is copied. SIO_ERR_RESERVED: a name that
 * Socket.IO keeps; SIO_ERR_ARGUMENT: a malformed format, text that is no UTF-8, JSON that is none; SIO_ERR_TOO_BIG,
 * SIO_ERR_TOO_MANY: see there. Nobody gets it then, or, if it is too big for the bus alone, only the sockets of this
 * node: an event larger than --redis-max-queue cannot wait for a bus that is away. An empty or disconnected target is
 * no error, nor is a bus that is away: the other nodes are told when it is back.
 */
SIO_API int sio_emit(sio_target target, const char *event, const char *format, ...);

/*
 * Emits and collects acknowledgements. If this gives 0, `fn` is called exactly once, never from within this call:
 * error 0, or SIO_ERR_TIMEOUT with what came in time. If it gives an error (those of sio_emit()), `fn` is never
 * called. One receiver (sio_only): the answers are the arguments of its acknowledgement; without sio_timeout() it
 * waits until the socket is gone, and is then called with SIO_ERR_STATE. Many receivers, on all nodes: the first
 * argument of each; without sio_timeout() 5000 ms are waited. SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY: the same, because
 * answers or questions exceed what this node keeps; SIO_ERR_SYSTEM: because there was no memory for an answer.
 * SIO_ERR_STATE: the server is closing. A parent namespace
 * (sio_of_pattern, sio_of_function) is SIO_ERR_ARGUMENT.
 */
typedef void sio_answers_fn(sio_server *io, int error, const sio_answers *answers, void *arg);
SIO_API int sio_emit_ack(sio_target target, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...);
SIO_API unsigned sio_answers_count(const sio_answers *answers);   /* how many sio_answer() gives */
SIO_API unsigned sio_answers_silent(const sio_answers *answers);  /* other nodes that did not answer, or 1 if nobody knows */
SIO_API unsigned sio_answers_missing(const sio_answers *answers); /* clients, of nodes that did, that did not */
SIO_API sio_value sio_answer(const sio_answers *answers, unsigned index); /* SIO_NONE beyond the last, or empty */

/* The matching sockets, of this node as they are now, of the others as they tell. */
typedef struct {
	const char *id;
	const char *const *rooms;
	unsigned rooms_count;
	sio_value data;      /* {} when never set */
	sio_value handshake; /* {headers, time, address, xdomain, secure, issued, url, query, auth} */
} sio_socket_info;
/*
 * fetchSockets(): if this gives 0, fn is called once, never from within this call. error 0, or SIO_ERR_TIMEOUT:
 * `silent` other nodes did not answer within sio_timeout() (else --requests-timeout), the sockets of all others are
 * there. When they could not even be counted, as while the bus is away, `silent` is at least 1. SIO_ERR_SYSTEM: there was
 * no memory for some or all of the list. Other errors as for sio_emit_ack().
 */
typedef void sio_fetch_fn(
	sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg);
SIO_API int sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg);
/*
 * The names of all rooms on all nodes, each once; the own rooms of sockets (their ids) too. Errors as for
 * sio_fetch().
 */
typedef void sio_rooms_fn(
	sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg);
SIO_API int sio_all_rooms(sio_nsp *nsp, sio_rooms_fn *fn, void *arg);
/*
 * socketsJoin(), socketsLeave(), disconnectSockets(close): to the matching sockets of this node at once, of the other
 * nodes when they hear of it. SIO_ERR_TOO_MANY: a socket of this node is in as many rooms as it may be (maxRooms,
 * maxRoomBytes); SIO_ERR_TOO_BIG: the name is longer than maxRoomLength, which the other nodes refuse too; SIO_ERR_STATE: within a listener of sio_on_room(). The others are told all the same.
 */
SIO_API int sio_sockets_join(sio_target target, const char *room);
SIO_API int sio_sockets_leave(sio_target target, const char *room);
SIO_API int sio_disconnect_sockets(sio_target target, bool close);

/* ------------------------------------------------------- the other servers */

/*
 * serverSideEmit(): an event for the same namespace of all other servers of the cluster, never for this one, and
 * never for clients. Alone it does nothing. SIO_ERR_RESERVED: "connect", "connection", "new_namespace";
 * SIO_ERR_ARGUMENT: a malformed format, or a parent namespace.
 */
SIO_API int sio_server_side_emit(sio_nsp *nsp, const char *event, const char *format, ...);
/*
 * The same with one answer from each other server. `fn` is called once, never from within this call: error 0 (alone:
 * without answers), or SIO_ERR_TIMEOUT with the answers that came, sio_answers_silent() says how many did not.
 * timeout_ms 0: --requests-timeout.
 */
SIO_API int sio_server_side_emit_ack(sio_nsp *nsp, uint32_t timeout_ms, sio_answers_fn *fn, void *arg, const char *event,
	const char *format, ...);

/*
 * Listens to what other servers emit. The event has no socket; sio_ack(event, ...) answers once, with its first
 * value, then or later (sio_event_keep()).
 */
typedef void sio_server_event_fn(sio_nsp *nsp, sio_event *event, void *arg);
SIO_API int sio_on_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg);  /* SIO_ERR_RESERVED */
SIO_API int sio_off_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg); /* SIO_ERR_NOT_FOUND */

/* --------------------------------------------------------------- sockets */

SIO_API const char *sio_id(const sio_socket *socket); /* socket.id: 20 characters, good as long as the socket */
/* A connected socket of this node, or NULL. One of another node is reached by sio_to(sio_all(nsp), id). */
SIO_API sio_socket *sio_find(const sio_nsp *nsp, const char *id);
SIO_API sio_nsp *sio_socket_nsp(const sio_socket *socket);
SIO_API sio_server *sio_socket_server(const sio_socket *socket);
SIO_API bool sio_connected(const sio_socket *socket);        /* in "disconnecting" still, in middlewares not yet */
SIO_API const char *sio_transport(const sio_socket *socket); /* "polling", "websocket"; "" once the client is gone */

/*
 * In middlewares and while connected; after that they do nothing. Twice is once. SIO_ERR_TOO_MANY: maxRooms, or
 * maxRoomBytes of all rooms of this client; SIO_ERR_TOO_BIG: a name longer than maxRoomLength; SIO_ERR_SYSTEM: no memory for
 * it; SIO_ERR_STATE: within a listener of sio_on_room().
 */
SIO_API int sio_join(sio_socket *socket, const char *room);
SIO_API void sio_leave(sio_socket *socket, const char *room);
SIO_API void sio_leave_all(sio_socket *socket); /* socket.leaveAll(): the room of its own id too */
/*
 * Rooms, the own id included: *cursor starts at 0 and is private; NULL at the end. The name is good until the socket
 * leaves that room. Rooms may be left and joined during the walk; it goes on with those that are left, and comes to those
 * that are new.
 */
SIO_API const char *sio_room_next(const sio_socket *socket, size_t *cursor);
SIO_API bool sio_in_room(const sio_socket *socket, const char *room);

/*
 * The adapter's events "create-room", "delete-room" (id NULL), "join-room", "leave-room", of this node's rooms.
 * Called at once, from within sio_join() and the like: rooms cannot be joined or left in it (sio_join() gives
 * SIO_ERR_STATE).
 */
typedef enum { SIO_ROOM_CREATED, SIO_ROOM_DELETED, SIO_ROOM_JOINED, SIO_ROOM_LEFT } sio_room_change;
typedef void sio_room_fn(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg);
SIO_API void sio_on_room(sio_nsp *nsp, sio_room_fn *fn, void *arg);

/*
 * socket.disconnect(close): the namespace only, or the whole connection with all of its sockets. What was emitted
 * before is sent first. The listeners of "disconnecting" and "disconnect" run later, never from within this call.
 * Twice is once.
 */
SIO_API void sio_disconnect(sio_socket *socket, bool close);

/*
 * socket.data: one value (one item of sio_emit()'s format, e.g. "{s:s}"; NULL or "": none any more), which
 * sio_fetch() shows to all nodes. SIO_ERR_ARGUMENT, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY as for sio_emit();
 * SIO_ERR_STATE once disconnected; SIO_ERR_SYSTEM: no memory for it. After an error the value before stays.
 */
SIO_API int sio_set_data(sio_socket *socket, const char *format, ...);
SIO_API sio_value sio_data(const sio_socket *socket); /* SIO_NONE when never set; good until it is set again */
/*
 * A pointer of the application's, NULL at first; never looked at. sio_set_user() replaces it and frees nothing: what it
 * points to is freed in a disconnect listener, which does not run for a client that goes before it is let in.
 */
SIO_API void sio_set_user(sio_socket *socket, void *user);
/*
 * The same for a pointer that is freed by `free_user(user)`, once, when the socket ends: after its disconnect listeners,
 * or when it was refused, or its client went, before it was let in. The socket cannot be used there. sio_set_user() and
 * a further sio_set_user_free() give the pointer before back to the caller, unfreed. SIO_ERR_STATE, and nothing changes:
 * in a "disconnect" listener.
 */
SIO_API int sio_set_user_free(sio_socket *socket, void *user, void (*free_user)(void *user));
SIO_API void *sio_user(const sio_socket *socket);

/* socket.handshake: of the request that opened the session. Texts are good until the callback returns. */
SIO_API sio_value sio_auth(const sio_socket *socket);                          /* {} when the client sent none */
/* NULL when absent; several are joined as by Node.js: by ", ", cookies by "; ", and of some (host, ...) the first counts. */
SIO_API const char *sio_header(const sio_socket *socket, const char *name);
SIO_API const char *sio_query(const sio_socket *socket, const char *key);   /* decoded; NULL when absent, or with a NUL in it */
SIO_API const char *sio_address(const sio_socket *socket); /* of the client, no port; as trustProxy and proxyProtocol say */
SIO_API const char *sio_url(const sio_socket *socket);     /* target of the request, query included */
SIO_API uint64_t sio_issued(const sio_socket *socket); /* ms since the epoch */
SIO_API bool sio_secure(const sio_socket *socket);     /* over TLS */
SIO_API bool sio_xdomain(const sio_socket *socket);    /* the request had an Origin */

/* ------------------------------------------------------ the engine's hooks */

/*
 * allowRequest: called for requests that open a session. Answer now or later by sio_next(step) or sio_refuse(step,
 * message, NULL): 403 (for WebSocket 400), code 4, message NULL: "Forbidden". One function, the last one set; NULL
 * takes it away. `request` is good until the callback returns, and so are the texts read from it.
 */
SIO_API void sio_allow_request(sio_server *io, void (*fn)(sio_server *io, sio_request *request, sio_step *step, void *arg),
	void *arg);
/*
 * engine "headers", and with `initial` "initial_headers" (the reply that opens the session): add fields to a reply.
 * Called when the request arrives, before anything comes of it, so it may do anything, as all functions here: emit,
 * disconnect, close the server. The fields leave with whatever the request is answered, a long poll perhaps much
 * later. One function, as above.
 */
SIO_API void sio_on_headers(sio_server *io, void (*fn)(sio_server *io, sio_request *request, bool initial, void *arg), void *arg);
/*
 * Within the function of sio_on_headers() (else SIO_ERR_STATE). SIO_ERR_ARGUMENT: not a field's name or value (RFC
 * 9110 5.1 and 5.5: no CR, LF or NUL), or Content-Length or Transfer-Encoding; SIO_ERR_TOO_BIG: beyond 16 KiB in one
 * reply.
 */
SIO_API int sio_add_header(sio_request *request, const char *name, const char *value);
SIO_API const char *sio_request_header(const sio_request *request, const char *name); /* as sio_header() */
SIO_API const char *sio_request_query(const sio_request *request, const char *key);   /* as sio_query() */
SIO_API const char *sio_request_url(const sio_request *request);                      /* as sio_url() */
SIO_API const char *sio_request_address(const sio_request *request);                  /* as sio_address() */
/*
 * engine "connection_error": a request was refused with an Engine.IO error code (0 "Transport unknown" to 5
 * "Unsupported protocol version", as clients get them); `context` is a word for the check that failed. One function,
 * as above.
 */
SIO_API void sio_on_connection_error(sio_server *io,
	void (*fn)(sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg), void *arg);

/*
 * An application is a shared object with this function; it registers its listeners. Not 0: the server does not start.
 */
SIO_API int sio_app(sio_server *io);

#ifdef __cplusplus
}
#endif

#endif
