#include "tests/load/tracker.h"

static void
gap(const struct tracker *t, uint32_t n, struct tracker_counts *counts)
{
	if (t->away)
		counts->missed += n;
	else
		counts->lost += n;
}

/* A message that others overtook, or one that came before. */
static bool
late(struct tracker *t, uint32_t behind, struct tracker_counts *counts)
{
	uint64_t bit = behind <= TRACKER_WINDOW ? 1ull << behind : 0;

	if (t->seen & bit) {
		counts->duplicated++;
		return false;
	}
	t->seen |= bit;
	counts->reordered++;
	counts->fresh++;
	/* it was taken for lost when the later one came */
	if (counts->lost > 0)
		counts->lost--;
	else if (counts->missed > 0)
		counts->missed--;
	return true;
}

bool
tracker_take(struct tracker *t, uint32_t sequence, struct tracker_counts *counts)
{
	uint32_t ahead = sequence - t->next;

	if (sequence < t->next)
		return late(t, t->next - 1 - sequence, counts);
	if (ahead > 0)
		gap(t, ahead, counts);
	t->seen = (ahead >= TRACKER_WINDOW ? 0 : t->seen << (ahead + 1)) | 1;
	t->next = sequence + 1;
	t->away = false;
	counts->fresh++;
	return true;
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
		gap(t, sent - t->next, counts);
	t->next = sent;
}
