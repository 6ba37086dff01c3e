/* The lists of the HTTP API: sockets by id, rooms by name, of all nodes, page by page. */
#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_value.h"

#define ANSWER_END (1u << 20) /* beyond API_ANSWER_MAX, for the cursor: the longest name of a room, escaped */

/* A page while it is written: elements behind the cursor, in order of their names. */
struct page {
	struct buffer out;
	const struct api_query *query;
	unsigned written;
	const char *last; /* name of the last one written */
	bool cut;	  /* there is more */
};

static void
no_memory(struct api_call *c)
{
	struct api_fault f;

	(void)api_fault(&f, 503, "no_memory", TEXT_NONE, "there is no memory for this list");
	api_refuse(c, &f);
}

static void
page_begin(struct page *p, const struct api_query *query, const char *name)
{
	*p = (struct page){.query = query};
	buffer_init(&p->out, API_ANSWER_MAX);
	buffer_printf(&p->out, "{\"%s\":[", name);
}

static bool
is_behind(const struct page *p, const char *name)
{
	struct text after = p->query->after;
	size_t n = strlen(name), least = n < after.n ? n : after.n;
	int order = least != 0 ? memcmp(name, after.at, least) : 0;

	return order != 0 ? order > 0 : n > after.n;
}

/* Takes back what did not fit, with all that would follow. `len`: where the element begins, its comma included. */
static void
page_next(struct page *p, const char *name, size_t len)
{
	if (buffer_error(&p->out) == 0) {
		p->written++;
		p->last = name;
		return;
	}
	p->out.error = 0;
	p->out.len = len;
	p->cut = true;
}

/* True: there is room for one more. */
static bool
page_wants(struct page *p, const char *name)
{
	if (p->cut || !is_behind(p, name))
		return false;
	if (p->written == p->query->limit) {
		p->cut = true;
		return false;
	}
	if (p->written != 0)
		buffer_add_byte(&p->out, ',');
	return true;
}

/* An element that is larger than a page alone is passed over by its cursor. */
static void
page_answer(struct api_call *c, struct page *p, int error, unsigned silent, const char *next)
{
	p->out.max += ANSWER_END;
	buffer_printf(&p->out, "],\"complete\":%s,\"silentNodes\":%u,\"truncated\":%s",
		error == 0 && silent == 0 ? "true" : "false", silent, p->cut ? "true" : "false");
	if (p->cut) {
		buffer_add_text(&p->out, TEXT(",\"cursor\":"));
		json_write_string(&p->out, text_from(next));
	}
	buffer_add_text(&p->out, TEXT("}\n"));
	api_answer(c, 200, buffer_text(&p->out), true);
	buffer_fini(&p->out);
}

/* Without an answer at all. */
static bool
failed(struct api_call *c, int error)
{
	struct api_fault f;

	if (error != SIO_ERR_STATE && error != SIO_ERR_SYSTEM)
		return false;
	if (error == SIO_ERR_SYSTEM) {
		no_memory(c);
		return true;
	}
	(void)api_fault(&f, 503, "unavailable", TEXT_NONE, "the server is stopping");
	api_refuse(c, &f);
	return true;
}

/* Asks all nodes for the sockets, or answers that there are none. */
static void
fetch(struct api_call *c, sio_fetch_fn *fn, const char *name)
{
	const struct api_query *q = &c->query;
	struct api_reach reach;
	struct sio_raw_to to;
	struct page p;

	if (!api_find(c, q->nsp, &reach))
		return;
	if (reach.nsp == NULL) {
		page_begin(&p, q, name);
		page_answer(c, &p, 0, 0, NULL);
		return;
	}
	to = (struct sio_raw_to){.nsp = reach.nsp, .who = {.rooms = q->rooms, .rooms_count = q->room_count}};
	if (sio_raw_fetch(&to, fn, c) < 0)
		no_memory(c);
	else
		api_wait(c);
}

static bool
read_query(struct api_call *c, bool sockets)
{
	struct api_fault f;

	if (api_query_read(&c->query, sockets, c->r->query, &f))
		return true;
	api_refuse(c, &f);
	return false;
}

/* ----------------------------------------------------------------- sockets */

static int
by_id(const void *a, const void *b)
{
	const sio_socket_info *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static void
write_value(struct buffer *out, const char *name, sio_value value)
{
	const struct sio_value_owner *owner = value.owner;
	size_t n = 0;
	const char *json = sio_json(value, &n);

	buffer_printf(out, ",\"%s\":", name);
	if (json == NULL || n == 0)
		buffer_add_text(out, TEXT("null"));
	else
		(void)json_base64_write(text_of(json, n), owner != NULL ? owner->attachments : NULL, out);
}

/* Its own room, which bears its id, is left out. */
static void
write_socket(struct buffer *out, const sio_socket_info *s, unsigned parts)
{
	unsigned written = 0;

	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, text_from(s->id));
	if ((parts & API_PART_ROOMS) != 0) {
		buffer_add_text(out, TEXT(",\"rooms\":["));
		for (unsigned i = 0; i < s->rooms_count; i++) {
			if (strcmp(s->rooms[i], s->id) == 0)
				continue;
			if (written++ != 0)
				buffer_add_byte(out, ',');
			json_write_string(out, text_from(s->rooms[i]));
		}
		buffer_add_byte(out, ']');
	}
	if ((parts & API_PART_DATA) != 0)
		write_value(out, "data", s->data);
	if ((parts & API_PART_HANDSHAKE) != 0)
		write_value(out, "handshake", s->handshake);
	buffer_add_byte(out, '}');
}

static void
on_sockets(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	const sio_socket_info **sorted;
	struct api_call *c = arg;
	const char *next = NULL;
	struct page p;

	(void)io;
	if (api_orphan(c) || failed(c, error))
		return;
	sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	if (sorted == NULL) {
		no_memory(c);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		sorted[i] = &sockets[i];
	qsort(sorted, n, sizeof *sorted, by_id);
	page_begin(&p, &c->query, "sockets");
	for (unsigned i = 0; i < n && !p.cut; i++) {
		size_t len = p.out.len;

		if (!page_wants(&p, sorted[i]->id))
			continue;
		write_socket(&p.out, sorted[i], c->query.parts);
		page_next(&p, sorted[i]->id, len);
		next = p.last != NULL ? p.last : sorted[i]->id;
	}
	page_answer(c, &p, error, silent, next);
	mem_free(sorted);
}

void
api_list_sockets(struct api_call *c)
{
	if (read_query(c, true))
		fetch(c, on_sockets, "sockets");
}

/* ------------------------------------------------------------------- rooms */

static int
by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The rooms of all sockets, own ones left out: one entry for each socket that is in it. */
static const char **
all_rooms(const sio_socket_info *sockets, unsigned n, size_t *count)
{
	const char **rooms;
	size_t size = 1;

	for (unsigned i = 0; i < n; i++)
		size += sockets[i].rooms_count;
	rooms = mem_try_alloc(size * sizeof *rooms);
	*count = 0;
	for (unsigned i = 0; rooms != NULL && i < n; i++) {
		for (unsigned r = 0; r < sockets[i].rooms_count; r++) {
			if (strcmp(sockets[i].rooms[r], sockets[i].id) != 0)
				rooms[(*count)++] = sockets[i].rooms[r];
		}
	}
	return rooms;
}

static void
write_rooms(struct page *p, const char **rooms, size_t count)
{
	size_t same;

	for (size_t i = 0; i < count && !p->cut; i += same) {
		size_t len = p->out.len;

		for (same = 1; i + same < count && strcmp(rooms[i + same], rooms[i]) == 0;)
			same++;
		if (!page_wants(p, rooms[i]))
			continue;
		buffer_add_text(&p->out, TEXT("{\"name\":"));
		json_write_string(&p->out, text_from(rooms[i]));
		buffer_printf(&p->out, ",\"sockets\":%zu}", same);
		page_next(p, rooms[i], len);
	}
}

static void
on_rooms(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	struct api_call *c = arg;
	const char **rooms;
	struct page p;
	size_t count;

	(void)io;
	if (api_orphan(c) || failed(c, error))
		return;
	rooms = all_rooms(sockets, n, &count);
	if (rooms == NULL) {
		no_memory(c);
		return;
	}
	qsort(rooms, count, sizeof *rooms, by_name);
	page_begin(&p, &c->query, "rooms");
	write_rooms(&p, rooms, count);
	page_answer(c, &p, error, silent, p.last);
	mem_free(rooms);
}

void
api_list_rooms(struct api_call *c)
{
	if (read_query(c, false))
		fetch(c, on_rooms, "rooms");
}
