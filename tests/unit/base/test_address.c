/* Addresses and networks. The expected results for networks were compared with proxy-addr of npm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/address.h"
#include "common/base/error.h"

static void
test_addresses(void **state)
{
	static const char *const good[] = {
		"192.0.2.1", "0.0.0.0", "::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"};
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4%eth0",
		"1.2.3.4%:", "1.2.3.4 ", "[::1]", "::1::", "2001:db8", "%", "unknown",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999",
		"00000000000000000000000000000000000000000000000000000000000000000000:"};
	struct address a, b;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(address_read(text_from(good[i]), &a));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(address_read(text_from(bad[i]), &a));
	assert_false(address_read(TEXT_NONE, &a));
	assert_false(address_read(TEXT("1.2.3.4\0"), &a));
	assert_true(address_read(TEXT("192.0.2.1"), &a) && address_read(TEXT("::ffff:c000:201"), &b));
	assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
}

static void
test_networks(void **state)
{
	static const struct {
		const char *network, *address;
		int result;
		bool has;
	} rows[] = {
		{"10.0.0.0/8", "10.255.1.2", 0, true},
		{"10.0.0.0/8", "::ffff:10.1.2.3", 0, true},
		{"10.0.0.0/8", "11.0.0.0", 0, false},
		{"10.0.0.0/8", "::a00:1", 0, false},
		{"10.1.2.3/8", "10.9.9.9", 0, true},
		{"10.0.0.0/255.0.0.0", "10.9.9.9", 0, true},
		{"10.0.0.0/255.240.0.0", "10.15.0.1", 0, true},
		{"10.0.0.0/255.240.0.0", "10.16.0.1", 0, false},
		{"192.0.2.1", "192.0.2.1", 0, true},
		{"192.0.2.1/32", "192.0.2.2", 0, false},
		{"192.0.2.0/31", "192.0.2.1", 0, true},
		{"::ffff:192.0.2.1", "192.0.2.1", 0, true},
		{"::ffff:192.0.2.0/127", "192.0.2.1", 0, true},
		{"fc00::/7", "fd12::1", 0, true},
		{"fc00::/7", "fe00::1", 0, false},
		{"fe80::/10", "febf::1", 0, true},
		{"2001:db8::/128", "2001:db8::", 0, true},
		{"2001:db8::1", "2001:db8::2", 0, false},
		{"::/1", "1::1", 0, true},
		{"::/1", "192.0.2.1", 0, false},
		{"::ffff:10.0.0.0/104", "10.1.2.3", 0, true},
		{"::ffff:0:0/96", "192.0.2.1", 0, true},
		{"::ffff:0:0/96", "::1", 0, false},
		{"::ffff:10.0.0.0/8", NULL, ERROR_ARGUMENT, false},
		{"::ffff:0:0/95", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/0", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/33", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/-1", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/8/8", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/255.0.255.0", NULL, ERROR_ARGUMENT, false},
		{"10.0.0.0/0.0.0.0", NULL, ERROR_ARGUMENT, false},
		{"fc00::/129", NULL, ERROR_ARGUMENT, false},
		{"fc00::/ffff::", NULL, ERROR_ARGUMENT, false},
		{"10.0.0/8", NULL, ERROR_SYNTAX, false},
		{"/8", NULL, ERROR_SYNTAX, false},
		{"", NULL, ERROR_SYNTAX, false},
	};
	struct network n;
	struct address a;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (network_read(text_from(rows[i].network), &n) != rows[i].result)
			fail_msg("%s", rows[i].network);
		if (rows[i].result != 0)
			continue;
		assert_true(address_read(text_from(rows[i].address), &a));
		if (network_has(&n, &a) != rows[i].has)
			fail_msg("%s in %s", rows[i].address, rows[i].network);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
