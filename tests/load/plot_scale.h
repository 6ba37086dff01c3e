/*
 * Axes of a picture: from values to places and to round marks. Pure code.
 */
#ifndef TESTS_LOAD_PLOT_SCALE_H
#define TESTS_LOAD_PLOT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

#define SCALE_LABEL_MAX 24

struct scale {
	double low, high; /* of the values; powers of ten of a logarithmic one are low..high, so log10() of values */
	double step;	  /* between marks */
	bool logarithmic;
	double from, to; /* places of low and high */
};

/* 0 to at least `most`, in at most `marks` round steps of whole numbers. */
struct scale scale_linear(double most, unsigned marks, double from, double to);
/* Whole powers of ten about least..most (both > 0). */
struct scale scale_logarithmic(double least, double most, double from, double to);
/* Time from 0 to `seconds`, exactly, in at most ten steps that suit clocks. */
struct scale scale_time(double seconds, double from, double to);

/* Where a value is; what is outside is put to the edge. */
double scale_place(const struct scale *s, double value);

void scale_label_count(char out[SCALE_LABEL_MAX], double value); /* 1500: "1.5k" */
void scale_label_ns(char out[SCALE_LABEL_MAX], double ns);	 /* 2000000: "2 ms" */

#endif
