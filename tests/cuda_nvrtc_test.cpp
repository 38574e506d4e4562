// SPDX-License-Identifier: Apache-2.0
// The programs of cuda/compiled through NVIDIA's compiler, where that is, for several architectures: no device is needed.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "cuda/compiled.hpp"
#include "cuda/nvrtc.hpp"
#include "cuda_plan.hpp"

namespace convgpu::test {
namespace {

TEST(cuda_programs, have_all_taps_but_zeros_to_the_last_bit) {
  const std::vector<float> h{0.1F, 0, -0.0F, -1.5F, 1e-42F, 0};
  const complete_problem p({.in = {60, 60}, .filter = {2, 3}}, view<const float>(h.data(), {2, 3}));
  const std::string text = cuda::compiled_program_for(p.request()).text;
  EXPECT_NE(text.find("#define CONVGPU_TAPS TAP(0, 1, 0x0.000594p-126f) TAP(0, 2, -0x1.8p+0f) "
                      "TAP(1, 2, 0x1.99999ap-4f)\n"),
            std::string::npos)
      << text.substr(0, 1500);
}

/// The library itself, of which cuda/nvrtc.cpp has the stand-in's here.
class nvrtc {
 public:
  nvrtc() {
    for (const char* file :
         {"libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.13", "libnvrtc.so.12"})
      if (handle_ == nullptr) handle_ = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  }
  [[nodiscard]] bool found() const { return handle_ != nullptr; }

  /// What it says, registers and spills among it; what went wrong comes first.
  [[nodiscard]] std::string compile(const std::string& text, int capability) const {
    std::vector<std::string> words(std::begin(cuda::nvrtc_options), std::end(cuda::nvrtc_options));
    words.push_back("--gpu-architecture=sm_" + std::to_string(capability));
    words.emplace_back("--ptxas-options=-v");
    std::vector<const char*> options;
    for (const std::string& word : words) options.push_back(word.c_str());
    void* program = nullptr;
    std::size_t bytes = 0;
    call<void**, const char*, const char*, int, void*, void*>(
        "nvrtcCreateProgram", &program, text.c_str(), "x", 0, nullptr, nullptr);
    const int status = call<void*, int, const char* const*>(
        "nvrtcCompileProgram", program, static_cast<int>(options.size()), options.data());
    call<void*, std::size_t*>("nvrtcGetProgramLogSize", program, &bytes);
    std::string log(bytes, '\0');
    call<void*, char*>("nvrtcGetProgramLog", program, log.data());
    call<void**>("nvrtcDestroyProgram", &program);
    return status == 0 ? log : "error " + std::to_string(status) + ": " + log;
  }
  [[nodiscard]] std::vector<int> architectures() const {
    int count = 0;
    call<int*>("nvrtcGetNumSupportedArchs", &count);
    std::vector<int> all(static_cast<std::size_t>(count));
    call<int*>("nvrtcGetSupportedArchs", all.data());
    return all;
  }

 private:
  template <class... Parameters>
  int call(const char* name, std::type_identity_t<Parameters>... arguments) const {
    return reinterpret_cast<int (*)(Parameters...)>(dlsym(handle_, name))(arguments...);
  }
  void* handle_ = nullptr;
};

int number_before(const std::string& log, const std::string& words) {
  std::smatch found;
  return std::regex_search(log, found, std::regex("(\\d+) " + words)) ? std::stoi(found[1]) : -1;
}

TEST(cuda_programs, compile_without_spills) {
  const nvrtc compiler;
  if (!compiler.found()) GTEST_SKIP() << "no libnvrtc.so.13 or .12";
  struct sizes {
    extent in;
    extent filter;
    border continued;
  };
  const std::vector<int> known = compiler.architectures();
  constexpr int capabilities[] = {75, 90, 80, 100};
  std::size_t n = 0;  // two of them for each, by turns
  for (const sizes& s : {sizes{{200, 200}, {3, 3}, border::mirror()},
                         {{200, 200}, {5, 5}, border::zero()},
                         {{200, 200}, {11, 11}, border::wrap()},
                         {{20, 30}, {5, 4}, border::symmetric()},
                         {{200, 200}, {1, 9}, border::replicate()},
                         {{1, 9000}, {1, 128}, border::constant(1)}}) {
    std::vector<float> h(static_cast<std::size_t>(s.filter.count()));
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = 1 / (1 + static_cast<float>(i));
    const complete_problem p(
        {.in = s.in, .filter = s.filter, .mode = mode::same, .border = s.continued},
        view<const float>(h.data(), s.filter));
    const std::string text = cuda::compiled_program_for(p.request()).text;
    for (int i = 0; i < 2; ++i, ++n) {
      const int capability = capabilities[n % std::size(capabilities)];
      if (std::find(known.begin(), known.end(), capability) == known.end()) continue;
      const std::string log = compiler.compile(text, capability);
      SCOPED_TRACE(std::to_string(s.filter.rows) + " x " + std::to_string(s.filter.cols) + ", sm_" +
                   std::to_string(capability) + ": " + log);
      ASSERT_FALSE(log.starts_with("error"));
      EXPECT_EQ(number_before(log, "bytes stack frame"), 0);
      EXPECT_EQ(number_before(log, "bytes spill stores"), 0);
      std::smatch used;
      ASSERT_TRUE(std::regex_search(log, used, std::regex("Used (\\d+) registers")));
      EXPECT_LE(std::stoi(used[1]), cuda::registers_at_most<float>);
    }
  }
}

}  // namespace
}  // namespace convgpu::test
