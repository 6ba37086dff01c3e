/*
 * Counts the subscribers of a channel over several members of a Redis Cluster, each of which counts only its own.
 *
 * There is one connection to each member that has been asked. It is made when it is needed, and closed when it has
 * not been used for a while. A count is the sum of all answers. If one member does not answer, there is no sum.
 */
#ifndef BROKER_CLUSTER_COUNT_H
#define BROKER_CLUSTER_COUNT_H

#include "broker/bus_form.h"
#include "broker/cluster_map.h"

struct bus_url;
struct cluster_counts;

#define CLUSTER_COUNT_MEMBERS_MAX 128	 /* members that are asked */
#define CLUSTER_COUNT_QUESTIONS_MAX 1024 /* counts under way */

/*
 * `url` has the login, and `access` (NULL: none) the certificates; the caller owns both, and they must outlive the
 * counts. A member has `timeout_ms` to connect and to answer.
 */
struct cluster_counts *cluster_counts_new(
	struct loop *l, const struct bus_url *url, struct bus_access *access, uint64_t timeout_ms);
void cluster_counts_free(struct cluster_counts *counts); /* accepts NULL; the answers do not come any more */

/*
 * Asks the members of the map that have not failed: all of them, or `master` and its replicas. `word` is NUMSUB or
 * SHARDNUMSUB; the caller keeps its bytes valid. `query` is answered from the loop with the sum, or with ERROR_CLOSED
 * if a member did not answer. Returns 0; or ERROR_NOT_FOUND if no member can be asked, or ERROR_TOO_MANY if the
 * limits above are exceeded. After an error, `query` is not answered.
 */
#define CLUSTER_COUNT_ALL CLUSTER_NOBODY
int cluster_counts_ask(struct cluster_counts *counts, const struct cluster_map *map, uint16_t master,
	struct text word, struct bus_count *query, struct text channel);
/* Returns how many counts have ended without a sum. After such a count, the map may be out of date. */
uint64_t cluster_counts_failed(const struct cluster_counts *counts);

#endif
