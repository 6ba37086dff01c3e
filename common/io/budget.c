#include "common/io/budget.h"

#include <string.h>

#define FREE_SHARE 8   /* relief frees 1/FREE_SHARE of the budget, so that it is not due again at once */
#define LARGEST_MAX 64 /* maximum holders that one walk over all holders closes */

struct budget_candidate {
	struct budget_source *source;
	void *holder;
	uint64_t bytes;
};

/* The largest holders found so far, in descending order. */
struct budget_search {
	unsigned count;
	struct budget_candidate largest[LARGEST_MAX];
};

void
budget_init(struct budget *budget)
{
	*budget = (struct budget){.max = UINT64_MAX, .limit = UINT64_MAX};
	list_init(&budget->sources);
}

void
budget_set_max(struct budget *budget, uint64_t max)
{
	budget->max = budget->limit = max;
}

void
budget_add_source(struct budget *budget, struct budget_source *source)
{
	list_add_tail(&budget->sources, &source->link);
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
		at--; /* replaces the smallest of them */
	} else {
		search->count++;
	}
	while (at > 0 && search->largest[at - 1].bytes < bytes)
		at--;
	memmove(&search->largest[at + 1], &search->largest[at], (search->count - 1 - at) * sizeof search->largest[0]);
	search->largest[at] = (struct budget_candidate){source, holder, bytes};
}

static void
budget_search_holders(struct budget *budget, struct budget_search *search)
{
	struct list *it, *next;

	search->count = 0;
	list_each(it, next, &budget->sources)
	{
		struct budget_source *source = list_entry(it, struct budget_source, link);

		source->each(source, search);
	}
}

/* Bytes that closed holders keep until the end of the turn count as free already. */
static void
budget_close_largest(struct budget *budget, uint64_t target)
{
	struct budget_search search;

	if (budget->relieving)
		return;
	budget->relieving = true;
	do {
		budget_search_holders(budget, &search);
		for (unsigned i = 0; i < search.count && budget->held > target + budget->leaving; i++) {
			struct budget_candidate *candidate = &search.largest[i];

			budget->leaving +=
				candidate->source->close(candidate->source, candidate->holder, candidate->bytes);
		}
	} while (search.count == LARGEST_MAX && budget->held > target + budget->leaving);
	budget->relieving = false;
}

/*
 * If no holder is left to close, the next walk is due only after `held` has grown by a further part of the budget.
 * Otherwise every turn would walk over all holders and close none of them.
 */
void
budget_relieve(struct budget *budget)
{
	if (budget->relieving)
		return;
	budget_close_largest(budget, budget->max - budget->max / FREE_SHARE);
	budget->limit = budget->max + budget->leaving;
	budget->stuck = budget_exceeded(budget);
	if (budget->stuck)
		budget->limit = budget->held + budget->max / FREE_SHARE;
}

void
budget_give_up(struct budget *budget)
{
	budget_close_largest(budget, budget->held - budget->held / FREE_SHARE);
}

void
budget_settle(struct budget *budget)
{
	budget->leaving = 0;
	if (budget->held <= budget->max || !budget->stuck) {
		budget->stuck = false;
		budget->limit = budget->max;
	} else if (budget->limit > budget->held + budget->max / FREE_SHARE) {
		budget->limit = budget->held + budget->max / FREE_SHARE;
	}
}

bool
budget_shrunk(struct budget *budget)
{
	uint64_t peak = budget->peak > budget->held ? budget->peak : budget->held;

	budget->peak = budget->held;
	if (peak > budget->high)
		budget->high = peak;
	if (budget->high - peak < BUDGET_SHRUNK)
		return false;
	budget->high = peak;
	return true;
}
