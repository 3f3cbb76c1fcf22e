/* PackBits. Source: TIFF 6.0, section 9; DICOM PS3.5, annex G.3.1. */
#include <string.h>

#include "hpac_segments.h"

enum { LONGEST = 128, NOTHING = 128 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t hpac_packbits_decode(const uint8_t *coded, int64_t size, uint8_t *plain, int64_t limit) {
  int64_t at = 0, written = 0;
  if (size < 0 || limit < 0) return SEGMENT_BAD_ARGUMENT;
  while (at < size && written < limit) {
    const int32_t head = coded[at++];
    const int64_t room = limit - written;
    if (head < NOTHING) {
      const int64_t count = smaller(smaller(head + 1, size - at), room);
      memcpy(plain + written, coded + at, (size_t)count);
      written += count;
      at += head + 1;
    } else if (head > NOTHING) {
      const int64_t count = at < size ? smaller(2 * LONGEST + 1 - head, room) : 0;
      if (count) memset(plain + written, coded[at], (size_t)count);
      written += count;
      at++;
    }
  }
  return written;
}

struct sink {
  uint8_t *at, *end;
  int is_over;
};

static void put(struct sink *out, int32_t head, const uint8_t *bytes, int64_t count) {
  if (out->end - out->at < count + 1) {
    out->is_over = 1;
    return;
  }
  *out->at++ = (uint8_t)head;
  memcpy(out->at, bytes, (size_t)count);
  out->at += count;
}

static void put_literal(struct sink *out, const uint8_t *bytes, int64_t count) {
  for (int64_t at = 0; at < count; at += LONGEST) {
    const int64_t part = smaller(count - at, LONGEST);
    put(out, (int32_t)part - 1, bytes + at, part);
  }
}

/* Whether a run of two is written as such: `waiting` bytes of the literal that is open lie before it, and a run of
   `following` bytes behind it; 0 at the end of the row. */
static int ends_literal(int32_t way, int64_t waiting, int64_t following) {
  switch (way) {
    case RUNS_ALWAYS: return 1;
    case RUNS_FIRST: return !waiting;
    case RUNS_BEFORE_RUNS: return following != 1 || !waiting || waiting == LONGEST - 1;
    case RUNS_AT_END: return !following;
    default: return 0; /* RUNS_NEVER */
  }
}

static int64_t end_of_run(const uint8_t *row, int64_t start, int64_t width) {
  int64_t end = start;
  while (end < width && row[end] == row[start]) end++;
  return end;
}

static void put_row(struct sink *out, const uint8_t *row, int64_t width, int32_t way) {
  int64_t literal = 0; /* where bytes begin that wait to be written as they are */
  int64_t end = end_of_run(row, 0, width), next_end;
  for (int64_t start = 0; start < width; start = end, end = next_end) {
    next_end = end_of_run(row, end, width);
    if (end - start < 2) continue;
    if (end - start == 2 && !ends_literal(way, (start - literal) % LONGEST, next_end - end)) continue;
    put_literal(out, row + literal, start - literal);
    for (; end - start > 1; start += smaller(end - start, LONGEST))
      put(out, 2 * LONGEST + 1 - (int32_t)smaller(end - start, LONGEST), row + start, 1);
    if (way == RUNS_AT_END && start < end) put_literal(out, row + start++, 1);
    literal = start;
  }
  put_literal(out, row + literal, width - literal);
}

int64_t hpac_packbits_encode(const uint8_t *rows, int64_t height, int64_t width, int32_t way, uint8_t *coded,
                             int64_t room) {
  if (height < 0 || width < 0 || room < 0 || (width && height > INT64_MAX / width)) return SEGMENT_BAD_ARGUMENT;
  if (way < 0 || way >= NUM_RUN_WAYS) return SEGMENT_BAD_ARGUMENT;
  struct sink out = {coded, coded + room, 0};
  for (int64_t y = 0; y < height; y++) put_row(&out, rows + y * width, width, way);
  return out.is_over ? SEGMENT_NO_ROOM : out.at - coded;
}
