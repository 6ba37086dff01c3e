/*
 * The Lua scripts by which a node uses the log in Redis (bus_log.h). A script runs as one step: no other client's
 * command comes between its commands.
 *
 *   publish   appends messages to the stream and publishes them with their stamps
 *   check     publishes a check message that carries the newest position
 *   read      returns a part of the stream, with the messages as they were published
 *
 * The stream's entries have the fields c (channel), m (message) and s (stamp without position), each in this order.
 */
#ifndef BROKER_BUS_LOG_SCRIPTS_H
#define BROKER_BUS_LOG_SCRIPTS_H

#include "common/base/text.h"

enum bus_log_script { LOG_SCRIPT_PUBLISH, LOG_SCRIPT_CHECK, LOG_SCRIPT_READ, LOG_SCRIPT_COUNT };

#define LOG_SCRIPT_SHA_LENGTH 40

/*
 * Returns the script's text, which the caller frees, and writes the name under which Redis keeps it: its SHA-1 in
 * hexadecimal digits, without a NUL. Each variant is a script of its own. After a SCRIPT FLUSH, a sender must be the
 * only one to bring its script back: otherwise the server would execute later messages after it has refused earlier
 * ones. There are 4096 variants, because Redis forgets none.
 */
char *bus_log_script_new(enum bus_log_script script, const char variant[2], char sha[LOG_SCRIPT_SHA_LENGTH]);

#endif
