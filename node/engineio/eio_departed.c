#include "node/engineio/eio_departed.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/table.h"
#include "node/engineio/eio.h"

struct eio_departed_sid {
	uint64_t until; /* 0: the place is empty */
	char sid[EIO_SID_LENGTH];
};

static struct eio_departed_sid *
departed_place(const struct eio_departed *departed, struct text sid)
{
	return &departed->sids[table_hash(sid.at, sid.n) % EIO_DEPARTED_MAX];
}

void
eio_departed_fini(struct eio_departed *departed)
{
	mem_free(departed->sids);
}

void
eio_departed_add(struct eio_departed *departed, struct text sid, uint64_t now)
{
	struct eio_departed_sid *place;

	must(sid.n == EIO_SID_LENGTH);
	if (departed->sids == NULL)
		departed->sids = mem_zalloc(EIO_DEPARTED_MAX * sizeof(*departed->sids));
	departed->until = now + EIO_DEPARTED_MS;
	place = departed_place(departed, sid);
	place->until = departed->until;
	memcpy(place->sid, sid.at, EIO_SID_LENGTH);
}

bool
eio_departed_has(const struct eio_departed *departed, struct text sid, uint64_t now)
{
	const struct eio_departed_sid *place;

	if (now >= departed->until)
		return false;
	place = departed_place(departed, sid);
	return now < place->until && text_is(sid, text_of(place->sid, EIO_SID_LENGTH));
}
