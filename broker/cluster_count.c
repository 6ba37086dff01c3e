#include "broker/cluster_count.h"

#include <string.h>

#include "broker/bus_link.h"
#include "broker/bus_url.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#define IDLE_MS 60000

struct cluster_counts {
	struct loop *loop;
	const struct bus_url *url;
	struct bus_access *access;
	uint64_t timeout_ms;
	unsigned questions;
	uint64_t failed;   /* counts without a sum */
	struct list links; /* struct count_link */
};

/* One count, over all its members. */
struct count_question {
	struct cluster_counts *counts;
	struct bus_count *query; /* NULL: cancelled */
	struct text word;
	unsigned outstanding; /* members that have not answered */
	int64_t sum;
	bool failed;
	size_t n;
	char channel[];
};

/* A question that one member has not answered yet. */
struct count_expected {
	struct list link;
	struct count_question *question;
};

struct count_link {
	struct list link;
	struct cluster_counts *counts;
	struct bus_url url; /* borrows user and password */
	struct bus_link connection;
	struct list expected;
	struct wheel_entry timer; /* the deadline of the first expected answer, or of the idle connection */
};

/* ---------------------------------------------------------------- answers */

/* A member has answered the question, or will not answer it; the caller has then set `failed`. */
static void
count_settle(struct count_question *question)
{
	struct bus_count *query = question->query;
	int64_t sum = question->failed ? ERROR_CLOSED : question->sum;

	if (--question->outstanding > 0)
		return;
	question->counts->questions--;
	question->counts->failed += question->failed;
	if (query != NULL)
		query->slot = NULL;
	mem_free(question);
	if (query != NULL)
		query->answer(query, sum);
}

static void
count_link_free(struct count_link *link)
{
	bus_link_close(&link->connection);
	loop_disarm(link->counts->loop, &link->timer);
	list_remove(&link->link);
	mem_free(link->url.host);
	mem_free(link);
}

static void
count_link_fail(struct count_link *link)
{
	struct list expected;

	list_init(&expected);
	list_move_all(&expected, &link->expected);
	bus_link_close(&link->connection);
	loop_arm(link->counts->loop, &link->timer, IDLE_MS);
	while (!list_empty(&expected)) {
		struct count_expected *first = container_of(expected.next, struct count_expected, link);
		struct count_question *question = first->question;

		list_remove(&first->link);
		mem_free(first);
		question->failed = true;
		count_settle(question);
	}
}

static void
count_on_timer(struct wheel_entry *entry)
{
	struct count_link *link = container_of(entry, struct count_link, timer);

	if (list_empty(&link->expected))
		count_link_free(link);
	else
		count_link_fail(link);
}

/* ------------------------------------------------------------------- link */

static void
count_send(struct count_link *link, const struct count_question *question)
{
	struct text args[] = {TEXT("PUBSUB"), question->word, text_of(question->channel, question->n)};

	bus_link_send(&link->connection, 3, args);
}

static void
count_on_ready(struct bus_link *connection)
{
	struct count_link *link = connection->arg;

	for (const struct list *at = link->expected.next; at != &link->expected; at = at->next)
		count_send(link, container_of(at, struct count_expected, link)->question);
}

static void
count_on_reply(struct bus_link *connection, const struct resp *reply)
{
	struct count_link *link = connection->arg;
	struct count_expected *first;
	struct count_question *question;

	if (list_empty(&link->expected)) { /* not an answer, such as the error of a server that is about to close */
		bus_link_close(connection);
		return;
	}
	first = container_of(link->expected.next, struct count_expected, link);
	question = first->question;
	list_remove(&first->link);
	mem_free(first);
	if (reply->type == RESP_ARRAY && reply->item_count == 2 && reply->integer >= 0 && reply->integer <= INT32_MAX)
		question->sum += reply->integer;
	else
		question->failed = true;
	loop_arm(link->counts->loop, &link->timer, list_empty(&link->expected) ? IDLE_MS : link->counts->timeout_ms);
	count_settle(question);
}

static void
count_on_drain(struct bus_link *connection)
{
	(void)connection;
}

static void
count_on_lost(struct bus_link *connection, const char *why, bool malformed)
{
	(void)why; /* the topology, which asks the same members, logs it */
	(void)malformed;
	count_link_fail(connection->arg);
}

static const struct bus_link_ops link_ops = {
	.on_ready = count_on_ready, .on_reply = count_on_reply, .on_drain = count_on_drain, .on_lost = count_on_lost};

static struct count_link *
count_link_to(struct cluster_counts *counts, const struct cluster_member *member)
{
	struct count_link *link;

	for (const struct list *at = counts->links.next; at != &counts->links; at = at->next) {
		link = container_of(at, struct count_link, link);
		if (link->url.port == member->port && strcmp(link->url.host, member->host) == 0)
			return link;
	}
	link = mem_zalloc(sizeof *link);
	link->counts = counts;
	link->url = (struct bus_url){.host = mem_text(member->host, strlen(member->host)),
		.port = member->port,
		.tls = counts->url->tls,
		.user = counts->url->user,
		.password = counts->url->password};
	link->connection = (struct bus_link){.loop = counts->loop,
		.url = &link->url,
		.access = counts->access,
		.ops = &link_ops,
		.arg = link,
		.timeout_ms = counts->timeout_ms};
	bus_link_init(&link->connection);
	list_init(&link->expected);
	wheel_entry_init(&link->timer, count_on_timer);
	list_add_tail(&counts->links, &link->link);
	return link;
}

static void
count_expect(struct count_link *link, struct count_question *question)
{
	struct count_expected *expected = mem_alloc(sizeof *expected);

	if (list_empty(&link->expected))
		loop_arm(link->counts->loop, &link->timer, link->counts->timeout_ms);
	expected->question = question;
	list_add_tail(&link->expected, &expected->link);
	if (link->connection.ready)
		count_send(link, question);
	else if (link->connection.dial == NULL && link->connection.conn == NULL)
		bus_link_open(&link->connection);
}

/* --------------------------------------------------------------- question */

static bool
count_concerns(const struct cluster_map *map, unsigned i, uint16_t master)
{
	return !map->members[i]->failed &&
	       (master == CLUSTER_COUNT_ALL || i == master || map->members[i]->master == master);
}

int
cluster_counts_ask(struct cluster_counts *counts, const struct cluster_map *map, uint16_t master, struct text word,
	struct bus_count *query, struct text channel)
{
	struct count_question *question;
	unsigned members = 0;

	for (unsigned i = 0; i < map->count; i++)
		members += count_concerns(map, i, master);
	if (members == 0)
		return ERROR_NOT_FOUND;
	if (members > CLUSTER_COUNT_MEMBERS_MAX || counts->questions == CLUSTER_COUNT_QUESTIONS_MAX)
		return ERROR_TOO_MANY;
	question = mem_alloc(sizeof *question + channel.n); /* small: a channel of a namespace */
	*question = (struct count_question){
		.counts = counts, .query = query, .word = word, .outstanding = members, .n = channel.n};
	memcpy(question->channel, channel.at, channel.n);
	query->slot = &question->query;
	counts->questions++;
	for (unsigned i = 0; i < map->count; i++)
		if (count_concerns(map, i, master))
			count_expect(count_link_to(counts, map->members[i]), question);
	return 0;
}

uint64_t
cluster_counts_failed(const struct cluster_counts *counts)
{
	return counts->failed;
}

/* ------------------------------------------------------------------- life */

struct cluster_counts *
cluster_counts_new(struct loop *l, const struct bus_url *url, struct bus_access *access, uint64_t timeout_ms)
{
	struct cluster_counts *counts = mem_zalloc(sizeof *counts);

	counts->loop = l;
	counts->url = url;
	counts->access = access;
	counts->timeout_ms = timeout_ms;
	list_init(&counts->links);
	return counts;
}

void
cluster_counts_free(struct cluster_counts *counts)
{
	if (counts == NULL)
		return;
	while (!list_empty(&counts->links)) {
		struct count_link *link = container_of(counts->links.next, struct count_link, link);

		while (!list_empty(&link->expected)) {
			struct count_expected *first = container_of(link->expected.next, struct count_expected, link);

			if (first->question->query != NULL)
				first->question->query->slot = NULL;
			if (--first->question->outstanding == 0)
				mem_free(first->question);
			list_remove(&first->link);
			mem_free(first);
		}
		count_link_free(link);
	}
	mem_free(counts);
}
