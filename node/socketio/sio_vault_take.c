/*
 * Gives up sessions that this worker has or has claimed: because another worker asks for it (VAULT_CLAIM), since the
 * client is back there, or because the client of a claimed session has been lost again.
 */
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_vault_ask.h"
#include "node/socketio/sio_vault_expiry.h"

/* Redis says that this worker has the session, and no socket does: it left while Redis could not be reached. */
static void
vault_store_missed(struct sio_vault *vault, struct text key)
{
	struct vault_number ttl;
	const struct text args[4] = {key, text_of(vault->keep->bus.id, BUS_KEEP_ID),
		sio_vault_number(&ttl, vault->keep->recovery->io->options.max_disconnection_duration), TEXT("")};

	sio_vault_call(vault, VAULT_STORE, 1, args, 4, NULL);
}

void
sio_vault_on_take(struct sio_vault *vault, struct text message)
{
	const struct sio_recovery_session *session;
	char own[SIO_VAULT_KEY_MAX];
	struct text key;

	if (message.n <= SIO_PID_HANDLE)
		return;
	key = text_of(message.at + SIO_PID_HANDLE, message.n - SIO_PID_HANDLE);
	session = sio_vault_session(vault, message.at);
	if (session != NULL && session->claimed)
		return; /* an older message: those after VAULT_READ come behind its answer, so the session is live then */
	if (session != NULL && session->socket != NULL) {
		if (text_is(key, sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), own)))
			sio_recovery_end_ghost(NULL, session->socket);
	} else if (session == NULL && !sio_vault_late_take(vault, message.at)) {
		vault_store_missed(vault, key);
	}
}

/* The claim of an attempt ends with the client of its question. Returns false if no attempt has this claim. */
static bool
vault_end_ask(struct sio_vault *vault, struct text claim)
{
	struct list *it, *next;

	list_each(it, next, &vault->asks)
	{
		struct vault_ask *ask = container_of(it, struct vault_ask, link);
		const struct keep_ask *question;

		if (ask->replays || !text_is(claim, text_of(ask->claim, SIO_VAULT_CLAIM)))
			continue;
		question = sio_vault_question(ask);
		if (question != NULL && question->step->client != NULL)
			sio_client_end(question->step->client, SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE);
		if (ask->again_at != 0)
			sio_vault_pause(ask, 0);
		return true;
	}
	return false;
}

void
sio_vault_on_give(struct sio_vault *vault, struct text message)
{
	const struct sio_recovery_session *session;
	const struct vault_claimed *claimed;
	struct text claim, args[2];

	if (message.n <= SIO_VAULT_CLAIM + SIO_PID_HANDLE)
		return;
	claim = text_of(message.at, SIO_VAULT_CLAIM);
	session = sio_vault_session(vault, message.at + SIO_VAULT_CLAIM);
	claimed = session != NULL ? sio_vault_find_claimed(vault, session->pid) : NULL;
	if (claimed != NULL && text_is(claim, text_of(claimed->claim, SIO_VAULT_CLAIM))) {
		if (session->socket != NULL)
			sio_recovery_end_ghost(NULL, session->socket);
	} else if (!vault_end_ask(vault, claim)) {
		/* this worker has forgotten the claim, or its release was lost */
		args[0] = text_of(
			claim.at + SIO_VAULT_CLAIM + SIO_PID_HANDLE, message.n - SIO_VAULT_CLAIM - SIO_PID_HANDLE);
		args[1] = claim;
		sio_vault_call(vault, VAULT_RELEASE, 1, args, 2, NULL);
	}
}

void
sio_vault_release(struct sio_keep *keep, const char pid[SIO_PID_LENGTH])
{
	struct sio_vault *vault = keep->vault;
	const struct sio_recovery_session *session = sio_vault_session(vault, pid);
	const struct vault_claimed *claimed = sio_vault_find_claimed(vault, pid);
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[2] = {sio_vault_key(vault, text_of(pid, SIO_PID_LENGTH), key),
		claimed != NULL ? text_of(claimed->claim, SIO_VAULT_CLAIM) : text_of(keep->bus.id, BUS_KEEP_ID)};

	if (claimed != NULL && session != NULL && session->claimed && session->lost->asked != 0)
		sio_vault_store_replayed(vault, session, args[1], claimed->number);
	else
		sio_vault_call(vault, VAULT_RELEASE, 1, args, 2, NULL);
	sio_vault_forget(vault, pid);
}
