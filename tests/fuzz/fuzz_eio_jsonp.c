/*
 * JSONP. A form decodes within its bytes, to at most as many. Valid UTF-8 as a script holds nothing that ends a
 * string literal or a script element, and reads back as the same payload; sent as a form as browsers do, it decodes
 * to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/engineio/eio_jsonp.h"

#define HEAD "___eio[7]("
#define FOOT ");"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_decode(const uint8_t *data, size_t size)
{
	uint8_t *form = malloc(size > 0 ? size : 1);
	int64_t n;

	if (size > 0)
		memcpy(form, data, size);
	n = eio_jsonp_decode(form, size);
	must(n <= (int64_t)size);
	free(form);
}

static void
check_script(struct text payload)
{
	struct block *block = eio_jsonp_encode(7, payload);
	struct text script = text_of((const char *)block->data, block->len), literal;
	char *back = malloc(block->len);

	must(text_starts(script, TEXT(HEAD)) && text_ends(script, TEXT(FOOT)));
	literal = text_of(script.at + sizeof(HEAD) - 1, script.n - (sizeof(HEAD) - 1) - (sizeof(FOOT) - 1));
	must(json_check(literal, 1) == 0 && json_type(literal) == JSON_STRING);
	must(!text_has(literal, TEXT("</")));
	must(!text_has(literal, TEXT("\xe2\x80\xa8")) && !text_has(literal, TEXT("\xe2\x80\xa9")));
	must(text_is(text_of(back, json_string_decode(literal, back)), payload));
	free(back);
	block_unref(block);
}

/* Writes the payload as the stock client and a browser do, and decodes it. */
static void
check_form(struct text payload)
{
	uint8_t *form = malloc(2 + 9 * payload.n); /* "\n" after a backslash may become three escapes */
	size_t n = 2, backslashes = 0;

	memcpy(form, "d=", 2);
	for (size_t i = 0; i < payload.n; i++) {
		static const char digits[] = "0123456789ABCDEF";
		uint8_t byte = (uint8_t)payload.at[i];

		if (byte == '\n' && backslashes > 0) { /* the client's escapes are ambiguous here */
			free(form);
			return;
		}
		if (byte == '\n' || (byte == 'n' && backslashes > 0)) {
			memcpy(form + n, "%5Cn", 4);
			n += 4;
		} else {
			form[n++] = '%';
			form[n++] = (uint8_t)digits[byte >> 4];
			form[n++] = (uint8_t)digits[byte & 15];
		}
		backslashes = byte == '\\' ? backslashes + 1 : 0;
	}
	must(text_is(text_of((char *)form, (size_t)eio_jsonp_decode(form, n)), payload));
	free(form);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text payload = text_of(size > 0 ? (const char *)data : "", size);
	struct eio_jsonp jsonp;

	check_decode(data, size);
	if (eio_jsonp_parse(payload, &jsonp) < 0)
		must(!jsonp.on);
	if (utf8_valid(data, size)) {
		check_script(payload);
		check_form(payload);
	}
	return 0;
}
