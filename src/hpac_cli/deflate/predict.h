/* Which token would this writer write here, given all before? */
#ifndef HPAC_DEFLATE_PREDICT_H
#define HPAC_DEFLATE_PREDICT_H

#include "chains.h"
#include "parameters.h"

enum { PREDICTOR_RING = 1 << 16 }; /* so that a link is a place in it */

struct predictor {
  const struct window *window;
  struct parameters q;
  struct chains chains;
  position inserted; /* those before it are in the chains, but for those that the writer leaves out */
  /* a match found while looking ahead */
  position found_at;
  uint32_t found_length, found_distance;
  position literals_until; /* a lazy search has decided that literals come up to here */
  bool second_of_pair;     /* ISA-L's second token was found with its first one */
  /* libdeflate: the shortest match that it takes follows from the literals of the block so far */
  position block_start, next_count;
  uint32_t shortest, literal_counts[256];
  uint32_t *third, *third_before; /* the last position with a hash of three bytes, and the one before it */
  uint32_t *buckets;              /* stb_image_write's lists of positions */
  uint8_t *bucket_sizes;
};

/* False without memory; predictor_close frees what there is. */
bool predictor_open(struct predictor *m, const struct window *window, const struct parameters *q);
void predictor_close(struct predictor *m);

/* A block of tokens begins at p. */
void predict_block(struct predictor *m, position p);

/* The token that the writer would write at p; once for each, for looking also inserts positions. */
struct token predict_token(struct predictor *m, position p);

/* The token at p is known. */
void note_token(struct predictor *m, position p, struct token t);

#endif
