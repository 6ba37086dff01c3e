/*
 * The inside of a sio_server: namespaces and sockets on an Engine.IO server. The process layer owns listening, HTTP
 * and options, and passes the engine to this layer.
 */
#ifndef NODE_SOCKETIO_SIO_CORE_H
#define NODE_SOCKETIO_SIO_CORE_H

#include "broker/broker.h"
#include "common/io/loop.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"
#include "node/socketio/sio_options.h"
#include "node/socketio/sio_reason.h"
#include "node/socketio/sio_history_stats.h"
#include "node/socketio/sio_recovery_stats.h"
#include "node/socketio/sio_handler_times.h"
#include "node/socketio/sio_underway.h"

/* The process layer's part of a server: see node/process/server.c. */
struct sio_host;

/* The process layer creates and frees a server with these. Only this layer sees the struct (sio_server.h). */
struct sio_server *sio_core_new(struct loop *l, const struct sio_options *options, struct sio_host *host);
void sio_core_free(struct sio_server *io); /* requires that all sessions are gone */

/* Returns the `host` of sio_core_new(). */
struct sio_host *sio_core_host(const struct sio_server *io);

/* The callbacks for eio_server_new(..., sio_core_ops(), io). */
const struct eio_ops *sio_core_ops(void);
/* Attaches the new engine, with the options as they are now. */
void sio_core_attach(struct sio_server *io, struct eio_server *engine, const struct sio_options *options,
	uint64_t max_http_buffer_size, uint64_t max_emit);
/* Returns the word for an enum sio_recovery_result in metrics. */
const char *sio_core_recovery_word(unsigned result);
/* Figures for the operator. `each` is called for every namespace. */
struct sio_stats {
	uint64_t disconnects[SIO_REASONS];
	uint64_t namespaces;
	struct sio_recovery_stats recovery;
	struct sio_history_stats history;
};
void sio_core_stats(const struct sio_server *io, struct sio_stats *out,
	void (*each)(void *arg, struct text name, unsigned sockets), void *arg);
/* Returns how long listeners run (sio_handler_times.h). Valid as long as the server. */
const struct sio_handler_times *sio_core_handler_times(const struct sio_server *io);
/* Returns sio_reason_text() for metrics. */
const char *sio_core_reason_text(unsigned reason);

/* Returns the record of the application's function that runs now. Valid as long as the server. */
struct sio_underway *sio_core_underway(struct sio_server *io);

/* The callbacks for broker_new(). */
const struct broker_ops *sio_core_broker_ops(void);
/*
 * Sets the broker, once, before the first session. Present and later namespaces join it. NULL: the namespaces leave
 * the broker and end their open questions; then the broker may be closed. Without a broker, or with a broker of the
 * form `alone`, there are no other nodes.
 */
void sio_core_set_broker(struct sio_server *io, struct broker *broker);

struct history;
/* Returns true if the option history names rooms. */
bool sio_core_wants_history(const struct sio_server *io);
uint64_t sio_core_history_max_bytes(const struct sio_server *io);
/*
 * Sets the store of the history of rooms (broker/history.h), which is borrowed. NULL: the server leaves the store,
 * and the calls that wait for it end.
 */
void sio_core_set_history(struct sio_server *io, struct history *store);

/*
 * io.close(): disconnects every socket with "server shutting down" (calling "disconnecting" and "disconnect"), then
 * calls eio_server_close(). As in Node.js, no DISCONNECT packet is sent, so that clients reconnect.
 */
void sio_core_close(struct sio_server *io);

/*
 * Closes one session like sio_core_close(), but sends what is queued for it first. An unknown sid is ignored.
 * eio_server_drain() refuses new sessions.
 */
void sio_core_part(struct sio_server *io, struct text sid);

/*
 * The process layer implements these functions of sockeye.h: in node/process/server.c sio_server_new, sio_port,
 * sio_close, sio_drain, sio_on_stop, sio_off_stop, sio_server_free, sio_worker and sio_loop; in server_listen.c
 * sio_listen; in server_log.c sio_log; in server_options.c those for options; in server_metrics.c those for metrics.
 * This layer implements all others.
 */

#endif
