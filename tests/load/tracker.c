#include "tests/load/tracker.h"

static void
tracker_gap(struct tracker *t, uint32_t n, struct tracker_counts *counts)
{
	if (t->away) {
		counts->missed += n;
		t->missed = n < TRACKER_MISSED_MAX - t->missed ? t->missed + n : TRACKER_MISSED_MAX;
	} else {
		counts->lost += n;
		t->lost = n < TRACKER_LOST_MAX - t->lost ? t->lost + n : TRACKER_LOST_MAX;
	}
}

/* A missing message has arrived after all. */
static void
tracker_take_back(struct tracker *t, struct tracker_counts *counts)
{
	if (t->lost > 0) {
		counts->lost--;
		t->lost -= t->lost < TRACKER_LOST_MAX;
	} else if (t->missed > 0) {
		counts->missed--;
		t->missed -= t->missed < TRACKER_MISSED_MAX;
	}
}

/* A message arrived that is older than the newest one: it was overtaken, or it arrived twice. */
static bool
tracker_late(struct tracker *t, uint32_t behind, struct tracker_counts *counts)
{
	uint64_t bit = behind <= TRACKER_WINDOW ? 1ull << behind : 0;
	bool none_missing = t->lost == 0 && t->missed == 0;

	if (bit ? (t->seen & bit) != 0 : none_missing) {
		counts->duplicated++;
		return false;
	}
	t->seen |= bit;
	counts->reordered++;
	counts->fresh++;
	tracker_take_back(t, counts);
	return true;
}

bool
tracker_take(struct tracker *t, uint32_t sequence, struct tracker_counts *counts)
{
	uint32_t ahead = sequence - t->next;

	if (sequence < t->next)
		return tracker_late(t, t->next - 1 - sequence, counts);
	if (ahead > 0)
		tracker_gap(t, ahead, counts);
	t->seen = (ahead >= TRACKER_WINDOW ? 0 : t->seen << (ahead + 1)) | 1;
	t->next = sequence + 1;
	t->away = false;
	counts->fresh++;
	return true;
}

bool
tracker_has(const struct tracker *t, uint32_t sequence)
{
	uint32_t behind = t->next - 1 - sequence;

	return sequence < t->next && (behind > TRACKER_WINDOW || (t->seen >> behind & 1));
}

void
tracker_away(struct tracker *t)
{
	t->away = true;
}

void
tracker_finish(struct tracker *t, uint32_t sent, bool connected, struct tracker_counts *counts)
{
	if (!connected)
		t->away = true;
	if (sent > t->next)
		tracker_gap(t, sent - t->next, counts);
	t->next = sent;
}
