/*
 * A report of a crash or a hang: which function of the application ran, and the backtrace. The process writes it, in
 * memory that it may share with its master. The master includes it in its own log line; a process without a master
 * logs it itself.
 */
#ifndef NODE_PROCESS_INCIDENT_H
#define NODE_PROCESS_INCIDENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/io/log.h"
#include "node/process/backtrace.h"
#include "node/socketio/sio_underway.h"

#define INCIDENT_NAME_MAX 128  /* bytes of a namespace or an event name, with its NUL; longer names are cut */
#define INCIDENT_ERROR_MAX 256 /* bytes of the text of a broken invariant */

struct incident {
	_Atomic bool whole;					 /* complete; set last */
	char nsp[INCIDENT_NAME_MAX], handler[INCIDENT_NAME_MAX]; /* "": unknown */
	char error[INCIDENT_ERROR_MAX];
	char backtrace[BACKTRACE_TEXT_MAX];
};

/* Call it inside a signal handler; `context` is its third argument. `underway` and `error` may be NULL. */
void incident_write(struct incident *to, const struct sio_underway *underway, const char *error, void *context);

/*
 * Returns the known parts as pairs for log_event(): keys from `key[0]` on, then NULLs. While the incident is
 * incomplete, all keys are NULL. `value` points into the incident.
 */
#define INCIDENT_PAIRS 4
void incident_pairs(const struct incident *incident, const char *key[INCIDENT_PAIRS + 1],
	struct log_value value[INCIDENT_PAIRS + 1]);
/* The last arguments of log_event(). */
#define INCIDENT_ARGS(key, value)                                                                                    \
	key[0], &value[0], key[1], &value[1], key[2], &value[2], key[3], &value[3], key[4], &value[4], NULL

#endif
