/*
 * One budget for all memory whose size a peer chooses: output queues, partial input, unfinished messages and bodies,
 * names. Each loop has one. Counting costs an addition; only when more is held than the budget allows are the largest
 * holders looked for, all of them at once, and closed one after the other until a part of the budget is free again.
 *
 * A block of bytes counts once, however many queues it waits in: it is there once. A holder's own size, by which the
 * largest are found, is what waits for it, shared or not.
 *
 * Pure: knows neither connections nor sessions. Who owns holders registers a source, which names them and closes
 * them. Closing may happen in the middle of any call that adds memory, so it marks only: it makes no up-call and
 * frees nothing that somebody may be working with.
 */
#ifndef COMMON_IO_BUDGET_H
#define COMMON_IO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/list.h"

struct budget {
	uint64_t held;	  /* bytes */
	uint64_t max;	  /* UINT64_MAX: no limit */
	uint64_t limit;	  /* more than so much held: budget_relieve() is due; `max` unless relief is under way */
	uint64_t leaving; /* held by those that were closed, until the end of the turn */
	uint64_t peak;	  /* most that was held, as far as budget_note() saw, since budget_shrunk() was asked last */
	uint64_t high;	  /* the same since memory was given back last */
	struct list sources;
	bool relieving; /* inside budget_relieve() */
	bool stuck;	/* nobody was left to close, and more than `max` was held */
};

struct budget_search;

/* Who owns holders. Lives as long as it is registered. */
struct budget_source {
	struct list link;
	/* Calls budget_offer() for every holder that may be closed. */
	void (*each)(struct budget_source *source, struct budget_search *search);
	/*
	 * Closes one that was offered, or lets it go if it holds much less by now. Returns how many bytes one that
	 * was closed goes on holding until the end of the turn.
	 */
	uint64_t (*close)(struct budget_source *source, void *holder, uint64_t bytes);
};

void budget_init(struct budget *b);

/* From now on `max` bytes; UINT64_MAX: no limit. */
void budget_set_max(struct budget *b, uint64_t max);

void budget_add_source(struct budget *b, struct budget_source *source);
void budget_remove_source(struct budget_source *source); /* harmless when not registered */

static inline void
budget_add(struct budget *b, uint64_t bytes)
{
	b->held += bytes;
}

static inline void
budget_sub(struct budget *b, uint64_t bytes)
{
	b->held -= bytes;
}

/* A block is put into a queue: the first one counts it, until it is freed. False: it was counted before. */
static inline bool
budget_hold(struct budget *b, struct block *block)
{
	if (block->total != NULL)
		return false;
	block_count(block, &b->held);
	return true;
}

/* Is it time for budget_relieve()? */
static inline bool
budget_exceeded(const struct budget *b)
{
	return b->held > b->limit;
}

/* Closes the largest holders until an eighth of the budget is free, or none is left. Calls nobody else. */
void budget_relieve(struct budget *b);

/* The same until an eighth of what is held is given up, whatever the budget: the system has no memory left. */
void budget_give_up(struct budget *b);

/* For `each` of a source: this holder has so many bytes. */
void budget_offer(struct budget_search *search, struct budget_source *source, void *holder, uint64_t bytes);

/* At the end of a turn: those that were closed are freed by now. */
void budget_settle(struct budget *b);

/* Several times a turn, before memory is freed in large: remembers how much was held. */
static inline void
budget_note(struct budget *b)
{
	if (b->held > b->peak)
		b->peak = b->held;
}

/*
 * For a timer: true when less was held all the time since it was asked last than before, by so much that it pays to
 * give memory back to the system. Bytes decide, not how many held them.
 */
#define BUDGET_SHRUNK (16 * 1024 * 1024)
bool budget_shrunk(struct budget *b);

#endif
