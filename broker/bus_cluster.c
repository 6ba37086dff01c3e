#include "broker/bus_cluster.h"

#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/cluster_count.h"
#include "broker/topology.h"
#include "common/base/mem.h"
#include "common/base/random.h"

struct bus_cluster {
	struct bus *bus;
	struct topology *topology;
	struct cluster_counts *counts;
	uint64_t failed_counts; /* for which a new map has been asked */
	char *log_key;		/* the bus uses the owner of its slot; NULL: any master */
	char *moved_host;	/* the next server to use, named by MOVED; NULL: none */
	uint16_t moved_port;
	bool finding;	   /* bus_cluster_find() waits for the first map */
	unsigned at;	   /* index of the member in use */
	bool chosen;	   /* `at` is set; the first one is chosen at random, so that the nodes use all members */
	bool owner_hidden; /* the server refuses to say whether it owns the slot; logged once */
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

static unsigned
cluster_log_slot(const struct bus_cluster *cluster)
{
	return cluster_slot(text_from(cluster->log_key));
}

static void
cluster_choose_owner(struct bus_cluster *cluster, const struct cluster_map *map)
{
	const struct cluster_member *owner = cluster_map_owner(map, cluster_log_slot(cluster));

	if (owner != NULL && !owner->failed)
		bus_found_server(cluster->bus, owner->host, owner->port);
	else
		bus_found_no_server(
			cluster->bus, "the master that has the log is away, and no replica is promoted yet");
}

static void
cluster_choose(struct bus_cluster *cluster)
{
	const struct cluster_map *map = topology_map(cluster->topology);
	const struct cluster_member *member;

	cluster->finding = false;
	if (cluster->log_key != NULL) {
		cluster_choose_owner(cluster, map);
		return;
	}
	cluster->at = cluster_next_member(cluster, map);
	cluster->chosen = true;
	member = map->members[cluster->at];
	bus_found_server(cluster->bus, member->host, member->port);
}

/* Connects to the server that MOVED has named. Its name is used once only, because it may be wrong. */
static void
cluster_follow(struct bus_cluster *cluster)
{
	char *host = cluster->moved_host;

	cluster->moved_host = NULL;
	bus_found_server(cluster->bus, host, cluster->moved_port);
	mem_free(host);
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

/* The member in use stays in use while one link to it is open, unless it no longer has the log. */
void
bus_cluster_find(struct bus_cluster *cluster)
{
	struct bus *bus = cluster->bus;

	topology_refresh(cluster->topology);
	if (cluster->moved_host != NULL)
		cluster_follow(cluster);
	else if (topology_map(cluster->topology) == NULL)
		cluster->finding = true;
	else if (cluster->log_key == NULL && bus_keeps_host(bus))
		bus_found_server(bus, bus->url.host, bus->url.port);
	else
		cluster_choose(cluster);
}

/* -------------------------------------------------------------- owner */

void
bus_cluster_send_owner(struct bus_cluster *cluster)
{
	struct bus *bus = cluster->bus;
	struct text args[] = {TEXT("GET"), TEXT_NONE};

	if (cluster->log_key == NULL || bus->log != NULL)
		return;
	args[1] = text_from(cluster->log_key);
	bus_link_send(&bus->commands, 2, args);
	bus_expect(bus, EXPECT_OWNER, 0);
}

/*
 * The next connection leads to the owner that the error names. The map may not name it yet, because other members may
 * learn of the move later than this one.
 */
void
bus_cluster_redirect(struct bus_cluster *cluster, struct text error)
{
	struct cluster_moved moved;

	if (cluster->log_key == NULL || cluster_moved_parse(&moved, error) < 0 ||
		moved.slot != cluster_log_slot(cluster))
		return;
	mem_free(cluster->moved_host);
	cluster->moved_host = moved.host.n > 0 ? mem_text(moved.host.at, moved.host.n)
					       : mem_text(cluster->bus->url.host, strlen(cluster->bus->url.host));
	cluster->moved_port = moved.port;
}

static void
cluster_note_hidden_owner(struct bus_cluster *cluster, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	if (cluster->owner_hidden || reply->type != RESP_ERROR || !text_starts(reply->text, TEXT("NOPERM ")))
		return;
	cluster->owner_hidden = true;
	bus_error_write(why, "cannot tell whether the log has moved", reply->text, cluster->bus->commands.password);
	log_event(LOG_INFO, "bus", "warning", LOG_STR(why), NULL);
}

/* Any answer but MOVED means that the server owns the slot, or that the user may not ask. */
bool
bus_cluster_on_owner(struct bus_cluster *cluster, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	cluster_note_hidden_owner(cluster, reply);
	if (reply->type != RESP_ERROR || !text_starts(reply->text, TEXT("MOVED ")))
		return true;
	bus_cluster_redirect(cluster, reply->text);
	bus_error_write(why, "the log has moved", reply->text, cluster->bus->commands.password);
	bus_lost(cluster->bus, why, false);
	return false;
}

/* -------------------------------------------------------------- count */

/*
 * After a count without a sum, asks for a new map: a member may have failed, and until the map says so, no count
 * succeeds.
 */
bool
bus_cluster_count(struct bus_cluster *cluster, struct text word, struct bus_count *query, struct text channel)
{
	const struct cluster_map *map = topology_map(cluster->topology);
	uint64_t failed = cluster_counts_failed(cluster->counts);

	if (failed != cluster->failed_counts)
		topology_refresh(cluster->topology);
	cluster->failed_counts = failed;
	return map != NULL && cluster_counts_ask(cluster->counts, map, CLUSTER_COUNT_ALL, word, query, channel) == 0;
}

/* --------------------------------------------------------------- life */

struct bus_cluster *
bus_cluster_new(struct bus *bus, uint64_t refresh_ms, const char *log_key)
{
	struct bus_cluster *cluster = mem_zalloc(sizeof *cluster);

	cluster->bus = bus;
	cluster->log_key = log_key != NULL ? mem_text(log_key, strlen(log_key)) : NULL;
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
	mem_free(cluster->log_key);
	mem_free(cluster->moved_host);
	mem_free(cluster);
}
