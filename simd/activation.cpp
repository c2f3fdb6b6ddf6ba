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

// Each activation has a value and a derivative; the value at NaN is NaN.

struct Relu {
  static V value(V x) { return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(f32)), x); }
  static V derivative(V x) {
    return hn::IfThenZeroElse(hn::Le(x, hn::Zero(f32)), hn::Set(f32, 1.0f));
  }
};

// x * Phi(x), where Phi is the normal distribution function; derivative Phi(x) + x * phi(x).
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

template <class Act, class T>
void forward(std::int64_t rows, std::int64_t cols, Rows<const T> hidden, Rows<const T> gate,
             const Dropout& drop, Rows<T> y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const T* h = hidden[r];
    const T* g = gate ? gate[r] : nullptr;
    T* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      V v = Act::value(chunk.load(h + i));
      if (g) v = hn::Mul(v, chunk.load(g + i));
      chunk.store(drop_row(v, i), to + i);
    });
  }
}

template <class Act, class T>
void backward(std::int64_t rows, std::int64_t cols, Rows<const T> hidden, Rows<const T> gate,
              const Dropout& drop, Rows<const T> dy, Rows<T> grad_hidden, Rows<T> grad_gate) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const T* h = hidden[r];
    const T* g = gate ? gate[r] : nullptr;
    const T* d = dy[r];
    T* dh = grad_hidden[r];
    T* dg = gate ? grad_gate[r] : nullptr;
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

// Calls f.template operator()<Act, T>() for the activation and the element type.
template <class T, class F>
void with_activation(Activation act, F&& f) {
  switch (act) {
    case Activation::relu:
      return f.template operator()<Relu, T>();
    case Activation::gelu:
      return f.template operator()<Gelu, T>();
    case Activation::gelu_new:
      return f.template operator()<GeluNew, T>();
    case Activation::silu:
      return f.template operator()<Silu, T>();
  }
}
template <class F>
void with_activation(Activation act, DType dtype, F&& f) {
  if (dtype == DType::bf16)
    with_activation<Bf16>(act, f);
  else
    with_activation<float>(act, f);
}

void activation(Activation act, std::int64_t rows, std::int64_t cols, AnyIn hidden, AnyIn gate,
                const Dropout& drop, AnyOut y) {
  with_activation(act, y.dtype, [&]<class Act, class T>() {
    forward<Act, T>(rows, cols, rows_of<T>(hidden), rows_of<T>(gate), drop, rows_of<T>(y));
  });
}

void activation_backward(Activation act, std::int64_t rows, std::int64_t cols, AnyIn hidden,
                         AnyIn gate, const Dropout& drop, AnyIn dy, AnyOut grad_hidden,
                         AnyOut grad_gate) {
  with_activation(act, dy.dtype, [&]<class Act, class T>() {
    backward<Act, T>(rows, cols, rows_of<T>(hidden), rows_of<T>(gate), drop, rows_of<T>(dy),
                     rows_of<T>(grad_hidden), rows_of<T>(grad_gate));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(activation);
decltype(activation) activation = dispatch<HWY_DISPATCH_TABLE(activation)>;
HWY_EXPORT(activation_backward);
decltype(activation_backward) activation_backward =
    dispatch<HWY_DISPATCH_TABLE(activation_backward)>;

}  // namespace switchyard::simd
#endif
