/*
 * MessagePack from a hostile channel. An accepted value becomes valid JSON whose placeholders fit the attachments. A
 * truncated value is never accepted as complete, and a complete one reads the same with bytes behind it.
 */
#include "common/base/json.h"
#include "common/base/json_msgpack.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define OUT_MAX (1 << 20)
#define DEPTH 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct attachments found, again;
	struct buffer json, packed, twice;
	int64_t used;

	attachments_init(&found);
	attachments_init(&again);
	buffer_init(&json, OUT_MAX);
	buffer_init(&packed, OUT_MAX);
	buffer_init(&twice, OUT_MAX);
	used = msgpack_to_json(data, n, DEPTH, &found, &json);
	must(used <= (int64_t)n);
	if (used > 0 && buffer_error(&json) == 0) {
		/* a copy of exactly the used bytes, so that the sanitizer sees a read beyond them */
		uint8_t *exact = mem_copy(data, (size_t)used);
		struct attachments same;

		must(json_check(buffer_text(&json), JSON_DEPTH_MAX) == 0);
		attachments_init(&same);
		must(msgpack_to_json(exact, (size_t)used, DEPTH, &same, &twice) == used);
		must(text_is(buffer_text(&json), buffer_text(&twice)));
		must(same.count == found.count);
		attachments_fini(&same);
		if (used > 1) {
			buffer_reset(&twice);
			must(msgpack_to_json(exact, (size_t)used - 1, DEPTH, &again, &twice) <= 0);
		}
		mem_free(exact);
		if (json_placeholders_check(buffer_text(&json), found.count) == 0)
			must(json_to_msgpack(buffer_text(&json), &found, &packed) == 0 || buffer_error(&packed) != 0);
	}
	buffer_fini(&json);
	buffer_fini(&packed);
	buffer_fini(&twice);
	attachments_fini(&found);
	attachments_fini(&again);
	return 0;
}
