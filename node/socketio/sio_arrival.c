#include "node/socketio/sio_arrival.h"

#include "broker/broker.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_tables.h"

/* A "connection" listener may close sockets that still wait. They remove themselves from the list. */
void
sio_arrival_admit(struct sio_nsp *nsp)
{
	struct list waiting;

	loop_disarm(nsp->io->loop, &nsp->settle);
	list_init(&waiting);
	list_move_all(&waiting, &nsp->arriving);
	while (!list_empty(&waiting)) {
		struct sio_socket *s = container_of(waiting.next, struct sio_socket, link);

		list_remove(&s->link);
		nsp->admit(s);
	}
}

static void
arrival_timed_out(struct wheel_entry *entry)
{
	struct sio_nsp *nsp = container_of(entry, struct sio_nsp, settle);

	if (list_empty(&nsp->arriving))
		return;
	counter_add(&nsp->io->loop->counters, COUNT_CLUSTER_UNCONFIRMED, 1);
	sio_log_limit(
		&nsp->io->turn, "connect_unconfirmed", TEXT_NONE, "the bus did not confirm the namespace in time");
	sio_arrival_admit(nsp);
}

bool
sio_arrival_waits(struct sio_socket *s, void (*admit)(struct sio_socket *s))
{
	struct sio_nsp *nsp = s->nsp;

	if (nsp->broker == NULL || !broker_nsp_awaits(nsp->broker))
		return false;
	if (list_empty(&nsp->arriving)) {
		loop_disarm(nsp->io->loop, &nsp->settle);
		wheel_entry_init(&nsp->settle, arrival_timed_out);
		loop_arm(nsp->io->loop, &nsp->settle, SIO_ARRIVAL_MS);
	}
	nsp->admit = admit;
	list_add_tail(&nsp->arriving, &s->link);
	return true;
}
