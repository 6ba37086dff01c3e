/* What the parts of chaos.h share: random numbers, the counts to compare, and the names that calls pick from. */
#ifndef TESTS_CHAOS_CHAOS_STATE_H
#define TESTS_CHAOS_CHAOS_STATE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/sockeye.h"

#define CHAOS_DEPTH 3	   /* depth of calls inside callbacks inside calls */
#define CHAOS_STEPS 24	   /* steps kept for a later answer */
#define CHAOS_KEPT 24	   /* events kept */
#define CHAOS_IDS 32	   /* remembered ids of sockets, which may be gone */
#define CHAOS_LISTENERS 40 /* listeners added while the server runs */
#define CHAOS_PARENTS 6

#define chaos_must(condition)                                                                                        \
	do {                                                                                                         \
		if (!(condition)) {                                                                                  \
			fprintf(stderr, "chaos: %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);         \
			abort();                                                                                     \
		}                                                                                                    \
	} while (0)

/* The handles that a call may use at this point. */
struct chaos_at {
	sio_socket *socket;
	sio_event *event;
	sio_step *step;
	bool *step_answered; /* whether the step was answered here, so that it is not kept */
	sio_request *request;
	const sio_answers *answers;
};

/* Each kind must occur, otherwise the test misses its purpose. */
/* clang-format off */
#define CHAOS_KINDS(X) \
	X(CONNECTION) X(EVENT) X(DISCONNECTING) X(DISCONNECT) X(ERROR) X(ROOM) X(NEW_NAMESPACE) X(ANSWERS) \
	X(FETCHED) X(ROOMS) X(GONE) X(MIDDLEWARE) X(EVENT_MIDDLEWARE) X(MATCHES) X(FREE_USER) X(TIMER)
/* clang-format on */
enum chaos_kind {
#define X(name) CHAOS_##name,
	CHAOS_KINDS(X)
#undef X
		CHAOS_KIND_COUNT
};

static uint64_t chaos_seen[CHAOS_KIND_COUNT]; /* over all seeds */

static struct {
	uint64_t random;
	sio_server *io;
	void (*close)(sio_server *io); /* closes the server, in a way of its host */
	unsigned depth, listeners, parents;
	bool closing, stopped;
	sio_step *steps[CHAOS_STEPS];
	unsigned step_count;
	sio_event *kept[CHAOS_KEPT];
	unsigned kept_count;
	char ids[CHAOS_IDS][24];
	/* numbers that must match in the end */
	unsigned asked, answered; /* sio_emit_ack(), sio_fetch() and their like */
	unsigned connected, leaving, left;
	unsigned users, users_freed;
	uint64_t calls;
} chaos;

static uint64_t
chaos_random(void)
{
	chaos.random ^= chaos.random << 13;
	chaos.random ^= chaos.random >> 7;
	chaos.random ^= chaos.random << 17;
	return chaos.random >> 8;
}

static unsigned
chaos_below(unsigned n)
{
	return (unsigned)(chaos_random() % n);
}

static bool
chaos_one_in(unsigned n)
{
	return chaos_below(n) == 0;
}

#define CHAOS_PICK(array) ((array)[chaos_below(sizeof(array) / sizeof *(array))])

static const char *
chaos_room(void)
{
	static const char *const rooms[] = {"a", "b", "c", "", "room with blanks", "\xc3\xa9", "a", "b"};

	if (chaos_one_in(40))
		return chaos_one_in(2) ? NULL : "not\xffutf8";
	return chaos_one_in(4) ? chaos.ids[chaos_below(CHAOS_IDS)] : CHAOS_PICK(rooms);
}

static const char *
chaos_nsp_name(void)
{
	static const char *const names[] = {
		"/", "/", "/", "/a", "/later", "/strict", "/dyn-1", "/dyn-2", "/fn-yes", "/fn-later", "/fn-no", "/x"};

#ifndef SIO_CHECKED /* with checked handles, the NULL that sio_of() returns for such a name ends the program */
	if (chaos_one_in(40))
		return chaos_one_in(2) ? NULL : "/not\xffutf8";
#endif
	return CHAOS_PICK(names);
}

/* sio_of() returns NULL at maxChildren too; checked handles do not accept NULL. */
static sio_nsp *
chaos_nsp(const char *name)
{
	sio_nsp *nsp = sio_of(chaos.io, name);

#ifdef SIO_CHECKED
	if (nsp == NULL)
		nsp = sio_of(chaos.io, "/");
#endif
	return nsp;
}

static const char *
chaos_event_name(void)
{
	static const char *const names[] = {
		"e", "f", "ack", "keep", "e", "f", "later", "disconnect", "not\xffutf8", ""};

	return chaos_one_in(60) ? NULL : CHAOS_PICK(names);
}

static void chaos_calls(const struct chaos_at *at);

/* Makes calls from within a callback. Those calls may cause further callbacks. */
static void
chaos_within(struct chaos_at at)
{
	if (chaos.depth >= CHAOS_DEPTH)
		return;
	chaos.depth++;
	chaos_calls(&at);
	chaos.depth--;
}

#endif
