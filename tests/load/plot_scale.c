#include "tests/load/plot_scale.h"

#include <math.h>
#include <stdio.h>

struct scale
scale_linear(double most, unsigned marks, double from, double to)
{
	static const double round_steps[] = {1, 2, 5};
	double step = 1, power = 1;

	for (unsigned i = 0; most / step > marks; i++) {
		if (i > 0 && i % 3 == 0)
			power *= 10;
		step = round_steps[i % 3] * power;
	}
	return (struct scale){
		.high = most > 0 ? ceil(most / step) * step : step, .step = step, .from = from, .to = to};
}

struct scale
scale_logarithmic(double least, double most, double from, double to)
{
	/* the margin keeps 1e6 a power of ten despite rounding */
	double low = floor(log10(least) + 1e-9), high = ceil(log10(most) - 1e-9);

	return (struct scale){.low = low,
		.high = high > low ? high : low + 1,
		.step = 1,
		.logarithmic = true,
		.from = from,
		.to = to};
}

struct scale
scale_time(double seconds, double from, double to)
{
	static const double steps[] = {1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800};
	unsigned i = 0;

	while (i + 1 < sizeof steps / sizeof *steps && seconds / steps[i] > 10)
		i++;
	return (struct scale){.high = seconds, .step = steps[i], .from = from, .to = to};
}

double
scale_place(const struct scale *scale, double value)
{
	double at = scale->logarithmic ? log10(value > 0 ? value : 1e-9) : value;

	at = at < scale->low ? scale->low : at > scale->high ? scale->high : at;
	return scale->from + (at - scale->low) / (scale->high - scale->low) * (scale->to - scale->from);
}

void
scale_label_count(char out[SCALE_LABEL_MAX], double value)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	unsigned i = 0;

	for (; value >= 1000 && i + 1 < sizeof units / sizeof *units; i++)
		value /= 1000;
	snprintf(out, SCALE_LABEL_MAX, "%g%s", value, units[i]);
}

void
scale_label_ns(char out[SCALE_LABEL_MAX], double ns)
{
	static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
	unsigned i = 0;

	for (; ns >= 999.5 && i + 1 < sizeof units / sizeof *units; i++)
		ns /= 1000;
	snprintf(out, SCALE_LABEL_MAX, "%g %s", ns, units[i]);
}
