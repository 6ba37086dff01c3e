/*
 * Serves static files below one directory: media types, strong ETag, Last-Modified, conditional requests
 * (http_condition.h), HEAD, and index.html for a directory (a missing trailing slash is redirected). Paths cannot
 * leave the directory, not even through a symbolic link. Dotfiles are not served. Range is ignored, as RFC 9110 14.2
 * allows. A file larger than 256 KiB is streamed at the pace of the client and is not compressed; the compressed
 * forms of smaller files are cached (http_coding.h).
 */
#ifndef NODE_HTTP_HTTP_FILES_H
#define NODE_HTTP_HTTP_FILES_H

#include "node/http/http.h"

struct http_files;

/* Opens the directory. ERROR_SYSTEM: `error` (256 bytes) receives one line with the reason. */
int http_files_open(struct http_files **out, const char *directory, char *error);
void http_files_free(struct http_files *files); /* accepts NULL */

/* Answers the request; with 404 if there is no such file, with 405 if the method is neither GET nor HEAD. */
void http_files_handle(struct http_files *files, struct http_request *r);

/*
 * As http_files_handle() if the path names a file, or a directory with an index.html. Otherwise returns false without
 * a reply, so that the caller can try other handlers.
 */
bool http_files_offer(struct http_files *files, struct http_request *r);

#define HTTP_PATH_MAX 1024 /* size of a decoded path, including its NUL; longer paths are not found */

/*
 * Decodes a path: "/a/b%20c" becomes "a/b c", "/" becomes "". A trailing "/" is kept. Returns the length.
 * ERROR_SYNTAX: ".", "..", a name that begins with a dot, an empty name, a malformed escape; NUL, a control character
 * or "\", escaped or not; an escaped "/". ERROR_TOO_BIG.
 */
int http_path_decode(struct text path, char out[HTTP_PATH_MAX]);

/*
 * Opens `name` (from http_path_decode()) below `directory` for reading. Symbolic links are followed if they stay
 * inside; on a kernel without openat2() they are never followed. Returns the fd or ERROR_NOT_FOUND.
 */
int http_path_open(int directory, const char *name);

/* The implementation of http_path_open() for a kernel without openat2(). */
int http_path_open_by_steps(int directory, const char *name);

#endif
