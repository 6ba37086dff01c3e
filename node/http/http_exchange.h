/*
 * What http_conn.c (the connection: bytes and deadlines), http_exchange.c (one request and what its handler does with
 * it) and http_reply.c (replies) share. Private to node/http. The three go in a circle: the connection begins an
 * exchange, a reply ends it, and with that the connection reads its next request, or closes.
 */
#ifndef NODE_HTTP_HTTP_EXCHANGE_H
#define NODE_HTTP_HTTP_EXCHANGE_H

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "node/http/http.h"
#include "node/http/http_body.h"
#include "node/http/http_coding.h"
#include "node/http/http_scan.h"

#define HTTP_ADDED_MAX (16 * 1024) /* fields that a handler adds to one reply: as much as clients take for a head */

/* The table of these states is in http_conn.c. */
enum http_state {
	HTTP_HEAD_STATE,
	HTTP_BODY_STATE,
	HTTP_WAIT_STATE,
	HTTP_HOLD_STATE,
	HTTP_DROP_STATE,
	HTTP_STREAM_STATE,
	HTTP_END_STATE
};

struct http_stream {
	int64_t (*pull)(void *user, uint8_t *room, size_t n);
	void (*done)(void *user);
	void *user;
	uint64_t remaining;
};

/* Exists while a request is in progress. */
struct http_exchange {
	struct http_request r;
	const struct http_exchange_ops *ops; /* NULL until http_wait() */
	void *user;
	uint64_t max_body, received;
	size_t held;	    /* by the handler: http_request_holds() */
	struct buffer head; /* the bytes of the head; the texts of `r` point into it */
	struct http_header *headers;
	struct buffer added; /* "Name: value\r\n"... */
	union {
		struct http_scan scan;	   /* HTTP_HEAD_STATE */
		struct http_body body;	   /* HTTP_BODY_STATE, HTTP_DROP_STATE */
		struct http_stream stream; /* HTTP_STREAM_STATE */
	};
	enum http_state state;
	bool close;	/* after the reply */
	bool expecting; /* the client waits for 100 Continue, and has not got it */
	bool completed; /* on_complete was called */

	/* http_push.c */
	bool streaming;		 /* http_wait_stream() */
	bool paused;		 /* the body waits for its handler */
	bool begun;		 /* the head of a pushed reply is queued */
	bool silent;		 /* the pushed reply has no body */
	bool pushed_chunks;	 /* its body is chunked */
	bool pushed_until_close; /* it ends with the connection */
	uint64_t rated;		 /* of `received`: up to here the rate was looked at */
};

/* What an idle keep-alive connection costs. */
struct http_conn {
	struct conn *c;
	struct http_server *server;
	struct list link;	 /* server->conns */
	struct http_exchange *x; /* NULL between requests */
	bool busy;		 /* inside on_data */
	bool gone;		 /* left HTTP inside on_data, which frees */
	bool held;		 /* a pipelined request waits until the output queue is empty */
	bool used;		 /* had a whole request */
};

static inline struct http_exchange *
http_exchange_of(struct http_request *r)
{
	return container_of(r, struct http_exchange, r);
}

/* True if its handler has it, and has not replied. */
static inline bool
http_exchange_pending(const struct http_exchange *x)
{
	return x && (x->state == HTTP_BODY_STATE || x->state == HTTP_WAIT_STATE || x->state == HTTP_HOLD_STATE);
}

/* A request begins: h->x. */
struct http_exchange *http_exchange_new(struct http_conn *h);
void http_exchange_free(struct http_exchange *x);

/* When it is going to wait: tells the connection how much it holds, for the budget. */
void http_exchange_account(const struct http_exchange *x);

/* The last up-call of an exchange that got no reply from its handler. */
void http_exchange_abort(struct http_exchange *x);

/* All of http_reply.c's replies end in this: the reply is queued, `r` is gone. */
void http_exchange_over(struct http_exchange *x);

/* The reply is queued up to its body, which comes by `stream`. */
void http_exchange_stream(struct http_exchange *x, struct http_stream stream);
/* Queues the next piece, as the one before has left; after the last one the exchange is over. */
void http_stream_pull(struct http_conn *h);
/* The last call to the stream's owner, whatever became of it. */
void http_stream_end(struct http_exchange *x);

/* True if the body that is still to come shall not be read: the connection is closed after the reply. */
bool http_exchange_closes(const struct http_exchange *x);

/* The exchange is gone and the next request may come. */
void http_conn_idle(struct http_conn *h);

/* The connection leaves HTTP: exchange and struct http_conn are gone, or as good as gone. */
void http_conn_leave(struct http_conn *h);

/* The body that was paused is read on, under its time limit. */
void http_exchange_read_on(struct http_exchange *x);

/* Queues an error reply and "Connection: close"; the exchange stays as it is. */
void http_reply_refusal(struct http_exchange *x, int status, struct text body);

/* Which coding a compressible reply of n bytes will have. */
enum http_coding http_reply_coding(const struct http_request *r, uint64_t n);

#endif
