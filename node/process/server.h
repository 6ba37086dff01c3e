/*
 * The inside of server.c for the program: what sockeye.h does not offer to
 * applications.
 */
#ifndef NODE_PROCESS_SERVER_H
#define NODE_PROCESS_SERVER_H

#include "node/backend/backend_clients.h"
#include "node/backend/backend_links.h"
#include "node/process/process_options.h"
#include "node/process/place.h"
#include "node/sockeye.h"

/* The tables of the server's options, for reading flags and the environment over what an application has set. */
void server_tables(struct sio_server *io, struct option_table out[SERVER_TABLES]);

/*
 * Makes it one of several workers, before sio_listen(), which then accepts from the place's listeners. `place` is
 * borrowed.
 */
void server_set_place(struct sio_server *io, const struct place *place);

/* Sends a tenth of the clients away over the drain time; those that a shedding before has not reached stay. */
void server_shed(struct sio_server *io);

/* For a timer: much less is held for clients than it was, so that server_give_back() pays. See budget_shrunk(). */
bool server_has_shrunk(struct sio_server *io);
/* Memory goes back to the system. Takes milliseconds. */
void server_give_back(struct sio_server *io);

/* The option drainTime. */
uint64_t server_drain_time(const struct sio_server *io);

/* What the server is made of, for its statistics; parts that do not exist are NULL. */
struct server_parts {
	struct loop *loop;
	struct eio_server *engine;
	const struct broker *broker;
	const struct backend_links_stats *backends;
};
void server_parts(const struct sio_server *io, struct server_parts *out);
/* The clients of its backends; zeroes when there are none. */
void server_backend_clients(const struct sio_server *io, struct backend_clients_stats *out);

/* What is set now. */
const struct server_options *server_options_of(const struct sio_server *io);

/* It does not listen yet. */
bool server_is_new(const struct sio_server *io);

/* False before it listens, and while it drains or closes. */
bool server_is_accepting(const struct sio_server *io);

/* What the log says of a server that listens, for the one line of several workers. */
struct server_face {
	bool tls;
	const char *path, *public_dir;
};
void server_face(const struct sio_server *io, struct server_face *out);
void server_log_listening(const char *host, uint16_t port, const struct server_face *face);

/* front_reload_tls(): 0, or negative with one line in `error` (SIO_ERROR_LINE bytes). */
int server_reload_tls(struct sio_server *io, char *error);

/* Sessions that were open and are no more, since the start. */
uint64_t server_sessions_closed(const sio_server *io);

/* Applications in other processes may dial in. */
bool server_has_backends(const struct sio_server *io);

/* How many connections the server would accept at once; 0: as many as there are descriptors. */
uint64_t server_max_connections(const struct sio_server *io);

#endif
