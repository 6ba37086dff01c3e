#include "broker/streams_repeats.h"

#include "broker/stream_number.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/mem.h"

/* Unanswered messages are added again within moments, while their sender is among the last ones. */
#define SENDERS_MAX 16384
#define WINDOW 64 /* bits of bus_sender.seen; a bit tells whether a number before the newest has been read */

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
	if (repeat.entry > repeats->newest)
		repeats->newest = repeat.entry;
}

/* What was read before the first number is unknown here, and counts as read. */
static void
sender_advance(struct bus_sender *sender, uint64_t number)
{
	uint64_t ahead = number - sender->number;

	if (sender->number == 0)
		sender->seen = UINT64_MAX;
	else if (ahead <= WINDOW)
		sender->seen = (ahead < WINDOW ? sender->seen << ahead : 0) | UINT64_C(1) << (ahead - 1);
	else
		sender->seen = 0;
	sender->number = number;
}

/* Takes note of a number. Returns false if it has been read before. */
static bool
sender_reads_new(struct bus_sender *sender, uint64_t number)
{
	uint64_t behind = sender->number - number, bit;

	if (number > sender->number) {
		sender_advance(sender, number);
		return true;
	}
	if (behind == 0 || behind > WINDOW)
		return false;
	bit = UINT64_C(1) << (behind - 1);
	if ((sender->seen & bit) != 0)
		return false;
	sender->seen |= bit;
	return true;
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
	if (!sender_reads_new(sender, number)) {
		repeats_note(repeats, (struct streams_repeat){.stream = stream, .entry = at, .before = sender->at});
		return false;
	}
	sender->at = at;
	return true;
}

int
streams_repeats_had(const struct streams_repeats *repeats, unsigned stream, uint64_t entry, uint64_t from)
{
	uint64_t n = repeats->count < STREAMS_REPEATS_MAX ? repeats->count : STREAMS_REPEATS_MAX;

	if (entry > repeats->newest)
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		const struct streams_repeat *repeat = &repeats->all[i];

		if (repeat->stream == stream && repeat->entry == entry)
			return from >= repeat->before ? 1 : ERROR_UNSUPPORTED;
	}
	return entry <= repeats->forgotten ? ERROR_UNSUPPORTED : 0;
}
