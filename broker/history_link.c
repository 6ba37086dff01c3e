/*
 * The history of rooms at a server with the commands of Redis streams: Redis, or the hub of this machine. A room is
 * a stream "<key>-history#<room>", or in a Redis Cluster "{<key>-history}#<room>", so that all streams are in one
 * slot.
 *
 *   append   XADD stream MAXLEN count * d payload, and PEXPIRE stream age
 *   read     XREVRANGE or XRANGE, at most LINK_PART entries each; entries older than the age are left out
 *   remove   XDEL stream id, or DEL stream
 *
 * State of the link:
 *
 *   RESTING     the timer: asks the sentinels, or connects                    CONNECTING
 *   CONNECTING  logged in                                                     READY
 *   any         the link is lost, the server is a replica or not the owner    RESTING
 *               of the slot, or an answer is late
 *
 * Commands stay in one queue until they are answered. When the link is lost, all of them are sent again. An append
 * that the server had executed is then stored twice; readers recognise it by the mark in its payload. Reads and
 * removals whose asks have ended are not sent again, so that they do not accumulate while the server is away.
 */
#include <stdio.h>

#include "broker/history_link_internal.h"
#include "common/base/mem.h"
#include "common/base/random.h"

#define LINK_INPUT_MAX (16 << 20) /* most bytes of one answer */
#define LINK_PAUSE_MIN_MS 100	  /* pause before the first reconnect; doubled each time */
#define LINK_PAUSE_MAX_MS 1000
#define LINK_NAME_MAX (1 << 20) /* bytes of a stream's name */

/* -------------------------------------------------------------------- link */

/* Ends the link if the server has not answered the oldest command in time. */
static void
link_on_stuck(struct wheel_entry *entry)
{
	struct history_link *h = container_of(entry, struct history_link, stuck);
	struct link_command *oldest =
		list_empty(&h->commands) ? NULL : container_of(h->commands.next, struct link_command, link);
	uint64_t waited = oldest != NULL ? h->base.loop->now - oldest->sent_at : 0;

	if (oldest == NULL || !oldest->sent || !h->ready)
		return;
	if (waited >= HISTORY_TIMEOUT_MS)
		bus_link_fail(&h->link, "timed out waiting for an answer");
	else
		loop_arm(h->base.loop, &h->stuck, HISTORY_TIMEOUT_MS - waited);
}

static void
link_on_ready(struct bus_link *link)
{
	struct history_link *h = link->arg;
	struct list *it, *next;

	/* entries leave before the bus publishes, so that a receiver of an event finds it in the history */
	conn_set_ahead(link->conn);
	h->ready = true;
	h->attempts = 0;
	loop_disarm(h->base.loop, &h->retry);
	log_event(LOG_INFO, "history", "state", LOG_STR("up"), NULL);
	list_each(it, next, &h->commands) link_command_send(h, container_of(it, struct link_command, link));
}

static void
link_on_reply(struct bus_link *link, const struct resp *reply)
{
	(void)link; /* history_link_on_bytes() receives all answers */
	(void)reply;
}

static void
link_on_drain(struct bus_link *link)
{
	(void)link;
}

/* Keeps the sent commands for the next connection, except reads and removals whose asks have ended. */
static void
link_take_back(struct history_link *h)
{
	struct list *it, *next;

	list_each(it, next, &h->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		command->sent = false;
		if (command->kind != LINK_APPEND && command->ask == NULL)
			link_command_free(h, command);
	}
}

static void
link_pause(struct history_link *h, const char *why)
{
	uint64_t pause = h->attempts < 4 ? (uint64_t)LINK_PAUSE_MIN_MS << h->attempts : LINK_PAUSE_MAX_MS;

	h->ready = false;
	buffer_reset(&h->input);
	h->tree = (struct resp_tree){.open = 1};
	link_take_back(h);
	link_command_trim(h);
	history_link_warn(h, "the history is not reached", why);
	h->attempts++;
	if (h->url.master == NULL && h->attempts > 1)
		bus_url_next(&h->url);
	loop_arm(h->base.loop, &h->retry, pause / 2 + random_below((uint32_t)(pause / 2) + 1));
}

static void
link_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	link_pause(link->arg, why);
}

static const struct bus_link_ops link_link_ops = {
	link_on_ready, link_on_reply, link_on_drain, link_on_lost, history_link_on_bytes};

static void
link_on_master(void *arg, const char *host, uint16_t port)
{
	struct history_link *h = arg;

	bus_link_close(&h->link);
	bus_url_use(&h->url, host, port);
	bus_link_open(&h->link);
}

static void
link_on_no_master(void *arg, const char *why)
{
	link_pause(arg, why);
}

static void
link_on_switched(void *arg)
{
	struct history_link *h = arg;

	bus_link_close(&h->link);
	h->attempts = 0;
	link_pause(h, "the sentinels name another master");
}

static const struct sentinel_ops link_sentinel_ops = {link_on_master, link_on_no_master, link_on_switched};

static void
link_on_retry(struct wheel_entry *entry)
{
	struct history_link *h = container_of(entry, struct history_link, retry);

	if (h->sentinel != NULL) {
		sentinel_ask(h->sentinel, h->attempts > 1);
		return;
	}
	if (h->url.cluster && (h->url.host == NULL || h->attempts > 2)) {
		h->url.host_at = (h->url.host_at + 1) % h->url.host_count;
		bus_url_use(&h->url, h->url.hosts[h->url.host_at].name, h->url.hosts[h->url.host_at].port);
	}
	bus_link_open(&h->link);
}

/* -------------------------------------------------------------------- life */

static void
link_stats(const struct history *history, struct history_stats *out)
{
	*out = container_of(history, struct history_link, base)->stats;
}

static void
link_free(struct history *history)
{
	struct history_link *h = link_of(history);

	while (!list_empty(&h->asks))
		link_ask_free(h, container_of(h->asks.next, struct link_ask, link));
	while (!list_empty(&h->commands))
		link_command_free(h, container_of(h->commands.next, struct link_command, link));
	loop_disarm(history->loop, &h->retry);
	loop_disarm(history->loop, &h->late);
	loop_disarm(history->loop, &h->stuck);
	bus_link_close(&h->link);
	sentinel_free(h->sentinel);
	bus_access_free(h->access);
	bus_url_fini(&h->url);
	seal_free(h->seal);
	buffer_fini(&h->input);
	buffer_fini(&h->name);
	buffer_fini(&h->sealed);
	buffer_fini(&h->command);
	mem_free(h->prefix);
	mem_free(h);
}

static const struct history_form link_form = {
	history_link_append, history_link_read, history_link_remove, history_link_cancel, link_stats, link_free};

static char *
link_prefix(const char *key, bool cluster)
{
	size_t n = strlen(key) + sizeof "{-history}#";
	char *prefix = mem_alloc(n);

	snprintf(prefix, n, cluster ? "{%s-history}#" : "%s-history#", key);
	return prefix;
}

struct history *
history_link_new(struct loop *l, const struct history_link_options *options)
{
	struct history_link *h = mem_zalloc(sizeof *h);

	h->base = (struct history){&link_form, l};
	h->url = *options->server;
	*options->server = (struct bus_url){0};
	h->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	h->prefix = link_prefix(options->key, h->url.cluster);
	h->seal = options->seal;
	h->max_queue = options->max_queue;
	h->tree = (struct resp_tree){.open = 1};
	list_init(&h->commands);
	list_init(&h->asks);
	buffer_init(&h->input, LINK_INPUT_MAX);
	buffer_init(&h->name, LINK_NAME_MAX);
	buffer_init(&h->sealed, HISTORY_PAYLOAD_MAX + SEAL_TAG);
	buffer_init(&h->command, LINK_NAME_MAX + 2 * HISTORY_PAYLOAD_MAX);
	wheel_entry_init(&h->retry, link_on_retry);
	wheel_entry_init(&h->late, history_link_on_late);
	wheel_entry_init(&h->stuck, link_on_stuck);
	h->link = (struct bus_link){.loop = l,
		.url = &h->url,
		.access = h->access,
		.ops = &link_link_ops,
		.arg = h,
		.timeout_ms = HISTORY_TIMEOUT_MS};
	bus_link_init(&h->link);
	if (h->url.master != NULL)
		h->sentinel = sentinel_new(l, &h->url, h->access, &link_sentinel_ops, h);
	loop_arm(l, &h->retry, 0);
	return &h->base;
}
