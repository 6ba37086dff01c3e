#include "node/backend/backend_held.h"

#include "common/base/mem.h"
#include "common/base/must.h"

void
backend_held_init(struct backend_held *held)
{
	held->first = NULL;
	held->last = &held->first;
}

size_t
backend_held_size(const struct sio_raw_event *event)
{
	return sizeof(struct backend_event) + event->json.n + attachments_bytes(event->attachments);
}

bool
backend_held_add(struct backend_held *held, const struct sio_raw_event *event)
{
	struct backend_event *kept = mem_try_alloc(sizeof *kept + event->json.n);

	if (kept == NULL)
		return false;
	*kept = (struct backend_event){.id = event->id,
		.wants_ack = event->wants_ack,
		.binary = event->attachments != NULL,
		.n = (uint32_t)event->json.n};
	memcpy(kept->json, event->json.at, event->json.n);
	attachments_init(&kept->attachments);
	for (unsigned i = 0; event->attachments != NULL && i < event->attachments->count; i++)
		attachments_add(&kept->attachments, event->attachments->blocks[i]);
	*held->last = kept;
	held->last = &kept->next;
	return true;
}

bool
backend_held_first(const struct backend_held *held, struct sio_raw_event *out)
{
	const struct backend_event *kept = held->first;

	if (kept == NULL)
		return false;
	*out = (struct sio_raw_event){.json = text_of(kept->json, kept->n),
		.attachments = kept->binary ? &kept->attachments : NULL,
		.wants_ack = kept->wants_ack,
		.id = kept->id};
	return true;
}

size_t
backend_held_drop(struct backend_held *held)
{
	struct backend_event *kept = held->first;
	struct sio_raw_event event;
	size_t size;

	must(kept != NULL);
	(void)backend_held_first(held, &event);
	size = backend_held_size(&event);
	held->first = kept->next;
	if (held->first == NULL)
		held->last = &held->first;
	attachments_fini(&kept->attachments);
	mem_free(kept);
	return size;
}
