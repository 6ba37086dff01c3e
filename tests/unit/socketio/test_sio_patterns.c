/* Namespaces by pattern: which names match, and how much of a turn matching may use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_tables.h"
#include "tests/unit/socketio/fake_engine.h"

static unsigned
count_lines(const struct eio_session *s, const char *beginning)
{
	size_t n = strlen(beginning);
	unsigned found = 0;

	for (size_t at = 0; at < s->sent.len; at++) {
		if ((at == 0 || s->sent.data[at - 1] == '\n') && s->sent.len - at >= n &&
			memcmp(s->sent.data + at, beginning, n) == 0)
			found++;
	}
	return found;
}

static void
test_matching_is_work_of_the_turn(void **state)
{
	struct sio_options o = fake_options();
	char packet[500];
	uint64_t work;

	(void)state;
	fake_start(&o);
	assert_non_null(sio_of_pattern(fake_io, "/(a+)+[bc]", NULL));
	memset(packet, 'a', sizeof packet);
	memcpy(packet, "0/", 2);
	work = fake_loop.work;
	fake_receive(fake_open(0), false, "0/none", 6);
	assert_true(fake_loop.work > work);
	work = fake_loop.work;
	for (unsigned n = 0; n < 100; n++)
		fake_receive(&fake_engine.sessions[0], false, packet, sizeof packet - n);
	/* each of these uses all the steps that a name may: some 60 us, 6 ms together */
	assert_in_range(fake_loop.work - work, 100 * 5000, UINT64_MAX);
	fake_stop();
}

/* A push of 28,000 names that use all their steps: the client is closed long before the end of the push. */
static void
test_a_push_of_the_worst_names(void **state)
{
	struct sio_options o = fake_options();
	struct eio_session *s;
	char packet[500];

	(void)state;
	fake_start(&o);
	assert_non_null(sio_of_pattern(fake_io, "/(a+)+[bc]", NULL));
	memset(packet, 'a', sizeof packet);
	memcpy(packet, "0/", 2);
	s = fake_open(0);
	for (unsigned n = 0; n < 28000; n++)
		sio_core_ops()->on_message(s, s->owner, false, (uint8_t *)packet, sizeof packet - n % 100);
	assert_false(s->open);
	assert_int_equal(count_lines(s, "4/"), 100);
	assert_int_equal(fake_loop.counters.value[COUNT_CONNECTS_REFUSED], 101);
	assert_int_equal(fake_loop.counters.value[COUNT_REFUSED_TOO_OFTEN], 1);
	fake_turn();
	fake_stop();
}

static void
test_names_with_nul_are_refused(void **state)
{
	static const char reply[] = "4/x\0y,{\"message\":\"Invalid namespace\"}\n";
	static const char named[] = "0/x\0y,", known[] = "0/known\0x,{\"a\":1}";
	struct sio_options o = fake_options();
	struct eio_session *s;

	(void)state;
	fake_start(&o);
	assert_non_null(sio_of_pattern(fake_io, "/.*", NULL));
	sio_of(fake_io, "/known");
	s = fake_open(0);
	fake_receive(s, false, named, sizeof named - 1);
	fake_receive(s, false, known, sizeof known - 1);
	fake_turn();
	assert_int_equal(count_lines(s, "4/"), 2);
	assert_int_equal(count_lines(s, "0"), 0);
	assert_non_null(memmem(s->sent.data, s->sent.len, reply, sizeof reply - 1));
	assert_true(s->open);
	fake_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matching_is_work_of_the_turn),
		cmocka_unit_test(test_a_push_of_the_worst_names),
		cmocka_unit_test(test_names_with_nul_are_refused),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("sio_patterns", tests, NULL, NULL);
}
