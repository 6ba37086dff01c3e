/* Heartbeats: one that is accepted has its members within their limits, and is written and read as it was. */
#include <assert.h>
#include <string.h>

#include "broker/beat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct beat beat, again; /* compared by their bytes, padding included */
	struct buffer out;

	if (beat_read(&beat, text_of((const char *)data, size)) < 0)
		return 0;
	assert(strlen(beat.about.id) == BEAT_ID_LENGTH && strlen(beat.about.instance) == BEAT_ID_LENGTH);
	assert(strlen(beat.about.host) <= BEAT_HOST_MAX && strlen(beat.about.version) <= BEAT_WORD_MAX);
	assert(beat.about.node <= BEAT_NODE_MAX && beat.about.worker <= BEAT_WORKER_MAX);
	assert(beat.every_ms > 0 && beat.every_ms <= BEAT_EVERY_MAX_MS);
	assert(beat.namespace_count <= BEAT_NAMESPACES_MAX);
	buffer_init(&out, BEAT_BYTES_MAX);
	assert(beat_write(&out, &beat) == 0);
	assert(beat_read(&again, buffer_text(&out)) == 0);
	assert(strcmp(again.about.host, beat.about.host) == 0 && again.about.clients == beat.about.clients);
	assert(again.state == beat.state && again.hello == beat.hello && again.more == beat.more);
	assert(again.namespace_count == beat.namespace_count);
	assert(memcmp(again.namespaces, beat.namespaces, beat.namespace_count * sizeof beat.namespaces[0]) == 0);
	buffer_fini(&out);
	return 0;
}
