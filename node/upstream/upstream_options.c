#include "node/upstream/upstream_options.h"

#include "node/upstream/upstream_address.h"

#define AT(member) offsetof(struct upstream_options, member)
#define DAY_MS (24 * 60 * 60 * UINT64_C(1000))

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Upstream",
	  .name = "upstream", .type = OPTION_TEXT, .offset = AT(upstream), .value = "URL",
	  .help = "HTTP server for every request outside the engine's path for which --public has no file: http://host:port or unix:///path; several, separated by commas, are used in turn" },
	{ .name = "upstreamTimeout", .type = OPTION_MS, .offset = AT(timeout), .initial = "60s", .min = 1, .max = DAY_MS,
	  .value = "MS",
	  .needs = "upstream|backend|exec",
	  .help = "Longest time in which the upstream sends or takes nothing; then the client gets 504, or is cut off if the response has begun" },
	{ .name = "upstreamConnectTimeout", .type = OPTION_MS, .offset = AT(connect_timeout), .initial = "5s", .min = 1,
	  .max = DAY_MS, .value = "MS",
	  .needs = "upstream|backend|exec",
	  .help = "Time to connect to an upstream; then the next one is tried, and after the last one the client gets 504. A request waits as long for a free connection, or for an upstream that is starting again, and then gets 503" },
	{ .name = "upstreamMaxConnections", .type = OPTION_NUMBER, .offset = AT(max_connections), .initial = "1024",
	  .min = 1, .max = 1000000, .value = "N",
	  .needs = "upstream|backend|exec",
	  .help = "Connections of one worker to the upstream, including upgraded ones; as many requests may wait for a connection, and further ones get 503" },
};
/* clang-format on */

struct option_table
upstream_options_table(struct upstream_options *options)
{
	return (struct option_table){rows, sizeof rows / sizeof rows[0], options, false};
}

int
upstream_options_check(const struct upstream_options *options, char error[OPTION_ERROR_MAX])
{
	struct text rest = text_from(options->upstream ? options->upstream : ""), one;
	struct upstream_address address;
	int result = 0;

	_Static_assert(UPSTREAM_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	while (result == 0 && text_cut(&rest, ',', &one))
		result = upstream_address_read(&address, text_trim(one), error);
	return result;
}
