/*
 * What one receiver has received from one sender: which messages are missing, arrived twice, or arrived after later
 * ones. Pure code, 16 bytes per pair.
 */
#ifndef TESTS_LOAD_TRACKER_H
#define TESTS_LOAD_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A message that arrives after more than TRACKER_WINDOW later ones is older than the window. It counts as reordered
 * while any message is missing, even if it has arrived before; otherwise it counts as a duplicate.
 */
#define TRACKER_WINDOW 63

#define TRACKER_LOST_MAX 0xffffu /* the counter of a pair stays at this value */
#define TRACKER_MISSED_MAX 0x7fffu

struct tracker {
	uint64_t seen; /* bit i: sequence next - 1 - i has arrived */
	uint32_t next;
	/* this pair's part of the counts of lost and missed messages; a late arrival lowers it */
	uint32_t lost : 16;
	uint32_t missed : 15;
	uint32_t away : 1; /* the receiver was disconnected since the last message */
};

struct tracker_counts {
	uint64_t fresh;	 /* distinct messages */
	uint64_t lost;	 /* did not arrive although the receiver was connected */
	uint64_t missed; /* did not arrive; the receiver was disconnected in between */
	uint64_t duplicated, reordered;
};

/* Message `sequence` arrived. Returns false if it had arrived before. Zeroed memory expects sequence 0. */
bool tracker_take(struct tracker *t, uint32_t sequence, struct tracker_counts *counts);
/* True if message `sequence` has arrived. Messages older than the window count as arrived. */
bool tracker_has(const struct tracker *t, uint32_t sequence);
/* The receiver was disconnected: the messages found missing next count as missed, not as lost. */
void tracker_away(struct tracker *t);
/* The end: the sender has sent `sent` messages in all. */
void tracker_finish(struct tracker *t, uint32_t sent, bool connected, struct tracker_counts *counts);

#endif
