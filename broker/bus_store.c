#include "broker/bus_store.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "broker/bus_cluster.h"
#include "broker/bus_error.h"
#include "broker/bus_internal.h"
#include "broker/bus_log_internal.h"
#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#define HEAD_ARGS 3 /* arguments before the keys: command, script, number of keys */

void
bus_script_init(struct bus_script *script, struct text text)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	must(EVP_Digest(text.at, text.n, digest, &n, EVP_sha1(), NULL) == 1 && 2 * n == sizeof script->sha);
	ascii_hex_write(digest, n, script->sha);
	script->text = text;
	script->connection = 0;
}

void
bus_call_init(struct bus_call *call, void (*answer)(struct bus_call *call, int error, struct text value))
{
	list_init(&call->link);
	call->slot = NULL;
	call->answer = answer;
}

void
bus_call_cancel(struct bus_call *call)
{
	list_remove(&call->link);
	if (call->slot != NULL)
		*call->slot = NULL;
	call->slot = NULL;
}

/* Returns the lowest event number in the list, or `least` if that is lower. */
static uint64_t
store_lowest(const struct list *publishes, uint64_t least)
{
	for (const struct list *at = publishes->next; at != publishes; at = at->next) {
		uint64_t event = container_of(at, struct waiting_publish, link)->event;

		if (event != 0 && event < least)
			least = event;
	}
	return least;
}

uint64_t
bus_store_sent(const struct bus *bus, bool *waits)
{
	uint64_t least = store_lowest(&bus->waiting, store_lowest(&bus->log->doubtful, UINT64_MAX));

	*waits = least != UINT64_MAX;
	return *waits && least <= bus->log->last_event ? least - 1 : bus->log->last_event;
}

bool
bus_store_point(const struct bus *bus, struct bus_point *out)
{
	const struct bus_log *log = bus->log;

	if (log == NULL || !log->known || !log->active)
		return false;
	*out = log->point;
	out->open = log->renumber ? UINT32_MAX : bus->open_events; /* the order of the events in the log is unknown */
	out->floor = list_empty(&log->sent) && list_empty(&log->doubtful) ? out->position : log->floor;
	if (bus_position_compare(out->floor, out->position) > 0)
		out->floor = out->position;
	out->behind = log->behind;
	out->gaps = bus->stats.log_gaps + bus->stats.unheard;
	out->self = log->sender;
	return true;
}

const char *
bus_store_stream(const struct bus *bus)
{
	return bus->log != NULL ? bus->log->stream : "";
}

struct text
bus_store_key_prefix(const struct bus *bus)
{
	struct text counter = text_from(bus->log != NULL ? bus->log->counter : "");

	_Static_assert(sizeof "{-log}" - 1 + BUS_LOG_KEY_MAX <= BUS_STORE_PREFIX_MAX, "a prefix must fit");
	counter.n -= text_ends(counter, TEXT(COUNTER_END)) ? sizeof COUNTER_END - 1 : 0;
	return counter;
}

bool
bus_store_count(struct bus *bus, struct bus_count *query, struct text channel)
{
	if (bus->cluster == NULL)
		return false;
	bus_count(bus, query, channel);
	return true;
}

void
bus_store_reached(struct bus *bus, struct bus_position entry)
{
	struct bus_log *log = bus->log;

	if (log == NULL || bus->state != BUS_UP || bus_position_compare(entry, log->position) < 0)
		return;
	log->position = log->point.position = entry;
	log->point.number = 0;
}

bool
bus_store_up(const struct bus *bus)
{
	return bus->state == BUS_UP && bus->log != NULL && bus_log_active(bus->log);
}

/* Fails the call at the end of the turn. */
static void
store_refuse(struct bus *bus, struct bus_call *call)
{
	if (call == NULL)
		return;
	list_add_tail(&bus->calls, &call->link);
	loop_defer(bus->loop, &bus->call);
}

void
bus_store_call(struct bus *bus, struct bus_script *script, unsigned key_count, const struct text *args,
	unsigned count, struct bus_call *call)
{
	struct text *all;
	char keys[16];

	if (!bus_store_up(bus)) {
		store_refuse(bus, call);
		return;
	}
	if (bus_log_flushes(bus->log))
		bus_send_waiting(bus); /* the recorded messages of this turn are sent first */
	all = mem_alloc((HEAD_ARGS + count) * sizeof *all);
	all[0] = script->connection == bus->stats.connects ? TEXT("EVALSHA") : TEXT("EVAL");
	all[1] = script->connection == bus->stats.connects ? text_of(script->sha, sizeof script->sha) : script->text;
	all[2] = text_of(keys, (size_t)snprintf(keys, sizeof keys, "%u", key_count));
	memcpy(all + HEAD_ARGS, args, count * sizeof *all);
	script->connection = bus->stats.connects;
	bus_link_send(&bus->commands, HEAD_ARGS + count, all);
	mem_free(all);
	bus_expect_call(bus, call, script);
	bus->used = bus->loop->now;
}

bool
bus_store_on_answer(struct bus *bus, struct bus_call *call, struct bus_script *script, const struct resp *reply)
{
	bool forgotten = reply->type == RESP_ERROR && text_starts(reply->text, TEXT("NOSCRIPT"));

	if (forgotten)
		script->connection = 0;
	if (call != NULL)
		call->slot = NULL;
	if (bus->cluster != NULL && reply->type == RESP_ERROR && text_starts(reply->text, TEXT("MOVED "))) {
		store_refuse(bus, call); /* another server has the log, so this one counts as lost */
		return bus_cluster_on_owner(bus->cluster, reply);
	}
	if (call == NULL)
		return true;
	if (reply->type == RESP_BULK)
		call->answer(call, 0, reply->text);
	else if (forgotten || (reply->type == RESP_ERROR && bus_error_is_passing(reply->text)))
		call->answer(call, ERROR_CLOSED, reply->text);
	else
		call->answer(
			call, ERROR_UNSUPPORTED, reply->type == RESP_ERROR ? reply->text : TEXT("unexpected answer"));
	return true;
}

void
bus_store_fail_calls(struct bus *bus)
{
	struct list now; /* a call that a callback makes waits for the end of the next turn */

	list_init(&now);
	list_move_all(&now, &bus->calls);
	while (!list_empty(&now)) {
		struct bus_call *call = container_of(now.next, struct bus_call, link);

		list_remove(&call->link);
		call->answer(call, ERROR_CLOSED, TEXT_NONE);
	}
}
