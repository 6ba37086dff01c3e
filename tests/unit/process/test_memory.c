/* The machine's memory and the limits of cgroups, read from files in a directory of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/process/memory.h"

#define GIB (UINT64_C(1) << 30)

static char root[] = "/tmp/sockeye-memory-XXXXXX";

static void
write_file(const char *name, const char *content)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s%s", root, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

static int
start(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int
stop(void **state)
{
	char command[512];

	(void)state;
	snprintf(command, sizeof command, "rm -r '%s'", root);
	return system(command);
}

static void
test_unreadable_files_mean_no_limit(void **state)
{
	(void)state;
	assert_int_equal(memory_of_machine(root), 0);
}

static void
test_machine(void **state)
{
	(void)state;
	write_file("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n");
	assert_int_equal(memory_of_machine(root), 16 * GIB);
}

static void
test_cgroup_version_2(void **state)
{
	(void)state;
	write_file("/proc/self/cgroup", "0::/system.slice/sockeye.service\n");
	write_file("/sys/fs/cgroup/system.slice/sockeye.service/memory.max", "max\n");
	assert_int_equal(memory_of_machine(root), 16 * GIB);
	write_file("/sys/fs/cgroup/system.slice/memory.max", "4294967296\n"); /* the limit of the slice above */
	assert_int_equal(memory_of_machine(root), 4 * GIB);
	write_file("/sys/fs/cgroup/system.slice/sockeye.service/memory.max", "2147483648\n");
	assert_int_equal(memory_of_machine(root), 2 * GIB);
	/* a container sees its own group as the root */
	write_file("/proc/self/cgroup", "0::/\n");
	write_file("/sys/fs/cgroup/memory.max", "1073741824\n");
	assert_int_equal(memory_of_machine(root), GIB);
}

static void
test_cgroup_version_1(void **state)
{
	(void)state;
	write_file("/proc/self/cgroup", "8:cpu,cpuacct:/x\n7:hugetlb,memory:/docker/abc\n0::/\n");
	write_file("/sys/fs/cgroup/memory.max", "max\n");
	write_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
	write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes",
		"9223372036854771712\n"); /* the notation of "no limit" */
	assert_int_equal(memory_of_machine(root), GIB / 2);
	write_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(memory_of_machine(root), 16 * GIB);
}

static void
test_budget_is_shared_by_the_workers(void **state)
{
	uint64_t all = memory_of_machine("");

	(void)state;
	assert_true(all > 0);
	assert_int_equal(memory_budget(12345, 4), 12345);
	assert_int_equal(memory_budget(0, 1), all / 2);
	assert_int_equal(memory_budget(0, 2), all / 4);
	assert_int_equal(memory_budget(0, 1000000), 16 << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreadable_files_mean_no_limit),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_cgroup_version_2),
		cmocka_unit_test(test_cgroup_version_1),
		cmocka_unit_test(test_budget_is_shared_by_the_workers),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
