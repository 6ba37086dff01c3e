/*
 * One request and its response.
 *
 *   state        has                      ends with
 *   waiting      a place in the queue     a free connection to a target; connect timeout: 503
 *   connecting   a dial                   connected; failed: the next target, after the last one 502 or 504
 *   sent         a link                   head of the response; closed, or response invalid: 502; silence: 504
 *   responding   a link, head_done        end of the response; failure: the client's connection is cut
 *   over         nothing                  the link is kept for another request if both messages are complete
 *
 * If the client leaves, in any state, the link is closed. Status 101 turns the link and the client's connection into
 * a tunnel.
 *
 * The request's body is read from state `sent` on, while at most a window of it waits for the upstream. The response
 * is read while at most a window of it waits for the client.
 *
 * The timer runs while the upstream has to act: the request is complete or the response has begun, and the client
 * reads the response. The connection itself notices an upstream that takes no bytes (conn_limits.stall_ms).
 *
 * The upstream may close a reused connection at the moment of the next request, and it is unknown whether it has seen
 * that request. The request is sent again, once and on a new connection, if no byte of a response came, the method is
 * idempotent, and no body was sent (RFC 9112 9.3.1).
 */
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/http/http_chunk.h"
#include "node/http/http_client.h"
#include "node/upstream/upstream_fields.h"
#include "node/upstream/upstream_internal.h"
#include "node/upstream/upstream_request.h"
#include "node/upstream/upstream_tables.h"

#define REQUEST_MAX (256 * 1024) /* bytes of the rewritten head: the client's, and the fields that are added */
#define INTERIMS_MAX 16		 /* 1xx responses before the final one */
#define DOWN_MS 1000		 /* how long a target is skipped after a failed connect */
#define LINES_PER_SECOND 1
#define PATH_SHOWN_MAX 128
#define FIELDS_MAX (UPSTREAM_HEAD_MAX + 4 * UPSTREAM_HEADERS_MAX) /* of a rewritten response */

static void
exchange_count(const struct upstream_exchange *exchange, unsigned counter)
{
	counter_add(&exchange->upstream->loop->counters, counter, 1);
}

/* ---------------------------------------------------------------------- end */

/* Gives back the connection, the dial or the place in the queue. Does not touch the request. */
static void
exchange_release(struct upstream_exchange *exchange, uint64_t link_idle_ms)
{
	struct upstream *upstream = exchange->upstream;

	upstream_unwait(exchange);
	loop_disarm(upstream->loop, &exchange->timer);
	if (exchange->dial) {
		dial_cancel(exchange->dial);
		exchange->dial = NULL;
		upstream_target_unref(exchange->target);
		upstream_place_free(upstream);
	}
	if (exchange->link)
		upstream_link_release(exchange->link, link_idle_ms);
	exchange->link = NULL;
}

static void
exchange_free(struct upstream_exchange *exchange)
{
	exchange->upstream->running--;
	exchange_count(exchange, COUNT_UPSTREAM_ENDED);
	buffer_fini(&exchange->head);
	mem_free(exchange);
}

static void
exchange_log_failure(const struct upstream_exchange *exchange, const char *why, int status)
{
	struct upstream *upstream = exchange->upstream;
	struct text path = exchange->request->path, target = TEXT("none");

	if (!log_allow(&upstream->failed_log, LINES_PER_SECOND, upstream->loop->now))
		return;
	if (path.n > PATH_SHOWN_MAX)
		path.n = PATH_SHOWN_MAX;
	if (exchange->link)
		target = text_from(exchange->link->target->address.path[0]
					   ? exchange->link->target->address.path
					   : exchange->link->target->address.authority);
	log_event(LOG_WARN, "upstream_failed", "error", LOG_STR(why), "status", LOG_INT(status), "method",
		LOG_TEXT(exchange->request->method_name), "path", LOG_TEXT(path), "upstream", LOG_TEXT(target), NULL);
}

static void
exchange_cut(struct upstream_exchange *exchange, enum upstream_failure why)
{
	struct http_request *request = exchange->request;
	bool late = why == UPSTREAM_TIMEOUT;

	exchange_count(exchange, late ? COUNT_UPSTREAM_TIMEOUTS : COUNT_UPSTREAM_CUT);
	exchange_log_failure(exchange,
		late ? "stopped sending in the middle of the response"
		     : "closed the connection in the middle of the response",
		0);
	exchange_release(exchange, 0);
	exchange_free(exchange);
	http_push_cut(request, late ? REASON_UPSTREAM_TIMEOUT : REASON_UPSTREAM_CUT);
}

void
upstream_exchange_fail(struct upstream_exchange *exchange, enum upstream_failure why)
{
	struct http_request *request = exchange->request;
	int status = upstream_failures[why].status;

	if (exchange->head_done) {
		exchange_cut(exchange, why);
		return;
	}
	exchange_count(exchange, upstream_failures[why].counter);
	exchange_log_failure(exchange, upstream_failures[why].word, status);
	exchange_release(exchange, 0);
	exchange_free(exchange);
	if (status == 503)
		http_add_header(request, "Retry-After", TEXT("1"));
	http_reply(request, status, "text/plain; charset=utf-8", text_from(upstream_failures[why].body), false);
}

static void
exchange_on_abort(struct http_request *request, void *user)
{
	struct upstream_exchange *exchange = user;

	(void)request;
	exchange_count(exchange, COUNT_UPSTREAM_ABORTED);
	exchange_release(exchange, 0);
	exchange_free(exchange);
}

/* ------------------------------------------------------------------- timers */

static void
exchange_on_timer(struct wheel_entry *entry)
{
	struct upstream_exchange *exchange = container_of(entry, struct upstream_exchange, timer);

	upstream_exchange_fail(exchange, exchange->link ? UPSTREAM_TIMEOUT : upstream_lack(exchange->upstream));
}

/* There was progress: restarts the timer if the upstream has to act, and stops it otherwise. */
static void
exchange_watch(struct upstream_exchange *exchange)
{
	if ((exchange->request_done || exchange->head_done) && !exchange->paused)
		loop_arm(exchange->upstream->loop, &exchange->timer, exchange->upstream->options->timeout);
	else
		loop_disarm(exchange->upstream->loop, &exchange->timer);
}

void
upstream_exchange_wait(struct upstream_exchange *exchange)
{
	loop_arm(exchange->upstream->loop, &exchange->timer, exchange->upstream->options->connect_timeout);
}

/* ------------------------------------------------------------------ request */

static struct conn *
exchange_client(const struct upstream_exchange *exchange)
{
	return http_request_conn(exchange->request);
}

/* Charges the client's connection for the memory that the exchange holds for it. */
static void
exchange_account(const struct upstream_exchange *exchange)
{
	http_request_holds(exchange->request,
		sizeof *exchange + exchange->head.size + (exchange->link ? conn_queued(exchange->link->c) : 0));
}

static void
exchange_sent(struct upstream_exchange *exchange, size_t n)
{
	counter_add(&exchange->upstream->loop->counters, COUNT_UPSTREAM_BYTES_OUT, n);
	exchange_account(exchange);
	exchange_watch(exchange);
}

static void
exchange_send_head(struct upstream_exchange *exchange)
{
	char client_room[CONN_ADDRESS_MAX], peer_room[CONN_ADDRESS_MAX];
	struct upstream_origin origin = {
		.peer = conn_peer_address(exchange_client(exchange), peer_room),
		.client = http_client_address(exchange->request, client_room),
		.host = http_client_host(exchange->request),
		.secure = http_client_secure(exchange->request),
		.trusted = http_client_peer_trusted(exchange->request),
		.says_x = http_client_says_x(exchange->request),
		.expect = http_is_expecting(exchange->request),
		.authority = text_from(exchange->link->target->address.authority),
	};
	struct buffer out;

	buffer_init(&out, REQUEST_MAX);
	upstream_request_write(&out, exchange->request, &origin);
	if (buffer_error(&out))
		conn_no_memory(exchange_client(exchange)); /* calls on_abort later */
	else
		conn_send_copy(exchange->link->c, out.data, out.len);
	exchange_sent(exchange, out.len);
	buffer_fini(&out);
}

void
upstream_exchange_attach(struct upstream_exchange *exchange, struct upstream_link *link)
{
	exchange->link = link;
	exchange_send_head(exchange);
	if (!exchange->request_done)
		http_resume(exchange->request);
}

static void
exchange_on_body(struct http_request *request, void *user, const uint8_t *data, size_t n)
{
	struct upstream_exchange *exchange = user;
	size_t from = HTTP_CHUNK_BEFORE, end = from + n;
	struct block *block;

	must(exchange->link);
	block = block_try_new(n + HTTP_CHUNK_ROOM);
	if (!block) {
		conn_no_memory(exchange_client(exchange));
		return;
	}
	memcpy(block->data + from, data, n);
	if (request->chunked) {
		from = http_chunk_wrap(block->data, n);
		end += HTTP_CHUNK_AFTER;
	}
	exchange->body_begun = true;
	conn_send(exchange->link->c, block, from, end - from);
	block_unref(block);
	if (conn_queued(exchange->link->c) > UPSTREAM_WINDOW)
		http_pause(request);
	exchange_sent(exchange, end - from);
}

static void
exchange_on_complete(struct http_request *request, void *user)
{
	struct upstream_exchange *exchange = user;

	exchange->request_done = true;
	if (request->chunked) {
		exchange->body_begun = true;
		conn_send_copy(exchange->link->c, HTTP_CHUNK_LAST, sizeof HTTP_CHUNK_LAST - 1);
	}
	if (exchange->link)
		exchange_sent(exchange, 0);
}

void
upstream_exchange_drained(struct upstream_exchange *exchange)
{
	exchange_account(exchange);
	exchange_watch(exchange);
	http_resume(exchange->request);
}

/* The client has taken all bytes that were queued for it. */
static void
exchange_on_drained(struct http_request *request, void *user)
{
	struct upstream_exchange *exchange = user;

	(void)request;
	if (!exchange->paused)
		return;
	exchange->paused = false;
	conn_resume(exchange->link->c);
	exchange_watch(exchange);
}

static const struct http_exchange_ops exchange_ops = {
	exchange_on_body, exchange_on_complete, exchange_on_abort, exchange_on_drained};

void
upstream_exchange_start(struct upstream *upstream, struct http_request *request)
{
	int status = upstream_request_check(request);
	struct upstream_exchange *exchange;

	if (status > 0) {
		if (status == 405)
			http_add_header(request, "Allow", TEXT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
		http_reply(request, status, NULL, TEXT(""), false);
		return;
	}
	exchange = mem_zalloc(sizeof *exchange);
	exchange->upstream = upstream;
	exchange->request = request;
	list_init(&exchange->waiting);
	wheel_entry_init(&exchange->timer, exchange_on_timer);
	buffer_init(&exchange->head, UPSTREAM_HEAD_MAX + LOOP_SCRATCH_SIZE);
	exchange->request_done = !request->has_body;
	upstream->running++;
	exchange_count(exchange, COUNT_UPSTREAM_REQUESTS);
	http_wait_stream(request, &exchange_ops, exchange);
	http_pause(request);
	upstream_assign(exchange);
}

/* --------------------------------------------------------------- connecting */

static void
exchange_on_dialed(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct upstream_exchange *exchange = arg;
	struct upstream *upstream = exchange->upstream;
	struct upstream_target *target = exchange->target;
	bool late = upstream->loop->now - exchange->dialed_at >= upstream->options->connect_timeout;

	exchange->dial = NULL;
	exchange->target = NULL;
	if (fd >= 0) {
		target->down_until = 0;
		upstream_exchange_attach(exchange, upstream_link_new(exchange, target, fd, peer, peer_len));
		upstream_target_unref(target);
		return;
	}
	exchange_count(exchange, COUNT_UPSTREAM_UNREACHABLE);
	if (log_allow(&upstream->unreachable_log, LINES_PER_SECOND, upstream->loop->now))
		log_event(LOG_WARN, "upstream_unreachable", "error", LOG_STR(error), "upstream",
			LOG_STR(target->address.path[0] ? target->address.path : target->address.authority), NULL);
	target->down_until = upstream->loop->now + DOWN_MS;
	upstream_target_unref(target);
	upstream_place_free(upstream);
	if (++exchange->tried < upstream->target_count)
		upstream_assign(exchange);
	else
		upstream_exchange_fail(exchange, late ? UPSTREAM_CONNECT_TIMEOUT : UPSTREAM_UNREACHABLE);
}

void
upstream_exchange_dial(struct upstream_exchange *exchange, struct upstream_target *target)
{
	const struct upstream_address *address = &target->address;
	struct dial_to to = {.timeout_ms = exchange->upstream->options->connect_timeout};

	if (address->host[0]) {
		to.host = address->host;
		to.port = address->port;
	} else {
		to.path = address->path;
	}
	loop_disarm(exchange->upstream->loop, &exchange->timer); /* the dial has its own timeout */
	upstream_target_ref(target);
	exchange->target = target;
	exchange->dialed_at = exchange->upstream->loop->now;
	exchange->dial = dial_start(exchange->upstream->loop, &to, exchange_on_dialed, exchange);
}

/* ----------------------------------------------------------------- response */

static void
exchange_finish(struct upstream_exchange *exchange, uint64_t link_idle_ms)
{
	struct http_request *request = exchange->request;

	exchange_release(exchange, exchange->request_done && conn_queued(exchange->link->c) == 0 ? link_idle_ms : 0);
	exchange_free(exchange);
	http_push_end(request);
}

/* Handles status 101. Returns false if the client may not have this upgrade. */
static bool
exchange_upgrade(struct upstream_exchange *exchange, const struct upstream_response *response,
	const struct http_header *headers)
{
	struct upstream_link *link = exchange->link;
	struct http_request *request = exchange->request;
	struct text protocol = TEXT_NONE;
	struct buffer fields;
	bool good;

	for (unsigned i = 0; i < response->count; i++)
		if (text_is_nocase(headers[i].name, TEXT("upgrade")))
			protocol = headers[i].value;
	if (!upstream_request_asks(request, protocol))
		return false;
	buffer_init(&fields, FIELDS_MAX);
	upstream_field_add(&fields, TEXT("Upgrade"), protocol);
	good = upstream_response_fields(&fields, response, headers) == 0 && buffer_error(&fields) == 0;
	if (good) {
		loop_disarm(exchange->upstream->loop, &exchange->timer);
		upstream_link_tunnel(link, http_push_upgrade(request, buffer_text(&fields)));
		buffer_fini(&exchange->head);
		mem_free(exchange); /* the exchange still counts as running, as a tunnel */
	}
	buffer_fini(&fields);
	return good;
}

static bool
exchange_begin(struct upstream_exchange *exchange, const struct upstream_response *response,
	const struct http_header *headers)
{
	struct http_push push = {.status = response->status,
		.phrase = response->phrase,
		.dated = response->dated,
		.length = response->length};
	struct buffer fields;
	bool good;

	buffer_init(&fields, FIELDS_MAX);
	good = upstream_response_fields(&fields, response, headers) == 0 && buffer_error(&fields) == 0;
	push.fields = buffer_text(&fields);
	if (good && response->status < 200) {
		good = ++exchange->interims <= INTERIMS_MAX;
		if (good)
			http_push_interim(exchange->request, response->status, push.fields);
	} else if (good) {
		exchange->head_done = true;
		exchange->link_idle_ms = upstream_response_idle_ms(response);
		upstream_body_init(&exchange->body, response);
		http_push_begin(exchange->request, &push);
	}
	buffer_fini(&fields);
	return good;
}

/* Handles a complete head. Returns false if the response is invalid. Sets *over if the exchange became a tunnel. */
static bool
exchange_read_response(struct upstream_exchange *exchange, struct text head, bool *over)
{
	struct http_header headers[UPSTREAM_HEADERS_MAX];
	struct upstream_response response;

	*over = false;
	if (upstream_response_read(&response, head, headers, exchange->request->method == HTTP_HEAD) < 0)
		return false;
	if (response.status == 101)
		return *over = exchange_upgrade(exchange, &response, headers);
	return exchange_begin(exchange, &response, headers);
}

/* Reads bytes up to the end of the head. Returns how many of them it used. Sets *over if the exchange has ended. */
static size_t
exchange_read_head(struct upstream_exchange *exchange, const uint8_t *data, size_t n, bool *over)
{
	size_t before = exchange->head.len;
	struct text all = text_of((const char *)data, n);
	int64_t length;
	bool good;

	if (before > 0) {
		buffer_add(&exchange->head, data, n);
		all = buffer_text(&exchange->head);
		if (buffer_error(&exchange->head)) {
			conn_no_memory(exchange_client(exchange));
			return n;
		}
	}
	length = upstream_head_find((const uint8_t *)all.at, all.n, &exchange->seen);
	if (length == 0) {
		if (before == 0)
			buffer_add(&exchange->head, data, n);
		if (buffer_error(&exchange->head))
			conn_no_memory(exchange_client(exchange));
		exchange_account(exchange);
		return n;
	}
	good = length > 0 && exchange_read_response(exchange, text_of(all.at, (size_t)length), over);
	if (*over)
		return (size_t)length - before;
	if (!good) {
		*over = true;
		upstream_exchange_fail(exchange, UPSTREAM_NONSENSE);
		return n;
	}
	buffer_reset(&exchange->head);
	exchange->seen = 0;
	return (size_t)length - before;
}

/* Reads bytes after the head. Returns false if the exchange has ended. */
static bool
exchange_read_body(struct upstream_exchange *exchange, const uint8_t *data, size_t n)
{
	struct block *block = n > 0 ? block_try_new(n + HTTP_CHUNK_ROOM) : NULL;
	int64_t used = 0;
	size_t got = 0;

	if (n > 0 && !block) {
		conn_no_memory(exchange_client(exchange));
		return true;
	}
	if (n > 0)
		used = upstream_body_decode(&exchange->body, data, n, block->data + HTTP_CHUNK_BEFORE, &got);
	if (got > 0)
		http_push_piece(exchange->request, block, got);
	block_unref(block);
	if (used < 0) {
		upstream_exchange_fail(exchange, UPSTREAM_NONSENSE);
		return false;
	}
	if (upstream_body_done(&exchange->body)) {
		/* Bytes after the response answer no request, so the connection cannot be reused. */
		exchange_finish(exchange, (size_t)used == n ? exchange->link_idle_ms : 0);
		return false;
	}
	if (conn_queued(exchange_client(exchange)) > UPSTREAM_WINDOW) {
		exchange->paused = true;
		conn_pause(exchange->link->c);
	}
	return true;
}

size_t
upstream_exchange_read(struct upstream_exchange *exchange, const uint8_t *data, size_t n)
{
	size_t used = 0;
	bool over = false;

	exchange->responding = true;
	while (!exchange->head_done && used < n) {
		used += exchange_read_head(exchange, data + used, n - used, &over);
		if (over)
			return used;
	}
	if (exchange->head_done && !exchange_read_body(exchange, data + used, n - used))
		return n;
	exchange_watch(exchange);
	return n;
}

/* ------------------------------------------------------------------ failure */

static bool
exchange_may_retry(const struct upstream_exchange *exchange)
{
	return exchange->link->reused && !exchange->retried && !exchange->responding && !exchange->body_begun &&
	       upstream_is_idempotent(exchange->request);
}

void
upstream_exchange_ended(struct upstream_exchange *exchange, unsigned reason)
{
	if (exchange->head_done && exchange->body.until_close && reason == REASON_PEER_CLOSED) {
		exchange_finish(exchange, 0);
	} else if (exchange_may_retry(exchange)) {
		exchange_count(exchange, COUNT_UPSTREAM_RETRIES);
		exchange_release(exchange, 0);
		http_pause(exchange->request);
		exchange->retried = exchange->fresh = true;
		upstream_assign(exchange);
	} else {
		upstream_exchange_fail(exchange, reason == REASON_STALLED ? UPSTREAM_TIMEOUT : UPSTREAM_CLOSED);
	}
}
