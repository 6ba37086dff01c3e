#include "node/socketio/sio_stored.h"

#include "common/base/mem.h"

struct sio_stored *
sio_stored_new(struct text json, const struct attachments *attachments)
{
	struct sio_stored *stored = mem_try_alloc(sizeof *stored + json.n);

	if (stored == NULL)
		return NULL;
	stored->refs = 1;
	memcpy(stored->json, json.at, json.n);
	attachments_init(&stored->attachments);
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&stored->attachments, attachments->blocks[i]);
	sio_value_owner_init(
		&stored->owner, text_of(stored->json, json.n), attachments != NULL ? &stored->attachments : NULL);
	return stored;
}

size_t
sio_stored_size(const struct sio_stored *stored)
{
	return stored != NULL ? sizeof *stored + stored->owner.json.n + attachments_bytes(&stored->attachments) : 0;
}

void
sio_stored_unref(struct sio_stored *stored)
{
	if (stored == NULL || --stored->refs > 0)
		return;
	sio_value_owner_fini(&stored->owner);
	attachments_fini(&stored->attachments);
	mem_free(stored);
}

sio_value
sio_stored_value(const struct sio_stored *stored)
{
	return stored != NULL ? sio_value_make(stored->owner.json, &stored->owner) : sio_value_none();
}
