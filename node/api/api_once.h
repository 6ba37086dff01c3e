/*
 * Answers by Idempotency-Key, so that a request that is sent again does nothing again. Pure: time is told.
 *
 *   state     goes on by                              a request with the same key
 *   RUNNING   api_once_done() -> DONE                 API_ONCE_RUNNING
 *             api_once_undone() -> forgotten
 *   DONE      time_ms after its begin -> forgotten    API_ONCE_KNOWN
 *             max_bytes are full: the oldest first
 *
 * One with another digest is API_ONCE_OTHER in both states.
 */
#ifndef NODE_API_API_ONCE_H
#define NODE_API_API_ONCE_H

#include "common/base/list.h"
#include "common/base/sha256.h"
#include "common/base/table.h"

#define API_ONCE_KEY_MAX 255

struct api_once {
	struct table by_key;
	struct list order; /* the oldest first */
	uint64_t time_ms, max_bytes;
	uint64_t bytes;	    /* held */
	uint64_t forgotten; /* before their time */
};

struct api_once_entry {
	struct table_node node;
	struct list link;
	struct sha256 digest; /* of what was asked */
	uint64_t begun;
	bool done;
	int status;
	char *body;
	size_t body_n, key_n;
	char key[];
};

enum api_once_state { API_ONCE_NEW, API_ONCE_KNOWN, API_ONCE_RUNNING, API_ONCE_OTHER };

void api_once_init(struct api_once *o, uint64_t time_ms, uint64_t max_bytes);
void api_once_fini(struct api_once *o);

/* `*entry`: NEW: the one to be told of the end; KNOWN: the answer, good until the next call; else NULL. */
enum api_once_state api_once_begin(struct api_once *o, struct text key, const struct sha256 *digest, uint64_t now,
	struct api_once_entry **entry);
/* The answer, which is copied. One that alone is larger than max_bytes is forgotten at once. */
void api_once_done(struct api_once *o, struct api_once_entry *e, int status, struct text body);
/* Nothing was done: the same request may try again. */
void api_once_undone(struct api_once *o, struct api_once_entry *e);

#endif
