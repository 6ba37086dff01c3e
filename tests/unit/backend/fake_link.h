/*
 * Links without a network, for tests of the clients behind them: it defines the functions of backend_link.h, so the
 * linker leaves the real ones out. What is sent is written down as one line per frame; a test plays the backend by
 * link_gets(). Include it in one file of a program, after fake_engine.h.
 *
 *   OPEN flags=2 nsp=1 h=3 id=2 'sid' '{}' {a,b} ''
 */
#ifndef TESTS_UNIT_BACKEND_FAKE_LINK_H
#define TESTS_UNIT_BACKEND_FAKE_LINK_H

#include <ctype.h>

#include "node/backend/backend_clients.h"

#define FAKE_LINKS 8
#define FAKE_NSPS 8

struct backend_link {
	bool ready, draining, stalled, closed;
	size_t space; /* for answers */
	struct backend_hello hello;
	void *owned;
	uint32_t handles;
	char nsps[FAKE_NSPS][32]; /* the names behind the edge's numbers: index + 1 */
	char theirs[FAKE_NSPS][32];
	struct buffer sent;
	struct backend_frame frame; /* the frame being sent */
	struct buffer body;
	bool sending;
	bool refuses; /* OPEN exceeds the largest frame */
	size_t room;  /* frames until the window is full; 0: no limit */
};

static struct backend_link fake_links[FAKE_LINKS];
static struct backend_core *fake_core;

/* --------------------------------------------------- what the clients call */

const struct backend_hello *
backend_link_hello(const struct backend_link *link)
{
	return &link->hello;
}

bool
backend_link_is_draining(const struct backend_link *link)
{
	return link->draining || link->closed;
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
	return ++link->handles;
}

static void
say(struct backend_link *link, const char *text, size_t n)
{
	buffer_add(&link->sent, text, n);
}

uint16_t
backend_link_nsp(struct backend_link *link, struct text name)
{
	uint16_t i = 0;

	must(!link->sending);
	if (text_is(name, TEXT("/")))
		return 0;
	while (i < FAKE_NSPS && link->nsps[i][0] != '\0' && !text_is(text_from(link->nsps[i]), name))
		i++;
	must(i < FAKE_NSPS && name.n < sizeof link->nsps[i]);
	if (link->nsps[i][0] == '\0') {
		memcpy(link->nsps[i], name.at, name.n);
		buffer_printf(&link->sent, "NSP nsp=%u %.*s\n", i + 1u, (int)name.n, name.at);
	}
	return (uint16_t)(i + 1);
}

struct text
backend_link_nsp_name(const struct backend_link *link, uint16_t number)
{
	if (number == 0)
		return TEXT("/");
	if (number > FAKE_NSPS || link->theirs[number - 1][0] == '\0')
		return TEXT_NONE;
	return text_from(link->theirs[number - 1]);
}

bool
backend_link_has_window(const struct backend_link *link)
{
	return !link->stalled;
}

bool
backend_link_has_space(const struct backend_link *link, size_t bytes)
{
	return bytes <= link->space;
}

void
backend_begin(struct backend_link *link, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id)
{
	must(!link->sending);
	link->sending = true;
	link->frame = (struct backend_frame){.type = type, .flags = flags, .nsp = nsp, .handle = handle, .id = id};
	buffer_reset(&link->body);
}

void
backend_put(struct backend_link *link, const void *bytes, size_t n)
{
	must(link->sending);
	if (n != 0)
		buffer_printf(&link->body, " %.*s", (int)n, (const char *)bytes);
}

void
backend_put_u32(struct backend_link *link, uint32_t value)
{
	buffer_printf(&link->body, " %u", value);
}

void
backend_put_text(struct backend_link *link, struct text t)
{
	buffer_printf(&link->body, " '%.*s'", (int)t.n, t.n != 0 ? t.at : "");
}

void
backend_put_block(struct backend_link *link, struct block *block)
{
	backend_put(link, block->data, block->len);
}

void
backend_put_rooms(struct backend_link *link, const struct text *rooms, unsigned n)
{
	buffer_add_text(&link->body, TEXT(" {"));
	for (unsigned i = 0; i < n; i++)
		buffer_printf(&link->body, "%s%.*s", i != 0 ? "," : "", (int)rooms[i].n, rooms[i].at);
	buffer_add_byte(&link->body, '}');
}

void
backend_put_args(struct backend_link *link, struct text json, const struct attachments *attachments)
{
	backend_put(link, json.at, json.n);
	if (attachments == NULL || attachments->count == 0)
		return;
	link->frame.flags |= BACKEND_F_BIN;
	for (unsigned i = 0; i < attachments->count; i++) {
		buffer_add_byte(&link->body, '+');
		for (unsigned at = 0; at < attachments->blocks[i]->len; at++)
			buffer_printf(&link->body, "%02x", attachments->blocks[i]->data[at]);
	}
}

bool
backend_end(struct backend_link *link)
{
	const struct backend_frame *f = &link->frame;
	const char *name = backend_type_name(f->type);

	must(link->sending);
	link->sending = false;
	if (link->refuses && f->type == BACKEND_OPEN)
		return false;
	for (size_t i = 0; name[i] != '\0'; i++)
		buffer_add_byte(&link->sent, (uint8_t)toupper(name[i]));
	if (f->flags != 0)
		buffer_printf(&link->sent, " flags=%u", f->flags);
	if (f->nsp != 0)
		buffer_printf(&link->sent, " nsp=%u", f->nsp);
	if (f->handle != 0)
		buffer_printf(&link->sent, " h=%u", f->handle);
	if (f->id != 0)
		buffer_printf(&link->sent, " id=%u", f->id);
	say(link, (const char *)link->body.data, link->body.len);
	say(link, "\n", 1);
	if (link->room != 0 && --link->room == 0)
		link->stalled = true;
	return true;
}

void
backend_link_close(struct backend_link *link, enum backend_lost reason)
{
	buffer_printf(&link->sent, "BYE %s\n", reason == BACKEND_LOST_FULL ? "full" : "other");
	link->closed = true;
}

/* --------------------------------------------------------- what tests call */

static struct backend_hello
link_hello(const char *instance)
{
	return (struct backend_hello){.instance = text_from(instance), .group = TEXT(""), .weight = 1};
}

static struct backend_link *
link_ready(unsigned i, const struct backend_hello *hello)
{
	struct backend_link *link = &fake_links[i];

	must(!link->ready);
	*link = (struct backend_link){.ready = true, .space = SIZE_MAX, .hello = *hello};
	buffer_init(&link->sent, 64u << 20);
	buffer_init(&link->body, 64u << 20);
	backend_clients_ops.on_ready(fake_core, link);
	return link;
}

static void
link_lost_by(unsigned i, const char *reason)
{
	struct backend_link *link = &fake_links[i];

	must(link->ready);
	link->closed = true;
	backend_clients_ops.on_lost(fake_core, link, reason);
	buffer_fini(&link->sent);
	buffer_fini(&link->body);
	link->ready = false;
}

static inline void
link_lost(unsigned i)
{
	link_lost_by(i, "closed");
}

static inline void
link_drain(unsigned i)
{
	fake_links[i].draining = true;
	backend_clients_ops.on_drain(fake_core, &fake_links[i]);
}

static inline void
link_window(unsigned i)
{
	fake_links[i].stalled = false;
	backend_clients_ops.on_window(fake_core, &fake_links[i]);
}

static bool
link_frame(unsigned i, struct backend_frame f, const void *body, size_t n)
{
	uint8_t *copy = mem_alloc(n); /* so that a sanitizer sees reads beyond it */
	bool good;

	if (n != 0)
		memcpy(copy, body, n);
	f.body = text_of((const char *)copy, n);
	good = backend_clients_ops.on_frame(fake_core, &fake_links[i], &f);
	mem_free(copy);
	return good;
}

/* Plays a frame whose body is a text. */
static bool
link_gets(unsigned i, uint8_t type, uint8_t flags, uint32_t handle, uint32_t id, const char *body)
{
	return link_frame(i, (struct backend_frame){.type = type, .flags = flags, .handle = handle, .id = id}, body,
		strlen(body));
}

/* Builds a body of parts: rooms, numbers, texts. */
static struct buffer link_parts;

static inline void
part_number(uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		buffer_add_byte(&link_parts, (uint8_t)(value >> (8 * i)));
}

/* Names separated by commas; "": none. */
static inline void
part_rooms(const char *names)
{
	struct text rest = text_from(names), name;
	unsigned count = 0;

	for (const char *at = names; *at != '\0'; at++)
		count += *at == ',';
	part_number(*names != '\0' ? count + 1 : 0, 2);
	while (text_cut(&rest, ',', &name)) {
		part_number(name.n, 2);
		buffer_add_text(&link_parts, name);
	}
}

static inline bool
link_sends_parts(unsigned i, struct backend_frame f)
{
	bool good = link_frame(i, f, link_parts.data, link_parts.len);

	buffer_reset(&link_parts);
	return good;
}

static inline bool
link_rooms(unsigned i, uint8_t type, uint32_t handle, const char *names)
{
	part_rooms(names);
	return link_sends_parts(i, (struct backend_frame){.type = type, .handle = handle});
}

static inline bool
link_casts(unsigned i, uint8_t flags, uint32_t id, const char *to, const char *except, const char *args)
{
	part_rooms(to);
	part_rooms(except);
	buffer_add_text(&link_parts, text_from(args));
	return link_sends_parts(i, (struct backend_frame){.type = BACKEND_CAST, .flags = flags, .id = id});
}

/* What was sent since the last call; ids of sockets appear as *. */
static const char *
link_sent(unsigned i)
{
	static struct buffer shown;
	struct backend_link *link = &fake_links[i];
	size_t run = 0;

	if (shown.max == 0)
		buffer_init(&shown, 64u << 20);
	buffer_reset(&shown);
	for (size_t at = 0; at < link->sent.len; at++) {
		char c = (char)link->sent.data[at];

		run = isalnum((unsigned char)c) || c == '-' || c == '_' ? run + 1 : 0;
		buffer_add_byte(&shown, (uint8_t)c);
		/* the fake engine's ids repeat one letter */
		if (run == SIO_ID_LENGTH && memcmp(&link->sent.data[at - run + 1], &link->sent.data[at - run + 2],
						    SIO_ID_LENGTH - 1) != 0) {
			shown.len -= SIO_ID_LENGTH;
			buffer_add_byte(&shown, '*');
			run = 0;
		}
	}
	buffer_reset(&link->sent);
	buffer_add_byte(&shown, 0);
	return (const char *)shown.data;
}

#define EXPECT_FRAMES(i, text) assert_string_equal(link_sent(i), text)

static struct backend_limits
fake_limits(void)
{
	return (struct backend_limits){.wait = 30000,
		.orphan_queue = 65536,
		.orphan_total = 1 << 20,
		.reattach_rate = 5000,
		.max_frame = 1 << 20,
		.away = 10000};
}

/* `change` may be NULL. */
static inline void
backends_start_with(const struct backend_limits *limits, void (*change)(struct sio_options *options))
{
	struct sio_options options = fake_options();

	options.connect_timeout = 1000000;
	if (change != NULL)
		change(&options);
	fake_start(&options);
	fake_core = backend_clients_new(&fake_loop, limits);
	backend_clients_serve(fake_core, fake_io);
	buffer_init(&link_parts, 1 << 20);
}

static inline void
backends_start(const struct backend_limits *limits)
{
	backends_start_with(limits, NULL);
}

static inline void
backends_stop(void)
{
	sio_core_close(fake_io);
	fake_turn();
	backend_clients_close(fake_core);
	for (unsigned i = 0; i < FAKE_LINKS; i++) {
		if (fake_links[i].ready)
			link_lost(i);
	}
	backend_clients_free(fake_core);
	fake_stop();
	buffer_fini(&link_parts);
}

#endif
