/*
 *   state        what it has              leaves by
 *   waiting      a place in the queue     a target and a connection are free; connect timeout: 503
 *   connecting   a dial                   connected; failed: the next target, after the last one 502 or 504
 *   sent         a link                   head of the response; its end, nonsense: 502; silence: 504
 *   responding   a link, head_done        end of the response; a failure: the client's connection is cut
 *   over         nothing                  the link is kept for another request if both messages are complete
 *
 * The client goes away in any of them: the link is closed. 101 makes a tunnel of the link and the client's
 * connection.
 *
 * The request's body is passed on from `sent` on; until then, and while more than a window of it waits for the
 * upstream, it is not read. The response is not read while more than a window of it waits for the client.
 *
 * The timer runs while it is the upstream's turn: the request is queued or the response has begun, and the client
 * takes what comes. An upstream that takes nothing is found by its connection (conn_limits.stall_ms).
 *
 * A link that was used before may be closed by the other side at the very moment of the next request. Nobody can know
 * whether that was seen. If nothing of a response came, the method is idempotent and no body was sent, the request is
 * sent once more on a new connection (RFC 9112 9.3.1).
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

#define REQUEST_MAX (256 * 1024) /* a head as it is written anew: the client's, and what is added */
#define INTERIMS_MAX 16		 /* 1xx responses before the final one */
#define DOWN_MS 1000		 /* a target that could not be connected to is passed over for so long */
#define LINES_PER_SECOND 1
#define PATH_SHOWN_MAX 128
#define FIELDS_MAX (UPSTREAM_HEAD_MAX + 4 * UPSTREAM_HEADERS_MAX) /* of a response, written anew */

static void
count(const struct upstream_exchange *x, unsigned counter)
{
	counter_add(&x->u->loop->counters, counter, 1);
}

/* ---------------------------------------------------------------------- end */

/* Gives back what it has; the request is not touched. */
static void
let_go(struct upstream_exchange *x, uint64_t link_idle_ms)
{
	struct upstream *u = x->u;

	upstream_unwait(x);
	loop_disarm(u->loop, &x->timer);
	if (x->dial) {
		dial_cancel(x->dial);
		x->dial = NULL;
		upstream_target_unref(x->target);
		upstream_place_free(u);
	}
	if (x->link)
		upstream_link_release(x->link, link_idle_ms);
	x->link = NULL;
}

static void
exchange_free(struct upstream_exchange *x)
{
	x->u->running--;
	count(x, COUNT_UPSTREAM_ENDED);
	buffer_fini(&x->head);
	mem_free(x);
}

static void
log_failure(const struct upstream_exchange *x, const char *why, int status)
{
	struct upstream *u = x->u;
	struct text path = x->r->path, target = TEXT("none");

	if (!log_allow(&u->failed_log, LINES_PER_SECOND, u->loop->now))
		return;
	if (path.n > PATH_SHOWN_MAX)
		path.n = PATH_SHOWN_MAX;
	if (x->link)
		target = text_from(x->link->target->address.path[0] ? x->link->target->address.path
								    : x->link->target->address.authority);
	log_event(LOG_WARN, "upstream_failed", "error", LOG_STR(why), "status", LOG_INT(status), "method",
		LOG_TEXT(x->r->method_name), "path", LOG_TEXT(path), "upstream", LOG_TEXT(target), NULL);
}

static void
cut(struct upstream_exchange *x, enum upstream_failure why)
{
	struct http_request *r = x->r;
	bool late = why == UPSTREAM_TIMEOUT;

	count(x, late ? COUNT_UPSTREAM_TIMEOUTS : COUNT_UPSTREAM_CUT);
	log_failure(x, late ? "stood still within the response" : "ended within the response", 0);
	let_go(x, 0);
	exchange_free(x);
	http_push_cut(r, late ? REASON_UPSTREAM_TIMEOUT : REASON_UPSTREAM_CUT);
}

void
upstream_exchange_fail(struct upstream_exchange *x, enum upstream_failure why)
{
	struct http_request *r = x->r;
	int status = upstream_failures[why].status;

	if (x->head_done) {
		cut(x, why);
		return;
	}
	count(x, upstream_failures[why].counter);
	log_failure(x, upstream_failures[why].word, status);
	let_go(x, 0);
	exchange_free(x);
	if (status == 503)
		http_add_header(r, "Retry-After", TEXT("1"));
	http_reply(r, status, "text/plain; charset=utf-8", text_from(upstream_failures[why].body), false);
}

static void
on_abort(struct http_request *r, void *user)
{
	struct upstream_exchange *x = user;

	(void)r;
	count(x, COUNT_UPSTREAM_ABORTED);
	let_go(x, 0);
	exchange_free(x);
}

/* ------------------------------------------------------------------- timers */

static void
on_timer(struct wheel_entry *entry)
{
	struct upstream_exchange *x = container_of(entry, struct upstream_exchange, timer);

	upstream_exchange_fail(x, x->link ? UPSTREAM_TIMEOUT : upstream_lack(x->u));
}

/* Something went on: the time begins anew, if it is the upstream's turn. */
static void
watch(struct upstream_exchange *x)
{
	if ((x->request_done || x->head_done) && !x->paused)
		loop_arm(x->u->loop, &x->timer, x->u->options->timeout);
	else
		loop_disarm(x->u->loop, &x->timer);
}

void
upstream_exchange_wait(struct upstream_exchange *x)
{
	loop_arm(x->u->loop, &x->timer, x->u->options->connect_timeout);
}

/* ------------------------------------------------------------------ request */

static struct conn *
client_of(const struct upstream_exchange *x)
{
	return http_request_conn(x->r);
}

/* What is held for this client besides what its own connection holds. */
static void
account(const struct upstream_exchange *x)
{
	http_request_holds(x->r, sizeof *x + x->head.size + (x->link ? conn_queued(x->link->c) : 0));
}

static void
sent(struct upstream_exchange *x, size_t n)
{
	counter_add(&x->u->loop->counters, COUNT_UPSTREAM_BYTES_OUT, n);
	account(x);
	watch(x);
}

static void
send_head(struct upstream_exchange *x)
{
	char client_room[CONN_ADDRESS_MAX], peer_room[CONN_ADDRESS_MAX];
	struct upstream_origin origin = {
		.peer = conn_peer_address(client_of(x), peer_room),
		.client = http_client_address(x->r, client_room),
		.host = http_client_host(x->r),
		.secure = http_client_secure(x->r),
		.trusted = http_client_peer_trusted(x->r),
		.says_x = http_client_says_x(x->r),
		.expect = http_is_expecting(x->r),
		.authority = text_from(x->link->target->address.authority),
	};
	struct buffer out;

	buffer_init(&out, REQUEST_MAX);
	upstream_request_write(&out, x->r, &origin);
	if (buffer_error(&out))
		conn_no_memory(client_of(x)); /* on_abort follows */
	else
		conn_send_copy(x->link->c, out.data, out.len);
	sent(x, out.len);
	buffer_fini(&out);
}

void
upstream_exchange_attach(struct upstream_exchange *x, struct upstream_link *k)
{
	x->link = k;
	send_head(x);
	if (!x->request_done)
		http_resume(x->r);
}

static void
on_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct upstream_exchange *x = user;
	size_t from = HTTP_CHUNK_BEFORE, end = from + n;
	struct block *b;

	must(x->link);
	b = block_try_new(n + HTTP_CHUNK_ROOM);
	if (!b) {
		conn_no_memory(client_of(x));
		return;
	}
	memcpy(b->data + from, data, n);
	if (r->chunked) {
		from = http_chunk_wrap(b->data, n);
		end += HTTP_CHUNK_AFTER;
	}
	x->body_begun = true;
	conn_send(x->link->c, b, from, end - from);
	block_unref(b);
	if (conn_queued(x->link->c) > UPSTREAM_WINDOW)
		http_pause(r);
	sent(x, end - from);
}

static void
on_complete(struct http_request *r, void *user)
{
	struct upstream_exchange *x = user;

	x->request_done = true;
	if (r->chunked) {
		x->body_begun = true;
		conn_send_copy(x->link->c, HTTP_CHUNK_LAST, sizeof HTTP_CHUNK_LAST - 1);
	}
	if (x->link)
		sent(x, 0);
}

void
upstream_exchange_drained(struct upstream_exchange *x)
{
	account(x);
	watch(x);
	http_resume(x->r);
}

/* The client has taken what was sent to it. */
static void
on_client_drained(struct http_request *r, void *user)
{
	struct upstream_exchange *x = user;

	(void)r;
	if (!x->paused)
		return;
	x->paused = false;
	conn_resume(x->link->c);
	watch(x);
}

static const struct http_exchange_ops exchange_ops = {on_body, on_complete, on_abort, on_client_drained};

void
upstream_exchange_start(struct upstream *u, struct http_request *r)
{
	int status = upstream_request_check(r);
	struct upstream_exchange *x;

	if (status > 0) {
		if (status == 405)
			http_add_header(r, "Allow", TEXT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
		http_reply(r, status, NULL, TEXT(""), false);
		return;
	}
	x = mem_zalloc(sizeof *x);
	x->u = u;
	x->r = r;
	list_init(&x->waiting);
	wheel_entry_init(&x->timer, on_timer);
	buffer_init(&x->head, UPSTREAM_HEAD_MAX + LOOP_SCRATCH_SIZE);
	x->request_done = !r->has_body;
	u->running++;
	count(x, COUNT_UPSTREAM_REQUESTS);
	http_wait_stream(r, &exchange_ops, x);
	http_pause(r);
	upstream_assign(x);
}

/* --------------------------------------------------------------- connecting */

static void
on_dialed(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len, const char *error)
{
	struct upstream_exchange *x = arg;
	struct upstream *u = x->u;
	struct upstream_target *t = x->target;
	bool late = u->loop->now - x->dialed_at >= u->options->connect_timeout;

	x->dial = NULL;
	x->target = NULL;
	if (fd >= 0) {
		t->down_until = 0;
		upstream_exchange_attach(x, upstream_link_new(x, t, fd, peer, peer_len));
		upstream_target_unref(t);
		return;
	}
	count(x, COUNT_UPSTREAM_UNREACHABLE);
	if (log_allow(&u->unreachable_log, LINES_PER_SECOND, u->loop->now))
		log_event(LOG_WARN, "upstream_unreachable", "error", LOG_STR(error), "upstream",
			LOG_STR(t->address.path[0] ? t->address.path : t->address.authority), NULL);
	t->down_until = u->loop->now + DOWN_MS;
	upstream_target_unref(t);
	upstream_place_free(u);
	if (++x->tried < u->target_count)
		upstream_assign(x);
	else
		upstream_exchange_fail(x, late ? UPSTREAM_CONNECT_TIMEOUT : UPSTREAM_UNREACHABLE);
}

void
upstream_exchange_dial(struct upstream_exchange *x, struct upstream_target *t)
{
	const struct upstream_address *a = &t->address;
	struct dial_to to = {.timeout_ms = x->u->options->connect_timeout};

	if (a->host[0]) {
		to.host = a->host;
		to.port = a->port;
	} else {
		to.path = a->path;
	}
	loop_disarm(x->u->loop, &x->timer); /* the dial has a limit of its own */
	upstream_target_ref(t);
	x->target = t;
	x->dialed_at = x->u->loop->now;
	x->dial = dial_start(x->u->loop, &to, on_dialed, x);
}

/* ----------------------------------------------------------------- response */

static void
finish(struct upstream_exchange *x, uint64_t link_idle_ms)
{
	struct http_request *r = x->r;

	let_go(x, x->request_done && conn_queued(x->link->c) == 0 ? link_idle_ms : 0);
	exchange_free(x);
	http_push_end(r);
}

/* 101: false if it is not one that may be passed on. */
static bool
upgrade(struct upstream_exchange *x, const struct upstream_response *p, const struct http_header *headers)
{
	struct upstream_link *k = x->link;
	struct http_request *r = x->r;
	struct text protocol = TEXT_NONE;
	struct buffer fields;
	bool good;

	for (unsigned i = 0; i < p->count; i++)
		if (text_is_nocase(headers[i].name, TEXT("upgrade")))
			protocol = headers[i].value;
	if (!upstream_request_asks(r, protocol))
		return false;
	buffer_init(&fields, FIELDS_MAX);
	upstream_field_add(&fields, TEXT("Upgrade"), protocol);
	good = upstream_response_fields(&fields, p, headers) == 0 && buffer_error(&fields) == 0;
	if (good) {
		loop_disarm(x->u->loop, &x->timer);
		upstream_link_tunnel(k, http_push_upgrade(r, buffer_text(&fields)));
		buffer_fini(&x->head);
		mem_free(x); /* it goes on running, as a tunnel */
	}
	buffer_fini(&fields);
	return good;
}

static bool
begin(struct upstream_exchange *x, const struct upstream_response *p, const struct http_header *headers)
{
	struct http_push push = {.status = p->status, .phrase = p->phrase, .dated = p->dated, .length = p->length};
	struct buffer fields;
	bool good;

	buffer_init(&fields, FIELDS_MAX);
	good = upstream_response_fields(&fields, p, headers) == 0 && buffer_error(&fields) == 0;
	push.fields = buffer_text(&fields);
	if (good && p->status < 200) {
		good = ++x->interims <= INTERIMS_MAX;
		if (good)
			http_push_interim(x->r, p->status, push.fields);
	} else if (good) {
		x->head_done = true;
		x->link_idle_ms = upstream_response_idle_ms(p);
		upstream_body_init(&x->body, p);
		http_push_begin(x->r, &push);
	}
	buffer_fini(&fields);
	return good;
}

/* A whole head. False if it is no good, or if the exchange has ended: *over says which. */
static bool
read_response(struct upstream_exchange *x, struct text head, bool *over)
{
	struct http_header headers[UPSTREAM_HEADERS_MAX];
	struct upstream_response p;

	*over = false;
	if (upstream_response_read(&p, head, headers, x->r->method == HTTP_HEAD) < 0)
		return false;
	if (p.status == 101)
		return *over = upgrade(x, &p, headers);
	return begin(x, &p, headers);
}

/*
 * Bytes before the head is complete: how many of them it took. *over: the exchange is no more.
 */
static size_t
read_head(struct upstream_exchange *x, const uint8_t *data, size_t n, bool *over)
{
	size_t before = x->head.len;
	struct text all = text_of((const char *)data, n);
	int64_t length;
	bool good;

	if (before > 0) {
		buffer_add(&x->head, data, n);
		all = buffer_text(&x->head);
		if (buffer_error(&x->head)) {
			conn_no_memory(client_of(x));
			return n;
		}
	}
	length = upstream_head_find((const uint8_t *)all.at, all.n, &x->seen);
	if (length == 0) {
		if (before == 0)
			buffer_add(&x->head, data, n);
		if (buffer_error(&x->head))
			conn_no_memory(client_of(x));
		account(x);
		return n;
	}
	good = length > 0 && read_response(x, text_of(all.at, (size_t)length), over);
	if (*over)
		return (size_t)length - before;
	if (!good) {
		*over = true;
		upstream_exchange_fail(x, UPSTREAM_NONSENSE);
		return n;
	}
	buffer_reset(&x->head);
	x->seen = 0;
	return (size_t)length - before;
}

/* Bytes after the head. False: the exchange is no more. */
static bool
read_body(struct upstream_exchange *x, const uint8_t *data, size_t n)
{
	struct block *b = n > 0 ? block_try_new(n + HTTP_CHUNK_ROOM) : NULL;
	int64_t used = 0;
	size_t got = 0;

	if (n > 0 && !b) {
		conn_no_memory(client_of(x));
		return true;
	}
	if (n > 0)
		used = upstream_body_decode(&x->body, data, n, b->data + HTTP_CHUNK_BEFORE, &got);
	if (got > 0)
		http_push_piece(x->r, b, got);
	block_unref(b);
	if (used < 0) {
		upstream_exchange_fail(x, UPSTREAM_NONSENSE);
		return false;
	}
	if (upstream_body_done(&x->body)) {
		/* more than the response: whatever it is, it answers nothing that was asked */
		finish(x, (size_t)used == n ? x->link_idle_ms : 0);
		return false;
	}
	if (conn_queued(client_of(x)) > UPSTREAM_WINDOW) {
		x->paused = true;
		conn_pause(x->link->c);
	}
	return true;
}

size_t
upstream_exchange_read(struct upstream_exchange *x, const uint8_t *data, size_t n)
{
	size_t used = 0;
	bool over = false;

	x->responding = true;
	while (!x->head_done && used < n) {
		used += read_head(x, data + used, n - used, &over);
		if (over)
			return used;
	}
	if (x->head_done && !read_body(x, data + used, n - used))
		return n;
	watch(x);
	return n;
}

/* ------------------------------------------------------------------ failure */

static bool
may_retry(const struct upstream_exchange *x)
{
	return x->link->reused && !x->retried && !x->responding && !x->body_begun && upstream_is_idempotent(x->r);
}

void
upstream_exchange_ended(struct upstream_exchange *x, unsigned reason)
{
	if (x->head_done && x->body.until_close && reason == REASON_PEER_CLOSED) {
		finish(x, 0);
	} else if (may_retry(x)) {
		count(x, COUNT_UPSTREAM_RETRIES);
		let_go(x, 0);
		http_pause(x->r);
		x->retried = x->fresh = true;
		upstream_assign(x);
	} else {
		upstream_exchange_fail(x, reason == REASON_STALLED ? UPSTREAM_TIMEOUT : UPSTREAM_CLOSED);
	}
}
