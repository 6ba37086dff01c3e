#include "node/process/app_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "node/process/app.h"

#define LOAD_MS 30000 /* for constructors of the application and of its libraries */
#define LOOK_MS 50    /* how often a stop signal is looked for meanwhile */

/* Texts are cut one byte beyond the limits of app_options.h, so that app_options_declare() refuses a cut text. */
struct probed_option {
	char name[APP_OPTION_NAME_MAX + 2];
	char initial[APP_OPTION_TEXT_MAX + 2], help[APP_OPTION_TEXT_MAX + 2], choices[APP_OPTION_TEXT_MAX + 2];
	bool has_initial, has_help, has_choices;
	sio_option rest; /* without its pointers */
};

/* Memory that the parent shares with the child. */
struct probe {
	bool done;
	int result;
	char error[OPTION_ERROR_MAX];
	unsigned count;
	struct probed_option options[APP_OPTIONS_MAX + 1]; /* one more, so that too many are refused */
};

static bool
probe_copy(char *into, size_t size, const char *text)
{
	if (text)
		snprintf(into, size, "%s", text);
	return text != NULL;
}

/* Runs in the child. */
static void
probe_report(struct probe *probe, const sio_option *declared)
{
	for (; declared && declared->name && probe->count <= APP_OPTIONS_MAX; declared++) {
		struct probed_option *option = &probe->options[probe->count++];

		option->rest = *declared;
		probe_copy(option->name, sizeof option->name, declared->name);
		option->has_initial = probe_copy(option->initial, sizeof option->initial, declared->initial);
		option->has_help = probe_copy(option->help, sizeof option->help, declared->help);
		option->has_choices = probe_copy(option->choices, sizeof option->choices, declared->choices);
	}
}

/* Runs in the child. It exits without exit handlers, because these belong to the program. */
static _Noreturn void
probe_run(struct probe *probe, const char *file)
{
	struct app app;

	_Static_assert(APP_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* an application that hangs must not keep the port open */
	probe->result = app_open(&app, file, NULL, probe->error);
	if (probe->result == 0)
		probe_report(probe, app_declared_options(&app));
	probe->done = true;
	_exit(0);
}

enum probe_end { PROBE_ENDED, PROBE_LATE, PROBE_STOPPED };

/* A running master has blocked these signals and reads them later. At the start they end the program by themselves.
 */
static bool
probe_must_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/*
 * Waits until the child has ended, and ends it if it takes too long or if this program is to stop. The child holds
 * the other end of the pipe `fd`. *signum is the signal that ended the child, or 0.
 */
static enum probe_end
probe_await(pid_t pid, int fd, int *signum)
{
	struct pollfd pipe_end = {fd, POLLIN, 0};
	enum probe_end end = PROBE_ENDED;
	int status = 0, n;

	for (int waited = 0;; waited += LOOK_MS) {
		do
			n = poll(&pipe_end, 1, LOOK_MS);
		while (n < 0 && errno == EINTR);
		if (n != 0)
			break;
		end = probe_must_stop() ? PROBE_STOPPED : waited >= LOAD_MS ? PROBE_LATE : PROBE_ENDED;
		if (end != PROBE_ENDED)
			break;
	}
	if (end != PROBE_ENDED)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*signum = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return end;
}

static int
probe_fork(struct probe *probe, const char *file, char *error)
{
	enum probe_end end;
	int ends[2], signum;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		goto failed;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		probe_run(probe, file);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		goto failed;
	}
	end = probe_await(pid, ends[0], &signum);
	close(ends[0]);
	if (probe->done)
		return 0;
	if (end == PROBE_STOPPED)
		snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: the server is to stop", file);
	else if (end == PROBE_LATE)
		snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: it takes longer than %d s", file,
			LOAD_MS / 1000);
	else if (signum > 0)
		snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: it crashes (%s)", file,
			strsignal(signum));
	else
		snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: it ends the process", file);
	return ERROR_SYSTEM;
failed:
	snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: %s", file, strerror(errno));
	return ERROR_SYSTEM;
}

static int
probe_declare(const struct probe *probe, struct app_options *options, const char *file,
	const struct option_table *taken, size_t n_taken, char *error)
{
	sio_option declared[APP_OPTIONS_MAX + 2] = {{.name = NULL}};
	char why[OPTION_ERROR_MAX];
	int result;

	for (unsigned i = 0; i < probe->count; i++) {
		const struct probed_option *from = &probe->options[i];

		declared[i] = from->rest;
		declared[i].name = from->name;
		declared[i].initial = from->has_initial ? from->initial : NULL;
		declared[i].help = from->has_help ? from->help : NULL;
		declared[i].choices = from->has_choices ? from->choices : NULL;
	}
	result = app_options_declare(options, declared, taken, n_taken, why);
	if (result < 0)
		snprintf(error, OPTION_ERROR_MAX, "application %.200s: %.280s", file, why);
	return result;
}

int
app_probe(
	struct app_options *options, const char *file, const struct option_table *taken, size_t n_taken, char *error)
{
	struct probe *probe = mmap(NULL, sizeof *probe, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int result;

	if (probe == MAP_FAILED) {
		snprintf(error, OPTION_ERROR_MAX, "cannot load application %s: %s", file, strerror(errno));
		return ERROR_SYSTEM;
	}
	result = probe_fork(probe, file, error);
	if (result == 0 && probe->result < 0) {
		memcpy(error, probe->error, sizeof probe->error);
		result = probe->result;
	}
	if (result == 0)
		result = probe_declare(probe, options, file, taken, n_taken, error);
	must(munmap(probe, sizeof *probe) == 0);
	return result;
}
