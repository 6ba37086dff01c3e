/*
 * The move of a polling session to WebSocket (Engine.IO protocol, "Upgrade").
 *
 *   State   Event                 Next    Action
 *   -       request with a sid    OPENED  101; upgradeTimeout starts
 *   OPENED  "2probe"              PROBED  "3probe"; from now on a waiting poll gets "6" every 100 ms
 *   PROBED  "2probe"              PROBED  "3probe"
 *   any     "5"                   done    a complete POST is handled, a waiting poll gets "1"; the queue leaves
 *                                         through the WebSocket, in order
 *   any     "5", and a complete   -       the WebSocket closes, the session stays on polling
 *           POST needs more than
 *           this turn
 *   any     any other packet      -       the WebSocket closes, the session stays on polling
 *   any     upgradeTimeout        -       the WebSocket closes, the session stays on polling
 *   any     WebSocket lost        -       the session stays on polling
 *   any     session closed        -       the WebSocket closes
 *
 * Another WebSocket for the same session, during or after the upgrade, is closed and changes nothing.
 */
#include "node/engineio/eio_upgrade.h"

#include "common/base/mem.h"
#include "node/engineio/eio_trace.h"
#include "node/engineio/eio_websocket.h"

#define POLL_CYCLE_MS                                                                                                \
	100 /* the interval of Node.js: how often a waiting poll is answered while a probe is in progress */

/* A WebSocket that tries to become the transport of a polling session. */
struct upgrade {
	struct eio_candidate candidate;
	struct eio_session *session;
	struct ws *ws;
	struct wheel_entry timeout; /* upgradeTimeout */
	struct wheel_entry cycle;   /* after the probe: answers a waiting poll every 100 ms */
	bool b64;
};

/* Frees the upgrade. The session has no candidate afterwards. */
static void
upgrade_free(struct upgrade *upgrade)
{
	struct eio_session *s = upgrade->session;

	loop_disarm(s->all->loop, &upgrade->timeout);
	loop_disarm(s->all->loop, &upgrade->cycle);
	s->candidate = NULL;
	mem_free(upgrade);
}

/* Closes the probing WebSocket; the session continues. */
static void
upgrade_stop(struct eio_candidate *candidate, unsigned reason)
{
	struct upgrade *upgrade = container_of(candidate, struct upgrade, candidate);

	if (log_debug())
		eio_trace_unused(upgrade->session, reason);
	eio_websocket_abandon(upgrade->ws, reason);
	upgrade_free(upgrade);
}

static void
upgrade_on_timeout(struct wheel_entry *entry)
{
	upgrade_stop(&container_of(entry, struct upgrade, timeout)->candidate, REASON_UPGRADE_TIMEOUT);
}

/* A client that waits for its poll to end before it sends "5" must not have to wait for the next packet. */
static void
upgrade_on_cycle(struct wheel_entry *entry)
{
	struct upgrade *upgrade = container_of(entry, struct upgrade, cycle);
	struct eio_session *s = upgrade->session;

	loop_arm(s->all->loop, &upgrade->cycle, POLL_CYCLE_MS);
	if (s->transport->writable(s)) /* otherwise no poll waits, or it is about to be answered */
		s->transport->put(s, s->all->noop);
}

static void
upgrade_complete(struct upgrade *upgrade)
{
	struct eio_session *s = upgrade->session;
	struct ws *ws = upgrade->ws;
	bool b64 = upgrade->b64;

	bool settled = s->transport->settle(s); /* handles a POST that arrived earlier in this turn */

	if (s->candidate != &upgrade->candidate)
		return;
	if (!settled) { /* too much for one turn: the client did not wait for the reply to its POST */
		eio_session_dirty(s);
		upgrade_stop(&upgrade->candidate, REASON_FORCED);
		return;
	}
	upgrade_free(upgrade);
	eio_websocket_adopt(s, ws, b64);
}

static void
probe_on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct text packet = text_of((const char *)data, n);
	struct upgrade *upgrade = owner;

	if (!binary && text_is(packet, TEXT("2probe"))) {
		ws_send_bytes(ws, WS_TEXT, "3probe", 6);
		if (!wheel_armed(&upgrade->cycle))
			loop_arm(upgrade->session->all->loop, &upgrade->cycle, POLL_CYCLE_MS);
	} else if (!binary && n > 0 && data[0] == EIO_PACKET_UPGRADE) {
		upgrade_complete(upgrade);
	} else {
		upgrade_stop(&upgrade->candidate, REASON_FORCED);
	}
}

static void
probe_on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	struct upgrade *upgrade = owner;

	(void)ws, (void)code;
	if (log_debug())
		eio_trace_unused(upgrade->session, reason);
	upgrade_free(upgrade);
}

static const struct ws_ops probe_ops = {.on_message = probe_on_message, .on_closed = probe_on_closed};

void
eio_upgrade_request(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64)
{
	struct upgrade *upgrade;

	if (!s->transport->upgradable || s->candidate != NULL || !s->all->options->allow_upgrades) {
		eio_websocket_abandon(ws_accept(r, options, &probe_ops, NULL), REASON_FORCED);
		return;
	}
	upgrade = mem_zalloc(sizeof(*upgrade));
	upgrade->candidate.stop = upgrade_stop;
	upgrade->session = s;
	upgrade->b64 = b64;
	wheel_entry_init(&upgrade->timeout, upgrade_on_timeout);
	wheel_entry_init(&upgrade->cycle, upgrade_on_cycle);
	s->candidate = &upgrade->candidate;
	upgrade->ws = ws_accept(r, options, &probe_ops, upgrade);
	loop_arm(s->all->loop, &upgrade->timeout, s->all->options->upgrade_timeout);
	if (log_debug())
		eio_trace_probe(s);
}
