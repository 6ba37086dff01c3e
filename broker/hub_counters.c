/*
 *   state of a connection   event                                        next state
 *   CLOSED                  a channel is added                           OPEN
 *   OPEN                    the connection is lost                       PAUSED
 *   PAUSED                  the pause is over                            OPEN
 *   OPEN, PAUSED            its last channel is removed, or a cut        CLOSED
 */
#include "broker/hub_counters.h"

#include "broker/bus_error.h"
#include "broker/bus_link.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define CHECK_MS 5000
#define PAUSE_MIN_MS 100 /* the second pause; the first attempt follows at once */
#define PAUSE_MAX_MS 1000

enum counter_state { COUNTER_CLOSED, COUNTER_OPEN, COUNTER_PAUSED };

/* One connection. */
struct hub_counter {
	struct hub_counters *all;
	enum counter_state state;
	struct bus_link link;
	struct list confirmed, unconfirmed; /* struct hub_count; the latter in the order of sending */
	uint64_t sent, answered;	    /* SUBSCRIBE commands on this connection */
	uint64_t check_number;		    /* of the one that has to be answered before the next check */
	unsigned attempts;		    /* since the last confirmation */
	struct wheel_entry timer;	    /* the pause, or the next check */
};

/* One channel on one connection. */
struct hub_count {
	struct list link; /* in `confirmed` or `unconfirmed` of the connection */
	struct list in_channel;
	struct hub_counter *counter;
	struct hub_counted *channel;
	uint64_t number; /* of its SUBSCRIBE */
	bool confirmed;
};

struct hub_counters {
	struct hub_counters_setup setup;
	struct hub_counter **list;
	unsigned count;
	struct log_limit log_limit;
};

/* ---------------------------------------------------------------- sending */

static void
counter_send(struct hub_counter *counter, struct text command, struct text name)
{
	struct text args[] = {command, name};

	bus_link_send(&counter->link, 2, args);
}

static void
counter_subscribe(struct hub_counter *counter, struct hub_count *count)
{
	count->number = ++counter->sent;
	counter_send(counter, TEXT("SUBSCRIBE"), count->channel->name);
}

/* ----------------------------------------------------------------- states */

static void
counter_forget(struct hub_counter *counter)
{
	while (!list_empty(&counter->confirmed)) {
		struct hub_count *count = container_of(counter->confirmed.next, struct hub_count, link);

		list_remove(&count->link);
		list_add_tail(&counter->unconfirmed, &count->link);
		count->confirmed = false;
		count->channel->confirmed--;
	}
	counter->sent = counter->answered = counter->check_number = 0;
}

static void
counter_close(struct hub_counter *counter)
{
	bus_link_close(&counter->link);
	loop_disarm(counter->all->setup.loop, &counter->timer);
	counter_forget(counter);
	counter->state = COUNTER_CLOSED;
}

static uint64_t
counter_next_pause(struct hub_counter *counter)
{
	unsigned attempt = counter->attempts++;
	uint64_t pause;

	if (attempt == 0)
		return 0;
	pause = attempt < 5 ? (uint64_t)PAUSE_MIN_MS << (attempt - 1) : PAUSE_MAX_MS;
	return pause / 2 + random_below((uint32_t)(pause / 2) + 1);
}

static void
counter_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	struct hub_counter *counter = link->arg;
	struct loop *loop = counter->all->setup.loop;
	uint64_t pause = counter_next_pause(counter);

	(void)malformed;
	if (log_allow(&counter->all->log_limit, 1, loop->now))
		log_event(LOG_WARN, "hub", "error",
			LOG_STR("lost a connection by which Redis counts a worker: other servers count one worker "
				"too few"),
			"reason", LOG_STR(why), "retry_ms", LOG_INT(pause), NULL);
	counter_forget(counter);
	counter->state = COUNTER_PAUSED;
	loop_arm(loop, &counter->timer, pause);
}

static void
counter_lose(struct hub_counter *counter, const char *why)
{
	bus_link_close(&counter->link);
	counter_on_lost(&counter->link, why, false);
}

static void
counter_open(struct hub_counter *counter)
{
	counter->state = COUNTER_OPEN;
	bus_link_open(&counter->link);
}

static void
counter_on_ready(struct bus_link *link)
{
	struct hub_counter *counter = link->arg;
	struct list *it, *next;

	list_each(it, next, &counter->unconfirmed)
		counter_subscribe(counter, container_of(it, struct hub_count, link));
	counter->check_number = counter->sent;
	loop_arm(counter->all->setup.loop, &counter->timer, counter->all->setup.check_ms);
}

/*
 * The check is a SUBSCRIBE for a channel that is subscribed to already. It changes nothing, and unlike PING it needs
 * no right that the nodes' user may lack.
 */
static void
counter_check(struct hub_counter *counter)
{
	const struct list *first =
		list_empty(&counter->confirmed) ? counter->unconfirmed.next : counter->confirmed.next;

	if (counter->answered < counter->check_number) {
		counter_lose(counter, "timed out waiting for an answer");
		return;
	}
	counter_send(counter, TEXT("SUBSCRIBE"), container_of(first, struct hub_count, link)->channel->name);
	counter->check_number = ++counter->sent;
	loop_arm(counter->all->setup.loop, &counter->timer, counter->all->setup.check_ms);
}

static void
counter_on_timer(struct wheel_entry *entry)
{
	struct hub_counter *counter = container_of(entry, struct hub_counter, timer);

	if (counter->state == COUNTER_PAUSED)
		counter_open(counter);
	else
		counter_check(counter);
}

/* ----------------------------------------------------------------- answers */

/* The number of a confirmation identifies its command, as Redis answers in order. */
static void
counter_on_subscribed(struct hub_counter *counter)
{
	struct hub_count *first;

	if (counter->answered < counter->sent)
		counter->answered++;
	if (list_empty(&counter->unconfirmed))
		return;
	first = container_of(counter->unconfirmed.next, struct hub_count, link);
	if (first->number != counter->answered)
		return;
	list_remove(&first->link);
	list_add_tail(&counter->confirmed, &first->link);
	first->confirmed = true;
	first->channel->confirmed++;
	counter->attempts = 0;
	counter->all->setup.on_confirmed(counter->all->setup.arg);
}

static void
counter_on_reply(struct bus_link *link, const struct resp *reply)
{
	struct hub_counter *counter = link->arg;
	char why[BUS_WHY_MAX];

	if (reply->type == RESP_ERROR) {
		bus_error_write(why, "subscribing refused", reply->text, link->password);
		counter_lose(counter, why);
	} else if (reply->type != RESP_ARRAY || reply->item_count == 0 || reply->items[0].at == NULL) {
		counter_lose(counter, "unexpected message on the subscription connection");
	} else if (text_is(reply->items[0], TEXT("subscribe"))) {
		counter_on_subscribed(counter);
	}
}

static void
counter_on_drain(struct bus_link *link)
{
	(void)link;
}

static const struct bus_link_ops counter_ops = {.on_ready = counter_on_ready,
	.on_reply = counter_on_reply,
	.on_drain = counter_on_drain,
	.on_lost = counter_on_lost};

/* ---------------------------------------------------------------- channels */

static struct hub_counter *
hub_counter_new(struct hub_counters *counters)
{
	struct hub_counter *counter = mem_zalloc(sizeof *counter);

	counter->all = counters;
	list_init(&counter->confirmed);
	list_init(&counter->unconfirmed);
	wheel_entry_init(&counter->timer, counter_on_timer);
	bus_init_side_link(counters->setup.bus, &counter->link, &counter_ops, counter);
	counters->list = mem_realloc(counters->list, (counters->count + 1) * sizeof(struct hub_counter *));
	counters->list[counters->count++] = counter;
	return counter;
}

static void
hub_counters_add(struct hub_counters *counters, struct hub_counted *channel)
{
	unsigned i = channel->count++;
	struct hub_count *count = mem_zalloc(sizeof *count);

	must(i <= counters->count);
	count->counter = i < counters->count ? counters->list[i] : hub_counter_new(counters);
	count->channel = channel;
	list_add_tail(&channel->counts, &count->in_channel);
	list_add_tail(&count->counter->unconfirmed, &count->link);
	if (count->counter->state == COUNTER_CLOSED)
		counter_open(count->counter);
	else if (count->counter->link.ready)
		counter_subscribe(count->counter, count);
}

static void
hub_counters_remove_last(struct hub_counted *channel)
{
	struct hub_count *last = container_of(channel->counts.prev, struct hub_count, in_channel);
	struct hub_counter *counter = last->counter;

	channel->count--;
	channel->confirmed -= last->confirmed;
	list_remove(&last->in_channel);
	list_remove(&last->link);
	mem_free(last);
	if (list_empty(&counter->confirmed) && list_empty(&counter->unconfirmed))
		counter_close(counter);
	else if (counter->link.ready)
		counter_send(counter, TEXT("UNSUBSCRIBE"), channel->name);
}

void
hub_counted_init(struct hub_counted *channel, struct text name)
{
	channel->name = name;
	channel->count = channel->confirmed = 0;
	list_init(&channel->counts);
}

void
hub_counters_set(struct hub_counters *counters, struct hub_counted *channel, unsigned count)
{
	while (channel->count < count)
		hub_counters_add(counters, channel);
	while (channel->count > count)
		hub_counters_remove_last(channel);
}

void
hub_counters_cut(struct hub_counters *counters)
{
	for (unsigned i = 0; i < counters->count; i++)
		counter_close(counters->list[i]);
}

unsigned
hub_counters_up(const struct hub_counters *counters)
{
	unsigned n = 0;

	for (unsigned i = 0; i < counters->count; i++)
		n += counters->list[i]->link.ready && list_empty(&counters->list[i]->unconfirmed);
	return n;
}

/* -------------------------------------------------------------------- life */

struct hub_counters *
hub_counters_new(const struct hub_counters_setup *setup)
{
	struct hub_counters *counters = mem_zalloc(sizeof *counters);

	counters->setup = *setup;
	if (setup->check_ms == 0)
		counters->setup.check_ms = CHECK_MS;
	return counters;
}

void
hub_counters_free(struct hub_counters *counters)
{
	for (unsigned i = 0; i < counters->count; i++) {
		must(counters->list[i]->state == COUNTER_CLOSED);
		mem_free(counters->list[i]);
	}
	mem_free(counters->list);
	mem_free(counters);
}
