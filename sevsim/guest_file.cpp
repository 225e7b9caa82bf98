// SPDX-License-Identifier: BSD-2-Clause-Patent
// Opening the guest's file with errors a person can act on, before QEMU can stumble over it.
#include "sevsim/guest_file.h"

#include "sevsim/linux_boot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>

namespace vestibule::sevsim {

namespace {

constexpr u64 largest_file         = gib;
constexpr std::string_view magic   = "IGVM"; // IGVM_FIXED_HEADER.Magic
constexpr std::size_t igvm_header  = 24;     // IGVM_FIXED_HEADER of format version 1
constexpr u64 largest_firmware     = 16 * mib;
constexpr std::size_t reset_vector = 16; // bytes at the end of the firmware

std::unexpected<std::string> refuse(const std::string& path, std::string_view why) {
    return std::unexpected(fmt::format("{}: {}", path, why));
}

std::expected<OpenedFile, std::string> open_file(const std::string& path, std::string_view what) {
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
        return refuse(path, fmt::format("the file is empty; expected {}", what));
    }
    if (size > largest_file) {
        return refuse(path, fmt::format("{} bytes, larger than the 1 GiB that is supported", size));
    }
    return OpenedFile{std::move(file), size};
}

/// Up to `count` bytes of the file; fewer where it ends or cannot be read.
std::string read_at(const OpenedFile& file, u64 offset, std::size_t count) {
    std::string bytes(count, '\0');
    const ssize_t got =
        pread(file.descriptor.get(), bytes.data(), count, static_cast<off_t>(offset));
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
}

// What is wrong with a file of each kind, or nothing.

std::string igvm_fault(const OpenedFile& file) {
    const std::string start = read_at(file, 0, igvm_header);
    if (!start.starts_with(magic)) {
        return "not an IGVM file: expected the bytes 'IGVM' at offset 0";
    }
    if (start.size() < igvm_header) {
        return fmt::format("the IGVM header is cut off at offset {}; expected {} bytes",
                           start.size(), igvm_header);
    }
    return {};
}

std::string kernel_fault(const OpenedFile& file) {
    namespace boot = linux_boot;
    boot::SetupHeader header{};
    const std::string bytes = read_at(file, boot::header_offset, sizeof header);
    if (bytes.size() == sizeof header) {
        std::memcpy(&header, bytes.data(), sizeof header);
    }
    if (header.header != boot::header_magic) {
        return fmt::format("not a Linux kernel: expected the bytes 'HdrS' at offset {:#x} of a "
                           "bzImage",
                           boot::header_magic_offset);
    }
    const unsigned version = header.version;
    if (version < boot::oldest_version) {
        return fmt::format("a kernel with boot protocol {}.{:02}; expected {}.{:02} or newer",
                           version >> 8, version & 0xFF, boot::oldest_version >> 8,
                           boot::oldest_version & 0xFF);
    }
    if ((header.loadflags & boot::loaded_high) == 0) {
        return "a zImage, which lies in low memory; expected a bzImage";
    }
    return {};
}

std::string firmware_fault(const OpenedFile& file) {
    if (file.size % page_size != 0 || file.size > largest_firmware) {
        return fmt::format("{} bytes; expected a firmware volume, of whole 4 KiB pages and at most "
                           "{} MiB",
                           file.size, largest_firmware / mib);
    }
    const std::string vector = read_at(file, file.size - reset_vector, reset_vector);
    if (vector.empty() || vector.find_first_not_of(vector[0]) == std::string::npos) {
        return fmt::format("no code at the reset vector, the last {} bytes (a volume of variables "
                           "only?)",
                           reset_vector);
    }
    return {};
}

struct KindRow {
    GuestKind kind;
    const char* what;
    std::string (*fault)(const OpenedFile& file);
};

constexpr KindRow kinds[] = {
    {GuestKind::igvm,     "an IGVM file",      igvm_fault    },
    {GuestKind::kernel,   "a Linux bzImage",   kernel_fault  },
    {GuestKind::firmware, "a firmware volume", firmware_fault},
};

} // namespace

std::expected<OpenedFile, std::string> open_guest_file(const std::string& path, GuestKind kind) {
    const KindRow& row = *std::ranges::find(kinds, kind, &KindRow::kind);
    auto file          = open_file(path, row.what);
    if (!file) {
        return file;
    }
    if (const std::string fault = row.fault(*file); !fault.empty()) {
        return refuse(path, fault);
    }
    return file;
}

std::string read_file(const OpenedFile& file) { return read_at(file, 0, file.size); }

std::expected<igvm::Firmware, std::string> parse_guest_firmware(const std::string& content,
                                                                const std::string& path) {
    const auto firmware =
        igvm::parse_firmware({reinterpret_cast<const u8*>(content.data()), content.size()});
    if (!firmware) {
        const igvm::FirmwareError& error = firmware.error();
        return refuse(path, fmt::format("its table of GUIDs has {:#x} at offset {:#x}; expected {}",
                                        error.found, error.offset, error.expected));
    }
    return *firmware;
}

std::expected<u32, std::string> ap_start(const OpenedFile& file, const std::string& path) {
    const std::string content = read_file(file);
    const auto firmware       = parse_guest_firmware(content, path);
    if (!firmware) {
        return std::unexpected(firmware.error());
    }
    if (const std::optional<u32> address = firmware->reset_address) {
        return *address;
    }
    return refuse(path,
                  "no SEV-ES reset block (GUID 00f771de-1a7e-4fcb-890e-68c77e2fb44e), so only "
                  "one vCPU can start (--smp 1)");
}

std::expected<OpenedFile, std::string> open_initrd(const std::string& path) {
    return open_file(path, "an initrd");
}

std::expected<OpenedFile, std::string> memory_file(std::span<const std::byte> bytes) {
    Descriptor file{memfd_create("monitor", MFD_CLOEXEC)};
    if (!file) {
        return std::unexpected(fmt::format("no file in memory: {}", std::strerror(errno)));
    }
    const u64 size = bytes.size();
    while (!bytes.empty()) {
        const ssize_t put = write(file.get(), bytes.data(), bytes.size());
        if (put < 0) {
            return std::unexpected(
                fmt::format("cannot write a file in memory: {}", std::strerror(errno)));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return OpenedFile{std::move(file), size};
}

} // namespace vestibule::sevsim
