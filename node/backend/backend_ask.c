#include "node/backend/backend_ask.h"

#include "common/base/mem.h"
#include "node/backend/backend_client_tables.h"

static const char unavailable[] = "Service unavailable";

struct backend_ask {
	struct list link;
	struct backend_core *core;
	sio_step *step;
	uint64_t since;
	uint32_t id;
	struct text name, auth; /* copied from the step */
};

/* Answers the client and frees `ask`. `refusal` is the error message for the client; NULL means "Invalid namespace".
 */
static void
ask_answer(struct backend_ask *ask, bool yes, const char *refusal)
{
	sio_step *step = ask->step;

	list_remove(&ask->link);
	mem_free(ask);
	if (yes)
		sio_next(step);
	else
		(void)sio_refuse(step, refusal, NULL);
}

static void
ask_on_gone(sio_step *step, void *arg)
{
	(void)step;
	ask_answer(arg, false, NULL);
}

static void
ask_member(struct backend_ask *ask, struct backend_member *m)
{
	list_remove(&ask->link);
	list_add_tail(&m->asks, &ask->link);
	ask->id = ++m->core->ask_ids;
	backend_begin(m->wire, BACKEND_NSPASK, 0, 0, 0, ask->id);
	backend_put_text(m->wire, ask->name);
	backend_put_text(m->wire, ask->auth);
	backend_end(m->wire);
}

static void
ask_place(struct backend_ask *ask)
{
	struct backend_core *core = ask->core;
	struct backend_group *g = backend_group_for(core, ask->name);
	struct backend_member *m;

	if (backend_group_names(g, ask->name)) {
		ask_answer(ask, true, NULL);
		return;
	}
	m = backend_group_choose(g);
	if (m != NULL) {
		ask_member(ask, m);
		return;
	}
	list_remove(&ask->link);
	list_add_tail(&core->asks, &ask->link);
	backend_sweep_later(core);
}

void
backend_ask(struct backend_core *core, sio_step *step, struct text name, struct text auth)
{
	struct backend_ask *ask;

	if (backend_group_names(backend_group_for(core, name), name)) {
		sio_next(step);
		return;
	}
	ask = mem_alloc(sizeof *ask);
	*ask = (struct backend_ask){.core = core, .step = step, .since = core->loop->now, .name = name, .auth = auth};
	list_init(&ask->link);
	(void)sio_step_on_gone(step, ask_on_gone, ask);
	ask_place(ask);
}

void
backend_ask_answered(struct backend_member *m, uint32_t id, bool yes)
{
	struct list *it, *next;

	list_each(it, next, &m->asks)
	{
		struct backend_ask *ask = container_of(it, struct backend_ask, link);

		if (ask->id != id)
			continue;
		ask_answer(ask, yes, NULL);
		return;
	}
}

void
backend_ask_again(struct backend_member *m)
{
	struct list mine;

	list_init(&mine);
	list_move_all(&mine, &m->asks);
	while (!list_empty(&mine)) {
		struct backend_ask *ask = container_of(mine.next, struct backend_ask, link);

		ask->since = m->core->loop->now; /* from now on it waits for a backend again */
		ask_place(ask);
	}
}

void
backend_ask_serve(struct backend_core *core)
{
	struct list mine;

	list_init(&mine);
	list_move_all(&mine, &core->asks);
	while (!list_empty(&mine))
		ask_place(container_of(mine.next, struct backend_ask, link));
}

bool
backend_ask_sweep(struct backend_core *core)
{
	struct list *it, *next;

	list_each(it, next, &core->asks)
	{
		struct backend_ask *ask = container_of(it, struct backend_ask, link);

		if (core->loop->now - ask->since < core->limits.wait)
			continue;
		counter_add(&core->loop->counters, COUNT_BACKEND_UNAVAILABLE, 1);
		ask_answer(ask, false, unavailable);
	}
	return !list_empty(&core->asks);
}

void
backend_ask_end(struct backend_core *core)
{
	while (!list_empty(&core->asks))
		ask_answer(container_of(core->asks.next, struct backend_ask, link), false, unavailable);
}
