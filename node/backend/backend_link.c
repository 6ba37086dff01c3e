#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/utf8.h"
#include "common/io/log.h"
#include "node/backend/backend_link_internal.h"

/* The link ends in the turn that reaches this number. The numbers above it are for the rest of that turn. */
#define HANDLES_MAX (UINT32_MAX - (1u << 24))
#define ENDING_MS 2000 /* time for BYE, and the frames before it, to leave */
#define KEPT_MAX                                                                                                     \
	(16 * 1024) /* of an unfinished frame that the connection keeps; a larger frame gets a buffer of its own */

/* ------------------------------------------------------------------- state */

const struct backend_hello *
backend_link_hello(const struct backend_link *link)
{
	return &link->hello;
}

bool
backend_link_is_draining(const struct backend_link *link)
{
	return link->state != BACKEND_READY;
}

void
backend_link_set_owned(struct backend_link *link, void *owned)
{
	link->owned = owned;
}

void *
backend_link_owned(const struct backend_link *link)
{
	return link->owned;
}

uint32_t
backend_link_new_handle(struct backend_link *link)
{
	if (++link->last_handle >= HANDLES_MAX)
		backend_link_close(link, BACKEND_LOST_FULL);
	return link->last_handle;
}

/* ------------------------------------------------------------------ output */

void
backend_begin(struct backend_link *link, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id)
{
	backend_output_begin(&link->out, type, flags, nsp, handle, id);
}

void
backend_put(struct backend_link *link, const void *bytes, size_t n)
{
	backend_output_put(&link->out, bytes, n);
}

void
backend_put_u32(struct backend_link *link, uint32_t value)
{
	backend_output_put_u32(&link->out, value);
}

void
backend_put_text(struct backend_link *link, struct text t)
{
	backend_output_put_text(&link->out, t);
}

void
backend_put_block(struct backend_link *link, struct block *block)
{
	backend_output_put_block(&link->out, block);
}

void
backend_put_rooms(struct backend_link *link, const struct text *rooms, unsigned n)
{
	backend_output_put_rooms(&link->out, rooms, n);
}

void
backend_put_args(struct backend_link *link, struct text json, const struct attachments *attachments)
{
	backend_output_put_args(&link->out, json, attachments);
}

bool
backend_end(struct backend_link *link)
{
	return backend_output_end(&link->out);
}

bool
backend_link_has_window(const struct backend_link *link)
{
	return !link->out.stalled;
}

bool
backend_link_has_space(const struct backend_link *link, size_t bytes)
{
	return !link->out.stalled || link->out.waiting_bytes + bytes <= link->links->setup.window;
}

/* -------------------------------------------------------------- namespaces */

static void
nsp_out_free(struct backend_link *link, struct backend_nsp_out *n)
{
	table_remove(&link->nsps_out, &n->node);
	link->nsp_out[n->number] = NULL;
	mem_free(n->name);
	mem_free(n);
}

uint16_t
backend_link_nsp(struct backend_link *link, struct text name)
{
	struct backend_nsp_out *n;
	struct table_node *node;
	char *copy;

	if (text_is(name, TEXT("/")))
		return 0;
	node = table_find(&link->nsps_out, name);
	if (node != NULL)
		return container_of(node, struct backend_nsp_out, node)->number;
	link->next_nsp = link->next_nsp % (BACKEND_NSPS_MAX - 1) + 1;
	if (link->nsp_out[link->next_nsp] != NULL)
		nsp_out_free(link, link->nsp_out[link->next_nsp]);
	copy = mem_try_alloc(name.n);
	if (copy == NULL) {
		backend_link_close(link, BACKEND_LOST_MEMORY);
		return 0;
	}
	memcpy(copy, name.at, name.n);
	n = mem_zalloc(sizeof *n);
	n->number = link->next_nsp;
	n->name = copy;
	link->nsp_out[n->number] = n;
	table_add(&link->nsps_out, &n->node, text_of(n->name, name.n));
	backend_begin(link, BACKEND_NSP, 0, n->number, 0, 0);
	backend_put(link, name.at, name.n);
	backend_end(link);
	return n->number;
}

struct text
backend_link_nsp_name(const struct backend_link *link, uint16_t number)
{
	if (number == 0)
		return TEXT("/");
	return number < link->nsps_in_size ? link->nsps_in[number] : TEXT_NONE;
}

/* Returns NULL if memory is short. */
static struct text *
nsp_in_slot(struct backend_link *link, uint16_t number)
{
	unsigned size = link->nsps_in_size;
	struct text *list;

	if (number < size)
		return &link->nsps_in[number];
	while (size <= number)
		size = size > 0 ? 2 * size : 16;
	list = mem_try_realloc(link->nsps_in, size * sizeof *list);
	if (list == NULL)
		return NULL;
	memset(list + link->nsps_in_size, 0, (size - link->nsps_in_size) * sizeof *list);
	link->nsps_in = list;
	link->nsps_in_size = size;
	return &list[number];
}

static bool
link_on_nsp(struct backend_link *link, const struct backend_frame *f)
{
	struct text *slot;
	char *name;

	if (f->nsp == 0 || f->body.n == 0 || f->body.at[0] != '/' || !utf8_valid(f->body.at, f->body.n) ||
		link->nsps_in_bytes - backend_link_nsp_name(link, f->nsp).n + f->body.n > BACKEND_NSP_BYTES_MAX)
		return false;
	slot = nsp_in_slot(link, f->nsp);
	name = slot != NULL ? mem_try_alloc(f->body.n) : NULL;
	if (name == NULL) {
		backend_link_close(link, BACKEND_LOST_MEMORY);
		return true;
	}
	memcpy(name, f->body.at, f->body.n);
	link->nsps_in_bytes += f->body.n - slot->n;
	mem_free((char *)(uintptr_t)slot->at);
	*slot = text_of(name, f->body.n);
	return true;
}

static void
free_nsps(struct backend_link *link)
{
	for (unsigned i = 1; i < BACKEND_NSPS_MAX; i++) {
		if (link->nsp_out[i] != NULL)
			nsp_out_free(link, link->nsp_out[i]);
	}
	table_fini(&link->nsps_out);
	for (unsigned i = 0; i < link->nsps_in_size; i++)
		mem_free((char *)(uintptr_t)link->nsps_in[i].at);
	mem_free(link->nsps_in);
}

/* --------------------------------------------------------------------- end */

static void
link_report_lost(struct backend_link *link)
{
	struct backend_links *all = link->links;

	if (link->reported)
		return;
	link->reported = true;
	loop_call_cancel(&link->lost);
	all->setup.ops->on_lost(all->setup.ops_arg, link, backend_lost_word(link->reason));
}

static void
link_on_lost(struct loop_call *call)
{
	link_report_lost(container_of(call, struct backend_link, lost));
}

static void
link_on_overflow(struct loop_call *call)
{
	struct backend_link *link = container_of(call, struct backend_link, overflow);

	backend_link_close(link, link->out.no_memory ? BACKEND_LOST_MEMORY : BACKEND_LOST_SLOW);
}

/* Takes the link out of the list. From here on it ignores received frames and sends only BYE. */
static void
link_lose(struct backend_link *link, enum backend_lost reason)
{
	struct backend_links *all = link->links;

	must(link->state != BACKEND_LOST);
	if (link->state == BACKEND_READY)
		all->stats.ready--;
	else
		all->stats.draining--;
	all->stats.lost[reason]++;
	link->state = BACKEND_LOST;
	link->reason = reason;
	link->out.closed = true;
	loop_disarm(all->loop, &link->timer);
	backend_links_remove(all, link);
	log_event(reason == BACKEND_LOST_BYE || reason == BACKEND_LOST_SHUTDOWN ? LOG_INFO : LOG_WARN, "backend_lost",
		"instance", LOG_TEXT(link->hello.instance), "reason", LOG_STR(backend_lost_word(reason)), NULL);
	loop_defer(all->loop, &link->lost);
}

void
backend_link_close(struct backend_link *link, enum backend_lost reason)
{
	if (link->state == BACKEND_LOST)
		return;
	link_lose(link, reason);
	backend_output_urgent(&link->out, BACKEND_BYE, 0, text_from(backend_lost_word(reason)));
	backend_output_flush(&link->out);
	conn_finish(link->conn, REASON_FINISHED);
	loop_arm(link->links->loop, &link->timer, ENDING_MS);
}

void
backend_link_replace(struct backend_link *link)
{
	backend_link_close(link, BACKEND_LOST_DUPLICATE);
	link_report_lost(link);
}

/* The backend has closed the link, or the connection broke. */
static void
link_hang_up(struct backend_link *link, enum backend_lost reason)
{
	if (link->state != BACKEND_LOST)
		link_lose(link, reason);
	conn_close(link->conn, REASON_PEER_CLOSED);
}

static void
link_malformed(struct backend_link *link, const char *what)
{
	if (link->state == BACKEND_LOST)
		return;
	counter_add(&link->links->loop->counters, COUNT_BACKEND_MALFORMED, 1);
	log_event(LOG_ERROR, "backend_malformed", "instance", LOG_TEXT(link->hello.instance), "frame", LOG_STR(what),
		NULL);
	backend_link_close(link, BACKEND_LOST_PROTOCOL);
}

/* ------------------------------------------------------------------- input */

static void
link_on_drain(struct backend_link *link)
{
	struct backend_links *all = link->links;

	if (link->state != BACKEND_READY)
		return;
	link->state = BACKEND_DRAINING;
	all->stats.ready--;
	all->stats.draining++;
	log_event(LOG_INFO, "backend_drains", "instance", LOG_TEXT(link->hello.instance), NULL);
	all->setup.ops->on_drain(all->setup.ops_arg, link);
	backend_begin(link, BACKEND_DRAIN, BACKEND_F_ACK, 0, 0, 0);
	backend_end(link);
}

static bool
link_on_window(struct backend_link *link, uint32_t bytes)
{
	struct backend_links *all = link->links;
	struct backend_output *o = &link->out;

	link->answered = all->loop->now;
	if (!backend_output_returned(&link->out, bytes))
		return false;
	if (o->stalled && list_empty(&o->waiting) && o->used_window < all->setup.window) {
		o->stalled = false;
		all->setup.ops->on_window(all->setup.ops_arg, link);
	}
	return true;
}

/* Returns false if the frame is malformed. */
static bool
link_on_frame(struct backend_link *link, const struct backend_frame *f)
{
	struct backend_links *all = link->links;

	if (f->type >= BACKEND_TYPES)
		return (f->flags & BACKEND_F_OPTIONAL) != 0;
	all->stats.frames_in[f->type]++;
	switch (f->type) {
	case BACKEND_PING:
		backend_output_urgent(&link->out, BACKEND_PONG, f->id, TEXT(""));
		return true;
	case BACKEND_PONG:
		link->answered = all->loop->now;
		return true;
	case BACKEND_WINDOW:
		return link_on_window(link, f->id);
	case BACKEND_NSP:
		return link_on_nsp(link, f);
	case BACKEND_PEER:
		return backend_links_pass(all, link, f->body);
	case BACKEND_DRAIN:
		link_on_drain(link);
		return true;
	case BACKEND_BYE:
		link_hang_up(link, BACKEND_LOST_BYE);
		return true;
	case BACKEND_HELLO:
		return false;
	default:
		return backend_sends(BACKEND_BY_BACKEND, f->type) &&
		       all->setup.ops->on_frame(all->setup.ops_arg, link, f);
	}
}

static bool
counts_in_window(uint8_t type)
{
	return type != BACKEND_WINDOW && type != BACKEND_PING && type != BACKEND_PONG && type != BACKEND_BYE;
}

/* Counts the bytes of a processed frame. When half of the backend's window is due, one WINDOW returns it. */
static void
return_window(struct backend_link *link, const struct backend_frame *f)
{
	if (!counts_in_window(f->type))
		return;
	link->unreturned += BACKEND_HEAD + f->body.n;
	if (link->unreturned < link->links->setup.window / 2)
		return;
	backend_output_urgent(&link->out, BACKEND_WINDOW, (uint32_t)link->unreturned, TEXT(""));
	link->unreturned = 0;
}

/*
 * Handles the first frame and returns its size. Returns 0 if the frame is incomplete, or if it is too large and the
 * link has ended.
 */
static size_t
take_frame(struct backend_link *link, const uint8_t *bytes, size_t n)
{
	struct backend_frame f;
	int64_t taken = backend_frame_read(&f, bytes, n, link->links->setup.max_frame);

	if (taken < 0) {
		link_malformed(link, "larger than maxFrame");
		return 0;
	}
	if (taken == 0)
		return 0;
	if (!link_on_frame(link, &f))
		link_malformed(link, backend_type_name(f.type));
	else if (link->state != BACKEND_LOST)
		return_window(link, &f);
	return (size_t)taken;
}

/* The number of bytes missing from the frame that starts at `bytes`. 0: even the head is incomplete. */
static size_t
missing_bytes(const struct backend_link *link, const uint8_t *bytes, size_t n)
{
	size_t length = 0;

	if (n < BACKEND_HEAD)
		return 0;
	for (unsigned i = 4; i-- > 0;)
		length = length << 8 | bytes[i];
	must(length <= link->links->setup.max_frame);
	return BACKEND_HEAD + length - n;
}

/* Appends bytes to the buffered frame, and handles the frame when it is complete. Returns the bytes used. */
static size_t
fill_frame(struct backend_link *link, const uint8_t *bytes, size_t n)
{
	size_t wanted = missing_bytes(link, link->in.data, link->in.len);

	if (n > wanted)
		n = wanted;
	buffer_add(&link->in, bytes, n);
	if (buffer_error(&link->in) != 0) {
		backend_link_close(link, BACKEND_LOST_MEMORY);
	} else if (n == wanted) {
		take_frame(link, link->in.data, link->in.len);
		buffer_fini(&link->in);
	}
	return n;
}

static size_t
link_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct backend_link *link = conn_owner(c);
	struct loop *l = link->links->loop;
	size_t at = 0, taken;

	counter_add(&l->counters, COUNT_BACKEND_BYTES_IN, n);
	loop_spend(l, n);
	link->heard = l->now;
	if (!link->out.stalled)
		link->answered = l->now;
	while (at < n && link->state != BACKEND_LOST) {
		if (link->in.len > 0) {
			at += fill_frame(link, data + at, n - at);
			continue;
		}
		taken = take_frame(link, data + at, n - at);
		if (taken == 0)
			break;
		at += taken;
	}
	if (link->state == BACKEND_LOST)
		return n;
	if (n - at > BACKEND_HEAD && missing_bytes(link, data + at, n - at) + (n - at) > KEPT_MAX) {
		buffer_add(&link->in, data + at, n - at);
		if (buffer_error(&link->in) != 0)
			backend_link_close(link, BACKEND_LOST_MEMORY);
		at = n;
	}
	return at;
}

static void
link_on_eof(struct conn *c)
{
	link_hang_up(conn_owner(c), BACKEND_LOST_CLOSED);
}

static void
link_on_closed(struct conn *c, unsigned reason)
{
	struct backend_link *link = conn_owner(c);
	struct backend_links *all = link->links;

	if (link->state != BACKEND_LOST)
		link_lose(link, reason == REASON_STALLED ? BACKEND_LOST_TIMEOUT : BACKEND_LOST_CLOSED);
	link->conn = NULL;
	loop_disarm(all->loop, &link->timer);
	link_report_lost(link);
	loop_call_cancel(&link->overflow);
	all->open--;
	backend_output_fini(&link->out);
	buffer_fini(&link->in);
	free_nsps(link);
	backend_hello_fini(&link->hello);
	mem_free(link);
}

static const struct conn_ops link_conn_ops = {link_on_data, NULL, link_on_eof, link_on_closed};

/* -------------------------------------------------------------------- time */

static void
link_on_timer(struct wheel_entry *entry)
{
	struct backend_link *link = container_of(entry, struct backend_link, timer);
	const struct backend_links_setup *setup = &link->links->setup;
	uint64_t now = link->links->loop->now, silent = now - link->heard;

	if (link->state == BACKEND_LOST) {
		conn_close(link->conn, REASON_STALLED);
		return;
	}
	if (now - link->answered >= setup->stall_timeout) {
		backend_link_close(link, BACKEND_LOST_TIMEOUT);
		return;
	}
	if (silent >= setup->ping || link->out.stalled)
		backend_output_urgent(&link->out, BACKEND_PING, 0, TEXT(""));
	loop_arm(link->links->loop, &link->timer, silent < setup->ping ? setup->ping - silent : setup->ping);
}

/* ------------------------------------------------------------------- begin */

static void
send_welcome(struct backend_link *link)
{
	const struct backend_links_setup *setup = &link->links->setup;
	struct backend_welcome w = {
		.edge = setup->edge,
		.worker = setup->worker,
		.workers = setup->workers,
		.up = link->links->loop->now - link->links->born,
		.window = setup->window,
		.max_frame = setup->max_frame,
		.ping = setup->ping,
	};
	struct buffer options, json;

	buffer_init(&options, BACKEND_HELLO_MAX);
	buffer_init(&json, BACKEND_HELLO_MAX);
	setup->write_options(setup->arg, &options);
	w.options = buffer_text(&options);
	backend_welcome_write(&json, &w);
	must(buffer_error(&json) == 0);
	backend_begin(link, BACKEND_WELCOME, 0, 0, 0, 0);
	backend_put(link, json.data, json.len);
	backend_end(link);
	link->out.used_window = 0; /* flow control counts from here */
	buffer_fini(&options);
	buffer_fini(&json);
}

struct backend_link *
backend_link_new(struct backend_links *all, struct conn *c, struct backend_hello *hello)
{
	struct backend_link *link = mem_zalloc(sizeof *link);
	const struct backend_output_setup output = {
		.conn = c,
		.window = all->setup.window,
		.max_frame = all->setup.max_frame,
		.frames_out = all->stats.frames_out,
		.overflow = &link->overflow,
	};

	link->links = all;
	link->conn = c;
	link->hello = *hello;
	hello->memory = NULL;
	list_init(&link->siblings);
	table_init(&link->nsps_out);
	buffer_init(&link->in, all->setup.max_frame + BACKEND_HEAD);
	loop_call_init(&link->lost, link_on_lost);
	loop_call_init(&link->overflow, link_on_overflow);
	wheel_entry_init(&link->timer, link_on_timer);
	backend_output_init(&link->out, &output);
	link->heard = link->answered = all->loop->now;
	conn_set_owner(c, &link_conn_ops, link);
	conn_set_limits(c, &all->limits);
	conn_set_deadline(c, 0, NULL);
	all->open++;
	all->stats.ready++;
	loop_arm(all->loop, &link->timer, all->setup.ping);
	send_welcome(link);
	return link;
}
