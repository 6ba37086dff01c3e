/* The form for the workers of one machine: the classic channels by way of the machine's hub (hub.h). */
#include "broker/bus_classic.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static int
hub_open(struct bus_end **out, struct loop *l, const struct bus_form_options *o, const struct bus_form_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct bus_url server;

	(void)error; /* the name is hub_listen()'s */
	bus_url_of_hub(&server, o->server);
	*out = bus_classic_open(l, &server, NULL, false, o, ops);
	return 0;
}

const struct bus_form bus_hub = {
	.id = BUS_FORM_HUB,
	.name = "hub",
	.open = hub_open,
	BUS_CLASSIC,
};
