#include "node/engineio/eio_polling_body.h"

#include "node/engineio/eio_payload_v3.h"

/* ---------------------------------------------------------------- polls */

struct eio_polling_reply
eio_polling_encode(const struct eio_session *s, bool b64, struct eio_message *const *messages, unsigned n)
{
	struct eio_polling_reply reply = {.type = "text/plain; charset=UTF-8"};
	bool binary = !b64;

	if (s->revision == 3) {
		reply.block = eio_payload_v3_encode(messages, n, &binary);
		if (binary)
			reply.type = "application/octet-stream";
	} else if (n == 1 && !messages[0]->binary) {
		reply.block = block_ref(messages[0]->frame.block);
		reply.from = messages[0]->frame.payload_at;
	} else {
		reply.block = eio_payload_encode(messages, n);
	}
	return reply;
}

struct eio_polling_reply
eio_polling_encode_script(uint32_t index, struct eio_polling_reply payload)
{
	struct eio_polling_reply reply = {.type = "application/javascript; charset=UTF-8"};

	if (payload.block == NULL)
		return reply;
	reply.block = eio_jsonp_encode(
		index, text_of((const char *)payload.block->data + payload.from, payload.block->len - payload.from));
	block_unref(payload.block);
	return reply;
}

/* ----------------------------------------------------------------- POSTs */

bool
eio_polling_is_binary(const struct http_request *r)
{
	struct text type = http_header_get(r, "content-type"), media;

	return text_cut(&type, ';', &media) && text_is_nocase(text_trim(media), TEXT("application/octet-stream"));
}

eio_polling_next *
eio_polling_decoder(const struct eio_session *s, const struct http_request *r)
{
	if (s->revision == 4)
		return eio_payload_next;
	return eio_polling_is_binary(r) ? eio_payload_v3_next_binary : eio_payload_v3_next;
}

void
eio_polling_decode_form(struct loop *l, struct buffer *body)
{
	int64_t n = eio_jsonp_decode(body->data, body->len);

	loop_spend(l, body->len);
	if (n < 0)
		buffer_fail(body, (int)n);
	else
		body->len = (size_t)n;
}
