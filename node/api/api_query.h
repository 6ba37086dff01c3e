/* Parser for the query string of a GET or DELETE of /api/... The code is pure, and as strict as api_command.h. */
#ifndef NODE_API_API_QUERY_H
#define NODE_API_API_QUERY_H

#include "broker/history.h"
#include "node/api/api_fault.h"

#define API_LIMIT_MAX 10000
#define API_LIMIT_INITIAL 1000
#define API_QUERY_ROOMS 64

/* The resource of a query. Each accepts its own parameters. */
enum api_list { API_LIST_SOCKETS, API_LIST_ROOMS, API_LIST_HISTORY, API_LIST_REMOVAL };

enum api_part { API_PART_ROOMS = 1, API_PART_DATA = 2, API_PART_HANDSHAKE = 4, API_PARTS_ALL = 7 };

struct api_query {
	struct text nsp;
	struct text rooms[API_QUERY_ROOMS];
	unsigned room_count; /* 0: every socket of the namespace */
	struct text after;   /* the cursor: lists names after this one; empty: from the beginning */
	unsigned limit;
	unsigned parts; /* details of a socket beside its id */
	bool counts;	/* list the number of sockets in each room */
	/* API_LIST_HISTORY: as in struct history_query; zeroed if the parameter is missing */
	struct history_id before_id, after_id;
	struct history_id id; /* API_LIST_REMOVAL: the event; zeroed: all events of the room */
	bool all;
	char *plain; /* private: holds the texts */
};

/*
 * Reads a query string for `list`. A history needs exactly one room, and a removal also an id or all=true. Returns
 * false if the query is malformed; then `fault` has the reason, and `query` is empty.
 */
bool api_query_read(struct api_query *query, enum api_list list, struct text string, struct api_fault *fault);
void api_query_fini(struct api_query *query);

#endif
