/* What both codes have in common: the checks of a scan, and bytes with a bound. */
#ifndef SCAN_H
#define SCAN_H

#include "hpac_jpeg.h"

enum { MAX_SIDE = 65535, MARKER = 0xff, RESTART_0 = 0xd0 };

static inline int is_within(int32_t value, int32_t low, int32_t high) { return value >= low && value <= high; }

static inline int is_scan(const struct hpac_scan *s) {
  if (!is_within(s->height, 1, MAX_SIDE) || !is_within(s->width, 1, MAX_SIDE) || !is_within(s->channels, 1, 255))
    return 0;
  if (!is_within(s->num_components, 1, MAX_COMPONENTS) || s->restart < 0 || !is_within(s->precision, 2, 16)) return 0;
  for (int i = 0; i < s->num_components; i++)
    if (!is_within(s->components[i], 0, s->channels - 1)) return 0;
  return 1;
}

/* Whether no sample of the scan is above `highest`, and all have zeros below bit `shift`. */
static inline int fit_samples(const struct hpac_scan *s, const uint16_t *samples, int32_t highest, int32_t shift) {
  const int64_t pixels = (int64_t)s->height * s->width;
  uint32_t above = 0;
  for (int i = 0; i < s->num_components; i++)
    for (int64_t at = 0; at < pixels; at++) {
      const uint32_t value = samples[at * s->channels + s->components[i]];
      above |= (uint32_t)(value > (uint32_t)highest) | (value & ((1u << shift) - 1u));
    }
  return !above;
}

/* Bytes that are read: beyond the end, or where a marker is, there are zeros, which are counted. */
struct source {
  const uint8_t *at, *end;
  int zeros;
};

/* Bytes that are written: what finds no room is left out, and `is_over` tells. */
struct sink {
  uint8_t *start, *at, *end;
  int is_over;
};

static inline void put_byte(struct sink *out, uint32_t byte) {
  if (out->at == out->end) out->is_over = 1;
  else *out->at++ = (uint8_t)byte;
}

static inline int take_restart(struct source *in, uint32_t number) {
  if (in->end - in->at < 2 || in->at[0] != MARKER || in->at[1] != RESTART_0 + (number & 7)) return 0;
  in->at += 2;
  return 1;
}

static inline void put_restart(struct sink *out, uint32_t number) {
  put_byte(out, MARKER);
  put_byte(out, RESTART_0 + (number & 7));
}

static inline int64_t bytes_written(const struct sink *out) {
  return out->is_over ? JPEG_NO_ROOM : (int64_t)(out->at - out->start);
}

#endif
