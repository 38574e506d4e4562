// SPDX-License-Identifier: Apache-2.0
// oneDNN: a layer of one channel. It correlates, and takes the padding before and after the image.

#include <dlfcn.h>

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>

#include "../contender.hpp"

namespace convgpu::bench {
namespace {

using dims = dnnl::memory::dims;
using tag = dnnl::memory::format_tag;

dnnl::memory::desc f32_desc(const dims& size, tag layout) {
  return {size, dnnl::memory::data_type::f32, layout};
}

class layer final : public runner {
 public:
  layer(const task& t, const buffers& b, const dnnl::convolution_forward::primitive_desc& chosen,
        const dnnl::engine& engine)
      : stream_(engine), convolution_(chosen), remark_(chosen.impl_info_str()) {
    const extent taps = t.problem.filter;
    std::vector<float> flipped = make_filter(t);
    std::reverse(flipped.begin(), flipped.end());
    const dnnl::memory plain(f32_desc({1, 1, taps.rows, taps.cols}, tag::oihw), engine,
                             flipped.data());
    const dnnl::memory liked(chosen.weights_desc(), engine);
    dnnl::reorder(plain, liked).execute(stream_, {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, liked}});
    stream_.wait();
    arguments_ = {{DNNL_ARG_SRC,
                   dnnl::memory(chosen.src_desc(), engine, const_cast<std::byte*>(b.in.data()))},
                  {DNNL_ARG_WEIGHTS, liked},
                  {DNNL_ARG_DST, dnnl::memory(chosen.dst_desc(), engine, b.out.data())}};
  }
  void run() override {
    convolution_.execute(stream_, arguments_);
    stream_.wait();
  }
  [[nodiscard]] std::string remark() const override { return remark_; }

 private:
  dnnl::stream stream_;
  dnnl::convolution_forward convolution_;
  std::unordered_map<int, dnnl::memory> arguments_;
  std::string remark_;
};

/// The fastest of its implementations, the first of which need not be that. With one channel the layouts of
/// images are all the same in memory; more of its implementations take the one with channels last.
std::unique_ptr<runner> fastest(const task& t, const buffers& b) {
  const extent in = t.problem.in;
  const extent taps = t.problem.filter;
  const dims image{t.problem.planes, 1, in.rows, in.cols};
  const dims weights{1, 1, taps.rows, taps.cols};
  const dims before{taps.rows / 2, taps.cols / 2};
  const dims after{(taps.rows - 1) / 2, (taps.cols - 1) / 2};
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const auto prop = dnnl::prop_kind::forward_inference;
  const auto how = dnnl::algorithm::convolution_direct;
  const dnnl::memory::desc images = f32_desc(image, tag::nhwc);
  const dnnl::memory::desc any_weights = f32_desc(weights, tag::any);
  const dims strides{1, 1};
#if DNNL_VERSION_MAJOR >= 3
  dnnl::convolution_forward::primitive_desc chosen(engine, prop, how, images, any_weights, images,
                                                   strides, before, after);
#else
  dnnl::convolution_forward::primitive_desc chosen(
      {prop, how, images, any_weights, images, strides, before, after}, engine);
#endif
  std::unique_ptr<runner> best;
  double least = 0;
  do {
    // Its plain one comes last, is thousands of times slower, and serves where there is no other.
    if (best && std::string(chosen.impl_info_str()).starts_with("ref")) break;
    auto r = std::make_unique<layer>(t, b, chosen, engine);
    double time = r->seconds(1);
    if (best && time >= 1.5 * least) continue;
    time = r->seconds(1);  // the first time it may have had to make something
    if (best && time >= least) continue;
    least = time;
    best = std::move(r);
  } while (chosen.next_impl());
  return best;
}

}  // namespace

peer_library onednn_peers(int threads) {
  // Of the OpenMP that it was built with, whatever this program was built with. Before anything is made:
  // primitives keep what they find.
  if (void* const set = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads"))
    reinterpret_cast<void (*)(int)>(set)(threads);
  const dnnl_version_t* const v = dnnl_version();
  return {
      "onednn",
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch),
      {{"onednn/convolution", false, [](const task& t) { return t.problem.types.in == dtype::f32; },
        fastest}}};
}

}  // namespace convgpu::bench
