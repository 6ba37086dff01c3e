/*
 * Selects the clients whose debug lines are logged, by a filter such as "sid=Ab3-x_Qz", "address=192.0.2.7" or
 * "namespace=/chat". If several are given, separated by commas, all must match: "address=192.0.2.7,namespace=/chat".
 * An address may be written in any form, and the slash of a namespace may be omitted. The filter applies to the whole
 * process.
 */
#ifndef COMMON_IO_LOG_FILTER_H
#define COMMON_IO_LOG_FILTER_H

#include "common/io/log.h"

#define LOG_FILTER_MAX 256 /* maximum bytes, with the NUL */

/* The subject of a line. TEXT_NONE: unknown or not applicable; a filter of that kind then does not match. */
struct log_subject {
	struct text sid, address, nsp;
};

/* bytes of a sid that are logged: a sid is secret, and its beginning suffices to tell clients apart */
#define LOG_SID_SHOWN 8

/*
 * Sets the filter; NULL or "" lets everything pass. Returns 0, or ERROR_ARGUMENT if the filter is malformed, in which
 * case the old one stays.
 */
int log_filter_set(const char *filter);
int log_filter_check(const char *filter); /* checks a filter without setting it */

/*
 * Returns true if the subject passes the filter. A filter may give only the beginning of a sid, at least
 * LOG_SID_SHOWN bytes.
 */
bool log_filter_passes(const struct log_subject *about);

/* Returns the part of a sid that may be logged. */
static inline struct text
log_sid(struct text sid)
{
	return text_of(sid.at, sid.n < LOG_SID_SHOWN ? sid.n : LOG_SID_SHOWN);
}

#endif
