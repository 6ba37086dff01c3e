/*
 * What the applications that a test client drives have in common (everything.c here, tests/cluster/app/peer.c): they
 * read the receivers of an operation from an event, and acknowledge an event with the result of its operation.
 */
#ifndef TESTS_CLIENTS_APP_DRIVEN_H
#define TESTS_CLIENTS_APP_DRIVEN_H

#include <sockeye.h>
#include <string.h>

static inline const char *
text(sio_value value)
{
	const char *s = sio_string(value, NULL);

	return s ? s : "";
}

/*
 * Reads a target: { from: "everyone" | "others" | "only" | "all" (default), to: [...], except: [...], volatile,
 * local, compress, timeout }.
 */
static inline sio_target
target_of(sio_socket *socket, sio_value spec)
{
	const char *from = text(sio_get(spec, "from"));
	sio_target target = strcmp(from, "others") == 0	    ? sio_others(socket)
			    : strcmp(from, "only") == 0	    ? sio_only(socket)
			    : strcmp(from, "everyone") == 0 ? sio_everyone(socket)
							    : sio_all(sio_socket_nsp(socket));
	sio_value to = sio_get(spec, "to"), except = sio_get(spec, "except");

	for (unsigned i = 0; i < sio_length(to); i++)
		target = sio_to(target, text(sio_at(to, i)));
	for (unsigned i = 0; i < sio_length(except); i++)
		target = sio_except(target, text(sio_at(except, i)));
	if (sio_bool(sio_get(spec, "volatile"), false))
		target = sio_volatile(target);
	if (sio_bool(sio_get(spec, "local"), false))
		target = sio_local(target);
	if (sio_type_of(sio_get(spec, "compress")) == SIO_BOOL)
		target = sio_compress(target, sio_bool(sio_get(spec, "compress"), true));
	if (sio_type_of(sio_get(spec, "timeout")) == SIO_NUMBER)
		target = sio_timeout(target, (uint32_t)sio_int(sio_get(spec, "timeout"), 0));
	return target;
}

static inline void
on_sockets_join(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "i", sio_sockets_join(target_of(socket, sio_arg(event, 0)), text(sio_arg(event, 1))));
}

static inline void
on_sockets_leave(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "i", sio_sockets_leave(target_of(socket, sio_arg(event, 0)), text(sio_arg(event, 1))));
}

static inline void
on_server_emit(sio_socket *socket, sio_event *event, void *arg)
{
	(void)arg;
	sio_ack(event, "i",
		sio_server_side_emit(sio_socket_nsp(socket), text(sio_arg(event, 0)), "v", sio_arg(event, 1)));
}

#endif
