/*
 * The events of development mode, emitted to the admins of all servers while somebody looks. At most
 * EVENTS_PER_SECOND of them are emitted, since a busy server has more events than a person can read; the others are
 * counted.
 */
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_raw.h"

#define EVENTS_PER_SECOND 1000
#define OWNED_MAX 8192	       /* bytes of an event beside its own text: namespace and id with escapes, the date */
#define SOCKET_MAX (64 * 1024) /* bytes; a socket with more data and rooms is not shown */

/* Returns true if one more event may be emitted in this second, and writes the date that the event carries. */
static bool
live_begin_event(struct adminui *ui, char date[ADMINUI_DATE])
{
	uint64_t now = loop_wall_ms();

	if (ui->second != now / 1000) {
		ui->second = now / 1000;
		ui->shown = 0;
	}
	if (ui->shown == EVENTS_PER_SECOND) {
		counter_add(&ui->loop->counters, COUNT_ADMINUI_DROPPED, 1);
		return false;
	}
	ui->shown++;
	adminui_date(now, date);
	return true;
}

/* The dashboard learns of a socket before it learns what the application does with it. */
static void
live_on_connection(void *arg, sio_socket *socket)
{
	struct adminui *ui = arg;
	char date[ADMINUI_DATE];
	struct buffer out;

	if (!live_begin_event(ui, date))
		return;
	buffer_init(&out, SOCKET_MAX);
	adminui_socket_write(socket, &out);
	buffer_add_byte(&out, '\0');
	if (buffer_error(&out) == 0)
		sio_emit(sio_all(ui->nsp), "socket_connected", "js", (const char *)out.data, date);
	buffer_fini(&out);
}

static void
live_on_upgrade(sio_socket *socket, void *arg)
{
	struct adminui *ui = arg;
	char date[ADMINUI_DATE];

	if (live_begin_event(ui, date))
		sio_emit(sio_all(ui->nsp), "socket_updated", "{s:s,s:s,s:s}", "id", sio_id(socket), "nsp",
			sio_nsp_name(sio_socket_nsp(socket)), "transport", sio_transport(socket));
}

/* Listens to "disconnecting": the dashboard expects this event before the room_left events of the socket. */
static void
live_on_disconnecting(sio_socket *socket, const char *reason, void *arg)
{
	struct adminui *ui = arg;
	char date[ADMINUI_DATE];

	if (live_begin_event(ui, date))
		sio_emit(sio_all(ui->nsp), "socket_disconnected", "ssss", sio_nsp_name(sio_socket_nsp(socket)),
			sio_id(socket), reason, date);
}

static void
live_on_room(sio_nsp *nsp, sio_room_change change, const char *room, const char *id, void *arg)
{
	struct adminui *ui = arg;
	char date[ADMINUI_DATE];

	if ((change == SIO_ROOM_JOINED || change == SIO_ROOM_LEFT) && live_begin_event(ui, date))
		sio_emit(sio_all(ui->nsp), change == SIO_ROOM_JOINED ? "room_joined" : "room_left", "ssss",
			sio_nsp_name(nsp), room, id, date);
}

static void
live_show_event(struct adminui *ui, const char *name, sio_socket *socket, sio_event *event)
{
	char date[ADMINUI_DATE];

	if (live_begin_event(ui, date))
		sio_emit(sio_all(ui->nsp), name, "ss[s*]s", sio_nsp_name(sio_socket_nsp(socket)), sio_id(socket),
			sio_event_name(event), event, date);
}

static void
live_on_received(sio_socket *socket, sio_event *event, void *arg)
{
	live_show_event(arg, "event_received", socket, event);
}

static void
live_on_sent(sio_socket *socket, sio_event *event, void *arg)
{
	live_show_event(arg, "event_sent", socket, event);
}

/* Events of the admins themselves are not shown, which would cause events without end. */
static void
live_listen(struct adminui *ui, sio_nsp *nsp)
{
	sio_on_disconnecting(nsp, live_on_disconnecting, ui);
	sio_on_upgrade(nsp, live_on_upgrade, ui);
	sio_on_room(nsp, live_on_room, ui);
	if (nsp == ui->nsp)
		return;
	sio_on_any(nsp, live_on_received, ui);
	sio_on_any_outgoing(nsp, live_on_sent, ui);
}

static void
live_ignore(struct adminui *ui, sio_nsp *nsp)
{
	sio_off_disconnecting(nsp, live_on_disconnecting, ui);
	sio_off_upgrade(nsp, live_on_upgrade, ui);
	sio_off_room(nsp, live_on_room, ui);
	if (nsp == ui->nsp)
		return;
	sio_off_any(nsp, live_on_received, ui);
	sio_off_any_outgoing(nsp, live_on_sent, ui);
}

static void
live_on_namespace(void *arg, sio_nsp *nsp)
{
	live_listen(arg, nsp);
}

static void
live_on_data(void *arg, sio_socket *socket)
{
	struct adminui *ui = arg;
	sio_value data = sio_data(socket);
	char date[ADMINUI_DATE];

	if (!live_begin_event(ui, date))
		return;
	if (sio_type_of(data) == SIO_NONE)
		sio_emit(sio_all(ui->nsp), "socket_updated", "{s:s,s:s,s:{}}", "id", sio_id(socket), "nsp",
			sio_nsp_name(sio_socket_nsp(socket)), "data");
	else
		sio_emit(sio_all(ui->nsp), "socket_updated", "{s:s,s:s,s:v}", "id", sio_id(socket), "nsp",
			sio_nsp_name(sio_socket_nsp(socket)), "data", data);
}

/* An event for a backend application, which no listener gets. */
static void
live_on_owned_event(void *arg, sio_socket *socket, const struct sio_raw_event *event)
{
	struct adminui *ui = arg;
	struct sio_raw_to to = {.nsp = ui->nsp};
	struct sio_content content = {.attachments = event->attachments};
	char date[ADMINUI_DATE];
	struct buffer out;

	if (!live_begin_event(ui, date))
		return;
	buffer_init(&out, event->json.n + OWNED_MAX);
	buffer_add_text(&out, TEXT("[\"event_received\","));
	json_write_string(&out, text_from(sio_nsp_name(sio_socket_nsp(socket))));
	buffer_add_byte(&out, ',');
	json_write_string(&out, text_from(sio_id(socket)));
	buffer_add_byte(&out, ',');
	buffer_add_text(&out, event->json);
	buffer_printf(&out, ",\"%s\"]", date);
	content.json = buffer_text(&out);
	if (buffer_error(&out) == 0)
		(void)sio_raw_cast(&to, &content);
	buffer_fini(&out);
}

static void
live_observe(struct adminui *ui)
{
	const struct sio_observer watched = {.on_namespace = live_on_namespace,
		.on_connection = live_on_connection,
		.on_data = live_on_data,
		.on_owned_event = live_on_owned_event,
		.write_mark = adminui_mark_write};
	const struct sio_observer idle = {.write_mark = adminui_mark_write};

	sio_raw_observe(ui->io, ui->live ? &watched : &idle, ui);
}

static void
live_each(void *arg, struct text name, unsigned sockets)
{
	struct adminui *ui = arg;
	sio_nsp *nsp = sio_raw_nsp(ui->io, name);

	(void)sockets;
	if (ui->live)
		live_listen(ui, nsp);
	else
		live_ignore(ui, nsp);
}

static void
live_set(struct adminui *ui, bool live)
{
	struct sio_stats stats;

	if (ui->live == live)
		return;
	ui->live = live;
	sio_core_stats(ui->io, &stats, live_each, ui);
	live_observe(ui);
}

void
adminui_live_init(struct adminui *ui)
{
	live_observe(ui);
}

void
adminui_live_fini(struct adminui *ui)
{
	sio_raw_observe(ui->io, NULL, NULL);
}

void
adminui_live_begin(struct adminui *ui)
{
	live_set(ui, true);
}

void
adminui_live_end(struct adminui *ui)
{
	live_set(ui, false);
}
