/* A whole serving process in a child: the effects of its signals, and its exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/io/log.h"
#include "common/base/mem.h"
#include "node/process/config.h"
#include "node/process/worker.h"
#include "tests/unit/process/scratch.h"

#define PATIENCE_S 20
#define ARGS_MAX 12

struct fixture {
	struct scratch scratch;
	pid_t pid;
	FILE *lines; /* the child's stderr */
	char line[4096];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	scratch_init(&f->scratch);
	alarm(PATIENCE_S); /* if a line never comes, SIGALRM ends the test program */
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	if (f->pid) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	if (f->lines)
		fclose(f->lines);
	scratch_fini(&f->scratch);
	free(f);
	return 0;
}

static void
run_child(int argc, char **argv, const char *app)
{
	struct config config;
	struct worker_setup setup_worker = {"sockeye", &config.program, &config, NULL, NULL, NULL};

	config_init(&config, argc, argv);
	config.program.app = app ? mem_text(app, strlen(app)) : NULL;
	_exit(worker_run(&setup_worker));
}

/* Starts the child with these flags, ended by NULL, and --host 127.0.0.1. */
static void
start(struct fixture *f, const char *app, ...)
{
	char *argv[ARGS_MAX + 4] = {"sockeye", "--host", "127.0.0.1"};
	int argc = 3, ends[2];
	va_list args;

	va_start(args, app);
	while ((argv[argc] = va_arg(args, char *)))
		assert_true(++argc < ARGS_MAX);
	va_end(args);
	assert_int_equal(pipe(ends), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		run_child(argc, argv, app);
	}
	close(ends[1]);
	f->lines = fdopen(ends[0], "r");
	assert_non_null(f->lines);
}

static const char *
await(struct fixture *f, const char *text)
{
	while (fgets(f->line, sizeof f->line, f->lines)) {
		if (strstr(f->line, text))
			return f->line;
	}
	fail_msg("the process ended without a line with \"%s\"", text);
	return NULL;
}

static int
exit_code(struct fixture *f)
{
	int status;

	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
connect_to(const char *listening_line)
{
	const char *port = strstr(listening_line, " port=");
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_non_null(port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)strtoul(port + 6, NULL, 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void
stops_by_signal(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		start(f, NULL, "--port", "0", NULL);
		await(f, "event=capacity");
		await(f, "event=listening");
		kill(f->pid, signals[i]);
		await(f, signals[i] == SIGTERM ? "signal=SIGTERM" : "signal=SIGINT");
		await(f, "event=stopped");
		assert_int_equal(exit_code(f), 0);
		fclose(f->lines);
		f->lines = NULL;
	}
}

/* A client that does not disconnect delays the exit; a second signal ends the process anyway. */
static void
second_signal(void **state)
{
	struct fixture *f = *state;
	char reply[512];
	int fd, status;
	pid_t got;

	start(f, NULL, "--port", "0", "--linger-timeout", "60s", NULL);
	fd = connect_to(await(f, "event=listening"));
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0), 27);
	assert_true(recv(fd, reply, sizeof reply, 0) > 0);
	kill(f->pid, SIGTERM);
	await(f, "event=stopping");
	/* a second signal that follows at once counts as part of the first */
	while ((got = waitpid(f->pid, &status, WNOHANG)) == 0) {
		kill(f->pid, SIGTERM);
		usleep(10000);
	}
	assert_int_equal(got, f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
	close(fd);
}

static void
hang_up_without_tls(void **state)
{
	struct fixture *f = *state;

	start(f, NULL, "--port", "0", NULL);
	await(f, "event=listening");
	kill(f->pid, SIGHUP);
	await(f, "event=reload");
	kill(f->pid, SIGTERM);
	await(f, "event=stopped");
	assert_int_equal(exit_code(f), 0);
}

static void
cannot_start(void **state)
{
	struct fixture *f = *state;
	char port[16];
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	snprintf(port, sizeof port, "%u", ntohs(a.sin_port));
	start(f, NULL, "--port", port, NULL);
	assert_non_null(strstr(await(f, "sockeye: "), port));
	assert_int_equal(exit_code(f), 1);
	close(fd);
}

static void
application_missing(void **state)
{
	struct fixture *f = *state;

	start(f, scratch_path(&f->scratch, "none.so"), "--port", "0", NULL);
	await(f, "sockeye: cannot load application");
	assert_int_equal(exit_code(f), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stops_by_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(second_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(hang_up_without_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(cannot_start, setup, teardown),
		cmocka_unit_test_setup_teardown(application_missing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
