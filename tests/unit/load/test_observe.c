#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/load/observe.h"

#define MIB ((uint64_t)1 << 20)

/* A child that does `work`, reports it, and stays until it is ended. */
struct child {
	pid_t pid;
	int done, go; /* read from `done`: the work is done; write to `go`: do the next part */
};

static void
say(int fd, const void *bytes, size_t n)
{
	if (write(fd, bytes, n) != (ssize_t)n)
		_exit(1);
}

static void
await(int fd, void *bytes, size_t n)
{
	if (read(fd, bytes, n) != (ssize_t)n)
		_exit(1); /* the test has ended */
}

typedef void child_work(int go, int done);

static struct child
begin(child_work *work)
{
	struct child child;
	int done[2], go[2];

	assert_int_equal(pipe(done), 0);
	assert_int_equal(pipe(go), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(done[0]);
		close(go[1]);
		work(go[0], done[1]);
		for (;;)
			pause();
	}
	close(done[1]);
	close(go[0]);
	child.done = done[0];
	child.go = go[1];
	return child;
}

static void
kill_child(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	close(child->done);
	close(child->go);
}

static void
finished(struct child *child, void *bytes, size_t n)
{
	assert_int_equal(read(child->done, bytes, n), n);
}

static struct observed
observe(pid_t pid)
{
	struct observed out;

	assert_int_equal(observe_processes(&pid, 1, &out, NULL), 0);
	return out;
}

#define TOUCHED (24 * MIB)

/* Not instrumented, because the bytes that AddressSanitizer keeps about this memory would count too. */
__attribute__((no_sanitize_address)) static void
touch_memory(int go, int done)
{
	volatile char *at = mmap(NULL, 2 * TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char byte = 0;

	if (at == MAP_FAILED)
		_exit(1);
	say(done, &byte, 1);
	await(go, &byte, 1);
	for (size_t i = 0; i < TOUCHED; i += 4096) /* the other half stays untouched */
		at[i] = 1;
	say(done, &byte, 1);
}

static void
test_memory_is_what_was_touched(void **state)
{
	struct child child = begin(touch_memory);
	struct observed before, after;
	char byte = 0;

	(void)state;
	finished(&child, &byte, 1);
	before = observe(child.pid);
	assert_int_equal(before.processes, 1);
	assert_true(before.memory > 0 && before.anonymous <= before.memory);
	assert_int_equal(write(child.go, &byte, 1), 1);
	finished(&child, &byte, 1);
	after = observe(child.pid);
	assert_in_range(after.memory - before.memory, TOUCHED - MIB, TOUCHED + 2 * MIB);
	assert_in_range(after.anonymous - before.anonymous, TOUCHED - MIB, TOUCHED + 2 * MIB);
	kill_child(&child);
}

/* Two processes that share pages: the pages count once, not twice. */
static void
share_memory(int go, int done)
{
	char *at = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte = 0;

	if (at == MAP_FAILED)
		_exit(1);
	memset(at, 1, TOUCHED);
	say(done, &byte, 1);
	await(go, &byte, 1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		say(done, &byte, 1);
	}
}

static void
test_shared_pages_count_once(void **state)
{
	struct child child = begin(share_memory);
	struct observed alone, both;
	char byte = 0;

	(void)state;
	finished(&child, &byte, 1);
	alone = observe(child.pid);
	assert_int_equal(write(child.go, &byte, 1), 1);
	finished(&child, &byte, 1);
	both = observe(child.pid);
	assert_int_equal(both.processes, 2);
	assert_true(both.memory < alone.memory + TOUCHED / 2);
	kill_child(&child);
}

static double
used(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

#define BURNT 0.3 /* seconds */

/* Reading the clock costs kernel time, so this happens rarely. */
static void
burn_user_time(void)
{
	volatile unsigned work = 0;

	do {
		for (unsigned i = 0; i < 1000000; i++)
			work = work + i;
	} while (used(CLOCK_PROCESS_CPUTIME_ID) < BURNT);
}

static double
seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Tells the test how much user and system time this process has used: two doubles. */
static void
say_what_was_burnt(int done)
{
	struct rusage used;
	double burnt[2];

	getrusage(RUSAGE_SELF, &used);
	burnt[0] = seconds(used.ru_utime);
	burnt[1] = seconds(used.ru_stime);
	say(done, burnt, sizeof burnt);
}

/*
 * The kernel samples which of both times passes. On a busy machine the samples mislead, but getrusage() and what is
 * observed come from the same samples. Each is reported in hundredths.
 */
static void
assert_is_what_was_burnt(struct observed out, const double burnt[2])
{
	assert_true(burnt[0] + burnt[1] > BURNT - 0.01);
	assert_true(fabs(out.user_seconds - burnt[0]) < 0.05);
	assert_true(fabs(out.system_seconds - burnt[1]) < 0.05);
}

static void
burn(int go, int done)
{
	(void)go;
	burn_user_time();
	say_what_was_burnt(done);
}

static void
test_processor_time_is_what_was_burnt(void **state)
{
	struct child child = begin(burn);
	double burnt[2];

	(void)state;
	finished(&child, burnt, sizeof burnt);
	assert_is_what_was_burnt(observe(child.pid), burnt);
	kill_child(&child);
}

static void
burn_in_the_kernel(int go, int done)
{
	static char bytes[1 << 20];
	int zero = open("/dev/zero", O_RDONLY);

	(void)go;
	do {
		if (read(zero, bytes, sizeof bytes) <= 0)
			_exit(1);
	} while (used(CLOCK_PROCESS_CPUTIME_ID) < BURNT);
	say_what_was_burnt(done);
}

static void
test_system_time_is_told_apart(void **state)
{
	struct child child = begin(burn_in_the_kernel);
	double burnt[2];

	(void)state;
	finished(&child, burnt, sizeof burnt);
	assert_is_what_was_burnt(observe(child.pid), burnt);
	kill_child(&child);
}

/* A child burns time and ends. Its parent waits for it, so the time counts as the parent's. */
static void
burn_in_a_child(int go, int done)
{
	double total = 0;
	pid_t pid = fork();

	if (pid == 0) {
		burn_user_time();
		_exit(0);
	}
	await(go, &total, 1);
	say(done, &total, 1);
	if (waitpid(pid, NULL, 0) != pid)
		_exit(1);
	say(done, &total, 1);
}

static void
test_time_of_children_that_ended_stays(void **state)
{
	struct child child = begin(burn_in_a_child);
	struct observed out;
	char byte = 0;

	(void)state;
	assert_int_equal(write(child.go, &byte, 1), 1);
	finished(&child, &byte, 1);
	finished(&child, &byte, 1);
	out = observe(child.pid);
	assert_int_equal(out.processes, 1);
	assert_true(out.user_seconds + out.system_seconds > BURNT - 0.05);
	kill_child(&child);
}

/* Three generations; the name of the youngest is hard to parse. */
static void
three_generations(int go, int done)
{
	(void)go;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fork() == 0) {
			pid_t pid = getpid();

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prctl(PR_SET_NAME, ") R 1 (x) y");
			burn_user_time();
			say(done, &pid, sizeof pid);
		}
	} else if (fork() == 0) {
		_exit(0); /* stays a zombie */
	}
}

static void
test_descendants_count_and_each_once(void **state)
{
	struct child child = begin(three_generations);
	struct observed all, youngest, twice;
	pid_t pids[3];

	(void)state;
	finished(&child, &pids[1], sizeof pids[1]);
	all = observe(child.pid);
	assert_int_equal(all.processes, 3); /* the zombie does not count */
	assert_true(all.user_seconds + all.system_seconds > BURNT - 0.05);
	youngest = observe(pids[1]);
	assert_int_equal(youngest.processes, 1);
	assert_true(youngest.user_seconds + youngest.system_seconds > BURNT - 0.05);
	assert_true(youngest.memory > 0 && youngest.memory < all.memory);

	pids[0] = pids[2] = child.pid;
	assert_int_equal(observe_processes(pids, 3, &twice, NULL), 0);
	assert_int_equal(twice.processes, 3);
	assert_true(twice.user_seconds + twice.system_seconds < 2 * BURNT);
	kill_child(&child);
}

static void
test_a_process_that_has_ended(void **state)
{
	struct child child = begin(touch_memory), ended = begin(touch_memory);
	pid_t pids[3], missing = 0;
	struct observed out;
	siginfo_t info;
	char byte;

	(void)state;
	finished(&child, &byte, 1);
	pids[0] = pids[2] = child.pid;
	pids[1] = ended.pid;

	/* a process that has ended serves no one, although its parent has not waited for it */
	assert_int_equal(kill(ended.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)ended.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(observe_processes(pids, 3, &out, &missing), ERROR_NOT_FOUND);
	assert_int_equal(missing, ended.pid);
	assert_int_equal(out.processes, 1);
	assert_true(out.memory > 0);

	assert_int_equal(waitpid(ended.pid, NULL, 0), ended.pid);
	missing = 0;
	pids[2] = INT_MAX; /* larger than any Linux process id; the first missing one is reported */
	assert_int_equal(observe_processes(pids, 3, &out, &missing), ERROR_NOT_FOUND);
	assert_int_equal(missing, ended.pid);
	assert_int_equal(observe_processes(pids, 2, &out, NULL), ERROR_NOT_FOUND);
	close(ended.done);
	close(ended.go);
	kill_child(&child);
}

/* A process of another user beside an own one: its times are public, its memory is not. */
static void
watch_a_stranger(int go, int done)
{
	struct observed out;
	pid_t pids[2] = {getpid(), 1};
	int result;

	(void)go;
	if (getuid() == 0 && setuid(65534) != 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* setuid() has cleared it */
	result = observe_processes(pids, 2, &out, NULL);
	say(done, &result, sizeof result);
	say(done, &out, sizeof out);
}

static void
test_memory_that_may_not_be_read(void **state)
{
	struct child child = begin(watch_a_stranger);
	struct observed out;
	int result;

	(void)state;
	finished(&child, &result, sizeof result);
	finished(&child, &out, sizeof out);
	assert_int_equal(result, ERROR_SYSTEM);
	assert_true(out.processes > 1);
	assert_int_equal(out.memory, 0);
	assert_int_equal(out.anonymous, 0);
	kill_child(&child);
}

static void
test_no_process_at_all(void **state)
{
	struct observed out;

	(void)state;
	assert_int_equal(observe_processes(NULL, 0, &out, NULL), 0);
	assert_int_equal(out.processes, 0);
	assert_int_equal(out.memory, 0);
}

#define PAIRS 64
#define UNREAD 65536 /* bytes in each buffer */

/* Unread data lies in the kernel's buffers. */
static void
test_buffers_of_the_kernel(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0), near[PAIRS], far[PAIRS];
	struct observed_kernel before, after;
	char *bytes = mem_zalloc(UNREAD);

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		near[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(near[i], (struct sockaddr *)&address, sizeof address), 0);
		far[i] = accept(listener, NULL, NULL);
		assert_true(far[i] >= 0);
	}
	observe_kernel(&before);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(send(near[i], bytes, UNREAD, 0), UNREAD);
	observe_kernel(&after);
	/* half of it, because other programs of this machine may free memory meanwhile */
	assert_true(after.buffers > before.buffers + (uint64_t)PAIRS * UNREAD / 2);
	assert_true(after.buffers < before.buffers + (uint64_t)PAIRS * UNREAD * 16);
	assert_true(before.slab > MIB && before.slab % 1024 == 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		close(near[i]);
		close(far[i]);
	}
	close(listener);
	mem_free(bytes);
}

static void
test_own_time(void **state)
{
	double before = observe_own_seconds(), clock = used(CLOCK_PROCESS_CPUTIME_ID), after;

	(void)state;
	while (used(CLOCK_PROCESS_CPUTIME_ID) < clock + 0.1)
		;
	after = observe_own_seconds();
	assert_true(after - before > 0.08 && after - before < 0.15);
}

static void
test_lists_of_pids(void **state)
{
	static const char *const bad[] = {"", ",", "1,", ",1", "1,,2", "0", "-1", "+1", "1x", "x", "1 2",
		"2147483648", "99999999999999999999", "1;2"};
	char text[OBSERVE_PIDS_MAX * 5 + 8] = "";
	pid_t pids[OBSERVE_PIDS_MAX];

	(void)state;
	assert_int_equal(observe_parse_pids("123", pids), 1);
	assert_int_equal(pids[0], 123);
	assert_int_equal(observe_parse_pids("123, 456,2147483647", pids), 3);
	assert_int_equal(pids[1], 456);
	assert_int_equal(pids[2], 2147483647);
	assert_int_equal(observe_parse_pids("7,8,7,7", pids), 2);
	assert_int_equal(pids[1], 8);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(observe_parse_pids(bad[i], pids), ERROR_ARGUMENT);
	for (unsigned i = 0; i < OBSERVE_PIDS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", i > 0 ? "," : "", 100 + i);
	assert_int_equal(observe_parse_pids(text, pids), OBSERVE_PIDS_MAX);
	snprintf(text + strlen(text), sizeof text - strlen(text), ",9");
	assert_int_equal(observe_parse_pids(text, pids), ERROR_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_what_was_touched),
		cmocka_unit_test(test_shared_pages_count_once),
		cmocka_unit_test(test_processor_time_is_what_was_burnt),
		cmocka_unit_test(test_system_time_is_told_apart),
		cmocka_unit_test(test_time_of_children_that_ended_stays),
		cmocka_unit_test(test_descendants_count_and_each_once),
		cmocka_unit_test(test_a_process_that_has_ended),
		cmocka_unit_test(test_memory_that_may_not_be_read),
		cmocka_unit_test(test_no_process_at_all),
		cmocka_unit_test(test_buffers_of_the_kernel),
		cmocka_unit_test(test_own_time),
		cmocka_unit_test(test_lists_of_pids),
	};

	alarm(120); /* a child that failed must not block the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
