/*
 * Entries of a history that anybody may have written to Redis. The first byte decides whether the rest is an entry or
 * the option --history. An accepted entry is written again and read as the same.
 */
#include "common/base/json.h"
#include "common/base/must.h"
#include "node/socketio/sio_history_entry.h"
#include "node/socketio/sio_history_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
fuzz_entry(struct text bytes)
{
	struct sio_history_entry first, second;
	struct buffer json, again, other;
	struct attachments attachments, more;

	buffer_init(&json, 64 << 20);
	buffer_init(&again, 64 << 20);
	buffer_init(&other, 64 << 20);
	attachments_init(&attachments);
	attachments_init(&more);
	if (sio_history_entry_read(bytes, &first, &json, &attachments) == 0) {
		must(json_check(buffer_text(&json), JSON_DEPTH_MAX) == 0);
		must(sio_history_entry_write(&again, &first, buffer_text(&json), &attachments) == 0);
		must(sio_history_entry_read(buffer_text(&again), &second, &other, &more) == 0);
		must(first.mark.origin == second.mark.origin && first.mark.number == second.mark.number);
		must(first.except_count == second.except_count && attachments.count == more.count);
		for (unsigned i = 0; i < first.except_count; i++)
			must(text_is(first.except[i], second.except[i]));
	}
	buffer_fini(&json);
	buffer_fini(&again);
	buffer_fini(&other);
	attachments_fini(&attachments);
	attachments_fini(&more);
}

static void
fuzz_rules(struct text rest)
{
	struct sio_history_rules rules;
	char text[512], error[256];

	if (rest.n >= sizeof text || memchr(rest.at, '\0', rest.n) != NULL)
		return;
	memcpy(text, rest.at, rest.n);
	text[rest.n] = '\0';
	if (sio_history_rules_parse(&rules, text, error, sizeof error) < 0) {
		must(strlen(error) > 0);
		return;
	}
	must(rules.count <= SIO_HISTORY_RULES_MAX);
	(void)sio_history_rules_find(&rules, TEXT("/"), rest);
	(void)sio_history_rules_find(&rules, rest, TEXT("room:lobby"));
	for (unsigned i = 0; i < rules.count; i++)
		must(rules.at[i].limits.count >= 1 && rules.at[i].limits.count <= HISTORY_COUNT_MAX &&
			rules.at[i].limits.age_ms <= SIO_HISTORY_AGE_MAX);
	sio_history_rules_fini(&rules);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text rest = text_of((const char *)data + 1, n - 1);

	if (n == 0)
		return 0;
	if (data[0] % 2 == 0)
		fuzz_entry(rest);
	else
		fuzz_rules(rest);
	return 0;
}
