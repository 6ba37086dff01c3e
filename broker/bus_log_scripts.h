/*
 * The Lua scripts by which a node uses the log in Redis (bus_log.h). A script runs as one step: no other client's
 * command comes between its commands.
 *
 *   check     publishes a check message that carries the newest position
 *   read      returns a part of the stream
 *
 * Messages are recorded without a script (bus_log.h).
 */
#ifndef BROKER_BUS_LOG_SCRIPTS_H
#define BROKER_BUS_LOG_SCRIPTS_H

#include "common/base/text.h"

enum bus_log_script { LOG_SCRIPT_CHECK, LOG_SCRIPT_READ, LOG_SCRIPT_COUNT };

#define LOG_SCRIPT_SHA_LENGTH 40

/*
 * Returns the script's text, and writes the name under which Redis keeps it: its SHA-1 in hexadecimal digits, without
 * a NUL.
 */
struct text bus_log_script(enum bus_log_script script, char sha[LOG_SCRIPT_SHA_LENGTH]);

#endif
