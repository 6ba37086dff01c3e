/*
 * The state: `partial` is set while a message is partial; partial->in_frame is true inside the payload of its frame.
 *
 *   partial  in_frame  The next byte belongs to      Outcome
 *   NULL     -         any frame header              whole message: event
 *                                                    otherwise: partial is created, in_frame
 *   set      true      the payload of a data frame   end of the frame with FIN: event, partial is freed
 *                                                    end of the frame without FIN: in_frame is false
 *   set      false     a continuation's header       in_frame is true
 *                      a control frame's header      event
 *
 * Headers and control frames stay with the caller until they are complete; they have at most 139 bytes.
 */
#include "node/ws/ws_reader.h"

#include "common/base/bytes.h"
#include "common/base/buffer.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"

#define CARRY_BYTES 2048 /* carrying the window across a final block counts as inflating this many bytes */
#define INFLATE_PIECE                                                                                                \
	512 /* bytes inflated at a time; deflate expands a byte to 1032 at most, so this yields up to 516 KiB */

struct ws_partial {
	struct buffer bytes; /* the message so far, unmasked and inflated */
	uint64_t wire;	     /* total payload length of the frames so far */
	uint64_t frame_left; /* payload bytes of the current frame not seen yet */
	uint64_t frame_at;   /* payload bytes of the current frame seen: the phase of the mask */
	uint8_t mask[4];
	struct utf8_state utf8;
	unsigned fragments;
	bool in_frame, fin, text, compressed, masked;
};

void
ws_reader_init(struct ws_reader *reader, const struct ws_options *options, struct ws_deflate *deflate)
{
	*reader = (struct ws_reader){.options = options, .deflate = deflate};
}

static void
reader_partial_free(struct ws_reader *reader)
{
	if (!reader->partial)
		return;
	buffer_fini(&reader->partial->bytes);
	mem_free(reader->partial);
	reader->partial = NULL;
}

void
ws_reader_fini(struct ws_reader *reader)
{
	reader_partial_free(reader);
}

size_t
ws_reader_held(const struct ws_reader *reader)
{
	size_t n = reader->partial ? sizeof *reader->partial + reader->partial->bytes.size : 0;

	return reader->deflate ? n + ws_deflate_held(reader->deflate) : n;
}

void
ws_reader_discard(struct ws_reader *reader)
{
	reader->discard = true;
	if (reader->partial)
		buffer_fini(&reader->partial->bytes);
}

static int
reader_fail(struct ws_event *out, int error)
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
	case ERROR_TOO_MANY: /* too many fragments: a matter of policy */
		out->code = 1008;
		out->reason = REASON_WS_TOO_BIG;
		break;
	case ERROR_MEMORY: /* a fault of this server */
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
 * Checks the rules that depend on the state: RFC 6455 5.1 masking, 5.2 RSV, 5.4 fragments; RFC 7692 section 6. `n`
 * bytes of the header have arrived, possibly not all. A violation is refused as soon as the byte that shows it has
 * arrived.
 */
static int
frame_check(const struct ws_reader *reader, const struct ws_frame *frame, size_t n)
{
	bool starts = frame->opcode == WS_TEXT || frame->opcode == WS_BINARY;

	if (frame->rsv2 || frame->rsv3 || (frame->rsv1 && !(starts && reader->deflate)))
		return ERROR_SYNTAX;
	if ((starts && reader->partial) || (frame->opcode == WS_CONTINUATION && !reader->partial))
		return ERROR_SYNTAX;
	return n >= 2 && frame->masked == reader->from_server ? ERROR_SYNTAX : 0;
}

static int
close_event(struct ws_event *out)
{
	out->code = 0;
	if (out->n == 0)
		return 1;
	if (out->n == 1)
		return reader_fail(out, ERROR_SYNTAX);
	out->code = (uint16_t)bytes_read(out->data, 2);
	if (!ws_close_code_valid(out->code))
		return reader_fail(out, ERROR_SYNTAX);
	out->data += 2;
	out->n -= 2;
	return utf8_valid(out->data, out->n) ? 1 : reader_fail(out, ERROR_UTF8);
}

/* The limit for a compressed message on the wire. Stored and empty blocks make it longer than its content. */
static uint64_t
wire_max(uint64_t max_message)
{
	uint64_t extra = max_message / 8 + 1024;

	return max_message > UINT64_MAX - extra ? UINT64_MAX : max_message + extra;
}

/*
 * Handles the header of a data frame: begins or continues the partial message. The length is checked before memory
 * grows.
 */
static int
data_begin(struct ws_reader *reader, const struct ws_frame *frame)
{
	uint64_t max = reader->options->max_message;
	struct ws_partial *partial = reader->partial;
	bool compressed = partial ? partial->compressed : frame->rsv1;
	uint64_t wire = partial ? partial->wire : 0;

	if (compressed)
		max = wire_max(max);
	if (!reader->discard && (wire > max || frame->payload > max - wire))
		return ERROR_TOO_BIG;
	if (!reader->discard && (partial ? partial->fragments : 0) >= reader->options->max_fragments)
		return ERROR_TOO_MANY;
	if (!partial) {
		partial = reader->partial = mem_zalloc(sizeof *partial);
		buffer_init(&partial->bytes, reader->options->max_message);
		partial->text = frame->opcode == WS_TEXT;
		partial->compressed = compressed;
	}
	partial->wire = reader->discard ? 0 : wire + frame->payload;
	if (frame->fin && !compressed) /* the buffer's last growth is then to the exact size */
		partial->bytes.max = partial->wire;
	partial->fragments += !reader->discard;
	partial->frame_left = frame->payload;
	partial->frame_at = 0;
	partial->masked = frame->masked;
	memcpy(partial->mask, frame->mask, 4);
	partial->in_frame = true;
	partial->fin = frame->fin;
	return 0;
}

/* Handles a piece of payload; `last` if it ends the message. */
static int
data_piece(struct ws_reader *reader, uint8_t *data, size_t n, bool last)
{
	struct ws_partial *partial = reader->partial;
	size_t before = partial->bytes.len;
	int error;

	if (reader->discard)
		return 0;
	if (partial->masked)
		ws_frame_unmask(data, n, partial->mask, partial->frame_at);
	if (partial->compressed) {
		error = ws_deflate_inflate(reader->deflate, data, n, last, &partial->bytes);
		reader->inflated +=
			partial->bytes.len - before + (uint64_t)ws_deflate_carried(reader->deflate) * CARRY_BYTES;
		/* Done after an error, too, so that the result does not depend on how the bytes were split. */
		if (partial->text && partial->bytes.len > before &&
			!utf8_feed(&partial->utf8, partial->bytes.data + before, partial->bytes.len - before))
			error = ERROR_UTF8;
	} else {
		/* Checked before it is copied. */
		if (partial->text && !utf8_feed(&partial->utf8, data, n))
			return ERROR_UTF8;
		buffer_add(&partial->bytes, data, n);
		error = buffer_error(&partial->bytes);
	}
	if (!error && last && !utf8_done(&partial->utf8))
		error = ERROR_UTF8;
	return error;
}

/* Handles the payload of a data frame, as much of it as has arrived. Returns 1 if a message is complete. */
static int
data_next(struct ws_reader *reader, uint8_t *data, size_t n, size_t *used, struct ws_event *out)
{
	struct ws_partial *partial = reader->partial;
	size_t take = partial->frame_left < n ? (size_t)partial->frame_left : n;
	bool end;
	int error;

	if (partial->compressed && take > INFLATE_PIECE)
		take = INFLATE_PIECE;
	end = take == partial->frame_left;
	error = data_piece(reader, data, take, end && partial->fin);
	*used += take;
	if (error) {
		reader_fail(out, error);
		if (partial->compressed && error == ERROR_SYNTAX)
			out->code = 1007; /* "data within a message that was not consistent with the type of the
					     message", RFC 6455 7.4.1 */
		return error;
	}
	partial->frame_left -= take;
	partial->frame_at += take;
	if (!end)
		return 0;
	partial->in_frame = false;
	if (!partial->fin)
		return 0;
	out->opcode = partial->text ? WS_TEXT : WS_BINARY;
	out->owned = buffer_steal(&partial->bytes, &out->n);
	out->data = out->owned ? out->owned : data;
	reader_partial_free(reader);
	return !reader->discard;
}

/* Handles a control frame, or a whole uncompressed message in one frame: the event points to the bytes in place. */
static int
whole_event(struct ws_reader *reader, const struct ws_frame *frame, uint8_t *data, struct ws_event *out)
{
	out->opcode = frame->opcode;
	out->data = data;
	out->n = (size_t)frame->payload;
	if (frame->opcode < WS_CLOSE && reader->discard)
		return 0;
	if (frame->opcode < WS_CLOSE && frame->payload > reader->options->max_message)
		return reader_fail(out, ERROR_TOO_BIG);
	if (frame->masked)
		ws_frame_unmask(data, out->n, frame->mask, 0);
	if (frame->opcode == WS_TEXT && !utf8_valid(data, out->n))
		return reader_fail(out, ERROR_UTF8);
	return frame->opcode == WS_CLOSE ? close_event(out) : 1;
}

int
ws_reader_next(struct ws_reader *reader, uint8_t *data, size_t n, size_t *used, struct ws_event *out)
{
	size_t at = 0, took;
	int result = 0, head;
	struct ws_frame frame;

	*out = (struct ws_event){.owned = NULL};
	while (result == 0) {
		if (reader->partial && reader->partial->in_frame) {
			if (at == n && reader->partial->frame_left > 0)
				break;
			took = 0;
			result = data_next(reader, data + at, n - at, &took, out);
			at += took;
			if (result == 0 && reader->inflate_max > 0 && reader->inflated >= reader->inflate_max) {
				out->opcode = WS_CONTINUATION;
				result = 1;
			}
			continue;
		}
		if (at == n)
			break;
		head = ws_frame_parse(&frame, data + at, n - at);
		if (head < 0 || frame_check(reader, &frame, n - at) < 0) {
			result = reader_fail(out, ERROR_SYNTAX);
			break;
		}
		if (head == 0)
			break;
		if (frame.payload <= n - at - (size_t)head &&
			(frame.opcode >= WS_CLOSE || (frame.fin && frame.opcode != WS_CONTINUATION && !frame.rsv1))) {
			result = whole_event(reader, &frame, data + at + head, out);
			at += (size_t)head + (size_t)frame.payload;
		} else if (frame.opcode >= WS_CLOSE) {
			break;
		} else {
			result = data_begin(reader, &frame);
			if (result < 0)
				reader_fail(out, result);
			at += (size_t)head;
		}
	}
	*used += at;
	return result;
}
