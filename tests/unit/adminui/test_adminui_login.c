#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "node/adminui/adminui_bcrypt.h"
#include "node/adminui/adminui_guard.h"
#include "node/adminui/adminui_sessions.h"
#include "node/adminui/adminui_users.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* "secret" */

#define REST "abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static char error[ADMINUI_USERS_ERROR_MAX];

static struct address
address_of(const char *text)
{
	struct address address;

	assert_true(address_read(text_from(text), &address));
	return address;
}

/* ---------------------------------------------------------------- users */

static void
test_users_of_a_list(void **state)
{
	struct adminui_users *users;

	(void)state;
	assert_int_equal(adminui_users_new(&users, "alice:" HASH ", bob b:" HASH, NULL, error), 0);
	assert_int_equal(users->count, 2);
	assert_false(users->open);
	assert_string_equal(adminui_users_find(users, TEXT("bob b"))->hash, HASH);
	assert_null(adminui_users_find(users, TEXT("bob")));
	assert_null(adminui_users_find(users, TEXT_NONE));
	adminui_users_free(users);
	assert_int_equal(adminui_users_new(&users, "none", NULL, error), 0);
	assert_true(users->open);
	adminui_users_free(users);
}

static int
of_file(struct adminui_users **out, const char *list, const char *content)
{
	char name[] = "/tmp/sockeye-users-XXXXXX";
	int fd = mkstemp(name), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	rc = adminui_users_new(out, list, name, error);
	unlink(name);
	return rc;
}

static void
test_users_of_a_file(void **state)
{
	struct adminui_users *users;

	(void)state;
	assert_int_equal(of_file(&users, "carol:" HASH, "# admins\r\nalice:" HASH "\r\n\n  bob:" HASH), 0);
	assert_int_equal(users->count, 3);
	assert_non_null(adminui_users_find(users, TEXT("bob")));
	adminui_users_free(users);
	assert_int_not_equal(of_file(&users, NULL, "# nobody\n"), 0);
	assert_int_not_equal(of_file(&users, "none", "alice:" HASH), 0);
	assert_int_not_equal(of_file(&users, NULL, "alice:secret\n"), 0);
	assert_null(strstr(error, "secret"));
	assert_null(users);
}

static char names_chosen[200];

/* The answer to an unknown name must take as long as the answer to a known one. */
static void
test_an_unknown_name_costs_as_much_as_some_user(void **state)
{
	static const char *const lists[] = {"a:" HASH, "a:" HASH ",b:$2y$05$" REST, "a:" HASH ",b:$2y$06$" REST};
	unsigned changed = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct adminui_users *users, *same;
		unsigned chosen[2] = {0, 0};

		assert_int_equal(adminui_users_new(&users, lists[i], NULL, error), 0);
		assert_int_equal(adminui_users_new(&same, lists[i], NULL, error), 0);
		for (unsigned n = 0; n < 200; n++) {
			char name[16];
			struct text text = text_of(name, (size_t)snprintf(name, sizeof name, "nobody%u", n));
			const struct adminui_user *user = adminui_users_stand_in(users, text);

			assert_string_equal(adminui_users_stand_in(same, text)->name, user->name);
			chosen[user - users->at]++;
			if (i == 1)
				names_chosen[n] = user->name[0];
			else if (i == 2)
				changed += user->name[0] != names_chosen[n];
		}
		assert_int_equal(chosen[0] + chosen[1], 200);
		assert_true(i == 0 ? chosen[0] == 200 : chosen[0] > 50 && chosen[1] > 50);
		adminui_users_free(users);
		adminui_users_free(same);
	}
	assert_true(changed > 50); /* the choice depends on the hashes, and clients do not know the hashes */
}

static void
test_only_bcrypt_hashes_of_a_bearable_cost(void **state)
{
	static const char *const wrong[] = {"", "$", "$2b$04$",
		"$1$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFF",
		"$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2b$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2b$15$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2b$+4$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr:",
		"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrWW"};
	struct adminui_users *users;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char list[200];

		assert_false(adminui_is_hash(text_from(wrong[i])));
		(void)snprintf(list, sizeof list, "alice:%s", wrong[i]);
		assert_int_not_equal(adminui_users_new(&users, list, NULL, error), 0);
	}
	assert_true(adminui_is_hash(TEXT(HASH)));
	assert_int_not_equal(adminui_users_new(&users, NULL, "", error), 0);
	assert_int_not_equal(adminui_users_new(&users, ":" HASH, NULL, error), 0);
	assert_int_not_equal(adminui_users_new(&users, "a,b", NULL, error), 0);
}

/* ------------------------------------------------------------ guard, sessions */

static void
test_an_address_has_a_share_of_attempts(void **state)
{
	struct adminui_guard *guard = mem_zalloc(sizeof *guard);
	struct address a = address_of("192.0.2.1"), b = address_of("192.0.2.2");

	(void)state;
	for (unsigned i = 0; i < ADMINUI_ATTEMPTS; i++)
		assert_true(adminui_guard_admits(guard, &a, 1000 + i));
	assert_false(adminui_guard_admits(guard, &a, 1000 + ADMINUI_ATTEMPTS_MS - 1));
	assert_true(adminui_guard_admits(guard, &b, 1000));
	assert_true(adminui_guard_admits(guard, &a, 1000 + ADMINUI_ATTEMPTS_MS));
	for (unsigned i = 1; i < ADMINUI_ATTEMPTS; i++)
		assert_true(adminui_guard_admits(guard, &a, 1000 + ADMINUI_ATTEMPTS_MS));
	assert_false(adminui_guard_admits(guard, &a, 1000 + ADMINUI_ATTEMPTS_MS));
	adminui_guard_clear(guard, &a);
	assert_true(adminui_guard_admits(guard, &a, 1000 + ADMINUI_ATTEMPTS_MS));
	mem_free(guard);
}

static void
test_an_ipv6_network_is_one_address(void **state)
{
	struct adminui_guard *guard = mem_zalloc(sizeof *guard);
	struct address next = address_of("2001:db8:0:1::1");
	char text[64];

	(void)state;
	for (unsigned i = 0; i <= ADMINUI_ATTEMPTS; i++) {
		struct address a;

		(void)snprintf(text, sizeof text, "2001:db8::%x:1", i);
		a = address_of(text);
		assert_int_equal(adminui_guard_admits(guard, &a, 5), i < ADMINUI_ATTEMPTS);
	}
	assert_true(adminui_guard_admits(guard, &next, 5));
	mem_free(guard);
}

static void
test_the_guard_forgets_the_oldest_of_too_many(void **state)
{
	struct adminui_guard *guard = mem_zalloc(sizeof *guard);
	struct address a = address_of("192.0.2.1"), last = a;

	(void)state;
	for (unsigned i = 0; i < ADMINUI_ATTEMPTS; i++)
		assert_true(adminui_guard_admits(guard, &a, 1));
	for (unsigned i = 0; i < ADMINUI_GUARD_ADDRESSES; i++) {
		last.bytes[12] = (uint8_t)i;
		last.bytes[13] = 9;
		for (unsigned n = 0; n < ADMINUI_ATTEMPTS; n++)
			assert_true(adminui_guard_admits(guard, &last, 10 + i));
	}
	assert_false(adminui_guard_admits(guard, &last, 300));
	assert_true(adminui_guard_admits(guard, &a, 300));
	mem_free(guard);
}

static void
test_sessions_end_and_are_bounded(void **state)
{
	struct adminui_sessions *sessions = mem_zalloc(sizeof *sessions);
	struct sha256 digest = sha256_of(TEXT("first"), TEXT_NONE);

	(void)state;
	adminui_sessions_add(sessions, &digest, "alice", 1);
	assert_string_equal(adminui_sessions_find(sessions, TEXT("first"), ADMINUI_SESSION_MS), "alice");
	assert_null(adminui_sessions_find(sessions, TEXT("first"), ADMINUI_SESSION_MS + 1));
	assert_null(adminui_sessions_find(sessions, TEXT("firs"), 2));
	assert_null(adminui_sessions_find(sessions, TEXT_NONE, 2));
	for (unsigned i = 1; i <= ADMINUI_SESSIONS_MAX; i++) {
		char id[16];

		assert_int_equal(
			adminui_sessions_find(sessions, TEXT("first"), 2) != NULL, i <= ADMINUI_SESSIONS_MAX);
		digest = sha256_of(text_of(id, (size_t)snprintf(id, sizeof id, "%u", i)), TEXT_NONE);
		adminui_sessions_add(sessions, &digest, "bob", 1 + i);
	}
	assert_null(adminui_sessions_find(sessions, TEXT("first"), 2));
	assert_string_equal(adminui_sessions_find(sessions, TEXT("1"), 2), "bob");
	digest = sha256_of(TEXT("first"), TEXT_NONE);
	adminui_sessions_add(sessions, &digest, "alice", 2);
	adminui_sessions_end(sessions, "bob");
	assert_null(adminui_sessions_find(sessions, TEXT("2"), 2));
	assert_string_equal(adminui_sessions_find(sessions, TEXT("first"), 2), "alice");
	mem_free(sessions);
}

/* -------------------------------------------------------------------- bcrypt */

struct results {
	struct ev_loop *ev;
	unsigned count, wanted;
	uint64_t ticket[ADMINUI_BCRYPT_QUEUE];
	bool same[ADMINUI_BCRYPT_QUEUE];
};

static void
on_done(void *arg, uint64_t ticket, bool same)
{
	struct results *results = arg;

	results->ticket[results->count] = ticket;
	results->same[results->count++] = same;
	if (results->count == results->wanted)
		ev_break(results->ev, EVBREAK_ALL);
}

/* Keeps ev_run() from returning: a job in a thread alone does not. */
static void
on_late(struct ev_loop *ev, struct ev_timer *timer, int events)
{
	(void)ev;
	(void)timer;
	(void)events;
	fail_msg("no answer of the thread");
}

static void
test_passwords_are_compared_in_order(void **state)
{
	struct results results = {.ev = ev_loop_new(EVFLAG_AUTO), .wanted = 4};
	struct adminui_bcrypt *bcrypt = adminui_bcrypt_new(results.ev, on_done, &results);
	struct ev_timer late;
	char longest[ADMINUI_PASSWORD_MAX + 1];

	(void)state;
	memset(longest, 's', sizeof longest);
	assert_true(adminui_bcrypt_compare(bcrypt, 7, TEXT("secret"), HASH));
	assert_true(adminui_bcrypt_compare(bcrypt, 8, TEXT("Secret"), HASH));
	assert_true(adminui_bcrypt_compare(bcrypt, 9, TEXT("secret"), "$2y$05$" REST));
	assert_true(adminui_bcrypt_compare(bcrypt, 10, text_of(longest, ADMINUI_PASSWORD_MAX), HASH));
	assert_false(adminui_bcrypt_compare(bcrypt, 11, text_of(longest, ADMINUI_PASSWORD_MAX + 1), HASH));
	assert_false(adminui_bcrypt_compare(bcrypt, 11, text_of("secret\0x", 8), HASH));
	ev_timer_init(&late, on_late, 60., 0.);
	ev_timer_start(results.ev, &late);
	ev_run(results.ev, 0);
	ev_timer_stop(results.ev, &late);
	for (unsigned i = 0; i < results.wanted; i++) {
		assert_int_equal(results.ticket[i], 7 + i);
		assert_int_equal(results.same[i], i == 0);
	}
	adminui_bcrypt_free(bcrypt);
	ev_loop_destroy(results.ev);
}

static void
test_the_queue_is_bounded_and_can_be_left(void **state)
{
	struct results results = {.ev = ev_loop_new(EVFLAG_AUTO)};
	struct adminui_bcrypt *bcrypt = adminui_bcrypt_new(results.ev, on_done, &results);

	(void)state;
	for (unsigned i = 0; i < ADMINUI_BCRYPT_QUEUE; i++)
		assert_true(adminui_bcrypt_compare(bcrypt, i, TEXT("secret"), HASH));
	assert_false(adminui_bcrypt_compare(bcrypt, 99, TEXT("secret"), HASH));
	adminui_bcrypt_free(bcrypt);
	assert_int_equal(results.count, 0);
	ev_loop_destroy(results.ev);
	adminui_bcrypt_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_of_a_list),
		cmocka_unit_test(test_users_of_a_file),
		cmocka_unit_test(test_an_unknown_name_costs_as_much_as_some_user),
		cmocka_unit_test(test_only_bcrypt_hashes_of_a_bearable_cost),
		cmocka_unit_test(test_an_address_has_a_share_of_attempts),
		cmocka_unit_test(test_an_ipv6_network_is_one_address),
		cmocka_unit_test(test_the_guard_forgets_the_oldest_of_too_many),
		cmocka_unit_test(test_sessions_end_and_are_bounded),
		cmocka_unit_test(test_passwords_are_compared_in_order),
		cmocka_unit_test(test_the_queue_is_bounded_and_can_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
