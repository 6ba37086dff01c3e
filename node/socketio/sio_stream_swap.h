/*
 * A command for Redis that changes a stored session only if it is still the one that has been read. It runs as a
 * script, so that no other server can come between the comparison and the change.
 *
 * The functions are pure. What they return is sent by broker_stream_ask().
 */
#ifndef NODE_SOCKETIO_SIO_STREAM_SWAP_H
#define NODE_SOCKETIO_SIO_STREAM_SWAP_H

#include "broker/resp_tree.h"
#include "common/base/text.h"

#define SIO_STREAM_SWAP_ARGS 7
#define SIO_STREAM_SWAP_MS 24 /* bytes of the number in text */

enum sio_stream_swapped {
	SIO_STREAM_REPLACED,
	SIO_STREAM_REMOVED, /* as wanted, or because Redis refuses the new session, for want of memory */
	SIO_STREAM_CHANGED, /* Redis has another session under this key, which stays */
	SIO_STREAM_GONE	    /* Redis has no session under this key */
};

/*
 * Fills in the command that replaces the session `old` under `key` by `new` for `ms` milliseconds, or removes it if
 * `new` is empty. The arguments point to the texts and into `digits`.
 */
void sio_stream_swap_write(struct text args[SIO_STREAM_SWAP_ARGS], char digits[SIO_STREAM_SWAP_MS], struct text key,
	struct text old, struct text new, uint64_t ms);

/* Reads the answer of Redis. An answer that the script cannot give counts as SIO_STREAM_GONE. */
enum sio_stream_swapped sio_stream_swap_read(const struct resp_item *answer);

#endif
