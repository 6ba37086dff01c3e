/*
 * A client that acts as socket.io-client does when connectionStateRecovery is on: it keeps pid and offset. It holds
 * events that come before the reply to its CONNECT, and delivers them after the reply. Events are "e" with a number;
 * other events only move the offset. One file of a program includes this header.
 */
#ifndef TESTS_UNIT_SOCKETIO_RECOVERING_H
#define TESTS_UNIT_SOCKETIO_RECOVERING_H

#include "common/base/json.h"
#include "node/socketio/sio_recovery_session.h"
#include "tests/unit/socketio/fake_engine.h"

#define RECOVERING_GOT 4096

struct recovering {
	struct eio_session *session;
	const char *nsp, *auth; /* NULL: "/"; members of its own */
	bool opened;		/* `session` is a connection without CONNECT */
	bool connected, recovered;
	char sid[SIO_ID_LENGTH + 1], pid[SIO_PID_LENGTH + 1], offset[64];
	int got[RECOVERING_GOT];
	unsigned count;
	struct {
		int number; /* -1: another event */
		char last[64];
	} early[RECOVERING_GOT]; /* before the reply */
	unsigned early_count;
};

static inline void
recovering_start(void (*change)(struct sio_options *options))
{
	struct sio_options options = fake_options();

	fake_start(&options);
	options.connection_state_recovery = true;
	change(&options);
	sio_core_attach(fake_io, &fake_engine, &options, 1000000, 1000000);
	sio_of(fake_io, "/");
}

static inline void
recovering_stop(void)
{
	fake_stop();
}

static inline struct text
recovering_string(struct text value, char *room, size_t size)
{
	size_t n;

	must(value.n < size);
	n = json_string_decode(value, room);
	room[n] = '\0';
	return text_of(room, n);
}

static inline void
recovering_deliver(struct recovering *c, int number, const char *last)
{
	if (number >= 0) {
		must(c->count < RECOVERING_GOT);
		c->got[c->count++] = number;
	}
	if (c->pid[0] != '\0' && last[0] != '\0')
		(void)snprintf(c->offset, sizeof c->offset, "%s", last);
}

static inline void
recovering_event(struct recovering *c, struct text json)
{
	struct text args[16];
	int n = json_array_split(json, args, 16, JSON_DEPTH_MAX);
	char last[64] = "";
	int64_t number = -1;

	must(n > 0);
	if (json_string_is(args[0], TEXT("e")))
		must(n > 1 && json_number_int(args[1], &number));
	if (json_type(args[n - 1]) == JSON_STRING)
		recovering_string(args[n - 1], last, sizeof last);
	if (c->connected) {
		recovering_deliver(c, (int)number, last);
		return;
	}
	must(c->early_count < RECOVERING_GOT);
	c->early[c->early_count].number = (int)number;
	memcpy(c->early[c->early_count++].last, last, sizeof last);
}

static inline void
recovering_reply(struct recovering *c, struct text json)
{
	char pid[SIO_PID_LENGTH + 3] = "";

	recovering_string(json_object_get(json, TEXT("sid")), c->sid, sizeof c->sid + 2);
	recovering_string(json_object_get(json, TEXT("pid")), pid, sizeof pid);
	c->recovered = strcmp(pid, c->pid) == 0;
	memcpy(c->pid, pid, sizeof c->pid);
	c->connected = true;
	for (unsigned i = 0; i < c->early_count; i++)
		recovering_deliver(c, c->early[i].number, c->early[i].last);
	c->early_count = 0;
}

/* Reads what the server has sent. */
static inline void
recovering_read(struct recovering *c)
{
	struct buffer *sent = &c->session->sent;

	while (c->session->read < sent->len) {
		const char *at = (const char *)sent->data + c->session->read;
		const char *end = memchr(at, '\n', sent->len - c->session->read);
		struct text line = text_of(at, (size_t)(end - at));
		const char *json = memchr(line.at, line.at[0] == '0' ? '{' : '[', line.n);

		c->session->read += line.n + 1;
		if (json == NULL || (at[0] != '0' && at[0] != '2'))
			continue;
		line = text_of(json, line.n - (size_t)(json - line.at));
		if (at[0] == '0')
			recovering_reply(c, line);
		else
			recovering_event(c, line);
	}
}

/* Opens a connection, which began at this time. */
static inline void
recovering_open(struct recovering *c, uint64_t began)
{
	static unsigned next;

	for (unsigned i = 0; fake_engine.sessions[next % FAKE_SESSIONS].used; i++) {
		must(i < FAKE_SESSIONS);
		next++;
	}
	c->session = fake_open(next++ % FAKE_SESSIONS);
	c->session->began = began;
	c->opened = true;
}

/* Connects with this pid and offset; NULL: without. Opens a connection unless the caller has done so. */
static inline void
recovering_claim(struct recovering *c, const char *pid, const char *offset)
{
	struct buffer out;

	if (!c->opened)
		recovering_open(c, 0);
	c->opened = false;
	c->connected = c->recovered = false;
	c->early_count = 0;
	buffer_init(&out, 1u << 20);
	buffer_printf(&out, "0%s%s{", c->nsp != NULL ? c->nsp : "", c->nsp != NULL ? "," : "");
	if (pid != NULL)
		buffer_printf(&out, "\"pid\":\"%s\"%s", pid, offset != NULL || c->auth != NULL ? "," : "");
	if (offset != NULL)
		buffer_printf(&out, "\"offset\":\"%s\"%s", offset, c->auth != NULL ? "," : "");
	buffer_printf(&out, "%s}", c->auth != NULL ? c->auth : "");
	must(buffer_error(&out) == 0);
	fake_receive(c->session, false, out.data, out.len);
	buffer_fini(&out);
	fake_turn();
	recovering_read(c);
}

/* Connects, for the first time or again. */
static inline void
recovering_return(struct recovering *c)
{
	recovering_claim(c, c->pid[0] != '\0' ? c->pid : NULL, c->offset[0] != '\0' ? c->offset : NULL);
}

/* The server notices the loss. What the client has not read is lost. */
static inline void
recovering_lose(struct recovering *c, enum eio_close_reason reason)
{
	fake_gone(c->session, reason);
	fake_turn();
	c->session = NULL;
}

/* The client is gone, and the server does not notice it. */
static inline void
recovering_vanish(struct recovering *c)
{
	c->session = NULL;
}

static inline sio_socket *
recovering_socket(const struct recovering *c)
{
	return sio_find(sio_of(fake_io, c->nsp != NULL ? c->nsp : "/"), c->sid);
}

/* A listener of "disconnecting". */
static inline void
join_late(sio_socket *s, const char *reason, void *arg)
{
	(void)reason;
	(void)arg;
	must(sio_join(s, "late room") == 0);
}

#endif
