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
list_question_ended(struct api_call *call, const sio_server *io, int error, unsigned silent)
{
	struct api_fault fault;

	if (api_orphan(call))
		return false;
	if (call->request == NULL) { /* the client has left */
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
	if (silent <= call->silent)
		return true;
	call->silent = silent;
	api_write_silent(&call->named, io);
	return true;
}

/* ------------------------------------------------------------------- names */

static int
compare_names(struct text left, struct text right)
{
	size_t least = left.n < right.n ? left.n : right.n;
	int order = least != 0 ? memcmp(left.at, right.at, least) : 0;

	return order != 0 ? order : (left.n > right.n) - (left.n < right.n);
}

static int
names_in_order(const void *left, const void *right)
{
	return compare_names(*(const struct text *)left, *(const struct text *)right);
}

static struct text *
page_find_name(const struct api_names_page *page, const char *name)
{
	struct text key = text_from(name);

	return page->count != 0 ? bsearch(&key, page->names, page->count, sizeof key, names_in_order) : NULL;
}

/*
 * Copies the names of `all` that come after `after` and are not in `except`, in order: at most `limit` names, or all
 * of them if `limit` is 0. Returns false if memory is short.
 */
static bool
page_take_names(struct api_names_page *out, const struct text *all, unsigned n, const struct api_names_page *except,
	struct text after, unsigned limit)
{
	struct text *sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	unsigned count = 0;
	size_t bytes = 0;

	if (sorted == NULL)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if ((after.n == 0 || compare_names(all[i], after) > 0) &&
			(except == NULL || page_find_name(except, all[i].at) == NULL))
			sorted[count++] = all[i];
	}
	qsort(sorted, count, sizeof *sorted, names_in_order);
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
page_copy_names(struct api_names_page *out, const char *const *names, unsigned n, struct text after, unsigned limit)
{
	struct text *all = mem_try_alloc((n + 1) * sizeof *all);
	bool copied;

	for (unsigned i = 0; all != NULL && i < n; i++)
		all[i] = text_from(names[i]);
	copied = all != NULL && page_take_names(out, all, n, NULL, after, limit);
	mem_free(all);
	return copied;
}

/* ----------------------------------------------------------------- answers */

struct answer {
	struct buffer out;
	unsigned written;
	struct text last; /* the last name written */
	bool cut;	  /* an element was left out because of the size of the answer */
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

	answer->out.max += ANSWER_END + call->named.len;
	buffer_printf(
		&answer->out, "],\"complete\":%s,\"silentNodes\":%u", call->partial ? "false" : "true", call->silent);
	buffer_add_text(&answer->out, buffer_text(&call->named));
	buffer_printf(&answer->out, ",\"truncated\":%s", truncated ? "true" : "false");
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
	struct answer answer;

	answer_begin(&answer, name);
	answer_end(&answer, call);
}

/* --------------------------------------------------------------- questions */

/* Returns false if the call has been answered. */
static bool
list_find_namespace(struct api_call *call, struct sio_raw_to *to, const char *name)
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
list_check_asked(struct api_call *call, int rc)
{
	if (rc < 0)
		refuse_no_memory(call);
	else
		api_wait(call);
}

/* Asks for the sockets in the rooms of the page. A socket's id is a room, too. */
static void
list_fetch_page(struct api_call *call, sio_fetch_fn *fn, const char *name)
{
	struct sio_raw_to to;

	if (!list_find_namespace(call, &to, name))
		return;
	to.who = (struct sio_selector){.rooms = call->page.names, .rooms_count = call->page.count};
	list_check_asked(call, sio_raw_fetch(&to, fn, call));
}

/* ----------------------------------------------------------------- sockets */

static int
sockets_in_order(const void *left, const void *right)
{
	const sio_socket_info *const *first = left, *const *second = right;

	return strcmp((*first)->id, (*second)->id);
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
write_socket(struct buffer *out, const sio_socket_info *info, unsigned parts)
{
	unsigned written = 0;

	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, text_from(info->id));
	if ((parts & API_PART_ROOMS) != 0) {
		buffer_add_text(out, TEXT(",\"rooms\":["));
		for (unsigned i = 0; i < info->rooms_count; i++) {
			if (strcmp(info->rooms[i], info->id) == 0)
				continue;
			if (written++ != 0)
				buffer_add_byte(out, ',');
			json_write_string(out, text_from(info->rooms[i]));
		}
		buffer_add_byte(out, ']');
	}
	if ((parts & API_PART_DATA) != 0)
		write_value(out, "data", info->data);
	if ((parts & API_PART_HANDSHAKE) != 0)
		write_value(out, "handshake", info->handshake);
	buffer_add_byte(out, '}');
}

static void
list_on_sockets(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	const sio_socket_info **sorted;
	struct api_call *call = arg;
	unsigned count = 0;
	struct answer answer;

	if (!list_question_ended(call, io, error, silent))
		return;
	sorted = mem_try_alloc((n + 1) * sizeof *sorted);
	if (sorted == NULL) {
		refuse_no_memory(call);
		return;
	}
	/* Other sockets may have joined a room that is named like a socket's id; they are left out. */
	for (unsigned i = 0; i < n; i++) {
		if (page_find_name(&call->page, sockets[i].id) != NULL)
			sorted[count++] = &sockets[i];
	}
	qsort(sorted, count, sizeof *sorted, sockets_in_order);
	answer_begin(&answer, "sockets");
	for (unsigned i = 0; i < count && !answer.cut; i++) {
		size_t len = answer_comma(&answer);

		write_socket(&answer.out, sorted[i], call->query.parts);
		answer_next(&answer, text_from(sorted[i]->id), len);
	}
	answer_end(&answer, call);
	mem_free(sorted);
}

static void
list_on_ids(sio_server *io, int error, const char *const *ids, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;

	if (!list_question_ended(call, io, error, silent))
		return;
	if (!page_copy_names(&call->page, ids, n, call->query.after, call->query.limit))
		refuse_no_memory(call);
	else if (call->page.count == 0)
		answer_nothing(call, "sockets");
	else
		list_fetch_page(call, list_on_sockets, "sockets");
}

void
api_list_sockets(struct api_call *call)
{
	struct sio_raw_to to;

	if (!api_call_query(call, API_LIST_SOCKETS) || !list_find_namespace(call, &to, "sockets"))
		return;
	to.who = (struct sio_selector){.rooms = call->query.rooms, .rooms_count = call->query.room_count};
	list_check_asked(call, sio_raw_ids(&to, list_on_ids, call));
}

/* ------------------------------------------------------------------- rooms */

/* `counts` is NULL if counts are not wanted. A room that is empty by now is left out. */
static void
answer_rooms(struct api_call *call, const uint32_t *counts)
{
	struct answer answer;

	answer_begin(&answer, "rooms");
	for (unsigned i = 0; i < call->page.count && !answer.cut; i++) {
		size_t len;

		if (counts != NULL && counts[i] == 0)
			continue;
		len = answer_comma(&answer);
		buffer_add_text(&answer.out, TEXT("{\"name\":"));
		json_write_string(&answer.out, call->page.names[i]);
		if (counts != NULL)
			buffer_printf(&answer.out, ",\"sockets\":%u", counts[i]);
		buffer_add_byte(&answer.out, '}');
		answer_next(&answer, call->page.names[i], len);
	}
	answer_end(&answer, call);
}

static void
list_on_members(sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;
	uint32_t *counts;

	if (!list_question_ended(call, io, error, silent))
		return;
	counts = mem_try_zalloc((call->page.count + 1) * sizeof *counts);
	if (counts == NULL) {
		refuse_no_memory(call);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned request = 0; request < sockets[i].rooms_count; request++) {
			const struct text *room = page_find_name(&call->page, sockets[i].rooms[request]);

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

	if (!list_question_ended(call, io, error, silent))
		return;
	kept = page_copy_names(&own, ids, n, TEXT_NONE, 0) &&
	       page_take_names(
		       &call->page, call->rooms.names, call->rooms.count, &own, call->query.after, call->query.limit);
	api_names_page_fini(&own);
	if (!kept)
		refuse_no_memory(call);
	else if (call->page.count == 0 || !call->query.counts)
		answer_rooms(call, NULL);
	else
		list_fetch_page(call, list_on_members, "rooms");
}

static void
list_on_rooms(sio_server *io, int error, const char *const *rooms, unsigned n, unsigned silent, void *arg)
{
	struct api_call *call = arg;
	struct sio_raw_to to;

	if (!list_question_ended(call, io, error, silent))
		return;
	if (!page_copy_names(&call->rooms, rooms, n, TEXT_NONE, 0))
		refuse_no_memory(call);
	else if (list_find_namespace(call, &to, "rooms"))
		list_check_asked(call, sio_raw_ids(&to, list_on_room_ids, call));
}

void
api_list_rooms(struct api_call *call)
{
	struct sio_raw_to to;

	if (api_call_query(call, API_LIST_ROOMS) && list_find_namespace(call, &to, "rooms"))
		list_check_asked(call, sio_all_rooms(to.nsp, list_on_rooms, call));
}
