/*
 * The marks of the events that joins have sent: for each join all of them, for each room the newest of each origin.
 */
#include "common/base/mem.h"
#include "node/socketio/sio_history_join_state.h"

static void
group_note(struct join_group *group, struct wire_mark mark)
{
	for (unsigned i = 0; i < group->newest_count && i < JOIN_NEWEST_MAX; i++) {
		if (group->newest[i].origin != mark.origin)
			continue;
		if (group->newest[i].number < mark.number)
			group->newest[i].number = mark.number;
		return;
	}
	if (group->newest_count < JOIN_NEWEST_MAX)
		group->newest[group->newest_count] = mark;
	if (group->newest_count <= JOIN_NEWEST_MAX)
		group->newest_count++;
}

bool
sio_history_mark_may_cover(const struct join_group *group, struct wire_mark mark)
{
	for (unsigned i = 0; i < group->newest_count && i < JOIN_NEWEST_MAX; i++) {
		if (group->newest[i].origin == mark.origin)
			return mark.number <= group->newest[i].number;
	}
	return group->newest_count > JOIN_NEWEST_MAX;
}

static int
mark_compare(struct wire_mark a, struct wire_mark b)
{
	if (a.origin != b.origin)
		return a.origin < b.origin ? -1 : 1;
	return a.number < b.number ? -1 : a.number > b.number;
}

/* Returns the index of the first sent mark that is not less than `mark`. */
static unsigned
join_place(const struct sio_history_join *join, struct wire_mark mark)
{
	unsigned from = 0, to = join->sent_count;

	while (from < to) {
		unsigned middle = from + (to - from) / 2;

		if (mark_compare(join->sent[middle], mark) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Returns true if the join has the mark, whose place is `i`. */
static bool
join_has_mark_at(const struct sio_history_join *join, struct wire_mark mark, unsigned i)
{
	return i < join->sent_count && mark_compare(join->sent[i], mark) == 0;
}

void
sio_history_mark_add(struct sio_history_join *join, struct wire_mark mark)
{
	unsigned i = join_place(join, mark);

	if (join_has_mark_at(join, mark, i))
		return; /* an entry may be stored twice, see docs/history.md */
	group_note(join->group, mark);
	if (join->sent_count == join->sent_size) {
		unsigned size = join->sent_size + 64;
		struct wire_mark *grown = mem_try_realloc(join->sent, size * sizeof *grown);

		if (grown == NULL) {
			loop_count_no_memory(join->history->io->loop);
			return; /* a late copy of the event may be sent again */
		}
		sio_client_hold(join->socket->client, (int64_t)((size - join->sent_size) * sizeof *grown));
		join->sent = grown;
		join->sent_size = size;
	}
	memmove(&join->sent[i + 1], &join->sent[i], (join->sent_count - i) * sizeof *join->sent);
	join->sent[i] = mark;
	join->sent_count++;
}

static bool
join_has_mark(const struct sio_history_join *join, struct wire_mark mark)
{
	return join_has_mark_at(join, mark, join_place(join, mark));
}

bool
sio_history_mark_covers(const struct sio_history_join *join, struct wire_mark mark)
{
	unsigned oldest;

	if (join->whole)
		return join_has_mark(join, mark);
	oldest = join_place(join, (struct wire_mark){mark.origin, 0});
	return join_has_mark(join, mark) || (oldest < join->sent_count && join->sent[oldest].origin == mark.origin &&
						    mark.number < join->sent[oldest].number);
}

bool
sio_history_mark_was_sent(const struct sio_socket *s, struct wire_mark mark)
{
	const struct sio_history_join *join = s->extra != NULL ? s->extra->joins : NULL;

	for (; join != NULL; join = join->next) {
		if (join_has_mark(join, mark))
			return true;
	}
	return false;
}
