/* Lines of a configuration file: names and values within their limits, and values that survive being written again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/config_line.h"
#include "common/base/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct config_line *line)
{
	struct config_line *again = calloc(1, sizeof *again);
	char error[OPTION_ERROR_MAX];
	struct buffer out;
	struct text rest;

	buffer_init(&out, 4 * CONFIG_LINE_MAX);
	buffer_add_text(&out, line->name);
	buffer_add_text(&out, TEXT(" = "));
	config_line_write_value(&out, text_from(line->value));
	buffer_add_text(&out, TEXT("  # comment"));
	rest = buffer_text(&out);
	/* quotes make a line longer, so it may exceed the limit */
	if (rest.n <= CONFIG_LINE_MAX) {
		assert(config_line_next(&rest, again, error) == 1);
		assert(text_is(again->name, line->name) && strcmp(again->value, line->value) == 0);
		assert(config_line_next(&rest, again, error) == 0);
	}
	buffer_fini(&out);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), error[OPTION_ERROR_MAX] = "";
	struct config_line *line = calloc(1, sizeof *line);
	struct text rest;
	unsigned before = 0;
	int result;

	memcpy(text, data, size);
	rest = text_of(text, size);
	while ((result = config_line_next(&rest, line, error)) != 0) {
		assert(line->number > before);
		before = line->number;
		if (result < 0) {
			assert(error[0] != '\0' && strlen(error) < sizeof error && strchr(error, '\n') == NULL);
			continue;
		}
		assert(line->name.n > 0 && line->name.n < OPTION_NAME_MAX && strlen(line->value) <= CONFIG_LINE_MAX);
		check_round_trip(line);
	}
	assert(rest.n == 0);
	free(line);
	free(text);
	return 0;
}
