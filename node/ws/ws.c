/*
 *   State       Entered by                            Next state
 *   WS_OPEN     ws_accept()                           WS_CLOSING, WS_ENDED
 *   WS_CLOSING  ws_close(): our Close is queued and   WS_ENDED on a Close, FIN or fault of the peer; on_closed when
 *               close_ms runs                         close_ms is over
 *   WS_ENDED    both Closes were sent, the peer sent  on_closed
 *               FIN, or a fault of the peer was
 *               answered with Close; conn_finish()
 *               writes the queue, sends FIN and
 *               waits for the peer's FIN
 *
 * Messages are passed up and down in WS_OPEN only. The connection may be dead in any state.
 */
#include "node/ws/ws.h"

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"
#include "common/base/utf8.h"
#include "node/ws/ws_deflate.h"
#include "node/ws/ws_deflater.h"
#include "node/ws/ws_handshake.h"
#include "node/ws/ws_reader.h"

#define CONTROL_MAX 125 /* RFC 6455 5.5 */
#define CLOSE_TEXT_MAX (CONTROL_MAX - 2)
/* Work units of loop_spend() per byte. */
#define INFLATE_WORK 2
#define DEFLATE_WORK 8
#define INFLATE_MAX                                                                                                  \
	(LOOP_SHARE_WORK / INFLATE_WORK / 4) /* inflated bytes between two checks of the connection's share */
#define PONGS_PER_READ 32		     /* of more pings in one read, only the latest is answered */
#define PONG_QUEUE_MAX (16 * 1024)	     /* above this many queued bytes, only the latest ping is answered */
#define NO_STATUS 1005
#define ABNORMAL 1006

enum ws_state { WS_OPEN, WS_CLOSING, WS_ENDED };

struct ws {
	struct conn *conn;
	const struct ws_ops *ops;
	void *owner;
	struct ws_reader reader;
	struct block *late_pong; /* the pong for the latest ping, waiting for the queue to drain */
	uint16_t peer_code;	 /* the code for on_closed */
	uint8_t state;
	uint8_t reason; /* given to ws_close() */
	bool paused;	/* ws_pause() was called */
	bool holds;	/* ws_account() has reported memory to the connection */
};

_Static_assert(sizeof(struct ws) <= 100, "struct ws must stay small: each client on WebSocket has one");
_Static_assert(NAMES_MAX <= UINT8_MAX, "struct ws keeps a reason in a byte");

/* ---------------------------------------------------------------- sending */

/* Returns a block with a whole server frame, or NULL if memory runs out. */
static struct block *
frame_block(enum ws_opcode opcode, const void *bytes, size_t n)
{
	unsigned header = ws_frame_header_size(n);
	struct block *frame = block_try_new(header + n);

	if (!frame)
		return NULL;
	ws_frame_write(frame->data, opcode, true, false, n);
	if (n > 0)
		memcpy(frame->data + header, bytes, n);
	return frame;
}

static void
ws_send_control(struct ws *ws, enum ws_opcode opcode, const void *bytes, size_t n)
{
	uint8_t frame[2 + CONTROL_MAX];

	must(n <= CONTROL_MAX);
	ws_frame_write(frame, opcode, true, false, n);
	if (n > 0)
		memcpy(frame + 2, bytes, n);
	conn_send_copy(ws->conn, frame, 2 + n);
}

static void
ws_send_close(struct ws *ws, uint16_t code, struct text why)
{
	uint8_t payload[CONTROL_MAX];

	if (code == 0) {
		ws_send_control(ws, WS_CLOSE, NULL, 0);
		return;
	}
	bytes_write(payload, code, 2);
	if (why.n > 0)
		memcpy(payload + 2, why.at, why.n);
	ws_send_control(ws, WS_CLOSE, payload, 2 + why.n);
}

/* Reports to the connection the memory held by an unfinished message and by compression. */
static void
ws_account(struct ws *ws)
{
	size_t held;

	if (!ws->reader.partial && !ws->reader.deflate && !ws->holds)
		return;
	held = ws_reader_held(&ws->reader);
	ws->holds = held > 0;
	conn_hold(ws->conn, held);
}

/* Compresses for this connection alone and queues the frame. Returns false if the message must go uncompressed. */
static bool
ws_send_packed(struct ws *ws, enum ws_opcode opcode, const void *bytes, size_t n)
{
	struct ws_deflate *codec = ws->reader.deflate;
	struct buffer out;
	struct text frame;
	bool packed;

	ws_packed_begin(&out);
	packed = ws_deflate_compress(codec, bytes, n, &out);
	loop_spend(conn_loop(ws->conn), n * DEFLATE_WORK);
	if (packed) {
		frame = ws_packed_end(&out, opcode);
		conn_send_copy(ws->conn, frame.at, frame.n);
	}
	buffer_fini(&out);
	ws_account(ws); /* a context may have come or gone */
	return packed;
}

/* Returns false if this connection's window is too small for the frame that the others get. */
static bool
ws_send_shared(struct ws *ws, struct ws_message *message)
{
	const struct ws_options *options = ws->reader.options;
	struct ws_deflate *codec = ws->reader.deflate;

	if (message->packed == NULL) {
		loop_spend(conn_loop(ws->conn), ws_message_payload(message).n * DEFLATE_WORK);
		ws_message_pack(message, options->pool,
			options->server_max_window_bits != 0 ? options->server_max_window_bits : WS_WINDOW_BITS_MAX);
	}
	if (ws_deflate_bits(codec) < message->packed_bits)
		return false;
	if (message->packed == message->block ? ws_deflate_skipped(codec) : ws_deflate_forget(codec))
		ws_account(ws);
	conn_send(ws->conn, message->packed, message->packed_at, message->packed->len - message->packed_at);
	return true;
}

/* Returns true if a message of `n` bytes is to be compressed for a client that negotiated it. */
static bool
ws_compresses(struct ws *ws, size_t n)
{
	if (n >= ws->reader.options->deflate_threshold)
		return true;
	if (ws_deflate_skipped(ws->reader.deflate))
		ws_account(ws);
	return false;
}

/* Returns false if the message must go uncompressed. */
static bool
ws_send_deflated(struct ws *ws, struct ws_message *message)
{
	struct text payload = ws_message_payload(message);

	if (conn_dead(ws->conn))
		return true;
	if (!message->compress || !ws_compresses(ws, payload.n))
		return false;
	return (message->shared && ws_send_shared(ws, message)) ||
	       ws_send_packed(ws, ws_message_opcode(message), payload.at, payload.n);
}

void
ws_send(struct ws *ws, struct ws_message *message)
{
	struct block *block = message->block;

	must(message->frame_at < message->payload_at && message->payload_at <= block->len);
	if (ws->state != WS_OPEN)
		return;
	if (ws->reader.deflate == NULL || !ws_send_deflated(ws, message)) /* conn_send() ignores a dead connection */
		conn_send(ws->conn, block, message->frame_at, block->len - message->frame_at);
}

void
ws_send_bytes(struct ws *ws, enum ws_opcode opcode, const void *bytes, size_t n)
{
	struct block *frame;

	must(opcode != WS_CLOSE && opcode != WS_CONTINUATION);
	if (!ws_is_open(ws))
		return;
	if (opcode == WS_PING || opcode == WS_PONG) {
		ws_send_control(ws, opcode, bytes, n);
	} else if (ws->reader.deflate == NULL || !ws_compresses(ws, n) || !ws_send_packed(ws, opcode, bytes, n)) {
		frame = frame_block(opcode, bytes, n);
		if (frame)
			conn_send(ws->conn, frame, 0, frame->len);
		else
			conn_no_memory(ws->conn);
		block_unref(frame);
	}
}

bool
ws_writable(const struct ws *ws)
{
	return ws_is_open(ws) && conn_queued(ws->conn) == 0;
}

bool
ws_is_open(const struct ws *ws)
{
	return ws->state == WS_OPEN && !conn_dead(ws->conn);
}

void
ws_set_owner(struct ws *ws, const struct ws_ops *ops, void *owner)
{
	ws->ops = ops;
	ws->owner = owner;
}

struct conn *
ws_conn(const struct ws *ws)
{
	return ws->conn;
}

/* ---------------------------------------------------------------- closing */

static void
late_pong_drop(struct ws *ws)
{
	block_unref(ws->late_pong);
	ws->late_pong = NULL;
}

static void
ws_on_close_timeout(struct conn *c)
{
	conn_close(c, REASON_WS_CLOSE_TIMEOUT);
}

void
ws_pause(struct ws *ws, bool paused)
{
	if (ws->paused == paused)
		return;
	ws->paused = paused;
	if (paused)
		conn_pause(ws->conn);
	else
		conn_resume(ws->conn);
}

/* Discards messages of the peer from now on, including a partial one. */
static void
ws_stop_reading(struct ws *ws)
{
	late_pong_drop(ws);
	ws_reader_discard(&ws->reader);
	ws_account(ws);
	ws_pause(ws, false);
}

/* Ends the WebSocket: only the peer's FIN is still awaited. */
static void
ws_end(struct ws *ws, unsigned reason)
{
	ws->state = WS_ENDED;
	ws_stop_reading(ws);
	conn_set_deadline(ws->conn, 0, NULL);
	conn_finish(ws->conn, reason);
}

/* Truncates the text to CLOSE_TEXT_MAX bytes, between characters. */
static struct text
close_text(const char *text)
{
	struct text t = text ? text_from(text) : TEXT_NONE;

	if (t.n > CLOSE_TEXT_MAX) {
		t.n = CLOSE_TEXT_MAX;
		while (t.n > 0 && !utf8_valid(t.at, t.n))
			t.n--;
	}
	return t;
}

void
ws_close(struct ws *ws, uint16_t code, const char *reason_text, unsigned reason)
{
	if (!ws_is_open(ws))
		return;
	ws_send_close(ws, code, close_text(reason_text));
	if (ws->reader.options->close_ms == 0) {
		ws_end(ws, reason);
		return;
	}
	ws->state = WS_CLOSING;
	ws->reason = (uint8_t)reason;
	ws_stop_reading(ws);
	conn_set_deadline(ws->conn, ws->reader.options->close_ms, ws_on_close_timeout);
}

void
ws_terminate(struct ws *ws, unsigned reason)
{
	conn_close(ws->conn, reason);
}

/* RFC 6455 7.1.7: sends Close with the code, unless a Close was sent already, and ends the WebSocket. */
static void
ws_fail(struct ws *ws, uint16_t code, unsigned reason)
{
	if (reason == REASON_NO_MEMORY)
		loop_count_no_memory(conn_loop(ws->conn));
	if (ws->state == WS_OPEN)
		ws_send_close(ws, code, TEXT_NONE);
	ws_end(ws, reason);
}

static void
ws_peer_closed(struct ws *ws, uint16_t code)
{
	ws->peer_code = code ? code : NO_STATUS;
	if (ws->state == WS_OPEN) {
		ws_send_close(ws, code, TEXT_NONE);
		ws_end(ws, REASON_WS_CLOSE);
	} else {
		ws_end(ws, ws->reason);
	}
}

/* -------------------------------------------------------------- receiving */

/*
 * Answers a ping (RFC 6455 5.5.2). If pongs accumulate, only the latest ping is answered (RFC 6455 5.5.3), so neither
 * a flood of pings nor a peer that does not read can fill the queue. While one pong waits, the pong for a later ping
 * replaces it instead of overtaking it.
 */
static void
answer_ping(struct ws *ws, const struct ws_event *event, unsigned *pongs)
{
	if (ws->state != WS_OPEN)
		return;
	if (!ws->late_pong && *pongs < PONGS_PER_READ && conn_queued(ws->conn) < PONG_QUEUE_MAX) {
		++*pongs;
		ws_send_control(ws, WS_PONG, event->data, event->n);
		return;
	}
	late_pong_drop(ws);
	ws->late_pong = frame_block(WS_PONG, event->data, event->n);
	conn_want_drain(ws->conn, true);
}

static size_t
ws_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct ws *ws = conn_owner(c);
	struct loop *l = conn_loop(c);
	struct ws_event event;
	unsigned pongs = 0;
	size_t at = 0, used;
	int result = 1;

	while (result > 0 && !conn_dead(c) && ws->state != WS_ENDED && !ws->paused && !loop_share_spent(l)) {
		used = 0;
		result = ws_reader_next(&ws->reader, data + at, n - at, &used, &event);
		at += used;
		loop_spend(l, LOOP_WORK_PACKET + event.n + ws->reader.inflated * INFLATE_WORK);
		ws->reader.inflated = 0;
		if (result < 0) {
			ws_fail(ws, event.code, event.reason);
		} else if (result > 0 && event.opcode == WS_CLOSE) {
			ws_peer_closed(ws, event.code);
		} else if (result > 0 && event.opcode == WS_PING) {
			answer_ping(ws, &event, &pongs);
		} else if (result > 0 && event.opcode != WS_PONG && event.opcode != WS_CONTINUATION) {
			ws->ops->on_message(ws, ws->owner, event.opcode == WS_BINARY, event.data, event.n);
			mem_free(event.owned);
		}
	}
	ws_account(ws);
	if (ws->paused) /* a conn_resume() from before the pause may have taken effect after it */
		conn_pause(c);
	return conn_dead(c) || ws->state == WS_ENDED ? n : at;
}

static void
ws_on_drain(struct conn *c)
{
	struct ws *ws = conn_owner(c);

	if (ws->state != WS_OPEN)
		return;
	if (ws->late_pong) {
		/* the owner's on_drain follows when this pong has left */
		conn_send(c, ws->late_pong, 0, ws->late_pong->len);
		late_pong_drop(ws);
		conn_want_drain(c, ws->ops->on_drain != NULL);
		return;
	}
	if (ws->ops->on_drain)
		ws->ops->on_drain(ws, ws->owner);
}

/*
 * Handles a FIN without a Close. After our own Close, the FIN counts as the answer. The queue is still sent, because
 * the peer may still read.
 */
static void
ws_on_eof(struct conn *c)
{
	struct ws *ws = conn_owner(c);

	ws_end(ws, ws->state == WS_CLOSING ? ws->reason : REASON_PEER_CLOSED);
}

static void
ws_on_closed(struct conn *c, unsigned reason)
{
	struct ws *ws = conn_owner(c);

	ws->ops->on_closed(ws, ws->owner, reason, ws->peer_code);
	late_pong_drop(ws);
	ws_deflate_free(ws->reader.deflate);
	ws_reader_fini(&ws->reader);
	small_free(ws, sizeof *ws);
}

static const struct conn_ops ws_conn_ops = {
	.on_data = ws_on_data,
	.on_drain = ws_on_drain,
	.on_eof = ws_on_eof,
	.on_closed = ws_on_closed,
};

struct ws *
ws_accept(struct http_request *r, const struct ws_options *options, const struct ws_ops *ops, void *owner)
{
	struct ws_deflate_params params;
	struct ws_deflate *deflate = NULL;
	struct ws *ws = small_zalloc(sizeof *ws);

	if (ws_handshake_reply(r, options, &params) == 1)
		deflate = ws_deflate_new(&params, options->pool);
	ws->ops = ops;
	ws->owner = owner;
	ws->peer_code = ABNORMAL;
	ws_reader_init(&ws->reader, options, deflate);
	ws->reader.inflate_max = INFLATE_MAX;
	ws->conn = http_upgrade(r);
	conn_set_owner(ws->conn, &ws_conn_ops, ws);
	conn_want_drain(ws->conn, ops->on_drain != NULL);
	conn_set_deadline(ws->conn, 0, NULL);
	counter_add(&conn_loop(ws->conn)->counters, COUNT_WS_OPENED, 1);
	return ws;
}
