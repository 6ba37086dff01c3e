/*
 * The application for the load tester: echo, broadcast, acknowledgement, rooms and lists of sockets.
 *
 *     sockeye --app build/apps/bench.so
 */
#include <sockeye.h>

static void
on_echo(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "echo", "*", event);
}

static void
on_broadcast(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_emit(sio_everyone(socket), "broadcast", "*", event);
}

static void
on_ack(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "*", event);
}

/* Joins the room that the first argument names. */
static void
on_join(sio_socket *socket, sio_event *event, void *arg)
{
	const char *room = sio_string(sio_arg(event, 0), NULL);

	(void)arg;
	if (room)
		sio_join(socket, room);
	sio_ack(event, "");
}

/* Sends to the room that the first argument names. */
static void
on_room(sio_socket *socket, sio_event *event, void *arg)
{
	const char *room = sio_string(sio_arg(event, 0), NULL);

	(void)arg;
	if (room)
		sio_emit(sio_to(sio_everyone(socket), room), "room", "*", event);
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)error;
	(void)sockets;
	(void)silent;
	sio_ack(arg, "u", n);
	sio_event_release(arg);
}

/* Answers with the number of sockets, after they have been listed. */
static void
answer_count(sio_target sockets, sio_event *event)
{
	sio_event *asked = sio_event_keep(event);

	if (sio_fetch(sockets, on_fetched, asked) != 0)
		sio_event_release(asked);
}

static void
on_fetch(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	answer_count(sio_local(sio_everyone(socket)), event);
}

/* As on_fetch(), with the sockets of all nodes. */
static void
on_fetch_all(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	answer_count(sio_everyone(socket), event);
}

static void
serve(sio_nsp *nsp)
{
	sio_on(nsp, "echo", on_echo, NULL);
	sio_on(nsp, "broadcast", on_broadcast, NULL);
	sio_on(nsp, "ack", on_ack, NULL);
	sio_on(nsp, "join", on_join, NULL);
	sio_on(nsp, "room", on_room, NULL);
	sio_on(nsp, "fetch", on_fetch, NULL);
	sio_on(nsp, "fetch all", on_fetch_all, NULL);
}

int
sio_app(sio_server *io)
{
	serve(sio_of(io, "/"));
	serve(sio_of_pattern(io, "^/n-[0-9]+$", NULL)); /* for the benchmark of many namespaces */
	return 0;
}
