/* Frames to backends about clients. Each is one call; none makes an up-call. */
#ifndef NODE_BACKEND_BACKEND_OUT_H
#define NODE_BACKEND_BACKEND_OUT_H

#include "node/backend/backend_session.h"

void backend_out_session(const struct backend_session *s);
/* With `again` as REATTACH, with rooms and data. False: it is larger than a frame may be, or there is no memory for
 * it. */
bool backend_out_open(const struct backend_socket *bs, bool again);
void backend_out_event(struct backend_link *wire, uint32_t handle, const struct sio_raw_event *e);
void backend_out_rooms(
	struct backend_link *wire, uint8_t type, uint32_t handle, const struct text *rooms, unsigned n);
/* A frame whose body is a text to its end. */
void backend_out_text(struct backend_link *wire, uint8_t type, uint32_t handle, uint32_t id, struct text body);
void backend_out_args(struct backend_link *wire, uint8_t type, uint8_t flags, uint32_t handle, uint32_t id,
	struct text json, const struct attachments *attachments);

/* Of a request: {"method":…,"url":…,"headers":[…],"address":…,"secure":…, without the last brace. */
void backend_out_request(struct buffer *out, const struct http_request *r);

#endif
