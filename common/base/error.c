#include "common/base/error.h"

const char *
error_text(int error)
{
	switch (error) {
#define X(name, text)                                                                                                \
	case name:                                                                                                   \
		return text;
		ERROR_TABLE(X)
#undef X
	case ERROR_NONE:
		return "no error";
	default:
		return "unknown error";
	}
}
