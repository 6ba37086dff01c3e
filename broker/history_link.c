/*
 * The history of rooms at a server with the commands of Redis streams: Redis, or the hub of this machine. A room is
 * a stream "<key>-history#<room>", or in a Redis Cluster "{<key>-history}#<room>", so that all streams are in one
 * slot.
 *
 *   append   XADD stream MAXLEN count * d payload, and PEXPIRE stream age
 *   read     XREVRANGE or XRANGE, at most LINK_PART entries each; entries older than the age are left out
 *   remove   XDEL stream id, or DEL stream
 *
 * State of the link:
 *
 *   RESTING     the timer: asks the sentinels, or connects                    CONNECTING
 *   CONNECTING  logged in                                                     READY
 *   any         the link is lost, the server is a replica or not the owner    RESTING
 *               of the slot, or an answer is late
 *
 * Commands stay in one queue until they are answered. When the link is lost, all of them are sent again. An append
 * that the server had executed is then stored twice; readers recognise it by the mark in its payload. Reads and
 * removals whose asks have ended are not sent again, so that they do not accumulate while the server is away.
 */
#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_link.h"
#include "broker/bus_login.h"
#include "broker/cluster_map.h"
#include "broker/history.h"
#include "broker/resp_tree.h"
#include "broker/seal.h"
#include "broker/sentinel.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/log.h"

#define LINK_PART 100		  /* most entries of one answer */
#define LINK_INPUT_MAX (16 << 20) /* most bytes of one answer */
#define LINK_PAUSE_MIN_MS 100	  /* pause before the first reconnect; doubled each time */
#define LINK_PAUSE_MAX_MS 1000
#define LINK_NAME_MAX (1 << 20) /* bytes of a stream's name */

enum link_kind { LINK_APPEND, LINK_READ, LINK_REMOVE };

/* A command that waits for its answer. */
struct link_command {
	struct list link;
	enum link_kind kind;
	unsigned answers; /* answers that this connection has yet to send */
	bool sent, refused;
	uint64_t sent_at; /* loop time */
	struct block *bytes;
	struct link_ask *ask; /* NULL: LINK_APPEND, or the ask has ended */
};

/* An ask, and what it has found so far, in the order of the answers. */
struct link_ask {
	struct list link; /* in history_link.asks, in order of their deadlines */
	struct history_ask *ask;
	struct link_command *command; /* the waiting command, or NULL */
	uint64_t deadline;	      /* loop time */
	struct history_query query;   /* the entries that are still wanted */
	struct history_item *items;   /* payload.at is NULL until the end: `starts` has the offsets in `bytes` */
	size_t *starts;
	unsigned count, size;
	struct buffer bytes;
	size_t key_n;
	char key[];
};

struct history_link {
	struct history base;
	struct bus_url url;
	struct bus_access *access;
	struct sentinel *sentinel; /* NULL: the URL names no sentinels */
	struct bus_link link;
	struct seal *seal;
	char *prefix;
	uint64_t max_queue;
	bool ready;
	unsigned attempts;
	struct list commands; /* struct link_command */
	uint64_t queued;      /* bytes of all appends in the queue */
	struct list asks;     /* struct link_ask */
	struct buffer input, name, sealed, command;
	struct resp_tree tree;
	struct wheel_entry retry; /* connects */
	struct wheel_entry late;  /* fires at the deadline of the first ask */
	struct wheel_entry stuck; /* checks whether the server answers */
	struct log_limit log_limit;
	struct history_stats stats;
};

static struct history_link *
link_of(struct history *history)
{
	return container_of(history, struct history_link, base);
}

static void
link_warn(struct history_link *h, const char *what, const char *why)
{
	if (log_allow(&h->log_limit, 1, h->base.loop->now))
		log_event(LOG_WARN, "history", "error", LOG_STR(what), "reason", LOG_STR(why), NULL);
}

/* ---------------------------------------------------------------- commands */

static void
command_free(struct history_link *h, struct link_command *command)
{
	if (command->kind == LINK_APPEND)
		h->queued -= command->bytes->len;
	if (command->ask != NULL)
		command->ask->command = NULL;
	list_remove(&command->link);
	block_unref(command->bytes);
	mem_free(command);
}

/* The ask of a command ends. A command that was sent stays in the queue until its answer arrives. */
static void
command_abandon(struct history_link *h, struct link_command *command)
{
	command->ask->command = NULL;
	command->ask = NULL;
	if (!command->sent)
		command_free(h, command);
}

static void
command_send(struct history_link *h, struct link_command *command)
{
	command->sent = true;
	command->sent_at = h->base.loop->now;
	command->refused = false;
	command->answers = command->kind == LINK_APPEND ? 2 : 1;
	conn_send(h->link.conn, command->bytes, 0, command->bytes->len);
	if (!wheel_armed(&h->stuck))
		loop_arm(h->base.loop, &h->stuck, HISTORY_TIMEOUT_MS);
}

/* Drops the oldest unsent appends until the others fit. */
static void
link_trim_queue(struct history_link *h)
{
	struct list *it, *next;

	list_each(it, next, &h->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		if (h->queued <= h->max_queue)
			return;
		if (command->kind != LINK_APPEND || command->sent)
			continue;
		if (h->stats.dropped++ == 0 || log_allow(&h->log_limit, 1, h->base.loop->now))
			log_event(LOG_WARN, "history", "error",
				LOG_STR("redisMaxQueue is full: the history loses its oldest waiting entries"),
				"dropped", LOG_INT(h->stats.dropped), NULL);
		command_free(h, command);
	}
}

static void
command_add_arg(struct history_link *h, struct text arg)
{
	buffer_printf(&h->command, "$%zu\r\n", arg.n);
	buffer_add_text(&h->command, arg);
	buffer_add_text(&h->command, TEXT("\r\n"));
}

static void
command_begin(struct history_link *h, const char *word, struct text key, unsigned args)
{
	buffer_printf(&h->command, "*%u\r\n", args);
	command_add_arg(h, text_from(word));
	buffer_reset(&h->name);
	buffer_add_text(&h->name, text_from(h->prefix));
	buffer_add_text(&h->name, key);
	command_add_arg(h, buffer_text(&h->name));
}

static void
command_add_number(struct history_link *h, uint64_t number)
{
	char digits[24];

	command_add_arg(
		h, text_of(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number)));
}

/* Queues the written command, and sends it if the link is ready. Returns NULL without memory. */
static struct link_command *
command_queue(struct history_link *h, enum link_kind kind, struct link_ask *ask)
{
	struct link_command *command = mem_try_alloc(sizeof *command);
	struct block *bytes = buffer_error(&h->command) == 0 ? block_try_copy(h->command.data, h->command.len) : NULL;

	buffer_reset(&h->command);
	if (command == NULL || bytes == NULL) {
		loop_count_no_memory(h->base.loop);
		mem_free(command);
		block_unref(bytes);
		return NULL;
	}
	*command = (struct link_command){.kind = kind, .bytes = bytes, .ask = ask};
	list_add_tail(&h->commands, &command->link);
	if (kind == LINK_APPEND)
		h->queued += bytes->len;
	if (h->ready)
		command_send(h, command);
	else
		link_trim_queue(h);
	return command;
}

static void
link_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	struct history_link *h = link_of(history);

	command_begin(h, "XADD", key, 7);
	if (h->seal != NULL) {
		buffer_reset(&h->sealed);
		buffer_add_text(&h->sealed, payload);
		seal_add(h->seal, buffer_text(&h->name), &h->sealed);
		payload = buffer_text(&h->sealed);
	}
	command_add_arg(h, TEXT("MAXLEN"));
	command_add_number(h, limits->count);
	command_add_arg(h, TEXT("*"));
	command_add_arg(h, TEXT("d"));
	command_add_arg(h, payload);
	if (limits->age_ms > 0) {
		command_begin(h, "PEXPIRE", key, 3);
		command_add_number(h, limits->age_ms);
	} else {
		command_begin(h, "PERSIST", key, 2);
	}
	if (h->ready && h->queued + h->command.len > h->max_queue) {
		buffer_reset(&h->command);
		h->stats.dropped++;
		link_warn(
			h, "redisMaxQueue is full: an entry of the history is dropped", "the server does not answer");
	} else if (command_queue(h, LINK_APPEND, NULL) == NULL) {
		h->stats.dropped++;
	}
}

/* -------------------------------------------------------------------- asks */

static void
link_arm_late(struct history_link *h)
{
	struct link_ask *first;

	loop_disarm(h->base.loop, &h->late);
	if (list_empty(&h->asks))
		return;
	first = container_of(h->asks.next, struct link_ask, link);
	loop_arm(h->base.loop, &h->late,
		first->deadline > h->base.loop->now ? first->deadline - h->base.loop->now : 0);
}

static void
ask_free(struct history_link *h, struct link_ask *ask)
{
	if (ask->command != NULL)
		command_abandon(h, ask->command);
	ask->ask->pending = NULL;
	list_remove(&ask->link);
	buffer_fini(&ask->bytes);
	mem_free(ask->items);
	mem_free(ask->starts);
	mem_free(ask);
}

/* Answers and frees the ask. `removed`: the number of entries that a removal reports. */
static void
ask_end(struct history_link *h, struct link_ask *ask, int error, unsigned removed)
{
	struct history_ask *asked = ask->ask;

	asked->pending = NULL;
	list_remove(&ask->link);
	if (ask->command != NULL)
		command_abandon(h, ask->command);
	h->stats.failed += error != 0;
	h->stats.read += error == 0 ? ask->count : 0;
	for (unsigned i = 0; error == 0 && i < ask->count; i++)
		ask->items[i].payload.at = (const char *)ask->bytes.data + ask->starts[i];
	for (unsigned i = 0, j = ask->count; !ask->query.from_oldest && i + 1 < j; i++) {
		struct history_item swapped = ask->items[--j];

		ask->items[j] = ask->items[i];
		ask->items[i] = swapped;
	}
	asked->on_answer(asked, error, error == 0 ? ask->items : NULL, error != 0 ? 0 : ask->count + removed);
	buffer_fini(&ask->bytes);
	mem_free(ask->items);
	mem_free(ask->starts);
	mem_free(ask);
	link_arm_late(h);
}

static void
link_on_late(struct wheel_entry *entry)
{
	struct history_link *h = container_of(entry, struct history_link, late);

	while (!list_empty(&h->asks)) {
		struct link_ask *first = container_of(h->asks.next, struct link_ask, link);

		if (first->deadline > h->base.loop->now)
			break;
		ask_end(h, first, ERROR_TIMEOUT, 0);
	}
	link_arm_late(h);
}

static struct link_ask *
ask_new(struct history_link *h, struct text key, struct history_ask *asked)
{
	struct link_ask *ask = mem_zalloc(sizeof *ask + key.n);

	ask->ask = asked;
	ask->key_n = key.n;
	memcpy(ask->key, key.at, key.n);
	ask->deadline = h->base.loop->now + HISTORY_TIMEOUT_MS;
	buffer_init(&ask->bytes, HISTORY_ANSWER_MAX);
	asked->pending = ask;
	list_add_tail(&h->asks, &ask->link);
	if (!wheel_armed(&h->late))
		link_arm_late(h);
	return ask;
}

/* The greatest id has none after it. */
static struct history_id
id_after(struct history_id id)
{
	if (id.ms == UINT64_MAX && id.seq == UINT64_MAX)
		return id;
	return id.seq < UINT64_MAX ? (struct history_id){id.ms, id.seq + 1} : (struct history_id){id.ms + 1, 0};
}

static struct history_id
id_before(struct history_id id)
{
	return id.seq > 0 ? (struct history_id){id.ms, id.seq - 1} : (struct history_id){id.ms - 1, UINT64_MAX};
}

static void
command_add_id(struct history_link *h, struct history_id id)
{
	char text[HISTORY_ID_MAX + 1];

	command_add_arg(h, text_of(text, history_id_write(id, text)));
}

/* Adds the lower bound of a range. */
static void
command_add_low(struct history_link *h, struct history_id after)
{
	if (after.ms == 0 && after.seq == 0)
		command_add_arg(h, TEXT("-"));
	else
		command_add_id(h, id_after(after));
}

/* Adds the upper bound of a range. */
static void
command_add_high(struct history_link *h, struct history_id before)
{
	if (before.ms == 0 && before.seq == 0)
		command_add_arg(h, TEXT("+"));
	else
		command_add_id(h, id_before(before));
}

/* Asks for the next part of the entries that are still wanted. */
static void
ask_send(struct history_link *h, struct link_ask *ask)
{
	const struct history_query *query = &ask->query;

	command_begin(h, query->from_oldest ? "XRANGE" : "XREVRANGE", text_of(ask->key, ask->key_n), 6);
	if (query->from_oldest)
		command_add_low(h, query->after);
	command_add_high(h, query->before);
	if (!query->from_oldest)
		command_add_low(h, query->after);
	command_add_arg(h, TEXT("COUNT"));
	command_add_number(h, query->count < LINK_PART ? query->count : LINK_PART);
	ask->command = command_queue(h, LINK_READ, ask);
	if (ask->command == NULL)
		ask->deadline = 0; /* link_on_late() fails it, from the loop */
	if (ask->command == NULL)
		loop_arm(h->base.loop, &h->late, 0);
}

static void
link_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *query, struct history_ask *asked)
{
	struct history_link *h = link_of(history);
	struct link_ask *ask = ask_new(h, key, asked);
	uint64_t now = loop_wall_ms();

	ask->query = *query;
	if (limits->age_ms > 0 && now > limits->age_ms && ask->query.after.ms < now - limits->age_ms)
		ask->query.after = (struct history_id){now - limits->age_ms, 0};
	h->stats.asks++;
	ask_send(h, ask);
}

static void
link_remove(struct history *history, struct text key, struct history_id id, struct history_ask *asked)
{
	struct history_link *h = link_of(history);
	struct link_ask *ask = ask_new(h, key, asked);
	bool one = id.ms != 0 || id.seq != 0;

	ask->query.from_oldest = true;
	command_begin(h, one ? "XDEL" : "DEL", key, one ? 3 : 2);
	if (one)
		command_add_id(h, id);
	ask->command = command_queue(h, LINK_REMOVE, ask);
	if (ask->command == NULL)
		ask->deadline = 0;
	if (ask->command == NULL)
		loop_arm(h->base.loop, &h->late, 0);
}

static void
link_cancel(struct history *history, struct history_ask *asked)
{
	struct history_link *h = link_of(history);

	ask_free(h, asked->pending);
	link_arm_late(h);
}

/* ----------------------------------------------------------------- answers */

static bool
ask_grow(struct link_ask *ask)
{
	unsigned size = ask->size + LINK_PART;
	struct history_item *items = mem_try_realloc(ask->items, size * sizeof *items);
	size_t *starts;

	if (items == NULL)
		return false;
	ask->items = items;
	starts = mem_try_realloc(ask->starts, size * sizeof *starts);
	if (starts == NULL)
		return false;
	ask->starts = starts;
	ask->size = size;
	return true;
}

/* Reads [id, [field, payload, ...]]. Returns 0 or ERROR_SYNTAX. An entry without fields has an empty payload. */
static int
entry_take(struct text *in, struct history_id *id, struct text *payload)
{
	struct resp_item item, value;

	*payload = TEXT_NONE;
	if (resp_tree_next(in, &item) < 0 || item.type != RESP_ARRAY || item.integer != 2 ||
		resp_tree_next(in, &item) < 0 || item.type != RESP_BULK || !history_id_read(item.text, id) ||
		resp_tree_next(in, &item) < 0)
		return ERROR_SYNTAX;
	if (item.type == RESP_NIL)
		return 0;
	if (item.type != RESP_ARRAY)
		return ERROR_SYNTAX;
	for (int64_t i = 0; i < item.integer; i++) {
		if (resp_tree_next(in, &value) < 0)
			return ERROR_SYNTAX;
		if (value.type != RESP_BULK)
			return ERROR_SYNTAX;
		if (i == 1)
			*payload = value.text;
	}
	return 0;
}

/*
 * Adds one entry of an answer. Leaves out an entry that no node of this cluster can have stored. Returns false when
 * the ask is full.
 */
static bool
ask_take(struct history_link *h, struct link_ask *ask, struct history_id id, struct text payload)
{
	if (ask->query.from_oldest)
		ask->query.after = id;
	else
		ask->query.before = id;
	ask->query.count--;
	if (payload.n == 0 || payload.n > HISTORY_PAYLOAD_MAX + SEAL_TAG)
		return true;
	if (h->seal != NULL) {
		buffer_reset(&h->name);
		buffer_add_text(&h->name, text_from(h->prefix));
		buffer_add_text(&h->name, text_of(ask->key, ask->key_n));
		if (!seal_take(h->seal, buffer_text(&h->name), &payload)) {
			link_warn(h, "an entry of the history has a wrong seal",
				"redisSecret differs, or it is forged");
			return true;
		}
	}
	if (ask->bytes.len + payload.n > HISTORY_ANSWER_MAX || (ask->count == ask->size && !ask_grow(ask)))
		return false;
	ask->starts[ask->count] = ask->bytes.len;
	ask->items[ask->count++] = (struct history_item){id, text_of(NULL, payload.n)};
	buffer_add_text(&ask->bytes, payload);
	return buffer_error(&ask->bytes) == 0;
}

/* Returns false if the answer is malformed. */
static bool
link_on_entries(struct history_link *h, struct link_ask *ask, struct text in)
{
	unsigned asked = ask->query.count < LINK_PART ? ask->query.count : LINK_PART;
	bool more = true;
	struct resp_item head;

	if (resp_tree_next(&in, &head) < 0 || head.type != RESP_ARRAY || head.integer > asked)
		return false;
	for (int64_t i = 0; i < head.integer; i++) {
		struct history_id id;
		struct text payload;

		if (entry_take(&in, &id, &payload) < 0)
			return false;
		more = more && ask_take(h, ask, id, payload);
	}
	if (more && head.integer == asked && ask->query.count > 0)
		ask_send(h, ask);
	else
		ask_end(h, ask, buffer_error(&ask->bytes) == ERROR_MEMORY ? ERROR_MEMORY : 0, 0);
	return true;
}

/* Connects to the member of the cluster that has the slot. Returns false if the error does not name one. */
static bool
link_follow(struct history_link *h, struct text error)
{
	struct cluster_moved moved;
	char host[BUS_URL_HOST_MAX + 1];

	if (!h->url.cluster || cluster_moved_parse(&moved, error) < 0 || moved.host.n > BUS_URL_HOST_MAX)
		return false;
	if (moved.host.n > 0) {
		memcpy(host, moved.host.at, moved.host.n);
		host[moved.host.n] = '\0';
	} else {
		snprintf(host, sizeof host, "%s", h->url.host);
	}
	bus_url_use(&h->url, host, moved.port);
	h->attempts = 0;
	bus_link_fail(&h->link, "another member of the cluster has the slot of the history");
	return true;
}

/* Returns false if the link was lost. */
static bool
link_on_error(struct history_link *h, struct link_command *command, struct text error)
{
	char why[BUS_WHY_MAX];

	if (text_starts(error, TEXT("MOVED ")) && link_follow(h, error))
		return false;
	if (text_starts(error, TEXT("READONLY")) || text_starts(error, TEXT("LOADING")) ||
		text_starts(error, TEXT("CLUSTERDOWN")) || text_starts(error, TEXT("MASTERDOWN"))) {
		bus_link_fail(&h->link, "the server cannot be used now");
		return false;
	}
	command->refused = true;
	bus_error_write(why, "the history is refused", error, h->link.password);
	link_warn(h, "the server refuses a command of the history", why);
	return true;
}

/* Handles one complete answer. Returns false if the link was lost. */
static bool
link_on_answer(struct history_link *h, struct text in)
{
	struct link_command *command =
		list_empty(&h->commands) ? NULL : container_of(h->commands.next, struct link_command, link);
	struct text rest = in;
	struct link_ask *ask;
	struct resp_item item;
	enum link_kind kind;
	bool refused;

	if (resp_tree_next(&rest, &item) < 0 || command == NULL || !command->sent) {
		bus_link_fail(&h->link, "unexpected answer");
		return false;
	}
	if (item.type == RESP_ERROR && !link_on_error(h, command, item.text))
		return false;
	if (--command->answers > 0)
		return true;
	kind = command->kind;
	ask = command->ask;
	refused = command->refused;
	command_free(h, command);
	if (kind == LINK_APPEND) {
		h->stats.dropped += refused;
		h->stats.appended += !refused;
	} else if (ask != NULL && refused) {
		ask_end(h, ask, ERROR_CLOSED, 0);
	} else if (ask != NULL && kind == LINK_REMOVE) {
		ask_end(h, ask, 0, item.type == RESP_INTEGER && item.integer > 0 ? (unsigned)item.integer : 0);
	} else if (ask != NULL && !link_on_entries(h, ask, in)) {
		ask_end(h, ask, ERROR_CLOSED, 0);
		if (h->link.conn != NULL)
			bus_link_fail(&h->link, "malformed answer");
		return false;
	}
	return true;
}

/* Returns true if this is the answer to a renewal of the login, which may come between the others. */
static bool
link_is_renewal(struct history_link *h, struct text in)
{
	struct resp_item item;
	struct resp reply;

	if (resp_tree_next(&in, &item) < 0 || (item.type != RESP_STATUS && item.type != RESP_ERROR))
		return false;
	reply = (struct resp){.type = item.type, .text = item.text};
	return bus_login_is_renewal(&h->link, &reply);
}

static void
link_on_bytes(struct bus_link *link, struct text bytes)
{
	struct history_link *h = link->arg;
	const struct conn *conn = link->conn;
	size_t done = 0;
	int64_t n = 0;

	buffer_add_text(&h->input, bytes);
	if (buffer_error(&h->input) != 0) {
		bus_link_fail(link, "the answer is too long");
		return;
	}
	while (done < h->input.len) {
		struct text rest = text_of((const char *)h->input.data + done, h->input.len - done);

		n = resp_tree_scan(&h->tree, rest);
		if (n <= 0)
			break;
		h->tree = (struct resp_tree){.open = 1};
		done += (size_t)n;
		if (!link_is_renewal(h, text_of(rest.at, (size_t)n)) &&
			!link_on_answer(h, text_of(rest.at, (size_t)n)))
			return;
		if (link->conn != conn)
			return;
	}
	if (n < 0) {
		bus_link_fail(link, "malformed answer");
		return;
	}
	buffer_drop(&h->input, done);
}

/* -------------------------------------------------------------------- link */

/* Ends the link if the server has not answered the oldest command in time. */
static void
link_on_stuck(struct wheel_entry *entry)
{
	struct history_link *h = container_of(entry, struct history_link, stuck);
	struct link_command *oldest =
		list_empty(&h->commands) ? NULL : container_of(h->commands.next, struct link_command, link);
	uint64_t waited = oldest != NULL ? h->base.loop->now - oldest->sent_at : 0;

	if (oldest == NULL || !oldest->sent || !h->ready)
		return;
	if (waited >= HISTORY_TIMEOUT_MS)
		bus_link_fail(&h->link, "timed out waiting for an answer");
	else
		loop_arm(h->base.loop, &h->stuck, HISTORY_TIMEOUT_MS - waited);
}

static void
link_on_ready(struct bus_link *link)
{
	struct history_link *h = link->arg;
	struct list *it, *next;

	/* entries leave before the bus publishes, so that a receiver of an event finds it in the history */
	conn_set_ahead(link->conn);
	h->ready = true;
	h->attempts = 0;
	loop_disarm(h->base.loop, &h->retry);
	log_event(LOG_INFO, "history", "state", LOG_STR("up"), NULL);
	list_each(it, next, &h->commands) command_send(h, container_of(it, struct link_command, link));
}

static void
link_on_reply(struct bus_link *link, const struct resp *reply)
{
	(void)link; /* link_on_bytes() receives all answers */
	(void)reply;
}

static void
link_on_drain(struct bus_link *link)
{
	(void)link;
}

/* Keeps the sent commands for the next connection, except reads and removals whose asks have ended. */
static void
link_take_back(struct history_link *h)
{
	struct list *it, *next;

	list_each(it, next, &h->commands)
	{
		struct link_command *command = container_of(it, struct link_command, link);

		command->sent = false;
		if (command->kind != LINK_APPEND && command->ask == NULL)
			command_free(h, command);
	}
}

static void
link_pause(struct history_link *h, const char *why)
{
	uint64_t pause = h->attempts < 4 ? (uint64_t)LINK_PAUSE_MIN_MS << h->attempts : LINK_PAUSE_MAX_MS;

	h->ready = false;
	buffer_reset(&h->input);
	h->tree = (struct resp_tree){.open = 1};
	link_take_back(h);
	link_trim_queue(h);
	link_warn(h, "the history is not reached", why);
	h->attempts++;
	if (h->url.master == NULL && h->attempts > 1)
		bus_url_next(&h->url);
	loop_arm(h->base.loop, &h->retry, pause / 2 + random_below((uint32_t)(pause / 2) + 1));
}

static void
link_on_lost(struct bus_link *link, const char *why, bool malformed)
{
	(void)malformed;
	link_pause(link->arg, why);
}

static const struct bus_link_ops link_link_ops = {
	link_on_ready, link_on_reply, link_on_drain, link_on_lost, link_on_bytes};

static void
link_on_master(void *arg, const char *host, uint16_t port)
{
	struct history_link *h = arg;

	bus_link_close(&h->link);
	bus_url_use(&h->url, host, port);
	bus_link_open(&h->link);
}

static void
link_on_no_master(void *arg, const char *why)
{
	link_pause(arg, why);
}

static void
link_on_switched(void *arg)
{
	struct history_link *h = arg;

	bus_link_close(&h->link);
	h->attempts = 0;
	link_pause(h, "the sentinels name another master");
}

static const struct sentinel_ops link_sentinel_ops = {link_on_master, link_on_no_master, link_on_switched};

static void
link_on_retry(struct wheel_entry *entry)
{
	struct history_link *h = container_of(entry, struct history_link, retry);

	if (h->sentinel != NULL) {
		sentinel_ask(h->sentinel, h->attempts > 1);
		return;
	}
	if (h->url.cluster && (h->url.host == NULL || h->attempts > 2)) {
		h->url.host_at = (h->url.host_at + 1) % h->url.host_count;
		bus_url_use(&h->url, h->url.hosts[h->url.host_at].name, h->url.hosts[h->url.host_at].port);
	}
	bus_link_open(&h->link);
}

/* -------------------------------------------------------------------- life */

static void
link_stats(const struct history *history, struct history_stats *out)
{
	*out = container_of(history, struct history_link, base)->stats;
}

static void
link_free(struct history *history)
{
	struct history_link *h = link_of(history);

	while (!list_empty(&h->asks))
		ask_free(h, container_of(h->asks.next, struct link_ask, link));
	while (!list_empty(&h->commands))
		command_free(h, container_of(h->commands.next, struct link_command, link));
	loop_disarm(history->loop, &h->retry);
	loop_disarm(history->loop, &h->late);
	loop_disarm(history->loop, &h->stuck);
	bus_link_close(&h->link);
	sentinel_free(h->sentinel);
	bus_access_free(h->access);
	bus_url_fini(&h->url);
	seal_free(h->seal);
	buffer_fini(&h->input);
	buffer_fini(&h->name);
	buffer_fini(&h->sealed);
	buffer_fini(&h->command);
	mem_free(h->prefix);
	mem_free(h);
}

static const struct history_form link_form = {
	link_append, link_read, link_remove, link_cancel, link_stats, link_free};

static char *
link_prefix(const char *key, bool cluster)
{
	size_t n = strlen(key) + sizeof "{-history}#";
	char *prefix = mem_alloc(n);

	snprintf(prefix, n, cluster ? "{%s-history}#" : "%s-history#", key);
	return prefix;
}

struct history *
history_link_new(struct loop *l, const struct history_link_options *options)
{
	struct history_link *h = mem_zalloc(sizeof *h);

	h->base = (struct history){&link_form, l};
	h->url = *options->server;
	*options->server = (struct bus_url){0};
	h->access = options->access != NULL ? bus_access_copy(options->access) : NULL;
	h->prefix = link_prefix(options->key, h->url.cluster);
	h->seal = options->seal;
	h->max_queue = options->max_queue;
	h->tree = (struct resp_tree){.open = 1};
	list_init(&h->commands);
	list_init(&h->asks);
	buffer_init(&h->input, LINK_INPUT_MAX);
	buffer_init(&h->name, LINK_NAME_MAX);
	buffer_init(&h->sealed, HISTORY_PAYLOAD_MAX + SEAL_TAG);
	buffer_init(&h->command, LINK_NAME_MAX + 2 * HISTORY_PAYLOAD_MAX);
	wheel_entry_init(&h->retry, link_on_retry);
	wheel_entry_init(&h->late, link_on_late);
	wheel_entry_init(&h->stuck, link_on_stuck);
	h->link = (struct bus_link){.loop = l,
		.url = &h->url,
		.access = h->access,
		.ops = &link_link_ops,
		.arg = h,
		.timeout_ms = HISTORY_TIMEOUT_MS};
	bus_link_init(&h->link);
	if (h->url.master != NULL)
		h->sentinel = sentinel_new(l, &h->url, h->access, &link_sentinel_ops, h);
	loop_arm(l, &h->retry, 0);
	return &h->base;
}
