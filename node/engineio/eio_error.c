#include "node/engineio/eio_error.h"

#include "common/base/json.h"
#include "common/base/must.h"

static const struct {
	int status;
	const char *message;
} errors[] = {
#define X(code, status, message) [code] = {status, message},
	EIO_ERROR_TABLE(X)
#undef X
};
#define ERROR_COUNT (sizeof(errors) / sizeof(errors[0]))

static const struct {
	enum eio_error_code code;
	const char *word;
} contexts[] = {
#define X(name, code, word) [name] = {code, word},
	EIO_CONTEXT_TABLE(X)
#undef X
};

const char *
eio_error_message(enum eio_error_code code)
{
	must((unsigned)code < ERROR_COUNT);
	return errors[code].message;
}

int
eio_error_status(enum eio_error_code code)
{
	must((unsigned)code < ERROR_COUNT);
	return errors[code].status;
}

enum eio_error_code
eio_context_code(enum eio_context context)
{
	must((unsigned)context < EIO_CONTEXT_COUNT);
	return contexts[context].code;
}

const char *
eio_context_word(enum eio_context context)
{
	must((unsigned)context < EIO_CONTEXT_COUNT);
	return contexts[context].word;
}

int
eio_context_status(enum eio_context context)
{
	/* a client refused for lack of room should retry, here or elsewhere */
	if (context == EIO_CONTEXT_SERVER_CLOSED || context == EIO_CONTEXT_TOO_MANY_SESSIONS ||
		context == EIO_CONTEXT_NO_MEMORY)
		return 503;
	return eio_error_status(eio_context_code(context));
}

void
eio_error_body(struct buffer *out, enum eio_error_code code, const char *message)
{
	buffer_add_text(out, TEXT("{\"code\":"));
	buffer_add_number(out, code);
	buffer_add_text(out, TEXT(",\"message\":"));
	json_write_string(out, text_from(message != NULL ? message : eio_error_message(code)));
	buffer_add_byte(out, '}');
}
