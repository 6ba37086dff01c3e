/*
 * What the files of the vault share. sio_vault_call.c makes keys and calls scripts, sio_vault_stranger.c notes
 * strangers, sio_vault_claim.c and sio_vault_replay.c answer questions, sio_vault_count.c counts servers for claims,
 * sio_vault_take.c gives sessions up, and sio_vault.c saves sessions.
 */
#ifndef NODE_SOCKETIO_SIO_VAULT_STATE_H
#define NODE_SOCKETIO_SIO_VAULT_STATE_H

#include "broker/bus_form.h"
#include "broker/bus_store.h"
#include "node/socketio/sio_keep_state.h"
#include "node/socketio/sio_vault_place.h"
#include "node/socketio/sio_vault_scripts.h"

/* Bytes of a claim: the worker's channel, and 12 hexadecimal digits of the question's nonce. */
#define SIO_VAULT_CLAIM (BUS_KEEP_ID + 12)

#define SIO_VAULT_TICK_MS 1000 /* timer interval once the log is known */
#define SIO_VAULT_LATE_MS                                                                                            \
	100 /* interval at which a worker looks if Redis is back while it has something late to say */
#define SIO_VAULT_RENEW_MS 30000 /* interval at which sessions are renewed (sio_keep.c) */

struct sio_vault {
	struct sio_keep *keep;
	struct bus *bus;
	struct text key; /* prefix of the channels, a part of the stream's name */
	struct sio_recovery_placer placer;
	struct bus_script scripts[VAULT_SCRIPTS];
	struct list writes;  /* struct vault_write that wait for an answer */
	struct list refused; /* struct sio_recovery_session by `kept` whose last write Redis refused */
	uint64_t refused_until, refused_pause; /* loop time of the next attempt, and the pause after it in ms */
	uint32_t save_no;		       /* of the last save */
	struct table late;		       /* struct vault_late (sio_vault_late.c) */
	struct list late_due;		       /* those that wait for Redis */
	size_t late_bytes;
	bool was_ready;	   /* the worker's channel has been subscribed to */
	uint64_t back_at;  /* loop time at which it was subscribed to again; 0: never */
	struct list notes; /* struct vault_note that wait for an answer */
	unsigned note_count;
	bool unnoted;		/* Redis may have missed a note of a stranger */
	struct list firsts;	/* struct vault_first of the sessions that began or were continued in this turn */
	struct list asks;	/* struct vault_ask */
	struct list claimed;	/* struct vault_claimed */
	struct bus_count count; /* of the servers, for claims */
	uint64_t counts;	/* that were begun; the last one is under way if `counting` */
	bool counting;
	unsigned given_back; /* asks whose claims are being given back */
	struct wheel_entry timer;
	uint64_t tick_at;		    /* loop time of the next once-a-second work */
	uint64_t gaps;			    /* of the last struct bus_point */
	uint64_t counted_at;		    /* loop time of the newest count of servers */
	uint64_t found_since;		    /* loop time since which every count found strangers */
	uint64_t counted_since;		    /* the same, begun anew as nodes join; 0: the last count found none */
	uint64_t since_count;		    /* strangers of that first count */
	uint64_t since_arrived;		    /* members that had arrived by then (struct members_stats) */
	uint64_t stranger_at;		    /* loop time of the next note of a Node.js server */
	uint64_t stranger_here;		    /* loop time of the last note of a stranger's event */
	const struct sio_nsp *stranger_nsp; /* the namespace of that event, which may be gone */
	struct buffer out;		    /* scratch */
};

/* sio_vault.c */

/* The value of bound_changed in a session whose bound has changed only by a replay. */
#define SIO_VAULT_REPLAYED 2
/* What the client of a continued session has got when its missed events reach it, without later events. */
struct sio_vault_reached {
	uint64_t sum;
	struct sio_vault_from from;
	const struct sio_vault_before *before; /* NULL: it has missed no events */
};
/*
 * The session is continued: notes its mark. Set the bound first. The mark is written with the session, unless the
 * socket's rooms change before that.
 */
void sio_vault_replayed(
	struct sio_vault *vault, struct sio_recovery_session *session, const struct sio_vault_reached *reached);
/* The client has left before the replay reached it: forgets that mark, if it has not been written. */
void sio_vault_not_replayed(struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);

/* sio_vault_call.c */

/* Writes the key of a session in Redis, which a Redis Cluster keeps where it has the log. The key is a hash of the
 * pid, so that it does not reveal the pid. */
#define SIO_VAULT_KEY_MAX 1024
struct text sio_vault_key(const struct sio_vault *vault, struct text pid, char out[SIO_VAULT_KEY_MAX]);
/* Writes the key that holds the time of the last stranger in a namespace, or with TEXT_NONE in any namespace. */
struct text sio_vault_stranger_key(const struct sio_vault *vault, struct text nsp, char out[SIO_VAULT_KEY_MAX]);

/* Runs a script. */
void sio_vault_call(struct sio_vault *vault, enum sio_vault_script script, unsigned keys, const struct text *args,
	unsigned count, struct bus_call *call);
/* Fills in where this worker is in the log. Returns false if the position is unknown. */
bool sio_vault_where(const struct sio_vault *vault, struct sio_vault_place *place, struct bus_point *point);

/* A number as the argument of a script. */
struct vault_number {
	char text[24];
};
struct text sio_vault_number(struct vault_number *room, uint64_t number);

/* Returns the time to live of a connected client's session in Redis, in ms; each renewal begins it anew. */
uint64_t sio_vault_live_ms(const struct sio_vault *vault);

/* sio_vault_record.c */

/*
 * Writes the mark of a client that has received all events so far, or with `reached` (not NULL) of one whose session
 * is being continued. Returns false if the place is unknown.
 */
bool sio_vault_mark(const struct sio_vault *vault, const struct sio_recovery_session *session,
	const struct sio_vault_reached *reached, char out[SIO_MARK_MAX], size_t *n);
/* Packs field s of a session with a socket. `*out` is valid until the next call. Returns false without memory. */
bool sio_vault_record(struct sio_vault *vault, const struct sio_recovery_session *session, struct text *out);

/* What a claim needs of field s. The texts are parts of the field. */
struct sio_vault_fields {
	struct text sid, rooms, given; /* given: see sio_history_given.h; it is checked when the socket gets it */
	uint32_t room_count;
	bool own; /* the socket is in its own room */
};
/* Reads field s, which others may have written. Returns false if it is malformed. */
bool sio_vault_record_read(struct text record, struct sio_vault_fields *out);

/* sio_vault_write.c */

/* Returns the session at this worker, or NULL. */
struct sio_recovery_session *sio_vault_session(const struct sio_vault *vault, const char handle[SIO_PID_HANDLE]);
/* Returns the call of a write. `saves`: of the whole session, which is repeated if Redis does not take it. */
struct bus_call *sio_vault_write_new(struct sio_vault *vault, struct sio_recovery_session *session, bool saves);
/*
 * Sends again what Redis has not taken. The pause doubles while Redis refuses everything, because Redis may be full
 * and many sessions may wait.
 */
void sio_vault_write_again(struct sio_vault *vault);
/* Forgets all writes. */
void sio_vault_write_end(struct sio_vault *vault);

/* sio_vault_late.c */

/* The socket receives no further events: notes its place. sio_vault_late_leave() or sio_vault_late_end() follows. */
void sio_vault_late_deaf(struct sio_vault *vault, const struct sio_recovery_session *session);
/* The socket leaves, is still in its rooms, and its client may return. */
void sio_vault_late_leave(struct sio_vault *vault, const struct sio_recovery_session *session);
/* The session ends. Returns the call for VAULT_END, or NULL. */
struct bus_call *sio_vault_late_end(struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);
/* A save has been answered. Returns true if it was the last one of a socket that has left. */
bool sio_vault_late_saved(struct sio_vault *vault, const char handle[SIO_PID_HANDLE], uint32_t save_no, bool taken);
/* Sends what is due, if the bus is up. */
void sio_vault_late_send(struct sio_vault *vault);
/* A session is asked for whose socket has left. Returns false unless this worker has told Redis now, or has begun to.
 */
bool sio_vault_late_take(struct sio_vault *vault, const char handle[SIO_PID_HANDLE]);
/* The session lives again, at this worker. */
void sio_vault_late_forget(struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);
void sio_vault_late_clear(struct sio_vault *vault);

/* sio_vault_stranger.c */

/*
 * Returns whether the cluster contains Node.js servers, which do not record what they send. A new Sockeye node looks
 * like a Node.js server until it has announced itself. So strangers count as certain only when every count for
 * SIO_VAULT_SURE_MS has found some, and the first of these counts found more than the nodes that have announced
 * themselves since. Otherwise each count may have found another new node. Nodes that start one after another do so
 * for less than SIO_VAULT_JOINING_MS. Strangers that every count has found for that long are certain in any case.
 */
#define SIO_VAULT_SURE_MS 1500
#define SIO_VAULT_JOINING_MS 15000
enum sio_vault_strangers { VAULT_NO_STRANGERS, VAULT_PERHAPS, VAULT_STRANGERS };
/* `servers`: the number of servers that Redis has just counted; negative: use the last count. */
enum sio_vault_strangers sio_vault_strangers(struct sio_vault *vault, int64_t servers);
/* struct sio_keep_peer.stranger */
void sio_vault_stranger(struct sio_keep *keep, const struct sio_nsp *nsp);
/* Notes a stranger for all namespaces if Redis may have missed a note. Called before each claim. */
void sio_vault_note_lost(struct sio_vault *vault);
/* Counts the Node.js servers, and notes a stranger if there are any. Called about once a second. */
void sio_vault_watch_strangers(struct sio_vault *vault);
/* Cancels the notes that wait for an answer. */
void sio_vault_end_notes(struct sio_vault *vault);

/* sio_vault_claim.c: struct sio_keep_peer.claim */
void sio_vault_claim(struct sio_keep *keep, const struct keep_ask *ask);

/* sio_vault_take.c */

/*
 * Messages of VAULT_CLAIM: another worker asks for a session that this worker has, or has claimed. Its socket leaves,
 * or the client that waits for it. `message` is what follows the letter of the kind.
 */
void sio_vault_on_take(struct sio_vault *vault, struct text message);
void sio_vault_on_give(struct sio_vault *vault, struct text message);
/* struct sio_keep_peer.release */
void sio_vault_release(struct sio_keep *keep, const char pid[SIO_PID_LENGTH]);

/* sio_vault_replay.c */

/* struct sio_keep_peer.replay */
void sio_vault_replay(struct sio_keep *keep, struct keep_ask *ask);
/* The message that VAULT_READ has published. */
void sio_vault_on_read(struct sio_vault *vault, struct text message);
/* Forgets the replays whose questions have ended and whose message was lost. Call it about once a second. */
void sio_vault_drop_replays(struct sio_vault *vault);

/* sio_vault_ask.c */

/* Forgets a claimed session. Does nothing if the pid is unknown. */
void sio_vault_forget(struct sio_vault *vault, const char pid[SIO_PID_LENGTH]);
/* Makes the attempts that are due. Returns the ms until the next one, at most `most`. */
uint64_t sio_vault_retry(struct sio_vault *vault, uint64_t most);
/* Ends all questions and forgets all claimed sessions. */
void sio_vault_end_asks(struct sio_vault *vault);

#endif
