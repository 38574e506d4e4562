// SPDX-License-Identifier: Apache-2.0
// OpenCV: filter2D, sepFilter2D, and where the filter is theirs GaussianBlur and boxFilter. All correlate, so that
// the taps are flipped; the anchor is then M/2, the default.

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/core/version.hpp>
#include <opencv2/imgproc.hpp>

#include "../contender.hpp"

namespace convgpu::bench {
namespace {

bool is_u8(const task& t) {
  return t.problem.types.in == dtype::u8;
}

/// OpenCV's headers are matrices that look at memory of ours.
struct images {
  images(const task& t, const buffers& b)
      : in(rows(t), cols(t), type(t), const_cast<std::byte*>(b.in.data())),
        out(rows(t), cols(t), type(t), b.out.data()) {}

  static int rows(const task& t) { return static_cast<int>(t.problem.in.rows); }
  static int cols(const task& t) { return static_cast<int>(t.problem.in.cols); }
  static int type(const task& t) { return is_u8(t) ? CV_8UC1 : CV_32FC1; }

  cv::Mat in, out;
};

cv::Mat flipped(std::vector<float> taps, int rows) {
  std::reverse(taps.begin(), taps.end());
  return cv::Mat(taps, true).reshape(1, rows);
}

bool has_type(const task& t) {
  return t.problem.planes == 1 && (is_u8(t) || t.problem.types.in == dtype::f32);
}
bool possible(const task& t) {
  return t.is_plain() && has_type(t);
}

/// One filter after the other, where there are several.
std::unique_ptr<runner> filter_2d(const task& t, const buffers& b) {
  const std::vector<float> taps = make_flipped_filter(t);
  const std::size_t plane = b.out.size() / static_cast<std::size_t>(t.problem.filters);
  std::vector<cv::Mat> filters, out;
  for (std::int64_t f = 0; f < t.problem.filters; ++f) {
    const auto first = taps.begin() + f * t.taps();
    filters.push_back(cv::Mat(std::vector<float>(first, first + t.taps()), true)
                          .reshape(1, static_cast<int>(t.problem.filter.rows)));
    out.push_back(images(t, {b.in, b.out.subspan(static_cast<std::size_t>(f) * plane, plane)}).out);
  }
  return run_by([in = images(t, b).in, filters, out]() mutable {
    for (std::size_t f = 0; f < filters.size(); ++f)
      cv::filter2D(in, out[f], -1, filters[f], {-1, -1}, 0, cv::BORDER_CONSTANT);
  });
}

std::unique_ptr<runner> sep_filter_2d(const task& t, const buffers& b) {
  const factors f = make_factors(t).value();
  return run_by(
      [i = images(t, b), column = flipped(f.column, 1), row = flipped(f.row, 1)]() mutable {
        cv::sepFilter2D(i.in, i.out, -1, row, column, {-1, -1}, 0, cv::BORDER_CONSTANT);
      });
}

std::unique_ptr<runner> gaussian_blur(const task& t, const buffers& b) {
  const cv::Size size(static_cast<int>(t.problem.filter.cols),
                      static_cast<int>(t.problem.filter.rows));
  return run_by([i = images(t, b), size]() mutable {
    cv::GaussianBlur(i.in, i.out, size, size.width / 6.0, size.height / 6.0, cv::BORDER_CONSTANT);
  });
}

std::unique_ptr<runner> box_filter(const task& t, const buffers& b) {
  const cv::Size size(static_cast<int>(t.problem.filter.cols),
                      static_cast<int>(t.problem.filter.rows));
  return run_by([i = images(t, b), size]() mutable {
    cv::boxFilter(i.in, i.out, -1, size, {-1, -1}, true, cv::BORDER_CONSTANT);
  });
}

bool has_factors(const task& t) {
  return possible(t) && (t.filter == filter_kind::gaussian || t.filter == filter_kind::box);
}

bool is_odd(const task& t) {
  return t.problem.filter.rows % 2 == 1 && t.problem.filter.cols % 2 == 1;
}

}  // namespace

peer_library opencv_peers(int threads) {
  cv::setNumThreads(threads);
  return {
      "opencv",
      CV_VERSION,
      {// From 12 x 12 taps on it transforms.
       {"opencv/filter2D", true, [](const task& t) { return t.is_bank() && has_type(t); },
        filter_2d},
       {"opencv/sepFilter2D", false, has_factors, sep_filter_2d},
       {"opencv/GaussianBlur", false,
        [](const task& t) { return possible(t) && t.filter == filter_kind::gaussian && is_odd(t); },
        gaussian_blur},
       {"opencv/boxFilter", false,
        [](const task& t) { return possible(t) && t.filter == filter_kind::box && is_odd(t); },
        box_filter}}};
}

}  // namespace convgpu::bench
