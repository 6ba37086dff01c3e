/*
 * Incoming messages. Everything becomes JSON text in m->json first, and is then walked member by member; what is kept
 * are slices of it. Names with escapes in them are decoded into m->names, which never moves while a message is read.
 */
#include "broker/wire.h"

#include "common/base/error.h"
#include "common/base/msgpack.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define DEPTH_MAX JSON_DEPTH_MAX
#define KEPT_MAX (256 * 1024) /* a buffer that grew beyond is given back before the next message */
#define REQUEST_ID_MAX 128    /* bytes; Node.js sends 6 */

void
wire_message_init(struct wire_message *m)
{
	memset(m, 0, sizeof *m);
	buffer_init(&m->json, WIRE_PAYLOAD_MAX);
	buffer_init(&m->names, WIRE_PAYLOAD_MAX);
	attachments_init(&m->attachments);
}

void
wire_message_fini(struct wire_message *m)
{
	buffer_fini(&m->json);
	buffer_fini(&m->names);
	attachments_fini(&m->attachments);
	mem_free(m->rooms);
	m->rooms = NULL;
	m->rooms_size = 0;
}

bool
wire_is_from(struct text payload, struct text uid)
{
	return uid.n <= MSGPACK_FIX_STRING_MAX && payload.n >= 2 + uid.n &&
	       (uint8_t)payload.at[0] == (MSGPACK_FIXARRAY | 3) &&
	       (uint8_t)payload.at[1] == (MSGPACK_FIXSTR | uid.n) && memcmp(payload.at + 2, uid.at, uid.n) == 0;
}

/* ----------------------------------------------------------------- reading */

/* Lists of names of one message stand one after the other in m->rooms, which may move until all are read. */
struct names {
	unsigned from, count;
};

struct reading {
	struct wire_message *m;
	unsigned used; /* of m->rooms */
	struct names rooms, except, others;
	struct text packet, opts;
	bool has_type;
};

static void
buffer_trim(struct buffer *b)
{
	if (b->size > KEPT_MAX)
		buffer_fini(b);
	buffer_reset(b);
}

static void
reset(struct wire_message *m)
{
	struct buffer json, names;
	struct attachments attachments;
	struct text *rooms = m->rooms;
	unsigned size = m->rooms_size;

	buffer_trim(&m->json);
	buffer_trim(&m->names);
	attachments_cut(&m->attachments, 0);
	json = m->json;
	names = m->names;
	attachments = m->attachments;
	memset(m, 0, sizeof *m);
	m->json = json;
	m->names = names;
	m->attachments = attachments;
	m->rooms = rooms;
	m->rooms_size = size;
	m->type = WIRE_TYPE_COUNT;
}

/* The payload as one JSON text in m->json, without blanks around it. */
static int
to_json(struct wire_message *m, struct text payload, struct text *json)
{
	int64_t n;
	int rc;

	reset(m);
	if (payload.n > WIRE_PAYLOAD_MAX)
		return ERROR_TOO_BIG;
	if (payload.n > 0 && payload.at[0] == '{') {
		rc = json_check(payload, DEPTH_MAX);
		if (rc < 0)
			return rc;
		buffer_add_text(&m->json, payload);
	} else {
		n = msgpack_to_json((const uint8_t *)payload.at, payload.n, DEPTH_MAX, &m->attachments, &m->json);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n != payload.n || n == 0)
			return ERROR_SYNTAX;
	}
	if (buffer_error(&m->json) != 0)
		return buffer_error(&m->json);
	*json = text_trim(buffer_text(&m->json));
	return 0;
}

/* Languages with one kind of table write an empty object as [], an empty array as {}. */
static bool
is_empty_table(struct text value)
{
	struct text key, element, object = value;

	if (json_type(value) == JSON_ARRAY)
		return !json_array_next(&value, &element);
	return json_type(value) == JSON_OBJECT && !json_object_next(&object, &key, &element);
}

static bool
is_null(struct text value)
{
	return json_type(value) == JSON_NULL;
}

/* A string as plain text, or a number as it is written. */
static int
plain(struct wire_message *m, struct text value, struct text *out)
{
	enum json_type type = json_type(value);
	uint8_t *room;

	if (type == JSON_NUMBER) {
		*out = value;
		return 0;
	}
	if (type != JSON_STRING)
		return ERROR_SYNTAX;
	*out = text_of(value.at + 1, value.n - 2);
	if (memchr(out->at, '\\', out->n) == NULL)
		return 0;
	/* room for all names that may come, so that those decoded already stay where they are */
	if (m->names.len == 0 && buffer_room(&m->names, m->json.len) == NULL)
		return buffer_error(&m->names);
	room = buffer_room(&m->names, value.n);
	if (room == NULL)
		return buffer_error(&m->names);
	*out = text_of((const char *)room, json_string_decode(value, (char *)room));
	m->names.len += out->n;
	return 0;
}

static int
add_name(struct reading *r, struct names *to, struct text value)
{
	struct wire_message *m = r->m;
	struct text name = TEXT_NONE;
	int rc = plain(m, value, &name);

	if (rc < 0)
		return rc;
	if (to->count > 0 && text_is(name, m->rooms[r->used - 1]))
		return 0; /* "7", 7: the same room here */
	if (r->used == WIRE_ROOMS_MAX)
		return ERROR_TOO_MANY;
	if (r->used == m->rooms_size) {
		unsigned size = m->rooms_size ? 2 * m->rooms_size : 8;
		struct text *grown = mem_try_realloc(m->rooms, size * sizeof *grown);

		if (grown == NULL)
			return ERROR_MEMORY;
		m->rooms = grown;
		m->rooms_size = size;
	}
	m->rooms[r->used++] = name;
	to->count++;
	return 0;
}

/* An array of names; null and an empty object are empty ones. */
static int
read_names(struct reading *r, struct names *to, struct text value)
{
	struct text element;
	int rc = 0;

	if (to->count > 0)
		return ERROR_SYNTAX; /* the key came twice */
	to->from = r->used;
	if (is_null(value) || is_empty_table(value))
		return 0;
	if (json_type(value) != JSON_ARRAY)
		return ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&value, &element))
		rc = add_name(r, to, element);
	return rc;
}

static bool
is_truthy(struct text value)
{
	switch (json_type(value)) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_NUMBER:
		return json_number_double(value) != 0;
	case JSON_STRING:
		return value.n > 2;
	default:
		return true;
	}
}

/* As JavaScript takes them: volatile is on when truthy, compress is off when false. */
static void
read_flags(struct wire_message *m, struct text value)
{
	struct text key, element;

	while (json_object_next(&value, &key, &element)) {
		if (json_string_is(key, TEXT("volatile")) && is_truthy(element))
			m->target.flags |= WIRE_VOLATILE;
		if (json_string_is(key, TEXT("compress")) && json_type(element) == JSON_FALSE)
			m->target.flags |= WIRE_NO_COMPRESS;
	}
}

static int
read_opts(struct reading *r)
{
	struct text rest = r->opts, key, value;
	int rc = 0;

	if (rest.at == NULL || is_null(rest))
		return 0;
	if (json_type(rest) != JSON_OBJECT && !is_empty_table(rest))
		return ERROR_SYNTAX;
	r->m->has_target = true;
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("rooms")))
			rc = read_names(r, &r->rooms, value);
		else if (json_string_is(key, TEXT("except")))
			rc = read_names(r, &r->except, value);
		else if (json_string_is(key, TEXT("flags")) && json_type(value) == JSON_OBJECT)
			read_flags(r->m, value);
	}
	return rc;
}

/* The array of an event: its name, and arguments. */
static int
read_data(struct wire_message *m, struct text value)
{
	struct text rest = value, element;

	if (json_type(value) != JSON_ARRAY)
		return ERROR_SYNTAX;
	m->data = value;
	m->data_count = 0;
	while (json_array_next(&rest, &element))
		m->data_count++;
	if (m->data_count == 0)
		return ERROR_SYNTAX;
	/* also where a plain object of a peer only looks like one: it cannot be told from a real one */
	if (m->attachments.count > 0 && json_placeholders_check(value, m->attachments.count) < 0)
		return ERROR_SYNTAX;
	return 0;
}

static int
read_number(struct text value, uint64_t max, uint64_t *out)
{
	int64_t number;

	if (json_type(value) != JSON_NUMBER || !json_number_int(value, &number) || number < 0 ||
		(uint64_t)number > max)
		return ERROR_SYNTAX;
	*out = (uint64_t)number;
	return 0;
}

/* {type, data, nsp} of a broadcast: an event, whose type names the binary kind only where an old emitter sends it. */
static int
read_packet(struct reading *r)
{
	struct wire_message *m = r->m;
	struct text rest = r->packet, key, value;
	uint64_t type = 0;
	int rc = 0;

	if (rest.at == NULL || json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	m->nsp = TEXT("/");
	while (rc == 0 && json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("type")))
			rc = read_number(value, UINT32_MAX, &type);
		else if (json_string_is(key, TEXT("data")))
			rc = read_data(m, value);
		else if (json_string_is(key, TEXT("nsp")) && !is_null(value))
			rc = json_type(value) == JSON_STRING ? plain(m, value, &m->nsp) : ERROR_SYNTAX;
	}
	if (rc < 0)
		return rc;
	if (type != 2 && type != 5)
		return ERROR_UNSUPPORTED;
	return m->data.at == NULL ? ERROR_SYNTAX : 0;
}

static struct text *
names_at(const struct reading *r, struct names n)
{
	return n.count > 0 ? r->m->rooms + n.from : NULL;
}

/* All lists are read: m->rooms stays where it is. */
static void
settle(struct reading *r)
{
	struct wire_message *m = r->m;

	m->target.rooms = names_at(r, r->rooms);
	m->target.room_count = r->rooms.count;
	m->target.except = names_at(r, r->except);
	m->target.except_count = r->except.count;
	m->names_to = names_at(r, r->others);
	m->names_to_count = r->others.count;
}

/* -------------------------------------------------------------- broadcasts */

int
wire_read_broadcast(struct wire_message *m, struct text payload)
{
	struct reading r = {.m = m};
	struct text rest, element;
	unsigned at = 0;
	int rc = to_json(m, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_ARRAY)
		return ERROR_SYNTAX;
	while (rc == 0 && json_array_next(&rest, &element)) {
		if (at == 0 && !is_null(element))
			rc = plain(m, element, &m->uid);
		else if (at == 1)
			r.packet = element;
		else if (at == 2)
			r.opts = element;
		at++;
	}
	if (rc == 0)
		rc = read_packet(&r);
	if (rc == 0)
		rc = read_opts(&r);
	if (rc < 0)
		return rc;
	m->has_target = true; /* without options it is for everybody */
	m->type = WIRE_BROADCAST;
	settle(&r);
	return 0;
}

/* ---------------------------------------------------------------- requests */

static int
read_id(struct wire_message *m, struct text value)
{
	int rc;

	if (is_null(value))
		return 0;
	rc = plain(m, value, &m->request_id);
	if (rc < 0)
		return rc;
	if (m->request_id.n == 0 || m->request_id.n > REQUEST_ID_MAX)
		return ERROR_TOO_BIG;
	m->has_request_id = true;
	return 0;
}

static int
read_type(struct reading *r, struct text value)
{
	uint64_t type;
	int rc = read_number(value, UINT32_MAX, &type);

	if (rc < 0)
		return rc;
	if (type >= WIRE_TYPE_COUNT)
		return ERROR_UNSUPPORTED;
	r->has_type = true;
	r->m->type = (enum wire_type)type;
	return 0;
}

/* One room to join or leave, of a legacy form. */
static int
read_room(struct reading *r, struct text value)
{
	if (r->others.count > 0 || is_null(value))
		return 0;
	r->others.from = r->used;
	return add_name(r, &r->others, value);
}

static int
request_member(struct reading *r, struct text key, struct text value)
{
	struct wire_message *m = r->m;

	if (json_string_is(key, TEXT("type")))
		return read_type(r, value);
	if (json_string_is(key, TEXT("uid")))
		return is_null(value) ? 0 : plain(m, value, &m->uid);
	if (json_string_is(key, TEXT("requestId")))
		return read_id(m, value);
	if (json_string_is(key, TEXT("rooms")))
		return read_names(r, &r->others, value);
	if (json_string_is(key, TEXT("room")))
		return read_room(r, value);
	if (json_string_is(key, TEXT("sid")))
		return is_null(value) ? 0 : plain(m, value, &m->sid);
	if (json_string_is(key, TEXT("close")))
		m->close = json_type(value) == JSON_TRUE;
	else if (json_string_is(key, TEXT("data")))
		m->data = value; /* looked at when the type is known */
	else if (json_string_is(key, TEXT("packet")))
		r->packet = value;
	else if (json_string_is(key, TEXT("opts")))
		r->opts = value;
	return 0;
}

/* What each type needs. */
static int
request_check(struct reading *r)
{
	struct wire_message *m = r->m;
	struct text data = m->data;

	m->data = TEXT_NONE;
	switch (m->type) {
	case WIRE_SOCKETS:
	case WIRE_ALL_ROOMS:
		return m->has_request_id ? 0 : ERROR_SYNTAX;
	case WIRE_REMOTE_FETCH:
		return m->has_request_id && m->has_target ? 0 : ERROR_SYNTAX;
	case WIRE_REMOTE_JOIN:
	case WIRE_REMOTE_LEAVE:
		if (!m->has_target && (m->sid.at == NULL || r->others.count != 1))
			return ERROR_SYNTAX;
		return 0;
	case WIRE_REMOTE_DISCONNECT:
		return m->has_target || m->sid.at != NULL ? 0 : ERROR_SYNTAX;
	case WIRE_SERVER_SIDE_EMIT:
		return data.at != NULL ? read_data(m, data) : ERROR_SYNTAX;
	case WIRE_BROADCAST:
		if (!m->has_request_id || !m->has_target)
			return ERROR_SYNTAX;
		return read_packet(r);
	default:
		return ERROR_UNSUPPORTED;
	}
}

int
wire_read_request(struct wire_message *m, struct text payload)
{
	struct reading r = {.m = m};
	struct text rest, key, value;
	int rc = to_json(m, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = request_member(&r, key, value);
	if (rc == 0 && !r.has_type)
		rc = ERROR_SYNTAX;
	if (rc == 0)
		rc = read_opts(&r);
	if (rc == 0)
		rc = request_check(&r);
	if (rc < 0)
		return rc;
	settle(&r);
	return 0;
}

/* --------------------------------------------------------------- responses */

static struct text
if_array(struct text value)
{
	return json_type(value) == JSON_ARRAY ? value : TEXT_NONE;
}

static int
response_member(struct reading *r, struct text key, struct text value)
{
	struct wire_message *m = r->m;

	if (json_string_is(key, TEXT("type")))
		return read_type(r, value);
	if (json_string_is(key, TEXT("requestId")))
		return read_id(m, value);
	if (json_string_is(key, TEXT("clientCount")))
		return read_number(value, UINT32_MAX, &m->clients);
	if (json_string_is(key, TEXT("sockets")))
		m->sockets = if_array(value);
	else if (json_string_is(key, TEXT("rooms")))
		m->all_rooms = if_array(value);
	else if (json_string_is(key, TEXT("data")) || json_string_is(key, TEXT("packet")))
		m->answer = value;
	return 0;
}

int
wire_read_response(struct wire_message *m, struct text payload)
{
	struct reading r = {.m = m};
	struct text rest, key, value;
	int rc = to_json(m, payload, &rest);

	if (rc < 0)
		return rc;
	if (json_type(rest) != JSON_OBJECT)
		return ERROR_SYNTAX;
	while (rc == 0 && json_object_next(&rest, &key, &value))
		rc = response_member(&r, key, value);
	if (rc < 0)
		return rc;
	if (!m->has_request_id)
		return ERROR_SYNTAX;
	if (m->attachments.count > 0 && json_placeholders_check(buffer_text(&m->json), m->attachments.count) < 0)
		return ERROR_SYNTAX;
	return 0;
}
