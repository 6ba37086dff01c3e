/* The form for several workers on one machine: the classic channels over the machine's hub (hub.h). */
#include "broker/bus_classic.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static int
hub_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options, const struct bus_form_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct bus_url server;

	(void)error; /* hub_listen() made the name, so it cannot be malformed */
	bus_url_of_hub(&server, options->server);
	*out = bus_classic_open(l, &server, false, options, ops);
	return 0;
}

const struct bus_form bus_hub = {
	.id = BUS_FORM_HUB,
	.name = "hub",
	.open = hub_open,
	.keep_open = bus_classic_keep_open,
	.keep_close = bus_classic_keep_close,
	.keep_send = bus_classic_keep_send,
	BUS_CLASSIC,
};
