/*
 * The sockets of Node.js servers that exist when an admin arrives. A Node.js server cannot be told to list them, so
 * the server of the admin fetches the sockets of all servers, namespace by namespace. It leaves out those of Sockeye
 * servers, which send their own (adminui_list.c), and sends the others SLICE at a time.
 */
#include <string.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_raw.h"

#define SLICE 32
#define SLICE_MS 10
#define SOCKET_MAX (64 * 1024)	     /* bytes; a socket with more data and rooms is not shown */
#define QUEUE_MAX (16 * 1024 * 1024) /* bytes of all sockets that wait to be sent */

/* A socket that waits to be sent to an admin. */
struct foreign_socket {
	struct list link;
	size_t n;
	char admin[SIO_ID_LENGTH + 1];
	char date[ADMINUI_DATE];
	char json[];
};

/* One question to all servers. */
struct foreign_fetch {
	struct adminui *ui;
	char admin[SIO_ID_LENGTH + 1];
	char nsp[];
};

static void
foreign_free(struct adminui *ui, struct foreign_socket *socket)
{
	ui->foreign_bytes -= socket->n;
	list_remove(&socket->link);
	mem_free(socket);
}

static void
foreign_on_slice(struct wheel_entry *entry)
{
	struct adminui *ui = container_of(entry, struct adminui, foreign_slice);

	for (unsigned i = 0; i < SLICE && !list_empty(&ui->foreign); i++) {
		struct foreign_socket *socket = list_entry(ui->foreign.next, struct foreign_socket, link);

		sio_emit(sio_local(sio_to(sio_all(ui->nsp), socket->admin)), "socket_connected", "js", socket->json,
			socket->date);
		foreign_free(ui, socket);
	}
	if (!list_empty(&ui->foreign))
		loop_arm(ui->loop, &ui->foreign_slice, SLICE_MS);
}

/* Returns false if the queue is full. */
static bool
foreign_add(const struct foreign_fetch *fetch, const sio_socket_info *info, struct buffer *scratch)
{
	struct adminui *ui = fetch->ui;
	struct foreign_socket *socket;

	buffer_reset(scratch);
	adminui_remote_write(info, fetch->nsp, scratch);
	if (buffer_error(scratch) != 0)
		counter_add(&ui->loop->counters, COUNT_ADMINUI_DROPPED, 1);
	if (scratch->len == 0 || buffer_error(scratch) != 0)
		return true;
	socket = ui->foreign_bytes + scratch->len <= QUEUE_MAX ? mem_try_alloc(sizeof *socket + scratch->len + 1)
							       : NULL;
	if (socket == NULL)
		return false;
	socket->n = scratch->len;
	memcpy(socket->admin, fetch->admin, sizeof socket->admin);
	adminui_date((uint64_t)sio_double(sio_get(info->handshake, "issued"), 0.), socket->date);
	memcpy(socket->json, scratch->data, scratch->len);
	socket->json[scratch->len] = '\0';
	ui->foreign_bytes += socket->n;
	list_add_tail(&ui->foreign, &socket->link);
	return true;
}

static void
foreign_on_fetched(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	struct foreign_fetch *fetch = arg;
	struct adminui *ui = fetch->ui;
	const sio_nsp *nsp = sio_raw_nsp(ui->io, text_from(fetch->nsp)); /* NULL: its last socket here has left */
	struct buffer scratch;
	bool whole = error != SIO_ERR_SYSTEM;

	(void)io;
	(void)silent;
	buffer_init(&scratch, SOCKET_MAX);
	for (unsigned i = 0; i < n && !ui->stopped; i++) {
		if (sio_find(ui->nsp, fetch->admin) == NULL)
			break;
		if (nsp == NULL || sio_raw_find(nsp, text_from(sockets[i].id)) == NULL)
			whole = foreign_add(fetch, &sockets[i], &scratch) && whole;
	}
	buffer_fini(&scratch);
	if (!whole)
		log_event(LOG_WARN, "admin_ui", "error", LOG_STR("the list of sockets is incomplete"), "reason",
			LOG_STR("too-many-sockets"), NULL);
	if (!list_empty(&ui->foreign) && !wheel_armed(&ui->foreign_slice))
		loop_arm(ui->loop, &ui->foreign_slice, 0);
	mem_free(fetch);
}

struct foreign_round {
	struct adminui *ui;
	const char *admin;
};

static void
foreign_ask(void *arg, struct text name, unsigned sockets)
{
	const struct foreign_round *round = arg;
	struct sio_raw_to to = {.nsp = sio_raw_nsp(round->ui->io, name), .flags = SIO_FLAG_MARKED};
	struct foreign_fetch *fetch = mem_try_alloc(sizeof *fetch + name.n + 1);

	(void)sockets;
	if (fetch == NULL)
		return;
	fetch->ui = round->ui;
	memcpy(fetch->admin, round->admin, SIO_ID_LENGTH + 1);
	memcpy(fetch->nsp, name.at, name.n);
	fetch->nsp[name.n] = '\0';
	if (sio_raw_fetch(&to, foreign_on_fetched, fetch) != 0)
		mem_free(fetch);
}

static void
foreign_list_for(sio_socket *socket, void *arg)
{
	struct foreign_round round = {arg, sio_id(socket)};
	struct adminui_admin *admin = sio_user(socket);
	struct sio_stats stats;

	if (admin == NULL || admin->foreign_listed || strlen(round.admin) != SIO_ID_LENGTH)
		return;
	admin->foreign_listed = true;
	sio_core_stats(round.ui->io, &stats, foreign_ask, &round);
}

void
adminui_foreign_look(struct adminui *ui)
{
	if (sio_foreign_servers(ui->io) > 0)
		(void)sio_local_sockets(sio_all(ui->nsp), foreign_list_for, ui);
}

void
adminui_foreign_init(struct adminui *ui)
{
	list_init(&ui->foreign);
	wheel_entry_init(&ui->foreign_slice, foreign_on_slice);
}

void
adminui_foreign_stop(struct adminui *ui)
{
	while (!list_empty(&ui->foreign))
		foreign_free(ui, list_entry(ui->foreign.next, struct foreign_socket, link));
	loop_disarm(ui->loop, &ui->foreign_slice);
}
