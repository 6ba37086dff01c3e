#include "node/socketio/sio_cork.h"

#include "broker/broker.h"
#include "common/base/mem.h"

struct sio_cork {
	struct bus_wait wait;
	struct sio_client *client;
};

static void
cork_on_over(struct bus_wait *wait)
{
	struct sio_client *c = container_of(wait, struct sio_cork, wait)->client;

	sio_cork_end(c);
	if (c->session != NULL)
		eio_uncork(c->session);
}

static void
cork_client(struct sio_client *c)
{
	if (!sio_client_open(c))
		return;
	if (c->cork == NULL) {
		c->cork = mem_alloc(sizeof *c->cork);
		c->cork->client = c;
		bus_wait_init(&c->cork->wait, cork_on_over);
	}
	(void)broker_wait(c->io->broker, &c->cork->wait);
	eio_cork(c->session);
}

void
sio_cork_joined(struct sio_client *c)
{
	struct sio_server *io = c->io;

	if (io->broker == NULL || !broker_wait(io->broker, NULL))
		return;
	cork_client(c);
	if (io->serving != NULL)
		cork_client(io->serving);
}

void
sio_cork_end(struct sio_client *c)
{
	if (c->cork == NULL)
		return;
	bus_wait_cancel(&c->cork->wait);
	mem_free(c->cork);
	c->cork = NULL;
}
