/*
 * What the public functions make of what they are given.
 *
 * In every build: a handle that is NULL is an error where an int is returned, nothing or a neutral result elsewhere;
 * a call that fails is told by one sampled warning.
 *
 * In a build with SIO_CHECKED (make DEBUG=1) every handle is registered as long as it is good. A function that gets
 * another one, NULL among them, names itself and the mistake in an error line and aborts. sio_value.c and this file
 * go in a circle: owners of values are registered here like handles, and a value is checked by its owner.
 */
#ifndef NODE_SOCKETIO_SIO_CHECK_H
#define NODE_SOCKETIO_SIO_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "node/sockeye.h"

struct sio_payload;

enum sio_kind {
	SIO_A_SERVER,
	SIO_A_NSP,
	SIO_A_SOCKET,
	SIO_AN_EVENT,
	SIO_A_STEP,
	SIO_AN_ANSWER,
	SIO_A_REQUEST,
	SIO_AN_OWNER,	/* of values */
	SIO_A_FUNCTION, /* this and what follows is no handle: only NULL is a mistake */
	SIO_A_CURSOR,
	SIO_A_RESULT, /* where to write it */
};

/* False for NULL, and for a number that was given where a pointer is wanted: nothing lies in the first page. */
static inline bool
sio_is_pointer(const void *p)
{
	return (uintptr_t)p >= 4096;
}

/* A name of an event, room or namespace that the application gives: a pointer to UTF-8. */
bool sio_is_name(const char *name);

/*
 * Warns that `function` fails with `error`: one line with the event's name and the format (either may be NULL), and
 * from `payload` (may be NULL) the place in the format and the reason. Sampled. Returns `error`. Nothing is written
 * for 0 and for SIO_ERR_STATE, which is the normal end of a race.
 */
__attribute__((cold)) int sio_misused(
	const char *function, const char *name, const char *format, const struct sio_payload *payload, int error);

#ifdef SIO_CHECKED

void sio_born(enum sio_kind kind, const void *handle);
void sio_died(const void *handle);
void sio_check(const char *function, enum sio_kind kind, const void *handle);
_Noreturn void sio_check_failed(const char *function, enum sio_kind kind);
void sio_check_value(const char *function, sio_value value);

/* mem_free() some thousand calls later: until then no new handle can have the address of this one. */
void sio_retire(void *handle);

/* The handle must be good. What follows is what the function returns otherwise in a build without checks. */
#define SIO_NEEDS(kind, handle, ...) sio_check(__func__, kind, (const void *)(uintptr_t)(handle))
#define SIO_NEEDS_VALUE(value) sio_check_value(__func__, value)
/* The same for what is not good any more, though its handle is. */
#define SIO_NEEDS_GOOD(kind, good, ...) ((good) ? (void)0 : sio_check_failed(__func__, kind))

#else

static inline void
sio_retire(void *handle)
{
	mem_free(handle);
}

static inline void
sio_born(enum sio_kind kind, const void *handle)
{
	(void)kind;
	(void)handle;
}

static inline void
sio_died(const void *handle)
{
	(void)handle;
}

#define SIO_NEEDS(kind, handle, ...)                                                                                 \
	do {                                                                                                         \
		if (__builtin_expect((handle) == NULL, 0))                                                           \
			return __VA_ARGS__;                                                                          \
	} while (0)
#define SIO_NEEDS_VALUE(value) ((void)(value))
#define SIO_NEEDS_GOOD(kind, good, ...)                                                                              \
	do {                                                                                                         \
		if (__builtin_expect(!(good), 0))                                                                    \
			return __VA_ARGS__;                                                                          \
	} while (0)

#endif

#endif
