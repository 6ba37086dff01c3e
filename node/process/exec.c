#include "node/process/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/process/exec_dir.h"
#include "node/process/exec_guard.h"
#include "node/process/exec_output.h"
#include "node/process/exec_plan.h"
#include "node/process/exec_spawn.h"

#define PROGRAMS_MAX (EXEC_COUNT_MAX * EXEC_PER_NUMBER)
#define READ_MAX 16384		     /* of one stream in one turn: the other things that the master does come next */
#define LAST_WORDS_MAX (1024 * 1024) /* of a program that has ended; a pipe holds less, unless it was made larger */
#define READY "ready\n"

/* What the hub and the guard see, too. */
struct shared {
	struct exec_stats stats;
	_Atomic pid_t groups[PROGRAMS_MAX];
};

enum { STREAM_OUT, STREAM_ERR, STREAM_READY, STREAMS };

struct run {
	pid_t pid; /* 0: it has ended */
	int fds[STREAMS];
	struct exec_output output[2]; /* by stream */
	size_t ready;		      /* bytes of READY that have come */
};

struct watched {
	unsigned program, stream;
};

struct exec {
	const struct exec_options *options;
	char address[EXEC_ADDRESS_MAX];
	uint16_t port;
	pid_t guard;
	struct exec_dir dir;
	struct shared *shared;
	struct exec_plan *plan;
	unsigned programs;
	struct run *runs;
	struct watched *watched; /* by the place in the polls */
};

/* ------------------------------------------------------------------ streams */

static void
close_stream(struct run *r, unsigned stream)
{
	if (r->fds[stream] < 0)
		return;
	if (stream != STREAM_READY)
		exec_output_end(&r->output[stream]);
	close(r->fds[stream]);
	r->fds[stream] = -1;
}

static void
feed_ready(struct exec *e, unsigned program, const char *bytes, size_t n, uint64_t now)
{
	struct run *r = &e->runs[program];

	for (size_t i = 0; i < n && r->ready < sizeof READY - 1; i++) {
		if (bytes[i] != READY[r->ready])
			r->ready = bytes[i] == READY[0] ? 1 : 0;
		else if (++r->ready == sizeof READY - 1)
			exec_plan_ready(e->plan, program, now);
	}
}

/* Takes what is there now, up to READ_MAX; the bytes taken. */
static size_t
read_stream(struct exec *e, unsigned program, unsigned stream, uint64_t now)
{
	struct run *r = &e->runs[program];
	char bytes[READ_MAX];
	ssize_t n = read(r->fds[stream], bytes, sizeof bytes);

	if (n > 0 && stream == STREAM_READY)
		feed_ready(e, program, bytes, (size_t)n, now);
	else if (n > 0)
		exec_output_feed(&r->output[stream], bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_stream(r, stream);
	return n > 0 ? (size_t)n : 0;
}

/* ---------------------------------------------------------------- programs */

static pid_t
start_program(void *arg, unsigned program, unsigned number)
{
	struct exec *e = arg;
	struct run *r = &e->runs[program];
	struct exec_spawn_setup setup = {.command = e->options->command,
		.address = e->address,
		.port = e->port,
		.number = number,
		.group = &e->shared->groups[program]};
	struct exec_pipes pipes;
	pid_t pid = exec_spawn(&setup, &pipes);

	if (pid < 0)
		return pid;
	r->pid = pid;
	r->ready = 0;
	r->fds[STREAM_OUT] = pipes.out;
	r->fds[STREAM_ERR] = pipes.err;
	r->fds[STREAM_READY] = pipes.ready;
	exec_output_init(&r->output[STREAM_OUT], number, "stdout", LOG_INFO);
	exec_output_init(&r->output[STREAM_ERR], number, "stderr", LOG_WARN);
	e->shared->groups[program] = pid;
	return pid;
}

static void
signal_program(void *arg, unsigned program, int signum)
{
	struct exec *e = arg;
	pid_t group = e->shared->groups[program];

	/* right after its start it does not lead its group yet */
	if (group > 0 && kill(-group, signum) < 0 && errno == ESRCH && e->runs[program].pid > 0)
		kill(group, signum);
}

static bool
has_left(void *arg, unsigned program)
{
	struct exec *e = arg;

	return kill(-e->shared->groups[program], 0) < 0 && errno == ESRCH;
}

static void
release_program(void *arg, unsigned program)
{
	struct exec *e = arg;
	struct run *r = &e->runs[program];

	for (unsigned s = STREAM_OUT; s <= STREAM_ERR; s++) {
		size_t taken = 0, n;

		while (r->fds[s] >= 0 && taken < LAST_WORDS_MAX && (n = read_stream(e, program, s, 0)) > 0)
			taken += n;
	}
	for (unsigned s = 0; s < STREAMS; s++)
		close_stream(r, s);
	r->pid = 0;
	e->shared->groups[program] = 0;
}

static const struct exec_ops ops = {start_program, signal_program, has_left, release_program};

/* -------------------------------------------------------------------- life */

static int
open_all(struct exec *e, const char *address, char error[EXEC_ERROR_MAX])
{
	struct exec_plan_setup plan = {.count = (unsigned)e->options->count,
		.ready_ms = e->options->ready_timeout,
		.stop_ms = e->options->stop_timeout,
		.ops = &ops,
		.arg = e};

	e->shared = mmap(NULL, sizeof *e->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (e->shared == MAP_FAILED) {
		e->shared = NULL;
		snprintf(error, EXEC_ERROR_MAX, "--exec: no memory to share: %s", strerror(errno));
		return ERROR_SYSTEM;
	}
	if (!address && exec_dir_make(&e->dir) < 0) {
		snprintf(error, EXEC_ERROR_MAX,
			"--exec: cannot make a directory for its socket under $XDG_RUNTIME_DIR, /run or /tmp: %s",
			strerror(errno));
		return ERROR_SYSTEM;
	}
	snprintf(e->address, sizeof e->address, "%s", address ? address : e->dir.address);
	/*
	 * What a program leaves behind becomes this process's child and is reaped by it. A group counts as long as a
	 * zombie is in it, and what runs as PID 1 of a container may never reap one.
	 */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	plan.stats = &e->shared->stats;
	e->plan = exec_plan_new(&plan);
	e->programs = exec_plan_programs(e->plan);
	e->runs = mem_zalloc(e->programs * sizeof e->runs[0]);
	e->watched = mem_zalloc(e->programs * STREAMS * sizeof e->watched[0]);
	for (unsigned i = 0; i < e->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++)
			e->runs[i].fds[s] = -1;
	}
	e->guard = exec_guard_start(e->shared->groups, e->programs, &e->dir);
	if (e->guard >= 0)
		return 0;
	snprintf(error, EXEC_ERROR_MAX, "--exec: cannot start: %s", strerror(errno));
	return ERROR_SYSTEM;
}

bool
exec_is_wanted(const struct exec_options *o)
{
	return o->command && o->command[0] != '\0';
}

int
exec_new(struct exec **out, const struct exec_options *options, const char *address, char error[EXEC_ERROR_MAX])
{
	struct exec *e = mem_zalloc(sizeof *e);
	int result;

	e->options = options;
	e->dir.fd = -1;
	result = open_all(e, address, error);
	if (result < 0) {
		exec_free(e);
		e = NULL;
	}
	*out = e;
	return result;
}

void
exec_free(struct exec *e)
{
	if (!e)
		return;
	if (e->plan)
		exec_plan_kill(e->plan, 0);
	exec_guard_stop(e->guard);
	exec_dir_remove(&e->dir);
	exec_plan_free(e->plan);
	mem_free(e->runs);
	mem_free(e->watched);
	if (e->shared)
		munmap(e->shared, sizeof *e->shared);
	mem_free(e);
}

const char *
exec_address(const struct exec *e)
{
	return e->address;
}

const struct exec_stats *
exec_stats(const struct exec *e)
{
	return e ? &e->shared->stats : NULL;
}

void
exec_forget(struct exec *e)
{
	for (unsigned i = 0; e && i < e->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++) {
			if (e->runs[i].fds[s] >= 0)
				close(e->runs[i].fds[s]);
			e->runs[i].fds[s] = -1;
		}
	}
	if (e)
		exec_dir_forget(&e->dir);
}

void
exec_start(struct exec *e, uint16_t port, uint64_t now)
{
	if (!e)
		return;
	e->port = port;
	log_event(LOG_INFO, "application", "exec", LOG_STR(e->options->command), "count", LOG_INT(e->options->count),
		"backend", LOG_STR(e->address), NULL);
	exec_plan_start(e->plan, now);
}

void
exec_deploy(struct exec *e, uint64_t now)
{
	if (e && e->port != 0)
		exec_plan_deploy(e->plan, now);
}

void
exec_stop(struct exec *e, uint64_t now)
{
	if (e)
		exec_plan_stop(e->plan, now);
}

void
exec_kill(struct exec *e, uint64_t now)
{
	if (e)
		exec_plan_kill(e->plan, now);
}

bool
exec_is_over(const struct exec *e)
{
	return !e || exec_plan_is_over(e->plan);
}

bool
exec_is_unrunnable(const struct exec *e, char error[EXEC_ERROR_MAX])
{
	int code = e ? exec_plan_unrunnable(e->plan) : 0;

	if (code == 0)
		return false;
	snprintf(error, EXEC_ERROR_MAX, "--exec: cannot run \"%.160s\": the shell's exit code is %d, %s",
		e->options->command, code, code == 127 ? "not found" : "not executable");
	return true;
}

/* ------------------------------------------------------------------ events */

unsigned
exec_polls_max(const struct exec *e)
{
	return e ? e->programs * STREAMS : 0;
}

unsigned
exec_polls(struct exec *e, struct pollfd *out)
{
	unsigned n = 0;

	for (unsigned i = 0; e && i < e->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++) {
			if (e->runs[i].fds[s] < 0)
				continue;
			e->watched[n] = (struct watched){i, s};
			out[n++] = (struct pollfd){e->runs[i].fds[s], POLLIN, 0};
		}
	}
	return n;
}

void
exec_polled(struct exec *e, const struct pollfd *polls, unsigned n, uint64_t now)
{
	for (unsigned i = 0; i < n; i++) {
		struct watched w = e->watched[i];

		if (polls[i].revents != 0 && e->runs[w.program].fds[w.stream] == polls[i].fd)
			read_stream(e, w.program, w.stream, now);
	}
}

bool
exec_ended(struct exec *e, pid_t pid, int status, uint64_t now)
{
	if (!e)
		return false;
	if (pid == e->guard) { /* somebody killed it */
		e->guard = exec_guard_start(e->shared->groups, e->programs, &e->dir);
		return true;
	}
	for (unsigned i = 0; i < e->programs; i++) {
		struct run *r = &e->runs[i];

		if (r->pid != pid)
			continue;
		r->pid = 0;
		exec_plan_ended(e->plan, i, WIFSIGNALED(status),
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), now);
		return true;
	}
	return false;
}

void
exec_look(struct exec *e, uint64_t now)
{
	if (e)
		exec_plan_look(e->plan, now);
}

uint64_t
exec_due(const struct exec *e, uint64_t now)
{
	return e ? exec_plan_due(e->plan, now) : UINT64_MAX;
}
