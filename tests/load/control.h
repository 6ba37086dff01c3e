/*
 * Control characters in texts of users and servers. They would break an error line in two, or move the cursor of a
 * terminal.
 */
#ifndef TESTS_LOAD_CONTROL_H
#define TESTS_LOAD_CONTROL_H

#include <stdbool.h>

/* True for the control characters of ASCII. */
static inline bool
control_is(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* Replaces each control character by '?', so that the text stays one line. */
static inline void
control_replace(char *text)
{
	for (; *text; text++)
		if (control_is(*text))
			*text = '?';
}

#endif
