#include "node/process/report.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS 1000

/* State of the one signal handler of the process. */
static struct {
	const struct sio_underway *underway;
	struct incident *to;
} report;

static void
report_on_signal(int signum, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)signum;
	(void)info;
	if (report.to)
		incident_write(report.to, report.underway, NULL, context);
	errno = saved;
}

void
report_watch(const struct sio_underway *underway, struct incident *to)
{
	struct sigaction ours = {.sa_sigaction = report_on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	report.underway = underway;
	report.to = to;
	backtrace_prepare();
	sigaction(SIGURG, &ours, NULL);
}

void
report_unwatch(void)
{
	signal(SIGURG, SIG_IGN);
	report.to = NULL;
}

void
report_ask(struct incident *to, pid_t pid)
{
	atomic_store_explicit(&to->whole, false, memory_order_relaxed);
	syscall(SYS_tgkill, pid, pid, SIGURG);
}

bool
report_is_over(const struct incident *to, uint64_t asked_at, uint64_t now)
{
	return atomic_load_explicit(&to->whole, memory_order_relaxed) || now >= asked_at + WAIT_MS;
}
