/*
 * engine-echo: an Engine.IO server, without Socket.IO, that echoes every message. The protocol's test suite uses it.
 */
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/io/listener.h"
#include "common/io/log.h"
#include "common/io/streams.h"
#include "node/engineio/eio.h"
#include "node/process/front.h"
#include "node/process/process_options.h"
#include "node/process/signals.h"
#include "node/process/worker.h"

#define HELP_MAX (1 << 20) /* far more than the help takes */
#define TABLES 2
#define STOP_CHECK_MS 10 /* interval of checks for remaining connections while stopping */

static const char help_head[] =
	"Usage: engine-echo [OPTION]...\n"
	"An Engine.IO server (revision 4, and 3 with --allow-eio3) that sends each message back to its\n"
	"sender.\n"
	"\n"
	"  engine-echo --port 3000 --ping-interval 300 --ping-timeout 200\n"
	"\n"
	"  --help            print this text\n"
	"  --version         print the version\n"
	"\n";

static const char help_tail[] = "\nExit status: 0 after SIGTERM or SIGINT, 1 cannot start, 2 invalid usage.\n";

struct echo {
	struct loop loop;
	struct front_options front_options;
	struct eio_options eio_options;
	struct eio_server *engine;
	struct front *front;
	struct wheel_entry stopping;
};

static void
echo_on_message(struct eio_session *s, void *owner, bool binary, uint8_t *data, size_t n)
{
	struct eio_message *message =
		binary ? eio_message_binary(data, n) : eio_message_text(text_of((char *)data, n));

	(void)owner;
	eio_send(s, &message, 1);
	eio_message_unref(message);
}

static const struct eio_ops echo_ops = {.on_message = echo_on_message};

static void
echo_on_request(void *arg, struct http_request *request)
{
	struct echo *echo = arg;

	if (eio_matches(echo->engine, request->path))
		eio_handle(echo->engine, request);
	else if (request->upgrade)
		eio_handle_unclaimed_upgrade(echo->engine, request);
	else
		front_rest(echo->front, request, NULL);
}

static void
echo_check_stopped(struct wheel_entry *entry)
{
	struct echo *echo = container_of(entry, struct echo, stopping);

	if (echo->loop.connections == 0)
		ev_break(echo->loop.ev, EVBREAK_ALL);
	else
		loop_arm(&echo->loop, entry, STOP_CHECK_MS);
}

static void
echo_on_stop(void *arg)
{
	struct echo *echo = arg;

	front_stop(echo->front);
	eio_server_close(echo->engine);
	front_finish(echo->front);
	loop_arm(&echo->loop, &echo->stopping, STOP_CHECK_MS);
}

static void
echo_on_reload(void *arg)
{
	struct echo *echo = arg;
	char error[FRONT_ERROR_MAX];

	if (front_reload_tls(echo->front, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
}

static int
echo_serve(struct echo *echo, char error[OPTION_ERROR_MAX])
{
	struct front_setup setup = {
		.options = &echo->front_options,
		.gzip_threshold = eio_options_gzip_threshold(&echo->eio_options),
		.max_queue = eio_options_max_buffered(&echo->eio_options),
		.on_request = echo_on_request,
		.arg = echo,
	};
	struct signals signals = {.on_stop = echo_on_stop, .on_reload = echo_on_reload, .arg = echo};
	struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
	int result;

	if (ev == NULL) {
		snprintf(error, OPTION_ERROR_MAX, "cannot create an event loop");
		return ERROR_SYSTEM;
	}
	listener_raise_fd_limit();
	loop_init(&echo->loop, ev);
	wheel_entry_init(&echo->stopping, echo_check_stopped);
	echo->engine = eio_server_new(&echo->loop, &echo->eio_options, &echo_ops, echo);
	result = front_open(&echo->front, &echo->loop, &setup, error);
	if (result == 0) {
		signals_init(&signals, ev); /* before the log says that the server listens */
		log_event(LOG_INFO, "listening", "port", LOG_INT(front_port(echo->front)), "path",
			LOG_STR(echo->eio_options.path), NULL);
		ev_run(ev, 0);
		signals_fini(&signals, ev);
		loop_finish_turn(&echo->loop);
	}
	eio_server_free(echo->engine);
	front_free(echo->front);
	loop_fini(&echo->loop);
	ev_loop_destroy(ev);
	return result;
}

static void
echo_print_help(const struct option_table *tables)
{
	struct buffer out;

	buffer_init(&out, HELP_MAX);
	buffer_add(&out, help_head, sizeof(help_head) - 1);
	options_help(tables, TABLES, &out);
	buffer_add(&out, help_tail, sizeof(help_tail) - 1);
	fwrite(out.data, 1, out.len, stdout);
	buffer_fini(&out);
}

int
main(int argc, char **argv)
{
	static struct echo echo;
	struct option_table tables[TABLES] = {
		front_options_table(&echo.front_options), eio_options_table(&echo.eio_options)};
	char error[OPTION_ERROR_MAX];
	int code = EXIT_FINE, read;

	streams_open();
	options_defaults(tables, TABLES);
	read = options_read(tables, TABLES, argc, argv, error);
	if (read == 1) {
		echo_print_help(tables);
	} else if (read == 2) {
		printf("engine-echo %s\n", SOCKEYE_VERSION);
	} else if (read < 0 || front_options_check(&echo.front_options, error) < 0 ||
		   eio_options_check(&echo.eio_options, error) < 0) {
		streams_complain("engine-echo", error);
		code = EXIT_USAGE;
	} else if (echo_serve(&echo, error) < 0) {
		streams_complain("engine-echo", error);
		code = EXIT_NO_START;
	}
	if (read > 0 && !streams_flush("engine-echo"))
		code = EXIT_NO_START;
	options_fini(tables, TABLES);
	return code;
}
