/*
 * The Lua scripts by which a worker uses the sessions and the log in Redis (sio_vault.h). A script runs as one step.
 * All keys of a script are in one slot of a cluster. A session is a hash:
 *
 *   field   value
 *   w       the channel (BUS_KEEP_ID) of the worker that has it, or had it last
 *   n       namespace
 *   s       what CLAIMED of sio_keep_wire.h has from "own" on
 *   c, q    marks (sio_vault_place.h): when its rooms changed, and later
 *   m       Redis's time of the last mark, in ms
 *   l       present while its socket is connected
 *   v, t    the claim, which begins with the channel of the claiming worker, and until when nobody else may claim it
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_SCRIPTS_H
#define NODE_SOCKETIO_SIO_VAULT_SCRIPTS_H

#include "common/base/text.h"

enum sio_vault_script {
	/*
	 * KEYS: session. ARGV: worker, ms to live, namespace, s, mark (empty: the newest one that there is), 1 if the
	 * rooms have changed. Returns 1, or X if another worker has the session.
	 */
	VAULT_SAVE,
	/* KEYS: session. ARGV: worker, ms to live, mark. Returns 1; X as above; 0: there is no session. */
	VAULT_QUIET,
	VAULT_STORE,   /* KEYS: session. ARGV: worker, ms to live. The socket has left. Returns 1 or 0. */
	VAULT_END,     /* KEYS: session. ARGV: worker. Ends a session that the worker has or has claimed, or that is
			  stored. */
	VAULT_RELEASE, /* KEYS: session. ARGV: worker, or one claim. Gives a claimed session back. */
	/*
	 * KEYS: session, times of strangers in the namespace and anywhere. ARGV: worker, claim, namespace, ms of the
	 * claim, prefix of the workers' channels, message that asks the worker to give the session up, channel by
	 * which servers are counted. The same claim may be made again. Returns N: no session, or another claim has
	 * it; F: another namespace; L: its worker was asked; or C, the lengths of s, c and q, m, the two times and
	 * the number of servers, in one line, and then s, c and q.
	 */
	VAULT_CLAIM,
	/*
	 * KEYS: session, stream. ARGV: claim, floor, entry, sender and number of the place, worker's sender, its
	 * newest and its open events, local, maximum bytes, prefix of the namespace's channels, channel (empty: only
	 * a check), head of the message, worker, rooms. Publishes the head, the id of the last entry, LF and the
	 * records behind the place, and gives the session to the worker. Returns R, or why not: N as above, G: events
	 * are missing in the log, S: a stranger has written to it, T: too many bytes.
	 */
	VAULT_READ,
	/* KEYS: time of strangers. ARGV: ms to live, ms ahead. Notes that one was there until then. Returns 1. */
	VAULT_STRANGER,
	VAULT_SCRIPTS
};

struct text sio_vault_script(enum sio_vault_script script);

#endif
