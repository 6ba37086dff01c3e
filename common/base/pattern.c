#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/base/pattern.h"

#include <pcre2.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/must.h"

#define MATCH_LIMIT                                                                                                  \
	20000		/* backtracking steps: below 0.1 ms where the pattern is compiled to machine code, else 0.5 */
#define DEPTH_LIMIT 500 /* of backtracking, for the interpreter; machine code has a stack of fixed size */
#define HEAP_LIMIT_KIB 256 /* what that depth may take */

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
	struct pattern *p;
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
	/* where the kernel forbids memory that is writable and executable it is interpreted */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	p = mem_alloc(sizeof *p);
	p->code = code;
	p->limits = pcre2_match_context_create(NULL);
	p->found = pcre2_match_data_create(1, NULL);
	must(p->limits != NULL && p->found != NULL);
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
	return p;
}

void
pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	pcre2_match_context_free(p->limits);
	pcre2_match_data_free(p->found);
	pcre2_code_free(p->code);
	mem_free(p);
}

bool
pattern_matches(const struct pattern *p, struct text t)
{
	return pcre2_match(p->code, (PCRE2_SPTR)t.at, t.n, 0, 0, p->found, p->limits) >= 0;
}
