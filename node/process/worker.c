#include "node/process/worker.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/listener.h"
#include "common/io/log.h"
#include "common/io/streams.h"
#include "node/process/app.h"
#include "node/process/crash.h"
#include "node/process/outreach.h"
#include "node/process/server.h"
#include "node/process/stats_fill.h"
#include "node/process/signals.h"
#include "node/process/report.h"
#include "node/process/watchdog.h"

/* Descriptors kept back for files, the resolver and the listener's reserve. */
#define SPARE_FDS 16

/*
 * The C library keeps the memory of clients that left. It is given back when much less is held for clients than it
 * was, in bytes; or when since the last time as many have left as are there now, and not just a few: each was some
 * memory that nobody counts.
 */
#define CROWD_CHECK_S 2.
#define CROWD_MIN 1000

#define LAST_WORDS_S 0.01 /* at least one turn of the loop, and time for what one turn does not take */

struct worker {
	const struct worker_setup *setup;
	struct ev_loop *ev;
	sio_server *io;
	struct app app;
	struct signals signals;
	struct ev_timer crowd_timer, stats_timer;
	struct ev_timer last_words;  /* between the stop signal and the drain */
	struct stats_page *page;     /* the place's, or one's own */
	struct vitals *vitals;	     /* likewise */
	struct log_control *own_log; /* of a single worker; others have their place's */
	struct watchdog *watchdog;   /* of a single worker */
	struct listener_set admin_sockets;
	struct outreach outreach; /* likewise */
	struct admin *admin;	  /* likewise */
	uint64_t left;		  /* clients that had left when memory was given back last */
};

static void
on_done(sio_server *io, void *arg)
{
	struct worker *w = arg;

	(void)io;
	ev_break(w->ev, EVBREAK_ALL);
}

static void
drain(struct worker *w)
{
	sio_drain(w->io, (unsigned)server_drain_time(w->io), on_done, w);
	stats_fill(w->page, w->io);
}

static void
on_last_words(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	drain(timer->data);
}

/* Programs of --exec have ended before. What they sent last lies in the sockets and goes to the clients first. */
static void
on_stop(void *arg)
{
	struct worker *w = arg;

	if (w->signals.stop_signal == 0) {
		drain(w);
		return;
	}
	ev_timer_init(&w->last_words, on_last_words, LAST_WORDS_S, 0.);
	ev_set_priority(&w->last_words, EV_MINPRI); /* after what was read in the same turn */
	w->last_words.data = w;
	ev_timer_start(w->ev, &w->last_words);
}

static void
on_reload(void *arg)
{
	struct worker *w = arg;
	char error[SIO_ERROR_LINE];
	struct server_face face;

	server_face(w->io, &face);
	if (!face.tls && exec_is_wanted(&w->setup->options->exec))
		return; /* the signal is for the master, who deploys the programs */
	if (server_reload_tls(w->io, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "tls", LOG_STR("yes"), NULL);
	outreach_reload(&w->outreach);
}

static void
on_shed(void *arg)
{
	struct worker *w = arg;

	server_shed(w->io);
}

static void
on_log(void *arg)
{
	struct worker *w = arg;

	if (w->own_log)
		log_control_cycle(w->own_log);
	else
		log_control_apply(w->setup->place->log);
}

static void
on_crowd_check(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct worker *w = timer->data;
	uint64_t left = server_sessions_closed(w->io), gone = left - w->left;
	bool many = gone >= CROWD_MIN && gone >= sio_clients_count(w->io);

	(void)ev;
	(void)events;
	if (!server_has_shrunk(w->io) && !many)
		return;
	server_give_back(w->io);
	w->left = left;
}

static void
on_stats(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct worker *w = timer->data;

	(void)ev;
	(void)events;
	stats_fill(w->page, w->io);
	if (!w->own_log)
		log_control_apply(w->setup->place->log);
}

static unsigned
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void
log_capacity(const struct worker *w)
{
	uint64_t fds = listener_raise_fd_limit();
	uint64_t used = open_fds() + SPARE_FDS;
	uint64_t clients = fds > used ? fds - used : 0;
	uint64_t wanted = server_max_connections(w->io);

	if (wanted > 0 && wanted < clients)
		clients = wanted;
	log_event(LOG_INFO, "capacity", "fds", LOG_INT(fds), "clients", LOG_INT(clients), NULL);
	if (wanted > clients)
		log_event(LOG_WARN, "capacity", "error",
			LOG_STR("maxConnections is more than the file descriptors allow"), "maxConnections",
			LOG_INT(wanted), NULL);
}

static enum worker_exit
complain(const struct worker *w, enum worker_exit code, const char *error)
{
	streams_complain(w->setup->program, error);
	return code;
}

/* Flags and environment once more, now over what the application has set. */
static int
read_options(struct worker *w, char error[OPTION_ERROR_MAX])
{
	struct program_options program = {0};
	struct option_table tables[1 + SERVER_TABLES] = {program_options_table(&program)};
	int result;

	server_tables(w->io, tables + 1);
	result = options_read(tables, 1 + SERVER_TABLES, w->setup->argc, w->setup->argv, error);
	options_fini(tables, 1);
	return result;
}

/* Tells the master that it may say so. */
static void
report(const struct worker *w)
{
	struct place *place = w->setup->place;
	struct worker_ready ready;
	struct server_face face;
	ssize_t written;

	memset(&ready, 0, sizeof ready); /* all of it is sent */
	_Static_assert(sizeof ready <= PIPE_BUF, "one write, in one piece");
	server_face(w->io, &face);
	ready.drain_ms = server_drain_time(w->io);
	ready.tls = face.tls;
	snprintf(ready.path, sizeof ready.path, "%s", face.path);
	snprintf(ready.public_dir, sizeof ready.public_dir, "%s", face.public_dir ? face.public_dir : "");
	do
		written = write(place->ready_fd, &ready, sizeof ready);
	while (written < 0 && errno == EINTR);
	close(place->ready_fd);
	place->ready_fd = -1;
}

static int
start_admin(struct worker *w, char error[SIO_ERROR_LINE])
{
	struct outreach_setup setup = {.own = w->io,
		.api = &w->setup->options->api,
		.server = server_options_of(w->io),
		.pages = w->page,
		.workers = 1};
	struct server_parts parts;
	int rc;

	_Static_assert(OUTREACH_ERROR_MAX <= SIO_ERROR_LINE, "an error line must fit");
	server_parts(w->io, &parts);
	setup.loop = parts.loop;
	rc = outreach_init(&w->outreach, &setup, error);
	if (rc == 0)
		w->admin = admin_new(parts.loop, &w->admin_sockets, w->page, 1, NULL, w->own_log, w->outreach.api);
	return rc;
}

static enum worker_exit
start(struct worker *w)
{
	const char *file = w->setup->options->app;
	char error[SIO_ERROR_LINE];

	if (!w->page || !w->vitals || !(w->own_log || w->setup->place))
		return complain(w, EXIT_NO_START, "no memory for statistics");
	stats_fill(w->page, w->io);
	if (file && app_load(&w->app, file, w->io, error) < 0)
		return complain(w, EXIT_NO_START, error);
	if (read_options(w, error) != 0)
		return complain(w, EXIT_USAGE, error);
	if (w->setup->place)
		server_set_place(w->io, w->setup->place);
	if (file)
		log_event(LOG_INFO, "application", "file", LOG_STR(file), NULL);
	else if (!server_has_backends(w->io))
		log_event(LOG_WARN, "application", "error",
			LOG_STR("none: clients connect and nobody answers; see --app, --exec and --backend"), NULL);
	log_capacity(w);
	if (!w->setup->place && w->setup->options->admin.port != 0 &&
		admin_listen(&w->admin_sockets, &w->setup->options->admin, error) < 0)
		return complain(w, EXIT_NO_START, error);
	if (sio_listen(w->io, error) < 0)
		return complain(w, EXIT_NO_START, error);
	stats_fill(w->page, w->io);
	if (w->setup->place)
		report(w);
	else if (w->admin_sockets.count > 0 && start_admin(w, error) < 0)
		return complain(w, EXIT_NO_START, error);
	return EXIT_FINE;
}

/* From here on somebody learns where it crashes or hangs: its master, or whoever reads the log. */
static void
watch(struct worker *w)
{
	const struct sio_underway *underway = sio_core_underway(w->io);
	struct server_parts parts;

	crash_watch(underway, w->setup->place ? &w->setup->place->vitals->crash : NULL);
	if (!w->vitals)
		return;
	report_watch(underway, &w->vitals->hang);
	server_parts(w->io, &parts);
	loop_set_pulse(parts.loop, &w->vitals->turn);
}

/* The server, which knows what is under way, goes. */
static void
unwatch(struct worker *w)
{
	report_unwatch();
	crash_watch(NULL, w->setup->place ? &w->setup->place->vitals->crash : NULL);
}

enum worker_exit
worker_run(const struct worker_setup *setup)
{
	struct worker w = {.setup = setup};
	enum worker_exit code;

	w.ev = ev_loop_new(EVFLAG_AUTO);
	if (!w.ev)
		return complain(&w, EXIT_NO_START, "cannot make an event loop");
	if (!setup->place)
		w.own_log = log_control_new((enum log_level)setup->options->log_level, setup->options->log_filter);
	w.io = sio_server_new(w.ev);
	w.vitals = setup->place ? setup->place->vitals : vitals_new(1);
	watch(&w);
	w.signals = (struct signals){.on_stop = on_stop,
		.on_reload = on_reload,
		.on_shed = on_shed,
		.on_log = on_log,
		.arg = &w,
		.has_master = setup->place != NULL,
		.stop_signal = setup->place && exec_is_wanted(&setup->options->exec) ? WORKER_STOP_SIGNAL : 0};
	signals_init(&w.signals, w.ev); /* before anybody can read in the log that we listen */
	w.page = setup->place ? setup->place->stats : stats_pages_new(1);
	code = start(&w);
	if (code == EXIT_FINE) {
		ev_timer_init(&w.crowd_timer, on_crowd_check, CROWD_CHECK_S, CROWD_CHECK_S);
		w.crowd_timer.data = &w;
		ev_timer_start(w.ev, &w.crowd_timer); /* also a reason for ev_run() to go on until on_done() */
		ev_timer_init(&w.stats_timer, on_stats, STATS_INTERVAL_S, STATS_INTERVAL_S);
		w.stats_timer.data = &w;
		ev_timer_start(w.ev, &w.stats_timer);
		if (!setup->place && setup->options->hang_warning > 0)
			w.watchdog = watchdog_start(w.vitals, setup->options->hang_warning);
		ev_run(w.ev, 0);
		watchdog_stop(w.watchdog);
		ev_timer_stop(w.ev, &w.stats_timer);
		ev_timer_stop(w.ev, &w.crowd_timer);
		log_event(LOG_INFO, "stopped", NULL);
	}
	admin_free(w.admin);
	outreach_fini(&w.outreach);
	listener_set_close(&w.admin_sockets);
	signals_fini(&w.signals, w.ev);
	unwatch(&w);
	sio_server_free(w.io);
	if (!setup->place) {
		stats_pages_free(w.page, 1);
		vitals_free(w.vitals, 1);
		log_control_free(w.own_log);
	}
	app_unload(&w.app);
	ev_loop_destroy(w.ev);
	return code;
}
