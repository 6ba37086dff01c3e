/*
 * Checks of the arguments of public functions.
 *
 * In every build a NULL handle is an error: a function that returns an int returns the error, other functions do
 * nothing or return a neutral result. A call that fails is reported by one sampled warning.
 *
 * In a build with SIO_CHECKED (make DEBUG=1) every handle is registered while it is valid. A function that gets any
 * other handle, or NULL, logs an error line with its own name and the mistake, and aborts.
 *
 * sio_value.c and this file depend on each other: owners of values are registered here like handles, and a value is
 * checked by its owner.
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
	SIO_A_LIST,
	SIO_AN_OWNER,	/* of values */
	SIO_A_FUNCTION, /* this and the following are not handles: only NULL is a mistake */
	SIO_A_CURSOR,
	SIO_A_RESULT, /* address of a result */
};

/* False for NULL and for a small number passed in place of a pointer: the first page is never mapped. */
static inline bool
sio_is_pointer(const void *p)
{
	return (uintptr_t)p >= 4096;
}

/* Returns true if `name` can be the name of an event, room or namespace: a pointer to valid UTF-8. */
bool sio_is_name(const char *name);

/*
 * Logs a sampled warning that `function` fails with `error`, and returns `error`. The line names the event and the
 * format (either may be NULL) and, from `payload` (may be NULL), the place in the format and the reason. Nothing is
 * logged for 0 and for SIO_ERR_STATE, which is the normal end of a race.
 */
__attribute__((cold)) int sio_misused(
	const char *function, const char *name, const char *format, const struct sio_payload *payload, int error);

#ifdef SIO_CHECKED

/* Registers a handle that is valid from now on, and ends its validity. */
void sio_born(enum sio_kind kind, const void *handle);
void sio_died(const void *handle);
/* Aborts unless the handle is valid and of this kind. Call it through SIO_NEEDS(). */
void sio_check(const char *function, enum sio_kind kind, const void *handle);
_Noreturn void sio_check_failed(const char *function, enum sio_kind kind);
void sio_check_value(const char *function, sio_value value);

/* Frees the handle some thousand calls later, so that no new handle reuses its address meanwhile. */
void sio_retire(void *handle);

/* Requires a valid handle. The last argument is what the function returns for NULL in a build without checks. */
#define SIO_NEEDS(kind, handle, ...) sio_check(__func__, kind, (const void *)(uintptr_t)(handle))
#define SIO_NEEDS_VALUE(value) sio_check_value(__func__, value)
/* Requires `good`, for an object that became invalid although its handle is valid. */
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
