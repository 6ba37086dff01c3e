/*
 * Recorded messages: the first byte chooses between a received message and an answer of the script that reads the
 * log. Each result lies within the input. Each step moves the position on, or ends the answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_within(struct text part, struct text whole)
{
	return part.at >= whole.at && part.at + part.n <= whole.at + whole.n;
}

static void
check_stamp(struct text message)
{
	struct bus_stamp stamp;
	struct text left = message;
	struct bus_stamped stamped;
	bool sealed = message.n > 0 && (message.at[0] & 1) != 0;
	char kind = bus_record_kind(message, sealed);

	if (bus_stamp_take(&left, sealed, &stamp)) {
		assert(is_within(stamp.sender, message) && stamp.sender.n == BUS_SENDER_LENGTH && stamp.number > 0);
		assert(left.at == message.at && (left.n == message.n || stamp.kind == 's'));
	} else {
		assert(left.at == message.at && left.n == message.n);
	}
	if (kind == 0)
		return;
	stamp = (struct bus_stamp){{1, 2}, kind, TEXT("abcdefghijkl"), 3, 4, true};
	bus_stamp_add(message, &stamp, &stamped);
	assert(stamped.end >= 1 && stamped.end <= message.n && stamped.tail_n < sizeof stamped.tail);
}

static void
check_answer(struct text answer)
{
	struct text rest = answer;
	struct bus_record_head head;
	struct bus_log_entry entry;
	struct bus_record record;

	if (bus_record_read_head(&rest, &head) < 0)
		return;
	for (size_t left = rest.n; bus_record_next_entry(&rest, &entry) > 0; left = rest.n) {
		struct text records = entry.records;
		int count = bus_record_count(records, false, 16), n = 0;

		assert(rest.n < left && is_within(rest, answer));
		for (size_t before = records.n; bus_record_next(&records, false, &record) > 0; before = records.n) {
			n++;
			assert(records.n < before && is_within(records, entry.records));
			assert(is_within(record.channel, answer) && is_within(record.message, answer));
		}
		assert(count < 0 || count == n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size); /* exactly as long as the input, so that reading further is noticed */
	memcpy(text, data, size);
	if (data[0] == 'r')
		check_answer(text_of(text + 1, size - 1));
	else
		check_stamp(text_of(text + 1, size - 1));
	free(text);
	return 0;
}
