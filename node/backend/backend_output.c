#include "node/backend/backend_output.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/backend/backend_tables.h"

#define CHUNK (16 * 1024)
#define REFERENCE_MIN 4096 /* smaller blocks are cheaper copied */

struct backend_waiting {
	struct list link; /* backend_output.waiting */
	size_t bytes;
	unsigned count;
	struct backend_piece pieces[];
};

static void
count(const struct backend_output *o, unsigned which, uint64_t n)
{
	counter_add(&conn_loop(o->setup.conn)->counters, which, n);
}

/* ------------------------------------------------------------------ pieces */

/* Room for so many more. False: there is no memory for them. */
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

/* Takes over a reference. There must be room for it. */
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

/* What is left out now would be missing in the middle: the link is to end. */
static void
end_link(struct backend_output *o)
{
	o->closed = true;
	loop_defer(conn_loop(o->setup.conn), o->setup.overflow);
}

static void
give_up(struct backend_output *o)
{
	o->failed = true;
	o->no_memory = true;
	end_link(o);
}

/* Takes over a reference. False: there was no memory, the link ends. */
static bool
pieces_add(struct backend_output *o, struct backend_pieces *p, struct block *block, uint32_t from, uint32_t n)
{
	if (!pieces_reserve(p, 1)) {
		block_unref(block);
		give_up(o);
		return false;
	}
	pieces_push(p, block, from, n);
	return true;
}

/* ------------------------------------------------------------------ chunks */

static struct block *
chunk(struct backend_output *o)
{
	if (o->chunk != NULL && o->used < o->chunk->len)
		return o->chunk;
	block_unref(o->chunk);
	o->chunk = block_new(CHUNK);
	o->used = 0;
	return o->chunk;
}

/* Room for `n` bytes in one piece, n being small, in `to`; NULL: there is no memory. */
static uint8_t *
small_room(struct backend_output *o, struct backend_pieces *to, uint32_t n)
{
	struct block *b;
	uint8_t *at;

	if (o->chunk != NULL && o->chunk->len - o->used < n) {
		block_unref(o->chunk);
		o->chunk = NULL;
	}
	b = chunk(o);
	at = b->data + o->used;
	if (!pieces_add(o, to, block_ref(b), o->used, n))
		return NULL;
	o->used += n;
	return at;
}

static void
put_large(struct backend_output *o, const void *bytes, size_t n)
{
	struct block *b = block_try_copy(bytes, n);

	if (b == NULL)
		o->failed = true;
	else
		(void)pieces_add(o, &o->frame, b, 0, (uint32_t)n);
}

/* -------------------------------------------------------------------- life */

static void
on_flush(struct loop_call *call)
{
	backend_output_flush(container_of(call, struct backend_output, flush));
}

void
backend_output_init(struct backend_output *o, const struct backend_output_setup *setup)
{
	memset(o, 0, sizeof *o);
	o->setup = *setup;
	list_init(&o->waiting);
	loop_call_init(&o->flush, on_flush);
}

static void
drop_waiting(struct backend_output *o, struct backend_waiting *w)
{
	list_remove(&w->link);
	o->waiting_bytes -= w->bytes;
	mem_free(w);
}

void
backend_output_fini(struct backend_output *o)
{
	loop_call_cancel(&o->flush);
	while (!list_empty(&o->waiting)) {
		struct backend_waiting *w = list_entry(o->waiting.next, struct backend_waiting, link);

		for (unsigned i = 0; i < w->count; i++)
			block_unref(w->pieces[i].block);
		drop_waiting(o, w);
	}
	pieces_free(&o->frame);
	pieces_free(&o->ready);
	block_unref(o->chunk);
	o->chunk = NULL;
	o->head = NULL;
}

void
backend_output_flush(struct backend_output *o)
{
	if (o->ready.bytes == 0)
		return;
	count(o, COUNT_BACKEND_BYTES_OUT, o->ready.bytes);
	for (unsigned i = 0; i < o->ready.count; i++) {
		const struct backend_piece *p = &o->ready.list[i];

		conn_send(o->setup.conn, p->block, p->from, p->n);
	}
	pieces_clear(&o->ready);
}

/* ------------------------------------------------------------------ window */

static bool
has_room(const struct backend_output *o, size_t bytes)
{
	uint64_t window = o->setup.window, used = o->used_window;

	return used < window / 2 || used + bytes <= window;
}

static void
stall(struct backend_output *o)
{
	if (!o->stalled)
		count(o, COUNT_BACKEND_STALLS, 1);
	o->stalled = true;
}

static void
make_ready(struct backend_output *o, const struct backend_piece *pieces, unsigned n, size_t bytes)
{
	if (o->no_memory || !pieces_reserve(&o->ready, n)) {
		for (unsigned i = 0; i < n; i++)
			block_unref(pieces[i].block);
		give_up(o);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		pieces_push(&o->ready, pieces[i].block, pieces[i].from, pieces[i].n);
	o->used_window += bytes;
	if (o->used_window >= o->setup.window)
		stall(o);
	loop_defer(conn_loop(o->setup.conn), &o->flush);
}

static void
make_wait(struct backend_output *o, const struct backend_pieces *frame)
{
	struct backend_waiting *w = mem_try_alloc(sizeof *w + frame->count * sizeof w->pieces[0]);

	if (w == NULL) {
		for (unsigned i = 0; i < frame->count; i++)
			block_unref(frame->list[i].block);
		give_up(o);
		return;
	}
	w->bytes = frame->bytes;
	w->count = frame->count;
	memcpy(w->pieces, frame->list, frame->count * sizeof w->pieces[0]);
	list_init(&w->link);
	list_add_tail(&o->waiting, &w->link);
	o->waiting_bytes += w->bytes;
	stall(o);
	if (o->waiting_bytes > o->setup.window + o->setup.max_frame)
		end_link(o);
}

bool
backend_output_returned(struct backend_output *o, uint32_t bytes)
{
	if (bytes > o->used_window)
		return false;
	o->used_window -= bytes;
	while (!list_empty(&o->waiting)) {
		struct backend_waiting *w = list_entry(o->waiting.next, struct backend_waiting, link);

		if (!has_room(o, w->bytes))
			return true;
		make_ready(o, w->pieces, w->count, w->bytes);
		drop_waiting(o, w);
	}
	return true;
}

/* ------------------------------------------------------------------ frames */

void
backend_output_begin(
	struct backend_output *o, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id)
{
	must(o->head == NULL);
	o->failed = false;
	o->fields = (struct backend_frame){.type = type, .flags = flags, .nsp = nsp, .handle = handle, .id = id};
	if (!o->closed)
		o->head = small_room(o, &o->frame, BACKEND_HEAD);
}

void
backend_output_put(struct backend_output *o, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	if (o->head == NULL)
		return;
	if (n >= CHUNK / 2) {
		put_large(o, bytes, n);
		return;
	}
	while (n > 0) {
		struct block *b = chunk(o);
		size_t part = b->len - o->used < n ? b->len - o->used : n;

		memcpy(b->data + o->used, from, part);
		if (!pieces_add(o, &o->frame, block_ref(b), o->used, (uint32_t)part))
			return;
		o->used += (uint32_t)part;
		from += part;
		n -= part;
	}
}

void
backend_output_put_u32(struct backend_output *o, uint32_t value)
{
	uint8_t bytes[4];

	backend_write_number(bytes, value, sizeof bytes);
	backend_output_put(o, bytes, sizeof bytes);
}

void
backend_output_put_text(struct backend_output *o, struct text t)
{
	backend_output_put_u32(o, (uint32_t)t.n);
	backend_output_put(o, t.at, t.n);
}

void
backend_output_put_block(struct backend_output *o, struct block *block)
{
	if (block->len < REFERENCE_MIN)
		backend_output_put(o, block->data, block->len);
	else if (o->head != NULL)
		(void)pieces_add(o, &o->frame, block_ref(block), 0, block->len);
}

void
backend_output_put_rooms(struct backend_output *o, const struct text *rooms, unsigned n)
{
	uint8_t bytes[2];

	must(n <= UINT16_MAX);
	backend_write_number(bytes, n, sizeof bytes);
	backend_output_put(o, bytes, sizeof bytes);
	for (unsigned i = 0; i < n; i++) {
		must(rooms[i].n <= UINT16_MAX);
		backend_write_number(bytes, (uint32_t)rooms[i].n, sizeof bytes);
		backend_output_put(o, bytes, sizeof bytes);
		backend_output_put(o, rooms[i].at, rooms[i].n);
	}
}

void
backend_output_put_args(struct backend_output *o, struct text json, const struct attachments *attachments)
{
	if (attachments == NULL || attachments->count == 0) {
		backend_output_put(o, json.at, json.n);
		return;
	}
	o->fields.flags |= BACKEND_F_BIN;
	backend_output_put_text(o, json);
	for (unsigned i = 0; i < attachments->count; i++) {
		backend_output_put_u32(o, attachments->blocks[i]->len);
		backend_output_put_block(o, attachments->blocks[i]);
	}
}

bool
backend_output_end(struct backend_output *o)
{
	struct backend_pieces frame;
	size_t body = o->frame.bytes - BACKEND_HEAD;

	if (o->head == NULL)
		return true;
	o->fields.body = text_of(NULL, body);
	backend_frame_head(o->head, &o->fields);
	o->head = NULL;
	if (o->failed || body > o->setup.max_frame) {
		pieces_clear(&o->frame);
		if (o->closed)
			return true;
		count(o, COUNT_BACKEND_TOO_BIG, 1);
		return false;
	}
	o->setup.frames_out[o->fields.type]++;
	frame = o->frame;
	o->frame.count = 0; /* the references move on */
	o->frame.bytes = 0;
	if (list_empty(&o->waiting) && has_room(o, frame.bytes))
		make_ready(o, frame.list, frame.count, frame.bytes);
	else
		make_wait(o, &frame);
	return true;
}

void
backend_output_urgent(struct backend_output *o, uint8_t type, uint32_t id, struct text body)
{
	const struct backend_frame f = {.type = type, .id = id, .body = body};
	uint8_t *at;

	must(body.n <= UINT8_MAX);
	at = small_room(o, &o->ready, BACKEND_HEAD + (uint32_t)body.n);
	if (at == NULL)
		return;
	backend_frame_head(at, &f);
	memcpy(at + BACKEND_HEAD, body.at, body.n);
	o->setup.frames_out[type]++;
	loop_defer(conn_loop(o->setup.conn), &o->flush);
}
