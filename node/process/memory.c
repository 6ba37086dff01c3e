#include "node/process/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

#define SHARE 2 /* one part of so many: the rest is for sessions, the application and the system */
#define BUDGET_LEAST (16u << 20)
#define PATH_BYTES 4096

/* The first number in a file; false: there is none, as with "max". */
static bool
read_number(const char *path, uint64_t *value)
{
	unsigned long long number;
	FILE *f = fopen(path, "re");
	bool found;

	if (!f)
		return false;
	found = fscanf(f, "%llu", &number) == 1;
	fclose(f);
	*value = found ? number : 0;
	return found;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Limits hold for the groups below too: the least on the way up to the mount. */
static uint64_t
group_limit(const char *root, const char *mount, struct text group, const char *file)
{
	char path[PATH_BYTES];
	uint64_t all = 0, one;

	for (;;) {
		int n = snprintf(path, sizeof path, "%s%s%.*s/%s", root, mount, (int)group.n, group.at, file);

		if (n > 0 && (size_t)n < sizeof path && read_number(path, &one))
			all = least(all, one);
		while (group.n > 0 && group.at[group.n - 1] != '/')
			group.n--;
		if (group.n == 0)
			return all;
		group.n--;
	}
}

/* A line of /proc/self/cgroup is "0::/group" (version 2) or "7:memory:/group" (version 1). */
static uint64_t
cgroup_limit(const char *root)
{
	char path[PATH_BYTES], line[PATH_BYTES];
	uint64_t all = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f)) {
		struct text rest = text_from(line), number, controllers, one;

		rest.n = strcspn(line, "\n");
		if (!text_cut(&rest, ':', &number) || !text_cut(&rest, ':', &controllers))
			continue;
		if (controllers.n == 0)
			all = least(all, group_limit(root, "/sys/fs/cgroup", rest, "memory.max"));
		while (text_cut(&controllers, ',', &one)) {
			if (text_is(one, TEXT("memory")))
				all = least(all,
					group_limit(root, "/sys/fs/cgroup/memory", rest, "memory.limit_in_bytes"));
		}
	}
	fclose(f);
	return all;
}

static uint64_t
machine_total(const char *root)
{
	char path[PATH_BYTES], line[256];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (kib == 0 && fgets(line, sizeof line, f)) {
		if (sscanf(line, "MemTotal: %llu kB", &kib) != 1)
			kib = 0;
	}
	fclose(f);
	return kib * 1024;
}

uint64_t
memory_of_machine(const char *root)
{
	return least(machine_total(root), cgroup_limit(root));
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
