/* A raw deflate stream, read block by block and token by token. */
#ifndef HPAC_DEFLATE_PARSE_H
#define HPAC_DEFLATE_PARSE_H

#include "tables.h"

/* Bits come lowest first. Those behind the end are zero; `overrun` tells that some were used. */
struct bit_reader {
  const uint8_t *bytes;
  size_t size, at;
  uint64_t bits;
  uint32_t count; /* bits above them in `bits` are those that follow, or zero */
};

enum { FAST_BITS = 10 };

/* Symbols by the next FAST_BITS bits; longer codes are found length by length. */
struct decoding {
  uint16_t fast[1 << FAST_BITS]; /* symbol << 4 | length of its code; 0: longer, or no code */
  uint16_t count[MAX_CODE_BITS + 1], symbols[MAX_LITLEN];
};

struct parser {
  struct bit_reader reader;
  struct block block;
  struct decoding litlen, dist;
  uint64_t num_plain; /* bytes that all tokens so far stand for */
};

void parser_open(struct parser *p, const uint8_t *stream, size_t size);

/* Read what stands before a block's tokens or bytes into p->block; false if it is damaged. */
bool parse_block(struct parser *p);

/* Read tokens until there are `most`, or they span `most_span` bytes or more, or *block_ends. False if damaged. */
bool parse_tokens(struct parser *p, struct token *tokens, uint32_t most, uint32_t most_span, uint32_t *num_tokens,
                  uint32_t *span, bool *block_ends);

/* The next `count` bytes of a stored block; NULL if there are fewer. */
const uint8_t *parse_stored(struct parser *p, uint32_t count);

/* The bits between the last block and the next whole byte; *used are the stream's bytes. False if it is cut. */
bool parse_end(struct parser *p, uint8_t *padding, size_t *used);

#endif
