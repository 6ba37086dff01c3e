#include "common/io/budget.h"

#include <string.h>

#define FREE_SHARE 8   /* relief goes on until this part of the budget is free, so that it is not due again at once */
#define LARGEST_MAX 64 /* closed by one walk over all holders */

struct budget_candidate {
	struct budget_source *source;
	void *holder;
	uint64_t bytes;
};

/* The largest holders so far, the largest first. */
struct budget_search {
	unsigned count;
	struct budget_candidate largest[LARGEST_MAX];
};

void
budget_init(struct budget *b)
{
	*b = (struct budget){.max = UINT64_MAX, .limit = UINT64_MAX};
	list_init(&b->sources);
}

void
budget_set_max(struct budget *b, uint64_t max)
{
	b->max = b->limit = max;
}

void
budget_add_source(struct budget *b, struct budget_source *source)
{
	list_add_tail(&b->sources, &source->link);
}

void
budget_remove_source(struct budget_source *source)
{
	if (source->link.next)
		list_remove(&source->link);
}

void
budget_offer(struct budget_search *search, struct budget_source *source, void *holder, uint64_t bytes)
{
	unsigned at = search->count;

	if (bytes == 0)
		return;
	if (at == LARGEST_MAX) {
		if (bytes <= search->largest[at - 1].bytes)
			return;
		at--; /* the smallest of them makes room */
	} else {
		search->count++;
	}
	while (at > 0 && search->largest[at - 1].bytes < bytes)
		at--;
	memmove(&search->largest[at + 1], &search->largest[at], (search->count - 1 - at) * sizeof search->largest[0]);
	search->largest[at] = (struct budget_candidate){source, holder, bytes};
}

static void
search_all(struct budget *b, struct budget_search *search)
{
	struct list *it, *next;

	search->count = 0;
	list_each(it, next, &b->sources)
	{
		struct budget_source *source = list_entry(it, struct budget_source, link);

		source->each(source, search);
	}
}

/* What those that were closed go on holding until the end of the turn counts as free already. */
static void
close_largest(struct budget *b, uint64_t target)
{
	struct budget_search search;

	if (b->relieving)
		return;
	b->relieving = true;
	do {
		search_all(b, &search);
		for (unsigned i = 0; i < search.count && b->held > target + b->leaving; i++) {
			struct budget_candidate *c = &search.largest[i];

			b->leaving += c->source->close(c->source, c->holder, c->bytes);
		}
	} while (search.count == LARGEST_MAX && b->held > target + b->leaving);
	b->relieving = false;
}

/*
 * Where nobody is left to close, the next walk over all holders is due when a part of the budget more is held, lest
 * each turn walks in vain.
 */
void
budget_relieve(struct budget *b)
{
	if (b->relieving)
		return;
	close_largest(b, b->max - b->max / FREE_SHARE);
	b->limit = b->max + b->leaving;
	b->stuck = budget_exceeded(b);
	if (b->stuck)
		b->limit = b->held + b->max / FREE_SHARE;
}

void
budget_give_up(struct budget *b)
{
	close_largest(b, b->held - b->held / FREE_SHARE);
}

void
budget_settle(struct budget *b)
{
	b->leaving = 0;
	if (b->held <= b->max || !b->stuck) {
		b->stuck = false;
		b->limit = b->max;
	} else if (b->limit > b->held + b->max / FREE_SHARE) {
		b->limit = b->held + b->max / FREE_SHARE;
	}
}

bool
budget_shrunk(struct budget *b)
{
	uint64_t peak = b->peak > b->held ? b->peak : b->held;

	b->peak = b->held;
	if (peak > b->high)
		b->high = peak;
	if (b->high - peak < BUDGET_SHRUNK)
		return false;
	b->high = peak;
	return true;
}
