#include "node/engineio/eio_cause.h"

#include "common/base/must.h"

static const struct {
	enum eio_close_reason reason;
	const char *text;
} causes[] = {
#define X(cause, reason, meaning) [cause] = {reason, meaning},
	EIO_CAUSE_TABLE(X)
#undef X
};

enum eio_close_reason
eio_cause_reason(enum eio_cause cause)
{
	must((unsigned)cause < EIO_CAUSE_COUNT);
	return causes[cause].reason;
}

const char *
eio_cause_text(enum eio_cause cause)
{
	must((unsigned)cause < EIO_CAUSE_COUNT);
	return causes[cause].text;
}

const char *
eio_close_reason_text(enum eio_close_reason reason)
{
	static const char *const texts[] = {
		[EIO_PING_TIMEOUT] = "ping timeout",
		[EIO_PARSE_ERROR] = "parse error",
		[EIO_TRANSPORT_ERROR] = "transport error",
		[EIO_TRANSPORT_CLOSE] = "transport close",
		[EIO_FORCED_CLOSE] = "forced close",
	};

	must((unsigned)reason < sizeof(texts) / sizeof(texts[0]));
	return texts[reason];
}
