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
topology_candidates(const struct topology *t)
{
	return (t->map != NULL ? t->map->count : 0) + t->url->host_count;
}

/* Some members of the map, then those of the URL, then the rest of the map. */
static void
topology_choose(struct topology *t)
{
	unsigned known = t->map != NULL ? t->map->count : 0, early = known < EARLY_MAX ? known : EARLY_MAX;
	unsigned at = t->attempts, hosts = t->url->host_count;
	const struct cluster_member *member;

	if (at >= early && at < early + hosts) {
		t->current.host = t->url->hosts[at - early].name;
		t->current.port = t->url->hosts[at - early].port;
		return;
	}
	member = t->map->members[(t->first + (at < early ? at : at - hosts)) % known];
	t->current.host = member->host;
	t->current.port = member->port;
}

static void
topology_ask_one(struct topology *t)
{
	topology_choose(t);
	t->slots = false;
	buffer_reset(&t->answer);
	bus_link_open(&t->link);
	loop_arm(t->loop, &t->timer, TIMEOUT_MS);
}

static void
topology_ask(struct topology *t)
{
	t->asking = true;
	t->again = false;
	t->attempts = 0;
	t->first = t->map != NULL ? random_below(t->map->count) : 0;
	t->asked = t->loop->now;
	topology_ask_one(t);
}

static void
topology_wait(struct topology *t, uint64_t ms)
{
	uint64_t since = t->loop->now - t->asked;

	t->asking = false;
	buffer_fini(&t->answer);
	buffer_init(&t->answer, ANSWER_MAX);
	if (t->again && ms > INTERVAL_MIN_MS)
		ms = since < INTERVAL_MIN_MS ? INTERVAL_MIN_MS - since : 0;
	t->again = false;
	loop_arm(t->loop, &t->timer, ms);
}

/* The member has failed, and its link is closed. */
static void
topology_pass_over(struct topology *t, const char *why)
{
	char name[BUS_URL_NAME_MAX];

	bus_url_name(&t->current, name);
	if (log_allow(&t->failure_limit, t->url->host_count, t->loop->now))
		log_event(LOG_WARN, "topology", "state", LOG_STR("down"), "server", LOG_STR(name), "reason",
			LOG_STR(why), NULL);
	if (++t->attempts < topology_candidates(t)) {
		topology_ask_one(t);
		return;
	}
	t->again = false;
	topology_wait(t, PAUSE_MS / 2 + random_below(PAUSE_MS / 2));
	t->ops->on_failed(t->arg, why);
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
topology_free_map(struct topology *t)
{
	if (t->map != NULL)
		cluster_map_fini(t->map);
	mem_free(t->map);
}

static void
topology_set_map(struct topology *t, struct cluster_map *map)
{
	unsigned members = t->map != NULL ? t->map->count : 0, masters = map_count_masters(map);

	if (members != map->count || masters != map_count_masters(t->map))
		log_event(LOG_INFO, "topology", "state", LOG_STR("found"), "members", LOG_INT(map->count), "masters",
			LOG_INT(masters), NULL);
	topology_free_map(t);
	t->map = map;
	t->current.host = NULL; /* it pointed into the old map */
	topology_wait(t, t->refresh_ms - random_below((uint32_t)(t->refresh_ms / 10) + 1));
	t->ops->on_map(t->arg);
}

static void
topology_send_question(struct topology *t)
{
	struct text args[] = {TEXT("CLUSTER"), t->slots ? TEXT("SLOTS") : TEXT("SHARDS")};

	buffer_reset(&t->answer);
	t->tree = (struct resp_tree){.open = 1};
	bus_link_send(&t->link, 2, args);
}

/* Redis before version 7 does not know CLUSTER SHARDS. */
static void
topology_on_error(struct topology *t, struct text error)
{
	char why[BUS_WHY_MAX];

	if (!t->slots) {
		t->slots = true;
		topology_send_question(t);
		return;
	}
	bus_error_write(why, "refused", error, t->link.password);
	bus_link_close(&t->link);
	topology_pass_over(t, why);
}

static void
topology_on_answer(struct topology *t, struct text answer)
{
	const struct cluster_asked asked = {t->current.host, t->current.port, t->url->tls};
	struct cluster_map *map;
	struct resp_item first;
	int rc;

	if (resp_item_parse(&first, answer) > 0 && first.type == RESP_ERROR) {
		topology_on_error(t, first.text);
		return;
	}
	map = mem_alloc(sizeof *map);
	cluster_map_init(map);
	rc = cluster_map_parse(map, answer, &asked);
	bus_link_close(&t->link);
	if (rc == 0) {
		topology_set_map(t, map);
		return;
	}
	cluster_map_fini(map);
	mem_free(map);
	topology_pass_over(t, rc == ERROR_NOT_FOUND ? "the server knows no owner of any slot"
						    : "malformed answer about the cluster");
}

static void
topology_on_bytes(struct bus_link *link, struct text bytes)
{
	struct topology *t = link->arg;
	int64_t whole;

	buffer_add_text(&t->answer, bytes);
	whole = buffer_error(&t->answer);
	if (whole == 0)
		whole = resp_tree_scan(&t->tree, buffer_text(&t->answer));
	if (whole > 0) {
		topology_on_answer(t, text_of((const char *)t->answer.data, (size_t)whole));
	} else if (whole < 0) {
		bus_link_close(link);
		topology_pass_over(t, error_text((int)whole));
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
	struct topology *t = container_of(entry, struct topology, timer);

	if (!t->asking) {
		topology_ask(t);
		return;
	}
	bus_link_close(&t->link);
	topology_pass_over(t, "timed out");
}

/* ------------------------------------------------------------------- life */

struct topology *
topology_new(struct loop *l, const struct bus_url *url, struct bus_access *access, uint64_t refresh_ms,
	const struct topology_ops *ops, void *arg)
{
	struct topology *t = mem_zalloc(sizeof *t);

	t->loop = l;
	t->url = url;
	t->ops = ops;
	t->arg = arg;
	t->refresh_ms = refresh_ms;
	t->current = (struct bus_url){.tls = url->tls, .user = url->user, .password = url->password};
	t->link = (struct bus_link){.loop = l,
		.url = &t->current,
		.access = access,
		.ops = &link_ops,
		.arg = t,
		.timeout_ms = TIMEOUT_MS};
	bus_link_init(&t->link);
	buffer_init(&t->answer, ANSWER_MAX);
	wheel_entry_init(&t->timer, topology_on_timer);
	loop_arm(l, &t->timer, 0);
	return t;
}

void
topology_free(struct topology *t)
{
	if (t == NULL)
		return;
	bus_link_close(&t->link);
	loop_disarm(t->loop, &t->timer);
	buffer_fini(&t->answer);
	topology_free_map(t);
	mem_free(t);
}

void
topology_refresh(struct topology *t)
{
	t->again = true;
	if (!t->asking)
		topology_wait(t, t->refresh_ms);
}

struct cluster_map *
topology_map(struct topology *t)
{
	return t->map;
}
