#include "node/process/stats.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/mem.h"
#include "common/base/must.h"

#define TRIES 1000 /* the writer may be preempted in the middle of writing */

struct stats_page *
stats_pages_new(unsigned count)
{
	void *at = mmap(
		NULL, count * sizeof(struct stats_page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void
stats_pages_free(struct stats_page *pages, unsigned count)
{
	if (pages != NULL)
		munmap(pages, count * sizeof *pages);
}

void
stats_init(struct stats *stats)
{
	memset(stats, 0, offsetof(struct stats, members));
}

void
stats_write(struct stats_page *page, const struct stats *stats)
{
	/* a worker that died while writing has left the sequence odd */
	uint64_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed) | 1;

	must(stats->member_count <= STATS_MEMBERS);
	atomic_store_explicit(&page->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	memcpy(&page->stats, stats, offsetof(struct stats, members) + stats->member_count * sizeof *stats->members);
	atomic_store_explicit(&page->sequence, sequence + 1, memory_order_release);
}

void
stats_clear(struct stats_page *page)
{
	static const struct stats absent;

	stats_write(page, &absent);
	atomic_store_explicit(&page->app.series_count, 0, memory_order_relaxed);
	memset(&page->app, 0, sizeof page->app);
}

bool
stats_read(const struct stats_page *page, struct stats *out)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);

		if ((before & 1) != 0) {
			sched_yield();
			continue;
		}
		memcpy(out, &page->stats, sizeof *out);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&page->sequence, memory_order_relaxed) == before)
			return true;
	}
	out->state = STATS_ABSENT;
	return false;
}

bool
stats_accepts(const struct stats *stats, uint64_t now)
{
	return stats->state == STATS_ACCEPTING && stats->beat_ms + STATS_HUNG_MS > now;
}

void
stats_add_namespace(struct stats *stats, struct text name, unsigned sockets)
{
	if (stats->namespace_count < STATS_NAMESPACES && name.n < STATS_NAME_MAX &&
		memchr(name.at, '\0', name.n) == NULL) {
		struct stats_namespace *to = &stats->namespaces[stats->namespace_count++];

		to->sockets = sockets;
		memcpy(to->name, name.at, name.n);
		to->name[name.n] = '\0';
	} else {
		stats->other_sockets += sockets;
	}
}
