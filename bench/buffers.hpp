// SPDX-License-Identifier: Apache-2.0
// Memory to measure with.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace convgpu::bench {

/// Memory whose pages are there: the first touch of a page is dear, in virtual machines above all. Begins on a
/// cache line. No two of them begin at the same place of a page: the processor takes a load for one that depends
/// on an earlier store where their addresses differ by whole pages.
class touched_bytes {
 public:
  explicit touched_bytes(std::size_t count)
      : all_(static_cast<std::byte*>(::operator new (count + page, std::align_val_t{page}))),
        begin_(all_.get() + next_offset()),
        count_(count) {
    std::memset(begin_, 0xff, count);
  }

  [[nodiscard]] std::byte* data() const { return begin_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::span<std::byte> span() const { return {begin_, count_}; }

 private:
  static constexpr std::size_t page = 4096;
  static std::size_t next_offset() {
    static std::size_t offset = 0;
    return offset = (offset + 1344) % page;  // 21 lines, and 64 lines are a page
  }
  struct release {
    void operator()(std::byte* memory) const { ::operator delete (memory, std::align_val_t{page}); }
  };

  std::unique_ptr<std::byte[], release> all_;
  std::byte* begin_;
  std::size_t count_;
};

}  // namespace convgpu::bench
