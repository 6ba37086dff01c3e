/*
 * State machine of the topology:
 *
 *   state     event                                          next state
 *   WAITING   the refresh interval is over, or a refresh     ASKING, the first member
 *   ASKING    a map came                                     WAITING; calls on_map
 *             the member failed, another one is left         ASKING, the next member
 *             the last member failed                         WAITING, for a moment; calls on_failed
 */
#include "broker/topology.h"

#include <stdio.h>

#include "broker/bus_access.h"
#include "broker/bus_error.h"
#include "broker/bus_link.h"
#include "broker/bus_url.h"
#include "broker/resp_tree.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define TIMEOUT_MS 1000	    /* limit for a member to connect and answer */
#define PAUSE_MS 500	    /* before the members are asked again after all have failed */
#define INTERVAL_MIN_MS 100 /* between the starts of two questions */
#define EARLY_MAX 8	    /* members of the map that are asked before those of the URL */
#define ANSWER_MAX (8 << 20)

struct topology {
	struct loop *loop;
	const struct bus_url *url;
	const struct topology_ops *ops;
	void *arg;
	uint64_t refresh_ms;
	bool asking;
	bool again;		/* topology_refresh() was called while asking: the answer may be out of date */
	bool slots;		/* CLUSTER SLOTS is asked, because the member refused CLUSTER SHARDS */
	unsigned attempts;	/* members that failed in this round */
	unsigned first;		/* index in the map of the first member of this round */
	uint64_t asked;		/* loop time of the start of the last round */
	struct bus_url current; /* the member being asked; borrows the strings of `url` and of the map */
	struct bus_link link;
	struct buffer answer;
	struct resp_tree tree;
	struct wheel_entry timer;
	struct log_limit failure_limit;
	struct cluster_map *map; /* NULL: not known yet */
};

/* --------------------------------------------------------------- attempts */

static unsigned
topology_candidates(const struct topology *topology)
{
	return (topology->map != NULL ? topology->map->count : 0) + topology->url->host_count;
}

/* Some members of the map, then those of the URL, then the rest of the map. */
static void
topology_choose(struct topology *topology)
{
	unsigned known = topology->map != NULL ? topology->map->count : 0,
		 early = known < EARLY_MAX ? known : EARLY_MAX;
	unsigned at = topology->attempts, hosts = topology->url->host_count;
	const struct cluster_member *member;

	if (at >= early && at < early + hosts) {
		topology->current.host = topology->url->hosts[at - early].name;
		topology->current.port = topology->url->hosts[at - early].port;
		return;
	}
	member = topology->map->members[(topology->first + (at < early ? at : at - hosts)) % known];
	topology->current.host = member->host;
	topology->current.port = member->port;
}

static void
topology_ask_one(struct topology *topology)
{
	topology_choose(topology);
	topology->slots = false;
	buffer_reset(&topology->answer);
	bus_link_open(&topology->link);
	loop_arm(topology->loop, &topology->timer, TIMEOUT_MS);
}

static void
topology_ask(struct topology *topology)
{
	topology->asking = true;
	topology->again = false;
	topology->attempts = 0;
	topology->first = topology->map != NULL ? random_below(topology->map->count) : 0;
	topology->asked = topology->loop->now;
	topology_ask_one(topology);
}

static void
topology_wait(struct topology *topology, uint64_t ms)
{
	uint64_t since = topology->loop->now - topology->asked;

	topology->asking = false;
	buffer_fini(&topology->answer);
	buffer_init(&topology->answer, ANSWER_MAX);
	if (topology->again && ms > INTERVAL_MIN_MS)
		ms = since < INTERVAL_MIN_MS ? INTERVAL_MIN_MS - since : 0;
	topology->again = false;
	loop_arm(topology->loop, &topology->timer, ms);
}

/* The member has failed, and its link is closed. */
static void
topology_pass_over(struct topology *topology, const char *why)
{
	char name[BUS_URL_NAME_MAX];

	bus_url_name(&topology->current, name);
	if (log_allow(&topology->failure_limit, topology->url->host_count, topology->loop->now))
		log_event(LOG_WARN, "topology", "state", LOG_STR("down"), "server", LOG_STR(name), "reason",
			LOG_STR(why), NULL);
	if (++topology->attempts < topology_candidates(topology)) {
		topology_ask_one(topology);
		return;
	}
	topology->again = false;
	topology_wait(topology, PAUSE_MS / 2 + random_below(PAUSE_MS / 2));
	topology->ops->on_failed(topology->arg, why);
}

/* ---------------------------------------------------------------- answers */

static unsigned
map_count_masters(const struct cluster_map *map)
{
	bool seen[CLUSTER_MEMBERS_MAX] = {false};
	unsigned masters = 0;

	for (unsigned i = 0; i < CLUSTER_SLOTS; i++) {
		uint16_t owner = map->owners[i];

		if (owner != CLUSTER_NOBODY && !seen[owner]) {
			seen[owner] = true;
			masters++;
		}
	}
	return masters;
}

static void
topology_free_map(struct topology *topology)
{
	if (topology->map != NULL)
		cluster_map_fini(topology->map);
	mem_free(topology->map);
}

static void
topology_set_map(struct topology *topology, struct cluster_map *map)
{
	unsigned members = topology->map != NULL ? topology->map->count : 0, masters = map_count_masters(map);

	if (members != map->count || masters != map_count_masters(topology->map))
		log_event(LOG_INFO, "topology", "state", LOG_STR("found"), "members", LOG_INT(map->count), "masters",
			LOG_INT(masters), NULL);
	topology_free_map(topology);
	topology->map = map;
	topology->current.host = NULL; /* it pointed into the old map */
	topology_wait(topology, topology->refresh_ms - random_below((uint32_t)(topology->refresh_ms / 10) + 1));
	topology->ops->on_map(topology->arg);
}

static void
topology_send_question(struct topology *topology)
{
	struct text args[] = {TEXT("CLUSTER"), topology->slots ? TEXT("SLOTS") : TEXT("SHARDS")};

	buffer_reset(&topology->answer);
	topology->tree = (struct resp_tree){.open = 1};
	bus_link_send(&topology->link, 2, args);
}

/* Redis before version 7 does not know CLUSTER SHARDS. */
static void
topology_on_error(struct topology *topology, struct text error)
{
	char why[BUS_WHY_MAX];

	if (!topology->slots) {
		topology->slots = true;
		topology_send_question(topology);
		return;
	}
	bus_error_write(why, "refused", error, topology->link.password);
	bus_link_close(&topology->link);
	topology_pass_over(topology, why);
}

static void
topology_on_answer(struct topology *topology, struct text answer)
{
	const struct cluster_asked asked = {topology->current.host, topology->current.port, topology->url->tls};
	struct cluster_map *map;
	struct resp_item first;
	int rc;

	if (resp_item_parse(&first, answer) > 0 && first.type == RESP_ERROR) {
		topology_on_error(topology, first.text);
		return;
	}
	map = mem_alloc(sizeof *map);
	cluster_map_init(map);
	rc = cluster_map_parse(map, answer, &asked);
	bus_link_close(&topology->link);
	if (rc == 0) {
		topology_set_map(topology, map);
		return;
	}
	cluster_map_fini(map);
	mem_free(map);
	topology_pass_over(topology, rc == ERROR_NOT_FOUND ? "the server knows no owner of any slot"
							   : "malformed answer about the cluster");
}

static void
topology_on_bytes(struct bus_link *link, struct text bytes)
{
	struct topology *topology = link->arg;
	int64_t whole;

	buffer_add_text(&topology->answer, bytes);
	whole = buffer_error(&topology->answer);
	if (whole == 0)
		whole = resp_tree_scan(&topology->tree, buffer_text(&topology->answer));
	if (whole > 0) {
		topology_on_answer(topology, text_of((const char *)topology->answer.data, (size_t)whole));
	} else if (whole < 0) {
		bus_link_close(link);
		topology_pass_over(topology, error_text((int)whole));
	}
}

static void
topology_on_ready(struct bus_link *link)
{
	topology_send_question(link->arg);
}

static void
topology_on_drain(struct bus_link *link)
{
	(void)link;
}

static void
topology_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	topology_pass_over(link->arg, why);
}

static const struct bus_link_ops link_ops = {.on_ready = topology_on_ready,
	.on_bytes = topology_on_bytes,
	.on_drain = topology_on_drain,
	.on_lost = topology_on_lost};

static void
topology_on_timer(struct wheel_entry *entry)
{
	struct topology *topology = container_of(entry, struct topology, timer);

	if (!topology->asking) {
		topology_ask(topology);
		return;
	}
	bus_link_close(&topology->link);
	topology_pass_over(topology, "timed out");
}

/* ------------------------------------------------------------------- life */

struct topology *
topology_new(struct loop *l, const struct bus_url *url, struct bus_access *access, uint64_t refresh_ms,
	const struct topology_ops *ops, void *arg)
{
	struct topology *topology = mem_zalloc(sizeof *topology);

	topology->loop = l;
	topology->url = url;
	topology->ops = ops;
	topology->arg = arg;
	topology->refresh_ms = refresh_ms;
	topology->current = (struct bus_url){.tls = url->tls, .user = url->user, .password = url->password};
	topology->link = (struct bus_link){.loop = l,
		.url = &topology->current,
		.access = access,
		.ops = &link_ops,
		.arg = topology,
		.timeout_ms = TIMEOUT_MS};
	bus_link_init(&topology->link);
	buffer_init(&topology->answer, ANSWER_MAX);
	wheel_entry_init(&topology->timer, topology_on_timer);
	loop_arm(l, &topology->timer, 0);
	return topology;
}

void
topology_free(struct topology *topology)
{
	if (topology == NULL)
		return;
	bus_link_close(&topology->link);
	loop_disarm(topology->loop, &topology->timer);
	buffer_fini(&topology->answer);
	topology_free_map(topology);
	mem_free(topology);
}

void
topology_refresh(struct topology *topology)
{
	topology->again = true;
	if (!topology->asking)
		topology_wait(topology, topology->refresh_ms);
}

struct cluster_map *
topology_map(struct topology *topology)
{
	return topology->map;
}
