#include "tests/load/report.h"

#include "common/base/error.h"

/*        enum                  name         what happened */
#define LOAD_ERROR_TABLE(X)                                                                                          \
	X(LOAD_ERROR_REFUSED, "refused", "nobody listens")                                                           \
	X(LOAD_ERROR_CONNECT, "connect", "no route, no address or no port left")                                     \
	X(LOAD_ERROR_TLS, "tls", "TLS handshake or certificate")                                                     \
	X(LOAD_ERROR_HTTP, "http", "unexpected HTTP answer")                                                         \
	X(LOAD_ERROR_PROTOCOL, "protocol", "bytes that break the protocol")                                          \
	X(LOAD_ERROR_REJECTED, "rejected", "connect_error from the server")                                          \
	X(LOAD_ERROR_HANDSHAKE, "handshake", "not joined in time")                                                   \
	X(LOAD_ERROR_CLOSED, "closed", "closed by the server")                                                       \
	X(LOAD_ERROR_RESET, "reset", "connection cut")                                                               \
	X(LOAD_ERROR_PING, "ping", "no ping in time")

static const struct {
	const char *name, *words;
} errors[LOAD_ERROR_COUNT] = {
#define X(error, name, words) [error] = {name, words},
	LOAD_ERROR_TABLE(X)
#undef X
};

const char *
load_error_name(enum load_error error)
{
	return errors[error].name;
}

const char *
load_error_words(enum load_error error)
{
	return errors[error].words;
}

static double
per_second(uint64_t count, const struct report *r)
{
	return r->seconds > 0 ? (double)count / r->seconds : 0;
}

double
report_message_rate(const struct report *r)
{
	return per_second(r->sent, r);
}

double
report_delivery_rate(const struct report *r)
{
	return per_second(r->received, r);
}

uint64_t
report_errors(const struct report *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++)
		sum += r->errors[i];
	return sum;
}

static int
latency_value(const struct histogram *h, enum criterion_what what, double percent, double *out)
{
	if (!h || h->count == 0)
		return ERROR_NOT_FOUND;
	switch (what) {
	case CRITERION_LATENCY_MEAN:
		*out = histogram_mean(h);
		break;
	case CRITERION_LATENCY_MIN:
		*out = (double)h->min;
		break;
	case CRITERION_LATENCY_MAX:
	case CRITERION_CONNECT_MAX:
	case CRITERION_AWAY_MAX:
		*out = (double)h->max;
		break;
	default:
		*out = (double)histogram_percentile(h, percent);
		break;
	}
	return 0;
}

/* Values that exist unless the divisor is zero. */
static int
quotient(double value, double by, double *out)
{
	if (by <= 0)
		return ERROR_NOT_FOUND;
	*out = value / by;
	return 0;
}

static int
server_value(const struct report *r, enum criterion_what what, double *out)
{
	double seconds = r->server_user + r->server_system;

	if (!r->has_server)
		return ERROR_NOT_FOUND;
	switch (what) {
	case CRITERION_CPU:
		return quotient(seconds * 100, r->seconds, out);
	case CRITERION_CPU_PER_MESSAGE:
		return quotient(seconds * 1e9, (double)r->sent, out);
	case CRITERION_CPU_PER_DELIVERY:
		return quotient(seconds * 1e9, (double)r->received, out);
	case CRITERION_MEMORY:
		if (!r->has_memory)
			return ERROR_NOT_FOUND;
		return quotient((double)r->memory - (double)r->memory_before, (double)r->joined, out);
	case CRITERION_MEMORY_AFTER:
		if (!r->has_memory || !r->has_memory_after)
			return ERROR_NOT_FOUND;
		*out = (double)r->memory_after - (double)r->memory_before;
		return 0;
	default:
		return ERROR_NOT_FOUND;
	}
}

static uint64_t
count_value(const struct report *r, enum criterion_what what)
{
	switch (what) {
	case CRITERION_LOST:
		return r->lost;
	case CRITERION_MISSED:
		return r->missed;
	case CRITERION_DUPLICATED:
		return r->duplicated;
	case CRITERION_REORDERED:
		return r->reordered;
	case CRITERION_UNANSWERED:
		return r->unanswered;
	case CRITERION_SENT:
		return r->sent;
	case CRITERION_RECEIVED:
		return r->received;
	case CRITERION_JOINED:
		return r->joined;
	case CRITERION_LEFT:
		return r->left;
	default:
		return report_errors(r);
	}
}

int
report_value(const struct report *r, enum criterion_what what, double percent, double *out)
{
	switch (what) {
	case CRITERION_LATENCY:
	case CRITERION_LATENCY_MEAN:
	case CRITERION_LATENCY_MIN:
	case CRITERION_LATENCY_MAX:
		return latency_value(r->latency, what, percent, out);
	case CRITERION_CONNECT:
	case CRITERION_CONNECT_MAX:
		return latency_value(r->connect_time, what, percent, out);
	case CRITERION_AWAY:
	case CRITERION_AWAY_MAX:
		return latency_value(r->away_time, what, percent, out);
	case CRITERION_RECOVERED:
	case CRITERION_NOT_RECOVERED:
		if (!r->recovers)
			return ERROR_NOT_FOUND;
		*out = (double)(what == CRITERION_RECOVERED ? r->recovered : r->not_recovered);
		return 0;
	case CRITERION_MESSAGES:
		return quotient((double)r->sent, r->seconds, out);
	case CRITERION_DELIVERIES:
		return quotient((double)r->received, r->seconds, out);
	case CRITERION_CONNECTS:
		*out = r->connects;
		return 0;
	case CRITERION_SOCKET_MEMORY:
		return quotient((double)r->socket_bytes, (double)r->joined, out);
	case CRITERION_CPU:
	case CRITERION_CPU_PER_MESSAGE:
	case CRITERION_CPU_PER_DELIVERY:
	case CRITERION_MEMORY:
	case CRITERION_MEMORY_AFTER:
		return server_value(r, what, out);
	default:
		*out = (double)count_value(r, what);
		return 0;
	}
}

bool
report_judge(const struct report *r, struct criterion *criteria, unsigned n)
{
	bool all = true;

	for (unsigned i = 0; i < n; i++) {
		struct criterion *c = &criteria[i];

		c->value = 0;
		c->has_value = report_value(r, c->what, c->percent, &c->value) == 0;
		c->holds = c->has_value && criterion_compare(c->relation, c->value, c->bound);
		all = all && c->holds;
	}
	return all;
}
