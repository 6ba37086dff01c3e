/*
 * The table of error numbers. Functions that return int return 0 or a count on success and one of these negative
 * numbers on failure. Parsers return > 0 for bytes consumed, 0 if more bytes are needed, or < 0 for an error.
 */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

/*        name           text */
#define ERROR_TABLE(X)                                                                                               \
	X(ERROR_SYNTAX, "malformed input")                                                                           \
	X(ERROR_TOO_BIG, "larger than the limit")                                                                    \
	X(ERROR_TOO_MANY, "more items than the limit")                                                               \
	X(ERROR_TOO_DEEP, "nested deeper than the limit")                                                            \
	X(ERROR_UTF8, "text is not valid UTF-8")                                                                     \
	X(ERROR_UNSUPPORTED, "not supported")                                                                        \
	X(ERROR_NOT_FOUND, "not found")                                                                              \
	X(ERROR_EXISTS, "already exists")                                                                            \
	X(ERROR_ARGUMENT, "invalid argument")                                                                        \
	X(ERROR_STATE, "not possible in this state")                                                                 \
	X(ERROR_SYSTEM, "system call failed; see errno")                                                             \
	X(ERROR_TLS, "TLS library error")                                                                            \
	X(ERROR_TIMEOUT, "timed out")                                                                                \
	X(ERROR_CLOSED, "closed")                                                                                    \
	X(ERROR_MEMORY, "out of memory")

enum error {
	ERROR_NONE = 0,
#define X(name, text) name##_ORDINAL,
	ERROR_TABLE(X)
#undef X
		ERROR_ORDINAL_END,
#define X(name, text) name = -name##_ORDINAL,
	ERROR_TABLE(X)
#undef X
};

/* Returns the text for a negative error number; never NULL. */
const char *error_text(int error);

#endif
