/*
 * State machine of the sentinel client:
 *
 *   state     event                                                next state
 *   IDLE      sentinel_ask()                                       ASKING
 *   ASKING    the address came                                     WATCHING; calls on_found if sentinel_ask() waits
 *             another address than before came, nothing waits      IDLE; calls on_switched
 *             the sentinel failed, another one is left             ASKING
 *             the last sentinel failed, sentinel_ask() waits       IDLE; calls on_not_found
 *             the last sentinel failed, nothing waits              PAUSING
 *   WATCHING  the link is lost, or a check timed out               PAUSING
 *             the event of a failover came                         IDLE; calls on_switched
 *   PAUSING   the pause is over                                    ASKING
 *   any       sentinel_ask()                                       ASKING, with the first sentinel
 *
 * After on_switched the sentinel is idle until sentinel_ask(), so a sentinel that sends events without end causes one
 * call and one log line per question.
 */
#include "broker/sentinel.h"

#include <stdio.h>
#include <string.h>

#include "broker/bus_access.h"
#include "broker/bus_error.h"
#include "broker/bus_link.h"
#include "broker/bus_url.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define TIMEOUT_MS 1000 /* limit for a sentinel to connect and answer; interval of checks */
#define PAUSE_MS 500	/* before the sentinels are asked again in the background */

enum sentinel_state { SENTINEL_IDLE, SENTINEL_ASKING, SENTINEL_WATCHING, SENTINEL_PAUSING };

struct sentinel {
	struct loop *loop;
	const struct bus_url *url;
	const struct sentinel_ops *ops;
	void *arg;
	enum sentinel_state state;
	bool waited_for;		  /* sentinel_ask() has not been answered yet */
	bool checking;			  /* a PING has not been answered yet */
	unsigned attempts;		  /* sentinels that failed in this round */
	uint8_t order[BUS_URL_HOSTS_MAX]; /* indexes into url->hosts; the last one to answer comes first */
	struct bus_url current;		  /* the sentinel being asked; borrows the strings of `url` */
	struct bus_access access;
	struct bus_link link;
	struct wheel_entry timer;
	struct log_limit failure_limit, switch_limit; /* of log lines */
	char host[BUS_URL_HOST_MAX + 1]; /* address of the master in the last answer; "": no answer yet */
	uint16_t port;
};

/* --------------------------------------------------------------- attempts */

static void
sentinel_ask_one(struct sentinel *sentinel)
{
	const struct bus_host *host = &sentinel->url->hosts[sentinel->order[sentinel->attempts]];

	sentinel->state = SENTINEL_ASKING;
	sentinel->current.host = host->name;
	sentinel->current.port = host->port;
	bus_link_open(&sentinel->link);
	loop_arm(sentinel->loop, &sentinel->timer, TIMEOUT_MS);
}

static void
sentinel_ask_all(struct sentinel *sentinel)
{
	bus_link_close(&sentinel->link);
	sentinel->checking = false;
	sentinel->attempts = 0;
	sentinel_ask_one(sentinel);
}

static void
sentinel_pause(struct sentinel *sentinel)
{
	sentinel->state = SENTINEL_PAUSING;
	loop_arm(sentinel->loop, &sentinel->timer, PAUSE_MS / 2 + random_below(PAUSE_MS / 2));
}

/* The sentinel that is being watched is asked last from now on. */
static void
sentinel_move_to_back(struct sentinel *sentinel)
{
	uint8_t first = sentinel->order[0];

	memmove(sentinel->order, sentinel->order + 1, sentinel->url->host_count - 1);
	sentinel->order[sentinel->url->host_count - 1] = first;
}

/* The sentinel has failed, and its link is closed. */
static void
sentinel_pass_over(struct sentinel *sentinel, const char *why)
{
	char name[BUS_URL_NAME_MAX];

	bus_url_name(&sentinel->current, name);
	if (log_allow(&sentinel->failure_limit, sentinel->waited_for ? sentinel->url->host_count : 1,
		    sentinel->loop->now))
		log_event(LOG_WARN, "sentinel", "state", LOG_STR("down"), "server", LOG_STR(name), "reason",
			LOG_STR(why), NULL);
	sentinel->checking = false;
	if (sentinel->state == SENTINEL_ASKING && ++sentinel->attempts < sentinel->url->host_count) {
		sentinel_ask_one(sentinel);
	} else if (sentinel->state == SENTINEL_ASKING && sentinel->waited_for) {
		sentinel->state = SENTINEL_IDLE;
		sentinel->waited_for = false;
		loop_disarm(sentinel->loop, &sentinel->timer);
		sentinel->ops->on_not_found(sentinel->arg, why);
	} else {
		if (sentinel->state == SENTINEL_WATCHING)
			sentinel_move_to_back(sentinel);
		sentinel_pause(sentinel);
	}
}

/* ---------------------------------------------------------------- answers */

/* The sentinel that answered is asked first from now on. */
static void
sentinel_move_to_front(struct sentinel *sentinel)
{
	uint8_t first = sentinel->order[sentinel->attempts];

	memmove(sentinel->order + 1, sentinel->order, sentinel->attempts);
	sentinel->order[0] = first;
}

static void
sentinel_switched(struct sentinel *sentinel)
{
	bus_link_close(&sentinel->link);
	loop_disarm(sentinel->loop, &sentinel->timer);
	sentinel->state = SENTINEL_IDLE;
	sentinel->checking = false;
	if (log_allow(&sentinel->switch_limit, 1, sentinel->loop->now))
		log_event(LOG_WARN, "sentinel", "state", LOG_STR("switched"), "master",
			LOG_STR(sentinel->url->master), NULL);
	sentinel->ops->on_switched(sentinel->arg);
}

static void
sentinel_on_address(struct sentinel *sentinel, struct text host, uint16_t port)
{
	bool same = sentinel->port == port && text_is(host, text_from(sentinel->host));

	memcpy(sentinel->host, host.at, host.n);
	sentinel->host[host.n] = '\0';
	sentinel->port = port;
	sentinel_move_to_front(sentinel);
	sentinel->state = SENTINEL_WATCHING;
	loop_arm(sentinel->loop, &sentinel->timer, TIMEOUT_MS);
	if (sentinel->waited_for) {
		sentinel->waited_for = false;
		sentinel->ops->on_found(sentinel->arg, sentinel->host, sentinel->port);
	} else if (!same) {
		sentinel_switched(sentinel);
	}
}

/* The answer is the address of the master, or nil if the sentinel does not know its name. */
static void
sentinel_on_answer(struct sentinel *sentinel, const struct resp *reply)
{
	char why[BUS_WHY_MAX];
	uint64_t port;

	if (reply->type == RESP_ARRAY && reply->item_count == 2 && reply->items[0].n > 0 &&
		reply->items[0].n <= BUS_URL_HOST_MAX &&
		memchr(reply->items[0].at, '\0', reply->items[0].n) == NULL &&
		text_number(reply->items[1], UINT16_MAX, &port) == 0 && port > 0) {
		sentinel_on_address(sentinel, reply->items[0], (uint16_t)port);
		return;
	}
	bus_link_close(&sentinel->link);
	if (reply->type == RESP_ERROR && text_starts(reply->text, TEXT("NOAUTH")))
		snprintf(why, sizeof why,
			"refused: NOAUTH; the sentinels have a password of their own: set --redis-sentinel-password");
	else if (reply->type == RESP_ERROR)
		bus_error_write(why, "refused", reply->text, sentinel->current.password);
	else if (reply->type == RESP_NIL)
		snprintf(why, sizeof why, "the sentinel does not know a master named \"%.100s\"",
			sentinel->url->master);
	else
		snprintf(why, sizeof why, "malformed answer from the sentinel");
	sentinel_pass_over(sentinel, why);
}

/* The event is "<master> <old host> <old port> <new host> <new port>". */
static void
sentinel_on_event(struct sentinel *sentinel, struct text event)
{
	struct text name;

	if (text_cut(&event, ' ', &name) && text_is(name, text_from(sentinel->url->master)))
		sentinel_switched(sentinel);
}

static void
sentinel_on_reply(struct bus_link *link, const struct resp *reply)
{
	struct sentinel *sentinel = link->arg;

	if (sentinel->state == SENTINEL_ASKING)
		sentinel_on_answer(sentinel, reply);
	else if (reply->type == RESP_ARRAY && text_is(reply->items[0], TEXT("message")))
		sentinel_on_event(sentinel, reply->items[2]);
	else if (reply->type == RESP_ARRAY && text_is(reply->items[0], TEXT("pong")))
		sentinel->checking = false;
	else if (reply->type == RESP_ERROR) { /* an ACL forbids the channel */
		bus_link_close(link);
		sentinel_pass_over(sentinel, "the sentinel refuses the channel +switch-master");
	}
}

/* Both commands leave in one write at the end of the turn. */
static void
sentinel_on_ready(struct bus_link *link)
{
	struct sentinel *sentinel = link->arg;
	struct text address[] = {TEXT("SENTINEL"), TEXT("get-master-addr-by-name"), text_from(sentinel->url->master)};
	struct text events[] = {TEXT("SUBSCRIBE"), TEXT("+switch-master")};

	bus_link_send(link, 3, address);
	bus_link_send(link, 2, events);
}

static void
sentinel_on_drain(struct bus_link *link)
{
	(void)link;
}

static void
sentinel_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	sentinel_pass_over(link->arg, why);
}

static const struct bus_link_ops link_ops = {.on_ready = sentinel_on_ready,
	.on_reply = sentinel_on_reply,
	.on_drain = sentinel_on_drain,
	.on_lost = sentinel_on_lost};

static void
sentinel_on_timer(struct wheel_entry *entry)
{
	struct sentinel *sentinel = container_of(entry, struct sentinel, timer);
	struct text ping[] = {TEXT("PING")};

	if (sentinel->state == SENTINEL_PAUSING) {
		sentinel_ask_all(sentinel);
	} else if (sentinel->state == SENTINEL_ASKING || sentinel->checking) {
		bus_link_close(&sentinel->link);
		sentinel_pass_over(sentinel, "timed out");
	} else {
		sentinel->checking = true;
		bus_link_send(&sentinel->link, 1, ping);
		loop_arm(sentinel->loop, &sentinel->timer, TIMEOUT_MS);
	}
}

/* ------------------------------------------------------------------- life */

struct sentinel *
sentinel_new(struct loop *l, const struct bus_url *url, const struct bus_access *access,
	const struct sentinel_ops *ops, void *arg)
{
	struct sentinel *sentinel = mem_zalloc(sizeof *sentinel);

	sentinel->loop = l;
	sentinel->url = url;
	sentinel->ops = ops;
	sentinel->arg = arg;
	for (unsigned i = 0; i < url->host_count; i++)
		sentinel->order[i] = (uint8_t)i;
	sentinel->current = (struct bus_url){.tls = url->tls, .password = (char *)access->sentinel_password};
	sentinel->access = *access;
	sentinel->access.last = (struct bus_access_last){0};
	sentinel->access.password_file = NULL; /* it has the server's password, not the sentinels' */
	sentinel->link = (struct bus_link){.loop = l,
		.url = &sentinel->current,
		.access = &sentinel->access,
		.ops = &link_ops,
		.arg = sentinel,
		.timeout_ms = TIMEOUT_MS};
	bus_link_init(&sentinel->link);
	wheel_entry_init(&sentinel->timer, sentinel_on_timer);
	return sentinel;
}

void
sentinel_free(struct sentinel *sentinel)
{
	if (sentinel == NULL)
		return;
	bus_link_close(&sentinel->link);
	loop_disarm(sentinel->loop, &sentinel->timer);
	bus_access_forget(&sentinel->access);
	mem_free(sentinel);
}

void
sentinel_ask(struct sentinel *sentinel, bool doubted)
{
	if (doubted && sentinel->state == SENTINEL_WATCHING)
		sentinel_move_to_back(sentinel);
	sentinel->waited_for = true;
	sentinel_ask_all(sentinel);
}
