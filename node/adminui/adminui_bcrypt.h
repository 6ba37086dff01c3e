/*
 * Compares passwords with bcrypt hashes in a thread of its own, because one comparison takes 50 ms and more. The
 * thread starts with the first comparison and runs until adminui_bcrypt_free(). The other functions belong to the
 * loop's thread. Calls go down; `done` is called from the loop.
 */
#ifndef NODE_ADMINUI_ADMINUI_BCRYPT_H
#define NODE_ADMINUI_ADMINUI_BCRYPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define ADMINUI_PASSWORD_MAX 256 /* bytes; bcrypt itself reads 72 */
#define ADMINUI_BCRYPT_QUEUE 8	 /* comparisons that wait or run */

struct ev_loop;
struct adminui_bcrypt;

/*
 * `done` is called from the loop once for each comparison. `ticket` is the number that the caller of
 * adminui_bcrypt_compare() chose, and `same` is true if the password matches the hash.
 */
struct adminui_bcrypt *adminui_bcrypt_new(
	struct ev_loop *ev, void (*done)(void *arg, uint64_t ticket, bool same), void *arg);
/* Waits for the comparison that runs, and forgets the others without calling `done`. Accepts NULL. */
void adminui_bcrypt_free(struct adminui_bcrypt *bcrypt);

/*
 * Queues a comparison. Password and hash are copied. done(arg, ticket, ...) follows, never from within this call.
 * Returns false if the queue is full, the password is longer than ADMINUI_PASSWORD_MAX or contains a NUL, or no
 * thread can be started.
 */
bool adminui_bcrypt_compare(struct adminui_bcrypt *bcrypt, uint64_t ticket, struct text password, const char *hash);

#endif
