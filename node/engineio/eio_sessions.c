/*
 * All sessions of a server: finding them, their work at the end of a turn, and the memory that they hold. Calls go to
 * eio_session.h and, when a session has ended, up through eio_ops.on_close.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/io/log_filter.h"
#include "node/engineio/eio_handshake.h"
#include "node/engineio/eio_session.h"
#include "node/engineio/eio_sid.h"

/* So that a broadcast to very many polling clients, or closing very many sessions, does not delay the others. */
#define SETTLES_PER_TURN 128

/* ------------------------------------------------------------ end of a turn */

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

/* ----------------------------------------------------------------- memory */

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

/* ------------------------------------------------------------ the sessions */

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
	eio_departed_fini(&all->departed);
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
