/*
 * HTTP/1.1, the server side of a connection: requests come up one at a time
 * (pipelined ones wait), one reply each goes down. RFC 9110, RFC 9112.
 *
 * Life of an exchange: on_request() is called with the whole head. The handler then, now or
 * later, does exactly one of
 *   - http_reply*()            the exchange is over (a body not yet read is read and dropped, or
 *                              the connection closed after the reply when that is cheaper)
 *   - http_upgrade()           the connection leaves HTTP
 *   - http_destroy()           the connection is closed without a reply
 * If it does not do so inside on_request(), it first calls http_wait() to be told of the body and
 * of the peer going away. The request and all texts in it are good until one of the above
 * returns, or on_abort does.
 */
#ifndef NODE_HTTP_HTTP_H
#define NODE_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/buffer.h"
#include "common/base/list.h"
#include "common/base/text.h"
#include "common/io/conn.h"
#include "common/io/log.h"
#include "node/http/http_field.h"
#include "node/http/http_tables.h"

struct http_conn;
struct http_trust;
struct zip;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_PATCH, HTTP_OTHER };

struct http_request {
	enum http_method method;
	struct text method_name;
	struct text target; /* as sent, "/socket.io/?EIO=4" (an absolute-form target is cut to its path; its authority
			     * is then the value of the Host field) */
	struct text path;   /* up to "?", not percent-decoded */
	struct text query;  /* after "?", may be empty */
	const struct http_header *headers;
	unsigned header_count;
	uint8_t minor; /* 0 or 1: HTTP/1.minor */
	bool keep_alive;
	bool upgrade;  /* HTTP/1.1, Connection lists "upgrade", Upgrade asks for more than h2c, and no body */
	bool has_body; /* chunked, or Content-Length > 0 */
	bool chunked;
	uint64_t content_length; /* 0 when chunked */
	struct http_conn *conn;
};

struct http_exchange_ops {
	/* A piece of the body, transfer coding removed. NULL: dropped. */
	void (*on_body)(struct http_request *r, void *user, const uint8_t *data, size_t n);
	/* The body is complete; for a request without one, called at the end of on_request()'s turn. May be NULL. */
	void (*on_complete)(struct http_request *r, void *user);
	/* The peer went away, or sent a broken body, before the reply. The request is gone after this returns. */
	void (*on_abort)(struct http_request *r, void *user);
	/* All that was sent of a reply by http_push_piece() has left. May be NULL. */
	void (*on_drain)(struct http_request *r, void *user);
};

struct http_limits {
	size_t max_head;	 /* bytes of request line and fields; beyond: 431 (414 for the request line) */
	unsigned max_headers;	 /* count; beyond: 431 */
	uint64_t max_body;	 /* bytes that a handler without a limit of its own accepts; beyond: 413 */
	uint64_t head_ms;	 /* from the first byte of a head to its end; beyond: 408 and close */
	uint64_t body_ms;	 /* whole body; beyond: 408 and close */
	uint64_t idle_ms;	 /* keep-alive: between requests */
	uint64_t gzip_threshold; /* replies at least this long may be compressed; UINT64_MAX: never */
};

/* What answers the requests of a connection. Shared by many connections of one loop; must outlive them. */
struct http_server {
	const struct http_limits *limits;
	void (*on_request)(void *arg, struct http_request *r);
	void *arg;
	const struct http_trust *trust; /* proxies that are believed, borrowed: http_client.h; NULL: none */
	/* Private. */
	struct list conns; /* connections that speak HTTP now */
	bool closing;
	struct zip *zip;	      /* made when first needed, freed with the last connection */
	int64_t date_second;	      /* when `date` was written */
	char date[32];		      /* the Date field's value, good for one second */
	struct log_limit entry_lines; /* about entries of X-Forwarded-For that are not addresses */
};

/* Zeroes the private part. `limits` is borrowed. A zeroed struct with the three members set will do as well. */
void http_server_init(struct http_server *server, const struct http_limits *limits,
	void (*on_request)(void *arg, struct http_request *r), void *arg);

/*
 * Shutdown, at once: closes every connection of this server (REASON_SHUTDOWN), whatever is under way on it.
 * Connections started later are closed after their first reply; those that left HTTP are not touched.
 */
void http_server_cut(struct http_server *server);

/* Connections that speak HTTP now. Walks the list. */
unsigned http_server_count(const struct http_server *server);

/* Speaks HTTP on a new connection from now on; belongs to the connection, ends with it. */
void http_conn_start(struct conn *c, struct http_server *server);

/* The connection of a request (peer address, TLS, loop). Sending and closing on it is HTTP's. */
struct conn *http_request_conn(const struct http_request *r);

/* The bytes of the head as received, with the empty line at its end; for handing the request to another process. */
struct text http_request_head(const struct http_request *r);

/* First field of that name (ASCII case ignored), or TEXT_NONE. */
struct text http_header_get(const struct http_request *r, const char *name);
/*
 * The list that all fields of that name make together (RFC 9110 5.3), or TEXT_NONE. `joined` is initialised, may hold
 * the list, and is the caller's to free.
 */
struct text http_header_list(const struct http_request *r, const char *name, struct buffer *joined);
/* True if a comma-separated field holds the token (case ignored), over all fields of that name. */
bool http_header_has(const struct http_request *r, const char *name, const char *token);

/*
 * Goes on after on_request() returns. `ops` is borrowed, `max_body` overrides limits.max_body (0: keep it). A body
 * beyond that is answered 413 (without content) and the handler sees on_abort. May be called again to change ops and
 * user; body and on_complete that went to the first ones are not repeated.
 */
void http_wait(struct http_request *r, const struct http_exchange_ops *ops, void *user, uint64_t max_body);

/*
 * The same for a handler that passes the body on instead of keeping it: a body of any length, which on_body gets as
 * it arrives, but never slower than HTTP_BODY_RATE bytes per second, looked at each body_ms (else 408, or the end of
 * the connection once the reply has begun). A client that waits for 100 Continue gets it by http_push_interim() only.
 */
#define HTTP_BODY_RATE 100
void http_wait_stream(struct http_request *r, const struct http_exchange_ops *ops, void *user);

/* No on_body until http_resume(): the handler has enough. What was read already waits with the connection. No time
 * limit runs meanwhile. Harmless when there is nothing more to read. */
void http_pause(struct http_request *r);
void http_resume(struct http_request *r);

/* True while the client waits for 100 Continue, which http_push_interim() sends. */
bool http_is_expecting(const struct http_request *r);

/* So many bytes does the handler keep of this request's body, or for its sake: they count as its connection's. */
void http_request_holds(struct http_request *r, size_t bytes);

/*
 * For a request that another process shall answer: from now on nothing is read from the connection, the body neither.
 * To be called inside on_request(). `ops` is borrowed; on_complete is called each time the earlier replies have left
 * (not if none waits: conn_queued()), on_abort as ever, on_body never. The bytes after the head are conn_kept(), once
 * on_request()'s turn has come to its end. Goes on by http_reply*(), which closes the connection if there is a body,
 * http_destroy() or http_leave().
 */
void http_hold(struct http_request *r, const struct http_exchange_ops *ops, void *user);

/* Of a request that is held: the request is gone, the connection is the caller's, who calls conn_set_owner() at once.
 */
struct conn *http_leave(struct http_request *r);

/*
 * Adds a field to the coming reply, whatever it is (also 101 and errors). Names and values are copied; a value
 * with control characters other than TAB is refused (ERROR_ARGUMENT), so are a name that is no token, Content-Length
 * and Transfer-Encoding, and growth beyond 16 KiB (ERROR_TOO_BIG). "Connection: close" means http_close_after(). A
 * Content-Type or Date added here replaces the one that the reply would have had.
 */
int http_add_header(struct http_request *r, const char *name, struct text value);
/* True if http_add_header() was called with that name. */
bool http_has_added(const struct http_request *r, const char *name);

/*
 * Replies. Date, Content-Length and Connection as HTTP/1.1 asks; for HEAD the body is left out; gzip (or deflate)
 * when the client accepts it, `compress` is true and the body is long enough, with Vary. One beyond HTTP_COMPRESS_MAX
 * is sent as it is: compressing it would keep the loop from everybody else, 20 ms for each MiB. content_type NULL: no
 * such field.
 */
#define HTTP_COMPRESS_MAX (1024 * 1024)
void http_reply(struct http_request *r, int status, const char *content_type, struct text body, bool compress);
/* The same with a range of a block, which is referenced, not copied, unless compressed. */
void http_reply_block(struct http_request *r, int status, const char *content_type, struct block *body, size_t from,
	size_t n, bool compress);

/*
 * A reply of known length made piece by piece: `pull` is called when the connection can take more, writes up to
 * `room` bytes and returns how many, 0 or less on failure (the connection is then closed, as the promised length
 * cannot be met). `done` is called once, whatever happens.
 */
void http_reply_stream(struct http_request *r, int status, const char *content_type, uint64_t length,
	int64_t (*pull)(void *user, uint8_t *room, size_t n), void (*done)(void *user), void *user);

/*
 * A reply that comes from elsewhere, piece by piece: its head, then pieces, then its end or its cut. Meanwhile the
 * request stays pending: on_body, on_complete and on_abort come as before. How much waits for the client says
 * conn_queued(); on_drain tells when it has left.
 */
struct http_push {
	int status;	    /* 200 and above */
	struct text phrase; /* TEXT_NONE: the standard one */
	struct text fields; /* "Name: value\r\n"..., checked by the caller; without Content-Length, Transfer-Encoding,
			     * Connection and Keep-Alive */
	bool dated;	    /* Date is among them */
	int64_t length;	    /* of the body; -1: not known, then chunked, or up to the end of an HTTP/1.0 connection */
};
void http_push_begin(struct http_request *r, const struct http_push *push);

/* An interim response (1xx but 101); none for clients of HTTP/1.0, which know none. */
void http_push_interim(struct http_request *r, int status, struct text fields);

/*
 * The content is the `n` bytes of `block` from HTTP_CHUNK_BEFORE on (http_chunk.h), HTTP_CHUNK_AFTER more bytes of
 * the block are behind it. Nobody else may hold the block yet. Left out where the reply has no body. The caller sees
 * to it that all pieces together are as long as promised.
 */
void http_push_piece(struct http_request *r, struct block *block, size_t n);
void http_push_end(struct http_request *r);

/* As http_upgrade(), with these fields instead of added ones, Upgrade among them. */
struct conn *http_push_upgrade(struct http_request *r, struct text fields);

/* The rest will never come: the connection ends so that the client notices. */
void http_push_cut(struct http_request *r, unsigned reason);

/* The connection is closed after the coming reply. */
void http_close_after(struct http_request *r);

/*
 * Sends 101 with the added fields (and Connection, Upgrade if they are not among them) and leaves HTTP: the request
 * is gone, the connection is the caller's, who calls conn_set_owner() at once. The bytes after the head go to the new
 * owner. Only where r->upgrade is set.
 */
struct conn *http_upgrade(struct http_request *r);

/* Ends the connection without a reply (REASON given). */
void http_destroy(struct http_request *r, unsigned reason);

#endif
