#include "common/base/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Returns how many ASCII bytes can be skipped in whole words; most text is ASCII. */
static size_t
utf8_ascii(const uint8_t *at, size_t n)
{
	size_t i = 0;
	uint64_t a, b;

	for (; n - i >= 16; i += 16) {
		memcpy(&a, at + i, 8);
		memcpy(&b, at + i + 8, 8);
		if ((a | b) & HIGH_BITS)
			break;
	}
	if (n - i >= 8) {
		memcpy(&a, at + i, 8);
		if (!(a & HIGH_BITS))
			i += 8;
	}
	return i;
}

/*
 * Starts a sequence: sets the number of continuation bytes and the bounds of the first (RFC 3629 section 4). The
 * narrower bounds exclude overlong forms, surrogates and values above U+10FFFF.
 */
static bool
utf8_lead(struct utf8_state *state, uint8_t lead)
{
	state->low = 0x80;
	state->high = 0xbf;
	if (lead < 0xc2)
		return false;
	if (lead < 0xe0) {
		state->need = 1;
	} else if (lead < 0xf0) {
		state->need = 2;
		if (lead == 0xe0)
			state->low = 0xa0;
		else if (lead == 0xed)
			state->high = 0x9f;
	} else if (lead < 0xf5) {
		state->need = 3;
		if (lead == 0xf0)
			state->low = 0x90;
		else if (lead == 0xf4)
			state->high = 0x8f;
	} else {
		return false;
	}
	return true;
}

bool
utf8_feed(struct utf8_state *state, const void *bytes, size_t n)
{
	const uint8_t *at = bytes, *end;

	if (n == 0)
		return true;
	end = at + n;
	while (at < end) {
		uint8_t byte;

		if (state->need == 0 && *at < 0x80) {
			at += utf8_ascii(at, (size_t)(end - at));
			while (at < end && *at < 0x80)
				at++;
			continue;
		}
		byte = *at++;
		if (state->need == 0) {
			if (!utf8_lead(state, byte))
				return false;
			continue;
		}
		if (byte < state->low || byte > state->high)
			return false;
		state->low = 0x80;
		state->high = 0xbf;
		state->need--;
	}
	return true;
}

bool
utf8_valid(const void *bytes, size_t n)
{
	struct utf8_state state = {0};

	return utf8_feed(&state, bytes, n) && utf8_done(&state);
}

unsigned
utf8_encode(uint32_t c, uint8_t out[4])
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}
