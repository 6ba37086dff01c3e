/*
 * Long-polling: GET requests fetch packets, POST requests bring them. A waiting GET is called a poll.
 *
 *   Request  State                     Reply
 *   GET      no poll waits             held until there is a packet; the whole queue leaves as one payload
 *   GET      a poll waits              400, and the session closes: transport error; the first poll gets "1"
 *   GET      CLOSING, queue empty      "6\x1e1", and the session closes
 *   POST     no other POST             200 "ok" after its packets were handled
 *                                      400 if malformed, and the session closes: parse error
 *                                      413 above maxHttpBufferSize, and the session closes: transport error
 *   POST     another POST in progress  400, and the session closes: transport error; the first POST is cut off
 *   POST     the session is paused     handled and answered after the session is resumed
 *   POST     CLOSED by the server      200 "ok" if it was being read, or arrives within EIO_DEPARTED_MS; ignored
 *   other                              500
 *
 * If a POST contains only "1" and no poll waits, the POST is held for CLOSE_GRACE_MS. The client may have sent a poll
 * just before, on another connection; that poll may arrive after the POST and must get its "6". During an upgrade the
 * client does not send such a poll, so the POST is not held.
 *
 * If the peer aborts a request, the session closes: transport error. If the server closes the session while a poll
 * waits, the poll gets "1".
 *
 * A session on JSONP differs only in the form of what a poll gets and of what a POST brings (eio_jsonp.h). The other
 * replies are the same.
 */
#include "node/engineio/eio_polling.h"

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/base/utf8.h"
#include "node/engineio/eio_cookie.h"
#include "node/engineio/eio_payload_v3.h"
#include "node/engineio/eio_polling_body.h"
#include "node/engineio/eio_queue.h"

#define SPARE_BODY_MAX 4096 /* bytes of memory for a body that wait for the next one */
#define CLOSE_GRACE_MS                                                                                               \
	20 /* by how much two requests that are sent at the same time on two connections can arrive apart */

/* The carrier of a session on polling. */
struct polling {
	struct eio_session *session;
	struct http_request *get;   /* the poll that waits for packets */
	struct http_request *post;  /* the POST whose body is being read or handled */
	struct buffer body;	    /* the body of the POST */
	struct eio_payload payload; /* the packets not handled yet */
	eio_polling_next *next;	    /* decodes the body */
	struct wheel_entry grace;   /* runs while a POST with only the close packet waits for a poll */
	struct eio_queue queue;	    /* packets that wait for a poll */
	bool ready; /* the body is complete; its packets are handled at the end of this turn, or of several turns */
	bool begun; /* the first of its packets is or was being handled */
	bool handling; /* its packets are being handled; the POST is answered afterwards */
	bool b64;      /* the client cannot receive binary payloads; false for revision 4, which has none */
	struct eio_jsonp jsonp;
};

static void
polling_free(struct polling *polling)
{
	must(polling->get == NULL && polling->post == NULL && polling->queue.at == NULL);
	loop_disarm(polling->session->all->loop, &polling->grace);
	buffer_fini(&polling->body);
	small_free(polling, sizeof(*polling));
}

/* ---------------------------------------------------------------- answers */

static void
polling_add_fields(struct http_request *r)
{
	struct text agent = http_header_get(r, "user-agent");

	/* old versions of Internet Explorer mistake a payload for a script injection */
	if (text_has(agent, TEXT(";MSIE")) || text_has(agent, TEXT("Trident/")))
		http_add_header(r, "X-XSS-Protection", TEXT("0"));
	if (!http_has_added(r, "Cache-Control"))
		http_add_lines(
			r, http_name_bit('c', sizeof("Cache-Control") - 1), TEXT("Cache-Control: no-store\r\n"));
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
	polling_add_fields(r);
	http_reply(r, 200, "text/html", TEXT("ok"), false);
}

/* Answers the poll with the messages as one payload. */
static void
answer_poll(struct polling *polling, struct eio_message *const *messages, unsigned n)
{
	struct eio_polling_reply reply = eio_polling_encode(polling->session, polling->b64, messages, n);
	struct http_request *r = polling->get;
	bool compress = false;
	size_t length;

	if (polling->jsonp.on)
		reply = eio_polling_encode_script(polling->jsonp.index, reply);
	if (reply.block == NULL) { /* the poll stays; the session ends with its connection */
		conn_no_memory(http_request_conn(r));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		compress = compress || messages[i]->frame.compress;
	length = reply.block->len - reply.from;
	compress = compress && length >= eio_options_gzip_threshold(polling->session->all->options);
	polling->get = NULL;
	polling_add_fields(r);
	if (polling->jsonp.on && !http_has_added(r, "X-Content-Type-Options")) /* the reply is a script, not a page */
		http_add_header(r, "X-Content-Type-Options", TEXT("nosniff"));
	http_reply_block(r, 200, reply.type, reply.block, reply.from, length, compress);
	block_unref(reply.block);
}

/* ------------------------------------------------------------------ queue */

static void
queue_drop(struct polling *polling)
{
	struct eio_queue taken = eio_queue_take(&polling->queue, polling->session->all);

	eio_queue_free(&taken);
}

/* Answers a waiting poll with the queue. */
static void
flush_queue(struct polling *polling)
{
	struct eio_session *s = polling->session;
	struct eio_queue taken;

	if (polling->get == NULL || polling->queue.count == 0 || s->corked)
		return;
	taken = eio_queue_take(&polling->queue, s->all);
	answer_poll(polling, taken.at, taken.count);
	eio_queue_free(&taken);
	if (s->state == EIO_STATE_CLOSING) /* the client is alive: wait for it to fetch the close packet */
		eio_session_wait(s);
}

/* Moves the queue to the session's new transport. */
static void
queue_hand_over(struct polling *polling)
{
	struct eio_session *s = polling->session;
	struct eio_queue taken = eio_queue_take(&polling->queue, s->all);

	for (uint32_t i = 0; i < taken.count && s->state != EIO_STATE_CLOSED;
		i++) /* put() closes the session if the client is a slow reader */
		s->transport->put(s, taken.at[i]);
	eio_queue_free(&taken);
}

static void
polling_put(struct eio_session *s, struct eio_message *message)
{
	struct polling *polling = s->carrier;

	/* each packet counts at least its separator, so the limit for bytes limits the number of packets, too */
	if (eio_queue_bytes_with(&polling->queue, message) > s->all->max_buffered) {
		s->discard = true;
		eio_session_end(s, EIO_CAUSE_SLOW_READER, NULL);
		return;
	}
	if (!eio_queue_add(&polling->queue, s->all, message)) {
		s->discard = true;
		loop_count_no_memory(s->all->loop);
		eio_session_end(s, EIO_CAUSE_NO_MEMORY, NULL);
		return;
	}
	eio_session_limit_cork(s, polling->queue.bytes);
	if (polling->get != NULL)
		eio_session_dirty(s);
	loop_keep_budget(s->all->loop);
}

static uint64_t
polling_waiting(const struct eio_session *s)
{
	const struct polling *polling = s->carrier;

	return eio_queue_memory(&polling->queue);
}

static bool
polling_writable(const struct eio_session *s)
{
	const struct polling *polling = s->carrier;

	return polling->get != NULL && polling->queue.count == 0;
}

static bool
polling_sent(const struct eio_session *s)
{
	const struct polling *polling = s->carrier;

	return polling->queue.count == 0;
}

/* ------------------------------------------------------------------- push */

/* Begins a body, in memory that the last one of any session has left. */
static void
body_begin(struct polling *polling)
{
	struct buffer *spare = &polling->session->all->spare_body;

	must(polling->body.data == NULL);
	polling->body.data = spare->data;
	polling->body.size = spare->size;
	*spare = (struct buffer){0};
}

/* Leaves the memory of the body to the next one, unless it is large or there is such memory. */
static void
body_end(struct polling *polling)
{
	struct buffer *spare = &polling->session->all->spare_body;

	if (spare->data != NULL || polling->body.size > SPARE_BODY_MAX) {
		buffer_fini(&polling->body);
		return;
	}
	spare->data = polling->body.data;
	spare->size = polling->body.size;
	buffer_init(&polling->body, polling->body.max);
}

static void
post_done(struct polling *polling)
{
	http_request_holds(polling->post, 0);
	polling->post = NULL;
	polling->ready = false;
	polling->begun = false;
	loop_disarm(polling->session->all->loop, &polling->grace);
	body_end(polling);
}

/*
 * Handles packets one by one, as many as the turn's share allows. Returns 0 at the end, 1 if packets are left, or a
 * negative value if the client was at fault and the session has closed.
 */
static int
post_packets(struct polling *polling)
{
	struct eio_session *s = polling->session;
	struct loop *l = s->all->loop;
	struct eio_packet packet;
	int got = 0;

	loop_share_begin_late(l);
	if (!polling->begun) {
		const struct buffer *body = &polling->body;

		polling->begun = true;
		got = buffer_error(body);
		eio_payload_init(&polling->payload, body->data, body->len);
		/* a binary payload has texts of its own, each of which is checked when it is decoded */
		if (got == 0 && polling->next != eio_payload_v3_next_binary && !utf8_valid(body->data, body->len))
			got = ERROR_UTF8;
	}
	while (got >= 0 && s->state != EIO_STATE_CLOSED) {
		if (loop_share_spent(l) || s->paused)
			return 1;
		got = polling->next(&polling->payload, &packet);
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
 * Handles a complete POST and answers it. Frees the carrier if its packets made the session end or change its
 * transport. Returns false if packets are left for the next turn.
 */
static bool
dispatch_post(struct polling *polling)
{
	struct eio_session *s = polling->session;
	struct http_request *r = polling->post;
	int result;

	polling->handling = true;
	result = post_packets(polling);
	polling->handling = false;
	if (result > 0)
		return false;
	post_done(polling);
	if (result < 0)
		reply_empty(r, 400);
	else
		reply_ok(r);
	if (s->carrier != polling)
		polling_free(polling);
	return true;
}

static void
polling_on_grace_over(struct wheel_entry *entry)
{
	dispatch_post(container_of(entry, struct polling, grace));
}

/* Returns true if the body of the POST is the close packet alone. */
static bool
is_farewell(const struct polling *polling)
{
	struct text body = buffer_text(&polling->body);

	return text_is(body, polling->session->revision == 3 ? TEXT("1:1") : TEXT("1"));
}

/* Returns true if the POST is held, so that a poll on its way still gets its reply. */
static bool
hold_farewell(struct polling *polling)
{
	struct eio_session *s = polling->session;

	if (!is_farewell(polling) || polling->get != NULL || s->candidate != NULL)
		return false;
	if (!wheel_armed(&polling->grace)) {
		loop_disarm(s->all->loop, &s->timer); /* nothing can keep this session from closing */
		loop_arm(s->all->loop, &polling->grace, CLOSE_GRACE_MS);
	}
	return true;
}

static bool
polling_settle(struct eio_session *s)
{
	struct polling *polling = s->carrier;
	bool done = true;

	if (polling->ready && !s->paused) {
		if (hold_farewell(polling))
			return true;
		done = dispatch_post(polling);
		/*
		 * The queue is flushed at the end of the turn, after the POSTs of other sessions, so that all replies
		 * leave in one payload.
		 */
		if (done && s->carrier == polling && polling->get != NULL)
			eio_session_dirty(s);
	} else if (polling->get != NULL && polling->queue.count > 0 && !s->corked) {
		flush_queue(polling);
		eio_session_drained(s);
	} else if (polling->get != NULL && s->state == EIO_STATE_CLOSING) {
		eio_session_end(s, EIO_CAUSE_SERVER, NULL);
	}
	return done;
}

/* Handles a waiting POST, or the rest of it, after the session is resumed. */
static void
polling_pause(struct eio_session *s)
{
	const struct polling *polling = s->carrier;

	if (!s->paused && polling->ready)
		eio_session_dirty(s);
}

/* Answers a waiting poll with what was held back. */
static void
polling_cork(struct eio_session *s)
{
	const struct polling *polling = s->carrier;

	if (!s->corked && polling->get != NULL)
		eio_session_dirty(s);
}

static void
polling_stop(struct eio_session *s, void *carrier, unsigned reason)
{
	struct polling *polling = carrier;
	bool closed = s->state == EIO_STATE_CLOSED;
	bool by_client = closed && eio_cause_reason((enum eio_cause)s->cause) == EIO_TRANSPORT_CLOSE;
	bool by_server = closed && eio_cause_reason((enum eio_cause)s->cause) == EIO_FORCED_CLOSE;

	if (by_server)
		eio_departed_add(&s->all->departed, eio_sid(s), s->all->loop->now);
	if (closed && !s->discard)
		flush_queue(polling);
	if (polling->get != NULL)
		answer_poll(polling, by_client ? &s->all->noop : &s->all->close, 1);
	if (closed)
		queue_drop(polling);
	else
		queue_hand_over(polling);
	if (polling->handling) /* dispatch_post() answers the POST and frees the carrier */
		return;
	if (polling->post != NULL && (polling->ready || by_server))
		reply_ok(polling->post);
	else if (polling->post != NULL)
		http_destroy(polling->post, reason);
	polling->post = NULL;
	polling_free(polling);
}

static const struct eio_transport polling_transport = {
	.name = "polling",
	.kind = EIO_POLLING,
	.upgradable = true,
	.put = polling_put,
	.writable = polling_writable,
	.sent = polling_sent,
	.waiting = polling_waiting,
	.settle = polling_settle,
	.pause = polling_pause,
	.cork = polling_cork,
	.stop = polling_stop,
};

/* --------------------------------------------------------------- requests */

static void
get_aborted(struct http_request *r, void *user)
{
	struct polling *polling = user;

	(void)r;
	polling->get = NULL;
	eio_session_end(polling->session, EIO_CAUSE_POLL_ABORTED, NULL);
}

static const struct http_exchange_ops get_ops = {.on_abort = get_aborted};

static void
handle_get(struct polling *polling, struct http_request *r)
{
	struct eio_session *s = polling->session;
	struct eio_message *closing[2] = {s->all->noop, s->all->close};

	/* an earlier poll that would get the queue at the end of this turn gets it now: the polls do not overlap */
	flush_queue(polling);
	if (polling->get != NULL) {
		eio_session_end(s, EIO_CAUSE_POLL_OVERLAP, NULL);
		reply_empty(r, 400);
		return;
	}
	http_wait(r, &get_ops, polling, 0);
	polling->get = r;
	if (polling->queue.count > 0 || polling->ready) {
		eio_session_dirty(s);
	} else if (s->state == EIO_STATE_CLOSING) {
		answer_poll(polling, closing, 2);
		eio_session_end(s, EIO_CAUSE_SERVER, NULL);
	}
}

/* Answers with 413 and ends the session, as Engine.IO does since 6.6.12: the client would repeat the same POST. */
static void
refuse_post(struct polling *polling, struct http_request *r)
{
	polling->post = NULL; /* answered below */
	eio_session_end(polling->session, EIO_CAUSE_TOO_LARGE, NULL);
	http_close_after(r);
	reply_empty(r, 413);
}

static void
post_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct polling *polling = user;

	buffer_add(&polling->body, data, n);
	http_request_holds(r, polling->body.size);
	if (buffer_error(&polling->body) == 0)
		return;
	if (buffer_error(&polling->body) == ERROR_MEMORY)
		conn_no_memory(http_request_conn(r)); /* post_aborted() ends the session */
	else
		refuse_post(polling, r);
}

/*
 * Defers the packets to the end of the turn. If a client sends a poll and a POST on two connections, both may be read
 * in one turn, in either order; the poll must be known when the POST is handled.
 */
static void
post_complete(struct http_request *r, void *user)
{
	struct polling *polling = user;

	(void)r;
	if (polling->jsonp.on)
		eio_polling_decode_form(polling->session->all->loop, &polling->body);
	polling->ready = true;
	eio_session_dirty(polling->session);
}

static void
post_aborted(struct http_request *r, void *user)
{
	struct polling *polling = user;
	bool farewell = wheel_armed(&polling->grace);

	(void)r;
	post_done(polling);
	if (farewell) /* the POST was complete; its client did not wait for the reply */
		eio_session_end(polling->session, EIO_CAUSE_CLOSE_PACKET, NULL);
	else
		eio_session_end(polling->session, EIO_CAUSE_PUSH_ABORTED, NULL);
}

static const struct http_exchange_ops post_ops = {
	.on_body = post_body,
	.on_complete = post_complete,
	.on_abort = post_aborted,
};

static void
handle_post(struct polling *polling, struct http_request *r)
{
	struct eio_session *s = polling->session;

	if (polling->post != NULL) {
		eio_session_end(s, EIO_CAUSE_PUSH_OVERLAP, NULL);
		reply_empty(r, 400);
	} else if (eio_polling_is_binary(r) && (s->revision == 4 || polling->jsonp.on)) {
		/* revision 4 and JSONP send binary only as base64; the request must be answered (CVE-2026-59725) */
		eio_session_end(s, EIO_CAUSE_CONTENT, NULL);
		reply_empty(r, 400);
	} else if (r->content_length > s->all->options->max_http_buffer_size) {
		refuse_post(polling, r);
	} else {
		eio_session_input(s);
		polling->post = r;
		polling->next = eio_polling_decoder(s, r);
		body_begin(polling);
		/* post_body() enforces the limit, because the HTTP layer's limit would look like a peer that left */
		http_wait(r, &post_ops, polling, UINT64_MAX);
	}
}

void
eio_polling_request(struct eio_session *s, struct http_request *r)
{
	must(s->transport == &polling_transport);
	if (r->method == HTTP_GET)
		handle_get(s->carrier, r);
	else if (r->method == HTTP_POST)
		handle_post(s->carrier, r);
	else
		reply_empty(r, 500);
}

void
eio_polling_late(struct http_request *r)
{
	reply_ok(r);
}

void
eio_polling_open(struct eio_session *s, struct http_request *r, bool b64, struct eio_jsonp jsonp)
{
	struct polling *polling = small_zalloc(sizeof(*polling));

	polling->session = s;
	polling->get = r;
	polling->b64 = b64 || jsonp.on;
	polling->jsonp = jsonp;
	buffer_init(&polling->body, s->all->options->max_http_buffer_size);
	wheel_entry_init(&polling->grace, polling_on_grace_over);
	eio_cookie_add(s->all->options, r, eio_sid(s), loop_wall_ms() / 1000);
	eio_session_open(s, &polling_transport, polling);
	if (s->carrier != polling) /* closed: the initial packet exceeds maxBuffered */
		return;
	flush_queue(polling);
	if (polling->get != NULL) /* otherwise memory for the reply ran out: the session ends with the connection */
		http_wait(r, &get_ops, polling, 0);
}
