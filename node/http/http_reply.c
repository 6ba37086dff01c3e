/* Writes replies: the head, and the body or its compressed form. Then continues or ends the connection. */
#include <stdio.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/zip.h"
#include "node/http/http_exchange.h"
#include "node/http/http_words.h"

#define UPGRADE_HEAD 256     /* room for the status line, Upgrade and Connection of a 101 */
#define JOIN_MAX (16 * 1024) /* a body of up to this size is copied after the head: one block, one write */
#define ZIP_LEVEL 5	     /* about 50 MB/s for JSON; the loop waits meanwhile */
#define LENGTH_NONE UINT64_MAX
#define HEAD_FIXED_MAX                                                                                               \
	320 /* limit for the rest of a head, without phrase, type and added fields; 224 bytes are needed at most */

/* Heads are assembled from pieces: printf() would take longer than the rest of a polling reply. */
static inline char *
head_put(char *at, struct text t)
{
	memcpy(at, t.n ? t.at : "", t.n);
	return at + t.n;
}

int
http_add_field(struct http_request *r, struct text field, struct text value)
{
	struct http_exchange *exchange = http_exchange_of(r);
	size_t n;
	char *at;

	for (size_t i = 0; i < value.n; i++)
		if (!http_is((uint8_t)value.at[i], HTTP_VCHAR))
			return ERROR_ARGUMENT;
	if (!http_all(field, HTTP_TCHAR) || text_is_nocase(field, TEXT("content-length")) ||
		text_is_nocase(field, TEXT("transfer-encoding")))
		return ERROR_ARGUMENT;
	if (text_is_nocase(field, TEXT("connection")) && http_list_has(value, TEXT("close"))) {
		exchange->close = true;
		return 0;
	}
	n = field.n + value.n + 4;
	if (field.n > HTTP_ADDED_MAX || value.n > HTTP_ADDED_MAX || exchange->added_len + n > HTTP_ADDED_MAX)
		return ERROR_TOO_BIG;
	at = http_added_room(exchange, n);
	if (!at) { /* a reply without the field would be wrong */
		conn_no_memory(r->conn->c);
		return 0;
	}
	at = head_put(at, field);
	at = head_put(at, TEXT(": "));
	at = head_put(at, value);
	head_put(at, TEXT("\r\n"));
	exchange->added_len += (uint32_t)n;
	exchange->added_names |= http_name_bit(field.at[0], field.n);
	return 0;
}

int
http_add_lines(struct http_request *r, uint64_t names, struct text lines)
{
	struct http_exchange *exchange = http_exchange_of(r);
	char *at;

	if (exchange->added_len + lines.n > HTTP_ADDED_MAX)
		return ERROR_TOO_BIG;
	at = http_added_room(exchange, lines.n);
	if (!at) {
		conn_no_memory(r->conn->c);
		return 0;
	}
	memcpy(at, lines.at, lines.n);
	exchange->added_len += (uint32_t)lines.n;
	exchange->added_names |= names;
	return 0;
}

bool
http_has_field(const struct http_request *r, struct text name)
{
	const struct http_exchange *exchange = http_exchange_of((struct http_request *)r);
	const char *at, *end;

	if ((exchange->added_names & http_name_bit(name.at[0], name.n)) == 0)
		return false;
	/* the lines are whole: "Name: value\r\n" */
	end = exchange->added + exchange->added_len;
	for (at = exchange->added; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		if ((size_t)(end - at) > name.n && at[name.n] == ':' && text_is_nocase(text_of(at, name.n), name))
			return true;
	return false;
}

void
http_close_after(struct http_request *r)
{
	http_exchange_of(r)->close = true;
}

enum http_coding
http_reply_coding(const struct http_request *r, uint64_t n)
{
	enum http_coding coding;
	struct buffer joined;

	if (n < r->conn->server->limits->gzip_threshold || n == 0 || n > HTTP_COMPRESS_MAX)
		return HTTP_IDENTITY;
	coding = http_coding_choose(http_header_list(r, "accept-encoding", &joined));
	buffer_fini(&joined);
	return coding;
}

struct reply {
	int status;
	const char *type; /* NULL: no Content-Type */
	uint64_t length;  /* LENGTH_NONE: no Content-Length */
	enum http_coding coding;
	bool vary;
	const struct http_push *push; /* NULL: not a pushed reply */
};

static char *
head_put_number(char *at, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return head_put(at, text_of(digits + sizeof(digits) - n, n));
}

#define DATE_LINE (sizeof("Date: \r\n") - 1 + HTTP_DATE_LENGTH)

/*
 * Returns the line Date and the lines Connection and Keep-Alive of a connection that continues (RFC 9112 9.3). They
 * change once per second. Keep-Alive is the hint of Node.js, which keeps its clients from reusing a connection that
 * is about to time out.
 */
static struct text
lines_now(struct http_server *server)
{
	int64_t now = (int64_t)time(NULL);
	uint64_t idle = server->limits->idle_ms;
	char date[HTTP_DATE_LENGTH + 1], *at = server->lines;

	if (server->lines_len > 0 && server->lines_second == now && server->lines_idle == idle)
		return text_of(server->lines, server->lines_len);
	http_date_write(now, date);
	at = head_put(at, TEXT("Date: "));
	at = head_put(at, text_of(date, HTTP_DATE_LENGTH));
	at = head_put(at, TEXT("\r\nConnection: keep-alive\r\n"));
	if (idle >= 1000) {
		at = head_put(at, TEXT("Keep-Alive: timeout="));
		at = head_put_number(at, idle / 1000);
		at = head_put(at, TEXT("\r\n"));
	}
	server->lines_second = now;
	server->lines_idle = idle;
	server->lines_len = (uint8_t)(at - server->lines);
	must(server->lines_len <= sizeof(server->lines));
	return text_of(server->lines, server->lines_len);
}

/* Writes Date, if wanted, and what becomes of the connection. */
static char *
head_put_lines(char *at, const struct http_exchange *exchange, bool dated)
{
	struct text lines = lines_now(exchange->r.conn->server);

	if (!exchange->close)
		return head_put(at, dated ? lines : text_of(lines.at + DATE_LINE, lines.n - DATE_LINE));
	if (dated)
		at = head_put(at, text_of(lines.at, DATE_LINE));
	return head_put(at, TEXT("Connection: close\r\n"));
}

static char *
head_put_status(char *at, int status, struct text phrase)
{
	if (status == 200 && text_is(phrase, TEXT("OK")))
		return head_put(at, TEXT("HTTP/1.1 200 OK\r\n"));
	at = head_put(at, TEXT("HTTP/1.1 "));
	at = head_put_number(at, (uint64_t)status);
	at = head_put(at, TEXT(" "));
	at = head_put(at, phrase);
	return head_put(at, TEXT("\r\n"));
}

/*
 * Returns a block with the head and room for `body` more bytes after it, which block->len does not count yet. Returns
 * NULL if memory runs out.
 */
static struct block *
make_head(struct http_exchange *exchange, const struct reply *reply, size_t body)
{
	static const struct text codings[] = {
		{"", 0}, {"Content-Encoding: gzip\r\n", 24}, {"Content-Encoding: deflate\r\n", 27}};
	bool typed = reply->type && !http_has_added(&exchange->r, "content-type");
	bool dated = !http_has_added(&exchange->r, "date") && !(reply->push && reply->push->dated);
	struct text type = text_from(typed ? reply->type : "");
	struct text phrase = reply->push && reply->push->phrase.at ? reply->push->phrase
								   : text_from(http_status_phrase(reply->status));
	struct text fields = reply->push ? reply->push->fields : TEXT("");
	size_t room = HEAD_FIXED_MAX + phrase.n + type.n + exchange->added_len + fields.n;
	struct block *block = block_try_new(room + body);
	char *at = block ? (char *)block->data : NULL;

	if (!block)
		return NULL;
	must(reply->status >= 100 && reply->status <= 999);
	at = head_put_status(at, reply->status, phrase);
	if (typed) {
		at = head_put(at, TEXT("Content-Type: "));
		at = head_put(at, type);
		at = head_put(at, TEXT("\r\n"));
	}
	if (reply->length != LENGTH_NONE) {
		at = head_put(at, TEXT("Content-Length: "));
		at = head_put_number(at, reply->length);
		at = head_put(at, TEXT("\r\n"));
	}
	if (exchange->pushed_chunks)
		at = head_put(at, TEXT("Transfer-Encoding: chunked\r\n"));
	at = head_put(at, codings[reply->coding]);
	if (reply->vary)
		at = head_put(at, TEXT("Vary: Accept-Encoding\r\n"));
	at = head_put_lines(at, exchange, dated);
	at = head_put(at, http_added_text(exchange));
	at = head_put(at, fields);
	at = head_put(at, TEXT("\r\n"));
	block->len = (uint32_t)(at - (char *)block->data);
	must(block->len <= room);
	return block;
}

/* Returns true for a status without content (RFC 9110 6.4.1). */
static bool
has_no_content(int status)
{
	return status == 204 || status == 304 || status < 200;
}

/*
 * Queues head and body. `block` is the block that contains the body; a long body is referenced there instead of
 * copied. If `block` is NULL, the body is copied.
 */
static void
send_reply(struct http_exchange *exchange, const struct reply *reply, struct text body, struct block *block)
{
	bool join = body.n <= JOIN_MAX || !block;
	bool silent = exchange->r.method == HTTP_HEAD || has_no_content(reply->status);
	struct block *head;

	if (silent)
		body.n = 0;
	head = make_head(exchange, reply, join ? body.n : 0);
	if (!head) {
		conn_no_memory(exchange->r.conn->c);
		return;
	}
	if (join && body.n) {
		memcpy(head->data + head->len, body.at, body.n);
		head->len += (uint32_t)body.n;
	}
	conn_send(exchange->r.conn->c, head, 0, head->len);
	block_unref(head);
	if (!join)
		conn_send(exchange->r.conn->c, block, (size_t)((const uint8_t *)body.at - block->data), body.n);
}

static struct zip *
zip_of(struct http_server *server)
{
	if (!server->zip)
		server->zip = zip_new(ZIP_LEVEL);
	return server->zip;
}

static void
reply_with(struct http_request *r, int status, const char *type, struct text body, struct block *block, bool compress)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct reply reply = {
		.status = status, .type = type, .length = has_no_content(status) ? LENGTH_NONE : body.n};
	struct buffer zipped;

	must(http_exchange_pending(exchange) && !exchange->begun);
	exchange->close = exchange->close || http_exchange_closes(exchange);
	buffer_init(&zipped, body.n);
	if (compress && !has_no_content(status) && body.n && body.n >= r->conn->server->limits->gzip_threshold) {
		enum http_coding coding = http_reply_coding(r, body.n);
		enum zip_format format = coding == HTTP_GZIP ? ZIP_GZIP : ZIP_DEFLATE;

		reply.vary = true;
		/* if compression does not make the body smaller, it is sent uncompressed */
		if (coding != HTTP_IDENTITY &&
			zip_text(zip_of(r->conn->server), format, body.at, body.n, &zipped) == 0) {
			reply.coding = coding;
			reply.length = zipped.len;
			body = buffer_text(&zipped);
			block = NULL;
		}
	}
	send_reply(exchange, &reply, body, block);
	buffer_fini(&zipped);
	http_exchange_over(exchange);
}

void
http_reply_refusal(struct http_exchange *exchange, int status, struct text body)
{
	struct reply reply = {
		.status = status, .type = body.n ? "text/plain; charset=utf-8" : NULL, .length = body.n};

	exchange->close = true;
	send_reply(exchange, &reply, body, NULL);
}

void
http_reply(struct http_request *r, int status, const char *content_type, struct text body, bool compress)
{
	reply_with(r, status, content_type, body, NULL, compress);
}

void
http_reply_block(struct http_request *r, int status, const char *content_type, struct block *body, size_t from,
	size_t n, bool compress)
{
	must(from <= body->len && n <= body->len - from);
	reply_with(r, status, content_type, text_of((const char *)body->data + from, n), body, compress);
}

void
http_reply_stream(struct http_request *r, int status, const char *content_type, uint64_t length,
	int64_t (*pull)(void *user, uint8_t *room, size_t n), void (*done)(void *user), void *user)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct reply reply = {.status = status, .type = content_type, .length = length};
	bool silent = r->method == HTTP_HEAD || has_no_content(status);

	must(http_exchange_pending(exchange) && !exchange->begun);
	/* the rest of the request's body is not read while the reply streams */
	exchange->close = exchange->close || http_exchange_closes(exchange) || exchange->state == HTTP_BODY_STATE;
	if (has_no_content(status))
		reply.length = LENGTH_NONE;
	send_reply(exchange, &reply, TEXT_NONE, NULL);
	http_exchange_stream(exchange, (struct http_stream){pull, done, user, silent ? 0 : length});
}

/*
 * Chooses how the client finds the end of the body (RFC 9112 6.3). An error reply that begins before the request's
 * body is complete closes the connection, so that the client stops sending (9.6). After any other reply, the rest of
 * the request's body is read, unless much of it is still missing then: http_push_end() closes the connection.
 */
void
http_push_begin(struct http_request *r, const struct http_push *push)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct reply reply = {.status = push->status, .length = LENGTH_NONE, .push = push};

	must(http_exchange_pending(exchange) && !exchange->begun && push->status >= 200);
	exchange->silent = r->method == HTTP_HEAD || has_no_content(push->status);
	if (push->length >= 0 && push->status != 204)
		reply.length = (uint64_t)push->length;
	else if (!exchange->silent && r->minor == 0)
		exchange->pushed_until_close = exchange->close = true;
	else if (!exchange->silent)
		exchange->pushed_chunks = true;
	if (!r->keep_alive || r->conn->server->closing || exchange->expecting)
		exchange->close = true;
	if (push->status >= 400 && http_exchange_closes(exchange))
		exchange->close = true;
	send_reply(exchange, &reply, TEXT_NONE, NULL);
	exchange->begun = true;
}

void
http_push_interim(struct http_request *r, int status, struct text fields)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct text phrase = text_from(http_status_phrase(status));
	struct buffer out;

	must(http_exchange_pending(exchange) && !exchange->begun && status >= 100 && status < 200 && status != 101);
	if (r->minor == 0)
		return;
	if (status == 100)
		exchange->expecting = false;
	buffer_init(&out, HEAD_FIXED_MAX + phrase.n + fields.n);
	buffer_printf(&out, "HTTP/1.1 %d ", status);
	buffer_add_text(&out, phrase);
	buffer_add(&out, "\r\n", 2);
	buffer_add_text(&out, fields);
	buffer_add(&out, "\r\n", 2);
	if (buffer_error(&out))
		conn_no_memory(r->conn->c);
	else
		conn_send_copy(r->conn->c, out.data, out.len);
	buffer_fini(&out);
}

/*
 * Sends a 101 and leaves HTTP. `lines` are the fields in the order of the reply; `protocol` follows "Upgrade: ",
 * unless it is TEXT_NONE.
 */
static struct conn *
send_upgrade(struct http_request *r, struct text protocol, bool connection, struct text lines)
{
	struct conn *c = r->conn->c;
	struct block *block = block_try_new(UPGRADE_HEAD + protocol.n + lines.n);
	char *at = block ? (char *)block->data : NULL;

	if (!block) {
		conn_no_memory(c);
		http_conn_leave(r->conn);
		return c;
	}
	at = head_put(at, TEXT("HTTP/1.1 101 Switching Protocols\r\n"));
	if (protocol.at) {
		at = head_put(at, TEXT("Upgrade: "));
		at = head_put(at, protocol);
		at = head_put(at, TEXT("\r\n"));
	}
	if (connection)
		at = head_put(at, TEXT("Connection: Upgrade\r\n"));
	at = head_put(at, lines);
	at = head_put(at, TEXT("\r\n"));
	must(at - (char *)block->data <= block->len);
	block->len = (uint32_t)(at - (char *)block->data);
	conn_send(c, block, 0, block->len);
	block_unref(block);
	http_conn_leave(r->conn);
	return c;
}

struct conn *
http_upgrade(struct http_request *r)
{
	struct http_exchange *exchange = http_exchange_of(r);
	struct text protocol = http_header_get(r, "upgrade"), first;

	must(http_exchange_pending(exchange) && !exchange->begun);
	if (http_has_added(r, "upgrade"))
		first = TEXT_NONE;
	else if (!text_cut(&protocol, ',', &first))
		first = TEXT("");
	return send_upgrade(r, text_trim(first), !http_has_added(r, "connection"), http_added_text(exchange));
}

struct conn *
http_push_upgrade(struct http_request *r, struct text fields)
{
	const struct http_exchange *exchange = http_exchange_of(r);

	must(http_exchange_pending(exchange) && !exchange->begun);
	return send_upgrade(r, TEXT_NONE, true, fields);
}
