#include "node/socketio/sio_payload.h"

void
sio_payload_init(struct sio_payload *p, size_t max)
{
	buffer_init(&p->json, max);
	attachments_init(&p->attachments);
}

void
sio_payload_fini(struct sio_payload *p)
{
	buffer_fini(&p->json);
	attachments_fini(&p->attachments);
}
