#include "node/socketio/sio_vault_expiry.h"

#include "common/base/random.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_stored.h"

#define NAME 20 /* characters of the name of a loss */

_Static_assert(NAME <= SIO_EXPIRY_TOKEN, "the name of a loss is its token");

/* A loss: the last arguments of the script that stores the session. */
struct loss {
	struct vault_number ms;
	char name[NAME];
	struct text args[3]; /* worker, ms to live, e */
};

/* Waits for the end of the session, if somebody wants to know it. */
static void
loss_begin(struct loss *loss, struct sio_vault *vault, const struct sio_recovery_session *session)
{
	uint64_t ms = vault->keep->recovery->io->options.max_disconnection_duration;
	bool wanted = sio_expiry_wanted(session->nsp);

	loss->args[0] = text_of(vault->keep->bus.id, BUS_KEEP_ID);
	loss->args[1] = sio_vault_number(&loss->ms, wanted ? ms + SIO_EXPIRY_GRACE_MS : ms);
	loss->args[2] = TEXT("");
	if (!wanted)
		return;
	random_id(loss->name, NAME);
	loss->args[2] = text_of(loss->name, NAME);
	sio_expiry_add(vault->keep->recovery->expiry, session->nsp, text_of(session->pid, SIO_PID_LENGTH), ms,
		loss->args[2]);
}

void
sio_vault_store(struct sio_vault *vault, const struct sio_recovery_session *session)
{
	char key[SIO_VAULT_KEY_MAX];
	struct text args[4];
	struct loss loss;

	loss_begin(&loss, vault, session);
	args[0] = sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), key);
	memcpy(args + 1, loss.args, sizeof loss.args);
	sio_vault_call(vault, VAULT_STORE, 1, args, 4, NULL);
}

void
sio_vault_store_replayed(
	struct sio_vault *vault, const struct sio_recovery_session *session, struct text claim, uint64_t number)
{
	char key[SIO_VAULT_KEY_MAX];
	struct vault_number claim_number;
	struct text args[6];
	struct loss loss;

	loss_begin(&loss, vault, session);
	args[0] = sio_vault_key(vault, text_of(session->pid, SIO_PID_LENGTH), key);
	args[1] = claim;
	args[2] = sio_vault_number(&claim_number, number);
	memcpy(args + 3, loss.args, sizeof loss.args);
	sio_vault_call(vault, VAULT_RELEASE, 1, args, 6, NULL);
}

/* Reports the session that has been removed. `s`: the field of its record. Frees the entry. */
static void
expiry_report(struct sio_expiring *expiring, struct text s)
{
	struct keep_reader in = {.rest = s};
	struct text sid, packed;
	struct sio_stored *data;

	(void)keep_get_u8(&in); /* own room */
	sid = keep_get_text(&in);
	(void)keep_get_u64(&in);  /* number of rooms */
	(void)keep_get_text(&in); /* rooms */
	packed = keep_get_text(&in);
	if (in.bad || sid.n != SIO_ID_LENGTH) {
		sio_expiry_gone(expiring); /* somebody else has written it */
		return;
	}
	data = sio_keep_get_data(expiring->nsp->io->recovery->keep, packed);
	if (packed.n != 0 && data == NULL)
		sio_expiry_gone(expiring);
	else
		sio_expiry_removed(expiring, sid, data);
	sio_stored_unref(data);
}

static void
expiry_on_answer(struct bus_call *call, int error, struct text value)
{
	struct sio_expiring *expiring = container_of(call, struct sio_expiring, call);

	if (error != 0 || text_is(value, TEXT("V")))
		sio_expiry_again(expiring);
	else if (value.n > 0 && *value.at == 'E')
		expiry_report(expiring, text_of(value.at + 1, value.n - 1));
	else
		sio_expiry_gone(expiring);
}

static bool
expiry_remove(struct sio_expiring *expiring)
{
	struct sio_vault *vault = expiring->nsp->io->recovery->keep->vault;
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[4] = {sio_vault_key(vault, sio_expiring_pid(expiring), key),
		text_of(vault->keep->bus.id, BUS_KEEP_ID), text_of(expiring->token, NAME),
		expiring->why == SIO_SESSION_DISPLACED ? TEXT("1") : TEXT("0")};

	bus_call_init(&expiring->call, expiry_on_answer);
	sio_vault_call(vault, VAULT_EXPIRE, 1, args, 4, &expiring->call);
	return true;
}

static void
expiry_cancel(struct sio_expiring *expiring)
{
	bus_call_cancel(&expiring->call);
}

const struct sio_expiry_peer sio_vault_expiry_peer = {.remove = expiry_remove, .cancel = expiry_cancel};
