/*
 * A chain of middlewares is a loop, not a recursion: a middleware that answers at once returns into the loop that
 * called it.
 */
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_middleware.h"
#include "node/socketio/sio_check.h"

/*
 * Takes the next middleware of a chain. Returns false if the middleware was removed after the chain began, because
 * its argument may be gone. `lists` are the lists that the chain was copied from; an entry may be NULL.
 */
static bool
middleware_take(struct sio_step *step, const struct sio_listeners *const lists[3], struct sio_listener *out)
{
	*out = step->fns[step->next++];
	if (step->removals == step->io->removals)
		return true;
	for (unsigned i = 0; i < 3; i++)
		if (lists[i] != NULL && sio_listeners_have(lists[i], out))
			return true;
	return false;
}

/* ------------------------------------------------- before a socket connects */

static void
middleware_connect_run(struct sio_step *step)
{
	struct sio_socket *s = step->socket;

	while (s != NULL && !step->refused && step->next < step->count) {
		const struct sio_nsp *parent = s->nsp->parent;
		struct sio_listener listener;
		struct sio_underway before;

		if (!middleware_take(step,
			    (const struct sio_listeners *[3]){parent != NULL ? &parent->use : NULL, &s->nsp->use},
			    &listener))
			continue;
		step->answered = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, s->nsp->name, "middleware");
		((sio_middleware_fn *)listener.fn)(s, step, listener.arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered)
			return;
		s = step->socket;
	}
	if (s != NULL) {
		list_remove(&step->held.link);
		step->then(s, step->refused ? step : NULL);
	}
	sio_step_free(step);
}

void
sio_middleware_connect(struct sio_socket *s, void (*then)(struct sio_socket *s, const struct sio_step *refusal))
{
	const struct sio_nsp *nsp = s->nsp, *parent = nsp->parent;
	unsigned count = nsp->use.count + (parent != NULL ? parent->use.count : 0);
	struct sio_step *step;

	if (count == 0) {
		then(s, NULL);
		return;
	}
	step = sio_step_new(nsp->io, count, middleware_connect_run);
	step->socket = s;
	step->then = then;
	if (parent != NULL)
		sio_step_add(step, &parent->use);
	sio_step_add(step, &nsp->use);
	list_add_tail(&sio_socket_extra(s)->held, &step->held.link);
	middleware_connect_run(step);
}

/* ------------------------------------------------------ before the listeners */

/*
 * Returns true if all middlewares have passed the event; false if one refused it or has not answered yet. The caller
 * keeps the step, unless an answer is outstanding.
 */
static bool
middleware_event_run(struct sio_step *step, struct sio_event *event)
{
	struct sio_socket *s;

	while ((s = step->socket) != NULL && step->next < step->count) {
		const struct sio_nsp *parent = s->nsp->parent;
		struct sio_listener listener;
		struct sio_underway before;

		if (!middleware_take(step,
			    (const struct sio_listeners *[3]){parent != NULL ? &parent->use_events : NULL,
				    &s->nsp->use_events, s->extra != NULL ? &s->extra->use : NULL},
			    &listener))
			continue;
		step->answered = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, s->nsp->name, event->name.at);
		((sio_event_middleware_fn *)listener.fn)(s, event, step, listener.arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered || step->refused)
			return false;
	}
	return s != NULL;
}

static void
middleware_event_resume(struct sio_step *step)
{
	bool passed = !step->refused && middleware_event_run(step, step->event);
	struct sio_socket *s = step->socket;

	if (!step->answered)
		return;
	if (s != NULL && passed)
		sio_event_dispatch(step->event);
	else if (s != NULL && step->refused)
		sio_socket_error(s, sio_step_message(step));
	sio_step_free(step);
}

bool
sio_middleware_event(struct sio_socket *s, struct sio_event *event)
{
	struct sio_nsp *nsp = s->nsp, *parent = nsp->parent;
	unsigned count = nsp->use_events.count + (parent != NULL ? parent->use_events.count : 0);
	struct sio_step *step;
	bool passed;

	count += s->extra != NULL ? s->extra->use.count : 0;
	if (count == 0)
		return true;
	step = sio_step_new(nsp->io, count, middleware_event_resume);
	step->socket = s;
	if (parent != NULL)
		sio_step_add(step, &parent->use_events);
	sio_step_add(step, &nsp->use_events);
	if (s->extra != NULL)
		sio_step_add(step, &s->extra->use);
	list_add_tail(&sio_socket_extra(s)->held, &step->held.link);
	passed = middleware_event_run(step, event);
	if (!step->answered) {
		step->event = sio_event_keep(event);
		return false;
	}
	if (step->refused)
		sio_socket_error(s, sio_step_message(step));
	sio_step_free(step);
	return passed;
}

/* --------------------------------------------------------- registering */

/* Removes a middleware. Chains under way skip it. Returns 0 or SIO_ERR_NOT_FOUND. */
static int
middleware_remove(struct sio_server *io, struct sio_listeners *list, sio_any_fn *fn, void *arg)
{
	if (!sio_listeners_remove(list, fn, arg))
		return SIO_ERR_NOT_FOUND;
	io->removals++;
	return 0;
}

void
sio_use(sio_nsp *nsp, sio_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->use, (sio_any_fn *)fn, arg);
}

void
sio_use_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->use_events, (sio_any_fn *)fn, arg);
}

void
sio_socket_use(sio_socket *s, sio_event_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	if (s->state != SIO_GONE)
		sio_listeners_add(&sio_socket_extra(s)->use, (sio_any_fn *)fn, arg);
}

int
sio_unuse(sio_nsp *nsp, sio_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return middleware_remove(nsp->io, &nsp->use, (sio_any_fn *)fn, arg);
}

int
sio_unuse_events(sio_nsp *nsp, sio_event_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	return middleware_remove(nsp->io, &nsp->use_events, (sio_any_fn *)fn, arg);
}

int
sio_socket_unuse(sio_socket *s, sio_event_middleware_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_SOCKET, s, SIO_ERR_ARGUMENT);
	return s->extra != NULL ? middleware_remove(s->nsp->io, &s->extra->use, (sio_any_fn *)fn, arg)
				: SIO_ERR_NOT_FOUND;
}
