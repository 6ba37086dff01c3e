/*
 * One request of the HTTP API, from its head to its answer. The inside of the API: api.c takes requests, api_do.c and
 * api_list.c answer them, by what is here.
 *
 *   state     in            goes on by
 *   READING   api->calls    the whole body -> api_do(); an error, the client's going -> gone
 *   ASKING    api->calls    the up-call of the raw entry -> api_answer()
 *             (r NULL once the client is gone; api NULL once the API is, which answers nobody any more)
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

#define API_ANSWER_MAX (8u << 20) /* bytes of one answer; a longer list is cut, and says so */
#define API_LISTINGS_MAX 4	  /* lists made at once: each may hold the sockets of all nodes */

struct api {
	struct loop *loop;
	const struct api_options *options;
	const struct api_ops *ops;
	void *arg;
	struct api_keys *keys;
	struct api_once once;
	struct api_counts counts;
	struct list calls;
	unsigned running, listings;
	struct log_limit log_limit, forgotten_limit;
};

/* The names of one page of a list, in order. */
struct api_names_page {
	struct text *names;
	char *bytes; /* what they lie in, each with a NUL */
	unsigned count;
	bool more; /* there are others behind them */
};

struct api_call {
	struct list link;
	struct api *api;
	struct http_request *r;
	enum api_path path;
	struct buffer body;
	struct api_once_entry *once; /* NULL: no Idempotency-Key */
	bool listing;
	bool queued; /* see struct api_reach */
	struct api_command command;
	struct api_query query;
	/* Of a list: what the questions before have found. */
	struct api_names_page page, rooms;
	unsigned silent; /* nodes that did not answer one of them */
	bool partial;	 /* or that could not be asked */
};

/* What a POST and a GET do once all is there. The call is gone, or waits for an up-call, when they return. */
void api_do(struct api_call *c);
void api_list_sockets(struct api_call *c);
void api_list_rooms(struct api_call *c);

/* In api->calls, counted in api->running. */
struct api_call *api_call_new(struct api *a, struct http_request *r, enum api_path path, bool listing);
/* Of a call whose request is gone; others end by their answer. */
void api_call_free(struct api_call *c);
/* Answers a request without a call; `a` NULL: there is no API that counts. */
void api_refuse_request(struct api *a, struct http_request *r, enum api_path path, const struct api_fault *f);

/* By its Idempotency-Key. True: the call goes on; else it has been answered. */
bool api_call_once(struct api_call *c);
void api_names_page_fini(struct api_names_page *p);
/* An up-call of the raw entry will end it: what the client does until then is heard. */
void api_wait(struct api_call *c);
/* Ends the call. `done`: something was done, or might have been, so its Idempotency-Key keeps the answer. */
void api_answer(struct api_call *c, int status, struct text body, bool done);
void api_refuse(struct api_call *c, const struct api_fault *f);
/* Ends a call whose API is gone; false if it is still there. */
bool api_orphan(struct api_call *c);
/* False: the call has been answered 503. */
bool api_find(struct api_call *c, struct text nsp, struct api_reach *out);

#endif
