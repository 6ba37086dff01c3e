#include "node/ws/ws_handshake.h"

#include "common/base/error.h"
#include "node/ws/ws.h"
#include "node/ws/ws_extension.h"
#include "node/ws/ws_key.h"

/* Limit for the joined Sec-WebSocket-Extensions fields. The limit of the head is usually lower. */
#define FIELD_MAX (64 * 1024)

/* Returns the value of a field that may occur only once; TEXT_NONE if it is missing or repeated. */
static struct text
single_field(const struct http_request *r, struct text name)
{
	struct text found = TEXT_NONE;
	unsigned i, count = 0;

	for (i = 0; i < r->header_count; i++) {
		if (text_is_nocase(r->headers[i].name, name)) {
			found = r->headers[i].value;
			count++;
		}
	}
	return count == 1 ? found : TEXT_NONE;
}

/* Joins all fields of that name by commas. Returns false if there is no such field. */
static bool
joined_field(const struct http_request *r, struct text name, struct buffer *out)
{
	bool found = false;
	unsigned i;

	if (!http_may_have(r, name.at))
		return false;
	for (i = 0; i < r->header_count; i++) {
		if (!text_is_nocase(r->headers[i].name, name))
			continue;
		if (found)
			buffer_add_byte(out, ',');
		buffer_add_text(out, r->headers[i].value);
		found = true;
	}
	return found;
}

static int
extensions_check(const struct http_request *r)
{
	struct buffer joined;
	int error = 0;

	buffer_init(&joined, FIELD_MAX);
	if (joined_field(r, TEXT("Sec-WebSocket-Extensions"), &joined))
		error = buffer_error(&joined) || ws_extension_check(buffer_text(&joined)) < 0 ? ERROR_SYNTAX : 0;
	buffer_fini(&joined);
	return error;
}

/*
 * Checks Sec-WebSocket-Protocol: each element must be a token (RFC 6455 4.1). Sets *first to the first element, which
 * the reply selects; to TEXT_NONE if there is no such field.
 */
static int
subprotocols_check(const struct http_request *r, struct text *first)
{
	struct text list, token;
	unsigned i;

	*first = TEXT_NONE;
	if (!http_may_have(r, "Sec-WebSocket-Protocol"))
		return 0;
	for (i = 0; i < r->header_count; i++) {
		if (!text_is_nocase(r->headers[i].name, TEXT("Sec-WebSocket-Protocol")))
			continue;
		list = r->headers[i].value;
		if (list.n == 0 || list.at[list.n - 1] == ',')
			return ERROR_SYNTAX;
		while (text_cut(&list, ',', &token)) {
			token = text_trim(token);
			if (!http_all(token, HTTP_TCHAR))
				return ERROR_SYNTAX;
			if (first->at == NULL)
				*first = token;
		}
	}
	return 0;
}

int
ws_check(const struct http_request *r)
{
	struct text version = single_field(r, TEXT("Sec-WebSocket-Version")), first;

	if (r->method != HTTP_GET || !r->websocket || !ws_key_valid(single_field(r, TEXT("Sec-WebSocket-Key"))))
		return ERROR_SYNTAX;
	if (!text_is(version, TEXT("13")) && !text_is(version, TEXT("8")))
		return ERROR_UNSUPPORTED;
	if (extensions_check(r) < 0 || subprotocols_check(r, &first) < 0)
		return ERROR_SYNTAX;
	return 0;
}

int
ws_handshake_reply(struct http_request *r, const struct ws_options *options, struct ws_deflate_params *params)
{
	static const char fields[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
	const uint64_t names = http_name_bit('u', sizeof("Upgrade") - 1) |
			       http_name_bit('c', sizeof("Connection") - 1) |
			       http_name_bit('s', sizeof("Sec-WebSocket-Accept") - 1);
	const size_t n = sizeof(fields) - 1;
	char lines[sizeof(fields) - 1 + WS_ACCEPT_LENGTH + 2];
	struct buffer offers, reply;
	struct text first;
	int agreed = 0;

	buffer_init(&offers, FIELD_MAX);
	buffer_init(&reply, 256);
	memcpy(lines, fields, n);
	ws_key_accept(single_field(r, TEXT("Sec-WebSocket-Key")), lines + n);
	memcpy(lines + n + WS_ACCEPT_LENGTH, "\r\n", 2);
	http_add_lines(r, names, text_of(lines, sizeof(lines)));
	if (subprotocols_check(r, &first) == 0 && first.at != NULL)
		http_add_header(r, "Sec-WebSocket-Protocol", first);
	if (options->deflate && joined_field(r, TEXT("Sec-WebSocket-Extensions"), &offers) &&
		ws_deflate_negotiate(buffer_text(&offers), options, params, &reply) == 1 &&
		http_add_header(r, "Sec-WebSocket-Extensions", buffer_text(&reply)) == 0)
		agreed = 1;
	buffer_fini(&reply);
	buffer_fini(&offers);
	return agreed;
}
