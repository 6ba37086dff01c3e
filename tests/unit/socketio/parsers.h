/*
 * Clients with several parsers at the fake engine: what they say, and what they get. Include it in one file of a
 * program.
 */
#ifndef TESTS_UNIT_SOCKETIO_PARSERS_H
#define TESTS_UNIT_SOCKETIO_PARSERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/socketio/fake_engine.h"

/* Packets of the MessagePack parser, in hexadecimal. */
#define NSP "a36e7370a12f"
#define CONNECT "82a47479706500" NSP
#define EVENT(data) "83a47479706502a464617461" data NSP
#define EVENT_ACK(data, id) "84a47479706502a464617461" data "a26964" id NSP
#define ACK(id, data) "84a26964" id "a47479706503a464617461" data NSP

static void
says(struct eio_session *s, const char *text)
{
	fake_receive(s, false, text, strlen(text));
	fake_turn();
}

static inline size_t
from_hex(const char *hex, uint8_t *bytes)
{
	size_t n = 0;

	for (; hex[2 * n] != '\0'; n++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * n, "%2x", &byte), 1);
		bytes[n] = (uint8_t)byte;
	}
	return n;
}

static void
sends(struct eio_session *s, const char *hex)
{
	uint8_t bytes[1024];

	fake_receive(s, true, bytes, from_hex(hex, bytes));
	fake_turn();
}

#define EXPECT_SENT(s, text)                                                                                         \
	do {                                                                                                         \
		buffer_add_byte(&(s)->sent, 0);                                                                      \
		assert_string_equal((const char *)(s)->sent.data, text);                                             \
		buffer_reset(&(s)->sent);                                                                            \
	} while (0)

/* The reply to CONNECT has a random id. */
static inline bool
joined(struct eio_session *s, bool msgpack)
{
	const char *text = msgpack ? "(83a47479706500a46461746181a3736964b4" : "0{\"sid\":";
	bool same = s->sent.len > strlen(text) && memcmp(s->sent.data, text, strlen(text)) == 0;

	buffer_reset(&s->sent);
	return same;
}

#endif
