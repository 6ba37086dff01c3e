/*
 * An upgrade: the master starts the program that replaces it, hands it the listening sockets, and drains. A socket
 * pair, the channel, connects the two masters.
 *
 *   the old program                                  the new program
 *   SIGUSR2, or SIGHUP with a new application:
 *   forks and executes its own file again,
 *   which may be a new version by now
 *                                                    starts on the inherited sockets; both programs accept
 *                                                    when all workers are ready, sends a byte, which says
 *                                                    whether its hub serves the old workers too
 *   names its successor to the supervisor, sends
 *   GO, and drains; workers stop accepting           tells the supervisor that it is ready
 *   ends; the channel closes                         the next upgrade is possible
 *
 * If the new program ends before the old one has read its byte, or does not send it within UPGRADE_MS, the old
 * program logs an error and goes on. After GO there is no way back. If the old program ends early, the new one goes
 * on by itself.
 *
 * Clients of long-polling send the requests of one session on several connections. Each program therefore passes the
 * requests of the other's sessions on, see struct doors. The numbers of workers in session ids tell them apart.
 *
 * Without Redis, the new program's hub takes over the address of the old hub, so that the workers of both programs
 * hear one another. With Redis, they hear one another through Redis.
 */
#include "node/process/master_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/must.h"
#include "common/io/inherited.h"
#include "common/io/log.h"
#include "node/process/config.h"
#include "node/process/hub_process.h"
#include "node/process/master.h"
#include "node/process/notify.h"
#include "node/process/port.h"

#define UPGRADE_MS 60000
#define TEXT_MAX (1 << 17) /* the kernel accepts no longer variable */

/* The names of groups of descriptors, in addition to those in inherited.h. */
#define PREDECESSOR "predecessor" /* the channel; key: the old master's process id */
#define INSTANCE "instance"	  /* key: of the node; without descriptors */
#define DOORS "doors"		  /* key: DOORS_FORMAT, a dash and the number of the first worker */
#define STRAYS "strays"		  /* key: DOORS_FORMAT */
#define HUB "hub"		  /* key: the hub's address */

/* The bytes that are sent on the channel. */
#define READY 'R'
#define READY_WITH_HUB 'H'
#define GO 'G'

static void
upgrade_refuse(const char *why)
{
	log_event(LOG_ERROR, "upgrade", "error", LOG_STR(why), NULL);
}

static void
upgrade_close_channel(struct upgrade *upgrade)
{
	if (upgrade->channel >= 0)
		close(upgrade->channel);
	upgrade->channel = -1;
}

/* -------------------------------------------------------- the old program */

static void
upgrade_write(const struct master *master, int channel, struct buffer *out)
{
	const struct doors *doors = &master->doors;
	char key[64];

	snprintf(key, sizeof key, "%ld", (long)master->pid);
	inherited_write(out, PREDECESSOR, key, &channel, 1);
	inherited_write(out, INSTANCE, master->instance, NULL, 0);
	snprintf(key, sizeof key, DOORS_FORMAT "-%u", doors->first);
	inherited_write(out, DOORS, key, doors->send, doors->count);
	inherited_write(out, STRAYS, DOORS_FORMAT, &doors->successor_receive, 1);
	if (!master_has_ear(master))
		inherited_write(out, HUB, master->hub_name, &master->hub_fd, 1);
	for (unsigned i = 0; i < master->count; i++)
		port_hand_on(&master->server->front, &master->workers[i].listeners, out);
	admin_hand_on(&master->admin, &master->setup->options->admin, out);
	backend_addresses_hand_on(&master->backends, out);
	buffer_add_byte(out, '\0');
}

/* Runs in the child of fork(), which becomes the new program. */
static _Noreturn void
upgrade_exec(const struct master *master, const char *text)
{
	char **argv = master->setup->config->argv;
	sigset_t none;

	inherited_keep_open(text_from(text));
	notify_export(master->notify);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setenv(INHERITED_VARIABLE, text, 1) == 0)
		execvp(argv[0], argv);
	fprintf(stderr, "%s: cannot run \"%s\": %s\n", master->setup->program, argv[0], strerror(errno));
	_exit(EXIT_NO_START);
}

bool
master_upgrade_start(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;
	struct buffer text;
	int ends[2];

	if (master->phase != SERVING) {
		upgrade_refuse("the server is starting or stopping");
		return false;
	}
	if (upgrade->channel >= 0 || upgrade->pid > 0) { /* a new program that hangs may have closed the channel */
		upgrade_refuse("an earlier upgrade is not over");
		return false;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
		upgrade_refuse(strerror(errno));
		return false;
	}
	buffer_init(&text, TEXT_MAX);
	upgrade_write(master, ends[1], &text);
	fflush(NULL);
	upgrade->pid = buffer_error(&text) == 0 ? fork() : -1;
	if (upgrade->pid == 0)
		upgrade_exec(master, (const char *)text.data);
	buffer_fini(&text);
	close(ends[1]);
	if (upgrade->pid < 0) {
		upgrade->pid = 0;
		close(ends[0]);
		upgrade_refuse("cannot start the new program");
		return false;
	}
	upgrade->channel = ends[0];
	upgrade->give_up_at = master_now() + UPGRADE_MS;
	log_event(LOG_INFO, "upgrade", "pid", LOG_INT(upgrade->pid), NULL);
	return true;
}

bool
master_upgrade_ended(struct master *master, pid_t pid, int status)
{
	struct upgrade *upgrade = &master->upgrade;
	bool killed = WIFSIGNALED(status);

	if (pid != upgrade->pid)
		return false;
	upgrade->pid = 0;
	upgrade->give_up_at = 0;
	if (master->succeeded)
		return true;
	upgrade_close_channel(upgrade);
	if (master->phase == SERVING) /* a master that stops has cancelled the upgrade */
		log_event(LOG_ERROR, "upgrade_failed", "pid", LOG_INT(pid), killed ? "signal" : "code",
			LOG_INT(killed ? WTERMSIG(status) : WEXITSTATUS(status)), "error",
			LOG_STR("the new program ended before it took over; this one goes on"), NULL);
	return true;
}

void
master_upgrade_cancel(struct master *master)
{
	if (master->upgrade.pid > 0 && !master->succeeded)
		kill(master->upgrade.pid, SIGTERM);
}

void
master_upgrade_look(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;

	if (upgrade->give_up_at == 0 || master_now() < upgrade->give_up_at)
		return;
	upgrade->give_up_at = 0;
	kill(upgrade->pid, SIGKILL);
}

/* Returns true if the new program has ended and SIGCHLD has not reported it yet. */
static bool
upgrade_has_died(const struct upgrade *upgrade)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)upgrade->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

static void
upgrade_succeeded(struct master *master, bool hub_taken)
{
	static const char go = GO;
	struct upgrade *upgrade = &master->upgrade;

	upgrade->give_up_at = 0;
	notify_main_pid(master->notify, upgrade->pid);
	master->notify = NULL;
	(void)!write(upgrade->channel, &go, 1);
	log_event(LOG_INFO, "upgraded", "pid", LOG_INT(upgrade->pid), NULL);
	master->succeeded = true;
	master->hub_taken = hub_taken;
	backend_addresses_disown(&master->backends);
	listener_set_close(&master->admin);
	hub_watch_set_loss(master->hub_watch, hub_taken ? HUB_LOST_WORKERS_TOO : HUB_LOST_ADMIN_PORT);
	if (master->hub.pid > 0)
		kill(master->hub.pid, HUB_LOSS_SIGNAL);
	else if (hub_taken)
		master->hub.pause.due = 0; /* a hub that is started again would take workers from the other one */
	master_begin_stopping(master);
}

/* -------------------------------------------------------- the new program */

bool
master_has_predecessor(const struct inherited *inherited)
{
	return inherited_find(inherited, PREDECESSOR, NULL) != NULL;
}

void
master_upgrade_inherit(struct master *master)
{
	const struct inherited *inherited = master->setup->inherited;
	struct inherited_group *group = inherited_find(inherited, PREDECESSOR, NULL);

	master->upgrade.channel = inherited_take_one(group);
	group = inherited_find(inherited, INSTANCE, NULL);
	if (group && strlen(group->key) == BEAT_ID_LENGTH)
		memcpy(master->instance, group->key, BEAT_ID_LENGTH);
	if (master_has_ear(master))
		return;
	group = inherited_find(inherited, HUB, NULL);
	if (group && group->count > 0 && strlen(group->key) < HUB_NAME_MAX) {
		snprintf(master->hub_name, sizeof master->hub_name, "%s", group->key);
		master->hub_fd = inherited_take_one(group);
		master->has_old_hub = true;
	}
}

void
master_upgrade_inherit_doors(struct master *master)
{
	const struct inherited *inherited = master->setup->inherited;
	struct inherited_group *strays = inherited_find(inherited, STRAYS, DOORS_FORMAT);
	struct inherited_group *doors = inherited_find(inherited, DOORS, NULL);
	const char *dash = doors && doors->key ? strchr(doors->key, '-') : NULL;
	uint64_t first;

	if (!strays || !dash || doors->count > DOORS_MAX || text_number(text_from(dash + 1), DOORS_MAX, &first) < 0)
		return;
	doors_take_old(&master->doors, (unsigned)first, doors->fds, doors->count, inherited_take_one(strays));
	doors->count = 0;
}

bool
master_upgrade_report(struct master *master)
{
	char byte = master->has_old_hub ? READY_WITH_HUB : READY;

	return master->upgrade.channel >= 0 && write(master->upgrade.channel, &byte, 1) == 1;
}

/* -------------------------------------------------------------------- both */

void
master_upgrade_polled(struct master *master)
{
	struct upgrade *upgrade = &master->upgrade;
	char byte;
	ssize_t n = read(upgrade->channel, &byte, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && byte == GO) {
		upgrade_close_channel(upgrade); /* from here on the end of the old program does not matter */
		master_notify_ready(master);
		return;
	}
	if (n == 1 && upgrade->pid > 0 && !master->succeeded && master->phase == SERVING &&
		!upgrade_has_died(upgrade)) {
		upgrade_succeeded(master, byte == READY_WITH_HUB);
		return;
	}
	/* the other program has ended, perhaps after it sent its byte; SIGCHLD also reports the end of the new one */
	upgrade_close_channel(upgrade);
	if (upgrade->pid == 0 && master->phase == SERVING)
		master_notify_ready(master);
}
