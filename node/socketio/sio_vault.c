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
#define HEARD_FIRST (UINT64_C(1) << 32) /* start of keep->heard; the offset of a missed event may be lower */
#define SCRATCH_MAX (64 << 20)

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

/* The mark of a session that begins or is continued, before anything is sent to its socket. */
struct vault_first {
	struct list link;
	char handle[SIO_PID_HANDLE];
	size_t n;
	char mark[SIO_MARK_MAX];
};

static void
vault_note_first(
	struct sio_vault *vault, const struct sio_recovery_session *session, const struct sio_vault_reached *reached)
{
	struct vault_first *first = mem_zalloc(sizeof *first);

	memcpy(first->handle, session->pid, SIO_PID_HANDLE);
	list_add_tail(&vault->firsts, &first->link);
	if (!sio_vault_mark(vault, session, reached, first->mark, &first->n))
		first->n = 0;
}

static void
vault_begin_session(struct sio_keep *keep, struct sio_recovery_session *session)
{
	session->bound_origin = 0;
	vault_note_first(keep->vault, session, NULL);
}

void
sio_vault_replayed(
	struct sio_vault *vault, struct sio_recovery_session *session, const struct sio_vault_reached *reached)
{
	session->bound_changed = SIO_VAULT_REPLAYED;
	vault_note_first(vault, session, reached);
}

static void
vault_drop_first(struct vault_first *first)
{
	list_remove(&first->link);
	mem_free(first);
}

static struct vault_first *
vault_find_first(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct list *it, *next;

	list_each(it, next, &vault->firsts)
	{
		struct vault_first *first = container_of(it, struct vault_first, link);

		if (memcmp(first->handle, pid, SIO_PID_HANDLE) == 0)
			return first;
		if (sio_vault_session(vault, first->handle) == NULL)
			vault_drop_first(first);
	}
	return NULL;
}

/* Takes the noted mark of the session, if it has one. Sessions are saved in the order in which marks are noted. */
static bool
vault_take_first(
	struct sio_vault *vault, const struct sio_recovery_session *session, char mark[SIO_MARK_MAX], size_t *n)
{
	struct vault_first *first = vault_find_first(vault, session->pid);

	if (first == NULL)
		return false;
	memcpy(mark, first->mark, first->n);
	*n = first->n;
	vault_drop_first(first);
	return *n != 0;
}

void
sio_vault_not_replayed(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_first *first = vault_find_first(vault, pid);

	if (first != NULL)
		vault_drop_first(first);
}

static void
vault_forget_firsts(struct sio_vault *vault)
{
	while (!list_empty(&vault->firsts))
		vault_drop_first(container_of(vault->firsts.next, struct vault_first, link));
}

static void
vault_save(struct sio_keep *keep, struct sio_recovery_session *session, bool needs_offset)
{
	struct sio_vault *vault = keep->vault;
	bool open = session->socket->state == SIO_CONNECTED || session->socket->state == SIO_WAITING;
	char key[SIO_VAULT_KEY_MAX], mark[SIO_MARK_MAX];
	struct vault_number ttl;
	size_t mark_n = 0;
	struct text args[7], packed;
	bool first;

	if (needs_offset) {
		session->bound_origin = keep->origin;
		session->bound_sum = session->log->head + 1;
	}
	first = vault_take_first(vault, session, mark, &mark_n) && !needs_offset &&
		(session->bound_changed == 0 || session->bound_changed == SIO_VAULT_REPLAYED);
	if (open && !first && !sio_vault_mark(vault, session, NULL, mark, &mark_n))
		return;
	if (!sio_vault_record(vault, session, &packed))
		return;
	args[0] = sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), key);
	args[1] = vault_self(vault);
	args[2] = sio_vault_number(&ttl, sio_vault_live_ms(vault));
	args[3] = sio_nsp_text(session->nsp);
	args[4] = packed;
	args[5] = open || first ? text_of(mark, mark_n) : TEXT("");
	args[6] = needs_offset || session->bound_changed != 0 ? TEXT("1") : TEXT("0");
	session->bound_changed = 0;
	sio_vault_call(vault, VAULT_SAVE, 1, args, 7, sio_vault_write_new(vault, session, true));
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
		sio_vault_late_leave(vault, session);
	} else if (sio_vault_mark(vault, session, NULL, mark, &mark_n)) {
		args[2] = sio_vault_number(&ttl, sio_vault_live_ms(vault));
		args[3] = text_of(mark, mark_n);
		sio_vault_call(vault, VAULT_QUIET, 1, args, 4, sio_vault_write_new(vault, session, false));
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
	} else {
		list_remove(&session->kept);
		if (session->passed_over)
			session->bound_changed = 1;
		session->passed_over = false;
		vault_save(keep, session, false);
	}
	sio_vault_late_deaf(keep->vault, session);
}

static void
vault_end(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	struct sio_vault *vault = keep->vault;
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[] = {sio_vault_key(vault, text_of(pid, SIO_PID_LENGTH), key), vault_self(vault)};

	sio_vault_forget(vault, pid);
	sio_vault_call(vault, VAULT_END, 1, args, 2, sio_vault_late_end(vault, pid));
}

/* ---------------------------------------------------------------- up calls */

static void
vault_on_message(struct bus_keep *bus, struct text message)
{
	struct sio_keep *keep = container_of(bus, struct sio_keep, bus);

	if (message.n == 0 || !keep->welcome)
		return;
	if (message.at[0] == 'T')
		sio_vault_on_take(keep->vault, text_of(message.at + 1, message.n - 1));
	else if (message.at[0] == 'G')
		sio_vault_on_give(keep->vault, text_of(message.at + 1, message.n - 1));
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
	vault_forget_firsts(vault);
	sio_vault_late_clear(vault);
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
	sio_vault_late_send(vault);
	if (keep->welcome && now >= vault->tick_at) { /* the timer runs more often while questions wait */
		vault->tick_at = now + SIO_VAULT_TICK_MS;
		sio_vault_note_lost(vault);
		sio_vault_watch_strangers(vault);
		sio_vault_drop_replays(vault);
		sio_vault_write_again(vault);
	}
	next = sio_vault_retry(vault, keep->welcome ? SIO_VAULT_TICK_MS : START_MS);
	if (!list_empty(&vault->late_due) && next > SIO_VAULT_LATE_MS)
		next = SIO_VAULT_LATE_MS;
	loop_arm(keep->recovery->io->loop, &vault->timer, next);
}

static void
vault_on_ready(struct bus_keep *bus)
{
	struct sio_vault *vault = container_of(bus, struct sio_keep, bus)->vault;
	struct loop *loop = vault->keep->recovery->io->loop;

	vault_look(vault);
	if (vault->was_ready) {
		vault->back_at = vault->counted_at = loop->now;
		vault->counted_since = 0; /* others are still on their way back, and may look like strangers */
		vault->refused_until = vault->tick_at = 0; /* what Redis has not taken is sent at once */
		loop_arm(loop, &vault->timer, START_MS);
	}
	vault->was_ready = true;
}

/* -------------------------------------------------------------------- life */

static void
vault_close(struct sio_keep *keep)
{
	struct sio_vault *vault = keep->vault;

	sio_vault_write_end(vault);
	sio_expiry_free(keep->recovery->expiry);
	sio_vault_end_notes(vault);
	sio_vault_end_count(vault);
	sio_vault_end_asks(vault);
	sio_vault_late_clear(vault);
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
	.release = sio_vault_release,
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
	vault->refused_pause = SIO_VAULT_TICK_MS;
	table_init(&vault->late);
	list_init(&vault->late_due);
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
