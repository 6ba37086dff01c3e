/* A directory for one test, and the small files and commands that the test needs in it. */
#ifndef TESTS_UNIT_PROCESS_SCRATCH_H
#define TESTS_UNIT_PROCESS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char dir[64];
	char path[4][128]; /* the last four results of scratch_path() */
	unsigned used;
};

static inline void
scratch_init(struct scratch *s)
{
	memset(s, 0, sizeof *s);
	snprintf(s->dir, sizeof s->dir, "/tmp/sockeye-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
}

static inline void
scratch_fini(struct scratch *s)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
	assert_int_equal(system(command), 0);
}

static inline const char *
scratch_path(struct scratch *s, const char *name)
{
	char *path = s->path[s->used++ % 4];

	size_t dir = strlen(s->dir), n = strlen(name);

	assert_true(dir + 1 + n < sizeof s->path[0]);
	memcpy(path, s->dir, dir);
	path[dir] = '/';
	memcpy(path + dir + 1, name, n + 1);
	return path;
}

static inline const char *
scratch_write(struct scratch *s, const char *name, const char *content)
{
	const char *path = scratch_path(s, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, strlen(content), f), strlen(content));
	assert_int_equal(fclose(f), 0);
	return path;
}

/* Runs a shell command in the directory. */
static inline void
scratch_run(struct scratch *s, const char *what)
{
	char command[1024];

	snprintf(command, sizeof command, "cd '%s' && %s", s->dir, what);
	assert_int_equal(system(command), 0);
}

#endif
