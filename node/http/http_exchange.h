/*
 * Shared by http_conn.c (a connection: bytes and deadlines), http_exchange.c (a request and its handler),
 * http_reply.c and http_push.c (replies). Private to node/http. The files call each other in a circle: the connection
 * begins an exchange, a reply ends it, and the connection then reads its next request or closes.
 */
#ifndef NODE_HTTP_HTTP_EXCHANGE_H
#define NODE_HTTP_HTTP_EXCHANGE_H

#include "common/base/buffer.h"
#include "common/base/list.h"
#include "node/http/http.h"
#include "node/http/http_body.h"
#include "node/http/http_coding.h"
#include "node/http/http_scan.h"
#include "node/http/http_split.h"

#define HTTP_ADDED_MAX (16 * 1024) /* the fields that a handler adds to one reply */

/* http_conn.c has the table of these states. */
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

/* A head that arrives in pieces. */
struct http_partial {
	struct http_scan scan;
	struct buffer head; /* the bytes so far */
};

/* Exists while a request is in progress. The fields and the bytes of a complete head are in the same allocation. */
struct http_exchange {
	struct http_request r;
	const struct http_exchange_ops *ops; /* NULL until http_wait() */
	void *user;
	uint64_t max_body, received;
	size_t held;	  /* bytes kept by the handler: http_request_holds() */
	struct text head; /* the bytes of the head; the texts of `r` point into it */
	char *added;	  /* "Name: value\r\n"..., the fields of http_add_header(); NULL: none */
	uint32_t added_len, added_size;
	uint64_t added_names; /* http_name_bit() of these names */
	union {
		struct http_partial partial; /* HTTP_HEAD_STATE */
		struct http_body body;	     /* HTTP_BODY_STATE, HTTP_DROP_STATE */
		struct http_stream stream;   /* HTTP_STREAM_STATE */
	};
	unsigned fields; /* number of headers[] */
	enum http_state state;
	bool close;	/* close the connection after the reply */
	bool expecting; /* the client waits for 100 Continue and has not got it yet */
	bool completed; /* on_complete has been called */

	/* for streamed request bodies and pushed replies (http_push.c): */
	bool streaming;		 /* http_wait_stream() was called */
	bool paused;		 /* http_pause() was called */
	bool begun;		 /* the head of a pushed reply is queued */
	bool silent;		 /* the pushed reply has no body */
	bool pushed_chunks;	 /* the body of the pushed reply is chunked */
	bool pushed_until_close; /* the body of the pushed reply ends with the connection */
	uint64_t rated;		 /* the value of `received` at the last check of the rate */

	struct http_header headers[]; /* the fields, followed by the bytes of the head */
};

/* The state of an HTTP connection. Besides struct conn, an idle keep-alive connection owns nothing more. */
struct http_conn {
	struct conn *c;
	struct http_server *server;
	struct list link;		/* server->conns */
	struct http_exchange *exchange; /* NULL between requests */
	bool busy;			/* inside on_data */
	bool gone;			/* left HTTP inside on_data, which then frees this struct */
	bool held;			/* a pipelined request waits for the output queue to become empty */
	bool used;			/* has had a complete request */
};

static inline struct http_exchange *
http_exchange_of(struct http_request *r)
{
	return container_of(r, struct http_exchange, r);
}

/* Returns true if the handler has the request and has not replied. */
static inline bool
http_exchange_pending(const struct http_exchange *exchange)
{
	return exchange && (exchange->state == HTTP_BODY_STATE || exchange->state == HTTP_WAIT_STATE ||
				   exchange->state == HTTP_HOLD_STATE);
}

/* Begins a request whose head has not arrived as a whole, and sets h->exchange. */
struct http_exchange *http_exchange_new(struct http_conn *h);
/*
 * Begins a request with its whole head, which is copied, and sets h->exchange. `split` and `headers` are the parts of
 * the head; those of `split` then point into the copy. Returns NULL if memory runs out.
 */
struct http_exchange *http_exchange_new_whole(
	struct http_conn *h, struct text head, struct http_split *split, const struct http_header *headers);
void http_exchange_free(struct http_exchange *exchange);

/* Makes room for `n` more bytes of added fields and returns a pointer to it; NULL if memory runs out. */
char *http_added_room(struct http_exchange *exchange, size_t n);

static inline struct text
http_added_text(const struct http_exchange *exchange)
{
	return text_of(exchange->added, exchange->added_len);
}

/*
 * Reports to the connection how many bytes the exchange holds, for the memory budget. Called before the exchange
 * waits.
 */
void http_exchange_account(const struct http_exchange *exchange);

/* Makes the last up-call, on_abort, of an exchange that its handler has not answered. */
void http_exchange_abort(struct http_exchange *exchange);

/* Ends the exchange after its reply is queued; frees it, or drops the rest of the body first. */
void http_exchange_over(struct http_exchange *exchange);

/* Begins to stream the body of a reply whose head is queued. `stream` provides the body. */
void http_exchange_stream(struct http_exchange *exchange, struct http_stream stream);
/* Queues the next piece of the stream after the previous one has left. The last piece ends the exchange. */
void http_stream_pull(struct http_conn *h);
/* Ends the stream, complete or not: calls `done`, which is the last call to its owner. */
void http_stream_end(struct http_exchange *exchange);

/*
 * Returns true if the connection must be closed after the reply: keep-alive was not requested, the server is closing,
 * or the rest of the body is not worth reading.
 */
bool http_exchange_closes(const struct http_exchange *exchange);

/* Frees the exchange; the next request may begin. */
void http_conn_idle(struct http_conn *h);

/*
 * Takes the connection out of HTTP: frees the exchange and struct http_conn. Inside on_data, struct http_conn is
 * freed when on_data returns.
 */
void http_conn_leave(struct http_conn *h);

/* Resumes a paused body and restarts its deadline. */
void http_exchange_read_on(struct http_exchange *exchange);

/* Queues an error reply with "Connection: close". The exchange remains. */
void http_reply_refusal(struct http_exchange *exchange, int status, struct text body);

/* Returns the coding that a compressible reply of `n` bytes will have. */
enum http_coding http_reply_coding(const struct http_request *r, uint64_t n);

#endif
