/* Reads the answer to INFO: lines of the form "<key>:<value>". Pure; the bytes are untrusted. */
#ifndef BROKER_SERVER_INFO_H
#define BROKER_SERVER_INFO_H

#include <string.h>

#include "common/base/text.h"

/* Returns the value after `key`, which ends with a colon, or TEXT_NONE. */
static inline struct text
server_info_value(struct text info, struct text key)
{
	const char *at = info.n > 0 ? memmem(info.at, info.n, key.at, key.n) : NULL;
	size_t n = 0;

	if (at == NULL)
		return TEXT_NONE;
	at += key.n;
	while (at + n < info.at + info.n && at[n] != '\r' && at[n] != '\n')
		n++;
	return text_of(at, n);
}

#endif
