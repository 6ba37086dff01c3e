/* The bodies of long-polling: what a poll gets, and how the body of a POST is read. */
#ifndef NODE_ENGINEIO_EIO_POLLING_BODY_H
#define NODE_ENGINEIO_EIO_POLLING_BODY_H

#include "common/base/buffer.h"
#include "node/engineio/eio_jsonp.h"
#include "node/engineio/eio_payload.h"
#include "node/engineio/eio_session.h"

/* The body of the reply to a poll. */
struct eio_polling_reply {
	struct block *block; /* NULL: memory ran out */
	size_t from;	     /* where the body begins in the block */
	const char *type;
};

/* A function that finds the next packet of a body, as eio_payload_next(). */
typedef int eio_polling_next(struct eio_payload *payload, struct eio_packet *out);

/* Makes the messages one payload; with `b64` without binary payloads. */
struct eio_polling_reply eio_polling_encode(
	const struct eio_session *s, bool b64, struct eio_message *const *messages, unsigned n);
/* Makes a payload a script for JSONP. Takes over the reference to its block. */
struct eio_polling_reply eio_polling_encode_script(uint32_t index, struct eio_polling_reply payload);

/* Returns true if the body of a POST is binary. Compares the media type without its parameters. */
bool eio_polling_is_binary(const struct http_request *r);
/* Returns the function that decodes the body of this POST. */
eio_polling_next *eio_polling_decoder(const struct eio_session *s, const struct http_request *r);
/* Replaces a form by the payload in it. An error stays in the buffer. */
void eio_polling_decode_form(struct loop *l, struct buffer *body);

#endif
