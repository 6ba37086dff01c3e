/* A server with one namespace, whose listeners note what they hear. */
#ifndef TESTS_UNIT_SOCKETIO_LISTENING_H
#define TESTS_UNIT_SOCKETIO_LISTENING_H

#include "tests/unit/socketio/fake_engine.h"

static char heard[512];
static sio_nsp *main_nsp;

static void
hear(const char *text)
{
	(void)strcat(strcat(heard, heard[0] != '\0' ? " " : ""), text);
}

#define EXPECT_HEARD(want)                                                                                           \
	do {                                                                                                         \
		assert_string_equal(heard, want);                                                                    \
		heard[0] = '\0';                                                                                     \
	} while (0)

static int
start(void **state)
{
	struct sio_options o = fake_options();

	(void)state;
	fake_start(&o);
	main_nsp = sio_of(fake_io, "/");
	heard[0] = '\0';
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static struct eio_session *
client(unsigned which)
{
	struct eio_session *s = fake_open(which);

	fake_receive(s, false, "0", 1);
	fake_turn();
	return s;
}

/* The socket of the client that joined last. */
static sio_socket *last;

static void
keep_last(sio_socket *s, void *arg)
{
	(void)arg;
	last = s;
}

static void
say(struct eio_session *s, const char *packet)
{
	fake_receive(s, false, packet, strlen(packet));
	fake_turn();
}

static void
on_event(sio_socket *s, sio_event *event, void *arg)
{
	(void)s;
	hear(arg);
	hear(sio_event_name(event));
}

#endif
