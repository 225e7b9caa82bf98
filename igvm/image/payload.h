// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the guest runs once the stub is done, laid out at build time: pages at their addresses, what
// the hand-over has to zero, and where it jumps to (boot/hand_over). The file is hostile. Four
// forms are known by their bytes:
//   - an ELF64 goes to the physical addresses of its program headers; a position-independent one
//     goes where it is told, its relative relocations applied here;
//   - a Linux bzImage is carried whole, its 64-bit kernel at the address that it prefers
//     (kernel/bzimage.h);
//   - a unified kernel image is what it carries: that, an initrd and a command line (kernel/uki.h);
//   - anything else is a flat binary, entered at its first byte, if someone says where it lies.
#pragma once

#include "boot/hand_over/header.h"
#include "igvm/image/content.h"
#include "igvm/image/image_error.h"
#include "kernel/bzimage.h"

#include <optional>
#include <vector>

namespace vestibule::igvm {

using PayloadFormat   = kernel::Form;
using PayloadProtocol = kernel::Protocol;

/// Bytes at a page's address; the last page is filled up with zeros.
struct Block {
    u64 gpa;
    Content content;
};

struct Payload {
    PayloadFormat format     = PayloadFormat::flat;
    PayloadProtocol protocol = PayloadProtocol::boot_info; // by which it is entered
    u64 base                 = 0;                          // all of its memory, in whole pages
    u64 size                 = 0;
    u64 entry                = 0;
    std::vector<Block> blocks;                // ascending, apart
    std::vector<boot::MemoryRange> cleared;   // pages without data
    std::optional<kernel::LinuxKernel> linux; // of the protocol linux64
    std::span<const u8> initrd;               // a unified kernel image's
    std::string_view command_line;
};

std::string_view name_of(PayloadFormat format);

/// Payloads end below 4 GiB: that much is mapped for them.
inline constexpr u64 payload_limit = u64{1} << 32;

/// Where a position-independent ELF64 lies unless it is told.
inline constexpr u64 default_payload_address = 0x100'0000;

/// What a refusal says that it has found.
u32 first_bytes(std::span<const u8> bytes);

PayloadFormat payload_format(std::span<const u8> bytes);

/// Whether payloads of that form can be told where to lie; a flat binary must be.
bool takes_address(std::span<const u8> bytes);

/// The layout, which refers to the file's bytes. `address` only where it is taken.
std::expected<Payload, ImageError>
read_payload(std::span<const u8> bytes, std::optional<u64> address,
             PayloadProtocol protocol = PayloadProtocol::automatic);

// The forms, each in a file of its own.
std::expected<Payload, ImageError>
read_elf_payload(std::span<const u8> file, std::optional<u64> address, PayloadProtocol protocol);
std::expected<Payload, ImageError> read_linux_payload(std::span<const u8> file,
                                                      PayloadProtocol protocol);

} // namespace vestibule::igvm
