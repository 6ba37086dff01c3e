/* The form of a single node, which has no other nodes to reach. */
#include "broker/bus_form.h"
#include "broker/wire_codec.h"
#include "common/base/mem.h"

struct bus_end {
	struct loop *loop;
	struct loop_call call;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void
alone_on_turn_end(struct loop_call *call)
{
	struct bus_end *end = container_of(call, struct bus_end, call);
	void (*closed)(void *arg) = end->closed;
	void *arg = end->closed_arg;

	mem_free(end);
	closed(arg);
}

static int
alone_open(struct bus_end **out, struct loop *l, const struct bus_form_options *options,
	const struct bus_form_ops *ops, char error[BUS_ERROR_MAX])
{
	struct bus_end *end = mem_zalloc(sizeof *end);

	(void)options;
	(void)ops;
	(void)error;
	end->loop = l;
	loop_call_init(&end->call, alone_on_turn_end);
	*out = end;
	return 0;
}

static void
alone_close(struct bus_end *end, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	(void)flush_ms;
	end->closed = closed;
	end->closed_arg = arg;
	loop_defer(end->loop, &end->call);
}

static void
alone_stats(const struct bus_end *end, struct bus_stats *out)
{
	(void)end;
	*out = (struct bus_stats){.up = false};
}

const struct bus_form bus_alone = {
	.id = BUS_FORM_ALONE,
	.name = "alone",
	.alone = true,
	.codec = &wire_classic,
	.open = alone_open,
	.close = alone_close,
	.stats = alone_stats,
};
