// SPDX-License-Identifier: Apache-2.0
// cuda/compiled: what it compiles and when, and the code that it keeps on disk. Programs are compiled for the host.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <latch>
#include <random>
#include <thread>

#include "cuda/tuning.hpp"
#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

namespace fs = std::filesystem;

class cuda_compiled : public on_cuda {
 protected:
  void SetUp() override {
    on_cuda::SetUp();
    name_folder(folder_.empty() ? "none" : (folder_ / "a" / "b").string());
    if (cuda_on_host::library_function("nvrtcVersion") == nullptr)
      GTEST_SKIP() << "the compiler of the stand-in is not there";
  }
  static void name_folder(const std::string& name) {
    ::setenv("CONVGPU_PROGRAMS", name.c_str(), 1);
  }

  fs::path folder_;
};

const options forced{.algorithm = "cuda/compiled"};
const options measured{.device = device::cuda(0), .policy = policy::measure};

floats random(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> any(-1, 1);
  floats all(static_cast<std::size_t>(count));
  for (float& x : all) x = any(engine);
  return all;
}

std::string refusal(const problem& p, const floats& h, const options& how = forced) {
  try {
    (void)plan(p, h, how);
    return {};
  } catch (const unsupported& reason) {
    return reason.what();
  }
}

std::ptrdiff_t compilations() {
  const std::vector<std::string> all = cuda_on_host::calls();
  return std::count(all.begin(), all.end(), "nvrtcCompileProgram");
}

/// How the plan's description tells of it.
candidate told_of(const plan& made) {
  for (const candidate& c : made.describe().candidates)
    if (c.algorithm == "cuda/compiled") return c;
  return {};
}

TEST_F(cuda_compiled, makes_the_bits_of_direct_summation) {
  struct sizes {
    extent in;
    extent filter;
    std::int64_t planes = 1;
  };
  for (const sizes& s : {sizes{{150, 200}, {5, 5}},
                         {{150, 200}, {9, 14}},
                         {{14, 20}, {3, 4}},
                         {{90, 70}, {32, 2}},
                         {{30, 300}, {1, 9}, 2},
                         {{1, 5000}, {1, 70}},
                         {{1, 300}, {1, 12}, 3}}) {
    const problem p{.in = s.in,
                    .filter = s.filter,
                    .planes = s.planes,
                    .mode = mode::same,
                    .border = border::mirror()};
    floats h = random(s.filter.count(), 1);
    for (std::size_t i = 0; i < h.size(); i += 3) h[i] = 0;
    const floats x = random(s.in.count() * s.planes, 2);
    floats y(x.size());
    floats expected(x.size());
    plan(p, h, {.algorithm = "cuda/direct"}).run(x, expected);
    plan(p, h, forced).run(x, y);
    EXPECT_EQ(y, expected) << s.filter.rows << " x " << s.filter.cols;
  }
}

TEST_F(cuda_compiled, refuses_what_its_programs_are_not_for) {
  const auto expect = [](const problem& p, const floats& h, const std::string& words) {
    const std::string found = refusal(p, h);
    EXPECT_NE(found.find(words), std::string::npos) << found;
  };
  expect({.in = {90, 90}, .filter = {12, 11}}, floats(132, 1), "132 taps that are not zero");
  expect({.in = {90, 90}, .filter = {33, 1}}, floats(33, 1), "further than the 32 taps");
  expect({.in = {9, 9}, .filter = {2, 1}, .stride = {2, 1}}, {1, 1}, "strides and dilations of 1");
  floats few(32 * 32);
  few[5] = few[900] = 1;
  EXPECT_EQ(refusal({.in = {90, 90}, .filter = {32, 32}}, few), "");

  cuda_on_host::reset({.has_nvrtc = false});
  expect(blur, box(1), "NVRTC not found: ");
  cuda_on_host::machine later;
  later.device.major = 17;
  cuda_on_host::reset(later);
  expect(blur, box(1), "NVRTC 0.1 does not compile for sm_170");
}

// By prediction it is as fast as cuda/direct, which comes before it.
TEST_F(cuda_compiled, is_taken_where_it_was_measured_and_nowhere_else) {
  const plan predicted(blur, box(1), {.device = device::cuda(0)});
  EXPECT_NE(predicted.describe().algorithm, "cuda/compiled");
  EXPECT_NE(told_of(predicted).reason.find("policy::measure"), std::string::npos);
  EXPECT_EQ(compilations(), 0);

  const plan by_time(blur, box(1), measured);
  EXPECT_TRUE(told_of(by_time).measured_seconds.has_value()) << by_time.explain();
  EXPECT_EQ(
      told_of(by_time).predicted_seconds,
      plan(blur, box(1), {.algorithm = "cuda/direct"}).describe().candidates[1].predicted_seconds);
}

// It is never needed: whatever fails is one candidate less.
TEST_F(cuda_compiled, may_fail_where_others_are_measured) {
  for (const char* call : {"nvrtcCompileProgram", "nvrtcGetCUBIN", "cudaLibraryLoadData"})
    for (const cudaError_t error : {cudaErrorMemoryAllocation, cudaErrorUnknown}) {
      cuda_on_host::reset();
      (void)plan(blur, box(1), measured);
      const std::vector<std::string> calls = cuda_on_host::calls();
      const auto nth = std::find(calls.begin(), calls.end(), call) - calls.begin() + 1;
      cuda_on_host::reset();
      cuda_on_host::fail_call(nth, error);
      const plan made(blur, box(1), measured);
      EXPECT_EQ(cuda_on_host::calls()[static_cast<std::size_t>(nth) - 1], call);
      EXPECT_EQ(told_of(made).outcome, candidate::verdict::refused);
      EXPECT_TRUE(told_of(made).reason.starts_with("failed when it was measured: "))
          << made.explain();
      floats y(count);
      made.run(counting(), y);
      EXPECT_EQ(y, blurred(counting(), 1));
    }
}

// A device does not wait for kernels where a library is unloaded: a launch that is still queued would be an error.
TEST_F(cuda_compiled, plans_may_go_before_their_work_is_done) {
  cuda_on_host::set_execution(cuda_on_host::execution::deferred);
  const device_array<float> x(counting());
  device_array<float> y(count);
  {
    const own_stream on;
    plan(blur, box(1), forced).run(image(x), image(y), on.get());
    on.wait();
  }
  works(cudaDeviceSynchronize());
  EXPECT_EQ(y.values(), blurred(counting(), 1));
}

// ---- The disk -----------------------------------------------------------------------------------

class cuda_compiled_cache : public cuda_compiled {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("convgpu_programs_" + std::to_string(::getpid()));
    cuda_compiled::SetUp();
  }
  void TearDown() override {
    fs::remove_all(folder_);
    name_folder("none");
    cuda_compiled::TearDown();
  }

  [[nodiscard]] std::vector<fs::path> files() const {
    const fs::path inner = folder_ / "a" / "b";
    if (!fs::exists(inner)) return {};
    return {fs::directory_iterator(inner), fs::directory_iterator()};
  }
  [[nodiscard]] fs::path file() const { return files().at(0); }

  /// A plan that is right, and how often it had to be compiled.
  static std::ptrdiff_t compiled(float tap = 1) {
    const std::ptrdiff_t before = compilations();
    floats y(count);
    plan(blur, box(tap), forced).run(counting(), y);
    EXPECT_EQ(y, blurred(counting(), tap));
    return compilations() - before;
  }
};

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

TEST_F(cuda_compiled_cache, keeps_code_for_the_next_process) {
  EXPECT_EQ(compiled(), 1);
  EXPECT_EQ(compiled(), 0);
  EXPECT_EQ(compiled(2), 1) << "another filter";
  EXPECT_EQ(files().size(), 2u);
  struct stat is {};
  ASSERT_EQ(::stat(file().c_str(), &is), 0);
  EXPECT_EQ(is.st_mode & 0777, 0600u) << "nobody else's";
  ASSERT_EQ(::stat(file().parent_path().c_str(), &is), 0);
  EXPECT_EQ(is.st_mode & 0777, 0700u);

  cuda_on_host::machine other;
  other.device.major = 8;
  cuda_on_host::reset(other);
  EXPECT_EQ(compiled(), 1) << "another architecture";
}

TEST_F(cuda_compiled_cache, makes_anew_what_is_not_whole) {
  EXPECT_EQ(compiled(), 1);
  const std::string whole = content_of(file());
  std::string flipped = whole;
  flipped[whole.size() - 100] ^= 1;
  std::string other_key = whole;
  other_key[60] ^= 1;
  for (const std::string& broken :
       {std::string(), whole.substr(0, 10), whole.substr(0, whole.size() / 2),
        whole.substr(0, whole.size() - 1), whole + "x", flipped, other_key,
        std::string(5000, 'x')}) {
    put(file(), broken);
    EXPECT_EQ(compiled(), 1) << broken.size();
    EXPECT_EQ(content_of(file()), whole);
    EXPECT_EQ(compiled(), 0);
  }
}

TEST_F(cuda_compiled_cache, takes_nothing_that_others_may_write) {
  EXPECT_EQ(compiled(), 1);
  ASSERT_EQ(::chmod(file().c_str(), 0620), 0);
  EXPECT_EQ(compiled(), 1);
  EXPECT_EQ(compiled(), 0);
  const fs::path moved = folder_ / "moved";
  fs::rename(file(), moved);
  fs::create_symlink(moved, folder_ / "a" / "b" / fs::path("link"));
  EXPECT_EQ(compiled(), 1);
}

TEST_F(cuda_compiled_cache, is_done_without) {
  name_folder("none");
  EXPECT_EQ(compiled() + compiled(), 2);
  name_folder("");
  EXPECT_EQ(compiled() + compiled(), 2);
  fs::create_directories(folder_);
  put(folder_ / "a", "no folder");
  for (const fs::path& nowhere : {folder_ / "a", folder_ / "a" / "b", fs::path("/proc/convgpu")}) {
    name_folder(nowhere.string());
    EXPECT_EQ(compiled() + compiled(), 2) << nowhere;
  }
  EXPECT_EQ(content_of(folder_ / "a"), "no folder");
}

// What has not been used for longest goes, and nothing that is not a program's.
TEST_F(cuda_compiled_cache, does_not_grow_beyond_a_bound) {
  EXPECT_EQ(compiled(), 1);
  const fs::path used = file();
  const fs::path inner = used.parent_path();
  const auto now = fs::last_write_time(used);
  for (std::size_t i = 0; i < cuda::most_cached_programs; ++i) {
    const fs::path old = inner / (std::to_string(i) + ".cubin");
    put(old, "old");
    fs::last_write_time(old, now - std::chrono::hours(1 + i));
  }
  fs::last_write_time(used, now - std::chrono::hours(1000));
  put(inner / "notes", "of somebody");
  EXPECT_EQ(compiled(), 0) << "which makes it the latest";
  EXPECT_EQ(compiled(2), 1);
  EXPECT_EQ(files().size(), cuda::most_cached_programs + 1);
  EXPECT_TRUE(fs::exists(inner / "notes"));
  EXPECT_TRUE(fs::exists(inner / "0.cubin"));
  EXPECT_FALSE(fs::exists(inner / (std::to_string(cuda::most_cached_programs - 1) + ".cubin")));
  EXPECT_EQ(compiled() + compiled(2), 0);
}

TEST_F(cuda_compiled_cache, serves_many_threads) {
  constexpr int threads = 4;
  std::latch start(threads);
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t)
      all.emplace_back([&] {
        start.arrive_and_wait();
        for (const float tap : {1.0F, 2.0F}) (void)compiled(tap);
      });
  }
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(compiled(1) + compiled(2), 0);
}

}  // namespace
}  // namespace convgpu::test
