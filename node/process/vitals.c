#include "node/process/vitals.h"

#include <stddef.h>
#include <sys/mman.h>

struct vitals *
vitals_new(unsigned count)
{
	void *at =
		mmap(NULL, count * sizeof(struct vitals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void
vitals_free(struct vitals *vitals, unsigned count)
{
	if (vitals)
		munmap(vitals, count * sizeof *vitals);
}

bool
vitals_all_drained(const struct vitals *vitals, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!atomic_load_explicit(&vitals[i].drained, memory_order_relaxed))
			return false;
	}
	return true;
}
