/*
 * The nodes whose numbered messages a reader has received. A sender numbers its messages in order, so its newest
 * number tells which messages are known. Senders come and go, and their names come from the network, so their number
 * is limited: at least the last `max` senders are remembered, and at most twice as many.
 *
 * A forgotten sender that sends again counts as a new one, so a repeated message from it would not be recognised.
 * Messages are repeated within moments, while their sender is still among the last ones.
 */
#ifndef BROKER_BUS_SENDERS_H
#define BROKER_BUS_SENDERS_H

#include <stdint.h>

#include "common/base/table.h"

struct bus_sender {
	struct table_node node;
	uint64_t number; /* of its newest message; 0: none */
	uint64_t at;	 /* the reader's note about the newest message */
	uint64_t seen;	 /* the reader's note about earlier messages */
	char name[];
};

struct bus_senders {
	struct table recent, older; /* struct bus_sender: the latest senders, and those before them */
	unsigned max;
};

void bus_senders_init(struct bus_senders *senders, unsigned max);
/* Forgets all senders. `senders` remains usable. */
void bus_senders_clear(struct bus_senders *senders);

/* Returns the sender with this name, valid until the next call. A new one has number 0. */
struct bus_sender *bus_senders_get(struct bus_senders *senders, struct text name);

#endif
