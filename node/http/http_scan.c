/*
 * State        byte         next
 * START        CR           EMPTY_LF       an empty line before the request
 *              token char   METHOD
 * EMPTY_LF     LF           START
 * METHOD       token char   METHOD
 *              blank        TARGET
 * TARGET       URI char     TARGET
 *              blank        VERSION        if there was at least one
 * VERSION      "HTTP/d.d"   VERSION
 *              CR           LINE_LF        if complete, and 1.d
 * LINE_LF      LF           FIELD
 * FIELD        CR           END_LF
 *              token char   NAME
 * NAME         token char   NAME
 *              ":"          VALUE
 * VALUE        value char   VALUE
 *              CR           LINE_LF
 * END_LF       LF           the end
 * Anything else is refused.
 */
#include "node/http/http_scan.h"

#include <string.h>

#include "common/base/error.h"
#include "node/http/http_field.h"
#include "node/http/http_split.h"

enum { START, EMPTY_LF, METHOD, TARGET, VERSION, LINE_LF, FIELD, NAME, VALUE, END_LF };

/* "9" stands for any digit. */
static const char version_shape[] = "HTTP/9.9";
#define VERSION_LENGTH (sizeof(version_shape) - 1)

void
http_scan_init(struct http_scan *scan)
{
	*scan = (struct http_scan){0};
}

static int
scan_refuse(struct http_scan *scan, int error, unsigned status)
{
	scan->status = (uint16_t)status;
	return error;
}

static int
version_byte(struct http_scan *scan, uint8_t byte)
{
	if (scan->at == VERSION_LENGTH) {
		if (byte != '\r')
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		if (scan->major != '1')
			return scan_refuse(scan, ERROR_UNSUPPORTED, 505);
		scan->state = LINE_LF;
		return 0;
	}
	if (version_shape[scan->at] == '9' ? !http_is(byte, HTTP_DIGIT) : byte != (uint8_t)version_shape[scan->at])
		return scan_refuse(scan, ERROR_SYNTAX, 400);
	if (scan->at == VERSION_LENGTH - 3)
		scan->major = byte;
	scan->at++;
	return 0;
}

/* Handles a byte of the request line or of an empty line before it. */
static int
request_line_byte(struct http_scan *scan, uint8_t byte)
{
	switch (scan->state) {
	case START:
		if (byte == '\r' && scan->skipped < HTTP_EMPTY_LINES_MAX)
			scan->state = EMPTY_LF;
		else if (http_is(byte, HTTP_TCHAR)) {
			scan->state = METHOD;
			scan->at = 1;
		} else
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		return 0;
	case EMPTY_LF:
		if (byte != '\n')
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		scan->skipped++;
		scan->state = START;
		return 0;
	case METHOD:
		if (byte == ' ') {
			scan->state = TARGET;
			scan->at = 0;
		} else if (!http_is(byte, HTTP_TCHAR))
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		else if (++scan->at > HTTP_METHOD_MAX)
			return scan_refuse(scan, ERROR_UNSUPPORTED, 501);
		return 0;
	case TARGET:
		if (byte == ' ' && scan->at) {
			scan->state = VERSION;
			scan->at = 0;
		} else if (http_is(byte, HTTP_URI))
			scan->at = 1;
		else
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		return 0;
	default:
		return version_byte(scan, byte);
	}
}

static int
field_byte(struct http_scan *scan, uint8_t byte, unsigned max_fields)
{
	switch (scan->state) {
	case FIELD:
		if (byte == '\r')
			scan->state = END_LF;
		else if (!http_is(byte, HTTP_TCHAR))
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		else if (scan->fields++ >= max_fields)
			return scan_refuse(scan, ERROR_TOO_MANY, 431);
		else
			scan->state = NAME;
		return 0;
	case NAME:
		if (byte == ':')
			scan->state = VALUE;
		else if (!http_is(byte, HTTP_TCHAR))
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		return 0;
	default: /* VALUE */
		if (byte == '\r')
			scan->state = LINE_LF;
		else if (!http_is(byte, HTTP_VCHAR))
			return scan_refuse(scan, ERROR_SYNTAX, 400);
		return 0;
	}
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/*
 * Returns true if all eight bytes are blanks, visible ASCII or 0x80 and above. TAB is valid too but rare, so it takes
 * the slow path.
 */
static bool
eight_value_bytes(const uint8_t *data)
{
	uint64_t word, delete;

	memcpy(&word, data, sizeof(word));
	delete = word ^ EACH_BYTE(0x7f);
	return ((((word - EACH_BYTE(0x20)) & ~word) | ((delete - EACH_BYTE(1)) & ~delete)) & EACH_BYTE(0x80)) == 0;
}

/* Returns how many bytes at the beginning are of the class `kind`. */
static size_t
class_span(const uint8_t *data, size_t n, unsigned kind)
{
	size_t length = 0;

	while (kind == HTTP_VCHAR && n - length >= 8 && eight_value_bytes(data + length))
		length += 8;
	while (length < n && http_is(data[length], kind))
		length++;
	return length;
}

/* Returns the length of the field line at the beginning if it is complete and valid, otherwise 0. */
static size_t
field_line(const uint8_t *data, size_t n)
{
	size_t at = class_span(data, n, HTTP_TCHAR);

	if (at == 0 || at == n || data[at++] != ':')
		return 0;
	at += class_span(data + at, n - at, HTTP_VCHAR);
	return n - at >= 2 && data[at] == '\r' && data[at + 1] == '\n' ? at + 2 : 0;
}

/*
 * The fast path for the bulk of a head: bytes of the target, and whole field lines. Returns the number of bytes
 * consumed.
 */
static size_t
skip_plain(struct http_scan *scan, const uint8_t *data, size_t n, size_t max_head, unsigned max_fields)
{
	size_t at = 0, length;

	if (scan->state == TARGET) {
		at = class_span(data, n, HTTP_URI);
		if (at > 0)
			scan->at = 1;
		scan->len += at;
		return at;
	}
	while (scan->state == FIELD && scan->fields < max_fields && (length = field_line(data + at, n - at)) > 0 &&
		scan->len + length <= max_head) {
		scan->fields++;
		scan->len += length;
		at += length;
	}
	return at;
}

int64_t
http_scan_feed(struct http_scan *scan, const uint8_t *data, size_t n, size_t max_head, unsigned max_fields)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t byte;
		int error = 0;

		i += skip_plain(scan, data + i, n - i, max_head, max_fields);
		if (scan->len > max_head)
			return scan_refuse(scan, ERROR_TOO_BIG, scan->state <= VERSION ? 414 : 431);
		if (i == n)
			break;
		byte = data[i];
		if (scan->state == LINE_LF || scan->state == END_LF) {
			if (byte != '\n')
				return scan_refuse(scan, ERROR_SYNTAX, 400);
			scan->len++;
			if (scan->state == END_LF)
				return scan->len > max_head ? scan_refuse(scan, ERROR_TOO_BIG, 431) : (int64_t)i + 1;
			scan->state = FIELD;
		} else {
			error = scan->state < LINE_LF ? request_line_byte(scan, byte)
						      : field_byte(scan, byte, max_fields);
			if (scan->state > EMPTY_LF)
				scan->len++;
		}
		if (error)
			return error;
		if (scan->len > max_head)
			return scan_refuse(scan, ERROR_TOO_BIG, scan->state <= VERSION ? 414 : 431);
	}
	return 0;
}
