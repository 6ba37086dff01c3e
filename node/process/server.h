/*
 * Functions of server.c for the program, beyond those that sockeye.h offers to applications.
 */
#ifndef NODE_PROCESS_SERVER_H
#define NODE_PROCESS_SERVER_H

#include "node/backend/backend_clients.h"
#include "node/backend/backend_links.h"
#include "node/process/app_metrics.h"
#include "node/process/app_options.h"
#include "node/process/process_options.h"
#include "node/process/place.h"
#include "node/sockeye.h"

/* Returns the tables of the server's options, to apply flags and the environment over the application's options. */
void server_tables(struct sio_server *io, struct option_table out[SERVER_TABLES]);

/*
 * Returns the options of the application, and in *own whether the server owns them. server_set_app_options() makes
 * the server borrow the options of the program instead.
 */
struct app_options *server_app_options(const struct sio_server *io, bool *own);
void server_set_app_options(struct sio_server *io, struct app_options *options);

/* Returns the application's metrics. A worker sets their `metrics` before the application starts. */
struct app_registry *server_app_metrics(const struct sio_server *io);

/*
 * Makes the server one of several workers. Call it before sio_listen(), which then accepts from the place's
 * listeners. `place` is borrowed.
 */
void server_set_place(struct sio_server *io, const struct place *place);

/* For a single process: sio_listen() takes these sockets over and accepts from them. It opens no others. */
void server_set_listeners(struct sio_server *io, struct listener_set *listeners);

/*
 * For a single process: sio_listen() takes the sockets for backends from `inherited`, which is borrowed until then.
 */
void server_set_inherited(struct sio_server *io, const struct inherited *inherited);

/*
 * Call this before sio_listen() if the master starts programs (--exec), because they may serve HTTP too. While no
 * backend is attached, a request outside the engine's path waits for one, as for an upstream that is starting again.
 */
void server_await_program(struct sio_server *io);

/* Sends a tenth of the clients away over the drain time. Ends an earlier shedding; clients not yet sent away stay. */
void server_shed(struct sio_server *io);

/*
 * Returns true if so much less memory is held for clients that server_give_back() is worth its cost: budget_shrunk().
 */
bool server_has_shrunk(struct sio_server *io);
/* Gives free memory back to the system. Takes milliseconds. */
void server_give_back(struct sio_server *io);

/* The option drainTime. */
uint64_t server_drain_time(const struct sio_server *io);

/* The parts of the server, for statistics. Parts that do not exist are NULL. */
struct server_parts {
	struct loop *loop;
	struct eio_server *engine;
	const struct broker *broker;
	const struct backend_links_stats *backends;
};
void server_parts(const struct sio_server *io, struct server_parts *out);
/* Statistics of the clients of its backends; zeroes without backends. */
void server_backend_clients(const struct sio_server *io, struct backend_clients_stats *out);

/* The present options. */
const struct server_options *server_options_of(const struct sio_server *io);

/* Returns true before the server listens. */
bool server_is_new(const struct sio_server *io);

/* Returns false before the server listens, and while it drains or closes. */
bool server_is_accepting(const struct sio_server *io);

/* What the log says when a server listens; workers report it so that the master logs one line for all. */
struct server_face {
	bool tls;
	const char *path, *public_dir;
};
void server_face(const struct sio_server *io, struct server_face *out);
void server_log_listening(const char *host, uint16_t port, const struct server_face *face);

/* See front_reload_tls(). Returns 0, or a negative error with one line in `error` (SIO_ERROR_LINE bytes). */
int server_reload_tls(struct sio_server *io, char *error);

/* See adminui_reload(). Returns false if the admin UI has no file of users. */
bool server_reload_admin_ui(struct sio_server *io);

/* Returns the number of sessions that have closed since the start. */
uint64_t server_sessions_closed(const sio_server *io);

/* Returns true if applications in other processes may connect. */
bool server_has_backends(const struct sio_server *io);

/* Returns the option maxConnections; 0 means that only the number of descriptors limits them. */
uint64_t server_max_connections(const struct sio_server *io);

#endif
