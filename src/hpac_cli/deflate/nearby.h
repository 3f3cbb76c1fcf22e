/* All matches at a position, the nearest first: what a token that was not predicted is told apart by. */
#ifndef HPAC_DEFLATE_NEARBY_H
#define HPAC_DEFLATE_NEARBY_H

#include "chains.h"

enum {
  MOST_CANDIDATES = 600, /* of a hash that are looked at */
  NEARBY_RING = 1 << 17, /* positions are in the chains ahead of the one that is worked on, up to PATH_SPAN */
};

struct nearby {
  struct chains three, four; /* by three and by four bytes */
  position inserted;
  bool is_open;
};

/* Have all positions through `last` in the chains, from as far back on as matches at p reach; false without memory. */
static inline bool nearby_reach(struct nearby *n, const struct window *w, position p, position last) {
  if (!n->is_open) {
    n->is_open = true;
    n->inserted = ORIGIN;
    if (!chains_open(&n->three, NEARBY_RING, HASH_GOLDEN, 16)) return false;
    if (!chains_open(&n->four, NEARBY_RING, HASH_KNUTH, 16)) return false;
  }
  if (!n->three.links || !n->four.links) return false;
  if (n->inserted + MAX_DISTANCE < p) n->inserted = p - MAX_DISTANCE;
  for (; n->inserted <= last; n->inserted++) {
    chains_insert(&n->three, w, n->inserted);
    chains_insert(&n->four, w, n->inserted);
  }
  return true;
}

static inline void nearby_close(struct nearby *n) {
  if (!n->is_open) return;
  chains_close(&n->three);
  chains_close(&n->four);
}

/* The next candidate before `candidate` that a match at p can reach, or 0. */
static inline position next_candidate(const struct chains *c, position candidate, position p) {
  const position next = chains_next(c, candidate);
  return next >= ORIGIN && p - next <= MAX_DISTANCE ? next : 0;
}

/* The longest match at p among the candidates; 2 if there is none. */
static inline uint32_t longest_nearby(struct nearby *n, const struct window *w, position p) {
  const uint32_t left = w->last - p, most = smaller(left, MAX_MATCH);
  const uint8_t *here = bytes_at(w, p);
  uint32_t best = 2, tries = 0;
  if (left < MIN_MATCH) return best;
  for (position c = next_candidate(&n->three, p, p); c && tries < MOST_CANDIDATES && best < most;
       c = next_candidate(&n->three, c, p), tries++) {
    const uint8_t *there = here - (p - c);
    if (there[best] != here[best]) continue;
    const uint32_t length = common_length(there, here, most);
    if (length > best) best = length;
  }
  n->three.work += tries + 1;
  return best;
}

/* How many candidates nearer than `distance` match `length` bytes; MOST_CANDIDATES if that one is not among them. */
static inline uint32_t rank_of(struct nearby *n, const struct window *w, position p, uint32_t length,
                               uint32_t distance) {
  const uint8_t *here = bytes_at(w, p);
  uint32_t rank = 0, tries = 0;
  for (position c = next_candidate(&n->three, p, p); c && tries < MOST_CANDIDATES;
       c = next_candidate(&n->three, c, p), tries++) {
    if (p - c == distance) return rank;
    rank += common_length(here - (p - c), here, length) == length;
  }
  return MOST_CANDIDATES;
}

/* The reverse; 0 if there is none of this rank. */
static inline uint32_t distance_of(struct nearby *n, const struct window *w, position p, uint32_t length,
                                   uint32_t rank) {
  const uint8_t *here = bytes_at(w, p);
  uint32_t tries = 0;
  for (position c = next_candidate(&n->three, p, p); c && tries < MOST_CANDIDATES;
       c = next_candidate(&n->three, c, p), tries++)
    if (common_length(here - (p - c), here, length) == length && !rank--) return p - c;
  return 0;
}

#endif
