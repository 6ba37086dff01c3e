/*
 * The application that the official protocol test suites (docs/socket.io-protocol/v5-test-suite in the socket.io
 * repository) expect:
 *
 *     sockeye --app build/apps/protocol.so --ping-interval 300 --ping-timeout 200 --connect-timeout 1000
 */
#include <sockeye.h>

static void
on_connection(sio_socket *socket, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "auth", "v", sio_auth(socket));
}

static void
on_message(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "message-back", "*", event);
}

static void
on_message_with_ack(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "*", event);
}

int
sio_app(sio_server *io)
{
	sio_nsp *main = sio_of(io, "/");

	sio_on_connection(main, on_connection, NULL);
	sio_on(main, "message", on_message, NULL);
	sio_on(main, "message-with-ack", on_message_with_ack, NULL);
	sio_on_connection(sio_of(io, "/custom"), on_connection, NULL);
	return 0;
}
