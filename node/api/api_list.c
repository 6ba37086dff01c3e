/*
 * The lists of the HTTP API, of all nodes, page by page. A page is chosen by names first, so that no node sends
 * everything that it knows for a page of a few:
 *
 *   sockets   their ids -> the page -> what is known of these
 *   rooms     their names, own rooms of sockets among them -> the ids, which are no rooms -> the page
 *             -> who is in these, unless counts are not wanted
 *
 * Each arrow is a question to all nodes, and sockets come and go between them: whoever is gone at the last one is
 * left out. The namespace is looked up for each, as it is good for one turn.
 */
#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_value.h"

#define ANSWER_END (1u << 20) /* beyond API_ANSWER_MAX, for the cursor: the longest name of a room, escaped */

static void
no_memory(struct api_call *c)
{
	struct api_fault f;

	(void)api_fault(&f, 503, "no_memory", TEXT_NONE, "there is no memory for this list");
	api_refuse(c, &f);
}

/* The end of a question. False: the call has ended too. */
static bool
goes_on(struct api_call *c, int error, unsigned silent)
{
	struct api_fault f;

	if (api_orphan(c))
		return false;
	if (c->r == NULL) { /* nobody is left who wants to know */
		api_call_free(c);
		return false;
	}
	if (error == SIO_ERR_SYSTEM) {
		no_memory(c);
		return false;
	}
	if (error == SIO_ERR_STATE) {
		(void)api_fault(&f, 503, "unavailable", TEXT_NONE, "the server is stopping");
		api_refuse(c, &f);
		return false;
	}
	c->partial |= error != 0 || silent != 0;
	c->silent = silent > c->silent ? silent : c->silent;
	return true;
}

/* ------------------------------------------------------------------- names */

static int
compare(struct text a, struct text b)
{
	size_t least = a.n < b.n ? a.n : b.n;
	int order = least != 0 ? memcmp(a.at, b.at, least) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int
by_name(const void *a, const void *b)
{
	return compare(*(const struct text *)a, *(const struct text *)b);
}

static struct text *
find(const struct api_names_page *p, const char *name)
{
	struct text key = text_from(name);

	return p->count != 0 ? bsearch(&key, p->names, p->count, sizeof key, by_name) : NULL;
}

/* Copies them in order, without those of `but`: all (limit 0), or `limit` of those behind the cursor. */
static bool
take_names(struct api_names_page *out, const struct text *all, unsigned n, const struct api_names_page *but,
	struct text after, unsigned limit)
{
	struct text *sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	unsigned count = 0;
	size_t bytes = 0;

	if (sorted == NULL)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if ((after.n == 0 || compare(all[i], after) > 0) && (but == NULL || find(but, all[i].at) == NULL))
			sorted[count++] = all[i];
	}
	qsort(sorted, count, sizeof *sorted, by_name);
	out->more = limit != 0 && count > limit;
	out->count = out->more ? limit : count;
	out->names = sorted;
	for (unsigned i = 0; i < out->count; i++)
		bytes += sorted[i].n + 1;
	out->bytes = mem_try_alloc(bytes);
	if (out->bytes == NULL)
		return false;
	bytes = 0;
	for (unsigned i = 0; i < out->count; i++) {
		memcpy(out->bytes + bytes, sorted[i].at, sorted[i].n + 1);
		sorted[i].at = out->bytes + bytes;
		bytes += sorted[i].n + 1;
	}
	return true;
}

static bool
copy_names(struct api_names_page *out, const char *const *names, unsigned n, struct text after, unsigned limit)
{
	struct text *all = mem_try_alloc((n + 1) * sizeof *all);
	bool copied;

	for (unsigned i = 0; all != NULL && i < n; i++)
		all[i] = text_from(names[i]);
	copied = all != NULL && take_names(out, all, n, NULL, after, limit);
	mem_free(all);
	return copied;
}

/* ----------------------------------------------------------------- answers */

struct answer {
	struct buffer out;
	unsigned written;
	struct text last; /* the last name written */
	bool cut;	  /* by its size */
};

static void
answer_begin(struct answer *a, const char *name)
{
	*a = (struct answer){.written = 0};
	buffer_init(&a->out, API_ANSWER_MAX);
	buffer_printf(&a->out, "{\"%s\":[", name);
}

/* Between two elements. */
static size_t
answer_comma(struct answer *a)
{
	size_t len = a->out.len;

	if (a->written != 0)
		buffer_add_byte(&a->out, ',');
	return len;
}

/* Takes an element back that did not fit; one that never will is passed over by the cursor. */
static void
answer_next(struct answer *a, struct text name, size_t len)
{
	if (buffer_error(&a->out) == 0) {
		a->written++;
		a->last = name;
		return;
	}
	a->out.error = 0;
	a->out.len = len;
	a->cut = true;
	if (a->written == 0)
		a->last = name;
}

static void
answer_end(struct answer *a, struct api_call *c)
{
	bool truncated = a->cut || c->page.more;
	struct text cursor = a->cut ? a->last : c->page.more ? c->page.names[c->page.count - 1] : TEXT_NONE;

	a->out.max += ANSWER_END;
	buffer_printf(&a->out, "],\"complete\":%s,\"silentNodes\":%u,\"truncated\":%s", c->partial ? "false" : "true",
		c->silent, truncated ? "true" : "false");
	if (truncated) {
		buffer_add_text(&a->out, TEXT(",\"cursor\":"));
		json_write_string(&a->out, cursor);
	}
	buffer_add_text(&a->out, TEXT("}\n"));
	api_answer(c, 200, buffer_text(&a->out), true);
	buffer_fini(&a->out);
}

static void
answer_nothing(struct api_call *c, const char *name)
{
	struct answer a;

	answer_begin(&a, name);
	answer_end(&a, c);
}

/* --------------------------------------------------------------- questions */

/* False: the call has been answered. */
static bool
find_namespace(struct api_call *c, struct sio_raw_to *to, const char *name)
{
	struct api_reach reach;

	if (!api_find(c, c->query.nsp, &reach))
		return false;
	*to = (struct sio_raw_to){.nsp = reach.nsp};
	if (reach.nsp == NULL)
		answer_nothing(c, name);
	return reach.nsp != NULL;
}

/* `rc`: what came of asking. */
static void
asked(struct api_call *c, int rc)
{
	if (rc < 0)
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

/* Who is in the rooms of the page; ids are rooms too. */
static void
fetch_page(struct api_call *c, sio_fetch_fn *fn, const char *name)
{
	struct sio_raw_to to;

	if (!find_namespace(c, &to, name))
		return;
	to.who = (struct sio_selector){.rooms = c->page.names, .rooms_count = c->page.count};
	asked(c, sio_raw_fetch(&to, fn, c));
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
	unsigned count = 0;
	struct answer a;

	(void)io;
	if (!goes_on(c, error, silent))
		return;
	sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	if (sorted == NULL) {
		no_memory(c);
		return;
	}
	/* a room may bear the name of somebody's id */
	for (unsigned i = 0; i < n; i++) {
		if (find(&c->page, sockets[i].id) != NULL)
			sorted[count++] = &sockets[i];
	}
	qsort(sorted, count, sizeof *sorted, by_id);
	answer_begin(&a, "sockets");
	for (unsigned i = 0; i < count && !a.cut; i++) {
		size_t len = answer_comma(&a);

		write_socket(&a.out, sorted[i], c->query.parts);
		answer_next(&a, text_from(sorted[i]->id), len);
	}
	answer_end(&a, c);
	mem_free(sorted);
}

static void
on_ids(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	struct api_call *c = arg;

	(void)io;
	if (!goes_on(c, error, silent))
		return;
	if (!copy_names(&c->page, ids, n, c->query.after, c->query.limit))
		no_memory(c);
	else if (c->page.count == 0)
		answer_nothing(c, "sockets");
	else
		fetch_page(c, on_sockets, "sockets");
}

void
api_list_sockets(struct api_call *c)
{
	struct sio_raw_to to;

	if (!read_query(c, true) || !find_namespace(c, &to, "sockets"))
		return;
	to.who = (struct sio_selector){.rooms = c->query.rooms, .rooms_count = c->query.room_count};
	asked(c, sio_raw_ids(&to, on_ids, c));
}

/* ------------------------------------------------------------------- rooms */

/* `counts` NULL: they are not wanted. A room that everybody has left meanwhile is left out. */
static void
answer_rooms(struct api_call *c, const uint32_t *counts)
{
	struct answer a;

	answer_begin(&a, "rooms");
	for (unsigned i = 0; i < c->page.count && !a.cut; i++) {
		size_t len;

		if (counts != NULL && counts[i] == 0)
			continue;
		len = answer_comma(&a);
		buffer_add_text(&a.out, TEXT("{\"name\":"));
		json_write_string(&a.out, c->page.names[i]);
		if (counts != NULL)
			buffer_printf(&a.out, ",\"sockets\":%u", counts[i]);
		buffer_add_byte(&a.out, '}');
		answer_next(&a, c->page.names[i], len);
	}
	answer_end(&a, c);
}

static void
on_members(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	struct api_call *c = arg;
	uint32_t *counts;

	(void)io;
	if (!goes_on(c, error, silent))
		return;
	counts = mem_try_zalloc((c->page.count + 1) * sizeof *counts);
	if (counts == NULL) {
		no_memory(c);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned r = 0; r < sockets[i].rooms_count; r++) {
			const struct text *room = find(&c->page, sockets[i].rooms[r]);

			if (room != NULL)
				counts[room - c->page.names]++;
		}
	}
	answer_rooms(c, counts);
	mem_free(counts);
}

static void
on_ids_of_rooms(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	struct api_names_page own = {0};
	struct api_call *c = arg;
	bool kept;

	(void)io;
	if (!goes_on(c, error, silent))
		return;
	kept = copy_names(&own, ids, n, TEXT_NONE, 0) &&
	       take_names(&c->page, c->rooms.names, c->rooms.count, &own, c->query.after, c->query.limit);
	api_names_page_fini(&own);
	if (!kept)
		no_memory(c);
	else if (c->page.count == 0 || !c->query.counts)
		answer_rooms(c, NULL);
	else
		fetch_page(c, on_members, "rooms");
}

static void
on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	struct api_call *c = arg;
	struct sio_raw_to to;

	(void)io;
	if (!goes_on(c, error, silent))
		return;
	if (!copy_names(&c->rooms, rooms, n, TEXT_NONE, 0))
		no_memory(c);
	else if (find_namespace(c, &to, "rooms"))
		asked(c, sio_raw_ids(&to, on_ids_of_rooms, c));
}

void
api_list_rooms(struct api_call *c)
{
	struct sio_raw_to to;

	if (read_query(c, false) && find_namespace(c, &to, "rooms"))
		asked(c, sio_all_rooms(to.nsp, on_rooms, c));
}
