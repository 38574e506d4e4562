// SPDX-License-Identifier: Apache-2.0
// Plans and the one-shot calls.

#include <algorithm>
#include <convgpu/convgpu.hpp>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/floating_point.hpp>
#include <convgpu/error.hpp>
#include <mutex>
#include <string>
#include <utility>

#include "overlap.hpp"
#include "planner.hpp"
#include "problem.hpp"
#include "views.hpp"

namespace convgpu {
namespace detail {

/// Workspace for runs on the CPU that bring none: as many pieces as there ever were runs at once.
class workspace_pool {
 public:
  using piece = std::vector<std::byte>;

  piece take(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        piece p = std::move(free_.back());
        free_.pop_back();
        return p;
      }
    }
    return piece(bytes);
  }
  void give_back(piece p) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      free_.push_back(std::move(p));
    } catch (...) {  // no room to remember it: it is freed instead
    }
  }

 private:
  std::mutex mutex_;
  std::vector<piece> free_;
};

/// A pool's piece for as long as a run lasts.
class borrowed_workspace {
 public:
  borrowed_workspace(workspace_pool& pool, std::size_t bytes)
      : pool_(pool), piece_(pool.take(bytes)) {}
  borrowed_workspace(const borrowed_workspace&) = delete;
  borrowed_workspace& operator=(const borrowed_workspace&) = delete;
  ~borrowed_workspace() { pool_.give_back(std::move(piece_)); }

  [[nodiscard]] std::span<std::byte> bytes() noexcept { return piece_; }

 private:
  workspace_pool& pool_;
  workspace_pool::piece piece_;
};

namespace {

bool said(extent e) {
  return e != extent{};
}

/// Takes one member of a problem from a view, or checks that both say the same.
template <class T, class Text>
void settle(T& member, bool is_said, const T& from_view, const std::string& name, Text text) {
  if (is_said && member != from_view)
    throw invalid_problem(name + ": the problem says " + text(member) + ", the view given " +
                          text(from_view) + "; allowed: both the same");
  member = from_view;
}

void settle_count(std::int64_t& member, std::int64_t from_view, const std::string& name) {
  settle(member, member != 1, from_view, name, [](auto n) { return std::to_string(n); });
}

/// A bare range has no shape of its own; `checked` compares its length, once the problem is known to be sound.
void settle_extent(extent& member, const any_const_view& v, const std::string& name) {
  if (v.shapeless() && said(member)) return;
  settle(member, said(member), v.size(), name, [](extent e) { return to_text(e); });
}

void settle_type(dtype& member, dtype type, const std::string& name) {
  settle(member, member != dtype::deduced, type, name,
         [](dtype t) { return std::string(to_string(t)); });
}

/// The problem with the types that its filter's tells.
problem with_filter_type(problem p, dtype type) {
  settle_type(p.types.filter, type, "types.filter");
  if (p.types.in == dtype::deduced) p.types.in = p.types.filter;
  if (p.types.out == dtype::deduced) p.types.out = default_out(p.types.in, p.types.filter);
  return p;
}

/// The problem with all that its filter tells.
problem with_filter(problem p, const any_const_view& filter) {
  // Taken for one row, a forgotten shape would go unnoticed.
  if (filter.shapeless() && !said(p.filter) && p.in.rows > 1)
    throw invalid_problem(
        "filter: " + std::to_string(filter.size().count()) +
        " elements without rows and columns, for an image; allowed: a view of them, "
        "or problem::filter said");
  if (!filter.shapeless()) settle_count(p.filters, filter.planes(), "filters");
  settle_extent(p.filter, filter, "filter");
  return with_filter_type(p, filter.type());
}

/// One factor of a filter as a row of taps.
any_const_view as_row(const any_const_view& factor, const std::string& name) {
  if (factor.shapeless()) return factor;
  const auto [rows, cols] = factor.size();
  if ((rows != 1 && cols != 1) || factor.planes() != 1 || factor.channels() != 1)
    throw invalid_problem(name + ": taps of " +
                          shape_text(factor.size(), factor.planes(), factor.channels()) +
                          "; allowed: one row or one column of them");
  const std::int64_t step = cols == 1 ? factor.step().row : factor.step().col;
  return {factor.data(),           factor.type(), extent(factor.size().count()), 1,
          {.row = 0, .col = step}, factor.where()};
}

/// The problem with all that the factors of its filter tell.
problem with_factors(problem p, const any_const_view& column, const any_const_view& row) {
  if (p.channels != 1 || p.filters != 1)
    throw invalid_problem(
        "column, row: for " + std::to_string(p.channels) + " channels and " +
        std::to_string(p.filters) +
        " filters; allowed: one of each, for a filter given as a column and a row");
  if (row.type() != column.type())
    throw invalid_problem("row: elements of " + std::string(to_string(row.type())) +
                          "; allowed: those of the column, " +
                          std::string(to_string(column.type())));
  settle(p.filter, said(p.filter), extent(column.size().count(), row.size().count()), "filter",
         [](extent e) { return to_text(e); });
  return with_filter_type(p, column.type());
}

}  // namespace

/// All of a plan; never changes once made.
class plan_state {
 public:
  plan_state(const problem& p, const any_const_view& filter, const options& how)
      : problem_(with_filter(p, filter)),
        how_(how),
        form_(normalise(problem_)),
        taps_(read_taps(problem_,
                        checked(filter, {"filter", problem_.types.filter, problem_.filter,
                                         problem_.filters, problem_.channels / problem_.groups,
                                         layout::channels_first, memory::host}))),
        choice_(choose(form_, taps_, how_)) {}
  plan_state(const problem& p, const any_const_view& column, const any_const_view& row,
             const options& how)
      : problem_(with_factors(p, as_row(column, "column"), as_row(row, "row"))),
        how_(how),
        form_(normalise(problem_)),
        taps_(read_factors(problem_, factor("column", column, problem_.filter.rows),
                           factor("row", row, problem_.filter.cols))),
        choice_(choose(form_, taps_, how_)) {}

  [[nodiscard]] const problem& the_problem() const noexcept { return problem_; }
  [[nodiscard]] const options& how() const noexcept { return how_; }
  [[nodiscard]] const description& why() const noexcept { return choice_.why; }
  [[nodiscard]] extent output_extent() const noexcept { return {form_.row.out, form_.col.out}; }

  void run(const any_const_view& in, const any_view& out, stream on,
           std::span<std::byte> workspace) const {
    const auto& [in_type, filter_type, out_type] = problem_.types;
    // A plan on a device takes host memory, too, and copies; but not one of each.
    const bool on_device = choice_.where == device_kind::cuda && in.where() == memory::device;
    const memory where = on_device ? memory::device : memory::host;
    const any_const_view source = checked(in, {"in", in_type, problem_.in, problem_.planes,
                                               problem_.channels, problem_.layout, where});
    const any_view target = checked_output(out, {"out", out_type, output_extent(), problem_.planes,
                                                 problem_.filters, problem_.layout, where});
    if (overlap(source, target))
      throw invalid_problem("out: shares memory with in; allowed: memory of its own");
    if (choice_.where == device_kind::cpu && on != stream{})
      throw invalid_problem("stream: a CUDA stream; allowed: none, this plan runs on the CPU");

    const default_floating_point environment;
    const std::size_t needed = choice_.why.workspace_bytes;
    check_workspace(workspace, needed, {source, target}, "in or out");
    // On a device only the backend knows how long a piece is in use: until after this call.
    if (needed == 0 || !workspace.empty() || choice_.where == device_kind::cuda) {
      choice_.algorithm->run(source, target, on, workspace);
    } else {
      borrowed_workspace borrowed(pool_, needed);
      choice_.algorithm->run(source, target, on, borrowed.bytes());
    }
  }

 private:
  [[nodiscard]] any_const_view factor(const char* name, const any_const_view& taps,
                                      std::int64_t count) const {
    return checked(as_row(taps, name), {name, problem_.types.filter, extent(count), 1, 1,
                                        layout::channels_first, memory::host});
  }

  problem problem_;
  options how_;
  normal_form form_;
  filter_taps taps_;
  choice choice_;
  mutable workspace_pool pool_;
};

namespace {

/// The problem with all that input and output tell, for a filter of so many rows.
problem with_data(problem p, operation op, const any_const_view& in, std::int64_t filter_rows,
                  dtype out) {
  if (op == operation::convolution && p.op == operation::correlation)
    throw invalid_problem("op: correlation, given to convolve; allowed: correlate, or a plan");
  p.op = op;
  if (in.shapeless() && !said(p.in) && (p.filter.rows > 1 || filter_rows > 1))
    throw invalid_problem(
        "in: " + std::to_string(in.size().count()) +
        " elements without rows and columns, for a filter of several rows; allowed: a "
        "view of them, or problem::in said");
  if (!in.shapeless()) {
    settle_count(p.planes, in.planes(), "planes");
    settle_count(p.channels, in.channels(), "channels");
  }
  settle_extent(p.in, in, "in");
  settle_type(p.types.in, in.type(), "types.in");
  settle_type(p.types.out, out, "types.out");
  return p;
}

}  // namespace

problem complete(problem p, operation op, const any_const_view& in, const any_const_view& filter,
                 dtype out) {
  const problem whole = with_filter(with_data(p, op, in, filter.size().rows, out), filter);
  // Of too short an input, before there is memory for the output.
  (void)normalise(whole);
  (void)checked(
      in, {"in", whole.types.in, whole.in, whole.planes, whole.channels, whole.layout, in.where()});
  return whole;
}

}  // namespace detail

plan::plan(const convgpu::problem& p, const any_const_view& filter, const options& how) {
  const detail::default_floating_point environment;
  state_ = std::make_shared<const detail::plan_state>(p, filter, how);
}

plan::plan(const convgpu::problem& p, const any_const_view& column, const any_const_view& row,
           const options& how) {
  const detail::default_floating_point environment;
  state_ = std::make_shared<const detail::plan_state>(p, column, row, how);
}

plan::plan(const plan&) noexcept = default;
plan& plan::operator=(const plan&) noexcept = default;
plan::~plan() = default;

void plan::run(const any_const_view& in, const any_view& out, convgpu::stream on,
               std::span<std::byte> workspace) const {
  state_->run(in, out, on, workspace);
}

void plan::set_filter(const any_const_view& filter) {
  *this = plan(state_->the_problem(), filter, state_->how());
}

void plan::set_filter(const any_const_view& column, const any_const_view& row) {
  *this = plan(state_->the_problem(), column, row, state_->how());
}

const problem& plan::problem() const noexcept {
  return state_->the_problem();
}
extent plan::output_extent() const noexcept {
  return state_->output_extent();
}
std::size_t plan::workspace_bytes() const noexcept {
  return state_->why().workspace_bytes;
}
const description& plan::describe() const noexcept {
  return state_->why();
}

namespace {

options with_data_of(const any_const_view& in, options how) {
  how.data = in.where();
  return how;
}

void one_shot(operation op, const any_const_view& in, const any_const_view& filter,
              const any_view& out, const problem& p, const options& how) {
  plan(detail::complete(p, op, in, filter, out.type()), filter, with_data_of(in, how)).run(in, out);
}

void one_shot(operation op, const any_const_view& in, const any_const_view& column,
              const any_const_view& row, const any_view& out, const problem& p,
              const options& how) {
  plan(detail::with_data(p, op, in, column.size().count(), out.type()), column, row,
       with_data_of(in, how))
      .run(in, out);
}

}  // namespace

void convolve(const any_const_view& in, const any_const_view& filter, const any_view& out,
              const problem& p, const options& how) {
  one_shot(operation::convolution, in, filter, out, p, how);
}

void correlate(const any_const_view& in, const any_const_view& filter, const any_view& out,
               const problem& p, const options& how) {
  one_shot(operation::correlation, in, filter, out, p, how);
}

void convolve(const any_const_view& in, const any_const_view& column, const any_const_view& row,
              const any_view& out, const problem& p, const options& how) {
  one_shot(operation::convolution, in, column, row, out, p, how);
}

void correlate(const any_const_view& in, const any_const_view& column, const any_const_view& row,
               const any_view& out, const problem& p, const options& how) {
  one_shot(operation::correlation, in, column, row, out, p, how);
}

}  // namespace convgpu
