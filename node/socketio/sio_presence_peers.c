#include "node/socketio/sio_presence_peers.h"

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/random.h"
#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_presence_readmit.h"
#include "node/socketio/sio_tables.h"

#define VERSION 1
#define FIRST_TICK_MS 50
#define TICK_MS 1000
#define HERE_MIN_MS 5000 /* first "here" after a change; each pause doubles, up to HERE_MAX_MS */
#define HERE_MAX_MS 30000
#define ASK_AGAIN_MS 1000  /* shortest time between two "want" */
#define LIST_AGAIN_MS 1000 /* shortest time between two lists; one list answers every "want" sent until then */
#define PART_LOST_MS 5000  /* a list whose next part has not come by then is asked for again */
#define UNHEARD_MS                                                                                                   \
	(3 * HERE_MAX_MS)      /* a server that has sent nothing for so long counts as gone from this namespace */
#define SILENT_MS 5000	       /* the same for a server whose heartbeats have stopped */
#define OWNERS_MAX 2048	       /* other servers whose messages are accepted */
#define PART_BYTES (64 * 1024) /* items of one message; the last one may exceed it */
#define PART_PAUSE_MS 1	       /* between two parts of a list, so that other clients are served */
#define WANTED_MAX 64	       /* servers that one message asks for their lists */
#define ARGS_MAX 8

/* ----------------------------------------------------------------- sending */

static struct text
peers_own_id(const struct sio_presence *presence)
{
	const struct sio_nsp *nsp = presence->nsp;

	return nsp->broker != NULL ? members_id(broker_members(nsp->io->broker)) : TEXT_NONE;
}

/* Begins a message. The caller appends the arguments, each with a comma before it, and calls peers_end(). */
static struct sio_scratch *
peers_begin(struct sio_presence *presence, const char *kind, uint64_t number)
{
	struct sio_scratch *scratch = sio_scratch_take(&presence->nsp->io->turn);
	struct text id = peers_own_id(presence);

	buffer_printf(&scratch->payload.json, "[\"" SIO_PRESENCE_EVENT "\",%d,\"%.*s\",%llu,\"%s\"", VERSION,
		(int)id.n, id.at, (unsigned long long)number, kind);
	return scratch;
}

/* Sends the message. If that fails, the receivers notice the gap as after a lost message, and ask for the list. */
static void
peers_end(struct sio_presence *presence, struct sio_scratch *scratch)
{
	struct sio_content what;

	buffer_add_byte(&scratch->payload.json, ']');
	what = sio_payload_content(&scratch->payload);
	if (buffer_error(&scratch->payload.json) == 0)
		(void)sio_cluster_server_emit(presence->nsp, &what);
	sio_scratch_give(&presence->nsp->io->turn, scratch);
}

/* Writes [room,user,data], or [room,user] if `entry` is NULL. */
static void
peers_write_item(struct buffer *json, const struct presence_user *user, const struct presence_entry *entry)
{
	if (json->data[json->len - 1] != '[')
		buffer_add_byte(json, ',');
	buffer_add_byte(json, '[');
	json_write_string(json, text_of(user->room->name, user->room->node.key_len));
	buffer_add_byte(json, ',');
	json_write_string(json, text_of(user->name, user->node.key_len));
	if (entry != NULL) {
		buffer_add_byte(json, ',');
		buffer_add_text(json, entry->data != NULL ? entry->data->owner.json : TEXT("null"));
	}
	buffer_add_byte(json, ']');
}

/* Sends one message of changes. Returns false if there is nothing to send. */
static bool
peers_publish_some(struct sio_presence *presence)
{
	struct presence_table *table = &presence->table;
	struct sio_scratch *scratch;
	struct presence_user *user;

	if (list_empty(&table->unpublished))
		return false;
	scratch = peers_begin(presence, "change", ++presence->peers.number);
	buffer_add_text(&scratch->payload.json, TEXT(",["));
	while (scratch->payload.json.len < PART_BYTES && (user = presence_take_unpublished(table)) != NULL) {
		peers_write_item(&scratch->payload.json, user, presence_own_entry(table, user));
		presence_release(table, user);
	}
	buffer_add_byte(&scratch->payload.json, ']');
	peers_end(presence, scratch);
	return true;
}

void
sio_presence_publish(struct sio_presence *presence)
{
	struct sio_presence_peers *peers = &presence->peers;
	struct presence_user *user;

	if (peers_own_id(presence).n == 0) {
		/* there are no other servers; one that comes later asks for the list */
		while ((user = presence_take_unpublished(&presence->table)) != NULL)
			presence_release(&presence->table, user);
		return;
	}
	if (!peers_publish_some(presence))
		return;
	while (peers_publish_some(presence))
		;
	peers->here_ms = HERE_MIN_MS;
	peers->here_due = presence->nsp->io->loop->now + peers->here_ms;
}

/* ------------------------------------------------------------------- lists */

/* Schedules a list, after a random pause, so that servers do not all send theirs at once. */
static void
peers_list_soon(struct sio_presence *presence)
{
	struct sio_presence_peers *peers = &presence->peers;
	const struct sio_server *io = presence->nsp->io;
	uint64_t now = io->loop->now, earliest = peers->listed != 0 ? peers->listed + LIST_AGAIN_MS : 0;
	uint64_t due = now + random_below((uint32_t)io->options.presence_interval + 1);

	peers->list_due = true;
	if (peers->part == 0 && !wheel_armed(&peers->list))
		loop_arm(io->loop, &peers->list, (due > earliest ? due : earliest) - now);
}

/* Sends one part of the list. Changes may be sent between two parts: receivers apply both. */
void
sio_presence_on_list(struct wheel_entry *entry)
{
	struct sio_presence_peers *peers = container_of(entry, struct sio_presence_peers, list);
	struct sio_presence *presence = container_of(peers, struct sio_presence, peers);
	struct loop *l = presence->nsp->io->loop;
	const struct presence_entry *own = NULL;
	struct sio_scratch *scratch;
	struct buffer *json;

	if (peers_own_id(presence).n == 0) {
		peers->part = 0;
		return;
	}
	if (peers->part == 0) {
		sio_presence_publish(presence); /* the list must include every change up to its number */
		peers->list_due = false;
		peers->list_number = peers->number;
		presence_walk(&presence->table);
	}
	scratch = peers_begin(presence, "list", peers->list_number);
	json = &scratch->payload.json;
	buffer_printf(json, ",%u,[", ++peers->part);
	while (json->len < PART_BYTES && (own = presence_walk_next(&presence->table)) != NULL)
		peers_write_item(json, own->user, own);
	buffer_add_text(json, own == NULL ? TEXT("],true") : TEXT("],false"));
	peers_end(presence, scratch);
	if (own != NULL) {
		loop_arm(l, &peers->list, PART_PAUSE_MS);
		return;
	}
	peers->part = 0;
	peers->listed = l->now;
	if (peers->list_due)
		peers_list_soon(presence);
}

/* ------------------------------------------------------------------- ticks */

/* Asks the servers whose lists are needed, all in one message. */
static void
peers_ask(struct sio_presence *presence)
{
	struct sio_presence_peers *peers = &presence->peers;
	uint64_t now = presence->nsp->io->loop->now;
	struct sio_scratch *scratch = NULL;
	struct table_cursor cursor = {0};
	struct table_node *node;
	unsigned n = 0;

	if (peers->asked != 0 && now - peers->asked < ASK_AGAIN_MS)
		return;
	while (n < WANTED_MAX && (node = table_next(&presence->table.owners, &cursor)) != NULL) {
		struct presence_owner *owner = container_of(node, struct presence_owner, node);

		if (!owner->wanted || (owner->part != 0 && now - owner->part_heard < PART_LOST_MS))
			continue;
		owner->part = 0;
		if (scratch == NULL) {
			scratch = peers_begin(presence, "want", peers->number);
			buffer_add_text(&scratch->payload.json, TEXT(",["));
		}
		buffer_add_text(&scratch->payload.json, n++ > 0 ? TEXT(",") : TEXT_NONE);
		json_write_string(&scratch->payload.json, text_of(owner->id, node->key_len));
	}
	if (scratch == NULL)
		return;
	buffer_add_byte(&scratch->payload.json, ']');
	peers_end(presence, scratch);
	peers->asked = now > 0 ? now : 1;
}

/* Returns true if the entries of the server are to be removed. */
static bool
peers_has_gone(const struct sio_presence *presence, const struct presence_owner *owner)
{
	const struct sio_server *io = presence->nsp->io;
	const struct member_record *member =
		members_find(broker_members(io->broker), text_of(owner->id, owner->node.key_len));
	uint64_t unheard = io->loop->now - owner->heard;

	if (unheard >= UNHEARD_MS)
		return true;
	return member != NULL &&
	       (member->state > MEMBER_SILENT || (member->state == MEMBER_SILENT && unheard >= SILENT_MS));
}

/* Returns true if silence proves nothing: the bus is down, or this process has not run since the last tick. */
static bool
peers_were_out_of_reach(struct sio_presence *presence)
{
	struct sio_presence_peers *peers = &presence->peers;
	const struct sio_server *io = presence->nsp->io;
	uint64_t since = io->loop->now - peers->ticked;

	peers->ticked = io->loop->now;
	return since > 2 * TICK_MS || !broker_up(io->broker);
}

/* Measures the silence of every server from now on. */
static void
peers_forgive(struct sio_presence *presence)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&presence->table.owners, &cursor)) != NULL)
		container_of(node, struct presence_owner, node)->heard = presence->nsp->io->loop->now;
}

static void
peers_drop_gone(struct sio_presence *presence)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&presence->table.owners, &cursor)) != NULL) {
		struct presence_owner *owner = container_of(node, struct presence_owner, node);

		if (peers_has_gone(presence, owner))
			presence_owner_drop(&presence->table, owner);
	}
	if (!list_empty(&presence->table.unannounced))
		sio_presence_touch(presence);
}

static void
peers_greet(struct sio_presence *presence)
{
	presence->peers.greeted = true;
	peers_end(presence, peers_begin(presence, "hello", presence->peers.number));
	if (!list_empty(&presence->table.own->entries))
		peers_list_soon(presence); /* the others may not have been subscribed when the changes were sent */
}

/* Sends the number of the last change. The pause doubles, up to HERE_MAX_MS, while nothing changes. */
static void
peers_say_here(struct sio_presence *presence)
{
	struct sio_presence_peers *peers = &presence->peers;
	uint64_t now = presence->nsp->io->loop->now;

	if (peers->here_ms == 0 || now < peers->here_due)
		return;
	peers_end(presence, peers_begin(presence, "here", peers->number));
	peers->here_ms = 2 * peers->here_ms < HERE_MAX_MS ? 2 * peers->here_ms : HERE_MAX_MS;
	peers->here_due = now + peers->here_ms;
}

void
sio_presence_on_tick(struct wheel_entry *entry)
{
	struct sio_presence_peers *peers = container_of(entry, struct sio_presence_peers, tick);
	struct sio_presence *presence = container_of(peers, struct sio_presence, peers);
	struct sio_nsp *nsp = presence->nsp;
	bool waiting = nsp->broker != NULL && broker_nsp_awaits(nsp->broker);

	sio_presence_readmit(presence);

	loop_arm(nsp->io->loop, entry, waiting ? FIRST_TICK_MS : TICK_MS);
	if (waiting || peers_own_id(presence).n == 0)
		return;
	if (!peers->greeted)
		peers_greet(presence);
	if (peers_were_out_of_reach(presence))
		peers_forgive(presence);
	peers_drop_gone(presence);
	peers_say_here(presence);
	peers_ask(presence);
}

/* ----------------------------------------------------------------- hearing */

/*
 * Decodes a JSON string. Returns its text of 1 to `max` bytes, valid until the turn ends. Returns TEXT_NONE if it is
 * longer or empty, contains NUL, or is not a string.
 */
static struct text
peers_read_text(struct sio_presence *presence, struct text json, size_t max)
{
	char *out;
	size_t n;

	if (json.n == 0 || json_type(json) != JSON_STRING)
		return TEXT_NONE;
	n = json_string_length(json);
	if (n == 0 || n > max || (out = sio_turn_room(&presence->nsp->io->turn, json.n)) == NULL)
		return TEXT_NONE;
	n = json_string_decode(json, out);
	return memchr(out, '\0', n) == NULL ? text_of(out, n) : TEXT_NONE;
}

/* Applies one item. Returns false if it breaks the rules, or if the table is full. */
static bool
peers_take_item(struct sio_presence *presence, struct presence_owner *owner, struct text item)
{
	struct text fields[3], room, user;
	struct sio_stored *data = NULL;
	bool taken;
	int n = json_type(item) == JSON_ARRAY ? json_array_split(item, fields, 3, JSON_DEPTH_MAX) : -1;

	if (n < 2)
		return false;
	room = peers_read_text(presence, fields[0], (size_t)presence->nsp->io->options.max_room_length);
	user = peers_read_text(presence, fields[1], SIO_PRESENCE_USER_MAX);
	if (room.n == 0 || user.n == 0)
		return false;
	if (n == 2) {
		presence_clear(&presence->table, owner, room, user);
		return true;
	}
	if (fields[2].n > SIO_PRESENCE_DATA_MAX)
		return false;
	if (json_type(fields[2]) != JSON_NULL && (data = sio_stored_new(fields[2], NULL)) == NULL)
		return false;
	taken = presence_set(&presence->table, owner, room, user, data) != NULL;
	sio_stored_unref(data);
	return taken;
}

static void
peers_take_items(struct sio_presence *presence, struct presence_owner *owner, struct text items)
{
	struct sio_server *io = presence->nsp->io;
	uint64_t refused = 0;
	struct text item;

	presence->table.max_entries = (unsigned)io->options.presence_max_users;
	while (json_array_next(&items, &item))
		refused += !peers_take_item(presence, owner, item);
	if (refused > 0) {
		counter_add(&io->loop->counters, COUNT_PRESENCE_REFUSED, refused);
		sio_log_limit(&io->turn, "presence_refused", text_of(owner->id, owner->node.key_len),
			"presence-max-users, or not readable");
	}
	if (!list_empty(&presence->table.unannounced))
		sio_presence_touch(presence);
}

/* The entries of the server are incomplete, so asks for its list. */
static void
peers_want(struct sio_presence *presence, struct presence_owner *owner)
{
	owner->part = 0;
	owner->wanted = true;
	peers_ask(presence);
}

static void
peers_hear_number(struct sio_presence *presence, struct presence_owner *owner, uint64_t number)
{
	if (owner->seq < number)
		peers_want(presence, owner);
}

static bool
peers_hear_change(struct sio_presence *presence, struct presence_owner *owner, uint64_t number, struct text items)
{
	if (json_type(items) != JSON_ARRAY)
		return false;
	if (owner->seq + 1 != number || owner->seq == 0) {
		peers_hear_number(presence, owner, number);
		return true;
	}
	owner->seq = number;
	peers_take_items(presence, owner, items);
	return true;
}

static bool
peers_hear_list(struct sio_presence *presence, struct presence_owner *owner, uint64_t number, const struct text *args)
{
	int64_t part;

	if (json_type(args[0]) != JSON_NUMBER || !json_number_int(args[0], &part) || part < 1 || part > UINT32_MAX ||
		json_type(args[1]) != JSON_ARRAY)
		return false;
	if (part == 1) {
		if (owner->seq == number && !owner->wanted)
			return true; /* another server has asked for this list */
		owner->seq = number;
		owner->part = 1;
		owner->round++;
		owner->refused = 0;
	}
	if (owner->part == 0 || owner->part != part)
		return true; /* a part was lost, which a later tick notices, or the list is not needed */
	owner->part++;
	owner->part_heard = presence->nsp->io->loop->now;
	owner->wanted = json_type(args[2]) != JSON_TRUE;
	peers_take_items(presence, owner, args[1]);
	if (owner->wanted)
		return true;
	owner->part = 0;
	presence_owner_sweep(&presence->table, owner);
	if (!list_empty(&presence->table.unannounced))
		sio_presence_touch(presence);
	return true;
}

static bool
peers_hear_want(struct sio_presence *presence, struct text ids)
{
	struct text own = peers_own_id(presence), id;

	if (json_type(ids) != JSON_ARRAY)
		return false;
	while (json_array_next(&ids, &id)) {
		if (json_type(id) == JSON_STRING && json_string_is(id, own))
			peers_list_soon(presence);
	}
	return true;
}

static bool
peers_hear_kind(struct sio_presence *presence, struct presence_owner *owner, uint64_t number, const struct text *args,
	int count)
{
	struct text kind = args[0];

	if (count == 1 && json_string_is(kind, TEXT("hello"))) {
		if (!list_empty(&presence->table.own->entries))
			peers_list_soon(presence);
		return true;
	}
	if (count == 1 && json_string_is(kind, TEXT("here"))) {
		peers_hear_number(presence, owner, number);
		return true;
	}
	if (count == 2 && json_string_is(kind, TEXT("want")))
		return peers_hear_want(presence, args[1]);
	if (count == 2 && json_string_is(kind, TEXT("change")))
		return peers_hear_change(presence, owner, number, args[1]);
	return count == 4 && json_string_is(kind, TEXT("list")) && peers_hear_list(presence, owner, number, args + 1);
}

/* Handles a message. `args` are the arguments after the name. Returns false if it breaks the rules. */
static bool
peers_hear(struct sio_presence *presence, const struct text *args, int count)
{
	struct sio_server *io = presence->nsp->io;
	struct presence_owner *owner;
	int64_t version, number;
	struct text from;

	if (count < 4 || json_type(args[0]) != JSON_NUMBER || !json_number_int(args[0], &version))
		return false;
	if (version != VERSION)
		return true; /* messages of another version are ignored */
	from = peers_read_text(presence, args[1], PRESENCE_OWNER_MAX);
	if (from.n == 0 || json_type(args[2]) != JSON_NUMBER || !json_number_int(args[2], &number) || number < 1 ||
		json_type(args[3]) != JSON_STRING)
		return false;
	if (text_is(from, peers_own_id(presence)))
		return true;
	if (presence->table.owners.count >= OWNERS_MAX && table_find(&presence->table.owners, from) == NULL)
		return false;
	owner = presence_owner_get(&presence->table, from);
	owner->heard = io->loop->now;
	return peers_hear_kind(presence, owner, (uint64_t)number, args + 3, count - 3);
}

bool
sio_presence_hear(struct sio_presence *presence, struct text data, const struct attachments *attachments)
{
	static const char name[] = "[\"" SIO_PRESENCE_EVENT "\"";
	struct sio_server *io = presence->nsp->io;
	struct text args[ARGS_MAX];
	int count;

	if (data.n < sizeof name - 1 || memcmp(data.at, name, sizeof name - 1) != 0)
		return false;
	count = json_array_split(data, args, ARGS_MAX, JSON_DEPTH_MAX);
	if ((attachments != NULL && attachments->count > 0) || count < 1 ||
		!peers_hear(presence, args + 1, count - 1)) {
		counter_add(&io->loop->counters, COUNT_PRESENCE_REFUSED, 1);
		sio_log_limit(&io->turn, "presence_refused", TEXT_NONE, "malformed message of another server");
	}
	return true;
}
