#include "node/process/exec_plan.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/process/pause.h"

#define KILLED_MS 2000 /* a process that SIGKILL does not end within this stands in the kernel */
#define GROUP_MS 50    /* how often to look whether a group has ended, which nobody reports */
#define NO_PROGRAM (-1)

/* What a shell answers when a command is there but cannot be executed, and when it is not there. */
enum { SHELL_CANNOT = 126, SHELL_NOT_FOUND = 127 };

enum state { FREE, STARTING, LATE, READY, STOPPING, KILLED };

struct program {
	enum state state;
	unsigned number;
	pid_t pid;
	bool ended; /* its first process; the group may have others */
	uint64_t started;
	uint64_t until; /* STARTING, STOPPING, KILLED: what is to happen then stands in the table */
};

struct number {
	int current, next; /* programs, or NO_PROGRAM */
	struct pause pause;
	bool postponed; /* a deploy, until a program is free */
	bool again;	/* one of its programs has fallen before */
};

struct exec_plan {
	struct exec_plan_setup setup;
	bool over; /* none starts any more */
	int unrunnable;
	unsigned programs;
	struct number *numbers;
	struct program *program;
};

struct exec_plan *
exec_plan_new(const struct exec_plan_setup *setup)
{
	struct exec_plan *p = mem_zalloc(sizeof *p);

	must(setup->count > 0 && setup->count <= EXEC_COUNT_MAX);
	p->setup = *setup;
	p->programs = setup->count * EXEC_PER_NUMBER;
	p->numbers = mem_zalloc(setup->count * sizeof p->numbers[0]);
	p->program = mem_zalloc(p->programs * sizeof p->program[0]);
	for (unsigned i = 0; i < setup->count; i++)
		p->numbers[i].current = p->numbers[i].next = NO_PROGRAM;
	setup->stats->count = setup->count;
	return p;
}

void
exec_plan_free(struct exec_plan *p)
{
	if (!p)
		return;
	mem_free(p->numbers);
	mem_free(p->program);
	mem_free(p);
}

unsigned
exec_plan_programs(const struct exec_plan *p)
{
	return p->programs;
}

static unsigned
index_of(const struct exec_plan *p, const struct program *g)
{
	return (unsigned)(g - p->program);
}

static bool
is_current(const struct exec_plan *p, const struct program *g)
{
	return p->numbers[g->number].current == (int)index_of(p, g);
}

static bool
is_successor(const struct exec_plan *p, const struct program *g)
{
	return p->numbers[g->number].next == (int)index_of(p, g);
}

static void
publish_ready(const struct exec_plan *p, unsigned number)
{
	int current = p->numbers[number].current;

	p->setup.stats->of[number].ready = current != NO_PROGRAM && p->program[current].state == READY;
}

/* ------------------------------------------------------------- one program */

static void
release(struct exec_plan *p, struct program *g)
{
	g->state = FREE;
	p->setup.stats->of[g->number].running--;
	p->setup.ops->released(p->setup.arg, index_of(p, g));
}

static void
stop_program(struct exec_plan *p, struct program *g, uint64_t now)
{
	log_event(LOG_INFO, "exec_stopping", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), NULL);
	g->state = STOPPING;
	g->until = now + p->setup.stop_ms;
	p->setup.ops->signal(p->setup.arg, index_of(p, g), SIGTERM);
}

static void
kill_program(struct exec_plan *p, struct program *g, uint64_t now)
{
	p->setup.ops->signal(p->setup.arg, index_of(p, g), SIGKILL);
	if (g->ended) {
		release(p, g);
		return;
	}
	g->state = KILLED;
	g->until = now + KILLED_MS;
}

static struct program *
find_free(const struct exec_plan *p)
{
	for (unsigned i = 0; i < p->programs; i++) {
		if (p->program[i].state == FREE)
			return &p->program[i];
	}
	return NULL;
}

/* NULL: it cannot be started. */
static struct program *
start_program(struct exec_plan *p, unsigned number, uint64_t now)
{
	struct program *g = find_free(p);
	pid_t pid;

	must(g);
	pid = p->setup.ops->start(p->setup.arg, index_of(p, g), number);
	if (pid < 0) {
		log_event(
			LOG_ERROR, "exec_failed", "number", LOG_INT(number), "error", LOG_STR(strerror(errno)), NULL);
		return NULL;
	}
	*g = (struct program){
		.state = STARTING, .number = number, .pid = pid, .started = now, .until = now + p->setup.ready_ms};
	p->setup.stats->of[number].running++;
	log_event(LOG_INFO, "exec_started", "number", LOG_INT(number), "pid", LOG_INT(pid), NULL);
	return g;
}

static void
start_current(struct exec_plan *p, unsigned number, uint64_t now)
{
	struct number *n = &p->numbers[number];
	struct program *g;

	pause_start(&n->pause, now);
	g = start_program(p, number, now);
	if (g)
		n->current = (int)index_of(p, g);
	else
		pause_fail(&n->pause, now, false);
}

/* ------------------------------------------------------------------ deploy */

/* Something is still leaving; programs of other numbers may use what this one does not. */
static bool
has_room(const struct exec_plan *p, unsigned number)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->programs; i++)
		n += p->program[i].state != FREE && p->program[i].number == number;
	return n < EXEC_PER_NUMBER;
}

static void
deploy(struct exec_plan *p, unsigned number, uint64_t now)
{
	struct number *n = &p->numbers[number];
	struct program *g;

	if (n->next != NO_PROGRAM) { /* it may have read files of the deploy before */
		stop_program(p, &p->program[n->next], now);
		n->next = NO_PROGRAM;
	}
	n->postponed = !has_room(p, number);
	if (n->postponed)
		return;
	if (n->current == NO_PROGRAM) {
		n->pause.failures = 0; /* of an older program */
		start_current(p, number, now);
		return;
	}
	g = start_program(p, number, now);
	if (g)
		n->next = (int)index_of(p, g);
}

static void
give_up(struct exec_plan *p, struct program *g, const char *why)
{
	p->numbers[g->number].next = NO_PROGRAM;
	log_event(LOG_ERROR, "exec_given_up", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), "error",
		LOG_STR(why), "effect", LOG_STR("the program before it stays"), NULL);
}

static void
take_over(struct exec_plan *p, struct program *g)
{
	struct number *n = &p->numbers[g->number];

	n->current = (int)index_of(p, g);
	n->next = NO_PROGRAM;
	n->pause = (struct pause){.started = g->started};
}

/* ------------------------------------------------------------------ events */

void
exec_plan_start(struct exec_plan *p, uint64_t now)
{
	for (unsigned i = 0; i < p->setup.count; i++)
		start_current(p, i, now);
}

void
exec_plan_deploy(struct exec_plan *p, uint64_t now)
{
	for (unsigned i = 0; !p->over && i < p->setup.count; i++)
		deploy(p, i, now);
}

static void
forget_starts(struct exec_plan *p)
{
	p->over = true;
	for (unsigned i = 0; i < p->setup.count; i++) {
		struct number *n = &p->numbers[i];

		n->current = n->next = NO_PROGRAM;
		n->postponed = false;
		n->pause.due = 0;
		publish_ready(p, i);
	}
}

void
exec_plan_stop(struct exec_plan *p, uint64_t now)
{
	forget_starts(p);
	for (unsigned i = 0; i < p->programs; i++) {
		struct program *g = &p->program[i];

		if (g->state != FREE && g->state < STOPPING)
			stop_program(p, g, now);
	}
}

void
exec_plan_kill(struct exec_plan *p, uint64_t now)
{
	forget_starts(p);
	for (unsigned i = 0; i < p->programs; i++) {
		struct program *g = &p->program[i];

		if (g->state != FREE && g->state != KILLED)
			kill_program(p, g, now);
	}
}

void
exec_plan_ready(struct exec_plan *p, unsigned program, uint64_t now)
{
	struct program *g = &p->program[program];
	struct number *n = &p->numbers[g->number];
	int before = n->current;

	if (g->state != STARTING && g->state != LATE)
		return;
	g->state = READY;
	log_event(LOG_INFO, "exec_ready", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), "after_ms",
		LOG_INT(now - g->started), NULL);
	if (is_successor(p, g)) {
		take_over(p, g);
		if (before != NO_PROGRAM)
			stop_program(p, &p->program[before], now);
	}
	publish_ready(p, g->number);
}

static void
log_ended(const struct exec_plan *p, const struct program *g, bool by_signal, int number, bool unasked, uint64_t now)
{
	const struct number *n = &p->numbers[g->number];
	const char *how = by_signal ? "signal" : "code";

	if (unasked && n->pause.due > 0)
		log_event(LOG_WARN, "exec_ended", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), how,
			LOG_INT(number), "restart_ms", LOG_INT(pause_left(&n->pause, now)), NULL);
	else
		log_event(unasked ? LOG_WARN : LOG_INFO, "exec_ended", "number", LOG_INT(g->number), "pid",
			LOG_INT(g->pid), how, LOG_INT(number), NULL);
}

/* Nobody told it to. */
static void
fell(struct exec_plan *p, struct program *g, bool by_signal, int number, uint64_t now)
{
	struct number *n = &p->numbers[g->number];
	bool first = g->state == STARTING && !n->again;

	n->again = true;
	p->setup.ops->signal(p->setup.arg, index_of(p, g), SIGKILL);
	if (is_successor(p, g)) {
		log_ended(p, g, by_signal, number, true, now);
		give_up(p, g, "it ended before it was ready");
	} else if (n->next != NO_PROGRAM) {
		log_ended(p, g, by_signal, number, true, now);
		take_over(p, &p->program[n->next]);
	} else {
		n->current = NO_PROGRAM;
		if (first && !by_signal && (number == SHELL_CANNOT || number == SHELL_NOT_FOUND))
			p->unrunnable = number;
		else
			pause_fail(&n->pause, now, false);
		log_ended(p, g, by_signal, number, true, now);
	}
	publish_ready(p, g->number);
	release(p, g);
}

void
exec_plan_ended(struct exec_plan *p, unsigned program, bool by_signal, int number, uint64_t now)
{
	struct program *g = &p->program[program];

	must(g->state != FREE);
	g->ended = true;
	if (g->state < STOPPING) {
		fell(p, g, by_signal, number, now);
		return;
	}
	log_ended(p, g, by_signal, number, false, now);
	if (g->state == KILLED || p->setup.ops->has_left(p->setup.arg, program))
		release(p, g);
}

/* -------------------------------------------------------------------- time */

static void
be_late(struct exec_plan *p, struct program *g, uint64_t now)
{
	if (is_successor(p, g)) {
		give_up(p, g, "it is not ready in time");
		stop_program(p, g, now);
		return;
	}
	must(is_current(p, g));
	g->state = LATE;
	log_event(LOG_WARN, "exec_not_ready", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), "after_ms",
		LOG_INT(now - g->started), NULL);
}

static void
look(struct exec_plan *p, struct program *g, uint64_t now)
{
	if (g->state == STOPPING && g->ended && p->setup.ops->has_left(p->setup.arg, index_of(p, g))) {
		release(p, g);
	} else if (g->state == STARTING && now >= g->until) {
		be_late(p, g, now);
	} else if (g->state == STOPPING && now >= g->until) {
		log_event(LOG_WARN, "exec_killed", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), "after_ms",
			LOG_INT(p->setup.stop_ms), NULL);
		kill_program(p, g, now);
	} else if (g->state == KILLED && now >= g->until) {
		log_event(LOG_ERROR, "exec_left_behind", "number", LOG_INT(g->number), "pid", LOG_INT(g->pid), NULL);
		release(p, g);
	}
}

void
exec_plan_look(struct exec_plan *p, uint64_t now)
{
	for (unsigned i = 0; i < p->programs; i++)
		look(p, &p->program[i], now);
	for (unsigned i = 0; i < p->setup.count; i++) {
		struct number *n = &p->numbers[i];

		if (n->postponed && has_room(p, i))
			deploy(p, i, now);
		if (n->pause.due > 0 && n->pause.due <= now && has_room(p, i)) {
			p->setup.stats->of[i].restarts++;
			start_current(p, i, now);
		}
	}
}

static void
sooner(uint64_t *when, uint64_t due)
{
	if (due < *when)
		*when = due;
}

uint64_t
exec_plan_due(const struct exec_plan *p, uint64_t now)
{
	uint64_t when = UINT64_MAX;

	for (unsigned i = 0; i < p->programs; i++) {
		const struct program *g = &p->program[i];

		if (g->state == STARTING || g->state == STOPPING || g->state == KILLED)
			sooner(&when, g->until);
		if (g->state == STOPPING && g->ended)
			sooner(&when, now + GROUP_MS);
	}
	for (unsigned i = 0; i < p->setup.count; i++) {
		const struct number *n = &p->numbers[i];

		if (n->pause.due > 0)
			sooner(&when, has_room(p, i) ? n->pause.due : now + GROUP_MS);
	}
	return when;
}

bool
exec_plan_is_over(const struct exec_plan *p)
{
	for (unsigned i = 0; i < p->programs; i++) {
		if (p->program[i].state != FREE)
			return false;
	}
	return p->over;
}

int
exec_plan_unrunnable(const struct exec_plan *p)
{
	return p->unrunnable;
}
