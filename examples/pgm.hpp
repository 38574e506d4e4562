// SPDX-License-Identifier: Apache-2.0
// Grey pictures from and to the plainest files there are, for the examples. `convgpu convolve photo.jpg delta -o
// photo.pgm` makes one of any other, if that is grey.
#pragma once

#include <algorithm>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

struct picture {
  convgpu::extent size;
  std::vector<float> pixels;  // from 0, black, to 1
};

inline picture read_pgm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string mark;
  long rows = 0, cols = 0, white = 0;
  file >> mark >> cols >> rows >> white;
  file.get();  // one blank, then the pixels
  const bool good = file && mark == "P5" && white == 255 && rows > 0 && cols > 0;
  if (!good || rows > 8192 || cols > 8192)
    throw std::runtime_error(path + ": not a grey picture of 8 bits, up to 8192 square");
  std::string bytes(static_cast<std::size_t>(rows * cols), '\0');
  if (!file.read(bytes.data(), rows * cols)) throw std::runtime_error(path + ": cut off");
  picture p{{rows, cols}, std::vector<float>(bytes.size())};
  std::transform(bytes.begin(), bytes.end(), p.pixels.begin(), [](char byte) {
    return static_cast<float>(static_cast<unsigned char>(byte)) / 255;
  });
  return p;
}

inline void write_pgm(const std::string& path, const picture& p) {
  std::string bytes(p.pixels.size(), '\0');
  std::transform(p.pixels.begin(), p.pixels.end(), bytes.begin(), [](float value) {
    return static_cast<char>(
        static_cast<unsigned char>(std::lround(255 * std::clamp(value, 0.0f, 1.0f))));
  });
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << p.size.cols << ' ' << p.size.rows << "\n255\n" << bytes;
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}
