#include "broker/broker_options.h"

#include <stddef.h>
#include <string.h>
#include <stdio.h>

#include "broker/bus_form.h"
#include "broker/bus_log.h"
#include "broker/bus_stream_store.h"
#include "broker/bus_url.h"
#include "broker/wire_stream.h"
#include "common/base/error.h"

#define AT(member) offsetof(struct broker_settings, member)

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Cluster",
	  .name = "redis", .type = OPTION_TEXT, .offset = AT(redis), .value = "URL",
	  .secret = OPTION_URL_PASSWORD,
	  .help = "Redis that connects the nodes: redis://user:password@host:port/db, rediss://... with TLS, unix:///path, "
		  "redis+sentinel://host,host/master/db or redis+cluster://host,host. Of several hosts of redis://, the node uses "
		  "the first that answers and is a master" },
	{ .name = "redisMode", .type = OPTION_CHOICE, .offset = AT(redis_mode), .initial = "classic",
	  .choices = "classic|sharded|streams", .value = "MODE",
	  .needs = "redis",
	  .help = "How the nodes use Redis. All nodes need the same mode. classic: as createAdapter of the Redis adapter for "
		  "Node.js; sharded: as its createShardedAdapter, with Redis 7 or later; streams: as the Redis Streams adapter" },
	{ .name = "redisKey", .type = OPTION_TEXT, .offset = AT(redis_key), .initial = "socket.io", .value = "PREFIX",
	  .needs = "redis",
	  .help = "Prefix of the Redis channels (\"key\" of the Socket.IO adapter)" },
	{ .name = "requestsTimeout", .type = OPTION_MS, .offset = AT(requests_timeout), .initial = "5s", .min = 1,
	  .max = 600000, .value = "MS",
	  .help = "How long a question to the other nodes waits for answers. Then it ends with the answers that have come" },
	{ .name = "heartbeatInterval", .type = OPTION_MS, .offset = AT(heartbeat_interval), .initial = "5s", .min = 100,
	  .max = 600000, .value = "MS",
	  .help = "How often a worker sends a heartbeat to the other workers of the cluster; less often if there are more than 128" },
	{ .name = "heartbeatTimeout", .type = OPTION_MS, .offset = AT(heartbeat_timeout), .initial = "10s", .min = 200,
	  .max = 1800000, .value = "MS",
	  .help = "A worker that has sent no heartbeat for this time counts as silent, and the others do not wait for its answers; "
		  "at least twice heartbeatInterval" },
	{ .group = "Access to Redis",
	  .name = "redisPasswordFile", .type = OPTION_TEXT, .offset = AT(redis_password_file), .value = "FILE",
	  .needs = "redis",
	  .help = "File with the password of Redis, instead of a password in the URL. When the password changes, the node also sends "
		  "it on its live connections" },
	{ .name = "redisSentinelPassword", .type = OPTION_TEXT, .offset = AT(redis_sentinel_password), .value = "TEXT", .secret = OPTION_HIDDEN,
	  .needs = "redis",
	  .help = "Password of the sentinels; the password in the URL is the one of Redis" },
	{ .name = "redisCa", .type = OPTION_TEXT, .offset = AT(redis_ca), .value = "FILE",
	  .needs = "redis",
	  .help = "Certificate authority (PEM) that verifies a rediss:// server; by default the system's authorities" },
	{ .name = "redisTlsCert", .type = OPTION_TEXT, .offset = AT(redis_tls_cert), .value = "FILE",
	  .needs = "redis",
	  .help = "Client certificate (PEM) for Redis; read again at each connect" },
	{ .name = "redisTlsKey", .type = OPTION_TEXT, .offset = AT(redis_tls_key), .value = "FILE",
	  .needs = "redis",
	  .help = "Private key (PEM) of redisTlsCert" },
	{ .name = "redisTlsInsecure", .type = OPTION_FLAG, .offset = AT(redis_tls_insecure), .initial = "false",
	  .needs = "redis",
	  .help = "Accept any certificate of Redis. The traffic is encrypted, but an impostor can read it" },
	{ .name = "redisSecret", .type = OPTION_TEXT, .offset = AT(redis_secret), .value = "TEXT", .secret = OPTION_HIDDEN,
	  .needs = "redis",
	  .help = "Secret that all nodes share. Messages through Redis without a valid HMAC are dropped, including those of "
		  "Node.js servers and emitters. Set it in the environment: other users can read a command line" },
	{ .name = "redisSecretAccepted", .type = OPTION_TEXT, .offset = AT(redis_secret_accepted), .value = "TEXT", .secret = OPTION_HIDDEN,
	  .needs = "redis",
	  .help = "A second secret that a node accepts but does not sign with, while the nodes change redisSecret one by one" },
	{ .group = "Outages of Redis",
	  .name = "redisMaxQueue", .type = OPTION_BYTES, .offset = AT(redis_max_queue), .initial = "16m", .min = 1 << 10,
	  .max = UINT64_C(1) << 32, .value = "BYTES",
	  .help = "Maximum bytes of messages that wait while Redis is down. If the queue is full, the oldest messages are dropped "
		  "and counted; a single larger message is refused" },
	{ .name = "redisMaxAge", .type = OPTION_MS, .offset = AT(redis_max_age), .initial = "0", .max = 86400000, .value = "MS",
	  .help = "Maximum time that a message waits while Redis is down; an older one is dropped and counted. 0: no limit but "
		  "redisMaxQueue" },
	{ .name = "redisSettle", .type = OPTION_MS, .offset = AT(redis_settle), .initial = "3s", .max = 60000, .value = "MS",
	  .help = "After an outage, how long messages may wait until as many servers are back as there were before; 0: they do "
		  "not wait" },
	{ .name = "redisLog", .type = OPTION_FLAG, .offset = AT(redis_log), .initial = "false",
	  .needs = "redis",
	  .help = "Classic mode: keep the last messages in a stream of Redis as well. A node that was away reads there what it "
		  "missed, and messages in flight are neither lost nor doubled when a connection breaks. Turn it on for all nodes" },
	{ .name = "redisLogLength", .type = OPTION_NUMBER, .offset = AT(redis_log_length), .initial = "10000", .min = 100,
	  .max = 100000000, .value = "N",
	  .needs = "redisLog",
	  .help = "Messages that the log keeps, approximately, in the memory of Redis. A node that is away for more messages misses "
		  "the oldest" },
	{ .group = "Subscriptions at Redis",
	  .name = "redisSubscriber", .type = OPTION_CHOICE, .offset = AT(redis_subscriber), .initial = "node",
	  .choices = "node|worker", .value = "WHO",
	  .needs = "redis",
	  .help = "Classic mode: which process subscribes at Redis. node: the hub, for all workers of the node, so that Redis sends "
		  "each broadcast once per node; worker: each worker. A node with one worker subscribes by itself" },
	{ .name = "redisRouting", .type = OPTION_CHOICE, .offset = AT(redis_routing), .initial = "rooms",
	  .choices = "all|rooms", .value = "WAY",
	  .needs = "redis",
	  .help = "Classic mode: which broadcasts Redis sends to a node. rooms: those for rooms that have clients there; all: "
		  "every one" },
	{ .name = "redisRoutingMax", .type = OPTION_NUMBER, .offset = AT(redis_routing_max), .initial = "100000", .min = 1,
	  .max = 10000000, .value = "N",
	  .needs = "redis",
	  .help = "Maximum rooms that a worker subscribes to one by one, the clients' own rooms included. Beyond it, the worker "
		  "receives every broadcast of the namespace" },
	{ .name = "redisSubscriptionMode", .type = OPTION_CHOICE, .offset = AT(redis_subscription_mode),
	  .initial = "dynamic", .choices = "dynamic|dynamic-private|static", .value = "MODE",
	  .needs = "redis",
	  .help = "Sharded mode: which rooms have a channel of their own. Redis sends the messages of such a channel only to the "
		  "nodes with clients in the room. All nodes need the same value. dynamic: all rooms but the clients' own; "
		  "dynamic-private: all rooms; static: no room" },
	{ .group = "Redis Cluster",
	  .name = "redisRefresh", .type = OPTION_MS, .offset = AT(redis_refresh), .initial = "30s", .min = 1000,
	  .max = 3600000, .value = "MS",
	  .needs = "redis",
	  .help = "Redis Cluster: how often a node asks for the members. It also asks when a member fails" },
	{ .name = "redisMaxRedirects", .type = OPTION_NUMBER, .offset = AT(redis_max_redirects), .initial = "5", .min = 1,
	  .max = 100, .value = "N",
	  .needs = "redis",
	  .help = "Redis Cluster in sharded mode: how many redirections (MOVED) of one channel a node follows before it asks for the "
		  "members again" },
	{ .group = "Redis streams",
	  .name = "redisStreamName", .type = OPTION_TEXT, .offset = AT(redis_stream_name), .initial = "socket.io", .value = "NAME",
	  .needs = "redis",
	  .help = "Streams mode: name of the stream (\"streamName\" of the Redis Streams adapter)" },
	{ .name = "redisStreamMaxLen", .type = OPTION_NUMBER, .offset = AT(redis_stream_max_len), .initial = "10000", .min = 100,
	  .max = 100000000, .value = "N",
	  .needs = "redis",
	  .help = "Streams mode: entries that Redis keeps, approximately. A node that is away for more entries misses the oldest" },
	{ .name = "redisStreamCount", .type = OPTION_NUMBER, .offset = AT(redis_stream_count), .initial = "1", .min = 1,
	  .max = WIRE_STREAM_COUNT_MAX, .value = "N",
	  .needs = "redis",
	  .help = "Streams mode: number of streams among which the namespaces are distributed. All nodes need the same number" },
	{ .name = "redisStreamReadCount", .type = OPTION_NUMBER, .offset = AT(redis_stream_read_count), .initial = "100", .min = 1,
	  .max = 10000, .value = "N",
	  .needs = "redis",
	  .help = "Streams mode: maximum entries of one stream that a worker reads at once" },
	{ .name = "redisStreamBlockTime", .type = OPTION_MS, .offset = AT(redis_stream_block_time), .initial = "5s", .min = 100,
	  .max = 60000, .value = "MS",
	  .needs = "redis",
	  .help = "Streams mode: how long Redis holds the read of a worker while there are no new entries" },
	{ .name = "redisStreamShardedPubSub", .type = OPTION_FLAG, .offset = AT(redis_stream_sharded_pub_sub), .initial = "false",
	  .needs = "redis",
	  .help = "Streams mode: publish questions and answers to sharded channels, with Redis 7 or later (\"useShardedPubSub\" of "
		  "the Redis Streams adapter). All servers need the same value" },
	{ .name = "redisSessionKeyPrefix", .type = OPTION_TEXT, .offset = AT(redis_session_key_prefix), .initial = "sio:session:",
	  .value = "PREFIX", .needs = "redis",
	  .help = "Streams mode: prefix of the keys of sessions for connection state recovery (\"sessionKeyPrefix\" of the Redis "
		  "Streams adapter)" },
};
/* clang-format on */

struct option_table
broker_options_table(struct broker_settings *settings)
{
	return (struct option_table){rows, sizeof rows / sizeof *rows, settings, false};
}

static bool
broker_text_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

bool
broker_settings_redis(const struct broker_settings *settings)
{
	return broker_text_set(settings->redis);
}

struct bus_access
broker_settings_access(const struct broker_settings *settings)
{
	return (struct bus_access){
		.ca_file = settings->redis_ca,
		.cert_file = settings->redis_tls_cert,
		.key_file = settings->redis_tls_key,
		.password_file = settings->redis_password_file,
		.sentinel_password = settings->redis_sentinel_password,
		.insecure = settings->redis_tls_insecure,
	};
}

bool
broker_settings_ear(const struct broker_settings *settings)
{
	return broker_settings_redis(settings) && settings->redis_mode == BROKER_MODE_CLASSIC &&
	       settings->redis_subscriber == BROKER_SUBSCRIBER_NODE;
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool
same_redis(const struct broker_settings *a, const struct broker_settings *b)
{
	return same_text(a->redis, b->redis) && same_text(a->redis_ca, b->redis_ca) &&
	       same_text(a->redis_tls_cert, b->redis_tls_cert) && same_text(a->redis_tls_key, b->redis_tls_key) &&
	       same_text(a->redis_password_file, b->redis_password_file) &&
	       same_text(a->redis_sentinel_password, b->redis_sentinel_password) &&
	       a->redis_tls_insecure == b->redis_tls_insecure;
}

static bool
broker_log_in_cluster(const struct broker_settings *settings)
{
	return settings->redis_log && strstr(settings->redis, "+cluster://") != NULL;
}

bool
broker_settings_share_ear(const struct broker_settings *settings, const struct broker_settings *hub)
{
	/* in a cluster, a hub that does not know of the log might listen at a member that does not have it */
	bool same_log = hub->redis_log && same_text(settings->redis_key, hub->redis_key);

	return broker_settings_ear(settings) && same_redis(settings, hub) &&
	       (same_log || !broker_log_in_cluster(settings));
}

struct bus_stream_options
broker_settings_stream(const struct broker_settings *settings)
{
	return (struct bus_stream_options){
		.name = settings->redis_stream_name,
		.count = (unsigned)settings->redis_stream_count,
		.max_len = settings->redis_stream_max_len,
		.read_count = (unsigned)settings->redis_stream_read_count,
		.block_ms = settings->redis_stream_block_time,
		.sharded = settings->redis_stream_sharded_pub_sub,
		.session_key_prefix = settings->redis_session_key_prefix,
	};
}

/* Returns an error about options that contradict one another, or NULL. */
static const char *
broker_settings_contradiction(const struct broker_settings *settings)
{
	if (settings->heartbeat_timeout < 2 * settings->heartbeat_interval)
		return "option --heartbeat-timeout: must be at least twice --heartbeat-interval";
	if (!broker_settings_redis(settings))
		return NULL;
	if (settings->redis_subscription_mode != BUS_SUBSCRIPTION_DYNAMIC &&
		settings->redis_mode != BROKER_MODE_SHARDED)
		return "option --redis-subscription-mode: only --redis-mode sharded has subscription modes";
	if ((settings->redis_routing != BROKER_ROUTING_ROOMS || settings->redis_routing_max != 100000) &&
		settings->redis_mode != BROKER_MODE_CLASSIC)
		return "option --redis-routing: only --redis-mode classic chooses which broadcasts a worker receives";
	if (settings->redis_routing_max != 100000 && settings->redis_routing != BROKER_ROUTING_ROOMS)
		return "option --redis-routing-max: has no effect without --redis-routing rooms";
	if (settings->redis_subscriber != BROKER_SUBSCRIBER_NODE && settings->redis_mode != BROKER_MODE_CLASSIC)
		return "option --redis-subscriber: only in --redis-mode classic can another process subscribe";
	if (settings->redis_log && settings->redis_mode != BROKER_MODE_CLASSIC)
		return "option --redis-log: only --redis-mode classic has a log";
	if (broker_text_set(settings->redis_secret_accepted) && !broker_text_set(settings->redis_secret))
		return "option --redis-secret-accepted: set --redis-secret as well; messages without a secret cannot "
		       "be accepted beside it";
	return NULL;
}

/* Returns true if an option of the streams differs from its initial value in the table above. */
static bool
broker_streams_set(const struct broker_settings *settings)
{
	return !same_text(settings->redis_stream_name, "socket.io") || settings->redis_stream_max_len != 10000 ||
	       settings->redis_stream_count != 1 || settings->redis_stream_read_count != 100 ||
	       settings->redis_stream_block_time != 5000 || settings->redis_stream_sharded_pub_sub ||
	       !same_text(settings->redis_session_key_prefix, "sio:session:");
}

/*
 * Only some modes keep a connection to each member that a slot's channel may belong to. A cluster refuses
 * transactions with keys of several slots.
 */
static int
broker_settings_check_cluster(
	const struct broker_settings *settings, const struct bus_url *url, char error[OPTION_ERROR_MAX])
{
	bool sharded = settings->redis_mode == BROKER_MODE_SHARDED ||
		       (settings->redis_mode == BROKER_MODE_STREAMS && settings->redis_stream_sharded_pub_sub);

	if (settings->redis_refresh != 30000 && !url->cluster)
		snprintf(error, OPTION_ERROR_MAX,
			"option --redis-refresh: has no effect without a Redis Cluster (--redis "
			"redis+cluster://...)");
	else if (settings->redis_max_redirects != 5 && !(url->cluster && sharded))
		snprintf(error, OPTION_ERROR_MAX,
			"option --redis-max-redirects: has no effect without sharded channels in a Redis Cluster");
	else if (settings->redis_log && url->cluster && !bus_log_has_slot(settings->redis_key))
		snprintf(error, OPTION_ERROR_MAX,
			"option --redis-key: with --redis-log in a Redis Cluster, braces must enclose a text, as in "
			"{chat}");
	else
		return 0;
	return ERROR_ARGUMENT;
}

/* Keys in Redis begin with these options. A longer one would be cut, and keys that should differ would be the same.
 */
static int
broker_settings_check_lengths(const struct broker_settings *settings, char error[OPTION_ERROR_MAX])
{
	if (settings->redis_log && strlen(settings->redis_key) > BUS_LOG_KEY_MAX)
		snprintf(error, OPTION_ERROR_MAX, "option --redis-key: with --redis-log, at most %d bytes",
			BUS_LOG_KEY_MAX);
	else if (settings->redis_mode == BROKER_MODE_STREAMS &&
		 strlen(settings->redis_session_key_prefix) > BUS_STREAM_PREFIX_MAX)
		snprintf(error, OPTION_ERROR_MAX, "option --redis-session-key-prefix: at most %d bytes",
			BUS_STREAM_PREFIX_MAX);
	else
		return 0;
	return ERROR_ARGUMENT;
}

int
broker_settings_check(const struct broker_settings *settings, char error[OPTION_ERROR_MAX])
{
	struct bus_access access = broker_settings_access(settings);
	const char *wrong = broker_settings_contradiction(settings);
	struct bus_url url;
	int rc;

	_Static_assert(BUS_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	if (wrong != NULL) {
		snprintf(error, OPTION_ERROR_MAX, "%s", wrong);
		return ERROR_ARGUMENT;
	}
	if (!broker_settings_redis(settings))
		return 0;
	if (settings->redis_mode != BROKER_MODE_STREAMS && broker_streams_set(settings)) {
		snprintf(error, OPTION_ERROR_MAX,
			"option --redis-stream-*, --redis-session-key-prefix: only --redis-mode streams has streams");
		return ERROR_ARGUMENT;
	}
	rc = broker_settings_check_lengths(settings, error);
	if (rc != 0)
		return rc;
	rc = bus_url_parse(&url, settings->redis, error);
	if (rc == 0)
		rc = bus_access_check(&access, &url, error);
	if (rc == 0)
		rc = broker_settings_check_cluster(settings, &url, error);
	bus_url_fini(&url);
	return rc;
}

bool
broker_settings_have_files(const struct broker_settings *settings)
{
	return broker_settings_redis(settings) &&
	       (broker_text_set(settings->redis_ca) || broker_text_set(settings->redis_tls_cert) ||
		       broker_text_set(settings->redis_password_file));
}

int
broker_settings_check_files(const struct broker_settings *settings, char error[OPTION_ERROR_MAX])
{
	struct bus_access access = broker_settings_access(settings);
	struct bus_url url;
	int rc = bus_url_parse(&url, settings->redis, error);

	if (rc == 0)
		rc = bus_access_check_files(&access, &url, error);
	bus_url_fini(&url);
	return rc;
}
