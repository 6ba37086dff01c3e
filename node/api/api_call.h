/*
 * One request of the HTTP API, from its head to its answer. Private to the API: api.c reads requests; api_do.c,
 * api_list.c and api_history.c answer them.
 *
 *   state     in           ends with
 *   READING   api->calls   the whole body: api_do(). An error, or the client leaves: gone
 *   ASKING    api->calls   an answer of the raw entry: api_answer()
 *
 * While ASKING, `request` becomes NULL when the client leaves, and `api` becomes NULL when the API is freed.
 */
#ifndef NODE_API_API_CALL_H
#define NODE_API_API_CALL_H

#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/api/api_command.h"
#include "node/api/api_count.h"
#include "node/api/api_once.h"
#include "node/api/api_keys.h"
#include "node/api/api_options.h"
#include "node/api/api_query.h"
#include "node/api/api_reach.h"
#include "node/http/http.h"

#define API_ANSWER_MAX (8u << 20) /* bytes of one answer; a longer list is cut, and its answer says so */
#define API_LISTINGS_MAX 4	  /* lists made at the same time: each may hold the sockets of all nodes */
#define API_READS_MAX 16	  /* reads of histories at the same time: each may hold HISTORY_ANSWER_MAX */

struct api {
	struct loop *loop;
	const struct api_options *options;
	const struct api_ops *ops;
	void *arg;
	struct api_keys *keys;
	struct api_once once;
	struct api_counts counts;
	struct list calls;
	unsigned running;
	unsigned listings, reads; /* of them: lists, and reads and removals in histories */
	struct log_limit log_limit, forgotten_limit;
};

/* The names of one page of a list, sorted. */
struct api_names_page {
	struct text *names;
	char *bytes; /* the texts of `names`, each with a NUL */
	unsigned count;
	bool more; /* more names follow this page */
};

struct api_call {
	struct list link;
	struct api *api;
	struct http_request *request;
	enum api_path path;
	struct buffer body;
	struct api_once_entry *once; /* NULL: no Idempotency-Key */
	unsigned *group;	     /* api->listings, api->reads or NULL: counts the call */
	bool queued;		     /* as in struct api_reach */
	struct api_command command;
	struct api_query query;
	/* For lists: results of the questions so far. */
	struct api_names_page page, rooms;
	unsigned silent;     /* nodes that did not answer a question */
	struct buffer named; /* JSON: the silent nodes whose names are known; or empty */
	bool partial;	     /* a question had no complete answer */
};

/* Act on a complete request. Afterwards the call is gone, or waits for an answer of the raw entry. */
void api_do(struct api_call *call);
void api_list_sockets(struct api_call *call);
void api_list_rooms(struct api_call *call);
void api_read_history(struct api_call *call);
void api_remove_history(struct api_call *call);
/* Reads call->query. Returns false if the call has been answered. */
bool api_call_query(struct api_call *call, enum api_list list);

/* Within the callback of a question: replaces `out` by a JSON member with the silent nodes, or by nothing. */
void api_write_silent(struct buffer *out, const sio_server *io);

/* Makes a call and adds it to api->calls. The call counts as running, and in *group unless `group` is NULL. */
struct api_call *api_call_new(struct api *api, struct http_request *request, enum api_path path, unsigned *group);
/* Frees a call whose request is gone. A call with a request ends by its answer. */
void api_call_free(struct api_call *call);
/* Answers a request that has no call. `api` may be NULL. */
void api_refuse_request(
	struct api *api, struct http_request *request, enum api_path path, const struct api_fault *fault);

/* Looks up the Idempotency-Key. Returns true if the call goes on; otherwise it has been answered. */
bool api_call_once(struct api_call *call);
/* Frees the names of a page. */
void api_names_page_fini(struct api_names_page *page);
/* Waits for an answer of the raw entry, and meanwhile notices if the client leaves. */
void api_wait(struct api_call *call);
/* Answers and ends the call. `done`: something was or may have been done, so the Idempotency-Key keeps the answer. */
void api_answer(struct api_call *call, int status, struct text body, bool done);
/* Answers with the fault and ends the call; nothing was done. */
void api_refuse(struct api_call *call, const struct api_fault *fault);
/* Frees a call whose API is gone. Returns false if the API still exists. */
bool api_orphan(struct api_call *call);
/* Looks up the namespace. Returns false if the call has been answered with 503. */
bool api_find(struct api_call *call, struct text nsp, struct api_reach *out);

#endif
