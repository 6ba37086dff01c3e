#include "tests/load/message.h"

#include <string.h>

#include "common/base/ascii.h"

/* Format: "sl" run sender sequence due "-". */
#define MARK "sl"
#define AT_RUN 2
#define AT_SENDER 10
#define AT_SEQUENCE 18
#define AT_DUE 26
#define AT_END 42

static void
hex_put(uint8_t *at, unsigned digits, uint64_t value)
{
	for (; digits > 0; value >>= 4)
		at[--digits] = (uint8_t)ascii_hex_digits[value & 15];
}

/* Reads hexadecimal digits; true if all are valid. */
static bool
hex_get(const uint8_t *at, unsigned digits, uint64_t *value)
{
	unsigned bad = 0;

	*value = 0;
	for (unsigned i = 0; i < digits; i++) {
		unsigned c = at[i], decimal = c - '0', letter = c - 'a' + 10;
		bool is_letter = letter >= 10 && letter < 16;

		bad |= !is_letter && decimal > 9;
		*value = *value << 4 | (is_letter ? letter : decimal);
	}
	return bad == 0;
}

void
message_write(const struct message *m, uint8_t out[MESSAGE_SIZE_MIN])
{
	memcpy(out, MARK, AT_RUN);
	hex_put(out + AT_RUN, 8, m->run);
	hex_put(out + AT_SENDER, 8, m->sender);
	hex_put(out + AT_SEQUENCE, 8, m->sequence);
	hex_put(out + AT_DUE, 16, m->due);
	memset(out + AT_END, '-', MESSAGE_SIZE_MIN - AT_END);
}

const uint8_t *
message_find(const uint8_t *bytes, size_t n, uint32_t run)
{
	uint8_t mark[AT_SENDER];

	memcpy(mark, MARK, AT_RUN);
	hex_put(mark + AT_RUN, 8, run);
	return memmem(bytes, n, mark, sizeof mark);
}

bool
message_read(struct message *out, const uint8_t *bytes, size_t n)
{
	uint64_t run, sender, sequence;

	if (n < MESSAGE_SIZE_MIN || memcmp(bytes, MARK, AT_RUN) != 0 || !hex_get(bytes + AT_RUN, 8, &run) ||
		!hex_get(bytes + AT_SENDER, 8, &sender) || !hex_get(bytes + AT_SEQUENCE, 8, &sequence) ||
		!hex_get(bytes + AT_DUE, 16, &out->due))
		return false;
	out->run = (uint32_t)run;
	out->sender = (uint32_t)sender;
	out->sequence = (uint32_t)sequence;
	return true;
}
