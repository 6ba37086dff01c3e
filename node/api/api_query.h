/* The query string of a GET from /api/...: pure, and as strict as api_command.h. */
#ifndef NODE_API_API_QUERY_H
#define NODE_API_API_QUERY_H

#include "node/api/api_fault.h"

#define API_LIMIT_MAX 10000
#define API_LIMIT_INITIAL 1000
#define API_QUERY_ROOMS 64

enum api_part { API_PART_ROOMS = 1, API_PART_DATA = 2, API_PART_HANDSHAKE = 4, API_PARTS_ALL = 7 };

struct api_query {
	struct text nsp;
	struct text rooms[API_QUERY_ROOMS];
	unsigned room_count; /* 0: every socket of the namespace */
	struct text after;   /* the cursor: names after this one are listed; empty: from the beginning */
	unsigned limit;
	unsigned parts; /* details of a socket beside its id */
	bool counts;	/* list the number of sockets in each room */
	char *plain;	/* private: holds the texts */
};

/*
 * Reads the query of /api/sockets (`sockets`), which takes rooms and fields, or of /api/rooms, which takes counts.
 * Returns false if it is malformed; then `fault` says why, and `query` is empty.
 */
bool api_query_read(struct api_query *query, bool sockets, struct text string, struct api_fault *fault);
void api_query_fini(struct api_query *query);

#endif
