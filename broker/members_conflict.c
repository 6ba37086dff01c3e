/* The conflicts between the members of a cluster (enum member_conflict): how they are found and logged. */
#include "broker/members_internal.h"

#include "common/io/log.h"

#define WARN_AGAIN_MS (10 * 60 * 1000) /* shortest time between two warnings of the same conflict */

static const char *const conflict_names[] = {
	"node-id", "db", "mode", "strangers", "streams", "sharded", "pub-sub", "secret"};

static const struct conflict_text {
	const char *what, *advice;
} conflict_texts[] = {
	[CONFLICT_NODE_ID] = {"another node has the same --node-id",
		"give each node its own --node-id: session ids name it, and a load balancer routes by them"},
	[CONFLICT_DB] = {"a node with another Redis database hears this cluster",
		"pub/sub ignores the database in the URL: use another --redis-key to keep clusters apart"},
	[CONFLICT_MODE] = {"a node has another --redis-mode, --redis-subscription-mode or --redis-log",
		"use the same values on all nodes: otherwise messages do not arrive, or are not recorded"},
	[CONFLICT_STRANGERS] = {"servers with other channels use the same key: adapters of another mode",
		"they do not hear one another: use the same mode on all servers, or another --redis-key"},
	[CONFLICT_STREAMS] = {"a server with the streams adapter uses the same key, and its messages are dropped",
		"use the same kind of adapter on all servers, or another --redis-key"},
	[CONFLICT_SHARDED] =
		{"a server with the sharded adapter uses the same key: it hears no broadcasts of this cluster",
			"use the same kind of adapter on all servers, or another --redis-key"},
	[CONFLICT_PUB_SUB] =
		{"servers use the same channels by the other kind of publish and subscribe, sharded or not",
			"use the same --redis-mode and --redis-stream-sharded-pub-sub (useShardedPubSub of the "
			"adapter) on all "
			"servers, or another --redis-key"},
	[CONFLICT_SECRET] = {"a node has another --redis-secret or none, so the nodes drop each other's messages",
		"give all nodes the same --redis-secret, or none"},
};

/* Returns the conflicts that the heartbeats of one member show, as bits 1 << enum member_conflict. */
static uint32_t
member_conflicts(const struct member_record *member)
{
	const struct beat_about *self = &member->members->self.beat.about, *other = &member->beat.about;
	uint32_t bits = 0;

	if (member->state != MEMBER_SERVING)
		return 0;
	if (other->node == self->node && strcmp(other->instance, self->instance) != 0 &&
		member->members->self.state == MEMBER_SERVING && !member->members->observer)
		bits |= 1u << CONFLICT_NODE_ID;
	if (other->db != self->db)
		bits |= 1u << CONFLICT_DB;
	if (strcmp(other->mode, self->mode) != 0)
		bits |= 1u << CONFLICT_MODE;
	return bits;
}

/*
 * Logs the conflict, by one worker of each node and at most once in WARN_AGAIN_MS. `other` is the heartbeat of a
 * member that conflicts, or NULL if no such heartbeat is known.
 */
static void
conflict_warn(struct members *members, enum member_conflict conflict, const struct beat *other)
{
	const struct beat_about *self = &members->self.beat.about;
	const struct conflict_text *text = &conflict_texts[conflict];
	uint64_t now = members->loop->now;

	if (self->worker != 0 || members->observer ||
		(members->warned[conflict] != 0 && now - members->warned[conflict] < WARN_AGAIN_MS))
		return;
	members->warned[conflict] = now > 0 ? now : 1;
	if (conflict == CONFLICT_STRANGERS || conflict == CONFLICT_PUB_SUB)
		log_event(LOG_WARN, "cluster", "warning", LOG_STR(text->what), "servers",
			LOG_INT(conflict == CONFLICT_STRANGERS ? members->stranger_count : members->other_count),
			"advice", LOG_STR(text->advice), NULL);
	else if (other == NULL)
		log_event(LOG_WARN, "cluster", "warning", LOG_STR(text->what), "advice", LOG_STR(text->advice), NULL);
	else
		log_event(LOG_WARN, "cluster", "warning", LOG_STR(text->what), "node", LOG_INT(other->about.node),
			"host", LOG_STR(other->about.host), "port", LOG_INT(other->about.port), "db",
			LOG_INT(other->about.db), "mode", LOG_STR(other->about.mode), "advice", LOG_STR(text->advice),
			NULL);
}

const char *
member_conflict_name(enum member_conflict conflict)
{
	return conflict_names[conflict];
}

void
members_find_conflicts(struct members *members)
{
	const struct member_record *culprits[CONFLICT_COUNT] = {NULL};
	struct table_cursor cursor = {0};
	struct table_node *node;
	uint32_t conflicts = members->stranger_count > 0 ? 1u << CONFLICT_STRANGERS : 0;

	/* strangers may subscribe to these channels too */
	if (members->stranger_count == 0 && members->other_count > 0)
		conflicts |= 1u << CONFLICT_PUB_SUB;
	for (unsigned i = 0; i < CONFLICT_COUNT; i++)
		conflicts |= members->loop->now < members->met_until[i] ? 1u << i : 0;
	while ((node = table_next(&members->table, &cursor)) != NULL) {
		struct member_record *member = member_of(node);
		uint32_t bits = member_conflicts(member);

		for (unsigned i = 0; i < CONFLICT_COUNT; i++) {
			if ((bits & 1u << i) != 0)
				culprits[i] = member;
		}
		conflicts |= bits;
	}
	for (unsigned i = 0; i < CONFLICT_COUNT; i++) {
		/* members_mismatch() and members_meet() have logged the others */
		if (members->met_until[i] == 0 && (conflicts & 1u << i) != 0)
			conflict_warn(
				members, (enum member_conflict)i, culprits[i] != NULL ? &culprits[i]->beat : NULL);
	}
	members->conflicts = conflicts;
}

void
members_mismatch(struct members *members, const struct beat *beat)
{
	members->met_until[CONFLICT_SECRET] = members->loop->now + 2 * beat->every_ms;
	conflict_warn(members, CONFLICT_SECRET, beat);
}

void
members_meet(struct members *members, enum member_conflict conflict)
{
	members->met_until[conflict] = members->loop->now + MEMBERS_KEPT_MS;
	conflict_warn(members, conflict, NULL);
}
