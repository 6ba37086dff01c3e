/*
 * Formats an error of a Redis server for a log line: the server's text and advice on how to fix it. Some servers
 * repeat the refused command in their error; passwords are kept out of the line.
 */
#ifndef BROKER_BUS_ERROR_H
#define BROKER_BUS_ERROR_H

#include <stdbool.h>

#include "common/base/text.h"

#define BUS_WHY_MAX 512 /* size of such a line, including its NUL */

/* Writes "<what>: <error>; <advice>". `password` may be NULL. */
void bus_error_write(char out[BUS_WHY_MAX], const char *what, struct text error, const char *password);

/* Returns true if the server lacks the command or does not allow it, so that asking again is useless. */
bool bus_error_is_refusal(struct text error);

/*
 * Returns true if a member of a Redis Cluster has not executed a command because the slot of its keys is moving to
 * another member (ASK, TRYAGAIN). The same command succeeds when the slot has moved. Following ASK would execute the
 * command at the other member while this one may still have the key.
 */
bool bus_error_is_moving(struct text error);

/*
 * Returns true if the server has not executed a command because it cannot be used now: it loads its data, is a
 * replica, belongs to a Redis Cluster without all of its slots, or the slot is moving. Later, here or at another
 * server, the same command succeeds.
 */
bool bus_error_is_passing(struct text error);

#endif
