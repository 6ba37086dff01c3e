/*
 * Long-polling: GET requests fetch packets, POST requests bring them.
 *
 *   request        while                      answer
 *   GET            no poll waits              held until there is a packet; the queue leaves as one payload
 *   GET            a poll waits               400, and the session closes: transport error; the first gets "1"
 *   GET            CLOSING, queue empty       "6\x1e1", and the session closes
 *   POST           none is under way          200 "ok" after its packets were handled; 400 when malformed, and the
 *                                             session closes: parse error; 413 beyond maxHttpBufferSize, declared
 *                                             or met on the way, and the session closes: transport error
 *   POST           another is under way       400, and the session closes: transport error; the first is cut off
 *   POST           the session is paused      read, and handled and answered once it goes on
 *   other                                     500
 *
 * A push of nothing but "1" while no poll waits is held for CLOSE_GRACE_MS: the poll that the client sent just
 * before, on another connection, may arrive after it and shall get its "6". A client that upgrades sends none.
 *
 * Either request aborted by the peer: transport error. Closed by the server while a poll waits: it gets "1".
 */
#include "node/engineio/eio_polling.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "node/engineio/eio_cookie.h"
#include "node/engineio/eio_queue.h"

#define CLOSE_GRACE_MS 20 /* two requests of one moment, on two connections, are no further apart */

/* The carrier of a session on polling. */
struct polling {
	struct eio_session *session;
	struct http_request *get;   /* the poll that waits for packets */
	struct http_request *post;  /* the push whose body is being read or handled */
	struct buffer body;	    /* of the push */
	uint8_t *packets;	    /* the same, once it is being handled */
	struct eio_payload payload; /* what is left of them */
	struct wheel_entry grace;   /* the push is the close packet alone, and waits for a poll */
	struct eio_queue queue;	    /* packets that wait for a poll */
	bool ready;    /* the body is complete: its packets are dispatched at the end of the turn, or of several */
	bool handling; /* in the middle of its packets: the push is answered afterwards */
};

static void
polling_free(struct polling *p)
{
	must(p->get == NULL && p->post == NULL && p->queue.at == NULL);
	loop_disarm(p->session->all->loop, &p->grace);
	buffer_fini(&p->body);
	mem_free(p->packets);
	mem_free(p);
}

/* ---------------------------------------------------------------- answers */

static void
add_fields(struct http_request *r)
{
	struct text agent = http_header_get(r, "user-agent");

	/* old Internet Explorers take a payload for a script injection */
	if (text_has(agent, TEXT(";MSIE")) || text_has(agent, TEXT("Trident/")))
		http_add_header(r, "X-XSS-Protection", TEXT("0"));
	if (!http_has_added(r, "Cache-Control"))
		http_add_header(r, "Cache-Control", TEXT("no-store"));
}

static void
reply_empty(struct http_request *r, int status)
{
	http_reply(r, status, NULL, TEXT(""), false);
}

/* "text/html" keeps some browsers from offering the reply as a download. */
static void
reply_ok(struct http_request *r)
{
	add_fields(r);
	http_reply(r, 200, "text/html", TEXT("ok"), false);
}

/* Answers the pending poll with the messages as one payload. */
static void
answer(struct polling *p, struct eio_message *const *messages, unsigned n)
{
	const struct eio_options *o = p->session->all->options;
	struct http_request *r = p->get;
	struct block *block;
	bool compress = false;
	size_t from = 0;

	for (unsigned i = 0; i < n; i++)
		compress = compress || messages[i]->compress;
	if (n == 1 && !messages[0]->binary) {
		block = block_ref(messages[0]->block);
		from = messages[0]->packet_at;
	} else {
		block = eio_payload_encode(messages, n);
	}
	if (block == NULL) { /* the poll stays, and ends the session with its connection */
		conn_no_memory(http_request_conn(r));
		return;
	}
	compress = compress && block->len - from >= eio_options_gzip_threshold(o);
	p->get = NULL;
	add_fields(r);
	http_reply_block(r, 200, "text/plain; charset=UTF-8", block, from, block->len - from, compress);
	block_unref(block);
}

/* ------------------------------------------------------------------ queue */

static void
queue_drop(struct polling *p)
{
	struct eio_queue taken = eio_queue_take(&p->queue, p->session->all);

	eio_queue_free(&taken);
}

/* Answers a pending poll with what is queued. */
static void
flush(struct polling *p)
{
	struct eio_session *s = p->session;
	struct eio_queue taken;

	if (p->get == NULL || p->queue.count == 0)
		return;
	taken = eio_queue_take(&p->queue, s->all);
	answer(p, taken.at, taken.count);
	eio_queue_free(&taken);
	if (s->state == EIO_STATE_CLOSING) /* the client lives: it may come for the close packet */
		eio_session_wait(s);
}

/* The session has another transport: what waits goes there. */
static void
hand_over(struct polling *p)
{
	struct eio_session *s = p->session;
	struct eio_queue taken = eio_queue_take(&p->queue, s->all);

	for (uint32_t i = 0; i < taken.count && s->state != EIO_STATE_CLOSED; i++) /* closed as a slow reader */
		s->transport->put(s, taken.at[i]);
	eio_queue_free(&taken);
}

static void
polling_put(struct eio_session *s, struct eio_message *m)
{
	struct polling *p = s->carrier;

	/* the packets count in bytes with their separators, so their number is limited by the same maximum */
	if (eio_queue_bytes_with(&p->queue, m) > s->all->max_buffered) {
		s->discard = true;
		eio_session_end(s, EIO_CAUSE_SLOW_READER, NULL);
		return;
	}
	if (!eio_queue_add(&p->queue, s->all, m)) {
		s->discard = true;
		loop_count_no_memory(s->all->loop);
		eio_session_end(s, EIO_CAUSE_NO_MEMORY, NULL);
		return;
	}
	if (p->get != NULL)
		eio_session_dirty(s);
	loop_keep_budget(s->all->loop);
}

static uint64_t
polling_waiting(const struct eio_session *s)
{
	const struct polling *p = s->carrier;

	return eio_queue_memory(&p->queue);
}

static bool
polling_writable(const struct eio_session *s)
{
	const struct polling *p = s->carrier;

	return p->get != NULL && p->queue.count == 0;
}

static bool
polling_sent(const struct eio_session *s)
{
	const struct polling *p = s->carrier;

	return p->queue.count == 0;
}

/* ------------------------------------------------------------------- push */

static void
post_done(struct polling *p)
{
	http_request_holds(p->post, 0);
	p->post = NULL;
	p->ready = false;
	loop_disarm(p->session->all->loop, &p->grace);
	mem_free(p->packets);
	p->packets = NULL;
	buffer_fini(&p->body);
	buffer_init(&p->body, p->session->all->options->max_http_buffer_size);
}

/*
 * Dispatches packets one by one, as many as a share of the turn allows. 1: some are left. Negative: the client's
 * fault, the session has closed.
 */
static int
post_packets(struct polling *p)
{
	struct eio_session *s = p->session;
	struct loop *l = s->all->loop;
	struct eio_packet packet;
	int got = 0;

	loop_share_begin_late(l);
	if (p->packets == NULL) {
		size_t n;

		p->packets = buffer_steal(&p->body, &n);
		eio_payload_init(&p->payload, p->packets, n);
		got = utf8_valid(p->packets, n) ? 0 : ERROR_UTF8;
	}
	while (got >= 0 && s->state != EIO_STATE_CLOSED) {
		if (loop_share_spent(l) || s->paused)
			return 1;
		got = eio_payload_next(&p->payload, &packet);
		if (got <= 0)
			break;
		loop_spend(l, LOOP_WORK_PACKET + packet.n);
		got = eio_session_packet(s, &packet);
		if (got < 0)
			return got;
	}
	if (got < 0)
		eio_session_end(s, EIO_CAUSE_MALFORMED, error_text(got));
	return got;
}

/*
 * Handles a push that is ready, and answers it. The carrier is gone if the session has another or none afterwards.
 * False: it was not all, and the rest waits for the next turn.
 */
static bool
dispatch(struct polling *p)
{
	struct eio_session *s = p->session;
	struct http_request *r = p->post;
	int result;

	p->handling = true;
	result = post_packets(p);
	p->handling = false;
	if (result > 0)
		return false;
	post_done(p);
	if (result < 0)
		reply_empty(r, 400);
	else
		reply_ok(r);
	if (s->carrier != p)
		polling_free(p);
	return true;
}

static void
grace_over(struct wheel_entry *entry)
{
	dispatch(container_of(entry, struct polling, grace));
}

/* True if the push is held: a poll on its way shall get its answer. */
static bool
hold_farewell(struct polling *p)
{
	struct eio_session *s = p->session;

	if (p->body.len != 1 || p->body.data[0] != EIO_PACKET_CLOSE || p->get != NULL || s->candidate != NULL)
		return false;
	if (!wheel_armed(&p->grace)) {
		loop_disarm(s->all->loop, &s->timer); /* nothing can keep this session from closing */
		loop_arm(s->all->loop, &p->grace, CLOSE_GRACE_MS);
	}
	return true;
}

static bool
polling_settle(struct eio_session *s)
{
	struct polling *p = s->carrier;
	bool done = true;

	if (p->ready && !s->paused) {
		if (hold_farewell(p))
			return true;
		done = dispatch(p);
		/* other sessions' pushes come first, so that all answers of the turn go into one payload */
		if (done && s->carrier == p && p->get != NULL)
			eio_session_dirty(s);
	} else if (p->get != NULL && p->queue.count > 0) {
		flush(p);
		eio_session_drained(s);
	} else if (p->get != NULL && s->state == EIO_STATE_CLOSING) {
		eio_session_end(s, EIO_CAUSE_SERVER, NULL);
	}
	return done;
}

/* The push that is there, or the rest of it, is handled when the session goes on. */
static void
polling_pause(struct eio_session *s)
{
	const struct polling *p = s->carrier;

	if (!s->paused && p->ready)
		eio_session_dirty(s);
}

static void
polling_stop(struct eio_session *s, void *carrier, unsigned reason)
{
	struct polling *p = carrier;
	bool closed = s->state == EIO_STATE_CLOSED;
	bool by_client = closed && eio_cause_reason((enum eio_cause)s->cause) == EIO_TRANSPORT_CLOSE;

	if (closed && !s->discard)
		flush(p);
	if (p->get != NULL)
		answer(p, by_client ? &s->all->noop : &s->all->close, 1);
	if (closed)
		queue_drop(p);
	else
		hand_over(p);
	if (p->handling) /* dispatch() answers the push, then frees */
		return;
	if (p->post != NULL && p->ready)
		reply_ok(p->post);
	else if (p->post != NULL)
		http_destroy(p->post, reason);
	p->post = NULL;
	polling_free(p);
}

static const struct eio_transport polling = {
	.name = "polling",
	.kind = EIO_POLLING,
	.upgradable = true,
	.put = polling_put,
	.writable = polling_writable,
	.sent = polling_sent,
	.waiting = polling_waiting,
	.settle = polling_settle,
	.pause = polling_pause,
	.stop = polling_stop,
};

/* --------------------------------------------------------------- requests */

static void
get_aborted(struct http_request *r, void *user)
{
	struct polling *p = user;

	(void)r;
	p->get = NULL;
	eio_session_end(p->session, EIO_CAUSE_POLL_ABORTED, NULL);
}

static const struct http_exchange_ops get_ops = {.on_abort = get_aborted};

static void
handle_get(struct polling *p, struct http_request *r)
{
	struct eio_session *s = p->session;
	struct eio_message *closing[2] = {s->all->noop, s->all->close};

	/* an answer that only waits for the end of the turn is given first: then this is no overlap */
	flush(p);
	if (p->get != NULL) {
		eio_session_end(s, EIO_CAUSE_POLL_OVERLAP, NULL);
		reply_empty(r, 400);
		return;
	}
	http_wait(r, &get_ops, p, 0);
	p->get = r;
	if (p->queue.count > 0 || p->ready) {
		eio_session_dirty(s);
	} else if (s->state == EIO_STATE_CLOSING) {
		answer(p, closing, 2);
		eio_session_end(s, EIO_CAUSE_SERVER, NULL);
	}
}

/* The client would send the same again: the session ends, as in the original from 6.6.12 on. */
static void
too_large(struct polling *p, struct http_request *r)
{
	p->post = NULL; /* answered here */
	eio_session_end(p->session, EIO_CAUSE_TOO_LARGE, NULL);
	http_close_after(r);
	reply_empty(r, 413);
}

static void
post_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct polling *p = user;

	buffer_add(&p->body, data, n);
	http_request_holds(r, p->body.size);
	if (buffer_error(&p->body) == 0)
		return;
	if (buffer_error(&p->body) == ERROR_MEMORY)
		conn_no_memory(http_request_conn(r)); /* post_aborted() ends the session */
	else
		too_large(p, r);
}

/*
 * The packets wait for the end of the turn: a client that sends a poll and then a push on two connections has both
 * read in one turn, in either order, and the poll must be there when the push is handled.
 */
static void
post_complete(struct http_request *r, void *user)
{
	struct polling *p = user;

	(void)r;
	p->ready = true;
	eio_session_dirty(p->session);
}

static void
post_aborted(struct http_request *r, void *user)
{
	struct polling *p = user;
	bool farewell = wheel_armed(&p->grace);

	(void)r;
	post_done(p);
	if (farewell) /* it came whole, and its client did not wait for the answer */
		eio_session_end(p->session, EIO_CAUSE_CLOSE_PACKET, NULL);
	else
		eio_session_end(p->session, EIO_CAUSE_PUSH_ABORTED, NULL);
}

static const struct http_exchange_ops post_ops = {
	.on_body = post_body,
	.on_complete = post_complete,
	.on_abort = post_aborted,
};

/* Media type without parameters. */
static bool
is_octet_stream(const struct http_request *r)
{
	struct text type = http_header_get(r, "content-type"), media;

	return text_cut(&type, ';', &media) && text_is_nocase(text_trim(media), TEXT("application/octet-stream"));
}

static void
handle_post(struct polling *p, struct http_request *r)
{
	struct eio_session *s = p->session;

	if (p->post != NULL) {
		eio_session_end(s, EIO_CAUSE_PUSH_OVERLAP, NULL);
		reply_empty(r, 400);
	} else if (is_octet_stream(r)) {
		/* revision 4 sends bytes as base64 text only (CVE-2026-59725: the request must not stay open) */
		eio_session_end(s, EIO_CAUSE_CONTENT, NULL);
		reply_empty(r, 400);
	} else if (r->content_length > s->all->options->max_http_buffer_size) {
		too_large(p, r);
	} else {
		eio_session_input(s);
		p->post = r;
		/* the limit is kept by post_body(): the HTTP layer's would look like a peer that went away */
		http_wait(r, &post_ops, p, UINT64_MAX);
	}
}

void
eio_polling_request(struct eio_session *s, struct http_request *r)
{
	must(s->transport == &polling);
	if (r->method == HTTP_GET)
		handle_get(s->carrier, r);
	else if (r->method == HTTP_POST)
		handle_post(s->carrier, r);
	else
		reply_empty(r, 500);
}

void
eio_polling_open(struct eio_session *s, struct http_request *r)
{
	struct polling *p = mem_zalloc(sizeof(*p));

	p->session = s;
	p->get = r;
	buffer_init(&p->body, s->all->options->max_http_buffer_size);
	wheel_entry_init(&p->grace, grace_over);
	eio_cookie_add(s->all->options, r, eio_sid(s), loop_wall_ms() / 1000);
	eio_session_open(s, &polling, p);
	if (s->carrier != p) /* closed: the initial packet is beyond what may wait */
		return;
	flush(p);
	if (p->get != NULL) /* no memory for the answer: the connection ends, and the session with it */
		http_wait(r, &get_ops, p, 0);
}
