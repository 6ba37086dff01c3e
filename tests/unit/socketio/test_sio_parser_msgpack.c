/* The MessagePack parser as a codec: what it accepts, what it refuses, and what it writes, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_parser.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

static const struct sio_packet_limits limits = {
	.max_attachments = 10, .max_depth = JSON_DEPTH_MAX, .max_nsp = 16, .max_bytes = 1000};
static struct sio_packet packet;
static struct sio_partial *partial;

static size_t
from_hex(const char *hex, uint8_t *bytes)
{
	size_t n = 0;

	for (; *hex != '\0'; hex++) {
		unsigned byte;

		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex++, "%2x", &byte), 1);
		bytes[n++] = (uint8_t)byte;
	}
	return n;
}

static bool is_late; /* the last packet came as values */

/* Decodes from memory of exactly this size, and makes the texts if they are late. The caller calls forget(). */
static int
decode(const uint8_t *bytes, size_t n, bool binary)
{
	uint8_t *exact = malloc(n + (n == 0));
	static uint8_t *last;
	int rc;

	assert_non_null(exact);
	if (n > 0)
		memcpy(exact, bytes, n);
	free(last); /* texts of a packet point into its message */
	last = exact;
	partial = NULL;
	rc = sio_parser_msgpack.decode(&partial, binary, exact, n, &limits, &packet);
	is_late = rc == 1 && packet.values.at != NULL;
	if (rc != 1)
		assert_null(packet.values.at);
	if (is_late) {
		unsigned bins = packet.attachments;

		assert_int_equal(packet.data.n, 0);
		assert_int_equal(packet.values.count, packet.argc);
		assert_int_equal(sio_parser_msgpack.write(&partial, &limits, &packet), 0);
		assert_int_equal(packet.attachments, bins);
	}
	return rc;
}

static void
forget(void)
{
	sio_parser_msgpack.forget(partial);
}

/* Compares a packet with "TYPE NSP [#ID] [DATA] [(HEX ...]". */
static void
accepts(const char *hex, const char *want)
{
	uint8_t bytes[1024];
	size_t n = from_hex(hex, bytes);
	struct buffer got;

	buffer_init(&got, 4096);
	assert_int_equal(decode(bytes, n, true), 1);
	buffer_printf(&got, "%d %.*s", packet.type, (int)packet.nsp.n, packet.nsp.at);
	if (packet.has_id)
		buffer_printf(&got, " #%llu", (unsigned long long)packet.id);
	if (packet.data.n > 0)
		buffer_printf(&got, " %.*s", (int)packet.data.n, packet.data.at);
	for (unsigned i = 0; packet.blocks != NULL && i < packet.blocks->count; i++) {
		buffer_add_text(&got, TEXT(" ("));
		for (size_t at = 0; at < packet.blocks->blocks[i]->len; at++)
			buffer_printf(&got, "%02x", packet.blocks->blocks[i]->data[at]);
	}
	buffer_add_byte(&got, '\0');
	assert_string_equal((char *)got.data, want);
	buffer_fini(&got);
	/* a second pass finds the same bounds of the elements */
	if (packet.data.n > 0 && *packet.data.at == '[') {
		struct text args[SIO_ARGS_MAX];

		assert_int_equal(json_array_split(packet.data, args, SIO_ARGS_MAX, JSON_DEPTH_MAX), packet.argc);
		for (unsigned i = 0; i < packet.argc; i++) {
			assert_ptr_equal(args[i].at, packet.args[i].at);
			assert_int_equal(args[i].n, packet.args[i].n);
		}
	}
	assert_true((sio_parser_msgpack.held(partial) > 0) == (packet.data.n > 0));
	forget();
	for (size_t cut = 0; cut < n; cut++) {
		assert_true(decode(bytes, cut, true) < 0);
		assert_non_null(packet.why);
		forget();
	}
	bytes[n] = 0xc0;
	assert_int_equal(decode(bytes, n + 1, true), ERROR_SYNTAX);
	forget();
}

static void
refuses(const char *hex, int error)
{
	uint8_t bytes[1024];
	size_t n = from_hex(hex, bytes);

	assert_int_equal(decode(bytes, n, true), error);
	assert_non_null(packet.why);
	forget();
}

#define TYPE "a474797065"
#define DATA "a464617461"
#define NSP "a36e7370a12f" /* "/" */
#define NSP_KEY "a36e7370"
#define ID "a26964"
#define OPTIONS "a76f7074696f6e7381a8636f6d7072657373c3"

static void
accepts_late(const char *hex, const char *want, bool want_late)
{
	uint8_t bytes[1024];

	accepts(hex, want);
	assert_int_equal(decode(bytes, from_hex(hex, bytes), true), 1);
	assert_int_equal(is_late, want_late);
	forget();
}

/* A value that means the same in MessagePack and as text stays MessagePack. */
static void
test_late_packets(void **state)
{
	(void)state;
	accepts_late("83" TYPE "02" DATA "91a161" NSP, "2 / [\"a\"]", true);
	accepts_late("83" TYPE "02" DATA "93a161cc0581a16bc40107" NSP, "2 / [\"a\",5,{\"k\":" P(0) "}] (07", true);
	accepts_late("84" ID "07" TYPE "03" DATA "9105" NSP, "3 / #7 [5]", true);
	accepts_late("83" TYPE "03" DATA "90" NSP, "3 / []", true);
	accepts_late("83" TYPE "03" DATA "9105" NSP, "3 / [5]", true);
	/* the key order does not matter, and the last key counts */
	accepts_late("84" TYPE "02" DATA "92a161d6ff00000000" NSP DATA "91a162", "2 / [\"b\"]", true);
	accepts_late("84" TYPE "02" DATA "91a162" NSP DATA "92a161d6ff00000000",
		"2 / [\"a\",\"1970-01-01T00:00:00.000Z\"]", false);
	/* a Date, undefined, a key that is a number, a false placeholder, text that is not UTF-8 */
	accepts_late("83" TYPE "02" DATA "92a161d7000000000000000000" NSP, "2 / [\"a\",\"1970-01-01T00:00:00.000Z\"]",
		false);
	accepts_late("83" TYPE "02" DATA "92a161d40000" NSP, "2 / [\"a\",null]", false);
	accepts_late("83" TYPE "02" DATA "92a161810102" NSP, "2 / [\"a\",{\"1\":2}]", false);
	accepts_late("83" TYPE "02" DATA "92a16181ac5f706c616365686f6c646572c3" NSP,
		"2 / [\"a\",{\"_placeholder\":true}]", false);
	accepts_late("83" TYPE "02" DATA "92a161a1ff" NSP, "2 / [\"a\",\"\xef\xbf\xbd\"]", false);
	/* names that are numbers, or that hold a NUL, become text for the listeners */
	accepts_late("83" TYPE "02" DATA "9205a178" NSP, "2 / [5,\"x\"]", false);
	accepts_late("83" TYPE "02" DATA "91a100" NSP, "2 / [\"\\u0000\"]", false);
	/* the data of other packets is always text */
	refuses("83" TYPE "01" DATA "90" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "00" DATA "91a161" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "04" DATA "91a161" NSP, ERROR_SYNTAX);
}

static void
test_stock_packets(void **state)
{
	(void)state;
	accepts("82" TYPE "00" NSP, "0 /");
	accepts("83" TYPE "00" DATA "81a5746f6b656ea178" NSP, "0 / {\"token\":\"x\"}");
	accepts("84" TYPE "02" DATA "91a161" OPTIONS NSP, "2 / [\"a\"]");
	accepts("85" TYPE "02" DATA "92a165a178" OPTIONS ID "00" NSP, "2 / #0 [\"e\",\"x\"]");
	accepts("84" ID "07" TYPE "03" DATA "92a16bcb3ff8000000000000" NSP, "3 / #7 [\"k\",1.5]");
	accepts("83" TYPE "03" DATA "90" NSP, "3 / []");
	accepts("82" TYPE "01" NSP, "1 /");
	accepts("83" TYPE "04" DATA "82a76d657373616765a26e6fa46461746181a16301" NSP,
		"4 / {\"message\":\"no\",\"data\":{\"c\":1}}");
	accepts("83" TYPE "04" DATA "a26e6f" NSP, "4 / \"no\"");
	/* binary values, outside and inside; an ArrayBuffer of one byte is not undefined */
	accepts("83" TYPE "02" DATA "94a161c40201ff81a162c400c701000c" NSP,
		"2 / [\"a\"," P(0) ",{\"b\":" P(1) "}," P(2) "] (01ff ( (0c");
	/* undefined, a Date, a number as name */
	accepts("83" TYPE "02" DATA "9305d40000d700ffffffffffffffff" NSP,
		"2 / [5,null,\"1969-12-31T23:59:59.999Z\"]");
}

static void
test_keys(void **state)
{
	(void)state;
	accepts("83" NSP DATA "91a161" TYPE "02", "2 / [\"a\"]");
	/* the last of equal keys counts, for the attachments, too */
	accepts("85" TYPE "01" DATA "93a178c40101c40102" TYPE "02" DATA "92a179c40103" NSP,
		"2 / [\"y\"," P(0) "] (03");
	accepts("84" TYPE "00" DATA "91a161" DATA "d40000" NSP, "0 /");
	accepts("84" TYPE "01" NSP ID "05" ID "d40000", "1 /");
	/* unknown keys of any content; deep nesting costs no stack */
	accepts("83a178 93 92c0c2 81a178a3616263 c702050102" TYPE "01" NSP, "1 /");
	accepts("de0002" TYPE "01" NSP, "1 /");
	accepts("df00000002" TYPE "01" NSP, "1 /");
	/* numbers of other widths, and the float64 that JavaScript may send */
	accepts("82" TYPE "cc01" NSP, "1 /");
	accepts("82" TYPE "d001" NSP, "1 /");
	accepts("82" TYPE "cb0000000000000000" NSP, "0 /");
	accepts("84" TYPE "03" DATA "90" NSP ID "cf001fffffffffffff", "3 / #9007199254740991 []");
	accepts("84" TYPE "03" DATA "90" NSP ID "cb4270000000000000", "3 / #1099511627776 []");
	/* any text names a namespace; the layer above refuses those that it does not have */
	accepts("82" TYPE "00" NSP_KEY "a0", "0 ");
	accepts("82" TYPE "00" NSP_KEY "a161", "0 a");
	accepts("82" TYPE "00" NSP_KEY "a62f613f783d31", "0 /a?x=1");
}

static void
test_refused_packets(void **state)
{
	(void)state;
	refuses("", ERROR_SYNTAX);
	refuses("c1", ERROR_SYNTAX);
	refuses("c0", ERROR_SYNTAX);
	refuses("920002", ERROR_SYNTAX);
	refuses("820002" NSP, ERROR_SYNTAX); /* an integer key */
	refuses("81" NSP, ERROR_SYNTAX);
	refuses("81" TYPE "01", ERROR_SYNTAX);
	refuses("dfffffffff", ERROR_SYNTAX);
	refuses("82" TYPE "05" NSP, ERROR_TOO_BIG);
	refuses("82" TYPE "ff" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "a131" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "c0" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "cb4004000000000000" NSP, ERROR_SYNTAX); /* 2.5 */
	refuses("82" TYPE "cb7ff8000000000000" NSP, ERROR_SYNTAX); /* NaN */
	refuses("82" TYPE "00" NSP_KEY "01", ERROR_SYNTAX);
	refuses("82" TYPE "00" NSP_KEY "c0", ERROR_SYNTAX);
	refuses("82" TYPE "00" NSP_KEY "a1ff", ERROR_UTF8);
	refuses("82" TYPE "00" NSP_KEY "b12f30313233343536373839616263646566", ERROR_TOO_BIG);
	/* data */
	refuses("83" TYPE "00" DATA "c0" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "00" DATA "90" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "00" DATA "a0" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "00" DATA "81a162c40101" NSP, ERROR_UNSUPPORTED);
	refuses("83" TYPE "01" DATA "80" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "01" DATA "c0" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "02" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "03" NSP, ERROR_SYNTAX);
	refuses("82" TYPE "04" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "04" DATA "90" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "03" DATA "80" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "c7010501" NSP, ERROR_SYNTAX); /* an ext that reads as an array */
	/* id */
	refuses("84" TYPE "03" DATA "90" NSP ID "a130", ERROR_SYNTAX);
	refuses("84" TYPE "03" DATA "90" NSP ID "c0", ERROR_SYNTAX);
	refuses("84" TYPE "03" DATA "90" NSP ID "ff", ERROR_SYNTAX);
	refuses("84" TYPE "03" DATA "90" NSP ID "cf0020000000000000", ERROR_TOO_BIG);
	refuses("84" TYPE "03" DATA "90" NSP ID "cb3fe0000000000000", ERROR_SYNTAX);
	assert_int_equal(decode((const uint8_t *)"0", 1, false), ERROR_SYNTAX);
	forget();
}

static void
test_event_names(void **state)
{
	(void)state;
	refuses("83" TYPE "02" DATA "90" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "9180" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "91c0" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "91c3" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "91c40161" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "91cb7ff8000000000000" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "91a7636f6e6e656374" NSP, ERROR_SYNTAX);		       /* connect */
	refuses("83" TYPE "02" DATA "92aa646973636f6e6e656374a568656c6c6f" NSP, ERROR_SYNTAX); /* disconnect */
	refuses("83" TYPE "02" DATA "91ad646973636f6e6e656374696e67" NSP, ERROR_SYNTAX);       /* disconnecting */
	refuses("83" TYPE "02" DATA "91ab6e65774c697374656e6572" NSP, ERROR_SYNTAX);	       /* newListener */
	refuses("83" TYPE "02" DATA "91ae72656d6f76654c697374656e6572" NSP, ERROR_SYNTAX);     /* removeListener */
	refuses("83" TYPE "02" DATA "91ad636f6e6e6563745f6572726f72" NSP, ERROR_SYNTAX);       /* connect_error */
}

/* A map of the client that looks like a placeholder means the same as from a JSON client. */
static void
test_false_placeholders(void **state)
{
#define FALSE_PLACEHOLDER(num) "82ac5f706c616365686f6c646572c3a36e756d" num
	(void)state;
	accepts("83" TYPE "02" DATA "92a161" FALSE_PLACEHOLDER("07") NSP, "2 / [\"a\"," P(7) "]");
	accepts("83" TYPE "02" DATA "93a161c40101" FALSE_PLACEHOLDER("00") NSP, "2 / [\"a\"," P(0) "," P(0) "] (01");
	refuses("83" TYPE "02" DATA "93a161c40101" FALSE_PLACEHOLDER("01") NSP, ERROR_SYNTAX);
}

/* Builds an EVENT "a" with `n` times `value` as its argument list, or nested in each other. */
static int
decode_many(uint8_t value, unsigned n, bool nested)
{
	static uint8_t bytes[4096];
	size_t at = from_hex("83" TYPE "02" DATA "dc", bytes);
	int rc;

	bytes[at++] = (uint8_t)((nested ? 2 : n + 1) >> 8);
	bytes[at++] = (uint8_t)(nested ? 2 : n + 1);
	at += from_hex("a161", bytes + at);
	for (unsigned i = 0; i < n; i++) {
		bytes[at++] = value;
		if (value == 0xc4)
			bytes[at++] = 0;
	}
	if (nested)
		bytes[at++] = 0xc0;
	at += from_hex(NSP, bytes + at);
	rc = decode(bytes, at, true);
	forget();
	return rc;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(decode_many(0xc0, SIO_ARGS_MAX - 1, false), 1);
	assert_int_equal(decode_many(0xc0, SIO_ARGS_MAX, false), ERROR_TOO_MANY);
	assert_int_equal(decode_many(0x91, JSON_DEPTH_MAX - 1, true), 1);
	assert_int_equal(decode_many(0x91, JSON_DEPTH_MAX, true), ERROR_TOO_DEEP);
	/* binary values are not counted by maxAttachments, which is 10 here, but by what a packet may have */
	assert_int_equal(decode_many(0xc4, SIO_ATTACHMENTS_MAX, false), 1);
	assert_int_equal(decode_many(0xc4, SIO_ATTACHMENTS_MAX + 1, false), ERROR_TOO_MANY);
	/* lengths that exceed the message */
	refuses("83" TYPE "02" DATA "ddffffffff", ERROR_TOO_MANY);
	refuses("83" TYPE "02" DATA "92a161ddffffffffc0", ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "92a161dfffffffffc0c0", ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "92a161dbffffffff61", ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "92a161c6ffffffff61", ERROR_SYNTAX);
	refuses("83" TYPE "02" DATA "92a161c9ffffffff0061", ERROR_SYNTAX);
	refuses("83" TYPE "02a178dfffffffffc0" NSP, ERROR_SYNTAX);
	refuses("83" TYPE "02a178ddffffffffddffffffff" NSP, ERROR_SYNTAX);
}

/* The largest text for a message: the buffer of the parser has room for it. */
static void
test_text_that_grows(void **state)
{
	static uint8_t bytes[100000];
	size_t at = from_hex("83" TYPE "02" DATA "92a161de9c40", bytes), n = 40000;

	(void)state;
	memset(bytes + at, 0xc2, 2 * n);
	at += 2 * n;
	at += from_hex(NSP, bytes + at);
	assert_int_equal(decode(bytes, at, true), 1);
	assert_int_equal(packet.argc, 2);
	assert_int_equal(packet.args[1].n, n * 14 + 1);
	forget();
}

static void
writes(struct sio_packet_out out, const char *nsp, const char *json, const char *hex)
{
	uint8_t bytes[1024];
	size_t n = from_hex(hex, bytes);
	struct eio_message *messages[SIO_MESSAGES_MAX];
	struct buffer head;
	struct text payload;

	buffer_init(&head, 100);
	out.max_bytes = sizeof bytes;
	out.nsp = text_from(nsp);
	out.json = json != NULL ? text_from(json) : TEXT_NONE;
	assert_int_equal(sio_parser_msgpack.encode(&out, &head, messages), 1);
	assert_true(messages[0]->binary);
	payload = ws_message_payload(&messages[0]->frame);
	assert_int_equal(payload.n, n);
	assert_memory_equal(payload.at, bytes, n);
	eio_message_unref(messages[0]);
	buffer_fini(&head);
}

static void
test_writes(void **state)
{
	struct block *blocks[1] = {block_copy("\x01\xff", 2)};
	const struct attachments one = {.blocks = blocks, .count = 1, .size = 1};
	struct sio_late late;

	(void)state;
	writes((struct sio_packet_out){.type = SIO_CONNECT}, "/", "{\"sid\":\"x\"}",
		"83" TYPE "00" DATA "81a3736964a178" NSP);
	writes((struct sio_packet_out){.type = SIO_EVENT}, "/", "[\"a\",1.5]",
		"83" TYPE "02" DATA "92a161cb3ff8000000000000" NSP);
	writes((struct sio_packet_out){.type = SIO_EVENT, .has_id = true, .id = 300}, "/n", "[\"a\"]",
		"84" TYPE "02" DATA "91a161" ID "cd012c" NSP_KEY "a22f6e");
	writes((struct sio_packet_out){.type = SIO_ACK, .has_id = true, .id = 7}, "/", "[]",
		"84" ID "07" TYPE "03" DATA "90" NSP);
	writes((struct sio_packet_out){.type = SIO_CONNECT_ERROR}, "a", "{\"message\":\"no\"}",
		"83" TYPE "04" DATA "81a76d657373616765a26e6f" NSP_KEY "a161");
	writes((struct sio_packet_out){.type = SIO_DISCONNECT}, "/", NULL, "82" TYPE "01" NSP);
	writes((struct sio_packet_out){.type = SIO_EVENT, .attachments = &one}, "/", "[\"a\"," P(0) "]",
		"83" TYPE "02" DATA "92a161c40201ff" NSP);
	/* without attachments, what looks like a placeholder is a plain object */
	writes((struct sio_packet_out){.type = SIO_EVENT}, "/", "[\"a\"," P(0) "]",
		"83" TYPE "02" DATA "92a16182ac5f706c616365686f6c646572c3a36e756d00" NSP);
	late = (struct sio_late){.name = TEXT("a"), .values = {(const uint8_t *)"\xcc\x05\xa1x", 4, 2, 0}};
	writes((struct sio_packet_out){.type = SIO_EVENT, .late = &late}, "/", NULL,
		"83" TYPE "02" DATA "93a161cc05a178" NSP);
	late.name = TEXT_NONE;
	writes((struct sio_packet_out){.type = SIO_ACK, .has_id = true, .id = 7, .late = &late}, "/", NULL,
		"84" ID "07" TYPE "03" DATA "92cc05a178" NSP);
	/* a container of more than 15 elements gets its count when it is complete */
	writes((struct sio_packet_out){.type = SIO_EVENT}, "/", "[\"a\",[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]",
		"83" TYPE "02" DATA "92a161dc001000000000000000000000000000000000" NSP);
	block_unref(blocks[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stock_packets),
		cmocka_unit_test(test_late_packets),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_refused_packets),
		cmocka_unit_test(test_event_names),
		cmocka_unit_test(test_false_placeholders),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_text_that_grows),
		cmocka_unit_test(test_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
