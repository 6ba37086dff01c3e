/*
 * A hierarchical timing wheel with a resolution of one millisecond. It is pure code: the caller supplies the time. A
 * struct wheel_entry is embedded in the object that waits. Arming, re-arming and cancelling are O(1) and allocate
 * nothing.
 */
#ifndef COMMON_BASE_WHEEL_H
#define COMMON_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

struct wheel_entry {
	struct list link;
	uint64_t due; /* milliseconds on the wheel's clock; valid while armed and during fire() */
	void (*fire)(struct wheel_entry *entry);
};

struct wheel; /* defined in wheel.c */

/* Creates a wheel whose clock is at `now`, in milliseconds since any fixed moment. */
struct wheel *wheel_new(uint64_t now);
void wheel_free(struct wheel *wheel); /* entries that are still armed are disarmed */

/* `fire` is called after the entry is disarmed. It may arm the entry again or free it. */
void wheel_entry_init(struct wheel_entry *entry, void (*fire)(struct wheel_entry *entry));

/*
 * Arms or re-arms an entry. The entry never fires early. A `due` in the past fires at the next wheel_run(). During
 * `fire`, everything up to the `now` of the running wheel_run() counts as past, so one run fires an entry at most
 * once.
 */
void wheel_arm(struct wheel *wheel, struct wheel_entry *entry, uint64_t due);
void wheel_cancel(struct wheel *wheel, struct wheel_entry *entry); /* does nothing if the entry is not armed */

static inline bool
wheel_armed(const struct wheel_entry *entry)
{
	return !list_empty(&entry->link);
}

/*
 * Fires all entries that are due at `now`, ordered by due time. Entries that were armed with a `due` in the past come
 * first, in the order of arming. It must not be called from `fire`. If `now` is before that of an earlier run,
 * nothing fires. Returns the number of entries fired.
 */
unsigned wheel_run(struct wheel *wheel, uint64_t now);

/*
 * Returns a lower bound of the milliseconds from `now` until an entry may be due (0: due now), or -1 if no entry is
 * armed.
 */
int64_t wheel_wait(const struct wheel *wheel, uint64_t now);

#endif
