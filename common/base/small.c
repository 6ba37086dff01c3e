#include "common/base/small.h"

#include <malloc.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

/*
 * The size of class n is n * UNIT + 8 bytes. malloc() puts a header of 8 bytes in front of each object and rounds up
 * to multiples of 16, so such a size wastes nothing.
 */
#define UNIT 16
#define CLASSES (SMALL_MAX / UNIT + 1)

/* A freed object, in the list of its class. */
struct unused {
	struct unused *next;
};

static _Thread_local struct {
	struct unused *lists[CLASSES]; /* by class */
	size_t kept;		       /* bytes in all lists */
} small;

/* Returns the smallest class whose objects have at least `n` bytes. */
static size_t
small_class(size_t n)
{
	return n > UNIT ? (n + UNIT / 2 - 1) / UNIT : 1;
}

static size_t
small_size(size_t class)
{
	return class * UNIT + UNIT / 2;
}

/* Returns an unused object of a class, or NULL. */
static void *
small_reuse(size_t class)
{
	struct unused *at;

	if (class >= CLASSES || (at = small.lists[class]) == NULL)
		return NULL;
	small.lists[class] = at->next;
	small.kept -= small_size(class);
	return at;
}

void *
small_try_alloc(size_t n)
{
	size_t class = small_class(n);
	void *at = small_reuse(class);

	return at != NULL ? at : mem_try_alloc(small_size(class));
}

void *
small_alloc(size_t n)
{
	size_t class = small_class(n);
	void *at = small_reuse(class);

	return at != NULL ? at : mem_alloc(small_size(class));
}

void *
small_zalloc(size_t n)
{
	return memset(small_alloc(n), 0, n);
}

/* Puts a freed object into the list of its class, or frees it if it is too large or the lists are full. */
static void
small_keep(void *at, size_t class)
{
	struct unused *unused = at;

	if (class >= CLASSES || small.kept + small_size(class) > SMALL_KEPT_MAX) {
		mem_free(at);
		return;
	}
	unused->next = small.lists[class];
	small.lists[class] = unused;
	small.kept += small_size(class);
}

void
small_free(void *at, size_t n)
{
	if (at == NULL)
		return;
	/* memory kept under too large a size would be overrun by its next owner; AddressSanitizer knows the size */
	must(SMALL_KEPT_MAX > 0 || malloc_usable_size(at) >= small_size(small_class(n)));
	small_keep(at, small_class(n));
}

void
small_free_any(void *at)
{
	if (at != NULL) /* the largest class that fits into the object */
		small_keep(at, (malloc_usable_size(at) - UNIT / 2) / UNIT);
}

void
small_give_back(void)
{
	for (size_t class = 0; class < CLASSES; class ++)
		for (void *at; (at = small_reuse(class)) != NULL;)
			mem_free(at);
}

size_t
small_kept(void)
{
	return small.kept;
}
