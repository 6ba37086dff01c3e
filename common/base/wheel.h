/*
 * A hierarchical timing wheel in milliseconds, pure code: the caller says what time it
 * is. An entry is three words inside the thing that waits. Arming,
 * re-arming and cancelling are O(1) and allocate nothing.
 */
#ifndef COMMON_BASE_WHEEL_H
#define COMMON_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

struct wheel_entry {
	struct list link;
	uint64_t due; /* ms on the wheel's clock; valid while armed and inside fire() */
	void (*fire)(struct wheel_entry *entry);
};

struct wheel; /* opaque: wheel.c */

/* Its clock stands at `now`, in ms from any moment on. */
struct wheel *wheel_new(uint64_t now);
void wheel_free(struct wheel *w); /* entries still armed are merely forgotten */

/* `fire` is called with the entry already disarmed; it may re-arm or free it. */
void wheel_entry_init(struct wheel_entry *e, void (*fire)(struct wheel_entry *entry));

/*
 * Arms or re-arms; a `due` in the past fires at the next wheel_run(). Never fires early. Inside `fire` all that is
 * due until the running wheel_run()'s `now` counts as past, so one run fires an entry once at most.
 */
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t due);
void wheel_cancel(struct wheel *w, struct wheel_entry *e); /* harmless when not armed */

static inline bool
wheel_armed(const struct wheel_entry *e)
{
	return !list_empty(&e->link);
}

/*
 * Fires all that is due at `now`, in order of due time; entries that were armed with a due in the past come
 * first, in the order of arming. Not to be called from `fire`. A `now` before that of an earlier run fires nothing.
 * Returns how many fired.
 */
unsigned wheel_run(struct wheel *w, uint64_t now);

/* A lower bound of ms from `now` until something may be due (0: now); -1 when nothing is armed. */
int64_t wheel_wait(const struct wheel *w, uint64_t now);

#endif
