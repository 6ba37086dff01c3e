/*
 * The master's watch over the hub. While the event loop of the hub stands still, no worker of the machine hears other
 * workers or nodes. So the hub has shorter limits than a worker, and it is restarted even if a signal has stopped it.
 *
 *   hub                              master
 *   does not turn for hangWarning    asks the hub where it is, and logs the answer: hub_hangs
 *   ... for hangTimeout, at most     aborts the hub, so that it leaves a core dump if configured: hub_killed;
 *   HUB_WATCH_MOST_MS                kills it if that fails
 *   turns again                      logs hub_goes_on
 *   is held by a debugger            logs hub_hangs once, and leaves the hub to the debugger
 *
 * With a limit of 0 the master does not take that step. Other limits are raised to HUB_WATCH_LEAST_MS, so that a
 * short limit for handlers does not wake an idle hub all the time.
 */
#ifndef NODE_PROCESS_HUB_WATCH_H
#define NODE_PROCESS_HUB_WATCH_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/process/vitals.h"

#define HUB_WATCH_LEAST_MS 1000
#define HUB_WATCH_MOST_MS 10000

/* The duties that the other program of an upgrade has taken over from the hub. */
enum hub_loss { HUB_LOST_NOTHING, HUB_LOST_ADMIN_PORT, HUB_LOST_WORKERS_TOO };

/*
 * The memory that master and hub share. The counters outlive the hub; the master writes them, and the hub serves
 * them.
 */
struct hub_life {
	struct vitals vitals;	   /* the hub writes `turn` and `hang` */
	_Atomic uint64_t restarts; /* starts after an unexpected end */
	_Atomic uint64_t kills;	   /* times that the master ended a hub that did not turn */
	_Atomic int loss;	   /* enum hub_loss; the master writes it, then sends HUB_LOSS_SIGNAL */
	uint64_t beat_ms;	   /* the hub's loop turns at least this often */
};

struct hub_watch;

/* Takes the limits of the options, in milliseconds. Returns NULL with errno if no memory can be shared. */
struct hub_watch *hub_watch_new(uint64_t warning_ms, uint64_t timeout_ms);
void hub_watch_free(struct hub_watch *watch); /* accepts NULL */

/* Returns the shared memory, which children inherit and which lives as long as the watch. */
struct hub_life *hub_watch_life(const struct hub_watch *watch);

/* In an upgrade, before HUB_LOSS_SIGNAL is sent: sets what the other program takes over. */
void hub_watch_set_loss(struct hub_watch *watch, enum hub_loss loss);

/* Call it when the hub has been forked. */
void hub_watch_started(struct hub_watch *watch, pid_t pid);
/* Call it when the hub has ended. `restart` is true if the hub will be started again. */
void hub_watch_ended(struct hub_watch *watch, bool restart);

/* Looks at the hub. Call it when hub_watch_due() has passed. Times are milliseconds of the monotonic clock. */
void hub_watch_look(struct hub_watch *watch, uint64_t now);
uint64_t hub_watch_due(const struct hub_watch *watch);

#endif
