/*
 * Sockets that have left while Redis may not know their newest rooms and data, because the connection to Redis was
 * lost. The worker keeps what it has to say until Redis has taken it. Otherwise the client would come back with older
 * rooms and miss events, or come back although its session has ended, or find no session.
 *
 *   state    event                                     next state
 *   DEAF     the socket leaves, and Redis has all      freed
 *            it leaves, and an answer is awaited       HOPES
 *            it leaves, and Redis has refused a save   DUE
 *   HOPES    the awaited answer is good                freed
 *            it is an error                            DUE
 *   DUE      the bus is up                             SENT
 *   SENT     Redis has taken it                        freed
 *            an error                                  DUE, after a pause
 *   any      the record in Redis has expired           freed
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_vault_state.h"

#define LATE_MAX 16384		   /* sockets; more are not kept, see late_overflows() */
#define LATE_BYTES_MAX (64u << 20) /* bytes of their records */
#define LATE_PAUSE_MS 1000	   /* between two attempts for one socket */

enum late_state { LATE_DEAF, LATE_HOPES, LATE_DUE, LATE_SENT };

struct vault_late {
	struct table_node node; /* in vault->late, by the handle of the pid */
	struct list link;	/* in vault->late_due while due; otherwise in no list */
	struct bus_call call;
	struct sio_vault *vault;
	enum late_state state;
	uint32_t save_no;	   /* HOPES: the save whose answer is awaited; 0: the call is that of VAULT_END */
	uint64_t deaf_at, left_at; /* loop times */
	uint64_t again_at;	   /* loop time of the next attempt */
	bool ends;		   /* the session has ended, so there is no record */
	char pid[SIO_PID_LENGTH];
	size_t mark_n, nsp_n, record_n;
	char mark[SIO_MARK_MAX];
	char *bytes; /* the name of the namespace, and the record */
};

static void late_on_answer(struct bus_call *call, int error, struct text value);

static uint64_t
late_now(const struct sio_vault *vault)
{
	return vault->keep->recovery->io->loop->now;
}

static struct vault_late *
late_find(const struct sio_vault *vault, const char handle[SIO_PID_HANDLE])
{
	struct table_node *node = table_find(&vault->late, text_of(handle, SIO_PID_HANDLE));

	return node != NULL ? container_of(node, struct vault_late, node) : NULL;
}

static void
late_free(struct vault_late *late)
{
	bus_call_cancel(&late->call);
	list_remove(&late->link);
	table_remove(&late->vault->late, &late->node);
	late->vault->late_bytes -= late->nsp_n + late->record_n;
	mem_free(late->bytes);
	mem_free(late);
}

/* Something is not kept, so any client that has been away since may have missed it: it counts as the event of a
 * stranger. */
static void
late_overflows(struct sio_vault *vault)
{
	vault->unnoted = true;
}

/* Returns a new entry, in the place of an older one of the same client, or NULL beyond the limit or without memory.
 */
static struct vault_late *
late_new(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_late *late = late_find(vault, pid);

	if (late != NULL)
		late_free(late);
	late = vault->late.count < LATE_MAX ? mem_try_alloc(sizeof *late) : NULL;
	if (late == NULL)
		return NULL;
	*late = (struct vault_late){.vault = vault, .deaf_at = late_now(vault), .left_at = late_now(vault)};
	memcpy(late->pid, pid, SIO_PID_LENGTH);
	list_init(&late->link);
	bus_call_init(&late->call, late_on_answer);
	table_add(&vault->late, &late->node, text_of(late->pid, SIO_PID_HANDLE));
	return late;
}

static void
late_becomes_due(struct vault_late *late, uint64_t pause)
{
	struct loop *loop = late->vault->keep->recovery->io->loop;
	struct wheel_entry *timer = &late->vault->timer;

	late->state = LATE_DUE;
	late->again_at = loop->now + pause;
	list_remove(&late->link);
	list_add_tail(&late->vault->late_due, &late->link);
	if (!wheel_armed(timer) || timer->due > late->again_at + SIO_VAULT_LATE_MS)
		loop_arm(loop, timer, pause + SIO_VAULT_LATE_MS);
}

static void
late_on_answer(struct bus_call *call, int error, struct text value)
{
	struct vault_late *late = container_of(call, struct vault_late, call);

	(void)value; /* X: another worker has the session */
	if (error == 0)
		late_free(late);
	else
		late_becomes_due(late, late->state == LATE_HOPES ? 0 : LATE_PAUSE_MS);
}

/* -------------------------------------------------------------- the socket leaves */

void
sio_vault_late_deaf(struct sio_vault *vault, const struct sio_recovery_session *session)
{
	struct vault_late *late = late_new(vault, session->pid);

	if (late == NULL)
		late_overflows(vault);
	else if (!sio_vault_mark(vault, session, NULL, late->mark, &late->mark_n))
		late_free(late);
}

/* Copies the namespace, rooms and data of the session. Returns false beyond the limit or without memory. */
static bool
late_copy(struct vault_late *late, const struct sio_recovery_session *session)
{
	struct sio_vault *vault = late->vault;
	struct text nsp = sio_nsp_text(session->nsp), record;

	if (!sio_vault_record(vault, session, &record) || vault->late_bytes + nsp.n + record.n > LATE_BYTES_MAX ||
		(late->bytes = mem_try_alloc(nsp.n + record.n)) == NULL)
		return false;
	memcpy(late->bytes, nsp.at, nsp.n);
	memcpy(late->bytes + nsp.n, record.at, record.n);
	late->nsp_n = nsp.n;
	late->record_n = record.n;
	vault->late_bytes += nsp.n + record.n;
	return true;
}

void
sio_vault_late_leave(struct sio_vault *vault, const struct sio_recovery_session *session)
{
	struct vault_late *late = late_find(vault, session->pid);

	if (late == NULL)
		return;
	if (session->save_no == 0) {
		late_free(late);
		return;
	}
	late->left_at = late_now(vault);
	if (!late_copy(late, session)) {
		late_free(late);
		late_overflows(vault);
		return;
	}
	late->save_no = session->save_no;
	if (session->save_refused)
		late_becomes_due(late, 0);
	else
		late->state = LATE_HOPES;
}

struct bus_call *
sio_vault_late_end(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_late *late = late_new(vault, pid);

	if (late == NULL) {
		late_overflows(vault);
		return NULL;
	}
	late->ends = true;
	late->state = LATE_HOPES;
	return &late->call;
}

bool
sio_vault_late_saved(struct sio_vault *vault, const char handle[SIO_PID_HANDLE], uint32_t save_no, bool taken)
{
	struct vault_late *late = late_find(vault, handle);

	if (late == NULL || late->state != LATE_HOPES || late->ends || late->save_no != save_no)
		return false;
	if (taken)
		late_free(late);
	else
		late_becomes_due(late, 0);
	return true;
}

/* ------------------------------------------------------------------- Redis is back */

static void
late_send(struct vault_late *late)
{
	struct sio_vault *vault = late->vault;
	uint64_t now = late_now(vault), window = vault->keep->recovery->io->options.max_disconnection_duration;
	char key[SIO_VAULT_KEY_MAX];
	struct vault_number left, age;
	struct text args[7] = {sio_vault_key(vault, text_of(late->pid, SIO_PID_LENGTH), key),
		text_of(vault->keep->bus.id, BUS_KEEP_ID)};

	late->state = LATE_SENT;
	list_remove(&late->link);
	if (late->ends || now - late->left_at >= window) {
		sio_vault_call(vault, VAULT_END, 1, args, 2, &late->call);
		return;
	}
	args[2] = sio_vault_number(&left, window - (now - late->left_at));
	args[3] = text_of(late->bytes, late->nsp_n);
	args[4] = text_of(late->bytes + late->nsp_n, late->record_n);
	args[5] = text_of(late->mark, late->mark_n);
	args[6] = sio_vault_number(&age, now - late->deaf_at);
	sio_vault_call(vault, VAULT_LATE, 1, args, 7, &late->call);
}

void
sio_vault_late_send(struct sio_vault *vault)
{
	uint64_t now = late_now(vault), live = sio_vault_live_ms(vault);
	struct list due;

	if (list_empty(&vault->late_due) || !bus_store_up(vault->bus))
		return;
	list_init(&due);
	list_move_all(&due, &vault->late_due);
	while (!list_empty(&due)) {
		struct vault_late *late = container_of(due.next, struct vault_late, link);

		list_remove(&late->link);
		if (now - late->left_at >= live)
			late_free(late);
		else if (late->again_at > now)
			list_add_tail(&vault->late_due, &late->link);
		else
			late_send(late);
	}
}

bool
sio_vault_late_take(struct sio_vault *vault, const char handle[SIO_PID_HANDLE])
{
	struct vault_late *late = late_find(vault, handle);

	if (late == NULL || late->state == LATE_DEAF)
		return false;
	if (late->state == LATE_DUE)
		late_send(late);
	return true;
}

void
sio_vault_late_forget(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_late *late = late_find(vault, pid);

	if (late != NULL)
		late_free(late);
}

void
sio_vault_late_clear(struct sio_vault *vault)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&vault->late, &cursor)) != NULL)
		late_free(container_of(node, struct vault_late, node));
	table_fini(&vault->late);
	table_init(&vault->late);
}
