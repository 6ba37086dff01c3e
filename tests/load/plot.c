#include "tests/load/plot.h"

#include <math.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "tests/load/plot_scale.h"

#define WIDTH 960
#define HEIGHT 680
#define LEFT 84
#define RIGHT 932
#define POINTS_MAX 240	 /* the eye cannot tell more apart */
#define SUBTITLE_MAX 110 /* characters that fit */
#define LETTER 8.0	 /* wider than most letters of this size */
#define MINUTES_FROM 180 /* seconds; longer runs have an axis of minutes */

/* One or more seconds of the run. */
struct point {
	double at; /* its middle, in seconds of the run */
	bool has_latency;
	double p50, p99, max;  /* ns */
	double sent, received; /* per second */
	double joined;
};

struct picture {
	struct buffer *out;
	struct point *points;
	unsigned n;
	double seconds; /* seconds that are drawn */
	struct scale time;
};

/* One diagram of the stack, with room for a heading above it. */
struct panel {
	const char *heading, *unit;
	double top, bottom;
};
static const struct panel latency_panel = {"Latency", "logarithmic", 104, 320};
static const struct panel throughput_panel = {"Throughput", "messages per second", 372, 512};
static const struct panel clients_panel = {"Clients", "joined", 564, 628};

struct line {
	const char *class, *name;
	size_t at; /* offset in struct point */
	bool latency;
};
static const struct line latency_lines[] = {
	{"max", "max", offsetof(struct point, max), true},
	{"p99", "p99", offsetof(struct point, p99), true},
	{"p50", "p50", offsetof(struct point, p50), true},
};
static const struct line throughput_lines[] = {
	{"sent", "sent", offsetof(struct point, sent), false},
	{"received", "received", offsetof(struct point, received), false},
};
static const struct line clients_lines[] = {{"clients", "joined", offsetof(struct point, joined), false}};

/* The colors can be told apart by color-blind readers too. The dark scheme uses lighter colors, not inverted ones. */
static const char style[] = "<style>\n"
			    "text{font:12px system-ui,sans-serif;fill:#5c5b57}\n"
			    ".title{font-size:18px;font-weight:600;fill:#1b1b1a}\n"
			    ".heading{font-size:13px;font-weight:600;fill:#1b1b1a}\n"
			    ".unit{font-size:12px;font-weight:400;fill:#5c5b57}\n"
			    ".back{fill:#fcfcfb}\n"
			    ".grid{stroke:#e4e3de;stroke-width:1}\n"
			    ".axis{stroke:#a5a49e;stroke-width:1}\n"
			    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\n"
			    ".max{stroke:#c4362f;stroke-width:1.2}\n"
			    ".p99{stroke:#b97800}\n"
			    ".p50{stroke:#2a6fd0}\n"
			    ".sent{stroke:#6a4fc4;stroke-width:3.2}\n"
			    ".received{stroke:#0b8f6a}\n"
			    ".clients{stroke:#5c5b57}\n"
			    "@media (prefers-color-scheme:dark){\n"
			    "text,.unit{fill:#b3b2ab}\n"
			    ".title,.heading{fill:#f4f3ee}\n"
			    ".back{fill:#1a1a19}\n"
			    ".grid{stroke:#343430}\n"
			    ".axis{stroke:#6f6e68}\n"
			    ".max{stroke:#f0706a}\n"
			    ".p99{stroke:#e2a93b}\n"
			    ".p50{stroke:#5b9cf0}\n"
			    ".sent{stroke:#a08cf0}\n"
			    ".received{stroke:#35c496}\n"
			    ".clients{stroke:#b3b2ab}\n"
			    "}\n"
			    "</style>\n";

/* Escapes the text of an element; the scenario and the URLs are the user's text. */
static void
add_escaped(struct buffer *out, const char *words, size_t max)
{
	for (size_t i = 0; words[i] && i < max; i++) {
		unsigned char c = (unsigned char)words[i];

		if (c == '&')
			buffer_add_text(out, TEXT("&amp;"));
		else if (c == '<')
			buffer_add_text(out, TEXT("&lt;"));
		else if (c == '>')
			buffer_add_text(out, TEXT("&gt;"));
		else
			buffer_add_byte(out, c < ' ' || c > '~' ? '?' : c);
	}
}

/* `words` is valid XML text. */
static void
draw_label(struct buffer *out, const char *class, const char *anchor, double x, double y, const char *words)
{
	buffer_printf(out, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", class, anchor,
		x, y, words);
}

static void
draw_rule(struct buffer *out, const char *class, double x1, double y1, double x2, double y2)
{
	buffer_printf(
		out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

/*
 * The length of the series in seconds. If the last second is partial, it counts with its length, or not at all if it
 * is too short for a meaningful rate.
 */
static double
series_length(const struct report *r, unsigned *n)
{
	double last;

	*n = r->series_count;
	if (*n < 2 || !(r->seconds > *n - 1 && r->seconds < *n))
		return *n;
	last = r->seconds - (*n - 1);
	if (last >= 0.5)
		return r->seconds;
	--*n;
	return *n;
}

static void
fill_point(struct point *p, const struct report *r, unsigned from, unsigned to, double until)
{
	struct series_second sum = {0};

	for (unsigned i = from; i < to; i++)
		series_merge(&sum, &r->series[i]);
	p->at = (from + until) / 2;
	p->p50 = (double)series_percentile(&sum, 50);
	p->p99 = (double)series_percentile(&sum, 99);
	p->max = (double)sum.max;
	for (unsigned i = 0; i < SERIES_BUCKETS && !p->has_latency; i++)
		p->has_latency = sum.latencies[i] > 0;
	p->sent = (double)sum.messages / (until - from);
	p->received = (double)sum.deliveries / (until - from);
	p->joined = r->series[to - 1].joined;
}

static void
fill_points(struct picture *picture, const struct report *r)
{
	unsigned n, each;

	picture->seconds = series_length(r, &n);
	each = (n + POINTS_MAX - 1) / POINTS_MAX;
	picture->points = mem_zalloc((POINTS_MAX + 1) * sizeof *picture->points);
	for (unsigned from = 0; from < n; from += each) {
		unsigned to = from + each < n ? from + each : n;

		fill_point(&picture->points[picture->n++], r, from, to, to < n ? to : picture->seconds);
	}
}

static double
value_of(const struct point *p, const struct line *line)
{
	return *(const double *)(const void *)((const char *)p + line->at);
}

static double
most_of(const struct picture *picture, const struct line *lines, unsigned count)
{
	double most = 0;

	for (unsigned i = 0; i < picture->n; i++)
		for (unsigned l = 0; l < count; l++)
			most = fmax(most, value_of(&picture->points[i], &lines[l]));
	return most;
}

/* Draws a line with gaps where nothing was measured. A point between two gaps becomes a dot. */
static void
draw_line(struct picture *picture, const struct line *line, const struct scale *scale)
{
	bool pen_down = false;

	buffer_printf(picture->out, "<path class=\"line %s\" d=\"", line->class);
	for (unsigned i = 0; i < picture->n; i++) {
		const struct point *p = &picture->points[i];

		if (line->latency && !p->has_latency) {
			pen_down = false;
			continue;
		}
		buffer_printf(picture->out, pen_down ? "L%.1f %.1f" : "M%.1f %.1fh0",
			scale_place(&picture->time, p->at), scale_place(scale, value_of(p, line)));
		pen_down = true;
	}
	buffer_add_text(picture->out, TEXT("\"/>\n"));
}

static void
draw_legend(struct buffer *out, const struct panel *panel, const struct line *lines, unsigned count)
{
	double x = RIGHT, y = panel->top - 14;

	for (unsigned l = 0; l < count; l++) {
		x -= LETTER * (double)strlen(lines[l].name);
		draw_label(out, "label", "start", x, y, lines[l].name);
		buffer_printf(
			out, "<path class=\"line %s\" d=\"M%.1f %.1fh18\"/>\n", lines[l].class, x - 25, y - 4.5);
		x -= 45;
	}
}

/* The heading, the frame and the time axis, which all panels share. */
static void
draw_panel(struct picture *picture, const struct panel *panel)
{
	struct buffer *out = picture->out;

	buffer_printf(out,
		"<text class=\"heading\" text-anchor=\"start\" x=\"%d\" y=\"%.1f\">%s<tspan class=\"unit\" dx=\"9\">"
		"%s</tspan></text>\n",
		LEFT, panel->top - 14, panel->heading, panel->unit);
	for (double t = picture->time.step; t <= picture->time.high; t += picture->time.step) {
		double x = scale_place(&picture->time, t);

		draw_rule(out, "grid", x, panel->top, x, panel->bottom);
	}
	draw_rule(out, "axis", LEFT, panel->top, LEFT, panel->bottom);
}

static void
draw_mark(struct buffer *out, const struct scale *scale, double value, const char *label)
{
	double y = scale_place(scale, value);

	draw_rule(out, y == scale->from ? "axis" : "grid", LEFT, y, RIGHT, y);
	draw_label(out, "label", "end", LEFT - 8, y + 4, label);
}

static void
draw_counts(
	struct picture *picture, const struct panel *panel, unsigned marks, const struct line *lines, unsigned count)
{
	struct scale scale = scale_linear(most_of(picture, lines, count), marks, panel->bottom, panel->top);
	char label[SCALE_LABEL_MAX];

	draw_panel(picture, panel);
	for (unsigned i = 0; i * scale.step <= scale.high; i++) {
		scale_label_count(label, i * scale.step);
		draw_mark(picture->out, &scale, i * scale.step, label);
	}
	for (unsigned l = 0; l < count; l++)
		draw_line(picture, &lines[l], &scale);
	if (count > 1)
		draw_legend(picture->out, panel, lines, count);
}

static void
draw_latencies(struct picture *picture)
{
	const struct panel *panel = &latency_panel;
	double least = 0, most = 0;
	char label[SCALE_LABEL_MAX];
	struct scale scale;

	for (unsigned i = 0; i < picture->n; i++) {
		const struct point *p = &picture->points[i];

		if (!p->has_latency)
			continue;
		least = least > 0 ? fmin(least, fmax(p->p50, 1)) : fmax(p->p50, 1);
		most = fmax(most, p->max);
	}
	draw_panel(picture, panel);
	if (least <= 0) {
		draw_rule(picture->out, "axis", LEFT, panel->bottom, RIGHT, panel->bottom);
		draw_label(picture->out, "label", "middle", (LEFT + RIGHT) / 2.0, (panel->top + panel->bottom) / 2,
			"no latency was measured");
		return;
	}
	scale = scale_logarithmic(least, fmax(most, least), panel->bottom, panel->top);
	for (double power = scale.low; power <= scale.high; power++) {
		double value = pow(10, power);

		scale_label_ns(label, value);
		draw_mark(picture->out, &scale, value, label);
		for (unsigned i = 2; i <= 5 && scale.high - scale.low <= 2 && power < scale.high; i += 3) {
			scale_label_ns(label, i * value);
			draw_mark(picture->out, &scale, i * value, label);
		}
	}
	for (unsigned l = 0; l < 3; l++)
		draw_line(picture, &latency_lines[l], &scale);
	draw_legend(picture->out, panel, latency_lines, 3);
}

static void
draw_time(struct picture *picture)
{
	double bottom = clients_panel.bottom, unit = picture->seconds > MINUTES_FROM ? 60 : 1;
	char label[SCALE_LABEL_MAX];

	for (unsigned i = 0; i * picture->time.step <= picture->time.high; i++) {
		snprintf(label, sizeof label, "%g", i * picture->time.step / unit);
		draw_label(picture->out, "label", "middle", scale_place(&picture->time, i * picture->time.step),
			bottom + 18, label);
	}
	draw_label(picture->out, "label", "middle", (LEFT + RIGHT) / 2.0, bottom + 40,
		unit > 1 ? "minutes of the measured run" : "seconds of the measured run");
}

static void
draw_title(struct buffer *out, const struct report *r)
{
	size_t room = SUBTITLE_MAX;

	buffer_add_text(out, TEXT("<title>"));
	add_escaped(out, r->scenario, SUBTITLE_MAX);
	buffer_add_text(
		out, TEXT(" over time</title>\n<text class=\"title\" text-anchor=\"start\" x=\"24\" y=\"34\">"));
	add_escaped(out, r->scenario, 24);
	buffer_printf(out,
		", %llu client%s, %.*f s</text>\n<text class=\"label\" text-anchor=\"start\" x=\"24\" y=\"56\">",
		(unsigned long long)r->wanted, r->wanted == 1 ? "" : "s", r->seconds < 100 ? 1 : 0, r->seconds);
	for (unsigned i = 0; i < r->url_count && room > 0; i++) {
		size_t n = strlen(r->urls[i]);

		if (i > 0)
			buffer_add_text(out, TEXT(", "));
		add_escaped(out, r->urls[i], room);
		if (n > room)
			buffer_add_text(out, TEXT("..."));
		room = n + 2 < room ? room - n - 2 : 0;
	}
	buffer_add_text(out, TEXT("</text>\n"));
}

void
plot_svg(const struct report *r, struct buffer *out)
{
	struct picture picture = {.out = out};

	fill_points(&picture, r);
	picture.time = scale_time(picture.seconds > 0 ? picture.seconds : 1, LEFT, RIGHT);
	buffer_printf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		"role=\"img\">\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	buffer_add_text(out, TEXT(style));
	buffer_printf(out, "<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
	draw_title(out, r);
	draw_latencies(&picture);
	draw_counts(&picture, &throughput_panel, 5, throughput_lines, 2);
	draw_counts(&picture, &clients_panel, 3, clients_lines, 1);
	draw_time(&picture);
	buffer_add_text(out, TEXT("</svg>\n"));
	mem_free(picture.points);
}
