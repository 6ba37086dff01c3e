/*
 * The inside of a sio_server: namespaces and sockets on an Engine.IO server. The process layer
 * owns listening, HTTP and options and hands this layer its engine.
 */
#ifndef NODE_SOCKETIO_SIO_CORE_H
#define NODE_SOCKETIO_SIO_CORE_H

#include "broker/broker.h"
#include "common/io/loop.h"
#include "node/engineio/eio.h"
#include "node/sockeye.h"
#include "node/socketio/sio_options.h"
#include "node/socketio/sio_reason.h"
#include "node/socketio/sio_underway.h"

/* What the process layer keeps for a server: see node/process/server.c. */
struct sio_host;

/* `struct sio_server` is defined in sio_server.h (this layer); the process layer allocates it through these two. */
struct sio_server *sio_core_new(struct loop *l, const struct sio_options *options, struct sio_host *host);
void sio_core_free(struct sio_server *io); /* all sessions must be gone */

struct sio_host *sio_core_host(const struct sio_server *io);

/* The up-calls for eio_server_new(..., sio_core_ops(), io), which then is attached, with the options as they are now.
 */
const struct eio_ops *sio_core_ops(void);
void sio_core_attach(struct sio_server *io, struct eio_server *engine, const struct sio_options *options,
	uint64_t max_http_buffer_size, uint64_t max_emit);
/* What an operator sees of this layer. `each` is called for every namespace. */
struct sio_stats {
	uint64_t disconnects[SIO_REASONS];
	uint64_t namespaces;
};
void sio_core_stats(const struct sio_server *io, struct sio_stats *out,
	void (*each)(void *arg, struct text name, unsigned sockets), void *arg);
const char *sio_core_reason_text(unsigned reason);

/* Which of the application's functions runs now; good as long as the server. */
struct sio_underway *sio_core_underway(struct sio_server *io);

/* The up-calls for broker_new(). */
const struct broker_ops *sio_core_broker_ops(void);
/*
 * The way to other nodes, once, before the first session; namespaces of now and later use it. NULL: they leave it,
 * and what they still ask ends; then the broker may be closed. Without one, or with one of form alone, there are no
 * others.
 */
void sio_core_set_broker(struct sio_server *io, struct broker *broker);

/*
 * io.close(): every socket is disconnected with "server shutting down" ("disconnecting" and "disconnect" are called),
 * then eio_server_close(). No DISCONNECT packet is sent, as in the original, so that clients reconnect.
 */
void sio_core_close(struct sio_server *io);

/*
 * The same for one session, in good order: what is queued for it is sent first. Ignored for a sid that is none. New
 * sessions are refused by eio_server_drain().
 */
void sio_core_part(struct sio_server *io, struct text sid);

/* Functions of sockeye.h that node/process/server.c implements: sio_server_new, sio_set_option, sio_listen, sio_port,
 * sio_close, sio_drain, sio_server_free, sio_loop, sio_log. All others are this layer's. */

#endif
