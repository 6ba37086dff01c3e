/*
 * The frames that a client sends, and the frames that an echo server must answer. The order is that of the public
 * conformance suite for WebSockets; the first column names its sections.
 *
 * A client's frame is masked when it is sent. A case that does not close the connection is closed with 1000. The cuts
 * between pieces must not matter: each case is run whole, byte by byte, and cut at each position.
 */
#ifndef TESTS_UNIT_WS_WS_CASES_H
#define TESTS_UNIT_WS_WS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/buffer.h"
#include "node/ws/ws_tables.h"
#include "node/ws/ws_frame.h"

#define CASE_MAX_MESSAGE 66000
#define CASE_MAX_FRAGMENTS 6
#define CASE_FRAMES 12

struct case_frame {
	unsigned head;	     /* first byte; RAW: the payload is sent unchanged, without a header */
	const char *payload; /* NULL: n times '*' */
	size_t n;
};

struct ws_case {
	const char *name;
	struct case_frame in[CASE_FRAMES], out[CASE_FRAMES];
	unsigned reason; /* REASON_NONE: the default close */
	bool deflate;
};

#define RAW 0x1000
#define F(head, text)                                                                                                \
	{                                                                                                            \
		head, text, sizeof(text) - 1                                                                         \
	}
#define BIG(head, n)                                                                                                 \
	{                                                                                                            \
		head, NULL, n                                                                                        \
	}
#define CLOSE(text) F(0x88, text)
#define C1000 CLOSE("\x03\xe8")
#define C1002 CLOSE("\x03\xea")
#define C1007 CLOSE("\x03\xef")
#define C1008 CLOSE("\x03\xf0")
#define C1009 CLOSE("\x03\xf1")
#define BROKEN REASON_WS_PROTOCOL, false
#define NOT_UTF8 REASON_WS_UTF8, false
#define TOO_BIG REASON_WS_TOO_BIG, false
#define ECHO(head, text) {F(head, text)}, {F(head, text)}, REASON_NONE, false
#define ECHO_BIG(head, n) {BIG(head, n)}, {BIG(head, n)}, REASON_NONE, false
#define ECHO6(name, text)                                                                                            \
	{                                                                                                            \
		name, ECHO(0x81, text)                                                                               \
	}
#define INVALID(name, text)                                                                                          \
	{                                                                                                            \
		name, {F(0x81, text)}, {C1007}, NOT_UTF8                                                             \
	}
#define BAD_CLOSE(name, code)                                                                                        \
	{name, {CLOSE(code)}, {C1002}, BROKEN},                                                                      \
	{                                                                                                            \
		name "r", {CLOSE(code "why")}, {C1002}, BROKEN                                                       \
	}
#define GOOD_CLOSE(name, code)                                                                                       \
	{                                                                                                            \
		name, {CLOSE(code)}, {CLOSE(code)}, REASON_NONE, false                                               \
	}
#define DEFLATED REASON_NONE, true
#define X25 "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define X125 X25 X25 X25 X25 X25

static const struct ws_case ws_cases[] = {
	/* 1: lengths */
	{"1.1.1", ECHO(0x81, "")},
	{"1.1.2", ECHO_BIG(0x81, 125)},
	{"1.1.3", ECHO_BIG(0x81, 126)},
	{"1.1.4", ECHO_BIG(0x81, 127)},
	{"1.1.5", ECHO_BIG(0x81, 128)},
	{"1.1.6", ECHO_BIG(0x81, 65535)},
	{"1.1.7", ECHO_BIG(0x81, 65536)},
	{"1.2.1", ECHO(0x82, "")},
	{"1.2.2", ECHO_BIG(0x82, 125)},
	{"1.2.3", ECHO_BIG(0x82, 126)},
	{"1.2.6", ECHO_BIG(0x82, 65535)},
	{"1.2.7", ECHO_BIG(0x82, 65536)},
	{"1.2.b", ECHO(0x82, "\x00\xff\xfe\x80 not UTF-8")},

	/* 2: pings and pongs */
	{"2.1", {F(0x89, "")}, {F(0x8a, "")}, REASON_NONE, false},
	{"2.2", {F(0x89, "Hello, world!")}, {F(0x8a, "Hello, world!")}, REASON_NONE, false},
	{"2.3", {F(0x89, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}, {F(0x8a, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")},
		REASON_NONE, false},
	{"2.4", {F(0x89, X125)}, {F(0x8a, X125)}, REASON_NONE, false},
	{"2.5", {BIG(0x89, 126)}, {C1002}, BROKEN},
	{"2.7", {F(0x8a, "")}, {{0}}, REASON_NONE, false},
	{"2.8", {F(0x8a, "unsolicited")}, {{0}}, REASON_NONE, false},
	{"2.9", {F(0x8a, "unsolicited"), F(0x89, "ping")}, {F(0x8a, "ping")}, REASON_NONE, false},
	{"2.10",
		{F(0x89, "0"), F(0x89, "1"), F(0x89, "2"), F(0x89, "3"), F(0x89, "4"), F(0x89, "5"), F(0x89, "6"),
			F(0x89, "7"), F(0x89, "8"), F(0x89, "9")},
		{F(0x8a, "0"), F(0x8a, "1"), F(0x8a, "2"), F(0x8a, "3"), F(0x8a, "4"), F(0x8a, "5"), F(0x8a, "6"),
			F(0x8a, "7"), F(0x8a, "8"), F(0x8a, "9")},
		REASON_NONE, false},

	/* 3: reserved bits */
	{"3.1", {F(0x91, "small")}, {C1002}, BROKEN},
	{"3.2", {F(0x81, "small"), F(0xa1, "small"), F(0x89, "")}, {F(0x81, "small"), C1002}, BROKEN},
	{"3.3", {F(0x81, "small"), F(0xb1, "small"), F(0x89, "")}, {F(0x81, "small"), C1002}, BROKEN},
	{"3.4", {F(0x81, "small"), F(0xc1, "small"), F(0x89, "")}, {F(0x81, "small"), C1002}, BROKEN},
	{"3.5", {F(0xd2, "\xff\xff")}, {C1002}, BROKEN},
	{"3.6", {F(0xe9, "ping")}, {C1002}, BROKEN},
	{"3.7", {F(0xf8, "\x03\xe8")}, {C1002}, BROKEN},
	{"3.c", {F(0x01, "a"), F(0xc0, "b")}, {C1002}, BROKEN},

	/* 4: reserved opcodes */
	{"4.1.1", {F(0x83, "")}, {C1002}, BROKEN},
	{"4.1.2", {F(0x84, "reserved")}, {C1002}, BROKEN},
	{"4.1.3", {F(0x81, "hi"), F(0x85, ""), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},
	{"4.1.4", {F(0x81, "hi"), F(0x86, "xy"), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},
	{"4.1.5", {F(0x81, "hi"), F(0x87, "xy"), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},
	{"4.2.1", {F(0x8b, "")}, {C1002}, BROKEN},
	{"4.2.2", {F(0x8c, "reserved")}, {C1002}, BROKEN},
	{"4.2.3", {F(0x81, "hi"), F(0x8d, ""), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},
	{"4.2.4", {F(0x81, "hi"), F(0x8e, "xy"), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},
	{"4.2.5", {F(0x81, "hi"), F(0x8f, "xy"), F(0x89, "")}, {F(0x81, "hi"), C1002}, BROKEN},

	/* 5: fragments */
	{"5.1", {F(0x09, "a"), F(0x80, "b")}, {C1002}, BROKEN},
	{"5.2", {F(0x0a, "a"), F(0x80, "b")}, {C1002}, BROKEN},
	{"5.2c", {F(0x08, "\x03\xe8")}, {C1002}, BROKEN},
	{"5.3", {F(0x01, "frag1"), F(0x80, "frag2")}, {F(0x81, "frag1frag2")}, REASON_NONE, false},
	{"5.3b", {F(0x02, "\xff\x00"), F(0x80, "\xfe")}, {F(0x82, "\xff\x00\xfe")}, REASON_NONE, false},
	{"5.6", {F(0x01, "frag1"), F(0x89, "ping"), F(0x80, "frag2")}, {F(0x8a, "ping"), F(0x81, "frag1frag2")},
		REASON_NONE, false},
	{"5.9", {F(0x80, "stray"), F(0x81, "Hello")}, {C1002}, BROKEN},
	{"5.11", {F(0x00, "stray"), F(0x81, "Hello")}, {C1002}, BROKEN},
	{"5.15", {F(0x01, "f1"), F(0x80, "f2"), F(0x00, "f3"), F(0x81, "f4")}, {F(0x81, "f1f2"), C1002}, BROKEN},
	{"5.18", {F(0x01, "f1"), F(0x81, "f2")}, {C1002}, BROKEN},
	{"5.18b", {F(0x01, "f1"), F(0x02, "f2")}, {C1002}, BROKEN},
	{"5.19",
		{F(0x01, "1"), F(0x00, "2"), F(0x89, "p1"), F(0x00, "3"), F(0x00, "4"), F(0x89, "p2"), F(0x8a, ""),
			F(0x80, "5")},
		{F(0x8a, "p1"), F(0x8a, "p2"), F(0x81, "12345")}, REASON_NONE, false},
	{"5.20", {F(0x01, ""), F(0x00, ""), F(0x80, "")}, {F(0x81, "")}, REASON_NONE, false},
	{"5.20b", {F(0x02, ""), F(0x80, "end")}, {F(0x82, "end")}, REASON_NONE, false},
	{"5.max", {F(0x01, "1"), F(0x00, "2"), F(0x00, ""), F(0x00, "4"), F(0x00, "5"), F(0x80, "6")},
		{F(0x81, "12456")}, REASON_NONE, false},
	{"5.more", {F(0x01, "1"), F(0x00, ""), F(0x00, ""), F(0x00, ""), F(0x00, ""), F(0x00, ""), F(0x80, "")},
		{C1008}, TOO_BIG},
	{"5.two", {F(0x01, "a"), F(0x80, "b"), F(0x02, "c"), F(0x80, "d")}, {F(0x81, "ab"), F(0x82, "cd")},
		REASON_NONE, false},

	/* 6: UTF-8 */
	{"6.1.1", ECHO(0x81, "\x00")},
	{"6.2.1", ECHO(0x81, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!")},
	{"6.2.2", {F(0x01, "Hello-\xc2\xb5@\xc3\x9f"), F(0x80, "\xc3\xb6-UTF-8!!")},
		{F(0x81, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6-UTF-8!!")}, REASON_NONE, false},
	{"6.2.3", {F(0x01, "\xce"), F(0x00, "\xba\xe1"), F(0x00, "\xbd"), F(0x80, "\xb9")},
		{F(0x81, "\xce\xba\xe1\xbd\xb9")}, REASON_NONE, false},
	{"6.2.4", {F(0x01, "\xf0"), F(0x00, "\x9f"), F(0x89, ""), F(0x00, "\x98"), F(0x80, "\x80")},
		{F(0x8a, ""), F(0x81, "\xf0\x9f\x98\x80")}, REASON_NONE, false},
	INVALID("6.3.1", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"),
	{"6.3.2", {F(0x01, "\xce\xba\xed"), F(0x00, "\xa0"), F(0x80, "\x80")}, {C1007}, NOT_UTF8},
	/* refused before the rest of the frame or of the message arrives */
	{"6.4.1", {F(0x01, "\xce\xba\xe1\xbd\xb9"), F(0x00, "\xf4\x90\x80\x80")}, {C1007}, NOT_UTF8},
	{"6.4.2", {F(0x01, "\xce\xba"), F(0x00, "\xf4\x90")}, {C1007}, NOT_UTF8},
	{"6.4.3", {F(RAW, "\x81\xe4\0\0\0\0\xce\xba\xf4\x90")}, {C1007}, NOT_UTF8},
	{"6.4.4", {F(RAW, "\x81\xfe\x03\xe8\0\0\0\0ok\xed\xa0")}, {C1007}, NOT_UTF8},
	{"6.4.e", {F(0x01, "\xce"), F(0x80, "")}, {C1007}, NOT_UTF8},
	ECHO6("6.5.1", "\xed\x9f\xbf"),
	ECHO6("6.5.2", "\xee\x80\x80"),
	ECHO6("6.5.3", "\xef\xbf\xbd"),
	ECHO6("6.5.4", "\xf4\x8f\xbf\xbf"),
	ECHO6("6.5.5", "\xef\xbf\xbf"),
	ECHO6("6.5.6", "\xef\xb7\x90"),
	ECHO6("6.7.1", "\x7f"),
	ECHO6("6.7.2", "\xdf\xbf"),
	ECHO6("6.7.3", "\xf0\x90\x80\x80"),
	INVALID("6.6.1", "\xce"),
	INVALID("6.6.2", "\xce\xba\xe1"),
	INVALID("6.6.3", "\xce\xba\xe1\xbd"),
	INVALID("6.8.1", "\xf8\x88\x80\x80\x80"),
	INVALID("6.8.2", "\xfc\x84\x80\x80\x80\x80"),
	INVALID("6.10.1", "\xf7\xbf\xbf\xbf"),
	INVALID("6.11.5", "\xf4\x90\x80\x80"),
	INVALID("6.12.1", "\x80"),
	INVALID("6.12.2", "\xbf"),
	INVALID("6.12.8", "ok\x80\xbf\x80\xbf"),
	INVALID("6.13.1", "\xc0 \xc1 \xc2 \xdf "),
	INVALID("6.14.1", "\xc0"),
	INVALID("6.14.4", "\xe0\x80"),
	INVALID("6.14.7", "\xf0\x80\x80"),
	INVALID("6.16.1", "\xfe"),
	INVALID("6.16.2", "\xff"),
	INVALID("6.17.1", "\xc0\xaf"),
	INVALID("6.17.2", "\xe0\x80\xaf"),
	INVALID("6.17.3", "\xf0\x80\x80\xaf"),
	INVALID("6.18.2", "\xe0\x9f\xbf"),
	INVALID("6.18.3", "\xf0\x8f\xbf\xbf"),
	INVALID("6.20.1", "\xed\xa0\x80"),
	INVALID("6.20.7", "\xed\xbf\xbf"),
	INVALID("6.21.1", "\xed\xa0\x80\xed\xb0\x80"),

	/* 7: closing */
	{"7.1.1", {F(0x81, "Hello"), C1000}, {F(0x81, "Hello")}, REASON_NONE, false},
	{"7.1.2", {C1000, C1000}, {{0}}, REASON_NONE, false},
	{"7.1.3", {C1000, F(0x89, "late")}, {{0}}, REASON_NONE, false},
	{"7.1.4", {C1000, F(0x81, "late")}, {{0}}, REASON_NONE, false},
	{"7.1.5", {F(0x01, "frag"), C1000, F(0x80, "ment")}, {{0}}, REASON_NONE, false},
	{"7.1.6", {BIG(0x81, 65000), C1000, F(0x89, "late")}, {BIG(0x81, 65000)}, REASON_NONE, false},
	{"7.1.x", {C1000, F(RAW, "garbage that is no frame")}, {{0}}, REASON_NONE, false},
	{"7.3.1", {CLOSE("")}, {CLOSE("")}, REASON_NONE, false},
	{"7.3.2", {CLOSE("a")}, {C1002}, BROKEN},
	{"7.3.3", {C1000}, {{0}}, REASON_NONE, false},
	{"7.3.4", {CLOSE("\x03\xe8why")}, {{0}}, REASON_NONE, false},
	{"7.3.5", {CLOSE("\x03\xe8" X25 X25 X25 X25 "12345678901234567890123")}, {{0}}, REASON_NONE, false},
	{"7.3.6", {BIG(0x88, 126)}, {C1002}, BROKEN},
	{"7.5.1", {CLOSE("\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80")}, {C1007}, NOT_UTF8},
	{"7.5.2", {CLOSE("\x03\xe8\xce")}, {C1007}, NOT_UTF8},
	GOOD_CLOSE("7.7.2", "\x03\xe9"),
	GOOD_CLOSE("7.7.3", "\x03\xea"),
	GOOD_CLOSE("7.7.4", "\x03\xeb"),
	GOOD_CLOSE("7.7.5", "\x03\xef"),
	GOOD_CLOSE("7.7.6", "\x03\xf0"),
	GOOD_CLOSE("7.7.7", "\x03\xf1"),
	GOOD_CLOSE("7.7.8", "\x03\xf2"),
	GOOD_CLOSE("7.7.9", "\x03\xf3"),
	GOOD_CLOSE("7.7.10", "\x0b\xb8"),
	GOOD_CLOSE("7.7.11", "\x0f\x9f"),
	GOOD_CLOSE("7.7.12", "\x0f\xa0"),
	GOOD_CLOSE("7.7.13", "\x13\x87"),
	BAD_CLOSE("7.9.1", "\x00\x00"),
	BAD_CLOSE("7.9.2", "\x03\xe7"),
	BAD_CLOSE("7.9.3", "\x03\xec"),
	BAD_CLOSE("7.9.4", "\x03\xed"),
	BAD_CLOSE("7.9.5", "\x03\xee"),
	BAD_CLOSE("7.9.6", "\x03\xf8"),
	BAD_CLOSE("7.9.7", "\x04\x4c"),
	BAD_CLOSE("7.9.8", "\x07\xd0"),
	BAD_CLOSE("7.9.9", "\x0b\xb7"),
	BAD_CLOSE("7.13.1", "\x13\x88"),
	BAD_CLOSE("7.13.2", "\xff\xff"),

	/* 9: limits */
	{"9.1", ECHO_BIG(0x81, CASE_MAX_MESSAGE)},
	{"9.2", ECHO_BIG(0x82, CASE_MAX_MESSAGE)},
	{"9.3", {BIG(0x01, 30000), BIG(0x80, 36000)}, {BIG(0x81, 66000)}, REASON_NONE, false},
	{"9.over", {F(RAW, "\x82\xff\0\0\0\0\0\x01\x01\xd1\1\2\3\4")}, {C1009},
		TOO_BIG}, /* one more than the limit */
	{"9.over2", {F(RAW, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4")}, {C1009}, TOO_BIG},
	{"9.sum", {F(0x02, "a"), F(RAW, "\x80\xff\0\0\0\0\0\x01\x01\xd0\1\2\3\4")}, {C1009}, TOO_BIG},
	{"9.sum2", {F(0x02, "a"), F(RAW, "\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4")}, {C1009}, TOO_BIG},
	{"9.top", {F(RAW, "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xfc\1\2\3\4")}, {C1002}, BROKEN},
	{"9.long16", {F(RAW, "\x82\xfe\0\x05\0\0\0\0hello")}, {C1002}, BROKEN},
	{"9.long64", {F(RAW, "\x82\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello")}, {C1002}, BROKEN},

	/* masking, RFC 6455 5.1 */
	{"mask.1", {F(RAW, "\x81\x05Hello")}, {C1002}, BROKEN},
	{"mask.2", {F(RAW, "\x89\x00")}, {C1002}, BROKEN},
	{"mask.3", {F(0x81, "ok"), F(RAW, "\x88\x02\x03\xe8")}, {F(0x81, "ok"), C1002}, BROKEN},

	/* 12, 13: compressed messages; the answers here are below the threshold */
	{"12.1", {F(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00")}, {F(0x81, "Hello")}, DEFLATED},
	{"12.2", {F(0xc2, "\xf2\x48\xcd\xc9\xc9\x07\x00"), F(0xc2, "\xf2\x00\x11\x00\x00")},
		{F(0x82, "Hello"), F(0x82, "Hello")}, DEFLATED},
	{"12.3", {F(0x41, "\xf2\x48\xcd"), F(0x89, "p"), F(0x00, ""), F(0x80, "\xc9\xc9\x07\x00")},
		{F(0x8a, "p"), F(0x81, "Hello")}, DEFLATED},
	{"12.4", {F(0x41, "\xf2\x48\xcd\xc9\xc9\x07\x00"), F(0x80, "")}, {F(0x81, "Hello")}, DEFLATED},
	{"12.5", {F(0x81, "plain"), F(0xc1, "\x00"), F(0x81, "plain")},
		{F(0x81, "plain"), F(0x81, ""), F(0x81, "plain")}, DEFLATED},
	{"12.6", {F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), F(0xc1, "\xf2\x00\x11\x00\x00")},
		{F(0x81, "Hello"), F(0x81, "Hello")}, DEFLATED},
	{"12.7", {F(0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}, {F(0x81, "Hello")}, DEFLATED},
	{"12.8", {F(0xc1, "")}, {F(0x81, "")}, DEFLATED},
	{"12.rsv1", {F(0xc9, "ping")}, {C1002}, REASON_WS_PROTOCOL, true},
	{"12.rsv2", {F(0xe1, "\x00")}, {C1002}, REASON_WS_PROTOCOL, true},
	{"12.cont", {F(0x41, "\xf2\x48\xcd"), F(0xc0, "\xc9\xc9\x07\x00")}, {C1002}, REASON_WS_PROTOCOL, true},
	{"12.cont2", {F(0x01, "a"), F(0xc0, "\x00")}, {C1002}, REASON_WS_PROTOCOL, true},
	{"12.close", {F(0xc8, "\x03\xe8")}, {C1002}, REASON_WS_PROTOCOL, true},
	{"12.bad", {F(0xc1, "\x06garbage")}, {C1007}, REASON_WS_PROTOCOL, true},
	{"12.cut", {F(0xc1, "\xf2\x48\xcd\xc9")}, {C1007}, REASON_WS_PROTOCOL, true},
	{"12.utf8", {F(0xc1, "\x00\x02\x00\xfd\xff\xc3\x28\x00")}, {C1007}, REASON_WS_UTF8, true},
	{"12.utf8e", {F(0xc1, "\x00\x01\x00\xfe\xff\xc3\x00")}, {C1007}, REASON_WS_UTF8, true},
	{"12.utf8f", {F(0x41, "\x00\x02\x00\xfd\xff\xc3\x28")}, {C1007}, REASON_WS_UTF8,
		true}, /* before the end of the message */
	{"12.wire", {F(RAW, "\xc2\xff\0\0\0\0\0\x01\xff\xff\1\2\3\4")}, {C1009}, REASON_WS_TOO_BIG, true},
};
#define WS_CASES (sizeof ws_cases / sizeof *ws_cases)

static void
case_add_frame(struct buffer *out, const struct case_frame *f, bool masked)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t header[WS_SERVER_HEADER_MAX];
	size_t n, at;

	if (f->head == RAW) {
		buffer_add(out, f->payload, f->n);
		return;
	}
	n = ws_frame_write(header, WS_TEXT, true, false, f->n);
	header[0] = (uint8_t)f->head;
	header[1] |= masked ? 0x80 : 0;
	buffer_add(out, header, n);
	if (masked)
		buffer_add(out, mask, 4);
	at = out->len;
	if (f->payload)
		buffer_add(out, f->payload, f->n);
	else
		for (n = 0; n < f->n; n++)
			buffer_add_byte(out, '*');
	if (masked)
		ws_frame_unmask(out->data + at, f->n, mask, 0);
}

static bool
case_frame_given(const struct case_frame *f)
{
	return f->head != 0 || f->payload != NULL;
}

/* Writes the bytes of a case to `out`, which must be empty. */
static inline void
case_bytes(const struct case_frame *frames, bool masked, struct buffer *out)
{
	static const struct case_frame close = C1000;
	bool closed = false;
	size_t i;

	for (i = 0; i < CASE_FRAMES && case_frame_given(&frames[i]); i++) {
		case_add_frame(out, &frames[i], masked);
		closed = closed || frames[i].head == 0x88;
	}
	if (!closed || masked)
		case_add_frame(out, &close, masked);
}

#endif
