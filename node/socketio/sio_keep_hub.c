#include "node/socketio/sio_keep_hub.h"

#include "broker/broker.h"
#include "common/base/random.h"
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_logs.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_step.h"

#define OUT_KEPT (64 * 1024)
#define HELLO_MS 5000 /* longest wait for WELCOME */

/* --------------------------------------------------------------- messages */

/*
 * Begins a message in keep->out. The caller appends the fields of its type and calls keep_send(). The message is
 * numbered here, so the keeper notices if it is lost, and asks for HELLO.
 */
static struct buffer *
keep_begin(struct sio_keep *keep, enum sio_keep_message type)
{
	buffer_reset(&keep->out);
	buffer_add_byte(&keep->out, SIO_KEEP_VERSION);
	buffer_add_byte(&keep->out, (uint8_t)type);
	keep_put_u64(&keep->out, keep->origin);
	buffer_add(&keep->out, keep->bus.id, BUS_KEEP_ID);
	keep_put_u64(&keep->out, keep->local);
	keep_put_u64(&keep->out, ++keep->sent);
	return &keep->out;
}

/* Sends keep->out. An error is only counted, because the keeper notices a lost message (keep_begin()). */
static void
keep_send(struct sio_keep *keep)
{
	if (buffer_error(&keep->out) != 0 || broker_keep_send(keep->broker, &keep->bus, buffer_text(&keep->out)) < 0)
		loop_count_no_memory(keep->recovery->io->loop);
	if (keep->out.size > OUT_KEPT)
		buffer_fini(&keep->out);
}

static void
hub_send_pid(struct sio_keep *keep, enum sio_keep_message type, const char pid[SIO_PID_LENGTH])
{
	keep_put_text(keep_begin(keep, type), text_of(pid, SIO_PID_LENGTH));
	keep_send(keep);
}

static void
hub_save(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset)
{
	const struct sio_socket *s = session->socket;
	struct buffer *out;

	out = keep_begin(keep, SIO_KEEP_SESSION);
	keep_put_text(out, text_of(session->pid, SIO_PID_LENGTH));
	keep_put_text(out, text_of(s->id, SIO_ID_LENGTH));
	keep_put_text(out, sio_nsp_text(session->nsp));
	buffer_add_byte(out, needs_offset);
	buffer_add_byte(out, s->in_own_room);
	keep_put_u64(out, s->recovered ? sio_client_began(s->client) : 0);
	keep_put_u64(out, session->start_heard);
	keep_put_u64(out, session->start - session->start_heard);
	buffer_add_byte(out, session->changed_head != 0 || session->changed_last != 0 || session->asked_history);
	keep_put_u64(out, sio_history_waits(s) ? SIO_KEEP_UNREACHED : session->changed_last);
	keep_put_u64(out, session->changed_heard);
	keep_put_u64(out, session->changed_head - session->changed_heard);
	sio_keep_put_rooms(out, s);
	sio_keep_put_data(out, s->extra != NULL ? s->extra->data : NULL);
	sio_keep_put_given(out, s);
	keep_send(keep);
}

static void
hub_place(struct sio_keep *keep, struct sio_recovery_session *session, const struct sio_keep_position *at, bool left)
{
	struct buffer *out = keep_begin(keep, left ? SIO_KEEP_STORE : SIO_KEEP_QUIET);

	keep_put_text(out, text_of(session->pid, SIO_PID_LENGTH));
	keep_put_u64(out, at->last);
	keep_put_u64(out, at->heard);
	keep_put_u64(out, at->head - at->heard);
	keep_send(keep);
}

static void
hub_end(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	hub_send_pid(keep, SIO_KEEP_END, pid);
}

static void
hub_release(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	hub_send_pid(keep, SIO_KEEP_RELEASE, pid);
}

static void
hub_claim(struct sio_keep *keep, const struct keep_ask *ask)
{
	struct buffer *out = keep_begin(keep, SIO_KEEP_CLAIM);

	keep_put_u64(out, ask->nonce);
	keep_put_u64(out, keep->recovery->io->max_emit);
	keep_put_text(out, text_of(ask->pid, SIO_PID_LENGTH));
	buffer_add_byte(out, ask->has_offset);
	keep_put_text(out, text_of(ask->offset, ask->offset_n));
	keep_put_text(out, sio_nsp_text(ask->step->made));
	keep_put_u64(out, ask->began);
	keep_send(keep);
}

static void
hub_replay(struct sio_keep *keep, struct keep_ask *ask)
{
	struct buffer *out = keep_begin(keep, SIO_KEEP_REPLAY);

	keep_put_u64(out, ask->nonce);
	keep_put_u64(out, keep->recovery->io->max_emit);
	keep_put_text(out, text_of(ask->pid, SIO_PID_LENGTH));
	keep_send(keep);
}

/* ---------------------------------------------------------------- up calls */

/* Starts again under a new origin: drops the events and positions of the former origin, and waits for WELCOME. */
static void
hub_say_hello(struct sio_keep *keep)
{
	struct buffer *out;

	while (sio_recovery_store_drop(&keep->recovery->store))
		;
	if (keep->welcome) {
		keep->former = keep->origin;
		keep->former_local = keep->local;
		keep->former_sent = keep->sent;
	}
	keep->welcome = keep->refused = false;
	keep->local = keep->sent = 0;
	sio_keep_name_logs(keep);
	sio_keep_fail_asks(keep, false);
	random_id((char *)&keep->origin, sizeof keep->origin);
	out = keep_begin(keep, SIO_KEEP_HELLO);
	keep_put_u64(out, keep->former);
	keep_put_u64(out, keep->former_local);
	keep_put_u64(out, keep->former_sent);
	keep_send(keep);
	keep->hello_at = keep->recovery->io->loop->now;
	loop_arm(keep->recovery->io->loop, &keep->timer, SIO_KEEP_TICK_MS);
}

/* Returns true while HELLO has no answer. Sends HELLO again after HELLO_MS, because it or its answer was dropped. */
static bool
hub_awaits(struct sio_keep *keep)
{
	if (keep->origin == 0 || keep->welcome || keep->refused)
		return false;
	if (keep->recovery->io->loop->now - keep->hello_at >= HELLO_MS)
		hub_say_hello(keep);
	return true;
}

static void
hub_on_ready(struct bus_keep *bus)
{
	hub_say_hello(container_of(bus, struct sio_keep, bus));
}

static void
hub_on_welcome(struct sio_keep *keep, struct keep_reader *in)
{
	struct text key = keep_get_bytes(in, SIO_KEEP_KEY);
	uint64_t number = keep_get_u64(in);

	if (in->bad)
		return;
	memcpy(keep->key, key.at, SIO_KEEP_KEY);
	keep->welcome = true;
	keep->heard = number;
	sio_keep_name_logs(keep);
	sio_keep_register_all(keep, keep->former != 0 || keep->unheard);
	keep->unheard = false;
	sio_keep_send_claims(keep);
}

/* TAKE: the client is back again, so its socket leaves this worker. The session may still be claimed. */
static void
hub_on_take(struct sio_keep *keep, struct keep_reader *in)
{
	struct sio_recovery_session *session = sio_recovery_session_find(keep->recovery, keep_get_text(in));

	if (session != NULL && session->socket != NULL)
		sio_recovery_end_ghost(NULL, session->socket);
}

/*
 * Returns the namespace of a session, or NULL. Another worker may have made it for a client, by a pattern of the
 * application. It is then made here, because its listeners are those of the pattern.
 */
static struct sio_nsp *
hub_find_nsp(struct sio_server *io, struct text name)
{
	struct sio_nsp *nsp = sio_nsp_find(io, name);
	struct sio_parent *parent = NULL;

	if (nsp == NULL && name.n <= SIO_NSP_NAME_MAX)
		parent = sio_parent_by_pattern(io, name);
	return parent != NULL ? sio_nsp_new(io, name, parent->nsp, false) : nsp;
}

static void
hub_on_ended(struct sio_keep *keep, struct keep_reader *in)
{
	sio_session_end why = (sio_session_end)keep_get_u8(in);
	struct text sid = keep_get_text(in), name = keep_get_text(in);
	struct sio_stored *data = sio_keep_get_data(keep, keep_get_text(in));
	struct sio_nsp *nsp = in->bad ? NULL : hub_find_nsp(keep->recovery->io, name);

	if (nsp != NULL) {
		sio_nsp_used(nsp);
		sio_recovery_session_ended(nsp, sid, data, why);
		sio_nsp_unused(nsp); /* frees a namespace that was made here, if the options say so */
	}
	sio_stored_unref(data);
}

/* The hub belongs to another version of this program. Clients cannot be recovered until another hub replaces it. */
static void
hub_on_other_version(struct sio_keep *keep)
{
	keep->welcome = false;
	keep->refused = true;
	sio_keep_name_logs(keep);
	sio_keep_fail_asks(keep, true);
}

static void
hub_on_message(struct bus_keep *bus, struct text message)
{
	struct sio_keep *keep = container_of(bus, struct sio_keep, bus);
	struct keep_reader in = {.rest = message};
	uint8_t version = keep_get_u8(&in), type = keep_get_u8(&in);

	/* a message for another origin was sent before the last HELLO, and is ignored */
	if (keep_get_u64(&in) != keep->origin || keep->refused)
		return;
	if (version != SIO_KEEP_VERSION)
		hub_on_other_version(keep);
	else if (type == SIO_KEEP_WELCOME && !keep->welcome)
		hub_on_welcome(keep, &in);
	else if (type == SIO_KEEP_UNKNOWN && keep->welcome)
		hub_say_hello(keep);
	else if (type == SIO_KEEP_TAKE)
		hub_on_take(keep, &in);
	else if (type == SIO_KEEP_CLAIMED)
		sio_keep_claimed(keep, &in);
	else if (type == SIO_KEEP_REPLAYED)
		sio_keep_replayed(keep, &in);
	else if (type == SIO_KEEP_ENDED)
		hub_on_ended(keep, &in);
}

/* -------------------------------------------------------------------- life */

static void
hub_close(struct sio_keep *keep)
{
	(void)keep;
}

static const struct sio_keep_peer peer = {.save = hub_save,
	.place = hub_place,
	.end = hub_end,
	.release = hub_release,
	.claim = hub_claim,
	.replay = hub_replay,
	.awaits = hub_awaits,
	.close = hub_close};

void
sio_keep_hub_open(struct sio_keep *keep)
{
	keep->peer = &peer;
	keep->bus.on_message = hub_on_message;
	keep->bus.on_ready = hub_on_ready;
}
