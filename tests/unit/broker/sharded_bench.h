/* A real Redis 7 for the tests of nodes in sharded mode. */
#ifndef TESTS_UNIT_BROKER_SHARDED_BENCH_H
#define TESTS_UNIT_BROKER_SHARDED_BENCH_H

#include "tests/unit/broker/broker_nodes.h"
#include "tests/unit/log_lines.h"

#define ID "aaaaaaaaaaaaaaaaaaaa" /* looks like the id of a socket */

static struct redis_bench redis;

static inline int
sharded_start(void **state)
{
	bench_start(state);
	log_lines_start();
	redis = (struct redis_bench){.port = 0};
	redis_start(&redis, NULL);
	nodes_form = &bus_sharded;
	nodes_server = redis.url;
	nodes_mode = BUS_SUBSCRIPTION_DYNAMIC;
	return 0;
}

static inline int
sharded_stop(void **state)
{
	redis_stop(&redis);
	log_lines_stop();
	return bench_stop(state);
}

#endif
