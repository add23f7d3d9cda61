// SPDX-License-Identifier: MIT
//
// One training step of a Llama with exits on a few threads: forward, backward, AdamW and Muon. 3_train.py loads it.
//
// Products take bf16 and add in f32: AMX where the compiler knows that the processor has it, plain loops elsewhere
// (fifteen times slower in all). What is between products stays in f32: the residual stream, norms, softmax, losses.
// Each thread takes micro-batches from one counter and adds up gradients of its own; weights are packed for the
// products once a step.
//
//   g++ -std=c++20 -O3 -ffast-math -march=native -mprefer-vector-width=512 -shared -fPIC -pthread train.cpp -o train.so

#include <algorithm>
#include <atomic>
#include <barrier>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#if defined(__AVX512F__) || defined(__AMX_BF16__)
#include <immintrin.h>
#endif
#if defined(__AMX_BF16__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using bf16 = std::uint16_t;
using isize = std::int64_t;

/// To the nearest; halfway, away from zero, which takes fewer instructions than ties to even.
inline bf16 narrow(float x) { return static_cast<bf16>((std::bit_cast<std::uint32_t>(x) + 0x8000u) >> 16); }
inline float widen(bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

/// e^x to about 1e-7, in a form that compilers vectorise.
inline float exponential(float x) {
    const float t = std::max(x, -87.0f) * 1.44269504f;
    const float whole = __builtin_floorf(t + 0.5f);
    const float r = (t - whole) * 0.69314718f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * std::bit_cast<float>((static_cast<std::int32_t>(whole) + 127) << 23);
}

/// In sixteen strands, as compilers do not always vectorise a maximum.
inline float largest(const float* x, isize n) {
    float most[16];
    std::fill(most, most + 16, x[0]);
    isize i = 0;
    for (; i + 16 <= n; i += 16) {
        for (isize j = 0; j < 16; ++j) most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
    }
    for (; i < n; ++i) most[0] = x[i] > most[0] ? x[i] : most[0];
    for (isize j = 1; j < 16; ++j) most[0] = most[j] > most[0] ? most[j] : most[0];
    return most[0];
}

/// Memory aligned to cache lines, not initialised.
template <class T>
class buffer {
public:
    T* get(isize n) {
        if (n > size_) {
            data_.reset(
                static_cast<T*>(std::aligned_alloc(64, (static_cast<std::size_t>(n) * sizeof(T) + 63) / 64 * 64)));
            size_ = n;
        }
        return data_.get();
    }
    T* data() const { return data_.get(); }

private:
    struct release {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, release> data_;
    isize size_ = 0;
};

// ---------------------------------------------------------------- products
//
// A tile of the left operand is 16 rows of 32 numbers, wherever they are; one of the right operand, 32 rows of 16
// columns, is packed with each pair of rows interleaved, 512 numbers one after the other.

constexpr isize tile_size = 512;

/// Tiles of an operand: where one begins, and the steps to the next along both of its sides.
struct tiles {
    const bf16* data;
    isize across;  ///< to the next 16 rows of the left operand, 16 columns of the right one
    isize along;   ///< to the next 32 of what is added over
    isize stride;  ///< between a tile's rows
};
inline tiles rows_of(const bf16* data, isize stride) { return {data, 16 * stride, 32, stride}; }
inline tiles packed(const bf16* data, isize depth) { return {data, depth / 32 * tile_size, tile_size, 32}; }

#if defined(__AMX_BF16__)

/// GCC's intrinsics for tiles do not say that they read memory.
inline void barrier_to_compiler(const void* read) { asm volatile("" : : "r"(read) : "memory"); }

void begin_thread() {
    static const long allowed = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */);
    (void)allowed;
    struct layout {
        std::uint8_t palette = 1, start = 0, reserved[14] = {};
        std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    alignas(64) layout shape;
    barrier_to_compiler(&shape);
    _tile_loadconfig(&shape);
}

/// c = a b, or c += a b: multiples of 32 rows, columns and depth.
template <bool Add>
void multiply(isize rows, isize columns, isize depth, tiles a, tiles b, float* c, isize stride) {
    const isize bytes = stride * 4;
    barrier_to_compiler(c);
    for (isize m = 0; m < rows; m += 32) {
        const bf16* const a0 = a.data + m / 16 * a.across;
        const bf16* const a1 = a0 + a.across;
        for (isize n = 0; n < columns; n += 32) {
            const bf16* const b0 = b.data + n / 16 * b.across;
            const bf16* const b1 = b0 + b.across;
            float* const c0 = c + m * stride + n;
            float* const c1 = c0 + 16 * stride;
            if constexpr (Add) {
                _tile_loadd(0, c0, bytes);
                _tile_loadd(1, c0 + 16, bytes);
                _tile_loadd(2, c1, bytes);
                _tile_loadd(3, c1 + 16, bytes);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (isize k = 0; k < depth / 32; ++k) {
                _tile_loadd(4, a0 + k * a.along, a.stride * 2);
                _tile_loadd(6, b0 + k * b.along, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(7, b1 + k * b.along, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_loadd(5, a1 + k * a.along, a.stride * 2);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, c0, bytes);
            _tile_stored(1, c0 + 16, bytes);
            _tile_stored(2, c1, bytes);
            _tile_stored(3, c1 + 16, bytes);
        }
    }
}

#else

void begin_thread() {}

template <bool Add>
void multiply(isize rows, isize columns, isize depth, tiles a, tiles b, float* c, isize stride) {
    alignas(64) float right[32][16];
    for (isize n = 0; n < columns; n += 16) {
        if (!Add) {
            for (isize m = 0; m < rows; ++m) std::fill_n(c + m * stride + n, 16, 0.0f);
        }
        for (isize k = 0; k < depth / 32; ++k) {
            const bf16* const from = b.data + n / 16 * b.across + k * b.along;
            for (isize r = 0; r < 32; ++r) {
                for (isize j = 0; j < 16; ++j) right[r][j] = widen(from[r / 2 * 32 + 2 * j + r % 2]);
            }
            for (isize m = 0; m < rows; ++m) {
                const bf16* const left = a.data + m / 16 * a.across + k * a.along + m % 16 * a.stride;
                float* const to = c + m * stride + n;
                alignas(64) float sum[16];
                std::copy_n(to, 16, sum);
                for (isize r = 0; r < 32; ++r) {
                    const float x = widen(left[r]);
                    for (isize j = 0; j < 16; ++j) sum[j] += x * right[r][j];
                }
                std::copy_n(sum, 16, to);
            }
        }
    }
}

#endif

/// Transposes 16 x 16 pairs of numbers.
inline void transpose_pairs(const bf16* from, isize stride, bf16* to) {
#if defined(__AVX512F__)
    __m512i a[16], b[16];
    for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(from + i * stride);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
        b[i] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
        _mm512_storeu_si512(to + i * 32, _mm512_shuffle_i32x4(b[i], b[i + 8], 0x88));
        _mm512_storeu_si512(to + (i + 8) * 32, _mm512_shuffle_i32x4(b[i], b[i + 8], 0xdd));
        _mm512_storeu_si512(to + (i + 4) * 32, _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0x88));
        _mm512_storeu_si512(to + (i + 12) * 32, _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0xdd));
    }
#else
    for (isize i = 0; i < 16; ++i) {
        for (isize j = 0; j < 16; ++j) std::memcpy(to + j * 32 + 2 * i, from + i * stride + 2 * j, 4);
    }
#endif
}

/// 32 rows of 16 columns with each pair of rows interleaved.
inline void interleave(const bf16* from, isize stride, bf16* to) {
    for (isize r = 0; r < 16; ++r) {
        const bf16 *const even = from + 2 * r * stride, *const odd = even + stride;
        for (isize c = 0; c < 16; ++c) {
            const std::uint32_t pair = even[c] | static_cast<std::uint32_t>(odd[c]) << 16;
            std::memcpy(to + r * 32 + 2 * c, &pair, 4);
        }
    }
}

/// Right operand that is `from` (rows x columns) transposed: [rows / 16][columns / 32] tiles; what is added over are
/// columns.
void pack_transposed(const bf16* from, isize rows, isize columns, isize stride, bf16* to) {
    for (isize m = 0; m < rows; m += 16) {
        for (isize k = 0; k < columns; k += 32, to += tile_size) transpose_pairs(from + m * stride + k, stride, to);
    }
}
/// Right operand that is `from` (rows x columns): [columns / 16][rows / 32] tiles; what is added over are rows.
void pack(const bf16* from, isize rows, isize columns, isize stride, bf16* to) {
    for (isize n = 0; n < columns; n += 16) {
        for (isize k = 0; k < rows; k += 32, to += tile_size) interleave(from + k * stride + n, stride, to);
    }
}
/// Left operand that is `from` (rows x columns) transposed: [columns / 16][rows / 32] tiles; what is added over are
/// rows.
void pack_left_transposed(const bf16* from, isize rows, isize columns, isize stride, bf16* to) {
    alignas(64) bf16 pairs[tile_size];
    for (isize n = 0; n < columns; n += 16) {
        for (isize k = 0; k < rows; k += 32, to += tile_size) {
            interleave(from + k * stride + n, stride, pairs);
            transpose_pairs(pairs, 32, to);
        }
    }
}

void narrow_all(const float* from, isize n, bf16* to) {
    for (isize i = 0; i < n; ++i) to[i] = narrow(from[i]);
}

// ---------------------------------------------------------------- model

struct shape {
    isize layers, width, heads, inner, vocabulary, context;
    double theta, epsilon;

    isize head() const { return width / heads; }
    isize norms() const { return (2 * layers + 1) * width; }
    isize adam() const { return vocabulary * width + norms(); }
    isize query_key_value() const { return 3 * width * width; }
    isize layer() const { return 4 * width * width + 3 * inner * width; }
    isize parameters() const { return adam() + layers * layer(); }
    // Where things begin in a flat vector.
    isize norm(isize i) const { return vocabulary * width + i * width; }  ///< two a layer, then the final one
    isize attention_in(isize l) const { return adam() + l * layer(); }
    isize attention_out(isize l) const { return attention_in(l) + 3 * width * width; }
    isize gate_up(isize l) const { return attention_out(l) + width * width; }
    isize down(isize l) const { return gate_up(l) + 2 * inner * width; }
};

/// A matrix [out x in] in the two forms that products take: forward and backward.
struct packed_matrix {
    buffer<bf16> forward, backward;

    void set(const float* from, isize out, isize in, buffer<bf16>& scratch) {
        bf16* const narrowed = scratch.get(out * in);
        narrow_all(from, out * in, narrowed);
        pack_transposed(narrowed, out, in, in, forward.get(out * in));
        pack(narrowed, out, in, in, backward.get(out * in));
    }
};

struct packed_layer {
    packed_matrix attention_in, attention_out, gate_up, down;
};

/// What backward needs of a layer.
struct kept_layer {
    buffer<float> x, inverse, middle, middle_inverse, lse;
    buffer<bf16> normed, qkv, attended, middle_normed, gate_up, hidden;
};

struct model;

/// One thread's memory.
struct workspace {
    std::vector<kept_layer> kept;
    std::vector<float*> states;  ///< the residual stream after each layer
    buffer<float> last, block, other, dx, dnormed, scores, dscores, dq, logits, dheads, dk;
    buffer<bf16> dx16, dy16, packed_a, packed_b, keys, values, queries, outs, queries_t, outs_t, p, ds, ds_packed,
        key_t;
    buffer<bf16> head_normed, dlogits, teacher, scratch;
    buffer<float> head_inverse, deltas;
    buffer<float> gradients;
    std::vector<double> losses;
    double weight = 0;
};

constexpr isize block_rows = 128;
constexpr isize head_rows = 256;
constexpr isize head_columns = 768;

struct model {
    shape s;
    const float* weights = nullptr;
    std::vector<packed_layer> layers;
    packed_matrix embedding;
    std::vector<float> cosines, sines;  ///< [context][head / 2]
    std::vector<std::unique_ptr<workspace>> workspaces;

    explicit model(const shape& given) : s(given), layers(given.layers) { set_theta(given.theta, given.context); }

    void set_theta(double theta, isize context) {
        s.theta = theta, s.context = context;
        const isize half = s.head() / 2;
        cosines.resize(context * half), sines.resize(context * half);
        for (isize t = 0; t < context; ++t) {
            for (isize i = 0; i < half; ++i) {
                const double angle = t * std::pow(theta, -2.0 * i / s.head());
                cosines[t * half + i] = static_cast<float>(std::cos(angle));
                sines[t * half + i] = static_cast<float>(std::sin(angle));
            }
        }
    }
    void pack_layer(isize l, buffer<bf16>& scratch) {
        packed_layer& to = layers[l];
        to.attention_in.set(weights + s.attention_in(l), 3 * s.width, s.width, scratch);
        to.attention_out.set(weights + s.attention_out(l), s.width, s.width, scratch);
        to.gate_up.set(weights + s.gate_up(l), 2 * s.inner, s.width, scratch);
        to.down.set(weights + s.down(l), s.width, s.inner, scratch);
    }
};

// ---------------------------------------------------------------- parts of a layer

void norm_forward(const float* x, const float* weight, isize rows, isize width, double epsilon, float* inverse,
                  bf16* y) {
    for (isize r = 0; r < rows; ++r, x += width, y += width) {
        float sum = 0;
        for (isize i = 0; i < width; ++i) sum += x[i] * x[i];
        const float scale = 1.0f / std::sqrt(sum / static_cast<float>(width) + static_cast<float>(epsilon));
        inverse[r] = scale;
        for (isize i = 0; i < width; ++i) y[i] = narrow(x[i] * scale * weight[i]);
    }
}

/// Adds to dx and dweight.
void norm_backward(const float* x, const float* weight, const float* inverse, const float* dy, isize rows, isize width,
                   float* dx, float* dweight) {
    for (isize r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
        const float scale = inverse[r];
        float dot = 0;
        for (isize i = 0; i < width; ++i) dot += x[i] * weight[i] * dy[i];
        const float back = dot * scale * scale * scale / static_cast<float>(width);
        for (isize i = 0; i < width; ++i) {
            dweight[i] += dy[i] * x[i] * scale;
            dx[i] += scale * weight[i] * dy[i] - back * x[i];
        }
    }
}

/// Turns pairs (i, i + half) of every head of a row by its position; sign -1 turns back.
void rotate(float* row, isize heads, isize head, const float* cosine, const float* sine, float sign) {
    const isize half = head / 2;
    for (isize h = 0; h < heads; ++h, row += head) {
        for (isize i = 0; i < half; ++i) {
            const float a = row[i], b = row[i + half], s = sign * sine[i];
            row[i] = a * cosine[i] - b * s;
            row[i + half] = b * cosine[i] + a * s;
        }
    }
}

void attention_forward(const model& m, workspace& w, const bf16* qkv, isize length, bf16* out, float* lse) {
    const shape& s = m.s;
    const isize head = s.head(), stride = 3 * s.width;
    const float scale = 1.0f / std::sqrt(static_cast<float>(head));
    float* const scores = w.scores.get(32 * length);
    bf16* const keys = w.keys.get(length * head);
    bf16* const values = w.values.get(length * head);
    const isize p_stride = length + 32;  // rows a power of two apart would share few sets of the cache
    bf16* const p = w.p.get(32 * p_stride);
    alignas(64) float mixed[32 * 256], inverse[32];
    for (isize h = 0; h < s.heads; ++h) {
        const bf16 *const q = qkv + h * head, *const k = q + s.width, *const v = k + s.width;
        pack_transposed(k, length, head, stride, keys);
        pack(v, length, head, stride, values);
        for (isize i0 = 0; i0 < length; i0 += 32) {
            const isize n = i0 + 32;
            multiply<false>(32, n, head, rows_of(q + i0 * stride, stride), packed(keys, head), scores, length);
            for (isize r = 0; r < 32; ++r) {
                float* const row = scores + r * length;
                bf16* const to = p + r * p_stride;
                const isize seen = i0 + r + 1;
                const float most = largest(row, seen);
                float sum = 0;
                for (isize j = 0; j < seen; ++j) {
                    const float e = exponential((row[j] - most) * scale);
                    sum += e;
                    to[j] = narrow(e);
                }
                std::fill(to + seen, to + n, bf16{0});
                inverse[r] = 1.0f / sum;
                lse[h * length + i0 + r] = most * scale + std::log(sum);
            }
            multiply<false>(32, head, n, rows_of(p, p_stride), packed(values, length), mixed, head);
            for (isize r = 0; r < 32; ++r) {
                bf16* const to = out + (i0 + r) * s.width + h * head;
                for (isize i = 0; i < head; ++i) to[i] = narrow(mixed[r * head + i] * inverse[r]);
            }
        }
    }
}

/// dqkv: turned back, so that it is the gradient of the product's result.
void attention_backward(const model& m, workspace& w, const bf16* qkv, const bf16* out, const float* lse,
                        const bf16* dout, isize length, bf16* dqkv) {
    const shape& s = m.s;
    const isize head = s.head(), stride = 3 * s.width, half = head / 2;
    const float scale = 1.0f / std::sqrt(static_cast<float>(head));
    float *const scores = w.scores.get(32 * length), *const dscores = w.dscores.get(32 * length);
    float *const dq = w.dq.get(head * length), *const dk = w.dk.get(32 * head), *const delta = w.deltas.get(length);
    const isize p_stride = length + 32;
    bf16 *const p = w.p.get(32 * p_stride), *const ds = w.ds.get(32 * p_stride);
    bf16 *const q_t = w.queries_t.get(length * head), *const o_t = w.outs_t.get(length * head);
    bf16 *const q_p = w.queries.get(length * head), *const o_p = w.outs.get(length * head);
    bf16 *const ds_p = w.ds_packed.get(32 * length), *const k_t = w.key_t.get(32 * head);
    for (isize h = 0; h < s.heads; ++h) {
        const bf16 *const q = qkv + h * head, *const k = q + s.width, *const v = k + s.width;
        const bf16 *const o = out + h * head, *const g = dout + h * head;
        const float* const l = lse + h * length;
        for (isize i = 0; i < length; ++i) {
            float dot = 0;
            for (isize j = 0; j < head; ++j) dot += widen(o[i * s.width + j]) * widen(g[i * s.width + j]);
            delta[i] = dot;
        }
        pack_transposed(q, length, head, stride, q_t);
        pack_transposed(g, length, head, s.width, o_t);
        pack(q, length, head, stride, q_p);
        pack(g, length, head, s.width, o_p);
        std::fill(dq, dq + head * length, 0.0f);  // [head][length]
        for (isize j0 = 0; j0 < length; j0 += 32) {
            const isize n = length - j0;
            const isize skipped = j0 / 16 * (head / 32) * tile_size;
            multiply<false>(32, n, head, rows_of(k + j0 * stride, stride), packed(q_t + skipped, head), scores, length);
            multiply<false>(32, n, head, rows_of(v + j0 * stride, stride), packed(o_t + skipped, head), dscores,
                            length);
            for (isize r = 0; r < 32; ++r) {
                const float *const row = scores + r * length, *const drow = dscores + r * length;
                bf16 *const to = p + r * p_stride, *const dto = ds + r * p_stride;
                for (isize c = 0; c < n; ++c) {
                    const float e = exponential(row[c] * scale - l[j0 + c]);
                    to[c] = narrow(e);
                    dto[c] = narrow(e * (drow[c] - delta[j0 + c]) * scale);
                }
                std::fill(to, to + r, bf16{0});
                std::fill(dto, dto + r, bf16{0});
            }
            const tiles o_from{o_p + j0 / 32 * tile_size, length / 32 * tile_size, tile_size, 32};
            const tiles q_from{q_p + j0 / 32 * tile_size, length / 32 * tile_size, tile_size, 32};
            multiply<false>(32, head, n, rows_of(p, p_stride), o_from, dk, head);
            for (isize r = 0; r < 32; ++r)
                narrow_all(dk + r * head, head, dqkv + (j0 + r) * stride + 2 * s.width + h * head);
            multiply<false>(32, head, n, rows_of(ds, p_stride), q_from, dk, head);
            for (isize r = 0; r < 32; ++r) {
                rotate(dk + r * head, 1, head, &m.cosines[(j0 + r) * half], &m.sines[(j0 + r) * half], -1.0f);
                narrow_all(dk + r * head, head, dqkv + (j0 + r) * stride + s.width + h * head);
            }
            pack(ds, 32, n, p_stride, ds_p);
            pack_left_transposed(k + j0 * stride, 32, head, stride, k_t);
            multiply<true>(head, n, 32, packed(k_t, 32), packed(ds_p, 32), dq + j0, length);
        }
        alignas(64) float row[256];
        for (isize i = 0; i < length; ++i) {
            for (isize j = 0; j < head; ++j) row[j] = dq[j * length + i];
            rotate(row, 1, head, &m.cosines[i * half], &m.sines[i * half], -1.0f);
            narrow_all(row, head, dqkv + i * stride + h * head);
        }
    }
}

/// dweight[out x in] += dy^T x, where dy is [rows x out] and x [rows x in].
void weight_gradient(workspace& w, const bf16* dy, isize out, const bf16* x, isize in, isize rows, float* dweight) {
    bf16 *const b = w.packed_b.get(rows * in), *const a = w.packed_a.get(rows * 32);
    pack(x, rows, in, in, b);
    for (isize n = 0; n < out; n += 32) {
        pack_left_transposed(dy + n, rows, 32, out, a);
        multiply<true>(32, in, rows, packed(a, rows), packed(b, rows), dweight + n * in, in);
    }
}

// ---------------------------------------------------------------- layers

void layer_forward(model& m, workspace& w, isize l, isize sequences, isize length, const float* x, float* y) {
    const shape& s = m.s;
    const packed_layer& p = m.layers[l];
    kept_layer& k = w.kept[l];
    const isize rows = sequences * length, width = s.width, half = s.head() / 2;
    float* const block = w.block.get(block_rows * std::max(3 * width, 2 * s.inner));
    bf16 *const normed = k.normed.get(rows * width), *const qkv = k.qkv.get(rows * 3 * width);
    bf16* const attended = k.attended.get(rows * width);
    float *const inverse = k.inverse.get(rows), *const lse = k.lse.get(rows * s.heads);

    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0);
        norm_forward(x + r0 * width, m.weights + s.norm(2 * l), n, width, s.epsilon, inverse + r0, normed + r0 * width);
        multiply<false>(n, 3 * width, width, rows_of(normed + r0 * width, width),
                        packed(p.attention_in.forward.data(), width), block, 3 * width);
        for (isize r = 0; r < n; ++r) {
            const isize at = (r0 + r) % length * half;
            rotate(block + r * 3 * width, 2 * s.heads, s.head(), &m.cosines[at], &m.sines[at], 1.0f);
        }
        narrow_all(block, n * 3 * width, qkv + r0 * 3 * width);
    }
    for (isize b = 0; b < sequences; ++b) {
        attention_forward(m, w, qkv + b * length * 3 * width, length, attended + b * length * width,
                          lse + b * length * s.heads);
    }
    float *const middle = k.middle.get(rows * width), *const middle_inverse = k.middle_inverse.get(rows);
    bf16 *const middle_normed = k.middle_normed.get(rows * width), *const gate_up = k.gate_up.get(rows * 2 * s.inner);
    bf16* const hidden = k.hidden.get(rows * s.inner);
    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0), at = r0 * width, inner = s.inner;
        multiply<false>(n, width, width, rows_of(attended + at, width), packed(p.attention_out.forward.data(), width),
                        block, width);
        for (isize i = 0; i < n * width; ++i) middle[at + i] = x[at + i] + block[i];
        norm_forward(middle + at, m.weights + s.norm(2 * l + 1), n, width, s.epsilon, middle_inverse + r0,
                     middle_normed + at);
        multiply<false>(n, 2 * inner, width, rows_of(middle_normed + at, width),
                        packed(p.gate_up.forward.data(), width), block, 2 * inner);
        narrow_all(block, n * 2 * inner, gate_up + r0 * 2 * inner);
        for (isize r = 0; r < n; ++r) {
            const float *const g = block + r * 2 * inner, *const u = g + inner;
            bf16* const to = hidden + (r0 + r) * inner;
            for (isize i = 0; i < inner; ++i)
                to[i] = narrow(g[i] / (1.0f + exponential(std::min(-g[i], 80.0f))) * u[i]);
        }
        multiply<false>(n, width, inner, rows_of(hidden + r0 * inner, inner), packed(p.down.forward.data(), inner),
                        block, width);
        for (isize i = 0; i < n * width; ++i) y[at + i] = middle[at + i] + block[i];
    }
}

/// dx: gradient of the layer's output, then of its input.
void layer_backward(model& m, workspace& w, isize l, isize sequences, isize length, const float* x, float* dx) {
    const shape& s = m.s;
    packed_layer& p = m.layers[l];
    kept_layer& k = w.kept[l];
    const isize rows = sequences * length, width = s.width, inner = s.inner;
    float* const block = w.block.get(block_rows * std::max(3 * width, 2 * inner));
    float *const dnormed = w.dnormed.get(block_rows * width), *const gradients = w.gradients.data();
    bf16 *const dx16 = w.dx16.get(rows * width), *const dy = w.dy16.get(rows * std::max(3 * width, 2 * inner));
    const bf16 *const gate_up = k.gate_up.data(), *const qkv = k.qkv.data(), *const attended = k.attended.data();

    narrow_all(dx, rows * width, dx16);
    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0);
        multiply<false>(n, inner, width, rows_of(dx16 + r0 * width, width), packed(p.down.backward.data(), width),
                        block, inner);
        for (isize r = 0; r < n; ++r) {
            const bf16 *const g = gate_up + (r0 + r) * 2 * inner, *const u = g + inner;
            const float* const dh = block + r * inner;
            bf16 *const dg = dy + (r0 + r) * 2 * inner, *const du = dg + inner;
            for (isize i = 0; i < inner; ++i) {
                const float gate = widen(g[i]), share = 1.0f / (1.0f + exponential(std::min(-gate, 80.0f)));
                du[i] = narrow(dh[i] * gate * share);
                dg[i] = narrow(dh[i] * widen(u[i]) * share * (1.0f + gate * (1.0f - share)));
            }
        }
    }
    weight_gradient(w, dx16, width, k.hidden.data(), inner, rows, gradients + s.down(l));
    weight_gradient(w, dy, 2 * inner, k.middle_normed.data(), width, rows, gradients + s.gate_up(l));
    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0);
        multiply<false>(n, width, 2 * inner, rows_of(dy + r0 * 2 * inner, 2 * inner),
                        packed(p.gate_up.backward.data(), 2 * inner), dnormed, width);
        norm_backward(k.middle.data() + r0 * width, m.weights + s.norm(2 * l + 1), k.middle_inverse.data() + r0,
                      dnormed, n, width, dx + r0 * width, gradients + s.norm(2 * l + 1));
    }

    narrow_all(dx, rows * width, dx16);
    weight_gradient(w, dx16, width, attended, width, rows, gradients + s.attention_out(l));
    bf16* const dout = w.scratch.get(rows * width);
    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0);
        multiply<false>(n, width, width, rows_of(dx16 + r0 * width, width),
                        packed(p.attention_out.backward.data(), width), block, width);
        narrow_all(block, n * width, dout + r0 * width);
    }
    for (isize b = 0; b < sequences; ++b) {
        const isize at = b * length;
        attention_backward(m, w, qkv + at * 3 * width, attended + at * width, k.lse.data() + at * s.heads,
                           dout + at * width, length, dy + at * 3 * width);
    }
    weight_gradient(w, dy, 3 * width, k.normed.data(), width, rows, gradients + s.attention_in(l));
    for (isize r0 = 0; r0 < rows; r0 += block_rows) {
        const isize n = std::min(block_rows, rows - r0);
        multiply<false>(n, width, 3 * width, rows_of(dy + r0 * 3 * width, 3 * width),
                        packed(p.attention_in.backward.data(), 3 * width), dnormed, width);
        norm_backward(x + r0 * width, m.weights + s.norm(2 * l), k.inverse.data() + r0, dnormed, n, width,
                      dx + r0 * width, gradients + s.norm(2 * l));
    }
}

// ---------------------------------------------------------------- exits

/// What an exit is asked for: rows first, first + step, ... of a state.
struct head_request {
    const float* state;
    const std::int32_t* targets;  ///< of all rows
    const float* importance;      ///< of all rows: weight of each target
    isize rows, first, step;
    float weight;         ///< of this exit's loss, over the number of its rows
    const bf16* teacher;  ///< distributions for these rows, or none
    float distilled;      ///< share of the teacher in the target
    bf16* keep;           ///< where the distributions of rows keep_first, keep_first + keep_step, ... go, or none
    isize keep_first, keep_step;
    float* dstate;  ///< gradient, added to; none: only losses
    float* nats;    ///< of each row asked for, or none
    std::uint8_t* hits;
};

double head(model& m, workspace& w, const head_request& q) {
    const shape& s = m.s;
    const isize width = s.width, vocabulary = s.vocabulary, stride = vocabulary + 32;
    const isize count = (q.rows - q.first + q.step - 1) / q.step;
    const float* const norm = m.weights + s.norm(2 * s.layers);
    float* const logits = w.logits.get(32 * vocabulary);
    float *const inverse = w.head_inverse.get(head_rows), *const x = w.dheads.get(2 * head_rows * width);
    float* const dx = x + head_rows * width;
    bf16 *const normed = w.head_normed.get(head_rows * width), *const dlogits = w.dlogits.get(head_rows * stride);
    double loss = 0;
    for (isize c0 = 0; c0 < count; c0 += head_rows) {
        const isize n = std::min(head_rows, count - c0), padded = (n + 31) / 32 * 32;
        for (isize c = 0; c < n; ++c) {
            std::memcpy(x + c * width, q.state + (q.first + (c0 + c) * q.step) * width, sizeof(float) * width);
        }
        std::fill(x + n * width, x + padded * width, 0.0f);
        norm_forward(x, norm, padded, width, s.epsilon, inverse, normed);
        for (isize r0 = 0; r0 < padded; r0 += 32) {
            multiply<false>(32, vocabulary, width, rows_of(normed + r0 * width, width),
                            packed(m.embedding.forward.data(), width), logits, vocabulary);
            for (isize r = r0; r < std::min(r0 + 32, n); ++r) {
                const isize row = q.first + (c0 + r) * q.step;
                const std::int32_t target = q.targets[row];
                float* const z = logits + (r - r0) * vocabulary;
                const float most = largest(z, vocabulary), at_target = z[target];
                float sum = 0;
                for (isize v = 0; v < vocabulary; ++v) {
                    z[v] = exponential(z[v] - most);
                    sum += z[v];
                }
                const float nats = std::log(sum) + most - at_target;
                loss += nats * q.importance[row];
                if (q.nats) q.nats[c0 + r] = nats, q.hits[c0 + r] = at_target >= most;
                const float share = 1.0f / sum;
                if (q.keep && row % q.keep_step == q.keep_first) {
                    bf16* const to = q.keep + row / q.keep_step * vocabulary;
                    for (isize v = 0; v < vocabulary; ++v) to[v] = narrow(z[v] * share);
                }
                if (!q.dstate) continue;
                bf16* const to = dlogits + r * stride;
                const float factor = q.weight / static_cast<float>(count) * q.importance[row];
                if (q.teacher) {
                    const bf16* const p = q.teacher + row / q.keep_step * vocabulary;
                    z[target] -= (1.0f - q.distilled) * sum;
                    for (isize v = 0; v < vocabulary; ++v) {
                        to[v] = narrow((z[v] * share - q.distilled * widen(p[v])) * factor);
                    }
                } else {
                    z[target] -= sum;
                    for (isize v = 0; v < vocabulary; ++v) to[v] = narrow(z[v] * share * factor);
                }
            }
        }
        if (!q.dstate) continue;
        for (isize r = n; r < padded; ++r) std::fill(dlogits + r * stride, dlogits + r * stride + vocabulary, bf16{0});
        float* const gradients = w.gradients.data();
        float* const dnormed = w.other.get(head_rows * width);
        std::fill(dnormed, dnormed + padded * width, 0.0f);
        bf16 *const b = w.packed_b.get(padded * width), *const a = w.packed_a.get(padded * 32);
        pack(normed, padded, width, width, b);
        for (isize v0 = 0; v0 < vocabulary; v0 += head_columns) {  // both operands stay in the cache
            const isize v1 = std::min(v0 + head_columns, vocabulary);
            const tiles matrix{m.embedding.backward.data() + v0 / 32 * tile_size, vocabulary / 32 * tile_size,
                               tile_size, 32};
            multiply<true>(padded, width, v1 - v0, rows_of(dlogits + v0, stride), matrix, dnormed, width);
            for (isize v = v0; v < v1; v += 32) {
                pack_left_transposed(dlogits + v, padded, 32, stride, a);
                multiply<true>(32, width, padded, packed(a, padded), packed(b, padded), gradients + v * width, width);
            }
        }
        std::fill(dx, dx + n * width, 0.0f);
        norm_backward(x, norm, inverse, dnormed, n, width, dx, gradients + s.norm(2 * s.layers));
        for (isize c = 0; c < n; ++c) {
            float* const to = q.dstate + (q.first + (c0 + c) * q.step) * width;
            for (isize i = 0; i < width; ++i) to[i] += dx[c * width + i];
        }
    }
    return loss / static_cast<double>(count);
}

/// The residual stream after every layer, from the embedding on. skip: layers left out.
void forward(model& m, workspace& w, const std::int32_t* ids, isize sequences, isize length, isize id_stride,
             const std::uint8_t* skip) {
    const shape& s = m.s;
    const isize rows = sequences * length;
    w.kept.resize(s.layers), w.states.resize(s.layers);
    float* x = w.kept[0].x.get(rows * s.width);
    for (isize b = 0; b < sequences; ++b) {
        for (isize t = 0; t < length; ++t) {
            std::memcpy(x + (b * length + t) * s.width, m.weights + ids[b * id_stride + t] * s.width,
                        sizeof(float) * s.width);
        }
    }
    for (isize l = 0; l < s.layers; ++l) {
        if (!(skip && skip[l])) {
            float* const y = (l + 1 < s.layers ? w.kept[l + 1].x : w.last).get(rows * s.width);
            layer_forward(m, w, l, sequences, length, x, y);
            x = y;
        }
        w.states[l] = x;
    }
}

// ---------------------------------------------------------------- optimiser

/// Muon's Newton-Schulz iteration on x [rows x columns], rows <= columns: singular values brought near 1.
struct orthogonaliser {
    buffer<bf16> x16, x_t, x_p, a16, a_t;
    buffer<float> a, aa, bx;

    void operator()(float* x, isize rows, isize columns) {
        double sum = 0;
        for (isize i = 0; i < rows * columns; ++i) sum += x[i] * x[i];
        const float scale = 1.0f / (static_cast<float>(std::sqrt(sum)) + 1e-7f);
        for (isize i = 0; i < rows * columns; ++i) x[i] *= scale;
        bf16 *const narrowed = x16.get(rows * columns), *const t = x_t.get(rows * columns),
                    *const p = x_p.get(rows * columns);
        bf16 *const n = a16.get(rows * rows), *const nt = a_t.get(rows * rows);
        float *const s = a.get(rows * rows), *const ss = aa.get(rows * rows), *const y = bx.get(rows * columns);
        for (int step = 0; step < 5; ++step) {
            narrow_all(x, rows * columns, narrowed);
            pack_transposed(narrowed, rows, columns, columns, t);
            multiply<false>(rows, rows, columns, rows_of(narrowed, columns), packed(t, columns), s, rows);
            narrow_all(s, rows * rows, n);
            pack_transposed(n, rows, rows, rows, nt);
            multiply<false>(rows, rows, rows, rows_of(n, rows), packed(nt, rows), ss, rows);
            for (isize i = 0; i < rows * rows; ++i) n[i] = narrow(-4.7750f * s[i] + 2.0315f * ss[i]);
            pack(narrowed, rows, columns, columns, p);
            multiply<false>(rows, columns, rows, rows_of(n, rows), packed(p, rows), y, columns);
            for (isize i = 0; i < rows * columns; ++i) x[i] = 3.4445f * x[i] + y[i];
        }
    }
};

struct matrix_place {
    isize begin, rows, columns;
};

std::vector<matrix_place> muon_matrices(const shape& s) {
    std::vector<matrix_place> places;
    for (isize l = 0; l < s.layers; ++l) {
        for (isize i = 0; i < 3; ++i) places.push_back({s.attention_in(l) + i * s.width * s.width, s.width, s.width});
        places.push_back({s.attention_out(l), s.width, s.width});
        for (isize i = 0; i < 2; ++i) places.push_back({s.gate_up(l) + i * s.inner * s.width, s.inner, s.width});
        places.push_back({s.down(l), s.width, s.inner});
    }
    return places;
}

void muon(const matrix_place& at, const float* gradient, float* momentum, float* weights, float clip, float rate,
          float momentum_kept, float decay, orthogonaliser& orthogonalise, buffer<float>& scratch) {
    const isize size = at.rows * at.columns;
    float* const update = scratch.get(size);
    const bool tall = at.rows > at.columns;
    for (isize i = 0; i < at.rows; ++i) {
        for (isize j = 0; j < at.columns; ++j) {
            const isize k = i * at.columns + j;
            const float g = gradient[at.begin + k] * clip;
            float& kept = momentum[at.begin + k];
            kept = kept * momentum_kept + g;
            update[tall ? j * at.rows + i : k] = g + momentum_kept * kept;
        }
    }
    orthogonalise(update, std::min(at.rows, at.columns), std::max(at.rows, at.columns));
    const float step = rate * std::sqrt(std::max(1.0f, static_cast<float>(at.rows) / static_cast<float>(at.columns)));
    for (isize i = 0; i < at.rows; ++i) {
        for (isize j = 0; j < at.columns; ++j) {
            const isize k = i * at.columns + j;
            float& weight = weights[at.begin + k];
            weight -= rate * decay * weight + step * update[tall ? j * at.rows + i : k];
        }
    }
}

}  // namespace

// ---------------------------------------------------------------- what Python calls

extern "C" {

struct step_request {
    // The text: [parts][sequences][length + 1] ids; importance: [parts][sequences][length], a weight for each target.
    const std::int32_t* ids;
    const float* importance;
    std::int64_t parts, sequences, length;
    // Layers left out: [parts][layers]. Early exits: [parts][exits] layers from 0 on, their losses' weights, and the
    // first of the positions they read, every exit_step-th.
    const std::uint8_t* skip;
    const std::int32_t* exits;
    const float* exit_weights;
    const std::int32_t* first;
    std::int64_t exit_count, exit_step;
    float distilled;
    // The optimiser: flat vectors, and the step's rates.
    float *weights, *momentum, *second;
    std::int64_t steps;  // before this one, for AdamW's corrections
    float adam_rate, muon_rate, beta1, beta2, muon_momentum, weight_decay, max_norm;
    // Results: mean loss of the last layer, then of each exit; norm of the gradient.
    double* losses;
    double* norm;
    float* gradient;  // if given, the mean gradient goes here and no step is taken
};

void* model_new(std::int64_t layers, std::int64_t width, std::int64_t heads, std::int64_t inner,
                std::int64_t vocabulary, std::int64_t context, double theta, double epsilon, std::int64_t threads) {
    auto* const m = new model(shape{layers, width, heads, inner, vocabulary, context, theta, epsilon});
    for (isize i = 0; i < threads; ++i) m->workspaces.push_back(std::make_unique<workspace>());
    return m;
}
void model_free(void* m) { delete static_cast<model*>(m); }
std::int64_t model_parameters(void* m) { return static_cast<model*>(m)->s.parameters(); }

void train_step(void* given, const step_request* request) {
    model& m = *static_cast<model*>(given);
    const step_request& q = *request;
    const shape& s = m.s;
    const auto threads = static_cast<isize>(m.workspaces.size());
    const isize size = s.parameters(), exits = q.exit_count, per_part = q.sequences * q.length;
    const std::vector<matrix_place> places = muon_matrices(s);
    std::barrier together(threads);
    std::atomic<isize> next_layer = 0, next_part = 0, next_matrix = 0;
    std::vector<double> squares(threads);
    m.weights = q.weights;

    const auto work = [&](isize me) {
        begin_thread();
        workspace& w = *m.workspaces[me];
        for (isize l; (l = next_layer++) <= s.layers;) {
            if (l == 0) {
                m.embedding.set(m.weights, s.vocabulary, s.width, w.scratch);
            } else {
                m.pack_layer(l - 1, w.scratch);
            }
        }
        float* const gradients = w.gradients.get(size);
        std::fill(gradients, gradients + size, 0.0f);
        w.losses.assign(exits + 1, 0.0);
        together.arrive_and_wait();

        std::vector<std::int32_t> targets(per_part);
        buffer<float> early;
        for (isize part; (part = next_part++) < q.parts;) {
            const std::int32_t* const ids = q.ids + part * q.sequences * (q.length + 1);
            const float* const importance = q.importance + part * per_part;
            const std::uint8_t* const skip = q.skip + part * s.layers;
            for (isize r = 0; r < per_part; ++r) targets[r] = ids[r / q.length * (q.length + 1) + r % q.length + 1];
            forward(m, w, ids, q.sequences, q.length, q.length + 1, skip);
            float* const dx = w.dx.get(per_part * s.width);
            std::fill(dx, dx + per_part * s.width, 0.0f);
            const isize first = exits ? q.first[part] : 0, step = std::max<isize>(q.exit_step, 1);
            bf16* const teacher = exits ? w.teacher.get((per_part / step + 1) * s.vocabulary) : nullptr;
            head_request ask{.state = w.states.back(),
                             .targets = targets.data(),
                             .importance = importance,
                             .rows = per_part,
                             .first = 0,
                             .step = 1,
                             .weight = 1.0f,
                             .teacher = nullptr,
                             .distilled = 0,
                             .keep = teacher,
                             .keep_first = first,
                             .keep_step = step,
                             .dstate = dx,
                             .nats = nullptr,
                             .hits = nullptr};
            w.losses[0] += head(m, w, ask);
            ask.keep = nullptr, ask.teacher = teacher, ask.distilled = q.distilled, ask.first = first, ask.step = step;
            const std::int32_t* const at = q.exits + part * exits;
            for (isize l = s.layers - 1; l >= 0; --l) {
                for (isize e = 0; e < exits; ++e) {
                    if (at[e] != l) continue;
                    ask.state = w.states[l], ask.weight = q.exit_weights[e];
                    w.losses[1 + e] += head(m, w, ask);
                }
                if (skip[l]) continue;
                const float* const x = l ? w.states[l - 1] : w.kept[0].x.data();
                layer_backward(m, w, l, q.sequences, q.length, x, dx);
            }
            for (isize r = 0; r < per_part; ++r) {
                float* const to = gradients + ids[r / q.length * (q.length + 1) + r % q.length] * s.width;
                for (isize i = 0; i < s.width; ++i) to[i] += dx[r * s.width + i];
            }
        }
        together.arrive_and_wait();

        float* const sum = m.workspaces[0]->gradients.data();
        const isize begin = me * size / threads, end = (me + 1) * size / threads;
        const float share = 1.0f / static_cast<float>(q.parts);
        double square = 0;
        for (isize b = begin; b < end; b += 4096) {
            const isize e = std::min(b + 4096, end);
            for (isize other = 1; other < threads; ++other) {
                const float* const from = m.workspaces[other]->gradients.data();
                for (isize i = b; i < e; ++i) sum[i] += from[i];
            }
            float part = 0;
            for (isize i = b; i < e; ++i) {
                sum[i] *= share;
                part += sum[i] * sum[i];
            }
            square += part;
        }
        squares[me] = square;
        together.arrive_and_wait();
        if (q.gradient) {
            std::copy(sum + begin, sum + end, q.gradient + begin);
            return;
        }

        double all = 0;
        for (const double each : squares) all += each;
        const float clip = std::min(1.0f, q.max_norm / (static_cast<float>(std::sqrt(all)) + 1e-6f));
        const float correct1 = 1.0f - std::pow(q.beta1, static_cast<float>(q.steps + 1));
        const float correct2 = 1.0f - std::pow(q.beta2, static_cast<float>(q.steps + 1));
        const isize adam = s.adam();
        for (isize i = me * adam / threads; i < (me + 1) * adam / threads; ++i) {
            const float g = sum[i] * clip;
            q.momentum[i] += (1.0f - q.beta1) * (g - q.momentum[i]);
            q.second[i] = q.beta2 * q.second[i] + (1.0f - q.beta2) * g * g;
            q.weights[i] -= q.adam_rate * (q.momentum[i] / correct1) / (std::sqrt(q.second[i] / correct2) + 1e-8f);
        }
        orthogonaliser orthogonalise;
        buffer<float> scratch;
        for (isize i; (i = next_matrix++) < static_cast<isize>(places.size());) {
            muon(places[i], sum, q.momentum, q.weights, clip, q.muon_rate, q.muon_momentum, q.weight_decay,
                 orthogonalise, scratch);
        }
    };
    std::vector<std::thread> others;
    for (isize i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (std::thread& t : others) t.join();

    for (isize e = 0; e <= exits; ++e) {
        q.losses[e] = 0;
        for (const auto& w : m.workspaces) q.losses[e] += w->losses[e] / static_cast<double>(q.parts);
    }
    double all = 0;
    for (const double each : squares) all += each;
    *q.norm = std::sqrt(all);
}

/// nats and hits: [exits][sequences * length], for the layers named, from 0 on. ids: [sequences][length + 1].
void evaluate(void* given, const float* weights, const std::int32_t* ids, std::int64_t sequences, std::int64_t length,
              const std::int32_t* exits, std::int64_t exit_count, float* nats, std::uint8_t* hits) {
    model& m = *static_cast<model*>(given);
    const shape& s = m.s;
    const auto threads = static_cast<isize>(m.workspaces.size());
    m.weights = weights;
    std::barrier together(threads);
    std::atomic<isize> next_layer = 0, next = 0;
    const auto work = [&](isize me) {
        begin_thread();
        workspace& w = *m.workspaces[me];
        for (isize l; (l = next_layer++) <= s.layers;) {
            if (l == 0) {
                m.embedding.set(m.weights, s.vocabulary, s.width, w.scratch);
            } else {
                m.pack_layer(l - 1, w.scratch);
            }
        }
        together.arrive_and_wait();
        const std::vector<float> ones(length, 1.0f);
        for (isize b; (b = next++) < sequences;) {
            const std::int32_t* const from = ids + b * (length + 1);
            forward(m, w, from, 1, length, length + 1, nullptr);
            for (isize e = 0; e < exit_count; ++e) {
                const isize at = (e * sequences + b) * length;
                const head_request ask{.state = w.states[exits[e]],
                                       .targets = from + 1,
                                       .importance = ones.data(),
                                       .rows = length,
                                       .first = 0,
                                       .step = 1,
                                       .weight = 1.0f,
                                       .teacher = nullptr,
                                       .distilled = 0,
                                       .keep = nullptr,
                                       .keep_first = 0,
                                       .keep_step = 1,
                                       .dstate = nullptr,
                                       .nats = nats + at,
                                       .hits = hits + at};
                (void)head(m, w, ask);
            }
        }
    };
    std::vector<std::thread> others;
    for (isize i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (std::thread& t : others) t.join();
}

}  // extern "C"
