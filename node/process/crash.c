#include "node/process/crash.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/must.h"

#define STACK_SIZE (64 * 1024) /* the unwinder needs some KB, a log line 4 KB */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* State of the one signal handler of the process. */
static struct {
	bool watching;
	const struct sio_underway *underway;
	struct incident *shared, own;
	pid_t thread; /* the thread that `underway` belongs to */
	struct sigaction before[COUNT(crash_signals)];
	atomic_flag taken;
} crash = {.taken = ATOMIC_FLAG_INIT};
static _Alignas(16) char crash_stack[STACK_SIZE];

static pid_t
this_thread(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void
crash_report(int signum, void *context)
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
crash_restore_action(int signum)
{
	for (unsigned i = 0; i < COUNT(crash_signals); i++) {
		if (crash_signals[i] == signum)
			sigaction(signum, &crash.before[i], NULL);
	}
}

static void
crash_on_signal(int signum, siginfo_t *info, void *context)
{
	if (atomic_flag_test_and_set(&crash.taken)) {
		for (;;) /* another thread is reporting and will end the process */
			pause();
	}
	crash_report(signum, context);
	crash_restore_action(signum);
	/* a fault recurs when the handler returns; a signal sent to the process does not, so it is sent again */
	if (info->si_code <= 0)
		syscall(SYS_tgkill, getpid(), this_thread(), signum);
}

/* Keeps an existing alternate stack: a sanitizer that installed one frees whatever stack it finds at the end. */
static void
crash_set_stack(void)
{
	stack_t now, ours = {.ss_sp = crash_stack, .ss_size = sizeof crash_stack};

	if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) != 0)
		sigaltstack(&ours, NULL);
}

void
crash_watch(const struct sio_underway *underway, struct incident *shared)
{
	struct sigaction ours = {.sa_sigaction = crash_on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	crash.underway = underway;
	crash.shared = shared;
	crash.thread = this_thread();
	if (crash.watching)
		return;
	crash.watching = true;
	backtrace_prepare();
	crash_set_stack();
	sigfillset(&ours.sa_mask);
	for (unsigned i = 0; i < COUNT(crash_signals); i++)
		sigaction(crash_signals[i], &ours, &crash.before[i]);
}

void
crash_unwatch(void)
{
	if (!crash.watching)
		return;
	for (unsigned i = 0; i < COUNT(crash_signals); i++)
		sigaction(crash_signals[i], &crash.before[i], NULL);
	crash.underway = NULL;
	crash.shared = NULL;
	crash.watching = false;
}
