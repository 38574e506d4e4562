// SPDX-License-Identifier: Apache-2.0
// The file of measured rates: found, read, written.

#include "calibration.hpp"

#include <chrono>
#include <convgpu/calibration.hpp>
#include <convgpu/detail/user_cache.hpp>
#include <convgpu/error.hpp>
#include <convgpu/plan.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>
#if CONVGPU_HAS_JSON
#include <nlohmann/json.hpp>
#endif

#include "json_text.hpp"
#include "problem.hpp"

namespace convgpu {
namespace detail {
namespace {

namespace fs = std::filesystem;

// Of the file. Another number for other names or meanings; the library's version is in it as well.
constexpr int format = 1;
constexpr std::uintmax_t largest_file = 1 << 20;
constexpr double longest =
    1;  // seconds that one of a thing may take, for the number to be believed

/// The values of a file, or why not.
struct answer {
  std::vector<double> values;
  std::string date;
  std::string reason;
};

answer refused(std::string reason) {
  return {.values = {}, .date = {}, .reason = std::move(reason)};
}

#if CONVGPU_HAS_JSON

answer read(const std::string& file, const rate_table& table) {
  std::error_code failed;
  // Whatever else has that name might never end.
  if (!fs::is_regular_file(file, failed)) return refused("is no file that can be read");
  if (fs::file_size(file, failed) > largest_file || failed) return refused("is too large");
  std::ifstream in(file, std::ios::binary);
  std::string content(largest_file, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!in.is_open() || in.bad()) return refused("cannot be read");
  content.resize(static_cast<std::size_t>(in.gcount()));
  const nlohmann::json all = nlohmann::json::parse(content, nullptr, false);
  if (!all.is_object()) return refused("is broken: it holds no JSON object");
  const auto text = [&](const char* name) {
    const auto found = all.find(name);
    return found != all.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = all.find("format");
  if (number == all.end() || !number->is_number_integer()) return refused("is broken: no format");
  if (*number != format) return refused("is of another format, " + number->dump());
  if (text("convgpu") != version())
    return refused("is of another version, convgpu " + text("convgpu"));
  if (text("machine") != table.machine())
    return refused("is of another machine, " + text("machine"));
  const auto rates = all.find("rates");
  if (rates == all.end() || !rates->is_object() || rates->size() != table.names.size())
    return refused("is broken: other rates than those that are asked for");
  answer a{.values = {}, .date = text("date"), .reason = {}};
  for (const std::string_view name : table.names) {
    const auto value = rates->find(name);
    if (value == rates->end() || !value->is_number())
      return refused("is broken: no rate " + std::string(name));
    const auto seconds = value->get<double>();
    if (!(seconds >= 0 && seconds <= longest))
      return refused("is broken: " + std::string(name) + " takes " + value->dump() + " s");
    a.values.push_back(seconds);
  }
  return a;
}

#else

answer read(const std::string&, const rate_table&) {
  return refused("is not read: libconvgpu was built without nlohmann-json");
}

#endif

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  char text[16];
  if (gmtime_r(&now, &utc) == nullptr || std::strftime(text, sizeof text, "%F", &utc) == 0)
    return "an unknown day";
  return text;
}

[[noreturn]] void cannot_write(const std::string& file, const std::string& why) {
  throw error("calibration: " + file + " cannot be written: " + why);
}

/// The file that a name stands for, links followed. Devices and pipes are not replaced by one.
fs::path target_of(const std::string& file) {
  std::error_code failed;
  const fs::file_status status = fs::status(file, failed);
  if (!fs::exists(status)) return file;
  if (!fs::is_regular_file(status)) cannot_write(file, "it exists, and is no regular file");
  const fs::path target = fs::canonical(file, failed);
  if (failed) cannot_write(file, failed.message());
  return target;
}

/// The folders of a file, without which it could not be there: removed again unless they are kept.
class new_folders {
 public:
  explicit new_folders(const fs::path& file) {
    std::error_code failed;
    for (fs::path folder = file.parent_path(); !folder.empty() && !fs::exists(folder, failed);
         folder = folder.parent_path())
      made_.push_back(folder);
    if (made_.empty()) return;
    fs::create_directories(made_.front(), failed);
    if (!failed) return;
    remove();
    cannot_write(file.string(), failed.message());
  }
  new_folders(const new_folders&) = delete;
  new_folders& operator=(const new_folders&) = delete;
  ~new_folders() { remove(); }
  void keep() noexcept { made_.clear(); }

 private:
  void remove() noexcept {
    std::error_code ignored;
    for (const fs::path& folder : made_) fs::remove(folder, ignored);  // none that is not empty
    made_.clear();
  }

  std::vector<fs::path> made_;  // the innermost first
};

}  // namespace

rates_in_use rates_of(const backend& b, int index, const std::string& file) {
  const rate_table& table = b.table;
  rates_in_use found{table.built_in(index), table.source(index), {}};
  if (table.machine == nullptr || file.empty()) return found;
  answer a = read(file, table);
  if (!a.reason.empty()) {
    found.ignored = "calibration: " + file + " " + a.reason;
    return found;
  }
  found.values = std::move(a.values);
  found.source = "measured on this machine on " + a.date + ", " + file;
  return found;
}

rates_in_use rates_of(const backend& b, int index) {
  if (b.table.machine == nullptr) return rates_of(b, index, {});
  static const rates_in_use found = [&] {
    const std::string file = calibration_file();
    std::error_code failed;
    // Nobody need have measured; but who names a file means it.
    const bool named = std::getenv("CONVGPU_CALIBRATION") != nullptr;
    return rates_of(b, 0, named || fs::exists(file, failed) ? file : std::string());
  }();
  return found;
}

}  // namespace detail

std::string calibration_file() {
  return detail::place_in_cache("CONVGPU_CALIBRATION", "calibration.json");
}

void calibrate(const std::string& file) {
  using namespace detail;
  if (file.empty())
    throw invalid_problem(
        "calibration: no file to write; allowed: a name in the environment variable "
        "CONVGPU_CALIBRATION, or a folder in XDG_CACHE_HOME or HOME");
  const backend& b = cpu_backend();
  if (const std::string reason = b.unavailable(0); !reason.empty())
    throw backend_unavailable("device: cpu cannot be used: " + reason);
  const std::string machine = b.table.machine();
  const fs::path target = target_of(file);
  new_folders folders(target);
  try {
    // Whether it can be written, before the time is spent; who is interrupted then leaves nothing.
    static_cast<void>(unfinished_file(target.string()));
    const std::vector<double> values = measure_rates(b);
    json_object rates;
    for (std::size_t i = 0; i < values.size(); ++i) rates.add(b.table.names[i], to_text(values[i]));
    json_object all;
    all.add("format", std::to_string(format));
    all.add("convgpu", json_text(version()));
    all.add("machine", json_text(machine));
    all.add("date", json_text(today()));
    all.add("unit", json_text("seconds"));
    all.add("rates", rates.text());
    unfinished_file to(target.string());
    to.write(all.text() + "\n");
    to.finish();
    folders.keep();
  } catch (const std::system_error& failed) {
    cannot_write(target.string(), failed.code().message());
  }
}

}  // namespace convgpu
