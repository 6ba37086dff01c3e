/* What the supervisor's socket receives, and which variables of the environment decide about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/process/hang.h"
#include "node/process/notify.h"

static int inbox;
static char name[64];

/* Opens an abstract socket as the supervisor would, and names it in the environment. */
static int
setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(name, sizeof name, "@sockeye-test-notify-%d", (int)getpid());

	(void)state;
	memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
	inbox = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return bind(inbox, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static int
teardown(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	return close(inbox);
}

/* Returns the next message, or "" if there is none. */
static const char *
received(void)
{
	static char message[1024];
	ssize_t n = recv(inbox, message, sizeof message - 1, 0);

	message[n > 0 ? n : 0] = '\0';
	return message;
}

static void
test_messages(void **state)
{
	struct notify notify;
	unsigned long long when;

	(void)state;
	notify_init(&notify);
	notify_ready(&notify, "Serving on port 3000");
	assert_string_equal(received(), "READY=1\nSTATUS=Serving on port 3000");
	notify_reloading(&notify);
	assert_int_equal(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%llu", &when), 1);
	assert_true(when > 0);
	notify_stopping(&notify, 12345, "Draining");
	assert_string_equal(received(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=12345000\nSTATUS=Draining");
	notify_alive(&notify);
	assert_string_equal(received(), "WATCHDOG=1");
	assert_string_equal(received(), "");
}

/* A supervisor that is busy has a full queue. The message that the server is ready must not be lost then. */
static void
test_a_full_queue_is_waited_for(void **state)
{
	struct notify notify;
	bool ready = false;
	int status;
	pid_t pid;

	(void)state;
	notify_init(&notify);
	for (unsigned i = 0; i < 10000; i++)
		notify_alive(&notify); /* beyond the length of the queue these are dropped */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		notify_ready(&notify, "Serving");
		_exit(0);
	}
	while (hang_sample(pid).state == 'R') /* until it waits, or has ended */
		continue;
	while (waitpid(pid, &status, WNOHANG) == 0)
		ready |= strncmp(received(), "READY=1", 7) == 0;
	for (const char *message = received(); *message != '\0'; message = received())
		ready |= strncmp(message, "READY=1", 7) == 0;
	assert_true(ready);
}

static void
test_long_status_is_cut(void **state)
{
	struct notify notify;
	char status[2 * NOTIFY_STATUS_MAX];

	(void)state;
	memset(status, 'x', sizeof status - 1);
	status[sizeof status - 1] = '\0';
	notify_init(&notify);
	notify_ready(&notify, status);
	assert_int_equal(strlen(received()), strlen("READY=1\nSTATUS=") + NOTIFY_STATUS_MAX);
}

static uint64_t
alive_every(const char *limit_us, const char *pid)
{
	struct notify notify;

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", limit_us, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	notify_init(&notify);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	return notify.alive_every;
}

static void
test_watchdog_limit(void **state)
{
	char self[16];

	(void)state;
	snprintf(self, sizeof self, "%d", (int)getpid());
	assert_int_equal(alive_every("60000000", NULL), 30000);
	assert_int_equal(alive_every("60000000", self), 30000);
	assert_int_equal(alive_every("1", NULL), 1);
	assert_int_equal(alive_every("60000000", "1"), 0); /* meant for another process */
	assert_int_equal(alive_every("0", NULL), 0);
	assert_int_equal(alive_every("soon", NULL), 0);
}

static void
test_no_supervisor(void **state)
{
	static const char *const names[] = {"", "/", "relative", "vsock:2:1234",
		"/0123456789012345678901234567890123456789012345678901234567890123456789"
		"01234567890123456789012345678901234567890"};
	struct notify notify;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		setenv("WATCHDOG_USEC", "60000000", 1);
		notify_init(&notify);
		assert_int_equal(notify.address_len, 0);
		assert_int_equal(notify.alive_every, 0);
		notify_ready(&notify, "nobody reads this");
	}
	notify_init(&notify);
	assert_int_equal(notify.address_len, 0);
	notify_alive(NULL);
	assert_string_equal(received(), "");
}

/* Programs that the server starts must not speak for it. */
static void
test_environment_is_cleared(void **state)
{
	struct notify notify;

	(void)state;
	notify_init(&notify);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_true(notify.address_len > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_status_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_supervisor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment_is_cleared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
