/* An application that does what no application should, when a client asks for it: it crashes. */
#include <signal.h>
#include <sockeye.h>
#include <stdlib.h>
#include <string.h>

#include "tests/clients/app/driven.h"

static int *volatile nowhere;
static volatile int calls;

/* A function of its own, with a name to be found in the backtrace. */
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
	calls++; /* not a tail call: this function stays in the backtrace */
}

static void
on_crash(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	fall_down(text(sio_arg(event, 0)));
}

static void
on_echo(sio_socket *socket, sio_event *event, void *arg)
{
	(void)socket;
	(void)arg;
	sio_ack(event, "v", sio_arg(event, 0));
}

int
sio_app(sio_server *io)
{
	sio_nsp *nsp = sio_of(io, "/");

	sio_on(nsp, "crash", on_crash, NULL);
	sio_on(nsp, "echo", on_echo, NULL);
	return 0;
}
