#include "node/process/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

#define SHARE 2 /* clients get one part of this many; the rest is for sessions, the application and the system */
#define BUDGET_LEAST (16u << 20)
#define PATH_BYTES 4096

/* Reads the first number in a file. Returns false if the file has no number ("max"). */
static bool
file_read_number(const char *path, uint64_t *value)
{
	unsigned long long number;
	FILE *file = fopen(path, "re");
	bool found;

	if (!file)
		return false;
	found = fscanf(file, "%llu", &number) == 1;
	fclose(file);
	*value = found ? number : 0;
	return found;
}

static uint64_t
lesser_limit(uint64_t first, uint64_t second)
{
	return first == 0 || (second != 0 && second < first) ? second : first;
}

/* A group's limit also holds for the groups below it. Returns the least limit on the way up to the mount, or 0. */
static uint64_t
cgroup_group_limit(const char *root, const char *mount, struct text group, const char *file)
{
	char path[PATH_BYTES];
	uint64_t limit = 0, one;

	for (;;) {
		int n = snprintf(path, sizeof path, "%s%s%.*s/%s", root, mount, (int)group.n, group.at, file);

		if (n > 0 && (size_t)n < sizeof path && file_read_number(path, &one))
			limit = lesser_limit(limit, one);
		while (group.n > 0 && group.at[group.n - 1] != '/')
			group.n--;
		if (group.n == 0)
			return limit;
		group.n--;
	}
}

/* Finds the group in /proc/self/cgroup: lines are "0::/group" (version 2) or "7:memory:/group" (version 1). */
static uint64_t
cgroup_limit(const char *root)
{
	char path[PATH_BYTES], line[PATH_BYTES];
	uint64_t limit = 0;
	FILE *file;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof line, file)) {
		struct text rest = text_from(line), number, controllers, one;

		rest.n = strcspn(line, "\n");
		if (!text_cut(&rest, ':', &number) || !text_cut(&rest, ':', &controllers))
			continue;
		if (controllers.n == 0)
			limit = lesser_limit(limit, cgroup_group_limit(root, "/sys/fs/cgroup", rest, "memory.max"));
		while (text_cut(&controllers, ',', &one)) {
			if (text_is(one, TEXT("memory")))
				limit = lesser_limit(limit, cgroup_group_limit(root, "/sys/fs/cgroup/memory", rest,
								    "memory.limit_in_bytes"));
		}
	}
	fclose(file);
	return limit;
}

static uint64_t
machine_total(const char *root)
{
	char path[PATH_BYTES], line[256];
	unsigned long long kib = 0;
	FILE *file;

	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (kib == 0 && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemTotal: %llu kB", &kib) != 1)
			kib = 0;
	}
	fclose(file);
	return kib * 1024;
}

uint64_t
memory_of_machine(const char *root)
{
	return lesser_limit(machine_total(root), cgroup_limit(root));
}

uint64_t
memory_budget(uint64_t wanted, unsigned workers)
{
	uint64_t all;

	if (wanted != 0)
		return wanted;
	all = memory_of_machine("");
	if (all == 0)
		return UINT64_MAX;
	all /= SHARE * (uint64_t)(workers > 0 ? workers : 1);
	return all > BUDGET_LEAST ? all : BUDGET_LEAST;
}
