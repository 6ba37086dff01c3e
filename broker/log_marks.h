/*
 * How long the log is (bus_log.h): which entries of the stream lie so far back that they may be trimmed. One entry
 * has the messages of one call, so the length is counted in messages and not in entries. A counter in Redis grows
 * with each message. At intervals, a node remembers a position in the stream with the counter's value there. From
 * these marks it knows which entry has enough messages after it. Pure.
 */
#ifndef BROKER_LOG_MARKS_H
#define BROKER_LOG_MARKS_H

#include "broker/bus_record.h"

#define LOG_MARKS_MAX 64
#define LOG_MARKS_PER_LENGTH 32 /* the log may exceed its length by 1/LOG_MARKS_PER_LENGTH */

struct log_marks {
	struct log_mark {
		struct bus_position position;
		int64_t count;	/* messages up to and with the position */
	} marks[LOG_MARKS_MAX]; /* a ring */
	unsigned first, used;
};

/*
 * The counter is `count` at this position; a negative count is unknown. The caller adds the answers of one server in
 * their order, so a counter or a position that has gone back belongs to another log: all marks are forgotten, as they
 * are after an unknown count. Of the marks with at least `length` messages after them, only the newest is kept.
 */
void log_marks_add(struct log_marks *marks, struct bus_position position, int64_t count, uint64_t length);

/* Returns the oldest position to be kept; 0-0: it is unknown, because too few messages have passed. */
struct bus_position log_marks_kept(const struct log_marks *marks, uint64_t length);

#endif
