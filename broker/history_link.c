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
	struct history_link *remote = container_of(entry, struct history_link, stuck);
	struct link_command *oldest =
		list_empty(&remote->commands) ? NULL : container_of(remote->commands.next, struct link_command, link);
	uint64_t waited = oldest != NULL ? remote->base.loop->now - oldest->sent_at : 0;

	if (oldest == NULL || !oldest->sent || !remote->ready)
		return;
	if (waited >= HISTORY_TIMEOUT_MS)
		bus_link_fail(&remote->link, "timed out waiting for an answer");
	else
		loop_arm(remote->base.loop, &remote->stuck, HISTORY_TIMEOUT_MS - waited);
}

static void
history_link_on_ready(struct bus_link *link)
{
	struct history_link *remote = link->arg;
	struct list *it, *next;

	/* entries leave before the bus publishes, so that a receiver of an event finds it in the history */
	conn_set_ahead(link->conn);
	remote->ready = true;
	remote->attempts = 0;
	loop_disarm(remote->base.loop, &remote->retry);
	log_event(LOG_INFO, "history", "state", LOG_STR("up"), NULL);
	list_each(it, next, &remote->commands) link_command_send(remote, container_of(it, struct link_command, link));
}

static void
history_link_on_reply(struct bus_link *link, const struct resp *reply)
{
	(void)link; /* history_link_on_bytes() receives all answers */
	(void)reply;
}

static void
history_link_on_drain(struct bus_link *link)
{
	(void)link;
}

/* Keeps the sent commands for the next connection, except reads and removals whose asks have ended. */
static void
link_take_back(struct history_link *remote)
{
	struct list *it, *next;

	list_each(it, next, &remote->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		command->sent = false;
		if (command->kind != LINK_APPEND && command->ask == NULL)
			link_command_free(remote, command);
	}
}

static void
link_pause(struct history_link *remote, const char *why)
{
	uint64_t pause = remote->attempts < 4 ? (uint64_t)LINK_PAUSE_MIN_MS << remote->attempts : LINK_PAUSE_MAX_MS;

	remote->ready = false;
	buffer_reset(&remote->input);
	remote->tree = (struct resp_tree){.open = 1};
	link_take_back(remote);
	link_command_trim(remote);
	history_link_warn(remote, "the history is not reached", why);
	remote->attempts++;
	if (remote->url.master == NULL && remote->attempts > 1)
		bus_url_next(&remote->url);
	loop_arm(remote->base.loop, &remote->retry, pause / 2 + random_below((uint32_t)(pause / 2) + 1));
}

static void
history_link_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	link_pause(link->arg, why);
}

static const struct bus_link_ops link_link_ops = {history_link_on_ready, history_link_on_reply, history_link_on_drain,
	history_link_on_lost, history_link_on_bytes};

static void
link_on_master(void *arg, const char *host, uint16_t port)
{
	struct history_link *remote = arg;

	bus_link_close(&remote->link);
	bus_url_use(&remote->url, host, port);
	bus_link_open(&remote->link);
}

static void
link_on_no_master(void *arg, const char *why)
{
	link_pause(arg, why);
}

static void
link_on_switched(void *arg)
{
	struct history_link *remote = arg;

	bus_link_close(&remote->link);
	remote->attempts = 0;
	link_pause(remote, "the sentinels name another master");
}

static const struct sentinel_ops link_sentinel_ops = {link_on_master, link_on_no_master, link_on_switched};

static void
link_on_retry(struct wheel_entry *entry)
{
	struct history_link *remote = container_of(entry, struct history_link, retry);

	if (remote->sentinel != NULL) {
		sentinel_ask(remote->sentinel, remote->attempts > 1);
		return;
	}
	if (remote->url.cluster && (remote->url.host == NULL || remote->attempts > 2)) {
		remote->url.host_at = (remote->url.host_at + 1) % remote->url.host_count;
		bus_url_use(&remote->url, remote->url.hosts[remote->url.host_at].name,
			remote->url.hosts[remote->url.host_at].port);
	}
	bus_link_open(&remote->link);
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
	struct history_link *remote = link_of(history);

	while (!list_empty(&remote->asks))
		link_ask_free(remote, container_of(remote->asks.next, struct link_ask, link));
	while (!list_empty(&remote->commands))
		link_command_free(remote, container_of(remote->commands.next, struct link_command, link));
	loop_disarm(history->loop, &remote->retry);
	loop_disarm(history->loop, &remote->late);
	loop_disarm(history->loop, &remote->stuck);
	bus_link_close(&remote->link);
	sentinel_free(remote->sentinel);
	bus_access_free(remote->access);
	bus_url_fini(&remote->url);
	seal_free(remote->seal);
	buffer_fini(&remote->input);
	buffer_fini(&remote->name);
	buffer_fini(&remote->sealed);
	buffer_fini(&remote->command);
	mem_free(remote->prefix);
	mem_free(remote);
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
	struct history_link *remote = mem_zalloc(sizeof *remote);

	remote->base = (struct history){&link_form, l};
	remote->url = *options->server;
	*options->server = (struct bus_url){0};
	remote->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	remote->prefix = link_prefix(options->key, remote->url.cluster);
	remote->seal = options->seal;
	remote->max_queue = options->max_queue;
	remote->tree = (struct resp_tree){.open = 1};
	list_init(&remote->commands);
	list_init(&remote->asks);
	buffer_init(&remote->input, LINK_INPUT_MAX);
	buffer_init(&remote->name, LINK_NAME_MAX);
	buffer_init(&remote->sealed, HISTORY_PAYLOAD_MAX + SEAL_TAG);
	buffer_init(&remote->command, LINK_NAME_MAX + 2 * HISTORY_PAYLOAD_MAX);
	wheel_entry_init(&remote->retry, link_on_retry);
	wheel_entry_init(&remote->late, history_link_on_late);
	wheel_entry_init(&remote->stuck, link_on_stuck);
	remote->link = (struct bus_link){.loop = l,
		.url = &remote->url,
		.access = remote->access,
		.ops = &link_link_ops,
		.arg = remote,
		.timeout_ms = HISTORY_TIMEOUT_MS};
	bus_link_init(&remote->link);
	if (remote->url.master != NULL)
		remote->sentinel = sentinel_new(l, &remote->url, remote->access, &link_sentinel_ops, remote);
	loop_arm(l, &remote->retry, 0);
	return &remote->base;
}
