/*
 * Broadcasts of the classic protocol whose event stays MessagePack. They are read as those whose event becomes text:
 * the messages of the real adapter and emitter, whole, cut, and changed at each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "tests/unit/broker/vectors.h"

#define VECTORS "tests/data/wire/vectors.txt"
static struct wire_message eager, late;
static struct attachments attachments;
static struct buffer json;

static int
start(void **state)
{
	(void)state;
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
	rc = wire_read_broadcast(&eager, payload);
	assert_int_equal(wire_read_broadcast_late(&late, payload), rc);
	assert_null(eager.event.array.at);
	if (rc == 0) {
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
	char bytes[512];
	size_t n = 0;

	for (; *hex != '\0'; hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[n++] = (char)byte;
	}
	return read_both(bytes, n);
}

static void
messages_of_the_adapter(void **state)
{
	static const struct {
		const char *name;
		bool is_late;
	} messages[] = {
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
	for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
		struct text payload = vector_of(VECTORS, messages[m].name);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_of_the_adapter, start, stop),
		cmocka_unit_test_setup_teardown(forms, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
