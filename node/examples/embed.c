/*
 * Embeds libsockeye in another program. The program has its own libev loop, a timer on it, and a Socket.IO server
 * that tells every client in the room "clock" how long the program has been running.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs sockeye) -lev
 *     ./embed --port 3001
 *
 * The command line may contain further options of the server, each as a flag and a value.
 */
#include <ev.h>
#include <signal.h>
#include <sockeye.h>
#include <stdio.h>
#include <string.h>

struct clock {
	ev_timer timer;
	ev_tstamp started;
	sio_nsp *nsp;
};

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
	struct clock *clock = timer->data;

	(void)events;
	sio_emit(sio_to(sio_all(clock->nsp), "clock"), "uptime", "{s:d}", "seconds", ev_now(loop) - clock->started);
}

static void on_connection(sio_socket *socket, void *arg) {
	(void)arg;
	sio_join(socket, "clock");
}

/* The client leaves the room or joins it again. */
static void on_mute(sio_socket *socket, sio_event *event, void *arg) {
	(void)arg;
	if (sio_bool(sio_arg(event, 0), true))
		sio_leave(socket, "clock");
	else
		sio_join(socket, "clock");
	sio_ack(event, "b", sio_in_room(socket, "clock"));
}

static void on_closed(sio_server *io, void *arg) {
	(void)arg;
	ev_break(sio_loop(io), EVBREAK_ALL);
}

static void on_interrupt(struct ev_loop *loop, ev_signal *signal, int events) {
	(void)loop;
	(void)events;
	sio_close(signal->data, on_closed, NULL);
}

static int configure(sio_server *io, int argc, char **argv, char *error) {
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i];

		if (sio_set_option(io, name + strspn(name, "-"), argv[i + 1], error) < 0) return -1;
	}
	return sio_listen(io, error);
}

int main(int argc, char **argv) {
	struct ev_loop *loop = ev_default_loop(0);
	sio_server *io = sio_server_new(loop);
	struct clock clock = {.started = ev_now(loop), .nsp = sio_of(io, "/")};
	char error[SIO_ERROR_LINE];
	ev_signal interrupt, terminate;
	int result = 1;

	signal(SIGPIPE, SIG_IGN);
	sio_on_connection(clock.nsp, on_connection, NULL);
	sio_on(clock.nsp, "mute", on_mute, NULL);
	if (configure(io, argc, argv, error) < 0) {
		fprintf(stderr, "embed: %s\n", error);
		goto out;
	}
	printf("embed: port %u\n", sio_port(io));
	fflush(stdout);

	ev_timer_init(&clock.timer, on_tick, 1., 1.);
	clock.timer.data = &clock;
	ev_timer_start(loop, &clock.timer);
	ev_signal_init(&interrupt, on_interrupt, SIGINT);
	ev_signal_init(&terminate, on_interrupt, SIGTERM);
	interrupt.data = terminate.data = io;
	ev_signal_start(loop, &interrupt);
	ev_signal_start(loop, &terminate);
	ev_run(loop, 0);
	result = 0;
out:
	sio_server_free(io);
	ev_loop_destroy(loop);
	return result;
}
