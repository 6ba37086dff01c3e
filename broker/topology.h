/*
 * Finds the members of a Redis Cluster and keeps the map of them up to date.
 *
 * A question goes to one member after another until one answers: a few of the last map, then those of the URL, then
 * the rest of the map. This way a cluster whose addresses have all changed is found by the URL within seconds. Each
 * member has a second to answer, on a connection that ends with the answer. The map is asked for at every refresh
 * interval and whenever the caller has seen that it is out of date; many such calls cause one question. If no member
 * answers, the topology asks again after a moment, without end.
 *
 * Calls go down. Answers come up through struct topology_ops, always from the loop and never from inside a downward
 * call.
 */
#ifndef BROKER_TOPOLOGY_H
#define BROKER_TOPOLOGY_H

#include "broker/cluster_map.h"
#include "common/io/loop.h"

struct bus_url;
struct bus_access;
struct topology;

struct topology_ops {
	/* A member has answered. The map is that of topology_map(). */
	void (*on_map)(void *arg);
	/* No member has answered. `why` is the failure of the last one. */
	void (*on_failed)(void *arg, const char *why);
};

/*
 * `url` names some members; `access` (NULL: none) has the password and the certificates. The caller owns both, and
 * they must outlive the topology. The first question leaves at the end of the turn.
 */
struct topology *topology_new(struct loop *l, const struct bus_url *url, struct bus_access *access,
	uint64_t refresh_ms, const struct topology_ops *ops, void *arg);
void topology_free(struct topology *topology); /* accepts NULL; no callback follows */

/* Asks for a new map, because the caller has seen that the last one is out of date. */
void topology_refresh(struct topology *topology);

/*
 * The last map, or NULL if no member has answered yet. It is valid until the next on_map. The caller may correct it
 * by what the members say themselves (cluster_map_add() and `owners`).
 */
struct cluster_map *topology_map(struct topology *topology);

#endif
