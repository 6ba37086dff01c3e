/*
 * Which clients the lines of level debug are about: a filter such as "sid=Ab3-x_Qz", "address=192.0.2.7" or
 * "namespace=/chat", or several of them, all of which must hold: "address=192.0.2.7,namespace=/chat". An address may
 * be written in any form, the slash of a namespace be left out. Process-wide.
 */
#ifndef COMMON_IO_LOG_FILTER_H
#define COMMON_IO_LOG_FILTER_H

#include "common/io/log.h"

#define LOG_FILTER_MAX 256 /* bytes, with its NUL */

/* What a line is about; TEXT_NONE: unknown, or nothing of that kind, which no filter of that kind lets pass. */
struct log_subject {
	struct text sid, address, nsp;
};

#define LOG_SID_SHOWN 8 /* of a sid, which is a secret: enough to tell clients apart */

/* 0, or ERROR_ARGUMENT: it has another form, and the old one stays. NULL and "": all pass. */
int log_filter_set(const char *filter);
int log_filter_check(const char *filter); /* the same, without setting it */

/* A sid passes with its first bytes too, at least LOG_SID_SHOWN of them. */
bool log_filter_passes(const struct log_subject *about);

static inline struct text
log_sid(struct text sid)
{
	return text_of(sid.at, sid.n < LOG_SID_SHOWN ? sid.n : LOG_SID_SHOWN);
}

#endif
