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
	pid_t server; /* looked after */
	pid_t child;  /* that looks */
	struct vitals *vitals;
	uint64_t warning_ms;
	struct hang hang;
	bool warned, logged;
	uint64_t asked_at; /* where it stands; time of hanging */
};

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
log_hang(const struct watchdog *w)
{
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_pairs(&w->vitals->hang, key, value);
	log_event(LOG_WARN, "hangs", "for_ms", LOG_INT(w->hang.stuck_ms), INCIDENT_ARGS(key, value));
}

/* Asks at one look, and logs at a later one, with the answer, or without when it does not come. */
static void
look(struct watchdog *w)
{
	uint64_t before = w->hang.stuck_ms;

	hang_look(&w->hang, now_ms(), atomic_load_explicit(&w->vitals->turn, memory_order_relaxed), hang_sample,
		w->server);
	if (w->hang.stuck_ms == 0) {
		if (w->logged)
			log_event(LOG_WARN, "goes_on", "after_ms", LOG_INT(before), NULL);
		w->warned = w->logged = false;
	} else if (w->warned && !w->logged && report_is_over(&w->vitals->hang, w->asked_at, w->hang.stuck_ms)) {
		w->logged = true;
		log_hang(w);
	} else if (!w->warned && w->hang.stuck_ms >= w->warning_ms) {
		w->warned = true;
		w->asked_at = w->hang.stuck_ms;
		report_ask(&w->vitals->hang, w->server);
	}
}

/*
 * The child's life. Signals that ask the server to end, reload or shed reach its whole group; the child ends when the
 * server does, so it ignores them.
 */
static _Noreturn void
watch(struct watchdog *w, const sigset_t *mask)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD};
	const struct timespec pause = {
		(time_t)(w->hang.interval_ms / 1000), (long)(w->hang.interval_ms % 1000) * 1000000};

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigprocmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "sockeye-watch");
	close_range(STDERR_FILENO + 1, ~0U, 0); /* the port's, above all */
	while (getppid() == w->server) {
		nanosleep(&pause, NULL);
		look(w);
	}
	_exit(0);
}

struct watchdog *
watchdog_start(struct vitals *vitals, uint64_t warning_ms)
{
	struct watchdog *w = mem_zalloc(sizeof *w);
	sigset_t all, before;

	w->vitals = vitals;
	w->warning_ms = warning_ms;
	w->server = getpid();
	hang_reset(&w->hang, hang_interval(warning_ms, 0));
	sigfillset(&all); /* one that came to the child before it ignores them would wake the server's loop */
	sigprocmask(SIG_SETMASK, &all, &before);
	w->child = fork();
	if (w->child == 0)
		watch(w, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (w->child > 0)
		return w;
	log_event(LOG_WARN, "watchdog", "error", LOG_STR(strerror(errno)), "effect",
		LOG_STR("a handler that hangs will not be named"), NULL);
	mem_free(w);
	return NULL;
}

void
watchdog_stop(struct watchdog *w)
{
	if (!w)
		return;
	/* the application may have reaped it, by a wait() for any child: its number is somebody else's then */
	if (waitpid(w->child, NULL, WNOHANG) == 0) {
		kill(w->child, SIGKILL);
		waitpid(w->child, NULL, 0);
	}
	mem_free(w);
}
