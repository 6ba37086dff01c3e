#include "broker/bus_senders.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"

void
bus_senders_init(struct bus_senders *senders, unsigned max)
{
	table_init(&senders->recent);
	table_init(&senders->older);
	senders->max = max;
}

static void
senders_forget(struct table *table)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(table, &cursor)) != NULL)
		mem_free(container_of(node, struct bus_sender, node));
	table_fini(table);
	table_init(table);
}

void
bus_senders_clear(struct bus_senders *senders)
{
	senders_forget(&senders->recent);
	senders_forget(&senders->older);
}

/* Takes the sender out of the older ones, or makes it. */
static struct bus_sender *
senders_take(struct bus_senders *senders, struct text name)
{
	struct table_node *node = table_find(&senders->older, name);
	struct bus_sender *sender;

	if (node != NULL) {
		table_remove(&senders->older, node);
		return container_of(node, struct bus_sender, node);
	}
	sender = mem_zalloc(sizeof *sender + name.n);
	memcpy(sender->name, name.at, name.n);
	return sender;
}

struct bus_sender *
bus_senders_get(struct bus_senders *senders, struct text name)
{
	struct table_node *node = table_find(&senders->recent, name);
	struct bus_sender *sender;

	if (node != NULL)
		return container_of(node, struct bus_sender, node);
	if (senders->recent.count >= senders->max) {
		senders_forget(&senders->older);
		senders->older = senders->recent;
		table_init(&senders->recent);
	}
	sender = senders_take(senders, name);
	table_add(&senders->recent, &sender->node, text_of(sender->name, name.n));
	return sender;
}
