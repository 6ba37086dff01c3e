#include "node/backend/backend_word.h"

#include "node/sockeye.h"

struct text
backend_word(int error)
{
	switch (error) {
	case 0:
		return TEXT("");
	case SIO_ERR_ARGUMENT:
	case SIO_ERR_RESERVED:
		return TEXT("argument");
	case SIO_ERR_TOO_BIG:
		return TEXT("too-big");
	case SIO_ERR_TOO_MANY:
		return TEXT("too-many");
	case SIO_ERR_NOT_FOUND:
		return TEXT("not-found");
	case SIO_ERR_STATE:
		return TEXT("state");
	case SIO_ERR_TIMEOUT:
		return TEXT("timeout");
	case SIO_ERR_REFUSED:
		return TEXT("refused");
	default:
		return TEXT("system");
	}
}
