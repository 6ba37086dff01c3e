/*
 * Answers by Idempotency-Key, so that a repeated request does nothing again. Pure: the caller passes the time.
 *
 *   state     ends with                               a request with the same key gets
 *   RUNNING   api_once_done() -> DONE                 API_ONCE_RUNNING
 *             api_once_undone() -> forgotten
 *   DONE      time_ms after its begin -> forgotten    API_ONCE_KNOWN
 *             max_bytes exceeded: the oldest first
 *
 * In both states, a request with the same key and another digest gets API_ONCE_OTHER.
 */
#ifndef NODE_API_API_ONCE_H
#define NODE_API_API_ONCE_H

#include "common/base/list.h"
#include "common/base/sha256.h"
#include "common/base/table.h"

#define API_ONCE_KEY_MAX 255

struct api_once {
	struct table by_key;
	struct list order; /* oldest first */
	uint64_t time_ms, max_bytes;
	uint64_t bytes;	    /* bytes of all entries */
	uint64_t forgotten; /* answers forgotten before their time */
};

struct api_once_entry {
	struct table_node node;
	struct list link;
	struct sha256 digest; /* of the request */
	uint64_t begun;
	bool done;
	int status;
	char *body;
	size_t body_n, key_n;
	char key[];
};

enum api_once_state { API_ONCE_NEW, API_ONCE_KNOWN, API_ONCE_RUNNING, API_ONCE_OTHER };

void api_once_init(struct api_once *once, uint64_t time_ms, uint64_t max_bytes);
void api_once_fini(struct api_once *once);

/*
 * Sets `*out`. API_ONCE_NEW: the entry for api_once_done() or api_once_undone(). API_ONCE_KNOWN: the answer, valid
 * until the next call. Otherwise NULL.
 */
enum api_once_state api_once_begin(struct api_once *once, struct text key, const struct sha256 *digest, uint64_t now,
	struct api_once_entry **out);
/* Keeps a copy of the answer. An answer that is larger than max_bytes is forgotten at once. */
void api_once_done(struct api_once *once, struct api_once_entry *entry, int status, struct text body);
/* Forgets the entry of a request that did nothing, so that the same request may try again. */
void api_once_undone(struct api_once *once, struct api_once_entry *entry);

#endif
