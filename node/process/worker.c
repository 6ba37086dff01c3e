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
#include "node/process/config_hup.h"
#include "node/process/crash.h"
#include "node/process/outreach.h"
#include "node/process/notify.h"
#include "node/process/port.h"
#include "node/process/server.h"
#include "node/process/stats_fill.h"
#include "node/process/signals.h"
#include "node/process/report.h"
#include "node/process/watchdog.h"

/* Descriptors reserved for files, the resolver and the listener. */
#define SPARE_FDS 16

/*
 * The C library keeps the memory of clients that have left. It is given back to the system in two cases: when many
 * fewer bytes are held for clients than before; and when, since the last time, as many clients have left as are
 * connected now, and at least CROWD_MIN. The second case covers memory of clients that the budget does not count.
 */
#define CROWD_CHECK_S 2.
#define CROWD_MIN 1000

#define STOP_MS 10000 /* after the drain: the last bytes to slow clients, the cluster, stop listeners */

#define LAST_WORDS_S 0.01 /* at least one turn of the loop, and time for data that one turn does not read */

struct worker {
	const struct worker_setup *setup;
	struct ev_loop *ev;
	sio_server *io;
	struct app app;
	struct signals signals;
	struct ev_timer crowd_timer, stats_timer;
	struct ev_timer last_words;  /* runs between the stop signal and the drain */
	struct ev_timer alive_timer; /* single worker whose supervisor has a watchdog */
	struct stats_page *page;     /* of the place, or its own */
	struct vitals *vitals;	     /* of the place, or its own */
	struct log_control *own_log; /* single worker only; other workers use their place's */
	struct watchdog *watchdog;   /* single worker only */
	struct listener_set clients_sockets,
		admin_sockets;	  /* sockets that are inherited or, for admin, opened; until they are taken over */
	struct outreach outreach; /* single worker only */
	struct admin *admin;	  /* single worker only */
	uint64_t left;		  /* number of clients that had left when memory was last given back */
};

static void
worker_on_done(sio_server *io, void *arg)
{
	struct worker *worker = arg;

	(void)io;
	ev_break(worker->ev, EVBREAK_ALL);
}

static void
worker_drain(struct worker *worker)
{
	sio_drain(worker->io, (unsigned)server_drain_time(worker->io), worker_on_done, worker);
	stats_fill(worker->page, worker->io);
}

static void
worker_on_last_words(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	worker_drain(timer->data);
}

/* With --exec, the programs have ended. Their last messages are still in the sockets and go to the clients first. */
static void
worker_on_stop(void *arg)
{
	struct worker *worker = arg;

	notify_stopping(worker->setup->notify, server_drain_time(worker->io) + STOP_MS, "Draining");
	if (worker->signals.stop_signal == 0) {
		worker_drain(worker);
		return;
	}
	ev_timer_init(&worker->last_words, worker_on_last_words, LAST_WORDS_S, 0.);
	ev_set_priority(&worker->last_words, EV_MINPRI); /* after data that is read in the same turn */
	worker->last_words.data = worker;
	ev_timer_start(worker->ev, &worker->last_words);
}

/* Only checks the files: the connections to Redis read them again by themselves. */
static void
worker_check_redis_files(const struct broker_settings *settings)
{
	char error[OPTION_ERROR_MAX];

	if (broker_settings_check_files(settings, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "redis_files", LOG_STR("yes"), NULL);
}

static void
worker_reload_tls(struct worker *worker)
{
	char error[SIO_ERROR_LINE];

	if (server_reload_tls(worker->io, error) < 0)
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "reload", "tls", LOG_STR("yes"), NULL);
}

static void
worker_notify_ready(const struct worker *worker)
{
	char status[NOTIFY_STATUS_MAX];

	snprintf(status, sizeof status, "Serving on port %u", sio_port(worker->io));
	notify_ready(worker->setup->notify, status);
}

static void
worker_on_alive(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	const struct worker *worker = timer->data;

	(void)ev;
	(void)events;
	notify_alive(worker->setup->notify);
}

/* A handler that does not return keeps the timer from running, so the supervisor ends the process. */
static void
worker_start_alive_timer(struct worker *worker)
{
	ev_tstamp every = worker->setup->notify ? (ev_tstamp)worker->setup->notify->alive_every / 1000 : 0;

	ev_timer_init(&worker->alive_timer, worker_on_alive, 0., every);
	worker->alive_timer.data = worker;
	if (every > 0)
		ev_timer_start(worker->ev, &worker->alive_timer);
}

/* Only a master can deploy a new application, because it starts new workers. A single process logs an error. */
static void
worker_look_at_app(const struct config *config)
{
	if (config->app_file.fd >= 0 && app_file_is_replaced(&config->app_file, config->program.app))
		log_event(LOG_ERROR, "reload", "error",
			LOG_STR("a single process cannot load a new application (use --master, or more workers)"),
			NULL);
}

static void
worker_on_reload(void *arg)
{
	struct worker *worker = arg;
	const struct broker_settings *settings = &server_options_of(worker->io)->broker;
	struct server_face face;
	bool redis_files = broker_settings_have_files(settings), admin_users;
	struct option_table tables[CONFIG_TABLES] = {program_options_table(&worker->setup->config->program)};

	if (!worker->signals.stopping)
		notify_reloading(worker->setup->notify);
	server_tables(worker->io, tables + 1);
	tables[CONFIG_APP_TABLE] = app_options_table(&worker->setup->config->app);
	config_on_hup(worker->setup->config, tables, worker->own_log);
	if (redis_files)
		worker_check_redis_files(settings);
	admin_users = server_reload_admin_ui(worker->io);
	server_face(worker->io, &face);
	/* without TLS the reload logs an error, unless the signal may be meant for these files or for the master,
	 * which deploys programs and the application */
	if (face.tls || !(redis_files || admin_users || exec_is_wanted(&worker->setup->options->exec) ||
				(worker->setup->place && worker->setup->options->app)))
		worker_reload_tls(worker);
	outreach_reload(&worker->outreach);
	if (!worker->setup->place)
		worker_look_at_app(worker->setup->config);
	if (!worker->signals.stopping)
		worker_notify_ready(worker);
}

static void
worker_on_shed(void *arg)
{
	struct worker *worker = arg;

	server_shed(worker->io);
}

static void
worker_on_log(void *arg)
{
	struct worker *worker = arg;

	if (worker->own_log)
		log_control_cycle(worker->own_log);
	else
		log_control_apply(worker->setup->place->log);
}

static void
worker_on_upgrade(void *arg)
{
	(void)arg;
	log_event(LOG_ERROR, "upgrade", "error",
		LOG_STR("a single process cannot be upgraded (use --master, or more workers)"), NULL);
}

static void
worker_on_crowd_check(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct worker *worker = timer->data;
	uint64_t left = server_sessions_closed(worker->io), gone = left - worker->left;
	bool many = gone >= CROWD_MIN && gone >= sio_clients_count(worker->io);

	(void)ev;
	(void)events;
	if (!server_has_shrunk(worker->io) && !many)
		return;
	server_give_back(worker->io);
	worker->left = left;
}

static void
worker_on_stats(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	struct worker *worker = timer->data;

	(void)ev;
	(void)events;
	stats_fill(worker->page, worker->io);
	if (!worker->own_log)
		log_control_apply(worker->setup->place->log);
}

static unsigned
count_open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void
worker_log_capacity(const struct worker *worker)
{
	uint64_t fds = listener_raise_fd_limit();
	uint64_t used = count_open_fds() + SPARE_FDS;
	uint64_t clients = fds > used ? fds - used : 0;
	uint64_t wanted = server_max_connections(worker->io);

	if (wanted > 0 && wanted < clients)
		clients = wanted;
	log_event(LOG_INFO, "capacity", "fds", LOG_INT(fds), "clients", LOG_INT(clients), NULL);
	if (wanted > clients)
		log_event(LOG_WARN, "capacity", "error",
			LOG_STR("maxConnections is more than the file descriptors allow"), "maxConnections",
			LOG_INT(wanted), NULL);
}

static enum worker_exit
worker_complain(const struct worker *worker, enum worker_exit code, const char *error)
{
	streams_complain(worker->setup->program, error);
	return code;
}

/* Applies the file, the environment and flags again, over what the application has set. */
static int
worker_read_options(struct worker *worker, char error[OPTION_ERROR_MAX])
{
	struct option_table server[SERVER_TABLES];

	server_tables(worker->io, server);
	return config_apply(worker->setup->config, server, error);
}

/* Reports to the master that this worker serves. */
static void
worker_report_ready(const struct worker *worker)
{
	struct place *place = worker->setup->place;
	struct worker_ready ready;
	struct server_face face;
	ssize_t written;

	memset(&ready, 0, sizeof ready); /* the whole struct is sent, padding included */
	_Static_assert(sizeof ready <= PIPE_BUF, "it must be written atomically");
	server_face(worker->io, &face);
	ready.drain_ms = server_drain_time(worker->io);
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
worker_start_admin(struct worker *worker, char error[SIO_ERROR_LINE])
{
	struct outreach_setup setup = {.own = worker->io,
		.api = &worker->setup->options->api,
		.server = server_options_of(worker->io),
		.pages = worker->page,
		.workers = 1};
	struct server_parts parts;
	int rc;

	_Static_assert(OUTREACH_ERROR_MAX <= SIO_ERROR_LINE, "an error line must fit");
	server_parts(worker->io, &parts);
	setup.loop = parts.loop;
	rc = outreach_init(&worker->outreach, &setup, error);
	if (rc != 0)
		return rc;
	worker->admin = admin_new(
		parts.loop, &worker->admin_sockets, worker->page, 1, NULL, worker->own_log, worker->outreach.api);
	admin_serve_page(worker->admin, &server_options_of(worker->io)->adminui);
	return 0;
}

/* A single process serves on the sockets that a service manager has opened. */
static int
worker_inherit(struct worker *worker, char error[SIO_ERROR_LINE])
{
	struct listener_set *set = &worker->clients_sockets;
	const struct server_options *options = server_options_of(worker->io);
	int result = port_inherit(worker->setup->inherited, &options->front, &set, 1, error);

	if (result > 0)
		server_set_listeners(worker->io, set);
	server_set_inherited(worker->io, worker->setup->inherited);
	return result;
}

static enum worker_exit
worker_start(struct worker *worker)
{
	const char *file = worker->setup->options->app;
	char error[SIO_ERROR_LINE];
	int result;

	if (!worker->page || !worker->vitals || !(worker->own_log || worker->setup->place))
		return worker_complain(worker, EXIT_NO_START, "cannot map shared memory");
	stats_fill(worker->page, worker->io);
	if (worker->setup->place)
		server_set_place(worker->io, worker->setup->place); /* the application may ask for its number */
	server_app_metrics(worker->io)->metrics = &worker->page->app;
	server_set_app_options(worker->io, &worker->setup->config->app);
	if (file && app_load(&worker->app, file, &worker->setup->config->app_file, worker->io, error) < 0)
		return worker_complain(worker, EXIT_NO_START, error);
	if (worker_read_options(worker, error) != 0)
		return worker_complain(worker, EXIT_USAGE, error);
	if (exec_is_wanted(&worker->setup->options->exec))
		server_await_program(worker->io);
	if (file)
		log_event(LOG_INFO, "application", "file", LOG_STR(file), NULL);
	else if (!server_has_backends(worker->io))
		log_event(LOG_WARN, "application", "error",
			LOG_STR("no application: clients can connect but get no answers; see --app, --exec and "
				"--backend"),
			NULL);
	worker_log_capacity(worker);
	if (!worker->setup->place && worker->setup->options->admin.port != 0 &&
		admin_listen(
			&worker->admin_sockets, &worker->setup->options->admin, worker->setup->inherited, error) < 0)
		return worker_complain(worker, EXIT_NO_START, error);
	if (worker->setup->inherited && worker_inherit(worker, error) < 0)
		return worker_complain(worker, EXIT_NO_START, error);
	result = sio_listen(worker->io, error);
	if (result < 0)
		return worker_complain(worker, result == SIO_ERR_ARGUMENT ? EXIT_USAGE : EXIT_NO_START, error);
	if (worker->setup->inherited)
		inherited_free(worker->setup->inherited);
	stats_fill(worker->page, worker->io);
	if (worker->setup->place)
		worker_report_ready(worker);
	else if (worker->admin_sockets.count > 0 && worker_start_admin(worker, error) < 0)
		return worker_complain(worker, EXIT_NO_START, error);
	return EXIT_FINE;
}

/* From here on, crashes and hangs are reported: to the master, or in the log. */
static void
worker_watch(struct worker *worker)
{
	const struct sio_underway *underway = sio_core_underway(worker->io);
	struct server_parts parts;

	crash_watch(underway, worker->setup->place ? &worker->setup->place->vitals->crash : NULL);
	if (!worker->vitals)
		return;
	report_watch(underway, &worker->vitals->hang);
	server_parts(worker->io, &parts);
	loop_set_pulse(parts.loop, &worker->vitals->turn);
}

/* Call it before the server is freed: reports read `underway`, which is part of the server. */
static void
worker_unwatch(struct worker *worker)
{
	report_unwatch();
	crash_watch(NULL, worker->setup->place ? &worker->setup->place->vitals->crash : NULL);
}

enum worker_exit
worker_run(const struct worker_setup *setup)
{
	struct worker worker = {.setup = setup};
	enum worker_exit code;

	worker.ev = ev_loop_new(EVFLAG_AUTO);
	if (!worker.ev)
		return worker_complain(&worker, EXIT_NO_START, "cannot create an event loop");
	if (!setup->place)
		worker.own_log =
			log_control_new((enum log_level)setup->options->log_level, setup->options->log_filter);
	worker.io = sio_server_new(worker.ev);
	worker.vitals = setup->place ? setup->place->vitals : vitals_new(1);
	worker_watch(&worker);
	worker.signals = (struct signals){.on_stop = worker_on_stop,
		.on_reload = worker_on_reload,
		.on_shed = worker_on_shed,
		.on_upgrade = setup->place ? NULL : worker_on_upgrade,
		.on_log = worker_on_log,
		.arg = &worker,
		.has_master = setup->place != NULL,
		.stop_signal = setup->place && exec_is_wanted(&setup->options->exec) ? WORKER_STOP_SIGNAL : 0};
	signals_init(&worker.signals, worker.ev); /* before the log says that the server listens */
	worker.page = setup->place ? setup->place->stats : stats_pages_new(1);
	code = worker_start(&worker);
	if (code == EXIT_FINE) {
		ev_timer_init(&worker.crowd_timer, worker_on_crowd_check, CROWD_CHECK_S, CROWD_CHECK_S);
		worker.crowd_timer.data = &worker;
		ev_timer_start(worker.ev, &worker.crowd_timer); /* also keeps ev_run() going until worker_on_done() */
		ev_timer_init(&worker.stats_timer, worker_on_stats, STATS_INTERVAL_S, STATS_INTERVAL_S);
		worker.stats_timer.data = &worker;
		ev_timer_start(worker.ev, &worker.stats_timer);
		if (!setup->place && setup->options->hang_warning > 0)
			worker.watchdog = watchdog_start(worker.vitals, setup->options->hang_warning);
		worker_notify_ready(&worker);
		worker_start_alive_timer(&worker);
		ev_run(worker.ev, 0);
		watchdog_stop(worker.watchdog);
		ev_timer_stop(worker.ev, &worker.alive_timer);
		ev_timer_stop(worker.ev, &worker.stats_timer);
		ev_timer_stop(worker.ev, &worker.crowd_timer);
		log_event(LOG_INFO, "stopped", NULL);
	}
	admin_free(worker.admin);
	outreach_fini(&worker.outreach);
	listener_set_close(&worker.clients_sockets);
	listener_set_close(&worker.admin_sockets);
	signals_fini(&worker.signals, worker.ev);
	worker_unwatch(&worker);
	sio_server_free(worker.io);
	if (!setup->place) {
		stats_pages_free(worker.page, 1);
		vitals_free(worker.vitals, 1);
		log_control_free(worker.own_log);
	}
	app_unload(&worker.app);
	ev_loop_destroy(worker.ev);
	return code;
}
