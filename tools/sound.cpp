// SPDX-License-Identifier: Apache-2.0
// WAV and FLAC by libsndfile, on files in memory.
#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

/// A file in memory as libsndfile sees it: `in` when reading, `out` when writing.
struct memory_file {
  std::string_view in;
  std::string out;
  sf_count_t position = 0;

  [[nodiscard]] std::string_view content() const { return in.data() != nullptr ? in : out; }
};

memory_file& file_of(void* user) {
  return *static_cast<memory_file*>(user);
}

sf_count_t file_length(void* user) {
  return static_cast<sf_count_t>(file_of(user).content().size());
}

sf_count_t tell(void* user) {
  return file_of(user).position;
}

sf_count_t seek(sf_count_t offset, int whence, void* user) {
  const sf_count_t start = whence == SEEK_SET   ? 0
                           : whence == SEEK_CUR ? tell(user)
                                                : file_length(user);
  sf_count_t target = 0;
  if (__builtin_add_overflow(start, offset, &target) || target < 0) return -1;
  return file_of(user).position = target;
}

sf_count_t read_bytes(void* to, sf_count_t count, void* user) {
  memory_file& file = file_of(user);
  const sf_count_t left = std::max<sf_count_t>(file_length(user) - file.position, 0);
  count = std::clamp<sf_count_t>(count, 0, left);
  if (count > 0)
    std::memcpy(to, file.content().data() + file.position, static_cast<std::size_t>(count));
  file.position += count;
  return count;
}

sf_count_t write_bytes(const void* from, sf_count_t count, void* user) try {
  memory_file& file = file_of(user);
  const auto position = static_cast<std::size_t>(file.position);
  const auto size = static_cast<std::size_t>(count);
  file.out.resize(std::max(file.out.size(), position + size));
  file.out.replace(position, size, static_cast<const char*>(from), size);
  file.position += count;
  return count;
} catch (...) {  // must not pass through C; nothing written is an error to libsndfile
  return 0;
}

using sound_file = std::unique_ptr<SNDFILE, decltype(&sf_close)>;

sound_file open(memory_file& file, int mode, SF_INFO& info) {
  SF_VIRTUAL_IO io{file_length, seek, read_bytes, write_bytes, tell};
  sound_file sound(sf_open_virtual(&io, mode, &info, &file), &sf_close);
  if (!sound) throw bad_file(std::string("bad sound: ") + sf_strerror(nullptr));
  return sound;
}

sf_count_t read(SNDFILE* f, std::int16_t* to, sf_count_t n) {
  return sf_readf_short(f, to, n);
}
sf_count_t read(SNDFILE* f, std::int32_t* to, sf_count_t n) {
  return sf_readf_int(f, to, n);
}
sf_count_t read(SNDFILE* f, float* to, sf_count_t n) {
  return sf_readf_float(f, to, n);
}
sf_count_t read(SNDFILE* f, double* to, sf_count_t n) {
  return sf_readf_double(f, to, n);
}

sf_count_t write(SNDFILE* f, const std::int16_t* x, sf_count_t n) {
  return sf_writef_short(f, x, n);
}
sf_count_t write(SNDFILE* f, const std::int32_t* x, sf_count_t n) {
  return sf_writef_int(f, x, n);
}
sf_count_t write(SNDFILE* f, const float* x, sf_count_t n) {
  return sf_writef_float(f, x, n);
}
sf_count_t write(SNDFILE* f, const double* x, sf_count_t n) {
  return sf_writef_double(f, x, n);
}

/// Block by block, so that memory grows with what is there and not with what the header claims.
template <class T>
array read_frames(SNDFILE* sound, const SF_INFO& info) {
  constexpr sf_count_t block = 16384;
  const auto channels = static_cast<std::size_t>(info.channels);
  std::vector<T> samples;
  sf_count_t frames = 0;
  for (;;) {
    const auto used = static_cast<std::size_t>(frames) * channels;
    samples.resize(used + block * channels);
    const sf_count_t got = read(sound, samples.data() + used, block);
    if (got <= 0) break;
    frames += got;
  }
  if (sf_error(sound) != SF_ERR_NO_ERROR) {
    throw bad_file(std::string("bad sound: ") + sf_strerror(sound));
  }
  // FLAC may leave its length open; libsndfile then gives the largest number.
  if (frames < info.frames && info.frames != SF_COUNT_MAX) {
    throw bad_file("the sound is cut off: its header claims " + std::to_string(info.frames) +
                   " frames, the file has " + std::to_string(frames));
  }
  const header h{.type = dtype_of<T>,
                 .kind = content::sound,
                 .dimensions = 1,
                 .cols = frames,
                 .planes = info.channels,
                 .sample_rate = info.samplerate};
  return deinterleave(h, std::as_bytes(std::span(samples)));
}

array decode(bytes content) {
  memory_file file{.in = as_text(content), .out = {}};
  SF_INFO info{};
  const sound_file sound = open(file, SFM_READ, info);
  switch (info.format & SF_FORMAT_SUBMASK) {
    // Unsigned 8 bits have their zero at 128, where no filter expects it: they are read as 16 bits
    // around 0, as libsndfile scales them.
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW: return read_frames<std::int16_t>(sound.get(), info);
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32: return read_frames<std::int32_t>(sound.get(), info);
    case SF_FORMAT_FLOAT: return read_frames<float>(sound.get(), info);
    case SF_FORMAT_DOUBLE: return read_frames<double>(sound.get(), info);
    default: break;
  }
  throw bad_file(
      "the sound's encoding is not accepted; allowed: PCM of 8 to 32 bits, float, double, u-law, "
      "a-law");
}

std::uint32_t little_endian(std::string_view four) {
  std::uint32_t value = 0;
  std::memcpy(&value, four.data(), sizeof(value));
  return value;
}

/// libsndfile plays what is left of a WAV that was cut off; here that is an error.
void check_data_chunk(std::string_view file) {
  for (std::string_view rest = file.substr(12); rest.size() >= 8;) {
    const std::uint32_t size = little_endian(rest.substr(4, 4));
    const bool is_data = rest.starts_with("data");
    rest.remove_prefix(8);
    if (is_data && size > rest.size()) {
      throw bad_file("the WAV is cut off: its header claims " + std::to_string(size) +
                     " bytes of sound, the file has " + std::to_string(rest.size()));
    }
    if (is_data) return;
    rest.remove_prefix(std::min<std::size_t>(rest.size(), std::size_t{size} + size % 2));
  }
  throw bad_file("the WAV has no sound in it");
}

std::string encode(const array& a, int format) {
  SF_INFO info{};
  info.samplerate = a.sample_rate > 0 ? a.sample_rate : 48000;
  info.channels = static_cast<int>(a.planes);
  info.format = format;
  memory_file file;
  sound_file sound = open(file, SFM_WRITE, info);
  // The chunk of peaks has the time in it: the same sound would not give the same file.
  sf_command(sound.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);
  const buffer samples = interleave(a);
  sf_count_t written = 0;
  visit_type(a.type, [&]<class T>(std::type_identity<T>) {
    if constexpr (requires(T * x) { write(nullptr, x, 0); }) {
      written = write(sound.get(), reinterpret_cast<const T*>(samples.data()), a.cols);
    } else if constexpr (std::same_as<T, std::uint8_t>) {  // as it is: 128 is silence
      written = sf_write_raw(sound.get(), samples.data(), a.cols * a.planes) / a.planes;
    }
  });
  const bool closed = sf_close(sound.release()) == 0;
  if (written != a.cols || !closed) throw bad_file("the sound could not be encoded");
  return std::move(file.out);
}

std::string why_not(std::string_view format, const header& h, std::initializer_list<dtype> types,
                    std::string_view hint, int most_channels, int highest_rate) {
  if (std::string reason = type_objection(format, h, types, hint); !reason.empty()) return reason;
  if (h.rows != 1) {
    return std::string(format) + " holds one signal, not " + std::to_string(h.rows) + " rows";
  }
  if (h.planes < 1 || h.planes > most_channels) {
    return std::string(format) + " holds 1 to " + std::to_string(most_channels) +
           " channels, not " + std::to_string(h.planes);
  }
  if (h.sample_rate > highest_rate) {
    return std::string(format) + " holds rates up to " + std::to_string(highest_rate) +
           " Hz, not " + std::to_string(h.sample_rate);
  }
  return {};
}

}  // namespace

bool is_wav(bytes file) {
  const std::string_view text = as_text(file);
  return text.starts_with("RIFF") && text.size() >= 12 && text.substr(8, 4) == "WAVE";
}

bool is_flac(bytes file) {
  return as_text(file).starts_with("fLaC");
}

array decode_wav(bytes file) {
  check_data_chunk(as_text(file));
  return decode(file);
}

array decode_flac(bytes file) {
  return decode(file);
}

std::string why_not_wav(const header& h) {
  if (std::string reason =
          why_not("WAV", h, {dtype::u8, dtype::i16, dtype::i32, dtype::f32, dtype::f64},
                  "write .npy", 1024, std::numeric_limits<int>::max());
      !reason.empty()) {
    return reason;
  }
  // Sizes are of 32 bits, and a little is left for the chunks around the sound.
  constexpr std::size_t limit = 0xffff'0000;
  if (byte_count(h) > limit)
    return "WAV holds less than 4 GiB, not " + std::to_string(byte_count(h));
  return {};
}

std::string why_not_flac(const header& h) {
  return why_not("FLAC", h, {dtype::i16}, "write .wav or .npy", 8, 655350);
}

std::string encode_wav(const array& a) {
  const int encoding = a.type == dtype::u8    ? SF_FORMAT_PCM_U8
                       : a.type == dtype::i16 ? SF_FORMAT_PCM_16
                       : a.type == dtype::i32 ? SF_FORMAT_PCM_32
                       : a.type == dtype::f32 ? SF_FORMAT_FLOAT
                                              : SF_FORMAT_DOUBLE;
  return encode(a, SF_FORMAT_WAV | encoding);
}

std::string encode_flac(const array& a) {
  return encode(a, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
}

}  // namespace convgpu::tools
