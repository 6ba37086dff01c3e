/*
 * URLs of a bus. An accepted URL has its parts within their limits. A refused URL gets one line of text without the
 * password.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus_form.h"
#include "broker/bus_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_accepted(struct bus_url *url)
{
	char name[BUS_URL_NAME_MAX];

	assert(url->host_count <= BUS_URL_HOSTS_MAX);
	assert((url->path != NULL) == (url->host_count == 0));
	assert((url->host == NULL) == (url->path != NULL || url->master != NULL || url->cluster));
	for (unsigned i = 0; i < url->host_count; i++) {
		assert(url->hosts[i].name[0] != '\0' && strlen(url->hosts[i].name) <= BUS_URL_HOST_MAX);
		assert(url->hosts[i].port != 0);
	}
	for (unsigned i = 0; i <= url->host_count; i++) {
		bus_url_name(url, name);
		assert(name[0] != '\0' && strlen(name) < sizeof name);
		bus_url_next(url);
	}
	assert(url->master == NULL || url->master[0] != '\0');
	if (url->master != NULL || url->cluster) {
		bus_url_use(url, "10.0.0.1", 6379);
		bus_url_name(url, name);
		assert(strcmp(name, "10.0.0.1:6379") == 0);
	}
	bus_url_fini(url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), error[BUS_ERROR_MAX] = "";
	struct bus_url url;

	memcpy(text, data, size);
	text[size] = '\0';
	if (bus_url_parse(&url, text, error) == 0) {
		check_accepted(&url);
	} else {
		assert(error[0] != '\0' && strlen(error) < sizeof error && strchr(error, '\n') == NULL);
		assert(url.host_count == 0 && url.hosts == NULL && url.password == NULL);
	}
	free(text);
	return 0;
}
