#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/base/pattern.h"

#include <pcre2.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/must.h"

#define MATCH_LIMIT 20000  /* backtracking steps: at most 0.1 ms in machine code, 0.5 ms interpreted */
#define DEPTH_LIMIT 500	   /* backtracking depth of the interpreter; machine code has a fixed stack */
#define HEAP_LIMIT_KIB 256 /* memory for that depth */

struct pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *found;
};

struct pattern *
pattern_new(struct text expression, unsigned flags, char *error)
{
	uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
	unsigned char why[128];
	struct pattern *pattern;
	pcre2_code *code;
	PCRE2_SIZE at;
	int rc;

	if ((flags & PATTERN_WHOLE) != 0)
		options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	if ((flags & PATTERN_NOCASE) != 0)
		options |= PCRE2_CASELESS;
	if ((flags & PATTERN_LINES) != 0)
		options |= PCRE2_MULTILINE;
	if ((flags & PATTERN_DOT_ALL) != 0)
		options |= PCRE2_DOTALL;
	code = pcre2_compile((PCRE2_SPTR)expression.at, expression.n, options, &rc, &at, NULL);
	if (code == NULL) {
		if (pcre2_get_error_message(rc, why, sizeof why) < 0)
			why[0] = '\0';
		snprintf(error, PATTERN_ERROR_MAX, "%s at character %zu", (const char *)why, (size_t)at + 1);
		return NULL;
	}
	/* if the kernel forbids memory that is writable and executable, the pattern is interpreted */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	pattern = mem_alloc(sizeof *pattern);
	pattern->code = code;
	pattern->limits = pcre2_match_context_create(NULL);
	pattern->found = pcre2_match_data_create(1, NULL);
	must(pattern->limits != NULL && pattern->found != NULL);
	pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(pattern->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(pattern->limits, HEAP_LIMIT_KIB);
	return pattern;
}

void
pattern_free(struct pattern *pattern)
{
	if (pattern == NULL)
		return;
	pcre2_match_context_free(pattern->limits);
	pcre2_match_data_free(pattern->found);
	pcre2_code_free(pattern->code);
	mem_free(pattern);
}

bool
pattern_matches(const struct pattern *pattern, struct text text)
{
	return pcre2_match(pattern->code, (PCRE2_SPTR)text.at, text.n, 0, 0, pattern->found, pattern->limits) >= 0;
}
