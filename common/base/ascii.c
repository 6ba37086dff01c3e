#include "common/base/ascii.h"

const char ascii_hex_digits[17] = "0123456789abcdef";
const char ascii_days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
const char ascii_months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void
ascii_hex_write(const void *bytes, size_t n, char *out)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = ascii_hex_digits[at[i] >> 4];
		out[2 * i + 1] = ascii_hex_digits[at[i] & 15];
	}
}
