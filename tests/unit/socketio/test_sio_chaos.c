/* Random calls of the public API from every callback (tests/chaos/chaos.h) on a standalone node. */
#include "tests/chaos/chaos.h"
#include "tests/unit/socketio/fake_engine.h"

static void
chaos_other_nodes_begin(void)
{
}

static void
chaos_other_nodes(void)
{
}

static void
chaos_other_nodes_end(void)
{
}

#include "tests/unit/socketio/chaos_clients.h"

#define SEEDS 150

int
main(int argc, char **argv)
{
	log_set_level(LOG_ERROR);
	return chaos_main(argc, argv, SEEDS, true, play);
}
