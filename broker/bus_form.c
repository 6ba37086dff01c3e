#include "broker/bus_form.h"

#include <stddef.h>

const struct bus_form *
bus_form_of(unsigned id)
{
	static const struct bus_form *const forms[BUS_FORM_COUNT] = {
		[BUS_FORM_ALONE] = &bus_alone, [BUS_FORM_HUB] = &bus_hub, [BUS_FORM_REDIS] = &bus_redis};

	return id < BUS_FORM_COUNT ? forms[id] : NULL;
}

void
bus_count_init(struct bus_count *c, void (*answer)(struct bus_count *c, int64_t count))
{
	list_init(&c->link);
	c->slot = NULL;
	c->answer = answer;
}

void
bus_count_cancel(struct bus_count *c)
{
	if (c->slot != NULL)
		*c->slot = NULL;
	c->slot = NULL;
	list_remove(&c->link);
}
