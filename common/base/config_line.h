/*
 * The lines of a configuration file: name = value.
 *
 *   # a comment
 *   pingInterval = 25s      # a comment begins at a # that is the first character of a line or follows a blank
 *   exec = "node --title=\"a # b\" server.js"
 *
 * Blanks around a name and a value do not count. A value in double quotes keeps its blanks and #; there, \" stands
 * for a quote and \\ for a backslash. This file only reads text: which names exist is the caller's matter.
 */
#ifndef COMMON_BASE_CONFIG_LINE_H
#define COMMON_BASE_CONFIG_LINE_H

#include "common/base/buffer.h"
#include "common/base/options.h"
#include "common/base/text.h"

#define CONFIG_LINE_MAX 8192 /* bytes of one line */

struct config_line {
	unsigned number;		 /* of the line, from 1; zero it before the first call */
	struct text name;		 /* a part of the file's text */
	char value[CONFIG_LINE_MAX + 1]; /* without quotes and escapes */
};

/*
 * Reads the next line with a setting and removes it, and the blank lines and comments before it, from `rest`. Returns
 * 1 for a setting, 0 at the end of the text, or ERROR_SYNTAX with one line in `error`. After an error, the next call
 * reads the line after the faulty one.
 */
int config_line_next(struct text *rest, struct config_line *line, char error[OPTION_ERROR_MAX]);

/* Appends a value in the form that config_line_next() reads: with quotes only if it needs them. */
void config_line_write_value(struct buffer *out, struct text value);

#endif
