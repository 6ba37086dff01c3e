/* The hub as a process of its own: what a worker may write passes, and only its own signal ends it. */
#include "tests/unit/broker/broker_bench.h"

#include "broker/wire.h"
#include "node/process/hub_process.h"

/* The largest message of all: an answer to sio_fetch() may hold every socket of a worker. */
static void
test_largest_message(void **state)
{
	struct listener_set no_admin = {.count = 0};
	struct block *block = block_new(WIRE_PAYLOAD_MAX);
	struct bus_bench b;
	struct bus_stats stats;
	struct listener l;
	char url[HUB_NAME_MAX];
	int fd = hub_listen(url), status;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct hub_process_setup setup = {.listening_fd = fd, .admin = &no_admin};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(hub_process_run(&setup));
	}
	close(fd);
	memset(block->data, 'x', block->len);
	bus_start_with(&b, url, 2 * (uint64_t)WIRE_PAYLOAD_MAX, 0); /* the times of the product */
	listen_to(&b, &l, "large", false);
	RUN_UNTIL(bus_up(b.bus));
	bus_publish(b.bus, TEXT("large"), block);
	RUN_UNTIL(l.messages == 1 || b.downs > 0);
	assert_int_equal(b.downs, 0);
	bus_stats(b.bus, &stats);
	assert_int_equal(stats.bytes_received, WIRE_PAYLOAD_MAX);
	listen_no_more(&b, &l);
	bus_end(&b);
	block_unref(block);
	/* one that comes from a supervisor, who signals all processes: were it not ignored, the exit code would be
	 * SIGTERM's */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, HUB_STOP_SIGNAL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_largest_message, bench_start, bench_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
