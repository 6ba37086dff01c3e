/*
 * Codec for heartbeats: what each node tells the others about itself at intervals, on a separate channel (members.h).
 * The codec is pure, and received bytes are untrusted.
 *
 * A heartbeat is a JSON object of at most BEAT_BYTES_MAX bytes:
 *
 *   {"v":1,"id":"d1...","instance":"a7...","node":1,"worker":0,"state":"serving","hello":true,"started":1764374400000,
 *    "clients":12,"every":5000,"host":"edge1","port":3000,"version":"1.2.0","mode":"classic","db":0,
 *    "namespaces":["811c9dc5"],"more":false}
 *
 * Members that this version does not know are ignored. A change that older versions would misread gets another "v".
 */
#ifndef BROKER_BEAT_H
#define BROKER_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/text.h"

#define BEAT_BYTES_MAX 4096
#define BEAT_ID_LENGTH 16
#define BEAT_HOST_MAX 64
#define BEAT_WORD_MAX 24 /* bytes of `version` and `mode` */
#define BEAT_NAMESPACES_MAX 64
#define BEAT_NODE_MAX 4095
#define BEAT_WORKER_MAX 4095
#define BEAT_EVERY_MAX_MS (60 * 60 * 1000)

enum beat_state {
	BEAT_SERVING,
	BEAT_DRAINING, /* accepts no more clients, but still serves those that it has, and answers questions */
	BEAT_LEFT      /* the last heartbeat: the node answers no more questions */
};

/* What a node reports about itself, so that other nodes can show it. All texts end with NUL. */
struct beat_about {
	char id[BEAT_ID_LENGTH + 1];	   /* of this run of the worker */
	char instance[BEAT_ID_LENGTH + 1]; /* of this run of the node; its workers share it */
	char host[BEAT_HOST_MAX + 1];
	char version[BEAT_WORD_MAX + 1];
	char mode[BEAT_WORD_MAX + 1]; /* name of the form of the bus, and what must be the same on all nodes */
	uint32_t node, worker, port, db;
	uint64_t started_ms; /* by the wall clock of the node */
	uint64_t clients;
};

struct beat {
	struct beat_about about;
	enum beat_state state;
	bool hello;	   /* the node has just joined: the others answer with a heartbeat */
	uint64_t every_ms; /* time until the next heartbeat, at most */
	bool more;	   /* the node has more namespaces than the list */
	unsigned namespace_count;
	uint32_t namespaces[BEAT_NAMESPACES_MAX]; /* beat_namespace() of their names */
};

/* Returns a number that stands for a namespace. Two names rarely have the same. */
uint32_t beat_namespace(struct text name);
/* Adds a namespace to the list, or sets `more` if the list is full. */
void beat_add_namespace(struct beat *beat, struct text name);
/* Returns true if the node has the namespace, or may have it because its list is not whole. */
bool beat_has_namespace(const struct beat *beat, struct text name);

/* Appends the heartbeat. Returns 0 or the error of `out`. */
int beat_write(struct buffer *out, const struct beat *beat);

/*
 * Decodes a heartbeat. Returns 0, ERROR_TOO_BIG, ERROR_TOO_MANY, ERROR_UTF8, ERROR_TOO_DEEP, ERROR_SYNTAX if a member
 * is missing or malformed, or ERROR_UNSUPPORTED for another "v". `*beat` is undefined after an error.
 */
int beat_read(struct beat *beat, struct text payload);

#endif
