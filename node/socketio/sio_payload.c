#include "node/socketio/sio_payload.h"

void
sio_payload_init(struct sio_payload *payload, size_t max)
{
	buffer_init(&payload->json, max);
	attachments_init(&payload->attachments);
	payload->late.values.at = NULL;
}

void
sio_payload_fini(struct sio_payload *payload)
{
	buffer_fini(&payload->json);
	attachments_fini(&payload->attachments);
}
