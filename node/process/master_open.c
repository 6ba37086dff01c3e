/*
 * What the master opens before it forks, and closes at the end: listening sockets, the backends' addresses, the hub's
 * socket, shared memory, doors, signals.
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
#include "node/process/signals.h"

#define URLS_MAX 8192 /* the option's, which are few and short, and one more */

static int
open_signals(struct master *m)
{
	sigset_t ours;

	signals_ours(&ours);
	if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
		return ERROR_SYSTEM;
	m->signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
	return m->signal_fd < 0 ? ERROR_SYSTEM : 0;
}

/* One set of listening sockets per slot, all on the port of the first. */
static int
open_listeners(struct master *m, char error[OPTION_ERROR_MAX])
{
	struct listener_options o = {
		.host = m->server->front.host,
		.port = (uint16_t)m->server->front.port,
		.share_port = true,
	};

	for (unsigned i = 0; i < m->count; i++) {
		int result = listener_set_open(&m->workers[i].listeners, &o, error);

		if (result < 0)
			return result;
		o.port = m->port = listener_set_port(&m->workers[0].listeners);
		o.join_port = true;
	}
	return 0;
}

/* The first unix socket among the addresses of --backend, which every program on this machine can reach. */
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

/* Programs of --exec find the edge at a unix socket of --backend, or else at one of their own beside those. */
static int
open_backends(struct master *m, char error[OPTION_ERROR_MAX])
{
	const struct exec_options *exec = &m->setup->options->exec;
	const char *urls = m->server->backend.urls;
	char address[EXEC_ADDRESS_MAX];
	bool has_unix = find_unix_address(urls, address);
	struct buffer all;
	int result;

	_Static_assert(EXEC_ERROR_MAX <= OPTION_ERROR_MAX, "its lines must fit");
	if (!exec_is_wanted(exec))
		return backend_addresses_open(&m->backends, urls, error);
	result = exec_new(&m->exec, exec, has_unix ? address : NULL, error);
	if (result < 0 || has_unix)
		return result < 0 ? result : backend_addresses_open(&m->backends, urls, error);
	buffer_init(&all, URLS_MAX);
	buffer_printf(&all, "%s%s%s", exec_address(m->exec), urls && *urls ? "," : "", urls ? urls : "");
	buffer_add_byte(&all, '\0');
	result = backend_addresses_open(&m->backends, (const char *)buffer_text(&all).at, error);
	buffer_fini(&all);
	return result;
}

static int
open_all(struct master *m, char error[OPTION_ERROR_MAX])
{
	int result;

	random_bytes(m->ticket_keys, sizeof m->ticket_keys);
	listener_raise_fd_limit(); /* several descriptors per worker */
	result = open_listeners(m, error);
	if (result < 0)
		return result;
	if (m->setup->options->admin.port != 0 &&
		(result = admin_listen(&m->admin, &m->setup->options->admin, error)) < 0)
		return result;
	result = open_backends(m, error);
	if (result < 0)
		return result;
	m->edge[backend_edge_name(m->edge)] = '\0';
	m->hub_fd = hub_listen(m->hub_name);
	m->pages = stats_pages_new(m->count);
	m->vitals = vitals_new(m->count);
	if (!m->pages || !m->vitals || !m->log || m->hub_fd < 0 || fcntl(m->hub_fd, F_SETFD, FD_CLOEXEC) < 0 ||
		open_signals(m) < 0 || doors_open(&m->doors, m->count) < 0) {
		snprintf(error, OPTION_ERROR_MAX, "cannot start %u workers: %s", m->count, strerror(errno));
		return ERROR_SYSTEM;
	}
	return 0;
}

static void
new_polls(struct master *m)
{
	unsigned most = 1 + m->count + m->count * LISTENER_SOCKETS_MAX + exec_polls_max(m->exec);

	m->polls = mem_zalloc(most * sizeof m->polls[0]);
}

static struct care *
new_care(const struct master *m)
{
	const struct care_setup setup = {
		.workers = m->count,
		.warning_ms = m->setup->options->hang_warning,
		.timeout_ms = m->setup->options->hang_timeout,
		.doors = &m->doors,
		.pages = m->pages,
		.vitals = m->vitals,
	};

	return care_new(&setup);
}

int
master_open(struct master *m, char error[OPTION_ERROR_MAX])
{
	int result;

	m->log = log_control_new((enum log_level)m->setup->options->log_level, m->setup->options->log_filter);
	m->workers = mem_zalloc(m->count * sizeof m->workers[0]);
	m->hub.ready_fd = -1;
	for (unsigned i = 0; i < m->count; i++)
		m->workers[i].ready_fd = -1;
	result = open_all(m, error);
	if (result < 0)
		return result;
	m->care = new_care(m);
	new_polls(m);
	return 0;
}

void
master_close_listeners(struct master *m)
{
	for (unsigned i = 0; i < m->count; i++)
		listener_set_close(&m->workers[i].listeners);
}

void
master_close(struct master *m)
{
	master_close_listeners(m);
	backend_addresses_remove(&m->backends);
	listener_set_close(&m->admin);
	care_free(m->care);
	exec_free(m->exec);
	log_control_free(m->log);
	stats_pages_free(m->pages, m->count);
	vitals_free(m->vitals, m->count);
	doors_close(&m->doors);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->hub_fd >= 0)
		close(m->hub_fd);
	mem_free(m->workers);
	mem_free(m->polls);
}
