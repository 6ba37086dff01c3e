/*
 * Long-polling payloads. A walk ends, stays within the input, and finds the same packets as cutting at the
 * separators. Decoded packets are the same after encoding and decoding again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "node/engineio/eio_payload.h"

#define PACKETS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct eio_message *
message_of(const struct eio_packet *p)
{
	struct text data = text_of((const char *)p->data, p->n);

	return p->binary ? eio_message_binary(p->data, p->n) : eio_message_packet((char)p->type, data);
}

/* The messages, encoded as one payload, decode to the same types and bytes. */
static void
check_round_trip(struct eio_message **messages, unsigned count)
{
	struct block *b = eio_payload_encode(messages, count);
	struct eio_payload again;
	struct eio_packet packet;

	eio_payload_init(&again, b->data, b->len);
	for (unsigned i = 0; i < count; i++) {
		const struct eio_message *m = messages[i];
		const uint8_t *at = m->frame.block->data + m->frame.payload_at;
		size_t n = m->frame.block->len - m->frame.payload_at;

		must(eio_payload_next(&again, &packet) == 1);
		must(packet.binary == m->binary);
		if (!m->binary) {
			must(packet.type == at[0]);
			at++;
			n--;
		}
		must(packet.n == n && (n == 0 || memcmp(packet.data, at, n) == 0));
	}
	must(eio_payload_next(&again, &packet) == 0);
	block_unref(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *walked = malloc(size + 1), *cut = malloc(size + 1), *at = cut;
	struct eio_message *messages[PACKETS_MAX];
	struct eio_packet packet, single;
	struct eio_payload payload;
	unsigned count = 0;
	int got;

	if (size > 0) {
		memcpy(walked, data, size);
		memcpy(cut, data, size);
	}
	cut[size] = EIO_SEPARATOR;
	eio_payload_init(&payload, walked, size);
	for (;;) {
		uint8_t *end = memchr(at, EIO_SEPARATOR, (size_t)(cut + size + 1 - at));
		size_t n = (size_t)(end - at);

		got = eio_payload_next(&payload, &packet);
		must((got < 0) == (eio_packet_parse(at, n, &single) < 0));
		if (got < 0)
			break;
		must(got == 1 && packet.type == single.type && packet.binary == single.binary &&
			packet.n == single.n);
		must(packet.data >= walked && packet.data + packet.n <= walked + size);
		must(packet.n == 0 || memcmp(packet.data, single.data, packet.n) == 0);
		if (count < PACKETS_MAX)
			messages[count++] = message_of(&packet);
		if (end == cut + size)
			break;
		at = end + 1;
	}
	must(eio_payload_next(&payload, &packet) == 0);
	if (count > 0)
		check_round_trip(messages, count);
	while (count > 0)
		eio_message_unref(messages[--count]);
	free(walked);
	free(cut);
	return 0;
}
