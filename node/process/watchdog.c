#include "node/process/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/hang.h"
#include "node/process/report.h"

struct watchdog {
	pid_t server; /* the watched process */
	pid_t child;  /* the process that watches */
	struct vitals *vitals;
	uint64_t warning_ms;
	struct hang hang;
	bool warned, logged;
	uint64_t asked_at; /* stuck_ms at which the server was asked where it is */
};

static uint64_t
watchdog_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
watchdog_log_hang(const struct watchdog *watchdog)
{
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_pairs(&watchdog->vitals->hang, key, value);
	log_event(LOG_WARN, "hangs", "for_ms", LOG_INT(watchdog->hang.stuck_ms), INCIDENT_ARGS(key, value));
}

/* One look asks the server where it is. A later look logs the answer, or logs without it when its time is over. */
static void
watchdog_look(struct watchdog *watchdog)
{
	uint64_t before = watchdog->hang.stuck_ms;

	hang_look(&watchdog->hang, watchdog_now_ms(),
		atomic_load_explicit(&watchdog->vitals->turn, memory_order_relaxed), hang_sample, watchdog->server);
	if (watchdog->hang.stuck_ms == 0) {
		if (watchdog->logged)
			log_event(LOG_WARN, "goes_on", "after_ms", LOG_INT(before), NULL);
		watchdog->warned = watchdog->logged = false;
	} else if (watchdog->warned && !watchdog->logged &&
		   report_is_over(&watchdog->vitals->hang, watchdog->asked_at, watchdog->hang.stuck_ms)) {
		watchdog->logged = true;
		watchdog_log_hang(watchdog);
	} else if (!watchdog->warned && watchdog->hang.stuck_ms >= watchdog->warning_ms) {
		watchdog->warned = true;
		watchdog->asked_at = watchdog->hang.stuck_ms;
		report_ask(&watchdog->vitals->hang, watchdog->server);
	}
}

/*
 * The life of the child. Signals that make the server stop, reload or shed may reach its whole process group. The
 * child ends together with the server, so it ignores them.
 */
static _Noreturn void
watchdog_run(struct watchdog *watchdog, const sigset_t *mask)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN, SIGPIPE, SIGCHLD};
	const struct timespec pause = {
		(time_t)(watchdog->hang.interval_ms / 1000), (long)(watchdog->hang.interval_ms % 1000) * 1000000};

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigprocmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sockeye-watch");
	close_range(STDERR_FILENO + 1, ~0U, 0); /* the listening sockets in particular */
	while (getppid() == watchdog->server) {
		nanosleep(&pause, NULL);
		watchdog_look(watchdog);
	}
	_exit(0);
}

struct watchdog *
watchdog_start(struct vitals *vitals, uint64_t warning_ms)
{
	struct watchdog *watchdog = mem_zalloc(sizeof *watchdog);
	sigset_t all, before;

	watchdog->vitals = vitals;
	watchdog->warning_ms = warning_ms;
	watchdog->server = getpid();
	hang_reset(&watchdog->hang, hang_interval(warning_ms, 0));
	sigfillset(&all); /* a signal to the child, before it ignores signals, would wake the server's loop */
	sigprocmask(SIG_SETMASK, &all, &before);
	watchdog->child = fork();
	if (watchdog->child == 0)
		watchdog_run(watchdog, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (watchdog->child > 0)
		return watchdog;
	log_event(LOG_WARN, "watchdog", "error", LOG_STR(strerror(errno)), "effect",
		LOG_STR("handlers that hang will not be reported"), NULL);
	mem_free(watchdog);
	return NULL;
}

void
watchdog_stop(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	/* the application may have reaped the child by a wait() for any child; then its pid may belong to another
	 * process */
	if (waitpid(watchdog->child, NULL, WNOHANG) == 0) {
		kill(watchdog->child, SIGKILL);
		waitpid(watchdog->child, NULL, 0);
	}
	mem_free(watchdog);
}
