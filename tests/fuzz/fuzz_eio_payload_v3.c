/*
 * Payloads of Engine.IO protocol v3. The first byte of the input selects text or binary. A walk ends and stays within
 * the input. Decoded packets are the same after encoding, in both forms, and decoding again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/engineio/eio_payload_v3.h"

#define PACKETS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
next_of(struct eio_payload *payload, bool binary, struct eio_packet *out)
{
	return binary ? eio_payload_v3_next_binary(payload, out) : eio_payload_v3_next(payload, out);
}

static void
check_round_trip(struct eio_message **messages, unsigned count, bool binary)
{
	struct block *b = eio_payload_v3_encode(messages, count, &binary);
	struct eio_payload again;
	struct eio_packet packet;
	uint8_t *copy = malloc(b->len); /* the block may belong to a message */

	memcpy(copy, b->data, b->len);
	eio_payload_init(&again, copy, b->len);
	for (unsigned i = 0; i < count; i++) {
		struct text bytes = ws_message_payload(&messages[i]->frame);

		must(next_of(&again, binary, &packet) == 1);
		must(packet.binary == messages[i]->binary);
		if (!packet.binary) {
			must(packet.type == (enum eio_packet_type)bytes.at[0]);
			bytes = text_of(bytes.at + 1, bytes.n - 1);
		}
		must(packet.n == bytes.n && (bytes.n == 0 || memcmp(packet.data, bytes.at, bytes.n) == 0));
	}
	must(next_of(&again, binary, &packet) == 0);
	free(copy);
	block_unref(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool binary = size > 0 && (data[0] & 1) != 0;
	size_t n = size > 0 ? size - 1 : 0;
	uint8_t *walked = malloc(n > 0 ? n : 1);
	struct eio_message *messages[PACKETS_MAX];
	struct eio_payload payload;
	struct eio_packet packet;
	unsigned count = 0;

	if (n > 0)
		memcpy(walked, data + 1, n);
	eio_payload_init(&payload, walked, n);
	while ((binary || utf8_valid(data + 1, n)) && next_of(&payload, binary, &packet) == 1) {
		struct text text = text_of((const char *)packet.data, packet.n);

		must(packet.data >= walked && packet.data + packet.n <= walked + n);
		must(packet.binary || utf8_valid(packet.data, packet.n));
		if (count < PACKETS_MAX)
			messages[count++] = packet.binary ? eio_message_binary(packet.data, packet.n)
							  : eio_message_packet((char)packet.type, text);
	}
	if (count > 0) {
		check_round_trip(messages, count, false);
		check_round_trip(messages, count, true);
	}
	while (count > 0)
		eio_message_unref(messages[--count]);
	free(walked);
	return 0;
}
