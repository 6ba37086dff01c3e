/*
 * An engine without a network, for tests and fuzzing of the Socket.IO runtime: it defines the eio_ functions that
 * the runtime calls, so the linker leaves the real ones out. Include it in one file of a program.
 *
 * Time stands still but for fake_sleep(); a turn ends when fake_turn() is called.
 */
#ifndef TESTS_UNIT_SOCKETIO_FAKE_ENGINE_H
#define TESTS_UNIT_SOCKETIO_FAKE_ENGINE_H

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/engineio/eio.h"
#include "node/engineio/eio_handshake.h"
#include "node/socketio/sio_core.h"
#include "node/socketio/sio_server.h"

#define FAKE_SESSIONS 16

struct eio_session {
	char sid[EIO_SID_LENGTH + 1];
	unsigned revision; /* of the protocol */
	void *owner;
	bool used, open, busy; /* busy: not writable */
	bool unsent;	       /* something was sent this turn, or the transport is busy */
	bool marked, rest;     /* rest: the next message arrived together with the one before */
	struct buffer sent;    /* one line per message; binary as (hex; a close as ! */
	size_t read;	       /* the lines up to here have been checked */
	unsigned messages;
	uint64_t held; /* from eio_hold() */
	bool paused, corked;
	uint64_t began;
	const char *dropped; /* the reason given to eio_drop() */
};

struct eio_server {
	struct eio_session sessions[FAKE_SESSIONS];
	bool closed;
	unsigned allowed, refused;
	uint32_t ticket; /* from the last eio_allow_as() */
	int status;	 /* from the last eio_answer() */
	char refusal[64];
};

static struct eio_server fake_engine;
static struct loop fake_loop;
static struct ev_loop *fake_ev;
static struct sio_server *fake_io;

/* ---------------------------------------------------------- what the runtime calls */

const char *
eio_close_reason_text(enum eio_close_reason reason)
{
	static const char *const texts[] = {
		"ping timeout", "parse error", "transport error", "transport close", "forced close"};

	return texts[reason];
}

void
eio_allow(struct eio_pending *pending)
{
	(void)pending;
	fake_engine.allowed++;
}

void
eio_refuse(struct eio_pending *pending, const char *message)
{
	(void)pending;
	fake_engine.refused++;
	(void)snprintf(
		fake_engine.refusal, sizeof fake_engine.refusal, "%s", message != NULL ? message : "Forbidden");
}

static unsigned fake_revision = 4; /* of the next session */

unsigned
eio_session_revision(const struct eio_session *s)
{
	return s->revision;
}

static uint32_t fake_ticket;		  /* of the next session */
static struct http_request *fake_request; /* of every waiting handshake */

uint32_t
eio_ticket(const struct eio_server *e)
{
	(void)e;
	return fake_ticket;
}

struct http_request *
eio_pending_request(const struct eio_pending *pending)
{
	(void)pending;
	return fake_request;
}

void
eio_allow_as(struct eio_pending *pending, uint32_t ticket)
{
	fake_engine.ticket = ticket;
	eio_allow(pending);
}

void
eio_answer(struct eio_pending *pending, int status, const char *content_type, struct text body)
{
	(void)pending;
	fake_engine.refused++;
	fake_engine.status = status;
	(void)snprintf(fake_engine.refusal, sizeof fake_engine.refusal, "%s|%.*s",
		content_type != NULL ? content_type : "", (int)body.n, body.at);
}

void
eio_pause(struct eio_session *s)
{
	s->paused = true;
}

void
eio_resume(struct eio_session *s)
{
	s->paused = false;
}

void
eio_cork(struct eio_session *s)
{
	s->corked = true;
}

void
eio_uncork(struct eio_session *s)
{
	s->corked = false;
}

void
eio_drop(struct eio_session *s, const char *description)
{
	s->dropped = description;
	s->open = false;
}

unsigned
eio_count(const struct eio_server *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SESSIONS; i++)
		n += e->sessions[i].used;
	return n;
}

void
eio_close(struct eio_session *s, bool discard)
{
	(void)discard;
	if (s->open)
		buffer_add_text(&s->sent, TEXT("!\n"));
	s->open = false;
}

void
eio_server_close(struct eio_server *e)
{
	e->closed = true;
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		if (e->sessions[i].used)
			eio_close(&e->sessions[i], true);
	}
}

struct text
eio_sid(const struct eio_session *s)
{
	return text_of(s->sid, EIO_SID_LENGTH);
}

struct eio_session *
eio_find(const struct eio_server *e, struct text sid)
{
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		if (e->sessions[i].used && text_is(eio_sid(&e->sessions[i]), sid))
			return (struct eio_session *)&e->sessions[i];
	}
	return NULL;
}

void *
eio_owner(const struct eio_session *s)
{
	return s->owner;
}

const char *
eio_transport(const struct eio_session *s)
{
	(void)s;
	return "websocket";
}

void
eio_look_ahead(const struct eio_session *s)
{
	(void)s;
}

void
eio_hold(struct eio_session *s, int64_t bytes)
{
	s->held += (uint64_t)bytes;
}

bool
eio_is_open(const struct eio_session *s)
{
	must(s->used);
	return s->open;
}

bool
eio_writable(const struct eio_session *s)
{
	return s->open && !s->busy;
}

void
eio_mark(struct eio_session *s)
{
	s->marked = true;
}

bool
eio_mark_passed(const struct eio_session *s)
{
	return !s->marked;
}

void
eio_send(struct eio_session *s, struct eio_message *const *messages, unsigned n)
{
	must(s->used && s->owner != NULL);
	if (!s->open)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct eio_message *m = messages[i];
		size_t from = m->frame.payload_at + (m->binary ? 0 : 1);

		if (m->binary)
			buffer_add_byte(&s->sent, '(');
		for (size_t at = from; at < m->frame.block->len; at++) {
			if (m->binary)
				buffer_printf(&s->sent, "%02x", m->frame.block->data[at]);
			else
				buffer_add_byte(&s->sent, m->frame.block->data[at]);
		}
		if (!m->frame.compress)
			buffer_add_text(&s->sent, TEXT(" raw"));
		buffer_add_byte(&s->sent, '\n');
		s->messages++;
		s->unsent = true;
	}
	must(buffer_error(&s->sent) == 0);
}

static const struct http_header fake_headers[] = {
	{{"Host", 4}, {"localhost", 9}},
	{{"X-Thing", 7}, {"a\"b", 3}},
	{{"x-thing", 7}, {"c", 1}},
	{{"Origin", 6}, {"http://x", 8}},
};

/* The request that opens each session; a test may replace it. */
static const struct http_header *fake_fields = fake_headers;
static unsigned fake_field_count = sizeof fake_headers / sizeof fake_headers[0];
static const char *fake_query = "EIO=4&name=a+b%21";

static struct eio_handshake fake_handshake = {.issued = 1, .secure = true, .xdomain = true, .refs = 1};

const struct eio_handshake *
eio_session_handshake(const struct eio_session *s)
{
	(void)s;
	return &fake_handshake;
}

uint64_t
eio_session_began(const struct eio_session *s)
{
	return s->began;
}

void
eio_handshake_unref(const struct eio_handshake *h)
{
	if (h != NULL)
		fake_handshake.refs--;
}

struct text
eio_handshake_url(const struct eio_handshake *h)
{
	(void)h;
	return TEXT("/socket.io/?EIO=4&name=a+b%21");
}

struct text
eio_handshake_address(const struct eio_handshake *h)
{
	(void)h;
	return TEXT("192.0.2.7");
}

struct text
eio_handshake_query(const struct eio_handshake *h)
{
	(void)h;
	return text_from(fake_query);
}

bool
eio_handshake_header(const struct eio_handshake *h, uint32_t *cursor, struct text *name, struct text *value)
{
	(void)h;
	if (*cursor >= fake_field_count)
		return false;
	*name = fake_fields[*cursor].name;
	*value = fake_fields[*cursor].value;
	(*cursor)++;
	return true;
}

struct text
eio_handshake_header_get(const struct eio_handshake *h, const char *name)
{
	struct text field, value;
	uint32_t cursor = 0;

	while (eio_handshake_header(h, &cursor, &field, &value)) {
		if (text_is_nocase(field, text_from(name)))
			return value;
	}
	return TEXT_NONE;
}

/* ----------------------------------------------------------------- what tests call */

static void
fake_start(const struct sio_options *options)
{
	fake_ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&fake_loop, fake_ev);
	memset(&fake_engine, 0, sizeof fake_engine);
	fake_io = sio_core_new(&fake_loop, options, NULL);
	sio_core_attach(fake_io, &fake_engine, options, 1000, 1000);
}

static struct sio_options
fake_options(void)
{
	struct sio_options o = {0}; /* loss_notice is not in the table */
	struct option_table table = sio_options_table(&o);

	options_defaults(&table, 1);
	return o;
}

static inline struct eio_session *
fake_open(unsigned which)
{
	struct eio_session *s = &fake_engine.sessions[which];

	must(which < FAKE_SESSIONS && !s->used);
	buffer_fini(&s->sent);
	memset(s, 0, sizeof *s);
	memset(s->sid, (int)('a' + which), EIO_SID_LENGTH);
	buffer_init(&s->sent, 64u << 20);
	s->used = s->open = true;
	s->revision = fake_revision;
	s->owner = s; /* until on_open() returns, which may send */
	s->owner = sio_core_ops()->on_open(fake_io, s);
	return s;
}

/* The engine ends a session, as at the end of a turn. */
static inline void
fake_gone(struct eio_session *s, enum eio_close_reason reason)
{
	s->open = false;
	sio_core_ops()->on_close(s, s->owner, reason, "test");
	s->used = false;
	s->owner = NULL;
}

static inline void
fake_turn(void)
{
	loop_finish_turn(&fake_loop);
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		struct eio_session *s = &fake_engine.sessions[i];

		s->unsent = s->unsent && s->busy;
		if (s->used && !s->open)
			fake_gone(s, s->dropped != NULL ? EIO_TRANSPORT_ERROR : EIO_FORCED_CLOSE);
	}
	loop_finish_turn(&fake_loop);
}

static inline void
fake_sleep(uint64_t ms)
{
	fake_loop.now += ms;
	wheel_run(fake_loop.wheel, fake_loop.now);
	fake_turn();
}

/* Uses a copy, so that a sanitizer sees reads beyond the message. */
static inline void
fake_receive(struct eio_session *s, bool binary, const void *bytes, size_t n)
{
	uint8_t *copy;

	if (!s->used || !s->open)
		return;
	if (!s->rest && !s->unsent)
		s->marked = false;
	s->rest = false;
	copy = mem_alloc(n);
	if (n != 0)
		memcpy(copy, bytes, n);
	sio_core_ops()->on_message(s, s->owner, binary, copy, n);
	mem_free(copy);
}

static void
fake_stop(void)
{
	sio_core_close(fake_io);
	fake_turn();
	must(eio_count(&fake_engine) == 0);
	sio_core_free(fake_io);
	must(fake_handshake.refs == 1);
	for (unsigned i = 0; i < FAKE_SESSIONS; i++)
		buffer_fini(&fake_engine.sessions[i].sent);
	loop_fini(&fake_loop);
	ev_loop_destroy(fake_ev);
}

#endif
