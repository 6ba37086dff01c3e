/*
 * The answers of the server that has a history. The server answers in the order of the commands. An error that says
 * that another server must be used ends the link; any other error refuses the command. Entries of a read are
 * collected in its ask. Calls go to history_link_ask.c, history_link_command.c and bus_link.h.
 */
#include <stdio.h>

#include "broker/bus_error.h"
#include "broker/bus_login.h"
#include "broker/cluster_map.h"
#include "broker/history_link_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

static bool
link_ask_grow(struct link_ask *ask)
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
link_ask_take(struct history_link *remote, struct link_ask *ask, struct history_id id, struct text payload)
{
	if (ask->query.from_oldest)
		ask->query.after = id;
	else
		ask->query.before = id;
	ask->query.count--;
	if (payload.n == 0 || payload.n > HISTORY_PAYLOAD_MAX + SEAL_TAG)
		return true;
	if (remote->seal != NULL) {
		buffer_reset(&remote->name);
		buffer_add_text(&remote->name, text_from(remote->prefix));
		buffer_add_text(&remote->name, text_of(ask->key, ask->key_n));
		if (!seal_take(remote->seal, buffer_text(&remote->name), &payload)) {
			history_link_warn(remote, "an entry of the history has a wrong seal",
				"redisSecret differs, or it is forged");
			return true;
		}
	}
	if (ask->bytes.len + payload.n > history_max_bytes(&ask->query) ||
		(ask->count == ask->size && !link_ask_grow(ask)))
		return false;
	ask->starts[ask->count] = ask->bytes.len;
	ask->items[ask->count++] = (struct history_item){id, text_of(NULL, payload.n)};
	buffer_add_text(&ask->bytes, payload);
	return buffer_error(&ask->bytes) == 0;
}

/* Returns false if the answer is malformed. */
static bool
link_on_entries(struct history_link *remote, struct link_ask *ask, struct text in)
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
		more = more && link_ask_take(remote, ask, id, payload);
	}
	if (more && head.integer == asked && ask->query.count > 0)
		link_ask_send(remote, ask);
	else
		link_ask_end(remote, ask, buffer_error(&ask->bytes) == ERROR_MEMORY ? ERROR_MEMORY : 0, 0);
	return true;
}

/* Connects to the member of the cluster that has the slot. Returns false if the error does not name one. */
static bool
link_follow(struct history_link *remote, struct text error)
{
	struct cluster_moved moved;
	char host[BUS_URL_HOST_MAX + 1];

	if (!remote->url.cluster || cluster_moved_parse(&moved, error) < 0 || moved.host.n > BUS_URL_HOST_MAX)
		return false;
	if (moved.host.n > 0) {
		memcpy(host, moved.host.at, moved.host.n);
		host[moved.host.n] = '\0';
	} else {
		snprintf(host, sizeof host, "%s", remote->url.host);
	}
	bus_url_use(&remote->url, host, moved.port);
	remote->attempts = 0;
	bus_link_fail(&remote->link, "another member of the cluster has the slot of the history");
	return true;
}

/* Returns false if the link was lost. */
static bool
link_on_error(struct history_link *remote, struct link_command *command, struct text error)
{
	char why[BUS_WHY_MAX];

	if (text_starts(error, TEXT("MOVED ")) && link_follow(remote, error))
		return false;
	/* while a slot is moving, some commands are executed: if all were sent again, these would be repeated */
	if (bus_error_is_passing(error) && !bus_error_is_moving(error)) {
		bus_error_write(why, "the server cannot be used now", error, remote->link.password);
		bus_link_fail(&remote->link, why);
		return false;
	}
	command->refused = true;
	bus_error_write(why, "the history is refused", error, remote->link.password);
	history_link_warn(remote, "the server refuses a command of the history", why);
	return true;
}

/* Handles one complete answer. Returns false if the link was lost. */
static bool
link_on_answer(struct history_link *remote, struct text in)
{
	struct link_command *command =
		list_empty(&remote->commands) ? NULL : container_of(remote->commands.next, struct link_command, link);
	struct text rest = in;
	struct link_ask *ask;
	struct resp_item item;
	enum link_kind kind;
	bool refused;

	if (resp_tree_next(&rest, &item) < 0 || command == NULL || !command->sent) {
		bus_link_fail(&remote->link, "unexpected answer");
		return false;
	}
	if (item.type == RESP_ERROR && !link_on_error(remote, command, item.text))
		return false;
	if (--command->answers > 0)
		return true;
	kind = command->kind;
	ask = command->ask;
	refused = command->refused;
	link_command_free(remote, command);
	if (kind == LINK_APPEND) {
		remote->stats.dropped += refused;
		remote->stats.appended += !refused;
	} else if (ask != NULL && refused) {
		link_ask_end(remote, ask, ERROR_UNSUPPORTED, 0);
	} else if (ask != NULL && kind == LINK_REMOVE) {
		link_ask_end(
			remote, ask, 0, item.type == RESP_INTEGER && item.integer > 0 ? (unsigned)item.integer : 0);
	} else if (ask != NULL && !link_on_entries(remote, ask, in)) {
		link_ask_end(remote, ask, ERROR_CLOSED, 0);
		if (remote->link.conn != NULL)
			bus_link_fail(&remote->link, "malformed answer");
		return false;
	}
	return true;
}

/* Returns true if this is the answer to a renewal of the login, which may come between the others. */
static bool
link_is_renewal(struct history_link *remote, struct text in)
{
	struct resp_item item;
	struct resp reply;

	if (resp_tree_next(&in, &item) < 0 || (item.type != RESP_STATUS && item.type != RESP_ERROR))
		return false;
	reply = (struct resp){.type = item.type, .text = item.text};
	return bus_login_is_renewal(&remote->link, &reply);
}

void
history_link_on_bytes(struct bus_link *link, struct text bytes)
{
	struct history_link *remote = link->arg;
	const struct conn *conn = link->conn;
	size_t done = 0;
	int64_t n = 0;

	buffer_add_text(&remote->input, bytes);
	if (buffer_error(&remote->input) != 0) {
		bus_link_fail(link, "the answer is too long");
		return;
	}
	while (done < remote->input.len) {
		struct text rest = text_of((const char *)remote->input.data + done, remote->input.len - done);

		n = resp_tree_scan(&remote->tree, rest);
		if (n <= 0)
			break;
		remote->tree = (struct resp_tree){.open = 1};
		done += (size_t)n;
		if (!link_is_renewal(remote, text_of(rest.at, (size_t)n)) &&
			!link_on_answer(remote, text_of(rest.at, (size_t)n)))
			return;
		if (link->conn != conn)
			return;
	}
	if (n < 0) {
		bus_link_fail(link, "malformed answer");
		return;
	}
	buffer_drop(&remote->input, done);
}
