/* Stats pages: a reader gets a whole copy or none, even if the owner writes constantly or dies while it writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/process/stats.h"

#define READS 20000

static void
test_round_trip(void **state)
{
	struct stats_page *pages = stats_pages_new(2);
	struct stats in = {.pid = 7, .state = STATS_ACCEPTING, .beat_ms = 1000}, out = {.pid = 1};

	(void)state;
	assert_non_null(pages);
	/* a page that was never written can be read: its worker is absent */
	assert_true(stats_read(&pages[0], &out));
	assert_int_equal(out.state, STATS_ABSENT);
	in.counters[NAMES_MAX - 1] = UINT64_MAX;
	stats_write(&pages[1], &in);
	assert_true(stats_read(&pages[1], &out));
	assert_memory_equal(&in, &out, sizeof in);
	assert_true(stats_read(&pages[0], &out));
	assert_int_equal(out.state, STATS_ABSENT);
	stats_clear(&pages[1]);
	assert_true(stats_read(&pages[1], &out));
	assert_int_equal(out.pid, 0);
	assert_int_equal(out.state, STATS_ABSENT);
	stats_pages_free(pages, 2);
	stats_pages_free(NULL, 2);
}

/* Only listed members are copied; the memory of a writer's list may hold anything beyond them. */
static void
test_members(void **state)
{
	struct stats_page *page = stats_pages_new(1);
	static struct stats in, out;

	(void)state;
	assert_non_null(page);
	memset(&in, 0xff, sizeof in);
	stats_init(&in);
	assert_int_equal(in.member_count, 0);
	assert_int_equal(in.counters[0], 0);
	assert_int_equal(in.has_broker, 0);
	in.member_count = 2;
	in.members[0] = (struct stats_member){.about = {.worker = 1}};
	in.members[1] = (struct stats_member){.about = {.worker = 2}};
	stats_write(page, &in);
	assert_true(stats_read(page, &out));
	assert_int_equal(out.member_count, 2);
	assert_int_equal(out.members[1].about.worker, 2);
	assert_int_equal(out.members[2].about.worker, 0);
	in.member_count = 1;
	in.members[0].about.worker = 3;
	stats_write(page, &in);
	assert_true(stats_read(page, &out));
	assert_int_equal(out.member_count, 1);
	assert_int_equal(out.members[0].about.worker, 3);
	stats_pages_free(page, 1);
}

/*
 * The owner died while writing. No reader gets a half-written page or waits for ever, and its successor's writes
 * count.
 */
static void
test_died_while_writing(void **state)
{
	struct stats_page *page = stats_pages_new(1);
	struct stats in = {.pid = 7, .state = STATS_ACCEPTING}, out;

	(void)state;
	assert_non_null(page);
	stats_write(page, &in);
	atomic_fetch_add(&page->sequence, 1);
	page->stats.pid = 8;
	memset(&out, 0xff, sizeof out);
	assert_false(stats_read(page, &out));
	assert_int_equal(out.state, STATS_ABSENT);
	in.pid = 9;
	stats_write(page, &in);
	assert_true(stats_read(page, &out));
	assert_int_equal(out.pid, 9);
	assert_int_equal(out.state, STATS_ACCEPTING);
	stats_pages_free(page, 1);
}

static void
fill(struct stats *s, uint8_t with)
{
	memset(s, with, sizeof *s);
	s->member_count = STATS_MEMBERS;
}

/* Each copy comes from one write: all of its bytes are equal. */
static void
test_torn(void **state)
{
	struct stats_page *page = stats_pages_new(1);
	static struct stats out, whole;
	unsigned seen = 0, last = 0, read = 0;
	int status;
	pid_t writer;

	(void)state;
	assert_non_null(page);
	fill(&whole, 0);
	stats_write(page, &whole);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0;; i++) {
			fill(&whole, (uint8_t)i);
			stats_write(page, &whole);
		}
	}
	/* on a single processor the writer must run too */
	for (unsigned i = 0; i < READS || (seen < 100 && i < 100 * READS); i++) {
		if (!stats_read(page, &out))
			continue;
		read++;
		fill(&whole, ((uint8_t *)&out)[0]);
		assert_memory_equal(&out, &whole, sizeof out);
		seen += ((uint8_t *)&out)[0] != last;
		last = ((uint8_t *)&out)[0];
	}
	kill(writer, SIGKILL);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(read > 100);
	assert_true(seen >= 100);
	stats_pages_free(page, 1);
}

static void
test_accepts(void **state)
{
	struct stats s = {.state = STATS_ACCEPTING, .beat_ms = 5000};

	(void)state;
	assert_true(stats_accepts(&s, 5000));
	assert_true(stats_accepts(&s, 4999)); /* the reader's clock shows the begin of its turn */
	assert_true(stats_accepts(&s, 5000 + STATS_HUNG_MS - 1));
	assert_false(stats_accepts(&s, 5000 + STATS_HUNG_MS));
	for (uint64_t other = STATS_ABSENT; other <= STATS_DRAINING; other++) {
		s.state = other;
		assert_int_equal(stats_accepts(&s, 5000), other == STATS_ACCEPTING);
	}
}

/* By name as long as there is room; the rest is one sum. */
static void
test_namespaces(void **state)
{
	static struct stats s;
	char longest[STATS_NAME_MAX];

	(void)state;
	memset(longest, 'x', sizeof longest);
	stats_add_namespace(&s, text_of(longest, sizeof longest - 1), 1);
	assert_int_equal(s.namespace_count, 1);
	assert_int_equal(s.namespaces[0].sockets, 1);
	assert_int_equal(strlen(s.namespaces[0].name), STATS_NAME_MAX - 1);
	stats_add_namespace(&s, text_of(longest, sizeof longest), 10);
	assert_int_equal(s.other_sockets, 10);
	/* cut at its NUL, it would have the same label as "/a" */
	stats_add_namespace(&s, text_of("/a\0b", 4), 100);
	assert_int_equal(s.other_sockets, 110);
	assert_int_equal(s.namespace_count, 1);
	for (unsigned i = 1; i < STATS_NAMESPACES; i++)
		stats_add_namespace(&s, TEXT("/y"), 1000);
	assert_int_equal(s.namespace_count, STATS_NAMESPACES);
	assert_int_equal(s.other_sockets, 110);
	stats_add_namespace(&s, TEXT("/z"), 5);
	assert_int_equal(s.namespace_count, STATS_NAMESPACES);
	assert_int_equal(s.other_sockets, 115);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_died_while_writing),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
