/* The cheapest path through a chunk under a block's codes: what optimising writers look for. */
#ifndef HPAC_DEFLATE_CHEAPEST_H
#define HPAC_DEFLATE_CHEAPEST_H

#include "nearby.h"
#include "tables.h"

enum {
  OVERLAP = 1024, /* bytes behind a chunk that the path goes on for */
  PATH_SPAN = CHUNK_SPAN + MAX_MATCH + OVERLAP,
  MOST_MATCHES = 16, /* of different length, at one position */
  MOST_MARGIN = 31,
};

/* What the path says of one position. */
struct hint {
  struct token match, second;    /* the two cheapest matches, length 0: there is none */
  uint8_t margin, second_margin; /* whole bits between the best step and the best of the other kind; and `second` */
  bool prefers_literal;
};

struct cheapest {
  struct hint hints[PATH_SPAN];
  uint32_t costs[PATH_SPAN + 1]; /* to the end, in 1/8 bit */
  uint32_t first_match[PATH_SPAN + 1];
  struct token matches[PATH_SPAN * MOST_MATCHES];
};

/* Fill hints from `start` to `end`, at most PATH_SPAN bytes; positions within a match of `nice` bytes get no matches
 * of their own. False without memory. */
bool find_cheapest(struct cheapest *path, struct nearby *n, const struct window *w, position start, position end,
                   const struct block *b, uint32_t nice);

#endif
