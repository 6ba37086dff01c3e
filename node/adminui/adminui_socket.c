#include <stdio.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/date.h"
#include "common/base/json.h"
#include "common/base/sha256.h"
#include "node/adminui/adminui_internal.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_raw.h"

#define CLIENT_ID 12 /* characters, as many as @socket.io/admin-ui shows */
#define HIDDEN TEXT("\"***\"")

void
adminui_date(uint64_t ms, char out[ADMINUI_DATE])
{
	struct date date = date_of_day((int64_t)(ms / 86400000));
	unsigned of_day = (unsigned)(ms % 86400000);

	snprintf(out, ADMINUI_DATE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)date.year % 10000,
		date.month % 100, date.day % 100, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60,
		of_day % 1000);
}

/* Returns true if the value of this header field or Engine.IO parameter is harmless. `key` includes its quotes. */
static bool
is_shown(struct text key, bool header)
{
	static const char *const headers[] = {"accept", "accept-encoding", "accept-language", "cache-control",
		"connection", "content-length", "content-type", "dnt", "host", "origin", "pragma",
		"sec-websocket-extensions", "sec-websocket-version", "upgrade", "user-agent", "x-forwarded-for",
		"x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip", NULL};
	static const char *const parameters[] = {"EIO", "transport", "t", "b64", NULL};

	for (const char *const *known = header ? headers : parameters; *known != NULL; known++) {
		if (json_string_is(key, text_from(*known)))
			return true;
	}
	return false;
}

/* Appends an object of texts, without the values that may be secret. */
static void
write_shown(struct buffer *out, struct text object, bool header)
{
	struct text rest = object, key, value;
	const char *comma = "";

	buffer_add_byte(out, '{');
	while (json_object_next(&rest, &key, &value)) {
		buffer_add_text(out, text_from(comma));
		buffer_add_text(out, key);
		buffer_add_byte(out, ':');
		buffer_add_text(out, is_shown(key, header) ? value : HIDDEN);
		comma = ",";
	}
	buffer_add_byte(out, '}');
}

/* Appends the path of a request target, without the query. `url` has its quotes. */
static void
write_path(struct buffer *out, struct text url)
{
	struct text path;

	if (!text_cut(&url, '?', &path))
		path = TEXT("\"");
	buffer_add_text(out, path);
	if (url.n > 0)
		buffer_add_byte(out, '"');
}

static void
write_handshake(struct buffer *out, struct text handshake)
{
	struct text rest = handshake, key, value;
	const char *comma = "";

	buffer_add_byte(out, '{');
	while (json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, TEXT("auth")))
			continue;
		buffer_add_text(out, text_from(comma));
		comma = ",";
		buffer_add_text(out, key);
		buffer_add_byte(out, ':');
		if (json_string_is(key, TEXT("headers")) || json_string_is(key, TEXT("query")))
			write_shown(out, value, json_string_is(key, TEXT("headers")));
		else if (json_string_is(key, TEXT("url")))
			write_path(out, value);
		else
			buffer_add_text(out, value);
	}
	buffer_add_byte(out, '}');
}

/* The id of a session is a secret, so a client gets the beginning of its hash as a name. Appends it with quotes. */
static void
write_client(struct buffer *out, const sio_socket *socket)
{
	struct sha256 digest = sha256_of(sio_raw_session(socket), TEXT_NONE);
	char name[CLIENT_ID];

	ascii_hex_write(digest.bytes, CLIENT_ID / 2, name);
	buffer_add_byte(out, '"');
	buffer_add(out, name, sizeof name);
	buffer_add_byte(out, '"');
}

static void
write_rooms(struct buffer *out, const sio_socket *socket)
{
	const char *room, *comma = "";
	size_t cursor = 0;

	buffer_add_byte(out, '[');
	while ((room = sio_room_next(socket, &cursor)) != NULL) {
		buffer_add_text(out, text_from(comma));
		json_write_string(out, text_from(room));
		comma = ",";
	}
	buffer_add_byte(out, ']');
}

void
adminui_socket_write(const sio_socket *socket, struct buffer *out)
{
	struct text data;
	struct sio_handshake source = sio_handshake_ref(socket);
	struct buffer handshake;

	data.at = sio_json(sio_data(socket), &data.n);
	buffer_init(&handshake, out->max);
	sio_handshake_write(&source, TEXT("{}"), &handshake);
	sio_handshake_unref(&source);
	buffer_fail(out, buffer_error(&handshake));
	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, text_from(sio_id(socket))); /* may contain the name of its namespace */
	buffer_add_text(out, TEXT(",\"clientId\":"));
	write_client(out, socket);
	buffer_printf(out, ",\"transport\":\"%s\",\"nsp\":", sio_transport(socket));
	json_write_string(out, text_from(sio_nsp_name(sio_socket_nsp((sio_socket *)socket))));
	buffer_add_text(out, TEXT(",\"data\":"));
	buffer_add_text(out, data.n > 0 ? data : TEXT("{}"));
	buffer_add_text(out, TEXT(",\"handshake\":"));
	if (buffer_error(&handshake) == 0)
		write_handshake(out, buffer_text(&handshake));
	buffer_add_text(out, TEXT(",\"rooms\":"));
	write_rooms(out, socket);
	buffer_add_byte(out, '}');
	buffer_fini(&handshake);
}

/* --------------------------------------------------------- of other servers */

#define MARK TEXT("_admin")
#define OURS TEXT("sockeye")

void
adminui_mark_write(const sio_socket *socket, struct buffer *out)
{
	buffer_add_text(out, TEXT("{\"clientId\":"));
	write_client(out, socket);
	buffer_printf(out, ",\"transport\":\"%s\",\"sockeye\":true}", sio_transport(socket));
}

/* Appends a member of the mark of another server, or a text in its place. */
static void
write_marked(struct buffer *out, struct text mark, struct text name, const char *instead)
{
	struct text value = json_object_get(mark, name);

	if (value.n > 0 && json_type(value) == JSON_STRING)
		buffer_add_text(out, value);
	else
		json_write_string(out, text_from(instead));
}

/* Appends an object without its mark. */
static void
write_unmarked(struct buffer *out, struct text object)
{
	struct text rest = object, key, value;
	const char *comma = "";

	buffer_add_byte(out, '{');
	while (json_object_next(&rest, &key, &value)) {
		if (json_string_is(key, MARK))
			continue;
		buffer_add_text(out, text_from(comma));
		comma = ",";
		buffer_add_text(out, key);
		buffer_add_byte(out, ':');
		buffer_add_text(out, value);
	}
	buffer_add_byte(out, '}');
}

static struct text
json_of(sio_value value)
{
	struct text json;

	json.at = sio_json(value, &json.n);
	return json.at != NULL && json_type(json) == JSON_OBJECT ? json : TEXT("{}");
}

void
adminui_remote_write(const sio_socket_info *info, const char *nsp, struct buffer *out)
{
	struct text data = json_of(info->data), mark = json_object_get(data, MARK);

	if (mark.n == 0 || json_type(mark) != JSON_OBJECT)
		mark = TEXT("{}"); /* a Node.js server without @socket.io/admin-ui */
	if (json_object_get(mark, OURS).n > 0)
		return;
	buffer_add_text(out, TEXT("{\"id\":"));
	json_write_string(out, text_from(info->id));
	buffer_add_text(out, TEXT(",\"clientId\":"));
	write_marked(out, mark, TEXT("clientId"), info->id);
	buffer_add_text(out, TEXT(",\"transport\":"));
	write_marked(out, mark, TEXT("transport"), "");
	buffer_add_text(out, TEXT(",\"nsp\":"));
	json_write_string(out, text_from(nsp));
	buffer_add_text(out, TEXT(",\"data\":"));
	write_unmarked(out, data);
	buffer_add_text(out, TEXT(",\"handshake\":"));
	write_handshake(out, json_of(info->handshake));
	buffer_add_text(out, TEXT(",\"rooms\":["));
	for (unsigned i = 0; i < info->rooms_count; i++) {
		buffer_add_text(out, i > 0 ? TEXT(",") : TEXT(""));
		json_write_string(out, text_from(info->rooms[i]));
	}
	buffer_add_text(out, TEXT("]}"));
}
