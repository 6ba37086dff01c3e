/*
 * Eleven levels of 64 slots; a slot of level L is 64^L ms wide, and the levels
 * together span all of uint64_t, so that no due time lies beyond the last.
 *
 * An entry stands at the level of the highest 6-bit digit in which its due
 * time differs from the wheel's time, in the slot of its own digit there:
 * slots are always ahead of the wheel's own digit, and all of a lower level is due before
 * anything on a higher one. As the wheel's time reaches a wide slot, that slot's
 * entries are placed anew, on lower levels. An entry moves ten times at most.
 *
 * Bitmaps tell which slots and levels hold something, exactly: the next
 * event is found by two bit scans however far it lies.
 */
#include "common/base/wheel.h"

#include "common/base/mem.h"
#include "common/base/must.h"

#define DIGIT 6
#define SLOTS 64u
#define LEVELS 11u /* ceil(64 / DIGIT) */

struct wheel {
	uint64_t now;	 /* all that was due until then has fired */
	uint64_t target; /* the running wheel_run()'s now */
	uint64_t occupied[LEVELS];
	uint32_t levels; /* which of occupied[] are not 0 */
	bool running;
	struct list past; /* armed when due already */
	struct list slots[LEVELS][SLOTS];
};

struct wheel *
wheel_new(uint64_t now)
{
	struct wheel *w = mem_zalloc(sizeof *w);

	w->now = now;
	list_init(&w->past);
	for (unsigned level = 0; level < LEVELS; level++)
		for (unsigned slot = 0; slot < SLOTS; slot++)
			list_init(&w->slots[level][slot]);
	return w;
}

/* Takes all entries out of a list whose head goes away. */
static void
forget(struct list *head)
{
	struct list *it, *next;

	list_each(it, next, head) list_remove(it);
}

void
wheel_free(struct wheel *w)
{
	if (!w)
		return;
	must(!w->running);
	forget(&w->past);
	for (unsigned level = 0; level < LEVELS; level++)
		for (unsigned slot = 0; slot < SLOTS; slot++)
			forget(&w->slots[level][slot]);
	mem_free(w);
}

void
wheel_entry_init(struct wheel_entry *e, void (*fire)(struct wheel_entry *entry))
{
	list_init(&e->link);
	e->due = 0;
	e->fire = fire;
}

static void
wheel_vacate(struct wheel *w, unsigned level, unsigned slot)
{
	w->occupied[level] &= ~(UINT64_C(1) << slot);
	if (w->occupied[level] == 0)
		w->levels &= ~(UINT32_C(1) << level);
}

/* Puts an entry, due now or later, where the wheel's time will find it. */
static void
wheel_place(struct wheel *w, struct wheel_entry *e)
{
	uint64_t differs = e->due ^ w->now;
	unsigned level = differs == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differs)) / DIGIT;
	unsigned slot = (unsigned)(e->due >> (level * DIGIT)) % SLOTS;

	list_add_tail(&w->slots[level][slot], &e->link);
	w->occupied[level] |= UINT64_C(1) << slot;
	w->levels |= UINT32_C(1) << level;
}

void
wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t due)
{
	wheel_cancel(w, e);
	e->due = due;
	if (due <= (w->running ? w->target : w->now))
		list_add_tail(&w->past, &e->link);
	else
		wheel_place(w, e);
}

void
wheel_cancel(struct wheel *w, struct wheel_entry *e)
{
	struct list *head = e->link.next;
	bool last = head == e->link.prev;
	struct list *first = &w->slots[0][0];

	if (list_empty(&e->link))
		return;
	list_remove(&e->link);
	/* Alone in its list, an entry has the head for a neighbour; if that is a slot, the slot is empty now. */
	if (last && (uintptr_t)head >= (uintptr_t)first && (uintptr_t)head < (uintptr_t)(first + LEVELS * SLOTS)) {
		unsigned index = (unsigned)(((uintptr_t)head - (uintptr_t)first) / sizeof *head);

		wheel_vacate(w, index / SLOTS, index % SLOTS);
	}
}

/* The next slot in time and when it begins; false when all are empty. */
static bool
wheel_next(const struct wheel *w, unsigned *level, unsigned *slot, uint64_t *begins)
{
	unsigned shift;
	uint64_t above;

	if (w->levels == 0)
		return false;
	*level = (unsigned)__builtin_ctz(w->levels);
	*slot = (unsigned)__builtin_ctzll(w->occupied[*level]);
	shift = *level * DIGIT;
	above = *level + 1 < LEVELS ? w->now >> (shift + DIGIT) << (shift + DIGIT) : 0;
	*begins = above | (uint64_t)*slot << shift;
	return true;
}

static unsigned
wheel_fire(struct wheel *w, struct list *entries)
{
	unsigned fired = 0;

	while (!list_empty(entries)) {
		struct wheel_entry *e = list_entry(entries->next, struct wheel_entry, link);

		must(e->due <= w->target);
		list_remove(&e->link);
		fired++;
		e->fire(e);
	}
	return fired;
}

unsigned
wheel_run(struct wheel *w, uint64_t now)
{
	struct list taken;
	unsigned level, slot, fired;
	uint64_t begins;

	must(!w->running);
	if (now < w->now)
		return 0;
	w->running = true;
	w->target = now;
	list_init(&taken);
	list_move_all(&taken, &w->past);
	fired = wheel_fire(w, &taken);
	while (wheel_next(w, &level, &slot, &begins) && begins <= now) {
		w->now = begins;
		list_move_all(&taken, &w->slots[level][slot]);
		wheel_vacate(w, level, slot);
		if (level == 0) {
			fired += wheel_fire(w, &taken);
			continue;
		}
		while (!list_empty(&taken)) {
			struct wheel_entry *e = list_entry(taken.next, struct wheel_entry, link);

			list_remove(&e->link);
			wheel_place(w, e);
		}
	}
	w->now = now;
	w->running = false;
	return fired;
}

int64_t
wheel_wait(const struct wheel *w, uint64_t now)
{
	unsigned level, slot;
	uint64_t begins, wait;

	if (!list_empty(&w->past))
		begins = w->now;
	else if (!wheel_next(w, &level, &slot, &begins))
		return -1;
	wait = begins > now ? begins - now : 0;
	return wait > INT64_MAX ? INT64_MAX : (int64_t)wait;
}
