/* Frames to backends about clients. Each function sends one frame; none calls up. */
#ifndef NODE_BACKEND_BACKEND_OUT_H
#define NODE_BACKEND_BACKEND_OUT_H

#include "node/backend/backend_session.h"

/* Sends SESSION. */
void backend_out_session(const struct backend_session *s);
/*
 * Sends OPEN with these flags. With REATTACH it has rooms and data. Returns false if it is larger than a frame or
 * memory is short.
 */
bool backend_out_open(const struct backend_socket *bs, uint8_t flags);
/* Sends ENDED. */
void backend_out_ended(struct backend_link *wire, const sio_nsp *nsp, const sio_ended_session *ended);
/* Sends EVENT. */
void backend_out_event(struct backend_link *wire, uint32_t handle, const struct sio_raw_event *e);
/* Sends a frame whose body is a list of rooms. */
void backend_out_rooms(
	struct backend_link *wire, uint8_t type, uint32_t handle, const struct text *rooms, unsigned n);
/* Sends a frame whose body is `body` alone. */
void backend_out_text(struct backend_link *wire, uint8_t type, uint32_t handle, uint32_t id, struct text body);
/* Sends a frame whose body is args. */
void backend_out_args(struct backend_link *wire, uint8_t type, uint8_t flags, uint32_t handle, uint32_t id,
	struct text json, const struct attachments *attachments);

/* Writes the JSON of a request without its last brace: {"method":…,"url":…,"headers":[…],"address":…,"secure":… */
void backend_out_request(struct buffer *out, const struct http_request *r);

#endif
