/* What a stream has beside its plain bytes, coded as differences from what its writer is expected to do.
 *
 * One walk codes and decodes. A stream is blocks, a block's tokens are chunks: those of about CHUNK_SPAN bytes.
 */
#ifndef HPAC_DEFLATE_CORRECTION_H
#define HPAC_DEFLATE_CORRECTION_H

#include "cheapest.h"
#include "coder.h"
#include "emit.h"
#include "parse.h"
#include "predict.h"

enum {
  MOST_HELD =
      1 << 18, /* tokens of a block that wait until its codes are known; larger blocks have theirs coded first */
  CHUNK_TOKENS = CHUNK_SPAN,
};

enum stage { AT_BLOCK, IN_STORED, IN_TOKENS, AT_BLOCK_END, AT_END, DONE };

struct models {
  struct bit_model same_type[NUM_TYPES], which_type[NUM_TYPES], final[2], no_padding[2], same_stored, expected_tokens;
  struct bit_model held, num_litlen, num_dist, num_pre, code[2], same_length[16][8], longer[16][2], same_run[8];
  struct bit_model pre_code, same_pre[8], clean[4], not_long, takes_match[4], takes_second[8];
  struct bit_model same_token_length[16], is_longest[16], is_longer;
  struct number_model tokens, span, difference[16], longer_by, shorter_by[20], rank[13];
};

struct mixers {
  struct mixer as_predicted, is_literal;
};

/* What the coding of tokens remembers of those before. */
struct recent {
  uint32_t misses;   /* a bit for each token, the latest lowest: whether it came otherwise than predicted */
  uint32_t literals; /* since the last match, at most 15 */
};

/* Tokens of a block, or bytes of a stored one, and the plain bytes that they stand for. */
struct block_size {
  uint32_t count, span;
};

struct correction {
  struct parameters q;
  struct coder coder;
  struct window window;
  struct predictor predictor;
  struct nearby nearby;
  struct models models;
  struct mixers *mixers;     /* from the first chunk on that is not as predicted */
  struct cheapest *cheapest; /* if codes come first */
  struct recent recent;

  enum stage stage;
  int error;
  position at, block_end; /* of a block whose codes come first */
  uint64_t most_blocks, most_work;
  uint32_t tokens_left, stored_left, last_stored;
  uint8_t last_type, padding;
  bool codes_first;
  struct block block;
  uint32_t litlen_counts[MAX_LITLEN], dist_counts[MAX_DIST];
  uint8_t last_litlen[MAX_LITLEN], last_dist[MAX_DIST]; /* code lengths of the last block whose codes came first */
  struct token *chunk, *predicted;                      /* room for CHUNK_TOKENS */

  /* while decoding */
  struct emitter emitter;
  struct token *held;
  size_t num_held, held_capacity;

  /* While coding: two readings of the stream, of which one runs ahead and fills the window. Where the source changes
   * they give other bytes than each other, and than were surveyed. So neither begins more blocks than were surveyed nor
   * goes beyond window.last, and no token is trusted to stand for the bytes in the window. */
  struct parser parser, ahead;
  bool ahead_in_block;
  uint32_t ahead_stored_left;
  const struct block_size *sizes; /* of all blocks, as they were surveyed */
  uint64_t num_sizes, num_begun, num_begun_ahead;
  struct block_size size; /* of the block that is worked on */
  uint64_t num_done_tokens, most_tokens;
};

bool correction_open(struct correction *c, const struct parameters *q, uint64_t plain_bytes);
void correction_close(struct correction *c);

/* Work on as far as the window allows; what went wrong is in c->error, HPAC_DEFLATE_OK else. */
void correction_walk(struct correction *c);

/* ---- parts of the walk ---- */

/* How a block's codes are written, given what is expected; false if that cannot be. Source: RFC 1951, 3.2.7. */
bool code_codes(struct correction *c, const uint8_t *litlen, const uint8_t *dist);

/* One token that may not be as predicted; *t is known or becomes known. False if it cannot be. */
bool code_token(struct correction *c, position p, struct token predicted, const struct hint *hint, struct token *t);

#endif
