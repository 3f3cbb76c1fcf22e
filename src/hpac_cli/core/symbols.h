/* Samples as symbols, both ways: for every wavefront and plane first the focus symbols, then rounds of refinement,
   then escapes. Source: docs/format.md, "Symbols". */
#ifndef HPAC_SYMBOLS_H
#define HPAC_SYMBOLS_H

#include "mixture.h"
#include "range_coder.h"

enum {
  FOCUS_SYMBOLS = BUCKETS + 2,
  FOCUS_COLUMNS = FOCUS_SYMBOLS + 2,
  MIDDLE = 10, /* the first bucket edge of those that are looked at first: 83 % of samples lie between them */
  MIDDLE_EDGES = 4,
  REFINE_BITS = 3,
  REFINE_SYMBOLS = 1 << REFINE_BITS,
  PLAIN_BITS = 4,
  PLAIN_SYMBOLS = 1 << PLAIN_BITS,
  MAX_ESCAPE_BITS = MAX_EXPONENT + 1,
  MAX_DISTANCE = 1 << MAX_DEPTH, /* samples of one pixel and plane differ by less */
};

/* Where a column begins: cumulative masses shrunk so that each of `columns` gets 1 of 2^24 more. Masses are at most
   2^24 and columns 26, so the product fits 32 bits. */
INLINE uint32_t column_left(int32_t mass, int32_t symbol, int32_t columns) {
  return (uint32_t)(mass - ((mass * columns) >> TOTAL_BITS) + symbol + 1);
}

/* Room for the symbols of a wavefront. */
struct symbol_room {
  int32_t *middle[MIDDLE_EDGES];
  int32_t *bucket, *left, *width;       /* focus symbols that are known, and widths of those that were read */
  int32_t *shift_left, *shift_right;    /* of edges, where there are cells */
  int32_t *open, *bits, *before, *edge; /* samples under refinement, and what is left of each */
};

static int make_symbol_room(struct symbol_room *room, struct memory *memory, size_t lanes) {
  int32_t **rows[9] = {&room->bucket, &room->left, &room->width,  &room->shift_left, &room->shift_right,
                       &room->open,   &room->bits, &room->before, &room->edge};
  for (int k = 0; k < 9; k++)
    if (!(*rows[k] = take(memory, lanes * sizeof(int32_t)))) return 0;
  for (int k = 0; k < MIDDLE_EDGES; k++)
    if (!(room->middle[k] = take(memory, lanes * sizeof(int32_t)))) return 0;
  return 1;
}

/* Where the column of the bucket behind an edge begins, given the sum over components below the edge. */
INLINE uint32_t bucket_left(int32_t sum, int32_t bucket, int32_t start, int32_t exponent, int32_t low, int32_t high) {
  const int32_t mass = limit_mass(sum, start + bucket * (1 << exponent), low, high);
  return column_left(mass >> (MASS_BITS - TOTAL_BITS), bucket + 1, FOCUS_COLUMNS);
}

/* How far the cells shift an edge of each sample's window. */
INLINE void find_shifts(const struct mixture *m, const int32_t *restrict bucket, int32_t add, int32_t *restrict shift,
                        int lanes) {
  for (int i = 0; i < lanes; i++)
    shift[i] = shift_of(m, i, m->start[i] + ((bucket ? bucket[i] : 0) + add) * (1 << m->exponent[i]));
}

/* Add a component's mass below an edge of each sample's window; shift: NULL without cells. */
INLINE void add_masses(const int32_t *sigmoid, const int32_t *restrict weight, const int32_t *restrict first,
                       const int32_t *restrict step, const int32_t *restrict bucket, int32_t add,
                       const int32_t *restrict shift, const int32_t *restrict exponent, int32_t *restrict mass,
                       int lanes) {
  for (int at = 0; at < lanes; at += CHUNK) {
    row_of_lanes index, share;
    const int count = smaller(lanes - at, CHUNK);
    for (int i = 0; i < count; i++)
      index[i] = logistic_index(first[at + i] + ((bucket ? bucket[at + i] : 0) + add) * step[at + i] +
                                (shift ? shift_place(shift[at + i], step[at + i], exponent[at + i]) : 0));
    look_up(sigmoid, index, share, count);
    for (int i = 0; i < count; i++) mass[at + i] += weight[at + i] * share[i];
  }
}

/* The same for the middle edges of all samples of a wavefront, between which most samples lie. */
INLINE void find_middle_edges(const int has_cells, const struct network *n, const struct mixture *m, int lanes,
                              const struct symbol_room *room) {
  const int32_t *restrict sigmoid = n->tables.sigmoid;
  const int32_t *restrict start = m->start, *restrict exponent = m->exponent, *restrict low = m->low,
                          *restrict high = m->high;
  for (int k = 0; k < MIDDLE_EDGES; k++) {
    const int32_t bucket = MIDDLE + k;
    int32_t *restrict left = room->middle[k];
    for (int i = 0; i < lanes; i++) left[i] = 0;
    if (has_cells) find_shifts(m, NULL, bucket, room->shift_left, lanes);
    for (int j = 0; j < m->components; j++) {
      const int32_t *restrict first = m->first[j], *restrict step = m->step[j], *restrict weight = m->weight[j];
      add_masses(sigmoid, weight, first, step, NULL, bucket, has_cells ? room->shift_left : NULL, exponent, left,
                 lanes);
    }
    for (int i = 0; i < lanes; i++)
      left[i] = (int32_t)bucket_left(left[i], bucket, start[i], exponent[i], low[i], high[i]);
  }
}

NOINLINE void find_plain_middle_edges(const struct network *n, const struct mixture *m, int lanes,
                                      const struct symbol_room *room) {
  find_middle_edges(0, n, m, lanes, room);
}

NOINLINE void find_shifted_middle_edges(const struct network *n, const struct mixture *m, int lanes,
                                        const struct symbol_room *room) {
  find_middle_edges(1, n, m, lanes, room);
}

/* The same for any edge of one sample. */
INLINE uint32_t find_edge(const int has_cells, const struct network *n, const struct mixture *m, int i,
                          int32_t bucket) {
  const int32_t shift = has_cells ? shift_of(m, i, m->start[i] + bucket * (1 << m->exponent[i])) : 0;
  int32_t sum = 0;
  for (int j = 0; j < m->components; j++) {
    const int32_t step = m->step[j][i], place = m->first[j][i] + bucket * step;
    sum += m->weight[j][i] *
           n->tables.sigmoid[logistic_index(place + (has_cells ? shift_place(shift, step, m->exponent[i]) : 0))];
  }
  return bucket_left(sum, bucket, m->start[i], m->exponent[i], m->low[i], m->high[i]);
}

NOINLINE uint32_t find_plain_edge(const struct network *n, const struct mixture *m, int i, int32_t bucket) {
  return find_edge(0, n, m, i, bucket);
}

NOINLINE uint32_t find_shifted_edge(const struct network *n, const struct mixture *m, int i, int32_t bucket) {
  return find_edge(1, n, m, i, bucket);
}

/* Focus symbols of known samples: bucket, and the column's left end and width. */
INLINE void find_known_buckets(const int has_cells, const struct network *n, const struct mixture *m,
                               const int32_t *restrict value, int lanes, const struct symbol_room *room) {
  const int32_t *restrict sigmoid = n->tables.sigmoid;
  const int32_t *restrict start = m->start, *restrict exponent = m->exponent, *restrict low = m->low,
                          *restrict high = m->high;
  int32_t *restrict bucket = room->bucket, *restrict below = room->left, *restrict above = room->width;
  for (int i = 0; i < lanes; i++) {
    bucket[i] = clamp((value[i] - start[i]) >> exponent[i], -1, BUCKETS);
    below[i] = above[i] = 0;
  }
  if (has_cells) {
    find_shifts(m, bucket, 0, room->shift_left, lanes);
    find_shifts(m, bucket, 1, room->shift_right, lanes);
  }
  const int32_t *shift_left = has_cells ? room->shift_left : NULL, *shift_right = has_cells ? room->shift_right : NULL;
  for (int j = 0; j < m->components; j++) {
    const int32_t *restrict first = m->first[j], *restrict step = m->step[j], *restrict weight = m->weight[j];
    add_masses(sigmoid, weight, first, step, bucket, 0, shift_left, exponent, below, lanes);
    add_masses(sigmoid, weight, first, step, bucket, 1, shift_right, exponent, above, lanes);
  }
  for (int i = 0; i < lanes; i++) {
    const int32_t b = bucket[i], edge = start[i] + b * (1 << exponent[i]);
    int32_t low_mass = limit_mass(below[i], edge, low[i], high[i]) >> (MASS_BITS - TOTAL_BITS);
    int32_t high_mass = limit_mass(above[i], edge + (1 << exponent[i]), low[i], high[i]) >> (MASS_BITS - TOTAL_BITS);
    low_mass = b < 0 ? 0 : low_mass;
    high_mass = b == BUCKETS ? 1 << TOTAL_BITS : high_mass;
    const int32_t left = (int32_t)column_left(low_mass, b + 1, FOCUS_COLUMNS);
    below[i] = left;
    above[i] = (int32_t)column_left(high_mass, b + 2, FOCUS_COLUMNS) - left;
  }
}

NOINLINE void find_plain_buckets(const struct network *n, const struct mixture *m, const int32_t *value, int lanes,
                                 const struct symbol_room *room) {
  find_known_buckets(0, n, m, value, lanes, room);
}

NOINLINE void find_shifted_buckets(const struct network *n, const struct mixture *m, const int32_t *value, int lanes,
                                   const struct symbol_room *room) {
  find_known_buckets(1, n, m, value, lanes, room);
}

/* Find the symbol that comes next among `symbols`, whose columns begin at `left`. */
INLINE int read_symbol(struct coder *c, const int32_t *left, int symbols) {
  const uint64_t place = peek(c);
  if (place < (uint64_t)left[0] || place >= (uint64_t)left[symbols]) {
    c->damaged = 1;
    return 0;
  }
  int symbol = 0;
  for (int k = 1; k < symbols; k++) symbol += left[k] <= (int32_t)place;
  skip(c, (uint32_t)left[symbol], (uint32_t)(left[symbol + 1] - left[symbol]));
  return symbol;
}

/* Code one of `symbols`; if it is known it is `symbol`. */
INLINE int code_symbol(const enum coder_mode mode, struct coder *c, int pixel, int symbol, const int32_t *left,
                       int symbols) {
  if (mode == READ) return read_symbol(c, left, symbols);
  take_symbol(mode, c, pixel, (uint32_t)left[symbol], (uint32_t)(left[symbol + 1] - left[symbol]));
  return symbol;
}

INLINE int32_t code_bit(const enum coder_mode mode, struct coder *c, int pixel, int32_t bit) {
  static const int32_t left[3] = {1, 1 << (TOTAL_BITS - 1), (1 << TOTAL_BITS) - 1};
  return code_symbol(mode, c, pixel, bit, left, 2);
}

INLINE int32_t code_bits(const enum coder_mode mode, struct coder *c, int pixel, int32_t number, int count) {
  int32_t read = 0;
  for (int k = count - 1; k >= 0 && !c->damaged; k--) read = 2 * read + code_bit(mode, c, pixel, (number >> k) & 1);
  return read;
}

/* The bucket of a sample that is to be read; -1 or BUCKETS outside the window. */
INLINE int32_t read_bucket(const struct network *n, const struct mixture *m, struct coder *c, int i,
                           const struct symbol_room *room) {
  uint32_t (*const find)(const struct network *, const struct mixture *, int, int32_t) =
      m->shifts ? find_shifted_edge : find_plain_edge;
  uint64_t edge[MIDDLE_EDGES];
  for (int k = 0; k < MIDDLE_EDGES; k++) edge[k] = edge_of(c, (uint32_t)room->middle[k][i]);
  uint32_t left, right;
  int32_t bucket;
  if (c->low < edge[0]) {
    bucket = MIDDLE;
    left = (uint32_t)room->middle[0][i];
    do {
      right = left;
      left = --bucket >= 0 ? find(n, m, i, bucket) : 1;
    } while (bucket >= 0 && c->low < edge_of(c, left));
    c->damaged |= c->low < edge_of(c, left);
    skip(c, left, right - left);
  } else if (c->low >= edge[MIDDLE_EDGES - 1]) {
    bucket = MIDDLE + MIDDLE_EDGES - 2;
    right = (uint32_t)room->middle[MIDDLE_EDGES - 1][i];
    do {
      left = right;
      right = ++bucket < BUCKETS ? find(n, m, i, bucket + 1) : (1 << TOTAL_BITS) - 1;
    } while (bucket < BUCKETS && c->low >= edge_of(c, right));
    c->damaged |= c->low >= edge_of(c, right);
    skip(c, left, right - left);
  } else { /* which of the middle buckets it is cannot be foreseen: steps are added where they are passed, no branches
            */
    uint64_t left_edge = edge[0], right_edge = edge[1];
    bucket = MIDDLE;
    for (int k = 1; k < MIDDLE_EDGES - 1; k++) {
      const int is_passed = c->low >= edge[k];
      left_edge += (edge[k] - edge[k - 1]) & -(uint64_t)is_passed;
      right_edge += (edge[k + 1] - edge[k]) & -(uint64_t)is_passed;
      bucket += is_passed;
    }
    left = (uint32_t)room->middle[bucket - MIDDLE][i];
    right = (uint32_t)room->middle[bucket - MIDDLE + 1][i];
    skip_between(c, left_edge, right_edge);
  }
  room->width[i] = (int32_t)(right - left);
  return bucket;
}

/* part * 2^24 div whole, of masses up to 2^30. Dividend and divisor are exact doubles; their correctly rounded quotient
   may be the next whole number, never one more or less. */
INLINE int32_t divide_mass(int32_t part, int32_t whole) {
  const int32_t quotient = (int32_t)((double)part * (1 << TOTAL_BITS) / (double)whole);
  return quotient - ((int64_t)quotient * whole > (int64_t)part << TOTAL_BITS);
}

/* Left ends of the columns of a refinement by the mixture: the 2^bits parts of the bucket that begins at `edge`,
   2^exponent samples each. */
INLINE void find_part_edges(const int has_cells, const int bits, const struct network *n, const struct mixture *m,
                            int i, int32_t edge, int32_t exponent, int32_t *restrict left) {
  const int parts = 1 << bits;
  int32_t mass[REFINE_SYMBOLS + 1] = {0}, shift[REFINE_SYMBOLS + 1] = {0};
  if (has_cells)
    for (int k = 0; k <= parts; k++) shift[k] = shift_of(m, i, edge + k * (1 << exponent));
  for (int j = 0; j < m->components; j++) {
    int32_t first, step;
    const int32_t inverse = n->tables.spread_inverse[least_spread(m->spread[j][i], exponent)];
    find_edge_places(inverse, edge, exponent, m->mean[j][i], &first, &step);
    for (int k = 0; k <= parts; k++) {
      const int32_t shifted = has_cells ? shift_place(shift[k], step, exponent) : 0;
      mass[k] += m->weight[j][i] * n->tables.sigmoid[logistic_index(first + k * step + shifted)];
    }
  }
  for (int k = 0; k <= parts; k++) mass[k] = limit_mass(mass[k], edge + k * (1 << exponent), m->low[i], m->high[i]);
  const int32_t total = mass[parts] - mass[0];
  for (int k = 1; k < parts; k++) {
    const int32_t share = total > 0 ? divide_mass(mass[k] - mass[0], total) : k << (TOTAL_BITS - bits);
    left[k] = (int32_t)column_left(share, k, REFINE_SYMBOLS + 2);
  }
  left[0] = (int32_t)column_left(0, 0, REFINE_SYMBOLS + 2);
  for (int k = parts; k <= REFINE_SYMBOLS; k++) left[k] = (int32_t)column_left(1 << TOTAL_BITS, k, REFINE_SYMBOLS + 2);
}

NOINLINE void find_plain_part_edges(const struct network *n, const struct mixture *m, int i, int32_t edge,
                                    int32_t exponent, int bits, int32_t *restrict left) {
  if (bits == 1) find_part_edges(0, 1, n, m, i, edge, exponent, left);
  else if (bits == 2) find_part_edges(0, 2, n, m, i, edge, exponent, left);
  else find_part_edges(0, 3, n, m, i, edge, exponent, left);
}

NOINLINE void find_shifted_part_edges(const struct network *n, const struct mixture *m, int i, int32_t edge,
                                      int32_t exponent, int bits, int32_t *restrict left) {
  find_part_edges(1, bits, n, m, i, edge, exponent, left);
}

INLINE void find_equal_edges(int bits, int32_t *left) {
  for (int k = 0; k <= PLAIN_SYMBOLS; k++)
    left[k] = (int32_t)column_left(smaller(k, 1 << bits) << (TOTAL_BITS - bits), k, PLAIN_SYMBOLS + 2);
}

/* One half of a round: of samples whose bits left are modelled, or of those whose are not. */
INLINE void refine_half(const enum coder_mode mode, const int modelled, const struct network *n,
                        const struct mixture *m, struct coder *c, const struct symbol_room *room, int num_open,
                        const int32_t *value) {
  for (int a = 0; a < num_open && !c->damaged; a++) {
    const int i = room->open[a];
    const int32_t left_bits = room->before[a];
    if ((left_bits > m->plain[i]) != modelled) continue;
    const int bits = smaller(left_bits, modelled ? REFINE_BITS : PLAIN_BITS);
    const int32_t exponent = left_bits - bits;
    int32_t left[PLAIN_SYMBOLS + 1];
    if (modelled)
      (m->shifts ? find_shifted_part_edges : find_plain_part_edges)(n, m, i, room->edge[i], exponent, bits, left);
    else find_equal_edges(bits, left);
    const int known = mode == READ ? 0 : (value[i] - room->edge[i]) >> exponent;
    const int part = code_symbol(mode, c, i, known, left, modelled ? REFINE_SYMBOLS : PLAIN_SYMBOLS);
    room->edge[i] += part * (1 << exponent);
    room->bits[i] = exponent;
  }
}

/* Narrow buckets down to samples: rounds over all that are wider than one value. */
INLINE void refine(const enum coder_mode mode, const struct network *n, const struct mixture *m, struct coder *c,
                   const struct symbol_room *room, int num_open, const int32_t *value) {
  while (num_open && !c->damaged) {
    for (int a = 0; a < num_open; a++) room->before[a] = room->bits[room->open[a]];
    refine_half(mode, 1, n, m, c, room, num_open, value);
    refine_half(mode, 0, n, m, c, room, num_open, value);
    int still = 0;
    for (int a = 0; a < num_open; a++)
      if (room->bits[room->open[a]]) room->open[still++] = room->open[a];
    num_open = still;
  }
}

/* A sample's distance to the window, in full. */
INLINE int32_t code_escape(const enum coder_mode mode, struct coder *c, int i, int32_t exponent, int32_t distance) {
  const int32_t number = (distance >> exponent) + 1;
  int size = mode == READ ? 0 : 31 - __builtin_clz((uint32_t)number);
  if (mode == READ) {
    while (code_bit(mode, c, i, 0) && !c->damaged)
      if (++size > MAX_ESCAPE_BITS) c->damaged = 1;
    if (c->damaged) return 0;
  } else {
    code_bits(mode, c, i, (2 << size) - 2, size + 1);
  }
  const int32_t low = code_bits(mode, c, i, number - (1 << size), size);
  const int32_t rest = code_bits(mode, c, i, distance & ((1 << exponent) - 1), exponent);
  const int64_t read = ((((int64_t)1 << size) + low - 1) << exponent) + rest; /* below 2^36 */
  if (read > MAX_DISTANCE) c->damaged = 1;
  return c->damaged ? 0 : (int32_t)read;
}

/* Code the distances of samples outside their windows; reading fills in their `value`. */
INLINE void code_escapes(const enum coder_mode mode, const struct mixture *m, struct coder *c,
                         const struct symbol_room *room, int pixels, int32_t *value) {
  for (int i = 0; i < pixels && !c->damaged; i++) {
    const int32_t end = m->start[i] + BUCKETS * (1 << m->exponent[i]);
    if (room->bucket[i] < 0) {
      const int32_t distance = code_escape(mode, c, i, m->exponent[i], mode == READ ? 0 : m->start[i] - 1 - value[i]);
      if (mode == READ) value[i] = m->start[i] - 1 - distance;
    } else if (room->bucket[i] == BUCKETS) {
      const int32_t distance = code_escape(mode, c, i, m->exponent[i], mode == READ ? 0 : value[i] - end);
      if (mode == READ) value[i] = end + distance;
    }
  }
}

NOINLINE int are_possible(const int32_t *restrict value, const int32_t *restrict low, const int32_t *restrict high,
                          int pixels) {
  int32_t outside = 0;
  for (int i = 0; i < pixels; i++) outside |= (value[i] < low[i]) | (value[i] > high[i]);
  return !outside;
}

/* Code the samples of one plane on one wavefront, relative to their bases; reading fills `value`. */
INLINE void code_plane(const enum coder_mode mode, const struct network *n, const struct mixture *m, struct coder *c,
                       const struct symbol_room *room, int pixels, int32_t *value) {
  const int lanes = round_up(pixels, 16);
  if (mode == READ) (m->shifts ? find_shifted_middle_edges : find_plain_middle_edges)(n, m, lanes, room);
  else (m->shifts ? find_shifted_buckets : find_plain_buckets)(n, m, value, lanes, room);
  int num_open = 0, num_escapes = 0;
  for (int i = 0; i < pixels && !c->damaged; i++) {
    if (mode == READ) room->bucket[i] = read_bucket(n, m, c, i, room);
    else take_symbol(mode, c, i, (uint32_t)room->left[i], (uint32_t)room->width[i]);
    room->edge[i] = m->start[i] + room->bucket[i] * (1 << m->exponent[i]);
    room->bits[i] = m->exponent[i];
    if (room->bucket[i] < 0 || room->bucket[i] == BUCKETS) num_escapes++;
    else if (m->exponent[i]) room->open[num_open++] = i;
  }
  refine(mode, n, m, c, room, num_open, value);
  if (mode == READ) memcpy(value, room->edge, (size_t)pixels * sizeof *value);
  if (num_escapes) code_escapes(mode, m, c, room, pixels, value);
  if (mode == READ && !are_possible(value, m->low, m->high, pixels)) c->damaged = 1;
}

#endif
