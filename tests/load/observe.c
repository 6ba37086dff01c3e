#include "tests/load/observe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#define FILE_MAX 8192	    /* bytes of the files read here; the largest, /proc/meminfo, has 1.5 KB */
#define SCAN_MAX (1u << 22) /* the largest number of processes that Linux allows (PID_MAX_LIMIT) */

struct process {
	pid_t pid, parent;
	char state;	       /* 'Z': ended, and its parent has not waited for it */
	uint64_t user, system; /* clock ticks, waited-for children included */
	bool taken;
};

/* All processes of the machine, sorted by parent. */
struct scan {
	struct process *all;
	unsigned n, size;
};

/* Reads a small file of /proc as a NUL-terminated text. Returns its length, or -1 with errno set. */
static ssize_t
read_file(const char *path, char out[FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), failed = 0;
	size_t len = 0;

	if (fd < 0)
		return -1;
	while (len < FILE_MAX - 1) {
		ssize_t n = read(fd, out + len, FILE_MAX - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			failed = errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	out[len] = '\0';
	errno = failed;
	return failed ? -1 : (ssize_t)len;
}

/* Reads the number after `name` ("Pss:") at the start of a line; false if there is no such line. */
static bool
find_line(const char *file, const char *name, uint64_t *value)
{
	size_t n = strlen(name);

	for (const char *line = file; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, name, n) == 0) {
			*value = strtoull(line + n, NULL, 10);
			return true;
		}
	}
	return false;
}

/* proc(5): the name stands in parentheses, and may contain blanks and parentheses. */
static bool
read_stat(const char *name, struct process *p)
{
	char path[64], file[FILE_MAX];
	const char *rest;
	unsigned long user, system;
	long children_user, children_system;

	snprintf(path, sizeof path, "/proc/%.20s/stat", name);
	if (read_file(path, file) < 0)
		return false;
	rest = strrchr(file, ')');
	if (!rest || sscanf(rest, ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &p->state,
			     &p->parent, &user, &system, &children_user, &children_system) != 6)
		return false;
	p->pid = (pid_t)strtol(name, NULL, 10);
	p->user = user + (uint64_t)children_user;
	p->system = system + (uint64_t)children_system;
	p->taken = false;
	return true;
}

static int
by_parent(const void *a, const void *b)
{
	pid_t x = ((const struct process *)a)->parent, y = ((const struct process *)b)->parent;

	return x < y ? -1 : x > y;
}

static int
scan_all(struct scan *scan)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	*scan = (struct scan){0};
	if (!dir)
		return ERROR_SYSTEM;
	while (scan->n < SCAN_MAX && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (scan->n == scan->size) {
			scan->size = scan->size > 0 ? scan->size * 2 : 256;
			scan->all = mem_realloc(scan->all, scan->size * sizeof *scan->all);
		}
		if (read_stat(entry->d_name, &scan->all[scan->n])) /* false if it has ended meanwhile */
			scan->n++;
	}
	closedir(dir);
	if (scan->n > 0)
		qsort(scan->all, scan->n, sizeof *scan->all, by_parent);
	return 0;
}

static struct process *
scan_find(const struct scan *scan, pid_t pid)
{
	for (unsigned i = 0; i < scan->n; i++)
		if (scan->all[i].pid == pid && scan->all[i].state != 'Z')
			return &scan->all[i];
	return NULL;
}

/* The index of a process's first child; the other children follow it. */
static unsigned
scan_children(const struct scan *scan, pid_t parent)
{
	unsigned low = 0, high = scan->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (scan->all[middle].parent < parent)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Adds a process's proportional memory. Returns 0, also if the process has ended meanwhile, or ERROR_SYSTEM. */
static int
sum_memory(pid_t pid, struct observed *out)
{
	char path[64], file[FILE_MAX];
	uint64_t pss, anonymous;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	if (read_file(path, file) < 0)
		return errno == EACCES || errno == EPERM ? ERROR_SYSTEM : 0;
	if (find_line(file, "Pss:", &pss))
		out->memory += pss * 1024;
	/* Linux reports Pss_Anon since 5.4 */
	if (find_line(file, "Pss_Anon:", &anonymous) || find_line(file, "Anonymous:", &anonymous))
		out->anonymous += anonymous * 1024;
	return 0;
}

static int
queue_process(struct process *p, struct process **queue, unsigned *length)
{
	if (p->taken)
		return 0;
	if (*length == OBSERVE_PROCESSES_MAX)
		return ERROR_TOO_MANY;
	p->taken = true;
	queue[(*length)++] = p;
	return 0;
}

/* Fills `queue` with the processes and their descendants. */
static int
queue_families(const struct scan *scan, const pid_t *pids, unsigned n, struct process **queue, unsigned *length,
	pid_t *missing)
{
	int gone = 0, result = 0;

	for (unsigned i = 0; i < n && result == 0; i++) {
		struct process *p = scan_find(scan, pids[i]);

		if (p) {
			result = queue_process(p, queue, length);
		} else if (gone == 0) {
			gone = ERROR_NOT_FOUND;
			if (missing)
				*missing = pids[i];
		}
	}
	for (unsigned at = 0; at < *length && result == 0; at++) {
		unsigned child = scan_children(scan, queue[at]->pid);

		for (; child < scan->n && scan->all[child].parent == queue[at]->pid && result == 0; child++)
			result = queue_process(&scan->all[child], queue, length);
	}
	return result < 0 ? result : gone;
}

int
observe_processes(const pid_t *pids, unsigned n, struct observed *out, pid_t *missing)
{
	struct process **queue = mem_alloc(OBSERVE_PROCESSES_MAX * sizeof(struct process *));
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	unsigned length = 0;
	bool refused = false;
	struct scan scan;
	int result;

	*out = (struct observed){0};
	result = scan_all(&scan);
	if (result == 0)
		result = queue_families(&scan, pids, n, queue, &length, missing);
	for (unsigned i = 0; i < length; i++) {
		out->user_seconds += (double)queue[i]->user * tick;
		out->system_seconds += (double)queue[i]->system * tick;
		if (queue[i]->state == 'Z')
			continue;
		out->processes++;
		if (!refused && sum_memory(queue[i]->pid, out) < 0)
			refused = true;
	}
	if (refused) {
		out->memory = out->anonymous = 0;
		result = result < 0 ? result : ERROR_SYSTEM;
	}
	mem_free(scan.all);
	mem_free(queue);
	return result;
}

void
observe_kernel(struct observed_kernel *out)
{
	char file[FILE_MAX];
	const char *pages;
	uint64_t kib;

	*out = (struct observed_kernel){0};
	/* "TCP: inuse 3 orphan 0 tw 581 alloc 3 mem 12": mem counts pages, and includes IPv6 */
	if (read_file("/proc/net/sockstat", file) >= 0) {
		const char *line = strstr(file, "TCP: ");

		pages = line ? strstr(line, " mem ") : NULL;
		if (pages)
			out->buffers = strtoull(pages + 5, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	if (read_file("/proc/meminfo", file) >= 0 && find_line(file, "Slab:", &kib))
		out->slab = kib * 1024;
}

double
observe_own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int
observe_parse_pids(const char *text, pid_t pids[OBSERVE_PIDS_MAX])
{
	struct text rest = text_from(text), part;
	unsigned n = 0;

	if (text_ends(rest, TEXT(",")))
		return ERROR_ARGUMENT;
	while (text_cut(&rest, ',', &part)) {
		uint64_t pid;
		bool known = false;

		if (text_number(text_trim(part), INT_MAX, &pid) < 0 || pid == 0)
			return ERROR_ARGUMENT;
		for (unsigned i = 0; i < n; i++)
			known = known || pids[i] == (pid_t)pid;
		if (known)
			continue;
		if (n == OBSERVE_PIDS_MAX)
			return ERROR_ARGUMENT;
		pids[n++] = (pid_t)pid;
	}
	return n > 0 ? (int)n : ERROR_ARGUMENT;
}
