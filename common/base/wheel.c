/*
 * Eleven levels of 64 slots. A slot of level L is 64^L ms wide. All levels together cover uint64_t, so every due time
 * has a slot.
 *
 * An entry's level is the position of the highest 6-bit digit in which its due time differs from the wheel's time.
 * Its slot is the value of that digit in its due time. All occupied slots are therefore ahead of the wheel's own
 * digit, and everything on a lower level is due before anything on a higher one. When the wheel's time reaches a wide
 * slot, the entries of that slot are placed again, on lower levels. An entry moves at most ten times.
 *
 * Bitmaps tell exactly which slots and levels are occupied, so two bit scans find the next event however far away it
 * is.
 */
#include "common/base/wheel.h"

#include "common/base/mem.h"
#include "common/base/must.h"

#define WHEEL_DIGIT_BITS 6
#define WHEEL_SLOTS 64u
#define WHEEL_LEVELS 11u /* ceil(64 / WHEEL_DIGIT_BITS) */

struct wheel {
	uint64_t now;	 /* everything due until then has fired */
	uint64_t target; /* the `now` of the running wheel_run() */
	uint64_t occupied[WHEEL_LEVELS];
	uint32_t levels; /* bit L: occupied[L] is not 0 */
	bool running;
	struct list past; /* entries that were due when they were armed */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

struct wheel *
wheel_new(uint64_t now)
{
	struct wheel *wheel = mem_zalloc(sizeof *wheel);

	wheel->now = now;
	list_init(&wheel->past);
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	return wheel;
}

/* Removes all entries from a list whose head is about to be freed. */
static void
wheel_forget_list(struct list *head)
{
	struct list *it, *next;

	list_each(it, next, head) list_remove(it);
}

void
wheel_free(struct wheel *wheel)
{
	if (!wheel)
		return;
	must(!wheel->running);
	wheel_forget_list(&wheel->past);
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			wheel_forget_list(&wheel->slots[level][slot]);
	mem_free(wheel);
}

void
wheel_entry_init(struct wheel_entry *entry, void (*fire)(struct wheel_entry *entry))
{
	list_init(&entry->link);
	entry->due = 0;
	entry->fire = fire;
}

static void
wheel_vacate(struct wheel *wheel, unsigned level, unsigned slot)
{
	wheel->occupied[level] &= ~(UINT64_C(1) << slot);
	if (wheel->occupied[level] == 0)
		wheel->levels &= ~(UINT32_C(1) << level);
}

/* Places an entry that is due now or later in its slot. */
static void
wheel_place(struct wheel *wheel, struct wheel_entry *entry)
{
	uint64_t differs = entry->due ^ wheel->now;
	unsigned level = differs == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differs)) / WHEEL_DIGIT_BITS;
	unsigned slot = (unsigned)(entry->due >> (level * WHEEL_DIGIT_BITS)) % WHEEL_SLOTS;

	list_add_tail(&wheel->slots[level][slot], &entry->link);
	wheel->occupied[level] |= UINT64_C(1) << slot;
	wheel->levels |= UINT32_C(1) << level;
}

void
wheel_arm(struct wheel *wheel, struct wheel_entry *entry, uint64_t due)
{
	wheel_cancel(wheel, entry);
	entry->due = due;
	if (due <= (wheel->running ? wheel->target : wheel->now))
		list_add_tail(&wheel->past, &entry->link);
	else
		wheel_place(wheel, entry);
}

void
wheel_cancel(struct wheel *wheel, struct wheel_entry *entry)
{
	struct list *head = entry->link.next;
	bool last = head == entry->link.prev;
	struct list *first = &wheel->slots[0][0];

	if (list_empty(&entry->link))
		return;
	list_remove(&entry->link);
	/*
	 * If the entry was alone in its list, both neighbours are the list's head. If the head is a slot, the slot is
	 * now empty.
	 */
	if (last && (uintptr_t)head >= (uintptr_t)first &&
		(uintptr_t)head < (uintptr_t)(first + WHEEL_LEVELS * WHEEL_SLOTS)) {
		unsigned index = (unsigned)(((uintptr_t)head - (uintptr_t)first) / sizeof *head);

		wheel_vacate(wheel, index / WHEEL_SLOTS, index % WHEEL_SLOTS);
	}
}

/* Finds the next occupied slot and the time at which it begins. Returns false if all slots are empty. */
static bool
wheel_next(const struct wheel *wheel, unsigned *level, unsigned *slot, uint64_t *begins)
{
	unsigned shift;
	uint64_t above;

	if (wheel->levels == 0)
		return false;
	*level = (unsigned)__builtin_ctz(wheel->levels);
	*slot = (unsigned)__builtin_ctzll(wheel->occupied[*level]);
	shift = *level * WHEEL_DIGIT_BITS;
	above = *level + 1 < WHEEL_LEVELS ? wheel->now >> (shift + WHEEL_DIGIT_BITS) << (shift + WHEEL_DIGIT_BITS)
					  : 0;
	*begins = above | (uint64_t)*slot << shift;
	return true;
}

static unsigned
wheel_fire(struct wheel *wheel, struct list *entries)
{
	unsigned fired = 0;

	while (!list_empty(entries)) {
		struct wheel_entry *entry = list_entry(entries->next, struct wheel_entry, link);

		must(entry->due <= wheel->target);
		list_remove(&entry->link);
		fired++;
		entry->fire(entry);
	}
	return fired;
}

unsigned
wheel_run(struct wheel *wheel, uint64_t now)
{
	struct list taken;
	unsigned level, slot, fired;
	uint64_t begins;

	must(!wheel->running);
	if (now < wheel->now)
		return 0;
	wheel->running = true;
	wheel->target = now;
	list_init(&taken);
	list_move_all(&taken, &wheel->past);
	fired = wheel_fire(wheel, &taken);
	while (wheel_next(wheel, &level, &slot, &begins) && begins <= now) {
		wheel->now = begins;
		list_move_all(&taken, &wheel->slots[level][slot]);
		wheel_vacate(wheel, level, slot);
		if (level == 0) {
			fired += wheel_fire(wheel, &taken);
			continue;
		}
		while (!list_empty(&taken)) {
			struct wheel_entry *entry = list_entry(taken.next, struct wheel_entry, link);

			list_remove(&entry->link);
			wheel_place(wheel, entry);
		}
	}
	wheel->now = now;
	wheel->running = false;
	return fired;
}

int64_t
wheel_wait(const struct wheel *wheel, uint64_t now)
{
	unsigned level, slot;
	uint64_t begins, wait;

	if (!list_empty(&wheel->past))
		begins = wheel->now;
	else if (!wheel_next(wheel, &level, &slot, &begins))
		return -1;
	wait = begins > now ? begins - now : 0;
	return wait > INT64_MAX ? INT64_MAX : (int64_t)wait;
}
