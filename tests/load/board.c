#include "tests/load/board.h"

#include <sys/mman.h>
#include <time.h>

#include "common/base/mem.h"

static void *
map(size_t size)
{
	/* mapped memory that is never touched costs nothing: most of the histograms and seconds stay untouched */
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

struct board *
board_new(unsigned processes, uint64_t senders)
{
	struct board *b = map(sizeof *b);

	if (b == NULL)
		return NULL;
	b->processes = processes;
	b->sender_count = senders;
	b->sent = map((senders + 1) * sizeof *b->sent);
	b->parts = map(processes * sizeof *b->parts);
	if (b->sent == NULL || b->parts == NULL) {
		board_free(b);
		return NULL;
	}
	for (unsigned i = 0; i < processes; i++) {
		histogram_init(&b->parts[i].latency);
		histogram_init(&b->parts[i].connect_time);
		histogram_init(&b->parts[i].away_time);
	}
	return b;
}

void
board_free(struct board *b)
{
	if (b->sent)
		munmap((void *)b->sent, (b->sender_count + 1) * sizeof *b->sent);
	if (b->parts)
		munmap(b->parts, b->processes * sizeof *b->parts);
	munmap(b, sizeof *b);
}

bool
board_stopped(const struct board *b)
{
	for (unsigned i = 0; i < b->processes; i++)
		if (!b->parts[i].stopped)
			return false;
	return true;
}

uint64_t
board_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
