/* Vector operations in plain C, for machines without any other set: 4 lanes, 1 activation a word.
   vector.h says what each operation means; the other sets are tested against this one. */

#define HPAC_LANES 4
#define HPAC_MAX_BLOCK 2
enum { LANES = HPAC_LANES, WORD_INPUTS = 1, MAX_VECTORS = 4, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef int32_t activation;
enum { ZERO_ACTIVATION = 0 };
typedef struct {
  int32_t lane[4];
} vec;

#define EACH(expression)                                     \
  vec result;                                                \
  for (int i = 0; i < 4; i++) result.lane[i] = (expression); \
  return result

INLINE vec v_load(const void *at) { return *(const vec *)at; }
INLINE void v_store(void *at, vec v) { *(vec *)at = v; }
INLINE vec v_all(int32_t x) { EACH(x); }
INLINE vec v_add(vec a, vec b) { EACH(a.lane[i] + b.lane[i]); }
INLINE vec v_min(vec a, vec b) { EACH(smaller(a.lane[i], b.lane[i])); }
INLINE vec v_max(vec a, vec b) { EACH(larger(a.lane[i], b.lane[i])); }
INLINE vec v_shift_each(vec v, vec places) { EACH(v.lane[i] >> places.lane[i]); }
INLINE vec v_shift(vec v, const int places) { EACH(v.lane[i] >> places); }
INLINE vec v_product(vec a, vec b) { EACH(a.lane[i] * b.lane[i]); }
INLINE vec v_dot(vec sum, vec word, vec weights) { EACH(sum.lane[i] + word.lane[i] * weights.lane[i]); }
INLINE vec v_append(vec word, vec activations) {
  (void)word;
  return activations;
}
INLINE vec v_keep(vec v) { return v; }

INLINE int32_t v_distance(const uint8_t *a, const uint8_t *b) {
  int32_t sum = 0;
  for (int k = 0; k < 16; k++) sum += magnitude(a[k] - b[k]);
  return sum;
}

INLINE void v_transpose(const int32_t *rows, size_t row_step, int32_t *columns, size_t column_step) {
  for (size_t k = 0; k < 4; k++)
    for (size_t i = 0; i < 4; i++) columns[k * column_step + i] = rows[i * row_step + k];
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  for (int k = 0; k < vectors; k++)
    for (int i = 0; i < 4; i++) y[4 * k + i] = clamp(v[k].lane[i], is_signed ? -127 : 0, 127);
}
