/* Texts for the errors of sockeye.h. */
#include "common/base/error.h"
#include "node/sockeye.h"

const char *
sio_error_text(int error)
{
	if (error == SIO_ERR_RESERVED)
		return "the event name is reserved";
	if (error == SIO_ERR_TIMEOUT)
		return "operation has timed out";
	if (error == SIO_ERR_REFUSED)
		return "Redis refuses a command; see the log";
	return error_text(error);
}
