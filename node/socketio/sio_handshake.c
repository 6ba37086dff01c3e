/*
 * socket.handshake: getters for what the engine kept of the first request, and the whole object as JSON in the form
 * that Node.js uses (lower-case field names, repeated fields joined).
 */
#include <time.h>

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio_handshake.h"
#include "node/http/http_query.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_check.h"

static const struct eio_handshake *
handshake_of(const struct sio_socket *s)
{
	return s->client != NULL && s->client->session != NULL ? eio_session_handshake(s->client->session) : NULL;
}

struct sio_handshake
sio_handshake_ref(const struct sio_socket *s)
{
	const struct eio_handshake *engine = handshake_of(s);

	return (struct sio_handshake){.engine = engine != NULL ? eio_handshake_ref(engine) : NULL,
		.auth = s->auth != NULL ? block_ref(s->auth) : NULL,
		.issued = s->issued};
}

void
sio_handshake_unref(struct sio_handshake *handshake)
{
	eio_handshake_unref(handshake->engine);
	block_unref(handshake->auth);
}

struct text
sio_auth_text(const struct block *auth)
{
	return auth != NULL ? text_of((const char *)auth->data, auth->len) : TEXT("{}");
}

struct text
sio_handshake_auth(const struct sio_socket *s)
{
	return sio_auth_text(s->auth);
}

sio_value
sio_auth(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, sio_value_none());
	return sio_turn_value(&s->nsp->io->turn, sio_handshake_auth(s));
}

/* Returns `made`. If it is NULL for want of memory, closes the client and returns `otherwise`. */
static const char *
text_or_close(const sio_socket *s, const char *made, const char *otherwise)
{
	if (made != NULL)
		return made;
	sio_client_no_memory(s->client);
	return otherwise;
}

const char *
sio_address(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	const struct eio_handshake *handshake = handshake_of(s);

	return handshake != NULL
		       ? text_or_close(s, sio_turn_copy(&s->nsp->io->turn, eio_handshake_address(handshake)), "")
		       : "";
}

const char *
sio_url(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	const struct eio_handshake *handshake = handshake_of(s);

	return handshake != NULL
		       ? text_or_close(s, sio_turn_copy(&s->nsp->io->turn, eio_handshake_url(handshake)), "")
		       : "";
}

uint64_t
sio_issued(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, 0);
	return s->issued;
}

bool
sio_secure(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	const struct eio_handshake *handshake = handshake_of(s);

	return handshake != NULL && handshake->secure;
}

bool
sio_xdomain(const sio_socket *s)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	const struct eio_handshake *handshake = handshake_of(s);

	return handshake != NULL && handshake->xdomain;
}

const char *
sio_query(const sio_socket *s, const char *key)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	const struct eio_handshake *handshake = handshake_of(s);
	struct text query = handshake != NULL ? eio_handshake_query(handshake) : TEXT_NONE;
	char *out;

	if (handshake == NULL || !sio_is_pointer(key))
		return NULL;
	out = sio_turn_room(&s->nsp->io->turn, query.n + 1);
	if (out == NULL)
		return text_or_close(s, NULL, NULL);
	return http_query_get(query, key, out, query.n + 1) >= 0 ? out : NULL;
}

/* Finds the next field with that name. Returns false at the end. */
static bool
fields_next_named(struct sio_fields *from, struct text name, struct text *value)
{
	struct text field;

	while (from->handshake != NULL && eio_handshake_header(from->handshake, &from->cursor, &field, value)) {
		if (text_is_nocase(field, name))
			return true;
	}
	while (from->request != NULL && from->cursor < from->request->header_count) {
		const struct http_header *header = &from->request->headers[from->cursor++];

		*value = header->value;
		if (text_is_nocase(header->name, name))
			return true;
	}
	return false;
}

int
sio_fields_joined(struct sio_turn *turn, struct sio_fields from, struct text name, const char **joined)
{
	struct sio_fields again = from;
	struct text value, joint = TEXT_NONE;
	unsigned count = 0;
	size_t n = 0, at = 0;
	char *out;

	*joined = NULL;
	for (; fields_next_named(&again, name, &value); count++) {
		if (count == 1 && (joint = http_field_joint(name)).n == 0)
			break;
		n += joint.n + value.n;
	}
	if (count == 0)
		return 0;
	out = sio_turn_room(turn, n + 1);
	if (out == NULL)
		return ERROR_MEMORY;
	for (unsigned i = 0; i < count && fields_next_named(&from, name, &value); i++) {
		memcpy(out + at, joint.at != NULL ? joint.at : "", i > 0 ? joint.n : 0);
		at += i > 0 ? joint.n : 0;
		memcpy(out + at, value.at, value.n);
		at += value.n;
	}
	out[at] = '\0';
	*joined = out;
	return 0;
}

const char *
sio_header(const sio_socket *s, const char *name)
{
	SIO_NEEDS(SIO_A_SOCKET, s, NULL);
	const struct eio_handshake *handshake = handshake_of(s);

	const char *joined;

	if (handshake == NULL || !sio_is_pointer(name))
		return NULL;
	if (sio_fields_joined(
		    &s->nsp->io->turn, (struct sio_fields){.handshake = handshake}, text_from(name), &joined) != 0)
		return text_or_close(s, NULL, NULL);
	return joined;
}

/* ------------------------------------------------------------ the whole object */

/* The format of Date.prototype.toString() in UTC, independent of the locale. */
static void
handshake_write_time(struct buffer *out, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	must(gmtime_r(&seconds, &tm) != NULL);
	buffer_printf(out, "\"%s %s %02d %d %02d:%02d:%02d GMT+0000 (Coordinated Universal Time)\"",
		ascii_days[tm.tm_wday], ascii_months[tm.tm_mon], tm.tm_mday, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		tm.tm_sec);
}

static void
handshake_write_key(struct buffer *out, bool *first, struct text key)
{
	if (!*first)
		buffer_add_byte(out, ',');
	*first = false;
	json_write_string(out, key);
	buffer_add_byte(out, ':');
}

/*
 * Node.js makes a list of set-cookie, and of no other field. maxHeaders limits the number of fields, and so these
 * nested loops.
 */
static void
handshake_write_list(const struct eio_handshake *handshake, struct text name, struct buffer *out)
{
	struct sio_fields from = {.handshake = handshake};
	struct text value;
	bool first = true;

	while (fields_next_named(&from, name, &value)) {
		buffer_add_byte(out, first ? '[' : ',');
		first = false;
		json_write_string(out, value);
	}
	buffer_add_byte(out, ']');
}

/* Writes all values of one field, joined. */
static void
handshake_write_header(
	const struct eio_handshake *handshake, struct text name, struct buffer *joined, struct buffer *out)
{
	struct sio_fields from = {.handshake = handshake};
	struct text value, joint = TEXT_NONE;

	buffer_reset(joined);
	for (unsigned count = 0; fields_next_named(&from, name, &value); count++) {
		if (count == 1 && (joint = http_field_joint(name)).n == 0)
			break;
		buffer_add_text(joined, joint);
		buffer_add_text(joined, value);
	}
	json_write_string(out, buffer_text(joined));
	buffer_fail(out, buffer_error(joined));
}

static bool
header_seen_before(const struct eio_handshake *handshake, uint32_t end, struct text name)
{
	struct text field, value;
	uint32_t cursor = 0;

	while (eio_handshake_header(handshake, &cursor, &field, &value) && cursor < end) {
		if (text_is_nocase(field, name))
			return true;
	}
	return false;
}

bool
sio_header_next(const sio_socket *s, size_t *cursor, const char **name, const char **value)
{
	SIO_NEEDS(SIO_A_SOCKET, s, false);
	SIO_NEEDS(SIO_A_CURSOR, cursor, false);
	SIO_NEEDS(SIO_A_RESULT, name, false);
	SIO_NEEDS(SIO_A_RESULT, value, false);
	const struct eio_handshake *handshake = handshake_of(s);
	uint32_t at = (uint32_t)*cursor;
	struct text field, ignored;
	char *lower;

	while (handshake != NULL && eio_handshake_header(handshake, &at, &field, &ignored)) {
		if (header_seen_before(handshake, at, field))
			continue;
		*cursor = at;
		lower = sio_turn_room(&s->nsp->io->turn, field.n + 1);
		if (lower == NULL || sio_fields_joined(&s->nsp->io->turn, (struct sio_fields){.handshake = handshake},
					     field, value) != 0)
			break;
		for (size_t i = 0; i < field.n; i++)
			lower[i] = ascii_lower(field.at[i]);
		lower[field.n] = '\0';
		*name = lower;
		return true;
	}
	return false;
}

static void
handshake_write_headers(const struct eio_handshake *handshake, struct buffer *out)
{
	struct buffer joined, lower;
	struct text field, value;
	uint32_t cursor = 0;
	bool first = true;

	buffer_init(&joined, SIZE_MAX / 2);
	buffer_init(&lower, SIZE_MAX / 2);
	while (eio_handshake_header(handshake, &cursor, &field, &value)) {
		if (header_seen_before(handshake, cursor, field))
			continue;
		buffer_reset(&lower);
		for (size_t i = 0; i < field.n; i++)
			buffer_add_byte(&lower, (uint8_t)ascii_lower(field.at[i]));
		buffer_fail(out, buffer_error(&lower));
		handshake_write_key(out, &first, buffer_text(&lower));
		if (text_is_nocase(field, TEXT("set-cookie")))
			handshake_write_list(handshake, field, out);
		else
			handshake_write_header(handshake, field, &joined, out);
	}
	buffer_fini(&joined);
	buffer_fini(&lower);
}

/* A key that occurs twice is written twice. The last one counts, in JSON as in a query. */
static void
handshake_write_query(struct text query, struct buffer *out)
{
	char *key = mem_try_alloc(2 * (query.n + 1)), *value = key + query.n + 1;
	struct text raw_key, raw_value;
	bool first = true;

	if (key == NULL) {
		buffer_fail(out, ERROR_MEMORY);
		return;
	}
	while (http_query_next(&query, &raw_key, &raw_value)) {
		handshake_write_key(out, &first, text_of(key, http_query_decode(raw_key, key)));
		json_write_string(out, text_of(value, http_query_decode(raw_value, value)));
	}
	mem_free(key);
}

void
sio_handshake_write(const struct sio_handshake *handshake, struct text auth, struct buffer *out)
{
	const struct eio_handshake *engine = handshake->engine;

	buffer_add_text(out, TEXT("{\"headers\":{"));
	if (engine != NULL)
		handshake_write_headers(engine, out);
	buffer_add_text(out, TEXT("},\"time\":"));
	handshake_write_time(out, handshake->issued);
	buffer_add_text(out, TEXT(",\"address\":"));
	json_write_string(out, engine != NULL ? eio_handshake_address(engine) : TEXT(""));
	buffer_printf(out,
		",\"xdomain\":%s,\"secure\":%s,\"issued\":", engine != NULL && engine->xdomain ? "true" : "false",
		engine != NULL && engine->secure ? "true" : "false");
	buffer_add_number(out, (int64_t)handshake->issued);
	buffer_add_text(out, TEXT(",\"url\":"));
	json_write_string(out, engine != NULL ? eio_handshake_url(engine) : TEXT(""));
	buffer_add_text(out, TEXT(",\"query\":{"));
	if (engine != NULL)
		handshake_write_query(eio_handshake_query(engine), out);
	buffer_add_text(out, TEXT("},\"auth\":"));
	buffer_add_text(out, auth);
	buffer_add_byte(out, '}');
}
