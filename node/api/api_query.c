#include "node/api/api_query.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "node/api/api_command.h"
#include "node/http/http_query.h"
#include "node/socketio/sio_server.h"

static bool
query_refuse(struct api_fault *fault, const char *name, const char *wanted)
{
	return api_fault(fault, 400, "bad_parameter", text_from(name), "%s must %s", name, wanted);
}

static bool
query_read_namespace(struct api_query *query, struct text value, struct api_fault *fault)
{
	if (value.n == 0 || *value.at != '/' || value.n > SIO_NSP_NAME_MAX)
		return query_refuse(fault, "namespace", "begin with \"/\" (%2F) and be at most 512 bytes long");
	query->nsp = value;
	return true;
}

static bool
query_read_room(struct api_query *query, struct text value, struct api_fault *fault)
{
	if (query->room_count == API_QUERY_ROOMS)
		return query_refuse(fault, "room", "not be given more than 64 times");
	if (value.n > API_NAME_MAX)
		return query_refuse(fault, "room", "be at most 512 bytes long");
	query->rooms[query->room_count++] = value;
	return true;
}

/* Reads the one room of a history. */
static bool
query_read_one_room(struct api_query *query, struct text value, struct api_fault *fault)
{
	return value.n != 0 ? query_read_room(query, value, fault) : query_refuse(fault, "room", "not be empty");
}

static bool
query_read_limit(struct api_query *query, struct text value, struct api_fault *fault)
{
	uint64_t n;

	if (text_number(value, API_LIMIT_MAX, &n) != 0 || n == 0)
		return query_refuse(fault, "limit", "be a whole number from 1 to 10000");
	query->limit = (unsigned)n;
	return true;
}

static bool
query_read_few(struct api_query *query, struct text value, struct api_fault *fault)
{
	uint64_t n;

	if (text_number(value, HISTORY_COUNT_MAX, &n) != 0 || n == 0)
		return query_refuse(fault, "limit", "be a whole number from 1 to 1000");
	query->limit = (unsigned)n;
	return true;
}

/* Refuses an id of zeros, because it means that the parameter is missing. */
static bool
query_read_id(const char *name, struct text value, struct history_id *out, struct api_fault *fault)
{
	return (history_id_read(value, out) && (out->ms != 0 || out->seq != 0)) ||
	       query_refuse(fault, name, "be the id of an event, as GET /api/history tells it");
}

static bool
query_read_before(struct api_query *query, struct text value, struct api_fault *fault)
{
	return query_read_id("before", value, &query->before_id, fault);
}

static bool
query_read_after(struct api_query *query, struct text value, struct api_fault *fault)
{
	return query_read_id("after", value, &query->after_id, fault);
}

static bool
query_read_event(struct api_query *query, struct text value, struct api_fault *fault)
{
	return query_read_id("id", value, &query->id, fault);
}

static bool
query_read_all(struct api_query *query, struct text value, struct api_fault *fault)
{
	query->all = text_is(value, TEXT("true"));
	return query->all || query_refuse(fault, "all", "be true, or not be given");
}

static bool
query_read_cursor(struct api_query *query, struct text value, struct api_fault *fault)
{
	(void)fault;
	query->after = value;
	return true;
}

static bool
query_read_parts(struct api_query *query, struct text rest, struct api_fault *fault)
{
	struct text part;

	query->parts = 0;
	while (text_cut(&rest, ',', &part)) {
		if (text_is(part, TEXT("rooms")))
			query->parts |= API_PART_ROOMS;
		else if (text_is(part, TEXT("data")))
			query->parts |= API_PART_DATA;
		else if (text_is(part, TEXT("handshake")))
			query->parts |= API_PART_HANDSHAKE;
		else if (!text_is(part, TEXT("id")))
			return query_refuse(fault, "fields", "be a list of id, rooms, data and handshake");
	}
	return true;
}

static bool
query_read_counts(struct api_query *query, struct text value, struct api_fault *fault)
{
	query->counts = text_is(value, TEXT("true"));
	return query->counts || text_is(value, TEXT("false")) || query_refuse(fault, "counts", "be true or false");
}

enum {
	IN_SOCKETS = 1 << API_LIST_SOCKETS,
	IN_ROOMS = 1 << API_LIST_ROOMS,
	IN_HISTORY = 1 << API_LIST_HISTORY,
	IN_REMOVAL = 1 << API_LIST_REMOVAL
};

static const struct parameter {
	const char *name;
	unsigned lists; /* bit mask of the lists that accept this parameter */
	bool (*read)(struct api_query *query, struct text value, struct api_fault *fault);
} parameters[] = {
	{"namespace", IN_SOCKETS | IN_ROOMS | IN_HISTORY | IN_REMOVAL, query_read_namespace},
	{"limit", IN_SOCKETS | IN_ROOMS, query_read_limit},
	{"limit", IN_HISTORY, query_read_few},
	{"cursor", IN_SOCKETS | IN_ROOMS, query_read_cursor},
	{"room", IN_SOCKETS, query_read_room},
	{"room", IN_HISTORY | IN_REMOVAL, query_read_one_room},
	{"fields", IN_SOCKETS, query_read_parts},
	{"counts", IN_ROOMS, query_read_counts},
	{"before", IN_HISTORY, query_read_before},
	{"after", IN_HISTORY, query_read_after},
	{"id", IN_REMOVAL, query_read_event},
	{"all", IN_REMOVAL, query_read_all},
};
#define PARAMETERS (sizeof parameters / sizeof *parameters)

static const char *const known[] = {[API_LIST_SOCKETS] = "namespace, limit, cursor, room and fields",
	[API_LIST_ROOMS] = "namespace, limit, cursor and counts",
	[API_LIST_HISTORY] = "namespace, room, limit, before and after",
	[API_LIST_REMOVAL] = "namespace, room, id and all"};

static bool
query_read_one(struct api_query *query, enum api_list list, struct text key, struct text value, unsigned *seen,
	struct api_fault *fault)
{
	for (unsigned i = 0; i < PARAMETERS; i++) {
		const struct parameter *p = &parameters[i];

		if (!text_is(key, text_from(p->name)) || (p->lists & 1u << list) == 0)
			continue;
		if ((*seen & 1u << i) != 0 && p->read != query_read_room)
			return query_refuse(fault, p->name, "not be given twice");
		*seen |= 1u << i;
		if (!utf8_valid(value.at, value.n) || memchr(value.at, '\0', value.n) != NULL)
			return query_refuse(fault, p->name, "be UTF-8 without U+0000");
		return p->read(query, value, fault);
	}
	return api_fault(fault, 400, "unknown_parameter", key, "unknown parameter; use %s", known[list]);
}

/* A removal needs `id` or all=true, so that a request whose id is missing by mistake does not remove all events. */
static bool
query_check(const struct api_query *query, enum api_list list, struct api_fault *fault)
{
	bool one = query->id.ms != 0 || query->id.seq != 0;

	if ((list == API_LIST_HISTORY || list == API_LIST_REMOVAL) && query->room_count == 0)
		return query_refuse(fault, "room", "be given");
	if (list == API_LIST_REMOVAL && one == query->all)
		return query_refuse(fault, "id", "be given, or all=true for all events of the room, and not both");
	return true;
}

bool
api_query_read(struct api_query *query, enum api_list list, struct text string, struct api_fault *fault)
{
	struct text key, value;
	unsigned seen = 0;
	size_t used = 0;

	*query = (struct api_query){
		.nsp = TEXT("/"), .limit = API_LIMIT_INITIAL, .parts = API_PARTS_ALL, .counts = true};
	query->plain = mem_try_alloc(string.n);
	if (query->plain == NULL)
		return api_fault(fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	while (http_query_next(&string, &key, &value)) {
		char *plain = query->plain + used;
		size_t key_n = http_query_decode(key, plain), n = http_query_decode(value, plain + key_n);

		used += key_n + n;
		if (!query_read_one(query, list, text_of(plain, key_n), text_of(plain + key_n, n), &seen, fault)) {
			api_query_fini(query);
			return false;
		}
	}
	if (query_check(query, list, fault))
		return true;
	api_query_fini(query);
	return false;
}

void
api_query_fini(struct api_query *query)
{
	mem_free(query->plain);
	*query = (struct api_query){0};
}
