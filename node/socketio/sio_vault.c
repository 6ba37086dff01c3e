#include "node/socketio/sio_vault.h"

#include "broker/broker.h"
#include "broker/bus_keep.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_logs.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_vault_count.h"
#include "node/socketio/sio_vault_expiry.h"
#include "node/socketio/sio_vault_state.h"

#define START_MS 50			/* timer interval until the log is known */
#define TICK_MS 1000			/* timer interval afterwards */
#define REFUSED_MAX_MS 32000		/* longest pause before writes that Redis refused are sent again */
#define HEARD_FIRST (UINT64_C(1) << 32) /* start of keep->heard; the offset of a missed event may be lower */
#define SCRATCH_MAX (64 << 20)

/* A write to Redis whose answer is checked. */
struct vault_write {
	struct bus_call call;
	struct list link;
	struct sio_vault *vault;
	bool saves;
	char handle[SIO_PID_HANDLE];
};

static struct text
vault_self(const struct sio_vault *vault)
{
	return text_of(vault->keep->bus.id, BUS_KEEP_ID);
}

/* ------------------------------------------------------------------ places */

/* While the log is unknown, writes a place that no log contains. */
static size_t
vault_write_place(const struct sio_recovery_placer *placer, bool own, char *out)
{
	const struct sio_vault *vault = container_of(placer, struct sio_vault, placer);
	struct sio_vault_place place = {.number = 0};
	char text[SIO_PLACE_MAX + 1];
	struct bus_point point;
	size_t n;

	if (sio_vault_where(vault, &place, &point) && own) {
		place.newest++;
		place.open++;
	}
	n = sio_vault_place_write(&place, text);
	memcpy(out, text, n);
	return n;
}

/* ---------------------------------------------------------------- sessions */

static struct sio_recovery_session *
vault_session(const struct sio_vault *vault, const char handle[SIO_PID_HANDLE])
{
	struct table_node *node = table_find(&vault->keep->recovery->sessions, text_of(handle, SIO_PID_HANDLE));

	return node != NULL ? container_of(node, struct sio_recovery_session, node) : NULL;
}

/* Another worker has taken the session, because Redis no longer knew a subscription of this worker. */
static void
vault_lose_session(struct sio_recovery_session *session)
{
	if (session->socket != NULL && !session->claimed && session->socket->state == SIO_CONNECTED)
		sio_recovery_end_ghost(NULL, session->socket);
}

static void
vault_on_written(struct bus_call *call, int error, struct text value)
{
	struct vault_write *write = container_of(call, struct vault_write, call);
	struct sio_vault *vault = write->vault;
	struct sio_recovery_session *session = vault_session(vault, write->handle);
	bool lost = error == 0 && text_is(value, TEXT("X"));
	bool again = error != 0 || text_is(value, TEXT("0"));

	list_remove(&write->link);
	again = again && session != NULL && !session->claimed && session->socket != NULL &&
		session->socket->state == SIO_CONNECTED && (write->saves || error == 0);
	mem_free(write);
	if (error != ERROR_UNSUPPORTED) /* a connection that is lost is not a refusal */
		vault->refused_pause = TICK_MS;
	if (lost && session != NULL)
		vault_lose_session(session);
	else if (again) {
		session->bound_changed = 1; /* the record in Redis may have older rooms than the socket */
		list_remove(&session->kept);
		list_add_tail(error != 0 ? &vault->refused : &vault->keep->changed, &session->kept);
	}
}

/*
 * Sends again what Redis has not taken. The pause doubles while Redis refuses everything, because Redis may be full
 * and many sessions may wait.
 */
static void
vault_write_again(struct sio_vault *vault)
{
	uint64_t now = vault->keep->recovery->io->loop->now;

	if (!list_empty(&vault->refused) && now >= vault->refused_until) {
		list_move_all(&vault->keep->changed, &vault->refused);
		vault->refused_until = now + vault->refused_pause;
		if (vault->refused_pause < REFUSED_MAX_MS)
			vault->refused_pause *= 2;
	}
	sio_keep_before_flush(&vault->keep->call);
}

static struct bus_call *
vault_write_new(struct sio_vault *vault, const struct sio_recovery_session *session, bool saves)
{
	struct vault_write *write = mem_zalloc(sizeof *write);

	bus_call_init(&write->call, vault_on_written);
	write->vault = vault;
	write->saves = saves;
	memcpy(write->handle, session->pid, SIO_PID_HANDLE);
	list_add_tail(&vault->writes, &write->link);
	return &write->call;
}

/* Writes the mark of a client that has received all events so far. Returns false if the place is unknown. */
static bool
vault_mark(
	const struct sio_vault *vault, const struct sio_recovery_session *session, char out[SIO_MARK_MAX], size_t *n)
{
	const struct sio_keep *keep = vault->keep;
	const struct sio_socket *s = session->socket;
	struct sio_vault_mark mark = {
		.start = session->start, .origin = keep->origin, .sum = session->log->head, .local = keep->local};
	struct bus_point point;

	if (!sio_vault_where(vault, &mark.place, &point))
		return false;
	mark.bound_origin = s->last_event != 0 ? keep->origin : session->bound_origin;
	mark.bound_sum = s->last_event != 0 ? s->last_event : session->bound_sum;
	*n = sio_vault_mark_write(&mark, out);
	return true;
}

/* The mark of a session that begins, before anything is sent to its socket. */
struct vault_first {
	struct list link;
	char handle[SIO_PID_HANDLE];
	size_t n;
	char mark[SIO_MARK_MAX];
};

static void
vault_begin_session(struct sio_keep *keep, struct sio_recovery_session *session)
{
	struct vault_first *first = mem_zalloc(sizeof *first);

	memcpy(first->handle, session->pid, SIO_PID_HANDLE);
	list_add_tail(&keep->vault->firsts, &first->link);
	session->bound_origin = 0;
	if (!vault_mark(keep->vault, session, first->mark, &first->n))
		first->n = 0;
}

/* Takes the first mark of the session, if it has one. Sessions are saved in the order in which they begin. */
static bool
vault_take_first(
	struct sio_vault *vault, const struct sio_recovery_session *session, char mark[SIO_MARK_MAX], size_t *n)
{
	struct list *it, *next;

	list_each(it, next, &vault->firsts)
	{
		struct vault_first *first = container_of(it, struct vault_first, link);

		if (memcmp(first->handle, session->pid, SIO_PID_HANDLE) != 0)
			continue;
		memcpy(mark, first->mark, first->n);
		*n = first->n;
		list_remove(it);
		mem_free(first);
		return *n != 0;
	}
	return false;
}

static void
vault_forget_firsts(struct sio_vault *vault)
{
	while (!list_empty(&vault->firsts)) {
		struct vault_first *first = container_of(vault->firsts.next, struct vault_first, link);

		list_remove(&first->link);
		mem_free(first);
	}
}

static void
vault_save(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset)
{
	struct sio_vault *vault = keep->vault;
	const struct sio_socket *s = session->socket;
	char key[SIO_VAULT_KEY_MAX], mark[SIO_MARK_MAX];
	bool open = s->state == SIO_CONNECTED || s->state == SIO_WAITING;
	struct vault_number ttl;
	size_t mark_n = 0;
	struct text args[7];
	bool first;

	if (needs_offset) {
		session->bound_origin = keep->origin;
		session->bound_sum = session->log->head + 1;
	}
	first = vault_take_first(vault, session, mark, &mark_n) && !needs_offset && session->bound_changed == 0;
	if (open && !first && !vault_mark(vault, session, mark, &mark_n))
		return;
	buffer_reset(&vault->out);
	buffer_add_byte(&vault->out, s->in_own_room);
	keep_put_text(&vault->out, text_of(s->id, SIO_ID_LENGTH));
	sio_keep_put_rooms(&vault->out, s);
	sio_keep_put_data(&vault->out, s->extra != NULL ? s->extra->data : NULL);
	if (buffer_error(&vault->out) != 0) {
		loop_count_no_memory(keep->recovery->io->loop);
		return;
	}
	args[0] = sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), key);
	args[1] = vault_self(vault);
	args[2] = sio_vault_number(&ttl, sio_vault_live_ms(vault));
	args[3] = sio_nsp_text(session->nsp);
	args[4] = buffer_text(&vault->out);
	args[5] = open || first ? text_of(mark, mark_n) : TEXT("");
	args[6] = needs_offset || session->bound_changed != 0 ? TEXT("1") : TEXT("0");
	session->bound_changed = 0;
	sio_vault_call(vault, VAULT_SAVE, 1, args, 7, vault_write_new(vault, session, true));
}

static void
vault_place(
	struct sio_keep *keep, struct sio_recovery_session *session, const struct sio_keep_position *at, bool left)
{
	struct sio_vault *vault = keep->vault;
	char key[SIO_VAULT_KEY_MAX], mark[SIO_MARK_MAX];
	struct vault_number ttl;
	size_t mark_n = 0;
	struct text args[4] = {sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), key), vault_self(vault)};

	(void)at; /* the current position; that of a leaving socket has been sent before (vault_on_deaf()) */
	if (left) {
		sio_vault_store(vault, session);
	} else if (vault_mark(vault, session, mark, &mark_n)) {
		args[2] = sio_vault_number(&ttl, sio_vault_live_ms(vault));
		args[3] = text_of(mark, mark_n);
		sio_vault_call(vault, VAULT_QUIET, 1, args, 4, vault_write_new(vault, session, false));
	}
}

/* The socket receives no further events. Its place in the log is known only now, so it is written now. */
static void
vault_on_deaf(struct sio_recovery_session *session)
{
	struct sio_keep *keep = session->nsp->io->recovery->keep;
	const struct sio_keep_position at = {0, 0, 0};

	if (!keep->welcome || session->claimed || session->socket == NULL)
		return;
	if (list_empty(&session->kept)) {
		vault_place(keep, session, &at, false);
		return;
	}
	list_remove(&session->kept);
	vault_save(keep, session, false);
}

static void
vault_by_pid(struct sio_vault *vault, enum sio_vault_script script, const char pid[SIO_PID_LENGTH])
{
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[] = {sio_vault_key(vault, text_of(pid, SIO_PID_LENGTH), key), vault_self(vault)};

	sio_vault_forget(vault, pid);
	sio_vault_call(vault, script, 1, args, 2, NULL);
}

static void
vault_end(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	vault_by_pid(keep->vault, VAULT_END, pid);
}

static void
vault_release(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	vault_by_pid(keep->vault, VAULT_RELEASE, pid);
}

/* ---------------------------------------------------------------- up calls */

/* TAKE (see VAULT_CLAIM): the client is back at another worker, so its socket leaves this worker. */
static void
vault_on_take(struct sio_vault *vault, struct text message)
{
	char own[SIO_VAULT_KEY_MAX];
	struct sio_recovery_session *session;
	struct vault_number ttl;
	struct text key, args[4];

	if (message.n <= SIO_PID_HANDLE)
		return;
	key = text_of(message.at + SIO_PID_HANDLE, message.n - SIO_PID_HANDLE);
	session = vault_session(vault, message.at);
	if (session != NULL && session->claimed)
		return;
	if (session != NULL && session->socket != NULL) {
		if (text_is(key, sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), own)))
			sio_recovery_end_ghost(NULL, session->socket);
		return;
	}
	/* the socket left while Redis could not be reached */
	args[0] = key;
	args[1] = vault_self(vault);
	args[2] = sio_vault_number(&ttl, vault->keep->recovery->io->options.max_disconnection_duration);
	args[3] = TEXT("");
	sio_vault_call(vault, VAULT_STORE, 1, args, 4, NULL);
}

static void
vault_on_message(struct bus_keep *bus, struct text message)
{
	struct sio_keep *keep = container_of(bus, struct sio_keep, bus);

	if (message.n == 0 || !keep->welcome)
		return;
	if (message.at[0] == 'T')
		vault_on_take(keep->vault, text_of(message.at + 1, message.n - 1));
	else if (message.at[0] == 'R')
		sio_vault_on_read(keep->vault, text_of(message.at + 1, message.n - 1));
}

/* ------------------------------------------------------------------- states */

/*
 * The log has become known, or is known again. Sums must not decrease. While the log was unknown, this worker may
 * have published events that the log lacks, so a stranger is noted.
 */
static void
vault_begin(struct sio_vault *vault, const struct bus_point *point)
{
	struct sio_keep *keep = vault->keep;
	bool again = keep->heard != 0;

	vault->unnoted = vault->unnoted || again;

	keep->heard = again ? keep->heard + keep->local + 1 : HEARD_FIRST;
	memcpy(&keep->origin, point->self, sizeof keep->origin);
	keep->welcome = true;
	vault->gaps = point->gaps;
	sio_keep_name_logs(keep);
	sio_keep_register_all(keep, again || keep->unheard);
	keep->unheard = false;
	sio_vault_note_lost(vault);
	sio_keep_send_claims(keep);
}

static void
vault_pause(struct sio_vault *vault)
{
	struct sio_keep *keep = vault->keep;

	keep->welcome = false;
	sio_keep_name_logs(keep);
	sio_keep_fail_asks(keep, false);
	sio_vault_end_count(vault);
	sio_vault_end_asks(vault); /* sio_keep_send_claims() repeats the claims */
	log_event(LOG_WARN, "recovery", "warning",
		LOG_STR("Redis keeps no log for this worker, so clients that lose their connection come back as new"),
		NULL);
}

/* Checks whether Redis keeps a log, and whether this worker may have missed messages. */
static void
vault_look(struct sio_vault *vault)
{
	struct sio_keep *keep = vault->keep;
	struct sio_vault_place place;
	struct bus_point point;
	bool known = sio_vault_where(vault, &place, &point);

	if (known && !keep->welcome)
		vault_begin(vault, &point);
	else if (!known && keep->welcome)
		vault_pause(vault);
	else if (known && point.gaps != vault->gaps) {
		vault->gaps = point.gaps;
		sio_keep_register_all(keep, true);
	}
}

static void
vault_on_timer(struct wheel_entry *entry)
{
	struct sio_vault *vault = container_of(entry, struct sio_vault, timer);
	struct sio_keep *keep = vault->keep;
	uint64_t now = keep->recovery->io->loop->now, next;

	vault_look(vault);
	if (keep->welcome && now >= vault->tick_at) { /* the timer runs more often while questions wait */
		vault->tick_at = now + TICK_MS;
		sio_vault_note_lost(vault);
		sio_vault_watch_strangers(vault);
		sio_vault_drop_replays(vault);
		vault_write_again(vault);
	}
	next = sio_vault_retry(vault, keep->welcome ? TICK_MS : START_MS);
	loop_arm(keep->recovery->io->loop, &vault->timer, next);
}

static void
vault_on_ready(struct bus_keep *bus)
{
	vault_look(container_of(bus, struct sio_keep, bus)->vault);
}

/* -------------------------------------------------------------------- life */

static void
vault_close(struct sio_keep *keep)
{
	struct sio_vault *vault = keep->vault;

	while (!list_empty(&vault->writes)) {
		struct vault_write *write = container_of(vault->writes.next, struct vault_write, link);

		bus_call_cancel(&write->call);
		list_remove(&write->link);
		mem_free(write);
	}
	while (!list_empty(&vault->refused))
		list_remove(vault->refused.next);
	sio_expiry_free(keep->recovery->expiry);
	sio_vault_end_notes(vault);
	sio_vault_end_count(vault);
	sio_vault_end_asks(vault);
	vault_forget_firsts(vault);
	loop_disarm(keep->recovery->io->loop, &vault->timer);
	buffer_fini(&vault->out);
	mem_free(vault);
	keep->vault = NULL;
	keep->placer = NULL;
	keep->deaf = NULL;
}

static const struct sio_keep_peer peer = {.begin = vault_begin_session,
	.save = vault_save,
	.place = vault_place,
	.end = vault_end,
	.release = vault_release,
	.claim = sio_vault_claim,
	.replay = sio_vault_replay,
	.stranger = sio_vault_stranger,
	.close = vault_close};

void
sio_vault_open(struct sio_keep *keep)
{
	struct sio_vault *vault = mem_zalloc(sizeof *vault);

	vault->keep = keep;
	vault->bus = broker_store(keep->broker);
	vault->key = text_from(bus_store_stream(vault->bus));
	vault->key.n -= vault->key.n >= 4 ? 4 : 0; /* without "-log" */
	vault->placer.write = vault_write_place;
	for (unsigned i = 0; i < VAULT_SCRIPTS; i++)
		bus_script_init(&vault->scripts[i], sio_vault_script((enum sio_vault_script)i));
	list_init(&vault->writes);
	list_init(&vault->refused);
	vault->refused_pause = TICK_MS;
	list_init(&vault->notes);
	list_init(&vault->asks);
	list_init(&vault->firsts);
	list_init(&vault->claimed);
	buffer_init(&vault->out, SCRATCH_MAX);
	wheel_entry_init(&vault->timer, vault_on_timer);
	keep->vault = vault;
	keep->peer = &peer;
	keep->counts = true;
	keep->offset_max = SIO_OFFSET_LONG;
	keep->placer = &vault->placer;
	keep->deaf = vault_on_deaf;
	keep->bus.on_message = vault_on_message;
	keep->bus.on_ready = vault_on_ready;
	sio_expiry_new(keep->recovery, &sio_vault_expiry_peer);
	loop_arm(keep->recovery->io->loop, &vault->timer, START_MS);
}
