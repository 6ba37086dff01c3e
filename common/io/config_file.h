/*
 * A configuration file with the files that it includes, as a list of settings. config_line.h describes the lines.
 *
 *   include = conf.d/NAME.conf
 *
 * reads other files at this place. A path that does not begin with / is relative to the folder of the including file.
 * A pattern stands for all files that match it, in alphabetical order; it may match no file.
 */
#ifndef COMMON_IO_CONFIG_FILE_H
#define COMMON_IO_CONFIG_FILE_H

#include <stddef.h>

#include "common/base/config_line.h"

#define CONFIG_FILE_MAX (1 << 20) /* bytes of one file */
#define CONFIG_FILES_MAX 64	  /* files, with those that are included */
#define CONFIG_DEPTH_MAX 8	  /* of files that include files */
#define CONFIG_SETTINGS_MAX 4096  /* of all files */
#define CONFIG_PATH_MAX 1024	  /* bytes of a path, with its NUL */
#define CONFIG_ERROR_MAX (OPTION_ERROR_MAX + CONFIG_PATH_MAX + 32)

struct config_setting {
	char *name, *value;
	const char *file; /* equal pointers: the same file, read once */
	unsigned line;
};

struct config_files {
	struct config_setting *settings; /* in the order in which they were read */
	size_t count;
	char *paths[CONFIG_FILES_MAX];
	unsigned path_count;
};

/* Called for each mistake. `error` is one line: "FILE:LINE: what is wrong", or "cannot open ...". */
struct config_listener {
	void (*on_mistake)(void *arg, const char *error);
	void *arg;
};

/*
 * Reads the file and the files that it includes. A mistake is reported, and the rest of the files is read all the
 * same. The list is on the heap and owned by the caller.
 */
struct config_files *config_files_read(const char *path, const struct config_listener *listener);
void config_files_free(struct config_files *files); /* accepts NULL; overwrites the values, which may be secrets */

#endif
