/* Sockets of a service manager and of a predecessor, and how sets of workers share them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/io/inherited.h"
#include "common/io/listener.h"

static char error[INHERITED_ERROR_MAX];

static int
open_port(uint16_t *port)
{
	struct listener_options options = {
		.host = "127.0.0.1", .port = *port, .share_port = true, .join_port = *port != 0};
	struct listener_set set;

	assert_int_equal(listener_set_open(&set, &options, error), 0);
	assert_int_equal(set.count, 1);
	*port = listener_set_port(&set);
	return set.fds[0];
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
a_predecessor_hands_on_groups_of_descriptors(void **state)
{
	struct inherited inherited;
	struct inherited_group *group;
	struct listener_set set = {.count = 0};
	struct buffer text;
	uint16_t port = 0;
	int fds[] = {open_port(&port), open_port(&port), open_port(&port)};

	(void)state;
	buffer_init(&text, 1024);
	inherited_write(&text, INHERITED_CLIENTS, "3000@", fds, 1);
	inherited_write(&text, INHERITED_CLIENTS, "3000@", fds + 1, 1);
	inherited_write(&text, INHERITED_ADMIN, "", fds + 2, 1);
	inherited_write(&text, "instance", "abc", NULL, 0);
	buffer_add_byte(&text, '\0');
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	inherited_keep_open(text_from((const char *)text.data));
	assert_int_equal(fcntl(fds[0], F_GETFD), 0);
	setenv(INHERITED_VARIABLE, (const char *)text.data, 1);
	buffer_fini(&text);

	assert_int_equal(inherited_read(&inherited, error), 0);
	assert_null(getenv(INHERITED_VARIABLE));
	assert_int_equal(inherited.count, 3);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_null(inherited_find(&inherited, INHERITED_CLIENTS, "4000@")); /* the option has changed */
	group = inherited_find(&inherited, INHERITED_CLIENTS, "3000@");
	assert_int_equal(group->count, 2);
	assert_true(inherited_take(group, &set));
	assert_int_equal(set.count, 2);
	assert_false(inherited_take(group, &set)); /* taken */
	assert_string_equal(inherited_find(&inherited, "instance", NULL)->key, "abc");
	assert_int_equal(inherited_take_one(inherited_find(&inherited, "instance", NULL)), -1);
	assert_non_null(inherited_find(&inherited, INHERITED_ADMIN, ""));
	inherited_free(&inherited);
	assert_true(is_open(fds[0]));
	assert_false(is_open(fds[2])); /* nobody has taken it */
	listener_set_close(&set);
}

static void
a_malformed_variable_is_refused(void **state)
{
	static const char *const bad[] = {
		"clients\n", "clients 3000@ x\n", "clients 3000@ 99999\n", "clients * -1\n"};
	struct inherited inherited;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		setenv(INHERITED_VARIABLE, bad[i], 1);
		assert_true(inherited_read(&inherited, error) < 0);
		inherited_free(&inherited);
	}
}

static void
sockets_of_another_process_are_left_alone(void **state)
{
	struct inherited inherited;

	(void)state;
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(inherited_read(&inherited, error), 0);
	assert_int_equal(inherited.count, 0);
	assert_null(getenv("LISTEN_FDS"));
	inherited_free(&inherited);
}

/* Returns how many of the set's sockets have this port. */
static unsigned
sockets_on(const struct listener_set *set, uint16_t port)
{
	struct listener_set one = {.count = 1};
	unsigned n = 0;

	for (unsigned i = 0; i < set->count; i++) {
		one.fds[0] = set->fds[i];
		n += listener_set_port(&one) == port;
	}
	return n;
}

/* `sockets` of each of two addresses, for `workers`. */
static void
share(unsigned sockets, unsigned workers)
{
	struct listener_set sets[8] = {{.count = 0}}, *all[8];
	uint16_t ports[2] = {0, 0};
	unsigned most = (sockets + workers - 1) / workers, n = 0;
	int fds[16];

	for (unsigned i = 0; i < sockets; i++) {
		fds[n++] = open_port(&ports[0]);
		fds[n++] = open_port(&ports[1]);
	}
	for (unsigned i = 0; i < workers; i++)
		all[i] = &sets[i];
	assert_int_equal(listener_sets_share(all, workers, fds, n, error), 0);
	for (unsigned i = 0; i < workers; i++) {
		for (unsigned p = 0; p < 2; p++)
			assert_in_range(sockets_on(&sets[i], ports[p]), 1, most);
		listener_set_close(&sets[i]);
	}
	for (unsigned i = 0; i < n; i++)
		assert_false(is_open(fds[i]));
}

static void
every_worker_gets_a_socket_of_every_address(void **state)
{
	(void)state;
	share(2, 2);
	share(1, 3);
	share(2, 5);
	share(5, 2);
	share(7, 1);
}

static void
more_sockets_than_a_set_holds_are_refused(void **state)
{
	struct listener_set set = {.count = 0}, *all[] = {&set};
	int fds[LISTENER_SOCKETS_MAX + 1];
	uint16_t port = 0;

	(void)state;
	for (unsigned i = 0; i < LISTENER_SOCKETS_MAX + 1; i++)
		fds[i] = open_port(&port);
	assert_int_equal(listener_sets_share(all, 1, fds, LISTENER_SOCKETS_MAX + 1, error), ERROR_TOO_MANY);
	assert_string_equal(error, "cannot take over 33 listening sockets with 1 workers; use more workers");
	listener_set_close(&set);
	for (unsigned i = 0; i < LISTENER_SOCKETS_MAX + 1; i++)
		assert_false(is_open(fds[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_predecessor_hands_on_groups_of_descriptors),
		cmocka_unit_test(a_malformed_variable_is_refused),
		cmocka_unit_test(sockets_of_another_process_are_left_alone),
		cmocka_unit_test(every_worker_gets_a_socket_of_every_address),
		cmocka_unit_test(more_sockets_than_a_set_holds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
