/*
 * The Lua scripts with which a worker uses the sessions and the log in Redis (sio_vault.h). Redis runs a script in
 * one step. All keys of a script are in one hash slot. A session is a hash:
 *
 *   field   value
 *   w       the channel (BUS_KEEP_ID) of the worker that has the session, or had it last
 *   n       namespace
 *   s       what the message CLAIMED (sio_keep_wire.h) contains from "own" on; absent: Redis has refused a newer one
 *   c, q    marks (sio_vault_place.h): when the rooms last changed, and a later one
 *   m       Redis's time of the last mark, in ms
 *   l       present while its socket is connected
 *   e       made anew at each loss: names it for VAULT_EXPIRE; empty: nobody waits for the end of the session
 *   v, t    the claim, which begins with the claiming worker's channel, and the time in ms at which it expires
 *   i       number of the last claim that came; absent: 0
 *   k       number of the last claim that got the session; absent: 0
 *   a       claims, each with its number: those that waited, and those that had the session and were replaced; the
 *           newest 32
 *   o       as w, the worker whose events the client received last; absent: w
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_SCRIPTS_H
#define NODE_SOCKETIO_SIO_VAULT_SCRIPTS_H

#include "common/base/text.h"

enum sio_vault_script {
	/*
	 * KEYS: session. ARGV: worker, ms to live, namespace, s, mark (empty: the newest stored mark), 1 if the
	 * rooms have changed. Returns 1, or X if another worker has or claims the session.
	 */
	VAULT_SAVE,
	/*
	 * KEYS: session. ARGV: worker. Redis has refused a newer s, so removes the older one. The worker can still be
	 * asked for the session. Returns 1; 0 if another worker has or claims the session.
	 */
	VAULT_WITHDRAW,
	/* KEYS: session. ARGV: worker, ms to live, mark. Returns 1; X as above; 0 if the session is missing. */
	VAULT_QUIET,
	/*
	 * KEYS: session. ARGV: worker, ms to live, namespace, s, mark, age of the mark in ms. As SAVE and STORE in
	 * one, for a socket that left while Redis was away. Returns 1, or X as
	 * above. The end of such a session is not reported.
	 */
	VAULT_LATE,
	/* KEYS: session. ARGV: worker, ms to live, e. The socket has left. Returns 1 or 0. */
	VAULT_STORE,
	/*
	 * KEYS: session. ARGV: worker, e, 1 to end it even if the worker has claimed it. Ends the session that the
	 * worker has stored. Returns E and s; V: it is claimed; 0: it is gone, or has been stored or continued since,
	 * or the worker's claim has ended with it (the client's replay fails, which is reported).
	 */
	VAULT_EXPIRE,
	VAULT_END, /* KEYS: session. ARGV: worker. Ends a session that the worker has or has claimed, or that is
		      stored. */
	/*
	 * KEYS: session. ARGV: claim, or what it begins with. Gives a claimed session back. After a VAULT_READ that
	 * may have given the session to the worker: claim, its number, worker, ms to live, e; the worker stores the
	 * session as with VAULT_STORE. Returns 1.
	 */
	VAULT_RELEASE,
	/*
	 * KEYS: session, times of strangers in the namespace and anywhere. ARGV: worker, claim, namespace, ms of the
	 * claim, prefix of the workers' channels, what names the session in a message to them, channel whose
	 * subscribers are the servers, 1 if a worker without a subscription counts as dead, the claim's number (0: it
	 * has none yet), how many claims may follow. The same claim may be repeated. Returns N: the session is
	 * missing, or too many claims have followed the one that got it; F: it belongs to another namespace; P: a
	 * later claim has got it; L and the claim's number: the worker that has or claims the session was asked to
	 * give it up; W and the number: that worker may come back; or a line of C, the lengths of s, c and q, m, the
	 * two times, the claim's number and the number of servers, followed by s, c and q.
	 */
	VAULT_CLAIM,
	/*
	 * KEYS: session, stream. ARGV: claim; floor, entry, sender and number of the place; the origin of the
	 * client's former worker, its newest and its open events, local; maximum bytes, prefix of the namespace's
	 * channels, channel (empty: only a check), head of the message, worker, rooms. Publishes the head, the id of
	 * the last entry, LF and the records after the place, and gives the session to the worker. Returns R; N: the
	 * claim has ended; G: events are missing from the log; S: an event to the rooms has no number; T: too many
	 * bytes.
	 */
	VAULT_READ,
	/*
	 * KEYS: time of strangers. ARGV: ms to live, ms ahead. Notes a stranger that counts until `ahead` ms from
	 * now. Returns 1.
	 */
	VAULT_STRANGER,
	VAULT_SCRIPTS
};

struct text sio_vault_script(enum sio_vault_script script);

#endif
