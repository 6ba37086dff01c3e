#include "tests/load/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/load/load.h"
#include "tests/load/messages.h"

#define STEP_NS 20000000
#define MS 1000000ull
#define START_NS (50 * MS) /* a moment is announced this long before, so that every process knows it in time */
#define FDS_MORE 64	   /* descriptors of a load process besides its clients' connections */
#define GONE_MS 10000	   /* time limit for all clients to leave, */
#define CLIENT_GONE_MS 1   /* and for each of them in addition, because a crowd fills the processors */
#define BACK_PART 50	   /* memory counts as given back if it exceeds its start by at most a 50th */

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal_number)
{
	(void)signal_number;
	if (interrupted++)
		_exit(EXIT_COULD_NOT); /* the load processes end with their parent */
}

static enum load_exit
report_failure(const char *what, const char *why)
{
	fprintf(stderr, "sockeye-load: %s%s%s\n", what, why[0] ? ": " : "", why);
	return EXIT_COULD_NOT;
}

/* ----------------------------------------------------------------------- before */

static FILE *
open_result(const char *path)
{
	FILE *file = path ? fopen(path, "we") : NULL;

	if (path && file == NULL)
		report_failure(path, strerror(errno));
	return file;
}

static bool
open_results(struct supervisor *supervisor)
{
	const struct load_options *o = supervisor->options;

	supervisor->json = open_result(o->json);
	supervisor->plot = open_result(o->plot);
	return (o->json == NULL) == (supervisor->json == NULL) && (o->plot == NULL) == (supervisor->plot == NULL);
}

/* Allows enough descriptors for the clients of one process. */
static bool
raise_fd_limit(const struct load_options *o)
{
	uint64_t each = o->transport == LOAD_POLLING ? 2 : o->transport == LOAD_UPGRADE ? 3 : 1;
	uint64_t needed = (o->clients + o->processes - 1) / o->processes * each + FDS_MORE;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= needed)
		return true;
	limit.rlim_cur = needed;
	if (limit.rlim_max < needed)
		limit.rlim_max = needed; /* root may raise it */
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return true;
	getrlimit(RLIMIT_NOFILE, &limit);
	fprintf(stderr,
		"sockeye-load: %llu clients need %llu descriptors in each process, but the limit is %llu; "
		"give --processes %llu, or raise ulimit -n\n",
		(unsigned long long)o->clients, (unsigned long long)needed, (unsigned long long)limit.rlim_max,
		(unsigned long long)((o->clients * each + limit.rlim_max - FDS_MORE - 1) /
				     (limit.rlim_max - FDS_MORE)));
	return false;
}

/* Returns false after an error. `*code` is then EXIT_USAGE for a malformed URL. */
static bool
find_targets(struct supervisor *supervisor, enum load_exit *code)
{
	const struct load_options *o = supervisor->options;
	char error[TARGET_ERROR_MAX];

	supervisor->targets = mem_zalloc(o->url_count * sizeof *supervisor->targets);
	for (unsigned i = 0; i < o->url_count; i++) {
		int result = target_init(&supervisor->targets[i], o->urls[i], o, error);

		if (result < 0) {
			report_failure(error, "");
			if (result == ERROR_ARGUMENT)
				*code = EXIT_USAGE;
			return false;
		}
	}
	return true;
}

/* Measures the watched processes. Returns a process that is gone, or 0. */
static pid_t
supervisor_observe(struct supervisor *supervisor, struct observed *out)
{
	pid_t missing = 0;

	if (supervisor->has_server && observe_processes(supervisor->options->pids, supervisor->options->pid_count,
					      out, &missing) != ERROR_NOT_FOUND)
		return 0;
	return missing;
}

/* At the start, all watched processes must exist. */
static bool
supervisor_observe_first(struct supervisor *supervisor)
{
	pid_t missing;
	char text[32];

	supervisor->has_server = supervisor->options->pid_count > 0;
	missing = supervisor_observe(supervisor, &supervisor->before);
	if (missing == 0)
		return true;
	snprintf(text, sizeof text, "%d", (int)missing);
	report_failure("option --server-pid: no such process", text);
	return false;
}

/* A server that ends later is reported on standard error, and the run goes on: how clients see the end is
 * a result. */
static void
supervisor_observe_again(struct supervisor *supervisor, struct observed *out)
{
	pid_t missing = supervisor_observe(supervisor, out);

	if (missing == 0)
		return;
	fprintf(stderr,
		"sockeye-load: option --server-pid: process %d has ended; the report does not contain the server's "
		"figures\n",
		(int)missing);
	supervisor->has_server = false;
}

static bool
start_processes(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->options->processes; i++) {
		supervisor->pids[i] = fork();
		if (supervisor->pids[i] == 0)
			_exit(load_run(supervisor->options, supervisor->targets, supervisor->board, i));
		if (supervisor->pids[i] < 0) {
			report_failure("cannot start a load process", strerror(errno));
			return false;
		}
	}
	return true;
}

/* ----------------------------------------------------------------------- phases */

/* Waits a moment. False if a load process has died. */
static bool
supervisor_step(struct supervisor *supervisor)
{
	struct timespec pause = {.tv_nsec = STEP_NS};
	int status;
	pid_t pid;

	nanosleep(&pause, NULL);
	pid = waitpid(-1, &status, WNOHANG);
	if (pid > 0) {
		for (unsigned i = 0; i < supervisor->options->processes; i++)
			if (supervisor->pids[i] == pid)
				supervisor->pids[i] = 0;
		report_failure("a load process died", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
		return false;
	}
	supervisor_progress(supervisor);
	return true;
}

/*
 * True when all clients have joined or failed. Clients that reconnect after a failure get the time for one more
 * attempt.
 */
static bool
supervisor_all_connected(const struct supervisor *supervisor, uint64_t *since)
{
	uint64_t tried, joined, now = board_now();

	BOARD_SUM(supervisor->board, tried, tried);
	BOARD_SUM(supervisor->board, joined, joined);
	if (joined >= supervisor->options->clients)
		return true;
	if (tried < supervisor->options->clients)
		return false;
	if (*since == 0)
		*since = now;
	return !supervisor->options->reconnect || supervisor->options->scenario->measures_coming || joined == 0 ||
	       now - *since > supervisor->options->timeout_ms * MS;
}

static bool
supervisor_connect_all(struct supervisor *supervisor)
{
	uint64_t since = 0;

	while (!interrupted && !supervisor_all_connected(supervisor, &since))
		if (!supervisor_step(supervisor))
			return false;
	return true;
}

static bool
run_over(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->board->processes; i++)
		if (!supervisor->board->parts[i].run_ended)
			return false;
	return true;
}

/* The warm-up and the measured run. */
static bool
supervisor_run(struct supervisor *supervisor)
{
	struct board *b = supervisor->board;
	const struct load_options *o = supervisor->options;
	bool with_messages = o->scenario->audience != AUDIENCE_NONE;
	uint64_t send_from = board_now() + START_NS;
	uint64_t from = send_from + (with_messages ? o->warm_up_ms * MS : 0);
	uint64_t until = from + o->duration_ms * MS;

	atomic_store(&b->send_from, send_from);
	atomic_store(&b->run_until, until);
	atomic_store(&b->run_from, from);
	atomic_store(&b->phase, PHASE_MESSAGES);
	while (!interrupted && board_now() < from)
		if (!supervisor_step(supervisor))
			return false;
	supervisor_observe_again(supervisor, &supervisor->at_begin);
	while (!interrupted && board_now() < until && !run_over(supervisor))
		if (!supervisor_step(supervisor))
			return false;
	if (board_now() < until)
		atomic_store(&b->run_until, board_now());
	return true;
}

enum wait_end {
	WAIT_DONE,
	WAIT_TOO_LONG,
	WAIT_FAILED, /* a load process has died */
};

static bool
part_settled(const struct board_part *part)
{
	return part->settled;
}

static bool
part_gone(const struct board_part *part)
{
	return part->gone;
}

/* Waits until every process is `done`, at most `ms`. */
static enum wait_end
supervisor_wait(struct supervisor *supervisor, bool (*done)(const struct board_part *part), uint64_t ms)
{
	uint64_t until = board_now() + ms * MS;
	bool all = false;

	while (!all && board_now() < until) {
		if (!supervisor_step(supervisor))
			return WAIT_FAILED;
		all = true;
		for (unsigned i = 0; i < supervisor->board->processes; i++)
			all &= done(&supervisor->board->parts[i]);
	}
	return all ? WAIT_DONE : WAIT_TOO_LONG;
}

/* What has not arrived in time, the result counts as lost. */
static bool
supervisor_settle(struct supervisor *supervisor)
{
	atomic_store(&supervisor->board->phase, PHASE_SETTLING);
	return supervisor_wait(supervisor, part_settled, supervisor->options->settle_ms) != WAIT_FAILED;
}

static bool
supervisor_leave(struct supervisor *supervisor)
{
	uint64_t until, limit = GONE_MS + supervisor->options->clients * CLIENT_GONE_MS;
	enum wait_end end;
	pid_t missing = 0;

	atomic_store(&supervisor->board->phase, PHASE_LEAVING);
	end = supervisor_wait(supervisor, part_gone, limit);
	if (end == WAIT_FAILED)
		return false;
	if (!supervisor->has_server)
		return true;
	if (end == WAIT_TOO_LONG) {
		fprintf(stderr,
			"sockeye-load: not all clients have left within %llu s; "
			"the report does not contain the memory afterwards\n",
			(unsigned long long)(limit / 1000));
		return true;
	}
	until = board_now() + supervisor->options->settle_ms * MS;
	do {
		if (!supervisor_step(supervisor))
			return false;
		supervisor->has_after = observe_processes(supervisor->options->pids, supervisor->options->pid_count,
						&supervisor->after, &missing) == 0;
	} while (supervisor->has_after && board_now() < until &&
		 supervisor->after.memory > supervisor->before.memory + supervisor->before.memory / BACK_PART);
	if (missing != 0)
		fprintf(stderr,
			"sockeye-load: option --server-pid: process %d has ended while the clients left; the report "
			"does "
			"not contain the memory afterwards\n",
			(int)missing);
	return true;
}

static bool
supervisor_all_phases(struct supervisor *supervisor)
{
	const struct scenario *scenario = supervisor->options->scenario;
	uint64_t joined;

	if (!supervisor_observe_first(supervisor))
		return false;
	observe_kernel(&supervisor->kernel_before);
	supervisor->at_begin = supervisor->before;
	supervisor->board->began = board_now() + START_NS;
	if (scenario->measures_coming)
		atomic_store(&supervisor->board->run_from, supervisor->board->began);
	if (!start_processes(supervisor))
		return false;
	if (!scenario->no_coming && !supervisor_connect_all(supervisor))
		return false;
	if (scenario->measures_coming) {
		atomic_store(&supervisor->board->run_until, board_now());
	} else {
		BOARD_SUM(supervisor->board, joined, joined);
		if (joined == 0 && !scenario->no_coming) {
			supervisor->has_server = false;
			return true; /* the result contains the cause */
		}
		if (!supervisor_run(supervisor))
			return false;
	}
	supervisor_observe_again(supervisor, &supervisor->at_end);
	observe_kernel(&supervisor->kernel_with);
	BOARD_SUM(supervisor->board, joined, supervisor->joined);
	return supervisor_settle(supervisor) && supervisor_leave(supervisor);
}

static void
end_processes(struct supervisor *supervisor)
{
	atomic_store(&supervisor->board->phase, PHASE_OVER);
	for (unsigned i = 0; i < supervisor->options->processes; i++)
		if (supervisor->pids[i] > 0)
			while (waitpid(supervisor->pids[i], NULL, 0) < 0 && errno == EINTR)
				;
}

enum load_exit
supervise(struct load_options *o)
{
	struct supervisor supervisor = {.options = o};
	struct sigaction action = {.sa_handler = on_interrupt};
	enum load_exit code = EXIT_COULD_NOT;

	if (raise_fd_limit(o) && find_targets(&supervisor, &code) && open_results(&supervisor)) {
		supervisor.board = board_new((unsigned)o->processes, messages_senders(o));
		if (supervisor.board == NULL)
			report_failure("cannot map the memory that the load processes share", strerror(errno));
	}
	if (supervisor.board) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		if (supervisor_all_phases(&supervisor))
			code = supervisor_result(&supervisor);
		end_processes(&supervisor);
		board_free(supervisor.board);
	}
	if (supervisor.json)
		fclose(supervisor.json);
	if (supervisor.plot)
		fclose(supervisor.plot);
	for (unsigned i = 0; supervisor.targets && i < o->url_count; i++)
		target_fini(&supervisor.targets[i]);
	mem_free(supervisor.targets);
	return code;
}
