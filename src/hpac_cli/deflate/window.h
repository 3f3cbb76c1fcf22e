/* The plain bytes around the place that is worked on: a buffer that slides. */
#ifndef HPAC_DEFLATE_WINDOW_H
#define HPAC_DEFLATE_WINDOW_H

#include "common.h"

/* Positions count plain bytes from ORIGIN. So 0, in a table that was cleared, is too far from any to be a match. */
typedef uint32_t position;

enum {
  ORIGIN = 1 << 16,
  AHEAD = CHUNK_SPAN + 8192, /* bytes that lie in the window behind the place worked on, if there are so many */
  WINDOW_BYTES = 1 << 18,
};
#define MAX_PLAIN (UINT32_MAX - (1u << 20))

struct window {
  uint8_t *bytes;
  uint32_t capacity;
  position start, end; /* of the bytes present */
  position last;       /* the end of all plain bytes */
};

static inline const uint8_t *bytes_at(const struct window *w, position p) { return w->bytes + (p - w->start); }

static inline bool window_open(struct window *w, uint32_t plain_bytes) {
  w->capacity = smaller(plain_bytes, WINDOW_BYTES);
  w->start = w->end = ORIGIN;
  w->last = ORIGIN + plain_bytes;
  w->bytes = malloc(w->capacity + MAX_MATCH); /* the last of several tokens may be longer than the room */
  return w->bytes;
}

static inline void window_close(struct window *w) { free(w->bytes); }

/* Whether a chunk can be worked on at `p`. */
static inline bool window_reaches(const struct window *w, position p) {
  return w->end == w->last || w->end - p >= AHEAD;
}

/* Room for further bytes, after those further than MAX_DISTANCE before `p` are forgotten if that is worth while. */
static inline uint32_t window_room(struct window *w, position p) {
  if (w->end - w->start + CHUNK_SPAN > w->capacity && p - w->start > MAX_DISTANCE) {
    const position start = p - MAX_DISTANCE;
    memmove(w->bytes, bytes_at(w, start), w->end - start);
    w->start = start;
  }
  const uint32_t used = w->end - w->start;
  return used < w->capacity ? smaller(w->capacity - used, w->last - w->end) : 0;
}

#endif
