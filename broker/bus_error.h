/*
 * Formats an error of a Redis server for a log line: the server's text and advice on how to fix it. Some servers
 * repeat the refused command in their error; passwords are kept out of the line.
 */
#ifndef BROKER_BUS_ERROR_H
#define BROKER_BUS_ERROR_H

#include "common/base/text.h"

#define BUS_WHY_MAX 512 /* size of such a line, including its NUL */

/* Writes "<what>: <error>; <advice>". `password` may be NULL. */
void bus_error_write(char out[BUS_WHY_MAX], const char *what, struct text error, const char *password);

#endif
