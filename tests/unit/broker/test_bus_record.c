/* Recorded messages: positions, stamps in each kind of message, and the answers of the script that reads the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "broker/bus_record.h"
#include "broker/wire.h"
#include "common/base/error.h"

#define SENDER "Q8Y0uvXk3J1b"

/* ------------------------------------------------------------- positions */

static void
positions_are_two_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms, seq;
	} good[] = {
		{"0-0", 0, 0},
		{"1732838400000-12", 1732838400000, 12},
		{"18446744073709551615-18446744073709551615", UINT64_MAX, UINT64_MAX},
	};
	static const char *const bad[] = {"", "-", "1", "1-", "-1", "1--1", "01-0", "1-01", "1-+1", " 1-1", "1-1 ",
		"1-1-1", "18446744073709551616-0", "0-18446744073709551616", "a-1"};
	struct bus_position p;
	char text[BUS_POSITION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(bus_position_parse(text_from(good[i].text), &p));
		assert_true(p.ms == good[i].ms && p.seq == good[i].seq);
		assert_int_equal(bus_position_write(text, p), strlen(good[i].text));
		assert_string_equal(text, good[i].text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(bus_position_parse(text_from(bad[i]), &p));
}

static void
positions_are_ordered(void **state)
{
	static const struct bus_position order[] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}};

	(void)state;
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 5; j++)
			assert_int_equal(bus_position_compare(order[i], order[j]), i < j ? -1 : i > j);
	}
}

/* ---------------------------------------------------------------- stamps */

/* Writes a message with its stamp. */
static struct text
complete_event(char out[512], struct text message, const struct bus_stamp *stamp)
{
	struct bus_stamped stamped;

	bus_stamp_add(message, stamp, &stamped);
	memcpy(out, message.at, stamped.end);
	out[0] = stamped.first;
	memcpy(out + stamped.end, stamped.tail, stamped.tail_n);
	return text_of(out, bus_stamped_size(&stamped));
}

static struct text
complete(char out[512], struct text message, char kind, struct bus_position position, uint64_t number)
{
	const struct bus_stamp stamp = {
		.position = position, .kind = kind, .sender = text_of(SENDER, BUS_SENDER_LENGTH), .number = number};

	return complete_event(out, message, &stamp);
}

static const struct {
	struct text message;
	bool sealed;
	char kind;
} messages[] = {
	{TEXT("\x93\xa1u\x80\x80"), false, 'a'},
	{TEXT("\x83\xa1u\x01\xa1v\x02\xa1w\x03"), false, 'm'},
	{TEXT("{\"uid\":\"u\",\"type\":2}"), false, 'j'},
	{TEXT("\x93\xa1u\x80\x80 and a tag \xd9\x04"), true, 's'},
	{TEXT("{\"uid\":\"u\"} and a tag"), true, 's'},
};

static void
a_stamp_has_the_number_of_an_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof messages / sizeof *messages; i++) {
		const struct bus_stamp event = {.position = {UINT64_MAX, UINT64_MAX},
			.kind = messages[i / 2].kind,
			.sender = text_of(SENDER, BUS_SENDER_LENGTH),
			.number = UINT64_MAX,
			.event = UINT64_MAX - 1,
			.hole = i % 2 != 0};
		struct bus_stamp stamp;
		char out[512];
		struct text message = complete_event(out, messages[i / 2].message, &event);

		assert_true(bus_stamp_take(&message, messages[i / 2].sealed, &stamp));
		assert_true(stamp.event == event.event && stamp.hole == event.hole && stamp.number == event.number);
		assert_int_equal(bus_position_compare(stamp.position, event.position), 0);
	}
}

static void
a_stamp_with_a_bad_event_is_refused(void **state)
{
	static const char *const bad[] = {"1-2:/a", "1-2:0/a", "1-2:01/a", "1-2!x/a", "1-2:1:1/a", ":1/a"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[128], out[128];
		int n = snprintf(text, sizeof text, "%s%.*s/3", bad[i], BUS_SENDER_LENGTH, SENDER);
		struct text message =
			text_of(out, (size_t)snprintf(out, sizeof out, "\x94\xa1u\xa1p\xa1o\xd9%c%s", (char)n, text));
		struct bus_stamp stamp;

		assert_false(bus_stamp_take(&message, false, &stamp));
	}
}

static void
a_stamp_is_found_in_each_kind_of_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct bus_stamp stamp;
		char out[512];
		struct text message;

		assert_int_equal(bus_record_kind(messages[i].message, messages[i].sealed), messages[i].kind);
		message = complete(
			out, messages[i].message, messages[i].kind, (struct bus_position){1732838400000, 3}, 17);
		assert_true(bus_stamp_take(&message, messages[i].sealed, &stamp));
		assert_true(stamp.position.ms == 1732838400000 && stamp.position.seq == 3);
		assert_int_equal(stamp.kind, messages[i].kind);
		assert_true(text_is(stamp.sender, TEXT(SENDER)));
		assert_int_equal(stamp.number, 17);
		if (messages[i].sealed)
			assert_true(text_is(message, messages[i].message));
	}
}

/* Other nodes read a stamped message as they read any other. */
static void
a_stamped_message_is_read_as_before(void **state)
{
	struct wire_target to = {.flags = 0};
	struct wire_message decoded;
	struct buffer plain;
	struct text message;
	char out[512];

	(void)state;
	buffer_init(&plain, 1 << 16);
	wire_message_init(&decoded);
	assert_int_equal(wire_write_broadcast(&plain, TEXT("abcdef"), TEXT("/"), &to, TEXT("[\"e\",1]"), NULL), 0);
	message = complete(out, buffer_text(&plain), 'a', (struct bus_position){1, 2}, 3);
	assert_true(wire_is_from(message, TEXT("abcdef")));
	assert_int_equal(wire_read_broadcast(&decoded, message), 0);
	assert_true(text_is(decoded.data, TEXT("[\"e\",1]")));
	buffer_reset(&plain);
	assert_int_equal(wire_write_disconnect(&plain, TEXT("abcdef"), &to, true), 0);
	message = complete(out, buffer_text(&plain), 'j', (struct bus_position){1, 2}, 3);
	assert_int_equal(wire_read_request(&decoded, message), 0);
	assert_int_equal(decoded.type, WIRE_REMOTE_DISCONNECT);
	assert_true(decoded.close);
	buffer_fini(&plain);
	wire_message_fini(&decoded);
}

static void
some_messages_cannot_carry_a_stamp(void **state)
{
	(void)state;
	assert_int_equal(bus_record_kind(TEXT(""), false), 0);
	assert_int_equal(bus_record_kind(TEXT(""), true), 0);
	assert_int_equal(bus_record_kind(TEXT("{}"), false), 0); /* the comma would be wrong */
	assert_int_equal(bus_record_kind(TEXT("{\"a\":1"), false), 0);
	assert_int_equal(bus_record_kind(TEXT("\x94"), false), 0);
	assert_int_equal(bus_record_kind(TEXT("\x80"), false), 0);
	assert_int_equal(bus_record_kind(TEXT("\x84"), false), 0); /* looks like a stamped map of 3 */
	assert_int_equal(bus_record_kind(TEXT("\x8f"), false), 0);
	assert_int_equal(bus_record_kind(TEXT("text"), false), 0);
}

static void
what_is_not_a_stamp_stays_untouched(void **state)
{
	static const struct text bad[] = {TEXT(""), TEXT("0"), TEXT("\xd9"),
		TEXT("\xd9\x01"
		     "0"),
		TEXT("\x94\xd9\x14"
		     "1-2/a" SENDER "/1"), /* wrong length */
		TEXT("\x94\xd9\x12"
		     "1-2/aQ8Y0uvXk3J1b1"), /* no second slash */
		TEXT("\x94\xd9\x13"
		     "1-2/x" SENDER "/1"), /* unknown kind */
		TEXT("\x94\xd9\x13"
		     "1-2/a" SENDER "/0"),
		TEXT("\x94\xd9\x12"
		     "12/a" SENDER "/1"),
		TEXT("\x93\xa1u\x80\xd9\x13"
		     "1-2/a" SENDER "/1"), /* a string of an unstamped message */
		TEXT("\x94\xa1u\x80\x80\xd9\x13"
		     "1-2/m" SENDER "/1"), /* the last element of an array */
		TEXT("\x93\xa1u\x80\xd9\x13"
		     "1-2/s" SENDER "/1"),		      /* the nodes do not seal */
		TEXT("{\"position\":\"1-2/j" SENDER "/1\"}"), /* not behind another member */
		TEXT("{\"a\":1,\"position\":\"1-2/a" SENDER "/1\"}"), TEXT("{\"a\":\"\"}"), TEXT("\"}"), TEXT("}")};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct text message = bad[i];
		struct bus_stamp stamp;

		assert_false(bus_stamp_take(&message, false, &stamp));
		assert_true(message.at == bad[i].at && message.n == bad[i].n);
	}
}

/* A client chooses the arguments of an acknowledgement, and they end the answer that goes to another node. */
static void
an_answer_of_a_client_is_not_a_stamp(void **state)
{
	struct text arguments = TEXT("[{\"position\":\"18446744073709551615-0/m" SENDER "/1\"}]");
	struct buffer answer;
	struct bus_stamp stamp;
	struct text message;

	(void)state;
	buffer_init(&answer, 1 << 16);
	assert_int_equal(wire_write_ack_reply(&answer, TEXT("request"), TEXT(""), arguments, NULL), 0);
	message = buffer_text(&answer);
	assert_true(text_ends(message, TEXT("/m" SENDER "/1")));
	assert_false(bus_stamp_take(&message, false, &stamp));
	buffer_fini(&answer);
}

/* Binary arguments make a map of a server emit. */
static void
a_server_emit_with_binary_data_can_carry_a_stamp(void **state)
{
	struct block *binary = block_copy("\x01\x02", 2);
	struct attachments attachments;
	struct bus_stamp stamp;
	struct buffer plain;
	struct text message;
	char out[512];

	(void)state;
	attachments_init(&attachments);
	attachments_add(&attachments, binary);
	block_unref(binary);
	buffer_init(&plain, 1 << 16);
	assert_int_equal(wire_write_server_emit(&plain, TEXT("abcdef"), TEXT_NONE,
				 TEXT("[\"e\",{\"_placeholder\":true,\"num\":0}]"), &attachments),
		0);
	assert_int_equal(bus_record_kind(buffer_text(&plain), false), 'm');
	message = complete(out, buffer_text(&plain), 'm', (struct bus_position){1, 2}, 3);
	assert_true(bus_stamp_take(&message, false, &stamp));
	attachments_fini(&attachments);
	buffer_fini(&plain);
}

/* ---------------------------------------------------------------- records */

/* The longest stamp fits, whatever the message is. */
static void
a_stamp_has_a_maximum(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct bus_stamp stamp;
		char out[512];
		struct text message = complete(out, messages[i].message, messages[i].kind,
			(struct bus_position){UINT64_MAX, UINT64_MAX}, UINT64_MAX);

		assert_true(bus_stamp_take(&message, messages[i].sealed, &stamp));
		assert_true(stamp.number == UINT64_MAX && stamp.position.seq == UINT64_MAX);
	}
}

static size_t
write_record(char *out, struct text channel, struct text message, uint64_t number)
{
	char stamped[512];
	struct text whole = complete(stamped, message, 'a', (struct bus_position){5, 1}, number);
	size_t n = bus_record_write_head(out, channel.n, whole.n);

	memcpy(out + n, channel.at, channel.n);
	memcpy(out + n + channel.n, whole.at, whole.n);
	return n + channel.n + whole.n;
}

static void
an_answer_is_a_head_and_entries_of_records(void **state)
{
	static const struct text message = TEXT("\x93\xa1u\x80\x80");
	char records[1024], answer[2048];
	size_t n = write_record(records, TEXT("channel"), message, 9), all_n;
	struct bus_record_head head;
	struct bus_log_entry entry;
	struct bus_record record;
	struct text rest;

	(void)state;
	n += write_record(records + n, TEXT("a\nb"), message, 10);
	all_n = (size_t)snprintf(answer, sizeof answer, "10\n4-0 0\n4-1 ?\n5-2 %zu\n", n);
	memcpy(answer + all_n, records, n);
	rest = text_of(answer, all_n + n);
	assert_int_equal(bus_record_read_head(&rest, &head), 0);
	assert_true(head.found && !head.more);
	assert_int_equal(bus_record_next_entry(&rest, &entry), 1);
	assert_true(entry.position.ms == 4 && entry.position.seq == 0 && !entry.unusable);
	assert_int_equal(bus_record_next(&entry.records, false, &record), 0);
	assert_int_equal(bus_record_next_entry(&rest, &entry), 1);
	assert_true(entry.unusable);
	assert_int_equal(bus_record_next(&entry.records, false, &record), 0);
	assert_int_equal(bus_record_next_entry(&rest, &entry), 1);
	assert_int_equal(bus_record_count(entry.records, false, 2), 2);
	assert_int_equal(bus_record_count(entry.records, false, 1), ERROR_SYNTAX);
	assert_int_equal(bus_record_next(&entry.records, false, &record), 1);
	assert_true(text_is(record.channel, TEXT("channel")));
	assert_int_equal(record.stamp.number, 9);
	assert_int_equal(bus_record_next(&entry.records, false, &record), 1);
	assert_true(text_is(record.channel, TEXT("a\nb")));
	assert_int_equal(record.stamp.number, 10);
	assert_int_equal(bus_record_next(&entry.records, false, &record), 0);
	assert_int_equal(bus_record_next_entry(&rest, &entry), 0);
}

static void
malformed_answers_are_refused(void **state)
{
	static const struct text heads[] = {TEXT(""), TEXT("1"), TEXT("10"), TEXT("10 "), TEXT("\n\n")};
	static const struct text entries[] = {TEXT("1-1"), TEXT("1-1\n"), TEXT("\n"), TEXT("1 ?\n"), TEXT("1-1 1\n"),
		TEXT("1-1 2\nc"), TEXT("1-1 18446744073709551615\nc"), TEXT("1-1 -1\nc"), TEXT("1-1 01\nc"),
		TEXT("1-1 1 1\nc"), TEXT("1-1 x\n")};
	static const struct text records[] = {TEXT("1"), TEXT("1\n"), TEXT("\n"), TEXT("1 1\nc"),
		TEXT("1 18446744073709551615\ncc"), TEXT("-1 1\ncc"), TEXT("1  1\ncc"), TEXT("1 1 1\nccc"),
		TEXT("1 3\ncabc"), /* no stamp */
		TEXT("1 20\nc\x94\xd9\x11"
		     "1-2/x" SENDER "/1")};
	struct bus_record_head head;
	struct bus_log_entry entry;
	struct bus_record record;
	struct text rest;

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		rest = heads[i];
		assert_int_equal(bus_record_read_head(&rest, &head), ERROR_SYNTAX);
	}
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		rest = entries[i];
		assert_int_equal(bus_record_next_entry(&rest, &entry), ERROR_SYNTAX);
	}
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		rest = records[i];
		assert_int_equal(bus_record_next(&rest, false, &record), ERROR_SYNTAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_two_numbers),
		cmocka_unit_test(positions_are_ordered),
		cmocka_unit_test(a_stamp_is_found_in_each_kind_of_message),
		cmocka_unit_test(a_stamp_has_the_number_of_an_event),
		cmocka_unit_test(a_stamp_with_a_bad_event_is_refused),
		cmocka_unit_test(a_stamped_message_is_read_as_before),
		cmocka_unit_test(some_messages_cannot_carry_a_stamp),
		cmocka_unit_test(what_is_not_a_stamp_stays_untouched),
		cmocka_unit_test(an_answer_of_a_client_is_not_a_stamp),
		cmocka_unit_test(a_server_emit_with_binary_data_can_carry_a_stamp),
		cmocka_unit_test(a_stamp_has_a_maximum),
		cmocka_unit_test(an_answer_is_a_head_and_entries_of_records),
		cmocka_unit_test(malformed_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
