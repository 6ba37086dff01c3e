#include "broker/streams_repeats.h"

#include "broker/stream_number.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/mem.h"

/* Unanswered messages are added again within moments, while their sender is among the last ones. */
#define SENDERS_MAX 16384

void
streams_repeats_init(struct streams_repeats *repeats)
{
	*repeats = (struct streams_repeats){0};
	bus_senders_init(&repeats->senders, SENDERS_MAX);
}

void
streams_repeats_fini(struct streams_repeats *repeats)
{
	bus_senders_clear(&repeats->senders);
	mem_free(repeats->all);
}

static void
repeats_note(struct streams_repeats *repeats, struct streams_repeat repeat)
{
	struct streams_repeat *slot;

	if (repeats->all == NULL)
		repeats->all = mem_alloc(STREAMS_REPEATS_MAX * sizeof *repeats->all);
	slot = &repeats->all[repeats->count++ % STREAMS_REPEATS_MAX];
	if (repeats->count > STREAMS_REPEATS_MAX && slot->entry > repeats->forgotten)
		repeats->forgotten = slot->entry;
	*slot = repeat;
}

bool
streams_repeats_add(struct streams_repeats *repeats, unsigned stream, const struct wire_stream_entry *entry)
{
	struct bus_sender *sender;
	uint64_t number = wire_stream_entry_number(entry), at = stream_number_of(entry->id);

	/* nodes that number their entries have uids of at most this length */
	if (number == 0 || entry->uid.n == 0 || entry->uid.n > WIRE_ID_LENGTH_MAX)
		return true;
	sender = bus_senders_get(&repeats->senders, entry->uid);
	if (number <= sender->number) {
		repeats_note(repeats, (struct streams_repeat){.stream = stream, .entry = at, .before = sender->at});
		return false;
	}
	sender->number = number;
	sender->at = at;
	return true;
}

int
streams_repeats_had(const struct streams_repeats *repeats, unsigned stream, uint64_t entry, uint64_t from)
{
	uint64_t n = repeats->count < STREAMS_REPEATS_MAX ? repeats->count : STREAMS_REPEATS_MAX;

	for (uint64_t i = 0; i < n; i++) {
		const struct streams_repeat *repeat = &repeats->all[i];

		if (repeat->stream == stream && repeat->entry == entry)
			return from >= repeat->before ? 1 : ERROR_UNSUPPORTED;
	}
	return entry <= repeats->forgotten ? ERROR_UNSUPPORTED : 0;
}
