#include "node/socketio/sio_expiry.h"

#include "common/base/mem.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_session.h"

#define AGAIN_MS 1000
#define ASKED_MAX 256 /* sessions that wait for an answer of Redis; the others wait for their turn */

struct sio_expiry {
	struct sio_recovery *recovery;
	const struct sio_expiry_peer *peer;
	struct table by_pid;
	struct list all; /* struct sio_expiring, oldest first */
	struct list due; /* by `turn`; their windows have ended */
	unsigned asked;
};

static struct loop *
expiry_loop(const struct sio_expiry *expiry)
{
	return expiry->recovery->io->loop;
}

static struct sio_expiring *
expiry_find(const struct sio_expiry *expiry, struct text pid)
{
	struct table_node *node = table_find(&expiry->by_pid, pid);

	return node != NULL ? container_of(node, struct sio_expiring, node) : NULL;
}

/* May free the namespace. */
static void
expiring_free(struct sio_expiring *expiring)
{
	struct sio_expiry *expiry = expiring->expiry;
	struct sio_nsp *nsp = expiring->nsp;

	if (expiring->asked) {
		expiry->peer->cancel(expiring);
		expiry->asked--;
	}
	loop_disarm(expiry_loop(expiry), &expiring->timer);
	table_remove(&expiry->by_pid, &expiring->node);
	list_remove(&expiring->all);
	list_remove(&expiring->kept);
	list_remove(&expiring->turn);
	mem_free(expiring);
	sio_nsp_session_ended(nsp);
}

/* ---------------------------------------------------------------- asking */

static void
expiring_answered(struct sio_expiring *expiring)
{
	expiring->asked = false;
	expiring->expiry->asked--;
}

/* Waits for the next attempt, or frees the entry. */
static void
expiring_wait(struct sio_expiring *expiring)
{
	struct loop *loop = expiry_loop(expiring->expiry);

	expiring_answered(expiring);
	if (loop->now >= expiring->end + SIO_EXPIRY_GRACE_MS)
		expiring_free(expiring);
	else
		loop_arm(loop, &expiring->timer, AGAIN_MS);
}

/* Does not ask the next one: a recursion would be as deep as the number of sessions that Redis refuses. */
static void
expiry_ask(struct sio_expiring *expiring)
{
	struct sio_expiry *expiry = expiring->expiry;

	expiring->asked = true;
	expiry->asked++;
	if (!expiry->peer->remove(expiring))
		expiring_wait(expiring);
}

static void
expiry_ask_next(struct sio_expiry *expiry)
{
	while (expiry->asked < ASKED_MAX && !list_empty(&expiry->due)) {
		struct sio_expiring *expiring = container_of(expiry->due.next, struct sio_expiring, turn);

		list_remove(&expiring->turn);
		expiry_ask(expiring);
	}
}

static void
expiring_on_timer(struct wheel_entry *entry)
{
	struct sio_expiring *expiring = container_of(entry, struct sio_expiring, timer);

	list_add_tail(&expiring->expiry->due, &expiring->turn);
	expiry_ask_next(expiring->expiry);
}

void
sio_expiry_removed(struct sio_expiring *expiring, struct text sid, const struct sio_stored *data)
{
	struct sio_expiry *expiry = expiring->expiry;
	struct sio_nsp *nsp = expiring->nsp;
	sio_session_end why = (sio_session_end)expiring->why;

	expiring_answered(expiring);
	(*(why == SIO_SESSION_EXPIRED ? &expiry->recovery->ended : &expiry->recovery->displaced))++;
	sio_nsp_used(nsp);
	expiring_free(expiring);
	expiry_ask_next(expiry);
	sio_recovery_session_ended(nsp, sid, data, why);
	sio_nsp_unused(nsp);
}

void
sio_expiry_gone(struct sio_expiring *expiring)
{
	struct sio_expiry *expiry = expiring->expiry;

	expiring_answered(expiring);
	expiring_free(expiring);
	expiry_ask_next(expiry);
}

void
sio_expiry_again(struct sio_expiring *expiring)
{
	struct sio_expiry *expiry = expiring->expiry;

	expiring_wait(expiring);
	expiry_ask_next(expiry);
}

/* --------------------------------------------------------------- waiting */

bool
sio_expiry_wanted(const struct sio_nsp *nsp)
{
	return nsp->io->recovery->expiry != NULL && sio_recovery_session_has_listeners(nsp);
}

void
sio_expiry_add(struct sio_expiry *expiry, struct sio_nsp *nsp, struct text pid, uint64_t ms, struct text token)
{
	struct sio_expiring *expiring;

	sio_expiry_forget(expiry, pid);
	if (expiry->by_pid.count >= expiry->recovery->io->options.recovery_max_sessions)
		expiring_free(container_of(expiry->all.next, struct sio_expiring, all));
	expiring = mem_zalloc(sizeof *expiring);
	expiring->expiry = expiry;
	expiring->nsp = nsp;
	expiring->why = SIO_SESSION_EXPIRED;
	expiring->end = expiry_loop(expiry)->now + ms;
	expiring->pid_n = (unsigned char)pid.n;
	memcpy(expiring->pid, pid.at, pid.n);
	memcpy(expiring->token, token.at, token.n);
	list_add_tail(&expiry->all, &expiring->all);
	list_add_tail(&nsp->log->kept, &expiring->kept);
	list_init(&expiring->turn);
	table_add(&expiry->by_pid, &expiring->node, sio_expiring_pid(expiring));
	wheel_entry_init(&expiring->timer, expiring_on_timer);
	loop_arm(expiry_loop(expiry), &expiring->timer, ms);
}

void
sio_expiry_forget(struct sio_expiry *expiry, struct text pid)
{
	struct sio_expiring *expiring = expiry_find(expiry, pid);

	if (expiring != NULL)
		expiring_free(expiring);
}

bool
sio_expiry_end(struct sio_expiry *expiry, struct text pid)
{
	struct sio_expiring *expiring = expiry_find(expiry, pid);

	if (expiring == NULL)
		return false;
	expiring->why = SIO_SESSION_DISPLACED;
	if (expiring->asked)
		return true;
	loop_disarm(expiry_loop(expiry), &expiring->timer);
	list_remove(&expiring->turn);
	expiry_ask(expiring); /* at once, even if ASKED_MAX are asked, so that the client cannot come back first */
	return true;
}

/* The namespace is about to be freed. Redis keeps its sessions; their ends are not reported. */
static void
expiry_displace(struct sio_nsp *nsp)
{
	while (!list_empty(&nsp->log->kept))
		expiring_free(container_of(nsp->log->kept.next, struct sio_expiring, kept));
}

/* ------------------------------------------------------------------- life */

void
sio_expiry_new(struct sio_recovery *recovery, const struct sio_expiry_peer *peer)
{
	struct sio_expiry *expiry = mem_zalloc(sizeof *expiry);

	expiry->recovery = recovery;
	expiry->peer = peer;
	table_init(&expiry->by_pid);
	list_init(&expiry->all);
	list_init(&expiry->due);
	recovery->expiry = expiry;
	recovery->displace = expiry_displace;
}

void
sio_expiry_free(struct sio_expiry *expiry)
{
	if (expiry == NULL)
		return;
	while (!list_empty(&expiry->all))
		expiring_free(container_of(expiry->all.next, struct sio_expiring, all));
	table_fini(&expiry->by_pid);
	expiry->recovery->expiry = NULL;
	expiry->recovery->displace = sio_recovery_session_drop_all;
	mem_free(expiry);
}
