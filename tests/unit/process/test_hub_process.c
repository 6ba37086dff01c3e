/* The hub as a process of its own: everything that a worker may write passes, and only the hub's own signal ends it.
 */
#include "tests/unit/broker/broker_bench.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "broker/wire.h"
#include "node/process/hub_process.h"

static struct hub_life life = {.beat_ms = 500};

/* The largest message: an answer to sio_fetch() may contain every socket of a worker. */
static void
test_largest_message(void **state)
{
	struct hub_life *shared =
		mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
	assert_ptr_not_equal(shared, MAP_FAILED);
	shared->beat_ms = 500;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct hub_process_setup setup = {.listening_fd = fd, .admin = &no_admin, .life = shared};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(hub_process_run(&setup));
	}
	close(fd);
	memset(block->data, 'x', block->len);
	bus_start_with(&b, url, 2 * (uint64_t)WIRE_PAYLOAD_MAX, 0); /* the default times */
	listen_to(&b, &l, "large", false);
	RUN_UNTIL(bus_up(b.bus));
	bus_publish(b.bus, TEXT("large"), block);
	RUN_UNTIL(l.messages == 1 || downs(&b) > 0);
	assert_int_equal(downs(&b), 0);
	bus_stats(b.bus, &stats);
	assert_int_equal(stats.bytes_received, WIRE_PAYLOAD_MAX);
	/* signals for the master do not disturb the hub: shared->loss names no duty that the hub has to give up */
	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(kill(pid, HUB_LOSS_SIGNAL), 0);
	bus_publish(b.bus, TEXT("large"), block);
	RUN_UNTIL(l.messages == 2 || downs(&b) > 0);
	assert_int_equal(downs(&b), 0);
	atomic_store(&shared->loss, HUB_LOST_WORKERS_TOO);
	assert_int_equal(kill(pid, HUB_LOSS_SIGNAL), 0);
	RUN_UNTIL(downs(&b) > 0);
	listen_no_more(&b, &l);
	bus_end(&b);
	block_unref(block);
	assert_int_equal(munmap(shared, sizeof *shared), 0);
	/* a supervisor may signal all processes; if this signal were not ignored, the exit code would be SIGTERM's */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, HUB_STOP_SIGNAL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Sends bytes that are not a command: the hub closes the connection, and logs a warning if its log level allows. */
static void
write_nonsense(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[64];

	strcpy(address.sun_path + 1, name);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
		0);
	assert_int_equal(write(fd, "nonsense\r\n", 10), 10);
	while (read(fd, answer, sizeof answer) > 0)
		continue;
	close(fd);
}

/* The log level changes with the signal that the master passes on. */
static void
test_level_of_the_log_is_switched(void **state)
{
	struct log_control *log = log_control_new(LOG_ERROR, NULL);
	struct listener_set no_admin = {.count = 0};
	char name[HUB_NAME_MAX], text[512] = "";
	int fd = hub_listen(name), out[2], status;
	struct pollfd said;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0 && log != NULL && pipe(out) == 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct hub_process_setup setup = {.listening_fd = fd, .admin = &no_admin, .log = log, .life = &life};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDERR_FILENO);
		_exit(hub_process_run(&setup));
	}
	close(fd);
	close(out[1]);
	write_nonsense(name); /* the hub serves now; at this level it does not log warnings */
	log_control_cycle(log);
	assert_int_equal(kill(pid, SIGTTIN), 0);
	said = (struct pollfd){out[0], POLLIN, 0};
	for (unsigned i = 0; i < 100 && said.revents == 0; i++) { /* at most one such line is logged per second */
		write_nonsense(name);
		poll(&said, 1, 100);
	}
	assert_int_equal(kill(pid, HUB_STOP_SIGNAL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(said.revents, POLLIN);
	assert_true(read(out[0], text, sizeof text - 1) > 0);
	assert_non_null(strstr(text, "malformed command from worker"));
	close(out[0]);
	log_control_free(log);
	log_set_level(LOG_INFO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_largest_message, bench_start, bench_stop),
		cmocka_unit_test(test_level_of_the_log_is_switched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
