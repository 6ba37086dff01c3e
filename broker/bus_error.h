/*
 * Errors of a Redis server as words for a log line: what it says, and what to do about it. Some servers repeat the
 * command that they refuse; no password gets into the line.
 */
#ifndef BROKER_BUS_ERROR_H
#define BROKER_BUS_ERROR_H

#include "common/base/text.h"

#define BUS_WHY_MAX 512 /* room for such a line, with its NUL */

/* "<what>: <error>; <advice>". `password`: NULL where there is none. */
void bus_error_write(char out[BUS_WHY_MAX], const char *what, struct text error, const char *password);

#endif
