/* The form for several machines: the classic channels over one Redis server, named by its URL or by sentinels. */
#include "broker/bus_redis.h"

#include "broker/bus_classic.h"
#include "common/io/log.h"

int
bus_redis_server(struct bus_url *out, const struct bus_form_options *options, char error[BUS_ERROR_MAX])
{
	int rc = bus_url_parse(out, options->server, error);

	if (rc == 0)
		rc = bus_access_check(&options->access, out, error);
	if (rc == 0)
		rc = bus_access_check_files(&options->access, out, error);
	if (rc < 0) {
		bus_url_fini(out);
		return rc;
	}
	if (options->access.insecure)
		log_event(LOG_WARN, "bus", "warning",
			LOG_STR("option --redis-tls-insecure: the certificate of Redis is not verified"), NULL);
	return 0;
}

static int
redis_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
	const struct bus_form_ops *ops, char error[BUS_ERROR_MAX])
{
	struct bus_url server;
	int rc = bus_redis_server(&server, options, error);

	if (rc == 0)
		*out = bus_classic_open(l, &server, true, options, ops);
	return rc;
}

const struct bus_form bus_redis = {
	.id = BUS_FORM_REDIS,
	.name = "redis",
	.open = redis_open,
	.count_strangers = bus_classic_count_strangers,
	.keep_open = bus_classic_keep_open,
	.keep_close = bus_classic_keep_close,
	.store = bus_classic_store,
	BUS_CLASSIC,
};
