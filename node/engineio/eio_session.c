/*
 * The part of a session that all transports share.
 *
 *   State    Event                            Next     Action
 *   OPEN     eio_send()                       OPEN     put to the transport
 *   OPEN     eio_close()                      CLOSING  settled at the end of this turn or of a later one
 *   OPEN     upgrade completed                OPEN     new transport and carrier, on_upgrade
 *   CLOSING  the transport has sent all       CLOSED   forced close
 *   CLOSING  upgrade completed                CLOSING  the queue moves to the new transport, which closes
 *   CLOSING  closeTimeout over                CLOSED   forced close
 *   any      fault, peer gone, "1", discard   CLOSED   carrier and candidate are stopped
 *   CLOSED   end of the turn                  -        on_close, freed
 *
 * Heartbeat, one wheel entry. In protocol revision 4 ("Heartbeat") the server sends the pings.
 *
 *   Waiting for  Event                        Next
 *   ping time    timer                        ping is sent; pong within pingTimeout
 *   pong         timer while paused           ping is sent; pong within pingInterval, because input is not read
 *   pong         resumed                      pong within pingTimeout from now
 *   pong         pong                         ping in pingInterval
 *   pong         first other packet           pong within pingTimeout from now, once per ping
 *   pong         timer                        closed, ping timeout
 *   ping time    unsolicited pong             ping in pingInterval
 *   ping time    upgrade completed            unchanged: the client counts from the last ping, upgrade or not
 *   pong         upgrade completed            ping in pingInterval: the pong may be lost with the old transport
 *
 * In protocol revision 3 the client sends the pings.
 *
 *   Waiting for  Event                        Next
 *   ping         ping                         pong is sent; ping within pingInterval + pingTimeout
 *   ping         timer while paused, resumed  ping within pingInterval + pingTimeout, because input was not read
 *   ping         timer                        closed, ping timeout
 *   ping         other packet, upgrade        unchanged
 */
#include "node/engineio/eio_session.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/log.h"
#include "node/engineio/eio_handshake.h"
#include "node/engineio/eio_sid.h"
#include "node/engineio/eio_trace.h"

/* a ping that is late by up to pingTimeout / LATENESS_PART does not move the deadline for the pong */
#define LATENESS_PART 4

/* Returns the close reason for the connection of a session that ended. */
static unsigned
connection_reason(const struct eio_session *s)
{
	if (s->cause == EIO_CAUSE_NO_PONG || s->cause == EIO_CAUSE_NO_PING)
		return REASON_PING_TIMEOUT;
	if (s->cause == EIO_CAUSE_MALFORMED)
		return REASON_PARSE_ERROR;
	return s->all->stopping ? REASON_SHUTDOWN : REASON_FORCED;
}

/*
 * Returns the time until the pong is due. It is due pingTimeout after the ping was due, not after it was sent, so
 * that a client that counts from the handshake finds the session closed in time. After a very late ping (the machine
 * stood still) the client gets the full time.
 */
static uint64_t
pong_after(const struct eio_session *s)
{
	uint64_t timeout = s->all->options->ping_timeout, late = s->all->loop->now - s->timer.due;

	return late <= timeout / LATENESS_PART ? timeout - late : timeout;
}

/* Gives a client of revision 3 the full time for its next ping. */
static void
await_ping(struct eio_session *s)
{
	const struct eio_options *options = s->all->options;

	loop_arm(s->all->loop, &s->timer, options->ping_interval + options->ping_timeout);
}

static void
session_timer(struct wheel_entry *entry)
{
	struct eio_session *s = container_of(entry, struct eio_session, timer);

	if (s->state == EIO_STATE_CLOSING) {
		eio_session_end(s, EIO_CAUSE_NOT_FETCHED, NULL);
	} else if (s->revision == 3 && s->paused) {
		await_ping(s);
	} else if (s->revision == 3) {
		eio_session_end(s, EIO_CAUSE_NO_PING, NULL);
	} else if (s->awaits_pong && s->paused) {
		loop_arm(s->all->loop, &s->timer, s->all->options->ping_interval);
		s->transport->put(s, s->all->ping);
	} else if (s->awaits_pong) {
		eio_session_end(s, EIO_CAUSE_NO_PONG, NULL);
	} else {
		s->awaits_pong = true;
		s->extended = false;
		loop_arm(s->all->loop, &s->timer, pong_after(s));
		s->transport->put(s, s->all->ping);
	}
}

bool
eio_session_expire(struct eio_session *s)
{
	if (!wheel_armed(&s->timer) || s->timer.due > s->all->loop->now)
		return false;
	loop_disarm(s->all->loop, &s->timer);
	session_timer(&s->timer);
	return true;
}

/* Schedules the next ping, one interval from now, or waits for the client's. */
static void
session_heartbeat(struct eio_session *s)
{
	s->awaits_pong = false;
	if (s->revision == 3) {
		await_ping(s);
		return;
	}
	loop_arm(s->all->loop, &s->timer, s->all->options->ping_interval);
}

static void
session_put(struct eio_session *s, struct eio_message *message)
{
	if (s->state == EIO_STATE_OPEN && !s->doomed)
		s->transport->put(s, message);
}

void
eio_hold(struct eio_session *s, int64_t bytes)
{
	s->held += (uint64_t)bytes;
	budget_add(&s->all->loop->budget, (uint64_t)bytes);
}

struct eio_session *
eio_session_new(struct eio_sessions *all, const struct http_request *r, unsigned revision, const char *sid)
{
	struct eio_handshake *copy = eio_handshake_new(r);
	struct eio_session *s;

	if (copy == NULL)
		return NULL;
	s = small_zalloc(sizeof(*s));
	s->all = all;
	s->revision = revision & 0xf;
	s->handshake = copy;
	eio_hold(s, (int64_t)eio_handshake_size(s->handshake));
	wheel_entry_init(&s->timer, session_timer);
	list_init(&s->dirty);
	memcpy(s->sid, sid, EIO_SID_LENGTH);
	table_add(&all->table, &s->node, eio_sid(s));
	all->open++;
	counter_add(&all->loop->counters, COUNT_EIO_OPENED, 1);
	return s;
}

static void
set_transport(struct eio_session *s, const struct eio_transport *transport, void *carrier)
{
	if (s->transport != NULL)
		s->all->carried[s->transport->kind]--;
	s->all->carried[transport->kind]++;
	s->transport = transport;
	s->carrier = carrier;
}

#define OPEN_HEAD "{\"sid\":\""
#define OPEN_MAX 512 /* the names, a sid and three numbers of 20 digits need less than 200 */

void
eio_session_open(struct eio_session *s, const struct eio_transport *transport, void *carrier)
{
	struct eio_message *message;
	const char *tail = s->all->open_tail[transport->upgradable];
	char json[OPEN_MAX];
	size_t head = sizeof(OPEN_HEAD) - 1, n = head + EIO_SID_LENGTH + strlen(tail);

	set_transport(s, transport, carrier);
	must(n <= sizeof(json));
	memcpy(json, OPEN_HEAD, head);
	memcpy(json + head, s->sid, EIO_SID_LENGTH);
	memcpy(json + head + EIO_SID_LENGTH, tail, n - head - EIO_SID_LENGTH);
	message = eio_message_packet(EIO_PACKET_OPEN, text_of(json, n));
	session_put(s, message);
	eio_message_unref(message);
	if (s->all->initial != NULL)
		session_put(s, s->all->initial);
	if (s->state == EIO_STATE_OPEN)
		session_heartbeat(s);
	if (log_debug())
		eio_trace_opened(s);
	if (s->all->options->log_connections != 0)
		eio_trace_sample(s);
}

void
eio_session_greet(struct eio_session *s)
{
	const struct eio_ops *ops = s->all->ops;

	if (ops->on_open != NULL)
		s->owner = ops->on_open(s->all->arg, s);
}

void
eio_session_upgrade(struct eio_session *s, const struct eio_transport *transport, void *carrier)
{
	const struct eio_transport *old = s->transport;
	void *old_carrier = s->carrier;

	s->candidate = NULL;
	set_transport(s, transport, carrier);
	counter_add(&s->all->loop->counters, COUNT_EIO_UPGRADED, 1);
	if (log_debug())
		eio_trace_upgraded(s);
	if (s->corked)
		transport->cork(s);
	old->stop(s, old_carrier, REASON_FORCED);
	if (s->state == EIO_STATE_CLOSING)
		eio_session_dirty(s);
	if (s->state != EIO_STATE_OPEN)
		return;
	if (s->paused)
		s->transport->pause(s);
	if (s->awaits_pong) /* otherwise the ping comes when the client expects it */
		session_heartbeat(s);
	if (s->all->ops->on_upgrade != NULL)
		s->all->ops->on_upgrade(s, s->owner);
}

void *
eio_session_lose_carrier(struct eio_session *s)
{
	void *carrier = s->carrier;

	s->carrier = NULL;
	return carrier;
}

void
eio_session_dirty(struct eio_session *s)
{
	if (s->later && (s->state == EIO_STATE_CLOSED || s->doomed)) { /* closing does not wait for the next turn */
		s->later = false;
		list_remove(&s->dirty);
	}
	if (!list_empty(&s->dirty))
		return;
	list_add_tail(&s->all->dirty, &s->dirty);
	loop_defer(s->all->loop, &s->all->settle);
}

void
eio_session_drained(struct eio_session *s)
{
	if (s->state == EIO_STATE_OPEN && s->all->ops->on_drain != NULL)
		s->all->ops->on_drain(s, s->owner);
}

void
eio_session_wait(struct eio_session *s)
{
	loop_arm(s->all->loop, &s->timer, s->all->options->close_timeout);
}

/* Handles a packet of the heartbeat. Each revision lets the client send only one of the two. */
static int
session_beat(struct eio_session *s, enum eio_packet_type type)
{
	if (type == (s->revision == 3 ? EIO_PACKET_PONG : EIO_PACKET_PING)) {
		eio_session_end(s, EIO_CAUSE_PING, NULL);
		return ERROR_STATE;
	}
	session_heartbeat(s);
	if (type == EIO_PACKET_PING)
		session_put(s, s->all->pong);
	return 0;
}

int
eio_session_packet(struct eio_session *s, const struct eio_packet *packet)
{
	const struct eio_ops *ops = s->all->ops;

	if (packet->type == EIO_PACKET_CLOSE) {
		eio_session_end(s, EIO_CAUSE_CLOSE_PACKET, NULL);
		return 0;
	}
	if (s->state != EIO_STATE_OPEN)
		return 0;
	if (s->awaits_pong && !s->extended && packet->type != EIO_PACKET_PONG) {
		s->extended = true;
		loop_arm(s->all->loop, &s->timer, s->all->options->ping_timeout);
	}
	switch (packet->type) {
	case EIO_PACKET_MESSAGE:
		if (ops->on_message != NULL)
			ops->on_message(s, s->owner, packet->binary, packet->data, packet->n);
		return 0;
	case EIO_PACKET_PONG:
	case EIO_PACKET_PING:
		return session_beat(s, packet->type);
	default: /* open, upgrade and noop are ignored on an established transport */
		return 0;
	}
}

void
eio_session_end(struct eio_session *s, enum eio_cause cause, const char *description)
{
	struct eio_sessions *all = s->all;
	void *carrier = s->carrier;

	if (s->state == EIO_STATE_CLOSED)
		return;
	eio_uncork(s);
	s->state = EIO_STATE_CLOSED;
	s->cause = cause;
	s->description = description != NULL ? description : eio_cause_text(cause);
	all->open--;
	all->carried[s->transport->kind]--;
	all->ended[cause]++;
	counter_add(&all->loop->counters, COUNT_EIO_CLOSED, 1);
	if (log_debug())
		eio_trace_ended(s);
	if (s->sampled)
		eio_trace_client_left(s);
	loop_disarm(all->loop, &s->timer);
	if (s->candidate != NULL)
		s->candidate->stop(s->candidate, connection_reason(s));
	s->candidate = NULL;
	s->carrier = NULL;
	if (carrier != NULL)
		s->transport->stop(s, carrier, connection_reason(s));
	eio_session_dirty(s);
}

void
eio_close(struct eio_session *s, bool discard)
{
	if (s->state == EIO_STATE_CLOSED)
		return;
	if (discard) {
		s->discard = true;
		eio_session_end(s, EIO_CAUSE_DISCARDED, NULL);
	} else if (s->state == EIO_STATE_OPEN) {
		eio_uncork(s);
		s->state = EIO_STATE_CLOSING;
		eio_session_wait(s);
		eio_session_dirty(s);
	}
}

void
eio_drop(struct eio_session *s, const char *description)
{
	eio_session_end(s, EIO_CAUSE_DROPPED, description);
}

void
eio_pause(struct eio_session *s)
{
	if (s->paused || s->state != EIO_STATE_OPEN)
		return;
	s->paused = true;
	s->transport->pause(s);
}

void
eio_resume(struct eio_session *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->state == EIO_STATE_CLOSED)
		return;
	if (s->state == EIO_STATE_OPEN && s->revision == 3)
		await_ping(s);
	else if (s->state == EIO_STATE_OPEN && s->awaits_pong)
		loop_arm(s->all->loop, &s->timer, s->all->options->ping_timeout);
	s->transport->pause(s);
}

void
eio_cork(struct eio_session *s)
{
	if (s->corked || s->state != EIO_STATE_OPEN)
		return;
	s->corked = true;
	s->transport->cork(s);
}

void
eio_uncork(struct eio_session *s)
{
	if (!s->corked)
		return;
	s->corked = false;
	if (s->carrier != NULL)
		s->transport->cork(s);
}

void
eio_send(struct eio_session *s, struct eio_message *const *messages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		session_put(s, messages[i]);
}

bool
eio_writable(const struct eio_session *s)
{
	return s->state == EIO_STATE_OPEN && s->transport->writable(s);
}

void
eio_mark(struct eio_session *s)
{
	s->marked = true;
}

bool
eio_mark_passed(const struct eio_session *s)
{
	return !s->marked;
}

void
eio_look_ahead(const struct eio_session *s)
{
	__builtin_prefetch(s->carrier);
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

uint64_t
eio_session_began(const struct eio_session *s)
{
	return s->handshake->began;
}

const char *
eio_transport(const struct eio_session *s)
{
	return s->transport->name;
}

unsigned
eio_session_revision(const struct eio_session *s)
{
	return s->revision;
}
