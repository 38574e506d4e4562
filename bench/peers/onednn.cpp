// SPDX-License-Identifier: Apache-2.0
// oneDNN. It correlates, and takes the padding on each side, which is of zeros. Data that it would rather have in an
// order of its own have to be brought into that order and back, which is part of the time, but for the contenders
// that say so: they are what a network reaches whose layers pass such data on.

#include <dlfcn.h>

#include <convgpu/error.hpp>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <unordered_map>

#include "../contender.hpp"

namespace convgpu::bench {
namespace {

using dims = dnnl::memory::dims;
using tag = dnnl::memory::format_tag;
using convolution = dnnl::convolution_forward;

dnnl::memory::desc f32_desc(const dims& size, tag order) {
  return {size, dnnl::memory::data_type::f32, order};
}

/// What a task is in terms of oneDNN.
struct shape {
  explicit shape(const task& t) {
    const problem& p = t.problem;
    const extent size = output_extent(p);
    in = {p.planes, p.channels, p.in.rows, p.in.cols};
    out = {p.planes, p.filters, size.rows, size.cols};
    weights = {p.filters, p.channels / p.groups, p.filter.rows, p.filter.cols};
    weights_order = tag::oihw;
    if (p.groups > 1) {
      weights.front() /= p.groups;
      weights.insert(weights.begin(), p.groups);
      weights_order = tag::goihw;
    }
    // With one channel the orders of images are all the same in memory; more of its implementations take the one
    // with channels last.
    const bool is_last = p.layout == layout::channels_last || (p.channels == 1 && p.filters == 1);
    order = is_last ? tag::nhwc : tag::nchw;
    stride = {p.stride.rows, p.stride.cols};
    const padding around = margins(p);
    before = {around.top, around.left};
    // A stride may leave the last samples out.
    after = {(size.rows - 1) * p.stride.rows + p.filter.rows - p.in.rows - around.top,
             (size.cols - 1) * p.stride.cols + p.filter.cols - p.in.cols - around.left};
  }

  dims in, out, weights, stride, before, after;
  tag order, weights_order;
};

/// Its implementations for data in these orders, of which `at` is one. Before version 3 it looks at the description
/// again for the next one: that has to stay where it is.
struct implementations {
#if DNNL_VERSION_MAJOR >= 3
  implementations(const shape& s, dnnl::algorithm how, tag order, const dnnl::engine& engine)
      : at(engine, kind, how, f32_desc(s.in, order), f32_desc(s.weights, tag::any),
           f32_desc(s.out, order), s.stride, s.before, s.after) {}
#else
  implementations(const shape& s, dnnl::algorithm how, tag order, const dnnl::engine& engine)
      : description(kind, how, f32_desc(s.in, order), f32_desc(s.weights, tag::any),
                    f32_desc(s.out, order), s.stride, s.before, s.after),
        at(description, engine) {}
  convolution::desc description;
#endif
  implementations(const implementations&) = delete;
  implementations& operator=(const implementations&) = delete;

  static constexpr auto kind = dnnl::prop_kind::forward_inference;
  convolution::primitive_desc at;
};

class layer final : public runner {
 public:
  /// Data stay in the order it likes where `keeps_order`: the times are of the convolution alone.
  layer(const task& t, const buffers& b, const convolution::primitive_desc& chosen,
        const dnnl::engine& engine, bool keeps_order)
      : stream_(engine),
        convolution_(chosen),
        keeps_order_(keeps_order),
        remark_(chosen.impl_info_str()) {
    const shape s(t);
    std::vector<float> taps = make_flipped_filter(t);
    dnnl::memory plain(f32_desc(s.weights, s.weights_order), engine, taps.data());
    dnnl::memory liked(chosen.weights_desc(), engine);
    dnnl::reorder(plain, liked).execute(stream_, plain, liked);
    stream_.wait();
    in_ = dnnl::memory(f32_desc(s.in, s.order), engine, const_cast<std::byte*>(b.in.data()));
    out_ = dnnl::memory(f32_desc(s.out, s.order), engine, b.out.data());
    source_ = in_;
    result_ = out_;
    if (chosen.src_desc() != in_.get_desc()) {
      source_ = dnnl::memory(chosen.src_desc(), engine);
      there_ = dnnl::reorder(in_, source_);
    }
    if (chosen.dst_desc() != out_.get_desc()) {
      result_ = dnnl::memory(chosen.dst_desc(), engine);
      back_ = dnnl::reorder(result_, out_);
    }
    if (there_ || back_) remark_ += keeps_order ? ", in its own order" : ", reordered";
    arguments_ = {{DNNL_ARG_SRC, source_}, {DNNL_ARG_WEIGHTS, liked}, {DNNL_ARG_DST, result_}};
  }
  void run() override {
    if (there_) there_->execute(stream_, in_, source_);
    convolution_.execute(stream_, arguments_);
    if (back_) back_->execute(stream_, result_, out_);
    stream_.wait();
  }
  [[nodiscard]] double seconds(int times, stopwatch watch) override {
    if (!keeps_order_) return runner::seconds(times, watch);
    return run_by([this] {
             convolution_.execute(stream_, arguments_);
             stream_.wait();
           })
        ->seconds(times, watch);
  }
  [[nodiscard]] std::string remark() const override { return remark_; }

 private:
  dnnl::stream stream_;
  convolution convolution_;
  bool keeps_order_;
  dnnl::memory in_, out_, source_, result_;  // the latter are the former where it takes them
  std::optional<dnnl::reorder> there_, back_;
  std::unordered_map<int, dnnl::memory> arguments_;
  std::string remark_;
};

/// What a contender may do.
struct freedom {
  dnnl::algorithm how = dnnl::algorithm::convolution_direct;
  bool keeps_order = false;
};

/// The fastest of its implementations, the first of which need not be that: of those that take the data as they
/// are, and of those that want another order.
std::unique_ptr<runner> fastest(const task& t, const buffers& b, freedom f) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const shape s(t);
  std::unique_ptr<runner> best;
  double least = 0;
  const auto try_all = [&](tag order) {
    implementations all(s, f.how, order, engine);
    do {
      // Its plain one comes last and is thousands of times slower: minutes for a bank of large filters, with AVX2.
      if (std::string(all.at.impl_info_str()).starts_with("ref")) break;
      auto r = std::make_unique<layer>(t, b, all.at, engine, f.keeps_order);
      if (f.keeps_order) r->run();  // brings the data there
      double time = r->seconds(1, stopwatch::wall);
      if (best && time >= 1.5 * least) continue;
      time = r->seconds(1, stopwatch::wall);  // the first time it may have had to make something
      if (best && time >= least) continue;
      least = time;
      best = std::move(r);
    } while (all.at.next_impl());
  };
  const bool is_winograd = f.how == dnnl::algorithm::convolution_winograd;
  for (const tag order : {tag::any, s.order}) {
    // Plain tasks have one channel, for which there is nothing to reorder.
    if (order == tag::any ? t.is_plain() : f.keeps_order || is_winograd) continue;
    try {
      try_all(order);
    } catch (const dnnl::error& e) {
      if (e.status != dnnl_unimplemented) throw;
    }
  }
  if (!best) throw unsupported("oneDNN has nothing for it, or its plain loop alone");
  return best;
}

contender make_contender(const char* name, freedom f) {
  const auto suits = [f](const task& t) {
    const problem& p = t.problem;
    if (p.types.in != dtype::f32 || p.border != border::zero()) return false;
    const bool is_usual = f.how == dnnl::algorithm::convolution_direct;
    return (is_usual && !f.keeps_order) ||
           (!t.is_plain() && (is_usual || (p.filter == extent(3, 3) && p.groups == 1)));
  };
  return {name, false, suits, [f](const task& t, const buffers& b) { return fastest(t, b, f); }};
}

}  // namespace

peer_library onednn_peers(int threads) {
  // Of the OpenMP that it was built with, whatever this program was built with. Before anything is made:
  // primitives keep what they find.
  if (void* const set = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads"))
    reinterpret_cast<void (*)(int)>(set)(threads);
  const dnnl_version_t* const v = dnnl_version();
  constexpr auto winograd = dnnl::algorithm::convolution_winograd;
  return {
      "onednn",
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch),
      {make_contender("onednn/convolution", {}),
       make_contender("onednn/winograd", {.how = winograd}),
       make_contender("onednn/own_order", {.keeps_order = true}),
       make_contender("onednn/own_order_winograd", {.how = winograd, .keeps_order = true})}};
}

}  // namespace convgpu::bench
