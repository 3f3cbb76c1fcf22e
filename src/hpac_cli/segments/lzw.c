/* TIFF's LZW. Source: TIFF 6.0, section 13; libtiff clears its table early when compression becomes worse. */
#include <string.h>

#include "hpac_segments.h"

enum {
  CLEAR = 256,
  END = 257,
  FIRST = 258,
  CODES = MOST_FULL,
  NARROWEST = 9,
  WIDEST = 12,
  CHECK_EVERY = 10000,
  HASH_BITS = 13, /* twice as many slots as there are codes, so that some are always free */
  HASH_SLOTS = 1 << HASH_BITS
};

struct strings {
  uint16_t prefix[CODES]; /* of a code: the code of all its bytes but the last one */
  uint8_t first[CODES], last[CODES];
  int32_t length[CODES];
  int32_t count; /* of the codes that exist; 0 before the first clear code */
};

static void begin_strings(struct strings *s) {
  for (int32_t code = 0; code < 256; code++) {
    s->first[code] = s->last[code] = (uint8_t)code;
    s->length[code] = 1;
  }
  s->count = FIRST;
}

static void add_string(struct strings *s, int32_t prefix, uint8_t last) {
  if (s->count == CODES) return;
  s->prefix[s->count] = (uint16_t)prefix;
  s->first[s->count] = s->first[prefix];
  s->last[s->count] = last;
  s->length[s->count] = s->length[prefix] + 1;
  s->count++;
}

/* Write a code's bytes at `at`, from the last one back; those beyond `limit` are left out. */
static void put_string(const struct strings *s, int32_t code, uint8_t *plain, int64_t at, int64_t limit) {
  for (int64_t place = at + s->length[code] - 1; place >= at; place--, code = s->prefix[code])
    if (place < limit) plain[place] = s->last[code];
}

static int32_t width_of(int32_t codes) {
  int32_t width = NARROWEST;
  while (width < WIDEST && codes + 1 >= 1 << width) width++;
  return width;
}

int64_t hpac_lzw_decode(const uint8_t *coded, int64_t size, uint8_t *plain, int64_t limit, struct hpac_lzw_end *end) {
  struct strings s;
  int64_t at = 0, written = 0;
  uint32_t waiting = 0; /* its low `bits` bits are to be read */
  int32_t bits = 0, width = NARROWEST, previous = -1;
  if (size < 0 || limit < 0) return SEGMENT_BAD_ARGUMENT;
  s.count = 0;
  while (written < limit) {
    while (bits < width && at < size) {
      waiting = waiting << 8 | coded[at++];
      bits += 8;
    }
    if (bits < width) break;
    bits -= width;
    const int32_t code = (int32_t)(waiting >> bits & ((1u << width) - 1u));
    if (code == END) break;
    if (code == CLEAR) {
      begin_strings(&s);
      width = NARROWEST;
      previous = -1;
      continue;
    }
    if (code > s.count || (code == s.count && previous < 0)) return SEGMENT_DAMAGED;
    if (previous >= 0) add_string(&s, previous, s.first[code == s.count ? previous : code]);
    put_string(&s, code, plain, written, limit);
    written += s.length[code];
    width = width_of(s.count);
    previous = code;
  }
  end->bits = 8 * at - bits;
  end->width = width;
  return written;
}

struct sink {
  uint8_t *start, *at, *end;
  uint32_t waiting; /* its low `bits` bits are to be written; below 8 of them between calls */
  int32_t bits;
  int64_t since_clear; /* bits written since a table began, its clear code included */
  int is_over;
};

static void put_byte(struct sink *out, uint32_t byte) {
  if (out->at == out->end) out->is_over = 1;
  else *out->at++ = (uint8_t)byte;
}

static void put_code(struct sink *out, int32_t code, int32_t width) {
  out->waiting = out->waiting << width | (uint32_t)code;
  out->bits += width;
  out->since_clear += width;
  for (; out->bits >= 8; out->bits -= 8) put_byte(out, out->waiting >> (out->bits - 8) & 255u);
}

/* Codes of prefixes and the bytes that follow them. */
struct known {
  uint32_t key[HASH_SLOTS]; /* prefix * 256 + byte + 1; 0: the slot is free */
  uint16_t code[HASH_SLOTS];
};

static uint32_t slot_of(const struct known *known, uint32_t key) {
  uint32_t slot = key * 2654435761u >> (32 - HASH_BITS);
  while (known->key[slot] && known->key[slot] != key) slot = (slot + 1) & (HASH_SLOTS - 1);
  return slot;
}

int64_t hpac_lzw_encode(const uint8_t *plain, int64_t size, const struct hpac_lzw_writer *writer, uint8_t *coded,
                        int64_t room) {
  struct sink out = {coded, coded, coded + room, 0, 0, 0, 0};
  struct known known;
  int32_t following = FIRST, width = NARROWEST;
  int64_t count = 1, best = 0, checkpoint = CHECK_EVERY;
  /* a table that begins at `full` gives out no code of more than WIDEST bits */
  if (size < 0 || room < 0 || writer->full < LEAST_FULL || writer->full > MOST_FULL) return SEGMENT_BAD_ARGUMENT;
  memset(known.key, 0, sizeof known.key);
  put_code(&out, CLEAR, NARROWEST);
  int32_t prefix = size ? plain[0] : END;
  for (int64_t i = 1; i < size; i++) {
    const uint32_t key = ((uint32_t)prefix << 8 | plain[i]) + 1u, slot = slot_of(&known, key);
    count++;
    if (known.key[slot]) {
      prefix = known.code[slot];
      continue;
    }
    put_code(&out, prefix, width);
    prefix = plain[i];
    known.key[slot] = key;
    known.code[slot] = (uint16_t)following++;
    int clears = following == writer->full;
    if (!clears && following > (1 << width) - 1 && width < WIDEST) {
      width++;
    } else if (!clears && writer->checks && count >= checkpoint) {
      const int64_t ratio = count * 256 / out.since_clear;
      checkpoint = count + CHECK_EVERY;
      clears = ratio <= best;
      best = ratio;
    }
    if (clears) {
      count = best = out.since_clear = 0;
      put_code(&out, CLEAR, width);
      memset(known.key, 0, sizeof known.key);
      following = FIRST;
      width = NARROWEST;
    }
  }
  if (size) {
    put_code(&out, prefix, width);
    if (writer->counts_last && ++following == writer->full) {
      put_code(&out, CLEAR, width);
      width = NARROWEST;
    } else if (writer->counts_last && following > (1 << width) - 1 && width < WIDEST) {
      width++;
    }
    prefix = END;
  }
  put_code(&out, prefix, width);
  if (out.bits) put_byte(&out, out.waiting << (8 - out.bits) & 255u);
  return out.is_over ? SEGMENT_NO_ROOM : out.at - out.start;
}
