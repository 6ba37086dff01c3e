/* What can be set of the HTTP API; its rows are among the program's (process_options.c). */
#ifndef NODE_API_API_OPTIONS_H
#define NODE_API_API_OPTIONS_H

#include <stdint.h>

struct api_options {
	char *keys;		    /* between commas; with key_file NULL too: there is no API */
	char *key_file;		    /* see api_keys.h */
	uint64_t max_body;	    /* bytes of a request's */
	uint64_t max_requests;	    /* under way at once */
	uint64_t idempotency_time;  /* ms that an answer is kept for */
	uint64_t idempotency_bytes; /* of all answers kept */
};

#endif
