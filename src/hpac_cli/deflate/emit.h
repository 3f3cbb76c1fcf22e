/* A raw deflate stream, written block by block and token by token. */
#ifndef HPAC_DEFLATE_EMIT_H
#define HPAC_DEFLATE_EMIT_H

#include "tables.h"

struct emitter {
  uint8_t *bytes; /* those not taken yet, `size` of them */
  size_t size, capacity;
  uint64_t left; /* bytes that the stream may still have */
  uint64_t bits;
  uint32_t count;
  bool failed; /* the stream became longer than it may, or there is no memory */
  uint16_t codes[MAX_LITLEN + MAX_DIST];
};

void emitter_open(struct emitter *e, uint64_t most_bytes);
void emitter_close(struct emitter *e);

/* All before a block's tokens or bytes; false if its codes cannot be. */
bool emit_block(struct emitter *e, const struct block *b);
void emit_tokens(struct emitter *e, const struct block *b, const struct token *tokens, size_t count);
void emit_stored(struct emitter *e, const uint8_t *bytes, uint32_t count);
void emit_end_of_block(struct emitter *e, const struct block *b);
void emit_end(struct emitter *e, uint8_t padding);

#endif
