#include "node/process/cluster.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/bus_url.h"
#include "broker/history.h"
#include "broker/seal.h"
#include "common/base/mem.h"
#include "common/base/must.h"

struct cluster {
	struct sio_server *io;
	struct broker *broker;	 /* NULL after cluster_leave() */
	struct history *history; /* the store of the history of rooms; NULL: no room has one */
	bool gone;
};

static const struct bus_form *
cluster_form(const struct broker_settings *settings, const struct cluster_hub *hub)
{
	if (!broker_settings_redis(settings))
		return hub->name != NULL ? &bus_hub : &bus_alone;
	if (settings->redis_mode == BROKER_MODE_STREAMS)
		return &bus_streams;
	return settings->redis_mode == BROKER_MODE_SHARDED ? &bus_sharded : &bus_redis;
}

/* Returns the database that the URL names. The URL has been checked. */
static uint32_t
cluster_db(const struct broker_settings *settings)
{
	char error[BUS_ERROR_MAX];
	struct bus_url url;
	uint32_t db;

	if (!broker_settings_redis(settings) || bus_url_parse(&url, settings->redis, error) < 0)
		return 0;
	db = url.db;
	bus_url_fini(&url);
	return db;
}

/*
 * Writes the node's mode, which must be the same on all nodes, in the words of the options: redisMode and its
 * variants.
 */
static void
cluster_name_mode(
	struct beat_about *about, const struct bus_form *form, const struct broker_settings *settings, bool recovers)
{
	static const char *const subscriptions[] = {
		[BUS_SUBSCRIPTION_DYNAMIC] = "dynamic",
		[BUS_SUBSCRIPTION_DYNAMIC_PRIVATE] = "dynamic-private",
		[BUS_SUBSCRIPTION_STATIC] = "static",
	};

	if (form == &bus_sharded)
		snprintf(about->mode, sizeof about->mode, "%s %s", form->name,
			subscriptions[settings->redis_subscription_mode]);
	else if (form == &bus_streams && settings->redis_stream_sharded_pub_sub)
		snprintf(about->mode, sizeof about->mode, "%s sharded", form->name);
	else if (form == &bus_redis)
		snprintf(about->mode, sizeof about->mode, "classic%s%s", settings->redis_log ? " log" : "",
			recovers ? " recovery" : "");
	else
		snprintf(about->mode, sizeof about->mode, "%s", form->name);
}

static void
cluster_describe(struct beat_about *about, const struct cluster_self *self, const struct broker_settings *settings)
{
	gethostname(about->host, sizeof about->host - 1); /* a longer name is cut */
	snprintf(about->version, sizeof about->version, "%s", SOCKEYE_VERSION);
	if (self->instance != NULL)
		snprintf(about->instance, sizeof about->instance, "%s", self->instance);
	about->node = self->node;
	about->worker = self->worker;
	about->port = self->port;
	about->db = cluster_db(settings);
}

static uint64_t
cluster_clients(void *arg)
{
	return sio_clients_count(arg);
}

/* The application may have set another Redis than that of the command line, which the hub knows. */
static bool
cluster_shares_ear(const struct broker_settings *settings, const struct cluster_hub *hub)
{
	return hub->name != NULL && hub->ear != NULL && broker_settings_share_ear(settings, hub->ear);
}

static struct seal *
cluster_seal(const struct broker_settings *settings)
{
	struct seal *seal;

	if (settings->redis_secret == NULL || settings->redis_secret[0] == '\0')
		return NULL;
	seal = seal_new(text_from(settings->redis_secret));
	if (settings->redis_secret_accepted != NULL && settings->redis_secret_accepted[0] != '\0')
		seal_accept(seal, text_from(settings->redis_secret_accepted));
	return seal;
}

/* The history of rooms is at Redis, in the hub, or in this process: a master has a hub for a single worker, too. */
static struct history *
cluster_open_history(struct loop *l, const struct sio_server *io, const struct broker_settings *settings,
	const struct cluster_hub *hub)
{
	struct bus_access access = broker_settings_access(settings);
	struct history_link_options options = {.key = settings->redis_key, .max_queue = settings->redis_max_queue};
	char error[BUS_ERROR_MAX];
	struct bus_url server;

	if (!broker_settings_redis(settings) && !hub->history)
		return history_local_new(l, sio_core_history_max_bytes(io));
	options.server = &server;
	if (broker_settings_redis(settings)) {
		must(bus_url_parse(&server, settings->redis, error) == 0); /* checked by broker_settings_check() */
		options.access = &access;
		options.seal = cluster_seal(settings);
	} else {
		bus_url_of_hub(&server, hub->name);
	}
	return history_link_new(l, &options);
}

int
cluster_join(struct cluster **out, struct loop *l, struct sio_server *io, const struct broker_settings *settings,
	const struct cluster_hub *hub, const struct cluster_self *self, char error[BUS_ERROR_MAX])
{
	bool redis = broker_settings_redis(settings);
	struct bus_form_options bus = {.server = redis ? settings->redis : hub->name,
		.ear = cluster_shares_ear(settings, hub) ? hub->name : NULL,
		.key = settings->redis_key,
		.max_queue = settings->redis_max_queue,
		.max_age_ms = settings->redis_max_age,
		.log_length = redis && settings->redis_log ? settings->redis_log_length : 0,
		.sealed = redis && settings->redis_secret != NULL && settings->redis_secret[0] != '\0',
		.settle_ms = settings->redis_settle,
		.refresh_ms = settings->redis_refresh,
		.max_redirects = (unsigned)settings->redis_max_redirects,
		.max_rooms = redis && settings->redis_routing == BROKER_ROUTING_ROOMS
				     ? (unsigned)settings->redis_routing_max
				     : 0,
		.subscription_mode = (enum bus_subscription_mode)settings->redis_subscription_mode,
		.stream = broker_settings_stream(settings)};
	struct broker_options options = {.form = cluster_form(settings, hub),
		.bus = bus,
		.secret = redis ? settings->redis_secret : NULL,
		.secret_accepted = redis ? settings->redis_secret_accepted : NULL,
		.requests_timeout_ms = settings->requests_timeout,
		.visitor = self == NULL,
		.keeper = redis ? self != NULL && self->recovers : hub->keeper,
		.by_stream = self != NULL && self->recovers,
		.members = {.interval_ms = settings->heartbeat_interval, .timeout_ms = settings->heartbeat_timeout}};
	struct broker *broker;
	struct cluster *cluster;
	int rc;

	*out = NULL;
	if (redis)
		options.bus.access = broker_settings_access(settings);
	if (self != NULL) {
		cluster_describe(&options.members.self, self, settings);
		cluster_name_mode(&options.members.self, options.form, settings, self->recovers);
		options.clients = cluster_clients;
		options.clients_arg = io;
	}
	rc = broker_new(&broker, l, &options, sio_core_broker_ops(), error);
	if (rc < 0)
		return rc;
	cluster = mem_zalloc(sizeof *cluster);
	cluster->io = io;
	cluster->broker = broker;
	sio_core_set_broker(io, broker);
	*out = cluster;
	return 0;
}

void
cluster_remember(struct cluster *cluster, struct loop *l, const struct broker_settings *settings,
	const struct cluster_hub *hub)
{
	if (!sio_core_wants_history(cluster->io))
		return;
	cluster->history = cluster_open_history(l, cluster->io, settings, hub);
	sio_core_set_history(cluster->io, cluster->history);
}

static void
cluster_on_closed(void *arg)
{
	struct cluster *cluster = arg;

	history_free(cluster->history);
	cluster->history = NULL;
	cluster->gone = true;
}

void
cluster_drain(struct cluster *cluster)
{
	if (cluster != NULL && cluster->broker != NULL)
		broker_drain(cluster->broker);
}

void
cluster_leave(struct cluster *cluster, uint64_t flush_ms)
{
	struct broker *left = cluster->broker;

	if (left == NULL)
		return;
	cluster->broker = NULL;
	sio_core_set_history(cluster->io, NULL);
	sio_core_set_broker(cluster->io, NULL);
	broker_close(left, flush_ms, cluster_on_closed, cluster);
}

bool
cluster_is_gone(const struct cluster *cluster)
{
	return cluster == NULL || cluster->gone;
}

void
cluster_free(struct cluster *cluster)
{
	must(cluster_is_gone(cluster));
	mem_free(cluster);
}

const struct broker *
cluster_broker(const struct cluster *cluster)
{
	return cluster != NULL ? cluster->broker : NULL;
}
