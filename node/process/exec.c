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
#define READ_MAX 16384		     /* bytes read from a stream at once, so that the master gets to its other work */
#define LAST_WORDS_MAX (1024 * 1024) /* read from an ended program; a pipe holds less, unless it was enlarged */
#define READY "ready\n"

/* Memory shared with the hub and the guard. */
struct shared {
	struct exec_stats stats;
	_Atomic pid_t groups[PROGRAMS_MAX];
};

enum { STREAM_OUT, STREAM_ERR, STREAM_READY, STREAMS };

struct run {
	pid_t pid; /* 0: has ended */
	int fds[STREAMS];
	struct exec_output output[2]; /* of STREAM_OUT and STREAM_ERR */
	size_t ready;		      /* number of bytes of READY received */
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
	struct watched *watched; /* what each descriptor of exec_polls() is */
};

/* ------------------------------------------------------------------ streams */

static void
exec_close_stream(struct run *run, unsigned stream)
{
	if (run->fds[stream] < 0)
		return;
	if (stream != STREAM_READY)
		exec_output_end(&run->output[stream]);
	close(run->fds[stream]);
	run->fds[stream] = -1;
}

static void
exec_feed_ready(struct exec *exec, unsigned program, const char *bytes, size_t n, uint64_t now)
{
	struct run *run = &exec->runs[program];

	for (size_t i = 0; i < n && run->ready < sizeof READY - 1; i++) {
		if (bytes[i] != READY[run->ready])
			run->ready = bytes[i] == READY[0] ? 1 : 0;
		else if (++run->ready == sizeof READY - 1)
			exec_plan_ready(exec->plan, program, now);
	}
}

/* Reads what is available, up to READ_MAX. Returns the number of bytes. */
static size_t
exec_read_stream(struct exec *exec, unsigned program, unsigned stream, uint64_t now)
{
	struct run *run = &exec->runs[program];
	char bytes[READ_MAX];
	ssize_t n = read(run->fds[stream], bytes, sizeof bytes);

	if (n > 0 && stream == STREAM_READY)
		exec_feed_ready(exec, program, bytes, (size_t)n, now);
	else if (n > 0)
		exec_output_feed(&run->output[stream], bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		exec_close_stream(run, stream);
	return n > 0 ? (size_t)n : 0;
}

/* ---------------------------------------------------------------- programs */

static pid_t
exec_start_program(void *arg, unsigned program, unsigned number)
{
	struct exec *exec = arg;
	struct run *run = &exec->runs[program];
	struct exec_spawn_setup setup = {.command = exec->options->command,
		.address = exec->address,
		.port = exec->port,
		.number = number,
		.group = &exec->shared->groups[program]};
	struct exec_pipes pipes;
	pid_t pid = exec_spawn(&setup, &pipes);

	if (pid < 0)
		return pid;
	run->pid = pid;
	run->ready = 0;
	run->fds[STREAM_OUT] = pipes.out;
	run->fds[STREAM_ERR] = pipes.err;
	run->fds[STREAM_READY] = pipes.ready;
	exec_output_init(&run->output[STREAM_OUT], number, "stdout", LOG_INFO);
	exec_output_init(&run->output[STREAM_ERR], number, "stderr", LOG_WARN);
	exec->shared->groups[program] = pid;
	return pid;
}

static void
exec_signal_program(void *arg, unsigned program, int signum)
{
	struct exec *exec = arg;
	pid_t group = exec->shared->groups[program];

	/* right after its start the program does not lead its group yet */
	if (group > 0 && kill(-group, signum) < 0 && errno == ESRCH && exec->runs[program].pid > 0)
		kill(group, signum);
}

static bool
exec_group_has_left(void *arg, unsigned program)
{
	struct exec *exec = arg;

	return kill(-exec->shared->groups[program], 0) < 0 && errno == ESRCH;
}

static void
exec_release_program(void *arg, unsigned program)
{
	struct exec *exec = arg;
	struct run *run = &exec->runs[program];

	for (unsigned s = STREAM_OUT; s <= STREAM_ERR; s++) {
		size_t taken = 0, n;

		while (run->fds[s] >= 0 && taken < LAST_WORDS_MAX && (n = exec_read_stream(exec, program, s, 0)) > 0)
			taken += n;
	}
	for (unsigned s = 0; s < STREAMS; s++)
		exec_close_stream(run, s);
	run->pid = 0;
	exec->shared->groups[program] = 0;
}

static const struct exec_ops exec_plan_calls = {
	exec_start_program, exec_signal_program, exec_group_has_left, exec_release_program};

/* -------------------------------------------------------------------- life */

static int
exec_open(struct exec *exec, const char *address, char error[EXEC_ERROR_MAX])
{
	struct exec_plan_setup plan = {.count = (unsigned)exec->options->count,
		.ready_ms = exec->options->ready_timeout,
		.stop_ms = exec->options->stop_timeout,
		.ops = &exec_plan_calls,
		.arg = exec};

	exec->shared = mmap(NULL, sizeof *exec->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (exec->shared == MAP_FAILED) {
		exec->shared = NULL;
		snprintf(error, EXEC_ERROR_MAX, "option --exec: cannot map shared memory: %s", strerror(errno));
		return ERROR_SYSTEM;
	}
	if (!address && exec_dir_make(&exec->dir) < 0) {
		snprintf(error, EXEC_ERROR_MAX,
			"option --exec: cannot create a directory for the socket under $XDG_RUNTIME_DIR, /run or "
			"/tmp: %s",
			strerror(errno));
		return ERROR_SYSTEM;
	}
	snprintf(exec->address, sizeof exec->address, "%s", address ? address : exec->dir.address);
	/*
	 * Orphans of a program become children of this process, which reaps them. A zombie keeps its group alive, and
	 * PID 1 of a container may not reap it.
	 */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	plan.stats = &exec->shared->stats;
	exec->plan = exec_plan_new(&plan);
	exec->programs = exec_plan_programs(exec->plan);
	exec->runs = mem_zalloc(exec->programs * sizeof exec->runs[0]);
	exec->watched = mem_zalloc(exec->programs * STREAMS * sizeof exec->watched[0]);
	for (unsigned i = 0; i < exec->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++)
			exec->runs[i].fds[s] = -1;
	}
	exec->guard = exec_guard_start(exec->shared->groups, exec->programs, &exec->dir);
	if (exec->guard >= 0)
		return 0;
	snprintf(error, EXEC_ERROR_MAX, "option --exec: cannot start the guard process: %s", strerror(errno));
	return ERROR_SYSTEM;
}

bool
exec_is_wanted(const struct exec_options *options)
{
	return options->command && options->command[0] != '\0';
}

int
exec_new(struct exec **out, const struct exec_options *options, const char *address, char error[EXEC_ERROR_MAX])
{
	struct exec *exec = mem_zalloc(sizeof *exec);
	int result;

	exec->options = options;
	exec->dir.fd = -1;
	result = exec_open(exec, address, error);
	if (result < 0) {
		exec_free(exec);
		exec = NULL;
	}
	*out = exec;
	return result;
}

void
exec_free(struct exec *exec)
{
	if (!exec)
		return;
	if (exec->plan)
		exec_plan_kill(exec->plan, 0);
	exec_guard_stop(exec->guard);
	exec_dir_remove(&exec->dir);
	exec_plan_free(exec->plan);
	mem_free(exec->runs);
	mem_free(exec->watched);
	if (exec->shared)
		munmap(exec->shared, sizeof *exec->shared);
	mem_free(exec);
}

const char *
exec_address(const struct exec *exec)
{
	return exec->address;
}

const struct exec_stats *
exec_stats(const struct exec *exec)
{
	return exec ? &exec->shared->stats : NULL;
}

void
exec_forget(struct exec *exec)
{
	for (unsigned i = 0; exec && i < exec->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++) {
			if (exec->runs[i].fds[s] >= 0)
				close(exec->runs[i].fds[s]);
			exec->runs[i].fds[s] = -1;
		}
	}
	if (exec)
		exec_dir_forget(&exec->dir);
}

void
exec_start(struct exec *exec, uint16_t port, uint64_t now)
{
	if (!exec)
		return;
	exec->port = port;
	log_event(LOG_INFO, "application", "exec", LOG_STR(exec->options->command), "count",
		LOG_INT(exec->options->count), "backend", LOG_STR(exec->address), NULL);
	exec_plan_start(exec->plan, now);
}

void
exec_deploy(struct exec *exec, uint64_t now)
{
	if (exec && exec->port != 0)
		exec_plan_deploy(exec->plan, now);
}

void
exec_stop(struct exec *exec, uint64_t now)
{
	if (exec)
		exec_plan_stop(exec->plan, now);
}

void
exec_kill(struct exec *exec, uint64_t now)
{
	if (exec)
		exec_plan_kill(exec->plan, now);
}

bool
exec_is_over(const struct exec *exec)
{
	return !exec || exec_plan_is_over(exec->plan);
}

bool
exec_is_unrunnable(const struct exec *exec, char error[EXEC_ERROR_MAX])
{
	int code = exec ? exec_plan_unrunnable(exec->plan) : 0;

	if (code == 0)
		return false;
	snprintf(error, EXEC_ERROR_MAX, "option --exec: cannot run \"%.160s\": the shell's exit code is %d, %s",
		exec->options->command, code, code == 127 ? "not found" : "not executable");
	return true;
}

/* ------------------------------------------------------------------ events */

unsigned
exec_polls_max(const struct exec *exec)
{
	return exec ? exec->programs * STREAMS : 0;
}

unsigned
exec_polls(struct exec *exec, struct pollfd *out)
{
	unsigned n = 0;

	for (unsigned i = 0; exec && i < exec->programs; i++) {
		for (unsigned s = 0; s < STREAMS; s++) {
			if (exec->runs[i].fds[s] < 0)
				continue;
			exec->watched[n] = (struct watched){i, s};
			out[n++] = (struct pollfd){exec->runs[i].fds[s], POLLIN, 0};
		}
	}
	return n;
}

void
exec_polled(struct exec *exec, const struct pollfd *polls, unsigned n, uint64_t now)
{
	for (unsigned i = 0; i < n; i++) {
		struct watched watched = exec->watched[i];

		if (polls[i].revents != 0 && exec->runs[watched.program].fds[watched.stream] == polls[i].fd)
			exec_read_stream(exec, watched.program, watched.stream, now);
	}
}

bool
exec_ended(struct exec *exec, pid_t pid, int status, uint64_t now)
{
	if (!exec)
		return false;
	if (pid == exec->guard) { /* the guard was killed: start another */
		exec->guard = exec_guard_start(exec->shared->groups, exec->programs, &exec->dir);
		return true;
	}
	for (unsigned i = 0; i < exec->programs; i++) {
		struct run *run = &exec->runs[i];

		if (run->pid != pid)
			continue;
		run->pid = 0;
		exec_plan_ended(exec->plan, i, WIFSIGNALED(status),
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), now);
		return true;
	}
	return false;
}

void
exec_look(struct exec *exec, uint64_t now)
{
	if (exec)
		exec_plan_look(exec->plan, now);
}

uint64_t
exec_due(const struct exec *exec, uint64_t now)
{
	return exec ? exec_plan_due(exec->plan, now) : UINT64_MAX;
}
