#include "broker/cluster_map.h"

#include <stdio.h>
#include <string.h>

#include "broker/bus_url.h"
#include "broker/resp_tree.h"
#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/mem.h"

/* ------------------------------------------------------------------- slots */

/* CRC-16/XMODEM, four bits at a time. */
static uint16_t
cluster_crc(const char *at, size_t n)
{
	static const uint16_t steps[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108,
		0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
	unsigned crc = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned byte = (uint8_t)at[i];

		crc = (crc << 4 & 0xffff) ^ steps[crc >> 12 ^ byte >> 4];
		crc = (crc << 4 & 0xffff) ^ steps[crc >> 12 ^ (byte & 15)];
	}
	return (uint16_t)crc;
}

/* An empty pair of braces does not count. */
unsigned
cluster_slot(struct text channel)
{
	const char *open = channel.n > 0 ? memchr(channel.at, '{', channel.n) : NULL, *close = NULL;

	if (open != NULL)
		close = memchr(open, '}', (size_t)(channel.at + channel.n - open));
	if (close != NULL && close > open + 1)
		channel = text_of(open + 1, (size_t)(close - open) - 1);
	return cluster_crc(channel.at, channel.n) % CLUSTER_SLOTS;
}

void
cluster_tag(char out[CLUSTER_TAG_MAX], unsigned slot)
{
	unsigned n = 0;
	size_t length;

	do
		length = (size_t)snprintf(out, CLUSTER_TAG_MAX, "%x", n++);
	while (cluster_crc(out, length) % CLUSTER_SLOTS != slot % CLUSTER_SLOTS && n < 1u << 24);
}

/* -------------------------------------------------------------------- life */

void
cluster_map_init(struct cluster_map *map)
{
	table_init(&map->names);
	map->members = NULL;
	map->count = 0;
	for (unsigned i = 0; i < CLUSTER_SLOTS; i++)
		map->owners[i] = CLUSTER_NOBODY;
}

void
cluster_map_fini(struct cluster_map *map)
{
	table_fini(&map->names);
	for (unsigned i = 0; i < map->count; i++) {
		mem_free((void *)map->members[i]->node.key);
		mem_free(map->members[i]->host);
		mem_free(map->members[i]);
	}
	mem_free(map->members);
	map->members = NULL;
	map->count = 0;
}

static bool
cluster_is_host(struct text host)
{
	for (size_t i = 0; i < host.n; i++)
		if ((uint8_t)host.at[i] <= ' ' || (uint8_t)host.at[i] >= 127)
			return false;
	return host.n > 0 && host.n <= BUS_URL_HOST_MAX;
}

int
cluster_map_add(struct cluster_map *map, struct text host, uint16_t port)
{
	char name[BUS_URL_HOST_MAX + 8];
	struct cluster_member *member;
	struct table_node *node;
	struct text key;

	if (!cluster_is_host(host))
		return ERROR_SYNTAX;
	key = text_of(name, (size_t)snprintf(name, sizeof name, "%.*s %u", (int)host.n, host.at, port));
	node = table_find(&map->names, key);
	if (node != NULL) {
		member = container_of(node, struct cluster_member, node);
		for (unsigned i = 0;; i++)
			if (map->members[i] == member)
				return (int)i;
	}
	if (map->count == CLUSTER_MEMBERS_MAX)
		return ERROR_TOO_MANY;
	if (map->members == NULL)
		map->members = mem_alloc(CLUSTER_MEMBERS_MAX * sizeof(struct cluster_member *));
	member = mem_zalloc(sizeof *member);
	member->host = mem_text(host.at, host.n);
	member->port = port;
	member->master = CLUSTER_NOBODY;
	key.at = mem_text(key.at, key.n);
	table_add(&map->names, &member->node, key);
	map->members[map->count] = member;
	return (int)map->count++;
}

const struct cluster_member *
cluster_map_owner(const struct cluster_map *map, unsigned slot)
{
	uint16_t owner = map->owners[slot % CLUSTER_SLOTS];

	return owner != CLUSTER_NOBODY ? map->members[owner] : NULL;
}

/* ------------------------------------------------------------------ common */

static int
map_add_named(struct cluster_map *map, const struct cluster_asked *asked, struct text host, int64_t port)
{
	if (port <= 0 || port > UINT16_MAX)
		return ERROR_SYNTAX;
	if (host.n == 0 || text_is(host, TEXT("?")))
		host = text_from(asked->host);
	return cluster_map_add(map, host, (uint16_t)port);
}

static int
map_set_owner(struct cluster_map *map, int64_t first, int64_t last, int owner)
{
	if (first < 0 || last < first || last >= CLUSTER_SLOTS)
		return ERROR_SYNTAX;
	for (int64_t slot = first; owner >= 0 && slot <= last; slot++)
		map->owners[slot] = (uint16_t)owner;
	return 0;
}

/* ---------------------------------------------------------- CLUSTER SHARDS */

/* A member as it stands in an answer: names and values in turn. */
struct shard_node {
	struct text endpoint, role, health;
	int64_t port, tls_port;
};

static void
shard_node_set(struct shard_node *node, struct text name, const struct resp_item *value)
{
	if (text_is(name, TEXT("endpoint")))
		node->endpoint = value->text;
	else if (text_is(name, TEXT("role")))
		node->role = value->text;
	else if (text_is(name, TEXT("health")))
		node->health = value->text;
	else if (text_is(name, TEXT("port")))
		node->port = value->integer;
	else if (text_is(name, TEXT("tls-port")))
		node->tls_port = value->integer;
}

static int
shard_node_parse(struct shard_node *out, struct text *in)
{
	struct resp_item head, name, value;

	memset(out, 0, sizeof *out);
	if (resp_tree_next(in, &head) < 0 || head.type != RESP_ARRAY || head.integer % 2 != 0)
		return ERROR_SYNTAX;
	for (int64_t i = 0; i < head.integer; i += 2) {
		struct text at;

		if (resp_tree_next(in, &name) < 0)
			return ERROR_SYNTAX;
		at = *in;
		if (resp_tree_skip(in) < 0 || resp_tree_next(&at, &value) < 0)
			return ERROR_SYNTAX;
		shard_node_set(out, name.text, &value);
	}
	return 0;
}

/* Returns the index of the master, CLUSTER_NOBODY if there is none, or an error. */
static int
shard_add_nodes(struct cluster_map *map, const struct cluster_asked *asked, struct text *in)
{
	uint16_t added[CLUSTER_MEMBERS_MAX];
	struct resp_item head;
	struct shard_node node;
	unsigned count = 0;
	int master = CLUSTER_NOBODY;

	if (resp_tree_next(in, &head) < 0 || head.type != RESP_ARRAY)
		return ERROR_SYNTAX;
	for (int64_t i = 0; i < head.integer; i++) {
		int rc = shard_node_parse(&node, in);

		if (rc == 0)
			rc = map_add_named(map, asked, node.endpoint,
				asked->tls && node.tls_port != 0 ? node.tls_port : node.port);
		if (rc < 0)
			return rc;
		if (count == CLUSTER_MEMBERS_MAX)
			return ERROR_TOO_MANY;
		added[count++] = (uint16_t)rc;
		map->members[rc]->failed = text_starts(node.health, TEXT("fail"));
		if (text_is(node.role, TEXT("master")) && (master == CLUSTER_NOBODY || map->members[master]->failed))
			master = rc;
	}
	for (unsigned i = 0; i < count; i++)
		map->members[added[i]]->master = (uint16_t)master;
	return master;
}

static int
shard_add_slots(struct cluster_map *map, int master, struct text in)
{
	struct resp_item head, first, last;
	int rc = 0;

	if (resp_tree_next(&in, &head) < 0 || head.type != RESP_ARRAY || head.integer % 2 != 0)
		return ERROR_SYNTAX;
	for (int64_t i = 0; rc == 0 && i < head.integer; i += 2) {
		if (resp_tree_next(&in, &first) < 0 || resp_tree_next(&in, &last) < 0 || first.type != RESP_INTEGER ||
			last.type != RESP_INTEGER)
			return ERROR_SYNTAX;
		rc = map_set_owner(map, first.integer, last.integer, master != CLUSTER_NOBODY ? master : -1);
	}
	return rc;
}

/* `in` is after the head of the entry: "slots", numbers, "nodes", members. */
static int
map_add_shard(struct cluster_map *map, const struct cluster_asked *asked, int64_t items, struct text *in)
{
	struct text slots = TEXT_NONE;
	int master = CLUSTER_NOBODY;

	for (int64_t i = 0; i + 1 < items; i += 2) {
		struct resp_item name;

		if (resp_tree_next(in, &name) < 0)
			return ERROR_SYNTAX;
		if (text_is(name.text, TEXT("nodes"))) {
			master = shard_add_nodes(map, asked, in);
			if (master < 0)
				return master;
			continue;
		}
		if (text_is(name.text, TEXT("slots")))
			slots = *in;
		if (resp_tree_skip(in) < 0)
			return ERROR_SYNTAX;
	}
	return slots.at != NULL ? shard_add_slots(map, master, slots) : 0;
}

/* ----------------------------------------------------------- CLUSTER SLOTS */

/* A member is its host, its port and more that is passed over. */
static int
slots_add_node(struct cluster_map *map, const struct cluster_asked *asked, struct text *in)
{
	struct resp_item head, host, port;

	if (resp_tree_next(in, &head) < 0 || head.type != RESP_ARRAY || head.integer < 2 ||
		resp_tree_next(in, &host) < 0 || resp_tree_next(in, &port) < 0 || port.type != RESP_INTEGER ||
		(host.type != RESP_BULK && host.type != RESP_NIL))
		return ERROR_SYNTAX;
	for (int64_t i = 2; i < head.integer; i++)
		if (resp_tree_skip(in) < 0)
			return ERROR_SYNTAX;
	return map_add_named(map, asked, host.text, port.integer);
}

/* `in` is after the head of the entry: first slot, last slot, the master and its replicas. */
static int
map_add_slots(struct cluster_map *map, const struct cluster_asked *asked, int64_t items, struct text *in)
{
	struct resp_item first, last;
	int master = -1;

	if (items < 3 || resp_tree_next(in, &first) < 0 || resp_tree_next(in, &last) < 0 || last.type != RESP_INTEGER)
		return ERROR_SYNTAX;
	for (int64_t i = 2; i < items; i++) {
		int member = slots_add_node(map, asked, in);

		if (member < 0)
			return member;
		if (master < 0)
			master = member;
		map->members[member]->master = (uint16_t)master;
	}
	return map_set_owner(map, first.integer, last.integer, master);
}

/* ------------------------------------------------------------------ answer */

static bool
map_has_owners(const struct cluster_map *map)
{
	for (unsigned i = 0; i < CLUSTER_SLOTS; i++)
		if (map->owners[i] != CLUSTER_NOBODY)
			return true;
	return false;
}

int
cluster_map_parse(struct cluster_map *out, struct text answer, const struct cluster_asked *asked)
{
	struct resp_item all, entry, first;
	int rc = 0;

	if (resp_tree_next(&answer, &all) < 0 || all.type != RESP_ARRAY)
		return ERROR_SYNTAX;
	for (int64_t i = 0; rc == 0 && i < all.integer; i++) {
		struct text peek;

		if (resp_tree_next(&answer, &entry) < 0 || entry.type != RESP_ARRAY)
			return ERROR_SYNTAX;
		peek = answer;
		if (entry.integer == 0 || resp_tree_next(&peek, &first) < 0)
			return ERROR_SYNTAX;
		rc = first.type == RESP_INTEGER ? map_add_slots(out, asked, entry.integer, &answer)
						: map_add_shard(out, asked, entry.integer, &answer);
	}
	if (rc == 0 && !map_has_owners(out))
		rc = ERROR_NOT_FOUND;
	return rc;
}

/* The host may be an IPv6 address without brackets, so the port follows the last colon. */
int
cluster_moved_parse(struct cluster_moved *out, struct text error)
{
	struct text word, number;
	const char *colon;
	uint64_t slot, port;

	if (!text_cut(&error, ' ', &word) || !text_is(word, TEXT("MOVED")) || !text_cut(&error, ' ', &number) ||
		text_number(number, CLUSTER_SLOTS - 1, &slot) < 0 || error.n == 0)
		return ERROR_SYNTAX;
	colon = memrchr(error.at, ':', error.n);
	if (colon == NULL)
		return ERROR_SYNTAX;
	out->slot = (unsigned)slot;
	out->host = text_of(error.at, (size_t)(colon - error.at));
	if (text_number(text_of(colon + 1, error.n - out->host.n - 1), UINT16_MAX, &port) < 0 || port == 0)
		return ERROR_SYNTAX;
	if (text_is(out->host, TEXT("?")))
		out->host.n = 0;
	out->port = (uint16_t)port;
	return out->host.n == 0 || cluster_is_host(out->host) ? 0 : ERROR_SYNTAX;
}

bool
cluster_info_cut_off(struct text info)
{
	uint64_t assigned = 0, away = 0, number;
	bool failed = false;
	struct text line, name;

	while (text_cut(&info, '\n', &line)) {
		if (text_ends(line, TEXT("\r")))
			line.n--;
		failed |= text_is(line, TEXT("cluster_state:fail"));
		if (!text_cut(&line, ':', &name) || text_number(line, CLUSTER_SLOTS, &number) < 0)
			continue;
		if (text_is(name, TEXT("cluster_slots_assigned")))
			assigned = number;
		else if (text_is(name, TEXT("cluster_slots_pfail")) || text_is(name, TEXT("cluster_slots_fail")))
			away += number;
	}
	return failed && 2 * away >= assigned;
}
