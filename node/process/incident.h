/*
 * What happened to a process, as it could say in its last moments or while it hangs: which of the application's
 * functions ran and where it stood. It lies in memory that the process may share with its master, who logs it in its
 * own line; a process without a master logs it itself.
 */
#ifndef NODE_PROCESS_INCIDENT_H
#define NODE_PROCESS_INCIDENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/io/log.h"
#include "node/process/backtrace.h"
#include "node/socketio/sio_underway.h"

#define INCIDENT_NAME_MAX 128  /* bytes of a namespace or an event, with a NUL; longer names are cut */
#define INCIDENT_ERROR_MAX 256 /* of a broken invariant */

struct incident {
	_Atomic bool whole;					 /* set last */
	char nsp[INCIDENT_NAME_MAX], handler[INCIDENT_NAME_MAX]; /* "": none */
	char error[INCIDENT_ERROR_MAX];
	char backtrace[BACKTRACE_TEXT_MAX];
};

/* Inside a signal handler with that context. `underway` may be NULL. */
void incident_write(struct incident *to, const struct sio_underway *underway, const char *error, void *context);

/*
 * The parts of it that are known, as pairs for log_event(): keys from `key[0]` on, then NULLs. None while it is not
 * whole. `value` borrows from it.
 */
#define INCIDENT_PAIRS 4
void incident_pairs(const struct incident *incident, const char *key[INCIDENT_PAIRS + 1],
	struct log_value value[INCIDENT_PAIRS + 1]);
/* The end of log_event()'s arguments. */
#define INCIDENT_ARGS(key, value)                                                                                    \
	key[0], &value[0], key[1], &value[1], key[2], &value[2], key[3], &value[3], key[4], &value[4], NULL

#endif
