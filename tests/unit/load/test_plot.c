#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/load/plot.h"
#include "tests/load/plot_scale.h"

#define WIDTH 960
#define HEIGHT 680

static const char *const urls[] = {"http://127.0.0.1:3000/a?b=<c>&\"d'", "http://x\x01\xff/"};
static struct buffer out;
static struct series_second *series;

static struct report
run(unsigned seconds)
{
	series = mem_zalloc((seconds + 1) * sizeof *series);
	return (struct report){.scenario = "echo",
		.urls = urls,
		.url_count = 2,
		.wanted = 5000,
		.seconds = seconds,
		.series = series,
		.series_count = seconds};
}

static void
fill(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		series[i].messages = 23000 + i % 70;
		series[i].deliveries = 230000;
		series[i].joined = 5000;
		for (unsigned k = 1; k <= 100; k++)
			series_record(&series[i], k * 20000);
	}
}

static const char *
draw(const struct report *r)
{
	buffer_reset(&out);
	plot_svg(r, &out);
	buffer_add_byte(&out, '\0');
	assert_int_equal(buffer_error(&out), 0);
	return (const char *)out.data;
}

static int
setup(void **state)
{
	(void)state;
	buffer_init(&out, 1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buffer_fini(&out);
	mem_free(series);
	series = NULL;
	return 0;
}

/* ------------------------------------------------------------ well-formed XML */

static const char *
check_reference(const char *at)
{
	static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(at, known[i], strlen(known[i])) == 0)
			return at + strlen(known[i]);
	fail_msg("a bare &: %.40s", at);
	return NULL;
}

static size_t
name_length(const char *at)
{
	size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:");

	if (n == 0)
		fail_msg("no name: %.40s", at);
	return n;
}

/* The attributes of an element, from after its name to its end. Each occurs once at most. */
static const char *
check_attributes(const char *at)
{
	const char *names[16];
	unsigned n = 0;

	while (*at == ' ') {
		size_t length = name_length(++at);

		for (unsigned i = 0; i < n; i++)
			assert_false(strncmp(names[i], at, length) == 0 && names[i][length] == '=');
		assert_true(n < 16);
		names[n++] = at;
		at += length;
		assert_memory_equal(at, "=\"", 2);
		for (at += 2; *at != '"';) {
			if (*at == '<' || *at == '\0')
				fail_msg("attribute: %.40s", names[n - 1]);
			at = *at == '&' ? check_reference(at) : at + 1;
		}
		at++;
	}
	return at;
}

static void
check_xml(const char *at)
{
	struct text open[16];
	unsigned depth = 0;

	assert_memory_equal(at, "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 40);
	do {
		if (strncmp(at, "</", 2) == 0) {
			assert_true(depth > 0);
			depth--;
			assert_true(text_is(text_of(at + 2, name_length(at + 2)), open[depth]));
			at += 2 + open[depth].n;
			assert_int_equal(*at++, '>');
		} else if (*at == '<') {
			struct text name = text_of(at + 1, name_length(at + 1));

			at = check_attributes(name.at + name.n);
			if (*at == '/') {
				at++;
			} else {
				assert_true(depth < 16);
				open[depth++] = name;
			}
			assert_int_equal(*at++, '>');
		} else if (*at == '&') {
			at = check_reference(at);
		} else {
			if (strncmp(at, "\xc2\xb5", 2) == 0) /* micro */
				at++;
			else if ((*at < ' ' || *at > '~') && *at != '\n')
				fail_msg("byte %d", *at);
			at++;
		}
	} while (depth > 0);
	assert_string_equal(at, "\n");
}

/* ------------------------------------------------------------ what is where */

struct box {
	double left, top, right, bottom;
	const char *at;
};

static double
attribute(const char *element, const char *name)
{
	const char *at = strstr(element, name);

	assert_non_null(at);
	return strtod(at + strlen(name), NULL);
}

/* Each text with the largest space that it may take: a letter is 7.5 wide, 11 and 8.5 in the larger ones. */
static unsigned
text_boxes(const char *svg, struct box *boxes, unsigned max)
{
	unsigned n = 0;

	for (const char *at = svg; (at = strstr(at, "<text ")) != NULL; at++) {
		double x = attribute(at, " x=\""), y = attribute(at, " y=\""), letter = 7.5, width = 0;
		const char *words = strchr(at, '>') + 1;

		if (strncmp(at + 6, "class=\"title\"", 13) == 0)
			letter = 11;
		else if (strncmp(at + 6, "class=\"heading\"", 15) == 0)
			letter = 8.5;
		for (; strncmp(words, "</text>", 7) != 0; words++) {
			if (*words == '<') {
				if (words[1] != '/')
					width += 9; /* the gap before a tspan */
				words = strchr(words, '>');
			} else {
				if (*words == '&')
					words = strchr(words, ';');
				width += letter;
			}
		}
		assert_true(n < max);
		x -= strstr(at, "text-anchor=\"end\"") < words && strstr(at, "text-anchor=\"end\"") ? width : 0;
		x -= strstr(at, "text-anchor=\"middle\"") < words && strstr(at, "text-anchor=\"middle\"") ? width / 2
													  : 0;
		boxes[n++] = (struct box){x, y - letter * 1.3, x + width, y + letter * 0.4, at};
	}
	return n;
}

/* The areas that no text may cover: the lines of the legends, and the panels. Only the text of an empty panel lies in
 * its panel. */
static unsigned
drawn_boxes(const char *svg, struct box *boxes, unsigned max)
{
	static const struct box panels[] = {{84, 104, 932, 320, "the latency"}, {84, 372, 932, 512, "the throughput"},
		{84, 564, 932, 628, "the clients"}};
	unsigned n = 0;

	for (unsigned i = strstr(svg, "no latency was measured") ? 1 : 0; i < 3; i++)
		boxes[n++] = panels[i];
	for (const char *at = svg; (at = strstr(at, "<path ")) != NULL; at++) {
		double x, y;

		if (!strstr(at, "h18\"/>") || strstr(at, "h18\"/>") > strchr(at, '>'))
			continue;
		x = attribute(at, " d=\"M");
		y = strtod(strchr(strstr(at, " d=\"M") + 5, ' '), NULL);
		assert_true(n < max);
		boxes[n++] = (struct box){x, y - 2, x + 18, y + 2, at};
	}
	return n;
}

static void
check_no_overlap(const char *svg)
{
	struct box boxes[128];
	unsigned n = text_boxes(svg, boxes, 64);

	assert_true(n > 12);
	n += drawn_boxes(svg, boxes + n, 64);
	for (unsigned i = 0; i < n; i++) {
		if (boxes[i].left < 0 || boxes[i].top < 0 || boxes[i].right > WIDTH || boxes[i].bottom > HEIGHT)
			fail_msg("outside: %.90s", boxes[i].at);
		for (unsigned k = 0; k < i; k++)
			if (boxes[i].left < boxes[k].right && boxes[k].left < boxes[i].right &&
				boxes[i].top < boxes[k].bottom && boxes[k].top < boxes[i].bottom)
				fail_msg("%.90s\noverlaps %.90s", boxes[i].at, boxes[k].at);
	}
}

/* The path of a line, without the legend's, which contains only h18. */
static const char *
path_of(const char *svg, const char *class)
{
	static char want[64], path[20000];
	const char *at = svg;

	snprintf(want, sizeof want, "<path class=\"line %s\" d=\"", class);
	while ((at = strstr(at, want)) != NULL) {
		size_t n;

		at += strlen(want);
		n = strcspn(at, "\"");
		assert_true(n < sizeof path);
		memcpy(path, at, n);
		path[n] = '\0';
		if (!strstr(path, "h18"))
			return path;
	}
	fail_msg("no line %s", class);
	return NULL;
}

static unsigned
count(const char *text, char c)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void
check(const char *svg)
{
	static const char *const lines[] = {"p50", "p99", "max", "sent", "received", "clients"};

	check_xml(svg);
	check_no_overlap(svg);
	assert_null(strstr(svg, "nan"));
	assert_null(strstr(svg, "inf"));
	assert_null(strstr(svg, "<script"));
	assert_null(strstr(svg, "href"));
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
		const char *at;

		if (i < 3 && strstr(svg, "no latency was measured"))
			continue;
		for (at = path_of(svg, lines[i]); *at;) {
			double x = strtod(at + 1, (char **)&at), y = strtod(at, (char **)&at);

			assert_true(x >= 84 && x <= 932 && y >= 104 && y <= 628);
			if (*at == 'h')
				at += 2;
		}
	}
}

static void
test_five_seconds(void **state)
{
	struct report r = run(5);
	const char *svg;

	(void)state;
	fill(5);
	svg = draw(&r);
	check(svg);
	assert_int_equal(count(path_of(svg, "p50"), 'L'), 4);
	assert_non_null(strstr(svg, ">echo, 5000 clients, 5.0 s<"));
	assert_non_null(strstr(svg, ">seconds of the measured run<"));
	assert_non_null(strstr(svg, ">Latency<"));
	assert_non_null(strstr(svg, ">messages per second<"));
	assert_non_null(strstr(svg, ">Clients<"));
	assert_non_null(strstr(svg, ">1 ms<"));
	assert_non_null(strstr(svg, ">200 \xc2\xb5s<"));
	assert_non_null(strstr(svg, ">200k<"));
	assert_non_null(strstr(svg, ">p50</text>"));
	assert_non_null(strstr(svg, ">received</text>"));
	assert_non_null(strstr(svg, "@media (prefers-color-scheme:dark)"));
}

static void
test_an_hour(void **state)
{
	struct report r = run(3600);
	const char *svg;

	(void)state;
	fill(3600);
	svg = draw(&r);
	check(svg);
	assert_non_null(strstr(svg, ">echo, 5000 clients, 3600 s<"));
	assert_non_null(strstr(svg, ">minutes of the measured run<"));
	assert_non_null(strstr(svg, ">60</text>"));
	assert_int_equal(count(path_of(svg, "p99"), 'L'), 239);
}

static void
test_every_length(void **state)
{
	static const unsigned lengths[] = {
		0, 1, 2, 3, 9, 10, 11, 59, 60, 61, 180, 181, 239, 240, 241, 599, 3599, 3601, SERIES_SECONDS};

	(void)state;
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct report r = run(lengths[i]);

		fill(lengths[i]);
		check(draw(&r));
		mem_free(series);
	}
	series = NULL;
}

/* Latencies from a nanosecond to hours, and counts of any size, in one plot. */
static void
test_every_size(void **state)
{
	struct report r = run(3);

	(void)state;
	series[0].messages = 1;
	series_record(&series[0], 0);
	series_record(&series[1], 1);
	series_record(&series[2], UINT64_MAX);
	check(draw(&r));
	for (unsigned i = 0; i < 18; i++) {
		series[1].messages = series[1].messages * 10 + 7;
		series[2].joined = (uint32_t)series[1].messages;
		check(draw(&r));
	}
}

static void
test_every_range_of_latencies(void **state)
{
	(void)state;
	for (uint64_t low = 1; low < 10000000000; low *= 10) {
		for (uint64_t high = low; high < 10000000000; high *= 10) {
			struct report r = run(2);

			series_record(&series[0], low);
			series_record(&series[1], high);
			check(draw(&r));
			mem_free(series);
		}
	}
	series = NULL;
}

static void
test_without_latencies(void **state)
{
	struct report r = run(4);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		series[i].joined = 100;
	check(draw(&r));
	assert_non_null(strstr((char *)out.data, ">no latency was measured<"));
}

/* A second without measurements is a gap in the line; a second between two gaps is a dot. */
static void
test_gaps(void **state)
{
	struct report r = run(10);
	const char *path;

	(void)state;
	fill(10);
	memset(series[3].latencies, 0, sizeof series[3].latencies);
	memset(series[5].latencies, 0, sizeof series[5].latencies);
	check(draw(&r));
	path = path_of((char *)out.data, "p50");
	assert_int_equal(count(path, 'M'), 3);
	assert_int_equal(count(path, 'L'), 5);
	assert_int_equal(count(path, 'h'), 3);
	path = path_of((char *)out.data, "sent");
	assert_int_equal(count(path, 'M'), 1);
	assert_int_equal(count(path, 'L'), 9);
}

/* The position of the n-th point of a path. */
static void
point_of(const char *path, unsigned n, double *x, double *y)
{
	for (; *path; path++) {
		if ((*path == 'M' || *path == 'L') && n-- == 0) {
			*x = strtod(path + 1, (char **)&path);
			*y = strtod(path, NULL);
			return;
		}
	}
	fail_msg("no such point");
}

static void
test_points_are_where_their_values_are(void **state)
{
	struct report r = run(4);
	double x, y;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		series[i].messages = i * 100; /* 0 to 300, drawn from 512 up to 372 */
		series[i].joined = 30;
		series_record(&series[i], i == 3 ? 10000000 : 1000000); /* 1 and 10 ms, from 320 up to 104 */
	}
	draw(&r);
	point_of(path_of((char *)out.data, "sent"), 0, &x, &y);
	assert_true(fabs(x - (84 + 848 / 8.0)) < 0.1 && fabs(y - 512) < 0.1);
	point_of(path_of((char *)out.data, "sent"), 3, &x, &y);
	assert_true(fabs(x - (932 - 848 / 8.0)) < 0.1 && fabs(y - 372) < 0.1);
	point_of(path_of((char *)out.data, "max"), 0, &x, &y);
	assert_true(fabs(y - 320) < 0.1);
	point_of(path_of((char *)out.data, "max"), 3, &x, &y);
	assert_true(fabs(y - 104) < 0.1);
	point_of(path_of((char *)out.data, "clients"), 3, &x, &y);
	assert_true(fabs(y - 564) < 0.1);
}

/* Several seconds share a point: rates are means, the maximum is kept, clients are those at the end. */
static void
test_points_of_several_seconds(void **state)
{
	struct report r = run(480); /* two to a point */
	double x, y, other;

	(void)state;
	fill(480);
	for (unsigned i = 0; i < 480; i++) {
		series[i].messages = i % 2 ? 400 : 200;
		series[i].deliveries = 300;
		series[i].joined = i % 2 ? 300 : 100;
	}
	series[0].joined = 3000;
	series_record(&series[200], 9000000);
	draw(&r);
	point_of(path_of((char *)out.data, "sent"), 7, &x, &y);
	point_of(path_of((char *)out.data, "received"), 7, &x, &other);
	assert_true(fabs(y - other) < 0.1);
	point_of(path_of((char *)out.data, "max"), 100, &x, &y);
	point_of(path_of((char *)out.data, "max"), 99, &x, &other);
	assert_true(y < other - 10);
	point_of(path_of((char *)out.data, "clients"), 0, &x, &y);
	point_of(path_of((char *)out.data, "clients"), 1, &x, &other);
	assert_true(fabs(y - other) < 0.1);
}

/* A run of 4.5 or 4.002 seconds has a partial fifth second. */
static void
test_the_last_second_counts_for_its_length(void **state)
{
	struct report r = run(5);
	double x, y, other;

	(void)state;
	fill(5);
	for (unsigned i = 0; i < 5; i++)
		series[i].messages = i < 4 ? 1000 : 500;
	r.seconds = 4.5;
	check(draw(&r));
	point_of(path_of((char *)out.data, "sent"), 3, &x, &y);
	point_of(path_of((char *)out.data, "sent"), 4, &x, &other);
	assert_true(fabs(y - other) < 0.1);
	assert_true(fabs(x - (84 + 848 * 4.25 / 4.5)) < 0.1);

	r.seconds = 4.002;
	check(draw(&r));
	assert_int_equal(count(path_of((char *)out.data, "sent"), 'L'), 3);
}

static void
test_long_words_are_cut(void **state)
{
	static char url[5000];
	const char *const many[] = {url, url, url};
	struct report r = run(1);

	(void)state;
	memset(url, '&', sizeof url - 1);
	r.scenario = url;
	r.urls = many;
	r.url_count = 3;
	r.wanted = UINT64_MAX;
	check(draw(&r));
	assert_true(strlen((char *)out.data) < 16000);
}

static void
test_marks_are_round(void **state)
{
	char label[SCALE_LABEL_MAX];
	struct scale s;

	(void)state;
	for (double most = 1; most < 1e18; most *= 1.37) {
		s = scale_linear(most, 5, 0, 1);
		assert_true(s.high >= most && s.high < most + s.step);
		assert_true(s.high / s.step <= 5 && (s.high / s.step >= 2 || s.step == 1));
	}
	s = scale_linear(0, 5, 0, 1);
	assert_true(s.high == 1 && s.step == 1);
	s = scale_logarithmic(1e6, 1e6, 0, 1);
	assert_true(s.low == 6 && s.high == 7);
	s = scale_logarithmic(999999, 1000001, 0, 1);
	assert_true(s.low == 5 && s.high == 7);
	assert_true(scale_place(&s, 0) == 0 && scale_place(&s, 1e12) == 1 && scale_place(&s, 1e6) == 0.5);
	for (unsigned seconds = 1; seconds <= SERIES_SECONDS; seconds++) {
		s = scale_time(seconds, 0, 1);
		assert_true(seconds / s.step <= 10);
		assert_true(s.high == seconds);
		assert_true(seconds < 2 || seconds / s.step >= 2);
	}
	scale_label_count(label, 1500);
	assert_string_equal(label, "1.5k");
	scale_label_count(label, 250e6);
	assert_string_equal(label, "250M");
	scale_label_ns(label, 1);
	assert_string_equal(label, "1 ns");
	scale_label_ns(label, 500000);
	assert_string_equal(label, "500 \xc2\xb5s");
	scale_label_ns(label, 1e12);
	assert_string_equal(label, "1000 s");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_five_seconds),
		TEST(test_an_hour),
		TEST(test_every_length),
		TEST(test_every_size),
		TEST(test_every_range_of_latencies),
		TEST(test_without_latencies),
		TEST(test_gaps),
		TEST(test_points_are_where_their_values_are),
		TEST(test_points_of_several_seconds),
		TEST(test_the_last_second_counts_for_its_length),
		TEST(test_long_words_are_cut),
		cmocka_unit_test(test_marks_are_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
