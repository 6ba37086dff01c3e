/*
 * An application that misbehaves on request of a client: it crashes or hangs. Another part leaves work for the end of
 * the process.
 */
#include <fcntl.h>
#include <signal.h>
#include <sockeye.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/clients/app/driven.h"

static int *volatile nowhere;
static volatile int calls;

/* A function of its own, with a name that the backtrace shows. */
static __attribute__((noinline, no_sanitize("undefined"))) void
fall_down(const char *how)
{
	if (strcmp(how, "SIGSEGV") == 0)
		*nowhere = 1;
	else if (strcmp(how, "SIGKILL") == 0)
		raise(SIGKILL);
	else if (strcmp(how, "SIGFPE") == 0)
		raise(SIGFPE);
	else if (strcmp(how, "SIGILL") == 0)
		__builtin_trap();
	else if (strcmp(how, "SIGBUS") == 0)
		raise(SIGBUS);
	else
		abort();
	calls++; /* not a tail call, so this function stays in the backtrace */
}

static void
on_crash(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	fall_down(text(sio_arg(event, 0)));
}

/* Handles each event whose name begins with "crash". */
static void
on_any(sio_socket *socket, sio_event *event, void *arg)
{
	if (strncmp(sio_event_name(event), "crash\n", 6) == 0)
		on_crash(socket, event, arg);
}

/* Recurses until the stack is used up. */
static __attribute__((noinline)) int
sink(int depth)
{
	volatile char room[4096];

	room[depth % 4096] = (char)depth;
	return depth < 0 ? room[0] : sink(depth + 1) + room[depth % 4096];
}

static void
on_recurse(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "i", sink(0));
}

static void
on_fragile_connection(sio_socket *socket, void *arg)
{
	(void)socket;
	(void)arg;
	abort();
}

/* Freeing a server that is serving breaks an invariant. */
static void
on_misuse(sio_socket *socket, sio_event *event, void *arg)
{
	(void)event;
	(void)arg;
	sio_server_free(sio_socket_server(socket));
}

static void
on_echo(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "v", sio_arg(event, 0));
}

/* Blocks until a file of this name exists. A file with the suffix ".begun", made first, shows that it waits. */
static __attribute__((noinline)) void
wait_for(const char *file, bool busy)
{
	char begun[256];

	snprintf(begun, sizeof begun, "%s.begun", file);
	close(open(begun, O_CREAT | O_WRONLY, 0644));
	while (access(file, F_OK) != 0) {
		if (!busy)
			usleep(1000);
	}
	calls++;
}

static void
on_spin(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	wait_for(text(sio_arg(event, 0)), true);
	sio_ack(event, "s", "done");
}

static void
on_block(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	wait_for(text(sio_arg(event, 0)), false);
	sio_ack(event, "s", "done");
}

/* Hangs. It blocks the signal that asks where it hangs for a while, like a thread that gets no processor. */
static void
on_deaf(sio_socket *socket, sio_event *event, void *arg)
{
	sigset_t urgent;

	sigemptyset(&urgent);
	sigaddset(&urgent, SIGURG);
	sigprocmask(SIG_BLOCK, &urgent, NULL);
	usleep(500000);
	sigprocmask(SIG_UNBLOCK, &urgent, NULL);
	on_block(socket, event, arg);
}

static void
on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)error;
	(void)sockets;
	(void)n;
	(void)silent;
	(void)arg;
	fall_down("SIGSEGV");
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	(void)io;
	(void)error;
	(void)rooms;
	(void)n;
	(void)silent;
	(void)arg;
	fall_down("SIGSEGV");
}

static bool falls_at_stop;

/* After "crash later", a function crashes that is not the handler of an event. */
static void
on_crash_later(sio_socket *socket, sio_event *event, void *arg)
{
	const char *where = text(sio_arg(event, 0));
	sio_target all = sio_all(sio_socket_nsp(socket));

	(void)arg;
	if (strcmp(where, "fetch") == 0)
		sio_fetch(all, on_fetched, NULL);
	else if (strcmp(where, "all rooms") == 0)
		sio_all_rooms(sio_socket_nsp(socket), on_rooms, NULL);
	else
		falls_at_stop = true;
	sio_ack(event, "");
}

static void
on_headers(sio_server *io, sio_request *request, bool initial, void *arg)
{
	(void)io;
	(void)initial;
	(void)arg;
	if (sio_request_query(request, "fall") != NULL)
		fall_down("SIGSEGV");
}

static void
on_connection_error(
	sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg)
{
	(void)io;
	(void)code;
	(void)message;
	(void)context;
	(void)arg;
	if (sio_request_query(request, "stumble") != NULL)
		fall_down("SIGSEGV");
}

static void
on_new_namespace(sio_nsp *nsp, void *arg)
{
	(void)arg;
	if (strcmp(sio_nsp_name(nsp), "/new-one") == 0)
		fall_down("SIGSEGV");
}

static unsigned disconnected;

static void
on_disconnect(sio_socket *socket, const char *reason, void *arg)
{
	(void)socket;
	(void)reason;
	(void)arg;
	disconnected++;
}

static void
on_stop(sio_server *io, void *arg)
{
	(void)io;
	(void)arg;
	if (falls_at_stop)
		fall_down("SIGSEGV");
	printf("stopped after %u disconnects\n", disconnected);
}

static void
on_exit_of_process(void)
{
	printf("exit handlers run"); /* without a line end: only the exit flushes it */
}

static void
handlers(sio_nsp *nsp)
{
	sio_on_disconnect(nsp, on_disconnect, NULL);
	sio_on(nsp, "crash", on_crash, NULL);
	sio_on(nsp, "crash later", on_crash_later, NULL);
	sio_on(nsp, "recurse", on_recurse, NULL);
	sio_on(nsp, "misuse", on_misuse, NULL);
	sio_on(nsp, "spin", on_spin, NULL);
	sio_on(nsp, "block", on_block, NULL);
	sio_on(nsp, "deaf", on_deaf, NULL);
	sio_on(nsp, "echo", on_echo, NULL);
	sio_on_any(nsp, on_any, NULL);
}

int
sio_app(sio_server *io)
{
	handlers(sio_of(io, "/"));
	handlers(sio_of(io, "/chat"));
	sio_on_stop(io, on_stop, NULL);
	sio_on_headers(io, on_headers, NULL);
	sio_on_connection_error(io, on_connection_error, NULL);
	sio_on_new_namespace(io, on_new_namespace, NULL);
	sio_of_pattern(io, "/new-.*", NULL);
	atexit(on_exit_of_process);
	printf("hello\n");
	sio_on_connection(sio_of(io, "/fragile"), on_fragile_connection, NULL);
	return 0;
}
