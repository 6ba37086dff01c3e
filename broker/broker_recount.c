/*
 * Counts the servers again while a question lacks answers, so that a server that has gone is not waited for. A count
 * follows every RECOUNT_MS, and at once when the members have changed.
 */
#include "broker/broker_question_internal.h"

#define RECOUNT_MS 500

/* Looks at all questions of a namespace after members or counts have changed. */
static void
questions_review(struct broker_nsp *nsp)
{
	struct list *it, *next;

	list_each(it, next, &nsp->questions)
	{
		struct question *question = container_of(it, struct question, link);

		question->troubled = true;
		if (question_may_end(question))
			question_finish_later(question, 0);
	}
}

static bool
question_lacks_answers(const struct question *question)
{
	return question->counted && question->answered < question->nodes;
}

/*
 * A server that is counted now was also counted when the question was asked, unless it is new. The number of answers
 * is therefore limited by the servers counted now plus the members that answered and have left. A server that drops
 * out of the count may only have lost its connection, so it counts as silent unless it has said that it leaves. The
 * question gives it up after two counts without it, because its farewell may arrive after the first of them.
 */
static void
question_recount(struct question *question, unsigned servers)
{
	const struct members *members = question->nsp->broker->members;
	unsigned left = answerers_left(&question->answerers, members, broker_nsp_name(question->nsp));
	unsigned now = servers + answerers_gone(&question->answerers, members);
	unsigned staying = question->first_count > left ? question->first_count - left : 0;
	unsigned twice = now > question->last_count ? now : question->last_count;

	question->last_count = now;
	if (twice < question->reachable)
		question->reachable = twice;
	question->nodes = staying > now ? staying : now < question->first_count ? now : question->first_count;
}

void
broker_on_recount(struct bus_count *query, int64_t count)
{
	struct broker_nsp *nsp = container_of(query, struct broker_nsp, recount);
	int self = nsp->broker->visitor ? 0 : 1;
	struct list *it, *next;

	if (count < self || count > UINT32_MAX)
		return;
	list_each(it, next, &nsp->questions)
	{
		struct question *question = container_of(it, struct question, link);

		if (question_lacks_answers(question))
			question_recount(question, (unsigned)(count - self));
	}
	questions_review(nsp);
}

/* Counts the servers again if a question that was asked `ms` ago or earlier lacks answers. Returns true if so. */
static bool
nsp_recount(struct broker_nsp *nsp, uint64_t ms)
{
	struct broker *broker = nsp->broker;
	struct list *it, *next;

	list_each(it, next, &nsp->questions)
	{
		struct question *question = container_of(it, struct question, link);

		if (!question_lacks_answers(question) || broker->loop->now - question->asked_at < ms)
			continue;
		if (nsp->recount.slot == NULL && list_empty(&nsp->recount.link))
			broker->form->count(broker->end, &nsp->recount, &nsp->member);
		return true;
	}
	return false;
}

void
broker_on_recount_timer(struct wheel_entry *entry)
{
	struct broker *broker = container_of(entry, struct broker, recount_timer);
	struct list *it, *next;
	bool lacking = false;

	list_each(it, next, &broker->nsps) lacking |=
		nsp_recount(container_of(it, struct broker_nsp, link), RECOUNT_MS);
	if (lacking)
		members_probe(broker->members); /* its answers come before those to the next recount */
	broker->recounting = broker->questions.count > 0;
	if (broker->recounting)
		loop_arm(broker->loop, &broker->recount_timer, RECOUNT_MS);
}

void
broker_questions_members_changed(struct broker *broker)
{
	struct list *it, *next;

	list_each(it, next, &broker->nsps)
	{
		struct broker_nsp *nsp = container_of(it, struct broker_nsp, link);

		questions_review(nsp);
		nsp_recount(nsp, 0);
	}
}

void
broker_recounts_begin(struct broker *broker)
{
	if (!broker->recounting)
		loop_arm(broker->loop, &broker->recount_timer, RECOUNT_MS);
	broker->recounting = true;
}
