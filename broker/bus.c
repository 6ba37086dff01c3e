/*
 *   state        leaves by                                      to
 *   WAITING      the pause is over                              CONNECTING
 *   CONNECTING   both links are logged in, to a master          SUBSCRIBING
 *   SUBSCRIBING  every subscription is confirmed                PROVING
 *   PROVING      the message to oneself came back               UP
 *   UP           bus_close()                                    CLOSING
 *   CLOSING      everything is answered, or flush_ms over       gone
 *   any          a link lost, a deadline over                   WAITING (CLOSING: gone)
 *
 * A link that is lost alone is made anew alone: WAITING and CONNECTING are passed with the other one in use, and
 * SUBSCRIBING at once where the subscriptions are still in force.
 */
#include <stdio.h>

#include "broker/bus_internal.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/tls.h"

#define CHECK_MS 5000	 /* between messages to oneself */
#define TIMEOUT_MS 5000	 /* for one of them to come back, and for a connection to stand */
#define PAUSE_MIN_MS 100 /* between attempts to connect, twice as long each time */
#define PAUSE_MAX_MS 5000
#define KEEP_ALIVE_MIN_MS 250 /* between messages to oneself, where the server cuts idle connections early */
#define EXTENSIONS_MAX 6      /* of the deadline of a message to oneself: half a minute in all */

static void
set_state(struct bus *b, enum bus_state state)
{
	bool was_up = b->state == BUS_UP;

	b->state = state;
	if (was_up && state != BUS_UP && state != BUS_CLOSING)
		b->stats.downs++;
}

/* --------------------------------------------------------------- the end */

static void
gone(struct bus *b)
{
	void (*closed)(void *arg) = b->closed;
	void *arg = b->closed_arg;

	bus_publish_fini(b);
	bus_subscribe_fini(b);
	bus_url_fini(&b->url);
	tls_context_free(b->tls);
	mem_free(b->check_channel);
	mem_free(b);
	if (closed != NULL)
		closed(arg);
}

static void
close_links(struct bus *b)
{
	bus_link_close(&b->commands);
	bus_link_close(&b->subscriptions);
	bus_forget_answers(b);
	bus_forget_subscriptions(b);
	b->checking = false;
	loop_disarm(b->loop, &b->timer);
}

/* At the end of a turn: counts that cannot be answered, and the last call of all. */
static void
on_call(struct loop_call *call)
{
	struct bus *b = container_of(call, struct bus, call);

	bus_answer_refused(b);
	if (b->state == BUS_CLOSING && b->commands.conn == NULL)
		gone(b);
}

void
bus_finish_closing(struct bus *b)
{
	close_links(b);
	loop_defer(b->loop, &b->call);
}

/* ------------------------------------------------------------ loss, retry */

static uint64_t
next_pause(struct bus *b)
{
	uint64_t pause = b->attempts < 6 ? (uint64_t)PAUSE_MIN_MS << b->attempts : PAUSE_MAX_MS;

	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	b->attempts++;
	return pause / 2 + random_below((uint32_t)(pause / 2) + 1);
}

/* What is left of the links stays; those that are gone are dialled after a pause. */
static void
pause_then_retry(struct bus *b, const char *why, bool malformed)
{
	char server[BUS_URL_NAME_MAX];
	uint64_t pause = next_pause(b);

	b->checking = false;
	b->stats.malformed += malformed;
	bus_url_name(&b->url, server);
	if (b->state == BUS_UP || log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_ERROR, "bus", "state", LOG_STR("down"), "server", LOG_STR(server), "reason",
			LOG_STR(why), "retry_ms", LOG_INT(pause), NULL);
	loop_arm(b->loop, &b->timer, pause);
	b->hopeless = true;
	set_state(b, BUS_WAITING);
	b->ops->on_hopeless(b->arg);
}

void
bus_lost(struct bus *b, const char *why, bool malformed)
{
	if (b->state == BUS_CLOSING) {
		bus_finish_closing(b);
		return;
	}
	close_links(b);
	pause_then_retry(b, why, malformed);
}

/* Cut while nothing was asked: the server's time-out for idle connections is shorter than the pause between checks.
 */
static void
learn_keep_alive(struct bus *b)
{
	uint64_t idle = b->loop->now - b->used;

	if (b->state != BUS_UP || b->checking || !list_empty(&b->expected) || idle < KEEP_ALIVE_MIN_MS)
		return;
	b->keep_alive_ms = idle / 2 > KEEP_ALIVE_MIN_MS ? idle / 2 : KEEP_ALIVE_MIN_MS;
}

static void
on_lost(struct bus_link *link, const char *why, bool malformed)
{
	struct bus *b = link->arg;

	if (b->state == BUS_CLOSING) {
		/* what still has to go out needs no subscriptions */
		if (link != &b->subscriptions)
			bus_finish_closing(b);
		return;
	}
	if (link == &b->commands) {
		learn_keep_alive(b);
		bus_forget_answers(b);
	} else {
		bus_forget_subscriptions(b);
	}
	if (b->state != BUS_WAITING) /* else the other one went first, and all is under way */
		pause_then_retry(b, why, malformed);
}

/* ------------------------------------------------------------------ proof */

static void
wait_for_check(struct bus *b)
{
	b->read_before = b->subscriptions.read;
	b->answers_before = b->commands.read;
	b->queued = conn_queued(b->commands.conn);
	b->check_due = b->loop->now + b->timeout_ms;
	loop_arm(b->loop, &b->timer, b->timeout_ms);
}

/*
 * A message to oneself stands in line: behind large ones while bytes still move, and unread while this process was
 * kept from its loop. To give up the connections for that would lose what is on its way. But publishes that are still
 * answered say nothing about a link for messages from which nothing comes any more.
 */
static bool
may_still_come(const struct bus *b)
{
	bool sending = b->answered_publishes < b->check_number;
	bool moved =
		b->subscriptions.read != b->read_before ||
		(sending && (b->commands.read != b->answers_before || conn_queued(b->commands.conn) < b->queued));
	bool kept_away = b->loop->now > b->check_due + b->timeout_ms / 4;

	return b->extensions < EXTENSIONS_MAX && (moved || kept_away);
}

static void
send_check(struct bus *b)
{
	struct block *nonce;

	random_id(b->nonce, BUS_NONCE_LENGTH);
	nonce = block_copy(b->nonce, BUS_NONCE_LENGTH);
	bus_send_publish(b, b->check.name, nonce);
	b->check_number = b->sent_publishes;
	block_unref(nonce);
	if (b->replicated && b->state == BUS_UP)
		bus_send_role(b);
	clock_gettime(CLOCK_MONOTONIC, &b->checked);
	b->checking = true;
	b->extensions = 0;
	wait_for_check(b);
}

static void
on_check_message(struct bus_subscription *s, struct text channel, struct text payload)
{
	struct bus *b = container_of(s, struct bus, check);
	char server[BUS_URL_NAME_MAX];
	struct timespec now;

	(void)channel;
	if (!b->checking || !text_is(payload, text_of(b->nonce, BUS_NONCE_LENGTH)))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	b->stats.lag_us =
		(uint64_t)((now.tv_sec - b->checked.tv_sec) * 1000000 + (now.tv_nsec - b->checked.tv_nsec) / 1000);
	b->checking = false;
	if (b->state == BUS_CLOSING)
		return;
	loop_arm(b->loop, &b->timer, b->keep_alive_ms < b->check_ms ? b->keep_alive_ms : b->check_ms);
	if (b->state != BUS_PROVING) {
		b->attempts = 0; /* not before: a bus that comes and goes is not tried without pause */
		return;
	}
	bus_url_name(&b->url, server);
	log_event(LOG_INFO, "bus", "state", LOG_STR("up"), "server", LOG_STR(server), "lag_us",
		LOG_INT(b->stats.lag_us), "waiting_bytes", LOG_INT(b->waiting_bytes), NULL);
	/* what waited goes first */
	b->state = BUS_UP;
	b->hopeless = false;
	bus_send_waiting(b);
	b->stats.ups++;
}

void
bus_subscribed(struct bus *b)
{
	set_state(b, BUS_PROVING);
	send_check(b);
}

/* ------------------------------------------------------------------- start */

static void
on_drain(struct bus_link *link)
{
	struct bus *b = link->arg;

	if (link == &b->commands && (b->state == BUS_UP || b->state == BUS_CLOSING))
		bus_send_waiting(b);
}

static void
on_ready(struct bus_link *link)
{
	struct bus *b = link->arg;

	b->stats.connects++;
	if (!b->commands.ready || !b->subscriptions.ready || b->state != BUS_CONNECTING)
		return;
	loop_arm(b->loop, &b->timer, b->timeout_ms);
	if (b->replicated)
		bus_send_role(b);
	else
		bus_trusted(b);
}

void
bus_trusted(struct bus *b)
{
	if (b->state != BUS_CONNECTING)
		return;
	set_state(b, BUS_SUBSCRIBING);
	loop_arm(b->loop, &b->timer, b->timeout_ms);
	if (!b->listening)
		bus_subscribe_all(b);
	else if (b->confirmed == b->sent)
		bus_subscribed(b);
}

static const struct bus_link_ops command_ops = {on_ready, bus_on_answer, on_drain, on_lost};
static const struct bus_link_ops subscription_ops = {on_ready, bus_on_pushed, on_drain, on_lost};

/* Unless it is the one that was not lost. */
static void
open_link(struct bus_link *link)
{
	if (link->dial == NULL && link->conn == NULL)
		bus_link_open(link);
}

static void
give_up_connecting(struct bus *b)
{
	/* a Redis without TLS takes a greeting for a command that is not over yet */
	const char *why = b->tls != NULL ? "no answer in time; does that port speak TLS?" : "no answer in time";

	if (b->commands.ready == b->subscriptions.ready) {
		bus_lost(b, why, false);
		return;
	}
	/* the other one goes on */
	bus_link_close(b->commands.ready ? &b->subscriptions : &b->commands);
	pause_then_retry(b, why, false);
}

static void
on_timer(struct wheel_entry *entry)
{
	struct bus *b = container_of(entry, struct bus, timer);

	switch (b->state) {
	case BUS_WAITING:
		set_state(b, BUS_CONNECTING);
		loop_arm(b->loop, &b->timer, 2 * b->timeout_ms);
		open_link(&b->commands);
		open_link(&b->subscriptions);
		break;
	case BUS_CONNECTING:
		give_up_connecting(b);
		break;
	case BUS_SUBSCRIBING:
		bus_lost(b, "no answer in time", false);
		break;
	case BUS_PROVING:
	case BUS_UP:
		if (!b->checking) {
			send_check(b);
			break;
		}
		if (may_still_come(b)) {
			b->extensions++;
			wait_for_check(b);
			break;
		}
		b->stats.alarms++;
		bus_lost(b, "a message to oneself did not come back", false);
		break;
	case BUS_CLOSING:
		bus_finish_closing(b);
		break;
	}
}

static void
init_link(struct bus *b, struct bus_link *link, const struct bus_link_ops *ops)
{
	link->loop = b->loop;
	link->url = &b->url;
	link->tls = b->tls;
	link->ops = ops;
	link->arg = b;
	link->timeout_ms = b->timeout_ms;
	bus_link_init(link);
}

static void
init_check(struct bus *b, const char *key)
{
	size_t size = strlen(key) + sizeof "-check##" + BUS_NONCE_LENGTH;
	char id[BUS_NONCE_LENGTH + 1] = "";

	random_id(id, BUS_NONCE_LENGTH);
	b->check_channel = mem_alloc(size);
	snprintf(b->check_channel, size, "%s-check#%s#", key, id);
	b->check.name = text_from(b->check_channel);
	b->check.on_message = on_check_message;
	bus_subscribe(b, &b->check);
}

struct bus *
bus_open(struct loop *l, const struct bus_options *o, const struct bus_ops *ops, void *arg)
{
	struct bus *b = mem_zalloc(sizeof *b);

	b->url = *o->server;
	*o->server = (struct bus_url){.host = NULL};
	b->tls = o->tls;
	b->replicated = o->replicated;
	b->loop = l;
	b->ops = ops;
	b->arg = arg;
	b->max_queue = o->max_queue;
	b->check_ms = o->check_ms > 0 ? o->check_ms : CHECK_MS;
	b->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
	b->keep_alive_ms = b->check_ms;
	bus_publish_init(b);
	bus_subscribe_init(b);
	wheel_entry_init(&b->timer, on_timer);
	loop_call_init(&b->call, on_call);
	init_link(b, &b->commands, &command_ops);
	init_link(b, &b->subscriptions, &subscription_ops);
	init_check(b, o->key);
	loop_arm(l, &b->timer, 0);
	return b;
}

void
bus_close(struct bus *b, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	bool up = b->state == BUS_UP;

	b->closed = closed;
	b->closed_arg = arg;
	bus_unsubscribe(b, &b->check);
	b->state = BUS_CLOSING;
	b->checking = false;
	if (up && flush_ms > 0 && !(list_empty(&b->waiting) && list_empty(&b->expected))) {
		loop_arm(b->loop, &b->timer, flush_ms);
		return;
	}
	bus_finish_closing(b);
}

bool
bus_up(const struct bus *b)
{
	return b->state == BUS_UP;
}

void
bus_stats(const struct bus *b, struct bus_stats *out)
{
	*out = b->stats;
	out->up = b->state == BUS_UP;
	out->queue_bytes = b->waiting_bytes + (b->commands.conn != NULL ? conn_queued(b->commands.conn) : 0);
}
