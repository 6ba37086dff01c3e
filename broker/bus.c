/*
 *   state        leaves by                                      to
 *   WAITING      the pause is over                              CONNECTING
 *   CONNECTING   both links are logged in                       SUBSCRIBING
 *   SUBSCRIBING  every subscription is confirmed                PROVING
 *   PROVING      the message to oneself came back               UP
 *   UP           bus_close()                                    CLOSING
 *   CLOSING      everything is answered, or flush_ms over       gone
 *   any          a link lost, a deadline over                   WAITING (CLOSING: gone)
 */
#include "broker/bus.h"

#include <stdio.h>
#include <time.h>

#include "broker/bus_link.h"
#include "broker/hub_command.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"
#include "common/io/tls.h"

#define CHECK_MS 5000
#define TIMEOUT_MS 5000
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define QUEUED_MAX (1 << 20) /* bytes given to the connection; more waits here, where it can be dropped */
#define NONCE_LENGTH 16
#define NAME_MAX_LENGTH (1 << 20) /* of a prefix with its escapes */

enum bus_state { BUS_WAITING, BUS_CONNECTING, BUS_SUBSCRIBING, BUS_PROVING, BUS_UP, BUS_CLOSING };

/* A publish that waits for the bus. */
struct waiting {
	struct list link;
	struct block *payload;
	size_t n;
	char channel[];
};

/* What the command link will answer next: `n` publishes, or one count. */
struct expected {
	struct list link;
	uint64_t n;
	bool counting;
	struct bus_count *count; /* NULL: cancelled */
};

struct bus {
	struct loop *loop;
	struct bus_url url;
	struct tls_context *tls;
	const struct bus_ops *ops;
	void *arg;
	uint64_t max_queue, check_ms, timeout_ms;
	enum bus_state state;
	struct bus_link commands, subscriptions;
	struct wheel_entry timer; /* the pause, the deadline of a step, the next check */
	unsigned attempts;
	struct log_limit log_limit;

	struct table channels, prefixes; /* struct bus_subscription */
	uint64_t unconfirmed;
	struct buffer name; /* scratch */

	struct list waiting;
	uint64_t waiting_bytes;
	struct list expected;
	struct list refused; /* struct bus_count to be answered at the end of the turn */
	struct loop_call call;

	struct bus_subscription check;
	char *check_channel;
	char nonce[NONCE_LENGTH];
	bool checking;
	struct timespec checked;

	struct bus_stats stats;
	void (*closed)(void *arg);
	void *closed_arg;
};

static const struct bus_link_ops command_ops, subscription_ops;

static void
set_state(struct bus *b, enum bus_state state)
{
	bool was_up = b->state == BUS_UP;

	b->state = state;
	if (was_up != (state == BUS_UP) && state != BUS_CLOSING)
		b->ops->on_state(b->arg, state == BUS_UP);
}

/* ----------------------------------------------------------------- waiting */

static size_t
waiting_cost(const struct waiting *w)
{
	return sizeof *w + w->n + w->payload->len;
}

static void
waiting_free(struct bus *b, struct waiting *w)
{
	b->waiting_bytes -= waiting_cost(w);
	list_remove(&w->link);
	block_unref(w->payload);
	mem_free(w);
}

static void
wait_for_bus(struct bus *b, struct text channel, struct block *payload)
{
	struct waiting *w = mem_alloc(sizeof *w + channel.n);

	w->payload = block_ref(payload);
	w->n = channel.n;
	memcpy(w->channel, channel.at, channel.n);
	list_add_tail(&b->waiting, &w->link);
	b->waiting_bytes += waiting_cost(w);
	while (b->waiting_bytes > b->max_queue) {
		if (b->stats.dropped++ == 0 || log_allow(&b->log_limit, 1, b->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("the oldest publishes are dropped: redisMaxQueue is full"), "dropped",
				LOG_INT(b->stats.dropped), NULL);
		waiting_free(b, container_of(b->waiting.next, struct waiting, link));
	}
}

static void
expect(struct bus *b, bool counting, struct bus_count *count)
{
	struct expected *last =
		list_empty(&b->expected) ? NULL : container_of(b->expected.prev, struct expected, link);

	if (!counting && last != NULL && !last->counting) {
		last->n++;
		return;
	}
	last = mem_alloc(sizeof *last);
	*last = (struct expected){.n = 1, .counting = counting, .count = count};
	list_add_tail(&b->expected, &last->link);
}

static void
send_publish(struct bus *b, struct text channel, struct block *payload)
{
	struct conn *c = b->commands.conn;
	char head[64], middle[32];

	conn_send_copy(c, head, (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n", channel.n));
	conn_send_copy(c, channel.at, channel.n);
	conn_send_copy(c, middle, (size_t)snprintf(middle, sizeof middle, "\r\n$%u\r\n", payload->len));
	conn_send(c, payload, 0, payload->len);
	conn_send_copy(c, "\r\n", 2);
	expect(b, false, NULL);
}

/* As much as the connection may hold. */
static void
send_waiting(struct bus *b)
{
	while (!list_empty(&b->waiting) && conn_queued(b->commands.conn) < QUEUED_MAX) {
		struct waiting *w = container_of(b->waiting.next, struct waiting, link);

		send_publish(b, text_of(w->channel, w->n), w->payload);
		b->stats.published++;
		b->stats.bytes_published += w->payload->len;
		waiting_free(b, w);
	}
}

void
bus_publish(struct bus *b, struct text channel, struct block *payload)
{
	if (b->state == BUS_CLOSING)
		return;
	if (b->state != BUS_UP || !list_empty(&b->waiting) || conn_queued(b->commands.conn) >= QUEUED_MAX) {
		wait_for_bus(b, channel, payload);
		return;
	}
	send_publish(b, channel, payload);
	b->stats.published++;
	b->stats.bytes_published += payload->len;
}

/* ------------------------------------------------------------------ counts */

static void
refuse_count(struct bus *b, struct bus_count *c)
{
	list_add_tail(&b->refused, &c->link);
	loop_defer(b->loop, &b->call);
}

void
bus_count_init(struct bus_count *c, void (*answer)(struct bus_count *c, int64_t count))
{
	list_init(&c->link);
	c->slot = NULL;
	c->answer = answer;
}

void
bus_count(struct bus *b, struct bus_count *c, struct text channel)
{
	struct text args[] = {TEXT("PUBSUB"), TEXT("NUMSUB"), channel};

	must(c->slot == NULL && list_empty(&c->link));
	if (b->state != BUS_UP) {
		refuse_count(b, c);
		return;
	}
	bus_link_send(&b->commands, 3, args);
	expect(b, true, c);
	c->slot = &container_of(b->expected.prev, struct expected, link)->count;
}

void
bus_count_cancel(struct bus_count *c)
{
	if (c->slot != NULL)
		*c->slot = NULL;
	c->slot = NULL;
	list_remove(&c->link);
}

static void
answer_count(struct bus_count *c, int64_t count)
{
	if (c == NULL)
		return;
	c->slot = NULL;
	c->answer(c, count);
}

/* --------------------------------------------------------------- the end */

static void
gone(struct bus *b)
{
	void (*closed)(void *arg) = b->closed;
	void *arg = b->closed_arg;

	must(b->channels.count == 0 && b->prefixes.count == 0);
	while (!list_empty(&b->waiting))
		waiting_free(b, container_of(b->waiting.next, struct waiting, link));
	table_fini(&b->channels);
	table_fini(&b->prefixes);
	buffer_fini(&b->name);
	bus_url_fini(&b->url);
	tls_context_unref(b->tls);
	mem_free(b->check_channel);
	mem_free(b);
	if (closed != NULL)
		closed(arg);
}

/* Both links are closed: whoever waits for an answer will get none. */
static void
forget_expected(struct bus *b)
{
	while (!list_empty(&b->expected)) {
		struct expected *e = container_of(b->expected.next, struct expected, link);

		if (!e->counting) {
			b->stats.uncertain += e->n;
		} else if (e->count != NULL) {
			e->count->slot = NULL;
			refuse_count(b, e->count);
		}
		list_remove(&e->link);
		mem_free(e);
	}
	b->unconfirmed = 0;
	b->checking = false;
}

static void
close_links(struct bus *b)
{
	bus_link_close(&b->commands);
	bus_link_close(&b->subscriptions);
	forget_expected(b);
	loop_disarm(b->loop, &b->timer);
}

/* At the end of a turn: counts that cannot be answered, and the last call of all. */
static void
on_call(struct loop_call *call)
{
	struct bus *b = container_of(call, struct bus, call);

	while (!list_empty(&b->refused)) {
		struct bus_count *c = container_of(b->refused.next, struct bus_count, link);

		list_remove(&c->link);
		answer_count(c, ERR_CLOSED);
	}
	if (b->state == BUS_CLOSING && b->commands.conn == NULL)
		gone(b);
}

static void
finish_closing(struct bus *b)
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

static void
lost(struct bus *b, const char *why, bool malformed)
{
	char server[BUS_URL_NAME_MAX];
	uint64_t pause;

	if (b->state == BUS_CLOSING) {
		finish_closing(b);
		return;
	}
	close_links(b);
	b->stats.malformed += malformed;
	pause = next_pause(b);
	bus_url_name(&b->url, server);
	if (b->state == BUS_UP || log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_ERROR, "bus", "state", LOG_STR("down"), "server", LOG_STR(server), "reason",
			LOG_STR(why), "retry_ms", LOG_INT(pause), NULL);
	loop_arm(b->loop, &b->timer, pause);
	set_state(b, BUS_WAITING);
}

static void
on_lost(struct bus_link *link, const char *why, bool malformed)
{
	lost(link->arg, why, malformed);
}

/* ------------------------------------------------------------------ proof */

static void
send_check(struct bus *b)
{
	struct block *nonce;

	random_id(b->nonce, NONCE_LENGTH);
	nonce = block_copy(b->nonce, NONCE_LENGTH);
	send_publish(b, b->check.name, nonce);
	block_unref(nonce);
	clock_gettime(CLOCK_MONOTONIC, &b->checked);
	b->checking = true;
	loop_arm(b->loop, &b->timer, b->timeout_ms);
}

static void
on_check_message(struct bus_subscription *s, struct text channel, struct text payload)
{
	struct bus *b = container_of(s, struct bus, check);
	char server[BUS_URL_NAME_MAX];
	struct timespec now;

	(void)channel;
	if (!b->checking || !text_is(payload, text_of(b->nonce, NONCE_LENGTH)))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	b->stats.lag_us =
		(uint64_t)((now.tv_sec - b->checked.tv_sec) * 1000000 + (now.tv_nsec - b->checked.tv_nsec) / 1000);
	b->checking = false;
	if (b->state == BUS_CLOSING)
		return;
	loop_arm(b->loop, &b->timer, b->check_ms);
	if (b->state != BUS_PROVING)
		return;
	b->attempts = 0;
	bus_url_name(&b->url, server);
	log_event(LOG_INFO, "bus", "state", LOG_STR("up"), "server", LOG_STR(server), "lag_us",
		LOG_INT(b->stats.lag_us), "waiting_bytes", LOG_INT(b->waiting_bytes), NULL);
	/* what waited goes first */
	b->state = BUS_UP;
	send_waiting(b);
	b->ops->on_state(b->arg, true);
}

/* ----------------------------------------------------------- subscriptions */

/* What a subscription is called on the wire; a prefix is a pattern, written to b->name. */
static struct text
wire_name(struct bus *b, const struct bus_subscription *s)
{
	if (!s->prefix)
		return s->name;
	buffer_reset(&b->name);
	for (size_t i = 0; i < s->name.n; i++) {
		if (memchr("*?[]^-\\", s->name.at[i], 7) != NULL)
			buffer_add_byte(&b->name, '\\');
		buffer_add_byte(&b->name, (uint8_t)s->name.at[i]);
	}
	buffer_add_byte(&b->name, '*');
	return buffer_text(&b->name);
}

static void
send_subscribe(struct bus *b, const struct bus_subscription *s, bool on)
{
	struct text args[] = {TEXT_NONE, wire_name(b, s)};

	if (s->prefix)
		args[0] = on ? TEXT("PSUBSCRIBE") : TEXT("PUNSUBSCRIBE");
	else
		args[0] = on ? TEXT("SUBSCRIBE") : TEXT("UNSUBSCRIBE");
	bus_link_send(&b->subscriptions, 2, args);
	b->unconfirmed += on;
}

void
bus_subscribe(struct bus *b, struct bus_subscription *s)
{
	table_add(s->prefix ? &b->prefixes : &b->channels, &s->node, s->name);
	if (b->subscriptions.ready && b->state >= BUS_SUBSCRIBING)
		send_subscribe(b, s, true);
}

void
bus_unsubscribe(struct bus *b, struct bus_subscription *s)
{
	table_remove(s->prefix ? &b->prefixes : &b->channels, &s->node);
	if (b->subscriptions.ready && b->state >= BUS_SUBSCRIBING)
		send_subscribe(b, s, false);
}

static void
subscribe_all(struct bus *b, const struct table *t)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(t, &cursor)) != NULL)
		send_subscribe(b, container_of(node, struct bus_subscription, node), true);
}

static void
on_confirmed(struct bus *b)
{
	if (b->unconfirmed > 0)
		b->unconfirmed--;
	if (b->unconfirmed > 0 || b->state != BUS_SUBSCRIBING)
		return;
	set_state(b, BUS_PROVING);
	send_check(b);
}

static void
deliver(struct bus *b, bool prefix, struct text name, struct text channel, struct text payload)
{
	struct table_node *node = table_find(prefix ? &b->prefixes : &b->channels, name);
	struct bus_subscription *s;

	if (node == NULL)
		return; /* unsubscribed meanwhile */
	s = container_of(node, struct bus_subscription, node);
	if (s != &b->check) {
		b->stats.received++;
		b->stats.bytes_received += payload.n;
	}
	s->on_message(s, channel, payload);
}

static void
deliver_pattern(struct bus *b, const struct resp *reply)
{
	struct text pattern = reply->items[1];

	if (memchr(pattern.at, '\\', pattern.n) == NULL && pattern.n > 0) {
		pattern.n--;
	} else {
		buffer_reset(&b->name);
		if (hub_pattern_prefix(pattern, &b->name) < 0)
			return;
		pattern = buffer_text(&b->name);
	}
	deliver(b, true, pattern, reply->items[2], reply->items[3]);
}

static void
on_pushed(struct bus_link *link, const struct resp *reply)
{
	struct bus *b = link->arg;
	struct text kind = reply->item_count > 0 ? reply->items[0] : TEXT_NONE;
	char why[200];

	if (reply->type == RESP_ERROR) {
		snprintf(why, sizeof why, "subscribing refused: %.*s",
			(int)(reply->text.n < 150 ? reply->text.n : 150), reply->text.at);
		lost(b, why, false);
	} else if (reply->type != RESP_ARRAY || kind.at == NULL) {
		lost(b, "a strange message", true);
	} else if (reply->item_count == 4 && text_is(kind, TEXT("pmessage")) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL && reply->items[3].at != NULL) {
		deliver_pattern(b, reply);
	} else if (reply->item_count == 3 && text_is(kind, TEXT("message")) && reply->items[1].at != NULL &&
		   reply->items[2].at != NULL) {
		deliver(b, false, reply->items[1], reply->items[1], reply->items[2]);
	} else if (text_is(kind, TEXT("subscribe")) || text_is(kind, TEXT("psubscribe"))) {
		on_confirmed(b);
	}
}

/* ---------------------------------------------------------------- commands */

static void
on_publish_answer(struct bus *b, const struct resp *reply)
{
	if (reply->type != RESP_ERROR)
		return;
	b->stats.dropped++;
	if (log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_ERROR, "bus", "error", LOG_STR("the server refuses a publish"), "reason",
			LOG_TEXT(reply->text), NULL);
}

static void
on_answer(struct bus_link *link, const struct resp *reply)
{
	struct bus *b = link->arg;
	struct expected *e = list_empty(&b->expected) ? NULL : container_of(b->expected.next, struct expected, link);
	struct bus_count *count;
	char why[200];

	if (e == NULL && reply->type == RESP_ERROR) { /* too many clients, protected mode */
		snprintf(why, sizeof why, "the server says: %.*s", (int)(reply->text.n < 150 ? reply->text.n : 150),
			reply->text.at);
		lost(b, why, false);
		return;
	}
	if (e == NULL ||
		(reply->type != RESP_ERROR && (e->counting ? reply->type != RESP_ARRAY || reply->item_count != 2
							   : reply->type != RESP_INTEGER))) {
		lost(b, "an answer that nothing was asked for", true);
		return;
	}
	count = e->count;
	if (!e->counting)
		on_publish_answer(b, reply);
	if (--e->n == 0) {
		bool counting = e->counting;

		list_remove(&e->link);
		mem_free(e);
		if (counting)
			answer_count(count, reply->type == RESP_ERROR ? ERR_CLOSED : reply->integer);
	}
	if (b->state == BUS_CLOSING && list_empty(&b->expected) && list_empty(&b->waiting))
		finish_closing(b);
}

static void
on_drain(struct bus_link *link)
{
	struct bus *b = link->arg;

	if (link == &b->commands && (b->state == BUS_UP || b->state == BUS_CLOSING))
		send_waiting(b);
}

/* ------------------------------------------------------------------- start */

static void
on_ready(struct bus_link *link)
{
	struct bus *b = link->arg;

	b->stats.connects++;
	if (!b->commands.ready || !b->subscriptions.ready || b->state != BUS_CONNECTING)
		return;
	set_state(b, BUS_SUBSCRIBING);
	loop_arm(b->loop, &b->timer, b->timeout_ms);
	subscribe_all(b, &b->channels);
	subscribe_all(b, &b->prefixes);
}

static const struct bus_link_ops command_ops = {on_ready, on_answer, on_drain, on_lost};
static const struct bus_link_ops subscription_ops = {on_ready, on_pushed, on_drain, on_lost};

static void
on_timer(struct wheel_entry *entry)
{
	struct bus *b = container_of(entry, struct bus, timer);

	switch (b->state) {
	case BUS_WAITING:
		set_state(b, BUS_CONNECTING);
		loop_arm(b->loop, &b->timer, 2 * b->timeout_ms);
		bus_link_open(&b->commands);
		bus_link_open(&b->subscriptions);
		break;
	case BUS_CONNECTING:
	case BUS_SUBSCRIBING:
		lost(b, "no answer in time", false);
		break;
	case BUS_PROVING:
	case BUS_UP:
		if (!b->checking) {
			send_check(b);
			break;
		}
		b->stats.alarms++;
		lost(b, "a message to oneself did not come back", false);
		break;
	case BUS_CLOSING:
		finish_closing(b);
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
	size_t size = strlen(key) + sizeof "-check##" + NONCE_LENGTH;
	char id[NONCE_LENGTH + 1] = "";

	random_id(id, NONCE_LENGTH);
	b->check_channel = mem_alloc(size);
	snprintf(b->check_channel, size, "%s-check#%s#", key, id);
	b->check.name = text_from(b->check_channel);
	b->check.on_message = on_check_message;
	table_add(&b->channels, &b->check.node, b->check.name);
}

int
bus_open(struct bus **out, struct loop *l, const struct bus_options *o, const struct bus_ops *ops, void *arg,
	char error[BUS_ERROR_MAX])
{
	struct bus *b = mem_zalloc(sizeof *b);
	int rc = bus_url_parse(&b->url, o->url, error);

	_Static_assert(BUS_ERROR_MAX >= TLS_ERROR_MAX, "a TLS error must fit");
	if (rc == 0 && b->url.tls)
		rc = tls_client_new(&b->tls, o->ca_file, b->url.host, error);
	if (rc < 0) {
		bus_url_fini(&b->url);
		mem_free(b);
		return rc;
	}
	b->loop = l;
	b->ops = ops;
	b->arg = arg;
	b->max_queue = o->max_queue;
	b->check_ms = o->check_ms > 0 ? o->check_ms : CHECK_MS;
	b->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
	table_init(&b->channels);
	table_init(&b->prefixes);
	buffer_init(&b->name, NAME_MAX_LENGTH);
	list_init(&b->waiting);
	list_init(&b->expected);
	list_init(&b->refused);
	wheel_entry_init(&b->timer, on_timer);
	loop_call_init(&b->call, on_call);
	init_link(b, &b->commands, &command_ops);
	init_link(b, &b->subscriptions, &subscription_ops);
	init_check(b, o->key);
	loop_arm(l, &b->timer, 0);
	*out = b;
	return 0;
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
	finish_closing(b);
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
