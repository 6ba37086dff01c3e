/*
 * sockeye.h: a Socket.IO server for C programs.
 *
 * The API uses the terms of the Socket.IO server, version 4 (https://socket.io/docs/v4/server-api/): namespaces,
 * sockets, rooms, events and acknowledgements. The comment of a function names its Socket.IO counterpart, if there
 * is one. Clients are served with revision 5 of the Socket.IO protocol over revision 4 of the Engine.IO protocol
 * (https://socket.io/docs/v4/socket-io-protocol/ and .../engine-io-protocol/). Servers exchange the messages of
 * @socket.io/redis-adapter 8.
 *
 * Threads: a server belongs to one libev loop and to the thread that runs it. Call every function from that thread.
 * No function blocks.
 *
 * Nodes: "this node" is this sio_server. Each worker of the sockeye program has a sio_server of its own, so the
 * other workers of the same machine are other nodes.
 *
 * Errors: a function that returns int returns 0 on success and a negative sio_error on failure. Its comment lists
 * the errors. Each such function can also return SIO_ERR_ARGUMENT: a required pointer is NULL, a name or room is not
 * valid UTF-8, or a format is malformed. Other functions do nothing if a required pointer is NULL, and return 0,
 * false, NULL or SIO_NONE. A failed call also logs the warning "call_failed", at most once a second. The warning
 * names the function, the event, the position in the format and the reason. SIO_ERR_STATE is not logged, because a
 * late call is normal.
 *
 * Memory shortage: if an allocation for data from or to a client fails, the server closes that client at the end of
 * the callback. Until then, data that could not be decoded reads as absent (NULL, "" or SIO_NONE). If a small
 * fixed-size allocation fails, the program aborts.
 *
 * Debugging: a library built with "make DEBUG=1" checks every handle. A NULL handle, a handle of the wrong type, or
 * a stale handle (a socket after its disconnect callback, an event or value after its callback) aborts the program.
 * The error line "mistake" is logged first; it names the function and the fault.
 *
 * Ownership: names and texts passed in are copied unless the comment says "borrowed". `arg` is passed to the
 * callback unchanged. The arguments of a callback, and everything read from them, are valid until the callback
 * returns. Two types live longer. A sio_socket is valid until its disconnect callback returns; to refer to a socket
 * after that, keep its id and call sio_find(). A namespace is valid until its server is freed, with one exception: a
 * child that a client's connection created, and that sio_of() never returned, may be removed once it has no sockets
 * (see the options cleanupEmptyChildNamespaces and maxChildren).
 *
 * Text is NUL-terminated UTF-8 in both directions. A U+0000 sent by a client reads as U+FFFD; see sio_string().
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
typedef struct sio_event sio_event;     /* a received event: its arguments, and its acknowledgement if requested */
typedef struct sio_step sio_step;       /* a decision that a middleware owes: sio_next() or sio_refuse() */
typedef struct sio_answers sio_answers; /* the answers to an emit with acknowledgement */
typedef struct sio_request sio_request; /* an HTTP request, passed to the engine's hooks */
typedef struct sio_histogram sio_histogram; /* a metric of the application; see sio_observe() */
typedef struct sio_list sio_list;       /* values to be sent as one array; see sio_list_new() */

typedef enum {
	SIO_OK = 0,
	SIO_ERR_ARGUMENT = -9,      /* a required pointer is NULL, or a format, name or option value is malformed */
	SIO_ERR_RESERVED = -101,    /* "connect", "disconnect" and other reserved names cannot be emitted */
	SIO_ERR_TOO_BIG = -2,       /* the packet is larger than half of maxBuffered (8 MB by default) */
	SIO_ERR_TOO_MANY = -3,      /* more rooms, arguments or attachments than the limit */
	SIO_ERR_REFUSED = -6,       /* Redis refuses a command; the log says why */
	SIO_ERR_NOT_FOUND = -7,     /* unknown option, or the listener is not registered */
	SIO_ERR_STATE = -10,        /* already answered, disconnected or closed */
	SIO_ERR_SYSTEM = -11,       /* a system call failed (see `error` or the log); for an emit: out of memory */
	SIO_ERR_TIMEOUT = -13,      /* some answers did not arrive in time, or the other nodes cannot be reached */
} sio_error;

/* Returns a description of `error`; never NULL. */
SIO_API const char *sio_error_text(int error);

/* ---------------------------------------------------------------- server */

#define SIO_ERROR_LINE 512 /* size of an error buffer: one line with the fault, its place and the remedy */

/*
 * Creates a server on `loop`, which is borrowed and must outlive the server. Never returns NULL. Free the server
 * with sio_server_free().
 */
SIO_API sio_server *sio_server_new(struct ev_loop *loop);

/*
 * Sets an option. `name` is the Socket.IO name ("pingInterval") or the command line's ("ping-interval"). `value` has
 * the syntax of the command line: a duration is a number of milliseconds or has a unit ("25s"), a size is a number
 * of bytes or has one ("16m"). `sockeye --help` lists all options. `error` (SIO_ERROR_LINE bytes, may be NULL)
 * receives the reason of a failure.
 *   SIO_ERR_NOT_FOUND  unknown option
 *   SIO_ERR_ARGUMENT   invalid value
 *   SIO_ERR_STATE      the server listens already, or the option is one that the shared object declares
 */
SIO_API int sio_set_option(sio_server *io, const char *name, const char *value, char *error);

/*
 * Options of the application. They appear in --help and are set like the options of the server: by flags, SOCKEYE_*
 * variables and the file of --config ("scoreLimit" is --score-limit and SOCKEYE_SCORE_LIMIT). --check and
 * --print-config include them.
 *
 * A shared object defines the array sio_app_options. It ends with an entry whose name is NULL, so a last {0} is
 * enough. The program reads it before sio_app() runs, so sio_app() finds the values set. An embedding program
 * declares an array with sio_declare_options(), once and before sio_listen(), and sets values with sio_set_option().
 */
typedef enum {
	SIO_OPTION_FLAG,   /* true or false */
	SIO_OPTION_NUMBER,
	SIO_OPTION_MS,     /* a duration: 300, 300ms, 25s, 2m */
	SIO_OPTION_BYTES,  /* a size: 1000, 64k, 1m */
	SIO_OPTION_TEXT,
	SIO_OPTION_CHOICE  /* one word of `choices` */
} sio_option_kind;

typedef struct {
	const char *name;     /* letters and digits, at most 40; not a name of the server's options */
	sio_option_kind kind;
	const char *initial;  /* the default as text; NULL: false, 0, an unset text, or the first choice */
	const char *help;     /* one sentence without a final full stop */
	uint64_t min, max;    /* limits of NUMBER, MS and BYTES; max 0: no upper limit */
	const char *choices;  /* SIO_OPTION_CHOICE: "low|high" */
	bool secret;          /* --print-config does not show the value */
	bool reload;          /* SIGHUP applies a change in the file; if false, a change needs a restart */
	uint64_t reserved[2]; /* 0 */
} sio_option;

SIO_API extern const sio_option sio_app_options[]; /* defined by a shared object; optional */
/* `error` is as for sio_set_option(). SIO_ERR_ARGUMENT: a declaration is invalid; SIO_ERR_STATE: called too late, or twice. */
SIO_API int sio_declare_options(sio_server *io, const sio_option *options, char *error);
/*
 * Return the present value of an option of the application or of the server. `name` is the declared name. After
 * SIGHUP, options with `reload` have the new value, so read them each time they are needed. sio_option_number() also
 * reads durations (in milliseconds), sizes, and choices (as an index, from 0). sio_option_text() returns "" if the
 * option is unset; the text is valid until the option changes. An unknown name or another kind reads as false, 0 or
 * "", with a warning in the log.
 */
SIO_API bool sio_option_flag(const sio_server *io, const char *name);
SIO_API uint64_t sio_option_number(const sio_server *io, const char *name);
SIO_API const char *sio_option_text(const sio_server *io, const char *name);

/*
 * Listens on the address of the options "host" and "port" and serves clients. With port 0 the kernel picks a port.
 * `error` is as for sio_set_option().
 *   SIO_ERR_ARGUMENT  the options contradict each other
 *   SIO_ERR_SYSTEM    the port, a directory or a certificate cannot be opened
 *   SIO_ERR_STATE     the server listens already, or is closed
 * After SIO_ERR_ARGUMENT and SIO_ERR_SYSTEM, options can still be changed and the call repeated.
 */
SIO_API int sio_listen(sio_server *io, char *error);

/*
 * Returns the TCP port in host byte order, or 0 if the server does not listen: before sio_listen(), and once it
 * closes.
 */
SIO_API uint16_t sio_port(const sio_server *io);

/*
 * io.close(): stops listening, disconnects every socket with the reason "server shutting down" and closes every
 * connection. `done` (may be NULL) is called once, after everything is gone, and never from within this call. `done`
 * may free the server. If the server is closing or closed already, the call does nothing and `done` is not called.
 */
SIO_API void sio_close(sio_server *io, void (*done)(sio_server *io, void *arg), void *arg);

/*
 * Closes the server gradually, so that its clients do not all reconnect to other servers at once. It answers new
 * clients with 503 and Retry-After, and spreads the disconnection of the present clients over `ms` milliseconds (at
 * least ten clients a second). A client is disconnected after its queued data was sent; it sees "transport close" and
 * reconnects. Its sockets are disconnected with "server shutting down". The port stays open until the clients have
 * left, so that long-polling clients can fetch their queued data. When all clients have left or the time is over, the
 * server goes on as with sio_close(), and cuts off connections that remain 5 seconds later. `done` is as for
 * sio_close(). A sio_close() during the drain ends it at once, and its `done` replaces that of the drain. A second
 * sio_drain() does nothing. With 0 ms, or on a server that never listened, this call does the same as sio_close().
 */
SIO_API void sio_drain(sio_server *io, unsigned ms, void (*done)(sio_server *io, void *arg), void *arg);

/*
 * Registers a function that is called once, after sio_close() or sio_drain() has finished and before its `done`. At
 * that point every disconnect listener has run and no client is connected, so the state of the application is final
 * and can be saved. Several functions are called in the order of registration. They must not free the server.
 *
 * The sockeye program closes the server of each worker on SIGTERM and SIGINT. It exits after these functions have
 * returned, flushes stdio and runs exit handlers. The functions are not called if a process crashes or is killed.
 */
SIO_API void sio_on_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg);
SIO_API int sio_off_stop(sio_server *io, void (*fn)(sio_server *io, void *arg), void *arg); /* or SIO_ERR_NOT_FOUND */

/* Frees a server that never listened, or whose `done` has been called. Aborts otherwise. Accepts NULL. */
SIO_API void sio_server_free(sio_server *io);

/*
 * setTimeout() and setInterval(): `fn` is called once after `ms` milliseconds, or every `ms` milliseconds (at least
 * 1), never from within the call. Returns a number for sio_timer_stop(), never 0. A timer costs no system call. When
 * the server has closed, its timers end; then the functions of sio_on_stop() run.
 */
typedef uint64_t sio_timer;
typedef void sio_timer_fn(sio_server *io, void *arg);
SIO_API sio_timer sio_timer_once(sio_server *io, uint32_t ms, sio_timer_fn *fn, void *arg);
SIO_API sio_timer sio_timer_every(sio_server *io, uint32_t ms, sio_timer_fn *fn, void *arg);
SIO_API void sio_timer_stop(sio_server *io, sio_timer timer); /* does nothing for 0 and for a timer that has ended */

/*
 * Runs work that blocks, such as a database query. `work(arg)` runs in another thread and must not call any function
 * of this file. Afterwards `done(io, arg)` runs on the loop, once for each call that returns 0, and never from within
 * the call. Keep a step, a kept event or the id of a socket in `arg`, not the socket.
 *
 * The server has up to workThreads threads, which start when they are needed. Work begins in the order of the calls.
 * With several threads, it may end in a different order.
 *
 * When the server closes, it waits up to 10 seconds for all work to finish; then the functions of sio_on_stop() run.
 * Work that is not finished by then is abandoned, with the warning "work_abandoned": `done` is not called, and work
 * that still runs keeps using `arg`. Give queries a time-out.
 *   SIO_ERR_TOO_MANY  maxWork calls are not done yet
 *   SIO_ERR_STATE     the server is closed
 *   SIO_ERR_SYSTEM    no thread can be started
 */
typedef void sio_work_fn(void *arg);
typedef void sio_work_done_fn(sio_server *io, void *arg);
SIO_API int sio_work(sio_server *io, sio_work_fn *work, sio_work_done_fn *done, void *arg);

/*
 * Returns the number of this worker on its machine, counted from 0, and the number of workers in *workers (may be
 * NULL). A server inside another program is worker 0 of 1. The call selects one worker for work that must be done only
 * once: if (sio_worker(io, NULL) == 0).
 */
SIO_API unsigned sio_worker(const sio_server *io, unsigned *workers);

SIO_API struct ev_loop *sio_loop(const sio_server *io);   /* the loop passed to sio_server_new() */
SIO_API unsigned sio_clients_count(const sio_server *io); /* io.engine.clientsCount, on this node */

/*
 * Logs one key=value line of level info: sio_log(io, "joined", "id", id, "room", room, NULL). Keys and values are
 * texts. Values are quoted if necessary; long ones are truncated, and pairs beyond the eighth are dropped. A key
 * whose value is missing or NULL is logged with an empty value and ends the line; the call then returns
 * SIO_ERR_ARGUMENT.
 */
SIO_API int sio_log(sio_server *io, const char *event, ...) __attribute__((sentinel));

/*
 * Metrics of the application. The admin port serves them at /metrics, beside the server's metrics and with a label for
 * the worker. Each call finds or adds a series, which exists until the server is freed. Keep the pointer: counting is
 * then one addition.
 *   uint64_t *scores = sio_counter(io, "scores_total", "scores received", NULL, NULL);      ... ++*scores;
 *   double *queue = sio_gauge(io, "score_queue", "scores that wait for the database", NULL, NULL);      ... *queue = n;
 * `name` has small letters, digits and _, does not begin with sockeye_, and ends with _total for counters only.
 * `label` and `value` are both NULL, or the name and the value of the metric's only label. A metric has up to 32
 * label values. The last of them is "other", which counts all further values, and values that are longer than 63
 * bytes or contain quotes. An application can have 64 metrics and 256 series. A metric that exceeds these limits or
 * is malformed is not served; the warning "metric_refused" names it.
 */
SIO_API uint64_t *sio_counter(sio_server *io, const char *name, const char *help, const char *label, const char *value);
SIO_API double *sio_gauge(sio_server *io, const char *name, const char *help, const char *label, const char *value);
/* `bounds`: upper limits of `n` buckets, at most 16, ascending. sio_observe() adds a value, for example in seconds. */
SIO_API sio_histogram *sio_histogram_of(sio_server *io, const char *name, const char *help, const char *label,
	const char *value, const double *bounds, unsigned n);
SIO_API void sio_observe(sio_histogram *histogram, double value);

/* ---------------------------------------------------------------- values */

/*
 * A received value, passed by value. The value, and any text or bytes read from it, is valid as long as its owner,
 * which is usually the event. Its fields are private. A value is decoded on demand, and only as far as a call needs.
 */
typedef struct {
	const char *json;
	size_t n;
	const void *owner;
} sio_value;

typedef enum { SIO_NONE, SIO_NULL, SIO_BOOL, SIO_NUMBER, SIO_STRING, SIO_BINARY, SIO_ARRAY, SIO_OBJECT } sio_type;

/* Returns the type of a value; SIO_NONE if the value is absent (a missing argument or member). */
SIO_API sio_type sio_type_of(sio_value value);
/* Returns the member `key`; SIO_NONE if it is missing or `object` is not an object. */
SIO_API sio_value sio_get(sio_value object, const char *key);
/* Returns the element at `index`, in O(index) time; SIO_NONE past the end or if `array` is not an array. */
SIO_API sio_value sio_at(sio_value array, unsigned index);
/* Returns the number of elements, of members, or of bytes in a string or binary; 0 for other types. */
SIO_API unsigned sio_length(sio_value value);
/*
 * Iterates over the members of an object, in the order received, or over the elements of an array. Set *cursor to 0
 * before the first call; its value is private. `key` may be NULL; *key is NULL for an element of an array. Returns
 * false at the end, for other types, and if memory for a key runs out.
 */
SIO_API bool sio_each(sio_value value, size_t *cursor, const char **key, sio_value *member);

/*
 * Returns the text of a string as NUL-terminated UTF-8, and its length in *n. Returns NULL for other types, and if
 * memory runs out. If `n` is NULL, each NUL in the text is replaced with U+FFFD.
 */
SIO_API const char *sio_string(sio_value value, size_t *n);
/* Returns a number in the range of int64_t, with its fraction cut off; `otherwise` for any other value. */
SIO_API int64_t sio_int(sio_value value, int64_t otherwise);
/* Returns a number; `otherwise` for other types. */
SIO_API double sio_double(sio_value value, double otherwise);
/* Returns a boolean; `otherwise` for other types, including numbers. */
SIO_API bool sio_bool(sio_value value, bool otherwise);
/* Returns the bytes of a binary, and their count in *n (may be NULL); NULL and 0 for other types. */
SIO_API const void *sio_binary(sio_value value, size_t *n);
/*
 * Returns the value as JSON text, as received, and its length in *n. The text is not NUL-terminated. Binary appears
 * as a placeholder object. Returns NULL and 0 for SIO_NONE.
 */
SIO_API const char *sio_json(sio_value value, size_t *n);
/*
 * Returns the value as an object of msgpack-c (#include <msgpack.h>). Returns NULL for SIO_NONE, for a value nested
 * deeper than 512 levels, and if memory runs out.
 */
SIO_API const struct msgpack_object *sio_msgpack(sio_value value);

/* ------------------------------------------------------------ namespaces */

/*
 * io.of(name): returns the namespace, and creates it if necessary. Repeated calls return the same object. A missing
 * leading "/" is added. A new name that matches a sio_of_pattern() becomes a child of that parent. Returns NULL if
 * the parent has maxChildren children already, or if the name is not valid UTF-8 or is longer than 512 bytes
 * including "/".
 *
 * Create all independent namespaces before the first client connects. If a sio_of_function() parent exists, a
 * namespace created later might belong to that parent. Clients therefore cannot join it until the function has
 * allowed one of them to; the namespace then becomes a child of that parent.
 */
SIO_API sio_nsp *sio_of(sio_server *io, const char *name);

/*
 * io.of(regex): creates a parent namespace. When a client asks for a name that matches `pattern`, a child of that
 * name is created. `pattern` is a Perl-compatible regular expression (PCRE2) and must match the whole name,
 * including the leading "/". Listeners and middlewares registered on the parent serve all children. A name that
 * exceeds the match limit does not match. Returns NULL for a bad pattern; `error` (SIO_ERROR_LINE bytes, may be
 * NULL) receives the reason.
 */
SIO_API sio_nsp *sio_of_pattern(sio_server *io, const char *pattern, char *error);

/*
 * io.of(fn): as sio_of_pattern(), but `matches` decides, now or later. `name` is the requested namespace; `auth` is
 * the authentication data of the client, {} if it sent none. sio_next(step) creates the namespace, and sio_of()
 * returns the child from then on. sio_refuse(step, ...) passes the decision to the next parent; parents are asked in
 * the order of their creation. If all refuse, the client gets the error "Invalid namespace". It gets the same error
 * if the name has become a child of another parent in the meantime.
 */
SIO_API sio_nsp *sio_of_function(sio_server *io,
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg), void *arg);

SIO_API const char *sio_nsp_name(const sio_nsp *nsp); /* starts with "/"; valid as long as the namespace */
SIO_API sio_server *sio_nsp_server(const sio_nsp *nsp);
SIO_API unsigned sio_nsp_count(const sio_nsp *nsp); /* connected sockets on this node; for a parent, of its children */

/*
 * "new_namespace": `fn` is called for each new namespace except "/". A server has one such function: a second call
 * replaces it, and NULL removes it.
 */
SIO_API void sio_on_new_namespace(sio_server *io, void (*fn)(sio_nsp *nsp, void *arg), void *arg);

/* ------------------------------------------------------------- listeners */

typedef void sio_connection_fn(sio_socket *socket, void *arg);
typedef void sio_event_fn(sio_socket *socket, sio_event *event, void *arg);
typedef void sio_disconnect_fn(sio_socket *socket, const char *reason, void *arg);
typedef void sio_error_fn(sio_socket *socket, const char *message, void *arg);
typedef void sio_middleware_fn(sio_socket *socket, sio_step *step, void *arg);
typedef void sio_event_middleware_fn(sio_socket *socket, sio_event *event, sio_step *step, void *arg);

/*
 * nsp.on("connection") and, for the events of clients, socket.on().
 *
 * A listener registered on a namespace serves all its sockets. Several listeners of one event run in the order of
 * registration; the listeners of a parent namespace run before those of its child. A listener that is added while an
 * event is delivered is called from the next event on.
 *
 * sio_on() returns SIO_ERR_RESERVED for the names that Socket.IO reserves: "connect", "connect_error", "disconnect",
 * "disconnecting", "newListener" and "removeListener". sio_off() removes one registration with the same `fn` and
 * `arg`; it returns SIO_ERR_NOT_FOUND if there is no such registration.
 */
SIO_API void sio_on_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
SIO_API int sio_on(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg);
SIO_API int sio_off(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg);
/*
 * socket.on(), once() and off(): listeners of one socket. They run after those of its namespace, unless one of those
 * disconnects the socket. They end with the socket. A listener of sio_socket_once() is removed before its first call.
 * Errors are those of sio_on() and sio_off(). Once the socket has left, sio_socket_on() and sio_socket_once() return
 * SIO_ERR_STATE.
 */
SIO_API int sio_socket_on(sio_socket *socket, const char *event, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_once(sio_socket *socket, const char *event, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_off(sio_socket *socket, const char *event, sio_event_fn *fn, void *arg);
/* socket.onAny(): `fn` is called for every received event, before the listeners of that event. */
SIO_API void sio_on_any(sio_nsp *nsp, sio_event_fn *fn, void *arg);
SIO_API void sio_prepend_any(sio_nsp *nsp, sio_event_fn *fn, void *arg); /* runs before those registered so far */
/*
 * socket.onAnyOutgoing(): `fn` is called for every event sent to a socket of the namespace. A broadcast calls it
 * once per receiving socket. The event cannot be acknowledged.
 */
SIO_API void sio_on_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg);
SIO_API void sio_prepend_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg); /* runs before those registered so far */
/* Like sio_off(): each removes one registration with the same `fn` and `arg`, or returns SIO_ERR_NOT_FOUND. */
SIO_API int sio_off_any(sio_nsp *nsp, sio_event_fn *fn, void *arg);
SIO_API int sio_off_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg);
SIO_API int sio_off_connection(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
SIO_API int sio_off_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
SIO_API int sio_off_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
SIO_API int sio_off_error(sio_nsp *nsp, sio_error_fn *fn, void *arg);
/* The same for the events of one socket, after the listeners of its namespace. Errors are those of sio_socket_on(). */
SIO_API int sio_socket_on_any(sio_socket *socket, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_prepend_any(sio_socket *socket, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_off_any(sio_socket *socket, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_on_any_outgoing(sio_socket *socket, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_prepend_any_outgoing(sio_socket *socket, sio_event_fn *fn, void *arg);
SIO_API int sio_socket_off_any_outgoing(sio_socket *socket, sio_event_fn *fn, void *arg);
/*
 * The events "disconnecting" and "disconnect" occur exactly once per connected socket, in this order. The socket is
 * still in its rooms during "disconnecting"; it has left them before "disconnect". `reason` is one of
 * "transport close", "transport error", "ping timeout", "client namespace disconnect", "server namespace
 * disconnect", "server shutting down", "forced close", "forced server close" and "parse error".
 */
SIO_API void sio_on_disconnecting(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
SIO_API void sio_on_disconnect(sio_nsp *nsp, sio_disconnect_fn *fn, void *arg);
/*
 * Returns the details of a lost connection, for example "the client sent a close packet", within a listener of
 * "disconnecting" or "disconnect". The text lives as long as the program. Returns NULL anywhere else, and if the socket
 * left for another reason.
 */
SIO_API const char *sio_disconnect_details(const sio_socket *socket);
/* socket.conn.on("upgrade"): the client has moved from long-polling to WebSocket; see sio_transport(). */
SIO_API void sio_on_upgrade(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
SIO_API int sio_off_upgrade(sio_nsp *nsp, sio_connection_fn *fn, void *arg);
/*
 * The local "error" event: a received packet could not be decoded, or an event middleware refused an event. Without
 * a listener the error is ignored.
 */
SIO_API void sio_on_error(sio_nsp *nsp, sio_error_fn *fn, void *arg);

/*
 * nsp.use(): `fn` runs before a socket connects and decides with sio_next() or sio_refuse(), now or later.
 * Middlewares run in the order of registration. The socket's id, handshake, data, user pointer and rooms can be
 * used.
 *
 * If the client leaves before the decision, the disconnect listeners do not run for this socket and its pointer
 * becomes invalid. A middleware that decides later must therefore keep the step and get the socket from
 * sio_step_socket().
 */
SIO_API void sio_use(sio_nsp *nsp, sio_middleware_fn *fn, void *arg);
/*
 * socket.use(): sio_use_events() for all sockets of a namespace, sio_socket_use() for one socket. `fn` runs before the
 * listeners of each received event. A middleware that decides later delays only its own event, and later events can
 * overtake that event.
 */
SIO_API void sio_use_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg);
SIO_API void sio_socket_use(sio_socket *socket, sio_event_middleware_fn *fn, void *arg);
/*
 * Remove one registration with the same `fn` and `arg`, or return SIO_ERR_NOT_FOUND. The middleware is not called again,
 * not even for sockets and events whose middlewares run already. Steps that it holds must still be answered.
 */
SIO_API int sio_unuse(sio_nsp *nsp, sio_middleware_fn *fn, void *arg);
SIO_API int sio_unuse_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg);
SIO_API int sio_socket_unuse(sio_socket *socket, sio_event_middleware_fn *fn, void *arg);

/*
 * Continues with the next middleware. Every step must be answered exactly once, by sio_next() or sio_refuse(), even
 * if the client has left: a step holds memory until it is answered. A second answer within the same callback is
 * ignored (sio_refuse() returns SIO_ERR_STATE). When the callback that answered has returned, the step is invalid.
 */
SIO_API void sio_next(sio_step *step);
/*
 * next(err). A connecting client receives connect_error with `message` (NULL: "") and with err.data, one value in
 * the format of sio_emit(); with a NULL `format` there is no err.data. In an event middleware, the event is dropped
 * and the listeners of sio_on_error() are called. See sio_of_function() and sio_allow_request() for their steps.
 *   SIO_ERR_ARGUMENT, SIO_ERR_TOO_BIG  the data cannot be sent, for example because it contains binary
 *   SIO_ERR_SYSTEM                     out of memory for the data
 *   SIO_ERR_STATE                      already answered
 * The step is refused even if the data cannot be sent.
 */
SIO_API int sio_refuse(sio_step *step, const char *message, const char *format, ...);

/*
 * Returns the socket for which the middleware was called. Returns NULL if its client has left, and for the steps of
 * sio_of_function() and sio_allow_request().
 */
SIO_API sio_socket *sio_step_socket(const sio_step *step);
/*
 * `fn` is called once if the client leaves before the step is answered, or has left already. It is never called from
 * within this call, and not at all if the step is answered first. The step must still be answered, which `fn` may
 * do. A step has one such function: a second call replaces it, and NULL removes it.
 *   SIO_ERR_STATE  already answered, or a step of sio_allow_request(); such a step does not report that its client left
 */
SIO_API int sio_step_on_gone(sio_step *step, void (*fn)(sio_step *step, void *arg), void *arg);

/* ---------------------------------------------------------------- events */

SIO_API const char *sio_event_name(const sio_event *event);      /* if a client sent a number as the name: its text */
SIO_API unsigned sio_argc(const sio_event *event);               /* number of arguments, without the name */
SIO_API sio_value sio_arg(const sio_event *event, unsigned index); /* SIO_NONE past the last argument */
SIO_API bool sio_wants_ack(const sio_event *event);              /* true if the sender requested an acknowledgement */

/*
 * Acknowledges an event. `format` and errors are as for sio_emit(); after an error of the format the call can be
 * repeated.
 *   SIO_ERR_STATE  no acknowledgement was requested, the event is already acknowledged, or the socket is gone
 */
SIO_API int sio_ack(sio_event *event, const char *format, ...);

/*
 * Limits the rate of a client's requests. The first call gives the socket a credit of `burst`. The credit then grows
 * by `per_second` each second, up to `burst`. Returns true and takes 1 from the credit. Returns false if less than 1
 * is left, or if the socket has left. Call it in a middleware of sio_use_events() to limit all events, or in a
 * listener to limit one event. A socket has one credit, and a client that connects again gets a new one.
 */
SIO_API bool sio_rate_allows(sio_socket *socket, unsigned burst, double per_second);

/*
 * Keeps an event beyond its callback, usually to acknowledge it later. Returns the kept event, never NULL; read
 * values from the result, not from `event`. Each call needs one sio_event_release(), which accepts NULL. A client
 * with more than maxPendingAcks kept events is closed. If memory for the copy runs out, the kept event has an empty
 * name and no arguments but can be acknowledged, and its client is closed.
 */
SIO_API sio_event *sio_event_keep(sio_event *event);
SIO_API void sio_event_release(sio_event *kept);
SIO_API sio_socket *sio_event_socket(const sio_event *event); /* NULL once the socket is disconnected */

/* --------------------------------------------------------------- targets */

/*
 * The receivers of an emit: a small value built with the functions below. Its fields are private. Texts are borrowed
 * until the emit. The builders never fail. A room that is NULL, or one room too many, makes the emit fail with
 * SIO_ERR_ARGUMENT or SIO_ERR_TOO_MANY.
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

SIO_API sio_target sio_all(sio_nsp *nsp);              /* io.of("/x").emit() */
SIO_API sio_target sio_everyone(sio_socket *socket);   /* io.emit(), in the socket's namespace */
SIO_API sio_target sio_only(sio_socket *socket);       /* socket.emit() */
SIO_API sio_target sio_others(sio_socket *socket);     /* socket.broadcast.emit(): everyone except the socket */

/*
 * .to(room), .in(room) and .except(room): restrict the target to the union of up to SIO_TARGET_ROOMS rooms, and
 * exclude the sockets in up to SIO_TARGET_ROOMS rooms. A socket in several of the rooms receives one packet. After
 * sio_only(), either call makes the target one of sio_others().
 */
SIO_API sio_target sio_to(sio_target target, const char *room);
SIO_API sio_target sio_except(sio_target target, const char *room);
/* Add `n` rooms at once. A target can have one list from each of the two functions. The array is borrowed, too. */
SIO_API sio_target sio_to_many(sio_target target, const char *const *rooms, unsigned n);
SIO_API sio_target sio_except_many(sio_target target, const char *const *rooms, unsigned n);
SIO_API sio_target sio_volatile(sio_target target);             /* drop the packet for clients that are not ready */
SIO_API sio_target sio_compress(sio_target target, bool on);    /* false: never compressed */
SIO_API sio_target sio_local(sio_target target);                /* this node only */
SIO_API sio_target sio_timeout(sio_target target, uint32_t ms); /* how long sio_emit_ack() and sio_fetch() wait */

/*
 * Emits an event. `format` describes the arguments, one letter each; NULL or "" means that there are no arguments:
 *
 *   s  const char * (NULL: null)     i  int           u  unsigned          B  const void *, size_t: binary
 *   S  const char *, size_t          I  int64_t       d  double            j  const char *: JSON text, validated
 *   v  sio_value (SIO_NONE: null)    b  int: boolean  n  null, no value   V  const struct msgpack_object *
 *   J  const char *: as j, and {"$base64":"AAEC"} anywhere in it becomes binary; see sio_format_text()
 *   L  sio_list *: an array       F  const sio_socket_info *, unsigned: an array of fetched sockets, {id, rooms, data}
 *   *  sio_event *: all its arguments (at the top level and in arrays)
 *   [...]  array      {s:x,...}  object: keys are s or S; a member whose v is SIO_NONE is omitted
 *
 * Commas, colons and blanks are optional. All arguments are copied.
 *   SIO_ERR_RESERVED  the event name is reserved by Socket.IO
 *   SIO_ERR_ARGUMENT  the format is malformed, a text is not valid UTF-8, or j is not valid JSON
 *   SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY  see enum sio_error
 * After an error no socket receives the event, with one exception. An event larger than --redis-max-queue cannot
 * wait for a bus that is down: the call returns SIO_ERR_TOO_BIG, but the sockets of this node receive the event.
 *
 * An empty or disconnected target is not an error. If the bus is down, the event is queued and reaches the other
 * nodes when the bus is back.
 */
SIO_API int sio_emit(sio_target target, const char *event, const char *format, ...);

/*
 * Makes a value. `format` describes one value, as for sio_emit(). The value is valid until the callback returns. Returns
 * SIO_NONE after an error, which the warning "call_failed" names, and for an empty format.
 */
SIO_API sio_value sio_format(sio_server *io, const char *format, ...);
/*
 * As sio_format(), and returns JSON text, NUL-terminated; NULL after an error. A binary is written as
 * {"$base64":"AAEC"}, so sio_format_text(io, "v", value) keeps everything that a client sent, for example in a
 * database; the letter J reads it again. Do not use J for text in which clients can write such objects themselves.
 */
SIO_API const char *sio_format_text(sio_server *io, const char *format, ...);

/*
 * Collects values when their number is not known beforehand. sio_list_add() appends each value that `format`
 * describes. The letter L of a format sends the list as one array. A list can be sent several times. It is valid
 * until the callback returns; the server then frees it.
 *   sio_list *names = sio_list_new(io);
 *   while (more) sio_list_add(names, "s", next_name());
 *   sio_ack(event, "L", names);
 * sio_list_add() has the errors of sio_emit(). After SIO_ERR_ARGUMENT the list is as before. After SIO_ERR_TOO_BIG or
 * SIO_ERR_SYSTEM it is incomplete, and every later use of it fails with that error.
 */
SIO_API sio_list *sio_list_new(sio_server *io);
SIO_API int sio_list_add(sio_list *list, const char *format, ...);
SIO_API unsigned sio_list_count(const sio_list *list); /* number of values */

/*
 * Emits an event and collects the acknowledgements. If the call returns 0, `fn` is called exactly once, never from
 * within this call. If it returns an error (of sio_emit(), or of the list below), `fn` is never called.
 *
 * One receiver (sio_only()): the answers are the arguments of its acknowledgement. Without sio_timeout(), the call
 * waits until the socket disconnects.
 *
 * Several receivers, on all nodes: the answers are the first argument of each acknowledgement. Without
 * sio_timeout(), the call waits 5000 ms.
 *
 * sio_emit_ack() also returns:
 *   SIO_ERR_ARGUMENT  the target is a parent namespace (sio_of_pattern(), sio_of_function())
 *   SIO_ERR_STATE     the server is closing
 * `error`, as passed to `fn`:
 *   0                 all answers arrived
 *   SIO_ERR_TIMEOUT   some answers are missing; `answers` has those that arrived in time
 *   SIO_ERR_STATE     the only receiver disconnected
 *   SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY  as SIO_ERR_TIMEOUT, because answers or pending calls exceed a limit of this node
 *   SIO_ERR_SYSTEM    as SIO_ERR_TIMEOUT, because memory for an answer ran out
 */
typedef void sio_answers_fn(sio_server *io, int error, const sio_answers *answers, void *arg);
SIO_API int sio_emit_ack(sio_target target, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...);
/* Number of answers that sio_answer() can return. */
SIO_API unsigned sio_answers_count(const sio_answers *answers);
/* Number of other nodes that did not answer. At least 1 if they could not be counted. */
SIO_API unsigned sio_answers_silent(const sio_answers *answers);
/* Number of clients that did not acknowledge, on nodes that did answer. */
SIO_API unsigned sio_answers_missing(const sio_answers *answers);
/* Returns one answer; SIO_NONE past the last, and for an acknowledgement without arguments. */
SIO_API sio_value sio_answer(const sio_answers *answers, unsigned index);

/*
 * callback(await target.emitWithAck(name, ...)): emits an event and acknowledges `event`, which a client sent, with
 * the array of the answers. Answers that do not arrive in time are left out. If no acknowledgement of `event` was
 * requested, the answers are dropped. Returns the errors of sio_emit_ack(). After an error, the application must
 * acknowledge `event` itself.
 */
SIO_API int sio_ack_answers(sio_event *event, sio_target target, const char *name, const char *format, ...);

/*
 * A matching socket. A socket of this node is described as it was at the time of the call, another socket as it was
 * when its node answered. The struct and everything in it is valid until `fn` returns. The handshake of a socket of
 * this node is written when it is first read; if memory for it runs out, it reads as SIO_NONE.
 */
typedef struct {
	const char *id;
	const char *const *rooms;
	unsigned rooms_count;
	sio_value data;      /* {} if never set */
	sio_value handshake; /* {headers, time, address, xdomain, secure, issued, url, query, auth} */
} sio_socket_info;
/*
 * fetchSockets(): lists the matching sockets of all nodes. If the call returns 0, `fn` is called once, never from
 * within this call. Other nodes have sio_timeout() to answer, by default --requests-timeout. The call returns the
 * errors of sio_emit_ack(). `error`, as passed to `fn`:
 *   0                the list is complete
 *   SIO_ERR_TIMEOUT  `silent` other nodes did not answer; the list has the sockets of this node and of the nodes that
 *                    answered. If the nodes could not be counted, for example because the bus is down, `silent` is at
 *                    least 1.
 *   SIO_ERR_SYSTEM   memory for all or part of the list ran out
 */
typedef void sio_fetch_fn(
	sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg);
SIO_API int sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg);
/*
 * callback(await target.fetchSockets()): acknowledges an event with the array of the matching sockets of all nodes,
 * as the letter F writes it. Servers that do not answer in time are left out. Returns SIO_ERR_STATE if no
 * acknowledgement was requested, and the errors of sio_fetch(). After an error of sio_fetch(), the application must
 * acknowledge the event itself.
 */
SIO_API int sio_ack_sockets(sio_event *event, sio_target target);
/*
 * allRooms(): lists the rooms of all nodes, each name once. The list includes the room that every socket has for its
 * own id. Errors are as for sio_fetch().
 */
typedef void sio_rooms_fn(
	sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg);
SIO_API int sio_all_rooms(sio_nsp *nsp, sio_rooms_fn *fn, void *arg);
/*
 * socketsJoin(), socketsLeave() and disconnectSockets(close): change the matching sockets of all nodes. On this node
 * the change takes effect at once, on other nodes when the request arrives there.
 *   SIO_ERR_TOO_MANY  a socket of this node has reached maxRooms or maxRoomBytes
 *   SIO_ERR_TOO_BIG   the room name is longer than maxRoomLength; the other nodes refuse it, too
 *   SIO_ERR_STATE     called from a listener of sio_on_room()
 * The request goes to the other nodes even if the call fails with one of these. Messages that this node sends to the
 * room afterwards reach the sockets that joined.
 */
SIO_API int sio_sockets_join(sio_target target, const char *room);
SIO_API int sio_sockets_leave(sio_target target, const char *room);
SIO_API int sio_disconnect_sockets(sio_target target, bool close);

/* ------------------------------------------------------- the other servers */

/*
 * The workers of the cluster. This worker learns of the others from their heartbeats (--heartbeat-interval). Node.js
 * servers send no heartbeats; sio_foreign_servers() returns their number.
 */
typedef enum {
	SIO_NODE_SERVING,
	SIO_NODE_DRAINING, /* accepts no more clients, and leaves when its clients have gone */
	SIO_NODE_SILENT,   /* connected, but without a heartbeat for --heartbeat-timeout; its answers are not awaited */
	SIO_NODE_LOST,     /* no longer connected, without having announced that it leaves; listed for a minute */
	SIO_NODE_LEFT      /* has announced that it leaves; listed for a minute */
} sio_node_state;

typedef struct {
	char id[17];             /* identifies this run of the worker */
	char host[65];           /* name of its machine */
	char version[25];        /* version of Sockeye */
	unsigned node, worker;   /* --node-id, and the number of the worker in that node */
	unsigned port;           /* the port that it listens on */
	sio_node_state state;
	bool self;               /* this worker */
	unsigned clients;        /* at its last heartbeat */
	uint64_t started;        /* ms since 1970, by the clock of its machine */
	uint64_t heard;          /* ms since its last heartbeat */
} sio_node;

/*
 * Fills `nodes` with up to `max` workers, this one first, and returns the number of all known workers. `nodes` may be
 * NULL if `max` is 0. A server that does not listen yet knows no worker, and a standalone server knows only itself.
 */
SIO_API unsigned sio_nodes(const sio_server *io, sio_node *nodes, unsigned max);
/* Returns the number of servers that send no heartbeats, such as Node.js servers; -1 if they have not been counted. */
SIO_API int sio_foreign_servers(const sio_server *io);
/*
 * Within the callback of sio_emit_ack(), sio_fetch(), sio_all_rooms() or sio_server_side_emit_ack(), sets `*nodes` to an
 * array of the workers that did not answer and returns its length. The array is valid until the callback returns. It can
 * have fewer entries than servers were silent, because Node.js servers send no heartbeats. Anywhere else, the call sets
 * `*nodes` to NULL and returns 0.
 */
SIO_API unsigned sio_silent_nodes(const sio_server *io, const sio_node **nodes);

/*
 * serverSideEmit(): sends an event to the same namespace on all other servers of the cluster. Neither this server
 * nor any client receives it. On a standalone server the call does nothing.
 *   SIO_ERR_RESERVED  "connect", "connection" or "new_namespace"
 *   SIO_ERR_ARGUMENT  the format is malformed, or `nsp` is a parent namespace
 */
SIO_API int sio_server_side_emit(sio_nsp *nsp, const char *event, const char *format, ...);
/*
 * As sio_server_side_emit(), and collects one answer from each other server. `timeout_ms` 0 means
 * --requests-timeout. If the call returns 0, `fn` is called once, never from within this call. Its `error` is 0, or
 * SIO_ERR_TIMEOUT if sio_answers_silent() servers did not answer in time. On a standalone server `error` is 0 and
 * there are no answers.
 */
SIO_API int sio_server_side_emit_ack(sio_nsp *nsp, uint32_t timeout_ms, sio_answers_fn *fn, void *arg, const char *event,
	const char *format, ...);

/*
 * Register and remove a listener for events that other servers emit. The event has no socket. sio_ack(event, ...)
 * answers it once, in the callback or later (sio_event_keep()); the first value is the answer.
 *   SIO_ERR_RESERVED   sio_on_server_event(): as for sio_server_side_emit()
 *   SIO_ERR_NOT_FOUND  sio_off_server_event(): there is no such registration
 */
typedef void sio_server_event_fn(sio_nsp *nsp, sio_event *event, void *arg);
SIO_API int sio_on_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg);
SIO_API int sio_off_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg);

/* --------------------------------------------------------------- sockets */

/*
 * socket.id, valid as long as the socket: 20 characters. For clients of Socket.IO 1 and 2 (allowEIO3) it is the sid
 * of the session, which is a secret; in a custom namespace "/namespace#" stands before it.
 */
SIO_API const char *sio_id(const sio_socket *socket);
/* Returns a connected socket of this node, or NULL. To reach a socket of any node, emit to sio_to(sio_all(nsp), id). */
SIO_API sio_socket *sio_find(const sio_nsp *nsp, const char *id);
SIO_API sio_nsp *sio_socket_nsp(const sio_socket *socket);
SIO_API sio_server *sio_socket_server(const sio_socket *socket);
/*
 * socket.recovered: the client continues an earlier session (option connectionStateRecovery). Its id, rooms and
 * sio_data() are those of that session; sio_user() is NULL. Middlewares see true as well; with skipMiddlewares they do
 * not run for such a socket.
 */
SIO_API bool sio_recovered(const sio_socket *socket);
/*
 * `fn` is called when a lost client can no longer come back as the same socket: once for each such client, after the
 * "disconnect" listeners of its socket, and never from within another function of this file. With several workers,
 * `fn` is called in one of them, which may not be the one that had the socket. It is not called if the socket left for
 * a reason that allows no return, and not when the server ends. The session and its texts are valid until `fn`
 * returns.
 */
typedef enum {
	SIO_SESSION_EXPIRED,   /* the client did not come back within maxDisconnectionDuration */
	SIO_SESSION_DISPLACED, /* dropped early: recoveryMaxSessions, recoveryMaxBytes, maxChildren, no memory, or a
				  backend changed the rooms before it learned of the loss */
	SIO_SESSION_FAILED     /* the client came back as a new one, because its missed events could not all be sent */
} sio_session_end;

typedef struct {
	const char *id;      /* sio_id() of its socket */
	sio_value data;      /* sio_data() of its socket */
	sio_session_end why;
} sio_ended_session;

typedef void sio_session_ended_fn(sio_nsp *nsp, const sio_ended_session *session, void *arg);
SIO_API void sio_on_session_ended(sio_nsp *nsp, sio_session_ended_fn *fn, void *arg);
/* Removes one registration with the same `fn` and `arg`, or returns SIO_ERR_NOT_FOUND. */
SIO_API int sio_off_session_ended(sio_nsp *nsp, sio_session_ended_fn *fn, void *arg);
SIO_API bool sio_connected(const sio_socket *socket);        /* false in middlewares, true until after "disconnecting" */
SIO_API const char *sio_transport(const sio_socket *socket); /* "polling" or "websocket"; "" once the client is gone */

/*
 * Join and leave rooms, in middlewares, while the socket is connected, and in listeners of "disconnecting". With
 * connection state recovery, a client that comes back has the rooms that its socket had after these listeners. At other
 * times sio_join() does nothing. sio_sockets_join() does not find a socket that is "disconnecting". Joining a room
 * twice, or leaving a room the socket is not in, has no effect.
 *
 * sio_join() takes effect at once for messages of this node. For messages of other nodes it may need a round trip to
 * Redis. Meanwhile this node holds back what it sends to the client and to other nodes. A server that learns of the
 * join from the client, or from a message of this node, can therefore reach the socket at once. docs/redis.md lists
 * the ways to learn of a join without this delay, such as the return of this function.
 *
 *   SIO_ERR_TOO_MANY  the socket has maxRooms rooms, or its client has maxRoomBytes bytes of room names
 *   SIO_ERR_TOO_BIG   the name is longer than maxRoomLength
 *   SIO_ERR_SYSTEM    out of memory
 *   SIO_ERR_STATE     called from a listener of sio_on_room()
 */
SIO_API int sio_join(sio_socket *socket, const char *room);
SIO_API void sio_leave(sio_socket *socket, const char *room);
SIO_API void sio_leave_all(sio_socket *socket); /* socket.leaveAll(): leaves the room of its own id, too */
/*
 * Iterates over the rooms of a socket, including the room of its own id. Set *cursor to 0 before the first call; its
 * value is private. Returns NULL at the end. A name is valid until the socket leaves the room. The socket may join
 * and leave rooms during the iteration: rooms it has left are skipped, new ones are included.
 */
SIO_API const char *sio_room_next(const sio_socket *socket, size_t *cursor);
SIO_API bool sio_in_room(const sio_socket *socket, const char *room);

/*
 * The adapter's events "create-room", "delete-room", "join-room" and "leave-room", for the rooms of this node. `id`
 * is the id of the socket that joined or left; it is NULL for SIO_ROOM_CREATED and SIO_ROOM_DELETED. `fn` is called
 * from within sio_join(), sio_leave() and similar calls. It cannot join or leave rooms itself: sio_join() returns
 * SIO_ERR_STATE.
 */
typedef enum { SIO_ROOM_CREATED, SIO_ROOM_DELETED, SIO_ROOM_JOINED, SIO_ROOM_LEFT } sio_room_change;
typedef void sio_room_fn(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg);
SIO_API void sio_on_room(sio_nsp *nsp, sio_room_fn *fn, void *arg);
SIO_API int sio_off_room(sio_nsp *nsp, sio_room_fn *fn, void *arg); /* SIO_ERR_NOT_FOUND: there is no such listener */

/*
 * List the sockets and rooms of this node, without asking the other nodes. Both call `fn` before they return.
 *
 * sio_local_sockets() calls `fn` for each connected socket of the target. It returns the number of sockets or an error
 * of sio_emit(), and SIO_ERR_ARGUMENT if the target is a parent namespace. `fn` may call any function; a socket that
 * it disconnects is skipped from then on.
 *
 * sio_local_rooms() calls `fn` for each room, including the sockets' own rooms, with the number of its sockets. It
 * returns the number of rooms. `fn` cannot change rooms: sio_join() returns SIO_ERR_STATE, and sio_leave() does
 * nothing.
 */
typedef void sio_local_socket_fn(sio_socket *socket, void *arg);
typedef void sio_local_room_fn(const char *room, unsigned sockets, void *arg);
SIO_API int sio_local_sockets(sio_target target, sio_local_socket_fn *fn, void *arg);
SIO_API unsigned sio_local_rooms(sio_nsp *nsp, sio_local_room_fn *fn, void *arg);
SIO_API unsigned sio_room_size(const sio_nsp *nsp, const char *room); /* number of sockets on this node */

/*
 * socket.disconnect(close): leaves the namespace or, if `close` is true, closes the connection with all its sockets.
 * Packets emitted before are sent first. The disconnect listeners run later, never from within this call. A second
 * call has no effect.
 */
SIO_API void sio_disconnect(sio_socket *socket, bool close);

/*
 * socket.data: stores one value with the socket, which sio_fetch() shows to all nodes. `format` describes one value,
 * as for sio_emit(), for example "{s:s}"; NULL or "" clears the data. After an error the previous value is kept.
 *   SIO_ERR_ARGUMENT, SIO_ERR_TOO_BIG, SIO_ERR_TOO_MANY  as for sio_emit()
 *   SIO_ERR_STATE   the socket is disconnected
 *   SIO_ERR_SYSTEM  out of memory
 */
SIO_API int sio_set_data(sio_socket *socket, const char *format, ...);
SIO_API sio_value sio_data(const sio_socket *socket); /* SIO_NONE if never set; valid until the next sio_set_data() */
/*
 * Attaches a pointer of the application to the socket; NULL at first. The server never dereferences or frees it.
 * Free the object in a disconnect listener; note that the listener does not run for a client that leaves before a
 * middleware admits it. sio_set_user_free() covers that case.
 */
SIO_API void sio_set_user(sio_socket *socket, void *user);
/*
 * As sio_set_user(), and `free_user(user)` is called once, when the socket ends: after its disconnect listeners, or
 * after a socket that never connected was refused or lost its client. `free_user` cannot use the socket. If
 * sio_set_user() or sio_set_user_free() replaces the pointer, `free_user` is not called for the old one; the caller
 * owns it again.
 *   SIO_ERR_STATE  called from a "disconnect" listener; nothing changes
 */
SIO_API int sio_set_user_free(sio_socket *socket, void *user, void (*free_user)(void *user));
SIO_API void *sio_user(const sio_socket *socket);

/* socket.handshake: the request that opened the session. Texts are valid until the callback returns. */
SIO_API sio_value sio_auth(const sio_socket *socket); /* {} if the client sent none */
/*
 * Returns a header field, NULL if absent. Repeated fields are joined as in Node.js: with ", ", cookies with "; ". Of
 * fields that may occur only once (host, ...), the first one counts.
 */
SIO_API const char *sio_header(const sio_socket *socket, const char *name);
/*
 * handshake.headers: iterates over all fields, each name once and in lower case, with the value of sio_header().
 * Set *cursor to 0 before the first call; its value is private. Returns false at the end, and if memory runs out.
 */
SIO_API bool sio_header_next(const sio_socket *socket, size_t *cursor, const char **name, const char **value);
/* Returns a query parameter, decoded; NULL if it is absent or contains a NUL. */
SIO_API const char *sio_query(const sio_socket *socket, const char *key);
/* Returns the client's address without port. The options trustProxy and proxyProtocol decide which proxy is believed. */
SIO_API const char *sio_address(const sio_socket *socket);
SIO_API const char *sio_url(const sio_socket *socket); /* the request target, including the query */
SIO_API uint64_t sio_issued(const sio_socket *socket); /* time of the handshake, in ms since the epoch */
SIO_API bool sio_secure(const sio_socket *socket);     /* true over TLS */
SIO_API bool sio_xdomain(const sio_socket *socket);    /* true if the request had an Origin field */

/* -------------------------------------------------------------- presence */

/*
 * Presence: which users are in a room, on all servers of the cluster. Every server knows the users of all servers, so
 * sio_present() and sio_is_present() send no messages. The application names the user of a socket by
 * sio_set_present(). A user is present in a room while at least one of the user's sockets is in it, on any server.
 * When a server dies, its users leave within --heartbeat-timeout.
 *
 * sio_presence() turns presence on for the rooms of a namespace whose names begin with `prefix`; "" stands for all
 * rooms except the sockets' own rooms. Call it in sio_app(), on every server. The children of a parent namespace
 * inherit it. If `event` is not NULL, the sockets in a room get this event, with one argument, after its users have
 * changed:
 *
 *   {"room":"news","joined":[{"user":"ada","data":...}],"changed":[{"user":"bob","data":...}],"left":["eve"]}
 *
 * Changes are collected for presenceInterval, so a user who leaves and comes back meanwhile is not mentioned. A client
 * that has just joined may find a user both in the list of sio_present() and in the next event.
 *   SIO_ERR_RESERVED  clients cannot get an event of this name
 *   SIO_ERR_STATE     presence is on already
 */
#define SIO_PRESENCE_USER_MAX 256  /* bytes of a user's name */
#define SIO_PRESENCE_DATA_MAX 4096 /* bytes of a user's data as JSON */
SIO_API int sio_presence(sio_nsp *nsp, const char *prefix, const char *event);
/*
 * Sets the user of a socket and the data that others see. `format` describes the data as for sio_set_data(), without
 * binary. With NULL or "" as `user`, the socket has no user. If several sockets of a user set data, the last call
 * counts.
 *   SIO_ERR_TOO_BIG  the name or the data is too long
 *   SIO_ERR_STATE    the socket is disconnected, or the namespace has no presence
 *   SIO_ERR_SYSTEM   out of memory
 */
SIO_API int sio_set_present(sio_socket *socket, const char *user, const char *format, ...);
/*
 * Calls `fn`, unless it is NULL, for each user who is present in the room. Returns the number of these users. `fn` may
 * call any function.
 */
typedef void sio_present_fn(const char *user, sio_value data, void *arg);
SIO_API unsigned sio_present(const sio_nsp *nsp, const char *room, sio_present_fn *fn, void *arg);
/* Returns true if the user is present. *data (may be NULL) gets the user's data, valid until the callback returns. */
SIO_API bool sio_is_present(const sio_nsp *nsp, const char *room, const char *user, sio_value *data);
/*
 * Register and remove a listener for the changes, on this server. For a user who left, `data` is the user's last
 * data.
 *   SIO_ERR_STATE      sio_on_presence(): the namespace has no presence
 *   SIO_ERR_NOT_FOUND  sio_off_presence(): there is no such registration
 */
typedef enum { SIO_PRESENCE_JOINED, SIO_PRESENCE_CHANGED, SIO_PRESENCE_LEFT } sio_presence_change;
typedef void sio_presence_fn(sio_nsp *nsp, sio_presence_change change, const char *room, const char *user, sio_value data,
	void *arg);
SIO_API int sio_on_presence(sio_nsp *nsp, sio_presence_fn *fn, void *arg);
SIO_API int sio_off_presence(sio_nsp *nsp, sio_presence_fn *fn, void *arg);

/*
 * History keeps the last events of a room for sockets that join later (docs/history.md). The option --history selects
 * the rooms: "room:*=50/1h" keeps the last 50 events, for an hour, of each room in "/" whose name begins with
 * "room:". Events to such a room are kept, whichever function emits them. Volatile events, local events and events
 * that want an acknowledgement are not kept. With Redis, all nodes read the same history.
 *
 * sio_join_with_history() joins a room, and sends the socket the last `count` events of the room (0: all that are kept)
 * as ordinary events: in order, before any newer event of the room, each once. If the call returns 0, `fn`, unless it is
 * NULL, is called once, later. `sent` is the number of events. If the socket has left the room meanwhile, `socket` is
 * NULL. A room without history is joined, too; then `sent` is 0. `error`, as passed to `fn`:
 *   SIO_ERR_TIMEOUT   the history could not be read in time; the socket is in the room
 *   SIO_ERR_REFUSED   Redis refuses to read the history; the log says why; the socket is in the room
 *   SIO_ERR_TOO_MANY  more events came, while the history was read, than can be held; the socket got them, without the
 *                     history
 *   SIO_ERR_STATE     the socket has left the room, or the server is closing
 *   SIO_ERR_SYSTEM    out of memory
 * The call returns the errors of sio_join(), and
 *   SIO_ERR_STATE     the socket is not connected
 *   SIO_ERR_TOO_MANY  10000 calls wait for answers
 */
typedef void sio_joined_fn(sio_socket *socket, int error, unsigned sent, void *arg);
SIO_API int sio_join_with_history(sio_socket *socket, const char *room, unsigned count, sio_joined_fn *fn, void *arg);
/*
 * An event in a history. The struct and everything in it is valid until `fn` returns. `id` is opaque, and grows from
 * event to event of a room; `args` is an array.
 */
typedef struct {
	const char *id;
	uint64_t time; /* ms since 1970 */
	const char *event;
	sio_value args;
} sio_history_entry;
/*
 * Reads the last `count` events (0: all) of a room, oldest first: those before the event with the id `before`, and after
 * the one with the id `after`. Both may be NULL. With `after` alone, the first `count` events after it are read. If the
 * call returns 0, `fn` is called once, never from within this call. `error` as for sio_join_with_history(). The call
 * returns
 *   SIO_ERR_NOT_FOUND  the room has no history
 *   SIO_ERR_STATE      the server does not listen
 *   SIO_ERR_TOO_MANY   10000 calls wait for answers
 */
typedef void sio_history_fn(sio_server *io, int error, const sio_history_entry *entries, unsigned count, void *arg);
SIO_API int sio_history(sio_nsp *nsp, const char *room, unsigned count, const char *before, const char *after,
	sio_history_fn *fn, void *arg);
/*
 * Remove one event, and all events, from the history of a room. Clients that have got an event keep it. `fn`, unless
 * it is NULL, gets the number of removed events. With several workers or Redis, sio_history_clear() does not count
 * them: `removed` is 1 if there were any. Errors are those of sio_history().
 */
typedef void sio_history_removed_fn(sio_server *io, int error, unsigned removed, void *arg);
SIO_API int sio_history_remove(sio_nsp *nsp, const char *room, const char *id, sio_history_removed_fn *fn, void *arg);
SIO_API int sio_history_clear(sio_nsp *nsp, const char *room, sio_history_removed_fn *fn, void *arg);

/* ------------------------------------------------------ the engine's hooks */

/*
 * allowRequest: `fn` is called for each request that opens a session. It answers now or later: sio_next(step)
 * accepts the request; sio_refuse(step, message, NULL) refuses it with status 403 (400 for WebSocket), code 4 and
 * `message` (NULL: "Forbidden"). `request`, and texts read from it, are valid until the callback returns. A server
 * has one such function: a second call replaces it, and NULL removes it.
 */
SIO_API void sio_allow_request(sio_server *io, void (*fn)(sio_server *io, sio_request *request, sio_step *step, void *arg),
	void *arg);
/*
 * generateId: `fn` is called for each handshake that was accepted. It returns SIO_SESSION_ID_LENGTH characters of
 * base64url (A-Z, a-z, 0-9, - and _), which are copied at once, or NULL: the server makes the id itself. The id of the
 * session, `socket.conn.id` in Node.js, is 4 characters for the node and the worker, by which balancers and workers
 * route, and then this text. sio_id() is another id, except for clients of Socket.IO 2 and older.
 *
 * Whoever knows the id of a session speaks for its client. The text must therefore be a secret that nobody can guess:
 * take it from a random source or a keyed hash, never from a name or a counter alone. It must also be new. If the
 * text has another form, or belongs to an open session of this worker, the server refuses the handshake as Engine.IO
 * does when generateId fails: status 400, code 3 "Bad request", the context ID_GENERATION_ERROR, and the log event
 * `id_refused` at most once a second. A server has one such function, as for sio_allow_request().
 */
#define SIO_SESSION_ID_LENGTH 16
SIO_API void sio_generate_id(sio_server *io, const char *(*fn)(sio_server *io, sio_request *request, void *arg), void *arg);
/*
 * The engine's events "headers" and, with `initial` true, "initial_headers" (the request opens a session): `fn` can
 * add header fields to the reply. It is called when the request arrives, before any state changes. It may therefore
 * call every function of this file, and may disconnect sockets or close the server. The fields are sent with the
 * reply, which for a long poll may be much later. A server has one such function, as for sio_allow_request().
 */
SIO_API void sio_on_headers(sio_server *io, void (*fn)(sio_server *io, sio_request *request, bool initial, void *arg), void *arg);
/*
 * Adds a header field to the reply.
 *   SIO_ERR_STATE     not called from the function of sio_on_headers()
 *   SIO_ERR_ARGUMENT  invalid field name or value (RFC 9110 5.1 and 5.5: no CR, LF or NUL), or the field is
 *                     Content-Length or Transfer-Encoding
 *   SIO_ERR_TOO_BIG   the added fields of the reply exceed 16 KiB
 */
SIO_API int sio_add_header(sio_request *request, const char *name, const char *value);
SIO_API const char *sio_request_header(const sio_request *request, const char *name); /* as sio_header() */
SIO_API const char *sio_request_query(const sio_request *request, const char *key);   /* as sio_query() */
SIO_API const char *sio_request_url(const sio_request *request);                      /* as sio_url() */
SIO_API const char *sio_request_address(const sio_request *request);                  /* as sio_address() */
/*
 * The engine's event "connection_error": a request was refused with an Engine.IO error. `code` and `message` are
 * sent to the client, from 0 "Transport unknown" to 5 "Unsupported protocol version". `context` is a word for
 * the check that failed. A server has one such function, as for sio_allow_request().
 */
SIO_API void sio_on_connection_error(sio_server *io,
	void (*fn)(sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg), void *arg);

/*
 * The entry point of an application: a shared object defines this function, which registers its listeners. If it
 * returns a value other than 0, the server does not start.
 */
SIO_API int sio_app(sio_server *io);

#ifdef __cplusplus
}
#endif

#endif
