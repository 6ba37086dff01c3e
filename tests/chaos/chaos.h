/*
 * An application that does what none should: from every callback it makes random calls of the public API, with
 * handles and texts that are right and wrong. What it may not do is left out: use a handle that is not good any more.
 *
 * A seed gives the same calls each time. It counts what sockeye.h promises exactly once, and chaos_check() compares.
 */
#ifndef TESTS_CHAOS_CHAOS_H
#define TESTS_CHAOS_CHAOS_H

#include "tests/chaos/chaos_calls.h"

static void
chaos_listen(sio_nsp *nsp)
{
	sio_on_connection(nsp, chaos_on_connection, NULL);
	sio_on_disconnecting(nsp, chaos_on_disconnecting, NULL);
	sio_on_disconnect(nsp, chaos_on_disconnect, NULL);
	sio_on_error(nsp, chaos_on_error, NULL);
	(void)sio_on(nsp, "e", chaos_on_event, NULL);
	(void)sio_on(nsp, "ack", chaos_on_event, NULL);
}

/* On a new server. `close` ends it; chaos.closing says that it was called. */
static inline void
chaos_begin(uint64_t seed, sio_server *io, void (*close)(sio_server *io))
{
	memset(&chaos, 0, sizeof chaos);
	chaos.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	chaos.io = io;
	chaos.close = close;
	for (unsigned i = 0; i < 10; i++)
		(void)chaos_random();
	chaos_listen(sio_of(io, "/"));
	chaos_listen(sio_of(io, "/a"));
	chaos_listen(sio_of(io, "/later"));
	sio_use(sio_of(io, "/later"), chaos_use, NULL);
	sio_use(sio_of(io, "/later"), chaos_use, NULL);
	chaos_listen(sio_of(io, "/strict"));
	sio_use_events(sio_of(io, "/strict"), chaos_use_events, NULL);
	sio_on_any(sio_of(io, "/strict"), chaos_on_event, NULL);
	sio_on_any_outgoing(sio_of(io, "/strict"), chaos_on_event, NULL);
	sio_on_room(sio_of(io, "/strict"), chaos_on_room, NULL);
	chaos_listen(sio_of_pattern(io, "/dyn-\\d", NULL));
	chaos_listen(sio_of_function(io, chaos_matches, NULL));
	sio_on_new_namespace(io, chaos_on_new, NULL);
	sio_allow_request(io, chaos_allow, NULL);
	sio_on_headers(io, chaos_on_headers, NULL);
	sio_on_connection_error(io, chaos_on_refused, NULL);
}

/* From a timer: calls that no event caused. */
static inline void
chaos_tick(void)
{
	chaos_seen[CHAOS_TIMER]++;
	chaos_within((struct chaos_at){0});
}

/* Before the server's end: what the application holds is given back. */
static inline void
chaos_let_go(void)
{
	chaos.closing = true;
	while (chaos.step_count > 0)
		chaos_answer_one();
	while (chaos.kept_count > 0)
		sio_event_release(chaos.kept[--chaos.kept_count]);
}

/* After all seeds: was every kind of callback reached? */
static inline void
chaos_check_kinds(void)
{
	static const char *const names[] = {
#define X(name) #name,
		CHAOS_KINDS(X)
#undef X
	};

	for (unsigned i = 0; i < CHAOS_KIND_COUNT; i++) {
		if (chaos_seen[i] == 0)
			fprintf(stderr, "chaos: no callback of the kind %s\n", names[i]);
		chaos_must(chaos_seen[i] > 0);
	}
}

/* After the server was freed. */
static inline void
chaos_check(void)
{
	chaos_must(chaos.asked == chaos.answered);
	chaos_must(chaos.leaving == chaos.left);
	chaos_must(chaos.users == chaos.users_freed);
	chaos_must(chaos.connected == chaos.left);
}

/*
 * The main of a program that plays seeds. No arguments: `seeds` fixed ones, which must reach every kind of callback
 * where `every_kind` says so;
 * `first [count]`: those; CHAOS_SECONDS in the environment: from a random one, for so long.
 */
static inline int
chaos_main(int argc, char **argv, unsigned seeds, bool every_kind, void (*play)(uint64_t seed))
{
	const char *seconds = getenv("CHAOS_SECONDS");
	uint64_t first = 1, count = seeds, calls = 0, n = 0;
	time_t end = 0;

	if (argc > 1) {
		first = strtoull(argv[1], NULL, 10);
		count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	} else if (seconds != NULL) {
		first = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
		end = time(NULL) + atoi(seconds);
		count = UINT64_MAX;
	}
	for (; n < count && (end == 0 || time(NULL) < end); n++) {
		/* the last line before a crash says how to see it again */
		fprintf(stderr, "chaos: seed %llu\r", (unsigned long long)(first + n));
		play(first + n);
		calls += chaos.calls;
	}
	if (every_kind && argc == 1 && end == 0)
		chaos_check_kinds();
	fprintf(stderr, "chaos: %llu seeds from %llu, %llu calls\n", (unsigned long long)n, (unsigned long long)first,
		(unsigned long long)calls);
	return 0;
}

#endif
