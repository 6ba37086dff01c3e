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
#define GONE_MS 10000	   /* time limit for all clients to leave */
#define BACK_PART 50	   /* memory counts as back at its start if it exceeds it by at most a 50th */

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
open_results(struct supervisor *s)
{
	const struct load_options *o = s->options;

	s->json = open_result(o->json);
	s->plot = open_result(o->plot);
	return (o->json == NULL) == (s->json == NULL) && (o->plot == NULL) == (s->plot == NULL);
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
find_targets(struct supervisor *s, enum load_exit *code)
{
	const struct load_options *o = s->options;
	char error[TARGET_ERROR_MAX];

	s->targets = mem_zalloc(o->url_count * sizeof *s->targets);
	for (unsigned i = 0; i < o->url_count; i++) {
		int result = target_init(&s->targets[i], o->urls[i], o, error);

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
supervisor_observe(struct supervisor *s, struct observed *out)
{
	pid_t missing = 0;

	if (s->has_server &&
		observe_processes(s->options->pids, s->options->pid_count, out, &missing) != ERROR_NOT_FOUND)
		return 0;
	return missing;
}

/* At the start, all watched processes must exist. */
static bool
supervisor_observe_first(struct supervisor *s)
{
	pid_t missing;
	char text[32];

	s->has_server = s->options->pid_count > 0;
	missing = supervisor_observe(s, &s->before);
	if (missing == 0)
		return true;
	snprintf(text, sizeof text, "%d", (int)missing);
	report_failure("option --server-pid: no such process", text);
	return false;
}

/* A server that ends later is reported on standard error, and the run goes on: how clients see the end is
 * a result. */
static void
supervisor_observe_again(struct supervisor *s, struct observed *out)
{
	pid_t missing = supervisor_observe(s, out);

	if (missing == 0)
		return;
	fprintf(stderr,
		"sockeye-load: option --server-pid: process %d has ended; the report does not contain the server's "
		"figures\n",
		(int)missing);
	s->has_server = false;
}

static bool
start_processes(struct supervisor *s)
{
	for (unsigned i = 0; i < s->options->processes; i++) {
		s->pids[i] = fork();
		if (s->pids[i] == 0)
			_exit(load_run(s->options, s->targets, s->board, i));
		if (s->pids[i] < 0) {
			report_failure("cannot start a load process", strerror(errno));
			return false;
		}
	}
	return true;
}

/* ----------------------------------------------------------------------- phases */

/* Waits a moment. False if a load process has died. */
static bool
supervisor_step(struct supervisor *s)
{
	struct timespec pause = {.tv_nsec = STEP_NS};
	int status;
	pid_t pid;

	nanosleep(&pause, NULL);
	pid = waitpid(-1, &status, WNOHANG);
	if (pid > 0) {
		for (unsigned i = 0; i < s->options->processes; i++)
			if (s->pids[i] == pid)
				s->pids[i] = 0;
		report_failure("a load process died", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
		return false;
	}
	supervisor_progress(s);
	return true;
}

/*
 * True when all clients have joined or failed. Clients that reconnect after a failure get the time for one more
 * attempt.
 */
static bool
supervisor_all_connected(const struct supervisor *s, uint64_t *since)
{
	uint64_t tried, joined, now = board_now();

	BOARD_SUM(s->board, tried, tried);
	BOARD_SUM(s->board, joined, joined);
	if (joined >= s->options->clients)
		return true;
	if (tried < s->options->clients)
		return false;
	if (*since == 0)
		*since = now;
	return !s->options->reconnect || s->options->scenario->measures_coming || joined == 0 ||
	       now - *since > s->options->timeout_ms * MS;
}

static bool
supervisor_connect_all(struct supervisor *s)
{
	uint64_t since = 0;

	while (!interrupted && !supervisor_all_connected(s, &since))
		if (!supervisor_step(s))
			return false;
	return true;
}

static bool
run_over(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->board->processes; i++)
		if (!s->board->parts[i].run_ended)
			return false;
	return true;
}

/* The warm-up and the measured run. */
static bool
supervisor_run(struct supervisor *s)
{
	struct board *b = s->board;
	const struct load_options *o = s->options;
	bool with_messages = o->scenario->audience != AUDIENCE_NONE;
	uint64_t send_from = board_now() + START_NS;
	uint64_t from = send_from + (with_messages ? o->warm_up_ms * MS : 0);
	uint64_t until = from + o->duration_ms * MS;

	atomic_store(&b->send_from, send_from);
	atomic_store(&b->run_until, until);
	atomic_store(&b->run_from, from);
	atomic_store(&b->phase, PHASE_MESSAGES);
	while (!interrupted && board_now() < from)
		if (!supervisor_step(s))
			return false;
	supervisor_observe_again(s, &s->at_begin);
	while (!interrupted && board_now() < until && !run_over(s))
		if (!supervisor_step(s))
			return false;
	if (board_now() < until)
		atomic_store(&b->run_until, board_now());
	return true;
}

/* Waits until every process has set `flag`, at most `ms`. */
#define WAIT_FOR(s, flag, ms)                                                                                        \
	do {                                                                                                         \
		uint64_t until_ = board_now() + (ms)*MS;                                                             \
		bool all_ = false;                                                                                   \
		while (!all_ && board_now() < until_) {                                                              \
			if (!supervisor_step(s))                                                                     \
				return false;                                                                        \
			all_ = true;                                                                                 \
			for (unsigned i_ = 0; i_ < (s)->board->processes; i_++)                                      \
				all_ &= (s)->board->parts[i_].flag;                                                  \
		}                                                                                                    \
	} while (0)

static bool
supervisor_settle(struct supervisor *s)
{
	atomic_store(&s->board->phase, PHASE_SETTLING);
	WAIT_FOR(s, settled, s->options->settle_ms);
	return true;
}

static bool
supervisor_leave(struct supervisor *s)
{
	pid_t missing = 0;
	uint64_t until;

	atomic_store(&s->board->phase, PHASE_LEAVING);
	WAIT_FOR(s, gone, GONE_MS);
	if (!s->has_server)
		return true;
	until = board_now() + s->options->settle_ms * MS;
	do {
		if (!supervisor_step(s))
			return false;
		s->has_after = observe_processes(s->options->pids, s->options->pid_count, &s->after, &missing) == 0;
	} while (s->has_after && board_now() < until &&
		 s->after.memory > s->before.memory + s->before.memory / BACK_PART);
	if (missing != 0)
		fprintf(stderr,
			"sockeye-load: option --server-pid: process %d has ended while the clients left; the report "
			"does "
			"not contain the memory afterwards\n",
			(int)missing);
	return true;
}

static bool
supervisor_all_phases(struct supervisor *s)
{
	const struct scenario *scenario = s->options->scenario;
	uint64_t joined;

	if (!supervisor_observe_first(s))
		return false;
	observe_kernel(&s->kernel_before);
	s->at_begin = s->before;
	s->board->began = board_now() + START_NS;
	if (scenario->measures_coming)
		atomic_store(&s->board->run_from, s->board->began);
	if (!start_processes(s))
		return false;
	if (!scenario->no_coming && !supervisor_connect_all(s))
		return false;
	if (scenario->measures_coming) {
		atomic_store(&s->board->run_until, board_now());
	} else {
		BOARD_SUM(s->board, joined, joined);
		if (joined == 0 && !scenario->no_coming) {
			s->has_server = false;
			return true; /* the result contains the cause */
		}
		if (!supervisor_run(s))
			return false;
	}
	supervisor_observe_again(s, &s->at_end);
	observe_kernel(&s->kernel_with);
	BOARD_SUM(s->board, joined, s->joined);
	return supervisor_settle(s) && supervisor_leave(s);
}

static void
end_processes(struct supervisor *s)
{
	atomic_store(&s->board->phase, PHASE_OVER);
	for (unsigned i = 0; i < s->options->processes; i++)
		if (s->pids[i] > 0)
			while (waitpid(s->pids[i], NULL, 0) < 0 && errno == EINTR)
				;
}

enum load_exit
supervise(struct load_options *o)
{
	struct supervisor s = {.options = o};
	struct sigaction action = {.sa_handler = on_interrupt};
	enum load_exit code = EXIT_COULD_NOT;

	if (raise_fd_limit(o) && find_targets(&s, &code) && open_results(&s)) {
		s.board = board_new((unsigned)o->processes, messages_senders(o));
		if (s.board == NULL)
			report_failure("cannot map the memory that the load processes share", strerror(errno));
	}
	if (s.board) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		if (supervisor_all_phases(&s))
			code = supervisor_result(&s);
		end_processes(&s);
		board_free(s.board);
	}
	if (s.json)
		fclose(s.json);
	if (s.plot)
		fclose(s.plot);
	for (unsigned i = 0; s.targets && i < o->url_count; i++)
		target_fini(&s.targets[i]);
	mem_free(s.targets);
	return code;
}
