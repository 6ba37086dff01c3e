#include "node/backend/backend_output.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/backend/backend_tables.h"

#define CHUNK (16 * 1024)
#define REFERENCE_MIN 4096 /* copying a smaller block is cheaper */

struct backend_waiting {
	struct list link; /* in backend_output.waiting */
	size_t bytes;
	unsigned count;
	struct backend_piece pieces[];
};

static void
output_count(const struct backend_output *output, unsigned which, uint64_t n)
{
	counter_add(&conn_loop(output->setup.conn)->counters, which, n);
}

/* ------------------------------------------------------------------ pieces */

/* Makes room for `more` pieces. Returns false if memory is short. */
static bool
pieces_reserve(struct backend_pieces *p, unsigned more)
{
	unsigned size = p->size > 0 ? p->size : 8;
	struct backend_piece *list;

	while (size - p->count < more)
		size *= 2;
	if (size == p->size)
		return true;
	list = mem_try_realloc(p->list, size * sizeof *list);
	if (list == NULL)
		return false;
	p->list = list;
	p->size = size;
	return true;
}

/* Takes over the reference. pieces_reserve() has made room. */
static void
pieces_push(struct backend_pieces *p, struct block *block, uint32_t from, uint32_t n)
{
	struct backend_piece *last = p->count > 0 ? &p->list[p->count - 1] : NULL;

	p->bytes += n;
	if (last != NULL && last->block == block && last->from + last->n == from) {
		last->n += n;
		block_unref(block);
		return;
	}
	must(p->count < p->size);
	p->list[p->count++] = (struct backend_piece){block, from, n};
}

static void
pieces_clear(struct backend_pieces *p)
{
	for (unsigned i = 0; i < p->count; i++)
		block_unref(p->list[i].block);
	p->count = 0;
	p->bytes = 0;
}

static void
pieces_free(struct backend_pieces *p)
{
	pieces_clear(p);
	mem_free(p->list);
	*p = (struct backend_pieces){NULL, 0, 0, 0};
}

/* A frame left out here would break the stream, so the link has to end. */
static void
end_link(struct backend_output *output)
{
	output->closed = true;
	loop_defer(conn_loop(output->setup.conn), output->setup.overflow);
}

static void
output_out_of_memory(struct backend_output *output)
{
	output->failed = true;
	output->no_memory = true;
	end_link(output);
}

/* Takes over the reference. Returns false if memory is short; then the link ends. */
static bool
pieces_add(struct backend_output *output, struct backend_pieces *p, struct block *block, uint32_t from, uint32_t n)
{
	if (!pieces_reserve(p, 1)) {
		block_unref(block);
		output_out_of_memory(output);
		return false;
	}
	pieces_push(p, block, from, n);
	return true;
}

/* ------------------------------------------------------------------ chunks */

static struct block *
current_chunk(struct backend_output *output)
{
	if (output->chunk != NULL && output->used < output->chunk->len)
		return output->chunk;
	block_unref(output->chunk);
	output->chunk = block_new(CHUNK);
	output->used = 0;
	return output->chunk;
}

/* Adds a piece of `n` bytes, at most a chunk, to `to` and returns its memory. NULL if memory is short. */
static uint8_t *
small_room(struct backend_output *output, struct backend_pieces *to, uint32_t n)
{
	struct block *b;
	uint8_t *at;

	if (output->chunk != NULL && output->chunk->len - output->used < n) {
		block_unref(output->chunk);
		output->chunk = NULL;
	}
	b = current_chunk(output);
	at = b->data + output->used;
	if (!pieces_add(output, to, block_ref(b), output->used, n))
		return NULL;
	output->used += n;
	return at;
}

static void
put_large(struct backend_output *output, const void *bytes, size_t n)
{
	struct block *b = block_try_copy(bytes, n);

	if (b == NULL)
		output->failed = true;
	else
		(void)pieces_add(output, &output->frame, b, 0, (uint32_t)n);
}

/* -------------------------------------------------------------------- life */

static void
output_on_flush(struct loop_call *call)
{
	backend_output_flush(container_of(call, struct backend_output, flush));
}

void
backend_output_init(struct backend_output *output, const struct backend_output_setup *setup)
{
	memset(output, 0, sizeof *output);
	output->setup = *setup;
	list_init(&output->waiting);
	loop_call_init(&output->flush, output_on_flush);
}

static void
drop_waiting(struct backend_output *output, struct backend_waiting *waiting)
{
	list_remove(&waiting->link);
	output->waiting_bytes -= waiting->bytes;
	mem_free(waiting);
}

void
backend_output_fini(struct backend_output *output)
{
	loop_call_cancel(&output->flush);
	while (!list_empty(&output->waiting)) {
		struct backend_waiting *waiting = list_entry(output->waiting.next, struct backend_waiting, link);

		for (unsigned i = 0; i < waiting->count; i++)
			block_unref(waiting->pieces[i].block);
		drop_waiting(output, waiting);
	}
	pieces_free(&output->frame);
	pieces_free(&output->ready);
	block_unref(output->chunk);
	output->chunk = NULL;
	output->head = NULL;
}

void
backend_output_flush(struct backend_output *output)
{
	if (output->ready.bytes == 0)
		return;
	output_count(output, COUNT_BACKEND_BYTES_OUT, output->ready.bytes);
	for (unsigned i = 0; i < output->ready.count; i++) {
		const struct backend_piece *p = &output->ready.list[i];

		conn_send(output->setup.conn, p->block, p->from, p->n);
	}
	pieces_clear(&output->ready);
}

/* ------------------------------------------------------------------ window */

static bool
has_room(const struct backend_output *output, size_t bytes)
{
	uint64_t window = output->setup.window, used = output->used_window;

	return used < window / 2 || used + bytes <= window;
}

static void
output_stall(struct backend_output *output)
{
	if (!output->stalled)
		output_count(output, COUNT_BACKEND_STALLS, 1);
	output->stalled = true;
}

static void
make_ready(struct backend_output *output, const struct backend_piece *pieces, unsigned n, size_t bytes)
{
	if (output->no_memory || !pieces_reserve(&output->ready, n)) {
		for (unsigned i = 0; i < n; i++)
			block_unref(pieces[i].block);
		output_out_of_memory(output);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		pieces_push(&output->ready, pieces[i].block, pieces[i].from, pieces[i].n);
	output->used_window += bytes;
	if (output->used_window >= output->setup.window)
		output_stall(output);
	loop_defer(conn_loop(output->setup.conn), &output->flush);
}

static void
make_wait(struct backend_output *output, const struct backend_pieces *frame)
{
	struct backend_waiting *waiting = mem_try_alloc(sizeof *waiting + frame->count * sizeof waiting->pieces[0]);

	if (waiting == NULL) {
		for (unsigned i = 0; i < frame->count; i++)
			block_unref(frame->list[i].block);
		output_out_of_memory(output);
		return;
	}
	waiting->bytes = frame->bytes;
	waiting->count = frame->count;
	memcpy(waiting->pieces, frame->list, frame->count * sizeof waiting->pieces[0]);
	list_init(&waiting->link);
	list_add_tail(&output->waiting, &waiting->link);
	output->waiting_bytes += waiting->bytes;
	output_stall(output);
	if (output->waiting_bytes > output->setup.window + output->setup.max_frame)
		end_link(output);
}

bool
backend_output_returned(struct backend_output *output, uint32_t bytes)
{
	if (bytes > output->used_window)
		return false;
	output->used_window -= bytes;
	while (!list_empty(&output->waiting)) {
		struct backend_waiting *waiting = list_entry(output->waiting.next, struct backend_waiting, link);

		if (!has_room(output, waiting->bytes))
			return true;
		make_ready(output, waiting->pieces, waiting->count, waiting->bytes);
		drop_waiting(output, waiting);
	}
	return true;
}

/* ------------------------------------------------------------------ frames */

void
backend_output_begin(
	struct backend_output *output, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id)
{
	must(output->head == NULL);
	output->failed = false;
	output->fields = (struct backend_frame){.type = type, .flags = flags, .nsp = nsp, .handle = handle, .id = id};
	if (!output->closed)
		output->head = small_room(output, &output->frame, BACKEND_HEAD);
}

void
backend_output_put(struct backend_output *output, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	if (output->head == NULL)
		return;
	if (n >= CHUNK / 2) {
		put_large(output, bytes, n);
		return;
	}
	while (n > 0) {
		struct block *b = current_chunk(output);
		size_t part = b->len - output->used < n ? b->len - output->used : n;

		memcpy(b->data + output->used, from, part);
		if (!pieces_add(output, &output->frame, block_ref(b), output->used, (uint32_t)part))
			return;
		output->used += (uint32_t)part;
		from += part;
		n -= part;
	}
}

void
backend_output_put_u32(struct backend_output *output, uint32_t value)
{
	uint8_t bytes[4];

	backend_write_number(bytes, value, sizeof bytes);
	backend_output_put(output, bytes, sizeof bytes);
}

void
backend_output_put_text(struct backend_output *output, struct text t)
{
	backend_output_put_u32(output, (uint32_t)t.n);
	backend_output_put(output, t.at, t.n);
}

void
backend_output_put_block(struct backend_output *output, struct block *block)
{
	if (block->len < REFERENCE_MIN)
		backend_output_put(output, block->data, block->len);
	else if (output->head != NULL)
		(void)pieces_add(output, &output->frame, block_ref(block), 0, block->len);
}

void
backend_output_put_rooms(struct backend_output *output, const struct text *rooms, unsigned n)
{
	uint8_t bytes[2];

	must(n <= UINT16_MAX);
	backend_write_number(bytes, n, sizeof bytes);
	backend_output_put(output, bytes, sizeof bytes);
	for (unsigned i = 0; i < n; i++) {
		must(rooms[i].n <= UINT16_MAX);
		backend_write_number(bytes, (uint32_t)rooms[i].n, sizeof bytes);
		backend_output_put(output, bytes, sizeof bytes);
		backend_output_put(output, rooms[i].at, rooms[i].n);
	}
}

void
backend_output_put_args(struct backend_output *output, struct text json, const struct attachments *attachments)
{
	if (attachments == NULL || attachments->count == 0) {
		backend_output_put(output, json.at, json.n);
		return;
	}
	output->fields.flags |= BACKEND_F_BIN;
	backend_output_put_text(output, json);
	for (unsigned i = 0; i < attachments->count; i++) {
		backend_output_put_u32(output, attachments->blocks[i]->len);
		backend_output_put_block(output, attachments->blocks[i]);
	}
}

bool
backend_output_end(struct backend_output *output)
{
	struct backend_pieces frame;
	size_t body = output->frame.bytes - BACKEND_HEAD;

	if (output->head == NULL)
		return true;
	output->fields.body = text_of(NULL, body);
	backend_frame_head(output->head, &output->fields);
	output->head = NULL;
	if (output->failed || body > output->setup.max_frame) {
		pieces_clear(&output->frame);
		if (output->closed)
			return true;
		output_count(output, COUNT_BACKEND_TOO_BIG, 1);
		return false;
	}
	output->setup.frames_out[output->fields.type]++;
	frame = output->frame;
	output->frame.count = 0; /* the references now belong to `ready` or `waiting` */
	output->frame.bytes = 0;
	if (list_empty(&output->waiting) && has_room(output, frame.bytes))
		make_ready(output, frame.list, frame.count, frame.bytes);
	else
		make_wait(output, &frame);
	return true;
}

void
backend_output_urgent(struct backend_output *output, uint8_t type, uint32_t id, struct text body)
{
	const struct backend_frame f = {.type = type, .id = id, .body = body};
	uint8_t *at;

	must(body.n <= UINT8_MAX);
	at = small_room(output, &output->ready, BACKEND_HEAD + (uint32_t)body.n);
	if (at == NULL)
		return;
	backend_frame_head(at, &f);
	memcpy(at + BACKEND_HEAD, body.at, body.n);
	output->setup.frames_out[type]++;
	loop_defer(conn_loop(output->setup.conn), &output->flush);
}
