/*
 * One budget for all memory whose size peers choose: output queues, partial input, unfinished messages and bodies,
 * names. Each loop has one. Accounting costs one addition. Only if the budget is exceeded are all holders searched
 * for the largest, which are closed one after the other until a part of the budget is free again.
 *
 * A block of bytes counts once, however many queues hold it, because it exists once. Holders are ranked by the bytes
 * that wait for them, shared or not.
 *
 * The budget is pure code and knows neither connections nor sessions. The owner of holders registers a source, which
 * lists and closes them. A holder may be closed in the middle of any call that adds memory, so closing only marks it:
 * it makes no up-call and frees nothing that the caller may be using.
 */
#ifndef COMMON_IO_BUDGET_H
#define COMMON_IO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/list.h"

struct budget {
	uint64_t held;	  /* bytes held */
	uint64_t max;	  /* maximum of `held`; UINT64_MAX: no limit */
	uint64_t limit;	  /* budget_relieve() is due above this; equals `max` unless relief is in progress */
	uint64_t leaving; /* bytes that closed holders keep until the end of the turn */
	uint64_t peak;	  /* highest `held` that budget_note() saw since the last budget_shrunk() */
	uint64_t high;	  /* highest `held` since memory was last returned to the system */
	struct list sources;
	bool relieving; /* budget_relieve() is running */
	bool stuck;	/* all holders were closed and more than `max` was still held */
};

struct budget_search;

/* An owner of holders. It must stay valid while registered. */
struct budget_source {
	struct list link;
	/* Calls budget_offer() for every holder that may be closed. */
	void (*each)(struct budget_source *source, struct budget_search *search);
	/*
	 * Closes a holder that was offered, or skips it if it holds much less by now. Returns the bytes that a closed
	 * holder keeps until the end of the turn.
	 */
	uint64_t (*close)(struct budget_source *source, void *holder, uint64_t bytes);
};

/* Initialises a budget without a limit. */
void budget_init(struct budget *budget);

/* Sets the budget in bytes; UINT64_MAX: no limit. */
void budget_set_max(struct budget *budget, uint64_t max);

/* Registers a source, whose holders are then candidates for closing. */
void budget_add_source(struct budget *budget, struct budget_source *source);
void budget_remove_source(struct budget_source *source); /* does nothing if it is not registered */

static inline void
budget_add(struct budget *budget, uint64_t bytes)
{
	budget->held += bytes;
}

static inline void
budget_sub(struct budget *budget, uint64_t bytes)
{
	budget->held -= bytes;
}

/* Counts a block that is put into a queue, until the block is freed. Returns false if it was counted already. */
static inline bool
budget_hold(struct budget *budget, struct block *block)
{
	if (block->total != NULL)
		return false;
	block_count(block, &budget->held);
	return true;
}

/* Returns true if budget_relieve() is due. */
static inline bool
budget_exceeded(const struct budget *budget)
{
	return budget->held > budget->limit;
}

/* Closes the largest holders until an eighth of the budget is free or no holder is left. Calls only the sources. */
void budget_relieve(struct budget *budget);

/*
 * Like budget_relieve(), but frees an eighth of what is held, whatever the budget is. For a system that is out of
 * memory.
 */
void budget_give_up(struct budget *budget);

/* Called by the `each` of a source: reports a holder and its bytes. */
void budget_offer(struct budget_search *search, struct budget_source *source, void *holder, uint64_t bytes);

/* Called at the end of a turn, when closed holders have been freed. */
void budget_settle(struct budget *budget);

/* Records how much is held. Called several times a turn, before large amounts of memory are freed. */
static inline void
budget_note(struct budget *budget)
{
	if (budget->held > budget->peak)
		budget->peak = budget->held;
}

/*
 * Called by a timer. Returns true if the highest use since the last call was so far below the earlier maximum that
 * returning memory to the system is worthwhile. The decision depends on bytes only, not on the number of holders.
 */
#define BUDGET_SHRUNK (16 * 1024 * 1024)
bool budget_shrunk(struct budget *budget);

#endif
