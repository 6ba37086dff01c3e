/*
 * Broadcasts whose event stays MessagePack. They are read as those whose event becomes text: the messages of the real
 * adapters and emitter, whole, cut, and changed at each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "broker/wire_sharded.h"
#include "broker/wire_stream.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "tests/unit/broker/vectors.h"

#define CLASSIC "tests/data/wire/vectors.txt"
#define SHARDED "tests/data/wire/sharded.txt"
static bool sharded; /* the form of the messages */
static struct wire_message eager, late;
static struct attachments attachments;
static struct buffer json;

static int
start(void **state)
{
	(void)state;
	sharded = false;
	wire_message_init(&eager);
	wire_message_init(&late);
	attachments_init(&attachments);
	buffer_init(&json, 1 << 20);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	wire_message_fini(&eager);
	wire_message_fini(&late);
	attachments_fini(&attachments);
	buffer_fini(&json);
	return 0;
}

static void
same_text(struct text a, struct text b)
{
	assert_true((a.at == NULL) == (b.at == NULL));
	assert_true(a.at == NULL || text_is(a, b));
}

/* The event has the text and the attachments that the other reader makes. */
static void
same_event(void)
{
	attachments_cut(&attachments, 0);
	buffer_reset(&json);
	assert_int_equal(msgpack_to_json((const uint8_t *)late.event.array.at, late.event.array.n, JSON_DEPTH_MAX,
				 &attachments, &json),
		late.event.array.n);
	assert_true(text_is(buffer_text(&json), eager.data));
	assert_int_equal(late.event.values.count, eager.data_count);
	assert_int_equal(late.event.values.bins, eager.attachments.count);
	assert_int_equal(attachments.count, eager.attachments.count);
	for (unsigned i = 0; i < attachments.count; i++) {
		assert_int_equal(attachments.blocks[i]->len, eager.attachments.blocks[i]->len);
		assert_memory_equal(
			attachments.blocks[i]->data, eager.attachments.blocks[i]->data, attachments.blocks[i]->len);
	}
}

/* Reads a message in memory of exactly its size both ways. Returns whether its event stays MessagePack. */
static bool
read_both(const char *bytes, size_t n)
{
	char *exact = malloc(n + (n == 0));
	struct text payload = text_of(exact, n);
	bool is_late = false;
	int rc;

	assert_non_null(exact);
	memcpy(exact, bytes, n);
	rc = sharded ? wire_sharded_read(&eager, payload) : wire_read_broadcast(&eager, payload);
	assert_int_equal(
		sharded ? wire_sharded_read_late(&late, payload) : wire_read_broadcast_late(&late, payload), rc);
	assert_null(eager.event.array.at);
	if (rc == 0) {
		assert_int_equal(late.type, eager.type);
		assert_int_equal(late.has_request_id, eager.has_request_id);
		same_text(late.uid, eager.uid);
		same_text(late.nsp, eager.nsp);
		assert_int_equal(late.data_count, eager.data_count);
		assert_int_equal(late.target.flags, eager.target.flags);
		assert_int_equal(late.rooms_listed, eager.rooms_listed);
		assert_int_equal(late.target.room_count, eager.target.room_count);
		for (unsigned i = 0; i < late.target.room_count; i++)
			same_text(late.target.rooms[i], eager.target.rooms[i]);
		assert_int_equal(late.target.except_count, eager.target.except_count);
		for (unsigned i = 0; i < late.target.except_count; i++)
			same_text(late.target.except[i], eager.target.except[i]);
		is_late = late.event.array.at != NULL;
		if (is_late)
			same_event();
		else
			same_text(late.data, eager.data);
	}
	free(exact);
	return is_late;
}

static bool
read_hex(const char *hex)
{
	char bytes[2048];
	size_t n = 0;

	for (; *hex != '\0'; hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[n++] = (char)byte;
	}
	return read_both(bytes, n);
}

struct message {
	const char *name;
	bool is_late;
};

static void
read_messages(const char *file, const struct message *messages, size_t count)
{
	for (size_t m = 0; m < count; m++) {
		struct text payload = vector_of(file, messages[m].name);
		char *bytes = malloc(payload.n);

		assert_non_null(bytes);
		memcpy(bytes, payload.at, payload.n);
		if (read_both(bytes, payload.n) != messages[m].is_late)
			fail_msg("%s", messages[m].name);
		for (size_t cut = 0; cut < payload.n; cut++)
			assert_false(read_both(bytes, cut));
		for (size_t i = 0; i < payload.n; i++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				bytes[i] ^= (char)(1 << bit);
				(void)read_both(bytes, payload.n);
				bytes[i] ^= (char)(1 << bit);
			}
		}
		free(bytes);
	}
}

static void
messages_of_the_adapter(void **state)
{
	static const struct message messages[] = {
		{"broadcast", true},
		{"broadcast-room", true},
		{"broadcast-rooms", true},
		{"broadcast-flags", true},
		{"broadcast-nsp", true},
		{"broadcast-number", false},
		{"broadcast-binary", true},
		{"broadcast-values", true},
		{"broadcast-undefined", false},
		{"broadcast-numeric", true},
		{"emitter", true},
		{"emitter-rooms", true},
		{"emitter-nsp", false},
	};

	(void)state;
	read_messages(CLASSIC, messages, sizeof messages / sizeof *messages);
}

static void
messages_of_the_sharded_adapter(void **state)
{
	static const struct message messages[] = {
		{"broadcast", false},
		{"broadcast-binary", true},
		{"broadcast-room-binary", true},
		{"broadcast-undefined", false},
		{"broadcast-ack-binary", false},
		{"join", false},
		{"server-emit-binary", false},
	};

	(void)state;
	sharded = true;
	read_messages(SHARDED, messages, sizeof messages / sizeof *messages);
}

#define UID "a161"
#define TYPE "a47479706502"
#define DATA "a464617461"
#define NSP "a36e7370a12f"

static void
forms(void **state)
{
	(void)state;
	assert_true(read_hex("92" UID "83" TYPE DATA "91a165" NSP));
	assert_true(read_hex("92" UID "83" DATA "92a165cc05" TYPE NSP));
	assert_true(read_hex("93c083" TYPE DATA "91a165" NSP "80"));
	assert_true(read_hex("94" UID "83" TYPE DATA "91a165" NSP "80a3706f73")); /* with the stamp of the log */
	assert_true(read_hex("dc0002" UID "de0003" TYPE DATA "dc0001a165" NSP));
	assert_true(read_hex("92" UID "84" TYPE DATA "91a165" NSP "a17892c0c3"));
	/* what must become text */
	assert_false(read_hex("92" UID "83" TYPE DATA "9105" NSP));
	assert_false(read_hex("92" UID "83" TYPE DATA "91a100" NSP));
	assert_false(read_hex("92" UID "83" TYPE DATA "92a165d6ff00000000" NSP));
	assert_false(read_hex("92" UID "84" TYPE DATA "91a165" NSP DATA "91a166"));
	assert_false(read_hex("92" UID "84" TYPE DATA "91a165" NSP "a178c40101"));
	/* what is refused */
	assert_false(read_hex("92" UID "83" TYPE DATA "90" NSP));
	assert_false(read_hex("92" UID "82" TYPE NSP));
	assert_false(read_hex("92" UID "82" DATA "91a165" NSP));
	assert_false(read_hex("92" UID "83a47479706503" DATA "91a165" NSP));
	assert_false(read_hex("91" UID));
	assert_false(read_hex("90"));
}

#define TYPE3 "a47479706503"
#define PACKET "a67061636b657482" TYPE DATA
#define OPTS "a46f70747380"
#define BEGIN "84" TYPE3 "a464617461"
#define END "a3756964a175" NSP

static void
sharded_forms(void **state)
{
	(void)state;
	sharded = true;
	assert_true(read_hex(BEGIN "82" PACKET "92a165cc05" OPTS END));
	assert_true(read_hex(BEGIN "82" OPTS PACKET "91a165" END));
	assert_true(read_hex("84" END "a46461746182" OPTS PACKET "91a165" TYPE3));
	assert_true(read_hex("85" TYPE3 "a464617461de0002" PACKET "91a165" OPTS END "a17891c0"));
	/* what must become text */
	assert_false(read_hex("84a474797065cc03a46461746182" PACKET "91a165" OPTS END));
	assert_false(read_hex(BEGIN "82" PACKET "9105" OPTS END));
	assert_false(read_hex(BEGIN "83" PACKET "91a165" OPTS "a9726571756573744964a172" END));
	assert_false(read_hex(BEGIN "83" PACKET "91a165" OPTS "a9726571756573744964c0" END));
	/* the last of several members of the same name counts */
	assert_false(read_hex(BEGIN "83" PACKET "91a165" PACKET "91a166" OPTS END));
	assert_false(read_hex(BEGIN "83" PACKET "91a165"
				    "a67061636b657481" TYPE OPTS END));
	assert_false(read_hex("85" TYPE3 "a46461746182" PACKET "91a165" OPTS "a464617461"
			      "81" OPTS END));
	/* what is refused */
	assert_false(read_hex(BEGIN "81" PACKET "91a165" END));
	assert_false(read_hex(BEGIN "82" PACKET "90" OPTS END));
	assert_false(read_hex(BEGIN "82"
				    "a67061636b657481" TYPE OPTS END));
	assert_false(read_hex("83" TYPE3 "a46461746182" PACKET "91a165" OPTS NSP));
	assert_false(read_hex("80"));
}

/* Reads a message whose event is an array nested as deeply. Returns whether it stays MessagePack. */
static bool
read_nested(unsigned depth)
{
	static char hex[4096];
	size_t n = (size_t)snprintf(hex, sizeof hex, "%s", sharded ? BEGIN "82" PACKET : "92" UID "83" TYPE DATA);

	n += (size_t)snprintf(hex + n, sizeof hex - n, "92a165");
	for (unsigned i = 1; i < depth; i++)
		n += (size_t)snprintf(hex + n, sizeof hex - n, "91");
	(void)snprintf(hex + n, sizeof hex - n, "c0%s", sharded ? OPTS END : NSP);
	return read_hex(hex);
}

static void
depths(void **state)
{
	(void)state;
	assert_true(read_nested(JSON_DEPTH_MAX - 2)); /* the message and the packet are around it */
	assert_false(read_nested(JSON_DEPTH_MAX - 1));
	sharded = true;
	assert_true(read_nested(JSON_DEPTH_MAX - 3));
	assert_false(read_nested(JSON_DEPTH_MAX - 2));
}

/* ----------------------------------------------------------------- writing */

#define VALUES "\xc4\x02\0\1\x81\xa1k\x05\x2a"
#define VALUES_JSON "{\"_placeholder\":true,\"num\":0},{\"k\":5},42"

static void
same_as_written(const struct wire_codec *codec, const struct wire_target *to)
{
	const struct wire_from from = {TEXT("0123456789abcdef"), TEXT("/n s"), TEXT_NONE, TEXT_NONE};
	const struct wire_outgoing event = {
		TEXT("news"), {(const uint8_t *)VALUES, sizeof VALUES - 1, .count = 3, .bins = 1}};
	struct block *block = block_copy("\0\1", 2);
	struct buffer copied;

	buffer_init(&copied, 1 << 20);
	buffer_reset(&json);
	attachments_cut(&attachments, 0);
	attachments_add(&attachments, block);
	block_unref(block);
	assert_true(wire_copies(codec, &event.values));
	assert_int_equal(
		codec->write_broadcast(&json, &from, to, TEXT("[\"news\"," VALUES_JSON "]"), &attachments), 0);
	assert_int_equal(codec->write_broadcast_late(&copied, &from, to, &event), 0);
	assert_true(text_is(buffer_text(&copied), buffer_text(&json)));
	for (size_t max = 0; max < json.len; max++) {
		buffer_fini(&copied);
		buffer_init(&copied, max);
		assert_int_equal(codec->write_broadcast_late(&copied, &from, to, &event), ERROR_TOO_BIG);
	}
	buffer_fini(&copied);
}

static void
copied_as_written(void **state)
{
	static const struct wire_codec *const codecs[] = {&wire_classic, &wire_sharded, &wire_stream_codec};
	const struct text rooms[] = {TEXT("red"), TEXT("7")}, not_in[] = {TEXT("blue")};
	const struct wire_target targets[] = {
		{0},
		{.rooms = rooms, .room_count = 1, .flags = WIRE_VOLATILE},
		{.rooms = rooms, .except = not_in, .room_count = 2, .except_count = 1, .flags = WIRE_NO_COMPRESS},
		{.flags = WIRE_VOLATILE | WIRE_NO_COMPRESS},
	};

	(void)state;
	for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
		for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
			same_as_written(codecs[c], &targets[t]);
	}
}

static void
forms_that_copy(void **state)
{
	const struct msgpack_values plain = {(const uint8_t *)"\x05", 1, .count = 1};

	(void)state;
	assert_true(wire_copies(&wire_classic, &plain));
	assert_false(wire_copies(&wire_sharded, &plain)); /* JSON, as other nodes write it */
	assert_false(wire_copies(&wire_stream_codec, &plain));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copied_as_written, start, stop),
		cmocka_unit_test(forms_that_copy),
		cmocka_unit_test_setup_teardown(messages_of_the_adapter, start, stop),
		cmocka_unit_test_setup_teardown(messages_of_the_sharded_adapter, start, stop),
		cmocka_unit_test_setup_teardown(forms, start, stop),
		cmocka_unit_test_setup_teardown(sharded_forms, start, stop),
		cmocka_unit_test_setup_teardown(depths, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
