/*
 * Parents: who decides, when a client asks for a namespace that is not there, whether it may be made.
 *
 * Patterns are the application's but names are the client's, so matching is bounded twice. One match has limits on
 * steps and depth; a name that exceeds them does not match. All matches of one turn together have a time; what
 * exceeds it waits for the next turn, so that other clients do not wait for one that sends the worst of names.
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
	struct sio_parent *p = mem_zalloc(sizeof *p);
	char name[32];
	int n = snprintf(name, sizeof name, "/_%u", io->parents_made++);

	must(n > 0 && (size_t)n < sizeof name);
	list_init(&p->children);
	p->nsp = mem_zalloc(sizeof *p->nsp + (size_t)n + 1);
	memcpy(p->nsp->name, name, (size_t)n);
	p->nsp->node.key_len = (uint32_t)n;
	sio_nsp_init(p->nsp, io);
	p->nsp->family = p;
	list_add_tail(&io->parents, &p->link);
	return p;
}

void
sio_parent_free(struct sio_parent *p)
{
	list_remove(&p->link);
	must(list_empty(&p->children));
	pattern_free(p->pattern);
	sio_nsp_free(p->nsp);
	mem_free(p);
}

sio_nsp *
sio_of_pattern(sio_server *io, const char *pattern, char *error)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct pattern *compiled;
	struct sio_parent *p;
	char why[PATTERN_ERROR_MAX];

	if (!sio_is_name(pattern)) {
		if (error != NULL)
			(void)snprintf(error, SIO_ERROR_LINE, "namespace pattern: it is NULL, or not UTF-8");
		return NULL;
	}
	/* the whole name must match: "/admin" shall not let "/admin-of-mine" in */
	compiled = pattern_new(text_from(pattern), PATTERN_WHOLE, why);
	if (compiled == NULL) {
		if (error != NULL)
			(void)snprintf(error, SIO_ERROR_LINE, "namespace pattern \"%.200s\": %s", pattern, why);
		return NULL;
	}
	p = parent_new(io);
	p->pattern = compiled;
	return p->nsp;
}

sio_nsp *
sio_of_function(sio_server *io,
	void (*matches)(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	SIO_NEEDS(SIO_A_FUNCTION, matches, NULL);
	struct sio_parent *p = parent_new(io);

	p->matches = matches;
	p->arg = arg;
	return p->nsp;
}

bool
sio_parent_matches(const struct sio_parent *p, struct text name)
{
	return pattern_matches(p->pattern, name);
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

/* The first whose pattern the name fits, or NULL. */
static struct sio_parent *
with_pattern_for(const struct sio_server *io, struct text name)
{
	struct list *it, *next;

	list_each(it, next, &io->parents)
	{
		struct sio_parent *p = container_of(it, struct sio_parent, link);

		if (p->pattern != NULL && sio_parent_matches(p, name))
			return p;
	}
	return NULL;
}

struct sio_nsp *
sio_parent_name(struct sio_server *io, struct text name, bool claim)
{
	struct sio_nsp *nsp = sio_nsp_find(io, name);

	if (nsp == NULL) {
		struct sio_parent *p = with_pattern_for(io, name);

		if (p != NULL)
			nsp = sio_nsp_new(io, name, p->nsp, false);
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
	if (wanted.n > SIO_NSP_NAME_MAX) { /* no client could ask for it */
		(void)sio_misused(__func__, name, NULL, NULL, SIO_ERR_TOO_BIG);
		return NULL;
	}
	return sio_parent_name(io, wanted, false);
}

/* Of this thread: a machine that lets it wait does not make its work dearer. */
static uint64_t
clock_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* For a client: what it takes is work of this turn, a unit for each nanosecond. */
static bool
matches_for_client(const struct sio_server *io, const struct sio_parent *p, struct text name)
{
	uint64_t begin = clock_ns();
	bool yes = sio_parent_matches(p, name);

	loop_spend(io->loop, clock_ns() - begin);
	return yes;
}

/* ------------------------------------------------------ asking all of them */

/*
 * sio_next() on such a step: the namespace is made at once, so that naming it from now on finds the parent's child.
 */
static void
allowed(struct sio_step *step)
{
	struct sio_parent *p = step->fns[step->next - 1].arg;

	/* no namespace is made for a client that is on its way out */
	if (step->client == NULL || !sio_client_open(step->client))
		return;
	step->made = sio_nsp_for(step->io, step->nsp, p->nsp);
	if (step->made != NULL)
		sio_nsp_used(step->made);
}

/* What an owner says who refuses; what an application says is not for clients, as in the original. */
static const char *
owners_word(const struct sio_step *step)
{
	const struct sio_parent *last = step->next > 0 ? step->fns[step->next - 1].arg : NULL;

	return last != NULL && last->nsp->owner != NULL && step->refused ? step->message : NULL;
}

/* What a client has sent, and what is kept for the answer. */
static int64_t
text_size(const struct sio_step *step)
{
	return (int64_t)(step->nsp.n + step->auth.n);
}

/* Parents are asked in the order of their creation; the snapshot is of pointers, as parents live as long as the
 * server. */
static void
ask(struct sio_step *step)
{
	struct sio_client *c = step->client;
	struct sio_parent *yes = NULL;

	if (step->next > 0 && !step->refused)
		yes = step->fns[step->next - 1].arg;
	while (c != NULL && yes == NULL && step->next < step->count) {
		struct sio_parent *p = step->fns[step->next++].arg;
		struct sio_underway before;

		if (p->pattern != NULL) {
			yes = matches_for_client(step->io, p, step->nsp) ? p : NULL;
			continue;
		}
		step->answered = false;
		step->refused = false;
		step->running = true;
		before = sio_underway_enter(&step->io->underway, step->nsp.at, "namespace");
		p->matches(step->io, step->nsp.at, sio_turn_value(&step->io->turn, step->auth), step, p->arg);
		sio_underway_leave(&step->io->underway, before);
		step->running = false;
		if (!step->answered)
			return;
		yes = step->refused ? NULL : p;
		c = step->client;
	}
	if (c != NULL) {
		list_remove(&step->held.link);
		c->places--;
		sio_client_hold(c, -text_size(step));
		/* no namespace is made for a client that is on its way out */
		step->decided(c, step->nsp,
			yes != NULL && sio_client_open(c) ? sio_nsp_for(c->io, step->nsp, yes->nsp) : NULL,
			step->auth, yes == NULL ? owners_word(step) : NULL);
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
	step = sio_step_new(io, count, ask);
	list_each(it, next, &io->parents) step->fns[step->count++].arg = container_of(it, struct sio_parent, link);
	memcpy(copy, nsp.at, nsp.n);
	copy[nsp.n] = '\0';
	memcpy(copy + nsp.n + 1, auth.at, auth.n);
	step->nsp = text_of(copy, nsp.n);
	step->auth = text_of(copy + nsp.n + 1, auth.n);
	step->client = c;
	step->allowed = allowed;
	step->decided = decided;
	list_add_tail(&c->checks, &step->held.link);
	c->places++;
	sio_client_hold(c, text_size(step)); /* whoever is asked may take a long time */
	ask(step);
}
