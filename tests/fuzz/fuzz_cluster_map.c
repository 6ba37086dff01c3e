/*
 * Answers of a hostile member of a cluster. The end of an answer is found at the same place however the bytes are
 * cut, and a map that is accepted keeps its limits.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus_url.h"
#include "broker/cluster_map.h"
#include "broker/resp_tree.h"
#include "common/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_map(const struct cluster_map *map)
{
	assert(map->count > 0 && map->count <= CLUSTER_MEMBERS_MAX);
	for (unsigned i = 0; i < map->count; i++) {
		const struct cluster_member *member = map->members[i];

		assert(member->port != 0 && member->host[0] != '\0' && strlen(member->host) <= BUS_URL_HOST_MAX);
		assert(member->master == CLUSTER_NOBODY || member->master < map->count);
	}
	for (unsigned i = 0; i < CLUSTER_SLOTS; i++)
		assert(map->owners[i] == CLUSTER_NOBODY || map->owners[i] < map->count);
}

static int64_t
scan_in_parts(struct text in)
{
	struct resp_tree tree = {.open = 1};
	int64_t n = 0;

	for (size_t at = 1; at <= in.n && n == 0; at++)
		n = resp_tree_scan(&tree, text_of(in.at, at));
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cluster_asked asked = {"10.0.0.1", 6379, false};
	struct text in = text_of((const char *)data, size);
	struct resp_tree tree = {.open = 1};
	struct cluster_moved moved;
	struct cluster_map map;
	int64_t whole = size > 0 ? resp_tree_scan(&tree, in) : 0;

	assert(whole <= (int64_t)size);
	if (size < 4096 && whole != ERROR_SYNTAX && whole != ERROR_TOO_BIG)
		assert(scan_in_parts(in) == whole);
	cluster_map_init(&map);
	if (cluster_map_parse(&map, in, &asked) == 0)
		check_map(&map);
	cluster_map_fini(&map);
	if (size > 0 && cluster_moved_parse(&moved, in) == 0)
		assert(moved.slot < CLUSTER_SLOTS && moved.port != 0 && moved.host.n <= BUS_URL_HOST_MAX);
	assert(cluster_slot(in) < CLUSTER_SLOTS);
	return 0;
}
