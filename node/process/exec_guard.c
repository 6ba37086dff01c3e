#include "node/process/exec_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 100 /* a program may start others while it is being killed, so killing is repeated */
#define ROUND_NS 10000000

/* Returns true when all groups are gone. */
static bool
guard_kill_groups(const _Atomic pid_t *groups, unsigned count)
{
	bool all_gone = true;

	for (unsigned i = 0; i < count; i++) {
		pid_t group = groups[i];

		if (group > 0 && (kill(-group, SIGKILL) == 0 || errno != ESRCH))
			all_gone = false;
	}
	return all_gone;
}

static _Noreturn void
guard_run(pid_t master, const _Atomic pid_t *groups, unsigned count, const struct exec_dir *dir)
{
	const struct timespec pause = {0, ROUND_NS};
	sigset_t all;

	setsid();
	sigfillset(&all); /* all stay blocked: sigwaitinfo() consumes them */
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "sockeye-guard");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	close_range(0, ~0U, 0);
	while (getppid() == master)
		sigwaitinfo(&all, NULL);
	for (unsigned i = 0; i < ROUNDS_MAX && !guard_kill_groups(groups, count); i++)
		nanosleep(&pause, NULL);
	exec_dir_unlink(dir);
	_exit(0);
}

pid_t
exec_guard_start(const _Atomic pid_t *groups, unsigned count, const struct exec_dir *dir)
{
	pid_t master = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		guard_run(master, groups, count, dir);
	return pid;
}

void
exec_guard_stop(pid_t guard)
{
	if (guard <= 0)
		return;
	kill(guard, SIGKILL);
	waitpid(guard, NULL, 0);
}
