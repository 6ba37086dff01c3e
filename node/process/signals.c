#include "node/process/signals.h"

#include <string.h>
#include <unistd.h>

#include "common/io/log.h"
#include "common/io/loop.h"

/* Monotonic, as a wait must not depend on who sets the machine's time. */
static uint64_t
signals_now_ms(void)
{
	return loop_clock_us() / 1000;
}

static void
signals_on_stop(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
	struct signals *signals = watcher->data;

	(void)ev;
	(void)events;
	if (signals->stopping &&
		(signals->has_master || signals_now_ms() - signals->stopping_since < SIGNALS_SAME_MS))
		return;
	if (signals->stopping) {
		log_event(LOG_WARN, "killed", "signal", LOG_STR(watcher->signum == SIGTERM ? "SIGTERM" : "SIGINT"),
			NULL);
		_exit(128 + watcher->signum);
	}
	signals->stopping = true;
	signals->stopping_since = signals_now_ms();
	log_event(signals->has_master ? LOG_DEBUG : LOG_INFO, "stopping", "signal",
		LOG_STR(watcher->signum == SIGINT ? "SIGINT" : "SIGTERM"), NULL);
	signals->on_stop(signals->arg);
	signals->stopping_since = signals_now_ms(); /* the other signal may have come meanwhile */
}

static void
signals_on_hup(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
	struct signals *signals = watcher->data;

	(void)ev;
	(void)events;
	if (signals->on_reload)
		signals->on_reload(signals->arg);
}

static void
signals_on_usr1(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
	struct signals *signals = watcher->data;

	(void)ev;
	(void)events;
	if (signals->on_shed)
		signals->on_shed(signals->arg);
}

static void
signals_on_usr2(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
	struct signals *signals = watcher->data;

	(void)ev;
	(void)events;
	if (signals->on_upgrade)
		signals->on_upgrade(signals->arg);
}

static void
signals_on_ttin(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
	struct signals *signals = watcher->data;

	(void)ev;
	(void)events;
	if (signals->on_log)
		signals->on_log(signals->arg);
}

static void
signals_watch(struct signals *signals, struct ev_loop *ev, struct ev_signal *watcher)
{
	watcher->data = signals;
	ev_signal_start(ev, watcher);
	ev_unref(ev);
}

void
signals_ours(sigset_t *out)
{
	sigemptyset(out);
	sigaddset(out, SIGTERM);
	sigaddset(out, SIGINT);
	sigaddset(out, SIGHUP);
	sigaddset(out, SIGUSR1);
	sigaddset(out, SIGUSR2);
	sigaddset(out, SIGTTIN);
	sigaddset(out, SIGCHLD);
}

/* The master's children start with all these signals blocked. */
static void
signals_unblock(void)
{
	sigset_t ours;

	signals_ours(&ours);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

void
signals_init(struct signals *signals, struct ev_loop *ev)
{
	signals->stopping = false;
	signal(SIGPIPE, SIG_IGN);
	ev_signal_init(&signals->term, signals_on_stop, signals->stop_signal ? signals->stop_signal : SIGTERM);
	ev_signal_init(&signals->interrupt, signals_on_stop, SIGINT);
	ev_signal_init(&signals->hup, signals_on_hup, SIGHUP);
	ev_signal_init(&signals->usr1, signals_on_usr1, SIGUSR1);
	ev_signal_init(&signals->usr2, signals_on_usr2, SIGUSR2);
	ev_signal_init(&signals->ttin, signals_on_ttin, SIGTTIN);
	signals_watch(signals, ev, &signals->term);
	if (signals->stop_signal)
		signal(SIGTERM, SIG_IGN);
	if (signals->has_master)
		signal(SIGINT, SIG_IGN);
	else
		signals_watch(signals, ev, &signals->interrupt);
	signals_watch(signals, ev, &signals->hup);
	signals_watch(signals, ev, &signals->usr1);
	signals_watch(signals, ev, &signals->usr2);
	signals_watch(signals, ev, &signals->ttin);
	signals_unblock();
}

/* ------------------------------------------------------------ after the loop */

static uint64_t late_since; /* when the process began to stop, in monotonic ms; 0: it did not */

/* What signals_on_stop() does while the loop runs. */
static void
signals_on_late(int signum)
{
	if (signals_now_ms() - late_since >= SIGNALS_SAME_MS)
		_exit(128 + signum);
}

/* libev resets a signal to its default when its watcher ends, which would end the process. */
static void
signals_handle_late(const struct signals *signals)
{
	static const int others[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN};
	struct sigaction late = {.sa_handler = signals_on_late};

	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		signal(others[i], SIG_IGN);
	late_since = signals->stopping ? signals->stopping_since : 0;
	if (signals->has_master) {
		signal(signals->stop_signal ? signals->stop_signal : SIGTERM, SIG_IGN);
		return;
	}
	sigaction(SIGTERM, &late, NULL);
	sigaction(SIGINT, &late, NULL);
}

static void
signals_unwatch(struct ev_loop *ev, struct ev_signal *watcher)
{
	ev_ref(ev);
	ev_signal_stop(ev, watcher);
}

void
signals_fini(struct signals *signals, struct ev_loop *ev)
{
	sigset_t ours;

	signals_ours(&ours);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	signals_unwatch(ev, &signals->term);
	if (!signals->has_master)
		signals_unwatch(ev, &signals->interrupt);
	signals_unwatch(ev, &signals->hup);
	signals_unwatch(ev, &signals->usr1);
	signals_unwatch(ev, &signals->usr2);
	signals_unwatch(ev, &signals->ttin);
	signals_handle_late(signals);
	signals_unblock();
}
