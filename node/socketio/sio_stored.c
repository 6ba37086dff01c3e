#include "node/socketio/sio_stored.h"

#include "common/base/mem.h"

struct sio_stored *
sio_stored_new(struct text json, const struct attachments *attachments)
{
	struct sio_stored *s = mem_try_alloc(sizeof *s + json.n);

	if (s == NULL)
		return NULL;
	memcpy(s->json, json.at, json.n);
	attachments_init(&s->attachments);
	for (unsigned i = 0; attachments != NULL && i < attachments->count; i++)
		attachments_add(&s->attachments, attachments->blocks[i]);
	sio_value_owner_init(&s->owner, text_of(s->json, json.n), attachments != NULL ? &s->attachments : NULL);
	return s;
}

size_t
sio_stored_size(const struct sio_stored *s)
{
	return s != NULL ? sizeof *s + s->owner.json.n + attachments_bytes(&s->attachments) : 0;
}

void
sio_stored_free(struct sio_stored *s)
{
	if (s == NULL)
		return;
	sio_value_owner_fini(&s->owner);
	attachments_fini(&s->attachments);
	mem_free(s);
}

sio_value
sio_stored_value(const struct sio_stored *s)
{
	return s != NULL ? sio_value_make(s->owner.json, &s->owner) : sio_value_none();
}
