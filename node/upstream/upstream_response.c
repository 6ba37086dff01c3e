#include "node/upstream/upstream_response.h"

#include <string.h>

#include "common/base/error.h"
#include "node/upstream/upstream_fields.h"

#define IDLE_DEFAULT_MS 4000 /* Node.js closes after 5 s */
#define IDLE_MARGIN_MS 1000  /* closes this much earlier than the upstream announces */
#define IDLE_MAX_MS 60000

int64_t
upstream_head_find(const uint8_t *data, size_t n, size_t *seen)
{
	static const char begin[] = "HTTP/1.";
	size_t at = *seen, known = n < sizeof begin - 1 ? n : sizeof begin - 1;
	const uint8_t *lf;

	if (memcmp(data, begin, known) != 0) /* a peer of another protocol may never send the end of a head */
		return ERROR_SYNTAX;
	while (at < n && (lf = memchr(data + at, '\n', n - at)) != NULL) {
		at = (size_t)(lf - data);
		if (data[at - 1] != '\r')
			return ERROR_SYNTAX;
		if (data[at - 2] == '\n')
			return at + 1 > UPSTREAM_HEAD_MAX ? ERROR_TOO_BIG : (int64_t)at + 1;
		at++;
	}
	*seen = n;
	return n > UPSTREAM_HEAD_MAX ? ERROR_TOO_BIG : 0;
}

/* Reads "HTTP/1.1 200 OK". The reason phrase may be empty, and some servers also omit the space before it. */
static int
read_status(struct upstream_response *out, struct text line)
{
	uint64_t status;

	if (line.n < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || !http_is((uint8_t)line.at[7], HTTP_DIGIT) ||
		line.at[8] != ' ' || text_number(text_of(line.at + 9, 3), 599, &status) < 0 || status < 100 ||
		(line.n > 12 && line.at[12] != ' '))
		return ERROR_SYNTAX;
	out->minor = line.at[7] == '0' ? 0 : 1;
	out->status = (int)status;
	out->phrase = line.n > 13 ? text_of(line.at + 13, line.n - 13) : TEXT("");
	if (out->phrase.n > 0 && !http_all(out->phrase, HTTP_VCHAR))
		return ERROR_SYNTAX;
	return 0;
}

static int
read_field(struct http_header *header, struct text line)
{
	const char *colon = line.n > 0 ? memchr(line.at, ':', line.n) : NULL;

	if (!colon)
		return ERROR_SYNTAX;
	header->name = text_of(line.at, (size_t)(colon - line.at));
	header->value = text_trim(text_of(colon + 1, line.n - header->name.n - 1));
	if (!http_all(header->name, HTTP_TCHAR) || (header->value.n > 0 && !http_all(header->value, HTTP_VCHAR)))
		return ERROR_SYNTAX;
	return 0;
}

/* Reads "timeout=5, max=100". */
static void
read_keep_alive(struct upstream_response *out, struct text list)
{
	const struct text name = TEXT("timeout=");
	struct text part;
	uint64_t seconds;

	while (text_cut(&list, ',', &part)) {
		part = text_trim(part);
		if (part.n > name.n && text_is_nocase(text_of(part.at, name.n), name) &&
			text_number(text_of(part.at + name.n, part.n - name.n), 1000000, &seconds) == 0)
			out->keep_alive_ms = (int64_t)seconds * 1000;
	}
}

static int
read_framing(struct upstream_response *out, bool to_head, unsigned codings, unsigned lengths, bool chunked)
{
	if (codings > 0 && (!chunked || codings > 1 || lengths > 0 || out->minor == 0))
		return ERROR_UNSUPPORTED;
	if (lengths > 1)
		return ERROR_SYNTAX;
	if (to_head || out->status < 200 || out->status == 204 || out->status == 304)
		out->framing = UPSTREAM_NO_BODY;
	else if (codings > 0)
		out->framing = UPSTREAM_CHUNKED;
	else if (lengths > 0)
		out->framing = out->length > 0 ? UPSTREAM_LENGTH : UPSTREAM_NO_BODY;
	else
		out->framing = UPSTREAM_UNTIL_CLOSE;
	return 0;
}

static int
read_fields(struct upstream_response *out, struct text rest, struct http_header *headers, bool to_head)
{
	bool close = false, keep = false, chunked = false;
	unsigned codings = 0, lengths = 0;
	uint64_t length;
	struct text line;
	int error;

	while (text_cut(&rest, '\n', &line) && line.n > 1) {
		struct http_header *header = &headers[out->count];

		if (out->count == UPSTREAM_HEADERS_MAX)
			return ERROR_TOO_MANY;
		if ((error = read_field(header, text_of(line.at, line.n - 1))) < 0)
			return error;
		out->count++;
		if (text_is_nocase(header->name, TEXT("content-length"))) {
			if (text_number(header->value, INT64_MAX, &length) < 0)
				return ERROR_SYNTAX;
			out->length = (int64_t)length;
			lengths++;
		} else if (text_is_nocase(header->name, TEXT("transfer-encoding"))) {
			chunked = text_is_nocase(header->value, TEXT("chunked"));
			codings++;
		} else if (text_is_nocase(header->name, TEXT("connection"))) {
			close = close || http_list_has(header->value, TEXT("close"));
			keep = keep || http_list_has(header->value, TEXT("keep-alive"));
		} else if (text_is_nocase(header->name, TEXT("keep-alive")))
			read_keep_alive(out, header->value);
		else if (text_is_nocase(header->name, TEXT("date")))
			out->dated = true;
	}
	out->keep_alive = !close && (out->minor > 0 || keep);
	return read_framing(out, to_head, codings, lengths, chunked);
}

int
upstream_response_read(struct upstream_response *out, struct text head, struct http_header *headers, bool to_head)
{
	struct text line;
	int error;

	*out = (struct upstream_response){.length = -1, .keep_alive_ms = -1};
	if (!text_cut(&head, '\n', &line) || line.n < 1)
		return ERROR_SYNTAX;
	error = read_status(out, text_of(line.at, line.n - 1));
	return error < 0 ? error : read_fields(out, head, headers, to_head);
}

uint64_t
upstream_response_idle_ms(const struct upstream_response *response)
{
	int64_t ms = response->keep_alive_ms < 0 ? IDLE_DEFAULT_MS : response->keep_alive_ms - IDLE_MARGIN_MS;

	if (!response->keep_alive || response->framing == UPSTREAM_UNTIL_CLOSE || ms <= 0)
		return 0;
	return ms < IDLE_MAX_MS ? (uint64_t)ms : IDLE_MAX_MS;
}

int
upstream_response_fields(
	struct buffer *out, const struct upstream_response *response, const struct http_header *headers)
{
	struct upstream_named named;
	int error = upstream_named_read(&named, headers, response->count);

	if (error < 0)
		return error;
	for (unsigned i = 0; i < response->count; i++)
		if (!upstream_is_hop(&named, headers[i].name))
			upstream_field_add(out, headers[i].name, headers[i].value);
	return 0;
}
