#include "node/ws/ws_extension.h"

#include "common/base/error.h"
#include "node/http/http_field.h"

static void
skip_bytes(struct text *t, size_t n)
{
	t->at += n;
	t->n -= n;
}

static void
extension_skip_blanks(struct text *t)
{
	while (t->n > 0 && (*t->at == ' ' || *t->at == '\t'))
		skip_bytes(t, 1);
}

static bool
cut_token(struct text *rest, struct text *token)
{
	size_t n = 0;

	while (n < rest->n && http_is((uint8_t)rest->at[n], HTTP_TCHAR))
		n++;
	*token = text_of(rest->at, n);
	skip_bytes(rest, n);
	return n > 0;
}

/* The text between the quotes must be a token after quoted pairs are unescaped (RFC 6455 9.1). */
static bool
cut_quoted(struct text *rest, struct text *value)
{
	size_t n = 1;

	while (n < rest->n && rest->at[n] != '"') {
		if (rest->at[n] == '\\')
			n++;
		if (n >= rest->n || !http_is((uint8_t)rest->at[n], HTTP_TCHAR))
			return false;
		n++;
	}
	if (n >= rest->n || n == 1)
		return false;
	*value = text_of(rest->at + 1, n - 1);
	skip_bytes(rest, n + 1);
	return true;
}

int
ws_extension_next(struct text *rest, struct text *name, struct text *value)
{
	bool param = rest->n > 0 && *rest->at == ';';

	*value = TEXT_NONE;
	if (param) {
		if (name->at == NULL)
			return ERROR_SYNTAX;
		skip_bytes(rest, 1);
		extension_skip_blanks(rest);
	} else {
		while (rest->n > 0 && (*rest->at == ' ' || *rest->at == '\t' || *rest->at == ','))
			skip_bytes(rest, 1);
		if (rest->n == 0)
			return WS_EXTENSION_END;
	}
	if (!cut_token(rest, name))
		return ERROR_SYNTAX;
	extension_skip_blanks(rest);
	if (param && rest->n > 0 && *rest->at == '=') {
		skip_bytes(rest, 1);
		extension_skip_blanks(rest);
		if (!(rest->n > 0 && *rest->at == '"' ? cut_quoted(rest, value) : cut_token(rest, value)))
			return ERROR_SYNTAX;
		extension_skip_blanks(rest);
	}
	if (rest->n > 0 && *rest->at != ';' && *rest->at != ',')
		return ERROR_SYNTAX;
	return param ? WS_EXTENSION_PARAM : WS_EXTENSION_NAME;
}

int
ws_extension_check(struct text field)
{
	struct text name = TEXT_NONE, value;
	int item;

	do
		item = ws_extension_next(&field, &name, &value);
	while (item > WS_EXTENSION_END);
	return item < 0 || name.at == NULL ? ERROR_SYNTAX : 0;
}
