/*
 * A polling session moves to WebSocket (protocol, "Upgrade").
 *
 *   state    event                next     action
 *   -        request with sid     OPENED   101; upgradeTimeout runs
 *   OPENED   "2probe"             PROBED   "3probe"; from now on a poll that waits is ended by "6" every 100 ms
 *   PROBED   "2probe"             PROBED   "3probe"
 *   OPENED   "5"                  done     as from PROBED
 *   PROBED   "5"                  done     pending poll answered "1"; the queue leaves by the WebSocket in order
 *   both     anything else        -        the WebSocket closes, the session goes on polling
 *   both     upgradeTimeout       -        the same
 *   both     WebSocket lost       -        the session goes on polling
 *   both     session closed       -        the WebSocket closes
 *
 * A further WebSocket for the same session, during or after the upgrade, is closed and changes nothing.
 */
#include "node/engineio/eio_session.h"

#include "common/base/mem.h"
#include "common/base/must.h"

#define POLL_CYCLE_MS 100 /* what Node.js takes: how often a waiting poll is let go while a probe stands */

static void
upgrade_free(struct eio_session *s)
{
	struct eio_upgrade *u = s->upgrade;

	loop_disarm(s->server->loop, &u->timeout);
	loop_disarm(s->server->loop, &u->cycle);
	mem_free(u);
	s->upgrade = NULL;
}

void
eio_upgrade_stop(struct eio_session *s, unsigned reason)
{
	eio_websocket_abandon(s->upgrade->ws, reason);
	upgrade_free(s);
}

void
eio_upgrade_lost(struct eio_session *s)
{
	must(s->upgrade != NULL);
	upgrade_free(s);
}

static void
on_timeout(struct wheel_entry *entry)
{
	struct eio_upgrade *u = container_of(entry, struct eio_upgrade, timeout);

	eio_upgrade_stop(u->session, REASON_UPGRADE_TIMEOUT);
}

/* A client that waits for its poll to end before it sends "5" must not wait for the next packet. */
static void
on_cycle(struct wheel_entry *entry)
{
	struct eio_upgrade *u = container_of(entry, struct eio_upgrade, cycle);
	struct eio_session *s = u->session;

	loop_arm(s->server->loop, &u->cycle, POLL_CYCLE_MS);
	if (s->queue_count == 0) /* else the poll is about to be answered with the queue */
		eio_polling_answer(s, s->server->noop);
}

void
eio_upgrade_request(struct eio_session *s, struct http_request *r, bool b64)
{
	struct eio_server *e = s->server;
	struct eio_upgrade *u;

	eio_headers(e, r, s, false);
	if (s->ws != NULL || s->upgrade != NULL || !e->options->allow_upgrades) {
		eio_websocket_abandon(eio_websocket_accept(e, r, NULL), REASON_FORCED);
		return;
	}
	u = mem_zalloc(sizeof(*u));
	u->session = s;
	u->b64 = b64;
	wheel_entry_init(&u->timeout, on_timeout);
	wheel_entry_init(&u->cycle, on_cycle);
	s->upgrade = u;
	u->ws = eio_websocket_accept(e, r, s);
	loop_arm(e->loop, &u->timeout, e->options->upgrade_timeout);
}

static void
complete(struct eio_session *s)
{
	struct eio_server *e = s->server;
	struct eio_message **queue;
	struct ws *ws;
	uint32_t count;

	eio_polling_dispatch(s); /* a push of this turn was sent before */
	if (s->upgrade == NULL)
		return;
	ws = s->upgrade->ws;
	queue = s->queue;
	count = s->queue_count;
	s->b64 = s->upgrade->b64;
	upgrade_free(s);
	eio_polling_stop(s, e->close);
	must(s->polling == NULL);
	eio_session_set_ws(s, ws);
	counter_add(&e->loop->counters, COUNT_EIO_UPGRADED, 1);
	eio_session_queue_taken(s);
	for (uint32_t i = 0; i < count; i++) {
		if (s->ws != NULL) /* else closed as a slow reader */
			eio_websocket_put(s, queue[i]);
		eio_message_unref(queue[i]);
	}
	mem_free(queue);
	if (s->state == EIO_STATE_CLOSING) {
		eio_session_end(s, EIO_FORCED_CLOSE, "closed by the server");
	} else if (s->state == EIO_STATE_OPEN) {
		if (s->awaits_pong) /* else the ping comes when the client expects it */
			eio_session_heartbeat(s);
		if (e->ops->on_upgrade != NULL)
			e->ops->on_upgrade(s, s->owner);
	}
}

void
eio_upgrade_message(struct eio_session *s, bool binary, const uint8_t *data, size_t n)
{
	struct text packet = text_of((const char *)data, n);
	struct eio_upgrade *u = s->upgrade;

	must(u != NULL);
	if (!binary && text_is(packet, TEXT("2probe"))) {
		ws_send_bytes(u->ws, WS_TEXT, "3probe", 6);
		if (!wheel_armed(&u->cycle))
			loop_arm(s->server->loop, &u->cycle, POLL_CYCLE_MS);
	} else if (!binary && n > 0 && data[0] == EIO_PACKET_UPGRADE) {
		complete(s);
	} else {
		eio_upgrade_stop(s, REASON_FORCED);
	}
}
