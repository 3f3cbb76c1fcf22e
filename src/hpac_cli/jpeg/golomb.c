/* JPEG-LS without loss: errors of a prediction in limited Golomb codes, and runs. Source: ITU-T T.87, annex A.

   One text serves both directions: `reading` is constant wherever these functions are used. */
#include <stdlib.h>
#include <string.h>

#include "scan.h"

enum { CONTEXTS = 365, RUN_CONTEXTS = 2, MAX_RESET = 255, SHIFT_BITS = 24 };

/* A.3.3 and A.7.1: how many bits a run's piece has, by run index. */
static const uint8_t RUN_BITS[32] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
                                     4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct context {
  int32_t magnitude, bias, correction, count; /* A, B, C, N */
};

struct run_context {
  int32_t magnitude, negative, count; /* A, Nn, N */
};

struct state {
  const struct hpac_scan *scan;
  int32_t range, bits, limit; /* of values; qbpp; LIMIT */
  struct context contexts[CONTEXTS];
  struct run_context runs[RUN_CONTEXTS];
  int32_t run_index[MAX_COMPONENTS];
  struct source in;
  struct sink out;
  uint64_t waiting; /* its low `count` bits are to be read or written */
  int count;
  uint32_t last; /* byte that was read or written: after 0xff, a byte has 7 bits */
  int damaged;
};

/* Bits, in both directions. */

static void fill(struct state *s) {
  while (s->count <= 48) {
    const int width = s->last == MARKER ? 7 : 8;
    uint32_t byte = 0;
    if (s->in.at < s->in.end && !(*s->in.at == MARKER && s->in.end - s->in.at > 1 && s->in.at[1] > 127) &&
        (width == 8 || *s->in.at < 128))
      byte = *s->in.at++;
    else s->in.zeros++;
    s->waiting = s->waiting << width | byte;
    s->count += width;
    s->last = byte;
  }
}

static inline void put_bits(struct state *s, uint32_t value, int bits) {
  s->waiting = s->waiting << bits | value;
  s->count += bits;
  for (int width; s->count >= (width = s->last == MARKER ? 7 : 8);) {
    s->count -= width;
    s->last = (uint32_t)(s->waiting >> s->count) & ((1u << width) - 1u);
    put_byte(&s->out, s->last);
  }
}

static inline uint32_t take_bits(struct state *s, int bits) {
  fill(s);
  s->count -= bits;
  return (uint32_t)(s->waiting >> s->count) & ((1u << bits) - 1u);
}

/* Zeros fill the last byte, and no 0xff stands before a marker. */
static void pad(struct state *s) {
  if (s->count) put_bits(s, 0, (s->last == MARKER ? 7 : 8) - s->count);
  if (s->last == MARKER) put_bits(s, 0, 7);
}

/* A.5.3: `value` in a Golomb code of k low bits and at most `limit` in all. */
static inline uint32_t code_golomb(struct state *s, int reading, uint32_t value, int k, int32_t limit) {
  const int32_t longest = limit - s->bits - 1;
  if (reading) {
    int32_t zeros = 0;
    while (zeros < longest && !take_bits(s, 1)) zeros++;
    if (zeros < longest) return ((uint32_t)zeros << k) | (k ? take_bits(s, k) : 0);
    if (!take_bits(s, 1)) s->damaged = 1;
    return take_bits(s, s->bits) + 1;
  }
  const int32_t zeros = (int32_t)(value >> k);
  const int is_short = zeros < longest;
  for (int32_t left = is_short ? zeros : longest; left > 0; left -= 16) put_bits(s, 0, left < 16 ? left : 16);
  put_bits(s, 1, 1);
  if (!is_short) put_bits(s, (value - 1) & ((1u << s->bits) - 1u), s->bits);
  else if (k) put_bits(s, value & ((1u << k) - 1u), k);
  return value;
}

static inline int golomb_bits(int32_t count, int32_t magnitude) {
  int k = 0;
  while (count << k < magnitude && k < SHIFT_BITS) k++;
  return k;
}

/* A.4.5: an error modulo the range. */
static inline int32_t reduce(const struct state *s, int32_t error) {
  if (error < 0) error += s->range;
  return error >= (s->range + 1) / 2 ? error - s->range : error;
}

/* The sample that an error of the prediction gives. */
static inline int32_t restore(struct state *s, int32_t expected, int32_t error) {
  int32_t value = expected + error;
  if (value < 0) value += s->range;
  if (value > s->scan->max_value) value -= s->range;
  if (value < 0 || value > s->scan->max_value) s->damaged = 1;
  return s->damaged ? 0 : value;
}

/* A.3.3, quantised to -4 to 4. */
static inline int32_t quantise(const struct hpac_scan *scan, int32_t d) {
  const int32_t size = d < 0 ? -d : d;
  const int32_t q = size >= scan->t3 ? 4 : size >= scan->t2 ? 3 : size >= scan->t1 ? 2 : size > 0;
  return d < 0 ? -q : q;
}

/* A.4 to A.6: a sample in the regular mode, from its neighbours on the left, above, and above on the left. */
static inline int32_t code_regular(struct state *s, int reading, int32_t q, int32_t a, int32_t b, int32_t c,
                                   int32_t value) {
  const int32_t sign = q < 0 ? -1 : 1;
  struct context *context = &s->contexts[q * sign];
  const int32_t low = a < b ? a : b, high = a < b ? b : a;
  int32_t expected = c >= high ? low : c <= low ? high : a + b - c;
  expected += sign * context->correction;
  if (expected < 0) expected = 0;
  if (expected > s->scan->max_value) expected = s->scan->max_value;

  const int k = golomb_bits(context->count, context->magnitude);
  const int is_turned = !k && 2 * context->bias <= -context->count;
  int32_t error = 0;
  uint32_t mapped = 0;
  if (!reading) {
    error = reduce(s, sign * (value - expected));
    if (is_turned) mapped = (uint32_t)(error >= 0 ? 2 * error + 1 : -2 * (error + 1));
    else mapped = (uint32_t)(error >= 0 ? 2 * error : -2 * error - 1);
  }
  mapped = code_golomb(s, reading, mapped, k, s->limit);
  if (reading) {
    if (mapped > 2u * (uint32_t)s->range) {
      s->damaged = 1;
      return 0;
    }
    const int32_t half = (int32_t)(mapped >> 1);
    error = (mapped & 1u) != (uint32_t)is_turned ? -half - 1 : half;
    value = restore(s, expected, sign * error);
  }

  context->bias += error;
  context->magnitude += error < 0 ? -error : error;
  if (context->count == s->scan->reset) {
    context->magnitude >>= 1;
    context->bias >>= 1; /* towards minus infinity, as A.6.1 has it */
    context->count >>= 1;
  }
  context->count++;
  if (context->bias <= -context->count) {
    context->bias += context->count;
    if (context->correction > -128) context->correction--;
    if (context->bias <= -context->count) context->bias = 1 - context->count;
  } else if (context->bias > 0) {
    context->bias -= context->count;
    if (context->correction < 127) context->correction++;
    if (context->bias > 0) context->bias = 0;
  }
  return value;
}

/* A.7.2: the sample that ends a run; `same` says that its neighbours on the left and above are equal. */
static inline int32_t code_interruption(struct state *s, int reading, int same, int32_t a, int32_t b, int32_t run_bits,
                                        int32_t value) {
  struct run_context *context = &s->runs[same];
  const int32_t sign = !same && a > b ? -1 : 1, expected = same ? a : b;
  const int k = golomb_bits(context->count, context->magnitude + (same ? context->count >> 1 : 0));
  const int32_t limit = s->limit - run_bits - 1;
  int32_t error = 0;
  uint32_t mapped = 0;
  if (!reading) {
    error = reduce(s, sign * (value - expected));
    const int map = error > 0 ? !k && 2 * context->negative < context->count
                              : error < 0 && (k || 2 * context->negative >= context->count);
    mapped = (uint32_t)(2 * (error < 0 ? -error : error) - same - map);
  }
  mapped = code_golomb(s, reading, mapped, k, limit);
  if (reading) {
    if (mapped > 2u * (uint32_t)s->range) {
      s->damaged = 1;
      return 0;
    }
    const int32_t both = (int32_t)mapped + same, map = both & 1, size = (both + map) / 2;
    const int is_negative = (k || 2 * context->negative >= context->count) == map;
    error = is_negative ? -size : size;
    value = restore(s, expected, sign * error);
  }
  if (error < 0) context->negative++;
  context->magnitude += ((int32_t)mapped + 1 - same) >> 1;
  if (context->count == s->scan->reset) {
    context->magnitude >>= 1;
    context->count >>= 1;
    context->negative >>= 1;
  }
  context->count++;
  return value;
}

/* A.7.1: how many of at most `most` pixels are a run; writing, `length` is known. */
static inline int code_run(struct state *s, int reading, int32_t *index, int length, int most) {
  int left = reading ? most : length, done = 0;
  for (;;) {
    const int piece = 1 << RUN_BITS[*index];
    if (reading) {
      if (!take_bits(s, 1)) { /* interrupted: what is left of the last piece */
        const int rest = RUN_BITS[*index] ? (int)take_bits(s, RUN_BITS[*index]) : 0;
        if (rest >= left) s->damaged = 1;
        return s->damaged ? 0 : done + rest;
      }
      if (piece > left) return most; /* the row ends within a piece */
    } else if (piece > left) {
      if (length < most) put_bits(s, (uint32_t)left, RUN_BITS[*index] + 1); /* a zero, and what is left */
      else if (left) put_bits(s, 1, 1);
      return length;
    } else {
      put_bits(s, 1, 1);
    }
    done += piece;
    left -= piece;
    if (*index < 31) ++*index;
    if (reading && !left) return most;
  }
}

/* A.3.2: neighbours of a sample. `origin` is what is above on the left of a row's first sample. */
struct neighbours {
  int32_t a, b, c, d;
};

static inline struct neighbours look(const uint16_t *row, const uint16_t *above, int x, int width, int step,
                                     int32_t origin) {
  const int at = x * step;
  const int32_t b = above ? above[at] : 0;
  const int32_t c = x ? (above ? above[at - step] : 0) : origin;
  const int32_t d = above ? above[x < width - 1 ? at + step : at] : 0;
  return (struct neighbours){x ? row[at - step] : b, b, c, d};
}

static inline int32_t gradient(const struct hpac_scan *scan, struct neighbours n) {
  return 81 * quantise(scan, n.d - n.b) + 9 * quantise(scan, n.b - n.c) + quantise(scan, n.c - n.a);
}

/* One row of `num` components that are coded sample by sample; each begins at row[channels[i]]. */
static inline void code_row(struct state *s, int reading, uint16_t *row, const uint16_t *above, const int32_t *channels,
                            int num, int32_t *index, int32_t *origins) {
  const int width = s->scan->width, step = s->scan->channels;
  int x = 0;
  while (x < width && !s->damaged) {
    struct neighbours n[MAX_COMPONENTS];
    int32_t q[MAX_COMPONENTS], any = 0;
    for (int i = 0; i < num; i++) {
      n[i] = look(row + channels[i], above ? above + channels[i] : NULL, x, width, step, origins[i]);
      q[i] = gradient(s->scan, n[i]);
      any |= q[i];
    }
    if (any) {
      for (int i = 0; i < num; i++) {
        uint16_t *at = row + channels[i] + x * step;
        *at = (uint16_t)code_regular(s, reading, q[i], n[i].a, n[i].b, n[i].c, *at);
      }
      x++;
      continue;
    }
    int length = 0;
    if (!reading) {
      for (int same = 1; x + length < width; length += same) {
        for (int i = 0; i < num; i++) same &= row[channels[i] + (x + length) * step] == n[i].a;
        if (!same) break;
      }
    }
    length = code_run(s, reading, index, length, width - x);
    if (reading)
      for (int end = x + length, j = x; j < end; j++)
        for (int i = 0; i < num; i++) row[channels[i] + j * step] = (uint16_t)n[i].a;
    x += length;
    if (x == width) break;
    for (int i = 0; i < num; i++) {
      uint16_t *at = row + channels[i] + x * step;
      const struct neighbours here =
          look(row + channels[i], above ? above + channels[i] : NULL, x, width, step, origins[i]);
      const int same = num == 1 && here.a == here.b;
      *at = (uint16_t)code_interruption(s, reading, same, here.a, here.b, RUN_BITS[*index], *at);
    }
    if (*index) --*index;
    x++;
  }
}

static void begin(struct state *s) {
  const int32_t magnitude = (s->range + 32) / 64 > 2 ? (s->range + 32) / 64 : 2;
  for (int i = 0; i < CONTEXTS; i++) s->contexts[i] = (struct context){magnitude, 0, 0, 1};
  for (int i = 0; i < RUN_CONTEXTS; i++) s->runs[i] = (struct run_context){magnitude, 0, 1};
  memset(s->run_index, 0, sizeof s->run_index);
  s->waiting = s->last = 0;
  s->count = s->in.zeros = 0;
}

static inline void code_scan(struct state *s, int reading, uint16_t *samples) {
  const struct hpac_scan *scan = s->scan;
  const int by_sample = scan->interleave == 2;
  const int groups = by_sample ? 1 : scan->num_components, num = by_sample ? scan->num_components : 1;
  const int64_t stride = (int64_t)scan->width * scan->channels;
  int32_t origins[MAX_COMPONENTS] = {0};
  uint32_t number = 0;
  int first = 1;
  for (int y = 0; y < scan->height && !s->damaged && !s->out.is_over; y++, first = 0) {
    uint16_t *row = samples + y * stride;
    if (scan->restart && y && y % scan->restart == 0) {
      if (!reading) {
        pad(s);
        put_restart(&s->out, number++);
      } else if (s->in.zeros * 8 > s->count + 8 || !take_restart(&s->in, number++)) {
        s->damaged = 1;
        return;
      }
      begin(s);
      first = 1;
    }
    const uint16_t *above = first ? NULL : row - stride;
    if (first) memset(origins, 0, sizeof origins);
    for (int group = 0; group < groups; group++)
      code_row(s, reading, row, above, scan->components + group, num, s->run_index + group, origins + group);
    /* what was on the left of this row's first sample is above on the left of the next one's */
    for (int i = 0; i < scan->num_components; i++) origins[i] = above ? above[scan->components[i]] : 0;
    /* zeros that were taken for data: up to a byte of them may be the end of the last one */
    if (reading && s->in.zeros * 8 > s->count + 8) s->damaged = 1;
  }
  if (!reading) pad(s);
}

static struct state *prepare(const struct hpac_scan *scan) {
  struct state *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->scan = scan;
  s->range = scan->max_value + 1;
  while (1 << s->bits < s->range) s->bits++;
  const int32_t bits = s->bits > 2 ? s->bits : 2;
  s->limit = 2 * (bits + (bits > 8 ? bits : 8));
  begin(s);
  return s;
}

static int is_ls_scan(const struct hpac_scan *s) {
  if (!is_scan(s) || !is_within(s->interleave, 0, 2) || !is_within(s->max_value, 1, (1 << s->precision) - 1)) return 0;
  if (!s->interleave && s->num_components > 1) return 0;
  return is_within(s->t1, 1, s->max_value) && is_within(s->t2, s->t1, s->max_value) &&
         is_within(s->t3, s->t2, s->max_value) && is_within(s->reset, 3, MAX_RESET);
}

int64_t hpac_jpeg_ls_decode(const struct hpac_scan *scan, const uint8_t *coded, int64_t size, uint16_t *samples) {
  if (!is_ls_scan(scan) || size < 0) return JPEG_BAD_ARGUMENT;
  struct state *s = prepare(scan);
  if (!s) return JPEG_NO_MEMORY;
  s->in = (struct source){coded, coded + size, 0};
  code_scan(s, 1, samples);
  const int damaged = s->damaged;
  free(s);
  return damaged ? JPEG_DAMAGED : 0;
}

int64_t hpac_jpeg_ls_encode(const struct hpac_scan *scan, const uint16_t *samples, uint8_t *coded, int64_t room) {
  if (!is_ls_scan(scan) || room < 0 || !fit_samples(scan, samples, scan->max_value, 0)) return JPEG_BAD_ARGUMENT;
  struct state *s = prepare(scan);
  if (!s) return JPEG_NO_MEMORY;
  s->out = (struct sink){coded, coded, coded + room, 0};
  uint16_t *same; /* which are written as they are */
  memcpy(&same, &samples, sizeof same);
  code_scan(s, 0, same);
  const int64_t written = bytes_written(&s->out);
  free(s);
  return written;
}
