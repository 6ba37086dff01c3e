#include "node/engineio/eio_sid.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "node/engineio/eio.h"

#define SID_PLACE_LENGTH 4
_Static_assert(SID_PLACE_LENGTH + EIO_SID_REST_LENGTH == EIO_SID_LENGTH, "a sid is its place and the rest");

static void
sid_put_place(char *out, unsigned node, unsigned worker)
{
	must(node <= EIO_SID_PLACE_MAX && worker <= EIO_SID_PLACE_MAX);
	out[0] = base64url_alphabet[node >> 6];
	out[1] = base64url_alphabet[node & 63];
	out[2] = base64url_alphabet[worker >> 6];
	out[3] = base64url_alphabet[worker & 63];
}

void
eio_sid_make(char *out, unsigned node, unsigned worker)
{
	sid_put_place(out, node, worker);
	random_id(out + SID_PLACE_LENGTH, EIO_SID_REST_LENGTH);
}

int
eio_sid_make_of(char *out, unsigned node, unsigned worker, struct text rest)
{
	if (rest.n != EIO_SID_REST_LENGTH)
		return ERROR_SYNTAX;
	for (size_t i = 0; i < rest.n; i++) {
		if (base64url_value(rest.at[i]) < 0)
			return ERROR_SYNTAX;
	}
	sid_put_place(out, node, worker);
	memcpy(out + SID_PLACE_LENGTH, rest.at, rest.n);
	return 0;
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
