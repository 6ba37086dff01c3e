#include "node/api/api_count.h"

#include "common/base/must.h"

static const int statuses[] = {
#define X(status) status,
	API_STATUSES(X)
#undef X
};
#define STATUSES (sizeof statuses / sizeof *statuses)

_Static_assert(
	STATUSES <= sizeof((struct api_counts){0}).requests[0] / sizeof(uint64_t), "an element for each status");

static const char *const names[API_PATHS] = {
	[API_PATH_EMIT] = "/api/emit",
	[API_PATH_JOIN] = "/api/join",
	[API_PATH_LEAVE] = "/api/leave",
	[API_PATH_DISCONNECT] = "/api/disconnect",
	[API_PATH_SOCKETS] = "/api/sockets",
	[API_PATH_ROOMS] = "/api/rooms",
	[API_PATH_HISTORY] = "/api/history",
	[API_PATH_OTHER] = "other",
};

const char *
api_path_name(enum api_path path)
{
	return names[path];
}

enum api_path
api_path_of(struct text path)
{
	unsigned i = 0;

	while (i < API_PATH_OTHER && !text_is(path, text_from(names[i])))
		i++;
	return (enum api_path)i;
}

void
api_count(struct api_counts *counts, enum api_path path, int status)
{
	unsigned i = 0;

	must(path < API_PATHS);
	while (i < STATUSES && statuses[i] != status)
		i++;
	must(i < STATUSES); /* otherwise API_STATUSES lacks a status */
	counts->requests[path][i]++;
}

enum row { ROW_REQUESTS, ROW_RUNNING, ROW_ABORTED, ROW_REPLAYED, ROW_KEPT, ROW_FORGOTTEN, ROWS };

static const struct {
	const char *name, *type, *labels, *help;
} rows[ROWS] = {
	[ROW_REQUESTS] = {"sockeye_api_requests_total", "counter", "path, status",
		"answered requests of the HTTP API; `other` stands for unknown paths"},
	[ROW_RUNNING] = {"sockeye_api_requests_running", "gauge", "path", "requests under way (apiMaxRequests)"},
	[ROW_ABORTED] = {"sockeye_api_requests_aborted_total", "counter", "path",
		"requests whose client left before the answer"},
	[ROW_REPLAYED] = {"sockeye_api_replayed_total", "counter", "path", "answers repeated for an Idempotency-Key"},
	[ROW_KEPT] = {"sockeye_api_kept_bytes", "gauge", "path",
		"bytes of answers kept for Idempotency-Keys (apiIdempotencyMemory)"},
	[ROW_FORGOTTEN] = {"sockeye_api_forgotten_total", "counter", "path",
		"answers forgotten before apiIdempotencyTime for lack of space"},
};

static void
write_requests(const struct api_counts *counts, struct buffer *out)
{
	for (unsigned p = 0; p < API_PATHS; p++) {
		for (unsigned s = 0; s < STATUSES; s++) {
			if (counts->requests[p][s] != 0)
				buffer_printf(out, "%s{path=\"%s\",status=\"%d\"} %llu\n", rows[ROW_REQUESTS].name,
					names[p], statuses[s], (unsigned long long)counts->requests[p][s]);
		}
	}
}

void
api_counts_write(const struct api_counts *counts, uint64_t running, uint64_t kept_bytes, uint64_t forgotten,
	struct buffer *out)
{
	const uint64_t numbers[ROWS] = {[ROW_RUNNING] = running,
		[ROW_ABORTED] = counts != NULL ? counts->aborted : 0,
		[ROW_REPLAYED] = counts != NULL ? counts->replayed : 0,
		[ROW_KEPT] = kept_bytes,
		[ROW_FORGOTTEN] = forgotten};

	for (unsigned i = 0; i < ROWS; i++) {
		buffer_printf(
			out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type);
		if (counts == NULL)
			continue;
		if (i == ROW_REQUESTS)
			write_requests(counts, out);
		else
			buffer_printf(out, "%s{path=\"/api\"} %llu\n", rows[i].name, (unsigned long long)numbers[i]);
	}
}

void
api_counts_markdown(struct buffer *out)
{
	for (unsigned i = 0; i < ROWS; i++)
		buffer_printf(
			out, "| `%s` | %s | %s | %s |\n", rows[i].name, rows[i].type, rows[i].labels, rows[i].help);
}
