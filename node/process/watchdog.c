#include "node/process/watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/hang.h"
#include "node/process/report.h"

#define STACK_SIZE (128 * 1024) /* a log line and what formats it */

struct watchdog {
	pthread_t thread;
	int stop_fd; /* readable: it shall end */
	struct vitals *vitals;
	uint64_t warning_ms;
	struct hang hang;
	bool warned, logged;
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

/* Asks at one look, and logs at the next, with the answer or without. */
static void
look(struct watchdog *w)
{
	uint64_t before = w->hang.stuck_ms;

	hang_look(&w->hang, now_ms(), atomic_load_explicit(&w->vitals->turn, memory_order_relaxed), hang_sample,
		getpid());
	if (w->hang.stuck_ms == 0) {
		if (w->logged)
			log_event(LOG_WARN, "goes_on", "after_ms", LOG_INT(before), NULL);
		w->warned = w->logged = false;
	} else if (w->warned && !w->logged) {
		w->logged = true;
		log_hang(w);
	} else if (!w->warned && w->hang.stuck_ms >= w->warning_ms) {
		w->warned = true;
		report_ask(&w->vitals->hang, getpid());
	}
}

static void *
run(void *arg)
{
	struct watchdog *w = arg;
	struct pollfd stop = {w->stop_fd, POLLIN, 0};

	while (poll(&stop, 1, (int)w->hang.interval_ms) == 0)
		look(w);
	return NULL;
}

struct watchdog *
watchdog_start(struct vitals *vitals, uint64_t warning_ms)
{
	struct watchdog *w = mem_zalloc(sizeof *w);
	pthread_attr_t attr;
	sigset_t all, before;
	int failed;

	w->vitals = vitals;
	w->warning_ms = warning_ms;
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	hang_reset(&w->hang, hang_interval(warning_ms, 0));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all); /* signals are for the main thread */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = w->stop_fd < 0 || pthread_create(&w->thread, &attr, run, w) != 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!failed)
		return w;
	log_event(LOG_WARN, "watchdog", "error", LOG_STR("no thread: a handler that hangs will not be named"), NULL);
	if (w->stop_fd >= 0)
		close(w->stop_fd);
	mem_free(w);
	return NULL;
}

void
watchdog_stop(struct watchdog *w)
{
	if (!w)
		return;
	eventfd_write(w->stop_fd, 1);
	pthread_join(w->thread, NULL);
	close(w->stop_fd);
	mem_free(w);
}
