/*
 * Parents decide whether a namespace that a client asks for may be made.
 *
 * Patterns come from the application, but names come from clients, so matching has two bounds. Each match has a limit
 * of steps and depth; a name that exceeds it does not match. And all matches of one turn share a time budget; a match
 * beyond it waits for the next turn. So a client that sends worst-case names does not delay the others.
 */
#include <stdio.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/pattern.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_check.h"

static struct sio_parent *
parent_new(struct sio_server *io)
{
	struct sio_parent *parent = mem_zalloc(sizeof *parent);
	char name[32];
	int n = snprintf(name, sizeof name, "/_%u", io->parents_made++);

	must(n > 0 && (size_t)n < sizeof name);
	list_init(&parent->children);
	parent->nsp = mem_zalloc(sizeof *parent->nsp + (size_t)n + 1);
	memcpy(parent->nsp->name, name, (size_t)n);
	parent->nsp->node.key_len = (uint32_t)n;
	sio_nsp_init(parent->nsp, io);
	parent->nsp->family = parent;
	list_add_tail(&io->parents, &parent->link);
	return parent;
}

void
sio_parent_free(struct sio_parent *parent)
{
	list_remove(&parent->link);
	must(list_empty(&parent->children));
	pattern_free(parent->pattern);
	sio_nsp_free(parent->nsp);
	mem_free(parent);
}

sio_nsp *
sio_of_pattern(sio_server *io, const char *pattern, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct pattern *compiled;
	struct sio_parent *parent;
	char why[PATTERN_ERROR_MAX];

	if (!sio_is_name(pattern)) {
		if (error != NULL)
			(void)snprintf(error, SIO_ERROR_LINE, "namespace pattern: NULL or not UTF-8");
		return NULL;
	}
	/* the whole name must match: "/admin" must not admit "/admin-of-mine" */
	compiled = pattern_new(text_from(pattern), PATTERN_WHOLE, why);
	if (compiled == NULL) {
		if (error != NULL)
			(void)snprintf(error, SIO_ERROR_LINE, "namespace pattern \"%.200s\": %s", pattern, why);
		return NULL;
	}
	parent = parent_new(io);
	parent->pattern = compiled;
	return parent->nsp;
}

sio_nsp *
sio_of_function(sio_server *io,
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	SIO_NEEDS(SIO_A_FUNCTION, matches, NULL);
	struct sio_parent *parent = parent_new(io);

	parent->matches = matches;
	parent->arg = arg;
	return parent->nsp;
}

bool
sio_parent_matches(const struct sio_parent *parent, struct text name)
{
	return pattern_matches(parent->pattern, name);
}

static bool
has_deciding_functions(const struct sio_server *io)
{
	struct list *it, *next;

	list_each(it, next, &io->parents)
	{
		if (container_of(it, struct sio_parent, link)->pattern == NULL)
			return true;
	}
	return false;
}

/* Returns the first parent whose pattern matches the name, or NULL. */
static struct sio_parent *
parent_find_by_pattern(const struct sio_server *io, struct text name)
{
	struct list *it, *next;

	list_each(it, next, &io->parents)
	{
		struct sio_parent *parent = container_of(it, struct sio_parent, link);

		if (parent->pattern != NULL && sio_parent_matches(parent, name))
			return parent;
	}
	return NULL;
}

struct sio_nsp *
sio_parent_name(struct sio_server *io, struct text name, bool claim)
{
	struct sio_nsp *nsp = sio_nsp_find(io, name);

	if (nsp == NULL) {
		struct sio_parent *parent = parent_find_by_pattern(io, name);

		if (parent != NULL)
			nsp = sio_nsp_new(io, name, parent->nsp, false);
		else
			nsp = sio_nsp_new(io, name, NULL, !claim && io->served && has_deciding_functions(io));
	}
	if (nsp != NULL)
		sio_nsp_pin(nsp);
	return nsp;
}

sio_nsp *
sio_of(sio_server *io, const char *name)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	char slashed[1 + SIO_NSP_NAME_MAX];
	struct text wanted;

	if (!sio_is_name(name)) {
		(void)sio_misused(__func__, name, NULL, NULL, SIO_ERR_ARGUMENT);
		return NULL;
	}
	wanted = text_from(name);
	if (wanted.n <= SIO_NSP_NAME_MAX && (wanted.n == 0 || wanted.at[0] != '/')) {
		slashed[0] = '/';
		memcpy(slashed + 1, wanted.at, wanted.n);
		wanted = text_of(slashed, 1 + wanted.n);
	}
	if (wanted.n > SIO_NSP_NAME_MAX) { /* longer than any name that a client can send */
		(void)sio_misused(__func__, name, NULL, NULL, SIO_ERR_TOO_BIG);
		return NULL;
	}
	return sio_parent_name(io, wanted, false);
}

/* CPU time of this thread, so that waiting for the processor does not count as work. */
static uint64_t
thread_cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Matches a name from a client. The time it takes is charged to this turn, one unit per nanosecond. */
static bool
parent_matches_for_client(const struct sio_server *io, const struct sio_parent *parent, struct text name)
{
	uint64_t begin = thread_cpu_ns();
	bool yes = sio_parent_matches(parent, name);

	loop_spend(io->loop, thread_cpu_ns() - begin);
	return yes;
}

struct sio_parent *
sio_parent_by_pattern(const struct sio_server *io, struct text name)
{
	uint64_t begin = thread_cpu_ns();
	struct sio_parent *parent = parent_find_by_pattern(io, name);

	loop_spend(io->loop, thread_cpu_ns() - begin);
	return parent;
}

/* ----------------------------------------------------- asking the parents */

/* Runs in sio_next(): makes the namespace at once, so that sio_of() finds the parent's child from then on. */
static void
parent_on_allowed(struct sio_step *step)
{
	struct sio_parent *parent = step->fns[step->next - 1].arg;

	/* a closing client gets no namespace, so none is made for it */
	if (step->client == NULL || !sio_client_open(step->client))
		return;
	step->made = sio_nsp_for(step->io, step->nsp, parent->nsp);
	if (step->made != NULL)
		sio_nsp_used(step->made);
}

/*
 * Returns the message of an owner that refused, else NULL. As in Node.js, clients do not see messages of the
 * application's functions.
 */
static const char *
refusal_for_client(const struct sio_step *step)
{
	const struct sio_parent *last = step->next > 0 ? step->fns[step->next - 1].arg : NULL;

	return last != NULL && last->nsp->owner != NULL && step->refused ? step->message : NULL;
}

/* Size of the client's texts that are kept until the answer. */
static int64_t
parent_kept_bytes(const struct sio_step *step)
{
	return (int64_t)(step->nsp.n + step->auth.n);
}

/*
 * Asks the parents in the order of their creation, from step->next on. The step holds pointers to them, which is safe
 * as parents live as long as the server.
 */
static void
parent_ask_next(struct sio_step *step)
{
	struct sio_client *c = step->client;
	struct sio_parent *matched = NULL;

	if (step->next > 0 && !step->refused)
		matched = step->fns[step->next - 1].arg;
	while (c != NULL && matched == NULL && step->next < step->count) {
		struct sio_parent *parent = step->fns[step->next++].arg;
		struct sio_underway before;

		if (parent->pattern != NULL) {
			matched = parent_matches_for_client(step->io, parent, step->nsp) ? parent : NULL;
			continue;
		}
		step->answered = false;
		step->refused = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, step->nsp.at, "namespace");
		parent->matches(
			step->io, step->nsp.at, sio_turn_value(&step->io->turn, step->auth), step, parent->arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered)
			return;
		matched = step->refused ? NULL : parent;
		c = step->client;
	}
	if (c != NULL) {
		list_remove(&step->held.link);
		c->places--;
		sio_client_hold(c, -parent_kept_bytes(step));
		/* a closing client gets no namespace */
		step->decided(c, step->nsp,
			matched != NULL && sio_client_open(c) ? sio_nsp_for(c->io, step->nsp, matched->nsp) : NULL,
			step->auth, matched == NULL ? refusal_for_client(step) : NULL);
	}
	sio_step_free(step);
}

void
sio_parent_ask(struct sio_client *c, struct text nsp, struct text auth, sio_parent_decided_fn *decided)
{
	struct sio_server *io = c->io;
	struct list *it, *next;
	struct sio_step *step;
	unsigned count = 0;
	char *copy;

	list_each(it, next, &io->parents) count++;
	if (count == 0) {
		decided(c, nsp, NULL, auth, NULL);
		return;
	}
	if (auth.n == 0)
		auth = TEXT("{}");
	copy = mem_try_alloc(nsp.n + 1 + auth.n);
	if (copy == NULL) {
		loop_count_no_memory(io->loop);
		sio_client_close(c);
		return;
	}
	step = sio_step_new(io, count, parent_ask_next);
	list_each(it, next, &io->parents) step->fns[step->count++].arg = container_of(it, struct sio_parent, link);
	memcpy(copy, nsp.at, nsp.n);
	copy[nsp.n] = '\0';
	memcpy(copy + nsp.n + 1, auth.at, auth.n);
	step->nsp = text_of(copy, nsp.n);
	step->auth = text_of(copy + nsp.n + 1, auth.n);
	step->client = c;
	step->allowed = parent_on_allowed;
	step->decided = decided;
	list_add_tail(&c->checks, &step->held.link);
	c->places++;
	sio_client_hold(c, parent_kept_bytes(step)); /* the answer may take a long time */
	parent_ask_next(step);
}
