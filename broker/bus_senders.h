/*
 * What a reader remembers of the nodes whose numbered messages it receives. The messages of a sender come with
 * growing numbers, so its newest number tells which messages are known. Senders come and go, and their names come
 * from the network. The last `max` senders are remembered for certain, and at most twice as many.
 *
 * A sender that is forgotten is a new one if it is heard of again. A message of it that comes twice is then not
 * recognized. Messages come twice within moments, so their sender is among the last ones.
 */
#ifndef BROKER_BUS_SENDERS_H
#define BROKER_BUS_SENDERS_H

#include <stdint.h>

#include "common/base/table.h"

struct bus_sender {
	struct table_node node;
	uint64_t number; /* of its newest message; 0: none */
	uint64_t at;	 /* the reader's own note about its newest message */
	char name[];
};

struct bus_senders {
	struct table recent, older; /* struct bus_sender: those heard of lately, and those heard of before them */
	unsigned max;
};

void bus_senders_init(struct bus_senders *senders, unsigned max);
/* Forgets all senders. They may be used again. */
void bus_senders_clear(struct bus_senders *senders);

/* Returns the sender with this name, valid until the next call. A new one has number 0. */
struct bus_sender *bus_senders_get(struct bus_senders *senders, struct text name);

#endif
