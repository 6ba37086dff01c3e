/*
 * Packets of the MessagePack parser. Whatever decodes has checked texts within their bounds. A decoded packet that is
 * encoded and decoded again is the same. If its values can be passed on as they came, they give the same packet, too.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/socketio/sio_parser.h"

#define DEPTH_MAX 64
#define ENCODING_MAX (1u << 26) /* of an input with repeated placeholders */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sio_packet_limits limits = {
	.max_attachments = 10, .max_depth = DEPTH_MAX, .max_nsp = 64, .max_bytes = 1u << 20};

static void
check_args(const struct sio_packet *packet)
{
	struct text args[SIO_ARGS_MAX];
	int n = json_array_split(packet->data, args, SIO_ARGS_MAX, DEPTH_MAX);

	must(n >= 0 && (unsigned)n == packet->argc);
	for (unsigned i = 0; i < packet->argc; i++)
		must(args[i].at == packet->args[i].at && args[i].n == packet->args[i].n);
}

static void
check_packet(const struct sio_packet *packet)
{
	must(packet->type <= SIO_CONNECT_ERROR);
	must(packet->nsp.n <= limits.max_nsp && utf8_valid(packet->nsp.at, packet->nsp.n));
	must(packet->attachments <= SIO_ATTACHMENTS_MAX);
	if (packet->data.n > 0)
		must(json_check(packet->data, DEPTH_MAX) == 0);
	if (packet->type == SIO_EVENT || packet->type == SIO_ACK)
		check_args(packet);
	if (packet->type == SIO_EVENT)
		must(packet->argc > 0 && sio_event_name_allowed(packet->args[0]));
	if (packet->attachments > 0)
		must(json_placeholders_check(packet->data, packet->attachments) == 0);
}

/* Decodes, and makes the texts if they are late. Returns whether the message is a packet. */
static bool
decode(struct sio_partial **partial, uint8_t *message, size_t n, struct sio_packet *packet)
{
	int rc = sio_parser_msgpack.decode(partial, true, message, n, &limits, packet);
	unsigned attachments = packet->attachments;

	must(rc == 1 || (rc < 0 && packet->why != NULL && packet->values.at == NULL));
	if (rc != 1)
		return false;
	if (packet->values.at == NULL)
		return true;
	must(packet->type == SIO_EVENT || packet->type == SIO_ACK);
	must(packet->values.count == packet->argc && packet->values.bins == attachments);
	must(packet->values.at >= message && packet->values.at + packet->values.n <= message + n);
	must(sio_parser_msgpack.write(partial, &limits, packet) == 0);
	must(packet->attachments == attachments);
	return true;
}

static struct eio_message *
encode(const struct sio_packet *packet, struct sio_late *late)
{
	struct sio_packet_out out = {.type = packet->type,
		.has_id = packet->has_id,
		.id = packet->id,
		.nsp = packet->nsp,
		.json = packet->data,
		.attachments = packet->blocks,
		.late = late,
		.max_bytes = ENCODING_MAX};
	struct eio_message *messages[SIO_MESSAGES_MAX];
	struct buffer head;

	buffer_init(&head, 1024);
	must(sio_parser_msgpack.encode(&out, &head, messages) == 1);
	buffer_fini(&head);
	return messages[0];
}

static void
check_same(const struct sio_packet *packet, const struct sio_packet *again)
{
	check_packet(again);
	must(again->type == packet->type && again->has_id == packet->has_id && again->id == packet->id);
	must(text_is(again->nsp, packet->nsp) && again->argc == packet->argc);
}

/* The second encoding repeats the first one byte by byte: by then numbers and keys have their final form. */
static void
check_round_trip(const struct sio_packet *packet)
{
	static struct sio_packet again;
	struct sio_partial *partial = NULL;
	struct eio_message *first = encode(packet, NULL), *second;
	struct text bytes = ws_message_payload(&first->frame), bytes2;

	must(decode(&partial, (uint8_t *)(uintptr_t)bytes.at, bytes.n, &again));
	check_same(packet, &again);
	second = encode(&again, NULL);
	bytes2 = ws_message_payload(&second->frame);
	must(text_is(bytes, bytes2));
	eio_message_unref(second);
	eio_message_unref(first);
	sio_parser_msgpack.forget(partial);
}

/* A receiver of the copied values reads the same as a receiver of the text. */
static void
check_copy(const struct sio_packet *packet)
{
	static struct sio_packet again;
	struct sio_partial *partial = NULL;
	struct sio_late late = {.name = TEXT_NONE, .values = packet->values};
	struct eio_message *copy = encode(packet, &late);
	struct text bytes = ws_message_payload(&copy->frame);

	must(decode(&partial, (uint8_t *)(uintptr_t)bytes.at, bytes.n, &again));
	must(again.values.at != NULL && again.values.n == packet->values.n);
	must(memcmp(again.values.at, packet->values.at, again.values.n) == 0);
	check_same(packet, &again);
	must(text_is(again.data, packet->data) && again.attachments == packet->attachments);
	eio_message_unref(copy);
	sio_parser_msgpack.forget(partial);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sio_packet packet;
	struct sio_partial *partial = NULL;
	uint8_t *message = malloc(size > 0 ? size : 1);

	if (size > 0)
		memcpy(message, data, size);
	if (decode(&partial, message, size, &packet)) {
		check_packet(&packet);
		check_round_trip(&packet);
		if (packet.values.at != NULL)
			check_copy(&packet);
	}
	(void)sio_parser_msgpack.held(partial);
	sio_parser_msgpack.forget(partial);
	free(message);
	return 0;
}
