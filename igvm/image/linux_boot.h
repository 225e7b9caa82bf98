// Linux's 64-bit boot protocol as a loader sees it (Linux Documentation/arch/x86/boot.rst and
// zero-page.rst, arch/x86/include/uapi/asm/bootparam.h): the header in a bzImage, and the zero page
// that the kernel is given. igvmtool makes the zero page, so that command line, initrd and memory
// map are measured and no hypervisor has a say in them.
#pragma once

#include "boot/hand_over/header.h"
#include "x86/types.h"

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace vestibule::igvm {

/// What of the setup header decides where things lie.
struct LinuxKernel {
    std::vector<u8> setup_header; // from offset 0x1F1 to its end, as the kernel's file has it
    u64 initrd_limit;             // an initrd's last byte lies at most here
    u64 command_line_limit;       // characters, without the zero byte
};

/// What SNP needs (struct cc_blob_sev_info).
struct ConfidentialBlob {
    u64 secrets_page;
    u64 cpuid_page;
};

struct ZeroPageContents {
    u64 command_line; // addresses; 0 for none
    u64 initrd;
    u64 initrd_size;
    u64 stub; // memory that the stub holds: not for the kernel to use
    u64 stub_size;
    u64 memory; // bytes, from 0 on
    std::optional<ConfidentialBlob> confidential;
    u64 rsdp = 0; // ACPI's root pointer, in the stub's memory
    /// Of an SEV-SNP guest: no other memory is there for the kernel.
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::vector<boot::MemoryRange> accepted = {};
};

/// Where the low memory of a PC ends, and where it goes on.
inline constexpr u64 low_memory_end    = 0xA'0000;
inline constexpr u64 high_memory_start = 0x10'0000;

bool is_bzimage(std::span<const u8> bytes);

/// What a kernel is taken for that comes as an ELF64, without a setup header: the least that one
/// has which is entered by the 64-bit protocol.
LinuxKernel kernel_without_header();

/// `gpa` is the zero page's own address.
std::array<u8, page_size> make_zero_page(const LinuxKernel& kernel, u64 gpa,
                                         const ZeroPageContents& contents);

} // namespace vestibule::igvm
