#include "node/process/hub_watch.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/process/hang.h"
#include "node/process/report.h"

#define ABORT_MS 3000 /* time for the hub's crash report and core dump */

struct hub_watch {
	uint64_t warning_ms, timeout_ms; /* 0: never */
	uint64_t interval, due;
	struct hub_life *life;
	pid_t pid; /* 0: not running */
	struct hang hang;
	bool warned, logged;
	uint64_t asked_at; /* idle time at which the hub was asked where it is */
	uint64_t kill_at;  /* time of SIGKILL after the abort; 0: not aborted */
};

static uint64_t
hub_watch_limit(uint64_t ms)
{
	if (ms == 0)
		return 0;
	if (ms < HUB_WATCH_LEAST_MS)
		return HUB_WATCH_LEAST_MS;
	return ms < HUB_WATCH_MOST_MS ? ms : HUB_WATCH_MOST_MS;
}

struct hub_watch *
hub_watch_new(uint64_t warning_ms, uint64_t timeout_ms)
{
	void *life = mmap(NULL, sizeof(struct hub_life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct hub_watch *watch;

	if (life == MAP_FAILED)
		return NULL;
	watch = mem_zalloc(sizeof *watch);
	watch->life = life;
	watch->warning_ms = hub_watch_limit(warning_ms);
	watch->timeout_ms = hub_watch_limit(timeout_ms);
	watch->interval = watch->life->beat_ms = hang_interval(watch->warning_ms, watch->timeout_ms);
	return watch;
}

void
hub_watch_free(struct hub_watch *watch)
{
	if (watch == NULL)
		return;
	munmap(watch->life, sizeof *watch->life);
	mem_free(watch);
}

struct hub_life *
hub_watch_life(const struct hub_watch *watch)
{
	return watch->life;
}

void
hub_watch_set_loss(struct hub_watch *watch, enum hub_loss loss)
{
	atomic_store_explicit(&watch->life->loss, (int)loss, memory_order_release);
}

void
hub_watch_started(struct hub_watch *watch, pid_t pid)
{
	watch->pid = pid;
	watch->kill_at = 0;
	watch->warned = watch->logged = false;
	hang_reset_beat(&watch->hang, watch->interval);
}

void
hub_watch_ended(struct hub_watch *watch, bool restart)
{
	watch->pid = 0;
	if (restart)
		atomic_fetch_add_explicit(&watch->life->restarts, 1, memory_order_relaxed);
}

/* ----------------------------------------------------------------- looking */

static uint64_t
hub_watch_silent_ms(const struct hub_watch *watch)
{
	return watch->hang.stuck_ms + watch->hang.held_ms;
}

static void
hub_watch_log_hang(const struct hub_watch *watch)
{
	bool held = watch->hang.held_ms > watch->hang.stuck_ms;
	const char *key[INCIDENT_PAIRS + 1];
	struct log_value value[INCIDENT_PAIRS + 1];

	incident_pairs(&watch->life->vitals.hang, key, value);
	log_event(LOG_WARN, "hub_hangs", "pid", LOG_INT(watch->pid), "for_ms", LOG_INT(hub_watch_silent_ms(watch)),
		"effect",
		LOG_STR(held ? "a debugger holds the hub, so it is not restarted; workers hear no other worker"
			     : "workers hear no other worker"),
		INCIDENT_ARGS(key, value));
}

/* The first look over the limit asks the hub where it is. A later look logs the answer, or logs without one. */
static void
hub_watch_warn(struct hub_watch *watch, bool over_time)
{
	struct incident *answer = &watch->life->vitals.hang;
	uint64_t silent_ms = hub_watch_silent_ms(watch);

	if (!watch->warned) {
		watch->warned = true;
		watch->asked_at = silent_ms;
		report_ask(answer, watch->pid);
	} else if (!watch->logged && (report_is_over(answer, watch->asked_at, silent_ms) || over_time)) {
		watch->logged = true;
		hub_watch_log_hang(watch);
	}
}

static void
hub_watch_end_hub(struct hub_watch *watch, uint64_t now)
{
	if (watch->kill_at == 0) {
		log_event(LOG_ERROR, "hub_killed", "pid", LOG_INT(watch->pid), "error",
			LOG_STR("its event loop does not turn"), "for_ms", LOG_INT(watch->hang.stuck_ms), NULL);
		atomic_fetch_add_explicit(&watch->life->kills, 1, memory_order_relaxed);
		watch->kill_at = now + ABORT_MS;
		kill(watch->pid, SIGABRT);
		kill(watch->pid, SIGCONT); /* a stopped process gets the abort when it continues */
	} else if (now >= watch->kill_at) {
		kill(watch->pid, SIGKILL);
	}
}

void
hub_watch_look(struct hub_watch *watch, uint64_t now)
{
	uint64_t before = hub_watch_silent_ms(watch), held = watch->hang.held_ms;
	bool over_time;

	watch->due = now + watch->interval;
	if (watch->pid == 0)
		return;
	hang_look(&watch->hang, now, atomic_load_explicit(&watch->life->vitals.turn, memory_order_relaxed),
		hang_sample, watch->pid);
	if (hub_watch_silent_ms(watch) == 0) {
		if (watch->logged)
			log_event(LOG_WARN, "hub_goes_on", "pid", LOG_INT(watch->pid), "after_ms", LOG_INT(before),
				NULL);
		watch->warned = watch->logged = false;
		return;
	}
	over_time = watch->timeout_ms > 0 && watch->hang.stuck_ms >= watch->timeout_ms;
	if (watch->warning_ms > 0 && hub_watch_silent_ms(watch) >= watch->warning_ms)
		hub_watch_warn(watch, over_time);
	if (over_time && watch->hang.held_ms == held)
		hub_watch_end_hub(watch, now);
}

uint64_t
hub_watch_due(const struct hub_watch *watch)
{
	return watch->due;
}
