#include "node/process/signals.h"

#include <string.h>
#include <unistd.h>

#include "common/io/log.h"

static void
on_stop_signal(struct ev_loop *ev, struct ev_signal *w, int events)
{
	struct signals *s = w->data;

	(void)ev;
	(void)events;
	if (s->stopping && s->has_master)
		return;
	if (s->stopping) {
		log_event(LOG_WARN, "killed", "signal", LOG_STR(w->signum == SIGTERM ? "SIGTERM" : "SIGINT"), NULL);
		_exit(128 + w->signum);
	}
	s->stopping = true;
	log_event(s->has_master ? LOG_DEBUG : LOG_INFO, "stopping", "signal",
		LOG_STR(w->signum == SIGINT ? "SIGINT" : "SIGTERM"), NULL);
	s->on_stop(s->arg);
}

static void
on_hup(struct ev_loop *ev, struct ev_signal *w, int events)
{
	struct signals *s = w->data;

	(void)ev;
	(void)events;
	if (s->on_reload)
		s->on_reload(s->arg);
}

static void
on_usr1(struct ev_loop *ev, struct ev_signal *w, int events)
{
	struct signals *s = w->data;

	(void)ev;
	(void)events;
	if (s->on_shed)
		s->on_shed(s->arg);
}

static void
on_usr2(struct ev_loop *ev, struct ev_signal *w, int events)
{
	struct signals *s = w->data;

	(void)ev;
	(void)events;
	if (s->on_log)
		s->on_log(s->arg);
}

static void
watch(struct signals *s, struct ev_loop *ev, struct ev_signal *w)
{
	w->data = s;
	ev_signal_start(ev, w);
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
	sigaddset(out, SIGCHLD);
}

/* A child of the master begins with all of them blocked. */
static void
unblock(void)
{
	sigset_t ours;

	signals_ours(&ours);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

void
signals_init(struct signals *s, struct ev_loop *ev)
{
	s->stopping = false;
	signal(SIGPIPE, SIG_IGN);
	ev_signal_init(&s->term, on_stop_signal, s->stop_signal ? s->stop_signal : SIGTERM);
	ev_signal_init(&s->interrupt, on_stop_signal, SIGINT);
	ev_signal_init(&s->hup, on_hup, SIGHUP);
	ev_signal_init(&s->usr1, on_usr1, SIGUSR1);
	ev_signal_init(&s->usr2, on_usr2, SIGUSR2);
	watch(s, ev, &s->term);
	if (s->stop_signal)
		signal(SIGTERM, SIG_IGN);
	if (s->has_master)
		signal(SIGINT, SIG_IGN);
	else
		watch(s, ev, &s->interrupt);
	watch(s, ev, &s->hup);
	watch(s, ev, &s->usr1);
	watch(s, ev, &s->usr2);
	unblock();
}

static void
unwatch(struct ev_loop *ev, struct ev_signal *w)
{
	ev_ref(ev);
	ev_signal_stop(ev, w);
}

void
signals_fini(struct signals *s, struct ev_loop *ev)
{
	unwatch(ev, &s->term);
	if (!s->has_master)
		unwatch(ev, &s->interrupt);
	unwatch(ev, &s->hup);
	unwatch(ev, &s->usr1);
	unwatch(ev, &s->usr2);
}
