#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_recovery.h"

void
sio_keep_fail_asks(struct sio_keep *keep, bool all)
{
	struct list asks;

	list_init(&asks);
	list_move_all(&asks, &keep->asked);
	list_move_all(&asks, &keep->waiting);
	keep->replays_asked = 0;
	while (!list_empty(&asks)) {
		struct keep_ask *ask = container_of(asks.next, struct keep_ask, link);

		list_remove(&ask->link);
		if (ask->step == NULL) {
			sio_keep_replay_fail(keep, ask, SIO_RECOVERY_NO_HUB);
		} else if (all) {
			sio_keep_claim_end(ask, SIO_RECOVERY_NO_HUB, NULL);
		} else {
			list_add_tail(&keep->asked, &ask->link);
		}
	}
}

void
sio_keep_send_claims(struct sio_keep *keep)
{
	struct list *it, *next;

	list_each(it, next, &keep->asked)
	{
		struct keep_ask *ask = container_of(it, struct keep_ask, link);

		if (ask->step != NULL)
			keep->peer->claim(keep, ask);
	}
}

void
sio_keep_time_out(struct sio_keep *keep, struct keep_ask *ask)
{
	if (ask->step != NULL) {
		sio_keep_claim_end(ask, SIO_RECOVERY_NO_HUB, NULL); /* sio_keep_claimed() handles a late answer */
		return;
	}
	if (keep->welcome && sio_keep_replay_session(keep, ask) != NULL)
		keep->peer->end(keep, ask->pid); /* a socket that has left has released its session */
	sio_keep_replay_fail(keep, ask, SIO_RECOVERY_NO_HUB);
}
