#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define QUEUED_MAX (1 << 20) /* bytes given to the connection; more waits here, where it can be dropped */
#define HEAD_MAX 256	     /* of a publish: most are shorter, and then copied once */

/* A publish that waits for the bus. */
struct waiting {
	struct list link;
	struct block *payload;
	size_t n;
	char channel[];
};

/* What the command link will answer next: `n` publishes, one count, or whether the server is a replica. */
struct expected {
	struct list link;
	uint64_t n;
	enum expected_kind { PUBLISHES, COUNT, ROLE } kind;
	struct bus_count *count; /* NULL: cancelled */
};

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

/* To let the others go for one message that does not fit even then would lose all of them for nothing. */
static int
refuse(struct bus *b, size_t size)
{
	if (b->stats.refused++ == 0 || log_allow(&b->log_limit, 1, b->loop->now))
		log_event(LOG_WARN, "bus", "error",
			LOG_STR("a publish is refused: it is larger than redisMaxQueue and would have to wait"),
			"bytes", LOG_INT(size), "max", LOG_INT(b->max_queue), "refused", LOG_INT(b->stats.refused),
			NULL);
	return ERROR_TOO_BIG;
}

static void send_trial(struct bus *b);

/* The first one that waits and is not under way as a trial. */
static struct waiting *
oldest(const struct bus *b)
{
	const struct list *first = b->trial != NULL ? b->trial->link.next : b->waiting.next;

	return first != &b->waiting ? container_of(first, struct waiting, link) : NULL;
}

static int
wait_for_bus(struct bus *b, struct text channel, struct block *payload)
{
	size_t size = sizeof(struct waiting) + channel.n + payload->len;
	struct waiting *w;

	if (size > b->max_queue)
		return refuse(b, size);
	w = mem_try_alloc(sizeof *w + channel.n);
	if (w == NULL) {
		loop_count_no_memory(b->loop);
		return ERROR_MEMORY;
	}
	w->payload = block_ref(payload);
	w->n = channel.n;
	memcpy(w->channel, channel.at, channel.n);
	list_add_tail(&b->waiting, &w->link);
	b->waiting_bytes += waiting_cost(w);
	while (b->waiting_bytes > b->max_queue && oldest(b) != NULL) {
		if (b->stats.dropped++ == 0 || log_allow(&b->log_limit, 1, b->loop->now))
			log_event(LOG_WARN, "bus", "error",
				LOG_STR("the oldest publishes are dropped: redisMaxQueue is full"), "dropped",
				LOG_INT(b->stats.dropped), NULL);
		waiting_free(b, oldest(b));
	}
	if (b->careful && b->state == BUS_UP)
		send_trial(b);
	return 0;
}

static void
expect(struct bus *b, enum expected_kind kind, struct bus_count *count)
{
	struct expected *last =
		list_empty(&b->expected) ? NULL : container_of(b->expected.prev, struct expected, link);

	if (kind == PUBLISHES && last != NULL && last->kind == PUBLISHES) {
		last->n++;
		return;
	}
	last = mem_alloc(sizeof *last);
	*last = (struct expected){.n = 1, .kind = kind, .count = count};
	list_add_tail(&b->expected, &last->link);
}

void
bus_send_publish(struct bus *b, struct text channel, struct block *payload)
{
	struct conn *c = b->commands.conn;
	char head[HEAD_MAX], middle[32];
	size_t n = (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n", channel.n);
	size_t more = (size_t)snprintf(middle, sizeof middle, "\r\n$%u\r\n", payload->len);

	if (channel.n <= sizeof head - n - more) {
		memcpy(head + n, channel.at, channel.n);
		memcpy(head + n + channel.n, middle, more);
		conn_send_copy(c, head, n + channel.n + more);
	} else {
		conn_send_copy(c, head, n);
		conn_send_copy(c, channel.at, channel.n);
		conn_send_copy(c, middle, more);
	}
	conn_send(c, payload, 0, payload->len);
	conn_send(c, b->crlf, 0, b->crlf->len);
	expect(b, PUBLISHES, NULL);
	b->sent_publishes++;
	b->used = b->loop->now;
}

/*
 * After the server has refused a publish the first one that waits is a trial: it stays in line until it is answered,
 * and the others behind it. So a server that refuses all costs no more than what was on its way the first time.
 */
static void
send_trial(struct bus *b)
{
	if (b->trial != NULL || list_empty(&b->waiting))
		return;
	b->trial = container_of(b->waiting.next, struct waiting, link);
	bus_send_publish(b, text_of(b->trial->channel, b->trial->n), b->trial->payload);
	b->trial_number = b->sent_publishes;
}

static void
on_trial_passed(struct bus *b)
{
	struct waiting *w = b->trial;

	b->trial = NULL;
	b->careful = false;
	b->stats.published++;
	b->stats.bytes_published += w->payload->len;
	waiting_free(b, w);
	bus_send_waiting(b);
}

void
bus_send_waiting(struct bus *b)
{
	if (b->careful) {
		send_trial(b);
		return;
	}
	while (!list_empty(&b->waiting) && conn_queued(b->commands.conn) < QUEUED_MAX) {
		struct waiting *w = container_of(b->waiting.next, struct waiting, link);

		bus_send_publish(b, text_of(w->channel, w->n), w->payload);
		b->stats.published++;
		b->stats.bytes_published += w->payload->len;
		waiting_free(b, w);
	}
}

int
bus_publish(struct bus *b, struct text channel, struct block *payload)
{
	if (b->state == BUS_CLOSING)
		return ERROR_CLOSED;
	if (b->state != BUS_UP || b->careful || !list_empty(&b->waiting) ||
		conn_queued(b->commands.conn) >= QUEUED_MAX)
		return wait_for_bus(b, channel, payload);
	bus_send_publish(b, channel, payload);
	b->stats.published++;
	b->stats.bytes_published += payload->len;
	return 0;
}

/* ------------------------------------------------------------------ counts */

static void
refuse_count(struct bus *b, struct bus_count *c)
{
	list_add_tail(&b->refused, &c->link);
	loop_defer(b->loop, &b->call);
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
	expect(b, COUNT, c);
	c->slot = &container_of(b->expected.prev, struct expected, link)->count;
}

static void
answer_count(struct bus_count *c, int64_t count)
{
	if (c == NULL)
		return;
	c->slot = NULL;
	c->answer(c, count);
}

void
bus_forget_answers(struct bus *b)
{
	while (!list_empty(&b->expected)) {
		struct expected *e = container_of(b->expected.next, struct expected, link);

		if (e->kind == PUBLISHES) {
			b->stats.uncertain += e->n;
		} else if (e->count != NULL) {
			e->count->slot = NULL;
			refuse_count(b, e->count);
		}
		list_remove(&e->link);
		mem_free(e);
	}
	if (b->trial != NULL)
		waiting_free(b, b->trial); /* it may have been delivered */
	b->trial = NULL;
	b->sent_publishes = b->answered_publishes = b->check_number = 0;
}

void
bus_answer_refused(struct bus *b)
{
	struct list now; /* one that is asked for again meanwhile waits for the next turn's end */

	list_init(&now);
	list_move_all(&now, &b->refused);
	while (!list_empty(&now)) {
		struct bus_count *c = container_of(now.next, struct bus_count, link);

		list_remove(&c->link);
		answer_count(c, ERROR_CLOSED);
	}
}

/* ----------------------------------------------------------------- answers */

/* False: the bus is lost. */
static bool
on_publish_answer(struct bus *b, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	b->answered_publishes++;
	if (reply->type != RESP_ERROR) {
		if (b->trial != NULL && b->answered_publishes == b->trial_number)
			on_trial_passed(b);
		return true;
	}
	bus_error_write(why, "publishing refused", reply->text, b->url.password);
	if (b->trial == NULL && b->answered_publishes != b->check_number)
		b->stats.dropped++;
	b->trial = NULL; /* it goes on waiting */
	b->careful = true;
	bus_lost(b, why, false);
	return false;
}

void
bus_send_role(struct bus *b)
{
	struct text args[] = {TEXT("INFO"), TEXT("replication")};

	bus_link_send(&b->commands, 2, args);
	expect(b, ROLE, NULL);
}

/* A server that hides it, because of an ACL or of its kind, is believed to be a master. */
static void
on_role_answer(struct bus *b, const struct resp *reply)
{
	char why[BUS_WHY_MAX];

	if (reply->type == RESP_ERROR && !b->role_hidden) {
		bus_error_write(why, "the server does not tell whether it is a replica, which would go unnoticed",
			reply->text, b->url.password);
		log_event(LOG_INFO, "bus", "warning", LOG_STR(why), NULL);
	}
	b->role_hidden |= reply->type == RESP_ERROR;
	if (reply->type == RESP_BULK && text_has(reply->text, TEXT("role:slave")))
		bus_lost(b, "that server is a replica, which passes nothing on to others: name the master", false);
	else
		bus_trusted(b);
}

static bool
is_answer_to(const struct resp *reply, enum expected_kind kind)
{
	if (reply->type == RESP_ERROR)
		return true;
	switch (kind) {
	case PUBLISHES:
		return reply->type == RESP_INTEGER;
	case COUNT:
		return reply->type == RESP_ARRAY && reply->item_count == 2;
	default:
		return reply->type == RESP_BULK;
	}
}

void
bus_on_answer(struct bus_link *link, const struct resp *reply)
{
	struct bus *b = link->arg;
	struct expected *e = list_empty(&b->expected) ? NULL : container_of(b->expected.next, struct expected, link);
	struct bus_count *count;
	enum expected_kind kind;
	char why[BUS_WHY_MAX];

	if (e == NULL && reply->type == RESP_ERROR) { /* too many clients, protected mode */
		bus_error_write(why, "refused", reply->text, b->url.password);
		bus_lost(b, why, false);
		return;
	}
	if (e == NULL || !is_answer_to(reply, e->kind)) {
		bus_lost(b, "an answer that nothing was asked for", true);
		return;
	}
	kind = e->kind;
	count = e->count;
	if (--e->n == 0) {
		list_remove(&e->link);
		mem_free(e);
	}
	if (kind == PUBLISHES && !on_publish_answer(b, reply))
		return;
	if (kind == COUNT)
		answer_count(count, reply->type == RESP_ERROR ? ERROR_CLOSED : reply->integer);
	else if (kind == ROLE)
		on_role_answer(b, reply);
	if (b->state == BUS_CLOSING && list_empty(&b->expected) && list_empty(&b->waiting))
		bus_finish_closing(b);
}

/* ------------------------------------------------------------------- life */

void
bus_publish_init(struct bus *b)
{
	b->crlf = block_copy("\r\n", 2);
	list_init(&b->waiting);
	list_init(&b->expected);
	list_init(&b->refused);
}

void
bus_publish_fini(struct bus *b)
{
	while (!list_empty(&b->waiting))
		waiting_free(b, container_of(b->waiting.next, struct waiting, link));
	block_unref(b->crlf);
}
