/* The options of the HTTP API. Their rows are in process_options.c. */
#ifndef NODE_API_API_OPTIONS_H
#define NODE_API_API_OPTIONS_H

#include <stdint.h>

struct api_options {
	char *keys;		    /* separated by commas; without keys and key_file there is no API */
	char *key_file;		    /* see api_keys.h */
	uint64_t max_body;	    /* bytes of the body of a request */
	uint64_t max_requests;	    /* under way at the same time */
	uint64_t idempotency_time;  /* ms for which an answer is kept */
	uint64_t idempotency_bytes; /* bytes of all kept answers */
};

#endif
