/*
 * A session: what both transports share.
 *
 *   state    event                              next     action
 *   OPEN     eio_send                           OPEN     WebSocket: frame queued; polling: packet queued
 *   OPEN     eio_close, WebSocket               CLOSED   Close frame behind what is queued, forced close
 *   OPEN     eio_close, poll waits, no queue    CLOSED   poll answered "1", forced close
 *   OPEN     eio_close otherwise                CLOSING  the queue goes with the next poll
 *   CLOSING  poll, queue empty                  CLOSED   poll answered "6\x1e1", forced close
 *   CLOSING  upgrade completed                  CLOSED   queue, then Close frame on the WebSocket, forced close
 *   CLOSING  closeTimeout over                  CLOSED   forced close
 *   any      fault, peer gone, "1", discard     CLOSED   poll answered "1" (for "1": "6"), sockets closed
 *   any      "1" pushed, no poll waits          same     held some ms for a poll on its way, then as above
 *   CLOSED   end of the turn                    -        on_close, freed
 *
 * Heartbeat, one wheel entry (protocol, "Heartbeat"):
 *
 *   waits for       event                       next
 *   ping due        entry fires                 ping sent, pong due within pingTimeout
 *   pong due        pong                        ping due in pingInterval
 *   pong due        first other packet          pong due within pingTimeout from now, once per ping
 *   pong due        entry fires                 closed, ping timeout
 *   ping due        pong nobody asked for       ping due in pingInterval
 *   ping due        upgrade completed           same: the client counts on the ping from when it got the last one
 *   pong due        upgrade completed           ping due in pingInterval: the pong may be lost with the old transport
 */
#include "node/engineio/eio_session.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_sid.h"

#define QUEUE_FIRST 4	/* slots */
#define LATENESS_MAX 10 /* ms that a timer of ours may be late without moving the deadline behind it */

const char *
eio_close_reason_text(enum eio_close_reason reason)
{
	static const char *const texts[] = {
		[EIO_PING_TIMEOUT] = "ping timeout",
		[EIO_PARSE_ERROR] = "parse error",
		[EIO_TRANSPORT_ERROR] = "transport error",
		[EIO_TRANSPORT_CLOSE] = "transport close",
		[EIO_FORCED_CLOSE] = "forced close",
	};

	must((unsigned)reason < sizeof(texts) / sizeof(texts[0]));
	return texts[reason];
}

/* What the connection is told when its session ends. */
static unsigned
connection_reason(const struct eio_session *s, enum eio_close_reason reason)
{
	if (reason == EIO_PING_TIMEOUT)
		return REASON_PING_TIMEOUT;
	if (reason == EIO_PARSE_ERROR)
		return REASON_PARSE_ERROR;
	return s->server->closed ? REASON_SHUTDOWN : REASON_FORCED;
}

/*
 * The pong is due pingTimeout after the ping was: a client that counts from the handshake finds the session gone in
 * time. A ping that is very late (the machine stood still) gives its client the full time.
 */
static uint64_t
pong_after(const struct eio_session *s)
{
	uint64_t timeout = s->server->options->ping_timeout, late = s->server->loop->now - s->timer.due;

	return late <= LATENESS_MAX && late < timeout ? timeout - late : timeout;
}

static void
session_timer(struct wheel_entry *entry)
{
	struct eio_session *s = container_of(entry, struct eio_session, timer);

	if (s->polling != NULL && s->polling->grace) {
		eio_polling_dispatch(s);
	} else if (s->state == EIO_STATE_CLOSING) {
		eio_session_end(s, EIO_FORCED_CLOSE, "no poll came to fetch the close packet");
	} else if (s->awaits_pong) {
		eio_session_end(s, EIO_PING_TIMEOUT, "no pong");
	} else {
		s->awaits_pong = true;
		s->extended = false;
		loop_arm(s->server->loop, &s->timer, pong_after(s));
		eio_session_put(s, s->server->ping);
	}
}

void
eio_session_expire(struct eio_session *s)
{
	if (!wheel_armed(&s->timer) || s->timer.due > s->server->loop->now)
		return;
	loop_disarm(s->server->loop, &s->timer);
	session_timer(&s->timer);
}

void
eio_session_heartbeat(struct eio_session *s)
{
	s->awaits_pong = false;
	loop_arm(s->server->loop, &s->timer, s->server->options->ping_interval);
}

struct eio_session *
eio_session_new(struct eio_server *e, const struct http_request *r)
{
	struct eio_session *s = mem_zalloc(sizeof(*s));

	s->server = e;
	s->handshake = eio_handshake_new(r);
	wheel_entry_init(&s->timer, session_timer);
	list_init(&s->dirty);
	do
		eio_sid_make(s->sid, e->node, e->worker);
	while (table_find(&e->sessions, eio_sid(s)) != NULL);
	table_add(&e->sessions, &s->node, eio_sid(s));
	e->open++;
	counter_add(&e->loop->counters, COUNT_EIO_OPENED, 1);
	return s;
}

static void
session_free(struct eio_session *s)
{
	must(s->ws == NULL && s->polling == NULL && s->upgrade == NULL);
	eio_session_queue_drop(s);
	eio_handshake_free(s->handshake);
	mem_free(s);
}

#define OPEN_HEAD "{\"sid\":\""
#define OPEN_MAX 512 /* the names, a sid and three numbers of 20 digits are below 200 */

void
eio_session_open(struct eio_session *s)
{
	const struct eio_options *o = s->server->options;
	bool upgrades = s->ws == NULL && o->allow_upgrades && s->server->websocket;
	struct eio_message *m;
	const char *tail = s->server->open_tail[upgrades];
	char json[OPEN_MAX];
	size_t head = sizeof(OPEN_HEAD) - 1, n = head + EIO_SID_LENGTH + strlen(tail);

	must(n <= sizeof(json));
	memcpy(json, OPEN_HEAD, head);
	memcpy(json + head, s->sid, EIO_SID_LENGTH);
	memcpy(json + head + EIO_SID_LENGTH, tail, n - head - EIO_SID_LENGTH);
	m = eio_message_packet(EIO_PACKET_OPEN, text_of(json, n));
	eio_session_put(s, m);
	eio_message_unref(m);
	if (s->server->initial != NULL)
		eio_session_put(s, s->server->initial);
	if (s->state == EIO_STATE_OPEN)
		eio_session_heartbeat(s);
}

void
eio_session_greet(struct eio_session *s)
{
	const struct eio_ops *ops = s->server->ops;

	if (ops->on_open != NULL)
		s->owner = ops->on_open(s->server->arg, s);
}

void
eio_session_dirty(struct eio_session *s)
{
	if (!list_empty(&s->dirty))
		return;
	list_add_tail(&s->server->dirty, &s->dirty);
	loop_defer(s->server->loop, &s->server->settle);
}

void
eio_session_queue_drop(struct eio_session *s)
{
	for (uint32_t i = 0; i < s->queue_count; i++)
		eio_message_unref(s->queue[i]);
	mem_free(s->queue);
	eio_session_queue_taken(s);
}

static void
queue_add(struct eio_session *s, struct eio_message *m)
{
	uint64_t bytes = (uint64_t)s->queue_bytes + eio_payload_message_size(m) + 1;

	/* the packets count in bytes with their separators, so their number is limited by the same maximum */
	if (bytes > s->server->max_buffered) {
		eio_session_queue_drop(s);
		eio_session_end(s, EIO_TRANSPORT_ERROR, names_word(&eio_reasons, REASON_SLOW_READER));
		return;
	}
	if (s->queue_count == s->queue_size) {
		s->queue_size = s->queue_size == 0 ? QUEUE_FIRST : s->queue_size * 2;
		s->queue = mem_realloc(s->queue, s->queue_size * sizeof(struct eio_message *));
	}
	s->queue[s->queue_count++] = eio_message_ref(m);
	s->server->queued += bytes - s->queue_bytes;
	s->queue_bytes = (uint32_t)bytes;
	if (s->polling->get != NULL)
		eio_session_dirty(s);
}

void
eio_session_put(struct eio_session *s, struct eio_message *m)
{
	if (s->state != EIO_STATE_OPEN)
		return;
	if (s->ws != NULL)
		eio_websocket_put(s, m);
	else
		queue_add(s, m);
}

void
eio_session_settle(struct eio_session *s)
{
	struct eio_server *e = s->server;

	list_remove(&s->dirty);
	if (s->state == EIO_STATE_CLOSED) {
		table_remove(&e->sessions, &s->node);
		if (e->ops->on_close != NULL)
			e->ops->on_close(s, s->owner, (enum eio_close_reason)s->reason, s->description);
		session_free(s);
		return;
	}
	if (s->polling != NULL && s->polling->ready) {
		/* other sessions' pushes come first, so that all answers of the turn go into one payload */
		eio_polling_settle(s);
		if (s->polling != NULL && s->polling->get != NULL && s->queue_count > 0)
			eio_session_dirty(s);
		return;
	}
	if (s->polling == NULL || s->polling->get == NULL || s->queue_count == 0)
		return;
	eio_polling_flush(s);
	if (s->state == EIO_STATE_OPEN && e->ops->on_drain != NULL)
		e->ops->on_drain(s, s->owner);
}

int
eio_session_packet(struct eio_session *s, const struct eio_packet *packet)
{
	const struct eio_ops *ops = s->server->ops;

	if (packet->type == EIO_PACKET_CLOSE) {
		eio_session_end(s, EIO_TRANSPORT_CLOSE, "close packet");
		return 0;
	}
	if (s->state != EIO_STATE_OPEN)
		return 0;
	if (s->awaits_pong && !s->extended && packet->type != EIO_PACKET_PONG) {
		s->extended = true;
		loop_arm(s->server->loop, &s->timer, s->server->options->ping_timeout);
	}
	switch (packet->type) {
	case EIO_PACKET_MESSAGE:
		if (ops->on_message != NULL)
			ops->on_message(s, s->owner, packet->binary, packet->data, packet->n);
		return 0;
	case EIO_PACKET_PONG:
		eio_session_heartbeat(s);
		return 0;
	case EIO_PACKET_PING:
		eio_session_end(s, EIO_TRANSPORT_ERROR, "invalid heartbeat direction");
		return ERROR_STATE;
	default: /* open, upgrade, noop: ignored on an established transport */
		return 0;
	}
}

void
eio_session_end(struct eio_session *s, enum eio_close_reason reason, const char *description)
{
	struct eio_server *e = s->server;

	if (s->state == EIO_STATE_CLOSED)
		return;
	s->state = EIO_STATE_CLOSED;
	s->reason = reason;
	s->description = description;
	e->open--;
	e->ended[reason]++;
	counter_add(&e->loop->counters, COUNT_EIO_CLOSED, 1);
	loop_disarm(e->loop, &s->timer);
	if (s->upgrade != NULL)
		eio_upgrade_stop(s, connection_reason(s, reason));
	if (s->polling != NULL)
		eio_polling_stop(s, reason == EIO_TRANSPORT_CLOSE ? e->noop : e->close);
	if (s->ws != NULL)
		eio_websocket_stop(s, connection_reason(s, reason));
	eio_session_dirty(s);
}

void
eio_close(struct eio_session *s, bool discard)
{
	bool waits = s->polling != NULL && s->polling->get != NULL;

	if (s->state == EIO_STATE_CLOSED)
		return;
	if (discard) {
		eio_session_queue_drop(s);
		eio_session_end(s, EIO_FORCED_CLOSE, "closed by the server, queue discarded");
	} else if (s->polling != NULL && s->polling->grace) { /* its client was first */
		eio_session_end(s, EIO_TRANSPORT_CLOSE, "close packet");
	} else if (s->state == EIO_STATE_OPEN && (s->ws != NULL || (waits && s->queue_count == 0))) {
		eio_session_end(s, EIO_FORCED_CLOSE, "closed by the server");
	} else if (s->state == EIO_STATE_OPEN) {
		s->state = EIO_STATE_CLOSING;
		loop_arm(s->server->loop, &s->timer, s->server->options->close_timeout);
	}
}

void
eio_send(struct eio_session *s, struct eio_message *const *messages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		eio_session_put(s, messages[i]);
}

bool
eio_writable(const struct eio_session *s)
{
	if (s->state != EIO_STATE_OPEN)
		return false;
	if (s->ws != NULL)
		return ws_writable(s->ws);
	return s->polling->get != NULL && s->queue_count == 0;
}

bool
eio_all_sent(const struct eio_session *s)
{
	return s->queue_count == 0 && (s->ws == NULL || ws_writable(s->ws));
}

void
eio_look_ahead(const struct eio_session *s)
{
	__builtin_prefetch(s->ws);
}

bool
eio_is_open(const struct eio_session *s)
{
	return s->state == EIO_STATE_OPEN;
}

struct text
eio_sid(const struct eio_session *s)
{
	return text_of(s->sid, EIO_SID_LENGTH);
}

void *
eio_owner(const struct eio_session *s)
{
	return s->owner;
}

const struct eio_handshake *
eio_session_handshake(const struct eio_session *s)
{
	return s->handshake;
}

const char *
eio_transport(const struct eio_session *s)
{
	return s->ws != NULL ? "websocket" : "polling";
}
