/*
 * What one receiver has had of one sender: which messages never came, came twice, or came after later ones. Pure
 * code, 16 bytes for each pair.
 */
#ifndef TESTS_LOAD_TRACKER_H
#define TESTS_LOAD_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#define TRACKER_WINDOW                                                                                               \
	63 /* a message that comes later than so many others counts as reordered, even the second time */

struct tracker {
	uint64_t seen; /* bit i: sequence next - 1 - i has come */
	uint32_t next;
	bool away; /* the receiver was disconnected since the last message */
};

struct tracker_counts {
	uint64_t fresh;	 /* distinct messages */
	uint64_t lost;	 /* never came while the receiver was connected */
	uint64_t missed; /* never came, the receiver having been disconnected meanwhile */
	uint64_t duplicated, reordered;
};

/* Zeroed memory expects sequence 0. Message `sequence` came; true unless it came before. */
bool tracker_take(struct tracker *t, uint32_t sequence, struct tracker_counts *counts);
/* The receiver was disconnected: what is found missing next is not the server's loss. */
void tracker_away(struct tracker *t);
/* The end: `sent` messages were sent in all. */
void tracker_finish(struct tracker *t, uint32_t sent, bool connected, struct tracker_counts *counts);

#endif
