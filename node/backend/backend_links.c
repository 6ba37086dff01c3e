#include "node/backend/backend_links.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/backend/backend_link_internal.h"

#define LINGER_MS 500
#define QUEUE_SLACK (1024 * 1024) /* beyond the window: PING, WINDOW, and the cost of each piece */
#define PEERS_MAX (1024 * 1024)	  /* bytes of the list of all instances */
#define PENALTY_MIN_MS 1000
#define PENALTY_MAX_MS 30000

_Static_assert(BACKEND_LINKS_MAX *(BACKEND_NAME_MAX + 3) < PEERS_MAX, "all names must fit");

/* ------------------------------------------------------------------- peers */

static void
write_peers(const struct backend_links *all, struct buffer *out)
{
	char before = '[';

	for (struct list *at = all->all.next; at != &all->all; at = at->next) {
		buffer_add_byte(out, (uint8_t)before);
		json_write_string(out, list_entry(at, struct backend_link, siblings)->hello.instance);
		before = ',';
	}
	buffer_add_byte(out, ']');
}

/* Sends PEERS to every link, once for all changes of this turn. */
static void
send_peers(struct loop_call *call)
{
	struct backend_links *all = container_of(call, struct backend_links, send_peers);
	struct list *at, *next;
	struct buffer json;

	buffer_init(&json, PEERS_MAX);
	write_peers(all, &json);
	must(buffer_error(&json) == 0);
	list_each(at, next, &all->all)
	{
		struct backend_link *link = list_entry(at, struct backend_link, siblings);

		backend_begin(link, BACKEND_PEERS, 0, 0, 0, 0);
		backend_put(link, json.data, json.len);
		backend_end(link);
	}
	buffer_fini(&json);
}

static void
pass_peer(struct backend_link *to, struct text sender, struct block *bytes)
{
	struct counters *counters = &to->links->loop->counters;

	if (!backend_link_has_window(to)) {
		counter_add(counters, COUNT_BACKEND_PEERS_DROPPED, 1);
		return;
	}
	counter_add(counters, COUNT_BACKEND_PEERS, 1);
	backend_begin(to, BACKEND_PEER, 0, 0, 0, 0);
	backend_put_text(to, sender);
	backend_put_block(to, bytes);
	backend_end(to);
}

static struct backend_link *
links_find(const struct backend_links *all, struct text instance)
{
	struct table_node *node = table_find(&all->by_instance, instance);

	return node != NULL ? container_of(node, struct backend_link, by_instance) : NULL;
}

bool
backend_links_pass(struct backend_links *all, struct backend_link *from, struct text body)
{
	struct backend_link *to;
	struct list *at, *next;
	struct block *bytes;
	struct text name;

	if (!backend_take_text(&body, &name))
		return false;
	to = links_find(all, name);
	if (name.n > 0 && to == NULL)
		return true; /* the receiver has left */
	bytes = block_try_copy(body.at, body.n);
	if (bytes == NULL)
		return true;
	if (name.n > 0) {
		pass_peer(to, from->hello.instance, bytes);
	} else {
		list_each(at, next, &all->all)
		{
			to = list_entry(at, struct backend_link, siblings);
			if (to != from)
				pass_peer(to, from->hello.instance, bytes);
		}
	}
	block_unref(bytes);
	return true;
}

/* --------------------------------------------------------------- penalties */

static struct backend_penalty *
find_penalty(const struct backend_links *all, struct text name)
{
	for (unsigned i = 0; i < BACKEND_PENALTIES; i++) {
		const struct backend_penalty *p = &all->penalties[i];

		if (p->n > 0 && text_is(text_of(p->name, p->n), name))
			return (struct backend_penalty *)(uintptr_t)p;
	}
	return NULL;
}

/* Returns the entry of this name; otherwise the entry whose penalty ends first, which gets this name. */
static struct backend_penalty *
penalty_of(struct backend_links *all, struct text name)
{
	struct backend_penalty *p = find_penalty(all, name), *oldest = &all->penalties[0];

	if (p != NULL)
		return p;
	for (unsigned i = 1; i < BACKEND_PENALTIES; i++) {
		if (all->penalties[i].until < oldest->until)
			oldest = &all->penalties[i];
	}
	*oldest = (struct backend_penalty){.n = name.n};
	memcpy(oldest->name, name.at, name.n);
	return oldest;
}

static void
links_punish(struct backend_links *all, struct text name)
{
	struct backend_penalty *p = penalty_of(all, name);
	uint64_t now = all->loop->now, pause;

	if (now > p->until + PENALTY_MAX_MS) /* its last penalty ended long ago */
		p->failures = 0;
	pause = (uint64_t)PENALTY_MIN_MS << (p->failures < 5 ? p->failures : 5);
	p->until = now + (pause < PENALTY_MAX_MS ? pause : PENALTY_MAX_MS);
	p->failures++;
}

/* -------------------------------------------------------------------- list */

int
backend_links_check(const struct backend_links *all, struct text instance)
{
	const struct backend_penalty *p = find_penalty(all, instance);

	if (p != NULL && p->until > all->loop->now)
		return BACKEND_REFUSED_PROTOCOL;
	/* An instance may replace its own link, but not so often that its old connections pile up. */
	if (all->open >= BACKEND_LINKS_MAX &&
		(links_find(all, instance) == NULL || all->open >= 2 * BACKEND_LINKS_MAX))
		return BACKEND_REFUSED_FULL;
	return -1;
}

static void
log_ready(const struct backend_link *link)
{
	const struct backend_hello *h = &link->hello;
	char address[CONN_ADDRESS_MAX];
	struct text from = conn_peer_address(link->conn, address);
	struct conn_credentials who = {0, 0};

	conn_peer_credentials(link->conn, &who);
	log_event(LOG_INFO, "backend_ready", "instance", LOG_TEXT(h->instance), "group", LOG_TEXT(h->group), "app",
		LOG_TEXT(h->app), "language", LOG_TEXT(h->language), "backend_pid", LOG_INT(h->pid), "address",
		LOG_TEXT(from), "peer_pid", LOG_INT(who.pid), "peer_uid", LOG_INT(who.uid), NULL);
}

static void
report_upstream(const struct backend_link *link, bool there)
{
	const struct backend_links_setup *setup = &link->links->setup;

	if (link->hello.upstream.n > 0 && setup->on_upstream != NULL)
		setup->on_upstream(setup->arg, link->hello.upstream, there);
}

void
backend_links_add(struct backend_links *all, struct conn *c, struct backend_hello *hello)
{
	struct backend_link *link = links_find(all, hello->instance);

	if (link != NULL)
		backend_link_replace(link);
	link = backend_link_new(all, c, hello);
	if (!conn_is_local(c))
		link->hello.upstream = TEXT_NONE; /* only a local process may say where requests go */
	list_add_tail(&all->all, &link->siblings);
	table_add(&all->by_instance, &link->by_instance, link->hello.instance);
	all->count++;
	log_ready(link);
	loop_defer(all->loop, &all->send_peers);
	report_upstream(link, true);
	all->setup.ops->on_ready(all->setup.ops_arg, link);
}

void
backend_links_remove(struct backend_links *all, struct backend_link *link)
{
	report_upstream(link, false);
	list_remove(&link->siblings);
	table_remove(&all->by_instance, &link->by_instance);
	all->count--;
	if (link->reason == BACKEND_LOST_PROTOCOL)
		links_punish(all, link->hello.instance);
	loop_defer(all->loop, &all->send_peers);
}

/* -------------------------------------------------------------------- life */

struct backend_links *
backend_links_new(struct loop *l, const struct backend_links_setup *setup)
{
	struct backend_links *all = mem_zalloc(sizeof *all);

	all->loop = l;
	all->born = l->now;
	all->setup = *setup;
	all->limits = (struct conn_limits){
		.max_queue = setup->window + setup->max_frame + QUEUE_SLACK,
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = setup->stall_timeout,
		.linger_ms = LINGER_MS,
	};
	list_init(&all->all);
	table_init(&all->by_instance);
	loop_call_init(&all->send_peers, send_peers);
	return all;
}

void
backend_links_free(struct backend_links *all)
{
	if (all == NULL)
		return;
	must(all->open == 0);
	loop_call_cancel(&all->send_peers);
	table_fini(&all->by_instance);
	mem_free(all);
}

void
backend_links_each(struct backend_links *all, void (*visit)(void *arg, struct backend_link *link), void *arg)
{
	struct list *at, *next;

	list_each(at, next, &all->all) visit(arg, list_entry(at, struct backend_link, siblings));
}

static void
links_drain_one(void *arg, struct backend_link *link)
{
	(void)arg;
	backend_begin(link, BACKEND_DRAIN, 0, 0, 0, 0);
	backend_end(link);
}

void
backend_links_drain(struct backend_links *all)
{
	backend_links_each(all, links_drain_one, NULL);
}

static void
links_close_one(void *arg, struct backend_link *link)
{
	(void)arg;
	backend_link_close(link, BACKEND_LOST_SHUTDOWN);
}

void
backend_links_close(struct backend_links *all)
{
	backend_links_each(all, links_close_one, NULL);
}

unsigned
backend_links_count(const struct backend_links *all)
{
	return all->open;
}

const struct backend_links_stats *
backend_links_stats(const struct backend_links *all)
{
	return &all->stats;
}

const struct backend_links_setup *
backend_links_setup(const struct backend_links *all)
{
	return &all->setup;
}
