#include "node/socketio/sio_keep_ask.h"

#include "common/base/mem.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_step.h"

struct keep_ask *
sio_keep_ask_new(struct sio_keep *keep, struct list *list, const char pid[SIO_PID_LENGTH])
{
	struct keep_ask *ask = mem_zalloc(sizeof *ask);

	ask->nonce = ++keep->nonce;
	ask->until = keep->recovery->io->loop->now + SIO_KEEP_ASK_MS;
	memcpy(ask->pid, pid, SIO_PID_LENGTH);
	list_add_tail(list, &ask->link);
	loop_arm(keep->recovery->io->loop, &keep->timer, SIO_KEEP_TICK_MS);
	return ask;
}

struct keep_ask *
sio_keep_ask_take(struct sio_keep *keep, uint64_t nonce)
{
	struct list *it, *next;

	list_each(it, next, &keep->asked)
	{
		struct keep_ask *ask = container_of(it, struct keep_ask, link);

		if (ask->nonce != nonce)
			continue;
		list_remove(it);
		keep->replays_asked -= ask->step == NULL;
		return ask;
	}
	return NULL;
}

/* Does nothing: no application code ever answers this step. */
static void
claim_resume(struct sio_step *step)
{
	(void)step;
}

static int64_t
claim_held_bytes(const struct sio_step *step)
{
	return (int64_t)(step->nsp.n + step->auth.n);
}

bool
sio_keep_claim(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
	struct text auth, sio_recovery_then *then)
{
	struct sio_keep *keep = nsp->io->recovery->keep;
	struct sio_step *step;
	struct keep_ask *ask;
	char *copy;

	if (pid.n != SIO_PID_LENGTH || keep->refused) {
		nsp->io->recovery->results[keep->refused ? SIO_RECOVERY_NO_HUB : SIO_RECOVERY_NO_SESSION]++;
		return false;
	}
	copy = mem_try_alloc(nsp->node.key_len + 1 + auth.n);
	if (copy == NULL) {
		nsp->io->recovery->results[SIO_RECOVERY_FAILED]++;
		return false;
	}
	step = sio_step_new(nsp->io, 0, claim_resume);
	memcpy(mempcpy(copy, nsp->name, nsp->node.key_len + 1), auth.at, auth.n);
	step->nsp = text_of(copy, nsp->node.key_len);
	step->auth = text_of(copy + nsp->node.key_len + 1, auth.n);
	step->client = c;
	step->made = nsp;
	sio_nsp_used(nsp);
	list_add_tail(&c->checks, &step->held.link);
	c->places++;
	sio_client_hold(c, claim_held_bytes(step));
	ask = sio_keep_ask_new(keep, &keep->asked, pid.at);
	ask->step = step;
	ask->then_connect = then;
	ask->began = sio_client_began(c);
	ask->has_offset = offset != NULL;
	/* a longer offset is replaced by an empty one, which is invalid, too */
	if (offset != NULL && offset->n <= keep->offset_max) {
		ask->offset_n = (uint8_t)offset->n;
		memcpy(ask->offset, offset->at, offset->n);
	}
	if (keep->welcome)
		keep->peer->claim(keep, ask);
	return true;
}

void
sio_keep_claim_end(struct keep_ask *ask, enum sio_recovery_result result, struct sio_recovery_session *session)
{
	struct sio_step *step = ask->step;
	struct sio_client *c = step->client;
	struct sio_nsp *nsp = step->made;

	if (result != SIO_RECOVERY_RECOVERED)
		nsp->io->recovery->results[result]++;
	if (c != NULL) {
		list_remove(&step->held.link);
		c->places--;
		sio_client_hold(c, -claim_held_bytes(step));
	}
	if (c != NULL && sio_client_open(c))
		ask->then_connect(c, nsp, step->auth, session);
	else if (session != NULL)
		sio_keep_unclaim(session);
	sio_step_free(step);
	mem_free(ask);
}

static void
keep_release(struct sio_keep *keep, struct text pid)
{
	if (keep->welcome && pid.n == SIO_PID_LENGTH)
		keep->peer->release(keep, pid.at);
}

/*
 * Makes the session that the peer has handed over. Returns NULL if memory is short, or if the session is malformed or
 * known.
 */
static struct sio_recovery_session *
claim_read(struct sio_keep *keep, const struct keep_ask *ask, struct keep_reader *in)
{
	struct sio_nsp *nsp = ask->step->made;
	bool ghost = keep_get_u8(in) != 0, own = keep_get_u8(in) != 0;
	struct text sid = keep_get_text(in), rooms, data, given;
	uint64_t count = keep_get_u64(in);
	struct sio_recovery_session *session;

	rooms = keep_get_text(in);
	data = keep_get_text(in);
	given = keep_get_last_text(in);
	if (in->bad || sid.n != SIO_ID_LENGTH ||
		table_find(&keep->recovery->sessions, text_of(ask->pid, SIO_PID_HANDLE)) != NULL)
		return NULL;
	session = sio_recovery_session_of(nsp, text_of(ask->pid, SIO_PID_LENGTH), sid, rooms, (uint32_t)count);
	if (session == NULL)
		return NULL;
	session->ghost = ghost;
	session->own = own;
	session->lost->data = sio_keep_get_data(keep, data);
	if ((data.n != 0 && session->lost->data == NULL) || !sio_recovery_session_take_given(session, given)) {
		sio_recovery_session_free(session);
		return NULL;
	}
	return session;
}

void
sio_keep_claimed(struct sio_keep *keep, struct keep_reader *in)
{
	struct keep_ask *ask = sio_keep_ask_take(keep, keep_get_u64(in));
	unsigned result = keep_get_u8(in);
	struct sio_recovery_session *session = NULL;

	keep->answered_at = keep->recovery->io->loop->now;
	if (ask == NULL || result >= SIO_RECOVERY_RESULTS) {
		/* the claim has timed out, and its client has continued with a new socket */
		if (result == SIO_RECOVERY_RECOVERED)
			keep_release(keep, keep_get_bytes(in, SIO_PID_LENGTH));
		return;
	}
	(void)keep_get_bytes(in, SIO_PID_LENGTH);
	if (result == SIO_RECOVERY_RECOVERED) {
		session = claim_read(keep, ask, in);
		if (session == NULL) {
			keep_release(keep, text_of(ask->pid, SIO_PID_LENGTH));
			result = SIO_RECOVERY_FAILED;
		}
	}
	sio_keep_claim_end(ask, (enum sio_recovery_result)result, session);
}
