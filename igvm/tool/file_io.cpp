// SPDX-License-Identifier: BSD-2-Clause-Patent
// See file_io.h. POSIX calls, since streams do not say why they failed.
#include "igvm/tool/file_io.h"

#include <fmt/format.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vestibule::igvm {

namespace {
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}

    Descriptor(const Descriptor&)            = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    ~Descriptor() {
        if (number_ >= 0) {
            close(number_);
        }
    }

    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

std::unexpected<std::string> failed(const std::string& path, std::string_view what) {
    return std::unexpected(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

bool write_all(int descriptor, std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes = bytes.subspan(written < 0 ? 0 : static_cast<u64>(written));
    }
    return true;
}

constexpr u64 most_bytes = std::numeric_limits<u32>::max();

Descriptor open_to_read(const std::string& path) {
    return Descriptor(path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

/// None of a pipe, which has no size before it has ended.
std::expected<std::optional<u64>, std::string> checked_size(const Descriptor& file,
                                                            const std::string& path) {
    struct stat status{};
    if (file.number() < 0 || fstat(file.number(), &status) != 0) {
        return failed(path, "cannot open");
    }
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) {
        return std::nullopt;
    }
    if (!S_ISREG(status.st_mode)) {
        return std::unexpected(fmt::format("{}: not a regular file, nor a pipe", path));
    }
    const auto size = static_cast<u64>(status.st_size);
    if (size > most_bytes) {
        return std::unexpected(
            fmt::format("{}: found {} bytes, expected less than 4 GiB", path, size));
    }
    return size;
}

/// The rest of a file.
std::expected<std::vector<u8>, std::string> read_to_end(const Descriptor& file,
                                                        const std::string& path) {
    constexpr u64 piece = u64{1} << 16;
    std::vector<u8> bytes;
    for (u64 size = 0;;) {
        bytes.resize(size + piece);
        const ssize_t count = read(file.number(), bytes.data() + size, piece);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return failed(path, "cannot read");
        }
        size += static_cast<u64>(count);
        if (size > most_bytes) {
            return std::unexpected(
                fmt::format("{}: found {} bytes or more, expected less than 4 GiB", path, size));
        }
        if (count == 0) {
            bytes.resize(size);
            return bytes;
        }
    }
}

/// SIGBUS on a mapping: the page is not in the file any more. Only what a signal handler may call.
void report_shorter_file(int) {
    constexpr std::string_view message     = "igvmtool: a file became shorter while it was read\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message.data(), message.size());
    _exit(1);
}

/// Where a path leads: a link stays a link, and what it points to is replaced.
std::string real_target(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                           &std::free);
    return real ? std::string(real.get()) : path;
}
} // namespace

std::expected<MappedFile, std::string> MappedFile::open(const std::string& path) {
    const Descriptor file = open_to_read(path);
    const auto checked    = checked_size(file, path);
    if (!checked) {
        return std::unexpected(checked.error());
    }
    if (!*checked) {
        auto bytes = read_to_end(file, path);
        if (!bytes) {
            return std::unexpected(bytes.error());
        }
        return MappedFile(std::move(*bytes));
    }
    const u64 size = **checked;
    if (size == 0) {
        return MappedFile(std::span<const u8>{});
    }
    void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (address == MAP_FAILED) {
        return failed(path, "cannot map");
    }
    struct sigaction action{};
    action.sa_handler = report_shorter_file;
    sigaction(SIGBUS, &action, nullptr);
    return MappedFile(std::span(static_cast<const u8*>(address), size));
}

MappedFile::~MappedFile() {
    if (!bytes_.empty() && read_.empty()) {
        munmap(const_cast<u8*>(bytes_.data()), bytes_.size()); // NOLINT: it was mapped as void*
    }
}

std::expected<std::vector<u8>, std::string> read_file(const std::string& path) {
    const Descriptor file = open_to_read(path);
    const auto checked    = checked_size(file, path);
    if (!checked) {
        return std::unexpected(checked.error());
    }
    return read_to_end(file, path);
}

std::expected<void, std::string> write_file(const std::string& path, std::span<const u8> bytes) {
    if (path == "-") {
        if (!write_all(STDOUT_FILENO, bytes)) {
            return failed("standard output", "cannot write");
        }
        return {};
    }
    const std::string target = real_target(path);
    struct stat status{};
    if (stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
        return std::unexpected(fmt::format("{}: not a regular file", path));
    }
    const std::string temporary = fmt::format("{}.{}.tmp", target, getpid());
    const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.number() < 0) {
        return failed(path, "cannot create");
    }
    // On disk before it gets its name, so that a crash leaves no empty file under it.
    if (!write_all(file.number(), bytes) || fsync(file.number()) != 0
        || rename(temporary.c_str(), target.c_str()) != 0) {
        auto error = failed(path, "cannot write");
        unlink(temporary.c_str());
        return error;
    }
    return {};
}

} // namespace vestibule::igvm
