/*
 * A polling session moves to WebSocket (protocol, "Upgrade").
 *
 *   state    event                next     action
 *   -        request with sid     OPENED   101; upgradeTimeout runs
 *   OPENED   "2probe"             PROBED   "3probe"; from now on a poll that waits is ended by "6" every 100 ms
 *   PROBED   "2probe"             PROBED   "3probe"
 *   OPENED   "5"                  done     as from PROBED
 *   PROBED   "5"                  done     a push that is ready is handled, a pending poll answered "1"; the queue
 *                                          leaves by the WebSocket in order
 *   both     "5", push too large  -        the WebSocket closes, the session goes on polling
 *            for one turn
 *   both     anything else        -        the same
 *   both     upgradeTimeout       -        the same
 *   both     WebSocket lost       -        the session goes on polling
 *   both     session closed       -        the WebSocket closes
 *
 * A further WebSocket for the same session, during or after the upgrade, is closed and changes nothing.
 */
#include "node/engineio/eio_upgrade.h"

#include "common/base/mem.h"
#include "node/engineio/eio_trace.h"
#include "node/engineio/eio_websocket.h"

#define POLL_CYCLE_MS 100 /* what Node.js takes: how often a waiting poll is let go while a probe stands */

/* A WebSocket that tries to become the transport of a polling session. */
struct upgrade {
	struct eio_candidate candidate;
	struct eio_session *session;
	struct ws *ws;
	struct wheel_entry timeout; /* upgradeTimeout */
	struct wheel_entry cycle;   /* after the probe: ends a pending poll every 100 ms */
	bool b64;
};

/* The session has none any more. */
static void
upgrade_free(struct upgrade *u)
{
	struct eio_session *s = u->session;

	loop_disarm(s->all->loop, &u->timeout);
	loop_disarm(s->all->loop, &u->cycle);
	s->candidate = NULL;
	mem_free(u);
}

/* Closes the probing WebSocket alone. */
static void
upgrade_stop(struct eio_candidate *candidate, unsigned reason)
{
	struct upgrade *u = container_of(candidate, struct upgrade, candidate);

	if (log_debug())
		eio_trace_unused(u->session, reason);
	eio_websocket_abandon(u->ws, reason);
	upgrade_free(u);
}

static void
on_timeout(struct wheel_entry *entry)
{
	upgrade_stop(&container_of(entry, struct upgrade, timeout)->candidate, REASON_UPGRADE_TIMEOUT);
}

/* A client that waits for its poll to end before it sends "5" must not wait for the next packet. */
static void
on_cycle(struct wheel_entry *entry)
{
	struct upgrade *u = container_of(entry, struct upgrade, cycle);
	struct eio_session *s = u->session;

	loop_arm(s->all->loop, &u->cycle, POLL_CYCLE_MS);
	if (s->transport->writable(s)) /* else no poll waits, or it is about to be answered */
		s->transport->put(s, s->all->noop);
}

static void
complete(struct upgrade *u)
{
	struct eio_session *s = u->session;
	struct ws *ws = u->ws;
	bool b64 = u->b64;

	bool settled = s->transport->settle(s); /* what came in this turn was sent before */

	if (s->candidate != &u->candidate)
		return;
	if (!settled) { /* and is too much for one turn: a client that does not wait for the answer to its push */
		eio_session_dirty(s);
		upgrade_stop(&u->candidate, REASON_FORCED);
		return;
	}
	upgrade_free(u);
	eio_websocket_adopt(s, ws, b64);
}

static void
on_message(struct ws *ws, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct text packet = text_of((const char *)data, n);
	struct upgrade *u = owner;

	if (!binary && text_is(packet, TEXT("2probe"))) {
		ws_send_bytes(ws, WS_TEXT, "3probe", 6);
		if (!wheel_armed(&u->cycle))
			loop_arm(u->session->all->loop, &u->cycle, POLL_CYCLE_MS);
	} else if (!binary && n > 0 && data[0] == EIO_PACKET_UPGRADE) {
		complete(u);
	} else {
		upgrade_stop(&u->candidate, REASON_FORCED);
	}
}

static void
on_closed(struct ws *ws, void *owner, unsigned reason, uint16_t code)
{
	struct upgrade *u = owner;

	(void)ws, (void)code;
	if (log_debug())
		eio_trace_unused(u->session, reason);
	upgrade_free(u);
}

static const struct ws_ops probe_ops = {.on_message = on_message, .on_closed = on_closed};

void
eio_upgrade_request(struct eio_session *s, struct http_request *r, const struct ws_options *options, bool b64)
{
	struct upgrade *u;

	if (!s->transport->upgradable || s->candidate != NULL || !s->all->options->allow_upgrades) {
		eio_websocket_abandon(ws_accept(r, options, &probe_ops, NULL), REASON_FORCED);
		return;
	}
	u = mem_zalloc(sizeof(*u));
	u->candidate.stop = upgrade_stop;
	u->session = s;
	u->b64 = b64;
	wheel_entry_init(&u->timeout, on_timeout);
	wheel_entry_init(&u->cycle, on_cycle);
	s->candidate = &u->candidate;
	u->ws = ws_accept(r, options, &probe_ops, u);
	loop_arm(s->all->loop, &u->timeout, s->all->options->upgrade_timeout);
	if (log_debug())
		eio_trace_probe(s);
}
