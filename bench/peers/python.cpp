// SPDX-License-Identifier: Apache-2.0
// NumPy, SciPy and PyTorch, which cpu_peers.py runs in a process of its own when told to, so that its samples are
// taken in turns with everyone else's. It keeps the time itself. Data go through files.

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "../contender.hpp"

namespace convgpu::bench {
namespace {

namespace files = std::filesystem;

/// The process, and the talk with it: a line there, a line back.
class python_process {
 public:
  python_process(const std::string& python, int threads) {
    std::string pattern = (files::temp_directory_path() / "convgpu_bench.XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    folder_ = pattern;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::runtime_error("no socket");
    const std::string count = std::to_string(threads);
    child_ = ::fork();
    if (child_ == 0) {
      // Its output is the talk; what its libraries want to say goes to the terminal.
      ::dup2(ends[1], 0);
      ::dup2(ends[1], 1);
      // It is not to go on with something long when this program is stopped.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      // As keep_pages() in main.cpp.
      ::setenv("MALLOC_MMAP_MAX_", "0", 1);
      ::setenv("MALLOC_TRIM_THRESHOLD_", "9000000000000000000", 1);
      ::execlp(python.c_str(), python.c_str(), CONVGPU_BENCH_FOLDER "/peers/cpu_peers.py",
               count.c_str(), folder_.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    if (child_ < 0) throw std::runtime_error("no process for " + python);
    to_ = ::fdopen(ends[0], "r+");
  }
  python_process(const python_process&) = delete;
  python_process& operator=(const python_process&) = delete;
  ~python_process() {
    if (to_ != nullptr) std::fclose(to_);  // at which it ends
    ::waitpid(child_, nullptr, 0);
    std::error_code ignored;
    files::remove_all(folder_, ignored);
  }

  /// \throws std::runtime_error with its words where the answer begins with "error".
  std::string ask(const std::string& line) {
    std::fputs((line + "\n").c_str(), to_);
    std::fflush(to_);
    return answer();
  }
  std::string answer() {
    std::string words;
    for (int c = 0; (c = std::fgetc(to_)) != EOF && c != '\n';) words += static_cast<char>(c);
    if (words.starts_with("error ")) throw std::runtime_error(words.substr(6));
    if (words.empty()) throw std::runtime_error("no answer from cpu_peers.py");
    return words;
  }

  [[nodiscard]] files::path file(const std::string& name) const { return folder_ / name; }

  std::string loaded;  ///< the title of the task whose data it has

 private:
  files::path folder_;
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
};

void write(const files::path& path, std::span<const std::byte> bytes) {
  std::ofstream to(path, std::ios::binary);
  to.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!to) throw std::runtime_error("cannot write " + path.string());
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

class python_runner final : public runner {
 public:
  python_runner(std::shared_ptr<python_process> process, std::string name, const task& t,
                const buffers& b)
      : process_(std::move(process)), name_(std::move(name)), out_(b.out) {
    const std::string title = t.title("");
    if (process_->loaded != title) {
      write(process_->file("in"), b.in);
      write(process_->file("taps"), bytes_of(make_filter(t)));
      const factors f = make_factors(t).value_or(factors{});
      write(process_->file("column"), bytes_of(f.column));
      write(process_->file("row"), bytes_of(f.row));
      process_->ask("load " + t.line);
      process_->loaded = title;
    }
    process_->ask("prepare " + name_);
  }
  ~python_runner() override {
    try {
      process_->ask("forget " + name_);
    } catch (const std::exception&) {
    }
  }
  python_runner(const python_runner&) = delete;
  python_runner& operator=(const python_runner&) = delete;

  void run() override {
    process_->ask("save " + name_);
    std::ifstream from(process_->file("out"), std::ios::binary);
    from.read(reinterpret_cast<char*>(out_.data()), static_cast<std::streamsize>(out_.size()));
    if (!from || from.peek() != EOF) throw std::runtime_error("output of another size");
  }
  [[nodiscard]] double seconds(int times, stopwatch watch) override {
    return std::stod(process_->ask("time " + name_ + " " + std::to_string(times) +
                                   (watch == stopwatch::wall ? " wall" : " processor")));
  }

 private:
  std::shared_ptr<python_process> process_;
  std::string name_;
  std::span<std::byte> out_;
};

}  // namespace

peer_library python_peers(int threads, const std::string& python, const std::vector<task>& tasks) {
  const auto process = std::make_shared<python_process>(python, threads);
  peer_library all{"python", process->answer(), {}};
  // Which contender suits which tasks: asked once, since the registration needs to know.
  std::map<std::string, std::set<std::string>> suited;
  std::vector<std::string> order;
  for (const task& t : tasks) {
    std::istringstream names(process->ask("suits " + t.line));
    names.ignore(3);  // "ok "
    for (std::string name; names >> name;) {
      if (!suited.contains(name)) order.push_back(name);
      suited[name].insert(t.line);
    }
  }
  for (const std::string& name : order)
    all.contenders.push_back(
        {name, name.find("fft") != name.npos || name.find("oaconvolve") != name.npos,
         [lines = suited[name]](const task& t) { return lines.contains(t.line); },
         [process, name](const task& t, const buffers& b) {
           return std::make_unique<python_runner>(process, name, t, b);
         }});
  return all;
}

}  // namespace convgpu::bench
