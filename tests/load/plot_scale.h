/* Axes of a plot: they map values to positions and choose round tick marks. Pure code. */
#ifndef TESTS_LOAD_PLOT_SCALE_H
#define TESTS_LOAD_PLOT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

#define SCALE_LABEL_MAX 24

struct scale {
	double low, high; /* of the values; of their log10() on a logarithmic axis */
	double step;	  /* between ticks */
	bool logarithmic;
	double from, to; /* positions of low and high */
};

/* From 0 to at least `most`, in at most `marks` round integer steps. */
struct scale scale_linear(double most, unsigned marks, double from, double to);
/* Whole powers of ten that enclose least..most (both > 0). */
struct scale scale_logarithmic(double least, double most, double from, double to);
/* Time from exactly 0 to exactly `seconds`, in at most ten steps of customary lengths. */
struct scale scale_time(double seconds, double from, double to);

/* The position of a value; a value outside the scale gets the position of the nearer end. */
double scale_place(const struct scale *scale, double value);

void scale_label_count(char out[SCALE_LABEL_MAX], double value); /* 1500: "1.5k" */
void scale_label_ns(char out[SCALE_LABEL_MAX], double ns);	 /* 2000000: "2 ms" */

#endif
