#include "broker/broker_options.h"

#include <stddef.h>

#define AT(member) offsetof(struct broker_settings, member)

/* clang-format off */
static const struct option_row rows[] = {
	{ .group = "Cluster",
	  .name = "redis", .type = OPTION_TEXT, .offset = AT(redis), .value = "URL",
	  .help = "Redis through which nodes reach one another: redis://user:password@host:port/db, rediss://..., unix:///path" },
	{ .name = "redisKey", .type = OPTION_TEXT, .offset = AT(redis_key), .initial = "socket.io", .value = "PREFIX",
	  .help = "Prefix of the Redis channels; the adapter's \"key\"" },
	{ .name = "redisSecret", .type = OPTION_TEXT, .offset = AT(redis_secret), .value = "TEXT",
	  .help = "Secret that all nodes share: messages through Redis without its HMAC are dropped, those of Node.js servers "
		  "and emitters too; give it by the environment, a command line can be seen" },
	{ .name = "redisCa", .type = OPTION_TEXT, .offset = AT(redis_ca), .value = "FILE",
	  .help = "Certificate authority (PEM) that the server of rediss:// is checked against; unset: the system's" },
	{ .name = "redisMaxQueue", .type = OPTION_BYTES, .offset = AT(redis_max_queue), .initial = "16m", .min = 1 << 10,
	  .max = UINT64_C(1) << 32, .value = "BYTES",
	  .help = "Messages for other nodes that wait while Redis is away; beyond, the oldest are dropped and counted. A single "
		  "message that is larger is refused instead" },
	{ .name = "requestsTimeout", .type = OPTION_MS, .offset = AT(requests_timeout), .initial = "5s", .min = 1,
	  .max = 600000, .value = "MS",
	  .help = "How long other nodes may take to answer a question; then the answer is partial" },
};
/* clang-format on */

struct option_table
broker_options_table(struct broker_settings *s)
{
	return (struct option_table){rows, sizeof rows / sizeof *rows, s, false};
}
