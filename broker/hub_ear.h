/*
 * The hub's subscriptions at Redis, on behalf of all workers of this machine (hub.h). The ear subscribes to a topic
 * (hub_topics.h) while at least one worker does. Redis therefore sends each message once to this machine, and the hub
 * hands it to the workers whose topics it matches.
 *
 * The ear has a bus of its own (bus.h), which finds the server, logs in, subscribes, proves that messages arrive, and
 * reconnects. When it no longer hears Redis, the workers must know that they have missed messages: on_deaf says so,
 * and the hub ends their connections. Topics are subscribed to in any state and confirmed when Redis is back.
 *
 * Further connections make Redis count every worker (hub_counters.h).
 */
#ifndef BROKER_HUB_EAR_H
#define BROKER_HUB_EAR_H

#include "broker/hub.h"
#include "broker/hub_topics.h"

struct hub_ear;

/* All are called from the loop. */
struct hub_ear_ops {
	/* `payload` is valid during the call only. `block` is that of bus_subscription. */
	void (*on_message)(
		void *arg, struct hub_topic *topic, struct text channel, struct text payload, struct block *block);
	/* Redis does not allow the subscription, and says `error`. The callee removes the topic. */
	void (*on_refused)(void *arg, struct hub_topic *topic, struct text error);
	void (*on_confirmed)(void *arg); /* hub_ear_confirms() has become true for a topic */
	void (*on_deaf)(void *arg);	 /* the callee removes all topics */
};

struct hub_ear *hub_ear_new(
	struct loop *l, const struct hub_ear_options *options, const struct hub_ear_ops *ops, void *arg);
/* All topics must have been removed. The connections are freed at the end of the turn. */
void hub_ear_free(struct hub_ear *ear);

/*
 * A topic got its first subscription, or is about to lose its last one. `counted`: other servers count by this topic.
 * When Redis is back, such topics are subscribed to after the others.
 */
void hub_ear_add(struct hub_ear *ear, struct hub_topic *topic, bool counted);
void hub_ear_remove(struct hub_topic *topic);
/* `counted` is the number of the topic's counted subscriptions, now or after a change that is about to be made. */
void hub_ear_count(struct hub_topic *topic, unsigned counted);

/* Returns true if Redis sends the topic's messages. */
bool hub_ear_hears(const struct hub_topic *topic);
/* Returns true if, moreover, Redis counts all of its counted subscriptions. */
bool hub_ear_confirms(const struct hub_topic *topic);

void hub_ear_stats(const struct hub_ear *ear, struct hub_stats *out);

#endif
