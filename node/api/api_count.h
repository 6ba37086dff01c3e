/* Counts the answered requests of the HTTP API by path and status. */
#ifndef NODE_API_API_COUNT_H
#define NODE_API_API_COUNT_H

#include "common/base/buffer.h"

#define API_STATUSES(X) X(200) X(400) X(401) X(404) X(405) X(409) X(413) X(415) X(422) X(429) X(503)

enum api_path {
	API_PATH_EMIT,
	API_PATH_JOIN,
	API_PATH_LEAVE,
	API_PATH_DISCONNECT,
	API_PATH_SOCKETS,
	API_PATH_ROOMS,
	API_PATH_HISTORY,
	API_PATH_OTHER,
	API_PATHS
};

const char *api_path_name(enum api_path path); /* "other" for API_PATH_OTHER */
enum api_path api_path_of(struct text path);

struct api_counts {
	uint64_t requests[API_PATHS][16];
	uint64_t aborted; /* the client left before its answer */
	uint64_t replayed;
};

void api_count(struct api_counts *counts, enum api_path path, int status);
/* Appends the samples in the text format of Prometheus. If `counts` is NULL, it appends the heads only. */
void api_counts_write(const struct api_counts *counts, uint64_t running, uint64_t kept_bytes, uint64_t forgotten,
	struct buffer *out);
void api_counts_markdown(struct buffer *out);

#endif
