/*
 * The sockets that exist when an admin arrives. The admin's server sends its first sockets in all_sockets, which
 * clears the dashboard. All others come in socket_connected, one by one. Each server sends its own sockets, SLICE at
 * a time, so that thousands of them stop neither the loop nor the admin's queue.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_server.h"
#include "node/socketio/sio_socket.h"

#define SLICE 32
#define SLICE_MS 10
#define SOCKETS_MAX 20000      /* of one listing */
#define LISTINGS_MAX 8	       /* under way at the same time */
#define SOCKET_MAX (64 * 1024) /* bytes; a socket with more data and rooms is not shown */

struct listed_namespace {
	char *name;
	unsigned end; /* of its sockets in `ids` */
};

struct listing {
	struct list link;
	char admin[SIO_ID_LENGTH + 1];
	struct listed_namespace *namespaces;
	unsigned namespaces_count, namespaces_size;
	char (*ids)[SIO_ID_LENGTH]; /* the ends of longer ids, which begin with the namespace and "#" */
	unsigned count, size;
	unsigned next, in; /* next socket to be sent, and its namespace */
	bool no_memory;
};

struct gathering {
	struct adminui *ui;
	struct listing *listing;
};

/* ----------------------------------------------------------------- gathering */

/* Returns `items` with room for one more than `count`, or NULL if memory is short. */
static void *
list_grow(void *items, unsigned count, unsigned *size, size_t each)
{
	unsigned wanted = *size == 0 ? 64 : *size * 2;

	if (count < *size)
		return items;
	items = mem_try_realloc(items, wanted * each);
	if (items != NULL)
		*size = wanted;
	return items;
}

static void
list_add_socket(sio_socket *socket, void *arg)
{
	struct listing *listing = arg;
	const char *id = sio_id(socket);
	void *ids;

	if (listing->no_memory || listing->count == SOCKETS_MAX)
		return;
	ids = list_grow(listing->ids, listing->count, &listing->size, sizeof *listing->ids);
	listing->no_memory = ids == NULL;
	if (ids == NULL)
		return;
	listing->ids = ids;
	memcpy(listing->ids[listing->count++], id + strlen(id) - SIO_ID_LENGTH, SIO_ID_LENGTH);
}

static void
list_add_namespace(void *arg, struct text name, unsigned sockets)
{
	struct gathering *gathering = arg;
	struct listing *listing = gathering->listing;
	struct listed_namespace *namespaces;
	char *copy;

	if (sockets == 0 || listing->no_memory)
		return;
	namespaces = list_grow(
		listing->namespaces, listing->namespaces_count, &listing->namespaces_size, sizeof *namespaces);
	copy = mem_try_text(name.at, name.n);
	if (namespaces != NULL)
		listing->namespaces = namespaces;
	listing->no_memory = namespaces == NULL || copy == NULL;
	if (listing->no_memory) {
		mem_free(copy);
		return;
	}
	(void)sio_local_sockets(sio_all(sio_raw_nsp(gathering->ui->io, name)), list_add_socket, listing);
	namespaces[listing->namespaces_count++] = (struct listed_namespace){copy, listing->count};
}

static void
listing_free(struct adminui *ui, struct listing *listing)
{
	list_remove(&listing->link);
	ui->listings_count--;
	for (unsigned i = 0; i < listing->namespaces_count; i++)
		mem_free(listing->namespaces[i].name);
	mem_free(listing->namespaces);
	mem_free(listing->ids);
	mem_free(listing);
}

/* ------------------------------------------------------------------- sending */

/* Returns NULL if the socket has left. */
static sio_socket *
listed_find(const struct adminui *ui, const char *in, const char id[SIO_ID_LENGTH])
{
	const sio_nsp *nsp = sio_raw_nsp(ui->io, text_from(in));
	char longer[SIO_NSP_NAME_MAX + 1 + SIO_ID_LENGTH + 1];
	sio_socket *socket;

	if (nsp == NULL)
		return NULL;
	socket = sio_raw_find(nsp, text_of(id, SIO_ID_LENGTH));
	if (socket != NULL)
		return socket;
	snprintf(longer, sizeof longer, "%s#%.*s", in, SIO_ID_LENGTH, id); /* a client of Socket.IO 1 or 2 */
	return sio_raw_find(nsp, text_from(longer));
}

/* Returns the next socket that is still connected, or NULL at the end of the slice or of the listing. */
static sio_socket *
listing_next(struct adminui *ui, struct listing *listing, unsigned end)
{
	while (listing->next < end) {
		const struct listed_namespace *in = &listing->namespaces[listing->in];
		sio_socket *socket;

		if (listing->next == in->end) {
			listing->in++;
			continue;
		}
		socket = listed_find(ui, in->name, listing->ids[listing->next++]);
		if (socket != NULL)
			return socket;
	}
	return NULL;
}

static unsigned
listing_slice_end(const struct listing *listing)
{
	return listing->count - listing->next > SLICE ? listing->next + SLICE : listing->count;
}

/* Writes the next socket of the slice into `out`. Returns NULL at the end. */
static sio_socket *
listing_write_next(struct adminui *ui, struct listing *listing, unsigned end, struct buffer *out)
{
	sio_socket *socket;

	while ((socket = listing_next(ui, listing, end)) != NULL) {
		buffer_reset(out);
		adminui_socket_write(socket, out);
		if (buffer_error(out) == 0)
			break;
		counter_add(&ui->loop->counters, COUNT_ADMINUI_DROPPED, 1);
	}
	return socket;
}

static void
listing_send_first(struct adminui *ui, struct listing *listing)
{
	unsigned end = listing_slice_end(listing);
	struct buffer one, all;

	buffer_init(&one, SOCKET_MAX);
	buffer_init(&all, SLICE * (SOCKET_MAX + 1) + 3);
	while (listing_write_next(ui, listing, end, &one) != NULL) {
		buffer_add_byte(&all, all.len == 0 ? '[' : ',');
		buffer_add_text(&all, buffer_text(&one));
	}
	buffer_add_text(&all, all.len == 0 ? TEXT("[]") : TEXT("]"));
	buffer_add_byte(&all, '\0');
	/*
	 * When all_sockets arrives, the dashboard shows the namespace "/" first if it knows that namespace, else
	 * another one. This event makes "/" known even if all its sockets are at other servers. It changes no socket.
	 */
	sio_emit(sio_to(sio_all(ui->nsp), listing->admin), "socket_updated", "{s:s,s:s}", "id", "", "nsp", "/");
	if (buffer_error(&all) == 0)
		sio_emit(sio_to(sio_all(ui->nsp), listing->admin), "all_sockets", "j", (const char *)all.data);
	buffer_fini(&all);
	buffer_fini(&one);
}

static void
listing_send_slice(struct adminui *ui, struct listing *listing)
{
	unsigned end = listing_slice_end(listing);
	char date[ADMINUI_DATE];
	sio_socket *socket;
	struct buffer out;

	buffer_init(&out, SOCKET_MAX);
	while ((socket = listing_write_next(ui, listing, end, &out)) != NULL) {
		buffer_add_byte(&out, '\0');
		adminui_date(sio_issued(socket), date);
		if (buffer_error(&out) == 0)
			sio_emit(sio_to(sio_all(ui->nsp), listing->admin), "socket_connected", "js",
				(const char *)out.data, date);
	}
	buffer_fini(&out);
}

static void
list_on_slice(struct wheel_entry *entry)
{
	struct adminui *ui = container_of(entry, struct adminui, slice);
	struct listing *listing;

	if (list_empty(&ui->listings))
		return;
	listing = list_entry(ui->listings.next, struct listing, link);
	listing_send_slice(ui, listing);
	if (listing->next == listing->count)
		listing_free(ui, listing);
	if (!list_empty(&ui->listings))
		loop_arm(ui->loop, &ui->slice, SLICE_MS);
}

void
adminui_list_begin(struct adminui *ui, const char *admin)
{
	struct gathering gathering = {.ui = ui};
	bool here = sio_find(ui->nsp, admin) != NULL;
	struct listing *listing;
	struct sio_stats stats;

	if (ui->stopped || strlen(admin) != SIO_ID_LENGTH)
		return;
	listing = mem_zalloc(sizeof *listing);
	memcpy(listing->admin, admin, SIO_ID_LENGTH + 1);
	list_add_tail(&ui->listings, &listing->link);
	gathering.listing = listing;
	if (++ui->listings_count <= LISTINGS_MAX)
		sio_core_stats(ui->io, &stats, list_add_namespace, &gathering);
	if (listing->no_memory || listing->count == SOCKETS_MAX || ui->listings_count > LISTINGS_MAX)
		log_event(LOG_WARN, "admin_ui", "error", LOG_STR("the list of sockets is incomplete"), "reason",
			LOG_STR(listing->no_memory		? "no-memory"
				: listing->count == SOCKETS_MAX ? "too-many-sockets"
								: "too-many-lists"),
			NULL);
	if (here)
		listing_send_first(ui, listing);
	if (listing->next == listing->count)
		listing_free(ui, listing);
	else if (!wheel_armed(&ui->slice))
		loop_arm(ui->loop, &ui->slice, SLICE_MS);
}

void
adminui_list_init(struct adminui *ui)
{
	list_init(&ui->listings);
	wheel_entry_init(&ui->slice, list_on_slice);
}

void
adminui_list_stop(struct adminui *ui)
{
	while (!list_empty(&ui->listings))
		listing_free(ui, list_entry(ui->listings.next, struct listing, link));
	loop_disarm(ui->loop, &ui->slice);
}
