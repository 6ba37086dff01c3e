/*
 * A client of the hub is a worker. Its commands are executed in order. An incomplete command is collected in
 * `partial`.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/broker_tables.h"
#include "broker/hub_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

#define BACKLOG 512
#define MALFORMED "-ERR Protocol error\r\n"
#define PARTIAL_KEPT (64 * 1024) /* a larger `partial` buffer is freed once its command is done */
#define STALL_MS 30000		 /* a worker that accepts no bytes for this long is disconnected */

/* ---------------------------------------------------------------- clients */

/*
 * Runs all complete commands in `in`. Returns the bytes they took, or an error. `*needed` is the minimum size of the
 * incomplete rest.
 */
static int64_t
hub_run_commands(struct hub_client *client, struct text in, uint64_t *needed)
{
	struct hub *hub = client->hub;
	size_t at = 0;

	*needed = 0;
	while (at < in.n && !conn_dead(client->conn)) {
		int64_t n =
			hub_command_parse(&hub->command, text_of(in.at + at, in.n - at), hub->max_message, needed);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		hub_run_command(client, &hub->command);
		at += (size_t)n;
	}
	return (int64_t)at;
}

static void
hub_refuse_client(struct hub_client *client, int error)
{
	struct hub *hub = client->hub;

	hub->stats.refused++;
	if (log_allow(&hub->log_limit, 1, hub->loop->now))
		log_event(LOG_WARN, "hub", "error", LOG_STR("malformed command from worker"), "reason",
			LOG_STR(error_text(error)), NULL);
	conn_send_copy(client->conn, MALFORMED, sizeof MALFORMED - 1);
	conn_finish(client->conn, REASON_HUB_SYNTAX);
}

/*
 * Stores bytes of an incomplete command. Returns false, and closes the connection, if they exceed the limit or memory
 * is short.
 */
static bool
hub_gather(struct hub_client *client, const uint8_t *data, size_t n)
{
	buffer_add(&client->partial, data, n);
	hub_hold(client);
	if (buffer_error(&client->partial) == 0)
		return true;
	if (buffer_error(&client->partial) == ERROR_MEMORY)
		conn_no_memory(client->conn);
	else
		hub_refuse_client(client, buffer_error(&client->partial));
	return false;
}

static size_t
hub_on_data(struct conn *conn, uint8_t *data, size_t n)
{
	struct hub_client *client = conn_owner(conn);
	struct text in = text_of((const char *)data, n);
	int64_t done;

	if (client->hub == NULL)
		return n;
	if (client->partial.len > 0) {
		if (!hub_gather(client, data, n))
			return n;
		if (client->partial.len < client->needed)
			return n;
		in = buffer_text(&client->partial);
	}
	done = hub_run_commands(client, in, &client->needed);
	if (done < 0) {
		hub_refuse_client(client, (int)done);
	} else if (client->partial.len > 0) {
		buffer_drop(&client->partial, (size_t)done);
		if (client->partial.len == 0 && client->partial.size > PARTIAL_KEPT)
			buffer_fini(&client->partial);
		hub_hold(client);
	} else if ((size_t)done < n) {
		(void)hub_gather(client, data + done, n - (size_t)done);
	}
	return n;
}

static void
hub_client_detach(struct hub_client *client)
{
	struct hub *hub = client->hub;

	hub_drop_subscriptions(client);
	list_remove(&client->link);
	hub->stats.clients--;
	client->hub = NULL;
	if (hub->keeper.gone != NULL)
		hub->keeper.gone(hub->keeper.arg, client);
}

void
hub_release_clients(struct hub *hub)
{
	struct list *it, *next;

	list_each(it, next, &hub->clients)
	{
		struct hub_client *client = container_of(it, struct hub_client, link);

		conn_finish(client->conn, REASON_FINISHED);
		hub_client_detach(client);
	}
}

static void
hub_on_closed(struct conn *conn, unsigned reason)
{
	struct hub_client *client = conn_owner(conn);

	if (client->hub != NULL) {
		if (reason == REASON_SLOW_READER || reason == REASON_STALLED) {
			client->hub->stats.cut_off++;
			log_event(LOG_WARN, "hub", "error", LOG_STR("worker disconnected because it does not read"),
				"reason", LOG_STR(names_word(&io_reasons, reason)), NULL);
		}
		hub_client_detach(client);
	}
	table_fini(&client->own);
	buffer_fini(&client->partial);
	mem_free(client);
}

static const struct conn_ops client_ops = {.on_data = hub_on_data, .on_closed = hub_on_closed};

static bool
hub_is_same_user(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static void
hub_client_new(struct hub *hub, int fd)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct hub_client *client = mem_zalloc(sizeof *client);

	client->hub = hub;
	table_init(&client->own);
	list_init(&client->owed);
	/* one command, and the part of the next that the same read brought */
	buffer_init(&client->partial, hub->max_message + LOOP_SCRATCH_SIZE);
	list_add_tail(&hub->clients, &client->link);
	hub->stats.clients++;
	client->conn = conn_new(hub->loop, fd, (const struct sockaddr *)&peer, sizeof peer.sun_family, NULL,
		&hub->limits, &client_ops, client);
}

/* --------------------------------------------------------------- listening */

int
hub_listen(char name[HUB_NAME_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), why;

	if (fd < 0)
		return ERROR_SYSTEM;
	/* an address of only the family makes the kernel choose an abstract name */
	if (bind(fd, (const struct sockaddr *)&address, sizeof address.sun_family) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		why = errno;
		close(fd);
		errno = why;
		return ERROR_SYSTEM;
	}
	snprintf(name, HUB_NAME_MAX, "%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
		address.sun_path + 1);
	return fd;
}

static void
hub_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct hub *hub = arg;

	(void)peer, (void)peer_len;
	if (hub_is_same_user(fd)) {
		hub_client_new(hub, fd);
	} else {
		hub->stats.refused++;
		close(fd);
	}
}

struct hub *
hub_new(struct loop *l, int listening_fd, const struct hub_options *options)
{
	struct hub *hub = mem_zalloc(sizeof *hub);
	struct listener_set listening = {.fds = {listening_fd}, .count = 1};

	hub->loop = l;
	hub->max_message = options->max_message;
	hub->max_subscriptions = options->max_subscriptions > 0 ? options->max_subscriptions : HUB_SUBSCRIPTIONS_MAX;
	hub->limits = (struct conn_limits){
		.max_queue = options->max_queue, .max_kept = LOOP_SCRATCH_SIZE / 2, .stall_ms = STALL_MS};
	list_init(&hub->clients);
	hub_topics_init(&hub->topics);
	/* the longest reply is NUMSUB's: all names asked for, with their counts */
	buffer_init(&hub->scratch, options->max_message + HUB_ARGS_MAX * 64);
	if (options->keeper != NULL)
		hub->keeper = *options->keeper;
	if (options->history_max_bytes > 0) {
		hub->history = mem_zalloc(sizeof *hub->history);
		hub_history_init(hub->history, l, options->history_max_bytes);
	}
	if (options->ear != NULL)
		hub->ear = hub_ear_new(l, options->ear, &hub_ear_ops, hub);
	hub->listener = listener_start(l, &listening, 0, hub_on_accept, hub);
	listener_set_service(hub->listener);
	return hub;
}

void
hub_stats(const struct hub *hub, struct hub_stats *out)
{
	*out = hub->stats;
	out->topics = hub->topics.channels.count + hub->topics.prefixes.count;
	if (hub->ear != NULL)
		hub_ear_stats(hub->ear, out);
}

const struct history_table *
hub_history_table(const struct hub *hub)
{
	return hub->history != NULL ? &hub->history->table : NULL;
}

void
hub_free(struct hub *hub)
{
	struct list *it, *next;

	if (hub == NULL)
		return;
	listener_free(hub->listener);
	list_each(it, next, &hub->clients)
	{
		struct hub_client *client = container_of(it, struct hub_client, link);

		conn_close(client->conn, REASON_SHUTDOWN);
		hub_client_detach(client);
	}
	hub_ear_free(hub->ear);
	hub_topics_fini(&hub->topics);
	buffer_fini(&hub->scratch);
	if (hub->history != NULL)
		hub_history_fini(hub->history);
	mem_free(hub->history);
	mem_free(hub);
}
