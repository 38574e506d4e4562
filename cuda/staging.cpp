// SPDX-License-Identifier: Apache-2.0

#include "staging.hpp"

#include <algorithm>

namespace convgpu::cuda {
namespace {

/// A chunk in page-locked memory, and the copy that it takes part in.
struct slot {
  pinned_memory memory;
  own_event copied;
  const band* holds = nullptr;  // copied down, and yet to be unpacked
};

void order(cudaStream_t later, cudaEvent_t behind) {
  check(cudaStreamWaitEvent(later, behind, 0), "cudaStreamWaitEvent");
}

void record(cudaEvent_t event, cudaStream_t on) {
  check(cudaEventRecord(event, on), "cudaEventRecord");
}

void wait(cudaEvent_t event) {
  check(cudaEventSynchronize(event), "cudaEventSynchronize");
}

bool is_dense(const any_const_view& v) {
  const strides step = v.step();
  const strides want = dense(v.size(), v.channels());
  return (step.col == want.col || v.size().cols == 1) &&
         (step.row == want.row || v.size().rows == 1) &&
         (step.channel == want.channel || v.channels() == 1) &&
         (step.plane == want.plane || v.planes() == 1);
}

}  // namespace

/// What one run needs. Made piece by piece, so that a run which failed on the way loses nothing.
struct staging::set {
  device_memory in;
  device_memory out;
  device_memory workspace;
  own_stream up;  // none where nothing can overlap: the caller's stream does it all
  own_stream compute;
  own_stream down;
  own_event begun;
  own_event computed;
  std::vector<slot> chunks_up;
  std::vector<slot> chunks_down;
};

/// A set while a run lasts. After an error it is freed, once all that was begun with it has ended.
class staging::loan {
 public:
  loan(staging& from, cudaStream_t on) : from_(from), on_(on) {
    const std::lock_guard lock(from_.mutex_);
    if (from_.sets_.empty()) return;
    set_ = std::move(from_.sets_.back());
    from_.sets_.pop_back();
  }
  loan(const loan&) = delete;
  loan& operator=(const loan&) = delete;
  ~loan() {
    if (set_ == nullptr) return;
    if (done_) {
      try {
        const std::lock_guard lock(from_.mutex_);
        from_.sets_.push_back(std::move(set_));
        return;
      } catch (...) {  // no room to remember it: it is freed instead
      }
    }
    for (const cudaStream_t s : {set_->up.get(), set_->compute.get(), set_->down.get()})
      if (s != nullptr) (void)succeeds(cudaStreamSynchronize(s));
    if (!from_.streams_) (void)succeeds(cudaStreamSynchronize(on_));
  }

  /// All that is missing, before anything is begun.
  set& prepare(bool up, bool down, bool workspace) {
    if (set_ == nullptr) set_ = std::make_unique<set>();
    set& s = *set_;
    const auto memory = [](device_memory& m, std::size_t bytes) {
      if (m.data() == nullptr) m = device_memory(bytes);
    };
    const auto event = [](own_event& e) {
      if (e.get() == nullptr) e = make_event();
    };
    memory(s.in, static_cast<std::size_t>(from_.in_count_) * from_.in_width_);
    memory(s.out, static_cast<std::size_t>(from_.out_count_) * from_.out_width_);
    if (workspace) memory(s.workspace, from_.workspace_bytes_);
    from_.cut();  // now that it is known to be no longer than memory allows
    if (from_.streams_) {
      for (own_stream* one : {&s.up, &s.compute, &s.down})
        if (one->get() == nullptr) *one = make_stream();
      event(s.begun);
      event(s.computed);
    }
    const auto chunks = [&](std::vector<slot>& slots, bool staged, std::size_t bytes,
                            std::int64_t most) {
      slots.resize(static_cast<std::size_t>(std::min<std::int64_t>(from_.limits_.chunks, most)));
      for (slot& one : slots) {
        event(one.copied);
        one.holds = nullptr;
        if (staged && one.memory.data() == nullptr) one.memory = pinned_memory(bytes);
      }
    };
    chunks(s.chunks_up, up, static_cast<std::size_t>(from_.chunk_) * from_.in_width_,
           (from_.in_count_ + from_.chunk_ - 1) / from_.chunk_);
    chunks(s.chunks_down, down, static_cast<std::size_t>(from_.band_) * from_.out_width_,
           static_cast<std::int64_t>(from_.bands_.size()));
    return s;
  }
  void is_done() noexcept { done_ = true; }

 private:
  staging& from_;
  cudaStream_t on_;
  std::unique_ptr<set> set_;
  bool done_ = false;
};

staging::staging(const detail::normal_form& form, std::size_t workspace_bytes,
                 staging_limits limits, extent block)
    : form_(form),
      in_count_(form.row.in * form.col.in * form.in_channels() * form.planes),
      out_count_(form.row.out * form.col.out * form.out_channels() * form.planes),
      in_width_(size_of(form.types.in)),
      out_width_(size_of(form.types.out)),
      workspace_bytes_(workspace_bytes),
      limits_(limits),
      block_(block) {
  const auto elements = [&](std::size_t width, std::int64_t all) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(limits.chunk_bytes / width), 1, all);
  };
  chunk_ = elements(in_width_, in_count_);
  band_ = elements(out_width_, out_count_);
  streams_ = chunk_ < in_count_ || band_ < out_count_;
}

staging::~staging() = default;

void staging::cut() {
  const std::lock_guard lock(mutex_);
  if (bands_.empty()) bands_ = cut_into_bands(form_, band_, block_);
}

/// One run: what is queued where. Chunks take turns; one is used again when its copy is done.
class staging::pipeline {
 public:
  pipeline(const staging& plan, set& s, cudaStream_t on)
      : plan_(plan),
        set_(s),
        up_(plan.streams_ ? s.up.get() : on),
        compute_(plan.streams_ ? s.compute.get() : on),
        down_(plan.streams_ ? s.down.get() : on) {
    if (!plan.streams_) return;
    // Kernels come behind copies up, since there is no output without input, and copies down behind kernels.
    record(s.begun.get(), on);
    order(up_, s.begun.get());
  }

  void upload(const any_const_view& in, bool pinned, std::int64_t first, std::int64_t count) {
    slot& chunk = set_.chunks_up[chunks_++ % set_.chunks_up.size()];
    const auto at = static_cast<std::size_t>(first) * plan_.in_width_;
    const auto* from = static_cast<const std::byte*>(in.data()) + at;
    if (!pinned) {
      if (chunks_ > set_.chunks_up.size()) wait(chunk.copied.get());
      pack(chunk.memory.data(), in, first, count);
      from = chunk.memory.data();
    }
    check(cudaMemcpyAsync(static_cast<std::byte*>(set_.in.data()) + at, from,
                          static_cast<std::size_t>(count) * plan_.in_width_, cudaMemcpyHostToDevice,
                          up_),
          "cudaMemcpyAsync");
    record(chunk.copied.get(), up_);
    if (plan_.streams_) order(compute_, chunk.copied.get());
  }

  void compute(const kernels& algorithm, image_params p, void* workspace, const band& b) {
    const auto move = [&](device_array& a, void* base) {
      a.data = static_cast<std::byte*>(base) +
               b.planes.first * a.step.plane * static_cast<std::int64_t>(size_of(a.type));
    };
    move(p.in, set_.in.data());
    move(p.out, set_.out.data());
    p.planes = b.planes.last - b.planes.first;
    p.rows = b.made_rows;
    p.cols = b.made_cols;
    algorithm.launch(p, workspace != nullptr ? workspace : set_.workspace.data(), compute_);
  }

  void download(const any_view& out, bool pinned, const band& b) {
    slot& chunk = set_.chunks_down[bands_++ % set_.chunks_down.size()];
    finish(out, chunk);
    if (plan_.streams_) {
      record(set_.computed.get(), compute_);
      order(down_, set_.computed.get());
    }
    const auto at = static_cast<std::size_t>(b.at) * plan_.out_width_;
    check(cudaMemcpyAsync(pinned ? static_cast<std::byte*>(out.data()) + at : chunk.memory.data(),
                          static_cast<const std::byte*>(set_.out.data()) + at,
                          static_cast<std::size_t>(b.count) * plan_.out_width_,
                          cudaMemcpyDeviceToHost, down_),
          "cudaMemcpyAsync");
    record(chunk.copied.get(), down_);
    if (!pinned) chunk.holds = &b;
  }

  void finish(const any_view& out) {
    if (bands_ == 0) return;
    wait(set_.chunks_down[(bands_ - 1) % set_.chunks_down.size()].copied.get());
    for (std::size_t i = 0; i < set_.chunks_down.size(); ++i)
      finish(out, set_.chunks_down[(bands_ + i) % set_.chunks_down.size()]);
  }

 private:
  void finish(const any_view& out, slot& chunk) {
    if (chunk.holds == nullptr) return;
    wait(chunk.copied.get());
    unpack(out, chunk.memory.data(), chunk.holds->at, chunk.holds->count);
    chunk.holds = nullptr;
  }

  const staging& plan_;
  set& set_;
  cudaStream_t up_;
  cudaStream_t compute_;
  cudaStream_t down_;
  std::size_t chunks_ = 0;  // begun to be copied up
  std::size_t bands_ = 0;   // and down
};

void staging::run(const kernels& algorithm, const image_params& p, const host_data& data,
                  void* workspace, cudaStream_t on) {
  const beside_captures guard;
  loan loaned(*this, on);
  const bool in_direct = data.in_is_pinned && is_dense(data.in);
  const bool out_direct = data.out_is_pinned && is_dense(data.out);
  set& s = loaned.prepare(!in_direct, !out_direct, workspace == nullptr && workspace_bytes_ != 0);

  pipeline pipe(*this, s, on);
  auto next = bands_.begin();
  for (std::int64_t there = 0; next != bands_.end();) {
    for (; next != bands_.end() && next->needs <= there; ++next) {
      if (next == bands_.begin() || !next->is_made_with(next[-1]))
        pipe.compute(algorithm, p, workspace, *next);
      pipe.download(data.out, out_direct, *next);
    }
    if (next == bands_.end()) break;
    const std::int64_t count = std::min(chunk_, in_count_ - there);
    pipe.upload(data.in, in_direct, there, count);
    there += count;
  }
  pipe.finish(data.out);
  loaned.is_done();
}

}  // namespace convgpu::cuda
