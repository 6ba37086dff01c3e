#include "node/socketio/sio_keeper_id.h"

#include "common/base/base64.h"

bool
sio_keeper_id_pack(struct text id, uint8_t *out)
{
	int all = 0; /* negative once a character has no value */

	for (size_t i = 0; i + 4 <= id.n; i += 4, out += 3) {
		int a = base64url_value(id.at[i]), b = base64url_value(id.at[i + 1]);
		int c = base64url_value(id.at[i + 2]), d = base64url_value(id.at[i + 3]);
		uint32_t bits = (uint32_t)(a & 63) << 18 | (uint32_t)(b & 63) << 12 | (uint32_t)(c & 63) << 6 |
				(uint32_t)(d & 63);

		all |= a | b | c | d;
		out[0] = (uint8_t)(bits >> 16);
		out[1] = (uint8_t)(bits >> 8);
		out[2] = (uint8_t)bits;
	}
	return all >= 0;
}

void
sio_keeper_id_unpack(const uint8_t *packed, size_t n, char *out)
{
	for (size_t i = 0; i + 4 <= n; i += 4, packed += 3) {
		uint32_t bits = (uint32_t)packed[0] << 16 | (uint32_t)packed[1] << 8 | packed[2];

		out[i] = base64url_alphabet[bits >> 18];
		out[i + 1] = base64url_alphabet[bits >> 12 & 63];
		out[i + 2] = base64url_alphabet[bits >> 6 & 63];
		out[i + 3] = base64url_alphabet[bits & 63];
	}
}
