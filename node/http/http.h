/*
 * The server side of HTTP/1.1 (RFC 9110, RFC 9112). A connection passes requests up one at a time; a pipelined
 * request waits until the previous request is answered.
 *
 * Life of an exchange: on_request() is called when the head is complete. The handler ends the exchange, then or
 * later, with exactly one of
 *   http_reply*()    a reply. A body that has not been read is read and dropped, or the connection is closed after
 *                    the reply if that is cheaper.
 *   http_push_end()  the end of a reply that was sent in pieces; http_push_cut() if it cannot be completed
 *   http_upgrade()   the connection leaves HTTP
 *   http_destroy()   the connection is closed without a reply
 *
 * A handler that does not end the exchange inside on_request() must call http_wait() there, to receive the body and
 * to learn when the peer leaves. The request and all its texts are valid until one of the calls above, or on_abort,
 * returns.
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
	struct text target; /* as sent, "/socket.io/?EIO=4"; an absolute-form target is cut to its path, and its
			       authority replaces the value of the Host field */
	struct text path;   /* up to "?", not percent-decoded */
	struct text query;  /* after "?", may be empty */
	const struct http_header *headers;
	unsigned header_count;
	uint64_t absent; /* http_name_bit() of names that no field has; 0: unknown */
	uint8_t minor;	 /* 0 or 1: HTTP/1.minor */
	bool keep_alive;
	bool upgrade;	/* HTTP/1.1 without a body, Connection lists "upgrade", and Upgrade is not just "h2c" */
	bool websocket; /* `upgrade`, and Upgrade lists "websocket" */
	bool has_body;	/* chunked, or Content-Length > 0 */
	bool chunked;
	uint64_t content_length; /* 0 when chunked */
	struct http_conn *conn;
};

struct http_exchange_ops {
	/* Passes up a piece of the body, without its transfer coding. NULL: the body is dropped. */
	void (*on_body)(struct http_request *r, void *user, const uint8_t *data, size_t n);
	/* The body is complete. For a request without a body: on_request() has returned. May be NULL. */
	void (*on_complete)(struct http_request *r, void *user);
	/* The peer left, or sent a malformed body, before the reply. The request is freed after this returns. */
	void (*on_abort)(struct http_request *r, void *user);
	/* Everything that http_push_piece() queued has left. May be NULL. */
	void (*on_drain)(struct http_request *r, void *user);
};

struct http_limits {
	size_t max_head;	 /* bytes of request line and fields; more: 431 (414 for the request line) */
	unsigned max_headers;	 /* number of fields; more: 431 */
	uint64_t max_body;	 /* bytes of a body, unless the handler sets its own limit; more: 413 */
	uint64_t head_ms;	 /* from the first byte of a head to its end; longer: 408 and close */
	uint64_t body_ms;	 /* for the whole body, except with http_wait_stream(); longer: 408 and close */
	uint64_t idle_ms;	 /* between the requests of a keep-alive connection */
	uint64_t gzip_threshold; /* replies of at least this length may be compressed; UINT64_MAX: never */
};

#define HTTP_LINES_MAX 128

/* Answers the requests of its connections. One server serves many connections of one loop, and must outlive them. */
struct http_server {
	const struct http_limits *limits;
	void (*on_request)(void *arg, struct http_request *r);
	void *arg;
	const struct http_trust *trust; /* the trusted proxies, borrowed (http_client.h); NULL: none */
	/* Private. */
	struct list conns; /* connections that speak HTTP now */
	bool closing;
	struct zip *zip;      /* created on first use, freed with the last connection */
	int64_t lines_second; /* the second and the idle_ms for which `lines` holds */
	uint64_t lines_idle;
	char lines[HTTP_LINES_MAX]; /* the lines Date, Connection and Keep-Alive of most replies */
	uint8_t lines_len;
	struct log_limit entry_lines; /* for log lines about malformed forwarding entries */
};

/*
 * Initialises a server. `limits` is borrowed. A zeroed struct with `limits`, `on_request` and `arg` set works, too.
 */
void http_server_init(struct http_server *server, const struct http_limits *limits,
	void (*on_request)(void *arg, struct http_request *r), void *arg);

/*
 * Shuts down at once: closes every connection of this server (REASON_SHUTDOWN), including those with an unfinished
 * exchange. A connection started later is closed after its first reply. Connections that left HTTP are unaffected.
 */
void http_server_cut(struct http_server *server);

/* Returns the number of connections that speak HTTP now. Walks the list. */
unsigned http_server_count(const struct http_server *server);

/* Makes `c` an HTTP connection. The HTTP state belongs to the connection and ends with it. */
void http_conn_start(struct conn *c, struct http_server *server);

/*
 * Returns the connection of a request, to read its peer address, its loop, or whether it uses TLS. Only HTTP sends on
 * it or closes it.
 */
struct conn *http_request_conn(const struct http_request *r);

/*
 * Returns the bytes of the head as received, including the final empty line, to pass the request to another process.
 */
struct text http_request_head(const struct http_request *r);

/* For the functions below: returns false if no field can have that name. Costs nothing for a literal. */
static inline bool
http_may_have(const struct http_request *r, const char *name)
{
	return (r->absent & http_name_bit(name[0], strlen(name))) == 0;
}

/* Returns the first field of that name (ASCII case ignored), or TEXT_NONE. */
struct text http_header_find(const struct http_request *r, struct text name);
static inline struct text
http_header_get(const struct http_request *r, const char *name)
{
	return http_may_have(r, name) ? http_header_find(r, text_from(name)) : TEXT_NONE;
}

/*
 * Returns the values of all fields of that name as one list (RFC 9110 5.3), or TEXT_NONE. The call initialises
 * `joined`, which may hold the list; the caller frees it.
 */
struct text http_header_list(const struct http_request *r, const char *name, struct buffer *joined);
/*
 * Returns true if one of the fields of that name, read as comma-separated lists, contains the token (case ignored).
 */
bool http_header_lists(const struct http_request *r, struct text name, struct text token);
static inline bool
http_header_has(const struct http_request *r, const char *name, const char *token)
{
	return http_may_have(r, name) && http_header_lists(r, text_from(name), text_from(token));
}

/*
 * Continues the exchange after on_request() returns. `ops` is borrowed. `max_body` overrides limits.max_body; 0 keeps
 * it. A longer body is answered with 413 without content, and the handler gets on_abort. A further call replaces
 * `ops` and `user`; the new ones do not get the calls of on_body and on_complete that were made before.
 */
void http_wait(struct http_request *r, const struct http_exchange_ops *ops, void *user, uint64_t max_body);

/*
 * As http_wait(), for a handler that passes the body on instead of keeping it. The body may have any length; on_body
 * gets it as it arrives. The body must arrive at HTTP_BODY_RATE bytes per second at least. The rate is checked every
 * body_ms; a slower body is answered with 408, or closes the connection if the reply has begun. A client that waits
 * for 100 Continue gets it from http_push_interim() only.
 */
#define HTTP_BODY_RATE 100
void http_wait_stream(struct http_request *r, const struct http_exchange_ops *ops, void *user);

/*
 * Flow control. After http_pause() on_body is not called until http_resume(). Bytes that were read already are kept
 * by the connection. A paused body has no time limit. Both calls are harmless if the body is complete.
 */
void http_pause(struct http_request *r);
void http_resume(struct http_request *r);

/* Returns true while the client waits for 100 Continue, which http_push_interim() sends. */
bool http_is_expecting(const struct http_request *r);

/* Sets the number of bytes that the handler keeps for this request. They count towards the connection's memory. */
void http_request_holds(struct http_request *r, size_t bytes);

/*
 * Prepares to hand the request to another process: from now on nothing is read from the connection, not even the
 * body. Must be called inside on_request(). `ops` is borrowed. on_complete is called when earlier replies that are
 * still queued (see conn_queued()) have left; if none is queued, it is not called. on_abort is called as usual, and
 * on_body is not called. After the turn of on_request(), conn_kept() returns the bytes that follow the head. The
 * exchange ends with http_reply*() (which closes the connection if there is a body), http_destroy() or http_leave().
 */
void http_hold(struct http_request *r, const struct http_exchange_ops *ops, void *user);

/*
 * Ends a held exchange: the request is freed and the connection belongs to the caller, who must call conn_set_owner()
 * at once.
 */
struct conn *http_leave(struct http_request *r);

/*
 * Adds a field to the coming reply, including 101 and error replies. Name and value are copied. "Connection: close"
 * acts as http_close_after(). A Content-Type or Date added here replaces the default one. ERROR_ARGUMENT: the name is
 * not a token or is Content-Length or Transfer-Encoding, or the value has control characters other than TAB.
 * ERROR_TOO_BIG: the added fields exceed 16 KiB.
 */
int http_add_field(struct http_request *r, struct text name, struct text value);
static inline int
http_add_header(struct http_request *r, const char *name, struct text value)
{
	return http_add_field(r, text_from(name), value);
}

/*
 * As http_add_header(), for lines that the caller has validated: "Name: value\r\n"... They must not contain
 * "Connection: close". `names` is the set of the http_name_bit() of their names.
 */
int http_add_lines(struct http_request *r, uint64_t names, struct text lines);

/* Returns true if http_add_header() has added a field of that name. */
bool http_has_field(const struct http_request *r, struct text name);
static inline bool
http_has_added(const struct http_request *r, const char *name)
{
	return http_has_field(r, text_from(name));
}

/*
 * Replies with `body`, which is copied. Date, Content-Length and Connection are added as HTTP/1.1 requires. A reply
 * to HEAD has no body. A NULL content_type omits the field.
 *
 * With `compress`, a body of limits.gzip_threshold bytes or more gets the Vary field, and is compressed with gzip or
 * deflate if the client accepts it. A body longer than HTTP_COMPRESS_MAX is not compressed, because compressing
 * blocks the loop for about 20 ms per MiB.
 */
#define HTTP_COMPRESS_MAX (1024 * 1024)
void http_reply(struct http_request *r, int status, const char *content_type, struct text body, bool compress);
/* As http_reply() with a range of a block. A long body is referenced; a short or compressed one is copied. */
void http_reply_block(struct http_request *r, int status, const char *content_type, struct block *body, size_t from,
	size_t n, bool compress);

/*
 * Replies with a body of known length that is made piece by piece. `pull` is called whenever the connection can take
 * more; it writes up to `n` bytes to `room` and returns their number. If it returns 0 or less, the connection is
 * closed, because the promised length cannot be met. `done` is called exactly once, in every case.
 */
void http_reply_stream(struct http_request *r, int status, const char *content_type, uint64_t length,
	int64_t (*pull)(void *user, uint8_t *room, size_t n), void (*done)(void *user), void *user);

/*
 * A reply that is received from elsewhere in pieces: http_push_begin() sends its head; http_push_piece() its content;
 * http_push_end() or http_push_cut() end it. Until then the request stays pending: on_body, on_complete and on_abort
 * come as before. conn_queued() tells how much is waiting for the client; on_drain reports that it has left.
 */
struct http_push {
	int status;	    /* 200 or above */
	struct text phrase; /* TEXT_NONE: the standard phrase */
	struct text fields; /* "Name: value\r\n"..., validated by the caller; without Content-Length,
			       Transfer-Encoding, Connection and Keep-Alive */
	bool dated;	    /* the fields include Date */
	int64_t length; /* of the body; -1: unknown; the body is then chunked or, for an HTTP/1.0 client, ends with
			   the connection */
};
void http_push_begin(struct http_request *r, const struct http_push *push);

/* Sends an interim response (1xx except 101). HTTP/1.0 has no interim responses, so its clients are sent nothing. */
void http_push_interim(struct http_request *r, int status, struct text fields);

/*
 * Sends the next piece of the body. The content is the `n` bytes of `block` from HTTP_CHUNK_BEFORE on (http_chunk.h),
 * and HTTP_CHUNK_AFTER unused bytes follow it. The caller must hold the only reference to the block. The piece is
 * dropped if the reply has no body. The caller ensures that all pieces together have the promised length.
 */
void http_push_piece(struct http_request *r, struct block *block, size_t n);
/* Ends the reply after its last piece. */
void http_push_end(struct http_request *r);

/* As http_upgrade(), with `fields` in place of the added fields; they include Upgrade. */
struct conn *http_push_upgrade(struct http_request *r, struct text fields);

/* Ends a reply that cannot be completed: the connection is closed in a way that the client notices. */
void http_push_cut(struct http_request *r, unsigned reason);

/* Closes the connection after the coming reply. */
void http_close_after(struct http_request *r);

/*
 * Sends 101 with the added fields, and with Connection and Upgrade if those are missing, and leaves HTTP. The request
 * is freed and the connection belongs to the caller, who must call conn_set_owner() at once. The new owner gets the
 * bytes that follow the head. Allowed only if r->upgrade is true.
 */
struct conn *http_upgrade(struct http_request *r);

/* Closes the connection without a reply, with a REASON_ of names.h. */
void http_destroy(struct http_request *r, unsigned reason);

#endif
