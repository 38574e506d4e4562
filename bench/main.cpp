// SPDX-License-Identifier: Apache-2.0
// convgpu_bench [--threads=N] [--seconds=N] [Google Benchmark's options]: every algorithm of every backend, on every
// problem of problems.txt that is for it. Results are checked before they are timed; the program fails
// where one is wrong. One "iteration" of Google Benchmark is the median of many runs.

#include <benchmark/benchmark.h>

#include <charconv>
#include <chrono>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <vector>

#include "place.hpp"
#include "problems.hpp"

namespace convgpu::bench {
namespace {

/// One algorithm of one backend. The last of a backend is there to accept every problem.
struct contender {
  std::string backend;
  std::string name;
  bool last = false;
};

/// Multiply-adds up to which the last algorithm of a backend is asked: seconds there, not minutes.
constexpr double patience(const std::string& backend) {
  return backend == "cpu" ? 1e8 : 2e10;
}

device device_of(const std::string& backend) {
  return backend == "cpu" ? device::cpu() : device::cuda();
}

/// Options of this program.
struct settings {
  int threads = 1;  ///< of the CPU's algorithms
  int seconds = 0;  ///< after which no more problems are begun; 0 for no end
};

/// What the problems of one run of the program share.
class session {
 public:
  session(std::vector<backend_info> backends, settings how)
      : backends_(std::move(backends)), how_(how) {}

  void run(benchmark::State& state, const task& t, const contender& a) {
    if (how_.seconds > 0 &&
        std::chrono::steady_clock::now() > begin_ + std::chrono::seconds(how_.seconds))
      return state.SkipWithError("left out: the time is over");
    try {
      const std::vector<float> filter = make_filter(t);
      const plan p(
          t.problem, filter,
          {.device = device_of(a.backend), .algorithm = a.name, .max_threads = how_.threads});
      place& at = place_for(t, a.backend);
      prepare(t, a.backend);
      at.load(input_, t.out_bytes());
      const extent in = t.problem.in;
      const extent out = p.output_extent();
      const any_const_view from(at.in(), t.problem.types.in, in, t.problem.planes, dense(in),
                                at.where());
      const any_view to(at.out(), t.problem.types.out, out, t.problem.planes, dense(out),
                        at.where());
      const work once = [&](stream on) { p.run(from, to, on); };

      (void)at.seconds(once);
      const std::string wrong = difference(t, at.fetch(), expected_, stride_);
      if (!wrong.empty()) {
        all_right_ = false;
        return state.SkipWithError(("wrong result: " + wrong).c_str());
      }
      const timing time = repeat([&] { return at.seconds(once); });
      report(state, t, a, at, time);
    } catch (const unsupported& e) {
      state.SkipWithError(("refused: " + std::string(e.what())).c_str());
    } catch (const std::bad_alloc&) {
      state.SkipWithError("out of memory");
    } catch (const std::exception& e) {
      all_right_ = false;
      state.SkipWithError(e.what());
    }
  }

  [[nodiscard]] bool all_right() const { return all_right_; }

 private:
  place& place_for(const task& t, const std::string& backend) {
    const auto key = std::pair(backend, t.where == purpose::host);
    std::unique_ptr<place>& found = places_[key];
    if (!found)
      found = backend == "cpu"           ? make_host_place()
              : t.where == purpose::host ? make_round_trip_place()
                                         : make_device_place();
    return *found;
  }

  /// Input and right answer, made for the first algorithm of a backend and kept for the others. On a GPU
  /// the answer is the CPU's, all of it. On the CPU it is that of the algorithm that is the definition, at
  /// every 91st sample: that one is slow.
  void prepare(const task& t, const std::string& backend) {
    const std::string key = backend + t.title("");
    if (key == prepared_) return;
    prepared_.clear();
    input_ = make_input(t);
    const bool on_cpu = backend == "cpu";
    stride_ = on_cpu ? extent{7, 13} : extent{1, 1};
    problem p = t.problem;
    p.stride = stride_;
    const plan answer(
        p, make_filter(t),
        {.device = device::cpu(),
         .algorithm = on_cpu ? backends_.front().algorithms.back().name : std::string()});
    const extent size = answer.output_extent();
    expected_.assign(static_cast<std::size_t>(size.count() * p.planes) * size_of(p.types.out),
                     std::byte{});
    answer.run(any_const_view(input_.data(), p.types.in, p.in, p.planes, dense(p.in)),
               any_view(expected_.data(), p.types.out, size, p.planes, dense(size)));
    prepared_ = key;
  }

  /// The least that is to be read and written, and the multiply-adds of direct summation, over the time:
  /// an algorithm that needs fewer comes out beyond the limit, which is its merit.
  void report(benchmark::State& state, const task& t, const contender& a, place& at,
              const timing& time) {
    for (auto _ : state) state.SetIterationTime(time.median);
    const auto bytes = static_cast<double>(t.in_bytes() + t.out_bytes());
    const double outputs = static_cast<double>(output_extent(t.problem).count()) *
                           static_cast<double>(t.problem.planes);
    const double fmas = outputs * static_cast<double>(t.taps());
    auto& counters = state.counters;
    counters[t.problem.in.rows == 1 ? "Msample/s" : "Mpixel/s"] = outputs / time.median / 1e6;
    counters["bytes/s"] = bytes / time.median;
    counters["GFLOP/s"] = 2 * fmas / time.median / 1e9;
    counters["least_us"] = time.least * 1e6;
    counters["most_us"] = time.most * 1e6;
    counters["runs"] = static_cast<double>(time.samples);
    if (t.where == purpose::check) return;
    if (how_.threads == 1 || a.backend != "cpu") {  // memcpy has one thread
      timing& copy = copies_[{&at, t.in_bytes(), t.out_bytes()}];
      if (copy.samples == 0)
        copy = repeat([&] { return at.copy_seconds(t.in_bytes(), t.out_bytes()); });
      counters["copy_bytes/s"] = bytes / copy.median;
      counters["of_copy"] = copy.median / time.median;
    }
    if (t.problem.types.in == dtype::f32 && at.fma_rate() > 0)
      counters["of_fma"] = fmas / time.median / at.fma_rate();
  }

  std::vector<backend_info> backends_;
  settings how_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  bool all_right_ = true;
  std::map<std::pair<std::string, bool>, std::unique_ptr<place>> places_;
  std::map<std::tuple<place*, std::size_t, std::size_t>, timing> copies_;
  std::string prepared_;  // of what task and backend these are
  std::vector<std::byte> input_, expected_;
  extent stride_;
};

/// Those among what Google Benchmark left over; none if there is anything else.
std::optional<settings> parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    int& value = name == "--threads" ? s.threads : s.seconds;
    if ((name != "--threads" && name != "--seconds") || equals == argument.npos)
      return std::nullopt;
    const char* const end = argument.data() + argument.size();
    const auto [stop, error] = std::from_chars(argument.data() + equals + 1, end, value);
    if (error != std::errc() || stop != end || value < 1) return std::nullopt;
  }
  return s;
}

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::optional<settings> how = parse(argc, argv);
  if (!how) {
    std::cerr << "usage: convgpu_bench [--threads=N] [--seconds=N] [--benchmark_…]\n";
    return 2;
  }
  const std::vector<backend_info> backends = convgpu::backends();
  const std::vector<task> tasks = read_tasks(CONVGPU_BENCH_PROBLEMS);
  session all(backends, *how);

  benchmark::AddCustomContext("convgpu", std::string(version()));
  benchmark::AddCustomContext("cpu threads", std::to_string(how->threads));
  for (const backend_info& b : backends) {
    benchmark::AddCustomContext(b.name, b.unavailable.empty() ? b.devices.front() : b.unavailable);
    if (!b.unavailable.empty()) continue;
    for (const task& t : tasks) {
      if (!t.suits(b.name)) continue;
      for (const auto& entry : b.algorithms) {
        const contender a{b.name, entry.name, &entry == &b.algorithms.back()};
        const double fmas = static_cast<double>(t.elements()) * static_cast<double>(t.taps());
        if (a.last && fmas > patience(a.backend)) continue;
        benchmark::RegisterBenchmark(t.title(a.name).c_str(),
                                     [&all, t, a](benchmark::State& s) { all.run(s, t, a); })
            ->UseManualTime()
            ->Iterations(1)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return all.all_right() ? 0 : 1;
}

}  // namespace
}  // namespace convgpu::bench

int main(int argc, char** argv) {
  try {
    return convgpu::bench::main(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "convgpu_bench: " << e.what() << '\n';
    return 1;
  }
}
