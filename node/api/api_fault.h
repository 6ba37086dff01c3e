/* Why a request is refused, as its answer says it. */
#ifndef NODE_API_API_FAULT_H
#define NODE_API_API_FAULT_H

#include "common/base/buffer.h"

#define API_FAULT_TEXT 256

struct api_fault {
	int status;	  /* HTTP status */
	const char *code; /* a word for programs; static */
	char field[64];	  /* field of the body, or parameter; "" if none; a longer name is cut */
	char message[API_FAULT_TEXT];
};

/* Fills `fault` and returns false, so that a reader can return the result. */
bool api_fault(struct api_fault *fault, int status, const char *code, struct text field, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Appends {"error":{"code","field","message"}}. */
void api_fault_write(const struct api_fault *fault, struct buffer *out);

#endif
