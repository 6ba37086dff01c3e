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
sentinel_ask_one(struct sentinel *s)
{
	const struct bus_host *host = &s->url->hosts[s->order[s->attempts]];

	s->state = SENTINEL_ASKING;
	s->current.host = host->name;
	s->current.port = host->port;
	bus_link_open(&s->link);
	loop_arm(s->loop, &s->timer, TIMEOUT_MS);
}

static void
sentinel_ask_all(struct sentinel *s)
{
	bus_link_close(&s->link);
	s->checking = false;
	s->attempts = 0;
	sentinel_ask_one(s);
}

static void
sentinel_pause(struct sentinel *s)
{
	s->state = SENTINEL_PAUSING;
	loop_arm(s->loop, &s->timer, PAUSE_MS / 2 + random_below(PAUSE_MS / 2));
}

/* The sentinel that is being watched is asked last from now on. */
static void
sentinel_move_to_back(struct sentinel *s)
{
	uint8_t first = s->order[0];

	memmove(s->order, s->order + 1, s->url->host_count - 1);
	s->order[s->url->host_count - 1] = first;
}

/* The sentinel has failed, and its link is closed. */
static void
sentinel_pass_over(struct sentinel *s, const char *why)
{
	char name[BUS_URL_NAME_MAX];

	bus_url_name(&s->current, name);
	if (log_allow(&s->failure_limit, s->waited_for ? s->url->host_count : 1, s->loop->now))
		log_event(LOG_WARN, "sentinel", "state", LOG_STR("down"), "server", LOG_STR(name), "reason",
			LOG_STR(why), NULL);
	s->checking = false;
	if (s->state == SENTINEL_ASKING && ++s->attempts < s->url->host_count) {
		sentinel_ask_one(s);
	} else if (s->state == SENTINEL_ASKING && s->waited_for) {
		s->state = SENTINEL_IDLE;
		s->waited_for = false;
		loop_disarm(s->loop, &s->timer);
		s->ops->on_not_found(s->arg, why);
	} else {
		if (s->state == SENTINEL_WATCHING)
			sentinel_move_to_back(s);
		sentinel_pause(s);
	}
}

/* ---------------------------------------------------------------- answers */

/* The sentinel that answered is asked first from now on. */
static void
sentinel_move_to_front(struct sentinel *s)
{
	uint8_t first = s->order[s->attempts];

	memmove(s->order + 1, s->order, s->attempts);
	s->order[0] = first;
}

static void
sentinel_switched(struct sentinel *s)
{
	bus_link_close(&s->link);
	loop_disarm(s->loop, &s->timer);
	s->state = SENTINEL_IDLE;
	s->checking = false;
	if (log_allow(&s->switch_limit, 1, s->loop->now))
		log_event(
			LOG_WARN, "sentinel", "state", LOG_STR("switched"), "master", LOG_STR(s->url->master), NULL);
	s->ops->on_switched(s->arg);
}

static void
sentinel_on_address(struct sentinel *s, struct text host, uint16_t port)
{
	bool same = s->port == port && text_is(host, text_from(s->host));

	memcpy(s->host, host.at, host.n);
	s->host[host.n] = '\0';
	s->port = port;
	sentinel_move_to_front(s);
	s->state = SENTINEL_WATCHING;
	loop_arm(s->loop, &s->timer, TIMEOUT_MS);
	if (s->waited_for) {
		s->waited_for = false;
		s->ops->on_found(s->arg, s->host, s->port);
	} else if (!same) {
		sentinel_switched(s);
	}
}

/* The answer is the address of the master, or nil if the sentinel does not know its name. */
static void
sentinel_on_answer(struct sentinel *s, const struct resp *reply)
{
	char why[BUS_WHY_MAX];
	uint64_t port;

	if (reply->type == RESP_ARRAY && reply->item_count == 2 && reply->items[0].n > 0 &&
		reply->items[0].n <= BUS_URL_HOST_MAX &&
		memchr(reply->items[0].at, '\0', reply->items[0].n) == NULL &&
		text_number(reply->items[1], UINT16_MAX, &port) == 0 && port > 0) {
		sentinel_on_address(s, reply->items[0], (uint16_t)port);
		return;
	}
	bus_link_close(&s->link);
	if (reply->type == RESP_ERROR && text_starts(reply->text, TEXT("NOAUTH")))
		snprintf(why, sizeof why,
			"refused: NOAUTH; the sentinels have a password of their own: set --redis-sentinel-password");
	else if (reply->type == RESP_ERROR)
		bus_error_write(why, "refused", reply->text, s->current.password);
	else if (reply->type == RESP_NIL)
		snprintf(why, sizeof why, "the sentinel does not know a master named \"%.100s\"", s->url->master);
	else
		snprintf(why, sizeof why, "malformed answer from the sentinel");
	sentinel_pass_over(s, why);
}

/* The event is "<master> <old host> <old port> <new host> <new port>". */
static void
sentinel_on_event(struct sentinel *s, struct text event)
{
	struct text name;

	if (text_cut(&event, ' ', &name) && text_is(name, text_from(s->url->master)))
		sentinel_switched(s);
}

static void
sentinel_on_reply(struct bus_link *link, const struct resp *reply)
{
	struct sentinel *s = link->arg;

	if (s->state == SENTINEL_ASKING)
		sentinel_on_answer(s, reply);
	else if (reply->type == RESP_ARRAY && text_is(reply->items[0], TEXT("message")))
		sentinel_on_event(s, reply->items[2]);
	else if (reply->type == RESP_ARRAY && text_is(reply->items[0], TEXT("pong")))
		s->checking = false;
	else if (reply->type == RESP_ERROR) { /* an ACL forbids the channel */
		bus_link_close(link);
		sentinel_pass_over(s, "the sentinel refuses the channel +switch-master");
	}
}

/* Both commands leave in one write at the end of the turn. */
static void
sentinel_on_ready(struct bus_link *link)
{
	struct sentinel *s = link->arg;
	struct text address[] = {TEXT("SENTINEL"), TEXT("get-master-addr-by-name"), text_from(s->url->master)};
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
	struct sentinel *s = container_of(entry, struct sentinel, timer);
	struct text ping[] = {TEXT("PING")};

	if (s->state == SENTINEL_PAUSING) {
		sentinel_ask_all(s);
	} else if (s->state == SENTINEL_ASKING || s->checking) {
		bus_link_close(&s->link);
		sentinel_pass_over(s, "timed out");
	} else {
		s->checking = true;
		bus_link_send(&s->link, 1, ping);
		loop_arm(s->loop, &s->timer, TIMEOUT_MS);
	}
}

/* ------------------------------------------------------------------- life */

struct sentinel *
sentinel_new(struct loop *l, const struct bus_url *url, const struct bus_access *access,
	const struct sentinel_ops *ops, void *arg)
{
	struct sentinel *s = mem_zalloc(sizeof *s);

	s->loop = l;
	s->url = url;
	s->ops = ops;
	s->arg = arg;
	for (unsigned i = 0; i < url->host_count; i++)
		s->order[i] = (uint8_t)i;
	s->current = (struct bus_url){.tls = url->tls, .password = (char *)access->sentinel_password};
	s->access = *access;
	s->access.last = (struct bus_access_last){0};
	s->access.password_file = NULL; /* it has the server's password, not the sentinels' */
	s->link = (struct bus_link){.loop = l,
		.url = &s->current,
		.access = &s->access,
		.ops = &link_ops,
		.arg = s,
		.timeout_ms = TIMEOUT_MS};
	bus_link_init(&s->link);
	wheel_entry_init(&s->timer, sentinel_on_timer);
	return s;
}

void
sentinel_free(struct sentinel *s)
{
	if (s == NULL)
		return;
	bus_link_close(&s->link);
	loop_disarm(s->loop, &s->timer);
	bus_access_forget(&s->access);
	mem_free(s);
}

void
sentinel_ask(struct sentinel *s, bool doubted)
{
	if (doubted && s->state == SENTINEL_WATCHING)
		sentinel_move_to_back(s);
	s->waited_for = true;
	sentinel_ask_all(s);
}
