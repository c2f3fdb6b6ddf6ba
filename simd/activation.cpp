// SPDX-License-Identifier: Apache-2.0
#include "simd/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/activation.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/dropout-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// Each activation gives its value and derivative; NaN in gives NaN out.

struct Relu {
  static V value(V x) { return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(f32)), x); }
  static V derivative(V x) {
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(f32)), hn::Set(f32, 1.0f));
  }
};

// x * Phi(x), Phi the normal distribution function; derivative Phi(x) + x * phi(x).
struct Gelu {
  static V phi_integral(V x) {
    const V half = hn::Set(f32, 0.5f);
    return hn::MulAdd(half, erf(hn::Mul(x, hn::Set(f32, 0.70710678f))), half);
  }
  static V value(V x) { return hn::Mul(x, phi_integral(x)); }
  static V derivative(V x) {
    const V phi =
        hn::Mul(hn::Set(f32, 0.39894228f), exp(hn::Mul(hn::Mul(x, x), hn::Set(f32, -0.5f))));
    return hn::MulAdd(x, phi, phi_integral(x));
  }
};

// 0.5 x (1 + tanh(u)) = x * sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluNew {
  static constexpr float kTwoU = 1.5957691f;  // 2 sqrt(2 / pi)
  static V gate(V x) {
    const V inner = hn::MulAdd(hn::Mul(x, x), hn::Set(f32, kTwoU * 0.044715f), hn::Set(f32, kTwoU));
    return sigmoid(hn::Mul(x, inner));
  }
  static V value(V x) { return hn::Mul(x, gate(x)); }
  static V derivative(V x) {
    const V s = gate(x);
    const V slope =
        hn::MulAdd(hn::Mul(x, x), hn::Set(f32, 3 * kTwoU * 0.044715f), hn::Set(f32, kTwoU));
    const V s_slope = hn::NegMulAdd(s, s, s);  // s (1 - s)
    return hn::MulAdd(hn::Mul(x, slope), s_slope, s);
  }
};

struct Silu {
  static V value(V x) { return hn::Mul(x, sigmoid(x)); }
  static V derivative(V x) {
    const V s = sigmoid(x);
    return hn::MulAdd(x, hn::NegMulAdd(s, s, s), s);
  }
};

template <class Act>
void forward(std::int64_t rows, std::int64_t cols, In hidden, In gate, const Dropout& drop, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const float* h = hidden[r];
    const float* g = gate ? gate[r] : nullptr;
    float* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      V v = Act::value(chunk.load(h + i));
      if (g) v = hn::Mul(v, chunk.load(g + i));
      chunk.store(drop_row(v, i), to + i);
    });
  }
}

template <class Act>
void backward(std::int64_t rows, std::int64_t cols, In hidden, In gate, const Dropout& drop, In dy,
              Out grad_hidden, Out grad_gate) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const float* h = hidden[r];
    const float* g = gate ? gate[r] : nullptr;
    const float* d = dy[r];
    float* dh = grad_hidden[r];
    float* dg = gate ? grad_gate[r] : nullptr;
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V x = chunk.load(h + i);
      const V grad = drop_row(chunk.load(d + i), i);
      if (!g) {
        chunk.store(hn::Mul(grad, Act::derivative(x)), dh + i);
        return;
      }
      const V gated = hn::Mul(grad, chunk.load(g + i));
      chunk.store(hn::Mul(grad, Act::value(x)), dg + i);
      chunk.store(hn::Mul(gated, Act::derivative(x)), dh + i);
    });
  }
}

void activation(Activation act, std::int64_t rows, std::int64_t cols, In hidden, In gate,
                const Dropout& drop, Out y) {
  switch (act) {
    case Activation::relu:
      return forward<Relu>(rows, cols, hidden, gate, drop, y);
    case Activation::gelu:
      return forward<Gelu>(rows, cols, hidden, gate, drop, y);
    case Activation::gelu_new:
      return forward<GeluNew>(rows, cols, hidden, gate, drop, y);
    case Activation::silu:
      return forward<Silu>(rows, cols, hidden, gate, drop, y);
  }
}

void activation_backward(Activation act, std::int64_t rows, std::int64_t cols, In hidden, In gate,
                         const Dropout& drop, In dy, Out grad_hidden, Out grad_gate) {
  switch (act) {
    case Activation::relu:
      return backward<Relu>(rows, cols, hidden, gate, drop, dy, grad_hidden, grad_gate);
    case Activation::gelu:
      return backward<Gelu>(rows, cols, hidden, gate, drop, dy, grad_hidden, grad_gate);
    case Activation::gelu_new:
      return backward<GeluNew>(rows, cols, hidden, gate, drop, dy, grad_hidden, grad_gate);
    case Activation::silu:
      return backward<Silu>(rows, cols, hidden, gate, drop, dy, grad_hidden, grad_gate);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(activation);
HWY_EXPORT(activation_backward);

void activation(Activation act, std::int64_t rows, std::int64_t cols, In hidden, In gate,
                const Dropout& drop, Out y) {
  HWY_DYNAMIC_DISPATCH(activation)(act, rows, cols, hidden, gate, drop, y);
}

void activation_backward(Activation act, std::int64_t rows, std::int64_t cols, In hidden, In gate,
                         const Dropout& drop, In dy, Out grad_hidden, Out grad_gate) {
  HWY_DYNAMIC_DISPATCH(activation_backward)
  (act, rows, cols, hidden, gate, drop, dy, grad_hidden, grad_gate);
}

}  // namespace switchyard::simd
#endif
