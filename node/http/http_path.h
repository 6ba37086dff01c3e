/*
 * From the path of a request to the relative name of a file, decoded and
 * checked: what could lead out of a directory, name a hidden file or be read in two ways
 * is refused. And the opening of such a name below a directory. Private to node/http.
 */
#ifndef NODE_HTTP_HTTP_PATH_H
#define NODE_HTTP_HTTP_PATH_H

#include "common/base/text.h"

#define HTTP_PATH_MAX 1024 /* decoded, with its NUL; longer names are not found */

/*
 * "/a/b%20c" becomes "a/b c", "/" becomes "". A trailing "/" stays. Returns the length, ERROR_SYNTAX for "..", ".",
 * names that begin with a dot, empty names, broken escapes, and (escaped or not) NUL, controls, "\" and escaped "/";
 * ERROR_TOO_BIG.
 */
int http_path_decode(struct text path, char out[HTTP_PATH_MAX]);

/*
 * Opens `name` (from http_path_decode()) for reading below `directory`; symbolic links are followed as long as they
 * stay inside (where the kernel has no openat2(): never). Returns the fd or ERROR_NOT_FOUND.
 */
int http_path_open(int directory, const char *name);

/* What it does where the kernel has no openat2(). */
int http_path_open_by_steps(int directory, const char *name);

#endif
