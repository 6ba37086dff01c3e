#include "node/http/http_parse.h"

#include <llhttp.h>
#include <string.h>

#include "common/base/error.h"

struct glue {
	struct http_parsed *parsed;
	struct http_header *headers;
	unsigned max;
	bool in_value; /* of the last header begun */
	bool complete;
	int error;
};

/*
 * Extends a span. llhttp may report one span in several calls; with the whole head as input, the parts are adjacent.
 */
static int
span_extend(struct glue *glue, struct text *t, const char *at, size_t n)
{
	if (!t->n)
		t->at = at;
	if (t->at + t->n != at) {
		glue->error = ERROR_SYNTAX;
		return HPE_USER;
	}
	t->n += n;
	return 0;
}

static int
on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *glue = parser->data;

	return span_extend(glue, &glue->parsed->target, at, n);
}

static int
on_header_field(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *glue = parser->data;

	if (glue->in_value || !glue->parsed->count) {
		if (glue->parsed->count == glue->max) {
			glue->error = ERROR_TOO_MANY;
			return HPE_USER;
		}
		glue->headers[glue->parsed->count++] = (struct http_header){TEXT_NONE, TEXT("")};
		glue->in_value = false;
	}
	return span_extend(glue, &glue->headers[glue->parsed->count - 1].name, at, n);
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *glue = parser->data;

	glue->in_value = true;
	return span_extend(glue, &glue->headers[glue->parsed->count - 1].value, at, n);
}

static int
on_header_value_complete(llhttp_t *parser)
{
	struct glue *glue = parser->data;

	glue->in_value = true;
	return 0;
}

static int
on_headers_complete(llhttp_t *parser)
{
	struct glue *glue = parser->data;

	glue->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
};

/*
 * Runs the parser. A request of a later HTTP/1 version is read as HTTP/1.1 (RFC 9110 2.5), because llhttp refuses it.
 */
static llhttp_errno_t
parse_execute(llhttp_t *parser, struct text head)
{
	const char *end = memchr(head.at, '\r', head.n), *minor = end ? end - 1 : head.at;
	llhttp_errno_t verdict;

	if (minor <= head.at || *minor < '2' || *minor > '9')
		return llhttp_execute(parser, head.at, head.n);
	verdict = llhttp_execute(parser, head.at, (size_t)(minor - head.at));
	if (verdict == HPE_OK)
		verdict = llhttp_execute(parser, "1", 1);
	if (verdict == HPE_OK)
		verdict = llhttp_execute(parser, end, head.n - (size_t)(end - head.at));
	return verdict;
}

int
http_parse(struct text head, struct http_header *headers, unsigned max, struct http_parsed *parsed)
{
	struct glue glue = {.parsed = parsed, .headers = headers, .max = max};
	llhttp_t parser;
	llhttp_errno_t verdict;

	*parsed = (struct http_parsed){0};
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &glue;
	verdict = parse_execute(&parser, head);
	if (glue.error)
		return glue.error;
	if (verdict == HPE_INVALID_METHOD || (verdict == HPE_INVALID_CONSTANT && !parsed->count))
		return ERROR_UNSUPPORTED;
	if (verdict != HPE_PAUSED || !glue.complete)
		return ERROR_SYNTAX;

	parsed->method = text_from(llhttp_method_name((llhttp_method_t)parser.method));
	parsed->method.at = head.at;
	parsed->minor = parser.http_minor;
	parsed->chunked = (parser.flags & F_CHUNKED) != 0;
	parsed->content_length = (parser.flags & F_CONTENT_LENGTH) ? parser.content_length : 0;
	for (unsigned i = 0; i < parsed->count; i++)
		headers[i].value = text_trim(headers[i].value);
	return 0;
}
