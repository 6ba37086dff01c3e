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
