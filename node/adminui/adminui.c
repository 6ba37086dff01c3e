#include "node/adminui/adminui.h"

#include "common/base/mem.h"
#include "node/adminui/adminui_internal.h"

#define TICK_MS 1000
#define STATS_TICKS 2

static bool
adminui_is_wanted(const struct adminui *ui)
{
	return ui->admins > 0 || ui->loop->now < ui->watched_until || sio_foreign_servers(ui->io) > 0;
}

/* Begins or ends the work for admins. */
static void
adminui_look(struct adminui *ui)
{
	bool wanted = !ui->stopped && adminui_is_wanted(ui);

	if (wanted == ui->watched)
		return;
	ui->watched = wanted;
	if (wanted)
		adminui_stats_begin(ui);
	if (wanted && adminui_shows_events(ui))
		adminui_live_begin(ui);
	else
		adminui_live_end(ui);
}

static void
adminui_on_tick(struct wheel_entry *entry)
{
	struct adminui *ui = container_of(entry, struct adminui, tick);
	bool due = ++ui->ticks % STATS_TICKS == 0;

	loop_arm(ui->loop, &ui->tick, TICK_MS);
	if (due)
		adminui_look(ui);
	if (due && ui->admins > 0)
		sio_server_side_emit(ui->nsp, ADMINUI_SAY_WATCH, NULL);
	if (!ui->watched)
		return;
	adminui_stats_sample(ui);
	if (due)
		adminui_stats_emit(ui);
	if (due && ui->admins > 0 && adminui_shows_events(ui))
		adminui_foreign_look(ui);
}

static void
adminui_on_watch(sio_nsp *nsp, sio_event *event, void *arg)
{
	struct adminui *ui = arg;

	(void)nsp;
	(void)event;
	ui->watched_until = ui->loop->now + ADMINUI_WATCH_MS;
	if (ui->watched || ui->stopped)
		return;
	adminui_look(ui);
	adminui_stats_emit(ui);
}

static void
adminui_on_list(sio_nsp *nsp, sio_event *event, void *arg)
{
	const char *admin = sio_string(sio_arg(event, 0), NULL);

	(void)nsp;
	if (admin != NULL)
		adminui_list_begin(arg, admin);
}

static void
adminui_emit_config(const struct adminui *ui, sio_socket *socket)
{
	bool commands = !ui->options->readonly, events = adminui_shows_events(ui);

	sio_emit(sio_only(socket), "config", "{s:j}", "supportedFeatures",
		commands && events
			? "[\"EMIT\",\"JOIN\",\"LEAVE\",\"DISCONNECT\",\"MJOIN\",\"MLEAVE\",\"MDISCONNECT\","
			  "\"AGGREGATED_EVENTS\",\"ALL_EVENTS\"]"
		: commands ? "[\"EMIT\",\"JOIN\",\"LEAVE\",\"DISCONNECT\",\"MJOIN\",\"MLEAVE\",\"MDISCONNECT\","
			     "\"AGGREGATED_EVENTS\"]"
		: events   ? "[\"AGGREGATED_EVENTS\",\"ALL_EVENTS\"]"
			   : "[\"AGGREGATED_EVENTS\"]");
}

static void
adminui_on_connection(sio_socket *socket, void *arg)
{
	const struct adminui_admin *admin = sio_user(socket);
	struct adminui *ui = arg;

	if (admin != NULL && admin->session[0] != '\0')
		sio_emit(sio_only(socket), "session", "s", admin->session);
	adminui_emit_config(ui, socket);
	ui->admins++;
	sio_server_side_emit(ui->nsp, ADMINUI_SAY_WATCH, NULL);
	adminui_look(ui);
	adminui_stats_emit(ui);
	if (!adminui_shows_events(ui))
		return;
	adminui_list_begin(ui, sio_id(socket));
	adminui_foreign_look(ui);
	sio_server_side_emit(ui->nsp, ADMINUI_SAY_LIST, "s", sio_id(socket));
}

static void
adminui_on_disconnect(sio_socket *socket, const char *reason, void *arg)
{
	struct adminui *ui = arg;

	(void)socket;
	(void)reason;
	ui->admins--;
}

struct adminui *
adminui_new(const struct adminui_setup *setup)
{
	struct adminui *ui;

	if (!setup->options->enabled)
		return NULL;
	ui = mem_zalloc(sizeof *ui);
	ui->loop = setup->loop;
	ui->io = setup->io;
	ui->engine = setup->engine;
	ui->options = setup->options;
	if (!adminui_login_init(ui)) {
		mem_free(ui);
		return NULL;
	}
	ui->nsp = sio_of(ui->io, ADMINUI_NAMESPACE);
	adminui_login_listen(ui);
	sio_on_connection(ui->nsp, adminui_on_connection, ui);
	sio_on_disconnect(ui->nsp, adminui_on_disconnect, ui);
	sio_on_server_event(ui->nsp, ADMINUI_SAY_WATCH, adminui_on_watch, ui);
	adminui_command_init(ui);
	adminui_stats_init(ui, setup->node, setup->worker);
	if (adminui_shows_events(ui))
		sio_on_server_event(ui->nsp, ADMINUI_SAY_LIST, adminui_on_list, ui);
	adminui_list_init(ui);
	adminui_foreign_init(ui);
	adminui_live_init(ui);
	wheel_entry_init(&ui->tick, adminui_on_tick);
	loop_arm(ui->loop, &ui->tick, TICK_MS);
	return ui;
}

bool
adminui_reload(struct adminui *ui)
{
	if (ui == NULL || ui->options->user_file == NULL || ui->options->user_file[0] == '\0')
		return false;
	if (!ui->stopped)
		adminui_login_reload(ui);
	return true;
}

void
adminui_stop(struct adminui *ui)
{
	if (ui == NULL || ui->stopped)
		return;
	ui->stopped = true;
	adminui_look(ui);
	adminui_list_stop(ui);
	adminui_foreign_stop(ui);
	adminui_login_stop(ui);
	loop_disarm(ui->loop, &ui->tick);
}

void
adminui_free(struct adminui *ui)
{
	if (ui == NULL)
		return;
	adminui_stop(ui);
	adminui_live_fini(ui);
	adminui_login_fini(ui);
	adminui_stats_fini(ui);
	mem_free(ui);
}
