#include "node/process/backends.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/io/tls.h"

struct backends {
	struct backend *backend;
	const struct server_options *options;
	struct handover *handover;
	struct backend_addresses own; /* used by a server without a place */
	bool bus;		      /* broadcasts go through the broker (fanout "bus") */
	size_t edge_len;
	char edge[BACKEND_EDGE_MAX];
	void (*on_upstream)(void *arg, const char *url, bool there);
	void *upstream_arg;
};

/* Backends see the certificate of the server, unless there is a separate one for them. The texts are borrowed. */
static struct tls_options
backends_tls_options(const struct server_options *options)
{
	return (struct tls_options){
		.cert_file = options->front.tls_cert,
		.key_file = options->front.tls_key,
		.ciphers = options->front.tls_ciphers,
		.min_version = options->front.tls_min_version == 1 ? "1.3" : "1.2",
	};
}

static int
backends_pass(void *arg, struct conn *conn, unsigned worker, struct text hello)
{
	struct backends *backends = arg;

	if (backends->handover == NULL)
		return ENOTCONN;
	return handover_conn(backends->handover, conn, worker, HANDOVER_BACKEND, hello);
}

static void
backends_write_list(struct buffer *out, const char *list)
{
	struct text rest = text_from(list), item;
	char before = '[';

	while (text_cut(&rest, ',', &item)) {
		buffer_add_byte(out, (uint8_t)before);
		json_write_string(out, item);
		before = ',';
	}
	buffer_add_byte(out, ']');
}

/*
 * With connection state recovery, a broadcast must get one number in the log of all workers, and with history it must
 * be stored once. So the backend may not send it to each worker by itself. A single worker has its own log.
 */
static bool
backends_use_bus(const struct server_options *options, unsigned workers)
{
	return options->backend.fanout == BACKEND_FANOUT_BUS ||
	       ((options->sio.connection_state_recovery || server_options_have_history(options)) &&
		       (workers > 1 || broker_settings_redis(&options->broker)));
}

static void
backends_write_recovery(const struct server_options *options, struct buffer *out)
{
	if (options->sio.connection_state_recovery)
		buffer_printf(out,
			",\"connectionStateRecovery\":{\"maxDisconnectionDuration\":%llu,\"skipMiddlewares\":%s}",
			(unsigned long long)options->sio.max_disconnection_duration,
			options->sio.skip_middlewares ? "true" : "false");
}

/* The options that an application asks its server for, by their Socket.IO names. */
static void
backends_write_options(void *arg, struct buffer *out)
{
	const struct backends *backends = arg;
	const struct server_options *options = backends->options;

	buffer_printf(out,
		"{\"pingInterval\":%llu,\"pingTimeout\":%llu,\"maxHttpBufferSize\":%llu,\"connectTimeout\":%llu",
		(unsigned long long)options->eio.ping_interval, (unsigned long long)options->eio.ping_timeout,
		(unsigned long long)options->eio.max_http_buffer_size,
		(unsigned long long)options->sio.connect_timeout);
	buffer_add_text(out, TEXT(",\"path\":"));
	json_write_string(out, text_from(options->eio.path));
	buffer_add_text(out, TEXT(",\"transports\":"));
	backends_write_list(out, options->eio.transports);
	backends_write_recovery(options, out);
	buffer_printf(out, ",\"cors\":%s,\"allowEIO3\":%s,\"history\":%s,\"presence\":true,\"fanout\":\"%s\"%s}",
		options->eio.cors_origin ? "true" : "false", options->eio.allow_eio3 ? "true" : "false",
		server_options_have_history(options) ? "true" : "false", backends->bus ? "bus" : "direct",
		backends->bus && !broker_settings_redis(&options->broker) ? ",\"reach\":\"edge\"" : "");
}

static void
backends_report_upstream(void *arg, struct text url, bool there)
{
	struct backends *backends = arg;
	char *copy;

	if (backends->on_upstream == NULL)
		return;
	copy = mem_text(url.at, url.n);
	backends->on_upstream(backends->upstream_arg, copy, there);
	mem_free(copy);
}

int
backends_open(struct backends **out, struct loop *l, const struct server_options *options, const struct place *place,
	const struct inherited *inherited, char error[BACKEND_ERROR_MAX])
{
	struct tls_options tls = backends_tls_options(options);
	struct backends *backends = mem_zalloc(sizeof *backends);
	struct backend_setup setup = {
		.options = &options->backend,
		.addresses = place ? place->backends : &backends->own,
		.tls = &tls,
		.worker = place ? place->slot : 0,
		.workers = place ? place->doors->count : 1,
		.bus = backends_use_bus(options, place ? place->doors->count : 1),
		.history = server_options_have_history(options),
		.max_message = options->eio.max_http_buffer_size,
		.away = options->node.drain_time,
		.pass = backends_pass,
		.write_options = backends_write_options,
		.on_upstream = backends_report_upstream,
		.arg = backends,
	};
	int result = 0;

	*out = NULL;
	backends->options = options;
	backends->bus = setup.bus;
	if (place == NULL)
		result = backend_addresses_open(&backends->own, options->backend.urls, inherited, error);
	if (result < 0 || setup.addresses->count == 0)
		goto out;
	if (place != NULL) {
		setup.edge = text_from(place->edge);
	} else {
		backends->edge_len = backend_edge_name(backends->edge);
		setup.edge = text_of(backends->edge, backends->edge_len);
	}
	result = backend_open(&backends->backend, l, &setup, error);
	if (result < 0)
		goto out;
	*out = backends;
	return 0;
out:
	backends_free(backends);
	return result;
}

void
backends_serve(struct backends *backends, sio_server *io)
{
	if (backends != NULL)
		backend_serve(backends->backend, io);
}

void
backends_set_handover(struct backends *backends, struct handover *handover)
{
	if (backends != NULL)
		backends->handover = handover;
}

void
backends_on_upstream(struct backends *backends, void (*fn)(void *arg, const char *url, bool there), void *arg)
{
	if (backends == NULL)
		return;
	backends->on_upstream = fn;
	backends->upstream_arg = arg;
}

void
backends_take(struct backends *backends, const struct handover_guest *guest)
{
	const struct sockaddr *peer = guest->peer_len > 0 ? (const struct sockaddr *)&guest->peer : NULL;

	backend_adopt(backends != NULL ? backends->backend : NULL, guest->fd, peer, guest->peer_len, guest->bytes);
}

bool
backends_have_tls(const struct backends *backends)
{
	return backends != NULL && backend_has_tls(backends->backend);
}

int
backends_reload_tls(struct backends *backends, char error[BACKEND_ERROR_MAX])
{
	struct tls_options tls;

	if (!backends_have_tls(backends))
		return 0;
	tls = backends_tls_options(backends->options);
	return backend_reload_tls(backends->backend, &tls, error);
}

void
backends_drain(struct backends *backends)
{
	if (backends == NULL)
		return;
	backend_drain(backends->backend);
	backend_addresses_remove(&backends->own);
}

void
backends_leave(struct backends *backends)
{
	if (backends != NULL)
		backend_leave(backends->backend);
}

bool
backends_are_gone(const struct backends *backends)
{
	return backends == NULL || backend_is_gone(backends->backend);
}

void
backends_free(struct backends *backends)
{
	if (backends == NULL)
		return;
	backend_free(backends->backend);
	backend_addresses_remove(&backends->own);
	mem_free(backends);
}

const struct backend_links_stats *
backends_stats(const struct backends *backends)
{
	return backends != NULL ? backend_stats(backends->backend) : NULL;
}

void
backends_client_stats(const struct backends *backends, struct backend_clients_stats *out)
{
	backend_client_stats(backends != NULL ? backends->backend : NULL, out);
}
