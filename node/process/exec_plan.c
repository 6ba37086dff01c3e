#include "node/process/exec_plan.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/process/pause.h"

#define KILLED_MS 2000 /* a process that survives SIGKILL for this long is stuck in the kernel */
#define GROUP_MS 50    /* interval of checks for the end of a group, which the kernel does not report */
#define NO_PROGRAM (-1)

/* Exit codes of a shell for a command that cannot be executed, and for a command that does not exist. */
enum { SHELL_CANNOT = 126, SHELL_NOT_FOUND = 127 };

enum state { FREE, STARTING, LATE, READY, STOPPING, KILLED };

struct program {
	enum state state;
	unsigned number;
	pid_t pid;
	bool ended; /* the first process has ended; the group may have others */
	uint64_t started;
	uint64_t until; /* STARTING, STOPPING, KILLED: deadline, see the table in exec_plan.h */
};

struct number {
	int current, next; /* indexes of programs, or NO_PROGRAM */
	struct pause pause;
	bool postponed; /* a deploy waits until a program struct is free */
	bool again;	/* a program of this number has already ended without being told to */
};

struct exec_plan {
	struct exec_plan_setup setup;
	bool over; /* no further program starts */
	int unrunnable;
	unsigned programs;
	struct number *numbers;
	struct program *program;
};

struct exec_plan *
exec_plan_new(const struct exec_plan_setup *setup)
{
	struct exec_plan *plan = mem_zalloc(sizeof *plan);

	must(setup->count > 0 && setup->count <= EXEC_COUNT_MAX);
	plan->setup = *setup;
	plan->programs = setup->count * EXEC_PER_NUMBER;
	plan->numbers = mem_zalloc(setup->count * sizeof plan->numbers[0]);
	plan->program = mem_zalloc(plan->programs * sizeof plan->program[0]);
	for (unsigned i = 0; i < setup->count; i++)
		plan->numbers[i].current = plan->numbers[i].next = NO_PROGRAM;
	setup->stats->count = setup->count;
	return plan;
}

void
exec_plan_free(struct exec_plan *plan)
{
	if (!plan)
		return;
	mem_free(plan->numbers);
	mem_free(plan->program);
	mem_free(plan);
}

unsigned
exec_plan_programs(const struct exec_plan *plan)
{
	return plan->programs;
}

static unsigned
program_index(const struct exec_plan *plan, const struct program *program)
{
	return (unsigned)(program - plan->program);
}

static bool
program_is_current(const struct exec_plan *plan, const struct program *program)
{
	return plan->numbers[program->number].current == (int)program_index(plan, program);
}

static bool
program_is_successor(const struct exec_plan *plan, const struct program *program)
{
	return plan->numbers[program->number].next == (int)program_index(plan, program);
}

static void
plan_publish_ready(const struct exec_plan *plan, unsigned number)
{
	int current = plan->numbers[number].current;

	plan->setup.stats->of[number].ready = current != NO_PROGRAM && plan->program[current].state == READY;
}

/* ------------------------------------------------------------- one program */

static void
program_release(struct exec_plan *plan, struct program *program)
{
	program->state = FREE;
	plan->setup.stats->of[program->number].running--;
	plan->setup.ops->released(plan->setup.arg, program_index(plan, program));
}

static void
program_stop(struct exec_plan *plan, struct program *program, uint64_t now)
{
	log_event(LOG_INFO, "exec_stopping", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid), NULL);
	program->state = STOPPING;
	program->until = now + plan->setup.stop_ms;
	plan->setup.ops->signal(plan->setup.arg, program_index(plan, program), SIGTERM);
}

static void
program_kill(struct exec_plan *plan, struct program *program, uint64_t now)
{
	plan->setup.ops->signal(plan->setup.arg, program_index(plan, program), SIGKILL);
	if (program->ended) {
		program_release(plan, program);
		return;
	}
	program->state = KILLED;
	program->until = now + KILLED_MS;
}

static struct program *
plan_find_free(const struct exec_plan *plan)
{
	for (unsigned i = 0; i < plan->programs; i++) {
		if (plan->program[i].state == FREE)
			return &plan->program[i];
	}
	return NULL;
}

/* Returns NULL if the program cannot be started. */
static struct program *
program_start(struct exec_plan *plan, unsigned number, uint64_t now)
{
	struct program *program = plan_find_free(plan);
	pid_t pid;

	must(program);
	pid = plan->setup.ops->start(plan->setup.arg, program_index(plan, program), number);
	if (pid < 0) {
		log_event(
			LOG_ERROR, "exec_failed", "number", LOG_INT(number), "error", LOG_STR(strerror(errno)), NULL);
		return NULL;
	}
	*program = (struct program){
		.state = STARTING, .number = number, .pid = pid, .started = now, .until = now + plan->setup.ready_ms};
	plan->setup.stats->of[number].running++;
	log_event(LOG_INFO, "exec_started", "number", LOG_INT(number), "pid", LOG_INT(pid), NULL);
	return program;
}

static void
plan_start_current(struct exec_plan *plan, unsigned number, uint64_t now)
{
	struct number *entry = &plan->numbers[number];
	struct program *program;

	pause_start(&entry->pause, now);
	program = program_start(plan, number, now);
	if (program)
		entry->current = (int)program_index(plan, program);
	else
		pause_fail(&entry->pause, now, false);
}

/* ------------------------------------------------------------------ deploy */

/* Returns true if this number may start another program. Programs that are stopping count. */
static bool
plan_has_room(const struct exec_plan *plan, unsigned number)
{
	unsigned n = 0;

	for (unsigned i = 0; i < plan->programs; i++)
		n += plan->program[i].state != FREE && plan->program[i].number == number;
	return n < EXEC_PER_NUMBER;
}

static void
plan_deploy_number(struct exec_plan *plan, unsigned number, uint64_t now)
{
	struct number *entry = &plan->numbers[number];
	struct program *program;

	if (entry->next != NO_PROGRAM) { /* the successor may have read files from before this deploy */
		program_stop(plan, &plan->program[entry->next], now);
		entry->next = NO_PROGRAM;
	}
	entry->postponed = !plan_has_room(plan, number);
	if (entry->postponed)
		return;
	if (entry->current == NO_PROGRAM) {
		entry->pause.failures = 0; /* the failures were those of the old program */
		plan_start_current(plan, number, now);
		return;
	}
	program = program_start(plan, number, now);
	if (program)
		entry->next = (int)program_index(plan, program);
}

static void
plan_give_up_deploy(struct exec_plan *plan, struct program *program, const char *why)
{
	plan->numbers[program->number].next = NO_PROGRAM;
	log_event(LOG_ERROR, "exec_given_up", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid),
		"error", LOG_STR(why), "effect", LOG_STR("the old program keeps running"), NULL);
}

static void
plan_take_over(struct exec_plan *plan, struct program *program)
{
	struct number *entry = &plan->numbers[program->number];

	entry->current = (int)program_index(plan, program);
	entry->next = NO_PROGRAM;
	entry->pause = (struct pause){.started = program->started};
}

/* ------------------------------------------------------------------ events */

void
exec_plan_start(struct exec_plan *plan, uint64_t now)
{
	for (unsigned i = 0; i < plan->setup.count; i++)
		plan_start_current(plan, i, now);
}

void
exec_plan_deploy(struct exec_plan *plan, uint64_t now)
{
	for (unsigned i = 0; !plan->over && i < plan->setup.count; i++)
		plan_deploy_number(plan, i, now);
}

static void
plan_forget_starts(struct exec_plan *plan)
{
	plan->over = true;
	for (unsigned i = 0; i < plan->setup.count; i++) {
		struct number *entry = &plan->numbers[i];

		entry->current = entry->next = NO_PROGRAM;
		entry->postponed = false;
		entry->pause.due = 0;
		plan_publish_ready(plan, i);
	}
}

void
exec_plan_stop(struct exec_plan *plan, uint64_t now)
{
	plan_forget_starts(plan);
	for (unsigned i = 0; i < plan->programs; i++) {
		struct program *program = &plan->program[i];

		if (program->state != FREE && program->state < STOPPING)
			program_stop(plan, program, now);
	}
}

void
exec_plan_kill(struct exec_plan *plan, uint64_t now)
{
	plan_forget_starts(plan);
	for (unsigned i = 0; i < plan->programs; i++) {
		struct program *program = &plan->program[i];

		if (program->state != FREE && program->state != KILLED)
			program_kill(plan, program, now);
	}
}

void
exec_plan_ready(struct exec_plan *plan, unsigned index, uint64_t now)
{
	struct program *program = &plan->program[index];
	struct number *entry = &plan->numbers[program->number];
	int before = entry->current;

	if (program->state != STARTING && program->state != LATE)
		return;
	program->state = READY;
	log_event(LOG_INFO, "exec_ready", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid),
		"after_ms", LOG_INT(now - program->started), NULL);
	if (program_is_successor(plan, program)) {
		plan_take_over(plan, program);
		if (before != NO_PROGRAM)
			program_stop(plan, &plan->program[before], now);
	}
	plan_publish_ready(plan, program->number);
}

static void
program_log_ended(const struct exec_plan *plan, const struct program *program, bool by_signal, int number,
	bool unasked, uint64_t now)
{
	const struct number *entry = &plan->numbers[program->number];
	const char *how = by_signal ? "signal" : "code";

	if (unasked && entry->pause.due > 0)
		log_event(LOG_WARN, "exec_ended", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid),
			how, LOG_INT(number), "restart_ms", LOG_INT(pause_left(&entry->pause, now)), NULL);
	else
		log_event(unasked ? LOG_WARN : LOG_INFO, "exec_ended", "number", LOG_INT(program->number), "pid",
			LOG_INT(program->pid), how, LOG_INT(number), NULL);
}

/* Handles the end of a program that was not told to stop. */
static void
program_fell(struct exec_plan *plan, struct program *program, bool by_signal, int number, uint64_t now)
{
	struct number *entry = &plan->numbers[program->number];
	bool first = program->state == STARTING && !entry->again;

	entry->again = true;
	plan->setup.ops->signal(plan->setup.arg, program_index(plan, program), SIGKILL);
	if (program_is_successor(plan, program)) {
		program_log_ended(plan, program, by_signal, number, true, now);
		plan_give_up_deploy(plan, program, "the new program ended before it was ready");
	} else if (entry->next != NO_PROGRAM) {
		program_log_ended(plan, program, by_signal, number, true, now);
		plan_take_over(plan, &plan->program[entry->next]);
	} else {
		entry->current = NO_PROGRAM;
		if (first && !by_signal && (number == SHELL_CANNOT || number == SHELL_NOT_FOUND))
			plan->unrunnable = number;
		else
			pause_fail(&entry->pause, now, false);
		program_log_ended(plan, program, by_signal, number, true, now);
	}
	plan_publish_ready(plan, program->number);
	program_release(plan, program);
}

void
exec_plan_ended(struct exec_plan *plan, unsigned index, bool by_signal, int number, uint64_t now)
{
	struct program *program = &plan->program[index];

	must(program->state != FREE);
	program->ended = true;
	if (program->state < STOPPING) {
		program_fell(plan, program, by_signal, number, now);
		return;
	}
	program_log_ended(plan, program, by_signal, number, false, now);
	if (program->state == KILLED || plan->setup.ops->has_left(plan->setup.arg, index))
		program_release(plan, program);
}

/* -------------------------------------------------------------------- time */

static void
program_be_late(struct exec_plan *plan, struct program *program, uint64_t now)
{
	if (program_is_successor(plan, program)) {
		plan_give_up_deploy(plan, program, "the new program was not ready in time");
		program_stop(plan, program, now);
		return;
	}
	must(program_is_current(plan, program));
	program->state = LATE;
	log_event(LOG_WARN, "exec_not_ready", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid),
		"after_ms", LOG_INT(now - program->started), NULL);
}

static void
program_look(struct exec_plan *plan, struct program *program, uint64_t now)
{
	if (program->state == STOPPING && program->ended &&
		plan->setup.ops->has_left(plan->setup.arg, program_index(plan, program))) {
		program_release(plan, program);
	} else if (program->state == STARTING && now >= program->until) {
		program_be_late(plan, program, now);
	} else if (program->state == STOPPING && now >= program->until) {
		log_event(LOG_WARN, "exec_killed", "number", LOG_INT(program->number), "pid", LOG_INT(program->pid),
			"after_ms", LOG_INT(plan->setup.stop_ms), NULL);
		program_kill(plan, program, now);
	} else if (program->state == KILLED && now >= program->until) {
		log_event(LOG_ERROR, "exec_left_behind", "number", LOG_INT(program->number), "pid",
			LOG_INT(program->pid), NULL);
		program_release(plan, program);
	}
}

void
exec_plan_look(struct exec_plan *plan, uint64_t now)
{
	for (unsigned i = 0; i < plan->programs; i++)
		program_look(plan, &plan->program[i], now);
	for (unsigned i = 0; i < plan->setup.count; i++) {
		struct number *entry = &plan->numbers[i];

		if (entry->postponed && plan_has_room(plan, i))
			plan_deploy_number(plan, i, now);
		if (entry->pause.due > 0 && entry->pause.due <= now && plan_has_room(plan, i)) {
			plan->setup.stats->of[i].restarts++;
			plan_start_current(plan, i, now);
		}
	}
}

uint64_t
exec_plan_due(const struct exec_plan *plan, uint64_t now)
{
	uint64_t when = UINT64_MAX;

	for (unsigned i = 0; i < plan->programs; i++) {
		const struct program *program = &plan->program[i];

		if (program->state == STARTING || program->state == STOPPING || program->state == KILLED)
			pause_due_at_most(&when, program->until);
		if (program->state == STOPPING && program->ended)
			pause_due_at_most(&when, now + GROUP_MS);
	}
	for (unsigned i = 0; i < plan->setup.count; i++) {
		const struct number *entry = &plan->numbers[i];

		if (entry->pause.due > 0)
			pause_due_at_most(&when, plan_has_room(plan, i) ? entry->pause.due : now + GROUP_MS);
	}
	return when;
}

bool
exec_plan_is_over(const struct exec_plan *plan)
{
	for (unsigned i = 0; i < plan->programs; i++) {
		if (plan->program[i].state != FREE)
			return false;
	}
	return plan->over;
}

int
exec_plan_unrunnable(const struct exec_plan *plan)
{
	return plan->unrunnable;
}
