/*
 * Static files below one directory: types, strong ETag, Last-Modified, conditional requests (http_condition.h), HEAD,
 * index.html for directories (a missing trailing slash is redirected), no way out of the directory (also not by
 * symbolic link), no dotfiles. Range is ignored, as RFC 9110 14.2 allows. Files beyond
 * 256 KiB are streamed as the client takes them, never compressed; the compressed forms of the others are kept
 * (http_coding.h).
 */
#ifndef NODE_HTTP_HTTP_FILES_H
#define NODE_HTTP_HTTP_FILES_H

#include "node/http/http.h"

struct http_files;

/* Opens the directory. ERROR_SYSTEM with `error` (256 bytes): one clear line. */
int http_files_open(struct http_files **out, const char *directory, char *error);
void http_files_free(struct http_files *f); /* accepts NULL */

/* Answers the request, with 404 where there is no such file, 405 for methods other than GET and HEAD. */
void http_files_handle(struct http_files *f, struct http_request *r);

/* The same if there is such a file, or a directory with an index.html; false, and no answer, if somebody else may
 * have one. */
bool http_files_offer(struct http_files *f, struct http_request *r);

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
