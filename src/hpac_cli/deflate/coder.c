#include "coder.h"

void coder_open_to_write(struct coder *c) {
  memset(c, 0, sizeof *c);
  c->high = UINT32_MAX;
}

void coder_open_to_read(struct coder *c, const uint8_t *bytes, size_t size) {
  memset(c, 0, sizeof *c);
  c->high = UINT32_MAX;
  c->decodes = true;
  c->given = bytes, c->given_size = size;
  for (int k = 0; k < 4; k++, c->at++) c->value = c->value << 8 | (c->at < size ? bytes[c->at] : 0u);
}

void coder_close(struct coder *c) { free(c->written); }

static void put_byte(struct coder *c, uint32_t byte) {
  if (!reserve(&c->written, &c->capacity, c->size + 1, 1)) c->failed = true;
  else c->written[c->size++] = (uint8_t)byte;
}

void coder_shift(struct coder *c) {
  do {
    if (!c->decodes) put_byte(c, c->low >> 24);
    else c->value = c->value << 8 | (c->at < c->given_size ? c->given[c->at] : 0u), c->at++;
    c->low <<= 8;
    c->high = c->high << 8 | 255;
  } while (!((c->low ^ c->high) >> 24));
}

/* The shortest bytes of which any continuation by zeros lies in the interval, without zeros at the end. */
void coder_finish(struct coder *c) {
  for (uint32_t count = 0; count <= 4; count++) {
    const uint64_t unit = UINT64_C(1) << (32 - 8 * count), value = (c->low + unit - 1) / unit * unit;
    if (value > c->high) continue;
    for (uint32_t k = 0; k < count; k++) put_byte(c, (uint32_t)(value >> (24 - 8 * k)));
    break;
  }
  while (c->size && !c->written[c->size - 1]) c->size--;
}

const uint16_t adaptation[64] = {
    40960, 25206, 18204, 14246, 11702, 9929, 8623, 7620, 6826, 6182, 5649, 5201, 4818, 4488, 4201, 3947,
    3723,  3523,  3343,  3181,  3034,  2899, 2776, 2664, 2560, 2463, 2374, 2291, 2214, 2141, 2073, 2010,
    1950,  1894,  1840,  1790,  1742,  1697, 1654, 1614, 1575, 1538, 1503, 1469, 1437, 1406, 1376, 1348,
    1321,  1295,  1270,  1245,  1222,  1200, 1178, 1157, 1137, 1118, 1099, 1081, 1063, 1046, 1030, 1014,
};

uint32_t code_plain(struct coder *c, uint32_t value, uint32_t bits) {
  uint32_t coded = 0;
  while (bits--) coded = coded << 1 | code_bit_with(c, value >> bits & 1, 32768);
  return coded;
}

uint32_t code_number(struct coder *c, uint32_t value, struct number_model *m) {
  const uint32_t number = value + 1, length = log2_floor(number);
  uint32_t bits = 0, coded = 1;
  while (bits < 31 && !code_bit(c, bits == length, &m->ends[bits])) bits++;
  for (uint32_t k = bits; k-- > 0;) {
    const bool bit = number >> k & 1;
    const uint32_t done = bits - 1 - k;
    coded = coded << 1 | (done < 3 ? code_bit(c, bit, &m->bits[bits][coded & 7]) : code_bit_with(c, bit, 32768));
  }
  return coded - 1;
}

void reset_models(void *models, size_t bytes) {
  struct bit_model *each = models;
  for (size_t k = 0; k < bytes / sizeof *each; k++) each[k] = (struct bit_model)NEW_BIT;
}

/* 4096 / (1 + exp(-x / 256)) for x from -2048 to 2048 in steps of 128. */
static const int16_t logistic[33] = {1,    2,    3,    6,    10,   16,   27,   45,   73,   120,  194,
                                     310,  488,  747,  1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785,
                                     3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094};

/* Probability in 1/4096 of x = ln(p / (1 - p)) in 1/256. */
static int32_t squash(int32_t x) {
  if (x > 2047) return 4095;
  if (x < -2047) return 0;
  const int32_t whole = (x >> 7) + 16, part = x & 127;
  return (logistic[whole] * (128 - part) + logistic[whole + 1] * part + 64) >> 7;
}

void reset_mixer(struct mixer *m) {
  reset_models(m->slots, sizeof m->slots);
  int32_t p = 0;
  for (int32_t x = -2047; x <= 2047; x++)
    while (p <= squash(x)) m->stretched[p++] = (int16_t)x;
  while (p < 4096) m->stretched[p++] = 2047;
  for (int set = 0; set < MIXER_SETS; set++)
    for (int k = 0; k < MOST_INPUTS; k++) m->weights[set][k] = 65536 * 4 / 10;
}

bool code_mixed(struct coder *c, bool bit, struct mixer *m, const uint32_t *contexts, int num_inputs, uint32_t set) {
  struct bit_model *slots[MOST_INPUTS];
  int32_t inputs[MOST_INPUTS], *weights = m->weights[set % MIXER_SETS];
  int64_t sum = 0;
  for (int k = 0; k < num_inputs; k++) {
    slots[k] = &m->slots[k][(contexts[k] * 0x9E3779B1u) >> (32 - SLOT_BITS)];
    inputs[k] = m->stretched[slots[k]->one >> 4];
    sum += (int64_t)weights[k] * inputs[k];
  }
  sum /= 65536;
  const int32_t x = sum > 2047 ? 2047 : sum < -2047 ? -2047 : (int32_t)sum;
  const int32_t one = squash(x) * 16 + 8; /* 8 to 65528 */
  bit = code_bit_with(c, bit, (uint32_t)one);
  const int32_t error = (bit ? 65535 : 0) - one;
  for (int k = 0; k < num_inputs; k++) {
    const int64_t weight = weights[k] + (int64_t)inputs[k] * error * 6 / 65536;
    weights[k] = (int32_t)(weight > 1 << 22 ? 1 << 22 : weight < -(1 << 22) ? -(1 << 22) : weight);
    adapt(slots[k], bit, 60);
  }
  return bit;
}
