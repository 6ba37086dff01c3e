#include "node/http/http_parse.h"

#include <llhttp.h>
#include <string.h>

#include "common/base/error.h"

struct glue {
	struct http_parsed *p;
	struct http_header *headers;
	unsigned max;
	bool in_value; /* of the last header begun */
	bool complete;
	int error;
};

/* llhttp may give one span in several calls; fed with the whole head, they are neighbours. */
static int
extend(struct glue *g, struct text *t, const char *at, size_t n)
{
	if (!t->n)
		t->at = at;
	if (t->at + t->n != at) {
		g->error = ERROR_SYNTAX;
		return HPE_USER;
	}
	t->n += n;
	return 0;
}

static int
on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *g = parser->data;

	return extend(g, &g->p->target, at, n);
}

static int
on_header_field(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *g = parser->data;

	if (g->in_value || !g->p->count) {
		if (g->p->count == g->max) {
			g->error = ERROR_TOO_MANY;
			return HPE_USER;
		}
		g->headers[g->p->count++] = (struct http_header){TEXT_NONE, TEXT("")};
		g->in_value = false;
	}
	return extend(g, &g->headers[g->p->count - 1].name, at, n);
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t n)
{
	struct glue *g = parser->data;

	g->in_value = true;
	return extend(g, &g->headers[g->p->count - 1].value, at, n);
}

static int
on_header_value_complete(llhttp_t *parser)
{
	struct glue *g = parser->data;

	g->in_value = true;
	return 0;
}

static int
on_headers_complete(llhttp_t *parser)
{
	struct glue *g = parser->data;

	g->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
};

/* Requests of a later HTTP/1 are read as those of 1.1 (RFC 9110 2.5); llhttp knows no later one. */
static llhttp_errno_t
execute(llhttp_t *parser, struct text head)
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
http_parse(struct text head, struct http_header *headers, unsigned max, struct http_parsed *p)
{
	struct glue g = {.p = p, .headers = headers, .max = max};
	llhttp_t parser;
	llhttp_errno_t verdict;

	*p = (struct http_parsed){0};
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = &g;
	verdict = execute(&parser, head);
	if (g.error)
		return g.error;
	if (verdict == HPE_INVALID_METHOD || (verdict == HPE_INVALID_CONSTANT && !p->count))
		return ERROR_UNSUPPORTED;
	if (verdict != HPE_PAUSED || !g.complete)
		return ERROR_SYNTAX;

	p->method = text_from(llhttp_method_name((llhttp_method_t)parser.method));
	p->method.at = head.at;
	p->minor = parser.http_minor;
	p->chunked = (parser.flags & F_CHUNKED) != 0;
	p->content_length = (parser.flags & F_CONTENT_LENGTH) ? parser.content_length : 0;
	for (unsigned i = 0; i < p->count; i++)
		headers[i].value = text_trim(headers[i].value);
	return 0;
}
