#include "node/process/crash.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/must.h"

#define STACK_SIZE (64 * 1024) /* the unwinder takes some KB, a log line 4 */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* For the process's one handler. */
static struct {
	bool watching;
	const struct sio_underway *underway;
	struct incident *shared, own;
	pid_t thread; /* to which `underway` belongs */
	struct sigaction before[COUNT(signals)];
	atomic_flag taken;
} crash = {.taken = ATOMIC_FLAG_INIT};
static _Alignas(16) char stack[STACK_SIZE];

static pid_t
this_thread(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void
report(int signum, void *context)
{
	struct incident *to = crash.shared ? crash.shared : &crash.own;
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_write(to, this_thread() == crash.thread ? crash.underway : NULL,
		signum == SIGABRT ? must_broken() : NULL, context);
	if (crash.shared)
		return;
	incident_pairs(to, key, value);
	log_event(LOG_ERROR, "crash", "signal", LOG_INT(signum), INCIDENT_ARGS(key, value));
}

static void
give_back(int signum)
{
	for (unsigned i = 0; i < COUNT(signals); i++) {
		if (signals[i] == signum)
			sigaction(signum, &crash.before[i], NULL);
	}
}

static void
on_crash(int signum, siginfo_t *info, void *context)
{
	if (atomic_flag_test_and_set(&crash.taken)) {
		for (;;) /* another thread is reporting: the process ends with that one */
			pause();
	}
	report(signum, context);
	give_back(signum);
	/* a fault happens again when the handler returns; what was sent to the process does not */
	if (info->si_code <= 0)
		syscall(SYS_tgkill, getpid(), this_thread(), signum);
}

/* One that is there, a sanitizer's, stays: it would be taken for that one's when the process ends. */
static void
set_stack(void)
{
	stack_t now, ours = {.ss_sp = stack, .ss_size = sizeof stack};

	if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) != 0)
		sigaltstack(&ours, NULL);
}

void
crash_watch(const struct sio_underway *underway, struct incident *shared)
{
	struct sigaction ours = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	crash.underway = underway;
	crash.shared = shared;
	crash.thread = this_thread();
	if (crash.watching)
		return;
	crash.watching = true;
	backtrace_prepare();
	set_stack();
	sigfillset(&ours.sa_mask);
	for (unsigned i = 0; i < COUNT(signals); i++)
		sigaction(signals[i], &ours, &crash.before[i]);
}

void
crash_unwatch(void)
{
	if (!crash.watching)
		return;
	for (unsigned i = 0; i < COUNT(signals); i++)
		sigaction(signals[i], &crash.before[i], NULL);
	crash.underway = NULL;
	crash.shared = NULL;
	crash.watching = false;
}
