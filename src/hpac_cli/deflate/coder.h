/* Adaptive binary arithmetic coding, the same calls for writing and reading.
 *
 * The likely outcome of every decision is coded as 1, which takes the lower part of the interval: where all comes as
 * expected, the interval keeps its lower end at 0, all bytes are zero, and zeros at the end are not stored.
 * Source: the carry-free coder of lpaq1 and paq8 (Mahoney), with probabilities of 16 bits.
 */
#ifndef HPAC_DEFLATE_CODER_H
#define HPAC_DEFLATE_CODER_H

#include "common.h"

struct coder {
  bool decodes, failed;
  uint32_t low, high, value;
  uint8_t *written;
  size_t size, capacity;
  const uint8_t *given;
  size_t given_size, at;
};

void coder_open_to_write(struct coder *c);
void coder_open_to_read(struct coder *c, const uint8_t *bytes, size_t size);
void coder_close(struct coder *c);
void coder_finish(struct coder *c); /* of writing */

void coder_shift(struct coder *c);

/* `one` is the probability of 1 in 1/65536, 1 to 65535. */
static inline bool code_bit_with(struct coder *c, bool bit, uint32_t one) {
  const uint32_t middle = c->low + (uint32_t)((uint64_t)(c->high - c->low) * one >> 16);
  if (c->decodes) bit = c->value <= middle;
  if (bit) c->high = middle;
  else c->low = middle + 1;
  if (!((c->low ^ c->high) >> 24)) coder_shift(c);
  return bit;
}

/* ---- adaptive probabilities ---- */

struct bit_model {
  uint16_t one; /* of 1, in 1/65536, 16 to 65519 */
  uint16_t count;
};

#define NEW_BIT {32768, 0}
extern const uint16_t adaptation[64]; /* 655360 / (10 count + 16), at most 65535 */

static inline void adapt(struct bit_model *m, bool bit, uint32_t most_count) {
  const int32_t change = (((bit ? 65535 : 0) - m->one) * (int32_t)(adaptation[m->count] >> 1)) / 32768;
  const int32_t one = m->one + change;
  m->one = (uint16_t)(one < 16 ? 16 : one > 65519 ? 65519 : one);
  if (m->count < most_count) m->count++;
}

static inline bool code_bit(struct coder *c, bool bit, struct bit_model *m) {
  bit = code_bit_with(c, bit, m->one);
  adapt(m, bit, 30);
  return bit;
}

/* All bits of a number, the highest first, without a model. */
uint32_t code_plain(struct coder *c, uint32_t value, uint32_t bits);

/* Numbers from 0: how many bits value + 1 has, then these, the first three with models of their own. */
struct number_model {
  struct bit_model ends[32], bits[32][8];
};

uint32_t code_number(struct coder *c, uint32_t value, struct number_model *m);

/* Sets an array of models, whatever it consists of, to even chances. */
void reset_models(void *models, size_t bytes);

/* ---- probabilities of several contexts, mixed ---- */

enum { MOST_INPUTS = 8, MIXER_SETS = 1024, SLOT_BITS = 12 };

struct mixer {
  struct bit_model slots[MOST_INPUTS][1 << SLOT_BITS];
  int32_t weights[MIXER_SETS][MOST_INPUTS]; /* in 1/65536 */
  int16_t stretched[4096]; /* of a probability p in 1/4096: the least x of which squash is at least p */
};

void reset_mixer(struct mixer *m);
bool code_mixed(struct coder *c, bool bit, struct mixer *m, const uint32_t *contexts, int num_inputs, uint32_t set);

#endif
