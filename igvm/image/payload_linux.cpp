// SPDX-License-Identifier: BSD-2-Clause-Patent
// A Linux kernel as a payload: a bzImage, or a unified kernel image that carries one. The kernel's
// file lies in memory as it is, its real-mode code below the protected-mode kernel, in whole pages.
#include "igvm/format/reader.h"
#include "igvm/image/payload.h"
#include "kernel/uki.h"

namespace vestibule::igvm {

/// `offset` of the kernel in the file that is refused.
static std::expected<Payload, ImageError> read_bzimage(std::span<const u8> file, u64 offset) {
    kernel::LinuxKernel linux{};
    if (elf::Fault fault = kernel::is_bzimage(elf_bytes(file))
                               ? kernel::read_bzimage(elf_bytes(file), linux)
                               : elf::damaged("a bzImage", 0, first_bytes(file));
        fault.is_there()) {
        fault.offset += offset;
        return refuse(fault);
    }
    const u64 first = linux.preferred_address - linux.offset;
    Payload payload;
    payload.format   = PayloadFormat::bzimage;
    payload.protocol = PayloadProtocol::linux64;
    payload.base     = first & ~(page_size - 1);
    payload.size     = (linux.preferred_address + linux.memory_size - payload.base + page_size - 1)
                   & ~(page_size - 1);
    payload.entry = linux.preferred_address + kernel::entry64_offset;
    std::vector<u8> bytes(first - payload.base);
    bytes.insert(bytes.end(), file.begin(), file.end());
    payload.blocks.push_back({.gpa = payload.base, .content = Content(std::move(bytes))});
    payload.linux = linux; // the rest of its memory is the kernel's own to clear
    return payload;
}

std::expected<Payload, ImageError> read_linux_payload(std::span<const u8> file,
                                                      PayloadProtocol protocol) {
    const PayloadFormat format = payload_format(file);
    PayloadProtocol chosen{};
    if (const elf::Fault fault = kernel::choose(format, protocol, false, first_bytes(file), chosen);
        fault.is_there()) {
        return refuse(fault);
    }
    if (format == PayloadFormat::bzimage) {
        return read_bzimage(file, 0);
    }
    kernel::Uki uki;
    if (const elf::Fault fault = kernel::read_uki(elf_bytes(file), uki); fault.is_there()) {
        return refuse(fault);
    }
    const auto part = [&](const elf::Bytes& bytes) {
        return std::span<const u8>(bytes.data, bytes.size);
    };
    auto payload = read_bzimage(part(uki.linux), static_cast<u64>(uki.linux.data - file.data()));
    if (payload) {
        payload->format = PayloadFormat::uki;
        payload->initrd = part(uki.initrd);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        const auto* line      = reinterpret_cast<const char*>(uki.command_line.data);
        payload->command_line = {line, uki.command_line.size};
    }
    return payload;
}

} // namespace vestibule::igvm
