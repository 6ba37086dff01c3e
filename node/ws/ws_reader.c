/*
 * State: `partial` (is there a message in the making), partial->in_frame (are we inside its payload).
 *
 *   partial  in_frame  next byte is                     ends with
 *   NULL     -         the head of any frame            whole message: event, stays here
 *                                                       else: partial made, in_frame
 *   set      true      payload of a data frame          end of it, FIN: event, partial freed
 *                                                       end of it, no FIN: in_frame false
 *   set      false     the head of a continuation or    in_frame true
 *                      of a control frame               event, stays here
 *
 * Control frames and heads are left with the caller until they are whole; they are at most 139 bytes.
 */
#include "node/ws/ws_reader.h"

#include "common/base/bytes.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"

#define CARRY_BYTES 2048  /* a window carried across a final block counts as so many inflated bytes */
#define INFLATE_PIECE 512 /* bytes inflated at a time: deflate makes 1032 of one at most, so 516 KiB */

struct ws_partial {
	struct buffer bytes; /* so far, unmasked and inflated */
	uint64_t wire;	     /* payload bytes claimed by the frames so far */
	uint64_t frame_left; /* of the current frame */
	uint64_t frame_at;   /* bytes of it seen: the phase of the mask */
	uint8_t mask[4];
	struct utf8_state utf8;
	unsigned fragments;
	bool in_frame, fin, text, compressed, masked;
};

void
ws_reader_init(struct ws_reader *r, const struct ws_options *options, struct ws_deflate *deflate)
{
	*r = (struct ws_reader){.options = options, .deflate = deflate};
}

static void
partial_free(struct ws_reader *r)
{
	if (!r->partial)
		return;
	buffer_fini(&r->partial->bytes);
	mem_free(r->partial);
	r->partial = NULL;
}

void
ws_reader_fini(struct ws_reader *r)
{
	partial_free(r);
}

size_t
ws_reader_held(const struct ws_reader *r)
{
	size_t n = r->partial ? sizeof *r->partial + r->partial->bytes.size : 0;

	return r->deflate ? n + ws_deflate_held(r->deflate) : n;
}

void
ws_reader_discard(struct ws_reader *r)
{
	r->discard = true;
	if (r->partial)
		buffer_fini(&r->partial->bytes);
}

static int
fail(struct ws_event *out, int error)
{
	switch (error) {
	case ERROR_UTF8: /* RFC 6455 8.1 */
		out->code = 1007;
		out->reason = REASON_WS_UTF8;
		break;
	case ERROR_TOO_BIG:
		out->code = 1009;
		out->reason = REASON_WS_TOO_BIG;
		break;
	case ERROR_TOO_MANY: /* fragments: a matter of policy */
		out->code = 1008;
		out->reason = REASON_WS_TOO_BIG;
		break;
	case ERROR_MEMORY: /* ours */
		out->code = 1011;
		out->reason = REASON_NO_MEMORY;
		break;
	default:
		out->code = 1002;
		out->reason = REASON_WS_PROTOCOL;
	}
	return error;
}

/*
 * The rules that need the state: RFC 6455 5.1 masking, 5.2 RSV, 5.4 fragments; RFC 7692 6. Of the head n bytes are
 * there, maybe not all: a breach is refused as soon as the byte that shows it has come.
 */
static int
frame_check(const struct ws_reader *r, const struct ws_frame *f, size_t n)
{
	bool starts = f->opcode == WS_TEXT || f->opcode == WS_BINARY;

	if (f->rsv2 || f->rsv3 || (f->rsv1 && !(starts && r->deflate)))
		return ERROR_SYNTAX;
	if ((starts && r->partial) || (f->opcode == WS_CONTINUATION && !r->partial))
		return ERROR_SYNTAX;
	return n >= 2 && f->masked == r->from_server ? ERROR_SYNTAX : 0;
}

static int
close_event(struct ws_event *out)
{
	out->code = 0;
	if (out->n == 0)
		return 1;
	if (out->n == 1)
		return fail(out, ERROR_SYNTAX);
	out->code = (uint16_t)bytes_read(out->data, 2);
	if (!ws_close_code_valid(out->code))
		return fail(out, ERROR_SYNTAX);
	out->data += 2;
	out->n -= 2;
	return utf8_valid(out->data, out->n) ? 1 : fail(out, ERROR_UTF8);
}

/* What compressed messages may take on the wire: stored blocks and empty ones make them longer than their content. */
static uint64_t
wire_max(uint64_t max_message)
{
	uint64_t extra = max_message / 8 + 1024;

	return max_message > UINT64_MAX - extra ? UINT64_MAX : max_message + extra;
}

/* A head of a data frame: begins or goes on with the partial message. The length is judged before anything grows. */
static int
data_begin(struct ws_reader *r, const struct ws_frame *f)
{
	uint64_t max = r->options->max_message;
	struct ws_partial *p = r->partial;
	bool compressed = p ? p->compressed : f->rsv1;
	uint64_t wire = p ? p->wire : 0;

	if (compressed)
		max = wire_max(max);
	if (!r->discard && (wire > max || f->payload > max - wire))
		return ERROR_TOO_BIG;
	if (!r->discard && (p ? p->fragments : 0) >= r->options->max_fragments)
		return ERROR_TOO_MANY;
	if (!p) {
		p = r->partial = mem_zalloc(sizeof *p);
		buffer_init(&p->bytes, r->options->max_message);
		p->text = f->opcode == WS_TEXT;
		p->compressed = compressed;
	}
	p->wire = r->discard ? 0 : wire + f->payload;
	if (f->fin && !compressed) /* so that the buffer's last growth is to the exact size */
		p->bytes.max = p->wire;
	p->fragments += !r->discard;
	p->frame_left = f->payload;
	p->frame_at = 0;
	p->masked = f->masked;
	memcpy(p->mask, f->mask, 4);
	p->in_frame = true;
	p->fin = f->fin;
	return 0;
}

/* A piece of payload, `last` when it ends the message. */
static int
data_piece(struct ws_reader *r, uint8_t *data, size_t n, bool last)
{
	struct ws_partial *p = r->partial;
	size_t before = p->bytes.len;
	int error;

	if (r->discard)
		return 0;
	if (p->masked)
		ws_frame_unmask(data, n, p->mask, p->frame_at);
	if (p->compressed) {
		error = ws_deflate_inflate(r->deflate, data, n, last, &p->bytes);
		r->inflated += p->bytes.len - before + (uint64_t)ws_deflate_carried(r->deflate) * CARRY_BYTES;
		/* Also after an error, so that the verdict does not depend on how the bytes were cut. */
		if (p->text && p->bytes.len > before &&
			!utf8_feed(&p->utf8, p->bytes.data + before, p->bytes.len - before))
			error = ERROR_UTF8;
	} else {
		/* Refused before it is copied. */
		if (p->text && !utf8_feed(&p->utf8, data, n))
			return ERROR_UTF8;
		buffer_add(&p->bytes, data, n);
		error = buffer_error(&p->bytes);
	}
	if (!error && last && !utf8_done(&p->utf8))
		error = ERROR_UTF8;
	return error;
}

/* The payload of a data frame, as much of it as is there. 1: a message is whole. */
static int
data_next(struct ws_reader *r, uint8_t *data, size_t n, size_t *used, struct ws_event *out)
{
	struct ws_partial *p = r->partial;
	size_t take = p->frame_left < n ? (size_t)p->frame_left : n;
	bool end;
	int error;

	if (p->compressed && take > INFLATE_PIECE)
		take = INFLATE_PIECE;
	end = take == p->frame_left;
	error = data_piece(r, data, take, end && p->fin);
	*used += take;
	if (error) {
		fail(out, error);
		if (p->compressed && error == ERROR_SYNTAX)
			out->code = 1007; /* "data within a message that was not consistent", RFC 6455 7.4.1 */
		return error;
	}
	p->frame_left -= take;
	p->frame_at += take;
	if (!end)
		return 0;
	p->in_frame = false;
	if (!p->fin)
		return 0;
	out->opcode = p->text ? WS_TEXT : WS_BINARY;
	out->owned = buffer_steal(&p->bytes, &out->n);
	out->data = out->owned ? out->owned : data;
	partial_free(r);
	return !r->discard;
}

/* A control frame, or a whole uncompressed message in one frame: the event is where the bytes lie. */
static int
whole_event(struct ws_reader *r, const struct ws_frame *f, uint8_t *data, struct ws_event *out)
{
	out->opcode = f->opcode;
	out->data = data;
	out->n = (size_t)f->payload;
	if (f->opcode < WS_CLOSE && r->discard)
		return 0;
	if (f->opcode < WS_CLOSE && f->payload > r->options->max_message)
		return fail(out, ERROR_TOO_BIG);
	if (f->masked)
		ws_frame_unmask(data, out->n, f->mask, 0);
	if (f->opcode == WS_TEXT && !utf8_valid(data, out->n))
		return fail(out, ERROR_UTF8);
	return f->opcode == WS_CLOSE ? close_event(out) : 1;
}

int
ws_reader_next(struct ws_reader *r, uint8_t *data, size_t n, size_t *used, struct ws_event *out)
{
	size_t at = 0, took;
	int result = 0, head;
	struct ws_frame f;

	*out = (struct ws_event){.owned = NULL};
	while (result == 0) {
		if (r->partial && r->partial->in_frame) {
			if (at == n && r->partial->frame_left > 0)
				break;
			took = 0;
			result = data_next(r, data + at, n - at, &took, out);
			at += took;
			if (result == 0 && r->inflate_max > 0 && r->inflated >= r->inflate_max) {
				out->opcode = WS_CONTINUATION;
				result = 1;
			}
			continue;
		}
		if (at == n)
			break;
		head = ws_frame_parse(&f, data + at, n - at);
		if (head < 0 || frame_check(r, &f, n - at) < 0) {
			result = fail(out, ERROR_SYNTAX);
			break;
		}
		if (head == 0)
			break;
		if (f.payload <= n - at - (size_t)head &&
			(f.opcode >= WS_CLOSE || (f.fin && f.opcode != WS_CONTINUATION && !f.rsv1))) {
			result = whole_event(r, &f, data + at + head, out);
			at += (size_t)head + (size_t)f.payload;
		} else if (f.opcode >= WS_CLOSE) {
			break;
		} else {
			result = data_begin(r, &f);
			if (result < 0)
				fail(out, result);
			at += (size_t)head;
		}
	}
	*used += at;
	return result;
}
