// Opening the guest's file with errors a person can act on, before QEMU can stumble over it.
#include "sevsim/guest_file.h"

#include "sevsim/options.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>

namespace vestibule::sevsim {

namespace {

constexpr u64 largest_file         = gib;
constexpr std::string_view magic   = "IGVM"; // IGVM_FIXED_HEADER.Magic
constexpr std::size_t header_bytes = 24;     // IGVM_FIXED_HEADER of format version 1

std::unexpected<std::string> refuse(const std::string& path, std::string_view why) {
    return std::unexpected(fmt::format("{}: {}", path, why));
}

} // namespace

std::expected<OpenedFile, std::string> open_igvm_file(const std::string& path) {
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status{};
    if (!file || fstat(file.get(), &status) != 0) {
        return refuse(path, std::strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(path, "not a regular file");
    }
    const auto size = static_cast<u64>(status.st_size);
    if (size == 0) {
        return refuse(path, "the file is empty; expected an IGVM file");
    }
    if (size > largest_file) {
        return refuse(path, fmt::format("{} bytes, larger than the 1 GiB that is supported", size));
    }
    std::array<char, header_bytes> header{};
    const ssize_t got = pread(file.get(), header.data(), header.size(), 0);
    if (got < 0) {
        return refuse(path, std::strerror(errno));
    }
    const std::string_view start{header.data(), static_cast<std::size_t>(got)};
    if (!start.starts_with(magic)) {
        return refuse(path, "not an IGVM file: expected the bytes 'IGVM' at offset 0");
    }
    if (start.size() < header_bytes) {
        return refuse(path,
                      fmt::format("the IGVM header is cut off at offset {}; expected {} bytes",
                                  start.size(), header_bytes));
    }
    return OpenedFile{std::move(file), size};
}

std::expected<OpenedFile, std::string> memory_file(std::span<const unsigned char> bytes) {
    Descriptor file{memfd_create("monitor", MFD_CLOEXEC)};
    if (!file) {
        return std::unexpected(
            fmt::format("no memory file for the monitor: {}", std::strerror(errno)));
    }
    const u64 size = bytes.size();
    while (!bytes.empty()) {
        const ssize_t put = write(file.get(), bytes.data(), bytes.size());
        if (put < 0) {
            return std::unexpected(
                fmt::format("cannot write the monitor to memory: {}", std::strerror(errno)));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return OpenedFile{std::move(file), size};
}

} // namespace vestibule::sevsim
