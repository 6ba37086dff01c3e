/*
 * sockeye.h: a Socket.IO server for C programs.
 *
 * The words are those of the Socket.IO server: namespaces, sockets, rooms, events, acknowledgements. One server
 * belongs to one libev loop and one thread; every function is called from that thread. No function blocks.
 *
 * Errors: functions that return int give 0 (or a count) on success and a negative sio_error on failure.
 *
 * Memory: a name or text handed in is copied unless its comment says "borrowed". What a callback receives (socket aside)
 * is good until the callback returns. A sio_socket is good until its disconnect callback returns; to keep hold of one
 * for longer keep its id and use sio_find().
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
	SIO_ERR_ARGUMENT = -9,      /* malformed format string, name or option */
	SIO_ERR_RESERVED = -101,    /* "connect", "disconnect" ... cannot be emitted */
	SIO_ERR_TOO_BIG = -2,       /* a packet larger than half of maxBuffered (8 MB by default) */
	SIO_ERR_TOO_MANY = -3,      /* more rooms, arguments or attachments than allowed */
	SIO_ERR_NOT_FOUND = -7,
	SIO_ERR_STATE = -10,        /* answered already, disconnected, closed */
	SIO_ERR_SYSTEM = -11,       /* the operating system refused, see the error line */
	SIO_ERR_TIMEOUT = -13,      /* "operation has timed out": not every answer came in time, or the other nodes are out of reach */
} sio_error;

/* The text for an error; never NULL. */
SIO_API const char *sio_error_text(int error);

/* ---------------------------------------------------------------- server */

#define SIO_ERROR_LINE 512 /* room for one line that says what is wrong, where, and what to do */

/* A server on the caller's loop, which must outlive it. */
SIO_API sio_server *sio_server_new(struct ev_loop *loop);

/*
 * Sets an option by Socket.IO's name ("pingInterval") or the flag's ("ping-interval"); value as on the command line. Before sio_listen() only
 * (SIO_ERR_STATE). `error` (SIO_ERROR_LINE bytes, may be NULL) explains a refusal. The list: sockeye --help.
 */
SIO_API int sio_set_option(sio_server *io, const char *name, const char *value, char *error);

/* Opens the port of the options "host" and "port" (0: the kernel picks; see sio_port()) and serves. */
SIO_API int sio_listen(sio_server *io, char *error);
SIO_API uint16_t sio_port(const sio_server *io);

/*
 * io.close(): stops listening, disconnects every socket with "server shutting down", closes every connection. `done`
 * (may be NULL) is called once all of it is gone; the server may be freed from within it.
 */
SIO_API void sio_close(sio_server *io, void (*done)(sio_server *io, void *arg), void *arg);

/*
 * sio_close() for a server that others stand in for: stops listening and refuses new clients (503 with Retry-After),
 * then sends those that are there away one by one over `ms` milliseconds, ten a second at least, so that they do not all arrive
 * elsewhere at once. What is queued for a client is sent first; it sees "transport close" and connects again, its sockets are
 * disconnected with "server shutting down". Goes on as sio_close() when nobody is left or the time is over; what is then
 * not gone after 5 seconds is cut off. sio_close() meanwhile: at once. 0 ms, or a server that never listened: sio_close().
 */
SIO_API void sio_drain(sio_server *io, unsigned ms, void (*done)(sio_server *io, void *arg), void *arg);

/* After `done`, or for a server that never listened. Accepts NULL. */
SIO_API void sio_server_free(sio_server *io);

SIO_API struct ev_loop *sio_loop(const sio_server *io);
SIO_API unsigned sio_clients_count(const sio_server *io); /* io.engine.clientsCount */

/* One key=value log line of level info: sio_log(io, "joined", "id", id, "room", room, NULL). Texts only, at most 8 pairs. */
SIO_API void sio_log(sio_server *io, const char *event, ...) __attribute__((sentinel));

/* ---------------------------------------------------------------- values */

/* A received value, passed by value; good as long as the event (or other owner) it came from. Its fields are private. */
typedef struct {
	const char *json;
	size_t n;
	const void *owner;
} sio_value;

typedef enum { SIO_NONE, SIO_NULL, SIO_BOOL, SIO_NUMBER, SIO_STRING, SIO_BINARY, SIO_ARRAY, SIO_OBJECT } sio_type;

SIO_API sio_type sio_type_of(sio_value value); /* SIO_NONE: there is no such value (a missing argument or member) */
SIO_API sio_value sio_get(sio_value object, const char *key); /* member, SIO_NONE when absent or not an object */
SIO_API sio_value sio_at(sio_value array, unsigned index);
SIO_API unsigned sio_length(sio_value value); /* elements, members, or bytes of a string or binary */
/* Walks members of an object or elements of an array (key then is NULL); *cursor starts at 0; false at the end. */
SIO_API bool sio_each(sio_value value, size_t *cursor, const char **key, sio_value *member);

/* Text of a string, NUL-terminated UTF-8, n (may be NULL) its length; NULL for other types. */
SIO_API const char *sio_string(sio_value value, size_t *n);
SIO_API int64_t sio_int(sio_value value, int64_t otherwise);   /* a number within int64, fraction cut off; else `otherwise` */
SIO_API double sio_double(sio_value value, double otherwise);
SIO_API bool sio_bool(sio_value value, bool otherwise);
SIO_API const void *sio_binary(sio_value value, size_t *n);    /* bytes of a binary; NULL for other types */
SIO_API const char *sio_json(sio_value value, size_t *n);      /* JSON text, not NUL-terminated; binary shows as placeholders */
/* As a MessagePack object of msgpack-c (#include <msgpack.h>); NULL for SIO_NONE, and for more than 512 levels. */
SIO_API const struct msgpack_object *sio_msgpack(sio_value value);

/* ------------------------------------------------------------ namespaces */

/* io.of(name): the same object for the same name, made when missing; a missing leading "/" is added. */
SIO_API sio_nsp *sio_of(sio_server *io, const char *name);

/*
 * io.of(regex): a parent for namespaces made when a client first asks for one whose whole name, leading "/" included, matches
 * the Perl-style pattern. Handlers and middlewares registered on the parent serve its children. NULL and `error` for a bad pattern.
 */
SIO_API sio_nsp *sio_of_pattern(sio_server *io, const char *pattern, char *error);

/* io.of(fn): the same, decided by a function, which answers now or later by sio_next(step) or sio_refuse(step, ...). */
SIO_API sio_nsp *sio_of_function(sio_server *io,
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg), void *arg);

SIO_API const char *sio_nsp_name(const sio_nsp *nsp);
SIO_API sio_server *sio_nsp_server(const sio_nsp *nsp);
SIO_API unsigned sio_nsp_count(const sio_nsp *nsp); /* connected sockets on this node */

/* "new_namespace": a namespace other than "/" was made. */
SIO_API void sio_on_new_namespace(sio_server *io, void (*fn)(sio_nsp *nsp, void *arg), void *arg);

/* ------------------------------------------------------------- listeners */

typedef void sio_connection_fn(sio_socket *socket, void *arg);
typedef void sio_event_fn(sio_socket *socket, sio_event *event, void *arg);
typedef void sio_disconnect_fn(sio_socket *socket, const char *reason, void *arg);
typedef void sio_error_fn(sio_socket *socket, const char *message, void *arg);
typedef void sio_middleware_fn(sio_socket *socket, sio_step *step, void *arg);
typedef void sio_event_middleware_fn(sio_socket *socket, sio_event *event, sio_step *step, void *arg);

/* Listeners of a namespace serve all of its sockets; several per event run in the order of registration. */
SIO_API void sio_on_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
SIO_API int sio_on(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg); /* SIO_ERR_RESERVED */
SIO_API int sio_off(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg); /* SIO_ERR_NOT_FOUND */
SIO_API void sio_on_any(sio_nsp *nsp, sio_event_fn *fn, void *arg);          /* before the listeners of the event */
/* Every packet that leaves for a socket of the namespace, broadcasts too (once per socket); `event` cannot be acknowledged. */
SIO_API void sio_on_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg);
/* Rooms are still there in "disconnecting", gone in "disconnect"; each is called exactly once per connected socket. */
SIO_API void sio_on_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
SIO_API void sio_on_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
/* Local "error" event: a packet that could not be decoded, or an event middleware's refusal. Without one: nothing happens. */
SIO_API void sio_on_error(sio_nsp *nsp, sio_error_fn *fn, void *arg);

/* nsp.use(): runs before a socket connects, in order; each calls sio_next() or sio_refuse(), now or later. */
SIO_API void sio_use(sio_nsp *nsp, sio_middleware_fn *fn, void *arg);
/* socket.use() for all sockets of the namespace, and for one. Runs before the listeners of each incoming event. */
SIO_API void sio_use_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg);
SIO_API void sio_socket_use(sio_socket *socket, sio_event_middleware_fn *fn, void *arg);

/* Goes on with the next middleware. A second answer to the same step is not possible: the step is gone. */
SIO_API void sio_next(sio_step *step);
/*
 * next(err). A connecting client gets connect_error with the message and, unless format is NULL, err.data. For an event
 * middleware the event is dropped and sio_on_error listeners called; for sio_of_function "Invalid namespace".
 */
SIO_API int sio_refuse(sio_step *step, const char *message, const char *format, ...);

/* ---------------------------------------------------------------- events */

SIO_API const char *sio_event_name(const sio_event *event);
SIO_API unsigned sio_argc(const sio_event *event);               /* arguments, name not counted */
SIO_API sio_value sio_arg(const sio_event *event, unsigned index); /* SIO_NONE beyond the last */
SIO_API bool sio_wants_ack(const sio_event *event);

/* Acknowledges; format as for sio_emit(). SIO_ERR_STATE when not wanted, answered already, or the socket is gone. */
SIO_API int sio_ack(sio_event *event, const char *format, ...);

/* Keeps an event beyond its callback (to acknowledge later). Give the result back by sio_event_release(). */
SIO_API sio_event *sio_event_keep(sio_event *event);
SIO_API void sio_event_release(sio_event *kept);
SIO_API sio_socket *sio_event_socket(const sio_event *event); /* NULL once disconnected */

/* --------------------------------------------------------------- targets */

/* Whom an emit reaches: a small value, built up by the functions below. Texts are borrowed until the emit. */
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

SIO_API sio_target sio_to(sio_target target, const char *room);      /* union of rooms; .in() is the same */
SIO_API sio_target sio_except(sio_target target, const char *room);
SIO_API sio_target sio_to_many(sio_target target, const char *const *rooms, unsigned n);     /* the array is borrowed too */
SIO_API sio_target sio_except_many(sio_target target, const char *const *rooms, unsigned n);
SIO_API sio_target sio_volatile(sio_target target);            /* dropped where the client cannot take it now */
SIO_API sio_target sio_compress(sio_target target, bool on);
SIO_API sio_target sio_local(sio_target target);               /* this node only */
SIO_API sio_target sio_timeout(sio_target target, uint32_t ms); /* for acknowledgements and sio_fetch() */

/*
 * Emits. The format packs the arguments:
 *   s const char * (NULL: null)   S const char *, size_t   i int   I int64_t   u unsigned   d double   b int as boolean   n null
 *   B const void *, size_t: binary   v sio_value   V const msgpack_object *   j const char *: JSON text   * sio_event *: all its arguments
 *   [...] array   {s:x,...} object
 * SIO_ERR_RESERVED, SIO_ERR_ARGUMENT, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY. An empty or disconnected target is no error.
 */
SIO_API int sio_emit(sio_target target, const char *event, const char *format, ...);

/*
 * Emits and collects acknowledgements. `fn` is called exactly once, never from within this call: error 0, or SIO_ERR_TIMEOUT with what came in time.
 * One receiver (sio_only): the answers are the arguments of its acknowledgement; without sio_timeout() it waits until the
 * socket is gone, and is then called with SIO_ERR_STATE. Many receivers, on all nodes: the first argument of each; without
 * sio_timeout() 5000 ms are waited. SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY: the same, because answers or questions exceed what this
 * node keeps. SIO_ERR_STATE: the server is closing. A parent namespace (sio_of_pattern, sio_of_function) is SIO_ERR_ARGUMENT.
 */
typedef void sio_answers_fn(sio_server *io, int error, const sio_answers *answers, void *arg);
SIO_API int sio_emit_ack(sio_target target, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...);
SIO_API unsigned sio_answers_count(const sio_answers *answers);
SIO_API unsigned sio_answers_silent(const sio_answers *answers);  /* other nodes that did not answer */
SIO_API unsigned sio_answers_missing(const sio_answers *answers); /* clients, of nodes that did, that did not */
SIO_API sio_value sio_answer(const sio_answers *answers, unsigned index);

/* The matching sockets, of this node as they are now, of the others as they tell. */
typedef struct {
	const char *id;
	const char *const *rooms;
	unsigned rooms_count;
	sio_value data;      /* {} when never set */
	sio_value handshake; /* {headers, time, address, xdomain, secure, issued, url, query, auth} */
} sio_socket_info;
/*
 * fetchSockets(): fn is called once, never from within this call. error 0, or SIO_ERR_TIMEOUT: `silent` other nodes did not
 * answer within sio_timeout() (else --requests-timeout), the sockets of all others are there. Other errors as for sio_emit_ack().
 */
typedef void sio_fetch_fn(
	sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg);
SIO_API int sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg);
/* The names of all rooms on all nodes, each once; the own rooms of sockets (their ids) too. Errors as for sio_fetch(). */
typedef void sio_rooms_fn(
	sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg);
SIO_API int sio_all_rooms(sio_nsp *nsp, sio_rooms_fn *fn, void *arg);
/*
 * To the matching sockets of this node at once, of the other nodes when they hear of it. SIO_ERR_TOO_MANY: a socket of this node
 * is in as many rooms as it may be.
 */
SIO_API int sio_sockets_join(sio_target target, const char *room);
SIO_API int sio_sockets_leave(sio_target target, const char *room);
SIO_API int sio_disconnect_sockets(sio_target target, bool close);

/* ------------------------------------------------------- the other servers */

/*
 * serverSideEmit(): an event for the same namespace of all other servers of the cluster, never for this one, and never
 * for clients. Alone it does nothing. SIO_ERR_RESERVED: "connect", "connection", "new_namespace"; SIO_ERR_ARGUMENT: a
 * malformed format, or a parent namespace.
 */
SIO_API int sio_server_side_emit(sio_nsp *nsp, const char *event, const char *format, ...);
/*
 * The same with one answer from each other server. `fn` is called once, never from within this call: error 0 (alone: without
 * answers), or SIO_ERR_TIMEOUT with the answers that came, sio_answers_silent() says how many did not. timeout_ms 0:
 * --requests-timeout.
 */
SIO_API int sio_server_side_emit_ack(sio_nsp *nsp, uint32_t timeout_ms, sio_answers_fn *fn, void *arg, const char *event,
	const char *format, ...);

/*
 * Listens to what other servers emit. The event has no socket; sio_ack(event, ...) answers once, with its first value,
 * then or later (sio_event_keep()).
 */
typedef void sio_server_event_fn(sio_nsp *nsp, sio_event *event, void *arg);
SIO_API int sio_on_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg);  /* SIO_ERR_RESERVED */
SIO_API int sio_off_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg); /* SIO_ERR_NOT_FOUND */

/* --------------------------------------------------------------- sockets */

SIO_API const char *sio_id(const sio_socket *socket);
/* A connected socket of this node, or NULL. One of another node is reached by sio_to(sio_all(nsp), id). */
SIO_API sio_socket *sio_find(const sio_nsp *nsp, const char *id);
SIO_API sio_nsp *sio_socket_nsp(const sio_socket *socket);
SIO_API sio_server *sio_socket_server(const sio_socket *socket);
SIO_API bool sio_connected(const sio_socket *socket);
SIO_API const char *sio_transport(const sio_socket *socket); /* "polling", "websocket" */

SIO_API int sio_join(sio_socket *socket, const char *room);  /* after disconnect: nothing */
SIO_API void sio_leave(sio_socket *socket, const char *room);
/* Rooms, the own id included: *cursor starts at 0; NULL at the end. Do not join or leave during the walk. */
SIO_API const char *sio_room_next(const sio_socket *socket, size_t *cursor);
SIO_API bool sio_in_room(const sio_socket *socket, const char *room);

/*
 * The adapter's events "create-room", "delete-room" (id NULL), "join-room", "leave-room", of this node's rooms. Called at once,
 * from within sio_join() and the like: rooms cannot be joined or left in it (sio_join() gives SIO_ERR_STATE).
 */
typedef enum { SIO_ROOM_CREATED, SIO_ROOM_DELETED, SIO_ROOM_JOINED, SIO_ROOM_LEFT } sio_room_change;
typedef void sio_room_fn(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg);
SIO_API void sio_on_room(sio_nsp *nsp, sio_room_fn *fn, void *arg);

/* socket.disconnect(close): the namespace only, or the whole connection. */
SIO_API void sio_disconnect(sio_socket *socket, bool close);

/* socket.data, a value (format of one item, e.g. "{s:s}") that sio_fetch() shows to others; and a C pointer of the application's. */
SIO_API int sio_set_data(sio_socket *socket, const char *format, ...);
SIO_API sio_value sio_data(const sio_socket *socket);
SIO_API void sio_set_user(sio_socket *socket, void *user);
SIO_API void *sio_user(const sio_socket *socket);

/* socket.handshake. Texts are good until the callback returns. */
SIO_API sio_value sio_auth(const sio_socket *socket);                          /* {} when the client sent none */
SIO_API const char *sio_header(const sio_socket *socket, const char *name);    /* NULL when absent; repeated ones joined by ", " */
SIO_API const char *sio_query(const sio_socket *socket, const char *key);      /* decoded; NULL when absent */
SIO_API const char *sio_address(const sio_socket *socket);
SIO_API const char *sio_url(const sio_socket *socket);
SIO_API uint64_t sio_issued(const sio_socket *socket); /* ms since the epoch */
SIO_API bool sio_secure(const sio_socket *socket);     /* over TLS */
SIO_API bool sio_xdomain(const sio_socket *socket);    /* the request had an Origin */

/* ------------------------------------------------------ the engine's hooks */

/*
 * allowRequest: called for requests that open a session. Answer now or later by sio_next(step) or sio_refuse(step, message, NULL).
 * At most one.
 */
SIO_API void sio_allow_request(sio_server *io, void (*fn)(sio_server *io, sio_request *request, sio_step *step, void *arg),
	void *arg);
/* engine "headers" and "initial_headers": add fields to a reply. At most one. */
SIO_API void sio_on_headers(sio_server *io, void (*fn)(sio_server *io, sio_request *request, bool initial, void *arg), void *arg);
SIO_API int sio_add_header(sio_request *request, const char *name, const char *value); /* SIO_ERR_ARGUMENT: CR, LF or NUL in it */
SIO_API const char *sio_request_header(const sio_request *request, const char *name);
SIO_API const char *sio_request_query(const sio_request *request, const char *key);
SIO_API const char *sio_request_url(const sio_request *request);
SIO_API const char *sio_request_address(const sio_request *request);
/* engine "connection_error": a request was refused with an Engine.IO error code. */
SIO_API void sio_on_connection_error(sio_server *io,
	void (*fn)(sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg), void *arg);

/* An application is a shared object with this function; it registers its listeners. Not 0: the server does not start. */
SIO_API int sio_app(sio_server *io);

#ifdef __cplusplus
}
#endif

#endif
