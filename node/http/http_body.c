/*
 * State          byte            next
 * PLAIN          content         PLAIN, done after content_length bytes
 * SIZE           hex digit       SIZE          at most 16
 *                blank           EXT_BLANK     after a digit
 *                ";"             EXT_BEGIN     after a digit
 *                CR              SIZE_LF       after a digit
 * EXT_BLANK      blank           EXT_BLANK
 *                ";"             EXT_BEGIN
 * EXT_BEGIN      blank           EXT_BEGIN
 *                token char      EXT_NAME
 * EXT_NAME       token char      EXT_NAME
 *                blank           EXT_NAMED
 *                "="             EXT_VALUE
 *                ";", CR         EXT_BEGIN, SIZE_LF
 * EXT_NAMED      blank           EXT_NAMED
 *                "="             EXT_VALUE
 *                ";"             EXT_BEGIN
 * EXT_VALUE      blank           EXT_VALUE
 *                token char      EXT_TOKEN
 *                quote           EXT_QUOTED
 * EXT_TOKEN      token char      EXT_TOKEN
 *                blank           EXT_BLANK
 *                ";", CR         EXT_BEGIN, SIZE_LF
 * EXT_QUOTED     quote           EXT_QUOTE_END
 *                backslash       EXT_ESCAPE
 *                value char      EXT_QUOTED
 * EXT_ESCAPE     value char      EXT_QUOTED
 * EXT_QUOTE_END  blank           EXT_BLANK
 *                ";", CR         EXT_BEGIN, SIZE_LF
 * SIZE_LF        LF              DATA, or TRAILER after the chunk of size 0
 * DATA           content         DATA, DATA_CR at the chunk's end
 * DATA_CR        CR              DATA_LF
 * DATA_LF        LF              SIZE
 * TRAILER        CR              END_LF
 *                token char      TRAILER_NAME
 * TRAILER_NAME   token char      TRAILER_NAME
 *                ":"             TRAILER_VALUE
 * TRAILER_VALUE  value char      TRAILER_VALUE
 *                CR              TRAILER_LF
 * TRAILER_LF     LF              TRAILER
 * END_LF         LF              done
 * Anything else is refused. The extensions follow the grammar of RFC 9112 7.1.1, and are ignored.
 */
#include "node/http/http_body.h"

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "node/http/http_field.h"

enum {
	PLAIN,
	DATA,
	SIZE,
	EXT_BLANK,
	EXT_BEGIN,
	EXT_NAME,
	EXT_NAMED,
	EXT_VALUE,
	EXT_TOKEN,
	EXT_QUOTED,
	EXT_ESCAPE,
	EXT_QUOTE_END,
	SIZE_LF,
	DATA_CR,
	DATA_LF,
	TRAILER,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF
};

#define SIZE_DIGITS_MAX 16 /* digits of a chunk size: 64 bits in hexadecimal, leading zeros included */

void
http_body_init(struct http_body *body, bool chunked, uint64_t content_length, size_t max_trailers)
{
	*body = (struct http_body){
		.remaining = chunked ? 0 : content_length,
		.max_trailers = max_trailers > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)max_trailers,
		.state = chunked ? SIZE : PLAIN,
		.done = !chunked && content_length == 0,
	};
}

static int
body_expect(struct http_body *body, uint8_t byte, char wanted, uint8_t next)
{
	if (byte != (uint8_t)wanted)
		return ERROR_SYNTAX;
	body->state = next;
	return 0;
}

static bool
body_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static int
size_byte(struct http_body *body, uint8_t byte)
{
	int digit = ascii_hex_value((char)byte);

	if (digit >= 0) {
		if (++body->digits > SIZE_DIGITS_MAX || body->remaining >> 59)
			return ERROR_TOO_BIG;
		body->remaining = body->remaining << 4 | (unsigned)digit;
		return 0;
	}
	if (!body->digits)
		return ERROR_SYNTAX;
	body->digits = 0;
	if (byte == '\r')
		body->state = SIZE_LF;
	else if (byte == ';')
		body->state = EXT_BEGIN;
	else if (body_is_blank(byte))
		body->state = EXT_BLANK;
	else
		return ERROR_SYNTAX;
	return 0;
}

/*
 * Handles the byte after a complete extension or after a blank. `blank` is the state that a (further) blank leads to.
 */
static int
extension_end(struct http_body *body, uint8_t byte, uint8_t blank)
{
	if (byte == ';')
		body->state = EXT_BEGIN;
	else if (byte == '\r' && body->state != blank) /* a blank must not precede the end of the line */
		body->state = SIZE_LF;
	else if (body_is_blank(byte))
		body->state = blank;
	else
		return ERROR_SYNTAX;
	return 0;
}

static int
extension_byte(struct http_body *body, uint8_t byte)
{
	bool token = http_is(byte, HTTP_TCHAR);

	if (++body->extensions > HTTP_EXTENSION_MAX)
		return ERROR_TOO_BIG;
	switch (body->state) {
	case EXT_BEGIN:
		body->state = token ? EXT_NAME : EXT_BEGIN;
		return token || body_is_blank(byte) ? 0 : ERROR_SYNTAX;
	case EXT_NAME:
	case EXT_NAMED:
		if (byte == '=')
			body->state = EXT_VALUE;
		else if (!token || body->state == EXT_NAMED)
			return extension_end(body, byte, EXT_NAMED);
		return 0;
	case EXT_VALUE:
		if (token || byte == '"')
			body->state = token ? EXT_TOKEN : EXT_QUOTED;
		return token || byte == '"' || body_is_blank(byte) ? 0 : ERROR_SYNTAX;
	case EXT_TOKEN:
		return token ? 0 : extension_end(body, byte, EXT_BLANK);
	case EXT_QUOTED:
		if (byte == '"' || byte == '\\')
			body->state = byte == '"' ? EXT_QUOTE_END : EXT_ESCAPE;
		return http_is(byte, HTTP_VCHAR) ? 0 : ERROR_SYNTAX;
	case EXT_ESCAPE:
		body->state = EXT_QUOTED;
		return http_is(byte, HTTP_VCHAR) ? 0 : ERROR_SYNTAX;
	default: /* EXT_BLANK, EXT_QUOTE_END */
		return extension_end(body, byte, EXT_BLANK);
	}
}

static int
trailer_byte(struct http_body *body, uint8_t byte)
{
	if (++body->trailers > body->max_trailers)
		return ERROR_TOO_BIG;
	switch (body->state) {
	case TRAILER:
		if (byte == '\r')
			body->state = END_LF;
		else if (http_is(byte, HTTP_TCHAR))
			body->state = TRAILER_NAME;
		else
			return ERROR_SYNTAX;
		return 0;
	case TRAILER_NAME:
		if (byte == ':')
			body->state = TRAILER_VALUE;
		else if (!http_is(byte, HTTP_TCHAR))
			return ERROR_SYNTAX;
		return 0;
	case TRAILER_VALUE:
		if (byte == '\r')
			body->state = TRAILER_LF;
		else if (!http_is(byte, HTTP_VCHAR))
			return ERROR_SYNTAX;
		return 0;
	default:
		return body_expect(body, byte, '\n', TRAILER);
	}
}

/* Handles a byte that is not content. */
static int
frame_byte(struct http_body *body, uint8_t byte)
{
	if (body->state >= EXT_BLANK && body->state <= EXT_QUOTE_END)
		return extension_byte(body, byte);
	switch (body->state) {
	case SIZE:
		return size_byte(body, byte);
	case SIZE_LF:
		return body_expect(body, byte, '\n', body->remaining ? DATA : TRAILER);
	case DATA_CR:
		return body_expect(body, byte, '\r', DATA_LF);
	case DATA_LF:
		return body_expect(body, byte, '\n', SIZE);
	case END_LF:
		body->done = byte == '\n';
		return body->done ? 0 : ERROR_SYNTAX;
	default:
		return trailer_byte(body, byte);
	}
}

int64_t
http_body_feed(struct http_body *body, const uint8_t *data, size_t n, struct text *piece)
{
	size_t at = 0;

	*piece = TEXT_NONE;
	while (at < n && !body->done && body->state > DATA) {
		int error = frame_byte(body, data[at++]);

		if (error)
			return error;
	}
	if (at < n && !body->done) {
		size_t take = n - at < body->remaining ? n - at : (size_t)body->remaining;

		*piece = text_of((const char *)data + at, take);
		at += take;
		body->remaining -= take;
		if (!body->remaining) {
			body->done = body->state == PLAIN;
			body->state = body->state == PLAIN ? PLAIN : DATA_CR;
		}
	}
	return (int64_t)at;
}
