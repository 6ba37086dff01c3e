#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/load/load.h"
#include "tests/load/plot.h"
#include "tests/load/report.h"
#include "tests/load/supervisor.h"

#define SECOND 1000000000ull
#define OUTPUT_MAX (64 * 1024 * 1024)
#define BUSY_PERCENT 95.0
#define LATE_PART 100 /* the tester was too slow if more than this part of the messages was late */

/* -------------------------------------------------------------------- progress */

static void
show_run(struct supervisor *supervisor, double seconds, uint64_t joined, uint64_t errors)
{
	struct board *b = supervisor->board;
	struct series_second last = {.messages = 0};
	uint64_t sent = 0, fresh, from = atomic_load(&b->run_from), now = board_now();

	for (uint64_t i = 0; i < b->sender_count; i++)
		sent += atomic_load_explicit(&b->sent[i], memory_order_relaxed);
	BOARD_SUM(b, tracked.fresh, fresh);
	fprintf(stderr, "%-7s %5.0f s  clients %" PRIu64, now < from ? "warm-up" : "run",
		now < from ? 0 : (double)(now - from) / SECOND, joined);
	if (supervisor->options->scenario->audience != AUDIENCE_NONE) {
		if (now >= from + SECOND)
			for (unsigned i = 0; i < b->processes; i++)
				series_add(&last, &b->parts[i].series, (now - from) / SECOND - 1);
		fprintf(stderr, "  messages %.0f/s  deliveries %.0f/s",
			(double)(sent - supervisor->shown_sent) / seconds,
			(double)(fresh - supervisor->shown_fresh) / seconds);
		if (now >= from + SECOND)
			fprintf(stderr, "  p50 %.2f ms  p99 %.2f ms", (double)series_percentile(&last, 50) / 1e6,
				(double)series_percentile(&last, 99) / 1e6);
	}
	fprintf(stderr, "  errors %" PRIu64 "\n", errors);
	supervisor->shown_sent = sent;
	supervisor->shown_fresh = fresh;
}

void
supervisor_progress(struct supervisor *supervisor)
{
	static const char *const names[] = {"coming", "run", "settle", "leave", "over"};
	struct board *b = supervisor->board;
	uint64_t now = board_now(), joined, underway, errors = 0, n;
	int phase = atomic_load(&b->phase);

	if (supervisor->options->quiet || now < b->began)
		return;
	if (supervisor->shown == 0)
		supervisor->shown = b->began;
	if (now - supervisor->shown < SECOND)
		return;
	BOARD_SUM(b, joined, joined);
	BOARD_SUM(b, underway, underway);
	for (int e = 0; e < LOAD_ERROR_COUNT; e++) {
		BOARD_SUM(b, errors[e], n);
		errors += n;
	}
	if (phase == PHASE_MESSAGES)
		show_run(supervisor, (double)(now - supervisor->shown) / SECOND, joined, errors);
	else
		fprintf(stderr,
			"%-7s %5.0f s  clients %" PRIu64 " of %" PRIu64 ", %" PRIu64 " underway  errors %" PRIu64
			"\n",
			names[phase], (double)(now - b->began) / SECOND, joined, supervisor->options->clients,
			underway, errors);
	supervisor->shown = now;
}

/* ---------------------------------------------------------------------- result */

/* With --recover: how the clients that were lost came back. */
static void
fill_recovery(const struct supervisor *supervisor, struct report *r)
{
	const struct board *b = supervisor->board;
	uint64_t first = UINT64_MAX, last = 0;

	r->recovers = supervisor->options->recover;
	BOARD_SUM(b, recovered, r->recovered);
	BOARD_SUM(b, not_recovered, r->not_recovered);
	BOARD_SUM(b, replayed, r->replayed);
	for (unsigned i = 0; i < b->processes; i++) {
		const struct board_part *part = &b->parts[i];

		histogram_add(r->away_time, &part->away_time);
		if (part->first_loss > 0 && part->first_loss < first)
			first = part->first_loss;
		if (part->last_return > last)
			last = part->last_return;
	}
	r->recovery_seconds = last > first ? (double)(last - first) / SECOND : 0;
}

static void
add_up(struct supervisor *supervisor, struct report *r)
{
	struct board *b = supervisor->board;
	uint64_t last = 0, from = UINT64_MAX, joins;

	BOARD_SUM(b, opened, r->opened);
	BOARD_SUM(b, left, r->left);
	BOARD_SUM(b, reconnected, r->reconnected);
	BOARD_SUM(b, sent, r->sent);
	BOARD_SUM(b, received, r->received);
	BOARD_SUM(b, tracked.lost, r->lost);
	BOARD_SUM(b, tracked.missed, r->missed);
	BOARD_SUM(b, tracked.duplicated, r->duplicated);
	BOARD_SUM(b, tracked.reordered, r->reordered);
	BOARD_SUM(b, unanswered, r->unanswered);
	BOARD_SUM(b, bytes_received, r->bytes_received);
	BOARD_SUM(b, joins, joins);
	for (int e = 0; e < LOAD_ERROR_COUNT; e++)
		BOARD_SUM(b, errors[e], r->errors[e]);
	for (unsigned i = 0; i < b->processes; i++) {
		const struct board_part *part = &b->parts[i];

		histogram_add(r->latency, &part->latency);
		histogram_add(r->connect_time, &part->connect_time);
		if (part->last_join > last)
			last = part->last_join;
		if (part->coming_from > 0 && part->coming_from < from)
			from = part->coming_from;
		if (r->first_error[0] == '\0')
			memcpy(r->first_error, part->first_error, sizeof r->first_error);
	}
	r->connects = last > from ? (double)joins * SECOND / (double)(last - from) : 0;
}

static void
fill_server(struct supervisor *supervisor, struct report *r)
{
	r->has_server = supervisor->has_server;
	r->has_memory = supervisor->at_end.memory > 0;
	r->server_processes = supervisor->at_end.processes;
	r->server_pids = supervisor->options->pids;
	r->server_pid_count = supervisor->options->pid_count;
	r->server_user = supervisor->at_end.user_seconds - supervisor->at_begin.user_seconds;
	r->server_system = supervisor->at_end.system_seconds - supervisor->at_begin.system_seconds;
	r->memory_before = supervisor->before.memory;
	r->memory = supervisor->at_end.memory;
	r->memory_after = supervisor->after.memory;
	r->has_memory_after = supervisor->has_after;
	r->socket_bytes = (int64_t)(supervisor->kernel_with.buffers + supervisor->kernel_with.slab) -
			  (int64_t)(supervisor->kernel_before.buffers + supervisor->kernel_before.slab);
}

/* Decides whether the tester, not the server, limited the figures. */
static void
judge_tester(const struct supervisor *supervisor, struct report *r)
{
	const struct load_options *o = supervisor->options;
	bool server_busy = r->has_server && r->seconds > 0 &&
			   (r->server_user + r->server_system) / r->seconds * 100 >= BUSY_PERCENT;
	uint64_t late;

	BOARD_SUM(supervisor->board, late, late);
	if (late > 0 && o->scenario->no_coming) {
		snprintf(r->bottleneck, sizeof r->bottleneck,
			"%" PRIu64 " clients were late because all --clients were connected already; raise --clients",
			late);
		return;
	}
	if (late > r->sent / LATE_PART) {
		snprintf(r->bottleneck, sizeof r->bottleneck,
			"%" PRIu64 " of %" PRIu64
			" messages were sent more than 10 ms late: the tester had too little "
			"processor time; give more --processes or a lower --message-rate",
			late, r->sent);
		return;
	}
	for (unsigned i = 0; i < r->tester_count; i++) {
		if (r->tester_cpu[i] < BUSY_PERCENT || server_busy || o->spin) /* --spin keeps the process busy */
			continue;
		snprintf(r->bottleneck, sizeof r->bottleneck,
			"a load process used %.0f %% of a core%s; more --processes may show more", r->tester_cpu[i],
			r->has_server ? " while the server had time left" : "");
		return;
	}
}

static void
measure_tester(const struct supervisor *supervisor, struct report *r, double *cpu)
{
	for (unsigned i = 0; i < supervisor->board->processes; i++) {
		const struct board_part *part = &supervisor->board->parts[i];

		cpu[i] = r->seconds > 0 && part->cpu_at_end > 0
				 ? (part->cpu_at_end - part->cpu_at_begin) / r->seconds * 100
				 : 0;
	}
	r->tester_cpu = cpu;
	r->tester_count = supervisor->board->processes;
}

static struct series_second *
fill_series(const struct supervisor *supervisor, struct report *r)
{
	struct series_second *all;
	unsigned count = 0;

	for (unsigned i = 0; i < supervisor->board->processes; i++)
		if (supervisor->board->parts[i].series.seconds > count)
			count = supervisor->board->parts[i].series.seconds;
	all = mem_zalloc((count + 1) * sizeof *all);
	for (unsigned i = 0; i < supervisor->board->processes; i++)
		for (unsigned n = 0; n < count; n++)
			series_add(&all[n], &supervisor->board->parts[i].series, n);
	r->series = all;
	r->series_count = count;
	return all;
}

static bool
write_out(
	FILE *to, const char *name, void (*make)(const struct report *r, struct buffer *out), const struct report *r)
{
	struct buffer out;
	bool good;

	buffer_init(&out, OUTPUT_MAX);
	make(r, &out);
	good = buffer_error(&out) == 0 && fwrite(out.data, 1, out.len, to) == out.len && fflush(to) == 0;
	buffer_fini(&out);
	if (!good)
		fprintf(stderr, "sockeye-load: cannot write %s\n", name);
	return good;
}

static bool
anybody_came(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->board->processes; i++)
		if (supervisor->board->parts[i].ever_ready)
			return true;
	return false;
}

static enum load_exit
write_all(const struct supervisor *supervisor, const struct report *r, bool holds)
{
	bool written = write_out(stdout, "the report", report_text, r);

	if (supervisor->json)
		written &= write_out(supervisor->json, supervisor->options->json, report_json, r);
	if (supervisor->plot)
		written &= write_out(supervisor->plot, supervisor->options->plot, plot_svg, r);
	if (r->opened > 0 && !anybody_came(supervisor)) {
		fprintf(stderr, "sockeye-load: no client could join %s: %s\n", supervisor->options->urls[0],
			r->first_error[0] ? r->first_error : "not in time");
		return EXIT_COULD_NOT;
	}
	return !written ? EXIT_COULD_NOT : holds ? EXIT_RAN : EXIT_ASSERTION;
}

enum load_exit
supervisor_result(struct supervisor *supervisor)
{
	struct load_options *o = supervisor->options;
	struct option_table table = load_options_table(o);
	uint64_t from = atomic_load(&supervisor->board->run_from), until = atomic_load(&supervisor->board->run_until);
	struct report *r = mem_zalloc(sizeof *r);
	struct series_second *series;
	double cpu[LOAD_PROCESSES_MAX];
	enum load_exit code;
	bool holds;

	r->scenario = o->scenario->name;
	r->urls = o->urls;
	r->url_count = o->url_count;
	r->options = &table;
	r->seconds = until > from ? (double)(until - from) / SECOND : 0;
	r->wanted = o->clients;
	r->joined = supervisor->joined;
	r->latency = mem_alloc(sizeof *r->latency);
	r->connect_time = mem_alloc(sizeof *r->connect_time);
	histogram_init(r->latency);
	histogram_init(r->connect_time);
	r->away_time = mem_alloc(sizeof *r->away_time);
	histogram_init(r->away_time);
	add_up(supervisor, r);
	fill_recovery(supervisor, r);
	fill_server(supervisor, r);
	measure_tester(supervisor, r, cpu);
	series = fill_series(supervisor, r);
	judge_tester(supervisor, r);
	holds = report_judge(r, o->criteria, o->criterion_count);
	r->criteria = o->criteria;
	r->criterion_count = o->criterion_count;
	code = write_all(supervisor, r, holds);
	mem_free(series);
	mem_free(r->latency);
	mem_free(r->connect_time);
	mem_free(r->away_time);
	mem_free(r);
	return code;
}
