// SPDX-License-Identifier: Apache-2.0

#include "cpu_session.hpp"

#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "counters.hpp"

namespace convgpu::bench {
namespace {

double copied_bytes(const task& t) {
  return static_cast<double>(t.in_bytes() + t.out_bytes()) / 2;
}

std::string in_units(double value, const char* unit) {
  std::ostringstream text;
  text.precision(3);
  text << value << ' ' << unit;
  return text.str();
}

std::string describe(const rate& r, double scale, const char* unit) {
  return in_units(r.best * scale, unit) + " (median " + in_units(r.median * scale, unit) + ", " +
         r.how + ")";
}

[[maybe_unused]] peer_library missing(const std::string& name) {
  return {name, "not found when this was built", {}};
}

}  // namespace

std::vector<contender> our_contenders(const backend_info& cpu, int threads) {
  std::vector<contender> all;
  for (const auto& entry : cpu.algorithms) {
    if (&entry == &cpu.algorithms.back()) break;
    const std::string name = entry.name;
    all.push_back({name, name.find("fft") != name.npos || name.find("overlap") != name.npos,
                   [](const task&) { return true; },
                   [name, threads](const task& t, const buffers& b) {
                     const plan p = make_plan(
                         t.problem, t,
                         {.device = device::cpu(), .algorithm = name, .max_threads = threads});
                     const any_const_view from = input_view(t.problem, b.in.data());
                     const any_view to = output_view(t.problem, b.out.data());
                     return run_by([p, from, to] { p.run(from, to); });
                   },
                   true});
  }
  return all;
}

std::vector<peer_library> find_peers(int threads, const std::string& python,
                                     const std::vector<task>& tasks) {
  std::vector<peer_library> all;
#if CONVGPU_BENCH_OPENCV
  all.push_back(opencv_peers(threads));
#else
  all.push_back(missing("opencv"));
#endif
#if CONVGPU_BENCH_FFTW
  all.push_back(fftw_peers(threads));
#else
  all.push_back(missing("fftw"));
#endif
#if CONVGPU_BENCH_ONEDNN
  all.push_back(onednn_peers(threads));
#else
  all.push_back(missing("onednn"));
#endif
#if CONVGPU_BENCH_EIGEN
  all.push_back(eigen_peers(threads));
#else
  all.push_back(missing("eigen"));
#endif
  all.push_back(loop_peers(threads));
  if (python.empty()) {
    all.push_back({"python", "not asked for", {}});
  } else {
    all.push_back(python_peers(threads, python, tasks));
  }
  return all;
}

cpu_session::cpu_session(const cpu_settings& how)
    : how_(how),
      contest_(how.quick ? pace{.sample = 0.01, .rounds = 7, .watch = how.watch, .patience = 0.2}
                         : pace{.watch = how.watch},
               how.threads),
      limits_(how.threads) {}

void cpu_session::add(const task& t, const contender& c) {
  if (matches_.empty() || matches_.back().what.line != t.line) matches_.push_back({t, {}, {}, {}});
  matches_.back().who.push_back(c);
}

std::vector<std::pair<std::string, std::string>> cpu_session::measure_limits() {
  if (matches_.empty()) return {};
  std::vector<std::pair<std::string, std::string>> words{
      {"limit of f32", describe(limits_.fma(), 2e-9, "GFLOP/s")},
      {"limit of integers", describe(limits_.integer_fma(), 2e-9, "Gop/s")}};
  std::set<std::size_t> sizes;
  for (const match& m : matches_) sizes.insert(static_cast<std::size_t>(copied_bytes(m.what)));
  for (const std::size_t size : sizes)
    words.emplace_back("limit of a copy of " + std::to_string(size / 1024) + " KiB",
                       describe(limits_.copy(size), 1e-9, "GB/s"));
  begin_ = std::chrono::steady_clock::now();
  return words;
}

void cpu_session::say_progress(const match& m) const {
  const double gone =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  std::ostringstream line;
  line << '[' << done_ + 1 << '/' << matches_.size() << "] " << m.what.title("").substr(1) << ": "
       << m.who.size() << " in turns";
  line.precision(0);
  line << std::fixed << ", " << gone << " s gone";
  if (done_ > 0)
    line << ", about "
         << gone / static_cast<double>(done_) * static_cast<double>(matches_.size() - done_)
         << " s to go";
  if (how_.progress) std::cerr << "\r\033[K" << line.str() << std::flush;
  else std::cerr << line.str() << '\n';
  if (how_.progress && done_ + 1 == matches_.size()) std::cerr << '\n';
}

void cpu_session::run(match& m) {
  say_progress(m);
  ++done_;
  if (std::chrono::steady_clock::now() > how_.end) {
    m.results.assign(m.who.size(), {outcome::kind::left_out, "left out: the time is over", {}, {}});
    return;
  }
  m.automatic =
      make_plan(m.what.problem, m.what, {.device = device::cpu(), .max_threads = how_.threads})
          .describe()
          .algorithm;
  std::vector<const contender*> all;
  for (const contender& c : m.who) all.push_back(&c);
  m.results = contest_.run(m.what, all);
}

void cpu_session::report(benchmark::State& state, const task& t, const std::string& name) {
  const auto m = std::find_if(matches_.begin(), matches_.end(),
                              [&](const match& other) { return other.what.line == t.line; });
  if (m == matches_.end()) throw std::logic_error("no such match: " + t.line);
  if (m->results.empty()) run(*m);
  const auto who = std::find_if(m->who.begin(), m->who.end(),
                                [&](const contender& c) { return c.name == name; });
  const outcome& o = m->results[who - m->who.begin()];
  if (o.what != outcome::kind::timed) {
    if (o.what == outcome::kind::wrong && who->ours) all_right_ = false;
    return state.SkipWithError(o.why.c_str());
  }

  count(state, t, o.time);
  if (!o.remark.empty()) state.SetLabel(o.remark);
  auto& counters = state.counters;
  counters["cpu_threads"] = how_.threads;
  if (name == m->automatic) counters["automatic"] = 1;
  const rate& fma = t.filter == filter_kind::integer ? limits_.integer_fma() : limits_.fma();
  const double flops = t.least_flops() * static_cast<double>(t.outputs());
  const double bytes = 2 * copied_bytes(t);
  const double copy = limits_.copy(static_cast<std::size_t>(copied_bytes(t))).best;
  const double byte_time = bytes / copy;
  const double flop_time = flops / (2 * fma.best);
  counters["flops"] = flops;
  counters["bytes"] = bytes;
  counters["limit_flops/s"] = 2 * fma.best;
  counters["limit_bytes/s"] = copy;
  counters["of_copy"] = byte_time / o.time.median;
  counters["of_fma"] = flop_time / o.time.median;
  counters["of_limit"] = std::max(byte_time, flop_time) / o.time.median;
}

}  // namespace convgpu::bench
