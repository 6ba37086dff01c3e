/*
 * An application that makes random calls of the public API from every callback, with right and wrong handles and
 * texts. It omits only what is forbidden: using a handle after its end.
 *
 * A seed repeats the same calls. The application counts the calls that sockeye.h promises exactly once, and
 * chaos_check() compares the counts.
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

/* Prepares a new server. `close` closes it, after which chaos.closing is set. */
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
	sio_generate_id(io, chaos_id, NULL);
	sio_on_headers(io, chaos_on_headers, NULL);
	sio_on_connection_error(io, chaos_on_refused, NULL);
}

/* Makes calls from a timer, outside any event. */
static inline void
chaos_tick(void)
{
	chaos_seen[CHAOS_TIMER]++;
	chaos_within((struct chaos_at){0});
}

/* Before the server ends: answers and releases what the application holds. */
static inline void
chaos_let_go(void)
{
	chaos.closing = true;
	while (chaos.step_count > 0)
		chaos_answer_one();
	while (chaos.kept_count > 0)
		sio_event_release(chaos.kept[--chaos.kept_count]);
}

/* After all seeds: fails if a kind of callback never came. */
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

/* After the server was freed: compares the counts. */
static inline void
chaos_check(void)
{
	chaos_must(chaos.asked == chaos.answered);
	chaos_must(chaos.leaving == chaos.left);
	chaos_must(chaos.users == chaos.users_freed);
	chaos_must(chaos.connected == chaos.left);
}

/*
 * The main of a program that plays seeds.
 *
 * Without arguments, it plays `seeds` fixed ones, which must reach each kind of callback if `every_kind` is set. With
 * the arguments `first [count]`, it plays the seeds from `first` on. With CHAOS_SECONDS in the environment, it plays
 * for that time, beginning with a random seed.
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
		/* the last line before a crash names the seed to repeat */
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
