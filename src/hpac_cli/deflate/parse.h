/* A raw deflate stream, read block by block and token by token. */
#ifndef HPAC_DEFLATE_PARSE_H
#define HPAC_DEFLATE_PARSE_H

#include "tables.h"

/* Where the bytes of a stream come from; a source that fails ends. */
struct source {
  hpac_deflate_read *read;
  void *context;
};

enum { INPUT_BYTES = 120000 }; /* more than a stored block has; a little less than what malloc asks the system for */

/* Bits come lowest first. Those behind the end are zero; `overrun` tells that some were used. */
struct bit_reader {
  struct source source;
  uint8_t *bytes; /* room for INPUT_BYTES: those of the source from `start` on */
  uint64_t start;
  size_t size, at; /* at <= size, unless the source has ended */
  bool ended;      /* no more bytes follow */
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

/* False without memory. */
bool parser_open(struct parser *p, struct source source);
void parser_close(struct parser *p);

/* How many bytes of the stream were taken; some may be in the reader still. */
static inline uint64_t parser_position(const struct parser *p) { return p->reader.start + p->reader.at; }

/* Read what stands before a block's tokens or bytes into p->block; false if it is damaged. */
bool parse_block(struct parser *p);

/* Read tokens until there are `most`, or they span `most_span` bytes or more, or *block_ends. False if damaged. */
bool parse_tokens(struct parser *p, struct token *tokens, uint32_t most, uint32_t most_span, uint32_t *num_tokens,
                  uint32_t *span, bool *block_ends);

/* The next `count` bytes of a stored block, until more is read; NULL if there are fewer. */
const uint8_t *parse_stored(struct parser *p, uint32_t count);

/* The bits between the last block and the next whole byte; *used are the stream's bytes. False if it is cut. */
bool parse_end(struct parser *p, uint8_t *padding, uint64_t *used);

#endif
