#include "broker/bus_form.h"

#include <stddef.h>

const struct bus_form *
bus_form_of(unsigned id)
{
	static const struct bus_form *const forms[BUS_FORM_COUNT] = {[BUS_FORM_ALONE] = &bus_alone,
		[BUS_FORM_HUB] = &bus_hub,
		[BUS_FORM_REDIS] = &bus_redis,
		[BUS_FORM_SHARDED] = &bus_sharded,

		[BUS_FORM_STREAMS] = &bus_streams};

	return id < BUS_FORM_COUNT ? forms[id] : NULL;
}

void
bus_count_init(struct bus_count *query, void (*answer)(struct bus_count *query, int64_t count))
{
	list_init(&query->link);
	query->slot = NULL;
	query->answer = answer;
	query->optional = false;
}

void
bus_count_cancel(struct bus_count *query)
{
	if (query->slot != NULL)
		*query->slot = NULL;
	query->slot = NULL;
	list_remove(&query->link);
}
