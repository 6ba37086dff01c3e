#include "broker/log_marks.h"

static const struct log_mark *
log_mark_at(const struct log_marks *marks, unsigned i)
{
	return &marks->marks[(marks->first + i) % LOG_MARKS_MAX];
}

/* Returns the number of messages after the mark `i`. */
static uint64_t
log_mark_age(const struct log_marks *marks, unsigned i)
{
	return (uint64_t)(log_mark_at(marks, marks->used - 1)->count - log_mark_at(marks, i)->count);
}

static void
log_marks_drop_first(struct log_marks *marks)
{
	marks->first = (marks->first + 1) % LOG_MARKS_MAX;
	marks->used--;
}

/*
 * The newest mark moves on with the counter until it is far enough from the one before it. So a full ring spans more
 * than `length`.
 */
void
log_marks_add(struct log_marks *marks, struct bus_position position, int64_t count, uint64_t length)
{
	unsigned last = marks->used - 1;

	if (count < 0) {
		marks->used = 0;
		return;
	}
	if (marks->used > 0 && (count < log_mark_at(marks, last)->count ||
				       bus_position_compare(position, log_mark_at(marks, last)->position) < 0))
		marks->used = 0;
	if (marks->used > 1 &&
		(uint64_t)(count - log_mark_at(marks, last - 1)->count) <= length / LOG_MARKS_PER_LENGTH)
		marks->used--;
	if (marks->used == LOG_MARKS_MAX)
		log_marks_drop_first(marks);
	marks->marks[(marks->first + marks->used++) % LOG_MARKS_MAX] = (struct log_mark){position, count};
	while (marks->used > 1 && log_mark_age(marks, 1) >= length)
		log_marks_drop_first(marks);
}

struct bus_position
log_marks_kept(const struct log_marks *marks, uint64_t length)
{
	if (marks->used == 0 || log_mark_age(marks, 0) < length)
		return (struct bus_position){0};
	return log_mark_at(marks, 0)->position;
}
