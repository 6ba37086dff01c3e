/*
 * The members of a Redis Cluster and the slots that they own, as one member has named them. Pure: no fd and no clock.
 *
 * Every channel of sharded publish and subscribe belongs to one of 16384 slots, and every slot to one master at a
 * time. Source: redis.io, "Redis cluster specification", "CLUSTER SHARDS" and "CLUSTER SLOTS".
 */
#ifndef BROKER_CLUSTER_MAP_H
#define BROKER_CLUSTER_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/table.h"

#define CLUSTER_SLOTS 16384
#define CLUSTER_MEMBERS_MAX 1000 /* the most that Redis Cluster supports */
#define CLUSTER_NOBODY UINT16_MAX

struct cluster_member {
	struct table_node node; /* private */
	char *host;
	uint16_t port;
	uint16_t master; /* index of its master, or of itself; CLUSTER_NOBODY: not known */
	bool failed;	 /* the cluster says that it does not answer */
};

/* All zero: no member, but cluster_map_init() must have run. */
struct cluster_map {
	struct table names; /* of members */
	struct cluster_member **members;
	unsigned count;
	uint16_t owners[CLUSTER_SLOTS]; /* indexes of masters, or CLUSTER_NOBODY */
};

void cluster_map_init(struct cluster_map *map);
void cluster_map_fini(struct cluster_map *map);

/* The slot of a channel: a hash of its name, or of the part in the first {braces}. */
unsigned cluster_slot(struct text channel);

/* The member that gave the answer, and whether connections to the others use TLS. */
struct cluster_asked {
	const char *host;
	uint16_t port;
	bool tls;
};

/*
 * Fills `out`, which must be initialised, from the answer to CLUSTER SHARDS or to CLUSTER SLOTS. A member without a
 * name is at the host that was asked. Returns 0; ERROR_NOT_FOUND if no slot has an owner; or ERROR_SYNTAX or
 * ERROR_TOO_MANY, after which `out` is partly filled.
 */
int cluster_map_parse(struct cluster_map *out, struct text answer, const struct cluster_asked *asked);

/* Returns the index of the member at that address, which is added if it is new, or ERROR_TOO_MANY. */
int cluster_map_add(struct cluster_map *map, struct text host, uint16_t port);

/* The owner of a slot, or NULL. */
const struct cluster_member *cluster_map_owner(const struct cluster_map *map, unsigned slot);

/* The redirection in an error such as "MOVED 3999 10.0.0.1:6381". */
struct cluster_moved {
	unsigned slot;
	struct text host; /* part of the error; empty: the host that was asked */
	uint16_t port;
};

/* Returns 0, or ERROR_SYNTAX if the error is not such a redirection. */
int cluster_moved_parse(struct cluster_moved *out, struct text error);

/*
 * Reads the answer to CLUSTER INFO. Returns true if the member is not in order and does not see the owners of half of
 * the slots: it is then on the smaller side of a cut. If the owners of a few slots are away, and their replicas are
 * not promoted yet, the member is not in order either, but messages still reach all others.
 */
bool cluster_info_cut_off(struct text info);

/*
 * Writes a short text whose hash is `slot`: a channel with this text in braces belongs to that slot. The text is the
 * same at every call.
 */
#define CLUSTER_TAG_MAX 8
void cluster_tag(char out[CLUSTER_TAG_MAX], unsigned slot);

#endif
