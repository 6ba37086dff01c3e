/*
 * Connection state recovery against a model: random emits, rooms, losses and returns. A recovered client has got
 * exactly what the model says, in order. Any other client has a new id, and no earlier events.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/socketio/recovering.h"

#define CLIENTS 4
#define STRETCHES 2000
#define ROOMS 3
#define WINDOW_MS 10000

struct modelled {
	struct recovering real;
	int wanted[RECOVERING_GOT];
	unsigned count;
	bool in[ROOMS], waits;	   /* waits: a middleware holds its CONNECT */
	struct eio_session *ghost; /* of a client that is gone while the server does not know it; else NULL */
};

static struct modelled clients[CLIENTS];
static sio_step *steps[64];
static unsigned step_count, recovered, refused;
static uint64_t seed, begun_with;
static bool whole;

/* xorshift64*, so that a run can be repeated from its seed. */
static unsigned
below(unsigned n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned)(seed * UINT64_C(2685821657736338717) >> 33) % n;
}

static void
slow(sio_socket *s, sio_step *step, void *arg)
{
	(void)s;
	(void)arg;
	if (below(2) == 0) {
		sio_next(step);
		return;
	}
	must(step_count < 64);
	steps[step_count++] = step;
}

static const char *const room_names[] = {"a", "b", "c"};

static void
emit_something(void)
{
	static int number;
	int n = number++;
	unsigned to = below(1 << ROOMS), except = below(4) == 0 ? below(1 << ROOMS) : 0;
	bool dropped = below(6) == 0;
	sio_target target = sio_all(sio_of(fake_io, "/"));

	for (unsigned r = 0; r < ROOMS; r++) {
		if (to & 1u << r)
			target = sio_to(target, room_names[r]);
		if (except & 1u << r)
			target = sio_except(target, room_names[r]);
	}
	if (dropped) {
		assert_int_equal(sio_emit(sio_volatile(target), "volatile", "s", "string"), 0);
		return;
	}
	assert_int_equal(sio_emit(target, "e", below(2) ? "i" : "is", n, "text"), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct modelled *c = &clients[i];
		bool wanted = to == 0;

		for (unsigned r = 0; r < ROOMS; r++)
			wanted = wanted || ((to & 1u << r) && c->in[r]);
		for (unsigned r = 0; r < ROOMS; r++)
			wanted = wanted && !((except & 1u << r) && c->in[r]);
		if (wanted)
			c->wanted[c->count++] = n;
	}
}

static void
check(struct modelled *c)
{
	struct recovering *real = &c->real;

	if (!real->connected)
		return;
	assert_int_equal(real->count, c->count);
	assert_memory_equal(real->got, c->wanted, c->count * sizeof c->wanted[0]);
}

/* The reply has come. */
static void
settle(struct modelled *c)
{
	c->waits = false;
	if (c->real.recovered) {
		recovered++;
		check(c);
		return;
	}
	refused++;
	assert_int_equal(c->real.count, 0);
	c->count = 0;
	memset(c->in, 0, sizeof c->in);
}

static void
come_back(struct modelled *c)
{
	unsigned had = c->real.count;

	recovering_return(&c->real);
	/* the ghost of a client that could not recover ends later */
	if (c->ghost != NULL && c->ghost->used)
		fake_gone(c->ghost, EIO_PING_TIMEOUT);
	c->ghost = NULL;
	if (!c->real.connected) {
		c->waits = true;
		return;
	}
	if (!c->real.recovered) {
		assert_int_equal(c->real.count, had);
		c->real.count = 0;
	}
	settle(c);
}

static void
answer_middlewares(void)
{
	/* middlewares run again for a client whose missed events turn out to be gone */
	while (step_count > 0) {
		while (step_count > 0)
			sio_next(steps[--step_count]);
		fake_turn();
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct modelled *c = &clients[i];
		unsigned had = c->real.count;

		if (!c->waits)
			continue;
		recovering_read(&c->real);
		assert_true(c->real.connected);
		if (!c->real.recovered) {
			assert_int_equal(c->real.count, had);
			c->real.count = 0;
		}
		settle(c);
	}
}

static void
act(struct modelled *c)
{
	unsigned room = below(ROOMS);

	if (c->waits || c->real.session == NULL) {
		if (!c->waits)
			come_back(c);
		return;
	}
	switch (below(6)) {
	case 0: /* what was sent is read before the loss, or lost with it */
		if (below(2))
			recovering_read(&c->real);
		recovering_lose(&c->real, below(2) ? EIO_TRANSPORT_CLOSE : EIO_PING_TIMEOUT);
		break;
	case 1:
		if (below(2))
			recovering_read(&c->real);
		c->ghost = c->real.session;
		recovering_vanish(&c->real);
		break;
	case 2:
		recovering_read(&c->real);
		check(c);
		break;
	default:
		c->in[room] = !c->in[room];
		if (c->in[room])
			assert_int_equal(sio_join(recovering_socket(&c->real), room_names[room]), 0);
		else
			sio_leave(recovering_socket(&c->real), room_names[room]);
	}
}

static void
short_window(struct sio_options *o)
{
	o->max_disconnection_duration = WINDOW_MS;
	o->loss_notice = WINDOW_MS;
	o->connect_timeout = 86400000; /* a middleware may take as long as it likes */
	o->skip_middlewares = below(2) == 0;
}

static void
run_stretch(void)
{
	memset(clients, 0, sizeof clients);
	step_count = 0;
	recovering_start(short_window);
	sio_use(sio_of(fake_io, "/"), slow, NULL);
	if (below(4) == 0)
		fake_io->recovery->store.max_bytes = 2000;
	for (unsigned turn = 0; turn < 120; turn++) {
		if (below(2))
			emit_something();
		act(&clients[below(CLIENTS)]);
		if (below(4) == 0)
			answer_middlewares();
		if (below(4) == 0)
			fake_sleep(below(WINDOW_MS / 4));
		if (below(60) == 0)
			fake_sleep(2 * WINDOW_MS);
	}
	answer_middlewares();
	recovering_stop();
}

static void
recovered_clients_have_got_what_the_model_says(void **state)
{
	const char *given = getenv("SEED"), *count = getenv("STRETCHES");
	unsigned stretches = count != NULL ? (unsigned)atoi(count) : STRETCHES;

	(void)state;
	for (unsigned i = 0; i < stretches; i++) {
		begun_with = given != NULL ? strtoull(given, NULL, 0) : 1 + (uint64_t)i;
		seed = begun_with * UINT64_C(0x9e3779b97f4a7c15);
		run_stretch();
	}
	whole = true;
	print_message("%u recovered, %u not\n", recovered, refused);
	assert_true(given != NULL || (recovered > stretches && refused > stretches));
}

/* Names the stretch that failed a check, or that a signal ended. */
static int
print_the_seed(void **state)
{
	(void)state;
	if (!whole)
		fprintf(stderr, "failed with SEED=%" PRIu64 "\n", begun_with);
	return 0;
}

static void
on_abort(int signal)
{
	(void)signal;
	(void)print_the_seed(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(recovered_clients_have_got_what_the_model_says, print_the_seed)};

	(void)signal(SIGABRT, on_abort);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
