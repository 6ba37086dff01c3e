#include "tests/load/http_answer.h"

#include <llhttp.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define HEAD_MAX 65536
#define NAME_MAX_KEPT 24
#define VALUE_MAX_KEPT 128

/* A field whose value is kept. */
struct field {
	unsigned len;
	char value[VALUE_MAX_KEPT];
};

struct http_answer {
	llhttp_t parser;
	struct buffer body;
	size_t head; /* bytes of the head so far */
	bool begun, in_body, whole, in_value, keeps_alive;
	unsigned name_len;
	char name[NAME_MAX_KEPT];
	struct field accept, extensions;
};

static int
on_name(llhttp_t *parser, const char *at, size_t n)
{
	struct http_answer *a = parser->data;

	if (a->in_value)
		a->name_len = 0;
	a->in_value = false;
	for (size_t i = 0; i < n; i++, a->name_len++)
		if (a->name_len < NAME_MAX_KEPT)
			a->name[a->name_len] = at[i];
	return 0;
}

static int
on_value(llhttp_t *parser, const char *at, size_t n)
{
	struct http_answer *a = parser->data;
	struct text name = text_of(a->name, a->name_len <= NAME_MAX_KEPT ? a->name_len : 0);
	struct field *field;

	a->in_value = true;
	if (text_is_nocase(name, TEXT("Sec-WebSocket-Accept")))
		field = &a->accept;
	else if (text_is_nocase(name, TEXT("Sec-WebSocket-Extensions")))
		field = &a->extensions;
	else
		return 0;
	for (size_t i = 0; i < n; i++, field->len++)
		if (field->len < VALUE_MAX_KEPT)
			field->value[field->len] = at[i];
	return 0;
}

static int
on_head(llhttp_t *parser)
{
	struct http_answer *a = parser->data;

	a->in_body = true;
	a->keeps_alive = llhttp_should_keep_alive(parser) != 0;
	return 0;
}

static int
on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct http_answer *a = parser->data;

	buffer_add(&a->body, at, n);
	return buffer_error(&a->body) ? HPE_USER : 0;
}

static int
on_complete(llhttp_t *parser)
{
	struct http_answer *a = parser->data;

	a->whole = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

struct http_answer *
http_answer_new(size_t max_body)
{
	struct http_answer *a = mem_zalloc(sizeof *a);

	buffer_init(&a->body, max_body);
	http_answer_reset(a);
	return a;
}

void
http_answer_free(struct http_answer *a)
{
	if (!a)
		return;
	buffer_fini(&a->body);
	mem_free(a);
}

void
http_answer_reset(struct http_answer *a)
{
	llhttp_init(&a->parser, HTTP_RESPONSE, &settings);
	a->parser.data = a;
	buffer_reset(&a->body);
	a->head = 0;
	a->begun = a->in_body = a->whole = a->in_value = a->keeps_alive = false;
	a->name_len = a->accept.len = a->extensions.len = 0;
}

int64_t
http_answer_feed(struct http_answer *a, const void *bytes, size_t n)
{
	llhttp_errno_t verdict;
	size_t used = n;

	if (n == 0 || a->whole)
		return 0;
	a->begun = true;
	verdict = llhttp_execute(&a->parser, bytes, n);
	if (verdict == HPE_PAUSED || verdict == HPE_PAUSED_UPGRADE) {
		used = (size_t)(llhttp_get_error_pos(&a->parser) - (const char *)bytes);
		a->whole = true;
	} else if (verdict != HPE_OK) {
		return buffer_error(&a->body) ? ERROR_TOO_BIG : ERROR_SYNTAX;
	}
	if (!a->in_body)
		a->head += n;
	return a->head > HEAD_MAX ? ERROR_TOO_BIG : (int64_t)used;
}

int
http_answer_end(struct http_answer *a)
{
	llhttp_errno_t verdict;

	if (a->whole)
		return 0;
	if (!a->begun)
		return ERROR_CLOSED;
	verdict = llhttp_finish(&a->parser);
	a->whole = verdict == HPE_OK || verdict == HPE_PAUSED;
	a->keeps_alive = false;
	return a->whole && a->in_body ? 0 : ERROR_CLOSED;
}

bool
http_answer_begun(const struct http_answer *a)
{
	return a->begun;
}

bool
http_answer_whole(const struct http_answer *a)
{
	return a->whole;
}

unsigned
http_answer_status(const struct http_answer *a)
{
	return a->parser.status_code;
}

bool
http_answer_keeps_alive(const struct http_answer *a)
{
	return a->keeps_alive;
}

/* RFC 9110 5.5: trailing blanks do not belong to the value. */
static struct text
field_text(const struct field *field)
{
	return field->len == 0 || field->len > VALUE_MAX_KEPT ? TEXT_NONE
							      : text_trim(text_of(field->value, field->len));
}

struct text
http_answer_accept(const struct http_answer *a)
{
	return field_text(&a->accept);
}

struct text
http_answer_extensions(const struct http_answer *a)
{
	return field_text(&a->extensions);
}

struct buffer *
http_answer_body(struct http_answer *a)
{
	return &a->body;
}
