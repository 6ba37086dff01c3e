#include "broker/hub_topics.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

struct hub_length {
	size_t n;
	unsigned topics;
};

void
hub_topics_init(struct hub_topics *topics)
{
	memset(topics, 0, sizeof *topics);
	table_init(&topics->channels);
	table_init(&topics->prefixes);
}

void
hub_topics_fini(struct hub_topics *topics)
{
	must(topics->channels.count == 0 && topics->prefixes.count == 0);
	table_fini(&topics->channels);
	table_fini(&topics->prefixes);
	mem_free(topics->lengths);
}

/* ---------------------------------------------------------------- lengths */

static unsigned
length_index(const struct hub_topics *topics, size_t n)
{
	unsigned i = 0;

	while (i < topics->length_count && topics->lengths[i].n < n)
		i++;
	return i;
}

/* Returns 0 or ERROR_MEMORY. */
static int
length_add(struct hub_topics *topics, size_t n)
{
	unsigned i = length_index(topics, n);

	if (i < topics->length_count && topics->lengths[i].n == n) {
		topics->lengths[i].topics++;
		return 0;
	}
	if (topics->length_count == topics->length_size) {
		unsigned size = topics->length_size ? 2 * topics->length_size : 8;
		struct hub_length *grown = mem_try_realloc(topics->lengths, size * sizeof *grown);

		if (grown == NULL)
			return ERROR_MEMORY;
		topics->lengths = grown;
		topics->length_size = size;
	}
	memmove(topics->lengths + i + 1, topics->lengths + i, (topics->length_count - i) * sizeof *topics->lengths);
	topics->lengths[i] = (struct hub_length){n, 1};
	topics->length_count++;
	return 0;
}

static void
length_remove(struct hub_topics *topics, size_t n)
{
	unsigned i = length_index(topics, n);

	must(i < topics->length_count && topics->lengths[i].n == n);
	if (--topics->lengths[i].topics > 0)
		return;
	topics->length_count--;
	memmove(topics->lengths + i, topics->lengths + i + 1, (topics->length_count - i) * sizeof *topics->lengths);
}

/* ----------------------------------------------------------------- topics */

struct hub_topic *
hub_topics_find(const struct hub_topics *topics, bool prefix, struct text name)
{
	struct table_node *node = table_find(prefix ? &topics->prefixes : &topics->channels, name);

	return node ? container_of(node, struct hub_topic, node) : NULL;
}

/* Returns NULL if memory is short. */
static struct hub_topic *
topic_new(struct hub_topics *topics, bool prefix, struct text name, struct text pattern)
{
	size_t extra = prefix ? pattern.n : 0;
	struct hub_topic *topic = mem_try_alloc(sizeof *topic + name.n + extra);

	if (topic == NULL || (prefix && length_add(topics, name.n) != 0)) {
		mem_free(topic);
		return NULL;
	}
	list_init(&topic->subscriptions);
	topic->prefix = prefix;
	topic->count = topic->counted = 0;
	topic->ear = NULL;
	if (name.n > 0)
		memcpy(topic->bytes, name.at, name.n);
	if (extra > 0)
		memcpy(topic->bytes + name.n, pattern.at, extra);
	topic->pattern = text_of(topic->bytes + name.n, extra);
	table_add(prefix ? &topics->prefixes : &topics->channels, &topic->node, text_of(topic->bytes, name.n));
	return topic;
}

static void
topic_free(struct hub_topics *topics, struct hub_topic *topic)
{
	if (topic->prefix)
		length_remove(topics, topic->node.key_len);
	table_remove(topic->prefix ? &topics->prefixes : &topics->channels, &topic->node);
	mem_free(topic);
}

/* The key of a subscription in its subscriber's table is the address of the topic. */
static struct text
subscription_key(struct hub_topic *const *topic)
{
	return text_of((const char *)topic, sizeof *topic);
}

struct hub_subscription *
hub_topics_find_own(const struct hub_topics *topics, const struct table *of, bool prefix, struct text name)
{
	struct hub_topic *topic = hub_topics_find(topics, prefix, name);
	struct table_node *node = topic ? table_find(of, subscription_key(&topic)) : NULL;

	return node ? container_of(node, struct hub_subscription, node) : NULL;
}

int
hub_topics_add(struct hub_topics *topics, bool prefix, struct text name, struct text pattern, struct table *of,
	void *subscriber)
{
	struct hub_topic *topic = hub_topics_find(topics, prefix, name);
	struct hub_subscription *subscription;

	if (topic == NULL)
		topic = topic_new(topics, prefix, name, pattern);
	else if (table_find(of, subscription_key(&topic)) != NULL)
		return 0;
	if (topic == NULL)
		return ERROR_MEMORY;
	subscription = mem_zalloc(sizeof *subscription);
	subscription->topic = topic;
	subscription->subscriber = subscriber;
	list_add_tail(&topic->subscriptions, &subscription->in_topic);
	topic->count++;
	table_add(of, &subscription->node, subscription_key(&subscription->topic));
	return 1;
}

void
hub_topics_remove(struct hub_topics *topics, struct hub_subscription *subscription, struct table *of)
{
	struct hub_topic *topic = subscription->topic;

	topic->counted -= subscription->counted;
	list_remove(&subscription->in_topic);
	table_remove(of, &subscription->node);
	mem_free(subscription);
	if (--topic->count == 0)
		topic_free(topics, topic);
}

void
hub_topics_match(const struct hub_topics *topics, struct text channel,
	void (*each)(void *arg, struct hub_topic *topic), void *arg)
{
	struct hub_topic *topic = hub_topics_find(topics, false, channel);

	if (topic != NULL)
		each(arg, topic);
	for (unsigned i = 0; i < topics->length_count && topics->lengths[i].n <= channel.n; i++) {
		topic = hub_topics_find(topics, true, text_of(channel.at, topics->lengths[i].n));
		if (topic != NULL)
			each(arg, topic);
	}
}
