/* The application of a user of the image: it acknowledges each event "hello". The test compiles it. */
#include <sockeye.h>

static void
on_hello(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "s", "from the image");
}

int
sio_app(sio_server *io)
{
	sio_on(sio_of(io, "/"), "hello", on_hello, NULL);
	return 0;
}
