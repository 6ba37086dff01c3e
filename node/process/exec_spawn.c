#include "node/process/exec_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define SHELL_FAILED 127 /* the exit code of a shell for a command that does not exist */

/* ----------------------------------------------------------------- command */

/* Returns the position after the quoted part that begins at `at`, or NULL if it is not closed or needs a subshell. */
static const char *
skip_quoted(const char *at)
{
	if (*at == '\'') {
		at = strchr(at + 1, '\'');
		return at ? at + 1 : NULL;
	}
	for (at++; *at != '"'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '\0' || *at == '`' || (*at == '$' && at[1] == '('))
			return NULL;
	}
	return at + 1;
}

/*
 * Returns true if the word is a builtin or keyword of the shell, or an assignment: "exec" cannot run such a command.
 */
static bool
is_shell_word(const char *word, size_t n)
{
	static const char *const words[] = {".", ":", "!", "{", "alias", "case", "cd", "command", "eval", "exec",
		"exit", "export", "for", "function", "if", "readonly", "return", "set", "shift", "source", "trap",
		"ulimit", "umask", "unset", "until", "wait", "while"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strlen(words[i]) == n && memcmp(words[i], word, n) == 0)
			return true;
	}
	return memchr(word, '=', n) != NULL;
}

bool
exec_is_simple(const char *command)
{
	size_t first = strcspn(command += strspn(command, " \t"), " \t");

	if (first == 0 || is_shell_word(command, first))
		return false;
	while (command && *command != '\0') {
		if (strchr(";&|()<>`#\n\r", *command))
			return false;
		if (*command == '\'' || *command == '"')
			command = skip_quoted(command);
		else
			command += *command == '\\' && command[1] != '\0' ? 2 : 1;
	}
	return command != NULL;
}

/* ------------------------------------------------------------------- child */

/* Moves the descriptors in `from` to 0, 1, ... and closes all others. */
static int
place_fds(int *from, int count)
{
	for (int i = 0; i < count; i++) { /* first move them above the range */
		from[i] = fcntl(from[i], F_DUPFD, count);
		if (from[i] < 0)
			return -1;
	}
	for (int i = 0; i < count; i++) {
		if (dup2(from[i], i) < 0)
			return -1;
	}
	return close_range((unsigned)count, ~0U, 0);
}

static void
reset_signals(void)
{
	sigset_t none;

	for (int signum = 1; signum < NSIG; signum++)
		signal(signum, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which always have the default action */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
set_number(const char *name, long number)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%ld", number);
	return setenv(name, digits, 1);
}

static int
set_environment(const struct exec_spawn_setup *setup)
{
	if (setenv("SOCKEYE_BACKEND", setup->address, 1) < 0 ||
		set_number("SOCKEYE_EXEC_NUMBER", (long)setup->number) < 0 ||
		set_number("SOCKEYE_EXEC_PID", (long)getpid()) < 0 || set_number("SOCKEYE_PORT", setup->port) < 0)
		return -1;
	return set_number("SOCKEYE_READY_FD", EXEC_READY_FD);
}

/* Ends the child. The message goes to its stderr, which the master logs. */
static _Noreturn void
child_fail(const char *what)
{
	dprintf(STDERR_FILENO, "sockeye: cannot start the command: %s: %s\n", what, strerror(errno));
	_exit(SHELL_FAILED);
}

static _Noreturn void
child_run(const struct exec_spawn_setup *setup, pid_t master, int out, int err, int ready)
{
	int fds[] = {open("/dev/null", O_RDWR), out, err, ready};
	char *command;

	setsid();
	*setup->group = getpid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master) /* the master died before prctl() took effect */
		_exit(SHELL_FAILED);
	if (fds[0] < 0 || place_fds(fds, sizeof fds / sizeof fds[0]) < 0)
		child_fail("descriptors");
	if (set_environment(setup) < 0)
		child_fail("environment");
	if (asprintf(&command, "%s%s", exec_is_simple(setup->command) ? "exec " : "", setup->command) < 0)
		child_fail("memory");
	reset_signals();
	execl(SHELL, "sh", "-c", command, (char *)NULL);
	child_fail(SHELL);
}

/* ------------------------------------------------------------------ master */

static void
close_both(int ends[2])
{
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
	}
}

pid_t
exec_spawn(const struct exec_spawn_setup *setup, struct exec_pipes *out)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, error;
	pid_t pid = -1, master = getpid();

	for (int i = 0; i < 3; i++) {
		if (pipe2(pipes[i], O_CLOEXEC) < 0 || fcntl(pipes[i][0], F_SETFL, O_NONBLOCK) < 0)
			goto out;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_run(setup, master, pipes[0][1], pipes[1][1], pipes[2][1]);
	if (pid < 0)
		goto out;
	*out = (struct exec_pipes){pipes[0][0], pipes[1][0], pipes[2][0]};
	for (int i = 0; i < 3; i++)
		pipes[i][0] = -1;
out:
	error = errno;
	for (int i = 0; i < 3; i++)
		close_both(pipes[i]);
	errno = error;
	return pid;
}
