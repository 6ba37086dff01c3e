/*
 * The one table of error numbers. Functions that return int give 0 or a
 * count on success and one of these (always negative) on failure. Parsers
 * give > 0 consumed, 0 "need more bytes", < 0 one of these.
 */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

/*        name           text */
#define ERROR_TABLE(X)                                                                                               \
	X(ERR_SYNTAX, "malformed input")                                                                             \
	X(ERR_TOO_BIG, "larger than the limit")                                                                      \
	X(ERR_TOO_MANY, "more items than the limit")                                                                 \
	X(ERR_TOO_DEEP, "nested deeper than the limit")                                                              \
	X(ERR_UTF8, "text is not valid UTF-8")                                                                       \
	X(ERR_UNSUPPORTED, "not supported")                                                                          \
	X(ERR_NOT_FOUND, "not found")                                                                                \
	X(ERR_EXISTS, "exists already")                                                                              \
	X(ERR_ARGUMENT, "wrong argument")                                                                            \
	X(ERR_STATE, "not possible in this state")                                                                   \
	X(ERR_SYSTEM, "the operating system refused; see errno")                                                     \
	X(ERR_TLS, "the TLS library refused")                                                                        \
	X(ERR_TIMEOUT, "timed out")                                                                                  \
	X(ERR_CLOSED, "closed")

enum error {
	ERR_NONE = 0,
#define X(name, text) name##_ORDINAL,
	ERROR_TABLE(X)
#undef X
		ERR_ORDINAL_END,
#define X(name, text) name = -name##_ORDINAL,
	ERROR_TABLE(X)
#undef X
};

/* The table's text for `error` (a negative value of enum error); never NULL. */
const char *error_text(int error);

#endif
