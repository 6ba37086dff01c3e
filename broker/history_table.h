/*
 * The histories of rooms in memory: in a single worker, or in the hub for all workers. The code is pure: the caller
 * supplies the time, in milliseconds since 1970.
 *
 * Each room lists its entries, oldest first. A second list has the entries of all rooms in order of arrival. The
 * oldest of these are dropped when all entries exceed max_bytes. A room without entries is freed.
 */
#ifndef BROKER_HISTORY_TABLE_H
#define BROKER_HISTORY_TABLE_H

#include "broker/history.h"
#include "common/base/block.h"
#include "common/base/table.h"

struct history_table {
	struct table rooms;   /* struct history_room by key */
	struct list turn;     /* the same rooms, in the order in which history_table_sweep() visits them */
	struct list arrivals; /* struct history_entry of all rooms */
	uint64_t entries, bytes, max_bytes, displaced;
	struct history_id last;
};

struct history_entry {
	struct list in_room, in_all;
	struct history_room *room;
	struct history_id id;
	struct block *payload;
};

struct history_room {
	struct table_node node;
	struct list turn;
	struct list entries;
	struct history_limits limits; /* of the last append */
	unsigned count;
	char key[];
};

void history_table_init(struct history_table *table, uint64_t max_bytes);
void history_table_fini(struct history_table *table);

/* Stores a copy of the payload. Returns its id in *id and 0, or ERROR_MEMORY. */
int history_table_append(struct history_table *table, uint64_t now, struct text key,
	const struct history_limits *limits, struct text payload, struct history_id *id);

/* The result of a read, oldest first. It holds a reference to each payload. */
struct history_found {
	struct history_found_item {
		struct history_id id;
		struct block *payload;
	} * at;
	unsigned count;
};
/*
 * Finds entries with at most query->max_bytes together. Returns 0 or ERROR_MEMORY. The caller calls
 * history_found_fini() in any case.
 */
int history_table_read(struct history_table *table, uint64_t now, struct text key, const struct history_query *query,
	struct history_found *out);
void history_found_fini(struct history_found *found);

/* Sets the age limit of a room's entries. Does nothing if the room has no entries. */
void history_table_set_age(struct history_table *table, struct text key, uint64_t age_ms);
/* Removes one entry, or all entries of the room if the id is zeroed. Returns the number of removed entries. */
unsigned history_table_remove(struct history_table *table, struct text key, struct history_id id);
/* Drops entries that are too old, in at most HISTORY_SWEEP rooms. The next call continues with the next rooms. */
#define HISTORY_SWEEP 1000
void history_table_sweep(struct history_table *table, uint64_t now);

#endif
