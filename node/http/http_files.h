/*
 * Static files below one directory: types, strong ETag, Last-Modified, conditional requests (http_condition.h), HEAD,
 * index.html for directories (a missing trailing slash is redirected), no way out of the directory (also not by
 * symbolic link), no dotfiles. Range is ignored, as RFC 9110 14.2 allows. Files beyond
 * 256 KiB are streamed as the client takes them, never compressed; the compressed forms of the others are kept
 * (http_packed.h).
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

#endif
