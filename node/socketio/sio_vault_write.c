/*
 * The writes of sessions to Redis whose answers are checked. What Redis has not taken is written again while the
 * socket is connected. After that, sio_vault_late.c has it. If Redis refuses a save, because its memory is full, it
 * still has an older one, with which the client would come back with wrong rooms or data after the death of this
 * worker. So the older one is removed.
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_vault_state.h"

#define REFUSED_MAX_MS 32000 /* longest pause before writes that Redis refused are sent again */

/* A write to Redis whose answer is checked. */
struct vault_write {
	struct bus_call call;
	struct list link;
	struct sio_vault *vault;
	bool saves;
	uint32_t save_no;
	char pid[SIO_PID_LENGTH];
};

struct sio_recovery_session *
sio_vault_session(const struct sio_vault *vault, const char handle[SIO_PID_HANDLE])
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

/* Returns true if the save is the newest one of its session. */
static bool
vault_saved(
	struct sio_vault *vault, struct sio_recovery_session *session, const struct vault_write *write, bool taken)
{
	if (session == NULL || session->save_no != write->save_no)
		return sio_vault_late_saved(vault, write->pid, write->save_no, taken);
	session->save_refused = !taken;
	if (taken)
		session->save_no = 0;
	return true;
}

/* Removes the rooms and data of an older save. They are not removed again if this fails. */
static void
vault_withdraw(struct sio_vault *vault, const struct vault_write *write)
{
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[2] = {sio_vault_key(vault, text_of(write->pid, SIO_PID_LENGTH), key),
		text_of(vault->keep->bus.id, BUS_KEEP_ID)};

	sio_vault_call(vault, VAULT_WITHDRAW, 1, args, 2, NULL);
}

static void
vault_on_written(struct bus_call *call, int error, struct text value)
{
	struct vault_write *write = container_of(call, struct vault_write, call);
	struct sio_vault *vault = write->vault;
	struct sio_recovery_session *session = sio_vault_session(vault, write->pid);
	bool lost = error == 0 && text_is(value, TEXT("X"));
	bool again = error != 0 || text_is(value, TEXT("0"));
	bool refused = error == ERROR_UNSUPPORTED;

	list_remove(&write->link);
	if (write->saves && vault_saved(vault, session, write, !again) && refused)
		vault_withdraw(vault, write);
	again = again && session != NULL && !session->claimed && session->socket != NULL &&
		session->socket->state == SIO_CONNECTED && (write->saves || error == 0);
	mem_free(write);
	if (error != ERROR_UNSUPPORTED) /* a server that is away has not refused */
		vault->refused_pause = SIO_VAULT_TICK_MS;
	if (lost && session != NULL)
		vault_lose_session(session);
	else if (again) {
		session->bound_changed = 1; /* the record in Redis may have older rooms than the socket */
		list_remove(&session->kept);
		list_add_tail(error != 0 ? &vault->refused : &vault->keep->changed, &session->kept);
	}
}

void
sio_vault_write_again(struct sio_vault *vault)
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

struct bus_call *
sio_vault_write_new(struct sio_vault *vault, struct sio_recovery_session *session, bool saves)
{
	struct vault_write *write = mem_zalloc(sizeof *write);

	bus_call_init(&write->call, vault_on_written);
	write->vault = vault;
	write->saves = saves;
	if (saves) {
		vault->save_no += vault->save_no == UINT32_MAX ? 2 : 1;
		write->save_no = session->save_no = vault->save_no;
		session->save_refused = false;
	}
	memcpy(write->pid, session->pid, SIO_PID_LENGTH);
	list_add_tail(&vault->writes, &write->link);
	return &write->call;
}

void
sio_vault_write_end(struct sio_vault *vault)
{
	while (!list_empty(&vault->writes)) {
		struct vault_write *write = container_of(vault->writes.next, struct vault_write, link);

		bus_call_cancel(&write->call);
		list_remove(&write->link);
		mem_free(write);
	}
	while (!list_empty(&vault->refused))
		list_remove(vault->refused.next);
}
