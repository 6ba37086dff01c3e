#include "node/process/outreach.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/server.h"
#include "node/process/visitor.h"
#include "node/socketio/sio_raw.h"

static bool
is_up(const struct broker *b)
{
	struct broker_stats stats;

	if (b == NULL || broker_alone(b))
		return true;
	broker_stats(b, &stats);
	return stats.bus.up;
}

/* A worker that serves, or has clients still. NULL: one does, and hears the visitor. */
static const char *
nobody_hears(const struct outreach *o)
{
	struct broker_stats ours;
	bool serves = false;

	broker_stats(visitor_broker(o->visitor), &ours);
	for (unsigned i = 0; i < o->workers; i++) {
		if (!stats_read(&o->pages[i], o->snapshot) ||
			(o->snapshot->state != STATS_ACCEPTING && o->snapshot->state != STATS_DRAINING))
			continue;
		serves = true;
		if (o->snapshot->has_broker && o->snapshot->broker.form != ours.form)
			return "the application sets redis itself: give --redis to the server, so that the API knows "
			       "it too";
	}
	return serves ? NULL : "no worker serves yet";
}

void
outreach_reach(void *arg, struct text nsp, struct api_reach *out)
{
	struct outreach *o = arg;
	struct server_parts parts = {0};

	if (o->own != NULL) {
		server_parts(o->own, &parts);
		out->nsp = sio_raw_nsp(o->own, nsp);
		out->queued = !is_up(parts.broker);
		if (parts.broker == NULL)
			out->away = "the server is stopping";
	} else {
		out->away = nobody_hears(o);
	}
	if (out->away != NULL || out->nsp != NULL || o->visitor == NULL)
		return;
	out->nsp = sio_raw_visit(visitor_server(o->visitor), nsp);
	out->queued = !is_up(visitor_broker(o->visitor));
}

static const struct api_ops ops = {outreach_reach};

int
outreach_init(struct outreach *o, const struct outreach_setup *s, char error[OUTREACH_ERROR_MAX])
{
	const struct broker_settings *broker = &s->server->broker;
	struct visitor_setup visit = {.broker = broker, .hub_name = s->hub_name, .max_emit = s->api->max_body};
	bool redis = broker->redis != NULL && broker->redis[0] != '\0';
	int rc;

	_Static_assert(API_KEYS_ERROR_MAX <= OUTREACH_ERROR_MAX, "an error line must fit");
	*o = (struct outreach){.own = s->own, .pages = s->pages, .workers = s->workers};
	rc = api_new(&o->api, s->loop, s->api, &ops, o, error);
	if (rc < 0 || o->api == NULL)
		return rc;
	o->snapshot = mem_zalloc(sizeof *o->snapshot);
	if (s->own == NULL || redis)
		rc = visitor_new(&o->visitor, s->loop, &visit, error);
	if (rc < 0)
		outreach_fini(o);
	return rc;
}

void
outreach_fini(struct outreach *o)
{
	api_free(o->api);
	visitor_free(o->visitor);
	mem_free(o->snapshot);
	*o = (struct outreach){0};
}

void
outreach_reload(struct outreach *o)
{
	char error[API_KEYS_ERROR_MAX];

	if (o->api == NULL)
		return;
	if (api_reload(o->api, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "api_keys", LOG_STR("yes"), NULL);
}
