#include "broker/bus_cluster.h"

#include "broker/bus_internal.h"
#include "broker/cluster_count.h"
#include "broker/topology.h"
#include "common/base/mem.h"
#include "common/base/random.h"

struct bus_cluster {
	struct bus *bus;
	struct topology *topology;
	struct cluster_counts *counts;
	bool finding; /* bus_cluster_find() waits for the first map */
	unsigned at;  /* index of the member in use */
	bool chosen;  /* `at` is set; the first one is chosen at random, so that the nodes use all members */
};

/* The next master that has not failed, or the next member if there is none. */
static unsigned
cluster_next_member(struct bus_cluster *cluster, const struct cluster_map *map)
{
	unsigned first = cluster->chosen ? cluster->at + 1 : random_below(map->count);

	for (unsigned i = 0; i < map->count; i++) {
		unsigned at = (first + i) % map->count;

		if (!map->members[at]->failed && map->members[at]->master == at)
			return at;
	}
	return first % map->count;
}

static void
cluster_choose(struct bus_cluster *cluster)
{
	const struct cluster_map *map = topology_map(cluster->topology);
	const struct cluster_member *member;

	cluster->finding = false;
	cluster->at = cluster_next_member(cluster, map);
	cluster->chosen = true;
	member = map->members[cluster->at];
	bus_found_server(cluster->bus, member->host, member->port);
}

static void
cluster_on_map(void *arg)
{
	struct bus_cluster *cluster = arg;

	if (cluster->finding)
		cluster_choose(cluster);
}

static void
cluster_on_failed(void *arg, const char *why)
{
	struct bus_cluster *cluster = arg;

	if (!cluster->finding)
		return;
	cluster->finding = false;
	bus_found_no_server(cluster->bus, why);
}

static const struct topology_ops topology_ops = {cluster_on_map, cluster_on_failed};

/* The member in use stays in use while one link to it is open. */
void
bus_cluster_find(struct bus_cluster *cluster)
{
	struct bus *bus = cluster->bus;

	topology_refresh(cluster->topology);
	if (topology_map(cluster->topology) == NULL)
		cluster->finding = true;
	else if (bus_keeps_host(bus))
		bus_found_server(bus, bus->url.host, bus->url.port);
	else
		cluster_choose(cluster);
}

bool
bus_cluster_count(struct bus_cluster *cluster, struct text word, struct bus_count *query, struct text channel)
{
	const struct cluster_map *map = topology_map(cluster->topology);

	return map != NULL && cluster_counts_ask(cluster->counts, map, CLUSTER_COUNT_ALL, word, query, channel) == 0;
}

struct bus_cluster *
bus_cluster_new(struct bus *bus, uint64_t refresh_ms)
{
	struct bus_cluster *cluster = mem_zalloc(sizeof *cluster);

	cluster->bus = bus;
	cluster->topology = topology_new(bus->loop, &bus->url, bus->access, refresh_ms, &topology_ops, cluster);
	cluster->counts = cluster_counts_new(bus->loop, &bus->url, bus->access, bus->timeout_ms);
	return cluster;
}

void
bus_cluster_free(struct bus_cluster *cluster)
{
	if (cluster == NULL)
		return;
	topology_free(cluster->topology);
	cluster_counts_free(cluster->counts);
	mem_free(cluster);
}
