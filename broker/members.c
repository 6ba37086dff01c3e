#include "broker/members_internal.h"

#include "common/base/mem.h"
#include "common/base/random.h"

#define INTERVAL_MS 5000
#define TIMEOUT_MS 10000
#define TICK_MAX_MS 1000
#define TICK_MIN_MS 10
#define AWAY_MS 100   /* between two attempts to send a heartbeat while the bus is away */
#define ANSWER_MS 500 /* within this time a heartbeat answers the hellos of others; no two answers follow sooner */
#define TOUCH_MS 1000 /* shortest time between heartbeats that are sent because namespaces changed */
#define LINES_PER_SECOND 20

static const char *const state_names[] = {"serving", "draining", "silent", "lost", "left"};

const char *
member_state_name(enum member_state state)
{
	return state_names[state];
}

struct text
members_id(const struct members *members)
{
	return text_from(members->self.beat.about.id);
}

/* ------------------------------------------------------------------ states */

/* One worker of each node logs what happens to the members. */
static void
member_log(const struct member_record *member)
{
	const struct members *members = member->members;
	const struct beat_about *about = &member->beat.about;
	bool bad = member->state == MEMBER_SILENT || member->state == MEMBER_LOST;

	if (members->self.beat.about.worker != 0 ||
		!log_allow(&((struct members *)members)->log_limit, LINES_PER_SECOND, members->loop->now))
		return;
	log_event(bad ? LOG_WARN : LOG_INFO, "member", "state", LOG_STR(state_names[member->state]), "node",
		LOG_INT(about->node), "slot", LOG_INT(about->worker), "host", LOG_STR(about->host), "port",
		LOG_INT(about->port), "id", LOG_STR(about->id), NULL);
}

static void
member_set_state(struct member_record *member, enum member_state state)
{
	if (member->state == state)
		return;
	member->members->silent += state == MEMBER_SILENT;
	member->members->silent -= member->state == MEMBER_SILENT;
	member->state = state;
	member->since = member->members->loop->now;
	member_log(member);
}

static void
member_free(struct member_record *member)
{
	member->members->silent -= member->state == MEMBER_SILENT;
	bus_count_cancel(&member->presence);
	table_remove(&member->members->table, &member->in_table);
	mem_free(member);
}

static void
member_on_presence(struct bus_count *query, int64_t count)
{
	struct member_record *member = container_of(query, struct member_record, presence);

	member->asking = false;
	if (count != 0 || !member_is_present(member))
		return;
	member_set_state(member, MEMBER_LOST);
	member->members->ops->on_change(member->members->arg);
}

static void
member_ask_presence(struct member_record *member)
{
	struct members *members = member->members;

	if (member->asking || !member_is_present(member))
		return;
	member->asking = true;
	members->ops->ask_presence(members->arg, &member->presence, text_from(member->beat.about.id));
}

void
members_probe(struct members *members)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&members->table, &cursor)) != NULL)
		member_ask_presence(member_of(node));
}

/* ------------------------------------------------------------------ counts */

static void
members_on_servers(struct bus_count *query, int64_t count)
{
	struct members *members = container_of(query, struct members, servers);
	struct table_cursor cursor = {0};
	struct table_node *node;

	members->asking_servers = false;
	if (count < 0)
		return;
	count -= members->observer ? 0 : 1;
	while ((node = table_next(&members->table, &cursor)) != NULL)
		count -= member_is_present(member_of(node));
	members->foreign = count > 0 ? count : 0;
	members->counted_at = members->loop->now;
	members->counted_arrived = members->arrived;
}

static void
members_on_strangers(struct bus_count *query, int64_t count)
{
	struct members *members = container_of(query, struct members, strangers);

	members->asking_strangers = false;
	members->stranger_count = count > 0 ? count : 0; /* negative: the server is too old for the question */
}

static void
members_on_others(struct bus_count *query, int64_t count)
{
	struct members *members = container_of(query, struct members, others);

	members->asking_others = false;
	members->other_count = count > 0 ? count : 0;
}

static void
members_ask_counts(struct members *members)
{
	if (!members->asking_servers)
		members->asking_servers = members->ops->ask_servers(members->arg, &members->servers);
	if (!members->asking_strangers)
		members->asking_strangers = members->ops->ask_strangers(members->arg, &members->strangers);
	if (!members->asking_others)
		members->asking_others = members->ops->ask_others(members->arg, &members->others);
}

void
members_recount(struct members *members)
{
	if (!members->asking_servers)
		members->asking_servers = members->ops->ask_servers(members->arg, &members->servers);
}

/* -------------------------------------------------------------- heartbeats */

/* The state of a member that is heard, by its last heartbeat. */
static enum member_state
member_heard_state(const struct member_record *member)
{
	return member->beat.state == BEAT_LEFT	     ? MEMBER_LEFT
	       : member->beat.state == BEAT_DRAINING ? MEMBER_DRAINING
						     : MEMBER_SERVING;
}

/*
 * Restarts the time-outs of all members after this node itself was cut off. The node may notice the cut only after
 * it has marked members as silent, so silent members count as present again.
 */
static void
members_forgive(struct members *members)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	while ((node = table_next(&members->table, &cursor)) != NULL) {
		struct member_record *member = member_of(node);

		member->heard = members->loop->now;
		if (member->state == MEMBER_SILENT)
			member_set_state(member, member_heard_state(member));
	}
}

static uint64_t
members_every(const struct members *members)
{
	uint64_t every = members->interval_ms * (1 + members->table.count / MEMBERS_PER_INTERVAL);

	return every < BEAT_EVERY_MAX_MS ? every : BEAT_EVERY_MAX_MS;
}

static void
members_beat(struct members *members)
{
	struct beat *beat = &members->self.beat;
	uint64_t now = members->loop->now;

	beat->every_ms = members_every(members);
	beat->namespace_count = 0;
	beat->more = false;
	members->ops->describe(members->arg, beat);
	if (!members->ops->announce(members->arg, beat)) {
		members->away = true;
		beat->hello = true; /* this node misses the heartbeats of the others meanwhile */
		return;
	}
	if (members->away)
		members_forgive(members);
	members->away = beat->hello = false;
	members->beat_due = now + beat->every_ms;
	members->beaten = now;
	members_ask_counts(members);
}

static uint64_t
member_timeout(const struct member_record *member)
{
	uint64_t twice = 2 * member->beat.every_ms, timeout = member->members->timeout_ms;

	return twice > timeout ? twice : timeout;
}

/* Returns true if the member has become silent. Frees a member that has been gone for long. */
static bool
member_age(struct member_record *member)
{
	struct members *members = member->members;
	uint64_t now = members->loop->now;

	if (!member_is_present(member)) {
		if (now - member->since >= MEMBERS_KEPT_MS)
			member_free(member);
		return false;
	}
	if (member->state == MEMBER_SILENT) {
		member_ask_presence(member);
		return false;
	}
	if (members->away || now - member->heard <= member_timeout(member))
		return false;
	member_set_state(member, MEMBER_SILENT);
	member_ask_presence(member);
	return true;
}

static void
members_sweep(struct members *members)
{
	struct table_cursor cursor = {0};
	struct table_node *node;
	bool silenced = false;

	members_find_conflicts(members);
	while ((node = table_next(&members->table, &cursor)) != NULL)
		silenced |= member_age(member_of(node));
	if (silenced)
		members->ops->on_change(members->arg);
}

static uint64_t
members_tick_ms(const struct members *members)
{
	uint64_t tick = members->interval_ms / 4, most = members->away ? AWAY_MS : TICK_MAX_MS;

	return tick < TICK_MIN_MS ? TICK_MIN_MS : tick > most ? most : tick;
}

static void
members_arm(struct members *members)
{
	uint64_t now = members->loop->now, tick = members_tick_ms(members);
	uint64_t until = members->beat_due > now ? members->beat_due - now : 0;

	if (!members->left)
		loop_arm(members->loop, &members->timer, until < tick && !members->away ? until : tick);
}

/* A late tick means that this process did not run, so heartbeats may lie unread. */
static void
members_on_tick(struct wheel_entry *entry)
{
	struct members *members = container_of(entry, struct members, timer);
	uint64_t now = members->loop->now;

	if (now - members->ticked > members_tick_ms(members) + members->interval_ms / 2)
		members_forgive(members);
	members->ticked = now;
	if (now >= members->beat_due)
		members_beat(members);
	members_sweep(members);
	members_arm(members);
}

/* The next heartbeat leaves in `ms` unless it is due sooner. */
static void
members_hurry(struct members *members, uint64_t ms)
{
	uint64_t due = members->loop->now + ms;

	if (members->left || due >= members->beat_due)
		return;
	members->beat_due = due;
	members_arm(members);
}

/*
 * One heartbeat answers all hellos since the last one. Without the pause between two answers, the members of a large
 * cluster that starts would each answer nearly every newcomer.
 */
static void
members_answer_hello(struct members *members)
{
	uint64_t now = members->loop->now, due = now + random_below(ANSWER_MS);
	uint64_t earliest = members->beaten + ANSWER_MS;

	members_hurry(members, (due > earliest ? due : earliest) - now);
}

/* ----------------------------------------------------------------- hearing */

/* Returns a new member, or NULL if there are too many. */
static struct member_record *
member_new(struct members *members, const struct beat *beat)
{
	struct table_cursor cursor = {0};
	struct member_record *member = NULL, *oldest = NULL;
	struct table_node *node;

	if (members->table.count >= MEMBERS_MAX) {
		while ((node = table_next(&members->table, &cursor)) != NULL) {
			member = member_of(node);
			if (!member_is_present(member) && (oldest == NULL || member->since < oldest->since))
				oldest = member;
		}
		if (oldest == NULL) {
			members->ignored++;
			return NULL;
		}
		member_free(oldest);
	}
	member = mem_zalloc(sizeof *member);
	member->members = members;
	member->beat = *beat;
	member->number = ++members->last_number;
	member->state = MEMBER_STATE_COUNT; /* until its first state is set */
	bus_count_init(&member->presence, member_on_presence);
	table_add(&members->table, &member->in_table, text_from(member->beat.about.id));
	return member;
}

/* Returns true if a later run of the same worker shows that an earlier one has ended. */
static bool
members_replace_earlier(struct members *members, const struct member_record *later)
{
	struct table_cursor cursor = {0};
	struct table_node *node;
	bool lost = false;

	while ((node = table_next(&members->table, &cursor)) != NULL) {
		struct member_record *member = member_of(node);

		if (member == later || !member_is_present(member) ||
			member->beat.about.worker != later->beat.about.worker ||
			strcmp(member->beat.about.instance, later->beat.about.instance) != 0 ||
			member->beat.about.started_ms >= later->beat.about.started_ms)
			continue;
		member_set_state(member, MEMBER_LOST);
		lost = true;
	}
	return lost;
}

void
members_hear(struct members *members, const struct beat *beat)
{
	struct table_node *node = table_find(&members->table, text_from(beat->about.id));
	struct member_record *member = node != NULL ? member_of(node) : NULL;
	bool changed = false;

	if (text_is(text_from(beat->about.id), members_id(members)) || (member == NULL && beat->state == BEAT_LEFT))
		return;
	if (member == NULL) {
		member = member_new(members, beat);
		if (member == NULL)
			return;
		changed = members_replace_earlier(members, member);
	}
	member->beat = *beat; /* its id, which is the key, stays the same */
	member->heard = members->loop->now;
	members->arrived += !member_is_present(member);
	member_set_state(member, member_heard_state(member));
	if (beat->hello)
		members_answer_hello(members);
	if (changed || beat->state == BEAT_LEFT)
		members->ops->on_change(members->arg);
}

/* ---------------------------------------------------------------- this node */

void
members_touch(struct members *members)
{
	uint64_t next = members->beaten + TOUCH_MS, now = members->loop->now;

	if (members->beaten != 0) /* otherwise the first heartbeat is still to come */
		members_hurry(members, next > now ? next - now : 0);
}

void
members_return(struct members *members)
{
	if (members->beaten == 0)
		return;
	members->self.beat.hello = true;
	members_hurry(members, 0);
}

void
members_drain(struct members *members)
{
	if (members->self.state != MEMBER_SERVING)
		return;
	members->self.state = MEMBER_DRAINING;
	members->self.beat.state = BEAT_DRAINING;
	members->self.since = members->loop->now;
	members_hurry(members, 0);
}

void
members_leave(struct members *members)
{
	if (members->left)
		return;
	members->left = true;
	loop_disarm(members->loop, &members->timer);
	members->self.beat.state = BEAT_LEFT;
	if (!members->observer)
		members->ops->announce(members->arg, &members->self.beat);
}

/* -------------------------------------------------------------------- life */

struct members *
members_new(struct loop *l, const struct members_options *options, const struct members_ops *ops, void *arg)
{
	struct members *members = mem_zalloc(sizeof *members);
	struct beat_about *about = &members->self.beat.about;

	members->loop = l;
	members->ops = ops;
	members->arg = arg;
	members->observer = options->observer;
	members->left = options->alone;
	members->interval_ms = options->interval_ms > 0 ? options->interval_ms : INTERVAL_MS;
	members->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	members->foreign = -1;
	members->away = true;
	members->ticked = l->now;
	members->self.members = members;
	members->self.since = l->now;
	members->self.beat.hello = true;
	*about = options->self;
	if (!options->observer)
		random_id(about->id, BEAT_ID_LENGTH);
	if (about->instance[0] == '\0')
		random_id(about->instance, BEAT_ID_LENGTH);
	about->started_ms = loop_wall_ms();
	table_init(&members->table);
	bus_count_init(&members->servers, members_on_servers);
	bus_count_init(&members->strangers, members_on_strangers);
	bus_count_init(&members->others, members_on_others);
	wheel_entry_init(&members->timer, members_on_tick);
	if (!options->alone)
		loop_arm(l, &members->timer, 0);
	return members;
}

void
members_free(struct members *members)
{
	struct table_cursor cursor = {0};
	struct table_node *node;

	if (members == NULL)
		return;
	loop_disarm(members->loop, &members->timer);
	bus_count_cancel(&members->servers);
	bus_count_cancel(&members->strangers);
	bus_count_cancel(&members->others);
	while ((node = table_next(&members->table, &cursor)) != NULL)
		member_free(member_of(node));
	table_fini(&members->table);
	mem_free(members);
}

/* ----------------------------------------------------------------- reading */

bool
members_is_self(const struct member_record *member)
{
	return member == &member->members->self;
}

const struct member_record *
members_next(const struct members *members, struct members_cursor *cursor)
{
	struct table_node *node;

	if (!cursor->started) {
		cursor->started = true;
		if (!members->observer)
			return &members->self;
	}
	node = table_next(&members->table, &cursor->others);
	return node != NULL ? member_of(node) : NULL;
}

const struct member_record *
members_find(const struct members *members, struct text id)
{
	struct table_node *node = table_find(&members->table, id);

	return node != NULL ? member_of(node) : NULL;
}

void
members_stats(const struct members *members, struct members_stats *out)
{
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;

	*out = (struct members_stats){.foreign = members->foreign,
		.counted_at = members->counted_at,
		.arrived = members->arrived,
		.counted_arrived = members->counted_arrived,
		.conflicts = members->conflicts,
		.ignored = members->ignored};
	while ((member = members_next(members, &cursor)) != NULL)
		out->count[member->state]++;
}

uint64_t
members_last_number(const struct members *members)
{
	return members->last_number;
}

unsigned
members_silent(const struct members *members)
{
	return members->silent;
}

bool
members_is_overdue(const struct member_record *member)
{
	uint64_t every = member->beat.every_ms;

	return member->state == MEMBER_SILENT || member->state == MEMBER_LOST ||
	       member->members->loop->now - member->heard > every + every / 4;
}
