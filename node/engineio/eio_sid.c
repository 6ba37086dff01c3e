#include "node/engineio/eio_sid.h"

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/engineio/eio.h"

#define SID_PLACE_LENGTH 4

void
eio_sid_make(char *out, unsigned node, unsigned worker)
{
	must(node <= EIO_SID_PLACE_MAX && worker <= EIO_SID_PLACE_MAX);
	out[0] = base64url_alphabet[node >> 6];
	out[1] = base64url_alphabet[node & 63];
	out[2] = base64url_alphabet[worker >> 6];
	out[3] = base64url_alphabet[worker & 63];
	random_id(out + SID_PLACE_LENGTH, EIO_SID_LENGTH - SID_PLACE_LENGTH);
}

int
eio_sid_parse(struct text sid, unsigned *node, unsigned *worker)
{
	int value[SID_PLACE_LENGTH];

	if (sid.n != EIO_SID_LENGTH)
		return ERROR_SYNTAX;
	for (size_t i = 0; i < sid.n; i++) {
		int v = base64url_value(sid.at[i]);

		if (v < 0)
			return ERROR_SYNTAX;
		if (i < SID_PLACE_LENGTH)
			value[i] = v;
	}
	*node = (unsigned)(value[0] << 6 | value[1]);
	*worker = (unsigned)(value[2] << 6 | value[3]);
	return 0;
}
