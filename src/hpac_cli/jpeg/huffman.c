/* Lossless JPEG: predicted differences in Huffman codes. Source: ITU-T T.81, annexes C, F.1.2.3 and H. */
#include <stdlib.h>
#include <string.h>

#include "scan.h"

enum { CODE_BITS = 16, LOOKUP = 1 << CODE_BITS, CATEGORIES = 17 };

struct reader {
  struct source in;
  uint64_t waiting; /* its low `count` bits are to be read */
  int count;
};

static void fill(struct reader *r) {
  while (r->count <= 48) {
    uint32_t byte = 0;
    if (r->in.at < r->in.end && *r->in.at != MARKER) {
      byte = *r->in.at++;
    } else if (r->in.end - r->in.at >= 2 && r->in.at[1] == 0) {
      byte = MARKER;
      r->in.at += 2;
    } else {
      r->in.zeros++;
    }
    r->waiting = r->waiting << 8 | byte;
    r->count += 8;
  }
}

static inline uint32_t peek(const struct reader *r, int bits) {
  return (uint32_t)(r->waiting >> (r->count - bits)) & ((1u << bits) - 1u);
}

struct writer {
  struct sink out;
  uint64_t waiting;
  int count; /* below 8 between calls */
};

static inline void put_bits(struct writer *w, uint32_t value, int bits) {
  w->waiting = w->waiting << bits | value;
  w->count += bits;
  while (w->count >= 8) {
    const uint32_t byte = (uint32_t)(w->waiting >> (w->count - 8)) & 255u;
    put_byte(&w->out, byte);
    if (byte == MARKER) put_byte(&w->out, 0);
    w->count -= 8;
  }
}

static void pad(struct writer *w) {
  if (w->count) put_bits(w, (1u << (8 - w->count)) - 1u, 8 - w->count);
}

/* Annex C: codes of one length are successive numbers. Returns 0 if they do not fit. */
static int number_codes(const uint8_t *table, uint16_t *codes, uint8_t *lengths, uint8_t *values) {
  uint32_t code = 0;
  int total = 0;
  for (int length = 1; length <= CODE_BITS; length++) {
    for (int i = 0; i < table[length - 1]; i++) {
      if (total == 256 || code >= 1u << length) return 0;
      codes[total] = (uint16_t)code++;
      lengths[total] = (uint8_t)length;
      values[total] = table[16 + total];
      total++;
    }
    code <<= 1;
  }
  return total;
}

struct codes {
  uint16_t code[CATEGORIES];
  uint8_t length[CATEGORIES]; /* 0: there is none */
};

static int make_codes(const uint8_t *table, struct codes *made) {
  uint16_t codes[256];
  uint8_t lengths[256], values[256];
  const int total = number_codes(table, codes, lengths, values);
  memset(made, 0, sizeof *made);
  for (int i = total - 1; i >= 0; i--) { /* of two codes for one category the first is used */
    if (values[i] >= CATEGORIES) return 0;
    made->code[values[i]] = codes[i];
    made->length[values[i]] = lengths[i];
  }
  return total;
}

/* The category in the low 5 bits, the length of its code above; 0 where no code begins like this. */
static int make_lookup(const uint8_t *table, uint16_t *lookup) {
  uint16_t codes[256];
  uint8_t lengths[256], values[256];
  const int total = number_codes(table, codes, lengths, values);
  memset(lookup, 0, LOOKUP * sizeof *lookup);
  for (int i = 0; i < total; i++) {
    if (values[i] >= CATEGORIES) return 0;
    const uint32_t first = (uint32_t)codes[i] << (CODE_BITS - lengths[i]);
    for (uint32_t j = 0; j < 1u << (CODE_BITS - lengths[i]); j++)
      lookup[first + j] = (uint16_t)(lengths[i] << 5 | values[i]);
  }
  return total;
}

/* a is the left neighbour, b the one above, c above on the left (H.1.2.1). */
static inline int32_t predict(int predictor, int32_t a, int32_t b, int32_t c) {
  switch (predictor) {
    case 1: return a;
    case 2: return b;
    case 3: return c;
    case 4: return a + b - c;
    case 5: return a + ((b - c) >> 1);
    case 6: return b + ((a - c) >> 1);
    default: return (a + b) >> 1;
  }
}

/* What a sample of the scan is predicted from; `first` says that its row follows the start or a restart marker. */
static inline int32_t expect(const struct hpac_scan *s, const uint16_t *at, int64_t above, int x, int first) {
  const int32_t left = x ? at[-s->channels] >> s->shift : 0;
  if (first) return x ? left : 1 << (s->precision - s->shift - 1);
  const int32_t up = at[-above] >> s->shift;
  if (!x) return up;
  return predict(s->predictor, left, up, at[-above - s->channels] >> s->shift);
}

static int is_jpeg_scan(const struct hpac_scan *s) {
  if (!is_scan(s) || !is_within(s->predictor, 1, 7) || !is_within(s->shift, 0, s->precision - 1)) return 0;
  for (int i = 0; i < s->num_components; i++)
    if (!is_within(s->tables[i], 0, MAX_COMPONENTS - 1)) return 0;
  return 1;
}

/* Whether a restart marker stands before this row. */
static inline int restarts(const struct hpac_scan *s, int y) { return s->restart && y && y % s->restart == 0; }

static int64_t decode(const struct hpac_scan *s, const uint8_t *coded, int64_t size, uint16_t *const *lookups,
                      uint16_t *samples) {
  struct reader r = {{coded, coded + size, 0}, 0, 0};
  const int64_t above = (int64_t)s->width * s->channels;
  uint32_t number = 0;
  int first = 1;
  for (int y = 0; y < s->height; y++, first = 0) {
    if (restarts(s, y)) {
      if (r.in.zeros * 8 > r.count || !take_restart(&r.in, number++)) return JPEG_DAMAGED;
      r.waiting = 0, r.count = r.in.zeros = 0, first = 1;
    }
    for (int x = 0; x < s->width; x++)
      for (int i = 0; i < s->num_components; i++) {
        uint16_t *at = samples + y * above + (int64_t)x * s->channels + s->components[i];
        fill(&r);
        const uint32_t found = lookups[s->tables[i]][peek(&r, CODE_BITS)];
        const int category = found & 31;
        if (!found) return JPEG_DAMAGED;
        r.count -= (int)(found >> 5);
        int32_t difference = category == 16 ? 32768 : 0;
        if (category && category < 16) {
          difference = (int32_t)peek(&r, category);
          if (difference < 1 << (category - 1)) difference -= (1 << category) - 1;
          r.count -= category;
        }
        const int32_t value = (expect(s, at, above, x, first) + difference) & 0xffff;
        if (value >> (s->precision - s->shift)) return JPEG_DAMAGED;
        *at = (uint16_t)(value << s->shift);
      }
    if (r.in.zeros * 8 > r.count) return JPEG_DAMAGED; /* some of them were taken for data */
  }
  return 0;
}

int64_t hpac_jpeg_decode(const struct hpac_scan *s, const uint8_t *tables, const uint8_t *coded, int64_t size,
                         uint16_t *samples) {
  if (!is_jpeg_scan(s) || size < 0) return JPEG_BAD_ARGUMENT;
  uint16_t *lookups[MAX_COMPONENTS] = {NULL};
  int64_t result = 0;
  for (int i = 0; i < s->num_components && !result; i++) {
    uint16_t **const lookup = &lookups[s->tables[i]];
    if (*lookup) continue;
    *lookup = malloc(LOOKUP * sizeof **lookup);
    if (!*lookup) result = JPEG_NO_MEMORY;
    else if (!make_lookup(tables + s->tables[i] * TABLE_BYTES, *lookup)) result = JPEG_DAMAGED;
  }
  if (!result) result = decode(s, coded, size, lookups, samples);
  for (int i = 0; i < MAX_COMPONENTS; i++) free(lookups[i]);
  return result;
}

int64_t hpac_jpeg_encode(const struct hpac_scan *s, const uint8_t *tables, const uint16_t *samples, uint8_t *coded,
                         int64_t room) {
  struct codes codes[MAX_COMPONENTS];
  if (!is_jpeg_scan(s) || room < 0 || !fit_samples(s, samples, (1 << s->precision) - 1, s->shift))
    return JPEG_BAD_ARGUMENT;
  for (int i = 0; i < s->num_components; i++)
    if (!make_codes(tables + s->tables[i] * TABLE_BYTES, &codes[i])) return JPEG_DAMAGED;
  struct writer w = {{coded, coded, coded + room, 0}, 0, 0};
  const int64_t above = (int64_t)s->width * s->channels;
  uint32_t number = 0;
  int first = 1;
  for (int y = 0; y < s->height; y++, first = 0) {
    if (restarts(s, y)) {
      pad(&w);
      put_restart(&w.out, number++);
      first = 1;
    }
    for (int x = 0; x < s->width; x++)
      for (int i = 0; i < s->num_components; i++) {
        const uint16_t *at = samples + y * above + (int64_t)x * s->channels + s->components[i];
        /* modulo 2^16, as a number from -32767 to 32768 */
        int32_t difference = (int16_t)(uint16_t)((*at >> s->shift) - expect(s, at, above, x, first));
        if (difference == -32768) difference = 32768;
        const uint32_t size = (uint32_t)(difference < 0 ? -difference : difference);
        int category = 0;
        while (size >> category) category++;
        if (!codes[i].length[category]) return JPEG_DAMAGED;
        put_bits(&w, codes[i].code[category], codes[i].length[category]);
        if (category && category < 16) {
          const int32_t bits = difference < 0 ? difference + (1 << category) - 1 : difference;
          put_bits(&w, (uint32_t)bits, category);
        }
      }
    if (w.out.is_over) return JPEG_NO_ROOM;
  }
  pad(&w);
  return bytes_written(&w.out);
}
