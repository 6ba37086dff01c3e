#include "node/process/outreach.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/server.h"
#include "node/process/visitor.h"
#include "node/socketio/sio_raw.h"

static bool
broker_is_up(const struct broker *broker)
{
	struct broker_stats stats;

	if (broker == NULL || broker_alone(broker))
		return true;
	broker_stats(broker, &stats);
	return stats.bus.up;
}

/* Returns NULL if the visitor reaches a worker that serves or still has clients; else why it does not. */
static const char *
outreach_away_reason(const struct outreach *outreach)
{
	struct broker_stats visitor_stats;
	bool serves = false;

	broker_stats(visitor_broker(outreach->visitor), &visitor_stats);
	for (unsigned i = 0; i < outreach->workers; i++) {
		if (!stats_read(&outreach->pages[i], outreach->snapshot) ||
			(outreach->snapshot->state != STATS_ACCEPTING && outreach->snapshot->state != STATS_DRAINING))
			continue;
		serves = true;
		if (outreach->snapshot->has_broker && outreach->snapshot->broker.form != visitor_stats.form)
			return "the application sets redis itself; pass --redis to the server so that the API uses "
			       "it too";
	}
	return serves ? NULL : "no worker serves yet";
}

void
outreach_reach(void *arg, struct text nsp, struct api_reach *out)
{
	struct outreach *outreach = arg;
	struct server_parts parts = {0};

	if (outreach->own != NULL) {
		server_parts(outreach->own, &parts);
		out->io = outreach->own;
		out->nsp = sio_raw_nsp(outreach->own, nsp);
		out->queued = !broker_is_up(parts.broker);
		if (parts.broker == NULL)
			out->away = "the server is stopping";
	} else {
		out->away = outreach_away_reason(outreach);
		out->io = visitor_server(outreach->visitor);
	}
	if (out->away != NULL || out->nsp != NULL || outreach->visitor == NULL)
		return;
	out->nsp = sio_raw_visit(visitor_server(outreach->visitor), nsp);
	out->queued = !broker_is_up(visitor_broker(outreach->visitor));
}

static const struct api_ops outreach_ops = {outreach_reach};

int
outreach_init(struct outreach *outreach, const struct outreach_setup *setup, char error[OUTREACH_ERROR_MAX])
{
	const struct broker_settings *broker = &setup->server->broker;
	struct visitor_setup visit = {.broker = broker,
		.hub = setup->hub,
		.max_emit = setup->api->max_body,
		.history = setup->server->sio.history};
	bool redis = broker_settings_redis(broker);
	int rc;

	_Static_assert(API_KEYS_ERROR_MAX <= OUTREACH_ERROR_MAX, "an error line must fit");
	*outreach = (struct outreach){.own = setup->own, .pages = setup->pages, .workers = setup->workers};
	rc = api_new(&outreach->api, setup->loop, setup->api, &outreach_ops, outreach, error);
	if (rc < 0 || outreach->api == NULL)
		return rc;
	outreach->snapshot = mem_zalloc(sizeof *outreach->snapshot);
	if (setup->own == NULL || redis)
		rc = visitor_new(&outreach->visitor, setup->loop, &visit, error);
	if (rc < 0)
		outreach_fini(outreach);
	return rc;
}

void
outreach_fini(struct outreach *outreach)
{
	api_free(outreach->api);
	visitor_free(outreach->visitor);
	mem_free(outreach->snapshot);
	*outreach = (struct outreach){0};
}

void
outreach_reload(struct outreach *outreach)
{
	char error[API_KEYS_ERROR_MAX];

	if (outreach->api == NULL)
		return;
	if (api_reload(outreach->api, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "api_keys", LOG_STR("yes"), NULL);
}
