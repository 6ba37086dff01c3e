/* The form of a process that has no others to reach. */
#include "broker/bus_form.h"
#include "common/base/mem.h"

struct bus_end {
	struct loop *loop;
	struct loop_call call;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void
on_call(struct loop_call *call)
{
	struct bus_end *e = container_of(call, struct bus_end, call);
	void (*closed)(void *arg) = e->closed;
	void *arg = e->closed_arg;

	mem_free(e);
	closed(arg);
}

static int
alone_open(struct bus_end **out, struct loop *l, const struct bus_form_options *o, const struct bus_form_ops *ops,
	char error[BUS_ERROR_MAX])
{
	struct bus_end *e = mem_zalloc(sizeof *e);

	(void)o;
	(void)ops;
	(void)error;
	e->loop = l;
	loop_call_init(&e->call, on_call);
	*out = e;
	return 0;
}

static void
alone_close(struct bus_end *e, uint64_t flush_ms, void (*closed)(void *arg), void *arg)
{
	(void)flush_ms;
	e->closed = closed;
	e->closed_arg = arg;
	loop_defer(e->loop, &e->call);
}

static void
alone_stats(const struct bus_end *e, struct bus_stats *out)
{
	(void)e;
	*out = (struct bus_stats){.up = false};
}

const struct bus_form bus_alone = {
	.id = BUS_FORM_ALONE,
	.name = "alone",
	.alone = true,
	.open = alone_open,
	.close = alone_close,
	.stats = alone_stats,
};
