/*
 * State machine of the bus:
 *
 *   state        event                                            next state
 *   WAITING      the pause is over                                CONNECTING
 *   CONNECTING   both links are logged in, to a master            SUBSCRIBING
 *   SUBSCRIBING  every subscription is confirmed                  PROVING
 *   PROVING      the check message has come back                  CATCHING_UP or UP
 *   CATCHING_UP  what was missed has been read from the log       UP
 *   UP           bus_close()                                      CLOSING
 *   CLOSING      everything is answered, flush_ms has passed,     freed
 *                or the command link is lost
 *   other        a link is lost, or a deadline passes             WAITING
 *   other        bus_close()                                      freed
 *
 * If only one link is lost, only that link is reopened. The other link stays in use during WAITING and CONNECTING,
 * and SUBSCRIBING ends at once if the subscriptions are still in force.
 */
#include "broker/bus_cluster.h"
#include "broker/bus_internal.h"
#include "broker/bus_log.h"
#include "common/base/mem.h"
#include "common/base/random.h"

#define CHECK_MS 5000	      /* milliseconds between check messages */
#define TIMEOUT_MS 5000	      /* milliseconds for a check message to come back and for a connection to be made */
#define PAUSE_MIN_MS 100      /* first pause between attempts to connect; doubled each time, up to PAUSE_MAX_MS */
#define PAUSE_MAX_MS 1000     /* short, because the queues of the other nodes wait for this one (bus_settle.c) */
#define KEEP_ALIVE_MIN_MS 250 /* shortest interval of check messages when the server closes idle connections */
#define HOST_ATTEMPTS_MAX 4   /* attempts to reopen one link while the other link holds the bus at its host */
#define REFRESH_MS 30000      /* milliseconds between questions about the members of a cluster */

const struct bus_words bus_plain_words = {
	.publish = "*3\r\n$7\r\nPUBLISH\r\n",
	.subscribe = TEXT("SUBSCRIBE"),
	.unsubscribe = TEXT("UNSUBSCRIBE"),
	.count = TEXT("NUMSUB"),
	.message = TEXT("message"),
	.confirmed = TEXT("subscribe"),
	.ended = TEXT("unsubscribe"),
};

/*
 * A cluster refuses an SSUBSCRIBE of several channels unless they share a slot. Each command therefore names one
 * channel.
 */
const struct bus_words bus_sharded_words = {
	.publish = "*3\r\n$8\r\nSPUBLISH\r\n",
	.subscribe = TEXT("SSUBSCRIBE"),
	.unsubscribe = TEXT("SUNSUBSCRIBE"),
	.count = TEXT("SHARDNUMSUB"),
	.message = TEXT("smessage"),
	.confirmed = TEXT("ssubscribe"),
	.ended = TEXT("sunsubscribe"),
};

static void
bus_set_state(struct bus *bus, enum bus_state state)
{
	bool was_up = bus->state == BUS_UP;

	bus->state = state;
	if (was_up && state != BUS_UP && state != BUS_CLOSING)
		bus->stats.downs++;
}

/* --------------------------------------------------------------- the end */

static void
bus_free(struct bus *bus)
{
	void (*closed)(void *arg) = bus->closed;
	void *arg = bus->closed_arg;

	loop_call_cancel(&bus->call);
	bus_settle_fini(bus);
	bus_publish_fini(bus);
	bus_answers_fini(bus);
	bus_subscribe_fini(bus);
	bus_log_free(bus->log);
	sentinel_free(bus->sentinel);
	bus_cluster_free(bus->cluster);
	bus_url_fini(&bus->url);
	bus_url_fini(&bus->ear);
	bus_access_free(bus->access);
	mem_free(bus->check_channel);
	mem_free(bus);
	if (closed != NULL)
		closed(arg);
}

static void
bus_close_links(struct bus *bus)
{
	bus_link_close(&bus->commands);
	bus_link_close(&bus->subscriptions);
	bus_forget_answers(bus);
	bus_forget_subscriptions(bus);
	bus->checking = false;
	loop_disarm(bus->loop, &bus->timer);
}

/* Ends counts that cannot be asked for, and makes the last call when the bus has closed. */
static void
bus_on_turn_end(struct loop_call *call)
{
	struct bus *bus = container_of(call, struct bus, call);

	bus_answer_refused(bus);
	bus_store_fail_calls(bus);
	bus_hear_update(bus);
	if (bus->state == BUS_CLOSING && bus->commands.conn == NULL)
		bus_free(bus);
}

void
bus_finish_closing(struct bus *bus)
{
	bus_close_links(bus);
	if (bus->log != NULL)
		bus_log_write_off(bus->log);
	loop_defer(bus->loop, &bus->call);
}

/* ------------------------------------------------------------ loss, retry */

static uint64_t
bus_next_pause(struct bus *bus)
{
	uint64_t pause = bus->attempts < 6 ? (uint64_t)PAUSE_MIN_MS << bus->attempts : PAUSE_MAX_MS;

	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	bus->attempts++;
	return pause / 2 + random_below((uint32_t)(pause / 2) + 1);
}

/*
 * If the URL names several hosts, the next one replaces a host that has failed. Both links lead to the same host, so
 * a dial under way to the old one is given up. A link that is still open keeps the host in use for some attempts to
 * reopen the other link. It does not keep the host for ever, because it may be dead without notice.
 */
bool
bus_keeps_host(const struct bus *bus)
{
	bool open = bus->commands.conn != NULL || bus->subscriptions.conn != NULL;

	return open && bus->attempts <= HOST_ATTEMPTS_MAX;
}

static void
bus_use_next_host(struct bus *bus)
{
	if (bus->url.master != NULL || bus->url.cluster || bus->url.host_count < 2 || bus_keeps_host(bus))
		return;
	bus_close_links(bus);
	bus_url_next(&bus->url);
}

/*
 * Starts the pause before the next attempt. A link that is still open stays open; only lost links are dialled after
 * the pause. `from` is the address that failed.
 */
static void
bus_pause_then_retry(struct bus *bus, const struct bus_url *from, const char *why, bool malformed)
{
	char server[BUS_URL_NAME_MAX];
	uint64_t pause = bus_next_pause(bus);

	bus->checking = false;
	bus_settle_stop(bus);
	bus_expire_waiting(bus);
	bus->stats.malformed += malformed;
	bus_url_name(from, server);
	if (bus->state == BUS_UP || log_allow(&bus->log_limit, 1, bus->loop->now))
		log_event(LOG_ERROR, bus->event, "state", LOG_STR("down"), "server", LOG_STR(server), "reason",
			LOG_STR(why), "retry_ms", LOG_INT(pause), NULL);
	bus_use_next_host(bus);
	loop_arm(bus->loop, &bus->timer, pause);
	bus->hopeless = true;
	bus_set_state(bus, BUS_WAITING);
	if (bus->ops->on_hopeless != NULL)
		bus->ops->on_hopeless(bus->arg);
}

void
bus_lost(struct bus *bus, const char *why, bool malformed)
{
	if (bus->state == BUS_CLOSING) {
		bus_finish_closing(bus);
		return;
	}
	bus_close_links(bus);
	bus_pause_then_retry(bus, &bus->url, why, malformed);
}

/*
 * Called when the command link is lost. If the link was idle, the server probably closes idle connections sooner than
 * the check interval, so checks become more frequent.
 */
static void
bus_learn_keep_alive(struct bus *bus)
{
	uint64_t idle = bus->loop->now - bus->used;

	if (bus->state != BUS_UP || bus->checking || !list_empty(&bus->expected) || idle < KEEP_ALIVE_MIN_MS)
		return;
	bus->keep_alive_ms = idle / 2 > KEEP_ALIVE_MIN_MS ? idle / 2 : KEEP_ALIVE_MIN_MS;
}

static void
bus_on_link_lost(struct bus_link *link, const char *why, bool malformed)
{
	struct bus *bus = link->arg;

	if (bus->state == BUS_CLOSING) {
		/* waiting publishes do not need the subscriptions */
		if (link != &bus->subscriptions)
			bus_finish_closing(bus);
		return;
	}
	if (link == &bus->commands) {
		bus_learn_keep_alive(bus);
		bus_forget_answers(bus);
	} else {
		bus_forget_subscriptions(bus);
	}
	if (bus->state != BUS_WAITING) /* otherwise the other link was lost first, and the pause has begun */
		bus_pause_then_retry(bus, link->url, why, malformed);
}

/* --------------------------------------------------------------------- up */

void
bus_proved(struct bus *bus)
{
	if (bus->log != NULL && bus_log_catch_up(bus->log))
		bus_set_state(bus, BUS_CATCHING_UP);
	else
		bus_came_up(bus);
}

void
bus_came_up(struct bus *bus)
{
	char server[BUS_URL_NAME_MAX];

	bus_arm_next_check(bus);
	bus_url_name(&bus->url, server);
	log_event(LOG_INFO, bus->event, "state", LOG_STR("up"), "server", LOG_STR(server), "lag_us",
		LOG_INT(bus->stats.lag_us), "waiting_bytes", LOG_INT(bus->waiting_bytes), NULL);
	/* waiting publishes go first */
	bus->state = BUS_UP;
	bus->hopeless = false;
	bus_settle_begin(bus);
	bus_send_waiting(bus);
	if (bus->ops->on_flow != NULL)
		bus->ops->on_flow(bus->arg);
	bus->stats.ups++;
	if (bus->ops->on_up != NULL)
		bus->ops->on_up(bus->arg);
}

void
bus_subscribed(struct bus *bus)
{
	bus_set_state(bus, BUS_PROVING);
	bus_send_check(bus);
}

/* ------------------------------------------------------------------- start */

static void
bus_on_drain(struct bus_link *link)
{
	struct bus *bus = link->arg;

	if (link == &bus->commands && (bus->state == BUS_UP || bus->state == BUS_CLOSING))
		bus_send_waiting(bus);
}

static void
bus_on_link_ready(struct bus_link *link)
{
	struct bus *bus = link->arg;

	bus->stats.connects++;
	if (!bus->commands.ready || !bus->subscriptions.ready || bus->state != BUS_CONNECTING)
		return;
	loop_arm(bus->loop, &bus->timer, bus->timeout_ms);
	if (bus->replicated)
		bus_send_role(bus);
	else
		bus_trusted(bus);
}

void
bus_trusted(struct bus *bus)
{
	/* the answer may be to an earlier question, and the subscription link may still be missing */
	if (bus->state != BUS_CONNECTING || !bus->commands.ready || !bus->subscriptions.ready)
		return;
	bus_set_state(bus, BUS_SUBSCRIBING);
	loop_arm(bus->loop, &bus->timer, bus->timeout_ms);
	if (!bus->listening)
		bus_subscribe_all(bus);
	else if (bus->confirmed == bus->sent)
		bus_subscribed(bus);
}

static const struct bus_link_ops command_ops = {.on_ready = bus_on_link_ready,
	.on_reply = bus_on_answer,
	.on_drain = bus_on_drain,
	.on_lost = bus_on_link_lost};
static const struct bus_link_ops subscription_ops = {.on_ready = bus_on_link_ready,
	.on_reply = bus_on_pushed,
	.on_drain = bus_on_drain,
	.on_lost = bus_on_link_lost};

/* Opens a link unless it is still open. */
static void
bus_open_link(struct bus_link *link)
{
	if (link->dial == NULL && link->conn == NULL)
		bus_link_open(link);
}

static void
bus_open_links(struct bus *bus)
{
	bus_open_link(&bus->commands);
	bus_open_link(&bus->subscriptions);
}

/* --------------------------------------------------- sentinels and clusters */

/* If the server has changed, links that are still open lead to the old one and are closed. */
void
bus_found_server(struct bus *bus, const char *host, uint16_t port)
{
	if (bus->state != BUS_CONNECTING)
		return;
	if (bus->url.host == NULL || strcmp(bus->url.host, host) != 0 || bus->url.port != port) {
		bus_close_links(bus);
		bus_url_use(&bus->url, host, port);
	}
	loop_arm(bus->loop, &bus->timer, 2 * bus->timeout_ms);
	bus_open_links(bus);
}

void
bus_found_no_server(struct bus *bus, const char *why)
{
	if (bus->state == BUS_CONNECTING)
		bus_pause_then_retry(bus, &bus->url, why, false);
}

static void
bus_on_master_found(void *arg, const char *host, uint16_t port)
{
	bus_found_server(arg, host, port);
}

static void
bus_on_master_not_found(void *arg, const char *why)
{
	bus_found_no_server(arg, why);
}

/* The pause is the shortest one, because the new master is ready. */
static void
bus_on_master_switched(void *arg)
{
	struct bus *bus = arg;

	if (bus->state == BUS_CLOSING)
		return;
	bus->attempts = 0;
	bus_lost(bus, "the sentinels name another master", false);
}

static const struct sentinel_ops sentinel_ops = {
	bus_on_master_found, bus_on_master_not_found, bus_on_master_switched};

/* ------------------------------------------------------------------- timer */

static void
bus_connect_timed_out(struct bus *bus)
{
	/* a Redis without TLS takes the TLS greeting for an incomplete command and does not answer */
	const char *why = bus->url.tls ? "timed out; does that port speak TLS?" : "timed out";
	struct bus_link *late;

	if (bus->commands.ready == bus->subscriptions.ready) {
		bus_lost(bus, why, false);
		return;
	}
	/* the other link stays in use */
	late = bus->commands.ready ? &bus->subscriptions : &bus->commands;
	bus_link_close(late);
	bus_pause_then_retry(bus, late->url, why, false);
}

static void
bus_on_timer(struct wheel_entry *entry)
{
	struct bus *bus = container_of(entry, struct bus, timer);

	switch (bus->state) {
	case BUS_WAITING:
		bus_set_state(bus, BUS_CONNECTING);
		if (bus->sentinel != NULL) { /* it has time limits of its own; the deadline begins with the dials */
			sentinel_ask(bus->sentinel, bus->attempts > 1);
			break;
		}
		if (bus->cluster != NULL) { /* as with sentinels */
			bus_cluster_find(bus->cluster);
			break;
		}
		loop_arm(bus->loop, &bus->timer, 2 * bus->timeout_ms);
		bus_open_links(bus);
		break;
	case BUS_CONNECTING:
		bus_connect_timed_out(bus);
		break;
	case BUS_SUBSCRIBING:
		bus_lost(bus,
			bus->ear.path != NULL ? "the hub has not confirmed the subscriptions: see its lines event=hub"
					      : "timed out waiting for an answer",
			false);
		break;
	case BUS_CATCHING_UP:
		bus_lost(bus, "timed out reading the log", false);
		break;
	case BUS_PROVING:
	case BUS_UP:
		bus_check_timer(bus);
		break;
	case BUS_CLOSING:
		bus_finish_closing(bus);
		break;
	}
}

void
bus_init_side_link(struct bus *bus, struct bus_link *link, const struct bus_link_ops *ops, void *arg)
{
	link->loop = bus->loop;
	link->url = &bus->url;
	link->access = bus->access;
	link->ops = ops;
	link->arg = arg;
	link->timeout_ms = bus->timeout_ms;
	link->subscribes = true;
	link->expects_status = NULL;
	bus_link_init(link);
}

static void
bus_init_links(struct bus *bus, const char *ear)
{
	bus_init_side_link(bus, &bus->commands, &command_ops, bus);
	bus->commands.subscribes = false;
	bus->commands.expects_status = bus_expects_status;
	bus_init_side_link(bus, &bus->subscriptions, &subscription_ops, bus);
	if (ear == NULL)
		return;
	bus_url_of_hub(&bus->ear, ear);
	bus->subscriptions.url = &bus->ear;
	bus->subscriptions.access = NULL;
}

static void
bus_init_cluster(struct bus *bus, const struct bus_options *options)
{
	char *log_key = options->log_length > 0 || options->beside_log ? bus_log_counter(options->key) : NULL;

	bus->cluster = bus_cluster_new(bus, options->refresh_ms > 0 ? options->refresh_ms : REFRESH_MS, log_key);
	mem_free(log_key);
}

struct bus *
bus_open(struct loop *l, const struct bus_options *options, const struct bus_ops *ops, void *arg)
{
	struct bus *bus = mem_zalloc(sizeof *bus);

	bus->url = *options->server;
	*options->server = (struct bus_url){.host = NULL};
	bus->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	bus->replicated = options->replicated;
	bus->words = options->sharded ? &bus_sharded_words : &bus_plain_words;
	bus->loop = l;
	bus->ops = ops;
	bus->arg = arg;
	bus->event = options->event != NULL ? options->event : "bus";
	bus->max_queue = options->max_queue;
	bus->max_age_ms = options->max_age_ms;
	bus->ordered = options->ordered;
	bus->check_ms = options->check_ms > 0 ? options->check_ms : CHECK_MS;
	bus->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	bus->keep_alive_ms = bus->check_ms;
	bus_publish_init(bus);
	bus_answers_init(bus);
	bus_settle_init(bus, options->settle_ms, options->members);
	bus_subscribe_init(bus);
	wheel_entry_init(&bus->timer, bus_on_timer);
	loop_call_init(&bus->call, bus_on_turn_end);
	bus_init_links(bus, options->ear);
	if (options->log_length > 0)
		bus->log = bus_log_new(bus, options->key, options->log_length, options->sealed);
	if (bus->url.master != NULL)
		bus->sentinel = sentinel_new(l, &bus->url, bus->access, &sentinel_ops, bus);
	if (bus->url.cluster)
		bus_init_cluster(bus, options);
	bus_subscribe_check(bus, options->key, options->check_tag);
	loop_arm(l, &bus->timer, 0);
	return bus;
}

void
bus_close(struct bus *bus, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	bool up = bus->state == BUS_UP;

	bus->closed = closed;
	bus->closed_arg = arg;
	bus_unsubscribe(bus, &bus->check);
	bus->state = BUS_CLOSING;
	bus->checking = false;
	bus_settle_stop(bus);
	if (up && flush_ms > 0 && !(list_empty(&bus->waiting) && list_empty(&bus->expected))) {
		loop_arm(bus->loop, &bus->timer, flush_ms);
		bus_send_waiting(bus);
		return;
	}
	bus_finish_closing(bus);
}

bool
bus_up(const struct bus *bus)
{
	return bus->state == BUS_UP;
}

bool
bus_recovers(const struct bus *bus)
{
	return bus->log != NULL && bus_log_is_behind(bus->log);
}

void
bus_room_appeared(struct bus *bus, struct text channel)
{
	if (bus->log != NULL)
		bus_log_room_appeared(bus->log, channel);
}

void
bus_room_empty(struct bus *bus, struct text channel)
{
	if (bus->log != NULL)
		bus_log_room_empty(bus->log, channel);
}

void
bus_stats(const struct bus *bus, struct bus_stats *out)
{
	*out = bus->stats;
	if (bus->log != NULL)
		bus_log_stats(bus->log, out);
	out->up = bus->state == BUS_UP;
	out->queue_bytes = bus->waiting_bytes + (bus->commands.conn != NULL ? conn_queued(bus->commands.conn) : 0);
}
