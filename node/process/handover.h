/*
 * Hands a request to the worker of this node that owns its session.
 *
 * Each worker slot has a door, a socket pair that the master opens before it forks. Every worker can send to a door;
 * the worker of the slot receives. Messages in the door outlive that worker. A message carries the client's
 * descriptor, its address and the bytes read from it so far. The sibling continues as if it had accepted the
 * connection and read the bytes itself, and keeps the connection. With TLS, the descriptor is one end of a socket
 * pair, and relay.h passes the bytes.
 *
 * A request is handed over at most once: either the sibling named by the sid owns the session, or no worker does.
 */
#ifndef NODE_PROCESS_HANDOVER_H
#define NODE_PROCESS_HANDOVER_H

#include <sys/socket.h>

#include "common/io/loop.h"
#include "node/http/http.h"

#define DOORS_MAX 512	 /* maximum number of workers of a node */
#define DOORS_FORMAT "1" /* of the messages; two programs hand over to each other only if it is the same */

/*
 * The doors of a program. During an upgrade, doors connect the processes of two programs. The new program has the
 * sending ends of the old workers' doors, because clients of the old workers send requests to the new program. The
 * old program has one more door, that of its successor. From it all new workers receive the requests that old workers
 * have read and that do not belong to sessions of the old workers.
 */
struct doors {
	unsigned count;				     /* of the workers of this program */
	unsigned first;				     /* the number of the first worker in session ids */
	unsigned old_count, old_first;		     /* the same for the program that this one replaces */
	int send[2 * DOORS_MAX], receive[DOORS_MAX]; /* -1: closed; the old workers' doors follow in `send` */
	int successor_send, successor_receive;	     /* the door of the successor; -1: closed */
	int strays; /* receiving end of the door that the replaced program has for this one; -1: none is replaced */
};

/* Returns 0, or ERROR_SYSTEM with errno; then nothing is open. The numbers of the workers begin with 0. */
int doors_open(struct doors *doors, unsigned count);
/*
 * Takes over the doors of a program that this one replaces: the sending ends of its workers, whose numbers begin with
 * `first`, and the receiving end `strays`. Then chooses different numbers for this program's workers.
 */
void doors_take_old(struct doors *doors, unsigned first, const int *fds, unsigned count, int strays);
/*
 * Returns the index of the worker with that number in session ids, or -1. The old workers' indexes follow those of
 * this program's workers.
 */
int doors_find(const struct doors *doors, unsigned number);
/* For a worker: closes the ends that belong to siblings. */
void doors_keep(struct doors *doors, unsigned slot);
/*
 * For the master, when no worker will start in the slot again: closes the connections in its door. Senders get an
 * error.
 */
void doors_shut(struct doors *doors, unsigned slot);
void doors_close(struct doors *doors);

/* The purpose of a connection that is handed over. */
enum handover_kind {
	HANDOVER_REQUEST, /* a client with a request, or with nothing read yet */
	HANDOVER_BACKEND, /* the link of a backend */
	HANDOVER_KINDS
};

/* A connection received from a sibling. */
struct handover_guest {
	int fd; /* owned by the receiver */
	enum handover_kind kind;
	bool secure;
	struct sockaddr_storage peer;
	socklen_t peer_len; /* 0: unknown */
	struct text bytes;  /* to be processed before the bytes read from `fd`; valid during the call */
};

/*
 * True for a connection that the master has only accepted (care.h): no byte was read from it, and the TLS handshake
 * has not begun.
 */
static inline bool
handover_is_fresh(const struct handover_guest *guest)
{
	return guest->kind == HANDOVER_REQUEST && guest->bytes.n == 0;
}

/* Maximum bytes of one message: a request head and the bytes that were read after it. */
#define HANDOVER_BYTES_MAX CONN_PUT_BACK_MAX

/*
 * The codec. A message is a fixed head followed by the bytes; the descriptor travels as ancillary data, outside the
 * codec. handover_write() fills `head`. handover_read() returns 0 or ERROR_SYNTAX, and leaves `fd` alone.
 */
#define HANDOVER_HEAD 52
void handover_write(uint8_t head[HANDOVER_HEAD], const struct handover_guest *guest);
int handover_read(const uint8_t *message, size_t n, struct handover_guest *guest);

/*
 * Passes a new connection to the worker of that slot. The caller keeps `fd`. Returns 0 or an errno; EAGAIN if the
 * door is full.
 */
int handover_pass(
	const struct doors *doors, unsigned slot, int fd, const struct sockaddr_storage *peer, socklen_t peer_len);

struct handover;

struct handover_setup {
	const struct doors *doors;	  /* borrowed */
	unsigned slot;			  /* of this worker */
	const struct conn_limits *limits; /* for relays; borrowed */
	void (*on_guest)(void *arg, const struct handover_guest *guest);
	void *arg;
};

/* Receives at this worker's door from now on. */
struct handover *handover_new(struct loop *l, const struct handover_setup *setup);

/*
 * Hands the connection of a backend to that slot. `bytes` were read from it; the bytes of conn_kept() follow
 * them. Returns 0: the connection is closed here or, with TLS, belongs to a relay, which handover_end_relays() ends.
 * Returns an errno: the caller keeps the connection. Must not be called in a callback of the connection, nor while
 * output is queued.
 */
int handover_conn(
	struct handover *handover, struct conn *c, unsigned slot, enum handover_kind kind, struct text bytes);
/* Ends the relays of backends. Returns true when all of them are gone. Accepts NULL. */
bool handover_end_relays(struct handover *handover);

/* Requires that no request waits and no relay of a backend is left. Accepts NULL. */
void handover_free(struct handover *handover);

/* Returns the index of the successor's door, for handover_request(). */
unsigned doors_successor(const struct doors *doors);

/*
 * Hands the request to the worker with that index, which must not be this worker's. Call it in on_request() in place
 * of an answer. The request is sent after the replies to earlier requests. If the sibling accepts nothing for
 * WAIT_MS, or too many requests wait, the answer is 503 with Retry-After.
 */
void handover_request(struct handover *handover, struct http_request *request, unsigned index);

#endif
