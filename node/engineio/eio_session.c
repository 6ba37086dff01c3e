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
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/log_filter.h"
#include "node/engineio/eio_handshake.h"
#include "node/engineio/eio_sid.h"
#include "node/engineio/eio_trace.h"

/* So that a broadcast to very many polling clients, or closing very many sessions, does not delay the others. */
#define SETTLES_PER_TURN 512

#define LATENESS_PART 4 /* a ping may be this part of pingTimeout late without moving the deadline for the pong */

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
session_free(struct eio_session *s)
{
	must(s->carrier == NULL && s->candidate == NULL);
	budget_sub(&s->all->loop->budget, s->held);
	eio_handshake_unref(s->handshake);
	small_free(s, sizeof(*s));
}

/* Lets a session with work wait for the next turn. */
static void
session_postpone(struct eio_session *s)
{
	s->later = true;
	list_remove(&s->dirty);
	list_add_tail(&s->all->later, &s->dirty);
	loop_defer_next(s->all->loop, &s->all->settle_later);
}

/* Handles a session at the end of the turn: the transport's work, or the last call. */
static void
session_settle(struct eio_session *s)
{
	struct eio_sessions *all = s->all;

	list_remove(&s->dirty);
	if (s->doomed && s->state != EIO_STATE_CLOSED) {
		s->discard = true;
		eio_session_end(s, EIO_CAUSE_MEMORY, NULL);
		return;
	}
	if (s->state != EIO_STATE_CLOSED) {
		if (!s->transport->settle(s) && !s->doomed)
			session_postpone(s);
		return;
	}
	table_remove(&all->table, &s->node);
	if (all->ops->on_close != NULL)
		all->ops->on_close(s, s->owner, eio_cause_reason((enum eio_cause)s->cause), s->description);
	session_free(s);
}

static void
session_put(struct eio_session *s, struct eio_message *message)
{
	if (s->state == EIO_STATE_OPEN && !s->doomed)
		s->transport->put(s, message);
}

/* ----------------------------------------------------------------- memory */

void
eio_hold(struct eio_session *s, int64_t bytes)
{
	s->held += (uint64_t)bytes;
	budget_add(&s->all->loop->budget, (uint64_t)bytes);
}

static uint64_t
session_memory(const struct eio_session *s)
{
	uint64_t waiting = s->carrier != NULL && s->transport->waiting != NULL ? s->transport->waiting(s) : 0;

	return s->held + waiting;
}

static void
offer_sessions(struct budget_source *source, struct budget_search *search)
{
	struct eio_sessions *all = container_of(source, struct eio_sessions, memory);
	struct table_cursor cursor = {0};
	struct eio_session *s;

	while ((s = eio_sessions_next(all, &cursor)) != NULL) {
		if (!s->doomed)
			budget_offer(search, source, s, session_memory(s));
	}
}

/* Closes the session at the end of the turn, because a caller may be sending to it now. */
static uint64_t
session_doom(struct budget_source *source, void *holder, uint64_t bytes)
{
	struct eio_sessions *all = container_of(source, struct eio_sessions, memory);
	struct eio_session *s = holder;

	s->doomed = true;
	eio_session_dirty(s);
	loop_closed_for_memory(all->loop, "session", log_sid(eio_sid(s)), bytes);
	return bytes;
}

/*
 * Runs at the end of the turn: settles the sessions with work, including sessions that get work meanwhile. If they
 * are very many, the rest waits for the next turn, except sessions that have closed.
 */
static void
sessions_settle(struct loop_call *call)
{
	struct eio_sessions *all = container_of(call, struct eio_sessions, settle);
	unsigned most = all->max_settles;

	while (!list_empty(&all->dirty)) {
		struct eio_session *s = list_entry(all->dirty.next, struct eio_session, dirty);

		if (s->state == EIO_STATE_CLOSED || s->doomed) {
			session_settle(s);
		} else if (most > 0) {
			most--;
			session_settle(s);
		} else {
			session_postpone(s);
		}
	}
}

/* Runs in the next turn: settles sessions that wait for it, in order. */
static void
sessions_settle_later(struct loop_call *call)
{
	struct eio_sessions *all = container_of(call, struct eio_sessions, settle_later);
	struct list now;

	list_init(&now);
	for (unsigned n = 0; n < all->max_settles && !list_empty(&all->later); n++) {
		struct eio_session *s = list_entry(all->later.next, struct eio_session, dirty);

		s->later = false;
		list_remove(&s->dirty);
		list_add_tail(&now, &s->dirty);
	}
	if (!list_empty(&all->later))
		loop_defer_next(all->loop, &all->settle_later);
	while (!list_empty(&now))
		session_settle(list_entry(now.next, struct eio_session, dirty));
}

void
eio_sessions_init(struct eio_sessions *all, struct loop *loop, const struct eio_options *options,
	const struct eio_ops *ops, void *arg)
{
	memset(all, 0, sizeof(*all));
	all->loop = loop;
	all->options = options;
	all->ops = ops;
	all->arg = arg;
	all->max_settles = SETTLES_PER_TURN;
	all->max_buffered = eio_options_max_buffered(options);
	table_init(&all->table);
	list_init(&all->dirty);
	list_init(&all->later);
	loop_call_init(&all->settle, sessions_settle);
	loop_call_init(&all->settle_later, sessions_settle_later);
	all->memory.each = offer_sessions;
	all->memory.close = session_doom;
	budget_add_source(&loop->budget, &all->memory);
	all->ping = eio_message_packet(EIO_PACKET_PING, TEXT_NONE);
	all->pong = eio_message_packet(EIO_PACKET_PONG, TEXT_NONE);
	all->noop = eio_message_packet(EIO_PACKET_NOOP, TEXT_NONE);
	all->close = eio_message_packet(EIO_PACKET_CLOSE, TEXT_NONE);
	if (options->initial_packet != NULL)
		all->initial = eio_message_text(text_from(options->initial_packet));
}

void
eio_sessions_fini(struct eio_sessions *all)
{
	must(all->table.count == 0 && list_empty(&all->dirty) && all->queued == 0);
	loop_call_cancel(&all->settle);
	loop_call_cancel(&all->settle_later);
	budget_remove_source(&all->memory);
	eio_message_unref(all->ping);
	eio_message_unref(all->pong);
	eio_message_unref(all->noop);
	eio_message_unref(all->close);
	eio_message_unref(all->initial);
	buffer_fini(&all->spare_body);
	mem_free(all->open_tail[false]);
	mem_free(all->open_tail[true]);
	table_fini(&all->table);
}

struct eio_session *
eio_sessions_find(const struct eio_sessions *all, struct text sid)
{
	struct table_node *node = table_find(&all->table, sid);
	struct eio_session *s = node != NULL ? container_of(node, struct eio_session, node) : NULL;

	return s != NULL && s->state != EIO_STATE_CLOSED ? s : NULL;
}

struct eio_session *
eio_sessions_next(const struct eio_sessions *all, struct table_cursor *cursor)
{
	struct table_node *node;

	while ((node = table_next(&all->table, cursor)) != NULL) {
		struct eio_session *s = container_of(node, struct eio_session, node);

		if (s->state != EIO_STATE_CLOSED)
			return s;
	}
	return NULL;
}

int
eio_sessions_make_sid(struct eio_sessions *all, const struct http_request *r, char *sid)
{
	struct text rest = all->ops->on_id != NULL ? all->ops->on_id(all->arg, r) : TEXT_NONE;

	if (rest.at == NULL) {
		do
			eio_sid_make(sid, all->node, all->worker);
		while (table_find(&all->table, text_of(sid, EIO_SID_LENGTH)) != NULL);
		return 0;
	}
	if (eio_sid_make_of(sid, all->node, all->worker, rest) != 0)
		return ERROR_SYNTAX;
	return table_find(&all->table, text_of(sid, EIO_SID_LENGTH)) != NULL ? ERROR_EXISTS : 0;
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
