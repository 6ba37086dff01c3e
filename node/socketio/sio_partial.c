#include "node/socketio/sio_partial.h"

#include <string.h>

#include "common/base/mem.h"

struct sio_partial *
sio_partial_new(struct text message, unsigned wanted)
{
	struct sio_partial *partial = mem_try_alloc(sizeof *partial + message.n);

	if (partial == NULL)
		return NULL;
	attachments_init(&partial->attachments);
	partial->wanted = wanted;
	partial->bytes = partial->n = message.n;
	memcpy(partial->message, message.at, message.n);
	return partial;
}

void
sio_partial_free(struct sio_partial *partial)
{
	if (partial == NULL)
		return;
	attachments_fini(&partial->attachments);
	mem_free(partial);
}

size_t
sio_partial_held(const struct sio_partial *partial)
{
	return partial != NULL ? sizeof *partial + partial->bytes : 0;
}
