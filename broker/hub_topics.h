/*
 * The hub's subscriptions: channels and prefixes of channels, each with its subscribers. Finding the topics of a
 * message takes one lookup for its channel and one for each distinct length among the prefixes, however many prefixes
 * there are.
 */
#ifndef BROKER_HUB_TOPICS_H
#define BROKER_HUB_TOPICS_H

#include "common/base/list.h"
#include "common/base/table.h"
#include "common/base/text.h"

struct hub_topic {
	struct table_node node; /* in `channels` or `prefixes` */
	struct list subscriptions;
	bool prefix;
	unsigned count;
	unsigned counted;	 /* subscriptions with `counted` */
	struct ear_channel *ear; /* private to the hub's ear (hub_ear.h); NULL: the hub has no ear */
	struct text pattern;	 /* pattern of a prefix, as the first subscriber wrote it */
	char bytes[];
};

struct hub_subscription {
	struct table_node node;	 /* in its subscriber's table, by the address of the topic */
	struct hub_topic *topic; /* this pointer is also the key of `node` */
	struct list in_topic;
	void *subscriber;
	bool counted;	       /* bus_count() counts its subscriber: see hub.h */
	struct hub_owed *owed; /* private to the hub: the confirmation that is due; NULL: sent */
};

struct hub_topics {
	struct table channels, prefixes;
	struct hub_length *lengths; /* distinct lengths of the prefixes, ascending */
	unsigned length_count, length_size;
};

void hub_topics_init(struct hub_topics *topics);
void hub_topics_fini(struct hub_topics *topics); /* all subscriptions must have been removed */

/* Returns NULL if there is no such topic. */
struct hub_topic *hub_topics_find(const struct hub_topics *topics, bool prefix, struct text name);

/*
 * Adds a subscription to `of`, the subscriber's own table. `pattern` is used for prefixes only. Returns 1, 0 if the
 * subscription exists already, or ERROR_MEMORY.
 */
int hub_topics_add(struct hub_topics *topics, bool prefix, struct text name, struct text pattern, struct table *of,
	void *subscriber);

/* Removes and frees a subscription. Its topic is freed with the last subscription. */
void hub_topics_remove(struct hub_topics *topics, struct hub_subscription *subscription, struct table *of);

/* Returns a subscriber's subscription from its own table, or NULL. */
struct hub_subscription *hub_topics_find_own(
	const struct hub_topics *topics, const struct table *of, bool prefix, struct text name);

/* Calls `each` for every topic that matches the channel; the exact channel comes first. */
void hub_topics_match(const struct hub_topics *topics, struct text channel,
	void (*each)(void *arg, struct hub_topic *topic), void *arg);

#endif
