/* What is wrong with a request, as its answer says it. */
#ifndef NODE_API_API_FAULT_H
#define NODE_API_API_FAULT_H

#include "common/base/buffer.h"

#define API_FAULT_TEXT 256

struct api_fault {
	int status;	  /* of HTTP */
	const char *code; /* a word for programs; static */
	char field[64];	  /* of the body, or parameter; "": none. Cut if longer */
	char message[API_FAULT_TEXT];
};

/* Fills it, and returns false: for readers that end with it. */
bool api_fault(struct api_fault *f, int status, const char *code, struct text field, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Appends {"error":{"code","field","message"}}. */
void api_fault_write(const struct api_fault *f, struct buffer *out);

#endif
