#include "broker/answerers.h"

#include "common/base/mem.h"

#define SIZE_MIN 8

void
answerers_init(struct answerers *answerers, const struct members *members)
{
	*answerers = (struct answerers){.last_number = members_last_number(members)};
}

void
answerers_fini(struct answerers *answerers)
{
	mem_free(answerers->list);
	answerers->list = NULL;
	answerers->count = answerers->size = 0;
}

static struct answerer *
answerers_find(const struct answerers *answerers, struct text id)
{
	for (unsigned i = 0; i < answerers->count; i++) {
		if (text_is(text_of(answerers->list[i].id, BEAT_ID_LENGTH), id))
			return &answerers->list[i];
	}
	return NULL;
}

static struct answerer *
answerers_new(struct answerers *answerers, struct text id)
{
	unsigned size = answerers->size > 0 ? 2 * answerers->size : SIZE_MIN;
	struct answerer *larger;

	if (answerers->count == answerers->size) {
		larger = mem_try_alloc(size * sizeof *larger);
		if (larger == NULL)
			return NULL;
		if (answerers->count > 0)
			memcpy(larger, answerers->list, answerers->count * sizeof *larger);
		mem_free(answerers->list);
		answerers->list = larger;
		answerers->size = size;
	}
	larger = &answerers->list[answerers->count++];
	*larger = (struct answerer){.clients = 0};
	memcpy(larger->id, id.at, BEAT_ID_LENGTH);
	return larger;
}

bool
answerers_add(struct answerers *answerers, const struct members *members, struct text id, const struct answer *answer)
{
	struct answerer *answerer = answerers_find(answerers, id);

	/* only members are kept, so there are at most as many as members */
	if (answerer == NULL && members_find(members, id) != NULL)
		answerer = answerers_new(answerers, id);
	if (answerer == NULL)
		return true;
	if (answer->counts && answerer->counted)
		return false;
	answerer->counted |= answer->counts;
	answerer->clients += answer->clients;
	answerer->acks += answer->acks;
	return true;
}

bool
answerers_has(const struct answerers *answerers, struct text id)
{
	const struct answerer *answerer = answerers_find(answerers, id);

	return answerer != NULL && answerer->counted;
}

static const struct member_record *
answerer_member(const struct answerer *answerer, const struct members *members)
{
	return members_find(members, text_of(answerer->id, BEAT_ID_LENGTH));
}

unsigned
answerers_gone(const struct answerers *answerers, const struct members *members)
{
	unsigned n = 0;

	for (unsigned i = 0; i < answerers->count; i++) {
		const struct member_record *member = answerer_member(&answerers->list[i], members);

		n += member == NULL || !member_is_present(member);
	}
	return n;
}

uint64_t
answerers_lost_acks(const struct answerers *answerers, const struct members *members)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < answerers->count; i++) {
		const struct answerer *answerer = &answerers->list[i];
		const struct member_record *member = answerer_member(answerer, members);
		bool answers = member != NULL && member->state <= MEMBER_DRAINING;

		if (!answers && answerer->clients > answerer->acks)
			n += answerer->clients - answerer->acks;
	}
	return n;
}

/* Returns true if the member was asked and has not answered. */
static bool
answerers_lacks(const struct answerers *answerers, const struct member_record *member, struct text nsp)
{
	return !members_is_self(member) && member->number <= answerers->last_number &&
	       beat_has_namespace(&member->beat, nsp) &&
	       answerers_find(answerers, text_from(member->beat.about.id)) == NULL;
}

unsigned
answerers_left(const struct answerers *answerers, const struct members *members, struct text nsp)
{
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;
	unsigned n = 0;

	while ((member = members_next(members, &cursor)) != NULL)
		n += member->state == MEMBER_LEFT && answerers_lacks(answerers, member, nsp);
	return n;
}

unsigned
answerers_abandoned(const struct answerers *answerers, const struct members *members, struct text nsp)
{
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;
	unsigned n = 0;

	if (members_silent(members) == 0)
		return 0;
	while ((member = members_next(members, &cursor)) != NULL)
		n += member->state == MEMBER_SILENT && answerers_lacks(answerers, member, nsp);
	return n;
}

/* Collects the members that have not answered; with `overdue`, only those whose heartbeats stay away too. */
static unsigned
answerers_collect(const struct answerers *answerers, const struct members *members, struct text nsp, bool overdue,
	const struct member_record **out, unsigned max)
{
	struct members_cursor cursor = {.started = false};
	const struct member_record *member;
	unsigned n = 0;

	while ((member = members_next(members, &cursor)) != NULL) {
		if (member->state == MEMBER_LEFT || !answerers_lacks(answerers, member, nsp) ||
			(overdue && !members_is_overdue(member)))
			continue;
		if (n < max)
			out[n] = member;
		n++;
	}
	return n;
}

unsigned
answerers_name_silent(const struct answerers *answerers, const struct members *members, struct text nsp,
	unsigned silent, const struct member_record **out, unsigned max)
{
	unsigned n = answerers_collect(answerers, members, nsp, false, out, max);

	if (n > silent)
		n = answerers_collect(answerers, members, nsp, true, out, max);
	if (n > silent)
		return 0;
	return n < max ? n : max;
}
