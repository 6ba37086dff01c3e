/*
 * Who listens to what: channels and prefixes of channels, each with its subscribers. A message finds its topics by
 * one look for its channel, and one for each length that prefixes have, however many there are.
 */
#ifndef BROKER_HUB_TOPICS_H
#define BROKER_HUB_TOPICS_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/base/text.h"

struct hub_topic {
	struct table_node node; /* in channels or prefixes */
	struct list subscriptions;
	bool prefix;
	unsigned count;
	struct text pattern; /* as first asked for; of a prefix */
	char bytes[];
};

struct hub_subscription {
	struct table_node node;	 /* in the table of its subscriber, by `key` */
	struct hub_topic *topic; /* also the key's bytes */
	struct list in_topic;
	void *subscriber;
};

struct hub_topics {
	struct table channels, prefixes;
	struct hub_length *lengths; /* of the prefixes, ascending */
	unsigned length_count, length_size;
};

void hub_topics_init(struct hub_topics *t);
void hub_topics_fini(struct hub_topics *t); /* no subscription may be left */

/* NULL when there is none. */
struct hub_topic *hub_topics_find(const struct hub_topics *t, bool prefix, struct text name);

/*
 * Subscribes: 1, or 0 where `of` (the subscriber's own table) has it already. `pattern` counts for prefixes.
 * ERROR_MEMORY: no memory for names of such a length.
 */
int hub_topics_add(
	struct hub_topics *t, bool prefix, struct text name, struct text pattern, struct table *of, void *subscriber);

/* Ends a subscription; its topic is freed with the last one. */
void hub_topics_remove(struct hub_topics *t, struct hub_subscription *s, struct table *of);

/* The subscription in a subscriber's own table, or NULL. */
struct hub_subscription *hub_topics_own(
	const struct hub_topics *t, const struct table *of, bool prefix, struct text name);

/* Calls `each` for every topic that hears the channel, the channel's own first. */
void hub_topics_match(
	const struct hub_topics *t, struct text channel, void (*each)(void *arg, struct hub_topic *topic), void *arg);

#endif
