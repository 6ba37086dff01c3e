/*
 * Opens the resources that the master needs before it forks, and closes them at the end: listening sockets, the
 * addresses for backends, the hub's socket, shared memory, doors, signals.
 */
#include "node/process/master_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "node/process/exec_dir.h"
#include "node/process/port.h"
#include "node/process/signals.h"

#define URLS_MAX 8192 /* bytes of the option's few short addresses and one more */

static int
master_open_signals(struct master *master)
{
	sigset_t ours;

	signals_ours(&ours);
	if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
		return ERROR_SYSTEM;
	master->signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
	return master->signal_fd < 0 ? ERROR_SYSTEM : 0;
}

/* Returns a positive number if sockets were inherited, 0 if not, or a negative error. */
static int
master_inherit_listeners(struct master *master, char error[OPTION_ERROR_MAX])
{
	struct listener_set *sets[DOORS_MAX];
	int result;

	for (unsigned i = 0; i < master->count; i++)
		sets[i] = &master->workers[i].listeners;
	result = port_inherit(master->setup->inherited, &master->server->front, sets, master->count, error);
	if (result > 0)
		master->port = listener_set_port(sets[0]);
	return result;
}

/* Opens one set of listening sockets per slot, all on the port of the first. */
static int
master_open_listeners(struct master *master, char error[OPTION_ERROR_MAX])
{
	struct listener_options options = {
		.host = master->server->front.host,
		.port = (uint16_t)master->server->front.port,
		.share_port = true,
	};
	int result;

	result = master_inherit_listeners(master, error);
	if (result != 0)
		return result < 0 ? result : 0;
	for (unsigned i = 0; i < master->count; i++) {
		result = listener_set_open(&master->workers[i].listeners, &options, error);
		if (result < 0)
			return result;
		options.port = master->port = listener_set_port(&master->workers[0].listeners);
		options.join_port = true;
	}
	return 0;
}

/* Finds the first unix socket among the addresses of --backend, as every program on this machine can reach it. */
static bool
find_unix_address(const char *urls, char out[EXEC_ADDRESS_MAX])
{
	struct text rest = text_from(urls ? urls : ""), url;

	while (text_cut(&rest, ',', &url)) {
		if (url.n < EXEC_ADDRESS_MAX && text_starts(url, TEXT("unix://"))) {
			memcpy(out, url.at, url.n);
			out[url.n] = '\0';
			return true;
		}
	}
	return false;
}

/* Programs of --exec find the edge at the first unix socket of --backend, else at an additional private one. */
static int
master_open_backends(struct master *master, char error[OPTION_ERROR_MAX])
{
	const struct exec_options *exec = &master->setup->options->exec;
	const char *urls = master->server->backend.urls;
	char address[EXEC_ADDRESS_MAX];
	bool has_unix = find_unix_address(urls, address);
	struct buffer addresses;
	int result;

	_Static_assert(EXEC_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	if (!exec_is_wanted(exec))
		return backend_addresses_open(&master->backends, urls, master->setup->inherited, error);
	result = exec_new(&master->exec, exec, has_unix ? address : NULL, error);
	if (result < 0 || has_unix)
		return result < 0 ? result
				  : backend_addresses_open(&master->backends, urls, master->setup->inherited, error);
	buffer_init(&addresses, URLS_MAX);
	buffer_printf(&addresses, "%s%s%s", exec_address(master->exec), urls && *urls ? "," : "", urls ? urls : "");
	buffer_add_byte(&addresses, '\0');
	result = backend_addresses_open(
		&master->backends, (const char *)buffer_text(&addresses).at, master->setup->inherited, error);
	buffer_fini(&addresses);
	return result;
}

static int
master_open_all(struct master *master, char error[OPTION_ERROR_MAX])
{
	int result;

	random_bytes(master->ticket_keys, sizeof master->ticket_keys);
	listener_raise_fd_limit(); /* each worker needs several descriptors */
	result = master_open_listeners(master, error);
	if (result < 0)
		return result;
	if (master->setup->options->admin.port != 0 &&
		(result = admin_listen(
			 &master->admin, &master->setup->options->admin, master->setup->inherited, error)) < 0)
		return result;
	result = master_open_backends(master, error);
	if (result < 0)
		return result;
	master->edge[backend_edge_name(master->edge)] = '\0';
	random_id(master->instance, BEAT_ID_LENGTH);
	master_upgrade_inherit(master);
	if (master->hub_fd < 0)
		master->hub_fd = hub_listen(master->hub_name);
	master->pages = stats_pages_new(master->count);
	master->vitals = vitals_new(master->count);
	master->hub_watch = hub_watch_new(master->setup->options->hang_warning, master->setup->options->hang_timeout);
	if (!master->pages || !master->vitals || !master->hub_watch || !master->log || master->hub_fd < 0 ||
		fcntl(master->hub_fd, F_SETFD, FD_CLOEXEC) < 0 || master_open_signals(master) < 0 ||
		doors_open(&master->doors, master->count) < 0) {
		snprintf(error, OPTION_ERROR_MAX, "cannot start %u workers: %s", master->count, strerror(errno));
		return ERROR_SYSTEM;
	}
	master_upgrade_inherit_doors(master);
	if (master->setup->inherited)
		inherited_free(master->setup->inherited);
	return 0;
}

static void
master_new_polls(struct master *master)
{
	unsigned most = 2 + master->count + master->count * LISTENER_SOCKETS_MAX + exec_polls_max(master->exec);

	master->polls = mem_zalloc(most * sizeof master->polls[0]);
}

static struct care *
master_new_care(const struct master *master)
{
	const struct care_setup setup = {
		.workers = master->count,
		.warning_ms = master->setup->options->hang_warning,
		.timeout_ms = master->setup->options->hang_timeout,
		.doors = &master->doors,
		.pages = master->pages,
		.vitals = master->vitals,
	};

	return care_new(&setup);
}

int
master_open(struct master *master, char error[OPTION_ERROR_MAX])
{
	int result;

	master->log = log_control_new(
		(enum log_level)master->setup->options->log_level, master->setup->options->log_filter);
	master->workers = mem_zalloc(master->count * sizeof master->workers[0]);
	master->hub.ready_fd = -1;
	for (unsigned i = 0; i < master->count; i++)
		master->workers[i].ready_fd = -1;
	result = master_open_all(master, error);
	if (result < 0)
		return result;
	master->care = master_new_care(master);
	master_new_polls(master);
	return 0;
}

void
master_close_listeners(struct master *master)
{
	for (unsigned i = 0; i < master->count; i++)
		listener_set_close(&master->workers[i].listeners);
}

void
master_close(struct master *master)
{
	master_close_listeners(master);
	backend_addresses_remove(&master->backends);
	listener_set_close(&master->admin);
	care_free(master->care);
	exec_free(master->exec);
	log_control_free(master->log);
	stats_pages_free(master->pages, master->count);
	vitals_free(master->vitals, master->count);
	hub_watch_free(master->hub_watch);
	doors_close(&master->doors);
	if (master->signal_fd >= 0)
		close(master->signal_fd);
	if (master->hub_fd >= 0)
		close(master->hub_fd);
	if (master->upgrade.channel >= 0)
		close(master->upgrade.channel);
	mem_free(master->workers);
	mem_free(master->polls);
}
