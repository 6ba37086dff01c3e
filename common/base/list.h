/*
 * An intrusive, doubly linked ring. An entry that is not in a list points to itself, so removing it twice is
 * harmless.
 */
#ifndef COMMON_BASE_LIST_H
#define COMMON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define list_entry(link, type, member) container_of(link, type, member)

/* The body may remove `it`, but not the next entry. */
#define list_each(it, next_it, head)                                                                                 \
	for ((it) = (head)->next; (it) != (head) && ((next_it) = (it)->next, 1); (it) = (next_it))

static inline void
list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool
list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void
list_add_tail(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static inline void
list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* Moves all entries of `from` to the end of `to`. */
static inline void
list_move_all(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#endif
