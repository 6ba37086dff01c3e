/* HELLO: an accepted one has a name, numbers within their limits, and namespaces that begin with a slash. */
#include <assert.h>

#include "node/backend/backend_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend_hello h;

	if (backend_hello_read(&h, text_of((const char *)data, size)) < 0) {
		assert(h.memory == NULL);
		return 0;
	}
	assert(h.instance.n > 0 && h.instance.n <= BACKEND_NAME_MAX && h.group.n <= BACKEND_NAME_MAX);
	assert(h.weight >= 1 && h.weight <= 1000 && h.worker <= 65535 && h.pid >= 0);
	assert(h.namespace_count <= BACKEND_NAMESPACES_MAX && (h.namespaces != NULL || h.namespace_count == 0));
	for (unsigned i = 0; i < h.namespace_count; i++)
		assert(h.namespaces[i].n > 0 && h.namespaces[i].at[0] == '/');
	backend_hello_fini(&h);
	return 0;
}
