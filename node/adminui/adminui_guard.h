/*
 * Limits attempts to log in by address: ADMINUI_ATTEMPTS in ADMINUI_ATTEMPTS_MS. An IPv6 client may have a whole /64,
 * which therefore counts as one address. A successful log-in clears its address. The guard remembers
 * ADMINUI_GUARD_ADDRESSES addresses; beyond them it forgets the address whose first attempt is oldest. Pure: the
 * caller supplies the time.
 */
#ifndef NODE_ADMINUI_ADMINUI_GUARD_H
#define NODE_ADMINUI_ADMINUI_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/address.h"

#define ADMINUI_ATTEMPTS 5
#define ADMINUI_ATTEMPTS_MS 60000
#define ADMINUI_GUARD_ADDRESSES 256

struct adminui_attempts {
	struct address address;
	uint64_t since; /* ms; of the first attempt */
	unsigned count; /* 0: the entry is unused */
};

/* Zeroed: no attempt has been made. */
struct adminui_guard {
	struct adminui_attempts at[ADMINUI_GUARD_ADDRESSES];
};

/*
 * Counts an attempt at the time `now`, in ms. Returns false if the address has used up its attempts; the caller then
 * refuses the attempt without checking the password.
 */
bool adminui_guard_admits(struct adminui_guard *guard, const struct address *address, uint64_t now);
/* Forgets the attempts of an address that has logged in. */
void adminui_guard_clear(struct adminui_guard *guard, const struct address *address);

#endif
