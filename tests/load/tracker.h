/*
 * What one receiver has had of one sender: which messages never came, came twice, or came after later ones. Pure
 * code, 16 bytes for each pair.
 */
#ifndef TESTS_LOAD_TRACKER_H
#define TESTS_LOAD_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A message that comes later than so many others counts as reordered if any is missing, even the second time; if none
 * is, it came before.
 */
#define TRACKER_WINDOW 63

#define TRACKER_LOST_MAX 0xffffu /* there may be more of them */
#define TRACKER_MISSED_MAX 0x7fffu

struct tracker {
	uint64_t seen; /* bit i: sequence next - 1 - i has come */
	uint32_t next;
	/* those of this pair that are in the counts: what comes late is one of them */
	uint32_t lost : 16;
	uint32_t missed : 15;
	uint32_t away : 1; /* the receiver was disconnected since the last message */
};

struct tracker_counts {
	uint64_t fresh;	 /* distinct messages */
	uint64_t lost;	 /* never came while the receiver was connected */
	uint64_t missed; /* never came, the receiver having been disconnected meanwhile */
	uint64_t duplicated, reordered;
};

/* Zeroed memory expects sequence 0. Message `sequence` came; true unless it came before. */
bool tracker_take(struct tracker *t, uint32_t sequence, struct tracker_counts *counts);
/* Has it come? Of those beyond the window it is said that they have. */
bool tracker_has(const struct tracker *t, uint32_t sequence);
/* The receiver was disconnected: what is found missing next is not the server's loss. */
void tracker_away(struct tracker *t);
/* The end: `sent` messages were sent in all. */
void tracker_finish(struct tracker *t, uint32_t sent, bool connected, struct tracker_counts *counts);

#endif
