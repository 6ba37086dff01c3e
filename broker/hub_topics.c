#include "broker/hub_topics.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

struct hub_length {
	size_t n;
	unsigned topics;
};

void
hub_topics_init(struct hub_topics *t)
{
	memset(t, 0, sizeof *t);
	table_init(&t->channels);
	table_init(&t->prefixes);
}

void
hub_topics_fini(struct hub_topics *t)
{
	must(t->channels.count == 0 && t->prefixes.count == 0);
	table_fini(&t->channels);
	table_fini(&t->prefixes);
	mem_free(t->lengths);
}

/* ---------------------------------------------------------------- lengths */

static unsigned
length_place(const struct hub_topics *t, size_t n)
{
	unsigned i = 0;

	while (i < t->length_count && t->lengths[i].n < n)
		i++;
	return i;
}

/* ERROR_MEMORY */
static int
length_add(struct hub_topics *t, size_t n)
{
	unsigned i = length_place(t, n);

	if (i < t->length_count && t->lengths[i].n == n) {
		t->lengths[i].topics++;
		return 0;
	}
	if (t->length_count == t->length_size) {
		unsigned size = t->length_size ? 2 * t->length_size : 8;
		struct hub_length *grown = mem_try_realloc(t->lengths, size * sizeof *grown);

		if (grown == NULL)
			return ERROR_MEMORY;
		t->lengths = grown;
		t->length_size = size;
	}
	memmove(t->lengths + i + 1, t->lengths + i, (t->length_count - i) * sizeof *t->lengths);
	t->lengths[i] = (struct hub_length){n, 1};
	t->length_count++;
	return 0;
}

static void
length_remove(struct hub_topics *t, size_t n)
{
	unsigned i = length_place(t, n);

	must(i < t->length_count && t->lengths[i].n == n);
	if (--t->lengths[i].topics > 0)
		return;
	t->length_count--;
	memmove(t->lengths + i, t->lengths + i + 1, (t->length_count - i) * sizeof *t->lengths);
}

/* ----------------------------------------------------------------- topics */

struct hub_topic *
hub_topics_find(const struct hub_topics *t, bool prefix, struct text name)
{
	struct table_node *node = table_find(prefix ? &t->prefixes : &t->channels, name);

	return node ? container_of(node, struct hub_topic, node) : NULL;
}

/* NULL: there is no memory for it. */
static struct hub_topic *
topic_new(struct hub_topics *t, bool prefix, struct text name, struct text pattern)
{
	size_t extra = prefix ? pattern.n : 0;
	struct hub_topic *topic = mem_try_alloc(sizeof *topic + name.n + extra);

	if (topic == NULL || (prefix && length_add(t, name.n) != 0)) {
		mem_free(topic);
		return NULL;
	}
	list_init(&topic->subscriptions);
	topic->prefix = prefix;
	topic->count = 0;
	if (name.n > 0)
		memcpy(topic->bytes, name.at, name.n);
	if (extra > 0)
		memcpy(topic->bytes + name.n, pattern.at, extra);
	topic->pattern = text_of(topic->bytes + name.n, extra);
	table_add(prefix ? &t->prefixes : &t->channels, &topic->node, text_of(topic->bytes, name.n));
	return topic;
}

static void
topic_free(struct hub_topics *t, struct hub_topic *topic)
{
	if (topic->prefix)
		length_remove(t, topic->node.key_len);
	table_remove(topic->prefix ? &t->prefixes : &t->channels, &topic->node);
	mem_free(topic);
}

/* A subscriber finds its subscription by the topic: the address is the key. */
static struct text
own_key(struct hub_topic *const *topic)
{
	return text_of((const char *)topic, sizeof *topic);
}

struct hub_subscription *
hub_topics_own(const struct hub_topics *t, const struct table *of, bool prefix, struct text name)
{
	struct hub_topic *topic = hub_topics_find(t, prefix, name);
	struct table_node *node = topic ? table_find(of, own_key(&topic)) : NULL;

	return node ? container_of(node, struct hub_subscription, node) : NULL;
}

int
hub_topics_add(
	struct hub_topics *t, bool prefix, struct text name, struct text pattern, struct table *of, void *subscriber)
{
	struct hub_topic *topic = hub_topics_find(t, prefix, name);
	struct hub_subscription *s;

	if (topic == NULL)
		topic = topic_new(t, prefix, name, pattern);
	else if (table_find(of, own_key(&topic)) != NULL)
		return 0;
	if (topic == NULL)
		return ERROR_MEMORY;
	s = mem_zalloc(sizeof *s);
	s->topic = topic;
	s->subscriber = subscriber;
	list_add_tail(&topic->subscriptions, &s->in_topic);
	topic->count++;
	table_add(of, &s->node, own_key(&s->topic));
	return 1;
}

void
hub_topics_remove(struct hub_topics *t, struct hub_subscription *s, struct table *of)
{
	struct hub_topic *topic = s->topic;

	list_remove(&s->in_topic);
	table_remove(of, &s->node);
	mem_free(s);
	if (--topic->count == 0)
		topic_free(t, topic);
}

void
hub_topics_match(
	const struct hub_topics *t, struct text channel, void (*each)(void *arg, struct hub_topic *topic), void *arg)
{
	struct hub_topic *topic = hub_topics_find(t, false, channel);

	if (topic != NULL)
		each(arg, topic);
	for (unsigned i = 0; i < t->length_count && t->lengths[i].n <= channel.n; i++) {
		topic = hub_topics_find(t, true, text_of(channel.at, t->lengths[i].n));
		if (topic != NULL)
			each(arg, topic);
	}
}
