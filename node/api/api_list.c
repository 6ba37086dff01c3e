/*
 * The lists of the HTTP API, over all nodes, page by page. A page is chosen by names first, so that nodes send
 * details only for the sockets and rooms of one page:
 *
 *   sockets   ids of all sockets -> choose the page -> details of the sockets on it
 *   rooms     names of all rooms -> ids of all sockets, whose own rooms are left out -> choose the page
 *             -> members of the rooms on it, if counts are wanted
 *
 * Each arrow is a question to all nodes. Sockets come and go between the questions; a socket or room that is gone at
 * the last one is left out. Each question looks up the namespace again, because it is valid for one turn only.
 */
#include <stdlib.h>

#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_raw.h"
#include "node/socketio/sio_value.h"

#define ANSWER_END (1u << 20) /* beyond API_ANSWER_MAX, for the cursor: the longest escaped name of a room */

static void
refuse_no_memory(struct api_call *call)
{
	struct api_fault fault;

	(void)api_fault(&fault, 503, "no_memory", TEXT_NONE, "there is no memory for this list");
	api_refuse(call, &fault);
}

/* Handles the end of a question. Returns false if the call has ended. */
static bool
question_ended(struct api_call *call, int error, unsigned silent)
{
	struct api_fault fault;

	if (api_orphan(call))
		return false;
	if (call->r == NULL) { /* the client has left */
		api_call_free(call);
		return false;
	}
	if (error == SIO_ERR_SYSTEM) {
		refuse_no_memory(call);
		return false;
	}
	if (error == SIO_ERR_STATE) {
		(void)api_fault(&fault, 503, "unavailable", TEXT_NONE, "the server is stopping");
		api_refuse(call, &fault);
		return false;
	}
	call->partial |= error != 0 || silent != 0;
	call->silent = silent > call->silent ? silent : call->silent;
	return true;
}

/* ------------------------------------------------------------------- names */

static int
compare_names(struct text a, struct text b)
{
	size_t least = a.n < b.n ? a.n : b.n;
	int order = least != 0 ? memcmp(a.at, b.at, least) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int
by_name(const void *a, const void *b)
{
	return compare_names(*(const struct text *)a, *(const struct text *)b);
}

static struct text *
find_name(const struct api_names_page *page, const char *name)
{
	struct text key = text_from(name);

	return page->count != 0 ? bsearch(&key, page->names, page->count, sizeof key, by_name) : NULL;
}

/* Copies the names in order, without those in `but`: all of them (limit 0), or up to `limit` of those after `after`.
 */
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
		if ((after.n == 0 || compare_names(all[i], after) > 0) &&
			(but == NULL || find_name(but, all[i].at) == NULL))
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
answer_begin(struct answer *answer, const char *name)
{
	*answer = (struct answer){.written = 0};
	buffer_init(&answer->out, API_ANSWER_MAX);
	buffer_printf(&answer->out, "{\"%s\":[", name);
}

/* Separates two elements. */
static size_t
answer_comma(struct answer *answer)
{
	size_t len = answer->out.len;

	if (answer->written != 0)
		buffer_add_byte(&answer->out, ',');
	return len;
}

/* Removes an element that did not fit. The cursor skips an element that is too large for any page. */
static void
answer_next(struct answer *answer, struct text name, size_t len)
{
	if (buffer_error(&answer->out) == 0) {
		answer->written++;
		answer->last = name;
		return;
	}
	answer->out.error = 0;
	answer->out.len = len;
	answer->cut = true;
	if (answer->written == 0)
		answer->last = name;
}

static void
answer_end(struct answer *answer, struct api_call *call)
{
	bool truncated = answer->cut || call->page.more;
	struct text cursor = answer->cut       ? answer->last
			     : call->page.more ? call->page.names[call->page.count - 1]
					       : TEXT_NONE;

	answer->out.max += ANSWER_END;
	buffer_printf(&answer->out, "],\"complete\":%s,\"silentNodes\":%u,\"truncated\":%s",
		call->partial ? "false" : "true", call->silent, truncated ? "true" : "false");
	if (truncated) {
		buffer_add_text(&answer->out, TEXT(",\"cursor\":"));
		json_write_string(&answer->out, cursor);
	}
	buffer_add_text(&answer->out, TEXT("}\n"));
	api_answer(call, 200, buffer_text(&answer->out), true);
	buffer_fini(&answer->out);
}

static void
answer_nothing(struct api_call *call, const char *name)
{
	struct answer a;

	answer_begin(&a, name);
	answer_end(&a, call);
}

/* --------------------------------------------------------------- questions */

/* Returns false if the call has been answered. */
static bool
find_namespace(struct api_call *call, struct sio_raw_to *to, const char *name)
{
	struct api_reach reach;

	if (!api_find(call, call->query.nsp, &reach))
		return false;
	*to = (struct sio_raw_to){.nsp = reach.nsp};
	if (reach.nsp == NULL)
		answer_nothing(call, name);
	return reach.nsp != NULL;
}

/* `rc` is the result of asking a question. */
static void
check_asked(struct api_call *call, int rc)
{
	if (rc < 0)
		refuse_no_memory(call);
	else
		api_wait(call);
}

static bool
read_query(struct api_call *call, bool sockets)
{
	struct api_fault fault;

	if (api_query_read(&call->query, sockets, call->r->query, &fault))
		return true;
	api_refuse(call, &fault);
	return false;
}

/* Asks for the sockets in the rooms of the page. A socket's id is a room, too. */
static void
fetch_page(struct api_call *call, sio_fetch_fn *fn, const char *name)
{
	struct sio_raw_to to;

	if (!find_namespace(call, &to, name))
		return;
	to.who = (struct sio_selector){.rooms = call->page.names, .rooms_count = call->page.count};
	check_asked(call, sio_raw_fetch(&to, fn, call));
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

/* Leaves out the socket's own room, which is named like its id. */
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
list_on_sockets(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	const sio_socket_info **sorted;
	struct api_call *call = arg;
	unsigned count = 0;
	struct answer a;

	(void)io;
	if (!question_ended(call, error, silent))
		return;
	sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	if (sorted == NULL) {
		refuse_no_memory(call);
		return;
	}
	/* A room may have the name of a socket's id. */
	for (unsigned i = 0; i < n; i++) {
		if (find_name(&call->page, sockets[i].id) != NULL)
			sorted[count++] = &sockets[i];
	}
	qsort(sorted, count, sizeof *sorted, by_id);
	answer_begin(&a, "sockets");
	for (unsigned i = 0; i < count && !a.cut; i++) {
		size_t len = answer_comma(&a);

		write_socket(&a.out, sorted[i], call->query.parts);
		answer_next(&a, text_from(sorted[i]->id), len);
	}
	answer_end(&a, call);
	mem_free(sorted);
}

static void
list_on_ids(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;

	(void)io;
	if (!question_ended(call, error, silent))
		return;
	if (!copy_names(&call->page, ids, n, call->query.after, call->query.limit))
		refuse_no_memory(call);
	else if (call->page.count == 0)
		answer_nothing(call, "sockets");
	else
		fetch_page(call, list_on_sockets, "sockets");
}

void
api_list_sockets(struct api_call *call)
{
	struct sio_raw_to to;

	if (!read_query(call, true) || !find_namespace(call, &to, "sockets"))
		return;
	to.who = (struct sio_selector){.rooms = call->query.rooms, .rooms_count = call->query.room_count};
	check_asked(call, sio_raw_ids(&to, list_on_ids, call));
}

/* ------------------------------------------------------------------- rooms */

/* `counts` is NULL if counts are not wanted. A room that is empty by now is left out. */
static void
answer_rooms(struct api_call *call, const uint32_t *counts)
{
	struct answer a;

	answer_begin(&a, "rooms");
	for (unsigned i = 0; i < call->page.count && !a.cut; i++) {
		size_t len;

		if (counts != NULL && counts[i] == 0)
			continue;
		len = answer_comma(&a);
		buffer_add_text(&a.out, TEXT("{\"name\":"));
		json_write_string(&a.out, call->page.names[i]);
		if (counts != NULL)
			buffer_printf(&a.out, ",\"sockets\":%u", counts[i]);
		buffer_add_byte(&a.out, '}');
		answer_next(&a, call->page.names[i], len);
	}
	answer_end(&a, call);
}

static void
list_on_members(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;
	uint32_t *counts;

	(void)io;
	if (!question_ended(call, error, silent))
		return;
	counts = mem_try_zalloc((call->page.count + 1) * sizeof *counts);
	if (counts == NULL) {
		refuse_no_memory(call);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned r = 0; r < sockets[i].rooms_count; r++) {
			const struct text *room = find_name(&call->page, sockets[i].rooms[r]);

			if (room != NULL)
				counts[room - call->page.names]++;
		}
	}
	answer_rooms(call, counts);
	mem_free(counts);
}

static void
list_on_room_ids(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	struct api_names_page own = {0};
	struct api_call *call = arg;
	bool kept;

	(void)io;
	if (!question_ended(call, error, silent))
		return;
	kept = copy_names(&own, ids, n, TEXT_NONE, 0) && take_names(&call->page, call->rooms.names, call->rooms.count,
								 &own, call->query.after, call->query.limit);
	api_names_page_fini(&own);
	if (!kept)
		refuse_no_memory(call);
	else if (call->page.count == 0 || !call->query.counts)
		answer_rooms(call, NULL);
	else
		fetch_page(call, list_on_members, "rooms");
}

static void
list_on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;
	struct sio_raw_to to;

	(void)io;
	if (!question_ended(call, error, silent))
		return;
	if (!copy_names(&call->rooms, rooms, n, TEXT_NONE, 0))
		refuse_no_memory(call);
	else if (find_namespace(call, &to, "rooms"))
		check_asked(call, sio_raw_ids(&to, list_on_room_ids, call));
}

void
api_list_rooms(struct api_call *call)
{
	struct sio_raw_to to;

	if (read_query(call, false) && find_namespace(call, &to, "rooms"))
		check_asked(call, sio_all_rooms(to.nsp, list_on_rooms, call));
}
